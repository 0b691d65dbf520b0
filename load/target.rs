//! A server under load, and the meter that stands beside it.

use crate::cpu::{Cpu, Groups};
use crate::imap::Imap;
use crate::metrics::Metrics;
use crate::report::{Percentiles, Row};
use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Work that a server puts off until after its answer counts as well: so long it has time for it.
const SETTLE: Duration = Duration::from_secs(2);
/// Longest wait for a peer's queue to run empty.
const QUEUE_PATIENCE: Duration = Duration::from_secs(300);

/// A server under load.
pub struct Target {
    /// Its name in the report.
    pub name: String,
    /// SMTP (or LMTP), one address per node.
    pub smtp: Vec<SocketAddr>,
    /// EHLO or LHLO.
    pub greeting: &'static str,
    /// IMAP without TLS, one address per node.
    pub imap: Vec<SocketAddr>,
    /// IMAP with TLS, one address per node; none for peers.
    pub imaps: Vec<SocketAddr>,
    /// Where the nodes tell their metrics; none for peers.
    pub http: Vec<SocketAddr>,
    /// All its processes.
    pub groups: Groups,
    /// Addresses that take mail; they log in under the same name.
    pub accounts: Vec<String>,
    /// The password of all of them.
    pub password: String,
    /// PostgreSQL, for its own counters and to end measurements with a checkpoint.
    pub database: Option<tokio_postgres::Client>,
    /// Folders in which a peer keeps mail that it has answered for but not delivered.
    pub queues: Vec<PathBuf>,
}

/// Counters at one moment.
#[derive(Debug, Clone, Default)]
struct Sample {
    cpu: Cpu,
    metrics: Metrics,
    wal_bytes: f64,
}

impl Target {
    /// An IMAP session of account `nth` on a node that depends on `node`.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn login(&self, account: usize, node: usize) -> Result<Imap> {
        Imap::login(self.imap[node % self.imap.len()], &self.accounts[account], &self.password)
            .await
            .with_context(|| format!("{} as {}", self.name, self.accounts[account]))
    }

    /// As [`Target::login`], over TLS.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn login_tls(&self, account: usize, node: usize) -> Result<Imap> {
        let imap = Imap::connect_tls(self.imaps[node % self.imaps.len()]).await?;
        imap.logged_in(&self.accounts[account], &self.password)
            .await
            .with_context(|| format!("{} as {}", self.name, self.accounts[account]))
    }

    /// How many messages each of the first `accounts` accounts has in its INBOX.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn counts(&self, accounts: usize) -> Result<Vec<u32>> {
        let mut counts = Vec::with_capacity(accounts);
        for account in 0..accounts {
            let mut imap = self.login(account, account).await?;
            counts.push(imap.count("INBOX").await?);
            imap.logout().await?;
        }
        Ok(counts)
    }

    /// Waits until a peer's queue is empty and everybody had time for what was put off.
    async fn settle(&self) -> Result<()> {
        let begun = Instant::now();
        while self.queues.iter().any(|queue| holds_files(queue)) {
            if begun.elapsed() > QUEUE_PATIENCE {
                bail!("{}: the queue does not run empty", self.name);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        if let Some(database) = &self.database {
            indexed(database).await?;
        }
        tokio::time::sleep(SETTLE).await;
        if let Some(database) = &self.database {
            database.batch_execute("CHECKPOINT").await.context("CHECKPOINT")?;
        }
        Ok(())
    }

    async fn sample(&self) -> Result<Sample> {
        let mut sample = Sample { metrics: Metrics::of(&self.http).await?, ..Default::default() };
        if let Some(database) = &self.database {
            // The position itself: statistics come late.
            let sql = "SELECT (pg_current_wal_insert_lsn() - '0/0')::float8";
            sample.wal_bytes = database.query_one(sql, &[]).await.context("WAL")?.get(0);
        }
        sample.cpu = self.groups.cpu();
        Ok(sample)
    }
}

/// Waits until the nodes have indexed what came, unless somebody keeps them from it: who reads mail should not pay for its
/// arrival.
async fn indexed(database: &tokio_postgres::Client) -> Result<()> {
    let sql = "SELECT EXISTS (SELECT FROM account_state s LEFT JOIN search_state i USING (account_id)
                               WHERE s.modseq > COALESCE(i.modseq, 0))
                  AND NOT EXISTS (SELECT FROM job_lease WHERE name = 'mail.index' AND expires_at > now()
                                     AND owner NOT IN (SELECT incarnation FROM node_lease))
                  AND EXISTS (SELECT FROM node_lease)";
    let begun = Instant::now();
    while database.query_one(sql, &[]).await.context("the index")?.get::<_, bool>(0) {
        if begun.elapsed() > QUEUE_PATIENCE {
            bail!("the nodes do not index what came");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

fn holds_files(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        entry
            .file_type()
            .is_ok_and(|kind| kind.is_file() || kind.is_dir() && holds_files(&entry.path()))
    })
}

/// Measures one scenario.
pub struct Meter<'a> {
    target: &'a Target,
    before: Sample,
    begun: Instant,
}

impl<'a> Meter<'a> {
    /// Lets the server come to rest, then begins.
    ///
    /// # Errors
    /// When its counters cannot be read.
    pub async fn start(target: &'a Target) -> Result<Self> {
        target.settle().await?;
        let before = target.sample().await?;
        Ok(Self { target, before, begun: Instant::now() })
    }

    /// Ends the clock now and the CPU account when the server has come to rest.
    ///
    /// # Errors
    /// When its counters cannot be read.
    pub async fn finish(
        self,
        scenario: impl Into<String>,
        operations: u64,
        latencies: Vec<Duration>,
    ) -> Result<Row> {
        let seconds = self.begun.elapsed().as_secs_f64();
        self.target.settle().await?;
        let after = self.target.sample().await?;
        let mut row = Row {
            scenario: scenario.into(),
            server: self.target.name.clone(),
            operations,
            seconds,
            latency_ms: Percentiles::of(latencies),
            cpu_ms: after.cpu.since(&self.before.cpu, operations),
            ..Default::default()
        };
        let each = |later: f64, earlier: f64| (later - earlier) / operations.max(1) as f64;
        if !self.target.http.is_empty() {
            for (title, name, label) in COUNTERS {
                let (later, earlier) =
                    (after.metrics.sum(name, label), self.before.metrics.sum(name, label));
                *row.more.entry(title.to_owned()).or_default() += each(later, earlier);
            }
        }
        if self.target.database.is_some() {
            row.more
                .insert("WAL KiB".into(), each(after.wal_bytes, self.before.wal_bytes) / 1024.0);
        }
        Ok(row)
    }
}

/// What the nodes count: title, metric, label. Equal titles add up: a large object is begun by `writer`.
const COUNTERS: [(&str, &str, &str); 4] = [
    ("statements", "postrider_postgres_statements_total", ""),
    ("PUTs", "postrider_blob_requests_total", "call=\"put\""),
    ("PUTs", "postrider_blob_requests_total", "call=\"writer\""),
    ("GETs", "postrider_blob_requests_total", "call=\"get\""),
];
