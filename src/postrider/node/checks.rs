//! What a node looks at while it runs: its own beat, and the three places it stands on.

use super::Node;
use crate::connect::Blobs;
use blob::{BlobError, BlobStore, ObjectKey};
use coordinator::SharedCoordinator;
use rand::Rng;
use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, Instant};
use store::{Store, StoreError};
use webd::{Dependency, Health, Metrics};

/// Between two looks at PostgreSQL and the coordinator.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// A look at the blob store is a request that costs: every so many looks. Its breaker is looked at each time.
const BLOB_EVERY: u32 = 5;
/// A look at the schema, every so many looks.
const SCHEMA_EVERY: u32 = 5;
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two log lines about one thing that stays wrong.
const SAY_AGAIN: Duration = Duration::from_secs(30);

/// Says what stays wrong once, and again every half minute.
#[derive(Debug, Default)]
pub struct Complaints {
    said: Option<Instant>,
}

impl Complaints {
    /// It is still wrong.
    pub fn complain(&mut self, error: &dyn Display, what: &str) {
        if self.said.is_none_or(|at| at.elapsed() >= SAY_AGAIN) {
            self.said = Some(Instant::now());
            tracing::warn!(%error, "{what}");
        }
    }

    /// It is right again.
    pub fn healed(&mut self, what: &str) {
        if self.said.take().is_some() {
            tracing::info!("{what}");
        }
    }
}

/// Shows once a second that tasks get to run, and by how much they run late.
pub async fn beat(health: Health, metrics: Metrics) {
    const SECOND: Duration = Duration::from_secs(1);
    for count in 0_u64.. {
        let begun = Instant::now();
        tokio::time::sleep(SECOND).await;
        let late = begun.elapsed().saturating_sub(SECOND);
        metrics::gauge!("postrider_runtime_lag_seconds").set(late.as_secs_f64());
        health.beat();
        if count % 5 == 0 {
            metrics.upkeep();
        }
    }
}

/// Everything that is looked at.
pub struct Watched {
    store: Store,
    blobs: Blobs,
    coordinator: SharedCoordinator,
    health: Health,
}

impl Watched {
    pub(super) fn of(node: &Node) -> Self {
        Self {
            store: node.store.clone(),
            blobs: node.blobs.clone(),
            coordinator: node.coordinator.clone(),
            health: node.health.clone(),
        }
    }

    async fn schema(&self) {
        match store::migrate::check(&self.store).await {
            Ok(_) => self.health.schema(None),
            Err(StoreError::Schema(complaint)) => self.health.schema(Some(complaint)),
            // That PostgreSQL is away says nothing about the schema.
            Err(_) => {}
        }
    }

    async fn blob(&self, ask: bool) {
        let name = "blob";
        if ask {
            self.health.saw(name, timed(ask_blob(self.blobs.bare.as_ref())).await);
        } else if self.blobs.guarded.is_down() {
            self.health.saw(name, Dependency::down("requests fail; waiting for it to come back"));
        }
    }
}

/// Looks at everything, for ever.
pub async fn dependencies(watched: Watched) {
    for count in 0_u32.. {
        let postgres = async {
            watched.health.saw("postgres", timed(watched.store.ping()).await);
            if count % SCHEMA_EVERY == 0 {
                watched.schema().await;
            }
        };
        let coordinator = async {
            watched.health.saw("coordinator", timed(watched.coordinator.ping()).await);
        };
        tokio::join!(postgres, coordinator, watched.blob(count % BLOB_EVERY == 0));
        let pause = LOOK_EVERY.mul_f64(rand::rng().random_range(0.75..=1.25));
        tokio::time::sleep(pause).await;
    }
}

/// Asks for an object that cannot be there: an answer is an answer.
pub async fn ask_blob(blob: &dyn BlobStore) -> Result<(), BlobError> {
    match blob::get_bytes(blob, &ObjectKey::new(19_700_101), 0..1).await {
        Ok(_) | Err(BlobError::NotFound(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn timed<E: Display>(call: impl Future<Output = Result<(), E>>) -> Dependency {
    let begun = Instant::now();
    match tokio::time::timeout(PATIENCE, call).await {
        Ok(Ok(())) => Dependency::up(begun.elapsed()),
        Ok(Err(error)) => Dependency::down(error.to_string()),
        Err(_) => Dependency::down("no answer in time"),
    }
}

/// Warns, once, when a COMMIT is less durable than invariant 1 asks.
pub async fn durability(store: Store) {
    loop {
        match store::directory::durability_read(&store).await {
            Ok(durability) => {
                if let Some(complaint) = durability.complaint() {
                    tracing::warn!("{complaint}");
                }
                return;
            }
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}
