//! Settings.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// A DNS server: `192.0.2.53`, `192.0.2.53:5353`, `[2001:db8::53]:53`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerAddress(pub SocketAddr);

impl TryFrom<String> for ServerAddress {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let plain = || text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
        let address = text.parse().or_else(|_| plain());
        address.map(Self).map_err(|_| format!("{text:?} is not the address of a DNS server"))
    }
}

impl From<ServerAddress> for String {
    fn from(address: ServerAddress) -> Self {
        address.to_string()
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How to ask.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResolveConfig {
    /// The servers; empty: those of the system.
    pub servers: Vec<ServerAddress>,
    /// Whether answers are validated here. Without it no TLSA record counts.
    pub dnssec: bool,
    /// Keys to trust instead of the root's, as DNSKEY lines of a zone file.
    pub trust_anchor: Option<PathBuf>,
    /// Whether AAAA records are asked for.
    pub ipv6: bool,
    /// Wait for one answer of one server.
    pub timeout_ms: u64,
    /// Answers kept.
    pub cache_entries: u64,
}

impl Default for ResolveConfig {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            dnssec: false,
            trust_anchor: None,
            ipv6: true,
            timeout_ms: 5_000,
            cache_entries: 16_384,
        }
    }
}

impl ResolveConfig {
    /// What can be found wrong by looking.
    ///
    /// # Errors
    /// One line for the operator.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=60_000).contains(&self.timeout_ms) {
            return Err("resolve.timeout_ms: 1 to 60000 (a minute)".into());
        }
        if self.trust_anchor.is_some() && !self.dnssec {
            return Err("resolve.trust_anchor: of no use without resolve.dnssec = true".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named() {
        let check = |timeout_ms, anchor: Option<&str>, dnssec| {
            let trust_anchor = anchor.map(PathBuf::from);
            ResolveConfig { timeout_ms, trust_anchor, dnssec, ..Default::default() }.check()
        };
        assert_eq!(check(5_000, None, false), Ok(()));
        assert_eq!(check(5_000, Some("/x"), true), Ok(()));
        assert!(check(0, None, false).unwrap_err().starts_with("resolve.timeout_ms"));
        assert!(check(9, Some("/x"), false).unwrap_err().starts_with("resolve.trust_anchor"));
    }

    #[test]
    fn servers_are_written_as_people_do() {
        let server = |text: &str| ServerAddress::try_from(text.to_owned()).map(|s| s.to_string());
        assert_eq!(server("192.0.2.53"), Ok("192.0.2.53:53".into()));
        assert_eq!(server("192.0.2.53:5353"), Ok("192.0.2.53:5353".into()));
        assert_eq!(server("2001:db8::53"), Ok("[2001:db8::53]:53".into()));
        assert_eq!(server("[2001:db8::53]:54"), Ok("[2001:db8::53]:54".into()));
        assert!(server("ns.example.org").is_err());
    }
}
