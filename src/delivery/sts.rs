//! MTA-STS (RFC 8461) for plans: which policy is in force for a domain.
//!
//! What is known is shared by all nodes behind [`PolicyCache`], so that none has to discover for itself what another
//! has, and a DNS answer that is missing on one of them makes nothing weaker. What decides is `policy::mta_sts`; here it
//! is asked, and done. One discovery per domain at a time, and one a minute. Policies that were used lately are fetched
//! again before they run out, mail or no mail (§3.3): [`crate::Delivery::refresh_policies`].

mod fetch;

use crate::tls::TlsConfigs;
use crate::{DeliveryConfig, Inner};
use async_trait::async_trait;
use fetch::Fetch;
use moka::future::Cache;
use policy::mta_sts::{Discovered, Known, Mode, Policy, Step, discovered, next, record_name};
use resolve::{Resolve, ResolveError};
use std::sync::Arc;
use std::time::Duration;

/// For so long what was found is believed without looking again.
const BELIEVED: Duration = Duration::from_secs(60);
/// Most domains of which that is kept, or patterns of hosts: a policy may have thousands.
const MOST: u64 = 20_000;
/// Longest wait for the record; mail for a domain whose DNS is broken is not to be slower for it.
const DISCOVER: Duration = Duration::from_secs(5);
/// A policy that could not be fetched is asked for again after this: "a period of five minutes or longer per version
/// ID" (RFC 8461 §3.3).
const AGAIN: Duration = Duration::from_secs(300);

/// So long a policy that no mail asks for is kept fresh.
const IN_USE: Duration = Duration::from_secs(7 * 86_400);

/// The shared memory cannot be asked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the policies that are known cannot be looked up")]
pub struct CacheAway;

/// Policies as all nodes know them.
#[async_trait]
pub trait PolicyCache: Send + Sync + 'static {
    /// What was fetched last for a domain, by anybody; also what is no longer in force.
    ///
    /// # Errors
    /// [`CacheAway`]: nobody knows, and mail must wait, for a policy may be in force.
    async fn load(&self, domain: &str) -> Result<Option<Known>, CacheAway>;

    /// Remembers what was fetched just now. It may fail; then it is fetched again.
    async fn save(&self, domain: &str, id: &str, policy: &Policy);
}

/// Nothing is remembered: for a sender that is alone and short-lived.
pub struct NoCache;

#[async_trait]
impl PolicyCache for NoCache {
    async fn load(&self, _: &str) -> Result<Option<Known>, CacheAway> {
        Ok(None)
    }

    async fn save(&self, _: &str, _: &str, _: &Policy) {}
}

/// A policy that says something about hosts.
pub(crate) type InForce = Option<Arc<Policy>>;

/// Finds policies.
pub(crate) struct Sts {
    cache: Arc<dyn PolicyCache>,
    resolver: Arc<dyn Resolve>,
    fetch: Fetch,
    believed: Cache<String, InForce>,
    failed: Cache<String, String>,
    /// Domains whose policies say something and were asked for lately.
    used: Cache<String, ()>,
}

impl Sts {
    pub(crate) fn new(
        config: &DeliveryConfig,
        resolver: Arc<dyn Resolve>,
        tls: Arc<TlsConfigs>,
        cache: Arc<dyn PolicyCache>,
    ) -> Self {
        let weight = |_: &String, policy: &InForce| {
            let patterns = policy.as_ref().map_or(0, |policy| policy.mx.len());
            u32::try_from(patterns).unwrap_or(u32::MAX).max(1)
        };
        let failed = Cache::builder().max_capacity(MOST).time_to_live(AGAIN).build();
        let believed = Cache::builder().weigher(weight).max_capacity(MOST);
        let believed = believed.time_to_live(BELIEVED).build();
        let used = Cache::builder().max_capacity(MOST).time_to_live(IN_USE).build();
        let fetch = Fetch::new(config, Arc::clone(&resolver), tls);
        Self { cache, resolver, fetch, believed, failed, used }
    }

    /// The policy in force for a domain (A-labels), if it is one that asks for something.
    ///
    /// # Errors
    /// [`CacheAway`].
    pub(crate) async fn of(&self, domain: &str) -> Result<InForce, CacheAway> {
        if domain.starts_with('[') {
            return Ok(None);
        }
        let found = self.believed.try_get_with_by_ref(domain, self.find(domain)).await;
        found.map_err(|error| *error)
    }

    async fn find(&self, domain: &str) -> Result<InForce, CacheAway> {
        let (known, said) = tokio::join!(self.cache.load(domain), self.discover(domain));
        let known = known?;
        let policy = match next(known.as_ref(), &said) {
            Step::NoPolicy => None,
            Step::Use => known.map(|known| known.policy),
            Step::Fetch(id) => {
                let known = known.filter(Known::is_in_force).map(|known| known.policy);
                let mode = known.as_ref().map(|policy| policy.mode);
                self.fetched(domain, &id, mode).await.or(known)
            }
        };
        let policy = policy.filter(|policy| policy.mode != Mode::None);
        if policy.is_some() {
            self.used.insert(domain.to_owned(), ()).await;
        }
        Ok(policy.map(Arc::new))
    }

    /// "MTAs SHOULD proactively refresh cached policies before they expire" (§3.3): whoever keeps us from it has to do so
    /// for as long as the policy lasts, and is noticed (§10.2). One after the other.
    pub(crate) async fn refresh(&self) {
        let used: Vec<String> = self.used.iter().map(|(domain, ())| domain.to_string()).collect();
        for domain in used {
            // Another node may have done it.
            let Ok(Some(known)) = self.cache.load(&domain).await else { continue };
            if next(Some(&known), &Discovered::NoAnswer) == Step::Use || !known.is_in_force() {
                continue;
            }
            let said = self.discover(&domain).await;
            if let Step::Fetch(id) = next(Some(&known), &said) {
                self.fetched(&domain, &id, Some(known.policy.mode)).await;
            }
        }
    }

    async fn discover(&self, domain: &str) -> Discovered {
        let name = record_name(domain);
        match tokio::time::timeout(DISCOVER, self.resolver.texts(&name)).await {
            Ok(Ok(texts)) => discovered(texts.iter().map(String::as_str)),
            Err(_) | Ok(Err(ResolveError::Unavailable(_) | ResolveError::Bogus)) => {
                Discovered::NoAnswer
            }
            Ok(Err(_)) => Discovered::Nothing,
        }
    }

    /// `known`: what the policy in force, if there is one, wants.
    async fn fetched(&self, domain: &str, id: &str, known: Option<Mode>) -> Option<Policy> {
        if self.failed.get(domain).await.as_deref() == Some(id) {
            return None;
        }
        match self.fetch.policy(domain).await {
            Ok(policy) => {
                count("fetched");
                let (mode, max_age) = (policy.mode.name(), policy.max_age.as_secs());
                tracing::info!(domain, id, mode, max_age, "MTA-STS policy");
                self.cache.save(domain, id, &policy).await;
                Some(policy)
            }
            Err(error) => {
                count("failed");
                // "SHOULD alert administrators …, unless the cached policy mode is 'none'" (§3.3): a domain may leave.
                match known {
                    Some(Mode::None) => {
                        tracing::debug!(domain, id, %error, "an MTA-STS policy cannot be fetched");
                    }
                    _ => {
                        let in_force = known.is_some();
                        tracing::warn!(domain, id, in_force, %error, "an MTA-STS policy cannot be fetched");
                    }
                }
                self.failed.insert(domain.to_owned(), id.to_owned()).await;
                None
            }
        }
    }
}

fn count(result: &'static str) {
    metrics::counter!("postrider_mta_sts_fetches_total", "result" => result).increment(1);
}

/// What a host is by a policy; counted where it is not meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    /// No policy is enforced.
    Free,
    /// It is one of those that may take the mail.
    Meant,
    /// It is not.
    NotMeant,
}

/// Judges a host by the policy of a domain.
pub(crate) fn judge(policy: &InForce, domain: &str, host: &str) -> Host {
    let Some(policy) = policy else { return Host::Free };
    let (allowed, mode) = (policy.allows(host), policy.mode.name());
    if !allowed {
        metrics::counter!("postrider_mta_sts_mismatches_total", "mode" => mode).increment(1);
        tracing::info!(domain, host, mode, "a host that the domain's MTA-STS policy does not name");
    }
    match (policy.mode, allowed) {
        (Mode::Enforce, true) => Host::Meant,
        (Mode::Enforce, false) => Host::NotMeant,
        _ => Host::Free,
    }
}

impl Inner {
    /// The policy for plans; none where none is looked for.
    pub(crate) async fn sts_of(&self, domain: &str) -> Result<InForce, CacheAway> {
        match &self.sts {
            Some(sts) => sts.of(domain).await,
            None => Ok(None),
        }
    }
}
