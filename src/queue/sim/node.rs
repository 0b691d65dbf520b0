//! A node: an engine, a clock of its own, and links that break.

use super::Mutation;
use super::carry::Carry;
use super::check::Trouble;
use super::postgres::Effect;
use super::world::{Happening, Sim};
use crate::{Away, Do, Engine, EngineConfig, Event, Mono, Prepared, RetryPolicy, RunId, Schedule};
use coordinator::limits::Permit;
use coordinator::limits::share::share;
use rand::Rng;
use rand::rngs::SmallRng;
use std::collections::BTreeMap;
use std::time::Duration;
use types::{Destination, Incarnation};
use uuid::Uuid;

/// Connections to one destination, cluster-wide.
pub(super) const LIMIT: u32 = 2;

/// A node in one of its lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) node: usize,
    pub(super) life: u64,
}

/// Leave to connect: the coordinator's, or this node's own share.
#[derive(Debug, Clone)]
pub(super) struct Leave {
    pub(super) site: Destination,
    /// `None`: of this node's own share.
    pub(super) permit: Option<Permit>,
    /// To be given back when the batch is over.
    pub(super) surplus: bool,
}

/// A node.
pub(super) struct Node {
    pub(super) life: u64,
    pub(super) engine: Option<Engine<(), ()>>,
    pub(super) me: Incarnation,
    pub(super) paused_until: u64,
    pub(super) cut_from_postgres: bool,
    pub(super) cut_from_redis: bool,
    pub(super) draining: bool,
    pub(super) carries: BTreeMap<RunId, Carry>,
    pub(super) leaves: BTreeMap<RunId, Leave>,
    /// Its clock runs so much too fast or too slow, in millionths, and began so much earlier.
    rate: i64,
    offset: u64,
    tick_at: u64,
}

impl Node {
    pub(super) fn new(rng: &mut SmallRng) -> Self {
        Self {
            life: 0,
            engine: None,
            me: Incarnation(Uuid::nil()),
            paused_until: 0,
            cut_from_postgres: false,
            cut_from_redis: false,
            draining: false,
            carries: BTreeMap::new(),
            leaves: BTreeMap::new(),
            rate: rng.random_range(-10_000..=10_000),
            offset: rng.random_range(0..1_000_000_000),
            tick_at: u64::MAX,
        }
    }

    pub(super) fn who(&self, node: usize) -> Who {
        Who { node, life: self.life }
    }

    pub(super) fn is_well(&self, now: u64) -> bool {
        self.engine.is_some() && self.paused_until <= now
    }

    pub(super) fn clock(&self, now: u64) -> Mono {
        let drift = now as i64 * self.rate / 1_000_000;
        Mono(Duration::from_millis((now + self.offset).saturating_add_signed(drift)))
    }

    fn true_time(&self, mono: Mono) -> u64 {
        let shown = mono.0.as_millis() as i64 - self.offset as i64;
        let scaled = shown * 1_000_000 / (1_000_000 + self.rate);
        u64::try_from(scaled + 1).unwrap_or(0)
    }
}

fn config() -> EngineConfig {
    let schedule = Schedule { first: Duration::from_secs(5), longest: Duration::from_secs(30) };
    let retry = RetryPolicy {
        schedule,
        unknown: Duration::from_secs(10),
        untried: Duration::from_secs(2),
        ..RetryPolicy::default()
    };
    EngineConfig { slots: 4, batch: 8, tokens: 3, retry, ..EngineConfig::default() }
}

impl Sim {
    pub(super) fn start(&mut self, node: usize) {
        let seed = self.rng.random();
        let me = Incarnation(Uuid::from_u128(self.rng.random()));
        let entry = &mut self.nodes[node];
        entry.me = me;
        entry.draining = false;
        entry.engine = Some(Engine::new(config(), seed, entry.clock(self.now)));
        self.tell(|| format!("node {node} starts as {me}"));
        self.nodes[node].tick_at = self.now;
        let who = self.nodes[node].who(node);
        self.at(self.now, Happening::Tick(who));
    }

    pub(super) fn lives(&self, who: Who) -> bool {
        self.nodes[who.node].life == who.life && self.nodes[who.node].engine.is_some()
    }

    /// Something for a node that sleeps waits until it wakes. `None`: the node is gone.
    pub(super) fn awake(&mut self, who: Who, what: Happening) -> Option<Happening> {
        if !self.lives(who) {
            return None;
        }
        let until = self.nodes[who.node].paused_until;
        if until > self.now {
            self.at(until, what);
            return None;
        }
        Some(what)
    }

    pub(super) fn tick(&mut self, who: Who) {
        let asked_for = self.nodes[who.node].tick_at <= self.now;
        if asked_for && self.awake(who, Happening::Tick(who)).is_some() {
            self.nodes[who.node].tick_at = u64::MAX;
            self.keep_leaves(who.node);
            self.feed(who.node, Event::Tick);
        }
    }

    pub(super) fn answer(&mut self, who: Who, event: Event<(), ()>) {
        if let Some(Happening::Answer(_, event)) = self.awake(who, Happening::Answer(who, event)) {
            self.feed(who.node, event);
        }
    }

    /// Gives an event to a node's engine and sends out what it wants done.
    pub(super) fn feed(&mut self, node: usize, event: Event<(), ()>) {
        let now = self.nodes[node].clock(self.now);
        let Some(mut engine) = self.nodes[node].engine.take() else { return };
        engine.handle(now, event);
        let mut wanted = Vec::new();
        while let Some(what) = engine.poll() {
            wanted.push(what);
        }
        let deadline = self.nodes[node].true_time(engine.deadline()).max(self.now + 1);
        self.nodes[node].engine = Some(engine);
        if deadline < self.nodes[node].tick_at {
            self.nodes[node].tick_at = deadline;
            let who = self.nodes[node].who(node);
            self.at(deadline, Happening::Tick(who));
        }
        for what in wanted {
            self.send(node, what, now);
        }
    }

    fn send(&mut self, node: usize, what: Do<(), ()>, asked: Mono) {
        let who = self.nodes[node].who(node);
        match what {
            Do::Carry(run, term, claims) => self.carry(who, run, term, claims),
            Do::Dismiss(run) => self.dismiss(node, run),
            Do::Drained => self.drained(node),
            Do::Prepare(run, ref destination) => {
                let destination = destination.clone();
                self.prepare(who, run, destination);
            }
            other => self.soon(0, 5, Happening::Reach(who, asked, other)),
        }
    }

    /// A request reaches its server, unless it does not.
    pub(super) fn reach(&mut self, who: Who, asked: Mono, what: Do<(), ()>) -> Result<(), String> {
        let for_redis = matches!(what, Do::Take(_) | Do::Beat(_) | Do::Ring(_) | Do::Give(..));
        if for_redis {
            self.reach_redis(who, &what)
        } else {
            return self.reach_postgres(who, asked, what);
        }
        Ok(())
    }

    fn reach_redis(&mut self, who: Who, what: &Do<(), ()>) {
        let node = &self.nodes[who.node];
        let (me, cut) = (node.me, node.cut_from_redis && node.life == who.life);
        let reached = self.redis.up && !cut;
        let through = reached || self.redis.up && self.rng.random_bool(0.3);
        if !through {
            return self.soon(500, 2_000, Happening::Answer(who, away(what, Mono::default())));
        }
        let (event, waits) = self.redis.execute(self.now, me, what);
        if let Event::Given(_, Ok(coordinator::work::Given::Lost)) = event {
            self.story.lost_tokens += 1;
        }
        let event = if reached { event } else { away(what, Mono::default()) };
        self.soon(0, 5, Happening::Answer(who, event));
        if waits {
            for node in 0..self.nodes.len() {
                let who = self.nodes[node].who(node);
                if self.rng.random_bool(0.8) {
                    self.soon(0, 5, Happening::Answer(who, Event::Woken));
                }
            }
        }
    }

    fn reach_postgres(&mut self, who: Who, asked: Mono, what: Do<(), ()>) -> Result<(), String> {
        let node = &self.nodes[who.node];
        let cut = node.cut_from_postgres && node.life == who.life;
        if !self.postgres.up {
            let answer = self.no_answer(&what, asked);
            self.soon(1_000, 5_000, Happening::Answer(who, answer));
            if self.rng.random_bool(0.3) {
                self.late.push((who, asked, what));
            }
            return Ok(());
        }
        if cut && self.rng.random_bool(0.5) {
            let answer = self.no_answer(&what, asked);
            self.soon(1_000, 5_000, Happening::Answer(who, answer));
            return Ok(());
        }
        // A link that breaks after the request got through: it happened, and nobody hears of it.
        let unheard = cut || (!self.calm && self.rng.random_bool(0.002));
        let event = self.execute(who, asked, &what)?;
        if unheard {
            self.soon(1_000, 5_000, Happening::Answer(who, away(&what, asked)));
        } else {
            self.soon(0, 10, Happening::Answer(who, event));
        }
        Ok(())
    }

    fn no_answer(&self, what: &Do<(), ()>, asked: Mono) -> Event<(), ()> {
        match what {
            Do::Record(batch, _) if self.mutation == Mutation::RecordsAreDropped => {
                Event::Recorded(*batch, Ok(()))
            }
            other => away(other, asked),
        }
    }

    /// PostgreSQL executes a statement.
    pub(super) fn execute(
        &mut self,
        who: Who,
        asked: Mono,
        what: &Do<(), ()>,
    ) -> Result<Event<(), ()>, String> {
        // An incarnation's statements are its own even when the next one lives already.
        let me = self.books.incarnation(who, self.nodes[who.node].me);
        let (event, effects) = self.postgres.execute(self.now, me, asked, what);
        for effect in effects {
            match effect {
                Effect::Claimed(ids) => self.books.claimed(self.now, who, &ids),
                Effect::Recorded(id, ruling, recorded) => {
                    self.recorded(who, id, ruling, recorded)?;
                }
            }
        }
        if let (Do::TakeOver(gone), Event::TookOver(Ok(freed))) = (what, &event)
            && !freed.is_empty()
        {
            self.story.takeovers += 1;
            self.tell(|| format!("node {} takes over from {}", who.node, gone[0].owner));
        }
        Ok(event)
    }

    /// Hosts and permits.
    fn prepare(&mut self, who: Who, run: RunId, site: Destination) {
        if self.nodes[who.node].leaves.get(&run).is_some_and(|leave| leave.surplus) {
            self.give_back(who.node, run);
        }
        let prepared = if self.nodes[who.node].leaves.contains_key(&run) {
            Prepared::Ready
        } else {
            match self.ask_leave(who.node, &site) {
                Ok(permit) => {
                    let leave = Leave { site, permit, surplus: false };
                    self.nodes[who.node].leaves.insert(run, leave);
                    Prepared::Ready
                }
                Err(wait) => Prepared::NotNow(wait),
            }
        };
        self.soon(1, 50, Happening::Answer(who, Event::Prepared(run, prepared)));
    }

    fn ask_leave(&mut self, node: usize, site: &Destination) -> Result<Option<Permit>, Duration> {
        let id = self.rng.random();
        let entry = &self.nodes[node];
        if self.mutation == Mutation::NoLimits {
            return Ok(None);
        }
        if self.redis.up && !entry.cut_from_redis {
            return self.redis.acquire(self.now, id, site, LIMIT).map(Some);
        }
        let shares = entry.leaves.values().filter(|leave| leave.site == *site).count() as u32;
        let living = entry.engine.as_ref().map_or(&[][..], |engine| engine.living());
        let most = share(site.domain(), LIMIT, entry.me, living);
        if shares < most { Ok(None) } else { Err(Duration::from_secs(1)) }
    }

    fn dismiss(&mut self, node: usize, run: RunId) {
        self.hang_up(node, run);
        self.give_back(node, run);
    }

    fn give_back(&mut self, node: usize, run: RunId) {
        let permit = self.nodes[node].leaves.remove(&run).and_then(|leave| leave.permit);
        if let Some(permit) = permit
            && self.redis.up
            && !self.nodes[node].cut_from_redis
        {
            self.redis.permits.release(&permit);
        }
    }

    fn drained(&mut self, node: usize) {
        let me = self.nodes[node].me;
        if self.postgres.up && !self.nodes[node].cut_from_postgres {
            self.postgres.delete_lease(me);
        }
        self.tell(|| format!("node {node} has drained"));
        self.die(node, false);
        self.soon(100, 5_000, Happening::Fault(super::faults::Fault::Start(node)));
    }

    /// The node's process ends.
    pub(super) fn die(&mut self, node: usize, killed: bool) {
        if self.nodes[node].engine.is_none() {
            return;
        }
        let who = self.nodes[node].who(node);
        if killed {
            self.books.trouble(who, Trouble::Killed(self.now));
        }
        self.books.remember(who, self.nodes[node].me);
        let runs: Vec<_> = self.nodes[node].carries.keys().copied().collect();
        runs.into_iter().for_each(|run| self.hang_up(node, run));
        let entry = &mut self.nodes[node];
        entry.life += 1;
        entry.engine = None;
        entry.paused_until = 0;
        entry.tick_at = u64::MAX;
        entry.leaves.clear();
    }
}

/// The answer that never came.
fn away(what: &Do<(), ()>, asked: Mono) -> Event<(), ()> {
    match what {
        Do::Renew => Event::Renewed(asked, Err(Away)),
        Do::Look => Event::Looked(asked, Err(Away)),
        Do::TakeOver(_) => Event::TookOver(Err(Away)),
        Do::Sweep(_) => Event::Swept(Err(Away)),
        Do::Take(_) => Event::Taken(Err(Away)),
        Do::Beat(_) => Event::Beaten,
        Do::Ring(_) => Event::Rang(Err(Away)),
        Do::Claim(run, ..) => Event::Claimed(*run, Err(Away)),
        Do::Give(run, ..) => Event::Given(*run, Err(Away)),
        Do::Record(batch, _) => Event::Recorded(*batch, Err(Away)),
        Do::Reconcile(_) => Event::Reconciled(Err(Away)),
        Do::LetGo => Event::LetGo(Err(Away)),
        other => unreachable!("nothing to answer: {other:?}"),
    }
}
