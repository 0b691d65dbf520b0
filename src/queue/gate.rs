//! Leave to connect and to send: the cluster's limits, and how each site fares.
//!
//! The coordinator's [`Limits`](coordinator::limits::Limits) count for the whole cluster. While it is away, or
//! where there is none, each node keeps to its whole share of every limit, and remembers by itself how sites
//! fare. Every connection has a [`Pass`]; passes give signs of life together, so that a coordinator that forgot
//! everything knows of them again within seconds.

mod hearing;
mod passes;

pub use passes::Pass;

use crate::worker::Seen;
use crate::{Pace, Signal};
use coordinator::CoordinatorError;
use coordinator::limits::permits::Permits;
use coordinator::limits::share::share;
use coordinator::limits::{Acquired, Allowed, Limit, Permit, Rate, SharedLimits, Told};
use coordinator::work::TOKEN_BEAT;
use hearing::Hearing;
use passes::Passes;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tokio::time::Instant;
use types::Incarnation;

/// How long what was told of a site is believed without asking again.
const BELIEVED: Duration = Duration::from_secs(1);
/// Most sites whose tales are remembered; more are asked for again.
const REMEMBERED: usize = 10_000;
/// Wait for a pass of a full site before its destination is put off.
const PATIENCE: Duration = Duration::from_millis(300);
/// So long a destination of a full site is put off.
const FULL: Duration = Duration::from_secs(2);
/// The same where no share of the limit is this node's: others work on it.
const NO_SHARE: Duration = Duration::from_secs(30);

/// Who told something of a site. Its times mean nothing by anybody else's clock, so an answer goes to the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Coordinator,
    /// This node's own memory, while there is no coordinator.
    Alone,
}

/// Whether a connection may be made.
#[derive(Debug)]
pub enum Entry {
    /// Yes, for as long as the pass lives.
    Open(Pass),
    /// Not before so long.
    NotNow(Duration),
}

/// The gate of a node. Cheap to clone.
#[derive(Clone)]
pub struct Gate {
    inner: Arc<Inner>,
}

struct Inner {
    me: Incarnation,
    limits: Option<SharedLimits>,
    hearing: Hearing,
    seen: Arc<RwLock<Seen>>,
    passes: Arc<Passes>,
    /// Rates and tales while there is no coordinator.
    alone: Mutex<Permits>,
    tales: Mutex<HashMap<String, (Instant, Told)>>,
    begun: Instant,
}

impl Gate {
    /// `seen`: who else lives, for the shares.
    #[must_use]
    pub fn new(me: Incarnation, limits: Option<SharedLimits>, seen: Arc<RwLock<Seen>>) -> Self {
        let passes = Passes::new(limits.clone());
        if let Some(limits) = &limits {
            tokio::spawn(give_signs_of_life(me, Arc::clone(limits), Arc::downgrade(&passes)));
        }
        let (alone, tales, begun) = (Mutex::default(), Mutex::default(), Instant::now());
        let hearing = Hearing::default();
        let inner = Inner { me, limits, hearing, seen, passes, alone, tales, begun };
        Self { inner: Arc::new(inner) }
    }

    /// Leave for one connection to a site that takes `most` at full speed.
    pub async fn enter(&self, site: &str, most: u32) -> Entry {
        let (_, told) = self.inner.told(site).await;
        let pace = Pace::decode(told.value, told.now);
        if let Some(wait) = pace.closed(told.now) {
            return Entry::NotNow(wait);
        }
        let limit = Limit { key: format!("site:{site}"), most: pace.connections(most.max(1)) };
        if let Some(entry) = self.inner.acquire(&limit).await {
            return entry;
        }
        self.inner.freed(&limit.key).await;
        self.inner.acquire(&limit).await.unwrap_or(Entry::NotNow(FULL))
    }

    /// One of a limit that is no site's; `None`: all are taken. Does not wait for long.
    pub async fn hold(&self, limit: &Limit) -> Option<Pass> {
        if let Some(Entry::Open(pass)) = self.inner.acquire(limit).await {
            return Some(pass);
        }
        self.inner.freed(&limit.key).await;
        match self.inner.acquire(limit).await {
            Some(Entry::Open(pass)) => Some(pass),
            _ => None,
        }
    }

    /// How long a site is left alone, for whoever has a pass already.
    pub async fn closed(&self, site: &str) -> Option<Duration> {
        let (_, told) = self.inner.told(site).await;
        Pace::decode(told.value, told.now).closed(told.now)
    }

    /// Whether a connection to this site is one too many. Asked by who can close one; each surplus is told once.
    #[must_use]
    pub fn is_surplus(&self, site: &str) -> bool {
        self.inner.passes.is_surplus(&format!("site:{site}"))
    }

    /// Up to `wanted` of a rate.
    pub async fn allow(&self, rate: &Rate, wanted: u32) -> Allowed {
        self.inner.allow(rate, wanted).await
    }

    /// Tells what an attempt says about a site.
    pub async fn tell(&self, site: &str, signal: Signal) {
        for _ in 0..3 {
            let (source, told) = self.inner.told(site).await;
            let before = Pace::decode(told.value, told.now);
            let after = before.after(signal, told.now, rand::random());
            if after == before {
                return;
            }
            log_pace(site, before, after);
            if self.inner.tell(source, site, told, after).await {
                return;
            }
        }
    }
}

impl Inner {
    /// The coordinator's answer, if there is one.
    async fn ask<'a, T, F>(&'a self, question: impl FnOnce(&'a SharedLimits) -> F) -> Option<T>
    where
        F: Future<Output = Result<T, CoordinatorError>>,
    {
        let limits = self.limits.as_ref().filter(|_| self.hearing.is_worth_asking())?;
        let answer = question(limits).await;
        self.hearing.heard(answer.is_ok());
        answer.inspect_err(|error| tracing::debug!(%error, "no answer about limits")).ok()
    }

    /// `None`: full.
    async fn acquire(&self, limit: &Limit) -> Option<Entry> {
        let one = std::slice::from_ref(limit);
        match self.ask(|limits| limits.acquire(self.me, one)).await {
            Some(Acquired::Permit(permit)) => return Some(Entry::Open(self.passes.pass(permit))),
            Some(Acquired::Full(_)) => return None,
            None => {}
        }
        let mine = self.share(&limit.key, limit.most);
        if mine == 0 {
            return Some(Entry::NotNow(NO_SHARE));
        }
        let permit = Permit { id: rand::random(), limits: vec![limit.clone()] };
        self.passes.pass_if(permit, mine as usize).map(Entry::Open)
    }

    fn share(&self, key: &str, most: u32) -> u32 {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        share(key, most, self.me, &seen.living)
    }

    /// Waits a moment for a pass.
    async fn freed(&self, key: &str) {
        let here = self.passes.freed();
        let anywhere = async {
            match &self.limits {
                Some(limits) => limits.freed(key).await,
                None => std::future::pending().await,
            }
        };
        let freed = async {
            tokio::select! {
                () = here => {}
                () = anywhere => {}
            }
        };
        let _ = tokio::time::timeout(PATIENCE, freed).await;
    }

    async fn allow(&self, rate: &Rate, wanted: u32) -> Allowed {
        if let Some(allowed) = self.ask(|limits| limits.allow(rate, wanted)).await {
            return allowed;
        }
        let most = self.share(&rate.key, rate.most);
        if most == 0 {
            return Allowed::In(NO_SHARE);
        }
        self.alone().allow(self.now(), &Rate { most, ..rate.clone() }, wanted)
    }

    async fn told(&self, site: &str) -> (Source, Told) {
        if let Some(told) = self.believed(site) {
            return (Source::Coordinator, told);
        }
        if let Some(told) = self.ask(|limits| limits.told(site)).await {
            self.believe(site, told);
            return (Source::Coordinator, told);
        }
        (Source::Alone, self.alone().told(self.now(), site))
    }

    /// `false`: it is to be heard again what is known of the site, and by whom.
    async fn tell(&self, source: Source, site: &str, seen: Told, pace: Pace) -> bool {
        let (value, keep) = (pace.encode(), Pace::KEEP);
        self.tales().remove(site);
        match source {
            Source::Coordinator => {
                let told = self.ask(|limits| limits.tell(site, seen.version, value, keep)).await;
                told.unwrap_or(false)
            }
            Source::Alone => self.alone().tell(self.now(), site, seen.version, value, keep),
        }
    }

    /// What was told a moment ago, its clock moved on.
    fn believed(&self, site: &str) -> Option<Told> {
        let (at, told) = self.tales().get(site).copied()?;
        let age = at.elapsed();
        (age < BELIEVED).then(|| Told { now: told.now + millis(age), ..told })
    }

    fn believe(&self, site: &str, told: Told) {
        let mut tales = self.tales();
        if tales.len() >= REMEMBERED {
            tales.retain(|_, (at, _)| at.elapsed() < BELIEVED);
        }
        if tales.len() < REMEMBERED {
            tales.insert(site.to_owned(), (Instant::now(), told));
        }
    }

    /// Milliseconds of a clock of our own; never near its zero.
    fn now(&self) -> u64 {
        1_000_000_000 + millis(self.begun.elapsed())
    }

    fn alone(&self) -> MutexGuard<'_, Permits> {
        self.alone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tales(&self) -> MutexGuard<'_, HashMap<String, (Instant, Told)>> {
        self.tales.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log_pace(site: &str, before: Pace, after: Pace) {
    match (before.is_open(), after.is_open()) {
        (true, false) => tracing::info!(site, "a site wants less, or cannot be reached"),
        (false, true) => tracing::info!(site, "a site is served at full speed again"),
        _ => tracing::debug!(site, ?before, ?after, "a site's pace changed"),
    }
}

/// For as long as there is a gate.
async fn give_signs_of_life(
    me: Incarnation,
    limits: SharedLimits,
    passes: std::sync::Weak<Passes>,
) {
    loop {
        tokio::time::sleep(TOKEN_BEAT).await;
        let Some(passes) = passes.upgrade() else { return };
        let held = passes.permits();
        if held.is_empty() {
            continue;
        }
        match limits.renew(me, &held).await {
            Ok(surplus) => passes.add_surplus(&surplus),
            Err(error) => tracing::debug!(%error, "permits could not be renewed"),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
