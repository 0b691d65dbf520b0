//! Where hints arrive: a map, not a queue. A slow consumer costs nothing, and a thousand hints for one
//! account are one.

use crate::Hint;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;
use types::{AccountId, ModSeq};

/// What arrived since the last look.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Per account the highest modseq hinted at.
    pub hints: HashMap<AccountId, ModSeq>,
    /// The subscriptions were (re)made: hints may have been missed, check everything.
    pub resubscribed: bool,
    /// The connection is gone: ask more often until `resubscribed`.
    pub lost: bool,
}

/// The inbox of one node.
#[derive(Debug, Default)]
pub struct Inbox {
    waiting: Mutex<Received>,
    ready: Notify,
}

impl Inbox {
    fn with(&self, change: impl FnOnce(&mut Received)) {
        change(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.ready.notify_one();
    }

    /// A hint arrived.
    pub fn hint(&self, hint: Hint) {
        self.with(|waiting| {
            let modseq = waiting.hints.entry(hint.account).or_insert(hint.modseq);
            *modseq = hint.modseq.max(*modseq);
        });
    }

    /// The subscriptions were (re)made.
    pub fn resubscribed(&self) {
        self.with(|waiting| (waiting.resubscribed, waiting.lost) = (true, false));
    }

    /// The connection is gone.
    pub fn lost(&self) {
        self.with(|waiting| waiting.lost = true);
    }

    /// Waits for something to arrive and takes all of it. Cancel-safe.
    pub async fn receive(&self) -> Received {
        loop {
            let received =
                std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            if received != Received::default() {
                return received;
            }
            self.ready.notified().await;
        }
    }
}
