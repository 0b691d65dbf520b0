//! How many of something an account may have on one node (sessions, messages on their way in): one user must not
//! take all of its memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use types::AccountId;

/// Counts by account.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    taken: Mutex<HashMap<AccountId, u32>>,
}

/// One of them, given back on drop.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Seats>,
    account: AccountId,
}

impl Seats {
    fn taken(&self) -> MutexGuard<'_, HashMap<AccountId, u32>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, if the account has fewer than `most`.
    pub(crate) fn take(self: &Arc<Self>, account: AccountId, most: u32) -> Option<Seat> {
        let mut taken = self.taken();
        let mine = taken.get(&account).copied().unwrap_or(0);
        if mine >= most {
            return None;
        }
        taken.insert(account, mine + 1);
        Some(Seat { seats: Arc::clone(self), account })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        match taken.get_mut(&self.account) {
            Some(mine) if *mine > 1 => *mine -= 1,
            _ => {
                taken.remove(&self.account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_and_come_back() {
        let seats = Arc::<Seats>::default();
        let (anna, bert) = (AccountId(1), AccountId(2));
        let one = seats.take(anna, 2);
        let two = seats.take(anna, 2);
        assert!(one.is_some() && two.is_some());
        assert!(seats.take(anna, 2).is_none());
        assert!(seats.take(bert, 2).is_some());
        drop(one);
        let again = seats.take(anna, 2);
        assert!(again.is_some());
        drop((two, again));
        assert!(seats.taken().is_empty());
    }
}
