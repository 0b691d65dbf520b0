//! Where this node's own sessions say that they queued mail.
//!
//! Never waits and never grows without bound: a destination is remembered once, and what does not fit is found
//! by the sweep.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;
use types::Destination;

/// Most destinations that are remembered.
const MOST: usize = 20_000;

/// A doorbell. Clones ring the same bell; one consumer hears it.
#[derive(Debug, Clone, Default)]
pub struct Doorbell {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    rung: Mutex<BTreeSet<Destination>>,
    ready: Notify,
}

impl Doorbell {
    /// Mail for these was queued and is committed.
    pub fn ring(&self, destinations: impl IntoIterator<Item = Destination>) {
        let mut rung = self.inner.rung.lock().unwrap_or_else(PoisonError::into_inner);
        for destination in destinations {
            if rung.len() < MOST {
                rung.insert(destination);
            }
        }
        let any = !rung.is_empty();
        drop(rung);
        if any {
            self.inner.ready.notify_one();
        }
    }

    /// Waits for a ring and gives all that rang since the last one. Cancel-safe.
    pub async fn heard(&self) -> Vec<Destination> {
        loop {
            let rung = std::mem::take(
                &mut *self.inner.rung.lock().unwrap_or_else(PoisonError::into_inner),
            );
            if !rung.is_empty() {
                return rung.into_iter().collect();
            }
            self.inner.ready.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_rang_is_heard_once() {
        let bell = Doorbell::default();
        bell.ring([Destination::new("b.test"), Destination::new("a.test")]);
        bell.clone().ring([Destination::new("a.test")]);
        let heard = bell.heard().await;
        assert_eq!(heard, [Destination::new("a.test"), Destination::new("b.test")]);
        let quiet = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(quiet, bell.heard()).await.is_err());
        bell.ring((0..MOST + 5).map(|n| Destination::new(&format!("d{n}.test"))));
        assert_eq!(bell.heard().await.len(), MOST);
    }
}
