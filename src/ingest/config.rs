//! Settings.

use serde::{Deserialize, Serialize};

/// Settings of the way in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IngestConfig {
    /// Most accounts that get their copy while the client waits, 1 to 32; the rest comes out of the queue a
    /// moment later. Bounds how long accounts are locked together.
    pub inline_accounts: usize,
    /// How often the queue is looked through for local recipients that nobody rang for, in seconds.
    pub queue_sweep_seconds: u32,
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self { inline_accounts: 32, queue_sweep_seconds: 5 }
    }
}
