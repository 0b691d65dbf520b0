//! EXPUNGE, COPY and MOVE.

use super::Change;
use crate::sql::{Sql, shard};
use crate::{Session, StoreError};
use tokio_postgres::types::Type;
use types::{AccountId, MailboxId, ModSeq, Uid, UidValidity};

/// Removes those of the given messages that carry `\Deleted`.
#[derive(Debug)]
pub struct Expunge<'a> {
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub mailbox: MailboxId,
    /// Which, at most [`super::CHUNK`].
    pub uids: &'a [Uid],
}

/// What EXPUNGE removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expunged {
    /// Ascending.
    pub uids: Vec<Uid>,
    /// The mod-sequence of the removal; the account's as it was when nothing was removed.
    pub modseq: ModSeq,
}

impl Change for Expunge<'_> {
    type Output = Expunged;

    async fn apply(&self, session: &Session) -> Result<Expunged, StoreError> {
        static EXPUNGE: Sql = Sql::new(
            "SELECT uids, modseq FROM expunge_v1($1, $2, $3, $4)",
            &[Type::INT4, Type::INT4, Type::UUID, Type::INT4_ARRAY],
        );
        let rows = session
            .write(
                &EXPUNGE,
                &[
                    &self.account.0,
                    &(shard(self.account) as i32),
                    &self.mailbox.0,
                    &uid_array(self.uids),
                ],
            )
            .await?;
        let row = rows.first().ok_or_else(|| StoreError::Bug("expunge_v1 gave no row".into()))?;
        Ok(Expunged { uids: uids(row.get(0)), modseq: ModSeq(row.get::<_, i64>(1) as u64) })
    }
}

/// COPY, or MOVE when `remove` is set: all or nothing.
#[derive(Debug)]
pub struct CopyMessages<'a> {
    /// Whose.
    pub account: AccountId,
    /// Source mailbox.
    pub from: MailboxId,
    /// Which; missing ones are passed over.
    pub uids: &'a [Uid],
    /// Target mailbox.
    pub to: MailboxId,
    /// MOVE.
    pub remove: bool,
}

/// Where the copies lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Of the target mailbox.
    pub uidvalidity: UidValidity,
    /// Source and target UIDs, ascending.
    pub pairs: Vec<(Uid, Uid)>,
    /// The mod-sequence of the change; the account's as it was when nothing was copied.
    pub modseq: ModSeq,
}

impl Change for CopyMessages<'_> {
    type Output = Copied;

    /// [`StoreError::Refused`] "no such mailbox" when the target is gone.
    async fn apply(&self, session: &Session) -> Result<Copied, StoreError> {
        static COPY: Sql = Sql::new(
            "SELECT uidvalidity, source_uids, target_uids, modseq FROM copy_v1($1, $2, $3, $4, $5, $6)",
            &[Type::INT4, Type::INT4, Type::UUID, Type::INT4_ARRAY, Type::UUID, Type::BOOL],
        );
        let rows = session
            .write(
                &COPY,
                &[
                    &self.account.0,
                    &(shard(self.account) as i32),
                    &self.from.0,
                    &uid_array(self.uids),
                    &self.to.0,
                    &self.remove,
                ],
            )
            .await?;
        let row = rows.first().ok_or_else(|| StoreError::Bug("copy_v1 gave no row".into()))?;
        Ok(Copied {
            uidvalidity: UidValidity(row.get::<_, i32>(0) as u32),
            pairs: uids(row.get(1)).into_iter().zip(uids(row.get(2))).collect(),
            modseq: ModSeq(row.get::<_, i64>(3) as u64),
        })
    }
}

pub(super) fn uid_array(uids: &[Uid]) -> Vec<i32> {
    uids.iter().map(|uid| uid.0 as i32).collect()
}

pub(super) fn uids(array: Vec<i32>) -> Vec<Uid> {
    array.into_iter().map(|uid| Uid(uid as u32)).collect()
}
