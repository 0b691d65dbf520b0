//! From a recipient's fate to its record.

use super::{Claim, Engine, RunId};
use crate::{Again, Fate, Record, RetryPolicy, Ruling, Standing, judge};
use rand::Rng;
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
        if let Ruling::Again(Again { wait, .. }) = ruling
            && wait <= self.config.near
            && !self.bells.lost
        {
            self.bells.ring_in(carried.destination, wait);
        }
        let note = Some(note);
        self.recorder.push(Record { recipient, attempt: carried.attempt, ruling, note });
    }

    /// What a run's batch left without a word was not tried.
    pub(super) fn abandon(&mut self, run: RunId) {
        let wait = self.config.retry.untried;
        let left = self.carried.iter().filter(|(_, carried)| carried.run == run);
        let mut left: Vec<_> = left.map(|(id, carried)| (*id, carried.attempt)).collect();
        left.sort_unstable();
        for (recipient, attempt) in left {
            self.carried.remove(&recipient);
            let ruling = Ruling::Again(Again { wait, used: false });
            self.recorder.push(Record { recipient, attempt, ruling, note: None });
        }
    }
}
