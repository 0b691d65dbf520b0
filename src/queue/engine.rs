//! One node's part in the queue, without I/O and without a clock.
//!
//! [`Engine::handle`] takes what happened, [`Engine::poll`] says what to do. For every [`Do`] that asks for an
//! answer there is an [`Event`] that must come, sooner or later, with success or [`Away`]; at most one of each
//! kind is under way, except for those that carry a run's or a batch's number.

mod bells;
mod born;
mod results;
mod runs;
mod watch;

use crate::recorder::Recorder;
use crate::{Born, Fate, Lease, Mono, Peers, Reception, Record, RetryPolicy, Sighting, Standing};
use bells::Bells;
use coordinator::work::{Bell, Give, Given, Token};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;
use types::{Destination, Incarnation};
pub use watch::ORPHAN_AGE;
use watch::Timers;

/// How a node sends.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineConfig {
    /// Destinations worked on at once.
    pub slots: usize,
    /// Recipients per claim.
    pub batch: usize,
    /// Most tokens of one destination in the cluster.
    pub tokens: u32,
    /// A run steps back after so long when others wait for its slot.
    pub turn: Duration,
    /// How often due work without a bell is looked for, by the cluster as a whole.
    pub sweep_every: Duration,
    /// The same while there is no coordinator, by each node.
    pub sweep_alone_every: Duration,
    /// How often the others' leases are looked at.
    pub look_every: Duration,
    /// How often tokens are asked for without being woken.
    pub take_every: Duration,
    /// A reschedule this soon gets a bell of its own; later ones are the sweep's.
    pub near: Duration,
    /// Work due for so long deserves one more token.
    pub overdue: Duration,
    /// When to try again, where no route says otherwise.
    pub retry: RetryPolicy,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            slots: 64,
            batch: 50,
            tokens: 8,
            turn: Duration::from_secs(5),
            sweep_every: Duration::from_secs(5),
            sweep_alone_every: Duration::from_secs(1),
            look_every: Duration::from_secs(1),
            take_every: Duration::from_secs(2),
            near: Duration::from_secs(15 * 60),
            overdue: Duration::from_secs(15),
            retry: RetryPolicy::default(),
        }
    }
}

/// No answer: it may have happened or not. Nothing here depends on which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Away;

/// One destination being worked on by this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

/// A claimed recipient; `row` is whatever the deliverer needs of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim<R> {
    /// Its row's number.
    pub recipient: i64,
    /// The claim's number, for the fence.
    pub attempt: u32,
    /// How it stands.
    pub standing: Standing,
    /// The rest.
    pub row: R,
}

/// What a claim brought.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims<R> {
    /// The recipients, in the order in which they are to be carried.
    pub claims: Vec<Claim<R>>,
    /// The tenant to begin after next time.
    pub after: i32,
    /// Whether more may have been due than was claimed.
    pub more: bool,
}

/// A destination with due work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Where.
    pub destination: Destination,
    /// For how long the oldest of it has been due.
    pub overdue: Duration,
}

/// Whether mail can leave for a destination now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prepared {
    /// Hosts are known and the limits allow it.
    Ready,
    /// A limit is reached, or the site is left alone for a while.
    NotNow(Duration),
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Event<R, N> {
    /// Time passed ([`Engine::deadline`]).
    Tick,
    /// A renewal of the lease that was sent at this time was answered.
    Renewed(Mono, Result<(), Away>),
    /// Leases as a look that was sent at this time saw them.
    Looked(Mono, Result<Vec<Sighting>, Away>),
    /// What owners that are gone had is free now, for these destinations.
    TookOver(Result<Vec<Destination>, Away>),
    /// Due work, and where to go on next time.
    Swept(Result<(Vec<Due>, Option<i64>), Away>),
    /// This node queued mail.
    Queued(Vec<Destination>),
    /// This node queued mail as its own, by a place of [`Engine::reception`].
    Born(Vec<Born<R>>),
    /// There may be tokens.
    Woken,
    /// Tokens.
    Taken(Result<Vec<Token>, Away>),
    /// Bells were rung.
    Rang(Result<(), Away>),
    /// Signs of life were given.
    Beaten,
    /// A run may start or not.
    Prepared(RunId, Prepared),
    /// Claimed recipients.
    Claimed(RunId, Result<Claims<R>, Away>),
    /// A recipient's fate, by the route's own policy if it has one.
    Finished(i64, Fate, Option<RetryPolicy>, N),
    /// A run's batch is done.
    Ended(RunId),
    /// A token was given.
    Given(RunId, Result<Given, Away>),
    /// Results were written.
    Recorded(u64, Result<(), Away>),
    /// What a look for rows without an attempt freed.
    Reconciled(Result<Vec<Destination>, Away>),
    /// Everything this node owned is free.
    LetGo(Result<(), Away>),
    /// The node is going.
    Drain,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Do<R, N> {
    /// Renew the lease. [`Event::Renewed`].
    Renew,
    /// Look at all leases, and at owners without one. [`Event::Looked`].
    Look,
    /// Free what these have, if their leases still are as they were seen. [`Event::TookOver`].
    TakeOver(Vec<Sighting>),
    /// Find due work, going on from here. [`Event::Swept`].
    Sweep(Option<i64>),
    /// Take at most so many tokens. [`Event::Taken`].
    Take(usize),
    /// Give signs of life. [`Event::Beaten`].
    Beat(Vec<Token>),
    /// Ring. [`Event::Rang`].
    Ring(Vec<(Destination, Bell)>),
    /// Find the hosts and get leave. [`Event::Prepared`].
    Prepare(RunId, Destination),
    /// Claim at most so many of a destination, tenants after this one first. [`Event::Claimed`].
    Claim(RunId, Destination, usize, i32),
    /// Carry. [`Event::Finished`] for each, then [`Event::Ended`]. [`Lease::may_finish`] with this term.
    Carry(RunId, u64, Vec<Claim<R>>),
    /// The run is over: what [`Prepared::Ready`] held may go.
    Dismiss(RunId),
    /// End holding a token. [`Event::Given`].
    Give(RunId, Token, Give),
    /// Write results. [`Event::Recorded`].
    Record(u64, Vec<Record<N>>),
    /// Free what this node owns since [`ORPHAN_AGE`] without knowing it: not these. [`Event::Reconciled`].
    Reconcile(Vec<i64>),
    /// Free everything this node owns. [`Event::LetGo`].
    LetGo,
    /// Nothing is left to do, ever.
    Drained,
}

/// One node's part.
pub struct Engine<R, N> {
    config: EngineConfig,
    rng: SmallRng,
    lease: Lease,
    peers: Peers,
    timers: Timers,
    runs: BTreeMap<RunId, runs::Run<R>>,
    last_run: u64,
    carried: HashMap<i64, results::Carried>,
    recorder: Recorder<N>,
    bells: Bells,
    reception: Reception<R>,
    draining: Draining,
    /// Given to others; they are told when it is written.
    handed_back: HashMap<i64, Destination>,
    out: VecDeque<Do<R, N>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Draining {
    No,
    Asked,
    LettingGo,
    Done,
}

impl<R, N: Clone> Engine<R, N> {
    /// A node that knows nothing yet. `seed`: its randomness.
    #[must_use]
    pub fn new(config: EngineConfig, seed: u64, now: Mono) -> Self {
        Self::with_reception(config, seed, now, Reception::default())
    }

    /// The same, that receives newborn mail here.
    #[must_use]
    pub fn with_reception(
        config: EngineConfig,
        seed: u64,
        now: Mono,
        reception: Reception<R>,
    ) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let timers = Timers::new(&config, now, &mut rng);
        reception.furnish(config.slots, config.batch);
        Self {
            config,
            rng,
            lease: Lease::default(),
            peers: Peers::default(),
            timers,
            runs: BTreeMap::new(),
            last_run: 0,
            carried: HashMap::new(),
            recorder: Recorder::new(),
            bells: Bells::default(),
            reception,
            draining: Draining::No,
            handed_back: HashMap::new(),
            out: VecDeque::new(),
        }
    }

    /// Takes what happened.
    pub fn handle(&mut self, now: Mono, event: Event<R, N>) {
        match event {
            Event::Tick => {}
            Event::Renewed(sent, result) => self.renewed(sent, now, result),
            Event::Looked(asked, result) => self.looked(asked, now, result),
            Event::TookOver(result) => self.took_over(now, result),
            Event::Swept(result) => self.swept(now, result),
            Event::Queued(destinations) => self.queued(now, destinations),
            Event::Born(born) => born.into_iter().for_each(|born| self.born(now, born)),
            Event::Woken => self.bells.woken = true,
            Event::Taken(result) => self.taken(now, result),
            Event::Rang(result) => self.rang(result),
            Event::Beaten => self.timers.beat.done(),
            Event::Prepared(run, prepared) => self.prepared(now, run, prepared),
            Event::Claimed(run, result) => self.claimed(now, run, result),
            Event::Finished(recipient, fate, policy, note) => {
                self.finished(recipient, fate, policy, note);
            }
            Event::Ended(run) => self.ended(now, run),
            Event::Given(run, result) => self.given(now, run, result),
            Event::Recorded(batch, result) => self.recorded(now, batch, result),
            Event::Reconciled(result) => self.reconciled(now, result),
            Event::LetGo(result) => self.let_go(result),
            Event::Drain => self.drain(),
        }
        self.go_on(now);
    }

    /// What to do next, if anything.
    pub fn poll(&mut self) -> Option<Do<R, N>> {
        self.out.pop_front()
    }

    /// When [`Event::Tick`] is wanted.
    #[must_use]
    pub fn deadline(&self) -> Mono {
        let first = self.timers.deadline();
        self.recorder.deadline().map_or(first, |at| at.min(first))
    }

    /// This node's lease, for the check before a final dot.
    #[must_use]
    pub fn lease(&self) -> Lease {
        self.lease
    }

    /// Where it receives newborn mail.
    #[must_use]
    pub fn reception(&self) -> &Reception<R> {
        &self.reception
    }

    /// The nodes that were alive when last looked at.
    #[must_use]
    pub fn living(&self) -> &[Incarnation] {
        self.peers.living()
    }

    /// How many destinations are being worked on.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// Whatever may be done now because of what happened or because it is time.
    fn go_on(&mut self, now: Mono) {
        if self.draining == Draining::Done {
            return;
        }
        self.receive(now);
        self.keep_watch(now);
        self.ring();
        while let Some((id, batch)) = self.recorder.next(now) {
            self.out.push_back(Do::Record(id, batch));
        }
        self.finish_drain();
    }

    /// Others may have the destinations at once, though messages for some of them are still on their way.
    fn drain(&mut self) {
        if self.draining != Draining::No {
            return;
        }
        self.draining = Draining::Asked;
        for id in self.runs.keys().copied().collect::<Vec<_>>() {
            self.put_back(id, Duration::ZERO);
            if let Some(token) = self.runs.get_mut(&id).and_then(runs::Run::let_go) {
                self.out.push_back(Do::Give(id, token, Give::Back));
            }
        }
    }

    fn is_draining(&self) -> bool {
        self.draining != Draining::No
    }

    fn finish_drain(&mut self) {
        let idle = self.runs.is_empty()
            && !self.reception.is_expecting()
            && self.recorder.is_empty()
            && self.bells.is_silent()
            && !self.timers.take.is_under_way();
        if self.draining == Draining::Asked && idle {
            self.draining = Draining::LettingGo;
            self.out.push_back(Do::LetGo);
        }
    }

    /// Whether it succeeded or not: what could not be freed now is free when the lease ends.
    fn let_go(&mut self, _result: Result<(), Away>) {
        self.draining = Draining::Done;
        self.out.push_back(Do::Drained);
    }

    fn held(&self) -> Vec<Token> {
        self.runs.values().filter_map(runs::Run::token).cloned().collect()
    }

    /// Whether there is a run for a token.
    /// A number alone says nothing: two destinations may have tokens of the same millisecond.
    fn is_held(&self, token: &Token) -> bool {
        let same = |held: &Token| held.id == token.id && held.destination == token.destination;
        self.runs.values().any(|run| run.token().is_some_and(same))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coordinator::work::TokenId;

    /// Streams number their entries by time, so two of them may give the same number.
    #[test]
    fn tokens_of_two_destinations_may_have_one_number() {
        let mut engine: Engine<(), ()> = Engine::new(EngineConfig::default(), 1, Mono::default());
        let now = Mono(Duration::from_secs(1));
        engine.handle(now, Event::Renewed(now, Ok(())));
        let token = |domain: &str| Token {
            id: TokenId(7, 0),
            destination: Destination::new(domain),
            generation: 1,
        };
        engine.handle(now, Event::Taken(Ok(vec![token("a.test"), token("b.test")])));
        assert_eq!(engine.runs(), 2);
        engine.handle(now, Event::Taken(Ok(vec![token("b.test")])));
        assert_eq!(engine.runs(), 2, "it has that one already");
    }

    /// Destinations that get nowhere do not keep the slots from others, and are not without number either.
    #[test]
    fn who_gets_no_answer_keeps_nobody_waiting() {
        let config = EngineConfig { slots: 2, ..EngineConfig::default() };
        let mut engine: Engine<(), ()> = Engine::new(config, 1, Mono::default());
        let at = |seconds: u64| Mono(Duration::from_secs(seconds));
        let mut number = 0;
        let mut free = |engine: &mut Engine<(), ()>, seconds: u64| {
            engine.handle(at(seconds), Event::Renewed(at(seconds), Ok(())));
            let free = engine.free(at(seconds));
            let tokens = (0..free).map(|_| {
                number += 1;
                let destination = Destination::new(&format!("d{number}.test"));
                Token { id: TokenId(number, 0), destination, generation: 1 }
            });
            engine.handle(at(seconds), Event::Taken(Ok(tokens.collect())));
            free
        };
        let begun: Vec<usize> = (1..=12).map(|seconds| free(&mut engine, seconds)).collect();
        assert_eq!(begun, [2, 0, 2, 0, 2, 0, 2, 0, 0, 0, 0, 0], "eight in all");
        // One gets somewhere, and counts from then on.
        let run = RunId(1);
        engine.handle(at(12), Event::Prepared(run, Prepared::Ready));
        engine.handle(at(12), Event::Claimed(run, Ok(claims(1, true))));
        engine.handle(at(12), Event::Finished(1, Fate::Deferred, None, ()));
        for gone in 2..=8 {
            engine.handle(at(12), Event::Prepared(RunId(gone), Prepared::NotNow(Duration::ZERO)));
            engine.handle(at(12), Event::Given(RunId(gone), Ok(coordinator::work::Given::Lost)));
        }
        assert_eq!((engine.runs(), engine.free(at(20))), (1, 1));
    }

    /// What an engine wants done, but for what comes round by itself.
    fn wishes(engine: &mut Engine<(), ()>) -> Vec<Do<(), ()>> {
        let all = std::iter::from_fn(|| engine.poll());
        all.filter(|one| {
            matches!(
                one,
                Do::Ring(_) | Do::Prepare(..) | Do::Claim(..) | Do::Carry(..) | Do::Give(..)
            )
        })
        .collect()
    }

    /// One recipient, and perhaps more.
    fn claims(recipient: i64, more: bool) -> Claims<()> {
        let (age, left, reports) = (Duration::ZERO, Duration::MAX, crate::Reports::default());
        let standing = Standing { attempts: 0, age, left, reports };
        let claims = vec![Claim { recipient, attempt: 1, standing, row: () }];
        Claims { claims, after: 1, more }
    }

    /// Work of this node's own does not go by the coordinator while a run is at it, nor is it forgotten; and nobody
    /// asks once more when that was all.
    #[test]
    fn a_run_hears_its_own_bells() {
        let mut engine: Engine<(), ()> = Engine::new(EngineConfig::default(), 1, Mono::default());
        let (now, run, d) = (Mono(Duration::from_secs(1)), RunId(1), Destination::new("a.test"));
        let delivered = Fate::Delivered { reports_passed_on: false };
        engine.handle(now, Event::Renewed(now, Ok(())));
        let token =
            Token { id: coordinator::work::TokenId(7, 0), destination: d.clone(), generation: 3 };
        engine.handle(now, Event::Taken(Ok(vec![token.clone()])));
        engine.handle(now, Event::Prepared(run, Prepared::Ready));
        wishes(&mut engine);
        engine.handle(now, Event::Claimed(run, Ok(claims(1, false))));
        engine.handle(now, Event::Queued(vec![d.clone()]));
        assert!(matches!(wishes(&mut engine)[..], [Do::Carry(..)]), "no bell");
        engine.handle(now, Event::Finished(1, delivered, None, ()));
        engine.handle(now, Event::Ended(run));
        assert_eq!(wishes(&mut engine), [Do::Prepare(run, d.clone())], "it looks once more");
        engine.handle(now, Event::Prepared(run, Prepared::Ready));
        engine.handle(now, Event::Claimed(run, Ok(claims(2, false))));
        engine.handle(now, Event::Finished(2, delivered, None, ()));
        wishes(&mut engine);
        engine.handle(now, Event::Ended(run));
        let done = Do::Give(run, token, Give::Done { generation: 3 });
        assert_eq!(wishes(&mut engine), [done], "that was all");
        engine.handle(now, Event::Queued(vec![d.clone()]));
        assert_eq!(wishes(&mut engine), [Do::Ring(vec![(d, Bell::Now)])], "too late for the run");
    }
}
