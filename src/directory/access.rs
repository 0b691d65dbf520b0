//! Who is logged in on this node, and whether they may stay.
//!
//! ```text
//! password set, account disabled or removed ──▶ account.access rises (PostgreSQL)
//!                      every second, one statement per node ──▶ Guards ──▶ sessions end
//! ```
//! No hint is needed: an operator's command is a process of its own, and what it changed must count although
//! Redis is away. A change is looked for far longer than any transaction may take, so none is overlooked, nor one
//! between a login's check and its guard.

use crate::{Directory, Login};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::directory::access_recent;
use tokio::sync::Notify;
use tokio::time::Instant;
use types::AccountId;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// How far each look goes back beyond the last one.
const OVERLAP: Duration = Duration::from_secs(60);

/// Accounts with guards.
#[derive(Debug, Default)]
pub(crate) struct Guards {
    accounts: Mutex<HashMap<AccountId, Entry>>,
}

#[derive(Debug)]
struct Entry {
    guards: usize,
    known: Arc<Known>,
}

#[derive(Debug)]
struct Known {
    access: AtomicI64,
    risen: Notify,
}

/// Held by a session for as long as somebody is logged in.
#[derive(Debug)]
pub struct Guard {
    guards: Arc<Guards>,
    account: AccountId,
    access: i64,
    known: Arc<Known>,
}

impl Guards {
    fn accounts(&self) -> MutexGuard<'_, HashMap<AccountId, Entry>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn guard(self: &Arc<Self>, account: AccountId, access: i64) -> Guard {
        let mut accounts = self.accounts();
        let entry = accounts.entry(account).or_insert_with(|| Entry {
            guards: 0,
            known: Arc::new(Known { access: AtomicI64::new(access), risen: Notify::new() }),
        });
        entry.guards += 1;
        let known = Arc::clone(&entry.known);
        // A newer login has seen more than the last look.
        known.rise(access);
        Guard { guards: Arc::clone(self), account, access, known }
    }

    /// PostgreSQL says so.
    fn rise(&self, changes: &[(AccountId, i64)]) {
        let accounts = self.accounts();
        for (account, access) in changes {
            if let Some(entry) = accounts.get(account) {
                entry.known.rise(*access);
            }
        }
    }
}

impl Known {
    fn rise(&self, access: i64) {
        if self.access.fetch_max(access, Ordering::AcqRel) < access {
            self.risen.notify_waiters();
        }
    }
}

impl Guard {
    /// Whether the session must end.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.known.access.load(Ordering::Acquire) > self.access
    }

    /// Resolves when the session must end. Cancel-safe.
    pub async fn revoked(&self) {
        loop {
            let risen = self.known.risen.notified();
            if self.is_revoked() {
                return;
            }
            risen.await;
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut accounts = self.guards.accounts();
        if let Some(entry) = accounts.get_mut(&self.account) {
            entry.guards -= 1;
            if entry.guards == 0 {
                accounts.remove(&self.account);
            }
        }
    }
}

impl Directory {
    /// To be held for as long as this login's session lives.
    #[must_use]
    pub fn guard(&self, login: &Login) -> Guard {
        self.inner.guards.guard(login.account, login.access)
    }

    /// Looks for ever whose sessions have to end. One per node.
    pub async fn watch_access(self) {
        let mut last = Instant::now();
        loop {
            tokio::time::sleep(EVERY).await;
            let begun = Instant::now();
            if self.inner.guards.accounts().is_empty() {
                last = begun;
                continue;
            }
            let back = begun.duration_since(last) + OVERLAP;
            match access_recent(&self.inner.store, back.as_secs_f64()).await {
                Ok(changes) => {
                    self.inner.guards.rise(&changes);
                    last = begun;
                }
                Err(error) => tracing::debug!(%error, "who may stay could not be asked"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: AccountId = AccountId(7);
    const BERT: AccountId = AccountId(8);

    #[tokio::test]
    async fn a_rise_ends_who_logged_in_before() {
        let guards = Arc::<Guards>::default();
        let (old, other) = (guards.guard(ANNA, 1), guards.guard(BERT, 1));
        guards.rise(&[(ANNA, 1), (AccountId(9), 5)]);
        assert!(!old.is_revoked());
        let waiting = tokio::spawn(async move { old.revoked().await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        guards.rise(&[(ANNA, 2)]);
        waiting.await.unwrap();
        assert!(!other.is_revoked());
        // Who logs in with the new password stays, though the same change is told again.
        let new = guards.guard(ANNA, 2);
        guards.rise(&[(ANNA, 2), (ANNA, 1)]);
        assert!(!new.is_revoked());
    }

    #[test]
    fn a_login_that_was_overtaken_is_revoked_from_the_start() {
        let guards = Arc::<Guards>::default();
        let new = guards.guard(ANNA, 3);
        assert!(guards.guard(ANNA, 2).is_revoked());
        assert!(!new.is_revoked());
        let old = guards.guard(BERT, 2);
        let _newer = guards.guard(BERT, 3);
        assert!(old.is_revoked());
    }

    #[test]
    fn nothing_stays_of_who_left() {
        let guards = Arc::<Guards>::default();
        drop((guards.guard(ANNA, 1), guards.guard(ANNA, 1), guards.guard(BERT, 1)));
        assert!(guards.accounts().is_empty());
    }
}
