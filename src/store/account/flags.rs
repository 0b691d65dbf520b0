//! STORE.

use super::Change;
use crate::pool::Params;
use crate::sql::{Sharded, Sql, shard};
use crate::{Session, StoreError};
use tokio_postgres::types::Type;
use types::{AccountId, Flags, MailboxId, ModSeq, Uid};

/// What to do with the given flags (RFC 9051 §6.4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagOp {
    /// `FLAGS`
    Set,
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
}

impl FlagOp {
    fn mode(self) -> i16 {
        match self {
            Self::Set => 0,
            Self::Add => 1,
            Self::Remove => 2,
        }
    }
}

/// Changes flags of messages in one mailbox; UIDs that do not exist are passed over.
#[derive(Debug)]
pub struct StoreFlags<'a> {
    /// Whose.
    pub account: AccountId,
    /// Where.
    pub mailbox: MailboxId,
    /// Which, at most [`super::CHUNK`].
    pub uids: &'a [Uid],
    /// How.
    pub op: FlagOp,
    /// System flags given.
    pub flags: Flags,
    /// Keywords given.
    pub keywords: &'a [String],
    /// Leave alone what changed after this (RFC 7162 UNCHANGEDSINCE).
    pub unchanged_since: Option<ModSeq>,
}

/// A message after STORE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Which.
    pub uid: Uid,
    /// Its flags now.
    pub flags: Flags,
    /// Its keywords now.
    pub keywords: Vec<String>,
    /// Its mod-sequence now.
    pub modseq: ModSeq,
    /// What happened to it.
    pub state: StoredState,
}

/// What STORE did to one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredState {
    /// It had the flags already.
    Unchanged,
    /// It has a new mod-sequence.
    Changed,
    /// It was changed after `unchanged_since` and left alone.
    Conflict,
}

impl Change for StoreFlags<'_> {
    type Output = Vec<Stored>;

    async fn apply(&self, session: &Session) -> Result<Vec<Stored>, StoreError> {
        static STORE: Sharded = Sharded::new(
            "SELECT uid, flags, keywords, modseq, outcome FROM store_flags_v1_{p}($1,$2,$3,$4,$5,$6,$7)",
            &[
                Type::INT4,
                Type::UUID,
                Type::INT4_ARRAY,
                Type::INT2,
                Type::INT4,
                Type::TEXT_ARRAY,
                Type::INT8,
            ],
        );
        static STORE_ONE: Sharded = Sharded::new(
            "SELECT uid, flags, keywords, modseq, outcome FROM store_flags_one_v1_{p}($1,$2,$3,$4,$5,$6,$7)",
            &[
                Type::INT4,
                Type::UUID,
                Type::INT4,
                Type::INT2,
                Type::INT4,
                Type::TEXT_ARRAY,
                Type::INT8,
            ],
        );
        let (account, mailbox, mode) = (&self.account.0, &self.mailbox.0, &self.op.mode());
        let (flags, keywords) = (&(self.flags.0 as i32), &given(self.keywords));
        let since = &self.unchanged_since.map(|modseq| modseq.0 as i64);
        let rows = match super::copies::uid_array(self.uids).as_slice() {
            [uid] => {
                let params: Params<'_> = &[account, mailbox, uid, mode, flags, keywords, since];
                session.write(STORE_ONE.of(self.account), params).await?
            }
            uids => {
                let params: Params<'_> = &[account, mailbox, &uids, mode, flags, keywords, since];
                session.write(STORE.of(self.account), params).await?
            }
        };
        Ok(rows.iter().map(stored).collect())
    }
}

/// The same by who may change only some flags; the others stay as they are.
#[derive(Debug)]
pub struct StoreFlagsWithin<'a> {
    /// What is asked for.
    pub change: StoreFlags<'a>,
    /// System flags that may change.
    pub flags: Flags,
    /// Whether keywords may.
    pub keywords: bool,
}

impl Change for StoreFlagsWithin<'_> {
    type Output = Vec<Stored>;

    async fn apply(&self, session: &Session) -> Result<Vec<Stored>, StoreError> {
        static STORE: Sql = Sql::new(
            "SELECT uid, flags, keywords, modseq, outcome \
             FROM store_flags_within_v1($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)",
            &[
                Type::INT4,
                Type::INT4,
                Type::UUID,
                Type::INT4_ARRAY,
                Type::INT2,
                Type::INT4,
                Type::TEXT_ARRAY,
                Type::INT8,
                Type::INT4,
                Type::BOOL,
            ],
        );
        let change = &self.change;
        let params: Params<'_> = &[
            &change.account.0,
            &(shard(change.account) as i32),
            &change.mailbox.0,
            &super::copies::uid_array(change.uids),
            &change.op.mode(),
            &(change.flags.0 as i32),
            &given(change.keywords),
            &change.unchanged_since.map(|modseq| modseq.0 as i64),
            &(self.flags.0 as i32),
            &self.keywords,
        ];
        Ok(session.write(&STORE, params).await?.iter().map(stored).collect())
    }
}

/// No keywords are as none given.
fn given(keywords: &[String]) -> Option<&[String]> {
    (!keywords.is_empty()).then_some(keywords)
}

fn stored(row: &tokio_postgres::Row) -> Stored {
    Stored {
        uid: Uid(row.get::<_, i32>(0) as u32),
        flags: Flags(row.get::<_, i32>(1) as u32),
        keywords: row.get::<_, Option<Vec<String>>>(2).unwrap_or_default(),
        modseq: ModSeq(row.get::<_, i64>(3) as u64),
        state: match row.get::<_, i16>(4) {
            0 => StoredState::Unchanged,
            1 => StoredState::Changed,
            _ => StoredState::Conflict,
        },
    }
}
