//! [`Limits`] over Redis: a sorted set per limit, a number per rate, a hash per site, and scripts that follow
//! `limits/permits.rs`.

use super::Shared;
use super::script::{self, call};
use crate::CoordinatorError;
use crate::limits::{Acquired, Allowed, Limit, Limits, PERMIT_IDLE, Permit, Rate, Told};
use async_trait::async_trait;
use futures::future::{join_all, try_join_all};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;
use types::Incarnation;

/// Who was refused is thought to wait for so long.
const WAITS_MS: u64 = 5_000;

/// Permits, rates and tales.
pub(super) struct RedisLimits(pub(super) Arc<Shared>);

impl RedisLimits {
    /// Both keys of a limit, in one slot of a Redis Cluster.
    fn keys(&self, limit: &str) -> Vec<String> {
        let key = |name: &str| format!("{}:{{l:{limit}}}:{name}", self.0.cluster);
        vec![key("held"), key("waits")]
    }

    fn key(&self, what: &str, name: &str) -> Vec<String> {
        vec![format!("{}:{{{what}:{name}}}", self.0.cluster)]
    }

    async fn acquire_one(&self, id: u128, limit: &Limit) -> Result<bool, CoordinatorError> {
        let idle = PERMIT_IDLE.as_micros().to_string();
        let args = vec![id.to_string(), limit.most.to_string(), idle, WAITS_MS.to_string()];
        let granted: i64 =
            call(&self.0.client, &script::ACQUIRE, self.keys(&limit.key), args).await?;
        Ok(granted == 1)
    }

    async fn release_one(&self, id: u128, key: &str) -> Result<(), CoordinatorError> {
        let args = vec![id.to_string(), self.0.freed_channel(), key.to_owned()];
        call(&self.0.client, &script::RELEASE, self.keys(key), args).await
    }
}

#[async_trait]
impl Limits for RedisLimits {
    async fn acquire(
        &self,
        _me: Incarnation,
        limits: &[Limit],
    ) -> Result<Acquired, CoordinatorError> {
        let id = rand::random();
        for (taken, limit) in limits.iter().enumerate() {
            match self.acquire_one(id, limit).await {
                Ok(true) => {}
                refused => {
                    let given_back = limits[..taken].iter().map(|l| self.release_one(id, &l.key));
                    // What is not given back runs out.
                    join_all(given_back).await;
                    return refused.map(|_| Acquired::Full(limit.key.clone()));
                }
            }
        }
        Ok(Acquired::Permit(Permit { id, limits: limits.to_vec() }))
    }

    async fn freed(&self, key: &str) {
        let mut freed = self.0.freed.subscribe();
        loop {
            match freed.recv().await {
                Ok(other) if *other != *key => {}
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    async fn renew(
        &self,
        _me: Incarnation,
        permits: &[Permit],
    ) -> Result<Vec<u128>, CoordinatorError> {
        let mut by_limit: BTreeMap<(&str, u32), Vec<u128>> = BTreeMap::new();
        for permit in permits {
            for limit in &permit.limits {
                by_limit.entry((&limit.key, limit.most)).or_default().push(permit.id);
            }
        }
        let calls = by_limit.into_iter().map(|((key, most), ids)| async move {
            let mut args = vec![most.to_string(), PERMIT_IDLE.as_micros().to_string()];
            args.extend(ids.iter().map(u128::to_string));
            let surplus: Vec<String> =
                call(&self.0.client, &script::RENEW, self.keys(key), args).await?;
            Ok(surplus)
        });
        let surplus: Vec<Vec<String>> = try_join_all(calls).await?;
        let mut surplus: Vec<u128> =
            surplus.iter().flatten().filter_map(|id| id.parse().ok()).collect();
        surplus.sort_unstable();
        surplus.dedup();
        Ok(surplus)
    }

    async fn release(&self, permit: &Permit) -> Result<(), CoordinatorError> {
        let calls = permit.limits.iter().map(|limit| self.release_one(permit.id, &limit.key));
        join_all(calls).await.into_iter().collect()
    }

    async fn allow(&self, rate: &Rate, wanted: u32) -> Result<Allowed, CoordinatorError> {
        let per = rate.per.as_micros().max(1_000).to_string();
        let args = vec![rate.most.max(1).to_string(), per, wanted.to_string()];
        let keys = self.key("r", &rate.key);
        let (granted, wait): (u32, u64) = call(&self.0.client, &script::ALLOW, keys, args).await?;
        Ok(match granted {
            0 => Allowed::In(Duration::from_micros(wait)),
            granted => Allowed::Now(granted),
        })
    }

    async fn told(&self, site: &str) -> Result<Told, CoordinatorError> {
        let (version, value, now): (u64, u64, u64) =
            call(&self.0.client, &script::TOLD, self.key("s", site), Vec::new()).await?;
        Ok(Told { version, value, now })
    }

    async fn tell(
        &self,
        site: &str,
        seen: u64,
        value: u64,
        keep: Duration,
    ) -> Result<bool, CoordinatorError> {
        let keep = keep.as_millis().to_string();
        let args = vec![seen.to_string(), value.to_string(), keep];
        let told: i64 = call(&self.0.client, &script::TELL, self.key("s", site), args).await?;
        Ok(told == 1)
    }
}
