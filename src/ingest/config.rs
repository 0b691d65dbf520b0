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
    /// How long mail for elsewhere is tried, in hours (RFC 5321 §4.5.4.1: at least 4 to 5 days).
    pub expire_hours: u32,
    /// After how many hours the sender is told that it has not left yet; 0: never.
    pub delay_report_hours: u32,
}

impl IngestConfig {
    pub(crate) fn expire(&self) -> Duration {
        Duration::from_secs(u64::from(self.expire_hours.max(1)) * 3600)
    }

    pub(crate) fn delay_report(&self) -> Option<Duration> {
        let hours = u64::from(self.delay_report_hours);
        (hours > 0).then(|| Duration::from_secs(hours * 3600))
    }
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self {
            inline_accounts: 32,
            queue_sweep_seconds: 5,
            expire_hours: 5 * 24,
            delay_report_hours: 4,
        }
    }
}
