//! When a recipient that could not be delivered is tried again.
//!
//! Waits double from attempt to attempt up to a cap, and are spread by a quarter either way so that what
//! failed together does not come back together. Randomness and time belong to the caller.

use std::time::Duration;

/// A schedule of waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// After the first failure.
    pub first: Duration,
    /// Never longer.
    pub longest: Duration,
}

/// The account was locked, or a part of the system failed: usually over soon.
pub const BUSY: Schedule =
    Schedule { first: Duration::from_millis(500), longest: Duration::from_secs(30 * 60) };

/// The account is over its quota: somebody has to delete something.
pub const OVER_QUOTA: Schedule =
    Schedule { first: Duration::from_secs(5 * 60), longest: Duration::from_secs(30 * 60) };

/// A remote server did not take it. RFC 5321 §4.5.4.1: "the retry interval SHOULD be at least 30 minutes; however,
/// more sophisticated and variable strategies will be beneficial": the first few tries come sooner, since most
/// greylists are satisfied after minutes.
pub const REMOTE: Schedule =
    Schedule { first: Duration::from_secs(5 * 60), longest: Duration::from_secs(4 * 60 * 60) };

/// No wait is longer, whatever somebody wrote down: times far beyond it are no times that can be reckoned with.
pub(crate) const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

impl Schedule {
    /// The wait after so many earlier attempts; `random` lies between 0 and 1.
    #[must_use]
    pub fn wait(&self, attempts: u32, random: f64) -> Duration {
        let longest = self.longest.min(LONGEST);
        let doubled = self.first.saturating_mul(1 << attempts.min(24)).min(longest);
        let spread = 0.75 + 0.5 * random.clamp(0.0, 1.0);
        doubled.mul_f64(spread).min(longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap() {
        let waits: Vec<f64> = (0..14).map(|n| BUSY.wait(n, 0.5).as_secs_f64()).collect();
        assert_eq!(waits[..4], [0.5, 1.0, 2.0, 4.0]);
        assert_eq!(waits[12..], [1_800.0, 1_800.0]);
        assert_eq!(OVER_QUOTA.wait(u32::MAX, 1.0), Duration::from_secs(1_800));
    }

    #[test]
    fn absurd_times_are_survived() {
        let endless = Schedule { first: Duration::MAX, longest: Duration::MAX };
        assert_eq!(endless.wait(0, 1.0), LONGEST);
    }

    #[test]
    fn waits_are_spread_and_never_zero() {
        assert_eq!(BUSY.wait(0, 0.0), Duration::from_millis(375));
        assert_eq!(BUSY.wait(0, 1.0), Duration::from_millis(625));
    }
}
