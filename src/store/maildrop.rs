//! Maildrops of POP3: their locks, and what is in them.
//!
//! Only a session's own node writes its row, or somebody who takes it over: a row that moves while a statement of ours
//! looks at it is another session's by then, and is rightly left alone.

use crate::sql::{Sharded, Sql};
use crate::{Store, StoreError};
use tokio_postgres::types::Type;
use types::{AccountId, MailboxId};
use uuid::Uuid;

/// Length of a lock's lease in seconds; it is renewed every [`MAILDROP_RENEW_SECONDS`].
pub const MAILDROP_LEASE_SECONDS: i32 = 15;
/// How often a node renews its locks, in seconds.
pub const MAILDROP_RENEW_SECONDS: u64 = 4;

/// One session's hold on one maildrop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hold {
    /// Whose maildrop.
    pub account: AccountId,
    /// The session.
    pub holder: Uuid,
}

impl Hold {
    /// For a new session.
    #[must_use]
    pub fn new(account: AccountId) -> Self {
        Self { account, holder: Uuid::new_v4() }
    }
}

/// Takes a maildrop's lock. `false`: another session has it. Safe to repeat.
///
/// # Errors
/// As [`Store::session`]; [`StoreError::Refused`] when the account is gone. [`StoreError::MaybeHappened`]: it may be
/// taken, and falls with its lease.
pub async fn maildrop_lock_take(store: &Store, hold: Hold) -> Result<bool, StoreError> {
    static TAKE: Sql = Sql::new(
        "INSERT INTO maildrop_lock (account_id, holder, expires_at) \
         VALUES ($1, $2, now() + make_interval(secs => $3)) \
         ON CONFLICT (account_id) DO UPDATE SET holder = EXCLUDED.holder, expires_at = EXCLUDED.expires_at \
         WHERE maildrop_lock.holder = EXCLUDED.holder OR maildrop_lock.expires_at < now() RETURNING 1",
        &[Type::INT4, Type::UUID, Type::FLOAT8],
    );
    let seconds = f64::from(MAILDROP_LEASE_SECONDS);
    let session = store.session().await?;
    let rows = session.write(&TAKE, &[&hold.account.0, &hold.holder, &seconds]).await?;
    Ok(!rows.is_empty())
}

/// Renews locks, also one that ran out and that nobody took. Gives those that are still held. Safe to repeat.
///
/// # Errors
/// As [`Store::session`]; nothing is known of any lock then.
pub async fn maildrop_lock_renew(store: &Store, holds: &[Hold]) -> Result<Vec<Hold>, StoreError> {
    static RENEW: Sql = Sql::new(
        "UPDATE maildrop_lock l SET expires_at = now() + make_interval(secs => $3) \
         WHERE l.ctid = ANY (ARRAY( \
               SELECT found.at FROM unnest($1, $2) AS h(account_id, holder) CROSS JOIN LATERAL ( \
                      SELECT x.ctid AS at FROM maildrop_lock x \
                      WHERE x.account_id = h.account_id AND x.holder = h.holder OFFSET 0) found)) \
         RETURNING l.account_id, l.holder",
        &[Type::INT4_ARRAY, Type::UUID_ARRAY, Type::FLOAT8],
    );
    let (accounts, holders) = columns(holds);
    let seconds = f64::from(MAILDROP_LEASE_SECONDS);
    let session = store.session().await?;
    let rows = session.write(&RENEW, &[&accounts, &holders, &seconds]).await?;
    let hold =
        |row: &tokio_postgres::Row| Hold { account: AccountId(row.get(0)), holder: row.get(1) };
    Ok(rows.iter().map(hold).collect())
}

/// Gives locks back. One that is another session's by now stays. Safe to repeat.
///
/// # Errors
/// As [`Store::session`]; a lock that was not given back falls with its lease.
pub async fn maildrop_lock_release(store: &Store, holds: &[Hold]) -> Result<(), StoreError> {
    static RELEASE: Sql = Sql::new(
        "DELETE FROM maildrop_lock l WHERE l.ctid = ANY (ARRAY( \
               SELECT found.at FROM unnest($1, $2) AS h(account_id, holder) CROSS JOIN LATERAL ( \
                      SELECT x.ctid AS at FROM maildrop_lock x \
                      WHERE x.account_id = h.account_id AND x.holder = h.holder OFFSET 0) found))",
        &[Type::INT4_ARRAY, Type::UUID_ARRAY],
    );
    let (accounts, holders) = columns(holds);
    store.session().await?.write(&RELEASE, &[&accounts, &holders]).await.map(|_| ())
}

fn columns(holds: &[Hold]) -> (Vec<i32>, Vec<Uuid>) {
    holds.iter().map(|hold| (hold.account.0, hold.holder)).unzip()
}

/// The next messages of a mailbox above `after`, UID and octets each, ascending, at most `limit`. Fewer: that was
/// all.
///
/// # Errors
/// As [`Store::session`].
pub async fn maildrop_rows(
    store: &Store,
    account: AccountId,
    mailbox: MailboxId,
    after: u32,
    limit: u32,
) -> Result<Vec<(u32, u32)>, StoreError> {
    static ROWS: Sharded = Sharded::new(
        "SELECT uid, size FROM mailbox_message_{p} \
         WHERE account_id = $1 AND mailbox_id = $2 AND uid > $3 ORDER BY uid LIMIT $4",
        &[Type::INT4, Type::UUID, Type::INT4, Type::INT8],
    );
    let after = i32::try_from(after).unwrap_or(i32::MAX);
    let session = store.session().await?;
    let params: crate::pool::Params<'_> = &[&account.0, &mailbox.0, &after, &i64::from(limit)];
    let rows = session.read(ROWS.of(account), params).await?;
    Ok(rows.iter().map(|row| (row.get::<_, i32>(0) as u32, row.get::<_, i32>(1) as u32)).collect())
}
