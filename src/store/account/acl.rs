//! SETACL and DELETEACL.

use super::Change;
use crate::sql::Sql;
use crate::{Session, StoreError};
use tokio_postgres::types::Type;
use types::{AccountId, MailboxId, ModSeq, Rights};

/// Most entries of one ACL: bounds what is looked at for every right.
const MOST: i32 = 500;

/// What becomes of an entry's rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RightsOp {
    /// They are these.
    Set,
    /// These too.
    Add,
    /// Not these.
    Remove,
}

/// Changes an entry of a mailbox's ACL; without rights there is none. Refused with "no such mailbox", "no such
/// identifier" or "too many entries". Gives the account's modseq afterwards. Safe to repeat.
#[derive(Debug, Clone, Copy)]
pub struct AclSet {
    /// Whose.
    pub account: AccountId,
    /// Which mailbox.
    pub mailbox: MailboxId,
    /// For whom; `None`: anyone.
    pub grantee: Option<AccountId>,
    /// The entry takes rights away.
    pub negative: bool,
    /// What to do with the rights.
    pub op: RightsOp,
    /// Which.
    pub rights: Rights,
}

impl Change for AclSet {
    type Output = ModSeq;

    async fn apply(&self, session: &Session) -> Result<ModSeq, StoreError> {
        static SET: Sql = Sql::new(
            "SELECT modseq FROM acl_set_v1($1, $2, $3, $4, $5, $6, $7)",
            &[Type::INT4, Type::UUID, Type::INT4, Type::BOOL, Type::INT2, Type::INT4, Type::INT4],
        );
        let mode: i16 = match self.op {
            RightsOp::Set => 0,
            RightsOp::Add => 1,
            RightsOp::Remove => 2,
        };
        let params: crate::pool::Params<'_> = &[
            &self.account.0,
            &self.mailbox.0,
            &self.grantee.map(|grantee| grantee.0),
            &self.negative,
            &mode,
            &i32::from(self.rights.0),
            &MOST,
        ];
        super::mailboxes::modseq(&session.write(&SET, params).await?)
    }
}
