//! What comes round: the lease, the others' leases, the sweep, signs of life.

use super::{Away, Do, Draining, Due, Engine, EngineConfig};
use crate::peers::spacing;
use crate::{Mono, RENEW_EVERY, Sighting};
use coordinator::work::TOKEN_BEAT;
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use std::time::Duration;
use types::Destination;

/// Something that is done every so often, and never twice at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timer {
    next: Mono,
    under_way: bool,
}

impl Timer {
    fn new(now: Mono) -> Self {
        Self { next: now, under_way: false }
    }

    pub(super) fn is_due(&self, now: Mono) -> bool {
        !self.under_way && self.next <= now
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.under_way
    }

    pub(super) fn begin(&mut self, now: Mono, period: Duration) {
        (self.next, self.under_way) = (now.after(period), true);
    }

    pub(super) fn skip(&mut self, now: Mono, period: Duration) {
        self.next = now.after(period);
    }

    pub(super) fn done(&mut self) {
        self.under_way = false;
    }

    fn deadline(&self) -> Option<Mono> {
        (!self.under_way).then_some(self.next)
    }
}

/// A row that this node owns for so long without an attempt belongs to a claim whose answer was lost: longer than
/// any answer is waited for, and than a lease.
pub const ORPHAN_AGE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Timers {
    renew: Timer,
    look: Timer,
    take_over: Timer,
    sweep: Timer,
    sweep_from: Option<i64>,
    reconcile: Timer,
    pub(super) take: Timer,
    pub(super) beat: Timer,
}

impl Timers {
    /// The first sweep comes at a random time, so that nodes that start together do not sweep together.
    pub(super) fn new(config: &EngineConfig, now: Mono, rng: &mut SmallRng) -> Self {
        let sweep = Timer::new(now.after(config.sweep_every.mul_f64(rng.random())));
        let timer = Timer::new(now);
        Self {
            renew: timer,
            look: timer,
            take_over: timer,
            sweep,
            sweep_from: None,
            reconcile: Timer::new(now.after(ORPHAN_AGE)),
            take: timer,
            beat: timer,
        }
    }

    pub(super) fn deadline(&self) -> Mono {
        let all = [self.renew, self.look, self.sweep, self.reconcile, self.take, self.beat];
        all.iter().filter_map(Timer::deadline).min().unwrap_or(Mono(Duration::MAX))
    }
}

impl<R, N: Clone> Engine<R, N> {
    pub(super) fn keep_watch(&mut self, now: Mono) {
        let timers = &mut self.timers;
        if timers.renew.is_due(now) {
            timers.renew.begin(now, RENEW_EVERY);
            self.out.push_back(Do::Renew);
        }
        if timers.look.is_due(now) {
            timers.look.begin(now, self.config.look_every);
            self.out.push_back(Do::Look);
        }
        if timers.beat.is_due(now) {
            timers.beat.begin(now, TOKEN_BEAT);
            match self.held() {
                tokens if tokens.is_empty() => self.timers.beat.done(),
                tokens => self.out.push_back(Do::Beat(tokens)),
            }
        }
        self.take(now);
        self.reconcile(now);
        if self.timers.sweep.is_due(now) {
            let period = self.sweep_period();
            if self.draining == Draining::No {
                self.timers.sweep.begin(now, period);
                self.out.push_back(Do::Sweep(self.timers.sweep_from));
            } else {
                self.timers.sweep.skip(now, period);
            }
        }
    }

    /// All nodes together sweep as often as one alone would.
    fn sweep_period(&mut self) -> Duration {
        let spread = self.rng.random_range(0.75..1.25);
        let period = match self.bells.lost {
            true => self.config.sweep_alone_every,
            false => self.config.sweep_every * self.peers.living().len().clamp(1, 20) as u32,
        };
        period.mul_f64(spread)
    }

    pub(super) fn renewed(&mut self, sent: Mono, now: Mono, result: Result<(), Away>) {
        self.timers.renew.done();
        match result {
            Ok(()) => self.lease.renewed(sent, now),
            Err(Away) => self.timers.renew.skip(now, RENEW_EVERY / 3),
        }
    }

    pub(super) fn looked(&mut self, asked: Mono, now: Mono, result: Result<Vec<Sighting>, Away>) {
        self.timers.look.done();
        let Ok(sightings) = result else { return self.peers.blind() };
        let gone = self.peers.look(asked, now, &sightings);
        self.recorder.space(spacing(self.peers.living().len()));
        let able = self.draining == Draining::No && self.lease.is_fresh(now);
        if able && !gone.is_empty() && !self.timers.take_over.is_under_way() {
            self.timers.take_over.begin(now, Duration::ZERO);
            self.out.push_back(Do::TakeOver(gone));
        }
    }

    /// Looks for rows that are this node's without its knowing: of a claim whose answer was lost, or because a
    /// failover forgot how they ended.
    fn reconcile(&mut self, now: Mono) {
        if self.timers.reconcile.is_due(now) {
            self.timers.reconcile.begin(now, ORPHAN_AGE);
            let carried = self.carried.keys().copied();
            let known = carried.chain(self.recorder.recipients()).collect();
            self.out.push_back(Do::Reconcile(known));
        }
    }

    pub(super) fn reconciled(&mut self, now: Mono, result: Result<Vec<Destination>, Away>) {
        self.timers.reconcile.done();
        for destination in result.unwrap_or_default() {
            self.there_is_work(now, destination, false);
        }
    }

    pub(super) fn took_over(&mut self, now: Mono, result: Result<Vec<Destination>, Away>) {
        self.timers.take_over.done();
        for destination in result.unwrap_or_default() {
            self.there_is_work(now, destination, true);
        }
    }

    pub(super) fn swept(&mut self, now: Mono, result: Result<(Vec<Due>, Option<i64>), Away>) {
        self.timers.sweep.done();
        let Ok((mut due, next)) = result else { return };
        self.timers.sweep_from = next;
        // Nodes without a coordinator begin at different ends.
        due.shuffle(&mut self.rng);
        for Due { destination, overdue } in due {
            self.there_is_work(now, destination, overdue >= self.config.overdue);
        }
    }
}
