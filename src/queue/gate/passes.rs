//! The passes of a node.

use coordinator::limits::{Permit, SharedLimits};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Leave for one connection. Given back when dropped.
pub struct Pass {
    id: u128,
    passes: Arc<Passes>,
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.passes.give_back(self.id);
    }
}

/// All that are held, whether the coordinator knows of them or not.
pub(super) struct Passes {
    limits: Option<SharedLimits>,
    table: Mutex<Table>,
    freed: Notify,
}

#[derive(Default)]
struct Table {
    held: HashMap<u128, Permit>,
    surplus: HashSet<u128>,
}

impl Table {
    fn of<'a>(&'a self, key: &'a str) -> impl Iterator<Item = u128> + 'a {
        let is = move |permit: &Permit| permit.limits.iter().any(|limit| limit.key == key);
        self.held.iter().filter(move |(_, permit)| is(permit)).map(|(id, _)| *id)
    }
}

impl Passes {
    pub(super) fn new(limits: Option<SharedLimits>) -> Arc<Self> {
        Arc::new(Self { limits, table: Mutex::default(), freed: Notify::new() })
    }

    /// One more.
    pub(super) fn pass(self: &Arc<Self>, permit: Permit) -> Pass {
        let id = permit.id;
        self.table().held.insert(id, permit);
        Pass { id, passes: Arc::clone(self) }
    }

    /// One more, unless there are so many of its first limit.
    pub(super) fn pass_if(self: &Arc<Self>, permit: Permit, most: usize) -> Option<Pass> {
        let key = permit.limits.first()?.key.clone();
        if self.table().of(&key).count() >= most {
            return None;
        }
        Some(self.pass(permit))
    }

    /// What is held now.
    pub(super) fn permits(&self) -> Vec<Permit> {
        self.table().held.values().cloned().collect()
    }

    /// These are too many: said of each once.
    pub(super) fn add_surplus(&self, ids: &[u128]) {
        let mut table = self.table();
        let Table { held, surplus } = &mut *table;
        surplus.extend(ids.iter().filter(|id| held.contains_key(id)));
    }

    /// Whether one of this limit is too many; that one is then no longer counted as such.
    pub(super) fn is_surplus(&self, key: &str) -> bool {
        let mut table = self.table();
        if table.surplus.is_empty() {
            return false;
        }
        let one = table.of(key).find(|id| table.surplus.contains(id));
        one.is_some_and(|id| table.surplus.remove(&id))
    }

    /// Resolves when one was given back on this node.
    pub(super) fn freed(&self) -> impl Future<Output = ()> + '_ {
        self.freed.notified()
    }

    fn give_back(&self, id: u128) {
        let Some(permit) = ({
            let mut table = self.table();
            table.surplus.remove(&id);
            table.held.remove(&id)
        }) else {
            return;
        };
        self.freed.notify_waiters();
        let Some(limits) = self.limits.clone() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // What is not given back runs out.
                let _ = limits.release(&permit).await;
            });
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
