//! What a carrier tells and asks while it carries.

use super::Clock;
use crate::{Event, Fate, Lease, RetryPolicy};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The carrier's way back, for one batch. Cheap to clone.
pub struct Desk<R, N> {
    pub(super) events: mpsc::UnboundedSender<Event<R, N>>,
    pub(super) lease: Arc<RwLock<Lease>>,
    pub(super) clock: Clock,
    pub(super) term: u64,
    pub(super) stop: CancellationToken,
    pub(super) hurry: CancellationToken,
}

impl<R, N> Clone for Desk<R, N> {
    fn clone(&self) -> Self {
        Self {
            events: self.events.clone(),
            lease: Arc::clone(&self.lease),
            clock: self.clock,
            term: self.term,
            stop: self.stop.clone(),
            hurry: self.hurry.clone(),
        }
    }
}

impl<R, N> Desk<R, N> {
    /// A recipient's fate; `policy`: its route's own.
    pub fn finished(&self, recipient: i64, fate: Fate, policy: Option<RetryPolicy>, note: N) {
        // Nobody listens any more when the worker is gone; its rows are taken over.
        let _ = self.events.send(Event::Finished(recipient, fate, policy, note));
    }

    /// Whether what was claimed may still be finished: to be asked right before a final dot (invariant 6).
    #[must_use]
    pub fn fence(&self) -> bool {
        let lease = *self.lease.read().unwrap_or_else(PoisonError::into_inner);
        !self.hurry.is_cancelled() && lease.may_finish(self.term, self.clock.now())
    }

    /// Whether another message of the batch may be begun.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        !self.stop.is_cancelled() && self.fence()
    }

    /// Resolves when nothing more is to be begun.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }
}
