//! A run: one destination that this node works on, from its token to the token's end.
//!
//! ```text
//!   begin ──▶ Preparing ──ready──▶ Claiming ──some──▶ Carrying ──there may be more──▶ Preparing
//!                 │ not now             │ none            │ that was all, or its turn is over
//!                 └────────▶ Giving ◀───┴─────────────────┘
//!                            Giving ──a bell rang──▶ Preparing        Giving ──▶ over
//! ```
//! Bells that this node rings for a destination it works on are the run's own: it looks once more before it ends.
//! What was born as this node's own needs no claim; the run goes from Preparing to Carrying with it.

use super::born::Newborn;
use super::results::Carried;
use super::{Away, Claim, Claims, Do, Draining, Engine, Prepared, RunId};
use crate::Mono;
use coordinator::work::{Give, Given, Token};
use std::collections::VecDeque;
use std::time::Duration;
use types::Destination;

/// Wait when PostgreSQL did not answer, or this node's lease does not run.
const NOT_NOW: Duration = Duration::from_secs(2);
/// A run that has got nowhere for so long does not keep its slot from others …
const STUCK: Duration = Duration::from_secs(2);
/// … as long as there are no more runs than so many times the slots.
const MOST_RUNS: usize = 4;
/// Wait when a batch was not carried at all.
const UNTOUCHED: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Preparing,
    Claiming,
    Carrying,
    Giving,
}

/// One destination being worked on.
#[derive(Debug)]
pub(super) struct Run<R> {
    pub(super) destination: Destination,
    token: Option<Token>,
    phase: Phase,
    begun: Mono,
    after_tenant: i32,
    /// Of the lease, when the last claim was sent.
    term: u64,
    /// Something of the last batch was tried.
    tried: bool,
    /// Something of any batch was: its destination has answered, or is known not to.
    got_somewhere: bool,
    /// More may be due than was claimed last.
    more: bool,
    /// There may be work since the last claim was sent.
    rung: bool,
    /// What was born as this node's own waits here for its batch.
    pub(super) born: VecDeque<Newborn<R>>,
    /// The last batch was of those: what else is due has its turn.
    was_born: bool,
}

impl<R> Run<R> {
    /// Newborn mail may join it.
    pub(super) fn is_open(&self) -> bool {
        self.phase != Phase::Giving
    }

    pub(super) fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// Its token, if it is carrying; it goes on without.
    pub(super) fn let_go(&mut self) -> Option<Token> {
        if self.phase == Phase::Carrying { self.token.take() } else { None }
    }

    pub(super) fn tried(&mut self) {
        (self.tried, self.got_somewhere) = (true, true);
    }
}

impl<R, N: Clone> Engine<R, N> {
    /// How many runs may begin now. Whoever waits for a server or a name that does not answer needs no more than patience,
    /// so hundreds of them do not keep mail for others from leaving.
    pub(super) fn free(&self, now: Mono) -> usize {
        let (slots, runs) = (self.config.slots, self.runs.len());
        if runs < slots {
            return slots - runs;
        }
        let stuck = |run: &&Run<R>| !run.got_somewhere && now.since(run.begun) >= STUCK;
        let busy = runs - self.runs.values().filter(stuck).count();
        slots.saturating_sub(busy).min((MOST_RUNS * slots).saturating_sub(runs))
    }

    /// Begins with a token.
    pub(super) fn begin(&mut self, now: Mono, token: Token) {
        self.start(now, token.destination.clone(), Some(token), VecDeque::new());
    }

    /// There is work: a run that works on the destination looks once more. `false`: there is none, or it will not
    /// look any more because the node is going. A run that nobody else knows of is none while there is a coordinator:
    /// there would be nobody to look if this node died.
    pub(super) fn is_at_it(&mut self, destination: &Destination) -> bool {
        if self.draining != Draining::No {
            return false;
        }
        let alone = self.bells.lost;
        let run = self.runs.values_mut().filter(|run| run.is_open());
        let mut run =
            run.filter(|run| run.destination == *destination && (alone || run.token.is_some()));
        run.next().map(|run| run.rung = true).is_some()
    }

    /// Begins without one. `more`: even if there is a run for it already.
    pub(super) fn begin_alone(&mut self, now: Mono, destination: Destination, more: bool) {
        let running = self.runs.values().filter(|run| run.destination == destination).count();
        let most = if more { self.config.tokens as usize } else { 1 };
        let free = self.free(now) > 0 && self.draining == Draining::No;
        if free && running < most && self.lease.is_fresh(now) {
            self.start(now, destination, None, VecDeque::new());
        }
    }

    /// Begins a run, with what was born for it.
    pub(super) fn start(
        &mut self,
        now: Mono,
        destination: Destination,
        token: Option<Token>,
        born: VecDeque<Newborn<R>>,
    ) {
        self.last_run += 1;
        let id = RunId(self.last_run);
        self.reception.begun(&destination);
        let run = Run {
            destination,
            token,
            phase: Phase::Preparing,
            begun: now,
            after_tenant: 0,
            term: 0,
            tried: false,
            got_somewhere: false,
            more: false,
            rung: false,
            born,
            was_born: false,
        };
        self.runs.insert(id, run);
        self.prepare(id, now);
    }

    fn prepare(&mut self, id: RunId, now: Mono) {
        if self.draining != Draining::No {
            return self.end(id, Give::Back);
        }
        if !self.lease.is_fresh(now) {
            return self.end(id, Give::Later(NOT_NOW));
        }
        if let Some(run) = self.runs.get_mut(&id) {
            run.phase = Phase::Preparing;
            self.out.push_back(Do::Prepare(id, run.destination.clone()));
        }
    }

    pub(super) fn prepared(&mut self, now: Mono, id: RunId, prepared: Prepared) {
        let Some(run) = self.runs.get_mut(&id).filter(|run| run.phase == Phase::Preparing) else {
            return;
        };
        match prepared {
            _ if self.draining != Draining::No => self.end(id, Give::Back),
            Prepared::NotNow(wait) => self.end(id, Give::Later(wait)),
            Prepared::Ready if !self.lease.is_fresh(now) => self.end(id, Give::Later(NOT_NOW)),
            Prepared::Ready => {
                self.reception.shut(&run.destination, run.more);
                let others = run.was_born && (run.more || run.rung);
                if others || !self.carry_born(id) {
                    self.claim(id);
                }
            }
        }
    }

    fn claim(&mut self, id: RunId) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        run.phase = Phase::Claiming;
        run.term = self.lease.term();
        (run.rung, run.was_born) = (false, false);
        let (destination, after) = (run.destination.clone(), run.after_tenant);
        self.out.push_back(Do::Claim(id, destination, self.config.batch, after));
    }

    /// Carries what was born first. `false`: there is nothing.
    fn carry_born(&mut self, id: RunId) -> bool {
        let Some((term, claims)) = self.newborn(id) else { return false };
        if let Some(run) = self.runs.get_mut(&id) {
            (run.term, run.was_born) = (term, true);
        }
        self.carry(id, claims);
        true
    }

    pub(super) fn claimed(&mut self, now: Mono, id: RunId, result: Result<Claims<R>, Away>) {
        let Some(run) = self.runs.get_mut(&id).filter(|run| run.phase == Phase::Claiming) else {
            return;
        };
        let Ok(Claims { claims, after, more }) = result else {
            return self.end(id, Give::Later(NOT_NOW));
        };
        (run.after_tenant, run.more) = (after, more);
        self.reception.shut(&run.destination, more);
        if claims.is_empty() {
            if !self.carry_born(id) {
                self.again_or_done(id, now);
            }
            return;
        }
        let claims = self.not_at_work(claims);
        self.carry(id, claims);
    }

    /// Carries a batch; a full one is a sign that others are wanted.
    fn carry(&mut self, id: RunId, claims: Vec<Claim<R>>) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        (run.phase, run.tried) = (Phase::Carrying, false);
        if claims.len() >= self.config.batch && !self.bells.lost {
            self.bells.ring(run.destination.clone(), true);
        }
        for claim in &claims {
            self.carried.insert(claim.recipient, Carried::of(id, &run.destination, claim));
        }
        self.out.push_back(Do::Carry(id, run.term, claims));
    }

    fn again_or_done(&mut self, id: RunId, now: Mono) {
        let Some(run) = self.runs.get(&id) else { return };
        if run.more || run.rung || !run.born.is_empty() {
            self.prepare(id, now);
        } else {
            self.done(id);
        }
    }

    /// Without those that this node is carrying already: their rows had been freed, by a takeover or because a
    /// failover forgot their claim. What becomes of the attempt under way counts for the new claim.
    fn not_at_work(&mut self, mut claims: Vec<Claim<R>>) -> Vec<Claim<R>> {
        claims.retain(|claim| {
            let (id, attempt) = (claim.recipient, claim.attempt);
            let carried = self.carried.get_mut(&id).map(|carried| carried.attempt = attempt);
            carried.is_none() && !self.recorder.renumber(id, attempt)
        });
        claims
    }

    pub(super) fn ended(&mut self, now: Mono, id: RunId) {
        let Some(run) = self.runs.get(&id).filter(|run| run.phase == Phase::Carrying) else {
            return;
        };
        let full_house = self.free(now) == 0;
        let over = full_house && now.since(run.begun) >= self.config.turn;
        let tried = run.tried;
        self.abandon(id);
        if !tried {
            self.end(id, Give::Later(UNTOUCHED));
        } else if over {
            self.end(id, Give::Back);
        } else {
            self.again_or_done(id, now);
        }
    }

    /// All that was due is done. What fell due meanwhile has rung.
    fn done(&mut self, id: RunId) {
        let Some(run) = self.runs.get(&id) else { return };
        let generation = run.token.as_ref().map_or(0, |token| token.generation);
        self.end(id, Give::Done { generation });
    }

    /// Gives the token, if there is one. What was born and not carried is everybody's.
    fn end(&mut self, id: RunId, how: Give) {
        self.put_back(id, if let Give::Later(wait) = how { wait } else { Duration::ZERO });
        let Some(run) = self.runs.get_mut(&id) else { return };
        if matches!(how, Give::Later(_)) {
            self.reception.shut(&run.destination, true);
        }
        run.phase = Phase::Giving;
        self.out.push_back(Do::Dismiss(id));
        match &run.token {
            Some(token) => self.out.push_back(Do::Give(id, token.clone(), how)),
            None => self.over(id),
        }
    }

    fn over(&mut self, id: RunId) {
        if let Some(run) = self.runs.remove(&id) {
            self.reception.over(&run.destination);
        }
    }

    pub(super) fn given(&mut self, now: Mono, id: RunId, result: Result<Given, Away>) {
        let Some(run) = self.runs.get_mut(&id).filter(|run| run.phase == Phase::Giving) else {
            return;
        };
        match (result, &mut run.token) {
            (Ok(Given::Again { generation }), Some(token)) => {
                token.generation = generation;
                self.prepare(id, now);
            }
            // Without an answer it is idle from now on, and somebody's in a while.
            _ => self.over(id),
        }
    }
}
