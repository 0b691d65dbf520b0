//! HTTP of a node: health and metrics.
//!
//! `/livez` says that the process runs, `/readyz` whether a balancer should send it clients, `/metrics` what
//! it counted. Nothing is asked of a dependency while a request waits: a background task of the program puts
//! what it saw into [`Health`]. Requests are small, answers are short, and every connection is bounded in
//! time and size.

mod health;
mod metrics;
mod process;
mod server;

pub use health::{Dependency, Health, Phase, Readiness};
pub use metrics::{Metrics, MetricsError};
pub use server::Webd;
