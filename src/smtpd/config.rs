//! Settings. Every limit says what it protects.

use serde::{Deserialize, Serialize};
use smtp::{Config, Role};
use std::time::Duration;

/// Settings of the SMTP, submission and LMTP listeners.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmtpdConfig {
    /// Our name in greetings, replies and trace fields; the node's own unless set here.
    pub hostname: String,
    /// Largest message in MiB; protects disk and memory.
    pub max_message_mib: u32,
    /// Most recipients of one message; RFC 5321 §4.5.3.1.8 asks for at least 100.
    pub max_recipients: usize,
    /// Most messages over 256 KiB under way from one client address (IPv6: one /64). Each may hold 6 MiB of the node's
    /// memory budget while it comes; one stranger must not hold all of it. LMTP clients are not counted.
    pub max_large_per_ip: u32,
    /// Whether authenticated users may send to other servers. Without it they are told to try again later.
    pub outbound: bool,
    /// Errors after which a session ends; stops guessing of addresses and passwords.
    pub max_errors: u32,
    /// Commands without a message after which a session ends; stops idle chatter.
    pub max_idle_commands: u32,
    /// Received fields from which on a message counts as looping (RFC 5321 §6.3: at least 100).
    pub max_hops: usize,
    /// Wait for one whole command, in seconds (RFC 5321 §4.5.3.2.7: 5 minutes).
    pub command_timeout_seconds: u32,
    /// Wait for more of a message, in seconds (RFC 5321 §4.5.3.2.5: 3 minutes).
    pub data_timeout_seconds: u32,
    /// Longest a message may take from DATA to its end, in seconds; stops senders that drip.
    pub message_timeout_seconds: u32,
}

impl Default for SmtpdConfig {
    fn default() -> Self {
        Self {
            hostname: String::new(),
            max_message_mib: 50,
            max_recipients: 1_000,
            max_large_per_ip: 20,
            outbound: true,
            max_errors: 10,
            max_idle_commands: 200,
            max_hops: 100,
            command_timeout_seconds: 300,
            data_timeout_seconds: 180,
            message_timeout_seconds: 3_600,
        }
    }
}

impl SmtpdConfig {
    /// The machine's settings for a listener.
    pub(crate) fn machine(&self, role: Role, starttls: bool) -> Config {
        let seconds = |n: u32| Duration::from_secs(n.max(1).into());
        Config {
            starttls,
            require_tls: role == Role::Submission && self.outbound,
            max_message_bytes: u64::from(self.max_message_mib.max(1)) * 1024 * 1024,
            max_recipients: self.max_recipients.max(1),
            max_errors: self.max_errors.max(1),
            max_idle_commands: self.max_idle_commands.max(1),
            command_timeout: seconds(self.command_timeout_seconds),
            data_timeout: seconds(self.data_timeout_seconds),
            ..Config::new(role, self.hostname())
        }
    }

    pub(crate) fn hostname(&self) -> &str {
        if self.hostname.is_empty() { "localhost" } else { &self.hostname }
    }

    pub(crate) fn message_timeout(&self) -> Duration {
        Duration::from_secs(self.message_timeout_seconds.max(1).into())
    }
}
