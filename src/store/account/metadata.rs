//! SETMETADATA.

use super::Change;
use crate::metadata::place;
use crate::sql::Sql;
use crate::{Session, StoreError};
use tokio_postgres::types::Type;
use types::{AccountId, MailboxId, ModSeq};

/// Most annotations of one mailbox, and of all mailboxes of an account together.
const MOST: i32 = 100;
const MOST_IN_ALL: i32 = 2_000;

/// Sets or removes annotations of a mailbox, or of the server: all or none. Refused with "no such mailbox" or "too many
/// annotations". Gives the account's modseq afterwards.
#[derive(Debug)]
pub struct MetadataSet<'a> {
    /// Whose.
    pub account: AccountId,
    /// Which mailbox; `None`: the server.
    pub mailbox: Option<MailboxId>,
    /// Names in lower case; `None` removes one.
    pub entries: &'a [(String, Option<Vec<u8>>)],
}

impl Change for MetadataSet<'_> {
    type Output = ModSeq;

    async fn apply(&self, session: &Session) -> Result<ModSeq, StoreError> {
        static SET: Sql = Sql::new(
            "SELECT modseq FROM metadata_set_v1($1, $2, $3, $4, $5, $6)",
            &[Type::INT4, Type::UUID, Type::TEXT_ARRAY, Type::BYTEA_ARRAY, Type::INT4, Type::INT4],
        );
        let entries: Vec<&str> = self.entries.iter().map(|(entry, _)| entry.as_str()).collect();
        let values: Vec<Option<&[u8]>> =
            self.entries.iter().map(|(_, value)| value.as_deref()).collect();
        let place = place(self.mailbox);
        let params: crate::pool::Params<'_> =
            &[&self.account.0, &place, &entries, &values, &MOST, &MOST_IN_ALL];
        let rows = session.write(&SET, params).await?;
        let row =
            rows.first().ok_or_else(|| StoreError::Bug("metadata_set_v1 gave no row".into()))?;
        Ok(ModSeq(row.get::<_, i64>(0) as u64))
    }
}

/// As [`MetadataSet`] by a user other than the owner: `/private` entries are that user's.
#[derive(Debug)]
pub struct MetadataSetAs<'a> {
    /// Who.
    pub user: AccountId,
    /// Whose mailbox.
    pub account: AccountId,
    /// Which.
    pub mailbox: MailboxId,
    /// Names in lower case; `None` removes one.
    pub entries: &'a [(String, Option<Vec<u8>>)],
}

impl Change for MetadataSetAs<'_> {
    type Output = ModSeq;

    async fn apply(&self, session: &Session) -> Result<ModSeq, StoreError> {
        static SET: Sql = Sql::new(
            "SELECT modseq FROM metadata_set_as_v1($1, $2, $3, $4, $5, $6, $7)",
            &[
                Type::INT4,
                Type::INT4,
                Type::UUID,
                Type::TEXT_ARRAY,
                Type::BYTEA_ARRAY,
                Type::INT4,
                Type::INT4,
            ],
        );
        let entries: Vec<&str> = self.entries.iter().map(|(entry, _)| entry.as_str()).collect();
        let values: Vec<Option<&[u8]>> =
            self.entries.iter().map(|(_, value)| value.as_deref()).collect();
        let params: crate::pool::Params<'_> = &[
            &self.user.0,
            &self.account.0,
            &self.mailbox.0,
            &entries,
            &values,
            &MOST,
            &MOST_IN_ALL,
        ];
        super::mailboxes::modseq(&session.write(&SET, params).await?)
    }
}
