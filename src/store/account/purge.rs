//! The purge of removed accounts, in short statements. Mailboxes go as deleted ones do
//! ([`super::MailboxPurge`]), then the log and the conversations, at last the account itself.
//!
//! Safe to repeat and to run twice at once. A delivery that saw the account alive has long ended: accounts
//! are looked at only some time after their removal, longer than any statement may take.

use crate::sql::{Sharded, Sql};
use crate::{Store, StoreError};
use tokio_postgres::types::Type;
use types::AccountId;

/// Removed accounts that can be purged by now, lowest first.
///
/// # Errors
/// As [`Store::session`].
pub async fn accounts_to_purge(store: &Store, limit: u32) -> Result<Vec<AccountId>, StoreError> {
    static NEXT: Sql = Sql::new(
        "SELECT id FROM account WHERE state = 2 AND removed_at < now() - interval '2 minutes' \
         ORDER BY id LIMIT $1",
        &[Type::INT8],
    );
    let rows = store.session().await?.read(&NEXT, &[&i64::from(limit)]).await?;
    Ok(rows.iter().map(|row| AccountId(row.get(0))).collect())
}

/// Marks what mailboxes a removed account still has as deleted. Gives their number.
///
/// # Errors
/// As [`Store::session`].
pub async fn account_mailboxes_delete(
    store: &Store,
    account: AccountId,
) -> Result<usize, StoreError> {
    static DELETE: Sql = Sql::new(
        "UPDATE mailbox m SET state = 1, role = 0 FROM account a \
         WHERE a.id = $1 AND a.state = 2 AND m.account_id = a.id AND m.state = 0 RETURNING 1",
        &[Type::INT4],
    );
    Ok(store.session().await?.write(&DELETE, &[&account.0]).await?.len())
}

/// Removes a piece of a removed account's log and conversations. `true`: there may be more.
///
/// # Errors
/// As [`Store::session`].
pub async fn account_log_purge(
    store: &Store,
    account: AccountId,
    limit: u32,
) -> Result<bool, StoreError> {
    static PURGE: Sql = Sql::new(
        "WITH c AS ( \
            DELETE FROM change WHERE ctid = ANY (ARRAY( \
                SELECT ctid FROM change WHERE account_id = $1 LIMIT $2)) RETURNING 1 \
         ), t AS ( \
            DELETE FROM thread_ref WHERE ctid = ANY (ARRAY( \
                SELECT ctid FROM thread_ref WHERE account_id = $1 LIMIT $2)) RETURNING 1 \
         ) SELECT (SELECT count(*) FROM c) + (SELECT count(*) FROM t)",
        &[Type::INT4, Type::INT8],
    );
    let session = store.session().await?;
    let rows = session.write(&PURGE, &[&account.0, &i64::from(limit)]).await?;
    Ok(rows.first().is_some_and(|row| row.get::<_, i64>(0) > 0))
}

/// Removes a removed account that has nothing left. `false`: it has, or it is gone already.
///
/// # Errors
/// As [`Store::session`].
pub async fn account_finish(store: &Store, account: AccountId) -> Result<bool, StoreError> {
    static FINISH: Sharded = Sharded::new(
        "DELETE FROM account a WHERE a.id = $1 AND a.state = 2 \
         AND NOT EXISTS (SELECT FROM mailbox m WHERE m.account_id = $1) \
         AND NOT EXISTS (SELECT FROM mailbox_message_{p} t WHERE t.account_id = $1) \
         AND NOT EXISTS (SELECT FROM message_{p} t WHERE t.account_id = $1) RETURNING 1",
        &[Type::INT4],
    );
    Ok(!store.session().await?.write(FINISH.of(account), &[&account.0]).await?.is_empty())
}
