//! Recipients of this cluster that could not be delivered inline.
//!
//! There is no claim and no lease on a local recipient: delivering it is one transaction that also removes
//! its row (`deliver_v1`, `queue_settle_v1`), so two workers may try the same one and exactly one succeeds.

use crate::sql::Sql;
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::time::Duration;
use tokio_postgres::types::Type;
use types::{AccountId, BlobId, MailboxId};

/// A local recipient that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueRecipient {
    /// Its queue row.
    pub id: i64,
    /// Whose mail it is.
    pub account: AccountId,
    /// Wanted mailbox; `None` is INBOX.
    pub mailbox: Option<MailboxId>,
    /// The forward-path.
    pub recipient: String,
    /// Tries so far.
    pub attempts: u32,
    /// The message.
    pub blob: BlobId,
    /// Where its bytes are.
    pub object_key: String,
    /// Octets.
    pub size: u64,
    /// When it was accepted.
    pub received_at: DateTime<Utc>,
    /// The sender wants to hear that it was delivered ([`crate::account::Outbound::tells`]).
    pub tells: bool,
}

/// Due local recipients, the longest due first. Empty: nothing to do now.
///
/// # Errors
/// As [`Store::session`].
pub async fn queue_local_due(store: &Store, limit: u32) -> Result<Vec<DueRecipient>, StoreError> {
    static DUE: Sql = Sql::new(
        "SELECT r.id, r.account_id, r.mailbox_id, r.recipient, r.attempts, m.blob_id, b.object_key, m.size, \
                m.received_at, queue_wants_v1('success', m.reverse_path, r.envelope, m.envelope, r.recipient) \
         FROM queue_recipient r JOIN queue_message m ON m.id = r.queue_id JOIN blob b ON b.id = m.blob_id \
         WHERE r.account_id IS NOT NULL AND r.due <= now() ORDER BY r.due LIMIT $1",
        &[Type::INT8],
    );
    let rows = store.session().await?.read(&DUE, &[&i64::from(limit)]).await?;
    Ok(rows
        .iter()
        .map(|row| DueRecipient {
            id: row.get(0),
            account: AccountId(row.get(1)),
            mailbox: row.get::<_, Option<uuid::Uuid>>(2).map(MailboxId),
            recipient: row.get(3),
            attempts: row.get::<_, i32>(4) as u32,
            blob: BlobId(row.get(5)),
            object_key: row.get(6),
            size: row.get::<_, i64>(7) as u64,
            received_at: row.get(8),
            tells: row.get(9),
        })
        .collect())
}

/// Why a recipient waits, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Postponed<'a> {
    /// Not before so long.
    pub wait: Duration,
    /// RFC 3463.
    pub status: &'a str,
    /// In words, one line.
    pub why: &'a str,
    /// So long after it was accepted its sender hears that it is late; `None`: never.
    pub delay_report: Option<Duration>,
}

/// Puts off a recipient. Guarded by the number of attempts its reader saw, so that two workers that failed
/// together count once. Safe to repeat.
///
/// # Errors
/// As [`Store::session`].
pub async fn queue_postpone(
    store: &Store,
    id: i64,
    seen_attempts: u32,
    postponed: Postponed<'_>,
) -> Result<(), StoreError> {
    static POSTPONE: Sql = Sql::new(
        "WITH later AS ( \
             UPDATE queue_recipient SET attempts = attempts + 1, due = now() + make_interval(secs => $3), \
                    last_error = $5, result = jsonb_build_object('status', $4, 'text', $5) \
              WHERE id = $1 AND attempts = $2 AND account_id IS NOT NULL RETURNING queue_id) \
         UPDATE queue_message m SET delay_at = m.received_at + make_interval(secs => $6) FROM later \
          WHERE m.id = later.queue_id AND m.delay_at IS NULL AND NOT m.delay_sent AND m.reverse_path <> '' \
            AND $6 IS NOT NULL",
        &[Type::INT8, Type::INT4, Type::FLOAT8, Type::TEXT, Type::TEXT, Type::FLOAT8],
    );
    let Postponed { wait, status, why, delay_report } = postponed;
    let delay = delay_report.map(|delay| delay.as_secs_f64());
    let params: crate::pool::Params<'_> =
        &[&id, &(seen_attempts as i32), &wait.as_secs_f64(), &status, &why, &delay];
    store.session().await?.write(&POSTPONE, params).await.map(|_| ())
}

/// Ends a recipient that cannot be delivered. Its sender is told, if it wants to hear of failures: `result` is what
/// the report says (`status`, `text`).
///
/// # Errors
/// As [`Store::session`]; [`StoreError::Refused`] when somebody else settled it.
pub async fn queue_local_end(store: &Store, id: i64, result: &Value) -> Result<(), StoreError> {
    static END: Sql = Sql::new("SELECT queue_local_end_v1($1, $2)", &[Type::INT8, Type::JSONB]);
    store.session().await?.write(&END, &[&id, result]).await.map(|_| ())
}
