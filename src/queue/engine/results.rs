//! From a recipient's fate to its record.

use super::{Away, Claim, Engine, RunId};
use crate::{Again, Fate, Mono, Record, RetryPolicy, Ruling, Standing, judge};
use rand::Rng;
use std::time::Duration;
use types::Destination;

/// A claimed recipient whose fate is not known yet.
#[derive(Debug, Clone)]
pub(super) struct Carried {
    run: RunId,
    destination: Destination,
    pub(super) attempt: u32,
    standing: Standing,
}

impl Carried {
    pub(super) fn of<R>(run: RunId, destination: &Destination, claim: &Claim<R>) -> Self {
        let (attempt, standing) = (claim.attempt, claim.standing);
        Self { run, destination: destination.clone(), attempt, standing }
    }
}

impl<R, N: Clone> Engine<R, N> {
    pub(super) fn finished(
        &mut self,
        recipient: i64,
        fate: Fate,
        policy: Option<RetryPolicy>,
        note: N,
    ) {
        let Some(carried) = self.carried.remove(&recipient) else { return };
        if fate != Fate::Untried
            && let Some(run) = self.runs.get_mut(&carried.run)
        {
            run.tried();
        }
        let policy = policy.unwrap_or(self.config.retry);
        let ruling = judge(fate, carried.standing, &policy, self.rng.random());
        match ruling {
            Ruling::Again(Again { used: false, .. }) if self.is_draining() => {
                return self.hand_back(recipient, carried);
            }
            Ruling::Again(Again { wait, .. }) if wait <= self.config.near && !self.bells.lost => {
                self.bells.ring_in(carried.destination, wait);
            }
            _ => {}
        }
        let note = Some(note);
        self.recorder.push(Record { recipient, attempt: carried.attempt, ruling, note });
    }

    /// What a run's batch left without a word was not tried.
    pub(super) fn abandon(&mut self, run: RunId) {
        let wait = self.config.retry.untried;
        let left = self.carried.iter().filter(|(_, carried)| carried.run == run);
        let mut left: Vec<i64> = left.map(|(id, _)| *id).collect();
        left.sort_unstable();
        for recipient in left {
            let Some(carried) = self.carried.remove(&recipient) else { continue };
            if self.is_draining() {
                self.hand_back(recipient, carried);
            } else {
                let ruling = Ruling::Again(Again { wait, used: false });
                let attempt = carried.attempt;
                self.recorder.push(Record { recipient, attempt, ruling, note: None });
            }
        }
    }

    /// This node has not begun with it, and will not: it is due for the others, who are told when that is written.
    pub(super) fn hand_back(&mut self, recipient: i64, carried: Carried) {
        let (attempt, wait) = (carried.attempt, Duration::ZERO);
        let ruling = Ruling::Again(Again { wait, used: false });
        self.recorder.push(Record { recipient, attempt, ruling, note: None });
        self.handed_back.insert(recipient, carried.destination);
    }

    pub(super) fn recorded(&mut self, now: Mono, batch: u64, result: Result<(), Away>) {
        for recipient in self.recorder.answered(batch, result.is_ok(), now) {
            if let Some(destination) = self.handed_back.remove(&recipient) {
                self.there_is_work(now, destination, false);
            }
        }
    }
}
