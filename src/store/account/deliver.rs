//! What a delivery is made of.

use super::outbound::Outbound;
use crate::queue::Claimed;
use chrono::{DateTime, Utc};
use types::{
    AccountId, BlobId, Destination, Flags, MailboxId, ModSeq, QueueId, TenantId, ThreadId, Uid,
    UidValidity,
};

/// A message whose bytes are already in the blob store.
#[derive(Debug, Clone)]
pub struct NewBlob {
    /// Made by the node; doubles as the ingest id and, for the copies born with it, as the message id.
    pub id: BlobId,
    /// Where the bytes are.
    pub object_key: String,
    /// Octets of the message.
    pub size: u64,
    /// BLAKE3 of the bytes.
    pub blake3: [u8; 32],
    /// The encoded MIME structure.
    pub structure: Vec<u8>,
    /// The first words of the text (RFC 8970).
    pub preview: String,
    /// INTERNALDATE of the copies.
    pub received_at: DateTime<Utc>,
    /// Hashes of the message's own Message-ID and of those it cites.
    pub references: Vec<i64>,
}

/// What the queue keeps of the envelope when somebody cannot be delivered inline.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// Id of the queue row, should one be needed.
    pub queue: QueueId,
    /// Who pays for the queue row.
    pub tenant: TenantId,
    /// Empty for the null reverse-path.
    pub reverse_path: String,
    /// Parameters of MAIL that matter later (RFC 3461).
    pub parameters: serde_json::Value,
}

/// One copy to be made.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Whose mail it is.
    pub account: AccountId,
    /// The wanted mailbox; `None` is INBOX.
    pub mailbox: Option<MailboxId>,
    /// Whether a missing mailbox is an outcome of its own (APPEND) instead of INBOX (delivery).
    pub strict: bool,
    /// System flags of the copy.
    pub flags: Flags,
    /// Keywords of the copy.
    pub keywords: Vec<String>,
    /// The forward-path, for the queue.
    pub recipient: String,
    /// The queue row this delivery settles in the same transaction.
    pub queued: Option<i64>,
    /// Straight into the queue: the message has too many recipients to do all inline.
    pub deferred: bool,
}

/// One message and the copies to be made of it. Atomic: all of it is durable, or none.
#[derive(Debug, Clone)]
pub struct DeliverySet {
    /// The message.
    pub blob: NewBlob,
    /// Whether the blob row is born with this set; false when the message comes out of the queue.
    pub newborn: bool,
    /// `None`: whoever cannot be delivered is only reported (APPEND, deliveries out of the queue).
    pub envelope: Option<Envelope>,
    /// The copies, one per account and mailbox at most.
    pub deliveries: Vec<Delivery>,
    /// What goes elsewhere.
    pub outbound: Outbound,
}

/// Where a copy came to lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// The mailbox, maybe INBOX instead of the wanted one.
    pub mailbox: MailboxId,
    /// Its UIDVALIDITY.
    pub uidvalidity: UidValidity,
    /// The copy's UID.
    pub uid: Uid,
    /// The copy's mod-sequence.
    pub modseq: ModSeq,
    /// Its conversation.
    pub thread: ThreadId,
}

/// What became of one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the mailbox.
    Delivered(Placed),
    /// The account was locked by somebody else. With an envelope: it is durable in the queue.
    Busy,
    /// No such account (any more).
    NoAccount,
    /// Over quota. With an envelope: it is durable in the queue.
    OverQuota,
    /// The mailbox is gone and the delivery was strict.
    NoMailbox,
    /// As asked, it is in the queue.
    Deferred,
    /// The queue row was settled by somebody else.
    NoLongerQueued,
}

/// What became of a set.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Done {
    /// Of its deliveries, in their order.
    pub outcomes: Vec<Outcome>,
    /// Its recipients elsewhere that are this node's own to send, in their order
    /// ([`super::RemoteRecipient::mine`]). Fewer where the lease did not run, the destination is paused, or the answer to
    /// the commit was lost.
    pub born: Vec<(Destination, Claimed)>,
}
