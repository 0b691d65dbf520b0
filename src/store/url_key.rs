//! Keys of mailboxes for URLs that let others fetch a message (RFC 4467).

use crate::sql::Sql;
use crate::{Store, StoreError};
use tokio_postgres::types::Type;
use types::{AccountId, MailboxId};

/// Octets of a key.
pub const KEY_OCTETS: usize = 32;

/// The key of a mailbox. `None`: none was made, or it was thrown away.
///
/// # Errors
/// As [`Store::session`].
pub async fn url_key_read(
    store: &Store,
    account: AccountId,
    mailbox: MailboxId,
) -> Result<Option<Vec<u8>>, StoreError> {
    static READ: Sql = Sql::new(
        "SELECT k.key FROM url_key k WHERE k.account_id = $1 AND k.mailbox_id = $2",
        &[Type::INT4, Type::UUID],
    );
    let row = store.session().await?.read_opt(&READ, &[&account.0, &mailbox.0]).await?;
    Ok(row.map(|row| row.get(0)))
}

/// Gives a mailbox this key, unless it has one, and says which it has. Safe to repeat. `None`: no such mailbox.
///
/// # Errors
/// As [`Store::session`]; [`StoreError::MaybeHappened`].
pub async fn url_key_make(
    store: &Store,
    account: AccountId,
    mailbox: MailboxId,
    key: &[u8; KEY_OCTETS],
) -> Result<Option<Vec<u8>>, StoreError> {
    static MAKE: Sql = Sql::new(
        "INSERT INTO url_key AS k (account_id, mailbox_id, key) \
         SELECT m.account_id, m.id, $3 FROM mailbox m WHERE m.account_id = $1 AND m.id = $2 AND m.state = 0 \
         ON CONFLICT (account_id, mailbox_id) DO UPDATE SET key = k.key RETURNING k.key",
        &[Type::INT4, Type::UUID, Type::BYTEA],
    );
    let session = store.session().await?;
    let rows = session.write(&MAKE, &[&account.0, &mailbox.0, &key.as_slice()]).await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// Throws away the key of a mailbox, or all keys of an account. Safe to repeat.
///
/// # Errors
/// As [`Store::session`]; [`StoreError::MaybeHappened`].
pub async fn url_key_remove(
    store: &Store,
    account: AccountId,
    mailbox: Option<MailboxId>,
) -> Result<(), StoreError> {
    static REMOVE: Sql = Sql::new(
        "DELETE FROM url_key k WHERE k.account_id = $1 AND ($2::uuid IS NULL OR k.mailbox_id = $2)",
        &[Type::INT4, Type::UUID],
    );
    let mailbox = mailbox.map(|mailbox| mailbox.0);
    store.session().await?.write(&REMOVE, &[&account.0, &mailbox]).await.map(|_| ())
}
