//! From hosts to addresses, in order, and under which TLS.

use super::{Attempt, State};
use crate::config::DeliveryConfig;
use crate::dial::is_elsewhere;
use crate::outcome::{self, Circumstances, Meaning};
use crate::plan::{Plan, TlsPolicy};
use crate::sts;
use crate::tls::{DaneDemand, Trust, demand};
use resolve::{Addresses, Exchange};
use smtp::client::{CannotSend, TlsWish, Verdict};
use std::collections::VecDeque;
use std::net::SocketAddr;
use tokio::time::Instant;

/// Where to connect and how.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub address: SocketAddr,
    pub host: String,
    pub security: Security,
}

/// What is demanded of a connection to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Security {
    pub wish: TlsWish,
    pub implicit: bool,
    pub trust: Trust,
}

/// The hosts and addresses that are left.
pub(super) struct Hosts {
    hosts: VecDeque<Exchange>,
    addresses: VecDeque<Target>,
    /// Addresses that did not answer lately: when all hosts have been gone through.
    later: VecDeque<Target>,
    port: u16,
    left: usize,
    last: Option<(String, Option<SocketAddr>)>,
}

impl Hosts {
    pub(super) fn new(plan: &Plan, config: &DeliveryConfig) -> Self {
        Self {
            hosts: plan.order(rand::random()).into(),
            addresses: VecDeque::new(),
            later: VecDeque::new(),
            port: plan.port(config),
            left: config.max_addresses,
            last: None,
        }
    }

    /// Who is being tried.
    pub(super) fn at(&mut self, host: &str, address: Option<SocketAddr>) {
        self.last = Some((host.to_owned(), address));
    }

    pub(super) fn last_host(&self) -> Option<String> {
        self.last.as_ref().map(|(host, _)| host.clone())
    }

    pub(super) fn last_address(&self) -> Option<SocketAddr> {
        self.last.as_ref().and_then(|(_, address)| *address)
    }
}

impl Attempt<'_> {
    pub(super) async fn next_host(&mut self) -> State {
        if !self.watch.fence() {
            self.note_untried("the attempt was withdrawn");
            return State::Settled;
        }
        if self.hosts.left == 0 || Instant::now() >= self.limit {
            return State::Settled;
        }
        let Some(exchange) = self.hosts.hosts.pop_front() else { return self.later() };
        self.hosts.at(&exchange.host, None);
        let found = self.inner.resolver.addresses(&exchange.host, self.hosts.port).await;
        let prepared = match found {
            Ok(found) => self.prepare(&exchange.host, found).await,
            Err(error) => Err(outcome::of_host(&error, self.circumstances())),
        };
        match prepared {
            Ok(targets) => {
                let avoided = |target: &Target| self.inner.avoid.has(target.address);
                let (later, now): (Vec<Target>, Vec<Target>) =
                    targets.into_iter().partition(avoided);
                self.hosts.later.extend(later);
                self.hosts.addresses = now.into();
                State::NextAddress
            }
            Err(meaning) => {
                self.note(&meaning);
                State::NextHost
            }
        }
    }

    /// No host is left but those that did not answer lately.
    fn later(&mut self) -> State {
        if self.hosts.later.is_empty() {
            return State::Settled;
        }
        self.hosts.addresses = std::mem::take(&mut self.hosts.later);
        State::NextAddress
    }

    async fn prepare(&self, host: &str, found: Addresses) -> Result<VecDeque<Target>, Meaning> {
        let everywhere = self.inner.config.allow_loopback || self.plan.route().is_relay();
        let usable = |address: &&SocketAddr| everywhere || is_elsewhere(address.ip());
        let list: Vec<SocketAddr> = found.list.iter().filter(usable).copied().collect();
        if list.is_empty() {
            return Err(outcome::of_useless_addresses());
        }
        let security = self.security(host, found.secure).await?;
        let target =
            |address| Target { address, host: host.to_owned(), security: security.clone() };
        Ok(list.into_iter().map(target).collect())
    }

    /// The route's policy, raised by TLSA records and by REQUIRETLS.
    async fn security(&self, host: &str, secure: bool) -> Result<Security, Meaning> {
        let must = self.must_have_tls();
        let trust = |verify| if verify || must { Trust::Authority } else { Trust::Anyone };
        let by_dns = !self.plan.route().is_relay();
        let (wish, implicit, verify) = match self.plan.route().tls {
            TlsPolicy::Opportunistic => return self.opportunistic(host, secure).await,
            // What the domain itself wants may be more.
            TlsPolicy::StartTls { verify } if by_dns => {
                let wanted = self.opportunistic(host, secure).await?;
                let trust = match wanted.trust {
                    Trust::Anyone => trust(verify),
                    more => more,
                };
                return Ok(Security { wish: TlsWish::Required, implicit: false, trust });
            }
            TlsPolicy::Never => (TlsWish::Never, false, false),
            TlsPolicy::StartTls { verify } => (TlsWish::Required, false, verify),
            TlsPolicy::Implicit { verify } => (TlsWish::Never, true, verify),
        };
        Ok(Security { wish, implicit, trust: trust(verify) })
    }

    async fn opportunistic(&self, host: &str, secure: bool) -> Result<Security, Meaning> {
        let relay = self.plan.route().is_relay();
        let must = self.must_have_tls();
        let security = |wish, trust| Ok(Security { wish, implicit: false, trust });
        // "via a DNSSEC signature on the recipient domain's MX record, or the MX hostname MUST be validated by an
        // MTA-STS policy" (RFC 8689 §4.2.1); or there is nothing to look up.
        let named = self.plan.sts().as_ref().is_some_and(|policy| policy.allows(host));
        if must && !relay && !self.plan.is_secure() && !named {
            return Err(outcome::of_verdict(
                &Verdict::Unable(CannotSend::RequireTls),
                Circumstances::default(),
            ));
        }
        let demanded = if self.plan.is_secure() && secure && !relay {
            let records = self.inner.resolver.tlsa(host, self.hosts.port).await;
            demand(records.map_err(|error| outcome::of_host(&error, self.circumstances()))?)
        } else {
            DaneDemand::Nothing
        };
        // "senders who implement MTA-STS validation MUST NOT allow MTA-STS Policy validation to override a failing DANE
        // validation" (RFC 8461 §2): where there is something to match, it alone counts.
        if let DaneDemand::Match(records) = demanded {
            return security(TlsWish::Required, Trust::Dane(records));
        }
        match sts::judge(self.plan.sts(), self.plan.domain(), host) {
            sts::Host::Meant => return security(TlsWish::Required, Trust::Authority),
            sts::Host::NotMeant => return Err(outcome::of_host_not_meant()),
            sts::Host::Free => {}
        }
        match demanded {
            _ if must => security(TlsWish::Required, Trust::Authority),
            DaneDemand::Encryption => security(TlsWish::Required, Trust::Anyone),
            _ => security(TlsWish::IfOffered, Trust::Anyone),
        }
    }

    pub(super) fn next_address(&mut self) -> State {
        let Some(target) = self.hosts.addresses.pop_front() else { return State::NextHost };
        if self.hosts.left == 0 || Instant::now() >= self.limit {
            return State::Settled;
        }
        self.hosts.left -= 1;
        self.hosts.at(&target.host, Some(target.address));
        State::Connect(target)
    }

    pub(super) fn circumstances(&self) -> Circumstances {
        Circumstances {
            relay: self.plan.route().is_relay(),
            require_tls: self.must_have_tls(),
            ..Circumstances::default()
        }
    }
}
