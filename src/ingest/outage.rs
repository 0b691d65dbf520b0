//! Whether PostgreSQL is away, so that a client hears so at MAIL instead of after its message.
//!
//! A failed write only raises the question: one broken connection is no outage. A ping answers it, again and
//! again until PostgreSQL is back; one task at a time, none while all is well.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::Store;

/// Pause between two pings.
const PAUSE: Duration = Duration::from_millis(250);

#[derive(Clone, Default)]
pub(crate) struct Outage {
    away: Arc<AtomicBool>,
    asking: Arc<AtomicBool>,
}

impl Outage {
    /// Whether PostgreSQL did not answer the last ping.
    pub(crate) fn lasts(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    /// Something failed that may be an outage.
    pub(crate) fn suspect(&self, store: &Store) {
        if self.asking.swap(true, Ordering::Relaxed) {
            return;
        }
        let (outage, store) = (self.clone(), store.clone());
        tokio::spawn(async move {
            while let Err(error) = store.ping().await {
                if !outage.away.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "PostgreSQL is away, no mail is taken");
                }
                tokio::time::sleep(PAUSE).await;
            }
            if outage.away.swap(false, Ordering::Relaxed) {
                tracing::info!("PostgreSQL is back");
            }
            outage.asking.store(false, Ordering::Relaxed);
        });
    }
}
