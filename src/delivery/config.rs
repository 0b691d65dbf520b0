//! Settings of everything that leaves.

use serde::{Deserialize, Serialize};
use smtp::client::Timeouts;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Where connections come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// A local address.
    pub address: IpAddr,
    /// What EHLO says from there; the node's name when absent.
    #[serde(default)]
    pub name: Option<String>,
}

/// Settings of everything that leaves.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeliveryConfig {
    /// What EHLO says. A host with this name is this server: mail to it would loop.
    pub hostname: String,
    /// Other names of this cluster's servers.
    pub other_names: Vec<String>,
    /// Local addresses to send from, one chosen at random per connection; empty: the system chooses.
    pub sources: Vec<Source>,
    /// The port of hosts found by MX.
    pub port: u16,
    /// Whether hosts found by MX may be this machine. For tests.
    pub allow_loopback: bool,
    /// Certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether domains' MTA-STS policies are looked for and kept to.
    pub mta_sts: bool,
    /// The port of policy hosts; not 443 in tests only.
    pub mta_sts_port: u16,
    /// Wait for a connection; per address.
    pub connect_timeout_ms: u64,
    /// Wait for a TLS handshake.
    pub handshake_timeout_ms: u64,
    /// Most addresses tried in one attempt.
    pub max_addresses: usize,
    /// Longest attempt, up to the end of the message; protects the queue from a server that strings along.
    pub attempt_ms: u64,
    /// Most recipients named in one transaction.
    pub max_recipients: usize,
    /// Most messages of one connection.
    pub max_messages: u32,
    /// Oldest connection that takes another message.
    pub max_connection_age_ms: u64,
    /// How long a connection waits for more mail.
    pub idle_ms: u64,
    /// Most connections that wait.
    pub idle_connections: usize,
    /// Whether BDAT is used wherever it is offered.
    pub prefer_chunking: bool,
    /// Largest message that is converted for a server without 8BITMIME; protects memory. A larger one fails.
    pub max_convert_bytes: u64,
    /// Longest wait for a command's reply; the RFC's waits (5 minutes for most) are the default and the
    /// upper bound. The reply to the end of a message always has its 10 minutes.
    pub command_timeout_ms: Option<u64>,
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        Self {
            hostname: "localhost".into(),
            other_names: Vec::new(),
            sources: Vec::new(),
            port: 25,
            allow_loopback: false,
            ca_file: None,
            mta_sts: true,
            mta_sts_port: 443,
            connect_timeout_ms: 30_000,
            handshake_timeout_ms: 30_000,
            max_addresses: 6,
            attempt_ms: 3_600_000,
            max_recipients: 100,
            max_messages: 100,
            max_connection_age_ms: 300_000,
            idle_ms: 3_000,
            idle_connections: 256,
            prefer_chunking: false,
            max_convert_bytes: 16 * 1024 * 1024,
            command_timeout_ms: None,
        }
    }
}

impl DeliveryConfig {
    /// Every name that is this server.
    pub(crate) fn our_names(&self) -> Vec<&str> {
        std::iter::once(&self.hostname).chain(&self.other_names).map(String::as_str).collect()
    }

    /// The waits of a conversation.
    pub(crate) fn timeouts(&self) -> Timeouts {
        let mut waits = Timeouts::default();
        let Some(limit) = self.command_timeout_ms.map(Duration::from_millis) else { return waits };
        for wait in [
            &mut waits.greeting,
            &mut waits.command,
            &mut waits.mail,
            &mut waits.rcpt,
            &mut waits.data,
            &mut waits.block,
        ] {
            *wait = limit.min(*wait);
        }
        waits
    }
}
