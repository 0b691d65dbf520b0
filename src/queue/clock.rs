//! Time as one process counts it.

use std::time::Duration;

/// A point on one process's monotonic clock: the time since some start of its own. Means nothing to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mono(pub Duration);

impl Mono {
    /// How long after `earlier`; zero if it was before.
    #[must_use]
    pub fn since(self, earlier: Mono) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// A while later.
    #[must_use]
    pub fn after(self, wait: Duration) -> Mono {
        Mono(self.0.saturating_add(wait))
    }
}
