//! CREATE, RENAME, DELETE and the purge of what was deleted.

use super::Change;
use crate::sql::{Sql, shard};
use crate::{Session, StoreError};
use tokio_postgres::types::Type;
use types::{AccountId, MailboxId, ModSeq};
use uuid::Uuid;

/// Most messages RENAME INBOX moves in its one transaction.
const RENAME_INBOX_CAP: i32 = 20_000;

/// CREATE. Refused with "mailbox exists" or "special use taken". Missing superior names are created.
#[derive(Debug)]
pub struct MailboxCreate<'a> {
    /// Whose.
    pub account: AccountId,
    /// Full path, already checked.
    pub name: &'a str,
    /// Special use, 0 for none.
    pub role: i16,
}

impl Change for MailboxCreate<'_> {
    type Output = (MailboxId, ModSeq);

    async fn apply(&self, session: &Session) -> Result<Self::Output, StoreError> {
        static CREATE: Sql = Sql::new(
            "SELECT id, modseq FROM mailbox_create_v1($1, $2, $3, $4)",
            &[Type::INT4, Type::TEXT, Type::INT2, Type::UUID_ARRAY],
        );
        let ids = ids_for_levels(self.name);
        let rows = session.write(&CREATE, &[&self.account.0, &self.name, &self.role, &ids]).await?;
        let row =
            rows.first().ok_or_else(|| StoreError::Bug("mailbox_create_v1 gave no row".into()))?;
        Ok((MailboxId(row.get(0)), ModSeq(row.get::<_, i64>(1) as u64)))
    }
}

/// RENAME with children. Refused with "no such mailbox", "mailbox exists" or "too many messages" (INBOX).
#[derive(Debug)]
pub struct MailboxRename<'a> {
    /// Whose.
    pub account: AccountId,
    /// Full path now.
    pub from: &'a str,
    /// Full path to be; not inside `from`.
    pub to: &'a str,
}

impl Change for MailboxRename<'_> {
    type Output = ModSeq;

    async fn apply(&self, session: &Session) -> Result<ModSeq, StoreError> {
        static RENAME: Sql = Sql::new(
            "SELECT modseq FROM mailbox_rename_v1($1, $2, $3, $4, $5, $6)",
            &[Type::INT4, Type::INT4, Type::TEXT, Type::TEXT, Type::UUID_ARRAY, Type::INT4],
        );
        let rows = session
            .write(
                &RENAME,
                &[
                    &self.account.0,
                    &(shard(self.account) as i32),
                    &self.from,
                    &self.to,
                    &ids_for_levels(self.to),
                    &RENAME_INBOX_CAP,
                ],
            )
            .await?;
        modseq(&rows)
    }
}

/// DELETE. Refused with "no such mailbox" or "mailbox has children".
#[derive(Debug)]
pub struct MailboxDelete<'a> {
    /// Whose.
    pub account: AccountId,
    /// Full path.
    pub name: &'a str,
}

impl Change for MailboxDelete<'_> {
    type Output = ModSeq;

    async fn apply(&self, session: &Session) -> Result<ModSeq, StoreError> {
        static DELETE: Sql =
            Sql::new("SELECT modseq FROM mailbox_delete_v1($1, $2)", &[Type::INT4, Type::TEXT]);
        modseq(&session.write(&DELETE, &[&self.account.0, &self.name]).await?)
    }
}

/// One step of purging a deleted mailbox; `true` while messages are left.
#[derive(Debug)]
pub struct MailboxPurge {
    /// Whose.
    pub account: AccountId,
    /// A deleted mailbox.
    pub mailbox: MailboxId,
}

impl Change for MailboxPurge {
    type Output = bool;

    async fn apply(&self, session: &Session) -> Result<bool, StoreError> {
        static PURGE: Sql = Sql::new(
            "SELECT mailbox_purge_v1($1, $2, $3, $4)",
            &[Type::INT4, Type::INT4, Type::UUID, Type::INT4],
        );
        let rows = session
            .write(
                &PURGE,
                &[
                    &self.account.0,
                    &(shard(self.account) as i32),
                    &self.mailbox.0,
                    &(super::CHUNK as i32),
                ],
            )
            .await?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }
}

/// An id for each level of a path: any of them may turn out to be missing.
fn ids_for_levels(name: &str) -> Vec<Uuid> {
    name.split('/').map(|_| MailboxId::new().0).collect()
}

pub(super) fn modseq(rows: &[tokio_postgres::Row]) -> Result<ModSeq, StoreError> {
    let row = rows.first().ok_or_else(|| StoreError::Bug("the function gave no row".into()))?;
    Ok(ModSeq(row.get::<_, i64>(0) as u64))
}
