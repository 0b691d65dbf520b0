//! The world: time, an agenda, and everybody in it.

use super::Mutation;
use super::check::{Books, Delivery};
use super::faults::Fault;
use super::node::{Node, Who};
use super::postgres::Postgres;
use super::redis::Redis;
use crate::model::{Row, State};
use crate::{Do, Event, Mono, Place, RunId};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use types::Destination;

/// Faults end here, at the latest.
pub(super) const TROUBLE_MS: u64 = 240_000;
/// Everything must be over by then.
const END_MS: u64 = TROUBLE_MS + 90 * 60_000;

/// What happens at some time.
pub(super) enum Happening {
    Submit,
    /// A message that a node accepts is committed.
    Commit(Box<Accepted>),
    /// What was born as a node's own reaches it.
    Arrive(Who),
    Tick(Who),
    /// An answer reaches a node.
    Answer(Who, Event<(), ()>),
    /// A request reaches its server. The time is the node's own when it was sent.
    Reach(Who, Mono, Do<(), ()>),
    /// A node's deliverer goes on.
    Step(Who, RunId),
    /// A final dot reaches its destination.
    Dot(Who, RunId, Delivery, i64),
    /// The answer to it reaches the node; `None`: the connection is gone.
    Reply(Who, RunId, Option<crate::Fate>),
    Fault(Fault),
}

/// A message that a node accepts.
pub(super) struct Accepted {
    who: Who,
    destination: Destination,
    tenant: i32,
    /// The node sends it itself.
    place: Option<Place<()>>,
}

struct Entry(u64, u64, Happening);

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

/// What happened in a simulation, in numbers.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Story {
    pub(super) accepted: u64,
    pub(super) born: u64,
    pub(super) delivered: u64,
    pub(super) refused: u64,
    pub(super) duplicates: u64,
    pub(super) forgotten: u64,
    pub(super) takeovers: u64,
    pub(super) stopped_at_the_dot: u64,
    pub(super) late_records: u64,
    pub(super) lost_tokens: u64,
    pub(super) seconds: u64,
    pub(super) events: u64,
}

impl Story {
    pub(super) fn add(&mut self, other: &Story) {
        self.accepted += other.accepted;
        self.born += other.born;
        self.delivered += other.delivered;
        self.refused += other.refused;
        self.duplicates += other.duplicates;
        self.forgotten += other.forgotten;
        self.takeovers += other.takeovers;
        self.stopped_at_the_dot += other.stopped_at_the_dot;
        self.late_records += other.late_records;
        self.lost_tokens += other.lost_tokens;
        self.seconds += other.seconds;
        self.events += other.events;
    }

    /// Many seeds together must have seen everything.
    pub(super) fn is_worth_telling(&self) {
        let seen = [self.delivered, self.refused, self.duplicates, self.forgotten, self.takeovers];
        assert!(seen.iter().all(|n| *n > 0), "{self:?}");
        let rare = [self.stopped_at_the_dot, self.late_records, self.lost_tokens];
        assert!(rare.iter().all(|n| *n > 0), "{self:?}");
        assert!(self.born > self.accepted / 10 && self.born < self.accepted, "{self:?}");
        assert!(self.duplicates * 20 < self.delivered, "{self:?}");
    }
}

/// The simulation.
pub(super) struct Sim {
    pub(super) now: u64,
    pub(super) rng: SmallRng,
    agenda: BinaryHeap<Reverse<Entry>>,
    order: u64,
    pub(super) postgres: Postgres,
    /// What a paused PostgreSQL gets to when it goes on.
    pub(super) late: Vec<(Who, Mono, Do<(), ()>)>,
    pub(super) redis: Redis,
    pub(super) nodes: Vec<Node>,
    pub(super) destinations: Vec<Destination>,
    /// Down until then.
    pub(super) down: BTreeMap<Destination, u64>,
    pub(super) books: Books,
    pub(super) story: Story,
    pub(super) mutation: Mutation,
    pub(super) calm: bool,
    /// No message takes long.
    pub(super) brisk: bool,
    verbose: bool,
    next_id: i64,
}

impl Sim {
    pub(super) fn new(seed: u64, mutation: Mutation) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let nodes = if rng.random_bool(0.8) { 3 } else { rng.random_range(2..=10) };
        let destinations = rng.random_range(1..=5);
        let mut sim = Self::quiet(rng, nodes, destinations, mutation);
        // Every so often nothing goes wrong at all, and nothing may be doubled.
        sim.calm = seed % 10 == 9;
        sim.brisk = false;
        for _ in 0..sim.rng.random_range(10..60) {
            let at = sim.rng.random_range(0..TROUBLE_MS);
            sim.at(at, Happening::Submit);
        }
        if !sim.calm {
            sim.plan_trouble();
        }
        sim
    }

    /// Nodes, and nothing for them to do.
    pub(super) fn quiet(rng: SmallRng, nodes: usize, sites: usize, mutation: Mutation) -> Self {
        let mut sim = Self {
            now: 0,
            rng,
            agenda: BinaryHeap::new(),
            order: 0,
            postgres: Postgres::new(mutation),
            late: Vec::new(),
            redis: Redis::new(),
            nodes: Vec::new(),
            destinations: (0..sites).map(|n| Destination::new(&format!("d{n}.test"))).collect(),
            down: BTreeMap::new(),
            books: Books::default(),
            story: Story::default(),
            mutation,
            calm: true,
            brisk: true,
            verbose: std::env::var("QUEUE_SEED").is_ok(),
            next_id: 0,
        };
        for node in 0..nodes {
            let fresh = Node::new(&mut sim.rng);
            sim.nodes.push(fresh);
            sim.start(node);
        }
        sim
    }

    pub(super) fn at(&mut self, when: u64, what: Happening) {
        self.order += 1;
        self.agenda.push(Reverse(Entry(when, self.order, what)));
    }

    pub(super) fn soon(&mut self, least: u64, most: u64, what: Happening) {
        let when = self.now + self.rng.random_range(least..=most);
        self.at(when, what);
    }

    pub(super) fn tell(&self, text: impl FnOnce() -> String) {
        if self.verbose {
            println!("{:>9.3}  {}", self.now as f64 / 1e3, text());
        }
    }

    pub(super) fn run(mut self) -> Result<Story, String> {
        while let Some(Reverse(Entry(when, _, what))) = self.agenda.pop() {
            self.now = self.now.max(when);
            self.story.events += 1;
            self.happen(what)?;
            if self.now > TROUBLE_MS + 60_000 && self.is_empty() {
                break;
            }
            if self.now > END_MS {
                return Err(self.wedged());
            }
        }
        self.story.seconds = self.now / 1_000;
        self.close_books()?;
        // Bells that were to ring have rung, and nothing is left of them.
        self.pass(60_000)?;
        let (tokens, remembered) = (self.redis.board.tokens(), self.redis.board.remembered());
        if self.calm && (tokens, remembered) != (0, 0) {
            return Err(format!("{tokens} tokens and {remembered} destinations are left behind"));
        }
        Ok(self.story)
    }

    fn is_empty(&self) -> bool {
        let settled = |row: &Row| row.state == crate::model::State::Settled;
        self.postgres.table().rows.values().all(settled)
    }

    fn wedged(&self) -> String {
        let settled = |row: &Row| row.state == crate::model::State::Settled;
        let left: Vec<_> =
            self.postgres.table().rows.iter().filter(|(_, row)| !settled(row)).collect();
        format!("the queue does not empty: {:?}", &left[..left.len().min(3)])
    }

    fn happen(&mut self, what: Happening) -> Result<(), String> {
        match what {
            Happening::Submit => self.submit(),
            Happening::Commit(accepted) => self.commit(*accepted),
            Happening::Arrive(who) => self.arrive(who),
            Happening::Tick(who) => self.tick(who),
            Happening::Answer(who, event) => self.answer(who, event),
            Happening::Reach(who, asked, what) => return self.reach(who, asked, what),
            Happening::Step(who, run) => return self.step(who, run),
            Happening::Dot(who, run, delivery, id) => return self.dot(who, run, delivery, id),
            Happening::Reply(who, run, fate) => self.reply(who, run, fate),
            Happening::Fault(fault) => return self.strike(fault),
        }
        Ok(())
    }

    /// Somebody hands a message to some node.
    fn submit(&mut self) {
        let node = self.rng.random_range(0..self.nodes.len());
        let site = self.rng.random_range(0..self.destinations.len());
        let count = if self.rng.random_bool(0.1) { 30 } else { 1 };
        if !self.nodes[node].is_well(self.now) {
            return;
        }
        let tenant = self.rng.random_range(1..4);
        for _ in 0..count {
            let accepted = Box::new(self.receive(node, site, tenant));
            // Mostly at once; some commits take so long that the lease has run out meanwhile, or the node is gone.
            let takes = if self.rng.random_bool(0.95) { 20 } else { 25_000 };
            self.soon(0, takes, Happening::Commit(accepted));
        }
    }

    /// A node accepts messages. Returns the last one's number.
    pub(super) fn accept(&mut self, node: usize, site: usize, tenant: i32, count: u64) -> i64 {
        for _ in 0..count {
            let accepted = self.receive(node, site, tenant);
            self.commit(accepted);
        }
        self.next_id
    }

    /// A message has come to a node, which perhaps sends it itself.
    fn receive(&self, node: usize, site: usize, tenant: i32) -> Accepted {
        let (who, destination) = (self.nodes[node].who(node), self.destinations[site].clone());
        let engine = self.nodes[node].engine.as_ref();
        let place = engine.and_then(|engine| engine.reception().place(&destination, 1));
        Accepted { who, destination, tenant, place }
    }

    /// Nothing happens if PostgreSQL cannot be reached; and what happened may not be heard of.
    fn commit(&mut self, accepted: Accepted) {
        let Accepted { who, destination, tenant, place } = accepted;
        let lives = self.lives(who);
        let cut = lives && self.nodes[who.node].cut_from_postgres;
        if !self.postgres.up || cut && self.rng.random_bool(0.5) {
            return;
        }
        let unheard = cut || !self.calm && self.rng.random_bool(0.002);
        self.next_id += 1;
        let (id, me) = (self.next_id, self.books.incarnation(who, self.nodes[who.node].me));
        let mut row = Row::new(destination.clone(), tenant, self.postgres.now(self.now));
        let owned = place.is_some() && self.postgres.has_lease(self.now, me);
        if owned {
            (row.state, row.attempt) = (State::Owned(me), 1);
            self.books.claimed(self.now, who, &[id]);
        }
        self.postgres.insert(id, row);
        self.books.accepted.insert(id, self.postgres.transactions);
        self.story.accepted += 1;
        self.tell(|| format!("node {} accepts {id} to {destination}, owned: {owned}", who.node));
        if unheard || !lives {
            return;
        }
        match place.filter(|_| owned) {
            Some(place) => {
                self.story.born += 1;
                place.bring(vec![self.postgres.claim(id)]);
                self.soon(0, 10, Happening::Arrive(who));
            }
            None => self.answer(who, Event::Queued(vec![destination])),
        }
    }

    fn arrive(&mut self, who: Who) {
        if self.awake(who, Happening::Arrive(who)).is_some()
            && let Some(engine) = &self.nodes[who.node].engine
        {
            let born = engine.reception().take();
            self.feed(who.node, Event::Born(born));
        }
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, milliseconds: u64) -> Result<(), String> {
        let until = self.now + milliseconds;
        while self.agenda.peek().is_some_and(|Reverse(Entry(when, ..))| *when <= until) {
            let Some(Reverse(Entry(when, _, what))) = self.agenda.pop() else { break };
            self.now = self.now.max(when);
            self.happen(what)?;
        }
        self.now = until;
        Ok(())
    }
}
