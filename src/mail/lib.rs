//! Mailboxes, messages and the change log as a reader's session needs them.
//!
//! [`Mail`] is everything a session asks for; [`View`] is what one session has been told of one mailbox;
//! [`Hub`] wakes sessions when something changed. Lists come from PostgreSQL alone, in short statements paged
//! by UID; bodies come from the blob store by range. No connection is held while anything goes to a client.

mod acl;
mod body;
mod changes;
mod collate;
mod context;
mod decoded;
mod error;
mod fetch;
mod hub;
mod ids;
mod index;
mod mailboxes;
mod maildrop;
mod metadata;
mod name;
mod news;
mod path;
mod purge;
mod reach;
mod resync;
mod role;
pub mod search;
mod sort;
mod subject;
mod thread;
mod uids;
mod url;
mod view;

pub use acl::Made;
pub use body::Body;
pub use changes::{CopyUids, FlagChange, MAX_COPY};
pub use context::{Context, Kept, Part, Shift};
pub use decoded::Decoded;
pub use error::MailError;
pub use fetch::{Message, Pages, Target};
pub use hub::{Hub, HubConfig, Watch};
pub use index::index_jobs;
pub use mailboxes::Mailbox;
pub use maildrop::{Maildrop, Maildrops};
pub use metadata::MAX_METADATA_VALUE;
pub use name::{MailboxName, NameError, SEPARATOR};
pub use news::{Follow, NameChange, News, Touched};
pub use path::{OTHERS, Path};
pub use purge::purge_jobs;
pub use reach::{Found, Reach};
pub use resync::Since;
pub use role::Role;
pub use sort::{Criterion, MAX_PIECE, Piece, SortBy, Sorted};
pub use store::account::{FlagOp, RightsOp, Stored, StoredState};
pub use store::mailbox::Usage;
pub use store::message::{Columns, UidRow};
pub use store::metadata::Annotation;
pub use thread::{Algorithm, ThreadNode, Threads};
pub use uids::UidSet;
pub use view::{Access, Changes, View};

use blob::SharedBlobStore;
use net::MemoryBudget;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use store::account::Change;
use types::{MailboxId, MessageId};

/// Octets of decoded structures that a node remembers.
const STRUCTURE_CACHE: u64 = 64 * 1024 * 1024;
/// Octets of UID runs of large mailboxes that a node remembers.
const SNAPSHOT_CACHE: u64 = 8 * 1024 * 1024;
/// Octets of what UIDs stand for that a node remembers.
const IDS_CACHE: u64 = 16 * 1024 * 1024;
/// How often a write is tried while the account is locked by another one.
const LOCK_TRIES: u32 = 4;

/// All that sessions ask of mailboxes. Cheap to clone.
#[derive(Clone)]
pub struct Mail {
    store: Store,
    blob: SharedBlobStore,
    hub: Arc<Hub>,
    budget: MemoryBudget,
    /// What never changes may be remembered. Message ids are the same thing in every account.
    messages: moka::sync::Cache<MessageId, Arc<Message>, ids::ById>,
    /// Large mailboxes as they were when somebody last opened or left them.
    snapshots: moka::sync::Cache<MailboxId, Arc<view::Snapshot>>,
    /// Which message a UID stands for.
    ids: moka::sync::Cache<MailboxId, Arc<ids::Ids>>,
}

impl Mail {
    /// Over these.
    #[must_use]
    pub fn new(store: Store, blob: SharedBlobStore, hub: Arc<Hub>, budget: MemoryBudget) -> Self {
        let messages = moka::sync::Cache::builder()
            .max_capacity(STRUCTURE_CACHE)
            .weigher(|_, message: &Arc<Message>| message.weight())
            .build_with_hasher(ids::ById::default());
        let snapshots = moka::sync::Cache::builder()
            .max_capacity(SNAPSHOT_CACHE)
            .weigher(|_, snapshot: &Arc<view::Snapshot>| snapshot.weight())
            .build();
        let ids = moka::sync::Cache::builder()
            .max_capacity(IDS_CACHE)
            .weigher(|_, ids: &Arc<ids::Ids>| ids.weight())
            .build();
        Self { store, blob, hub, budget, messages, snapshots, ids }
    }

    /// Who wakes this node's sessions.
    #[must_use]
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Writes account data. Waits for a locked account a little longer than one attempt does: a client that
    /// is told "busy" can only do the same.
    async fn commit<C: Change>(&self, change: &C) -> Result<C::Output, MailError> {
        for attempt in 1.. {
            match store::account::commit(&self.store, change).await {
                Err(store::StoreError::Locked) if attempt < LOCK_TRIES => {
                    let pause = rand::Rng::random_range(&mut rand::rng(), 5..50 * attempt);
                    tokio::time::sleep(Duration::from_millis(pause.into())).await;
                }
                other => return other.map_err(MailError::from),
            }
        }
        Err(MailError::Busy("the account is locked by another change"))
    }
}

#[cfg(test)]
mod tests;
