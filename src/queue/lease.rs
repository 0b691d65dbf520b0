//! This node's lease as it knows it itself: by its monotonic clock and the renewals that were answered.
//!
//! The lease is a row, 15 s long by the database's clock. What is done under it is safe only while nobody can
//! think that it has run out, so this side counts from *before* a renewal was sent and stops a margin early.

use crate::Mono;
use std::time::Duration;

/// How long a lease runs.
pub const LEASE: Duration = Duration::from_secs(15);
/// How often it is renewed.
pub const RENEW_EVERY: Duration = Duration::from_secs(3);
/// Stopping early: covers clocks that run at different speeds, and what lies between a check and its deed.
const MARGIN: Duration = Duration::from_secs(3);

/// A node's lease, seen from the inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lease {
    renewed: Option<Mono>,
    term: u64,
}

impl Lease {
    /// A renewal succeeded.
    ///
    /// If the one before it may have run out meanwhile, a new *term* begins: what was under way may have been
    /// taken over in the gap, and the new lease must not cover it.
    pub fn renewed(&mut self, sent: Mono, answered: Mono) {
        let unbroken = self.renewed.is_some_and(|before| answered.since(before) < LEASE - MARGIN);
        if !unbroken {
            self.term += 1;
        }
        self.renewed = Some(sent.max(self.renewed.unwrap_or_default()));
    }

    /// The run of renewals without a gap. Work remembers the one it began in.
    #[must_use]
    pub fn term(&self) -> u64 {
        self.term
    }

    /// Whether the lease runs.
    #[must_use]
    pub fn is_fresh(&self, now: Mono) -> bool {
        self.renewed.is_some_and(|renewed| now.since(renewed) < LEASE - MARGIN)
    }

    /// Whether what began in `term` may be finished: to be asked right before the final dot.
    #[must_use]
    pub fn may_finish(&self, term: u64, now: Mono) -> bool {
        self.term == term && self.is_fresh(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono(Duration::from_secs(seconds))
    }

    #[test]
    fn fresh_while_renewed() {
        let mut lease = Lease::default();
        assert!(!lease.is_fresh(at(0)));
        lease.renewed(at(10), at(11));
        assert!(lease.may_finish(1, at(21)));
        assert!(!lease.may_finish(1, at(22)), "counted from before it was sent, less the margin");
        assert!(!lease.may_finish(0, at(12)));
    }

    #[test]
    fn a_gap_ends_the_term() {
        let mut lease = Lease::default();
        lease.renewed(at(0), at(0));
        lease.renewed(at(3), at(11));
        assert_eq!(lease.term(), 1, "the lease of 0 still ran when this one was answered");
        lease.renewed(at(12), at(15));
        assert_eq!(lease.term(), 2, "12 s after the one before was sent");
        assert!(!lease.may_finish(1, at(16)) && lease.may_finish(2, at(16)));
    }

    #[test]
    fn answers_out_of_order_do_not_shorten_it() {
        let mut lease = Lease::default();
        lease.renewed(at(6), at(7));
        lease.renewed(at(3), at(8));
        assert!(lease.is_fresh(at(17)));
    }
}
