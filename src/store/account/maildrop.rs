//! QUIT of POP3.

use super::Change;
use super::copies::{Expunged, uid_array};
use crate::maildrop::Hold;
use crate::sql::{Sql, shard};
use crate::{Session, StoreError};
use tokio_postgres::types::Type;
use types::{MailboxId, ModSeq, Uid};

/// Removes messages from a maildrop, whatever flags they carry, if its lock is still held. Refused with "maildrop
/// lock lost".
#[derive(Debug)]
pub struct MaildropUpdate<'a> {
    /// Whose maildrop, and the session that has it.
    pub hold: Hold,
    /// The INBOX.
    pub mailbox: MailboxId,
    /// Which; missing ones are passed over.
    pub uids: &'a [Uid],
    /// Nothing more is to be removed: the lock is given back in the same step.
    pub last: bool,
}

impl Change for MaildropUpdate<'_> {
    type Output = Expunged;

    async fn apply(&self, session: &Session) -> Result<Expunged, StoreError> {
        static UPDATE: Sql = Sql::new(
            "SELECT uids, modseq FROM maildrop_update_v1($1, $2, $3, $4, $5, $6)",
            &[Type::INT4, Type::INT4, Type::UUID, Type::UUID, Type::INT4_ARRAY, Type::BOOL],
        );
        let (account, shard) = (self.hold.account, shard(self.hold.account) as i32);
        let uids = uid_array(self.uids);
        let params: crate::pool::Params<'_> =
            &[&account.0, &shard, &self.mailbox.0, &self.hold.holder, &uids, &self.last];
        let rows = session.write(&UPDATE, params).await?;
        let row =
            rows.first().ok_or_else(|| StoreError::Bug("maildrop_update_v1 gave no row".into()))?;
        let uids: Vec<i32> = row.get(0);
        let uids = uids.into_iter().map(|uid| Uid(uid as u32)).collect();
        Ok(Expunged { uids, modseq: ModSeq(row.get::<_, i64>(1) as u64) })
    }
}
