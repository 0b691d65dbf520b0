//! Who is here: recipients, logins, and what operators do with domains, accounts and aliases.
//!
//! PostgreSQL holds the truth. A node remembers where an address leads for a few seconds, so a change made
//! anywhere is in force everywhere within [`DirectoryConfig::cache_seconds`] without anybody being told. A
//! login asks for the credential's version each time: a changed password and a disabled account count at once.
//!
//! Whoever is logged in holds a [`Guard`], which tells within about a second when that has ended.
//!
//! Limits: password hashing runs on as many threads as there are cores, with a bounded line before them;
//! failed logins cost the client a growing wait; all tables in memory are bounded.

mod access;
mod certificate;
mod config;
mod error;
mod exchange;
mod hashing;
mod login;
mod memory;
mod oauth;
mod operator;
mod recipient;
mod throttle;

pub use access::Guard;
pub use certificate::CertificateName;
pub use config::DirectoryConfig;
pub use error::{AuthFailure, DirectoryError, OperatorError};
pub use exchange::{Channel, Exchange, Step};
pub use login::Login;
pub use oauth::OAuthConfig;
pub use operator::{ACCOUNT_PAGE, AccountDetails};
pub use recipient::{Lookup, Target};
pub use store::directory::{AccountRow, AliasRow, DomainRow};

use access::Guards;
use hashing::Hashing;
use memory::SuccessMemory;
use oauth::OAuth;
use std::sync::Arc;
use store::Store;
use store::directory::ScramSetting;
use throttle::Throttle;
use tokio::sync::OnceCell;

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
    domains: recipient::Domains,
    hashing: Hashing,
    successes: SuccessMemory,
    throttle: Throttle,
    guards: Arc<Guards>,
    oauth: Option<OAuth>,
    /// The cluster's; asked for when it is first needed.
    scram: OnceCell<ScramSetting>,
}

impl Directory {
    /// Over a store. Asks nothing yet. What [`DirectoryConfig::check`] finds wrong is not offered.
    #[must_use]
    pub fn new(store: Store, config: DirectoryConfig) -> Self {
        let inner = Inner {
            recipients: recipient::cache(&config),
            foreign: recipient::foreign(&config),
            domains: recipient::domains(),
            hashing: Hashing::new(&config),
            successes: SuccessMemory::new(config.login_memory()),
            throttle: Throttle::new(),
            guards: Arc::default(),
            oauth: config.oauth.clone().and_then(|oauth| {
                let usable = OAuth::new(oauth);
                usable.inspect_err(|error| tracing::error!(error, "no tokens are taken")).ok()
            }),
            scram: OnceCell::new(),
            store,
            config,
        };
        Self { inner: Arc::new(inner) }
    }
}
