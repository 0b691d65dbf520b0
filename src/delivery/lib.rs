//! The outbound attempt: one message to one destination, over a connection that may carry many.
//!
//! Who calls it decides what to send and when; here is only *how*: [`Delivery::plan`] finds the hosts (and so
//! the site, whose limits the caller knows), a [`Courier`] holds at most one connection and the caller's
//! permit for it, [`Courier::carry`] runs one attempt and says what became of every recipient. What each
//! failure *means* is decided in one module, [`outcome`], by a table.
//!
//! * A recipient's fate is told ([`Watch::known`]) as soon as it is known; a remote 250 is a fact.
//! * Right before the end of a message [`Watch::fence`] is asked; no means the connection is dropped, and
//!   nothing has happened.
//! * Sees no store, no blob, no coordinator: the content comes from a [`Content`], by range. At most 256 KiB
//!   of it are in memory (twice a whole message, but for two at most, while a message is converted for a
//!   server without 8BITMIME), so much output and one reply per connection, a bounded number of idle
//!   connections.
//! * TLS is as strong as the route, DANE (RFC 7672) and MTA-STS (RFC 8461, [`PolicyCache`]) want it, whatever is most.
//! * An address is connected to only if it is outside this machine, unless an operator named it.

mod attempt;
mod avoid;
mod config;
mod connection;
mod content;
mod courier;
mod dial;
mod idle;
mod job;
pub mod outcome;
mod plan;
mod sts;
mod tls;

pub use config::{DeliveryConfig, Source};
pub use content::{Content, ContentError, Held};
pub use courier::{Courier, Permit};
pub use job::{Mailing, Report, Try, Watch};
pub use outcome::{Fate, Outcome, Signal};
pub use plan::{Hop, Plan, Route, TlsPolicy};
pub use sts::{CacheAway, NoCache, PolicyCache};
pub use tls::TlsSeen;

use avoid::Avoid;
use idle::Idle;
use resolve::Resolve;
use std::sync::Arc;
use sts::Sts;
use tls::TlsConfigs;
use tokio::sync::Semaphore;

/// Sends mail. Cheap to clone.
#[derive(Clone)]
pub struct Delivery {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    config: DeliveryConfig,
    resolver: Arc<dyn Resolve>,
    tls: Arc<TlsConfigs>,
    /// `None`: no policy is looked for.
    sts: Option<Sts>,
    idle: Idle,
    avoid: Avoid,
    /// Few messages are converted at the same time: each is in memory twice.
    converting: Arc<Semaphore>,
}

/// Most conversions at the same time.
const CONVERSIONS: usize = 2;

impl Delivery {
    /// With these settings and this resolver; MTA-STS policies are not remembered beyond this process's minute.
    ///
    /// # Errors
    /// One line for the operator.
    pub fn new(config: DeliveryConfig, resolver: Arc<dyn Resolve>) -> Result<Self, String> {
        Self::with_policies(config, resolver, Arc::new(NoCache))
    }

    /// The same with a memory of MTA-STS policies.
    ///
    /// # Errors
    /// One line for the operator.
    pub fn with_policies(
        config: DeliveryConfig,
        resolver: Arc<dyn Resolve>,
        policies: Arc<dyn PolicyCache>,
    ) -> Result<Self, String> {
        let tls = Arc::new(TlsConfigs::new(config.ca_file.as_deref())?);
        let sts = || Sts::new(&config, Arc::clone(&resolver), Arc::clone(&tls), policies);
        let sts = config.mta_sts.then(sts);
        let idle = Idle::new(config.idle_connections, config.idle_ms);
        let converting = Arc::new(Semaphore::new(CONVERSIONS));
        Ok(Self {
            inner: Arc::new(Inner {
                config,
                resolver,
                tls,
                sts,
                idle,
                avoid: Avoid::default(),
                converting,
            }),
        })
    }

    /// A courier with a connection that waits for more mail to this plan's site, if there is one.
    #[must_use]
    pub fn idle_courier(&self, plan: &Plan) -> Option<Courier> {
        let parked = self.inner.idle.take(&plan.key())?;
        Some(Courier::resume(Arc::clone(&self.inner), plan.clone(), parked))
    }

    /// A courier without a connection. It holds `permit` until it is closed, parked connections included.
    #[must_use]
    pub fn courier(&self, plan: &Plan, permit: Option<Permit>) -> Courier {
        Courier::new(Arc::clone(&self.inner), plan.clone(), permit)
    }

    /// Fetches MTA-STS policies again that this process has used lately and that have grown old, whether or not there is
    /// mail for them now. To be called every hour or so; takes as long as their hosts take.
    pub async fn refresh_policies(&self) {
        if let Some(sts) = &self.inner.sts {
            sts.refresh().await;
        }
    }

    /// How many connections wait for more mail.
    #[must_use]
    pub fn idle_connections(&self) -> usize {
        self.inner.idle.len()
    }

    /// Closes the connections that wait; those at work are not touched.
    pub async fn close_idle(&self) {
        self.inner.idle.close_all().await;
    }
}

#[cfg(test)]
mod tests;
