//! Who takes an address.
//!
//! The best of these that exists decides, and only it: the account itself, an alias, the same two without the
//! `+detail` (RFC 5233), the domain's catch-all. A disabled account does not fall through to the next: its
//! owner's mail is not somebody else's.

use crate::{Directory, DirectoryConfig, DirectoryError};
use moka::Expiry;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::directory::{Candidate, address_resolve};
use types::{AccountId, EmailAddress, TenantId};

/// What became of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// These accounts take it, each once; an alias may have several.
    Accounts(Vec<Target>),
    /// Whoever would take it is disabled.
    Disabled,
    /// The domain is ours and nobody takes it.
    Unknown,
    /// Not a domain of ours.
    NotOurs,
}

/// An account that takes an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Who.
    pub account: AccountId,
    /// Whose account.
    pub tenant: TenantId,
    /// The account's own address.
    pub address: String,
    /// At or over its quota a moment ago.
    pub over_quota: bool,
}

pub(crate) type Cache = moka::future::Cache<EmailAddress, Lookup>;

/// Domains that are not ours.
pub(crate) type Foreign = moka::sync::Cache<String, ()>;

pub(crate) fn foreign(config: &DirectoryConfig) -> Foreign {
    let age = Duration::from_secs(config.cache_unknown_seconds.into());
    moka::sync::Cache::builder()
        .max_capacity(config.cache_addresses)
        .time_to_live(age.max(Duration::from_nanos(1)))
        .build()
}

pub(crate) fn cache(config: &DirectoryConfig) -> Cache {
    let ages = Ages {
        known: Duration::from_secs(config.cache_seconds.into()),
        unknown: Duration::from_secs(config.cache_unknown_seconds.into()),
    };
    moka::future::Cache::builder().max_capacity(config.cache_addresses).expire_after(ages).build()
}

/// Domains by name, ours or not.
pub(crate) type Domains = moka::future::Cache<String, bool>;

/// Most domains remembered.
const MOST_DOMAINS: u64 = 50_000;
/// For so long a domain is believed to be ours, or not.
const DOMAIN_AGE: Duration = Duration::from_secs(10);

pub(crate) fn domains() -> Domains {
    moka::future::Cache::builder().max_capacity(MOST_DOMAINS).time_to_live(DOMAIN_AGE).build()
}

struct Ages {
    known: Duration,
    unknown: Duration,
}

impl Expiry<EmailAddress, Lookup> for Ages {
    fn expire_after_create(
        &self,
        _: &EmailAddress,
        lookup: &Lookup,
        _: Instant,
    ) -> Option<Duration> {
        Some(if matches!(lookup, Lookup::Accounts(_)) { self.known } else { self.unknown })
    }
}

impl Directory {
    /// Who takes mail to this address.
    ///
    /// # Errors
    /// [`DirectoryError`] when PostgreSQL could not be asked.
    pub async fn recipient(&self, address: &EmailAddress) -> Result<Lookup, DirectoryError> {
        let found = self.resolve(address).await?;
        if found == Lookup::Unknown
            && address.local_part() == "postmaster"
            && let Some(postmaster) = &self.inner.config.postmaster
            && postmaster != address
        {
            return self.resolve(postmaster).await;
        }
        Ok(found)
    }

    /// Who takes mail to `<postmaster>` without a domain (RFC 5321 §4.1.1.3); `hostname` is ours.
    ///
    /// # Errors
    /// As [`Directory::recipient`].
    pub async fn postmaster(&self, hostname: &str) -> Result<Lookup, DirectoryError> {
        if let Some(postmaster) = &self.inner.config.postmaster {
            return self.resolve(postmaster).await;
        }
        match EmailAddress::from_parts("postmaster", hostname) {
            Ok(address) => self.resolve(&address).await,
            Err(_) => Ok(Lookup::NotOurs),
        }
    }

    /// Whether mail to this address reaches the account, so that its owner may send with it: the account's own
    /// address, an alias, either with a `+detail`, or a catch-all that is theirs.
    ///
    /// # Errors
    /// As [`Directory::recipient`].
    pub async fn may_send_as(
        &self,
        account: AccountId,
        address: &EmailAddress,
    ) -> Result<bool, DirectoryError> {
        Ok(match self.resolve(address).await? {
            Lookup::Accounts(targets) => targets.iter().any(|target| target.account == account),
            _ => false,
        })
    }

    /// Whether a domain (A-labels, lower case) is ours, as known some seconds ago.
    ///
    /// # Errors
    /// As [`Directory::recipient`].
    pub async fn is_ours(&self, domain: &str) -> Result<bool, DirectoryError> {
        let ask = async {
            let found = address_resolve(&self.inner.store, "", "", domain).await?;
            Ok(found.is_some())
        };
        let found = self.inner.domains.try_get_with_by_ref(domain, ask).await;
        found.map_err(|error: Arc<DirectoryError>| (*error).clone())
    }

    async fn resolve(&self, address: &EmailAddress) -> Result<Lookup, DirectoryError> {
        let inner = &self.inner;
        // What one address has told of its domain holds for the others there.
        if inner.foreign.contains_key(address.domain()) {
            return Ok(Lookup::NotOurs);
        }
        let ask = async {
            let base = address.without_detail();
            let base = base.as_ref().unwrap_or(address);
            let (text, domain) = (address.as_str(), address.domain());
            let found = judge(address_resolve(&inner.store, text, base.as_str(), domain).await?);
            if found == Lookup::NotOurs {
                inner.foreign.insert(domain.to_owned(), ());
            }
            Ok(found)
        };
        // Several sessions that ask for one address at once share the answer.
        inner
            .recipients
            .try_get_with_by_ref(address, ask)
            .await
            .map_err(|error: Arc<DirectoryError>| (*error).clone())
    }
}

/// The candidates of the best rank, without the disabled.
fn judge(found: Option<Vec<Candidate>>) -> Lookup {
    let Some(candidates) = found else { return Lookup::NotOurs };
    let Some(best) = candidates.iter().map(|candidate| candidate.rank).min() else {
        return Lookup::Unknown;
    };
    let mut targets: Vec<Target> = Vec::new();
    for candidate in candidates.into_iter().filter(|c| c.rank == best && c.active) {
        if targets.iter().all(|target| target.account != candidate.account) {
            targets.push(Target {
                account: candidate.account,
                tenant: candidate.tenant,
                address: candidate.address,
                over_quota: candidate.over_quota,
            });
        }
    }
    if targets.is_empty() { Lookup::Disabled } else { Lookup::Accounts(targets) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(rank: i16, account: i32, active: bool) -> Candidate {
        Candidate {
            rank,
            account: AccountId(account),
            tenant: TenantId(1),
            address: format!("{account}@x"),
            active,
            over_quota: false,
        }
    }

    fn accounts(candidates: &[Candidate]) -> Vec<i32> {
        match judge(Some(candidates.to_vec())) {
            Lookup::Accounts(targets) => targets.iter().map(|target| target.account.0).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_best_rank_decides() {
        assert_eq!(judge(None), Lookup::NotOurs);
        assert_eq!(judge(Some(vec![])), Lookup::Unknown);
        assert_eq!(accounts(&[candidate(1, 7, true), candidate(5, 9, true)]), [7]);
        assert_eq!(accounts(&[candidate(2, 7, true), candidate(2, 8, true)]), [7, 8]);
        assert_eq!(accounts(&[candidate(2, 7, false), candidate(2, 8, true)]), [8]);
    }

    #[test]
    fn a_disabled_account_does_not_fall_through() {
        let found = vec![candidate(1, 7, false), candidate(5, 9, true)];
        assert_eq!(judge(Some(found)), Lookup::Disabled);
    }
}
