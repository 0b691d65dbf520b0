//! Settings of the POP3 service.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Settings; each limit says what it protects.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pop3dConfig {
    /// Our name in the greeting; the node's host name when empty.
    pub hostname: String,
    /// Whether passwords are taken without TLS: for listeners that only a balancer which ends TLS can reach.
    pub plaintext_login: bool,
    /// Wait for a client that has not logged in, in all, in seconds: strangers hold nothing for long.
    pub login_seconds: u64,
    /// Wait for a command of a client that has, in seconds: for so long nobody else has the maildrop. RFC 1939 §3: "at
    /// least 10 minutes".
    pub command_seconds: u64,
    /// Wait for a client that does not read, in seconds: output in memory.
    pub write_seconds: u64,
}

impl Default for Pop3dConfig {
    fn default() -> Self {
        Self {
            hostname: String::new(),
            plaintext_login: false,
            login_seconds: 180,
            command_seconds: 600,
            write_seconds: 120,
        }
    }
}

impl Pop3dConfig {
    pub(crate) fn machine(&self, stls: bool) -> pop3::Config {
        let name = if self.hostname.is_empty() { "localhost" } else { &self.hostname };
        pop3::Config {
            stls,
            plaintext_login: self.plaintext_login,
            login_timeout: self.login(),
            command_timeout: Duration::from_secs(self.command_seconds),
            ..pop3::Config::new(name)
        }
    }

    pub(crate) fn login(&self) -> Duration {
        Duration::from_secs(self.login_seconds)
    }

    pub(crate) fn write(&self) -> Duration {
        Duration::from_secs(self.write_seconds.max(1))
    }
}
