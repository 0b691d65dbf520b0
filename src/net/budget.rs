//! The node-wide byte budget: what DATA, literals and fetch buffers may hold together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A budget. Cheap to clone.
#[derive(Debug, Clone)]
pub struct MemoryBudget {
    left: Arc<AtomicU64>,
}

/// A share of the budget, given back on drop.
#[derive(Debug)]
pub struct Permit {
    left: Arc<AtomicU64>,
    held: u64,
}

impl MemoryBudget {
    /// So many octets.
    #[must_use]
    pub fn new(octets: u64) -> Self {
        Self { left: Arc::new(AtomicU64::new(octets)) }
    }

    /// Takes a share at once or not at all.
    #[must_use]
    pub fn try_reserve(&self, octets: u64) -> Option<Permit> {
        let take = |left: u64| left.checked_sub(octets);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        Some(Permit { left: Arc::clone(&self.left), held: octets })
    }

    /// What nobody holds.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.left.fetch_add(self.held, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_come_back() {
        let budget = MemoryBudget::new(10);
        let share = budget.try_reserve(7).unwrap();
        assert!(budget.try_reserve(4).is_none());
        drop(share);
        assert_eq!(budget.left(), 10);
    }
}
