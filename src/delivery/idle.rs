//! Connections that wait a few seconds for more mail. Each keeps the permit it was made under, so that the
//! site's limit counts it. Bounded; what is over the bound, or waits too long, is closed in good order.

use crate::connection::Connection;
use crate::courier::Permit;
use crate::plan::Key;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A connection that waits.
pub(crate) struct Parked {
    pub(crate) connection: Connection,
    pub(crate) permit: Option<Permit>,
}

#[derive(Default)]
struct Lot {
    places: HashMap<Key, Vec<(u64, Parked)>>,
    count: usize,
    next: u64,
}

/// All that wait.
#[derive(Clone)]
pub(crate) struct Idle {
    lot: Arc<Mutex<Lot>>,
    most: usize,
    wait: Duration,
}

impl Idle {
    pub(crate) fn new(most: usize, wait_ms: u64) -> Self {
        Self { lot: Arc::default(), most, wait: Duration::from_millis(wait_ms) }
    }

    /// The one parked last: the least likely to be closed by the server.
    pub(crate) fn take(&self, key: &Key) -> Option<Parked> {
        let mut lot = self.lot();
        let places = lot.places.get_mut(key)?;
        let (_, parked) = places.pop()?;
        if places.is_empty() {
            lot.places.remove(key);
        }
        lot.count -= 1;
        Some(parked)
    }

    /// Lets a connection wait, or closes it when too many do.
    pub(crate) fn park(&self, key: Key, parked: Parked) {
        let id = {
            let mut lot = self.lot();
            if lot.count >= self.most || self.wait.is_zero() {
                drop(lot);
                tokio::spawn(parked.close());
                return;
            }
            lot.count += 1;
            lot.next += 1;
            let id = lot.next;
            lot.places.entry(key.clone()).or_default().push((id, parked));
            id
        };
        let idle = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(idle.wait).await;
            if let Some(parked) = idle.remove(&key, id) {
                parked.close().await;
            }
        });
    }

    fn remove(&self, key: &Key, id: u64) -> Option<Parked> {
        let mut lot = self.lot();
        let places = lot.places.get_mut(key)?;
        let at = places.iter().position(|(at, _)| *at == id)?;
        let (_, parked) = places.swap_remove(at);
        if places.is_empty() {
            lot.places.remove(key);
        }
        lot.count -= 1;
        Some(parked)
    }

    pub(crate) fn len(&self) -> usize {
        self.lot().count
    }

    /// All at the same time; each takes a few seconds at most.
    pub(crate) async fn close_all(&self) {
        let places = {
            let mut lot = self.lot();
            lot.count = 0;
            std::mem::take(&mut lot.places)
        };
        let mut closing = tokio::task::JoinSet::new();
        for (_, parked) in places.into_values().flatten() {
            closing.spawn(parked.close());
        }
        while closing.join_next().await.is_some() {}
    }

    fn lot(&self) -> MutexGuard<'_, Lot> {
        self.lot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Parked {
    /// The permit is given back when the connection is gone.
    async fn close(self) {
        self.connection.close().await;
        drop(self.permit);
    }
}
