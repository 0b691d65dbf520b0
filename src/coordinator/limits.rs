//! Limits that hold for the whole cluster: how many at once, how many per second, and how a destination fares.
//!
//! A *permit* is one of so many; it is its holder's until given back, or until the holder gives no sign of life
//! for [`PERMIT_IDLE`]. After everything was forgotten a limit may be exceeded for that long. A *rate* is a
//! bucket that fills with time. A *pace* is a few bytes that nodes tell one another about a site.

pub mod permits;
pub mod share;

use crate::CoordinatorError;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use types::Incarnation;

/// A permit without a sign of life for so long is free.
pub const PERMIT_IDLE: Duration = Duration::from_secs(15);

/// One limit somebody needs leave of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Limit {
    /// What is limited.
    pub key: String,
    /// How many at once.
    pub most: u32,
}

/// A held permit: one of each of its limits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Permit {
    /// Unique.
    pub id: u128,
    /// What it is one of.
    pub limits: Vec<Limit>,
}

/// An answer to a wish for permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acquired {
    /// Granted, all of it.
    Permit(Permit),
    /// This limit is reached; nothing was taken.
    Full(String),
}

/// An answer to a wish for so many of a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// So many, now.
    Now(u32),
    /// None before so long.
    In(Duration),
}

/// A rate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rate {
    /// What is limited.
    pub key: String,
    /// How many.
    pub most: u32,
    /// In how long.
    pub per: Duration,
}

/// How a site fares, as nodes tell one another. Opaque here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    /// Rises with each change; 0: nothing is known.
    pub version: u64,
    /// What was told.
    pub value: u64,
    /// The coordinator's clock, in milliseconds.
    pub now: u64,
}

/// Concurrency, rates, and what nodes tell one another about sites.
#[async_trait]
pub trait Limits: Send + Sync {
    /// Takes one of each of these limits, or nothing. Does not wait.
    ///
    /// # Errors
    /// [`CoordinatorError::Unavailable`]: something may have been taken; it runs out by itself.
    async fn acquire(
        &self,
        me: Incarnation,
        limits: &[Limit],
    ) -> Result<Acquired, CoordinatorError>;

    /// Returns when a permit of this limit may have come free. May be early. Cancel-safe.
    async fn freed(&self, key: &str);

    /// Signs of life for permits. Those that had run out or were forgotten are taken again, over the limit if
    /// need be, since their connections exist; returned are those that make it exceed: to be given back as soon
    /// as what is under way has ended.
    ///
    /// # Errors
    /// [`CoordinatorError::Unavailable`].
    async fn renew(
        &self,
        me: Incarnation,
        permits: &[Permit],
    ) -> Result<Vec<u128>, CoordinatorError>;

    /// Gives a permit back and wakes who waits for it.
    ///
    /// # Errors
    /// [`CoordinatorError::Unavailable`]: it runs out by itself.
    async fn release(&self, permit: &Permit) -> Result<(), CoordinatorError>;

    /// Up to `wanted` of a rate.
    ///
    /// # Errors
    /// [`CoordinatorError::Unavailable`].
    async fn allow(&self, rate: &Rate, wanted: u32) -> Result<Allowed, CoordinatorError>;

    /// What was last told of a site.
    ///
    /// # Errors
    /// [`CoordinatorError::Unavailable`].
    async fn told(&self, site: &str) -> Result<Told, CoordinatorError>;

    /// Tells something of a site, unless somebody else did since `seen`. It is forgotten after `keep`.
    ///
    /// # Errors
    /// [`CoordinatorError::Unavailable`].
    async fn tell(
        &self,
        site: &str,
        seen: u64,
        value: u64,
        keep: Duration,
    ) -> Result<bool, CoordinatorError>;
}

/// Any [`Limits`].
pub type SharedLimits = Arc<dyn Limits>;
