//! From hosts to addresses, in order, and under which TLS.

use super::{Attempt, State};
use crate::config::DeliveryConfig;
use crate::dial::is_elsewhere;
use crate::outcome::{self, Circumstances, Meaning};
use crate::plan::{Plan, TlsPolicy, in_time};
use crate::sts;
use crate::tls::{DaneDemand, Trust, demand};
use resolve::{Addresses, Exchange};
use smtp::client::{CannotSend, Protocol, TlsWish, Verdict};
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
    /// Names the certificate may be for; the first is the one that the host is called by (SNI).
    pub names: Vec<String>,
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
        if self.is_not_meant(&exchange.host) {
            self.note(&outcome::of_host_not_meant());
            return State::NextHost;
        }
        let found = in_time(self.inner.resolver.addresses(&exchange.host, self.hosts.port)).await;
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

    /// None of the hosts that are as good as this one, or worse, is to be tried. Better ones that did not answer lately
    /// are.
    pub(super) fn only_better(&mut self) -> State {
        self.hosts.hosts.clear();
        self.hosts.addresses.clear();
        self.later()
    }

    async fn prepare(&self, host: &str, found: Addresses) -> Result<VecDeque<Target>, Meaning> {
        let everywhere = self.inner.config.allow_loopback || self.plan.route().is_relay();
        let usable = |address: &&SocketAddr| everywhere || is_elsewhere(address.ip());
        let list: Vec<SocketAddr> = found.list.iter().filter(usable).copied().collect();
        if list.is_empty() {
            return Err(outcome::of_useless_addresses());
        }
        let security = self.security(host, &found.bases).await?;
        let target =
            |address| Target { address, host: host.to_owned(), security: security.clone() };
        Ok(list.into_iter().map(target).collect())
    }

    /// Whether the policy excludes a host, which is then not even looked up: "treat invalid candidates as though they
    /// were unreachable" (RFC 8461 §8.4), also one that somebody else put there and that does not exist. Where DNSSEC
    /// vouches for the hosts TLSA records may have the word.
    fn is_not_meant(&self, host: &str) -> bool {
        if self.plan.is_sure_of_hosts() || self.does_without() {
            return false;
        }
        sts::judge(self.plan.sts(), self.plan.policy_domain(), host) == sts::Host::NotMeant
    }

    /// The route's policy, raised by what the domain or the relay publishes and by REQUIRETLS.
    async fn security(&self, host: &str, bases: &[String]) -> Result<Security, Meaning> {
        let must = self.must_have_tls();
        let (wish, implicit, verify) = match self.plan.route().tls {
            TlsPolicy::Opportunistic => return self.published(host, bases).await,
            TlsPolicy::Never => (TlsWish::Never, false, false),
            TlsPolicy::StartTls { verify } => (TlsWish::Required, false, verify),
            TlsPolicy::Implicit { verify } => (TlsWish::Never, true, verify),
        };
        let names = vec![host.to_owned()];
        let trust = if verify || must { Trust::Authority } else { Trust::Anyone };
        let own = Security { wish, implicit, trust, names };
        if wish == TlsWish::Never && !implicit {
            return Ok(own);
        }
        Ok(match self.published(host, bases).await? {
            Security { trust: Trust::Anyone, .. } => own,
            more => Security { wish, implicit, ..more },
        })
    }

    /// What is wanted of TLS where the operator leaves it to those who are written to.
    async fn published(&self, host: &str, bases: &[String]) -> Result<Security, Meaning> {
        let must = self.must_have_tls();
        let of = |wish, trust, names| Ok(Security { wish, implicit: false, trust, names });
        let own = || vec![host.to_owned()];
        if self.does_without() {
            return of(TlsWish::IfOffered, Trust::Anyone, own());
        }
        if must && !self.is_vouched_for(host) {
            return Err(outcome::of_verdict(
                &Verdict::Unable(CannotSend::RequireTls),
                Circumstances::default(),
            ));
        }
        let (base, demanded) = self.tlsa(bases).await?;
        // "senders who implement MTA-STS validation MUST NOT allow MTA-STS Policy validation to override a failing DANE
        // validation" (RFC 8461 §2): where there is something to match, it alone counts.
        if let DaneDemand::Match(records) = demanded {
            let names = base.into_iter().chain(self.plan.other_names()).collect();
            return of(TlsWish::Required, Trust::Dane(records), names);
        }
        match sts::judge(self.plan.sts(), self.plan.policy_domain(), host) {
            sts::Host::Meant => return of(TlsWish::Required, Trust::Authority, own()),
            sts::Host::NotMeant => return Err(outcome::of_host_not_meant()),
            sts::Host::Free => {}
        }
        match demanded {
            _ if must => of(TlsWish::Required, Trust::Authority, own()),
            DaneDemand::Encryption => of(TlsWish::Required, Trust::Anyone, own()),
            _ => of(TlsWish::IfOffered, Trust::Anyone, own()),
        }
    }

    /// "via a DNSSEC signature on the recipient domain's MX record, or the MX hostname MUST be validated by an MTA-STS
    /// policy" (RFC 8689 §2); a domain that is its own host needs neither (§4.2.1, "in the absence of an MX record").
    fn is_vouched_for(&self, host: &str) -> bool {
        let named = self.plan.sts().as_ref().is_some_and(|policy| policy.allows(host));
        self.plan.is_sure_of_hosts() || named || host.eq_ignore_ascii_case(self.plan.domain())
    }

    /// What the first of these names that has TLSA records demands (RFC 7672 §2.2.3).
    async fn tlsa(&self, bases: &[String]) -> Result<(Option<String>, DaneDemand), Meaning> {
        let speaks_smtp = self.plan.route().protocol == Protocol::Smtp;
        if !(self.plan.is_sure_of_hosts() && speaks_smtp) {
            return Ok((None, DaneDemand::Nothing));
        }
        for base in bases {
            let records = in_time(self.inner.resolver.tlsa(base, self.hosts.port)).await;
            let records =
                records.map_err(|error| outcome::of_host(&error, self.circumstances()))?;
            if !records.is_empty() {
                return Ok((Some(base.clone()), demand(records)));
            }
        }
        Ok((None, DaneDemand::Nothing))
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
