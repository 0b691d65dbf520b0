//! Settings.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Settings of the way in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IngestConfig {
    /// Most accounts that get their copy while the client waits, 1 to 32; the rest comes out of the queue a
    /// moment later. Bounds how long accounts are locked together.
    pub inline_accounts: usize,
    /// How often the queue is looked through for local recipients that nobody rang for, in seconds.
    pub queue_sweep_seconds: u32,
    /// How long what is queued is tried. Given by whoever starts it (`[queue] expire_seconds`).
    #[serde(skip)]
    pub expire: Duration,
    /// After what time the sender is told that mail has not left yet; `None`: never. Likewise.
    #[serde(skip)]
    pub delay_report: Option<Duration>,
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self {
            inline_accounts: 32,
            queue_sweep_seconds: 5,
            expire: Duration::from_secs(5 * 24 * 3600),
            delay_report: Some(Duration::from_secs(4 * 3600)),
        }
    }
}
