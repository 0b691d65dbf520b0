//! Remembering that a password was right, so that a client that logs in again and again costs one hash.
//!
//! What is kept is an HMAC under a key made at start and never written anywhere, bound to the account and to
//! the version of its credential: it says nothing without the process, and a changed password makes it void.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::time::Duration;
use subtle::ConstantTimeEq;
use types::AccountId;

/// Most accounts remembered.
const MOST: u64 = 100_000;

pub(crate) struct SuccessMemory {
    key: [u8; 32],
    known: Option<moka::sync::Cache<AccountId, [u8; 32]>>,
}

impl SuccessMemory {
    /// Remembers for this long; zero: not at all.
    pub(crate) fn new(age: Duration) -> Self {
        let cache = || moka::sync::Cache::builder().max_capacity(MOST).time_to_live(age).build();
        Self { key: rand::random(), known: (!age.is_zero()).then(cache) }
    }

    pub(crate) fn remember(&self, account: AccountId, version: i64, password: &str) {
        if let Some(known) = &self.known {
            known.insert(account, self.tag(account, version, password));
        }
    }

    pub(crate) fn knows(&self, account: AccountId, version: i64, password: &str) -> bool {
        let Some(known) = self.known.as_ref().and_then(|known| known.get(&account)) else {
            return false;
        };
        bool::from(known.ct_eq(&self.tag(account, version, password)))
    }

    fn tag(&self, account: AccountId, version: i64, password: &str) -> [u8; 32] {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else {
            return rand::random();
        };
        mac.update(&account.0.to_be_bytes());
        mac.update(&version.to_be_bytes());
        mac.update(password.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_one_password_of_one_version() {
        let memory = SuccessMemory::new(Duration::from_secs(60));
        let anna = AccountId(1);
        assert!(!memory.knows(anna, 1, "geheim"));
        memory.remember(anna, 1, "geheim");
        assert!(memory.knows(anna, 1, "geheim"));
        assert!(!memory.knows(anna, 1, "Geheim"));
        assert!(!memory.knows(anna, 2, "geheim"), "the password was set again");
        assert!(!memory.knows(AccountId(2), 1, "geheim"));
    }

    #[test]
    fn forgets() {
        let memory = SuccessMemory::new(Duration::from_millis(1));
        memory.remember(AccountId(1), 1, "geheim");
        std::thread::sleep(Duration::from_millis(20));
        assert!(!memory.knows(AccountId(1), 1, "geheim"));
        let none = SuccessMemory::new(Duration::ZERO);
        none.remember(AccountId(1), 1, "geheim");
        assert!(!none.knows(AccountId(1), 1, "geheim"));
    }
}
