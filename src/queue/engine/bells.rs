//! Ringing and being rung: what goes to and comes from the coordinator.

use super::{Away, Do, Draining, Engine};
use crate::Mono;
use coordinator::work::{Bell, Token};
use std::collections::BTreeMap;
use std::time::Duration;
use types::Destination;

/// Most bells in one call.
const MOST: usize = 500;
/// Most bells that wait. What does not fit is found by the sweep.
const WAITING: usize = 20_000;

/// Bells that wait to be rung, and whether there is anybody to hear them.
#[derive(Debug, Default)]
pub(super) struct Bells {
    now: BTreeMap<Destination, bool>,
    later: BTreeMap<Destination, Duration>,
    ringing: bool,
    /// There may be tokens.
    pub(super) woken: bool,
    /// The coordinator did not answer last time.
    pub(super) lost: bool,
}

impl Bells {
    /// There is work; `more` than the tokens there are get done.
    pub(super) fn ring(&mut self, destination: Destination, more: bool) {
        if self.now.len() < WAITING {
            *self.now.entry(destination).or_default() |= more;
        }
    }

    /// There will be work. The earliest of several wishes counts.
    pub(super) fn ring_in(&mut self, destination: Destination, wait: Duration) {
        if self.later.len() < WAITING {
            let earliest = self.later.entry(destination).or_insert(wait);
            *earliest = wait.min(*earliest);
        }
    }

    /// Nobody has to be told anything.
    pub(super) fn is_silent(&self) -> bool {
        !self.ringing && self.now.is_empty() && self.later.is_empty()
    }

    fn next(&mut self, tokens: u32) -> Vec<(Destination, Bell)> {
        let mut bells = Vec::new();
        while bells.len() < MOST {
            if let Some((destination, more)) = self.now.pop_first() {
                if more {
                    bells.push((destination.clone(), Bell::More(tokens)));
                }
                bells.push((destination, Bell::Now));
            } else if let Some((destination, wait)) = self.later.pop_first() {
                bells.push((destination, Bell::In(wait)));
            } else {
                break;
            }
        }
        bells
    }
}

impl<R, N: Clone> Engine<R, N> {
    /// Sends the bells that wait. Without a coordinator nobody would hear them: they are dropped.
    pub(super) fn ring(&mut self) {
        if self.bells.lost {
            self.bells.now.clear();
            self.bells.later.clear();
        }
        if self.bells.ringing {
            return;
        }
        let bells = self.bells.next(self.config.tokens);
        if !bells.is_empty() {
            self.bells.ringing = true;
            self.out.push_back(Do::Ring(bells));
        }
    }

    pub(super) fn rang(&mut self, result: Result<(), Away>) {
        self.bells.ringing = false;
        self.bells.lost = result.is_err();
    }

    /// This node queued mail: whoever is free takes it, at once.
    pub(super) fn queued(&mut self, now: Mono, destinations: Vec<Destination>) {
        for destination in destinations {
            self.there_is_work(now, destination, false);
        }
    }

    /// Work was found. If this node is at it, that is enough: its token rings on if it dies. Otherwise everybody is
    /// told, or this node begins by itself if there is no coordinator. `more` than who is at it gets done: always.
    pub(super) fn there_is_work(&mut self, now: Mono, destination: Destination, more: bool) {
        if self.is_at_it(&destination) && !more {
            return;
        }
        if self.bells.lost {
            self.begin_alone(now, destination, more);
        } else {
            self.bells.ring(destination, more);
        }
    }

    pub(super) fn taken(&mut self, now: Mono, result: Result<Vec<Token>, Away>) {
        self.timers.take.done();
        self.bells.lost = result.is_err();
        for token in result.unwrap_or_default() {
            if !self.is_held(&token) {
                self.begin(now, token);
            }
        }
    }

    /// Asks for tokens while there are slots for them.
    pub(super) fn take(&mut self, now: Mono) {
        let free = self.free(now);
        let able = self.draining == Draining::No && free > 0 && self.lease.is_fresh(now);
        let take = &mut self.timers.take;
        if able && !take.is_under_way() && (take.is_due(now) || self.bells.woken) {
            self.bells.woken = false;
            take.begin(now, self.config.take_every);
            self.out.push_back(Do::Take(free));
        } else if take.is_due(now) {
            take.skip(now, self.config.take_every);
        }
    }
}
