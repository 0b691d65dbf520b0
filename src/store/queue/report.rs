//! Reports that are owed (RFC 3461). Writing one is a delivery that pays for it
//! ([`crate::account::Outbound::report`]).

use crate::sql::Sql;
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use types::{BlobId, Incarnation, QueueId, TenantId};

/// A message whose sender is to hear something.
#[derive(Debug, Clone, PartialEq)]
pub struct OwedReport {
    /// Its id.
    pub queue: QueueId,
    /// Who pays.
    pub tenant: TenantId,
    /// The stored bytes.
    pub blob: BlobId,
    /// Key in the blob store.
    pub object_key: String,
    /// First octet of the message within the object.
    pub offset: u64,
    /// Octets of the stored message.
    pub size: u64,
    /// The message as it came begins here.
    pub content_offset: u64,
    /// Whom to tell; never empty.
    pub reverse_path: String,
    /// Parameters of MAIL (`ret`, `envid`, `smtputf8`, …): an object.
    pub mail_parameters: Value,
    /// When it was accepted.
    pub received_at: DateTime<Utc>,
    /// That some of its recipients are delayed; otherwise what became of those that are done.
    pub delayed: bool,
    /// About whom. Empty: nobody that is delayed wants to tell; [`report_waive`] it.
    pub recipients: Vec<OwedRecipient>,
}

/// A recipient to be reported of.
#[derive(Debug, Clone, PartialEq)]
pub struct OwedRecipient {
    /// Its row.
    pub id: i64,
    /// The forward-path.
    pub recipient: String,
    /// Parameters of RCPT (`orcpt`, …): an object.
    pub parameters: Value,
    /// What became of it: `action` (`failed`, `relayed`, `delivered`), and what the last attempt's
    /// [`super::Note::detail`] said.
    pub result: Value,
    /// When its end was known; when it will be tried next, if it is delayed.
    pub at: DateTime<Utc>,
    /// When it is given up; `None`: a recipient of this cluster, for which there is no row's own end.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Most recipients that one look brings; the others of a message have a report of their own, the next time. Bounds
/// memory, as somebody may have written to ten thousand who do not exist.
const MOST: i64 = 2_000;
/// Most delayed recipients of a message that its report names.
const MOST_DELAYED: i64 = 200;

/// Messages with settled recipients. A message of which others are due or being sent waits for them, but not for
/// longer than `patience`, so that one report tells of many.
///
/// # Errors
/// As [`Store::session`].
pub async fn report_due(
    store: &Store,
    patience: Duration,
    limit: u32,
) -> Result<Vec<OwedReport>, StoreError> {
    static DUE: Sql = Sql::new(
        "SELECT m.id AS queue_id, m.tenant_id, m.blob_id, b.object_key, b.\"offset\" AS blob_offset, m.size, \
                m.content_offset, m.reverse_path, m.envelope AS mail, m.received_at, \
                r.id, r.recipient, r.envelope AS rcpt, r.result, r.due AS at, r.expires_at \
         FROM (SELECT s.queue_id FROM queue_recipient s WHERE s.state = 3 GROUP BY s.queue_id \
               HAVING min(s.due) <= now() - make_interval(secs => $1) \
                   OR min(s.due) <= now() AND NOT EXISTS (SELECT FROM queue_recipient o \
                                   WHERE o.queue_id = s.queue_id AND o.state IN (1, 2) AND NOT o.hold) \
               ORDER BY s.queue_id LIMIT $2) s \
         CROSS JOIN LATERAL (SELECT x.* FROM queue_message x WHERE x.id = s.queue_id OFFSET 0) m \
         CROSS JOIN LATERAL (SELECT x.* FROM blob x WHERE x.id = m.blob_id OFFSET 0) b \
         CROSS JOIN LATERAL (SELECT x.* FROM queue_recipient x \
                              WHERE x.queue_id = s.queue_id AND x.state = 3 ORDER BY x.id LIMIT $3) r \
         ORDER BY m.id, r.id LIMIT $3",
        &[Type::FLOAT8, Type::INT8, Type::INT8],
    );
    let params: crate::pool::Params<'_> = &[&patience.as_secs_f64(), &i64::from(limit), &MOST];
    let rows = store.session().await?.read(&DUE, params).await?;
    Ok(owed(&rows, false))
}

/// Messages of which a report of delay is due.
///
/// # Errors
/// As [`Store::session`].
pub async fn report_delayed(store: &Store, limit: u32) -> Result<Vec<OwedReport>, StoreError> {
    static DELAYED: Sql = Sql::new(
        "SELECT m.id AS queue_id, m.tenant_id, m.blob_id, b.object_key, b.\"offset\" AS blob_offset, m.size, \
                m.content_offset, m.reverse_path, m.envelope AS mail, m.received_at, \
                r.id, r.recipient, \
                COALESCE(NULLIF(r.envelope, '{}'), m.envelope->'recipients'->r.recipient, '{}') AS rcpt, \
                r.result, r.due AS at, r.expires_at \
         FROM (SELECT d.* FROM queue_message d WHERE d.delay_at <= now() ORDER BY d.delay_at LIMIT $1) m \
         CROSS JOIN LATERAL (SELECT x.* FROM blob x WHERE x.id = m.blob_id OFFSET 0) b \
         LEFT JOIN LATERAL (SELECT x.* FROM queue_recipient x \
                             WHERE x.queue_id = m.id AND x.state IN (0, 1, 2, 9) \
                               AND queue_wants_v1('delay', m.reverse_path, x.envelope, m.envelope, x.recipient) \
                            LIMIT $2) r ON true \
         ORDER BY m.id, r.id",
        &[Type::INT8, Type::INT8],
    );
    let params: crate::pool::Params<'_> = &[&i64::from(limit), &MOST_DELAYED];
    let rows = store.session().await?.read(&DELAYED, params).await?;
    Ok(owed(&rows, true))
}

/// Settles what owes a report without writing one: nobody can or wants to be told; `why` stands in the log.
///
/// # Errors
/// [`StoreError::Refused`] when somebody else settled one of them: nothing happened. As [`Store::session`].
pub async fn report_waive(
    store: &Store,
    node: Incarnation,
    settled: &[i64],
    delayed: &[QueueId],
    why: &str,
) -> Result<(), StoreError> {
    static WAIVE: Sql = Sql::new(
        "SELECT queue_report_v1($1, $2, $3, jsonb_build_object('waived', $4))",
        &[Type::UUID, Type::INT8_ARRAY, Type::UUID_ARRAY, Type::TEXT],
    );
    let delayed: Vec<uuid::Uuid> = delayed.iter().map(|queue| queue.0).collect();
    let session = store.session().await?;
    session.write(&WAIVE, &[&node.0, &settled, &delayed, &why]).await.map(|_| ())
}

/// Looks at these again only after a while: their report cannot be written, and others are not to wait behind them.
/// Safe to repeat.
///
/// # Errors
/// As [`Store::session`].
pub async fn report_postpone(
    store: &Store,
    settled: &[i64],
    delayed: &[QueueId],
    wait: Duration,
) -> Result<(), StoreError> {
    static POSTPONE: Sql = Sql::new(
        "WITH late AS ( \
             UPDATE queue_message SET delay_at = now() + make_interval(secs => $3) \
              WHERE id = ANY ($2) AND delay_at IS NOT NULL) \
         UPDATE queue_recipient SET due = now() + make_interval(secs => $3) WHERE id = ANY ($1) AND state = 3",
        &[Type::INT8_ARRAY, Type::UUID_ARRAY, Type::FLOAT8],
    );
    let delayed: Vec<uuid::Uuid> = delayed.iter().map(|queue| queue.0).collect();
    let session = store.session().await?;
    session.write(&POSTPONE, &[&settled, &delayed, &wait.as_secs_f64()]).await.map(|_| ())
}

/// Rows of one message follow one another.
fn owed(rows: &[Row], delayed: bool) -> Vec<OwedReport> {
    let mut all: Vec<OwedReport> = Vec::new();
    for row in rows {
        let queue = QueueId(row.get("queue_id"));
        if all.last().is_none_or(|last| last.queue != queue) {
            all.push(message(row, queue, delayed));
        }
        if let (Some(report), Some(recipient)) = (all.last_mut(), recipient(row)) {
            report.recipients.push(recipient);
        }
    }
    all
}

fn message(row: &Row, queue: QueueId, delayed: bool) -> OwedReport {
    OwedReport {
        queue,
        tenant: TenantId(row.get("tenant_id")),
        blob: BlobId(row.get("blob_id")),
        object_key: row.get("object_key"),
        offset: row.get::<_, i64>("blob_offset") as u64,
        size: row.get::<_, i64>("size") as u64,
        content_offset: row.get::<_, i32>("content_offset") as u64,
        reverse_path: row.get("reverse_path"),
        mail_parameters: row.get("mail"),
        received_at: row.get("received_at"),
        delayed,
        recipients: Vec::new(),
    }
}

fn recipient(row: &Row) -> Option<OwedRecipient> {
    Some(OwedRecipient {
        id: row.get::<_, Option<i64>>("id")?,
        recipient: row.get("recipient"),
        parameters: row.get("rcpt"),
        result: row.get::<_, Option<Value>>("result").unwrap_or_default(),
        at: row.get("at"),
        expires_at: row.get("expires_at"),
    })
}
