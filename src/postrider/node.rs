//! One node: started, in service, drained.
//!
//! ```text
//! http accepts ─▶ schema known ─▶ listeners bound ─▶ lease taken ─▶ all accept ─▶ ready line
//!                 (waits while PostgreSQL is away)
//! signal ─▶ nobody new ─▶ queued mail given back, then the lease ┬▶ http ends ─▶ exit
//!                       └─▶ goodbyes spread over sessions ───────┘
//! ```
//!
//! A node keeps nothing on its machine and has no name: an incarnation is random per start.

mod checks;
mod jobs;
mod lease;
mod listeners;
mod presence;

use crate::config::Config;
use crate::connect::{self, Blobs};
use crate::exit::{Failure, Outcome};
use crate::outbound::{self, Sending};
use crate::ready::Ready;
use crate::signals::Stop;
use coordinator::SharedCoordinator;
pub use jobs::Jobs;
use lease::Lease;
use listeners::Domain;
use net::{Drain, Tls};
use presence::Presence;
use queue::worker::Inlets;
use std::future::Future;
use std::time::Duration;
use store::Store;
use store::queue::Claimed;
use types::Incarnation;
use webd::{Health, Metrics, Phase};

/// The program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How long sessions may take beyond the drain window: a message under way gets its answer.
const AFTER_WINDOW: Duration = Duration::from_secs(10);
/// How long giving back the lease and the presence may take; both run out by themselves.
const FAREWELL: Duration = Duration::from_secs(3);

/// What all parts of a node share.
struct Node {
    config: Config,
    incarnation: Incarnation,
    store: Store,
    blobs: Blobs,
    coordinator: SharedCoordinator,
    health: Health,
    drain: Drain,
}

/// Runs a node until it is told to stop. `announce` is called once every listener accepts.
///
/// # Errors
/// What keeps it from starting. A dependency that is away does not; a wrong schema does.
pub async fn run(config: Config, stop: &Stop, announce: impl FnOnce(Ready) -> Outcome) -> Outcome {
    raise_file_limit(&config);
    let incarnation = Incarnation::new();
    let metrics = Metrics::install().map_err(|error| Failure::failed(error.to_string()))?;
    let node = Node {
        incarnation,
        store: connect::store(&config)?,
        blobs: connect::blobs(&config).await?,
        coordinator: connect::coordinator(&config)?,
        health: Health::new(incarnation.to_string(), VERSION),
        drain: Drain::new(Duration::from_secs(config.limits.drain_seconds)),
        config,
    };
    let mut jobs = Jobs::default();
    let tls = listeners::tls(&node.config, &mut jobs)?;
    jobs.spawn(checks::beat(node.health.clone(), metrics.clone()));
    jobs.spawn(checks::dependencies(checks::Watched::of(&node)));
    let http_drain = Drain::new(Duration::ZERO);
    let http = listeners::http(&node, metrics, &http_drain).await?;
    let served = tokio::select! {
        served = node.serve(&mut jobs, http, tls, stop, announce) => served,
        () = stop.insisted() => Ok(()),
    };
    http_drain.begin();
    http_drain.wait(Duration::from_secs(1)).await;
    served
}

impl Node {
    async fn serve(
        &self,
        jobs: &mut Jobs,
        http: Option<listeners::Addresses>,
        tls: Option<Tls>,
        stop: &Stop,
        announce: impl FnOnce(Ready) -> Outcome,
    ) -> Outcome {
        let Some(()) = self.wait_for_schema(stop).await? else { return Ok(()) };
        if stop.is_asked() {
            return Ok(());
        }
        let bound = listeners::bind(&self.config).await?;
        let roles = self.roles(&bound);
        let lease = Lease::new(self.store.clone(), self.incarnation, roles.join(","));
        let Some(()) = lease.take(stop).await? else { return Ok(()) };
        let presence = Presence::new(self, roles.clone(), &bound);
        let announcements = presence.keep();
        jobs.spawn(checks::durability(self.store.clone()));
        let inlets = Inlets::default();
        let domain = self.domain(inlets.clone());
        let sending = self.send(jobs, &inlets, roles.join(","), &domain)?;
        // The queue's worker renews the lease by itself, for what this node owns stands and falls with it.
        let renewals = sending.is_none().then(|| lease.keep());
        let ready = self.start(jobs, bound, http, tls, domain);
        self.health.enter(Phase::Serving);
        tracing::info!(node = %self.incarnation, version = VERSION, "ready");
        announce(ready)?;
        stop.asked().await;
        self.health.enter(Phase::Draining);
        self.drain.begin();
        announcements.stop().await;
        let leave = async {
            if let Some(sending) = &sending {
                sending.drain(self.patience()).await;
            }
            if let Some(renewals) = renewals {
                renewals.stop().await;
            }
            within(FAREWELL, lease.give_back()).await;
        };
        tokio::join!(leave, within(FAREWELL, presence.withdraw()), self.say_goodbye());
        tracing::info!("stopped");
        Ok(())
    }

    /// What this node does, by name.
    fn roles(&self, bound: &listeners::Bound) -> Vec<String> {
        let sends = self.config.queue.outbound.then(|| "outbound".to_owned());
        bound.names().into_iter().chain(sends).collect()
    }

    /// Sends queued mail, or lets those hear the doorbell who do.
    fn send(
        &self,
        jobs: &mut Jobs,
        inlets: &Inlets<Claimed>,
        roles: String,
        domain: &Domain,
    ) -> Outcome<Option<Sending>> {
        outbound::chores(&self.config, jobs, &self.store, self.incarnation);
        let work = self.coordinator.work();
        if !self.config.queue.outbound {
            if let Some(work) = work {
                jobs.spawn(queue::worker::forward(inlets.doorbell.clone(), work));
            }
            return Ok(None);
        }
        let parts = outbound::Parts {
            me: self.incarnation,
            roles,
            store: self.store.clone(),
            blob: self.blobs.guarded.clone(),
            work,
            limits: self.coordinator.limits(),
            inlets: inlets.clone(),
            directory: domain.directory.clone(),
            ingest: domain.ingest.clone(),
        };
        outbound::start(&self.config, jobs, parts).map(Some)
    }

    /// How long everything under way may take once the node goes down.
    fn patience(&self) -> Duration {
        Duration::from_secs(self.config.limits.drain_seconds) + AFTER_WINDOW
    }

    async fn say_goodbye(&self) {
        let open = self.drain.open_sessions();
        if open > 0 {
            let seconds = self.config.limits.drain_seconds;
            tracing::info!(sessions = open, seconds, "draining");
        }
        if !self.drain.wait(self.patience()).await {
            let left = self.drain.open_sessions();
            tracing::warn!(sessions = left, "sessions did not end in time and are cut off");
        }
    }

    /// `None`: told to stop meanwhile.
    async fn wait_for_schema(&self, stop: &Stop) -> Outcome<Option<()>> {
        let mut patience = checks::Complaints::default();
        loop {
            match store::migrate::check(&self.store).await {
                Ok(status) => {
                    tracing::debug!(applied = status.applied, known = status.newest, "the schema");
                    return Ok(Some(()));
                }
                Err(error @ store::StoreError::Schema(_)) => return Err(error.into()),
                Err(error) => patience.complain(&error, "waiting for PostgreSQL"),
            }
            tokio::select! {
                () = stop.asked() => return Ok(None),
                () = tokio::time::sleep(Duration::from_millis(500)) => {}
            }
        }
    }
}

/// A dependency that does not answer must not hold up the end.
async fn within(limit: Duration, work: impl Future<Output = ()>) {
    if tokio::time::timeout(limit, work).await.is_err() {
        tracing::debug!("a farewell took too long");
    }
}

/// Every connection is a file descriptor; the soft limit of a shell is far below what is allowed.
fn raise_file_limit(config: &Config) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
    let wanted = config.limits.connections as u64 + 1_280;
    match getrlimit(Resource::Nofile).current {
        Some(allowed) if allowed < wanted => tracing::warn!(
            allowed,
            wanted,
            "fewer files may be open than limits.connections asks for (ulimit -n, LimitNOFILE=)"
        ),
        _ => {}
    }
}
