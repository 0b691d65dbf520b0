//! Mail that leaves: the queue's worker over the store, the coordinator, the blob store and the network.
//!
//! ```text
//!   submission ──▶ Inlets ──▶ queue::Worker ──▶ Outbound (Carrier) ──▶ delivery ──▶ the world
//!                                   │                  ├─ Gate: limits of the cluster, pace of sites
//!                              PostgreSQL, Redis       ├─ Settings: routes and limits of operators
//!                                                      └─ Stored: bytes by range
//! ```

mod carrier;
mod chores;
mod config;
mod content;
mod envelope;
mod home;
mod overdue;
mod policies;
pub mod settings;
mod tell;
mod way;

pub use config::QueueConfig;

use crate::config::Config;
use crate::exit::{Failure, Outcome};
use crate::node::Jobs;
use crate::seal::Seal;
use blob::SharedBlobStore;
use carrier::Outbound;
use coordinator::limits::SharedLimits;
use coordinator::work::SharedWork;
use delivery::Delivery;
use directory::Directory;
use home::Home;
use ingest::Ingest;
use policies::Policies;
use queue::gate::Gate;
use queue::worker::{Inlets, Seen, Worker};
use queue::{Pace, StoreRows};
use settings::Settings;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use store::Store;
use store::queue::Claimed;
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
    /// Where this node's sessions leave mail.
    pub inlets: Inlets<Claimed>,
    /// Which domains are ours.
    pub directory: Directory,
    /// Who delivers here.
    pub ingest: Ingest,
}

/// A node's mail that leaves.
pub struct Sending {
    worker: Worker,
    carrier: Arc<Outbound>,
    grace: Duration,
}

/// Starts what goes on beside the sending, on every node.
pub fn chores(config: &Config, jobs: &mut Jobs, store: &Store, me: Incarnation) {
    jobs.spawn(chores::depth(store.clone()));
    jobs.spawn(chores::Ends::new(store.clone(), me, &config.queue).run());
}

/// Starts it.
///
/// # Errors
/// A setting of `[delivery]` or `[resolve]` is unusable.
pub fn start(config: &Config, jobs: &mut Jobs, parts: Parts) -> Outcome<Sending> {
    let resolver = resolve::Hickory::new(&config.resolve).map_err(Failure::usage)?;
    let policies = Arc::new(Policies(parts.store.clone()));
    let delivery = Delivery::with_policies(config.delivery(), Arc::new(resolver), policies);
    let delivery = delivery.map_err(Failure::usage)?;
    jobs.spawn(chores::policies(delivery.clone()));
    let seen = Arc::<RwLock<Seen>>::default();
    let gate = Gate::new(parts.me, parts.limits, Arc::clone(&seen));
    let settings = Arc::new(settings_of(config)?);
    jobs.spawn(Arc::clone(&settings).keep(parts.store.clone()));
    let home = Home::new(parts.store.clone(), parts.me, parts.directory, parts.ingest);
    let carrier = Arc::new(Outbound::new(delivery, parts.blob, gate, settings, home));
    let rows = StoreRows::new(parts.store, parts.me, crate::node::VERSION, &parts.roles);
    let worker = Worker::start(
        config.queue.engine(),
        parts.me,
        Arc::new(rows),
        Arc::clone(&carrier),
        parts.work,
        parts.inlets,
        seen,
    );
    Ok(Sending { worker, carrier, grace: config.queue.grace() })
}

fn settings_of(config: &Config) -> Outcome<Settings> {
    let seal = Seal::of(&config.secrets)?;
    Ok(Settings::new(config.queue.site_connections, config.queue.retry(), seal))
}

/// Ends the time for which a domain's servers are left alone. `false`: they were not.
///
/// # Errors
/// Its servers, or the coordinator, cannot be asked.
pub async fn reopen(config: &Config, store: &Store, domain: &str) -> Outcome<bool> {
    let Some(limits) = crate::connect::coordinator(config)?.limits() else { return Ok(false) };
    let resolver = resolve::Hickory::new(&config.resolve).map_err(Failure::usage)?;
    // Only the site is wanted.
    let how = delivery::DeliveryConfig { mta_sts: false, ..config.delivery() };
    let delivery = Delivery::new(how, Arc::new(resolver)).map_err(Failure::usage)?;
    let settings = settings_of(config)?;
    settings.look(store).await?;
    let way = settings.way(domain).unwrap_or_default();
    let plan = delivery.plan(domain, &way.route).await;
    let plan = plan.map_err(|meaning| Failure::failed(meaning.text))?;
    let site = plan.site().as_str();
    // The connection is made in the background: the first calls may come before it is there.
    let mut told = limits.told(site).await;
    for _ in 0..5 {
        if told.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        told = limits.told(site).await;
    }
    let told = told?;
    let closed = Pace::decode(told.value, told.now).closed(told.now).is_some();
    let open = Pace::default().encode();
    Ok(closed && limits.tell(site, told.version, open, Pace::KEEP).await?)
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
