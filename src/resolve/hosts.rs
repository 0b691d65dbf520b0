//! The hosts of a domain: their order, their loop, their name as a whole.

use crate::MAX_HOSTS;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host and how much it is preferred: lower is tried earlier.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exchange {
    /// MX preference.
    pub preference: u16,
    /// Lower-case name without a final dot, or an address literal.
    pub host: String,
}

/// The hosts that take a domain's mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailHosts {
    exchanges: Vec<Exchange>,
    secure: bool,
    alias_of: Option<String>,
}

/// A *site*: the set of hosts of a domain. All domains of one provider share one, and with it the limits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteKey(String);

impl SiteKey {
    /// A site by its name, for routes that do not come from DNS.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The host names, sorted, separated by commas.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SiteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Every host of the domain is this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the mail would come back to this server")]
pub struct MailLoop;

impl MailHosts {
    /// Sorts, cleans and bounds a set of MX records; among too many the preferred ones stay.
    #[must_use]
    pub fn new(records: impl IntoIterator<Item = (u16, String)>, secure: bool) -> Self {
        let tidy = |(preference, host): (u16, String)| Exchange {
            preference,
            host: host.trim_end_matches('.').to_ascii_lowercase(),
        };
        let mut exchanges: Vec<Exchange> = records.into_iter().map(tidy).collect();
        exchanges.sort();
        let mut seen = std::collections::HashSet::new();
        exchanges.retain(|e| !e.host.is_empty() && seen.insert(e.host.clone()));
        exchanges.truncate(MAX_HOSTS);
        Self { exchanges, secure, alias_of: None }
    }

    /// The domain is an alias of this name.
    #[must_use]
    pub fn alias_of(mut self, name: Option<String>) -> Self {
        self.alias_of = name;
        self
    }

    /// One host: the domain itself, an address literal, or a relay.
    #[must_use]
    pub fn single(host: impl Into<String>) -> Self {
        Self::new([(0, host.into())], false)
    }

    /// By preference, then name.
    #[must_use]
    pub fn exchanges(&self) -> &[Exchange] {
        &self.exchanges
    }

    /// Whether DNSSEC vouches for the set.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Another name of the domain that its hosts' certificates may be for (RFC 7672 §3.2.2).
    #[must_use]
    pub fn other_name(&self) -> Option<&str> {
        self.alias_of.as_deref()
    }

    /// The site these hosts make.
    #[must_use]
    pub fn site(&self) -> SiteKey {
        let mut names: Vec<&str> = self.exchanges.iter().map(|e| e.host.as_str()).collect();
        names.sort_unstable();
        SiteKey(names.join(","))
    }

    /// "If there are multiple destinations with the same preference and there is no clear reason to favor
    /// one …, then the sender-SMTP MUST randomize them" (RFC 5321 §5.1). The same seed gives the same order.
    #[must_use]
    pub fn order(&self, seed: u64) -> Vec<Exchange> {
        let mut random = StdRng::seed_from_u64(seed);
        let mut order = self.exchanges.clone();
        for equal in order.chunk_by_mut(|a, b| a.preference == b.preference) {
            equal.shuffle(&mut random);
        }
        order
    }

    /// "If it determines that it should relay the message without rewriting the address, it MUST sort the MX
    /// records … any MX records with … preference equal or greater than that of the local host are
    /// discarded" (RFC 5321 §5.1).
    ///
    /// # Errors
    /// [`MailLoop`] when nothing is left.
    pub fn beyond(mut self, us: &[impl AsRef<str>]) -> Result<Self, MailLoop> {
        let is_us =
            |e: &Exchange| us.iter().any(|name| name.as_ref().eq_ignore_ascii_case(&e.host));
        let ours = self.exchanges.iter().filter(|e| is_us(e)).map(|e| e.preference).min();
        if let Some(ours) = ours {
            self.exchanges.retain(|exchange| exchange.preference < ours);
        }
        if self.exchanges.is_empty() { Err(MailLoop) } else { Ok(self) }
    }
}

/// The address in an address literal (RFC 5321 §4.1.3): `[192.0.2.1]`, `[IPv6:2001:db8::1]`.
#[must_use]
pub fn literal(domain: &str) -> Option<IpAddr> {
    let inner = domain.strip_prefix('[')?.strip_suffix(']')?;
    let tag = inner.get(..5).filter(|tag| tag.eq_ignore_ascii_case("IPv6:"));
    match tag {
        Some(_) => inner[5..].parse::<Ipv6Addr>().ok().map(IpAddr::from),
        None => inner.parse::<Ipv4Addr>().ok().map(IpAddr::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hosts(records: &[(u16, &str)]) -> MailHosts {
        MailHosts::new(records.iter().map(|(p, host)| (*p, (*host).to_owned())), false)
    }

    fn names(exchanges: &[Exchange]) -> Vec<&str> {
        exchanges.iter().map(|e| e.host.as_str()).collect()
    }

    #[test]
    fn a_site_does_not_depend_on_order_or_case() {
        let one =
            hosts(&[(10, "MX1.example.org."), (20, "mx2.example.org"), (30, "mx1.example.org")]);
        let two = hosts(&[(5, "mx2.example.org."), (5, "mx1.example.org")]);
        assert_eq!(one.site(), two.site());
        assert_eq!(one.site().as_str(), "mx1.example.org,mx2.example.org");
        assert_eq!(one.exchanges().len(), 2);
        assert_ne!(one.site(), MailHosts::single("mx1.example.org").site());
    }

    #[test]
    fn equals_are_shuffled_by_the_seed_only_among_themselves() {
        let set = hosts(&[(10, "a"), (10, "b"), (10, "c"), (10, "d"), (20, "e"), (20, "f")]);
        assert_eq!(set.order(7), set.order(7));
        let orders: std::collections::HashSet<_> =
            (0..50).map(|seed| names(&set.order(seed)).join("")).collect();
        assert!(orders.len() > 10, "{orders:?}");
        for seed in 0..50 {
            let order = set.order(seed);
            assert!(order.is_sorted_by_key(|e| e.preference));
        }
    }

    #[test]
    fn a_backup_never_sends_to_itself_or_backwards() {
        let set = [(10, "a"), (20, "US.example"), (20, "b"), (30, "c")];
        assert_eq!(names(hosts(&set).beyond(&["us.example"]).unwrap().exchanges()), ["a"]);
        assert_eq!(hosts(&set).beyond(&["other"]).unwrap().exchanges().len(), 4);
        assert_eq!(hosts(&[(10, "us.example")]).beyond(&["us.example"]), Err(MailLoop));
    }

    #[test]
    fn literals() {
        assert_eq!(literal("[192.0.2.1]"), "192.0.2.1".parse().ok());
        assert_eq!(literal("[ipv6:2001:db8::1]"), "2001:db8::1".parse().ok());
        for none in ["192.0.2.1", "[2001:db8::1]", "[x]", "[]", "[IPv6:192.0.2.1]", "[ä:::::]"] {
            assert_eq!(literal(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn any_records_are_bounded(records in prop::collection::vec((any::<u16>(), "[a-c]{0,3}\\.?"), 0..60), seed: u64) {
            let set = MailHosts::new(records, false);
            prop_assert!(set.exchanges().len() <= MAX_HOSTS);
            let mut order = set.order(seed);
            prop_assert!(order.is_sorted_by_key(|e| e.preference));
            order.sort();
            prop_assert_eq!(order, set.exchanges().to_vec());
        }

        #[test]
        fn literals_never_panic(text in "\\PC{0,20}") {
            let _ = (literal(&text), literal(&format!("[{text}]")));
        }
    }
}
