//! Who on this node waits for which account: hints in, wake-ups out.
//!
//! ```text
//! coordinator inbox ──hint──▶ ┌─────┐ ──watch channel per account──▶ sessions
//! own commits ──changed()───▶ │ Hub │
//! sweep (PostgreSQL) ───────▶ └─────┘ ──publish──▶ coordinator
//! ```
//!
//! A hint may be lost, doubled or late, so the hub never believes one beyond "look": a session that wakes
//! asks the change log. What no hint told, the sweep finds: one batched question per node for all watched
//! accounts, at once after the subscriptions were made again, often while the coordinator is lost, and
//! slowly for ever. Failures of PostgreSQL only make the hub ask again.

use coordinator::{Hint, Inbox, Received, SharedCoordinator};
use rand::Rng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use store::{Store, StoreError};
use tokio::sync::watch;
use tokio::time::Instant;
use types::{AccountId, ModSeq};

/// Most accounts asked about in one statement.
const CHUNK: usize = 5_000;
/// A hint with this modseq says "something may have been missed", not what.
const UNKNOWN: ModSeq = ModSeq(u64::MAX);

/// How often PostgreSQL is asked what no hint told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HubConfig {
    /// Between two sweeps, spread by a quarter either way so that nodes do not ask in step.
    #[serde(rename = "sweep_seconds", deserialize_with = "seconds", serialize_with = "in_seconds")]
    pub sweep: Duration,
    /// The same while the coordinator is lost, or PostgreSQL did not answer.
    #[serde(
        rename = "lost_sweep_seconds",
        deserialize_with = "seconds",
        serialize_with = "in_seconds"
    )]
    pub lost_sweep: Duration,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self { sweep: Duration::from_secs(30), lost_sweep: Duration::from_secs(1) }
    }
}

/// A number of seconds, fractions allowed, from a tenth up: zero would ask PostgreSQL without a pause.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|duration| *duration >= Duration::from_millis(100))
        .ok_or_else(|| serde::de::Error::custom("at least 0.1 seconds"))
}

fn in_seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// The hub of one node.
pub struct Hub {
    coordinator: SharedCoordinator,
    accounts: Mutex<HashMap<AccountId, Entry>>,
}

struct Entry {
    watchers: usize,
    sender: watch::Sender<ModSeq>,
}

/// Where the modseqs really stand.
trait Truth: Send + Sync + 'static {
    fn modseqs(
        &self,
        accounts: &[AccountId],
    ) -> impl Future<Output = Result<Vec<(AccountId, ModSeq)>, StoreError>> + Send;
}

impl Truth for Store {
    async fn modseqs(
        &self,
        accounts: &[AccountId],
    ) -> Result<Vec<(AccountId, ModSeq)>, StoreError> {
        store::mailbox::account_modseqs(self, accounts).await
    }
}

impl Hub {
    /// Starts the one consumer of the coordinator's inbox. It ends when the hub is dropped.
    #[must_use]
    pub fn start(store: Store, coordinator: SharedCoordinator, config: HubConfig) -> Arc<Self> {
        Self::start_with(store, coordinator, config)
    }

    fn start_with<T: Truth>(
        truth: T,
        coordinator: SharedCoordinator,
        config: HubConfig,
    ) -> Arc<Self> {
        let inbox = coordinator.inbox();
        let hub = Arc::new(Self { coordinator, accounts: Mutex::default() });
        let sweeper = Sweeper { hub: Arc::downgrade(&hub), truth, config, lost: false };
        tokio::spawn(sweeper.run(inbox));
        hub
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<AccountId, Entry>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After a commit: wakes this node's own sessions at once and tells the other nodes. Never blocks.
    pub fn changed(&self, account: AccountId, modseq: ModSeq) {
        self.wake(account, modseq);
        self.coordinator.publish(Hint { account, modseq });
    }

    /// Watches an account for as long as the returned value lives.
    #[must_use]
    pub fn watch(self: &Arc<Self>, account: AccountId) -> Watch {
        let mut accounts = self.accounts();
        let entry = accounts.entry(account).or_insert_with(|| {
            // Under the lock, so that watch and unwatch reach the coordinator in their order.
            self.coordinator.watch(account);
            Entry { watchers: 0, sender: watch::Sender::new(ModSeq(0)) }
        });
        entry.watchers += 1;
        let receiver = entry.sender.subscribe();
        metrics::gauge!("postrider_hub_watched_accounts").set(accounts.len() as f64);
        Watch { hub: Arc::clone(self), account, receiver }
    }

    /// Wakes the watchers if this modseq is news. A doubled or late hint wakes nobody.
    fn wake(&self, account: AccountId, modseq: ModSeq) {
        if let Some(entry) = self.accounts().get(&account) {
            entry.sender.send_if_modified(|known| {
                let news = modseq > *known;
                *known = modseq.max(*known);
                news
            });
        }
    }

    /// What is watched, and up to where it is known.
    fn known(&self) -> Vec<(AccountId, ModSeq)> {
        self.accounts().iter().map(|(id, entry)| (*id, *entry.sender.borrow())).collect()
    }

    /// Replaces what was known before the question by the answer. Lower is news too: the database was
    /// restored to an earlier state. What moved meanwhile is left alone, it is newer than the answer.
    fn correct(&self, account: AccountId, before: ModSeq, now: ModSeq) -> bool {
        self.accounts().get(&account).is_some_and(|entry| {
            entry.sender.send_if_modified(|known| {
                let news = *known == before && now != before;
                if news {
                    *known = now;
                }
                news
            })
        })
    }
}

/// One session's interest in an account.
pub struct Watch {
    hub: Arc<Hub>,
    account: AccountId,
    receiver: watch::Receiver<ModSeq>,
}

impl Watch {
    /// Resolves when something of the account may have changed since the last look. Cancel-safe.
    pub async fn changed(&mut self) {
        if self.receiver.changed().await.is_err() {
            // Only when the entry went away under a living watch, which `drop` prevents.
            std::future::pending::<()>().await;
        }
    }

    /// Whether something may have changed since the last look, and takes the look.
    pub fn take_changed(&mut self) -> bool {
        let changed = self.receiver.has_changed().unwrap_or(false);
        self.receiver.mark_unchanged();
        changed
    }

    /// The highest modseq heard of; 0 before anything was heard.
    #[must_use]
    pub fn modseq(&self) -> ModSeq {
        *self.receiver.borrow()
    }

    /// Whose account it is.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.account
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut accounts = self.hub.accounts();
        let last = accounts.get_mut(&self.account).is_some_and(|entry| {
            entry.watchers -= 1;
            entry.watchers == 0
        });
        if last {
            accounts.remove(&self.account);
            self.hub.coordinator.unwatch(self.account);
        }
        metrics::gauge!("postrider_hub_watched_accounts").set(accounts.len() as f64);
    }
}

/// The task behind a hub.
struct Sweeper<T> {
    hub: Weak<Hub>,
    truth: T,
    config: HubConfig,
    lost: bool,
}

impl<T: Truth> Sweeper<T> {
    async fn run(mut self, inbox: Arc<Inbox>) {
        let mut next = Instant::now() + self.pause(true);
        loop {
            let received = tokio::select! {
                received = inbox.receive() => Some(received),
                () = tokio::time::sleep_until(next) => None,
            };
            let Some(hub) = self.hub.upgrade() else { return };
            let everything = match received {
                Some(received) => self.take(&hub, received).await,
                None => true,
            };
            if everything {
                let answered = self.check(&hub, hub.known()).await;
                next = Instant::now() + self.pause(answered);
            } else {
                // Lost just now: the slow sweep would be too late.
                next = next.min(Instant::now() + self.pause(true));
            }
        }
    }

    fn pause(&self, answered: bool) -> Duration {
        let base = if self.lost || !answered { self.config.lost_sweep } else { self.config.sweep };
        base.mul_f64(rand::rng().random_range(0.75..=1.25))
    }

    /// Whether everything has to be checked now.
    async fn take(&mut self, hub: &Hub, received: Received) -> bool {
        if received.lost || received.resubscribed {
            self.lost = received.lost;
        }
        let mut unknown = Vec::new();
        for (account, modseq) in received.hints {
            if modseq == UNKNOWN {
                unknown.push(account);
            } else {
                hub.wake(account, modseq);
            }
        }
        if received.resubscribed || unknown.is_empty() {
            return received.resubscribed;
        }
        let mut known = hub.known();
        known.retain(|(account, _)| unknown.contains(account));
        !self.check(hub, known).await
    }

    /// Asks PostgreSQL about these accounts. `false`: it did not answer.
    async fn check(&self, hub: &Hub, known: Vec<(AccountId, ModSeq)>) -> bool {
        for chunk in known.chunks(CHUNK) {
            let ids: Vec<AccountId> = chunk.iter().map(|(account, _)| *account).collect();
            let answer = match self.truth.modseqs(&ids).await {
                Ok(rows) => rows.into_iter().collect::<HashMap<_, _>>(),
                Err(error) => {
                    tracing::debug!(%error, "the sweep got no answer");
                    metrics::counter!("postrider_hub_sweeps_total", "outcome" => "failed")
                        .increment(1);
                    return false;
                }
            };
            for (account, before) in chunk {
                // An account that is gone wakes its sessions once; they find out.
                let now = answer.get(account).copied().unwrap_or(UNKNOWN);
                if hub.correct(*account, *before, now) {
                    metrics::counter!("postrider_hub_found_by_sweep_total").increment(1);
                }
            }
        }
        metrics::counter!("postrider_hub_sweeps_total", "outcome" => "answered").increment(1);
        true
    }
}

#[cfg(test)]
mod tests;
