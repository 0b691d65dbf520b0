//! How many of something one client has open: it must not take what is there for all.

use crate::listener::network;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts by client: one IPv4 address or one IPv6 /64. Nothing is remembered of a client that has none. Cheap to
/// clone.
#[derive(Debug, Clone, Default)]
pub struct Crowd {
    open: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

/// One of them, given back on drop.
#[derive(Debug)]
pub struct Place {
    crowd: Crowd,
    client: IpAddr,
}

impl Crowd {
    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more, if the client has fewer than `most`.
    #[must_use]
    pub fn enter(&self, client: IpAddr, most: u32) -> Option<Place> {
        let client = network(client);
        let mut open = self.open();
        let mine = open.get(&client).copied().unwrap_or(0);
        if mine >= most {
            return None;
        }
        open.insert(client, mine + 1);
        Some(Place { crowd: self.clone(), client })
    }

    /// How many clients have any.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.open().len()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.crowd.open();
        match open.get_mut(&self.client) {
            Some(mine) if *mine > 1 => *mine -= 1,
            _ => {
                open.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_places_and_leaves_no_trace() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let crowd = Crowd::default();
        let first = crowd.enter(ip("2001:db8::1"), 1);
        assert!(first.is_some());
        assert!(crowd.enter(ip("2001:db8::2"), 1).is_none(), "the same /64");
        let second = crowd.enter(ip("192.0.2.1"), 2);
        let third = crowd.enter(ip("::ffff:192.0.2.1"), 2);
        assert!(second.is_some() && third.is_some());
        assert!(crowd.enter(ip("192.0.2.1"), 2).is_none());
        assert!(crowd.enter(ip("192.0.2.2"), 0).is_none());
        drop(second);
        assert_eq!(crowd.clients(), 2);
        drop((first, third));
        assert_eq!(crowd.clients(), 0);
    }
}
