//! What goes on beside the sending, on every node: the queue's depth for the metrics; and, on one node at a time, the end
//! of mail whose time is over and of old journals.

use super::QueueConfig;
use super::overdue::{self, Overdue};
use delivery::Delivery;
use rand::Rng;
use std::time::Duration;
use store::lease::job_lease_take;
use store::mta_sts::sts_prune;
use store::queue::{Stats, queue_depth, queue_events_prune, queue_expire};
use store::{Store, StoreError};
use types::Incarnation;

/// Between two counts.
const COUNT_EVERY: Duration = Duration::from_secs(15);
/// Events or recipients removed by one statement.
const PIECE: u32 = 5_000;
/// Between two statements that found much.
const BREATH: Duration = Duration::from_millis(100);
const JOB: &str = "queue-chores";

/// What seldom happens is exported as never before it does, so that its first time is seen as a change.
fn announce() {
    metrics::counter!("postrider_queue_takeovers_total").increment(0);
    metrics::counter!("postrider_queue_born_total").increment(0);
    for why in ["no answer", "settled elsewhere"] {
        metrics::counter!("postrider_queue_duplicates_suspected_total", "why" => why).increment(0);
    }
}

/// Counts, for ever.
pub async fn depth(store: Store) {
    announce();
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

/// Between two looks for policies of other domains that have grown old.
const REFRESH_EVERY: Duration = Duration::from_secs(3600);

/// Keeps policies fresh, for ever.
pub async fn policies(delivery: Delivery) {
    loop {
        let pause = REFRESH_EVERY.mul_f64(rand::rng().random_range(0.75..=1.25));
        tokio::time::sleep(pause).await;
        delivery.refresh_policies().await;
    }
}

fn gave_up(recipients: u64) {
    if recipients > 0 {
        tracing::info!(recipients, "given up: their time was over");
        metrics::counter!("postrider_queue_results_total", "result" => "expired", "recorded" => "untried")
            .increment(recipients);
    }
}

/// Ends what has to end.
pub struct Ends {
    store: Store,
    node: Incarnation,
    every: Duration,
    grace: Duration,
    keep: Duration,
    overdue: Overdue,
}

impl Ends {
    /// For this node.
    pub fn new(store: Store, node: Incarnation, config: &QueueConfig) -> Self {
        // A last try is due at the very end; whoever is about to make it may be a little late.
        let grace = overdue::grace(config.expire());
        let every = Duration::from_secs(config.chores_seconds);
        Self { store, node, every, grace, keep: config.journal(), overdue: Overdue::default() }
    }

    /// Looks, for ever. Safe to abort at any await.
    pub async fn run(mut self) {
        loop {
            let pause = self.every.mul_f64(rand::rng().random_range(0.75..=1.25));
            tokio::time::sleep(pause).await;
            if let Err(error) = self.look().await {
                tracing::debug!(%error, "what has to end in the queue could not be looked for");
            }
        }
    }

    async fn look(&mut self) -> Result<(), StoreError> {
        let lease = 2.0 * self.every.as_secs_f64() + 60.0;
        if !job_lease_take(&self.store, JOB, self.node, lease).await? {
            return Ok(());
        }
        loop {
            let expired = queue_expire(&self.store, self.node, self.grace, PIECE).await?;
            gave_up(expired);
            if expired < u64::from(PIECE) {
                break;
            }
            tokio::time::sleep(BREATH).await;
        }
        gave_up(self.overdue.look(&self.store, self.node).await?);
        while queue_events_prune(&self.store, self.keep, PIECE).await? {
            tokio::time::sleep(BREATH).await;
        }
        sts_prune(&self.store).await
    }
}
