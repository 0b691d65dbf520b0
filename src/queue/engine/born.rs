//! Mail that was born as this node's own, on its way into a run's batch.

use super::results::Carried;
use super::{Born, Claim, Engine, RunId};
use crate::{Again, Mono, Record, Ruling};
use std::collections::VecDeque;
use std::time::Duration;
use types::Destination;

/// No run: it waits for its batch.
const NO_RUN: RunId = RunId(0);

/// A recipient that was born as this node's own.
#[derive(Debug)]
pub(super) struct Newborn<R> {
    /// Of the lease, when its place was given.
    term: u64,
    claim: Claim<R>,
}

impl<R, N: Clone> Engine<R, N> {
    /// Newborn mail is welcome while this node may send it.
    pub(super) fn receive(&mut self, now: Mono) {
        let able = !self.is_draining() && self.lease.is_fresh(now);
        self.reception.open(able.then(|| self.lease.term()));
    }

    /// It joins the run of its destination, or begins one; if that cannot be, it is everybody's.
    pub(super) fn born(&mut self, now: Mono, born: Born<R>) {
        let Born { destination, term, claims } = born;
        for claim in &claims {
            let carried = Carried::of(NO_RUN, &destination, claim);
            self.carried.insert(claim.recipient, carried);
        }
        let newborn = claims.into_iter().map(|claim| Newborn { term, claim }).collect();
        if self.is_draining() {
            return self.everybodys(&destination, newborn, Duration::ZERO);
        }
        let free = self.free(now) > 0;
        let mut runs = self.runs.values_mut().filter(|run| run.is_open());
        match runs.find(|run| run.destination == destination) {
            Some(run) => run.born.extend(newborn),
            None if free && self.lease.is_fresh(now) => {
                self.start(now, destination, None, newborn);
            }
            None => self.everybodys(&destination, newborn, Duration::ZERO),
        }
    }

    /// A run's next batch of them, and the term of the lease that it is for. What is of an older term may have been
    /// taken over and goes back.
    pub(super) fn newborn(&mut self, id: RunId) -> Option<(u64, Vec<Claim<R>>)> {
        let (term, most) = (self.lease.term(), self.config.batch);
        let run = self.runs.get_mut(&id)?;
        let (now, old): (VecDeque<_>, _) = run.born.drain(..).partition(|one| one.term == term);
        run.born = now;
        let batch: Vec<_> = run.born.drain(..run.born.len().min(most)).collect();
        let destination = run.destination.clone();
        self.everybodys(&destination, old, Duration::ZERO);
        self.reception.left(&destination, batch.len());
        let claims: Vec<_> = batch.into_iter().map(|one| one.claim).collect();
        (!claims.is_empty()).then_some((term, claims))
    }

    /// What waits for a run's next batch is everybody's, in a while.
    pub(super) fn put_back(&mut self, id: RunId, wait: Duration) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        let (destination, born) = (run.destination.clone(), std::mem::take(&mut run.born));
        self.everybodys(&destination, born, wait);
    }

    fn everybodys(&mut self, to: &Destination, born: VecDeque<Newborn<R>>, wait: Duration) {
        self.reception.left(to, born.len());
        if !born.is_empty() && !wait.is_zero() && wait <= self.config.near && !self.bells.lost {
            self.bells.ring_in(to.clone(), wait);
        }
        for recipient in born.into_iter().map(|one| one.claim.recipient) {
            let Some(carried) = self.carried.remove(&recipient) else { continue };
            if wait.is_zero() {
                self.hand_back(recipient, carried);
            } else {
                let ruling = Ruling::Again(Again { wait, used: false });
                let attempt = carried.attempt;
                self.recorder.push(Record { recipient, attempt, ruling, note: None });
            }
        }
    }
}
