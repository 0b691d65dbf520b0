//! The metrics recorder of the process.

use crate::process;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of every histogram that ends in `_seconds`: a look at memory up to a wait for a lease.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
/// Upper bounds of every histogram that ends in `_bytes`.
const BYTES: [f64; 8] = [1e3, 4e3, 16e3, 64e3, 256e3, 1e6, 1e7, 5e7];

/// Why there are no metrics.
#[derive(Debug, thiserror::Error)]
#[error("metrics: {0}")]
pub struct MetricsError(String);

/// What every crate of this process counted. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// Becomes the process's one recorder.
    ///
    /// # Errors
    /// [`MetricsError`] when there is one already.
    pub fn install() -> Result<Self, MetricsError> {
        let failed = |error: &dyn std::fmt::Display| MetricsError(error.to_string());
        let handle = builder()
            .and_then(PrometheusBuilder::install_recorder)
            .map_err(|error| failed(&error))?;
        process::describe();
        Ok(Self { handle })
    }

    /// Keeps the memory of histograms small; to be called every few seconds.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// The text of `/metrics`.
    #[must_use]
    pub fn render(&self) -> String {
        process::observe();
        self.handle.render()
    }
}

fn builder() -> Result<PrometheusBuilder, metrics_exporter_prometheus::BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".into()), &BYTES)
}

#[cfg(test)]
pub(crate) fn apart() -> Metrics {
    // A recorder of its own: tests share a process, which has one recorder at most.
    let handle = builder().unwrap().build_recorder().handle();
    Metrics { handle }
}
