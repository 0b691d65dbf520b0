//! Mailboxes as they are read.

use crate::sql::Sql;
use crate::{Store, StoreError};
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use types::{AccountId, MailboxId, ModSeq, Uid, UidValidity};

/// A mailbox row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxRow {
    /// Survives a rename.
    pub id: MailboxId,
    /// Full path, `/` between levels.
    pub name: String,
    /// Special use; see `mail::Role`.
    pub role: i16,
    /// UIDVALIDITY.
    pub uidvalidity: UidValidity,
    /// UIDNEXT.
    pub uidnext: Uid,
    /// HIGHESTMODSEQ, raised by expunges too.
    pub highest_modseq: ModSeq,
    /// Messages.
    pub total: u32,
    /// Without `\Seen`.
    pub unseen: u32,
    /// With `\Deleted`.
    pub deleted: u32,
    /// Octets.
    pub size: u64,
    /// UIDs from here on are `\Recent` for the next session that selects it.
    pub recent_uid: Uid,
}

/// Reads a mailbox from column `at` on.
pub(crate) fn mailbox_row(row: &Row, at: usize) -> MailboxRow {
    MailboxRow {
        id: MailboxId(row.get(at)),
        name: row.get(at + 1),
        role: row.get(at + 2),
        uidvalidity: UidValidity(row.get::<_, i32>(at + 3) as u32),
        uidnext: Uid(row.get::<_, i32>(at + 4) as u32),
        highest_modseq: ModSeq(row.get::<_, i64>(at + 5) as u64),
        total: row.get::<_, i32>(at + 6) as u32,
        unseen: row.get::<_, i32>(at + 7) as u32,
        deleted: row.get::<_, i32>(at + 8) as u32,
        size: row.get::<_, i64>(at + 9) as u64,
        recent_uid: Uid(row.get::<_, i32>(at + 10) as u32),
    }
}

/// All live mailboxes of an account by name. Empty: no such account.
///
/// # Errors
/// As [`Store::session`].
pub async fn mailbox_list(
    store: &Store,
    account: AccountId,
) -> Result<Vec<MailboxRow>, StoreError> {
    static LIST: Sql = Sql::new(
        "SELECT id, name, role, uidvalidity, uidnext, highest_modseq, total, unseen, deleted, size, recent_uid \
         FROM mailbox WHERE account_id = $1 AND state = 0 ORDER BY name COLLATE \"C\"",
        &[Type::INT4],
    );
    let rows = store.session().await?.read(&LIST, &[&account.0]).await?;
    Ok(rows.iter().map(|row| mailbox_row(row, 0)).collect())
}

/// One live mailbox. `None`: no such name.
///
/// # Errors
/// As [`Store::session`].
pub async fn mailbox_by_name(
    store: &Store,
    account: AccountId,
    name: &str,
) -> Result<Option<MailboxRow>, StoreError> {
    static BY_NAME: Sql = Sql::new(
        "SELECT id, name, role, uidvalidity, uidnext, highest_modseq, total, unseen, deleted, size, recent_uid \
         FROM mailbox WHERE account_id = $1 AND name = $2 AND state = 0",
        &[Type::INT4, Type::TEXT],
    );
    let row = store.session().await?.read_opt(&BY_NAME, &[&account.0, &name]).await?;
    Ok(row.map(|row| mailbox_row(&row, 0)))
}

/// Marks all present messages as seen by a session that may be told `\Recent`, and says from which UID on
/// they were new. Not a change of account data: no modseq, safe to repeat.
///
/// # Errors
/// As [`Store::session`].
pub async fn mailbox_claim_recent(
    store: &Store,
    account: AccountId,
    mailbox: MailboxId,
    before: Uid,
) -> Result<Uid, StoreError> {
    static CLAIM: Sql = Sql::new(
        "UPDATE mailbox m SET recent_uid = $3 FROM mailbox o \
         WHERE m.account_id = $1 AND m.id = $2 AND m.recent_uid < $3 \
           AND o.account_id = m.account_id AND o.id = m.id RETURNING o.recent_uid",
        &[Type::INT4, Type::UUID, Type::INT4],
    );
    let session = store.session().await?;
    let rows = session.write(&CLAIM, &[&account.0, &mailbox.0, &(before.0 as i32)]).await?;
    Ok(rows.first().map_or(before, |row| Uid(row.get::<_, i32>(0) as u32)))
}

/// Subscribed names, whether or not they exist.
///
/// # Errors
/// As [`Store::session`].
pub async fn subscription_list(
    store: &Store,
    account: AccountId,
) -> Result<Vec<String>, StoreError> {
    static LIST: Sql = Sql::new(
        "SELECT name FROM subscription WHERE account_id = $1 ORDER BY name COLLATE \"C\"",
        &[Type::INT4],
    );
    let rows = store.session().await?.read(&LIST, &[&account.0]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The modseq of each of these accounts that exists: the sweep's one question for a whole node.
///
/// # Errors
/// As [`Store::session`].
pub async fn account_modseqs(
    store: &Store,
    accounts: &[AccountId],
) -> Result<Vec<(AccountId, ModSeq)>, StoreError> {
    static MODSEQS: Sql = Sql::new(
        "SELECT account_id, modseq FROM account_state WHERE account_id = ANY ($1)",
        &[Type::INT4_ARRAY],
    );
    let ids: Vec<i32> = accounts.iter().map(|account| account.0).collect();
    let rows = store.session().await?.read(&MODSEQS, &[&ids]).await?;
    Ok(rows
        .iter()
        .map(|row| (AccountId(row.get(0)), ModSeq(row.get::<_, i64>(1) as u64)))
        .collect())
}

/// A deleted mailbox that still has rows, lowest account first; `None` when all is purged.
///
/// # Errors
/// As [`Store::session`].
pub async fn mailbox_to_purge(store: &Store) -> Result<Option<(AccountId, MailboxId)>, StoreError> {
    static NEXT: Sql = Sql::new(
        "SELECT account_id, id FROM mailbox WHERE state = 1 ORDER BY account_id, id LIMIT 1",
        &[],
    );
    let row = store.session().await?.read_opt(&NEXT, &[]).await?;
    Ok(row.map(|row| (AccountId(row.get(0)), MailboxId(row.get(1)))))
}

/// What an account uses and may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Octets of its messages; copies share theirs.
    pub bytes: u64,
    /// Its messages; copies are one.
    pub messages: u64,
    /// Most octets; `None`: no limit.
    pub most_bytes: Option<u64>,
    /// Most messages; `None`: no limit.
    pub most_messages: Option<u64>,
}

/// An account's usage and quota. `None`: no such account.
///
/// # Errors
/// As [`Store::session`].
pub async fn account_usage(store: &Store, account: AccountId) -> Result<Option<Usage>, StoreError> {
    static USAGE: Sql = Sql::new(
        "SELECT used_bytes, used_messages, quota_bytes, quota_messages FROM account_state \
         WHERE account_id = $1",
        &[Type::INT4],
    );
    let row = store.session().await?.read_opt(&USAGE, &[&account.0]).await?;
    let limit = |limit: Option<i64>| limit.map(|limit| limit as u64);
    Ok(row.map(|row| Usage {
        bytes: row.get::<_, i64>(0) as u64,
        messages: row.get::<_, i64>(1) as u64,
        most_bytes: limit(row.get(2)),
        most_messages: limit(row.get(3)),
    }))
}
