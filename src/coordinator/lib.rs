//! Wake-ups and presence: what makes the cluster fast, and is never the truth.
//!
//! A hint may be lost, doubled or late; whoever gets one asks PostgreSQL. Losing all of Redis costs latency
//! and nothing else. [`Local`] serves one process, [`Redis`] a cluster.

mod inbox;
pub mod limits;
mod local;
mod redis;
pub mod work;

pub use inbox::{Inbox, Received};
pub use local::Local;
pub use redis::Redis;

use async_trait::async_trait;
use limits::SharedLimits;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use types::{AccountId, ModSeq};
use work::SharedWork;

/// "Something of this account changed": coalesced per account, so only the highest modseq counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hint {
    /// Whose data.
    pub account: AccountId,
    /// The change's mod-sequence.
    pub modseq: ModSeq,
}

/// Why a coordinator gave no answer. Never worth failing anything for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CoordinatorError {
    /// It is away, or too slow.
    #[error("the coordinator is unavailable: {0}")]
    Unavailable(String),
    /// The settings are unusable; one line for the operator.
    #[error("{0}")]
    Config(String),
}

/// A node as it shows itself to the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// One run of one node.
    pub incarnation: String,
    /// Program version.
    pub version: String,
    /// What it does.
    pub roles: Vec<String>,
    /// Unix seconds.
    pub started_at: i64,
    /// Where it listens.
    pub listeners: Vec<String>,
}

/// How long a node is shown after its last sign of life, in seconds.
pub const PRESENCE_SECONDS: u64 = 15;

/// Publish and subscribe, and presence.
#[async_trait]
pub trait Coordinator: Send + Sync {
    /// Sends a hint soon. Never waits: what cannot be sent is dropped and counted.
    fn publish(&self, hint: Hint);

    /// Wants hints of this account. The caller counts references: one call per account.
    fn watch(&self, account: AccountId);

    /// No longer wants them.
    fn unwatch(&self, account: AccountId);

    /// Where hints of watched accounts arrive; one consumer per node.
    fn inbox(&self) -> Arc<Inbox>;

    /// Shows this node for [`PRESENCE_SECONDS`]; to be called more often than that.
    async fn announce(&self, node: &NodeInfo) -> Result<(), CoordinatorError>;

    /// Takes this node off the list.
    async fn withdraw(&self, incarnation: &str) -> Result<(), CoordinatorError>;

    /// The nodes that showed themselves lately.
    async fn nodes(&self) -> Result<Vec<NodeInfo>, CoordinatorError>;

    /// Doorbells and tokens, if this coordinator has them; else PostgreSQL alone is asked.
    fn work(&self) -> Option<SharedWork> {
        None
    }

    /// Cluster-wide limits, if this coordinator has them; else each node keeps to its share.
    fn limits(&self) -> Option<SharedLimits> {
        None
    }

    /// A round trip.
    async fn ping(&self) -> Result<(), CoordinatorError>;
}

/// Any coordinator.
pub type SharedCoordinator = Arc<dyn Coordinator>;

#[cfg(test)]
mod tests;
