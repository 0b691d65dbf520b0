//! The [`Engine`] over real time: what it wants done is done by tasks, what comes of it goes back to it.
//!
//! One task owns the engine and is the only one to touch it. PostgreSQL is behind [`Rows`], the network behind
//! [`Carrier`]; the coordinator is there or not. Tasks are bounded by the engine's slots. A carrier's future is
//! never dropped half way, because it may be waiting for the answer to a final dot; to stop it, its
//! [`Desk::fence`] says no.
//!
//! ```text
//!   doorbell, coordinator, time, answers ──▶ Engine ──▶ tasks: Rows, Work, Carrier ──▶ answers
//! ```

mod desk;
#[cfg(test)]
mod tests;

pub use desk::Desk;

use crate::{
    Away, Born, Claim, Claims, Do, Doorbell, Due, Engine, EngineConfig, Event, Lease, Mono,
    Prepared, Reception, Record, RunId, Sighting,
};
use async_trait::async_trait;
use coordinator::CoordinatorError;
use coordinator::work::{Bell, Give, Given, SharedWork, Token};
use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use types::{Destination, Incarnation};

/// What the worker asks of PostgreSQL, for one node. `Err(Away)`: it may have happened or not.
#[async_trait]
pub trait Rows: Send + Sync + 'static {
    /// What a carrier needs of a recipient.
    type Row: Send + 'static;
    /// What the log is to say of an attempt.
    type Note: Clone + Send + Sync + 'static;

    /// Renews the node's lease.
    async fn renew(&self) -> Result<(), Away>;
    /// Sees all leases, and owners without one.
    async fn look(&self) -> Result<Vec<Sighting>, Away>;
    /// Frees what these have, if their leases still are as they were seen.
    async fn take_over(&self, gone: &[Sighting]) -> Result<Vec<Destination>, Away>;
    /// Finds due work from here on, and where to go on next time.
    async fn sweep(&self, from: Option<i64>) -> Result<(Vec<Due>, Option<i64>), Away>;
    /// Claims due recipients of a destination: at most so many, tenants after this one first.
    async fn claim(
        &self,
        destination: &Destination,
        most: usize,
        after: i32,
    ) -> Result<Claims<Self::Row>, Away>;
    /// Writes results.
    async fn record(&self, records: &[Record<Self::Note>]) -> Result<(), Away>;
    /// Frees what this node owns for long without knowing it.
    async fn reconcile(&self, known: &[i64]) -> Result<Vec<Destination>, Away>;
    /// Frees everything this node owns.
    async fn let_go(&self) -> Result<(), Away>;
}

/// Who brings mail to its destination.
#[async_trait]
pub trait Carrier<R, N>: Send + Sync + 'static {
    /// Finds the hosts and gets leave. Whatever it holds for the run afterwards it keeps until
    /// [`Carrier::dismiss`].
    async fn prepare(&self, run: RunId, destination: &Destination) -> Prepared;

    /// Carries a batch. Fates go to the desk as soon as they are known; who is left without one was not tried.
    async fn carry(&self, run: RunId, claims: Vec<Claim<R>>, desk: Desk<R, N>);

    /// A run is over.
    fn dismiss(&self, run: RunId);
}

/// Where this node's own sessions leave the mail that they accept.
pub struct Inlets<R> {
    /// They say where to there is mail for everybody.
    pub doorbell: Doorbell,
    /// And bring what this node sends at once.
    pub reception: Reception<R>,
}

impl<R> Default for Inlets<R> {
    fn default() -> Self {
        Self { doorbell: Doorbell::default(), reception: Reception::default() }
    }
}

impl<R> Clone for Inlets<R> {
    fn clone(&self) -> Self {
        Self { doorbell: self.doorbell.clone(), reception: self.reception.clone() }
    }
}

/// What others may know of the worker.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The nodes that were alive when last looked at; never empty once there was a look.
    pub living: Vec<Incarnation>,
    /// Destinations being worked on.
    pub runs: usize,
}

/// A running worker.
pub struct Worker {
    /// To go. The engine hears of it before carriers do, so that it knows why they leave things undone.
    asked: CancellationToken,
    hurry: CancellationToken,
    ended: CancellationToken,
}

impl Worker {
    /// Starts working. `work`: the coordinator's, if it has one; without it PostgreSQL alone is asked. `seen`: where
    /// it says what it knows of the cluster.
    pub fn start<W: Rows, C: Carrier<W::Row, W::Note>>(
        config: EngineConfig,
        me: Incarnation,
        rows: Arc<W>,
        carrier: Arc<C>,
        work: Option<SharedWork>,
        inlets: Inlets<W::Row>,
        seen: Arc<RwLock<Seen>>,
    ) -> Self {
        let begun = Instant::now();
        let (events, inbox) = mpsc::unbounded_channel();
        let (asked, hurry) = (CancellationToken::new(), CancellationToken::new());
        let ended = CancellationToken::new();
        let hands = Hands {
            me,
            rows,
            carrier,
            work,
            events,
            clock: Clock(begun),
            lease: Arc::default(),
            asked: asked.clone(),
            stop: CancellationToken::new(),
            hurry: hurry.clone(),
        };
        let (seed, reception) = (rand::random(), inlets.reception.clone());
        let engine = Engine::with_reception(config, seed, Mono::default(), reception);
        let drive = drive(engine, hands, inbox, inlets, seen);
        let over = ended.clone().drop_guard();
        tokio::spawn(async move {
            drive.await;
            drop(over);
        });
        Self { asked, hurry, ended }
    }

    /// Takes nothing new, hands back what was not begun, lets what is under way end for so long, then lets only
    /// those go on whose final dot is out. Returns when nothing is left, or `false` when `limit` has passed.
    pub async fn drain(&self, grace: Duration, limit: Duration) -> bool {
        self.asked.cancel();
        let waits = async {
            if tokio::time::timeout(grace, self.ended.cancelled()).await.is_err() {
                self.hurry.cancel();
                self.ended.cancelled().await;
            }
        };
        tokio::time::timeout(limit, waits).await.is_ok()
    }
}

/// Dropped, it stops as fast as it can.
impl Drop for Worker {
    fn drop(&mut self) {
        self.asked.cancel();
        self.hurry.cancel();
    }
}

/// Monotonic time since the start.
#[derive(Debug, Clone, Copy)]
struct Clock(Instant);

impl Clock {
    fn now(self) -> Mono {
        Mono(self.0.elapsed())
    }

    fn at(self, mono: Mono) -> Instant {
        // Far away, but still a time.
        self.0 + mono.0.min(self.0.elapsed() + Duration::from_secs(3600))
    }
}

type News<W> = Event<<W as Rows>::Row, <W as Rows>::Note>;

/// Everything the tasks need.
struct Hands<W: Rows, C> {
    me: Incarnation,
    rows: Arc<W>,
    carrier: Arc<C>,
    work: Option<SharedWork>,
    events: mpsc::UnboundedSender<News<W>>,
    clock: Clock,
    lease: Arc<RwLock<Lease>>,
    asked: CancellationToken,
    stop: CancellationToken,
    hurry: CancellationToken,
}

async fn drive<W: Rows, C: Carrier<W::Row, W::Note>>(
    mut engine: Engine<W::Row, W::Note>,
    hands: Hands<W, C>,
    mut inbox: mpsc::UnboundedReceiver<News<W>>,
    Inlets { doorbell, reception }: Inlets<W::Row>,
    seen: Arc<RwLock<Seen>>,
) {
    let clock = hands.clock;
    // A coordinator may say "there is something" for as long as it is not taken.
    let mut listening = true;
    let mut draining = false;
    engine.handle(clock.now(), Event::Tick);
    loop {
        while let Some(what) = engine.poll() {
            if matches!(what, Do::Drained) {
                return;
            }
            hands.begin(what);
        }
        let event = tokio::select! {
            Some(event) = inbox.recv() => event,
            destinations = doorbell.heard() => Event::Queued(destinations),
            born = reception.arrived() => {
                count_born(&born);
                Event::Born(born)
            }
            () = hands.woken(), if listening => {
                listening = false;
                Event::Woken
            }
            () = hands.asked.cancelled(), if !draining => {
                draining = true;
                Event::Drain
            }
            () = tokio::time::sleep_until(clock.at(engine.deadline())) => Event::Tick,
        };
        listening |= matches!(event, Event::Taken(_));
        let looked = matches!(event, Event::Looked(..));
        engine.handle(clock.now(), event);
        if draining {
            hands.stop.cancel();
        }
        while let Ok(event) = inbox.try_recv() {
            listening |= matches!(event, Event::Taken(_));
            engine.handle(clock.now(), event);
        }
        *hands.lease.write().unwrap_or_else(PoisonError::into_inner) = engine.lease();
        metrics::gauge!("postrider_queue_runs").set(engine.runs() as f64);
        let mut seen = seen.write().unwrap_or_else(PoisonError::into_inner);
        seen.runs = engine.runs();
        if looked {
            seen.living = engine.living().to_vec();
        }
    }
}

impl<W: Rows, C: Carrier<W::Row, W::Note>> Hands<W, C> {
    async fn woken(&self) {
        match &self.work {
            Some(work) => work.woken().await,
            None => std::future::pending().await,
        }
    }

    /// Runs a task whose outcome is an event.
    fn task(&self, task: impl Future<Output = News<W>> + Send + 'static) {
        let events = self.events.clone();
        tokio::spawn(async move {
            // Nobody listens any more when the worker is gone.
            let _ = events.send(task.await);
        });
    }

    /// Begins what the engine wants.
    fn begin(&self, what: Do<W::Row, W::Note>) {
        let (rows, clock) = (Arc::clone(&self.rows), self.clock);
        match what {
            Do::Renew => self.task(async move {
                let sent = clock.now();
                Event::Renewed(sent, rows.renew().await)
            }),
            Do::Look => self.task(async move {
                let asked = clock.now();
                Event::Looked(asked, rows.look().await)
            }),
            Do::TakeOver(gone) => self.task(async move {
                let freed = rows.take_over(&gone).await;
                took_over(&gone, &freed);
                Event::TookOver(freed)
            }),
            Do::Sweep(from) => self.task(async move { Event::Swept(rows.sweep(from).await) }),
            Do::Claim(run, destination, most, after) => self.task(async move {
                let begun = Instant::now();
                let claimed = rows.claim(&destination, most, after).await;
                let count = claimed.as_ref().map_or(0, |claimed| claimed.claims.len());
                tracing::trace!(run = run.0, %destination, count, "claimed");
                count_claim(&claimed, begun.elapsed());
                Event::Claimed(run, claimed)
            }),
            Do::Record(batch, records) => self.task(async move {
                let begun = Instant::now();
                let written = rows.record(&records).await;
                metrics::histogram!("postrider_queue_record_seconds").record(begun.elapsed());
                Event::Recorded(batch, written)
            }),
            Do::Reconcile(known) => {
                self.task(async move { Event::Reconciled(rows.reconcile(&known).await) });
            }
            Do::LetGo => self.task(async move { Event::LetGo(rows.let_go().await) }),
            Do::Take(most) => self.take(most),
            Do::Beat(tokens) => self.beat(tokens),
            Do::Ring(bells) => self.ring(bells),
            Do::Give(run, token, how) => self.give(run, token, how),
            Do::Prepare(run, destination) => {
                let carrier = Arc::clone(&self.carrier);
                self.task(
                    async move { Event::Prepared(run, carrier.prepare(run, &destination).await) },
                );
            }
            Do::Carry(run, term, claims) => self.carry(run, term, claims),
            Do::Dismiss(run) => self.carrier.dismiss(run),
            Do::Drained => {}
        }
    }

    fn carry(&self, run: RunId, term: u64, claims: Vec<Claim<W::Row>>) {
        let carrier = Arc::clone(&self.carrier);
        let desk = Desk {
            events: self.events.clone(),
            lease: Arc::clone(&self.lease),
            clock: self.clock,
            term,
            stop: self.stop.clone(),
            hurry: self.hurry.clone(),
        };
        // A panic in there must not keep a run, and with it a slot, for ever.
        let carrying = tokio::spawn(async move { carrier.carry(run, claims, desk).await });
        self.task(async move {
            if let Err(error) = carrying.await {
                tracing::error!(%error, "a carrier failed");
            }
            Event::Ended(run)
        });
    }

    fn take(&self, most: usize) {
        let (work, me) = (self.work.clone(), self.me);
        self.task(async move {
            let Some(work) = work else { return Event::Taken(Err(Away)) };
            let taken = heard(work.take(me, most).await);
            for token in taken.iter().flatten() {
                tracing::trace!(id = ?token.id, destination = %token.destination, "a token");
            }
            Event::Taken(taken)
        });
    }

    fn beat(&self, tokens: Vec<Token>) {
        let (work, me) = (self.work.clone(), self.me);
        self.task(async move {
            if let Some(work) = work {
                // Whose token it is now matters to nobody: claims are compare-and-set.
                let _ = heard(work.beat(me, &tokens).await);
            }
            Event::Beaten
        });
    }

    fn ring(&self, bells: Vec<(Destination, Bell)>) {
        let work = self.work.clone();
        self.task(async move {
            let Some(work) = work else { return Event::Rang(Err(Away)) };
            Event::Rang(heard(work.ring(&bells).await))
        });
    }

    fn give(&self, run: RunId, token: Token, how: Give) {
        let (work, me) = (self.work.clone(), self.me);
        self.task(async move {
            let Some(work) = work else { return Event::Given(run, Ok(Given::Lost)) };
            let given = heard(work.give(me, &token, how).await);
            let destination = &token.destination;
            tracing::trace!(run = run.0, id = ?token.id, %destination, ?how, ?given, "gave a token");
            Event::Given(run, given)
        });
    }
}

fn heard<T>(answer: Result<T, CoordinatorError>) -> Result<T, Away> {
    answer.map_err(|error| {
        tracing::debug!(%error, "the queue's coordinator did not answer");
        metrics::counter!("postrider_queue_coordinator_failures_total").increment(1);
        Away
    })
}

fn took_over(gone: &[Sighting], freed: &Result<Vec<Destination>, Away>) {
    let Ok(freed) = freed else { return };
    for owner in gone.iter().map(|sighting| sighting.owner) {
        tracing::info!(%owner, destinations = freed.len(), "took over from a node that is gone");
    }
    if !freed.is_empty() {
        metrics::counter!("postrider_queue_takeovers_total").increment(freed.len() as u64);
    }
}

fn count_claim<R>(claimed: &Result<Claims<R>, Away>, took: Duration) {
    metrics::histogram!("postrider_queue_claim_seconds").record(took);
    let Ok(Claims { claims, .. }) = claimed else { return };
    metrics::counter!("postrider_queue_claimed_total").increment(claims.len() as u64);
}

fn count_born<R>(born: &[Born<R>]) {
    let count = born.iter().map(|born| born.claims.len() as u64).sum();
    metrics::counter!("postrider_queue_born_total").increment(count);
}

/// For a node that sends nothing itself: its bells go to those that do.
pub async fn forward(doorbell: Doorbell, work: SharedWork) {
    loop {
        let bells: Vec<_> = doorbell.heard().await.into_iter().map(|d| (d, Bell::Now)).collect();
        // What nobody hears is found by the sweep.
        let _ = heard(work.ring(&bells).await);
    }
}
