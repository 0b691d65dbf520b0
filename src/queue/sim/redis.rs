//! A Redis that goes away and forgets.

use crate::{Do, Event, Pace, Signal};
use coordinator::limits::permits::Permits;
use coordinator::limits::{Acquired, Limit, PERMIT_IDLE, Permit};
use coordinator::work::board::Board;
use coordinator::work::{Bell, TOKEN_IDLE};
use std::collections::VecDeque;
use types::{Destination, Incarnation};

/// Most writes that a failover forgets.
pub(super) const FORGETS: usize = 8;

/// The server. Its clock has nothing to do with anybody else's.
#[derive(Default)]
pub(super) struct Redis {
    pub(super) board: Board,
    pub(super) permits: Permits,
    past: VecDeque<(Board, Permits)>,
    pub(super) up: bool,
    pub(super) skew: u64,
}

impl Redis {
    pub(super) fn new() -> Self {
        Self { up: true, skew: 1 << 31, ..Self::default() }
    }

    fn now(&self, true_now: u64) -> u64 {
        true_now + self.skew
    }

    fn begin(&mut self) {
        self.past.push_back((self.board.clone(), self.permits.clone()));
        if self.past.len() > FORGETS {
            self.past.pop_front();
        }
    }

    pub(super) fn flush(&mut self) {
        self.past.clear();
        (self.board, self.permits) = (Board::default(), Permits::default());
    }

    pub(super) fn forget(&mut self, count: usize) {
        for _ in 0..count {
            if let Some(before) = self.past.pop_back() {
                (self.board, self.permits) = before;
            }
        }
    }

    /// Executes a command of a node. The second: whether a token came to wait.
    pub(super) fn execute(
        &mut self,
        true_now: u64,
        me: Incarnation,
        command: &Do<(), ()>,
    ) -> (Event<(), ()>, bool) {
        let now = self.now(true_now);
        self.begin();
        match command {
            Do::Take(most) => {
                let tokens = self.board.take(now, me, *most, TOKEN_IDLE);
                (Event::Taken(Ok(tokens)), false)
            }
            Do::Beat(tokens) => {
                let ids: Vec<_> = tokens.iter().map(|token| token.id).collect();
                self.board.beat(now, me, &ids);
                (Event::Beaten, false)
            }
            Do::Ring(bells) => {
                let ring = |(d, bell): &(Destination, Bell)| self.board.ring(now, d, *bell);
                let waits = bells.iter().map(ring).fold(false, |any, one| any | one);
                (Event::Rang(Ok(())), waits)
            }
            Do::Give(run, token, how) => {
                let given = self.board.give(now, me, token.id, *how);
                (Event::Given(*run, Ok(given)), true)
            }
            other => unreachable!("no command: {other:?}"),
        }
    }

    pub(super) fn acquire(
        &mut self,
        true_now: u64,
        id: u128,
        site: &Destination,
        most: u32,
    ) -> Result<Permit, std::time::Duration> {
        let now = self.now(true_now);
        let pace = Pace::decode(self.permits.told(now, site.domain()).value, now);
        if let Some(wait) = pace.closed(now) {
            return Err(wait);
        }
        self.begin();
        let limit = Limit { key: site.domain().to_owned(), most: pace.connections(most) };
        match self.permits.acquire(now, id, &[limit], PERMIT_IDLE) {
            Acquired::Permit(permit) => Ok(permit),
            Acquired::Full(_) => Err(std::time::Duration::from_secs(1)),
        }
    }

    /// Whether it is one too many.
    pub(super) fn renew(&mut self, true_now: u64, permit: &Permit) -> bool {
        let now = self.now(true_now);
        !self.permits.renew(now, std::slice::from_ref(permit), PERMIT_IDLE).is_empty()
    }

    pub(super) fn tell(&mut self, true_now: u64, site: &Destination, signal: Signal) {
        let now = self.now(true_now);
        let told = self.permits.told(now, site.domain());
        let before = Pace::decode(told.value, now);
        let after = before.after(signal, now, 0.5);
        if after != before {
            self.permits.tell(now, site.domain(), told.version, after.encode(), Pace::KEEP);
        }
    }
}
