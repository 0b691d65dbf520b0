//! Being asked to stop: once in order, twice at once.

use crate::exit::{Failure, Outcome};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Whether somebody wants this process to end. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    asked: CancellationToken,
    insisted: CancellationToken,
}

/// What SIGHUP means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hangup {
    /// The terminal is gone: stop.
    Stops,
    /// A habit of scripts that renew certificates; there is nothing to do, changed files are seen anyway.
    Ignored,
}

impl Stop {
    /// Listens to SIGTERM and SIGINT from now on.
    ///
    /// # Errors
    /// When the process cannot have signal handlers.
    pub fn on_signals(hangup: Hangup) -> Outcome<Self> {
        let stop = Self::default();
        let failed = |error: std::io::Error| Failure::failed(format!("signals: {error}"));
        let listen = |kind| signal(kind).map_err(failed);
        let signals = [listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?];
        let hup = listen(SignalKind::hangup())?;
        tokio::spawn(stop.clone().follow(signals, hup, hangup));
        Ok(stop)
    }

    async fn follow(self, [mut term, mut int]: [Signal; 2], mut hup: Signal, hangup: Hangup) {
        loop {
            let name = tokio::select! {
                _ = term.recv() => "SIGTERM",
                _ = int.recv() => "SIGINT",
                _ = hup.recv() => {
                    if hangup == Hangup::Ignored {
                        tracing::info!("SIGHUP: changed certificates are noticed by themselves");
                        continue;
                    }
                    "SIGHUP"
                }
            };
            if self.asked.is_cancelled() {
                self.insisted.cancel();
                tracing::warn!(signal = name, "stopping at once");
            } else {
                self.asked.cancel();
                tracing::info!(signal = name, "stopping; once more stops at once");
            }
        }
    }

    /// Whether it should end.
    pub fn is_asked(&self) -> bool {
        self.asked.is_cancelled()
    }

    /// Resolves when it should end.
    pub async fn asked(&self) {
        self.asked.cancelled().await;
    }

    /// Resolves when it should end at once.
    pub async fn insisted(&self) {
        self.insisted.cancelled().await;
    }
}
