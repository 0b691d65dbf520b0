//! How mail for a domain leaves: the operator's route and limits, or the defaults.

use crate::seal::Closed;
use coordinator::limits::{Limit, Rate};
use delivery::Route;
use queue::RetryPolicy;
use std::sync::Arc;
use std::time::Duration;

/// How mail for one domain leaves.
#[derive(Debug, Clone, Default)]
pub struct Way {
    /// Next hop, protocol, TLS, credentials.
    pub route: Arc<Route>,
    /// Its own retries.
    pub policy: Option<RetryPolicy>,
    /// Why it cannot be gone on this node.
    pub closed: Option<Closed>,
}

impl Way {
    /// What is not tried now waits so long, or as long as it has time by this way.
    pub fn untried(&self, wait: Duration) -> Option<RetryPolicy> {
        let default = RetryPolicy { expire: Duration::MAX, ..RetryPolicy::default() };
        Some(RetryPolicy { untried: wait, ..self.policy.unwrap_or(default) })
    }
}

/// Limits of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteLimits {
    /// Connections at once.
    pub connections: u32,
    /// Messages.
    pub rate: Option<Rate>,
}

/// Limits of whose mail it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderLimits {
    /// Messages at once.
    pub at_once: Option<Limit>,
    /// Messages.
    pub rate: Option<Rate>,
}

/// A bounded set of names for metrics: who runs the site.
pub fn class(route: &Route, site: &str) -> &'static str {
    const KNOWN: [(&str, &str); 8] = [
        ("google.com", "google"),
        ("googlemail.com", "google"),
        ("outlook.com", "microsoft"),
        ("yahoodns.net", "yahoo"),
        ("icloud.com", "apple"),
        ("gmx.net", "gmx"),
        ("web.de", "gmx"),
        ("proton.ch", "proton"),
    ];
    if matches!(route.hop, delivery::Hop::Relay { .. }) {
        return match route.protocol {
            smtp::client::Protocol::Lmtp => "lmtp",
            smtp::client::Protocol::Smtp => "relay",
        };
    }
    let first = site.split(',').next().unwrap_or_default();
    let is_under = |name: &str| {
        first.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    KNOWN.iter().find(|(name, _)| is_under(name)).map_or("other", |(_, class)| class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_few() {
        let route = Route::default();
        let class = |site| class(&route, site);
        assert_eq!(class("alt1.gmail-smtp-in.l.google.com,gmail-smtp-in.l.google.com"), "google");
        assert_eq!(class("notgoogle.com"), "other");
        assert_eq!(class("example-org.mail.protection.outlook.com"), "microsoft");
    }
}
