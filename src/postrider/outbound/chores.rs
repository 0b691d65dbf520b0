//! What goes on beside the sending: the queue's depth for the metrics, and the end of old journals.

use rand::Rng;
use std::time::Duration;
use store::lease::job_lease_take;
use store::queue::{Stats, queue_depth, queue_events_prune};
use store::{Store, StoreError};
use types::Incarnation;

/// Between two counts.
const COUNT_EVERY: Duration = Duration::from_secs(15);
/// Between two looks for old journals; the lease of who looks.
const PRUNE_EVERY: Duration = Duration::from_secs(600);
const PRUNE_LEASE_SECONDS: f64 = 900.0;
/// Events removed by one statement.
const PIECE: u32 = 5_000;
const JOB: &str = "queue-journal";

/// Counts, for ever.
pub async fn depth(store: Store) {
    loop {
        match queue_depth(&store).await {
            Ok(stats) => show(&stats),
            Err(error) => tracing::debug!(%error, "the queue could not be counted"),
        }
        let pause = COUNT_EVERY.mul_f64(rand::rng().random_range(0.75..=1.25));
        tokio::time::sleep(pause).await;
    }
}

/// Counts end at 100,000 each; the oldest due age is what says that more nodes are wanted.
fn show(stats: &Stats) {
    let states = [
        ("waiting", stats.waiting),
        ("due", stats.due),
        ("sending", stats.sending),
        ("report", stats.reports),
        ("local", stats.local),
    ];
    for (state, count) in states {
        metrics::gauge!("postrider_queue_depth", "state" => state).set(count as f64);
    }
    metrics::gauge!("postrider_queue_oldest_due_seconds").set(stats.oldest_due.as_secs_f64());
}

/// Removes journals of messages that left longer ago than `keep`, for ever.
pub async fn prune(store: Store, node: Incarnation, keep: Duration) {
    loop {
        let pause = PRUNE_EVERY.mul_f64(rand::rng().random_range(0.75..=1.25));
        tokio::time::sleep(pause).await;
        if let Err(error) = prune_once(&store, node, keep).await {
            tracing::debug!(%error, "old journals could not be removed");
        }
    }
}

async fn prune_once(store: &Store, node: Incarnation, keep: Duration) -> Result<(), StoreError> {
    if !job_lease_take(store, JOB, node, PRUNE_LEASE_SECONDS).await? {
        return Ok(());
    }
    while queue_events_prune(store, keep, PIECE).await? {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
