//! The rules of [`Limits`](super::Limits) over memory: no I/O, no clock.

use super::{Acquired, Allowed, Limit, Permit, Rate, Told};
use std::collections::HashMap;
use std::time::Duration;

/// Forgotten things are swept out when a table has grown to so many and doubled since.
const SWEEP_AT: usize = 256;

/// Permits, buckets and tales. Times are milliseconds of one clock.
#[derive(Debug, Clone, Default)]
pub struct Permits {
    /// Per limit, per permit: when it runs out.
    held: HashMap<String, HashMap<u128, u64>>,
    /// Per rate: when the bucket will have been full, as a time.
    buckets: HashMap<String, u64>,
    /// Per site: what, and until when.
    tales: HashMap<String, (u64, u64, u64)>,
    swept: usize,
}

impl Permits {
    /// Takes one of each, or nothing.
    pub fn acquire(&mut self, now: u64, id: u128, limits: &[Limit], idle: Duration) -> Acquired {
        for limit in limits {
            let holders = self.held.entry(limit.key.clone()).or_default();
            holders.retain(|_, until| *until > now);
            if holders.len() >= limit.most as usize {
                return Acquired::Full(limit.key.clone());
            }
        }
        let permit = Permit { id, limits: limits.to_vec() };
        self.renew(now, std::slice::from_ref(&permit), idle);
        self.sweep(now);
        Acquired::Permit(permit)
    }

    /// Signs of life. Returns the permits that were not held any more and now are one too many.
    pub fn renew(&mut self, now: u64, permits: &[Permit], idle: Duration) -> Vec<u128> {
        let mut surplus = Vec::new();
        for permit in permits {
            for limit in &permit.limits {
                let holders = self.held.entry(limit.key.clone()).or_default();
                holders.retain(|id, until| *until > now || *id == permit.id);
                let back = holders.insert(permit.id, now + millis(idle)).is_none();
                if back && holders.len() > limit.most as usize && !surplus.contains(&permit.id) {
                    surplus.push(permit.id);
                }
            }
        }
        surplus
    }

    /// Gives one back.
    pub fn release(&mut self, permit: &Permit) {
        for Limit { key, .. } in &permit.limits {
            if let Some(holders) = self.held.get_mut(key) {
                holders.remove(&permit.id);
                if holders.is_empty() {
                    self.held.remove(key);
                }
            }
        }
    }

    /// How many of a limit are held.
    #[must_use]
    pub fn held(&self, now: u64, key: &str) -> usize {
        self.held.get(key).map_or(0, |held| held.values().filter(|until| **until > now).count())
    }

    /// Up to `wanted` of a rate: a bucket of one period's worth that starts full (the generic cell rate
    /// algorithm, so that one number is all there is to keep).
    pub fn allow(&mut self, now: u64, rate: &Rate, wanted: u32) -> Allowed {
        let (most, per) = (u64::from(rate.most.max(1)), millis(rate.per).max(1));
        // In microseconds, so that a thousand per second is a whole number.
        let (now, cost, window) = (now * 1_000, (per * 1_000 / most).max(1), per * 1_000);
        let full_at = self.buckets.get(&rate.key).copied().unwrap_or(0).max(now);
        let free = (now + window).saturating_sub(full_at) / cost;
        let granted = free.min(u64::from(wanted));
        if granted == 0 {
            return Allowed::In(Duration::from_micros(full_at + cost - window - now));
        }
        self.buckets.insert(rate.key.clone(), full_at + granted * cost);
        self.sweep(now / 1_000);
        Allowed::Now(granted as u32)
    }

    /// What was told of a site.
    #[must_use]
    pub fn told(&self, now: u64, site: &str) -> Told {
        match self.tales.get(site) {
            Some((version, value, until)) if *until > now => {
                Told { version: *version, value: *value, now }
            }
            _ => Told { now, ..Told::default() },
        }
    }

    /// Tells, unless somebody else did.
    pub fn tell(&mut self, now: u64, site: &str, seen: u64, value: u64, keep: Duration) -> bool {
        let unchanged = self.told(now, site).version == seen;
        if unchanged {
            // From the clock: what was forgotten does not come back under its old number.
            let version = (seen + 1).max(now * 1_000);
            self.tales.insert(site.to_owned(), (version, value, now + millis(keep)));
            self.sweep(now);
        }
        unchanged
    }

    fn sweep(&mut self, now: u64) {
        let size = self.held.len() + self.buckets.len() + self.tales.len();
        if size < SWEEP_AT.max(self.swept * 2) {
            return;
        }
        for holders in self.held.values_mut() {
            holders.retain(|_, until| *until > now);
        }
        self.held.retain(|_, holders| !holders.is_empty());
        self.buckets.retain(|_, full_at| *full_at > now * 1_000);
        self.tales.retain(|_, (_, _, until)| *until > now);
        self.swept = self.held.len() + self.buckets.len() + self.tales.len();
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(15);

    fn limit(key: &str, most: u32) -> Limit {
        Limit { key: key.into(), most }
    }

    #[test]
    fn all_or_nothing() {
        let mut permits = Permits::default();
        let both = [limit("a", 2), limit("b", 1)];
        let Acquired::Permit(first) = permits.acquire(0, 1, &both, IDLE) else { panic!() };
        assert_eq!(permits.acquire(0, 2, &both, IDLE), Acquired::Full("b".into()));
        assert_eq!((permits.held(0, "a"), permits.held(0, "b")), (1, 1));
        permits.release(&first);
        assert!(matches!(permits.acquire(0, 3, &both, IDLE), Acquired::Permit(_)));
    }

    #[test]
    fn what_gives_no_sign_of_life_is_free() {
        let mut permits = Permits::default();
        let one = [limit("a", 1)];
        let Acquired::Permit(first) = permits.acquire(0, 1, &one, IDLE) else { panic!() };
        permits.renew(10_000, std::slice::from_ref(&first), IDLE);
        assert!(matches!(permits.acquire(24_999, 2, &one, IDLE), Acquired::Full(_)));
        assert!(matches!(permits.acquire(25_000, 2, &one, IDLE), Acquired::Permit(_)));
    }

    #[test]
    fn what_was_forgotten_comes_back_and_knows_when_it_is_too_many() {
        let mut permits = Permits::default();
        let one = [limit("a", 1)];
        let Acquired::Permit(first) = permits.acquire(0, 1, &one, IDLE) else { panic!() };
        let mut forgetful = Permits::default();
        let Acquired::Permit(second) = forgetful.acquire(0, 2, &one, IDLE) else { panic!() };
        assert_eq!(forgetful.renew(1, &[first.clone(), second], IDLE), [1]);
        assert_eq!(forgetful.held(1, "a"), 2);
        forgetful.release(&first);
        assert_eq!(forgetful.held(1, "a"), 1);
    }

    #[test]
    fn rates_hold_over_any_window() {
        let mut permits = Permits::default();
        let rate = Rate { key: "r".into(), most: 10, per: Duration::from_secs(1) };
        assert_eq!(permits.allow(1_000, &rate, 7), Allowed::Now(7));
        assert_eq!(permits.allow(1_000, &rate, 7), Allowed::Now(3));
        assert_eq!(permits.allow(1_000, &rate, 1), Allowed::In(Duration::from_millis(100)));
        assert_eq!(permits.allow(1_100, &rate, 5), Allowed::Now(1));
        let mut granted = 0;
        for now in (1_100..61_100).step_by(7) {
            if let Allowed::Now(n) = permits.allow(now, &rate, 3) {
                granted += n;
            }
        }
        assert!((595..=600).contains(&granted), "{granted}");
    }

    #[test]
    fn a_tale_is_not_overwritten_unseen() {
        let mut permits = Permits::default();
        let keep = Duration::from_secs(60);
        assert!(permits.tell(5, "s", 0, 7, keep));
        let told = permits.told(6, "s");
        assert_eq!(told.value, 7);
        assert!(!permits.tell(6, "s", 0, 8, keep));
        assert!(permits.tell(6, "s", told.version, 8, keep));
        assert_eq!(permits.told(60_007, "s").version, 0);
    }

    #[test]
    fn memory_is_given_back() {
        let mut permits = Permits::default();
        for n in 0..10_000_u128 {
            let now = n as u64 * 1_000;
            permits.acquire(now, n, &[limit(&format!("k{n}"), 1)], IDLE);
        }
        assert!(permits.held.len() < 2 * SWEEP_AT + 20, "{}", permits.held.len());
    }
}
