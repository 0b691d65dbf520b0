//! The log goes to stderr; stdout belongs to results.

use serde::{Deserialize, Serialize};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// `[log]`. The environment's `RUST_LOG` goes before `level`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,store=debug`.
    pub level: String,
    /// `text` or `json`.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object per line.
    Json,
}

impl TryFrom<String> for LogFormat {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        crate::config::one_of(&text, &[("text", Self::Text), ("json", Self::Json)])
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        // What these libraries say of every connection, the parts that use them say once, in our words.
        let level = "info,fred=error,deadpool=error,tokio_postgres=warn,refinery_core=warn";
        Self { level: level.into(), format: LogFormat::Text }
    }
}

impl LogConfig {
    /// Whether the level is one.
    ///
    /// # Errors
    /// One line.
    pub fn check(&self) -> Result<(), String> {
        let parsed = EnvFilter::builder().parse(&self.level);
        parsed.map(|_| ()).map_err(|error| format!("log.level {:?}: {error}", self.level))
    }
}

/// Starts logging. The first call counts.
pub fn start(config: &LogConfig) {
    let filter = EnvFilter::try_from_default_env()
        .or_else(|_| EnvFilter::try_new(&config.level))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let ansi = std::io::stderr().is_terminal();
    // A stderr that nobody reads any more (its pager was closed) costs the log and nothing else; reporting that
    // on stderr would panic in whatever task wanted to log.
    let log = fmt().log_internal_errors(false).with_writer(std::io::stderr).with_ansi(ansi);
    let log = log.with_env_filter(filter);
    let _ = match config.format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
}

/// For operator commands: only what is wrong.
pub fn start_quiet() {
    start(&LogConfig { level: "warn,fred=off,deadpool=error".into(), format: LogFormat::Text });
}
