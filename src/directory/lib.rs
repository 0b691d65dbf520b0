//! Who is here: recipients, logins, and what operators do with domains, accounts and aliases.
//!
//! PostgreSQL holds the truth. A node remembers where an address leads for a few seconds, so a change made
//! anywhere is in force everywhere within [`DirectoryConfig::cache_seconds`] without anybody being told. A
//! login asks for the credential's version each time: a changed password and a disabled account count at once.
//!
//! Limits: password hashing runs on as many threads as there are cores, with a bounded line before them;
//! failed logins cost the client a growing wait; all tables in memory are bounded.

mod config;
mod error;
mod exchange;
mod hashing;
mod login;
mod memory;
mod operator;
mod recipient;
mod throttle;

pub use config::DirectoryConfig;
pub use error::{AuthFailure, DirectoryError, OperatorError};
pub use exchange::{Exchange, Step};
pub use login::Login;
pub use operator::{ACCOUNT_PAGE, AccountDetails};
pub use recipient::{Lookup, Target};
pub use store::directory::{AccountRow, AliasRow, DomainRow};

use hashing::Hashing;
use memory::SuccessMemory;
use std::sync::Arc;
use store::Store;
use throttle::Throttle;

/// The directory of a node. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    config: DirectoryConfig,
    recipients: recipient::Cache,
    foreign: recipient::Foreign,
    hashing: Hashing,
    successes: SuccessMemory,
    throttle: Throttle,
    /// Makes up SCRAM verifiers for unknown users.
    secret: [u8; 32],
}

impl Directory {
    /// Over a store. Asks nothing yet.
    #[must_use]
    pub fn new(store: Store, config: DirectoryConfig) -> Self {
        let inner = Inner {
            recipients: recipient::cache(&config),
            foreign: recipient::foreign(&config),
            hashing: Hashing::new(&config),
            successes: SuccessMemory::new(config.login_memory()),
            throttle: Throttle::new(),
            secret: rand::random(),
            store,
            config,
        };
        Self { inner: Arc::new(inner) }
    }
}
