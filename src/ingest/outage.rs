//! A short memory that PostgreSQL was away, so that a client hears so at MAIL instead of after its message.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long an outage is believed in without a new sign of it.
const BELIEVED: Duration = Duration::from_secs(1);

pub(crate) struct Outage {
    started: Instant,
    /// Milliseconds since `started`; 0 for none.
    until: AtomicU64,
}

impl Outage {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), until: AtomicU64::new(0) }
    }

    fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    pub(crate) fn begin(&self) {
        self.until.store(self.now() + BELIEVED.as_millis() as u64, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.until.store(0, Ordering::Relaxed);
    }

    pub(crate) fn lasts(&self) -> bool {
        self.now() < self.until.load(Ordering::Relaxed)
    }
}
