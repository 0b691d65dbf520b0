//! Real servers, faults and clients, for the system tests and the load generator.
//!
//! Everything here is started on loopback addresses and private sockets with throwaway data, and is gone when
//! the process that started it is gone, however that ended ([`process`]). Nothing is mocked: a test that says
//! "PostgreSQL was paused" sent SIGSTOP to all of a PostgreSQL.
//!
//! * servers: [`Postgres`], [`PgBouncer`], [`Redis`], [`S3`], and [`Node`]s of the built `postrider`;
//! * faults: stop, kill, pause and resume on each of them, and [`Proxy`], which cuts, delays and swallows;
//! * clients: [`SmtpClient`], [`ImapClient`], [`Pop3Client`], and [`transcript`]s for what a person should be able to read;
//! * the truth: [`consistency`] over a whole database, to be run after every test.

mod cluster;
pub mod consistency;
pub mod dns;
pub mod https;
mod imap;
mod node;
mod pgbouncer;
mod pop3;
mod postgres;
pub mod process;
mod proxy;
mod redis;
mod s3;
pub mod sink;
mod smtp;
mod stream;
pub mod transcript;

pub use cluster::{Cluster, ClusterOptions, PASSWORD};
pub use imap::{ImapClient, literal, number_before};
pub use node::{Node, NodeConfig, Ready, postrider, postrider_raw};
pub use pgbouncer::PgBouncer;
pub use pop3::Pop3Client;
pub use postgres::{Database, Postgres, PostgresOptions};
pub use process::{Daemon, free_port, program};
pub use proxy::{Point, Proxy};
pub use redis::Redis;
pub use s3::S3;
pub use smtp::{Reply, SmtpClient, stuffed};
pub use stream::{Stream, trusting_tls};

use std::time::Duration;

/// Longest wait for a server to come up, or for anything else that must happen: far beyond what it takes, so
/// that only what never happens fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until the answer is `Some`, for at most [`PATIENCE`].
///
/// # Errors
/// When it never is; `what` says what was waited for.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> anyhow::Result<T> {
    let end = std::time::Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(answer) = ask().await {
            return Ok(answer);
        }
        anyhow::ensure!(std::time::Instant::now() < end, "waited in vain for: {what}");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}
