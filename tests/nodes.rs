//! Real `postrider` processes on a real PostgreSQL, S3 and Redis.

mod across;
mod bad_input;
mod clients;
mod edges;
mod failures;
mod logins;
mod operator;
mod queue;
mod standalone;
mod transcripts;
mod upgrades;

use anyhow::{Context, Result, ensure};
use std::time::Duration;
use testkit::{Cluster, ClusterOptions, ImapClient, Node, PASSWORD, PostgresOptions, SmtpClient};

/// Runs a test on a cluster and checks all of its data afterwards. What the nodes said is shown on failure.
pub(crate) async fn with_cluster(
    nodes: usize,
    options: ClusterOptions,
    test: impl AsyncFnOnce(&mut Cluster) -> Result<()>,
) -> Result<()> {
    with_cluster_for(Duration::from_secs(240), nodes, options, test).await
}

/// As [`with_cluster`], for what may take longer.
pub(crate) async fn with_cluster_for(
    limit: Duration,
    nodes: usize,
    options: ClusterOptions,
    test: impl AsyncFnOnce(&mut Cluster) -> Result<()>,
) -> Result<()> {
    let mut cluster = Cluster::start_with(nodes, options).await?;
    let work = async {
        test(&mut cluster).await?;
        cluster.check().await
    };
    let outcome = tokio::time::timeout(limit, work).await;
    let outcome = outcome.context("it hangs").and_then(|outcome| outcome);
    if outcome.is_err() {
        for (n, node) in cluster.nodes.iter_mut().enumerate() {
            eprintln!("--- node {} said last:\n{}", n + 1, node.daemon().log_tail());
        }
    }
    outcome?;
    for (n, node) in cluster.nodes.iter_mut().enumerate() {
        let log = node.daemon().log();
        ensure!(!log.contains("panicked"), "node {} panicked:\n{log}", n + 1);
    }
    let Cluster { nodes, database, .. } = cluster;
    drop(nodes);
    database.discard().await
}

/// A PostgreSQL of one's own, for tests that stop it.
fn own_postgres() -> ClusterOptions {
    ClusterOptions { own_postgres: Some(PostgresOptions::default()), ..Default::default() }
}

/// A message of which `id` tells it from others.
pub(crate) fn message(id: &str, size: usize) -> Vec<u8> {
    let mut text = format!(
        "From: Sender <sender@elsewhere.test>\r\nTo: somebody\r\nSubject: {id}\r\nMessage-ID: <{id}@elsewhere.test>\r\n\
         Date: Tue, 24 Nov 2026 10:00:00 +0000\r\n\r\n"
    );
    while text.len() < size {
        text += "All work and no play makes Jack a dull boy. \r\n";
    }
    text.into_bytes()
}

pub(crate) async fn send(node: &Node, to: &str, id: &str) -> Result<()> {
    let mut smtp = SmtpClient::connect(node.smtp()?).await?;
    smtp.ehlo().await?;
    let reply = smtp.send_mail("sender@elsewhere.test", &[to], &message(id, 500)).await?;
    ensure!(reply.code == 250, "{}", reply.text());
    smtp.quit().await
}

pub(crate) async fn login(node: &Node, account: &str) -> Result<ImapClient> {
    ImapClient::login(node.imap()?, account, PASSWORD).await
}

/// The subjects of all messages of INBOX.
async fn subjects(node: &Node, account: &str) -> Result<Vec<String>> {
    let mut imap = login(node, account).await?;
    let count = imap.select("INBOX").await?;
    if count == 0 {
        return Ok(Vec::new());
    }
    let mut subjects = Vec::new();
    for answer in imap.command("FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])").await? {
        let header = testkit::literal(&answer).context("no literal")?;
        let text = String::from_utf8_lossy(&header).into_owned();
        subjects.push(text.trim().strip_prefix("Subject: ").context(text.clone())?.to_owned());
    }
    ensure!(subjects.len() == count as usize, "{count} EXISTS, {} fetched", subjects.len());
    imap.logout().await?;
    Ok(subjects)
}

/// A new IDLE session on INBOX: the client, the tag, how many messages there are.
pub(crate) async fn idle(node: &Node, account: &str) -> Result<(ImapClient, String, u32)> {
    let mut imap = login(node, account).await?;
    let count = imap.select("INBOX").await?;
    let tag = imap.idle().await?;
    Ok((imap, tag, count))
}

/// Waits in IDLE until INBOX has this many messages.
async fn exists(imap: &mut ImapClient, count: u32) -> Result<()> {
    let wanted = format!("* {count} EXISTS");
    let notice = imap.notice(Duration::from_secs(90), |answer| answer == wanted.as_bytes()).await;
    notice.with_context(|| wanted.clone()).map(|_| ())
}
