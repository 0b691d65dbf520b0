//! One accepted message: its bytes into the blob store once, one change set into PostgreSQL.
//!
//! [`Ingest::begin`] gives an [`Incoming`], which takes the bytes as they come: hashed, looked through for
//! their structure, kept up to 256 KiB and then put in one piece, or streamed while they arrive. Its end is
//! [`Incoming::deliver`] (SMTP, LMTP) or [`Incoming::append`] (IMAP). Blob first, then row: `Ok` means durable
//! (invariant 1), and errors tell "did not happen" from "may have happened". Who could not be delivered inline
//! is a row in the queue, committed with the rest; [`local_queue`] works those off.
//!
//! Memory comes out of the node's budget as the buffer grows. No database connection is held while bytes come.

mod append;
mod binary;
mod config;
mod deliver;
mod error;
mod incoming;
pub mod local_queue;
mod outage;
mod reports;
mod sender;
mod several;

pub use append::{Append, AppendError};
pub use binary::BinaryError;
pub use config::IngestConfig;
pub use deliver::{Delivered, Envelope, Recipient, Remote};
pub use error::IngestError;
pub use incoming::Incoming;
pub use reports::Reporter;
pub use several::Prepared;
pub use store::account::Placed;

use blob::SharedBlobStore;
use mail::Hub;
use net::MemoryBudget;
use outage::Outage;
use queue::worker::Inlets;
use sender::Sender;
use std::sync::{Arc, OnceLock};
use store::Store;
use store::queue::Claimed;
use tokio::sync::Notify;
use types::Incarnation;

/// The way in. Cheap to clone.
#[derive(Clone)]
pub struct Ingest {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    blob: SharedBlobStore,
    hub: Arc<Hub>,
    budget: MemoryBudget,
    config: IngestConfig,
    database: Outage,
    /// This node queued something for a local account.
    queued: Notify,
    /// Who sends what goes elsewhere.
    sender: OnceLock<Sender>,
}

impl Ingest {
    /// Over these.
    #[must_use]
    pub fn new(
        store: Store,
        blob: SharedBlobStore,
        hub: Arc<Hub>,
        budget: MemoryBudget,
        config: IngestConfig,
    ) -> Self {
        let (database, queued) = (Outage::default(), Notify::new());
        let sender = OnceLock::new();
        Self {
            inner: Arc::new(Inner { store, blob, hub, budget, config, database, queued, sender }),
        }
    }

    /// Brings what leaves to this node's own worker if that has a place for it, and tells it of the rest, right after
    /// the commit. `me`: whose lease it sends under. The first one stays.
    pub fn send_by(&self, me: Incarnation, inlets: Inlets<Claimed>) {
        let _ = self.inner.sender.set(Sender { me, inlets });
    }

    /// Wakes the worker of local recipients: somebody else queued some.
    pub fn wake_local(&self) {
        self.inner.queued.notify_one();
    }

    /// Whether a message could be taken now, so that SMTP can say so at MAIL and IMAP before the literal.
    ///
    /// # Errors
    /// [`IngestError::Unavailable`] while the blob store or PostgreSQL is known to be away,
    /// [`IngestError::Busy`] while the memory budget is used up.
    pub fn ready(&self) -> Result<(), IngestError> {
        if self.inner.blob.is_down() {
            return Err(IngestError::Unavailable("the blob store is away".into()));
        }
        if self.inner.database.lasts() {
            return Err(IngestError::Unavailable("PostgreSQL is away".into()));
        }
        if self.inner.budget.left() < incoming::SMALL_SHARE {
            return Err(incoming::over_budget());
        }
        Ok(())
    }

    /// Begins a message. `expected`: how many octets the client announced.
    ///
    /// # Errors
    /// As [`Ingest::ready`]; [`IngestError::TooLarge`].
    pub fn begin(&self, expected: Option<u64>) -> Result<Incoming, IngestError> {
        self.ready()?;
        Incoming::new(self.clone(), expected)
    }
}
