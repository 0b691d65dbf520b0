//! Mail that leaves: the queue's worker over the store, the coordinator, the blob store and the network.
//!
//! ```text
//!   submission ──▶ Doorbell ──▶ queue::Worker ──▶ Outbound (Carrier) ──▶ delivery ──▶ the world
//!                                   │                  ├─ Gate: limits of the cluster, pace of sites
//!                              PostgreSQL, Redis       ├─ Settings: routes and limits of operators
//!                                                      └─ Stored: bytes by range
//! ```

mod carrier;
mod config;
mod content;
mod envelope;
mod settings;
mod tell;
mod way;

pub use config::QueueConfig;

use crate::config::Config;
use crate::exit::{Failure, Outcome};
use crate::node::Jobs;
use blob::SharedBlobStore;
use carrier::Outbound;
use coordinator::limits::SharedLimits;
use coordinator::work::SharedWork;
use delivery::Delivery;
use queue::gate::Gate;
use queue::worker::{Seen, Worker};
use queue::{Doorbell, StoreRows};
use settings::Settings;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use store::Store;
use types::Incarnation;

/// What it stands on.
pub struct Parts {
    /// The node.
    pub me: Incarnation,
    /// What its lease says it does.
    pub roles: String,
    /// PostgreSQL.
    pub store: Store,
    /// The bytes.
    pub blob: SharedBlobStore,
    /// Doorbells and tokens, if the coordinator has them.
    pub work: Option<SharedWork>,
    /// Limits, likewise.
    pub limits: Option<SharedLimits>,
    /// Where this node's sessions ring.
    pub doorbell: Doorbell,
}

/// A node's mail that leaves.
pub struct Sending {
    worker: Worker,
    carrier: Arc<Outbound>,
    grace: Duration,
}

/// Starts it.
///
/// # Errors
/// A setting of `[delivery]` or `[resolve]` is unusable.
pub fn start(config: &Config, jobs: &mut Jobs, parts: Parts) -> Outcome<Sending> {
    let resolver = resolve::Hickory::new(&config.resolve).map_err(Failure::usage)?;
    let delivery = Delivery::new(config.delivery(), Arc::new(resolver)).map_err(Failure::usage)?;
    let seen = Arc::<RwLock<Seen>>::default();
    let gate = Gate::new(parts.me, parts.limits, Arc::clone(&seen));
    let settings = Arc::new(Settings::new(config.queue.site_connections, config.queue.retry()));
    jobs.spawn(Arc::clone(&settings).keep(parts.store.clone()));
    let carrier = Arc::new(Outbound::new(delivery, parts.blob, gate, settings));
    let rows = StoreRows::new(parts.store, parts.me, crate::node::VERSION, &parts.roles);
    let worker = Worker::start(
        config.queue.engine(),
        parts.me,
        Arc::new(rows),
        Arc::clone(&carrier),
        parts.work,
        parts.doorbell,
        seen,
    );
    Ok(Sending { worker, carrier, grace: config.queue.grace() })
}

impl Sending {
    /// Takes nothing new and hands back what was not begun; returns when everything has ended or been given back.
    /// The node's lease has to run until then.
    pub async fn drain(&self, limit: Duration) {
        if !self.worker.drain(self.grace, limit).await {
            tracing::warn!(
                "mail under way did not end in time; others take over when the lease ends"
            );
        }
        let _ = tokio::time::timeout(Duration::from_secs(2), self.carrier.close_idle()).await;
    }
}
