//! The words every crate shares: ids, UIDs, mod-sequences, flags, rights and addresses.
//!
//! Floor 0: no I/O, no clock, no randomness except the making of UUIDv7 ids.

mod address;
mod destination;
mod flags;
mod ids;
mod rights;

pub use address::{AddressError, EmailAddress};
pub use destination::Destination;
pub use flags::{Flags, KeywordError, check_keyword};
pub use ids::{
    AccountId, BlobId, DomainId, IdError, Incarnation, MailboxId, MessageId, ModSeq, QueueId,
    TenantId, ThreadId, Uid, UidValidity,
};
pub use rights::{Rights, RightsError};
