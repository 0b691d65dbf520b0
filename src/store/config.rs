//! How to reach PostgreSQL.

use secrecy::SecretString;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// Connection settings. Small pools with a bounded wait: a full pool is "busy", not a growing queue.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresConfig {
    /// `postgres://user:password@host:port/database?…`; several hosts and `target_session_attrs` work.
    pub url: SecretString,
    /// Connections of this node.
    #[serde(default = "pool_size")]
    pub pool_size: usize,
    /// How long a caller waits for a free connection before it is told "busy", in milliseconds.
    #[serde(default = "pool_wait_ms")]
    pub pool_wait_ms: u64,
    /// Client-side deadline of every statement, in milliseconds.
    #[serde(default = "query_timeout_ms")]
    pub query_timeout_ms: u64,
    /// Whether statements are prepared once per connection. Off for transaction poolers that know no
    /// prepared statements (PgBouncer before 1.21).
    #[serde(default = "prepared_statements")]
    pub prepared_statements: bool,
    /// Certificate authorities (PEM) for TLS to PostgreSQL; the system's when absent.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

fn pool_size() -> usize {
    8
}
fn pool_wait_ms() -> u64 {
    2_000
}
fn query_timeout_ms() -> u64 {
    10_000
}
fn prepared_statements() -> bool {
    true
}

impl PostgresConfig {
    /// The defaults around a connection URL.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: SecretString::from(url.into()),
            pool_size: pool_size(),
            pool_wait_ms: pool_wait_ms(),
            query_timeout_ms: query_timeout_ms(),
            prepared_statements: prepared_statements(),
            ca_file: None,
        }
    }

    pub(crate) fn pool_wait(&self) -> Duration {
        Duration::from_millis(self.pool_wait_ms)
    }

    pub(crate) fn query_timeout(&self) -> Duration {
        Duration::from_millis(self.query_timeout_ms)
    }
}
