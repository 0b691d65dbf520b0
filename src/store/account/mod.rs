//! The one writer of account data.
//!
//! [`commit`] runs one [`Change`]: one SQL function, one transaction, one round trip. Each function locks
//! the counter rows of its accounts first, ascending, and resolves and writes in the snapshot after that
//! (`migrations/V2__account_functions.sql`). Nothing else in the program touches modseq or uidnext.
//! Deliveries go through [`deliver`], which gathers what waits for the same accounts into one batch.

mod acl;
mod append;
mod batch;
mod between;
mod born;
mod copies;
mod deliver;
mod flags;
mod lineup;
mod mailboxes;
mod maildrop;
mod metadata;
mod outbound;
mod outcome;
pub mod purge;
mod subscription;
mod threads;

pub use acl::{AclSet, RightsOp};
pub use append::{AppendTo, NewMessage, append};
pub use between::{Conversation, CopiedBetween, CopyBetween};
pub use copies::{Copied, CopyMessages, Expunge, Expunged};
pub use deliver::{Delivery, DeliverySet, Done, Envelope, NewBlob, Outcome, Placed};
pub use flags::{FlagOp, StoreFlags, StoreFlagsWithin, Stored, StoredState};
pub(crate) use lineup::Lineup;
pub use lineup::{accept, deliver};
pub use mailboxes::{MailboxCreate, MailboxDelete, MailboxPurge, MailboxRename};
pub use maildrop::MaildropUpdate;
pub use metadata::{MetadataSet, MetadataSetAs};
pub use outbound::{Outbound, RemoteRecipient, ReportOf, Settled};
pub use subscription::SubscriptionSet;

use crate::{Session, Store, StoreError};

/// Most messages one STORE, EXPUNGE or purge step touches: bounds lock time and the change row.
pub const CHUNK: usize = 1_000;

/// One kind of change to account data.
#[allow(async_fn_in_trait)]
pub trait Change {
    /// What the change tells its caller.
    type Output;

    /// Sends the change as one statement.
    ///
    /// # Errors
    /// As the SQL function says; [`StoreError::Busy`] when the account could not be locked in time.
    async fn apply(&self, session: &Session) -> Result<Self::Output, StoreError>;
}

/// Writes account data.
///
/// # Errors
/// [`StoreError::MaybeHappened`] when the connection broke on the way: every change but a delivery may then
/// be repeated or re-read by the client; deliveries are resolved by [`deliver`].
pub async fn commit<C: Change>(store: &Store, change: &C) -> Result<C::Output, StoreError> {
    let session = store.session().await?;
    change.apply(&session).await
}
