//! The deliverer of a simulated node, and the destinations.

use super::Mutation;
use super::check::{Connection, Delivery};
use super::node::{LIMIT, Who};
use super::world::{Happening, Sim};
use crate::{Claim, Event, Fate, RunId, Signal};
use coordinator::limits::{Limit, Permit};
use rand::Rng;
use std::collections::VecDeque;
use types::Destination;

/// A batch being carried.
pub(super) struct Carry {
    term: u64,
    destination: Destination,
    left: VecDeque<i64>,
    connected: Option<u64>,
    /// Its message is on the way, and has been complete since then.
    sending: bool,
    signal: Signal,
}

impl Sim {
    pub(super) fn carry(&mut self, who: Who, run: RunId, term: u64, claims: Vec<Claim<()>>) {
        let Some(leave) = self.nodes[who.node].leaves.get(&run) else { return };
        let destination = leave.site.clone();
        let left = claims.iter().map(|claim| claim.recipient).collect();
        let (connected, sending, signal) = (None, false, Signal::Silent);
        let carry = Carry { term, destination, left, connected, sending, signal };
        self.nodes[who.node].carries.insert(run, carry);
        self.soon(1, 100, Happening::Step(who, run));
    }

    fn is_down(&self, destination: &Destination) -> bool {
        self.down.get(destination).is_some_and(|until| *until > self.now)
    }

    /// Connects, or finishes sending a message.
    pub(super) fn step(&mut self, who: Who, run: RunId) -> Result<(), String> {
        if self.awake(who, Happening::Step(who, run)).is_none() {
            return Ok(());
        }
        let Some(carry) = self.nodes[who.node].carries.get(&run) else { return Ok(()) };
        let Some(id) = carry.left.front().copied() else {
            self.end(who, run);
            return Ok(());
        };
        let surplus = self.nodes[who.node].leaves.get(&run).is_some_and(|leave| leave.surplus);
        if (surplus || self.nodes[who.node].draining) && !carry.sending {
            self.end(who, run);
            return Ok(());
        }
        let destination = carry.destination.clone();
        if carry.connected.is_none() {
            return self.connect(who, run, &destination);
        }
        if !carry.sending {
            self.with(who, run, |carry| carry.sending = true);
            // Some messages take long, now and then longer than a lease.
            let most = if !self.brisk && self.rng.random_bool(0.05) { 30_000 } else { 400 };
            self.soon(5, most, Happening::Step(who, run));
            return Ok(());
        }
        self.finish(who, run, id);
        Ok(())
    }

    fn connect(&mut self, who: Who, run: RunId, destination: &Destination) -> Result<(), String> {
        if self.is_down(destination) {
            let wait = self.rng.random_range(500..5_000);
            self.with(who, run, |carry| carry.signal = Signal::Down);
            let left = self.nodes[who.node].carries[&run].left.clone();
            for id in left {
                self.feed(who.node, Event::Finished(id, Fate::Deferred, None, ()));
            }
            self.with(who, run, |carry| carry.left.clear());
            self.at(self.now + wait, Happening::Step(who, run));
            return Ok(());
        }
        let number = self.books.connect(Connection { who, run, site: destination.clone() });
        self.with(who, run, |carry| carry.connected = Some(number));
        self.tell(|| format!("node {} run {run:?} connects to {destination}", who.node));
        self.check_limit(destination)?;
        self.soon(1, 100, Happening::Step(who, run));
        Ok(())
    }

    /// The check, and the dot right after it.
    fn finish(&mut self, who: Who, run: RunId, id: i64) {
        let node = &self.nodes[who.node];
        let now = node.clock(self.now);
        let (Some(engine), Some(carry)) = (&node.engine, node.carries.get(&run)) else { return };
        let lease = engine.lease();
        let allowed = match self.mutation {
            Mutation::NoCheckBeforeTheDot => true,
            Mutation::AnyTermWillDo => lease.may_finish(lease.term(), now),
            _ => lease.may_finish(carry.term, now),
        };
        if !allowed {
            self.story.stopped_at_the_dot += 1;
            self.tell(|| format!("node {} stops before the dot of {id}", who.node));
            return self.end(who, run);
        }
        let delivery = self.books.delivery(who, id, self.now);
        self.soon(1, 50, Happening::Dot(who, run, delivery, id));
    }

    /// The destination has a whole message.
    pub(super) fn dot(
        &mut self,
        who: Who,
        run: RunId,
        mut delivery: Delivery,
        id: i64,
    ) -> Result<(), String> {
        let dice = if self.calm { 0 } else { self.rng.random_range(0..1_000) };
        let (accepted, reply) = match dice {
            // It hangs up, having taken the message or not.
            900..905 => (true, None),
            905..910 => (false, None),
            910..950 => (false, Some(Fate::Deferred)),
            950..960 => (false, Some(Fate::Failed)),
            _ => (true, Some(Fate::Delivered { reports_passed_on: id % 2 == 0 })),
        };
        delivery.unanswered = reply.is_none();
        if reply == Some(Fate::Failed) {
            self.books.refusals.insert(id);
        }
        if accepted {
            delivery.at = self.now;
            self.tell(|| format!("{id} arrives, from node {}", who.node));
            self.arrived(id, delivery)?;
        }
        let most = if !self.brisk && self.rng.random_bool(0.03) { 20_000 } else { 300 };
        self.soon(1, most, Happening::Reply(who, run, reply));
        Ok(())
    }

    /// The answer to a dot is there.
    pub(super) fn reply(&mut self, who: Who, run: RunId, fate: Option<Fate>) {
        let happening = Happening::Reply(who, run, fate);
        if self.awake(who, happening).is_none() || !self.nodes[who.node].carries.contains_key(&run)
        {
            return;
        }
        let mut id = None;
        self.with(who, run, |carry| {
            carry.sending = false;
            carry.signal = if fate.is_some() { Signal::Fine } else { Signal::Slow };
            id = carry.left.pop_front();
        });
        let Some(id) = id else { return };
        let known = fate.unwrap_or(Fate::MayHaveHappened);
        self.feed(who.node, Event::Finished(id, known, None, ()));
        if fate.is_none() {
            return self.end(who, run);
        }
        self.soon(1, 20, Happening::Step(who, run));
    }

    /// The batch is over; what is left of it was not tried.
    fn end(&mut self, who: Who, run: RunId) {
        self.hang_up(who.node, run);
        let Some(carry) = self.nodes[who.node].carries.remove(&run) else { return };
        if self.redis.up && !self.nodes[who.node].cut_from_redis {
            self.redis.tell(self.now, &carry.destination, carry.signal);
        }
        self.feed(who.node, Event::Ended(run));
    }

    /// The connection of a run is closed, if there is one.
    pub(super) fn hang_up(&mut self, node: usize, run: RunId) {
        if let Some(number) =
            self.nodes[node].carries.get_mut(&run).and_then(|c| c.connected.take())
        {
            self.books.disconnect(number);
        }
        if self.nodes[node].engine.is_none() {
            self.nodes[node].carries.remove(&run);
        }
    }

    /// Signs of life for permits; what was this node's share counts as one now that there is a coordinator.
    pub(super) fn keep_leaves(&mut self, node: usize) {
        if !self.redis.up || self.nodes[node].cut_from_redis {
            return;
        }
        for leave in self.nodes[node].leaves.values_mut() {
            if leave.permit.is_none() && self.mutation != Mutation::NoLimits {
                let key = leave.site.domain().to_owned();
                let (id, limits) = (self.rng.random(), vec![Limit { key, most: LIMIT }]);
                leave.permit = Some(Permit { id, limits });
            }
            if let Some(permit) = &leave.permit {
                leave.surplus |= self.redis.renew(self.now, permit);
            }
        }
    }

    fn with(&mut self, who: Who, run: RunId, change: impl FnOnce(&mut Carry)) {
        if let Some(carry) = self.nodes[who.node].carries.get_mut(&run) {
            change(carry);
        }
    }
}
