//! Deliveries line up before they take a connection.
//!
//! Sets that wait while a batch is under way go together in the next one: under load ten messages cost
//! little more than one, and a lone message waits for nothing. Two batches in flight never share an account,
//! so this node never waits for a row lock of its own.

use super::batch::Batch;
use super::commit;
use super::deliver::{DeliverySet, Done, Outcome};
use super::outcome;
use crate::{Store, StoreError};
use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use types::AccountId;

/// Most copies and queue rows in one batch: bounds the time an account stays locked.
const BATCH_DELIVERIES: usize = 64;
/// What only goes elsewhere waits for nobody's row, so that one batch of it at a time is enough; another one begins
/// beside it for so many rows.
const MANY_ELSEWHERE: usize = 32;
/// And for whoever has waited so long: the batch under way is stuck.
const LONG: Duration = Duration::from_millis(100);
/// Longest time between the beginnings of two batches that is heeded.
const SPARSEST: Duration = Duration::from_millis(50);

/// How long an unknown outcome is looked up before giving up, and the longest pause between attempts.
const RESOLVE_FOR: Duration = Duration::from_secs(30);
const RESOLVE_PAUSE: Duration = Duration::from_secs(2);

type Answer = Result<Done, StoreError>;

struct Waiting {
    set: DeliverySet,
    since: Instant,
    answer: oneshot::Sender<Answer>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    busy: HashSet<AccountId>,
    running: usize,
    /// Of those, batches that only go elsewhere.
    elsewhere: usize,
    /// When the last one of them began, and how long the next one waits from then on.
    begun: Option<Instant>,
    spacing: Duration,
    /// Whether somebody comes back when that is over.
    alarm: bool,
}

/// The waiting line of one node.
pub(crate) struct Lineup {
    state: Mutex<State>,
    batches: usize,
}

impl Lineup {
    /// A quarter of the pool carries batches: fewer, fuller batches cost less than many small ones, and
    /// readers keep the rest.
    pub(crate) fn new(pool_size: usize) -> Self {
        Self { state: Mutex::default(), batches: (pool_size / 4).max(1) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_batch(&self) -> Option<Vec<Waiting>> {
        let mut state = self.lock();
        if state.running >= self.batches || state.had_better_wait() {
            return None;
        }
        let batch = state.take_batch();
        if batch.is_empty() {
            return None;
        }
        state.running += 1;
        if is_elsewhere(&batch) {
            state.elsewhere += 1;
            state.begun = Some(Instant::now());
        }
        Some(batch)
    }

    /// How long until the next batch may begin, when nothing else brings somebody back.
    fn alarm(&self) -> Option<Duration> {
        let mut state = self.lock();
        if state.alarm || state.waiting.is_empty() || state.elsewhere > 0 {
            return None;
        }
        let rest = state.rest()?;
        state.alarm = true;
        Some(rest)
    }

    /// See [`Store::space_batches`].
    pub(crate) fn space(&self, spacing: Duration) {
        self.lock().spacing = spacing.min(SPARSEST);
    }

    fn finished(&self, accounts: &HashSet<AccountId>, elsewhere: bool) {
        let mut state = self.lock();
        state.running -= 1;
        state.elsewhere -= usize::from(elsewhere);
        state.busy.retain(|account| !accounts.contains(account));
    }
}

/// Whether nobody here gets anything.
fn is_elsewhere<'a>(batch: impl IntoIterator<Item = &'a Waiting>) -> bool {
    let here = |set: &DeliverySet| !set.deliveries.is_empty() || set.outbound.report.is_some();
    !batch.into_iter().any(|waiting| here(&waiting.set))
}

impl State {
    /// What is left of the time that batches are apart.
    fn rest(&self) -> Option<Duration> {
        let rest = self.spacing.checked_sub(self.begun?.elapsed())?;
        (!rest.is_zero()).then_some(rest)
    }

    /// A batch is under way or has just begun, and what waits is better sent together.
    fn had_better_wait(&self) -> bool {
        let mut count = 0;
        let few = self.waiting.iter().all(|waiting| {
            count += rows(&waiting.set);
            count < MANY_ELSEWHERE && waiting.since.elapsed() < LONG
        });
        let occupied = self.elsewhere > 0 || self.rest().is_some();
        occupied && few && is_elsewhere(&self.waiting)
    }

    /// The first sets in line whose accounts are free. A set that has to wait keeps later ones for the same
    /// accounts behind it.
    fn take_batch(&mut self) -> Vec<Waiting> {
        let mut blocked = self.busy.clone();
        let mut taken = Vec::new();
        let mut copies = 0;
        let mut left = VecDeque::with_capacity(self.waiting.len());
        while let Some(next) = self.waiting.pop_front() {
            let fits = copies == 0 || copies + rows(&next.set) <= BATCH_DELIVERIES;
            if fits && accounts(&next.set).all(|account| !blocked.contains(&account)) {
                copies += rows(&next.set);
                taken.push(next);
            } else {
                blocked.extend(accounts(&next.set));
                left.push_back(next);
            }
            if copies >= BATCH_DELIVERIES {
                break;
            }
        }
        left.append(&mut self.waiting);
        self.waiting = left;
        self.busy.extend(taken.iter().flat_map(|waiting| accounts(&waiting.set)));
        taken
    }
}

fn rows(set: &DeliverySet) -> usize {
    set.deliveries.len() + set.outbound.recipients.len()
}

fn accounts(set: &DeliverySet) -> impl Iterator<Item = AccountId> {
    set.deliveries.iter().map(|delivery| delivery.account)
}

/// Makes the copies. `Ok` means durable: every outcome that is a delivery or (with an envelope) a place in
/// the queue has been committed. An unanswered COMMIT has been looked up.
///
/// # Errors
/// [`StoreError::MaybeHappened`] only when the look-up failed as well; otherwise nothing happened.
pub async fn deliver(store: &Store, set: DeliverySet) -> Result<Vec<Outcome>, StoreError> {
    accept(store, set).await.map(|done| done.outcomes)
}

/// As [`deliver`] for a message of which this node sends something at once.
///
/// # Errors
/// As [`deliver`].
pub async fn accept(store: &Store, set: DeliverySet) -> Answer {
    let (answer, reply) = oneshot::channel();
    store.deliveries.lock().waiting.push_back(Waiting { set, since: Instant::now(), answer });
    pump(store);
    reply.await.unwrap_or_else(|_| Err(StoreError::MaybeHappened("the delivery task ended".into())))
}

fn pump(store: &Store) {
    while let Some(batch) = store.deliveries.next_batch() {
        let store = store.clone();
        tokio::spawn(async move {
            let busy = batch.iter().flat_map(|waiting| accounts(&waiting.set)).collect();
            // Given back even if the task panics: a wedged account would be worse than the panic.
            let elsewhere = is_elsewhere(&batch);
            let turn = Turn { store: store.clone(), accounts: busy, elsewhere };
            run(&store, batch, turn).await;
        });
    }
    if let Some(rest) = store.deliveries.alarm() {
        let store = store.clone();
        tokio::spawn(async move {
            tokio::time::sleep(rest).await;
            store.deliveries.lock().alarm = false;
            pump(&store);
        });
    }
}

struct Turn {
    store: Store,
    accounts: HashSet<AccountId>,
    elsewhere: bool,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.store.deliveries.finished(&self.accounts, self.elsewhere);
        pump(&self.store);
    }
}

async fn run(store: &Store, batch: Vec<Waiting>, turn: Turn) {
    let (sets, answers): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|waiting| (waiting.set, waiting.answer)).unzip();
    metrics::histogram!("postrider_delivery_batch_sets").record(sets.len() as f64);
    let mut result = attempt(store, &sets).await;
    // What happens from here on may take long, and nobody else need wait for it.
    drop(turn);
    if let Err(StoreError::MaybeHappened(why)) = result {
        result = resolve(store, &sets, why).await;
    }
    match result {
        Ok(done) => {
            for (answer, done) in answers.into_iter().zip(done) {
                let _ = answer.send(Ok(done));
            }
        }
        // One bad set must not fail its neighbours.
        Err(StoreError::Bug(_) | StoreError::Conflict(_) | StoreError::Refused(_))
            if sets.len() > 1 =>
        {
            for (set, answer) in sets.into_iter().zip(answers) {
                let _ = answer.send(alone(store, set).await);
            }
        }
        Err(error) => {
            for answer in answers {
                let _ = answer.send(Err(error.clone()));
            }
        }
    }
}

async fn alone(store: &Store, set: DeliverySet) -> Answer {
    let sets = [set];
    let mut result = attempt(store, &sets).await;
    if let Err(StoreError::MaybeHappened(why)) = result {
        result = resolve(store, &sets, why).await;
    }
    result.map(|mut done| done.swap_remove(0))
}

async fn attempt(store: &Store, sets: &[DeliverySet]) -> Result<Vec<Done>, StoreError> {
    let result = commit(store, &Batch { sets, skip_busy: false }).await;
    if !matches!(result, Err(StoreError::Locked)) {
        return result;
    }
    metrics::counter!("postrider_delivery_lock_timeouts_total").increment(1);
    commit(store, &Batch { sets, skip_busy: true }).await
}

fn unborn(outcomes: Vec<Outcome>) -> Done {
    Done { outcomes, born: Vec::new() }
}

/// Looks up a batch whose COMMIT was not answered.
async fn resolve(
    store: &Store,
    sets: &[DeliverySet],
    why: String,
) -> Result<Vec<Done>, StoreError> {
    metrics::counter!("postrider_commit_unknown_total").increment(1);
    tracing::warn!(%why, sets = sets.len(), "a delivery's outcome is unknown, looking it up");
    if !sets.iter().any(|set| set.newborn) {
        // Out of the queue: the queue row itself tells whoever tries next.
        return Err(StoreError::MaybeHappened(why));
    }
    let end = Instant::now() + RESOLVE_FOR;
    let mut pause = Duration::from_millis(100);
    while Instant::now() < end {
        match outcome::happened(store, sets).await {
            Ok(true) => match outcome::read_back(store, sets).await {
                // What is this node's own is found without its owner's knowing, as after a claim without an answer.
                Ok(all) => return Ok(all.into_iter().map(unborn).collect()),
                Err(error) => tracing::warn!(%error, "reading a delivery back failed"),
            },
            Ok(false) => return Err(StoreError::Unavailable(why)),
            Err(error) => tracing::warn!(%error, "looking up a delivery failed"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RESOLVE_PAUSE);
    }
    metrics::counter!("postrider_commit_unresolved_total").increment(1);
    Err(StoreError::MaybeHappened(why))
}
