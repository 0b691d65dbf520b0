//! What arrived, and over which connections.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// One complete message.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Its Message-ID, without the angle brackets; empty when it had none.
    pub message_id: String,
    /// What EHLO said.
    pub hello: String,
    /// Reverse-path as written.
    pub from: String,
    /// Forward-paths that were accepted, as written.
    pub to: Vec<String>,
    /// The MAIL and RCPT commands, for tests of parameters.
    pub commands: Vec<String>,
    /// When the end of the message was read.
    pub at: SystemTime,
    /// Number of the connection.
    pub connection: u64,
    /// Where it was accepted.
    pub address: SocketAddr,
    /// Who sent it.
    pub peer: SocketAddr,
    /// Whether it came under TLS.
    pub tls: bool,
    /// The code of the reply to the final dot (the first one under LMTP); `None`: no reply was given.
    pub reply: Option<u16>,
    /// Octets, dots removed.
    pub size: u64,
    /// The content, when it is kept.
    pub content: Option<Vec<u8>>,
}

/// Connections of one listening address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Connections {
    /// Open now.
    pub now: usize,
    /// Most that were open at the same time.
    pub most: usize,
    /// Ever.
    pub total: usize,
}

/// Beginnings and ends of messages in order, by reverse-path.
type UnderWay = Arc<Mutex<Vec<(String, bool)>>>;

/// Counts a message as under way until dropped.
pub(super) struct OneMore {
    under_way: UnderWay,
    from: String,
}

impl Drop for OneMore {
    fn drop(&mut self) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.push((std::mem::take(&mut self.from), false));
    }
}

#[derive(Default)]
struct Counter {
    now: AtomicUsize,
    most: AtomicUsize,
    total: AtomicUsize,
}

pub(super) struct Log {
    arrivals: Mutex<Vec<Arrival>>,
    counters: HashMap<SocketAddr, Arc<Counter>>,
    next: AtomicU64,
    under_way: UnderWay,
}

/// Counts a connection as open until dropped.
pub(super) struct Open {
    counter: Arc<Counter>,
    id: u64,
}

impl Open {
    pub(super) fn id(&self) -> u64 {
        self.id
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.counter.now.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Log {
    pub(super) fn new(addresses: &[SocketAddr]) -> Self {
        let counters = addresses.iter().map(|address| (*address, Arc::default())).collect();
        let (arrivals, next) = (Mutex::default(), AtomicU64::new(1));
        Self { arrivals, counters, next, under_way: Arc::default() }
    }

    /// From MAIL to its end.
    pub(super) fn begun(&self, from: &str) -> OneMore {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.push((from.to_owned(), true));
        OneMore { under_way: Arc::clone(&self.under_way), from: from.to_owned() }
    }

    pub(super) fn most_at_once(&self, from: &[&str]) -> usize {
        let under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut now, mut most) = (0_usize, 0);
        for (_, begins) in under_way.iter().filter(|(path, _)| from.contains(&path.as_str())) {
            now = if *begins { now + 1 } else { now.saturating_sub(1) };
            most = most.max(now);
        }
        most
    }

    pub(super) fn opened(&self, address: SocketAddr) -> Open {
        let counter = self.counters.get(&address).cloned().unwrap_or_default();
        let now = counter.now.fetch_add(1, Ordering::SeqCst) + 1;
        counter.most.fetch_max(now, Ordering::SeqCst);
        counter.total.fetch_add(1, Ordering::SeqCst);
        Open { counter, id: self.next.fetch_add(1, Ordering::SeqCst) }
    }

    pub(super) fn connections(&self, address: SocketAddr) -> Connections {
        let load = |value: &AtomicUsize| value.load(Ordering::SeqCst);
        let of = |c: &Arc<Counter>| Connections {
            now: load(&c.now),
            most: load(&c.most),
            total: load(&c.total),
        };
        self.counters.get(&address).map(of).unwrap_or_default()
    }

    /// From now on the most is counted anew.
    pub(super) fn forget_most(&self, address: SocketAddr) {
        if let Some(counter) = self.counters.get(&address) {
            counter.most.store(counter.now.load(Ordering::SeqCst), Ordering::SeqCst);
        }
    }

    /// Before the reply is sent: what happened stays known even if the reply gets lost.
    pub(super) fn arrived(&self, arrival: Arrival) {
        self.lock().push(arrival);
    }

    pub(super) fn arrivals(&self) -> Vec<Arrival> {
        self.lock().clone()
    }

    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arrival>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
