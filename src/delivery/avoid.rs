//! Addresses that could not be connected to a moment ago. They are tried last for a while, so that a host that
//! is down costs its timeout once and not for every message to a domain whose other hosts are well.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long one is tried last.
const KEEP: Duration = Duration::from_secs(60);
/// Most that are remembered; more than that is forgotten, which costs time only.
const MOST: usize = 4_096;

/// What is remembered.
#[derive(Default)]
pub(crate) struct Avoid {
    failed: Mutex<HashMap<SocketAddr, Instant>>,
}

impl Avoid {
    /// A connection could not be made.
    pub(crate) fn failed(&self, address: SocketAddr) {
        let now = Instant::now();
        let mut failed = self.lock();
        if failed.len() >= MOST {
            failed.retain(|_, since| now.duration_since(*since) < KEEP);
        }
        if failed.len() >= MOST {
            failed.clear();
        }
        failed.insert(address, now);
    }

    /// One could.
    pub(crate) fn worked(&self, address: SocketAddr) {
        self.lock().remove(&address);
    }

    /// Whether the others come first.
    pub(crate) fn has(&self, address: SocketAddr) -> bool {
        self.lock().get(&address).is_some_and(|since| since.elapsed() < KEEP)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Instant>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn for_a_while_and_not_without_bound() {
        let avoid = Avoid::default();
        let address = |n: u16| SocketAddr::from(([192, 0, 2, 1], n));
        avoid.failed(address(1));
        assert!(avoid.has(address(1)) && !avoid.has(address(2)));
        tokio::time::advance(KEEP).await;
        assert!(!avoid.has(address(1)));
        avoid.failed(address(1));
        avoid.worked(address(1));
        assert!(!avoid.has(address(1)));
        for n in 0..10_000 {
            avoid.failed(address(n));
            assert!(avoid.lock().len() <= MOST);
        }
        assert!(avoid.has(address(9_999)));
    }
}
