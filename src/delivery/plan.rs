//! Where a destination's mail goes and under which conditions.

use crate::config::DeliveryConfig;
use crate::outcome::{self, Meaning};
use crate::sts::InForce;
use crate::{Delivery, Inner};
use resolve::{Exchange, MailHosts, ResolveError, SiteKey};
use smtp::client::{Credentials, Protocol};
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The next hop.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Hop {
    /// What DNS says.
    Mx,
    /// This host, whatever DNS says of the domain.
    Relay {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
}

/// What is wanted of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TlsPolicy {
    /// In the clear.
    Never,
    /// Encrypted if it can be, by whoever answers (RFC 7435). TLSA records that DNSSEC vouches for raise
    /// this to authenticated (RFC 7672).
    #[default]
    Opportunistic,
    /// STARTTLS or not at all.
    StartTls {
        /// Whether the certificate must be the host's.
        verify: bool,
    },
    /// TLS from the first octet.
    Implicit {
        /// Whether the certificate must be the host's.
        verify: bool,
    },
}

/// How mail for some destinations leaves. An operator's, or the default.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Route {
    /// Next hop.
    pub hop: Hop,
    /// Protocol.
    pub protocol: Protocol,
    /// TLS.
    pub tls: TlsPolicy,
    /// Who we are there.
    pub credentials: Option<Credentials>,
}

impl Default for Route {
    fn default() -> Self {
        Self {
            hop: Hop::Mx,
            protocol: Protocol::Smtp,
            tls: TlsPolicy::Opportunistic,
            credentials: None,
        }
    }
}

impl Route {
    pub(crate) fn is_relay(&self) -> bool {
        matches!(self.hop, Hop::Relay { .. })
    }
}

/// A destination's hosts, looked up.
#[derive(Debug, Clone)]
pub struct Plan {
    domain: Arc<str>,
    route: Arc<Route>,
    hosts: Arc<MailHosts>,
    site: SiteKey,
    sts: InForce,
}

/// What connections must have in common to carry each other's mail.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    site: SiteKey,
    route: Arc<Route>,
    /// Hosts that DNSSEC vouches for may demand more of a connection (RFC 7672).
    secure: bool,
    /// And so does a policy (RFC 8461).
    sts: InForce,
}

impl Plan {
    /// The site, for limits: the set of MX hosts, or the relay.
    #[must_use]
    pub fn site(&self) -> &SiteKey {
        &self.site
    }

    /// The recipients' domain.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    pub(crate) fn route(&self) -> &Route {
        &self.route
    }

    pub(crate) fn key(&self) -> Key {
        Key {
            site: self.site.clone(),
            route: Arc::clone(&self.route),
            secure: self.hosts.is_secure(),
            sts: self.sts.clone(),
        }
    }

    /// The hosts in the order of this attempt.
    pub(crate) fn order(&self, seed: u64) -> Vec<Exchange> {
        self.hosts.order(seed)
    }

    /// The MTA-STS policy of the domain, or of the relay.
    pub(crate) fn sts(&self) -> &InForce {
        &self.sts
    }

    /// Whose policy that is.
    pub(crate) fn policy_domain(&self) -> &str {
        match &self.route.hop {
            Hop::Mx => &self.domain,
            Hop::Relay { host, .. } => host,
        }
    }

    /// Whether DNSSEC vouches for it that a host is the one that is meant. An operator's word needs nobody to vouch for
    /// it.
    pub(crate) fn is_sure_of_hosts(&self) -> bool {
        self.route.is_relay() || self.hosts.is_secure()
    }

    /// Names besides its own that a host's certificate may be for under DANE (RFC 7672 §3.2.2): those of the domain that
    /// led to it.
    pub(crate) fn other_names(&self) -> Vec<String> {
        match self.route.hop {
            Hop::Mx => {
                let other = self.hosts.other_name();
                [Some(self.domain()), other].into_iter().flatten().map(str::to_owned).collect()
            }
            Hop::Relay { .. } => Vec::new(),
        }
    }

    /// The port of a host.
    pub(crate) fn port(&self, config: &DeliveryConfig) -> u16 {
        match self.route.hop {
            Hop::Mx => config.port,
            Hop::Relay { port, .. } => port,
        }
    }
}

impl Delivery {
    /// Finds the hosts of a domain (A-labels, or an address literal).
    ///
    /// # Errors
    /// What it means for every recipient there that it cannot be done.
    pub async fn plan(&self, domain: &str, route: &Arc<Route>) -> Result<Plan, Meaning> {
        let (hosts, site, sts) = match &route.hop {
            Hop::Relay { host, port } => {
                let protocol = if route.protocol == Protocol::Lmtp { "lmtp" } else { "smtp" };
                let site = SiteKey::named(format!("{protocol}://{host}:{port}"));
                (MailHosts::single(host.as_str()), site, self.policy(route, host).await?)
            }
            Hop::Mx => {
                let policy = self.policy(route, domain);
                let (hosts, sts) = tokio::join!(hosts_of(&self.inner, domain), policy);
                let (hosts, sts) = (hosts?, sts?);
                let site = hosts.site();
                (hosts, site, sts)
            }
        };
        let (domain, route, hosts) = (domain.into(), Arc::clone(route), Arc::new(hosts));
        Ok(Plan { domain, route, hosts, site, sts })
    }

    /// The policy to keep to. "When sending mail via a 'smart host' …, compliant senders MUST treat the smart host domain
    /// as the Policy Domain" (RFC 8461 §3.4).
    async fn policy(&self, route: &Route, domain: &str) -> Result<InForce, Meaning> {
        // An operator's word; another protocol; a name that only this network knows.
        let is_host =
            !route.is_relay() || domain.contains('.') && domain.parse::<IpAddr>().is_err();
        if route.tls == TlsPolicy::Never || route.protocol != Protocol::Smtp || !is_host {
            return Ok(None);
        }
        self.inner.sts_of(domain).await.map_err(outcome::of_unknown_policy)
    }
}

/// Longest wait for one answer of DNS; a resolver may try several servers several times for it, and mail for others waits.
const ANSWER: Duration = Duration::from_secs(10);

/// What is asked for, if it is known in time.
pub(crate) async fn in_time<T>(
    asked: impl Future<Output = Result<T, ResolveError>>,
) -> Result<T, ResolveError> {
    let late = || ResolveError::Unavailable("no answer in time".into());
    tokio::time::timeout(ANSWER, asked).await.unwrap_or_else(|_| Err(late()))
}

async fn hosts_of(inner: &Inner, domain: &str) -> Result<MailHosts, Meaning> {
    let found = in_time(inner.resolver.mail_hosts(domain)).await;
    let hosts = found.map_err(|error| outcome::of_domain(&error))?;
    hosts.beyond(&inner.config.our_names()).map_err(outcome::of_loop)
}
