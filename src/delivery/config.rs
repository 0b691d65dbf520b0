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

/// What EHLO may say: a domain name in A-labels, or an address literal (RFC 5321 §4.1.1.1).
fn is_host(name: &str) -> bool {
    if let Some(literal) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return literal.strip_prefix("IPv6:").unwrap_or(literal).parse::<IpAddr>().is_ok();
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.len() <= 253 && name.split('.').all(label)
}

fn is_own(ip: IpAddr) -> bool {
    !(ip.is_unspecified() || ip.is_multicast())
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

/// A day, in milliseconds: no wait of a connection is longer.
const DAY_MS: u64 = 86_400_000;

impl DeliveryConfig {
    /// What can be found wrong by looking.
    ///
    /// # Errors
    /// One line for the operator.
    pub fn check(&self) -> Result<(), String> {
        let names = std::iter::once(("delivery.hostname", &self.hostname))
            .chain(self.other_names.iter().map(|name| ("delivery.other_names", name)))
            .chain(
                self.sources
                    .iter()
                    .filter_map(|source| Some(("delivery.sources: name", source.name.as_ref()?))),
            );
        for (key, name) in names {
            if !is_host(name) {
                return Err(format!("{key}: {name:?} is not a host name"));
            }
        }
        if let Some(source) = self.sources.iter().find(|source| !is_own(source.address)) {
            return Err(format!("delivery.sources: {} is no address to send from", source.address));
        }
        let waits = [
            ("connect_timeout_ms", Some(self.connect_timeout_ms)),
            ("handshake_timeout_ms", Some(self.handshake_timeout_ms)),
            ("attempt_ms", Some(self.attempt_ms)),
            ("command_timeout_ms", self.command_timeout_ms),
        ];
        for (key, wait) in waits {
            if wait.is_some_and(|wait| !(1..=DAY_MS).contains(&wait)) {
                return Err(format!("delivery.{key}: 1 to {DAY_MS} (a day)"));
            }
        }
        if self.idle_ms > DAY_MS || self.max_connection_age_ms > DAY_MS {
            return Err(format!(
                "delivery.idle_ms, max_connection_age_ms: at most {DAY_MS} (a day)"
            ));
        }
        let counts = [
            ("port", u64::from(self.port)),
            ("mta_sts_port", u64::from(self.mta_sts_port)),
            ("max_addresses", self.max_addresses as u64),
            ("max_recipients", self.max_recipients as u64),
            ("max_messages", u64::from(self.max_messages)),
        ];
        match counts.iter().find(|(_, count)| *count == 0) {
            Some((key, _)) => Err(format!("delivery.{key}: at least 1")),
            None => Ok(()),
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named() {
        assert_eq!(DeliveryConfig::default().check(), Ok(()));
        let wrong = |change: fn(&mut DeliveryConfig)| {
            let mut config = DeliveryConfig::default();
            change(&mut config);
            config.check().unwrap_err()
        };
        let source = |address: &str, name: &str| Source {
            address: address.parse().unwrap(),
            name: Some(name.to_owned()),
        };
        assert!(wrong(|c| c.hostname = "a b".into()).starts_with("delivery.hostname: \"a b\""));
        assert!(wrong(|c| c.hostname = "a\r\nMAIL".into()).contains("is not a host name"));
        assert!(wrong(|c| c.other_names = vec![String::new()]).starts_with("delivery.other_names"));
        let mut config =
            DeliveryConfig { sources: vec![source("192.0.2.1", "a..b")], ..Default::default() };
        assert!(config.check().unwrap_err().starts_with("delivery.sources"));
        config.sources = vec![source("0.0.0.0", "a.b")];
        assert!(config.check().unwrap_err().contains("0.0.0.0"));
        config.sources =
            vec![source("192.0.2.1", "a.b"), source("2001:db8::1", "[IPv6:2001:db8::1]")];
        assert_eq!(config.check(), Ok(()));
        for (change, key) in [
            ((|c| c.port = 0) as fn(&mut DeliveryConfig), "delivery.port"),
            (|c| c.max_addresses = 0, "delivery.max_addresses"),
            (|c| c.max_recipients = 0, "delivery.max_recipients"),
            (|c| c.connect_timeout_ms = 0, "delivery.connect_timeout_ms"),
            (|c| c.command_timeout_ms = Some(0), "delivery.command_timeout_ms"),
            (|c| c.attempt_ms = u64::MAX, "delivery.attempt_ms"),
            (|c| c.idle_ms = u64::MAX, "delivery.idle_ms"),
        ] {
            assert!(wrong(change).starts_with(key), "{key}");
        }
    }
}
