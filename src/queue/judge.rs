//! What a result means for a recipient: the truth table between an attempt and its row.

use crate::Schedule;
use crate::schedule::LONGEST;
use std::time::Duration;

/// How one attempt ended for one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// The server took it. A fact.
    Delivered {
        /// It also took over the DSN parameters (RFC 3461 §5.2.1), so that reports are its duty.
        reports_passed_on: bool,
    },
    /// For ever.
    Failed,
    /// For now; an attempt is used up.
    Deferred,
    /// Nobody knows. To be tried again, and a second copy is possible then (RFC 1047).
    MayHaveHappened,
    /// Nothing was tried; no attempt is used up.
    Untried,
}

/// What the sender wants to hear (RFC 3461 NOTIFY). Nothing, for the null reverse-path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Reports {
    /// Of success.
    pub success: bool,
    /// Of failure.
    pub failure: bool,
    /// Of delay.
    pub delay: bool,
}

/// How a recipient stands at its claim, by the database's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Attempts used up before this one.
    pub attempts: u32,
    /// Since it was accepted.
    pub age: Duration,
    /// Until it expires.
    pub left: Duration,
    /// What the sender wants to hear.
    pub reports: Reports,
}

/// When to try again and when to give up; the default, or a route's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The waits.
    pub schedule: Schedule,
    /// Gives up after so long, if the message does not expire before (RFC 5321 §4.5.4.1: "the give-up time
    /// generally needs to be at least 4-5 days").
    pub expire: Duration,
    /// Least wait when nobody knows whether it was delivered: a slow server has then finished either way.
    pub unknown: Duration,
    /// Wait when nothing was tried.
    pub untried: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            schedule: crate::REMOTE,
            expire: Duration::from_secs(5 * 24 * 3600),
            unknown: Duration::from_secs(20 * 60),
            untried: Duration::from_secs(10),
        }
    }
}

/// Another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Again {
    /// In so long.
    pub wait: Duration,
    /// Whether this one counts.
    pub used: bool,
}

/// What becomes of the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// It goes, whatever the fence says.
    Delivered {
        /// A "relayed" report is owed first (RFC 3461 §5.2.2).
        report: bool,
    },
    /// It goes.
    Failed {
        /// A "failed" report is owed first.
        report: bool,
        /// Not because of this attempt's result but because it was the last one.
        expired: bool,
    },
    /// It waits.
    Again(Again),
}

/// Decides. `random` lies between 0 and 1.
#[must_use]
pub fn judge(fate: Fate, at: Standing, policy: &RetryPolicy, random: f64) -> Ruling {
    let left = at.left.min(policy.expire.saturating_sub(at.age));
    let wait = match fate {
        Fate::Delivered { reports_passed_on } => {
            return Ruling::Delivered { report: at.reports.success && !reports_passed_on };
        }
        Fate::Failed => {
            return Ruling::Failed { report: at.reports.failure, expired: false };
        }
        Fate::Untried => {
            let wait = policy.untried.min(LONGEST).mul_f64(0.5 + random.clamp(0.0, 1.0));
            // Not past the end, where a last try may still be made. Beyond it whoever looks for what is over ends it.
            let wait = if left.is_zero() { wait } else { wait.min(left) };
            return Ruling::Again(Again { wait, used: false });
        }
        Fate::Deferred => policy.schedule.wait(at.attempts, random),
        Fate::MayHaveHappened => policy.schedule.wait(at.attempts, random).max(policy.unknown),
    };
    if left.is_zero() {
        return Ruling::Failed { report: at.reports.failure, expired: true };
    }
    // A last try at the very end, not short of it.
    Ruling::Again(Again { wait: wait.min(left), used: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Reports = Reports { success: true, failure: true, delay: true };
    const HOUR: Duration = Duration::from_secs(3600);

    fn standing(attempts: u32, left: Duration) -> Standing {
        Standing { attempts, age: HOUR, left, reports: ALL }
    }

    fn rule(fate: Fate, at: Standing) -> Ruling {
        judge(fate, at, &RetryPolicy::default(), 0.5)
    }

    fn again(seconds: u64, used: bool) -> Ruling {
        Ruling::Again(Again { wait: Duration::from_secs(seconds), used })
    }

    #[test]
    fn every_fate_young_and_expired() {
        let passed_on = |reports_passed_on| Fate::Delivered { reports_passed_on };
        let failed = |expired| Ruling::Failed { report: true, expired };
        for (fate, young, expired) in [
            (
                passed_on(true),
                Ruling::Delivered { report: false },
                Ruling::Delivered { report: false },
            ),
            (
                passed_on(false),
                Ruling::Delivered { report: true },
                Ruling::Delivered { report: true },
            ),
            (Fate::Failed, failed(false), failed(false)),
            (Fate::Deferred, again(300, true), failed(true)),
            (Fate::MayHaveHappened, again(1200, true), failed(true)),
            (Fate::Untried, again(10, false), again(10, false)),
        ] {
            assert_eq!(rule(fate, standing(0, 100 * HOUR)), young, "{fate:?}");
            assert_eq!(rule(fate, standing(9, Duration::ZERO)), expired, "{fate:?}");
        }
    }

    #[test]
    fn the_last_try_is_at_the_end() {
        assert_eq!(rule(Fate::Deferred, standing(9, HOUR)), again(3600, true));
        let policy = RetryPolicy { expire: 2 * HOUR, ..RetryPolicy::default() };
        let at = standing(9, 100 * HOUR);
        assert_eq!(judge(Fate::Deferred, at, &policy, 0.5), again(3600, true), "the route's own");
    }

    /// What was never tried, for a limit that is full for a day, is tried at its end as well.
    #[test]
    fn a_wait_without_a_try_ends_with_the_time_too() {
        let policy = RetryPolicy { untried: 24 * HOUR, ..RetryPolicy::default() };
        let wait =
            |left, policy: &RetryPolicy| match judge(Fate::Untried, standing(0, left), policy, 0.5)
            {
                Ruling::Again(Again { wait, used: false }) => wait,
                other => panic!("{other:?}"),
            };
        assert_eq!(wait(100 * HOUR, &policy), 24 * HOUR);
        assert_eq!(wait(2 * HOUR, &policy), 2 * HOUR);
        assert_eq!(wait(Duration::ZERO, &policy), 24 * HOUR);
        // The route's own end counts too: an hour has gone by.
        let policy = RetryPolicy { expire: 3 * HOUR, ..policy };
        assert_eq!(wait(100 * HOUR, &policy), 2 * HOUR);
        let policy = RetryPolicy { untried: Duration::MAX, ..RetryPolicy::default() };
        assert_eq!(wait(100 * HOUR, &policy), 100 * HOUR);
    }

    #[test]
    fn nobody_is_told_what_they_do_not_want_to_hear() {
        let at = Standing { reports: Reports::default(), ..standing(0, Duration::ZERO) };
        assert_eq!(rule(Fate::Failed, at), Ruling::Failed { report: false, expired: false });
        assert_eq!(rule(Fate::Deferred, at), Ruling::Failed { report: false, expired: true });
    }
}
