//! The change log of a whole account: what happened where, without the UIDs.

use crate::sql::Sql;
use crate::{Store, StoreError};
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use types::{AccountId, MailboxId, ModSeq};
use uuid::Uuid;

/// What a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Messages of a mailbox.
    Messages,
    /// A mailbox itself.
    Mailbox,
    /// Annotations.
    Metadata,
    /// Subscriptions.
    Subscription,
    /// What others may do with a mailbox.
    Rights,
    /// Something that a later version logs.
    Unknown,
}

/// One row of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountChange {
    /// When.
    pub modseq: ModSeq,
    /// What it is about.
    pub kind: Kind,
    /// 1 created, 2 updated, 3 destroyed.
    pub op: i16,
    /// Where; `None`: in no mailbox.
    pub mailbox: Option<MailboxId>,
    /// Entries of annotations, names of subscriptions.
    pub names: Vec<String>,
}

/// Where an account stands, and what happened in it since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountLog {
    /// The account's modseq.
    pub modseq: ModSeq,
    /// Changes at or below this are no longer logged.
    pub floor: ModSeq,
    /// Nothing was left out by the limit.
    pub complete: bool,
    /// Ascending by modseq and position.
    pub changes: Vec<AccountChange>,
}

/// The change log of an account after `since`, at most `limit` rows. `None`: no such account. One statement, so one
/// snapshot.
///
/// # Errors
/// As [`Store::session`].
pub async fn account_changes(
    store: &Store,
    account: AccountId,
    since: ModSeq,
    limit: u32,
) -> Result<Option<AccountLog>, StoreError> {
    static LOG: Sql = Sql::new(
        "SELECT s.modseq, s.change_floor, c.modseq, c.kind, c.op, c.mailbox_id, c.names \
         FROM account_state s \
         LEFT JOIN change c ON c.account_id = s.account_id AND c.modseq > $2 \
         WHERE s.account_id = $1 ORDER BY c.modseq, c.position LIMIT $3",
        &[Type::INT4, Type::INT8, Type::INT8],
    );
    let session = store.session().await?;
    let params: crate::pool::Params<'_> = &[&account.0, &(since.0 as i64), &i64::from(limit)];
    let rows = session.read(&LOG, params).await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let changes: Vec<AccountChange> = rows.iter().filter_map(change).collect();
    Ok(Some(AccountLog {
        modseq: ModSeq(first.get::<_, i64>(0) as u64),
        floor: ModSeq(first.get::<_, i64>(1) as u64),
        complete: changes.len() < limit as usize,
        changes,
    }))
}

fn change(row: &Row) -> Option<AccountChange> {
    let modseq: Option<i64> = row.get(2);
    let place: Uuid = row.get::<_, Option<Uuid>>(5)?;
    Some(AccountChange {
        modseq: ModSeq(modseq? as u64),
        kind: match row.get::<_, i16>(3) {
            1 => Kind::Messages,
            2 => Kind::Mailbox,
            3 => Kind::Metadata,
            4 => Kind::Subscription,
            5 => Kind::Rights,
            _ => Kind::Unknown,
        },
        op: row.get(4),
        mailbox: (!place.is_nil()).then_some(MailboxId(place)),
        names: row.get::<_, Option<Vec<String>>>(6).unwrap_or_default(),
    })
}
