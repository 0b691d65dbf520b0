//! Failed logins cost a growing wait, per (client network, user) and, more patiently, per client network.
//!
//! Not per user alone: anybody could then lock anybody out. While a wait lasts, not even the right password
//! is looked at, or guessing would go on. Both tables are bounded and forget who behaves.

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Failures of a user from one network that cost nothing: people mistype.
const FREE: u32 = 3;
/// Failures from one network that cost nothing: many people may sit behind one address.
const FREE_NETWORK: u32 = 50;
/// The first wait; each further failure doubles it.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(60);
/// When failures are forgotten.
const FORGET: Duration = Duration::from_secs(900);
/// Most entries of each table.
const MOST: u64 = 100_000;

#[derive(Debug, Clone, Copy)]
struct Record {
    failures: u32,
    until: Instant,
}

pub(crate) struct Throttle {
    users: moka::sync::Cache<(IpAddr, Box<str>), Record>,
    networks: moka::sync::Cache<IpAddr, Record>,
}

impl Throttle {
    pub(crate) fn new() -> Self {
        Self {
            users: moka::sync::Cache::builder().max_capacity(MOST).time_to_idle(FORGET).build(),
            networks: moka::sync::Cache::builder().max_capacity(MOST).time_to_idle(FORGET).build(),
        }
    }

    /// Whether a login may be tried now.
    pub(crate) fn allows(&self, peer: IpAddr, user: &str, now: Instant) -> bool {
        let network = network(peer);
        let free = |record: Option<Record>| record.is_none_or(|record| record.until <= now);
        free(self.networks.get(&network)) && free(self.users.get(&key(network, user)))
    }

    pub(crate) fn failed(&self, peer: IpAddr, user: &str, now: Instant) {
        let network = network(peer);
        self.users
            .entry(key(network, user))
            .and_upsert_with(|old| next(old.map(moka::Entry::into_value), FREE, now));
        self.networks
            .entry(network)
            .and_upsert_with(|old| next(old.map(moka::Entry::into_value), FREE_NETWORK, now));
    }

    /// Clears the user's failures; the network's stay, or one good account would let its owner guess others.
    pub(crate) fn succeeded(&self, peer: IpAddr, user: &str) {
        self.users.invalidate(&key(network(peer), user));
    }
}

fn next(old: Option<Record>, free: u32, now: Instant) -> Record {
    let failures = old.map_or(0, |record| record.failures).saturating_add(1);
    let until = match failures.checked_sub(free) {
        None | Some(0) => now,
        Some(paid) => now + FIRST.saturating_mul(1 << (paid - 1).min(16)).min(LONGEST),
    };
    Record { failures, until }
}

/// A long name is no name of ours; it is cut so that it costs no memory.
fn key(network: IpAddr, user: &str) -> (IpAddr, Box<str>) {
    let end = user.char_indices().nth(100).map_or(user.len(), |(at, _)| at);
    (network, user[..end].to_lowercase().into())
}

/// One client is one IPv4 address or one IPv6 /64.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from(u128::from(ip) & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "192.0.2.1";

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_wait_grows_and_ends() {
        let (throttle, start) = (Throttle::new(), Instant::now());
        let mut now = start;
        let mut waits = Vec::new();
        for _ in 0..12 {
            assert!(throttle.allows(ip(HERE), "anna@x", now));
            throttle.failed(ip(HERE), "anna@x", now);
            let wait = (0..=60)
                .find(|s| throttle.allows(ip(HERE), "anna@x", now + Duration::from_secs(*s)));
            waits.push(wait.unwrap());
            now += Duration::from_secs(wait.unwrap());
        }
        assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn only_this_user_from_this_network_waits() {
        let (throttle, now) = (Throttle::new(), Instant::now());
        (0..9).for_each(|_| throttle.failed(ip("2001:db8::1"), "Anna@x", now));
        assert!(!throttle.allows(ip("2001:db8::ffff"), "anna@x", now), "the same /64");
        assert!(throttle.allows(ip("2001:db8:0:1::1"), "anna@x", now));
        assert!(throttle.allows(ip("2001:db8::1"), "berta@x", now));
        throttle.succeeded(ip("2001:db8::1"), "anna@x");
        assert!(throttle.allows(ip("2001:db8::1"), "anna@x", now));
    }

    #[test]
    fn guessing_at_many_users_is_slowed_down_too() {
        let (throttle, now) = (Throttle::new(), Instant::now());
        (0..60).for_each(|n| throttle.failed(ip(HERE), &format!("user{n}@x"), now));
        assert!(!throttle.allows(ip(HERE), "another@x", now));
        assert!(throttle.allows(ip("192.0.2.2"), "another@x", now));
    }

    #[test]
    fn endless_names_cost_no_memory() {
        let name = "ä".repeat(100_000);
        assert!(key(ip(HERE), &name).1.len() < 500);
    }
}
