//! Settings of the IMAP service.

use imap::{Capability, Language};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::time::Duration;

/// What a client is given that asks for the "default" language (RFC 5255 §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum PreferredLanguage {
    /// English
    #[default]
    #[serde(rename = "en")]
    English,
    /// German
    #[serde(rename = "de")]
    German,
}

/// Settings; each limit says what it protects.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImapdConfig {
    /// Our name in the greeting; the node's host name when empty.
    pub hostname: String,
    /// Largest message of APPEND, in octets: disk and patience.
    pub max_message_bytes: u64,
    /// Whether clients may enable UTF8=ACCEPT (RFC 6855). It obliges to refuse messages with raw 8-bit header fields from
    /// clients that did not enable it: turn it off while old mail is moved here by such clients.
    pub utf8_accept: bool,
    /// Which language is the "default" one of the command LANGUAGE: `en` or `de`. English is spoken until a client asks.
    pub language: PreferredLanguage,
    /// Most messages that one FETCH, SEARCH, STORE, COPY, MOVE, UID EXPUNGE or APPEND may be about (RFC 9738); unset, there
    /// is no such limit. Clients that do not know of it see the last messages of a mailbox only; not below 1,000.
    pub message_limit: Option<NonZeroU32>,
    /// Whether passwords are taken without TLS: for listeners that only a balancer which ends TLS can reach.
    pub plaintext_login: bool,
    /// Wait for a client that has not logged in, in all, in seconds: strangers hold nothing for long.
    pub login_seconds: u64,
    /// Wait for a command of a client that has, in seconds. RFC 9051 §5.4: "at least 30 minutes".
    pub command_seconds: u64,
    /// Between two signs of life in IDLE, in seconds: keeps address translators from forgetting the client.
    pub keepalive_seconds: u64,
    /// Most sessions of one account on this node: one user's share of its memory.
    pub sessions_per_account: u32,
    /// Most messages of one account on their way into this node by APPEND at the same time: each may hold 6 MiB of
    /// the node's memory budget while it comes.
    pub uploads_per_account: u32,
    /// Longest that the messages of one APPEND may be on their way, in seconds; stops clients that drip.
    pub upload_seconds: u64,
    /// Wait for a client that does not read, in seconds: output in memory.
    pub write_seconds: u64,
}

impl Default for ImapdConfig {
    fn default() -> Self {
        Self {
            hostname: String::new(),
            max_message_bytes: 50 * 1024 * 1024,
            utf8_accept: true,
            language: PreferredLanguage::English,
            message_limit: None,
            plaintext_login: false,
            login_seconds: 180,
            command_seconds: 31 * 60,
            keepalive_seconds: 120,
            sessions_per_account: 1_000,
            uploads_per_account: 8,
            upload_seconds: 3_600,
            write_seconds: 120,
        }
    }
}

impl ImapdConfig {
    pub(crate) fn machine(&self, starttls: bool) -> imap::Config {
        let name = if self.hostname.is_empty() { "localhost" } else { &self.hostname };
        let mut config = imap::Config {
            starttls,
            plaintext_login: self.plaintext_login,
            language: match self.language {
                PreferredLanguage::English => Language::English,
                PreferredLanguage::German => Language::German,
            },
            max_message_bytes: self.max_message_bytes,
            message_limit: self.message_limit.map(NonZeroU32::get),
            command_timeout: Duration::from_secs(self.command_seconds),
            ..imap::Config::new(name)
        };
        if !self.utf8_accept {
            config.capabilities = config.capabilities.without(Capability::Utf8Accept);
        }
        if self.message_limit.is_some() {
            config.capabilities = config.capabilities.with(Capability::MessageLimit);
        }
        config
    }

    pub(crate) fn login(&self) -> Duration {
        Duration::from_secs(self.login_seconds)
    }

    pub(crate) fn keepalive(&self) -> Duration {
        Duration::from_secs(self.keepalive_seconds.max(1))
    }

    pub(crate) fn upload(&self) -> Duration {
        Duration::from_secs(self.upload_seconds.max(1))
    }

    pub(crate) fn write(&self) -> Duration {
        Duration::from_secs(self.write_seconds.max(1))
    }
}
