//! Annotations as they are read (RFC 5464).

use crate::sql::Sql;
use crate::{Store, StoreError};
use tokio_postgres::types::Type;
use types::{AccountId, MailboxId};
use uuid::Uuid;

/// An entry and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// Lower-case.
    pub entry: String,
    /// Never empty for lack of a value: then there is no entry.
    pub value: Vec<u8>,
}

/// What stands for the server where a mailbox could: the id of zeros.
pub(crate) fn place(mailbox: Option<MailboxId>) -> Uuid {
    mailbox.map_or(Uuid::nil(), |mailbox| mailbox.0)
}

/// The annotations of a mailbox, or of the server, with these names, and `depth` levels below them (2: all), by name.
///
/// # Errors
/// As [`Store::session`].
pub async fn annotations(
    store: &Store,
    account: AccountId,
    mailbox: Option<MailboxId>,
    entries: &[String],
    depth: u8,
) -> Result<Vec<Annotation>, StoreError> {
    static FOUND: Sql = Sql::new(
        "SELECT a.entry, a.value FROM annotation a \
         WHERE a.account_id = $1 AND a.mailbox_id = $2 AND EXISTS ( \
            SELECT 1 FROM unnest($3) e WHERE a.entry = e OR ($4 >= 1 AND starts_with(a.entry, e || '/') \
                AND ($4 = 2 OR position('/' IN substr(a.entry, length(e) + 2)) = 0))) \
         ORDER BY a.entry COLLATE \"C\"",
        &[Type::INT4, Type::UUID, Type::TEXT_ARRAY, Type::INT4],
    );
    let session = store.session().await?;
    let params: crate::pool::Params<'_> =
        &[&account.0, &place(mailbox), &entries, &i32::from(depth)];
    let rows = session.read(&FOUND, params).await?;
    Ok(rows.iter().map(|row| Annotation { entry: row.get(0), value: row.get(1) }).collect())
}
