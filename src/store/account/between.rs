//! COPY and MOVE where one of the mailboxes is somebody else's.

use super::Change;
use super::copies::{uid_array, uids};
use super::threads;
use crate::sql::{Sql, shard};
use crate::{Session, StoreError};
use tokio_postgres::types::Type;
use types::{AccountId, Flags, MailboxId, MessageId, ModSeq, Uid, UidValidity};
use uuid::Uuid;

/// A message, and the Message-ID hashes by which its conversation is found.
pub type Conversation = (MessageId, Vec<i64>);

/// COPY, or MOVE when `remove` is set: all or nothing, in one transaction of both accounts. Refused with "no such
/// mailbox", "over quota", or "being delivered": one of the messages waits in the queue for the target's owner.
#[derive(Debug)]
pub struct CopyBetween<'a> {
    /// Source.
    pub from: (AccountId, MailboxId),
    /// Which; missing ones are passed over.
    pub uids: &'a [Uid],
    /// Target.
    pub to: (AccountId, MailboxId),
    /// MOVE.
    pub remove: bool,
    /// System flags that the copies keep.
    pub flags: Flags,
    /// Whether they keep keywords.
    pub keywords: bool,
    /// Across accounts: the messages, each once; others are passed over.
    pub messages: &'a [Conversation],
}

/// Where the copies lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedBetween {
    /// Of the target mailbox.
    pub uidvalidity: UidValidity,
    /// Source and target UIDs, ascending.
    pub pairs: Vec<(Uid, Uid)>,
    /// The modseq of the source's account afterwards.
    pub source: ModSeq,
    /// The modseq of the target's account afterwards.
    pub target: ModSeq,
}

impl Change for CopyBetween<'_> {
    type Output = CopiedBetween;

    async fn apply(&self, session: &Session) -> Result<CopiedBetween, StoreError> {
        static COPY: Sql = Sql::new(
            "SELECT uidvalidity, source_uids, target_uids, source_modseq, target_modseq \
             FROM copy_between_v1($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15)",
            &[
                Type::INT4,
                Type::INT4,
                Type::UUID,
                Type::INT4_ARRAY,
                Type::INT4,
                Type::INT4,
                Type::UUID,
                Type::BOOL,
                Type::INT4,
                Type::BOOL,
                Type::UUID_ARRAY,
                Type::INT4_ARRAY,
                Type::UUID_ARRAY,
                Type::INT4_ARRAY,
                Type::INT8_ARRAY,
            ],
        );
        let ((source, from), (target, to)) = (self.from, self.to);
        let ids: Vec<Uuid> = self.messages.iter().map(|(id, _)| id.0).collect();
        let groups =
            threads::group(self.messages.iter().map(|(id, hashes)| (target, id.0, &hashes[..])));
        let params: crate::pool::Params<'_> = &[
            &source.0,
            &(shard(source) as i32),
            &from.0,
            &uid_array(self.uids),
            &target.0,
            &(shard(target) as i32),
            &to.0,
            &self.remove,
            &(self.flags.0 as i32),
            &self.keywords,
            &ids,
            &groups.of_delivery,
            &groups.fallback,
            &groups.hash_group,
            &groups.hash,
        ];
        let rows = session.write(&COPY, params).await?;
        let row =
            rows.first().ok_or_else(|| StoreError::Bug("copy_between_v1 gave no row".into()))?;
        Ok(CopiedBetween {
            uidvalidity: UidValidity(row.get::<_, i32>(0) as u32),
            pairs: uids(row.get(1)).into_iter().zip(uids(row.get(2))).collect(),
            source: ModSeq(row.get::<_, i64>(3) as u64),
            target: ModSeq(row.get::<_, i64>(4) as u64),
        })
    }
}
