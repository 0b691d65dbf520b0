//! What can go wrong, told apart by who is to blame and whether it happened.

use crate::name::NameError;
use blob::BlobError;
use store::StoreError;

/// Why a call gave no answer. Only [`MailError::MayHaveHappened`] leaves open whether something changed;
/// everything else did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// Somebody else is writing to the account, or this node is at its limits. Trying again soon is right.
    #[error("{0}")]
    Busy(&'static str),
    /// PostgreSQL or the blob store is away.
    #[error("{0}")]
    Unavailable(String),
    /// A write was sent and its answer lost.
    #[error("the outcome is unknown: {0}")]
    MayHaveHappened(String),
    /// The name is not legal.
    #[error(transparent)]
    Name(#[from] NameError),
    /// No such mailbox (any more).
    #[error("no such mailbox")]
    NoMailbox,
    /// The mailbox may be seen, and this may not be done with it (RFC 4314).
    #[error("no permission")]
    NoPermission,
    /// Nobody is called so in an ACL.
    #[error("no such identifier")]
    NoIdentifier,
    /// A message is on its way to the account already, by the queue.
    #[error("the message is being delivered to the account")]
    BeingDelivered,
    /// The target's account is full.
    #[error("the account is over its quota")]
    OverQuota,
    /// COPY, MOVE or APPEND to a mailbox that does not exist, and could be created.
    #[error("no such mailbox")]
    NoTarget,
    /// A mailbox of this name exists.
    #[error("the mailbox exists already")]
    Exists,
    /// DELETE of a mailbox that has mailboxes below it.
    #[error("the mailbox has mailboxes below it")]
    HasChildren,
    /// Another mailbox has this special use, or this server does not know it.
    #[error("this special use is not to be had")]
    UseTaken,
    /// Never possible: deleting INBOX, renaming a mailbox into itself.
    #[error("{0}")]
    Cannot(&'static str),
    /// Over a fixed limit.
    #[error("{0}")]
    Limit(&'static str),
    /// Over the number of annotations (RFC 5464).
    #[error("too many annotations")]
    TooMany,
    /// The account is gone.
    #[error("the account is gone")]
    NoAccount,
    /// The maildrop's lock is another session's by now.
    #[error("the maildrop's lock is lost")]
    LockLost,
    /// A message's bytes are gone: it was expunged meanwhile.
    #[error("the message is gone")]
    Expunged,
    /// A message's bytes are missing or damaged though its row says they are there.
    #[error("damaged: {0}")]
    Damaged(String),
    /// A mistake of ours.
    #[error("internal error: {0}")]
    Bug(String),
}

impl From<StoreError> for MailError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy(why) => Self::Busy(why),
            StoreError::Locked => Self::Busy("the account is locked by another change"),
            StoreError::Unavailable(why) => Self::Unavailable(why),
            StoreError::MaybeHappened(why) => Self::MayHaveHappened(why),
            StoreError::Refused(why) => refused(&why),
            StoreError::Conflict(_) => Self::Exists,
            StoreError::Schema(why) => Self::Unavailable(why),
            StoreError::Bug(why) => Self::Bug(why),
        }
    }
}

/// The texts that the SQL functions raise.
fn refused(why: &str) -> MailError {
    match why {
        "no such account" => MailError::NoAccount,
        "no such mailbox" => MailError::NoMailbox,
        "mailbox exists" => MailError::Exists,
        "mailbox has children" => MailError::HasChildren,
        "special use taken" => MailError::UseTaken,
        "too many keywords" => MailError::Limit("a message holds no more keywords"),
        "maildrop lock lost" => MailError::LockLost,
        "too many annotations" => MailError::TooMany,
        "too many entries" => MailError::Limit("the mailbox has too many entries in its ACL"),
        "no such identifier" => MailError::NoIdentifier,
        "being delivered" => MailError::BeingDelivered,
        "over quota" => MailError::OverQuota,
        "too many messages" => MailError::Limit("INBOX holds too many messages to be renamed"),
        other => MailError::Bug(other.to_owned()),
    }
}

impl From<BlobError> for MailError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Unavailable(why) => Self::Unavailable(why),
            BlobError::NotFound(_) => Self::Expunged,
            BlobError::Corrupt(why) => Self::Damaged(why),
            BlobError::Config(why) => Self::Bug(why),
        }
    }
}
