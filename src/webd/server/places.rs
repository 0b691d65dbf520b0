//! Who is served: as many as there is room for, the youngest.

use super::MOST;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// All places. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    /// By age.
    places: BTreeMap<u64, Arc<Notify>>,
}

/// A connection's place.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    number: u64,
    lost: Arc<Notify>,
}

impl Places {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place; if there was none, the oldest connection's.
    pub(super) fn take(&self) -> Place {
        let mut taken = self.taken();
        if taken.places.len() >= MOST
            && let Some((_, lost)) = taken.places.pop_first()
        {
            lost.notify_one();
            metrics::counter!("postrider_http_connections_ended_total").increment(1);
        }
        let number = taken.next;
        taken.next += 1;
        let lost = Arc::new(Notify::new());
        taken.places.insert(number, Arc::clone(&lost));
        Place { places: self.clone(), number, lost }
    }
}

impl Place {
    /// Resolves when somebody else needs it.
    pub(super) async fn lost(&self) {
        self.lost.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().places.remove(&self.number);
    }
}
