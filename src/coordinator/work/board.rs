//! The rules of [`Work`](super::Work) over memory: no I/O, no clock.
//!
//! [`Local`](crate::Local) is this behind a lock, the scripts for Redis do the same over there (one conformance
//! suite compares them), and the queue's simulation uses it for a Redis that can be made to forget.
//!
//! ```text
//!            ring                     take                      give: Done, same generation
//!   nothing ──────▶ token waits ──────────────▶ token held ─────────────────────────────────▶ nothing
//!                        ▲                        │  ▲  │  give: Later ──▶ nothing, rings later
//!                        │       give: Back       │  │  │
//!                        └────────────────────────┘  └──┘ ring: generation + 1; Done: Again; idle: next holder
//! ```

use super::{Bell, Give, Given, Token, TokenId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;
use types::{Destination, Incarnation};

/// Near-future bells that ring in one look: bounds its time.
const PROMOTED: usize = 100;

#[derive(Debug, Clone)]
struct Entry {
    destination: Destination,
    holder: Incarnation,
    beat: u64,
}

#[derive(Debug, Clone, Default)]
struct State {
    generation: u64,
    tokens: Vec<TokenId>,
}

/// All tokens and bells. Times are milliseconds of one clock, the board's.
#[derive(Debug, Clone, Default)]
pub struct Board {
    waiting: BTreeMap<TokenId, Destination>,
    held: BTreeMap<TokenId, Entry>,
    states: HashMap<Destination, State>,
    later: HashMap<Destination, u64>,
    later_by_time: BTreeSet<(u64, Destination)>,
    last: u64,
}

impl Board {
    /// Rings for a destination. Returns whether a token came to wait.
    pub fn ring(&mut self, now: u64, destination: &Destination, bell: Bell) -> bool {
        match bell {
            Bell::Now => self.ring_now(now, destination),
            Bell::More(most) => self.ring_more(now, destination, most),
            Bell::In(wait) => {
                self.ring_later(now + millis(wait), destination);
                false
            }
        }
    }

    fn ring_now(&mut self, now: u64, destination: &Destination) -> bool {
        let state = self.states.entry(destination.clone()).or_default();
        // Taken from the clock, so that a board that forgot some bells does not reach an old number again.
        state.generation = (state.generation + 1).max(now * 1_000);
        let first = state.tokens.is_empty();
        if first {
            self.add(now, destination);
        }
        first
    }

    fn ring_more(&mut self, now: u64, destination: &Destination, most: u32) -> bool {
        match self.states.get(destination) {
            None => self.ring_now(now, destination),
            Some(state) if state.tokens.len() < most as usize => {
                self.add(now, destination);
                true
            }
            Some(_) => false,
        }
    }

    /// The earliest of several wishes counts.
    fn ring_later(&mut self, due: u64, destination: &Destination) {
        let earlier = self.later.get(destination).copied();
        if earlier.is_some_and(|earlier| earlier <= due) {
            return;
        }
        if let Some(earlier) = earlier {
            self.later_by_time.remove(&(earlier, destination.clone()));
        }
        self.later.insert(destination.clone(), due);
        self.later_by_time.insert((due, destination.clone()));
    }

    fn add(&mut self, now: u64, destination: &Destination) {
        self.last += 1;
        let id = TokenId(now, self.last);
        self.waiting.insert(id, destination.clone());
        self.states.entry(destination.clone()).or_default().tokens.push(id);
    }

    /// Rings what has become due. Returns whether a token came to wait.
    pub fn promote(&mut self, now: u64) -> bool {
        let mut waits = false;
        for _ in 0..PROMOTED {
            if self.next_due().is_none_or(|due| due > now) {
                break;
            }
            let Some((_, destination)) = self.later_by_time.pop_first() else { break };
            self.later.remove(&destination);
            waits |= self.ring_now(now, &destination);
        }
        waits
    }

    /// When the next near-future bell rings.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        self.later_by_time.first().map(|(due, _)| *due)
    }

    /// Takes idle tokens, then waiting ones, the oldest first.
    pub fn take(&mut self, now: u64, me: Incarnation, most: usize, idle: Duration) -> Vec<Token> {
        self.promote(now);
        let mut ids: Vec<TokenId> = self
            .held
            .iter_mut()
            .filter(|(_, entry)| now.saturating_sub(entry.beat) >= millis(idle))
            .take(most)
            .map(|(id, entry)| {
                (entry.holder, entry.beat) = (me, now);
                *id
            })
            .collect();
        while ids.len() < most {
            let Some((id, destination)) = self.waiting.pop_first() else { break };
            self.held.insert(id, Entry { destination, holder: me, beat: now });
            ids.push(id);
        }
        ids.into_iter().filter_map(|id| self.token(id)).collect()
    }

    fn token(&self, id: TokenId) -> Option<Token> {
        let destination = self.held.get(&id)?.destination.clone();
        let generation = self.generation(&destination);
        Some(Token { id, destination, generation })
    }

    fn generation(&self, destination: &Destination) -> u64 {
        self.states.get(destination).map_or(0, |state| state.generation)
    }

    /// A sign of life; returns those that are not `me`'s.
    pub fn beat(&mut self, now: u64, me: Incarnation, ids: &[TokenId]) -> Vec<TokenId> {
        let mut lost = Vec::new();
        for id in ids {
            match self.held.get_mut(id) {
                Some(entry) if entry.holder == me => entry.beat = now,
                _ => lost.push(*id),
            }
        }
        lost
    }

    /// Ends holding a token.
    pub fn give(&mut self, now: u64, me: Incarnation, id: TokenId, how: Give) -> Given {
        let Some(entry) = self.held.get_mut(&id).filter(|entry| entry.holder == me) else {
            return Given::Lost;
        };
        entry.beat = now;
        let destination = entry.destination.clone();
        if let Give::Done { generation } = how {
            let current = self.generation(&destination);
            if current != generation {
                return Given::Again { generation: current };
            }
        }
        self.remove(id, &destination);
        match how {
            Give::Done { .. } => {}
            Give::Later(wait) => self.ring_later(now + millis(wait), &destination),
            Give::Back => {
                self.ring_now(now, &destination);
            }
        }
        Given::Gone
    }

    fn remove(&mut self, id: TokenId, destination: &Destination) {
        self.held.remove(&id);
        if let Some(state) = self.states.get_mut(destination) {
            state.tokens.retain(|token| *token != id);
            if state.tokens.is_empty() {
                self.states.remove(destination);
            }
        }
    }

    /// How many tokens wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many tokens there are, waiting or held.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.held.len() + self.waiting.len()
    }

    /// How many destinations it remembers anything of.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.states.len() + self.later.len()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(15);

    fn nodes() -> (Incarnation, Incarnation) {
        (Incarnation::new(), Incarnation::new())
    }

    fn bell(board: &mut Board, now: u64) -> bool {
        board.ring(now, &Destination::new("d.test"), Bell::Now)
    }

    #[test]
    fn ten_thousand_bells_are_one_token() {
        let (a, b) = nodes();
        let mut board = Board::default();
        let waits = (0..10_000).filter(|now| bell(&mut board, *now)).count();
        assert_eq!((waits, board.tokens()), (1, 1));
        assert_eq!(board.take(10_000, a, 9, IDLE).len(), 1);
        assert!(board.take(10_000, b, 9, IDLE).is_empty());
    }

    #[test]
    fn a_bell_between_the_empty_claim_and_the_end_keeps_the_token() {
        let (a, _) = nodes();
        let mut board = Board::default();
        bell(&mut board, 1);
        let token = board.take(2, a, 1, IDLE).remove(0);
        bell(&mut board, 3);
        let done = |generation| Give::Done { generation };
        let Given::Again { generation } = board.give(4, a, token.id, done(token.generation)) else {
            panic!("the bell was lost");
        };
        assert_eq!(board.give(5, a, token.id, done(generation)), Given::Gone);
        assert_eq!((board.tokens(), board.remembered()), (0, 0));
    }

    #[test]
    fn an_idle_token_changes_hands_and_its_old_holder_learns_it() {
        let (a, b) = nodes();
        let mut board = Board::default();
        bell(&mut board, 0);
        let token = board.take(0, a, 1, IDLE).remove(0);
        assert!(board.beat(10_000, a, &[token.id]).is_empty());
        assert!(board.take(24_999, b, 1, IDLE).is_empty());
        assert_eq!(board.take(25_000, b, 1, IDLE)[0].id, token.id);
        assert_eq!(board.beat(25_001, a, &[token.id]), [token.id]);
        assert_eq!(board.give(25_002, a, token.id, Give::Back), Given::Lost);
        let done = Give::Done { generation: token.generation };
        assert_eq!(board.give(25_003, b, token.id, done), Given::Gone);
    }

    #[test]
    fn more_tokens_up_to_a_cap() {
        let mut board = Board::default();
        let d = Destination::new("big.test");
        assert!(board.ring(0, &d, Bell::More(3)));
        assert!(board.ring(0, &d, Bell::More(3)) && board.ring(0, &d, Bell::More(3)));
        assert!(!board.ring(0, &d, Bell::More(3)));
        assert_eq!(board.tokens(), 3);
    }

    #[test]
    fn what_is_put_off_rings_in_time_and_the_earliest_wish_counts() {
        let (a, _) = nodes();
        let mut board = Board::default();
        let d = Destination::new("d.test");
        board.ring(0, &d, Bell::In(Duration::from_secs(60)));
        board.ring(0, &d, Bell::In(Duration::from_secs(20)));
        board.ring(0, &d, Bell::In(Duration::from_secs(90)));
        assert_eq!(board.next_due(), Some(20_000));
        assert!(board.take(19_999, a, 1, IDLE).is_empty());
        let token = board.take(20_000, a, 1, IDLE).remove(0);
        assert_eq!(board.next_due(), None);
        assert_eq!(board.give(20_001, a, token.id, Give::Later(IDLE)), Given::Gone);
        assert_eq!((board.tokens(), board.next_due()), (0, Some(35_001)));
    }

    #[test]
    fn a_generation_does_not_come_back_after_forgetting() {
        let (a, _) = nodes();
        let mut board = Board::default();
        bell(&mut board, 1);
        let token = board.take(2, a, 1, IDLE).remove(0);
        let snapshot = board.clone();
        bell(&mut board, 3);
        let Given::Again { generation } =
            board.give(4, a, token.id, Give::Done { generation: token.generation })
        else {
            panic!()
        };
        let mut forgetful = snapshot;
        bell(&mut forgetful, 5);
        let given = forgetful.give(6, a, token.id, Give::Done { generation });
        assert!(matches!(given, Given::Again { .. }), "the bell at 5 would have been lost");
    }
}
