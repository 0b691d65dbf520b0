//! `[queue]`.

use crate::config::ConfigError;
use queue::{EngineConfig, RetryPolicy, Schedule};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How this node takes part in sending queued mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueConfig {
    /// Whether this node sends queued mail. One that does not still queues it, for the others.
    pub outbound: bool,
    /// Destinations worked on at once by this node, each over one connection. Those that do not answer for seconds do not
    /// count, up to four times as many.
    pub connections: usize,
    /// Messages claimed at once for a destination; bounds what a killed node leaves behind.
    pub batch: usize,
    /// Most connections of all nodes to one destination.
    pub destination_connections: u32,
    /// Most connections of all nodes to one site (a set of MX hosts), unless an operator set another limit.
    pub site_connections: u32,
    /// How long mail is tried, in seconds, counted from when it was accepted; then it goes back, also if it was held or
    /// could never be tried (RFC 5321 §4.5.4.1: at least 4 to 5 days).
    pub expire_seconds: u64,
    /// After so many seconds the sender is told that mail has not left yet; 0: never.
    pub delay_report_seconds: u64,
    /// Wait after the first failed attempt, in seconds; it doubles from there on.
    pub retry_first_seconds: u64,
    /// Longest wait between two attempts.
    pub retry_longest_seconds: u64,
    /// Least wait when a server did not answer the end of a message: it may have taken it, and is still busy with
    /// it perhaps.
    pub retry_unknown_seconds: u64,
    /// How often due mail that nobody rang for is looked for, by all nodes together.
    pub sweep_seconds: u64,
    /// For how many days what happened to a message can be looked up after it has left (`queue show`).
    pub journal_days: u64,
    /// How often one node looks for mail whose time is over and for old journals, in seconds.
    pub chores_seconds: u64,
    /// How long messages on their way may take to end when the node goes down.
    pub grace_seconds: u64,
}

impl Default for QueueConfig {
    fn default() -> Self {
        let (engine, retry) = (EngineConfig::default(), RetryPolicy::default());
        Self {
            outbound: true,
            connections: 100,
            batch: engine.batch,
            destination_connections: engine.tokens,
            site_connections: 20,
            expire_seconds: retry.expire.as_secs(),
            delay_report_seconds: 4 * 3600,
            retry_first_seconds: retry.schedule.first.as_secs(),
            retry_longest_seconds: retry.schedule.longest.as_secs(),
            retry_unknown_seconds: retry.unknown.as_secs(),
            sweep_seconds: engine.sweep_every.as_secs(),
            journal_days: 7,
            chores_seconds: 60,
            grace_seconds: 5,
        }
    }
}

impl QueueConfig {
    /// What can be found wrong by looking.
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |text: &str| Err(ConfigError(text.into()));
        match self {
            Self { connections: 0, .. } => wrong("queue.connections: at least 1"),
            Self { batch: 0 | 1_001.., .. } => wrong("queue.batch: 1 to 1000"),
            Self { destination_connections: 0, .. } => {
                wrong("queue.destination_connections: at least 1")
            }
            Self { site_connections: 0, .. } => wrong("queue.site_connections: at least 1"),
            Self { expire_seconds: 0 | 31_536_001.., .. } => {
                wrong("queue.expire_seconds: 1 to 31536000 (a year)")
            }
            Self { delay_report_seconds: 31_536_001.., .. } => {
                wrong("queue.delay_report_seconds: at most 31536000 (a year); 0 for never")
            }
            Self { chores_seconds: 0 | 3_601.., .. } => wrong("queue.chores_seconds: 1 to 3600"),
            Self { retry_first_seconds: 0 | 31_536_001.., .. } => {
                wrong("queue.retry_first_seconds: 1 to 31536000 (a year)")
            }
            Self { retry_longest_seconds: 31_536_001.., .. } => {
                wrong("queue.retry_longest_seconds: at most 31536000 (a year)")
            }
            Self { retry_unknown_seconds: 31_536_001.., .. } => {
                wrong("queue.retry_unknown_seconds: at most 31536000 (a year)")
            }
            Self { sweep_seconds: 0, .. } => wrong("queue.sweep_seconds: at least 1"),
            Self { journal_days: 3_651.., .. } => wrong("queue.journal_days: at most 3650"),
            Self { grace_seconds: 601.., .. } => wrong("queue.grace_seconds: at most 600"),
            Self { retry_first_seconds: first, retry_longest_seconds: longest, .. }
                if longest < first =>
            {
                wrong("queue.retry_longest_seconds: not less than queue.retry_first_seconds")
            }
            _ => Ok(()),
        }
    }

    /// As the engine wants it.
    pub fn engine(&self) -> EngineConfig {
        EngineConfig {
            slots: self.connections,
            batch: self.batch,
            tokens: self.destination_connections,
            sweep_every: Duration::from_secs(self.sweep_seconds),
            retry: self.retry(),
            ..EngineConfig::default()
        }
    }

    /// When to try again.
    pub fn retry(&self) -> RetryPolicy {
        let schedule = Schedule {
            first: Duration::from_secs(self.retry_first_seconds),
            longest: Duration::from_secs(self.retry_longest_seconds),
        };
        // Each message has its own end, given when it was accepted.
        let (expire, unknown) = (Duration::MAX, Duration::from_secs(self.retry_unknown_seconds));
        RetryPolicy { schedule, expire, unknown, ..RetryPolicy::default() }
    }

    /// How long what is accepted now is tried.
    pub fn expire(&self) -> Duration {
        Duration::from_secs(self.expire_seconds)
    }

    /// When its sender is told that it has not left yet.
    pub fn delay_report(&self) -> Option<Duration> {
        (self.delay_report_seconds > 0).then(|| Duration::from_secs(self.delay_report_seconds))
    }

    /// How long journals are kept.
    pub fn journal(&self) -> Duration {
        Duration::from_secs(self.journal_days * 24 * 3600)
    }

    /// How long what is under way may take to end.
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.grace_seconds)
    }
}
