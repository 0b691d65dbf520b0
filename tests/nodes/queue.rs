//! Mail that leaves: real nodes, a sink that can be as bad as the Internet, DNS of our own.

mod basic;
mod ends;
mod home;
mod hostile;
mod limits;
mod metrics;
mod safety;
mod storm;

use super::with_cluster;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use testkit::dns::Dns;
use testkit::sink::{Sink, SinkOptions};
use testkit::{Cluster, ClusterOptions, Node, PASSWORD, SmtpClient, postrider, until};

/// The world outside: a sink, and a DNS in which every domain under `.out` takes mail there.
struct Outside {
    sink: Sink,
    dns: Dns,
}

impl Outside {
    async fn new() -> Result<Self> {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut SinkOptions)) -> Result<Self> {
        let mut options = SinkOptions::default();
        change(&mut options);
        let sink = Sink::start(options).await?;
        let host = |domain: &str| domain.ends_with(".out").then_some(Ipv4Addr::LOCALHOST);
        Ok(Self { sink, dns: Dns::mail_domains(host).await? })
    }

    /// What makes nodes send there, and try again within seconds.
    fn options(&self) -> ClusterOptions {
        let mut options = ClusterOptions::default();
        let settings = &mut options.settings;
        let mut set = |path: &str, value: toml::Value| settings.push((path.to_owned(), value));
        set("resolve.servers", vec![self.dns.address().to_string()].into());
        set("resolve.ipv6", false.into());
        set("delivery.port", i64::from(self.sink.address().port()).into());
        set("delivery.allow_loopback", true.into());
        set("delivery.hostname", "mx.test".into());
        set("queue.retry_first_seconds", 1.into());
        set("queue.retry_longest_seconds", 4.into());
        set("limits.drain_seconds", 2.into());
        options
    }
}

/// A user's client, logged in to submission.
async fn submitter(node: &Node, account: &str) -> Result<SmtpClient> {
    submitter_at(node.submission()?, account).await
}

async fn submitter_at(address: SocketAddr, account: &str) -> Result<SmtpClient> {
    let mut client = SmtpClient::connect(address).await?;
    client.ehlo().await?;
    client.start_tls().await?;
    let reply = client.auth_plain(account, PASSWORD).await?;
    ensure!(reply.code == 235, "{}", reply.text());
    Ok(client)
}

/// Submits one message.
async fn submit(node: &Node, from: &str, to: &[&str], id: &str) -> Result<()> {
    let mut client = submitter(node, from).await?;
    let reply = client.send_mail(from, to, &super::message(id, 800)).await?;
    ensure!(reply.code == 250, "{}", reply.text());
    client.quit().await
}

/// How often each Message-ID arrived.
fn arrived(sink: &Sink) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for arrival in sink.arrivals() {
        let id = arrival.message_id.split('@').next().unwrap_or_default().to_owned();
        *count.entry(id).or_default() += 1;
    }
    count
}

/// Waits until nothing is queued any more.
async fn emptied(cluster: &Cluster) -> Result<()> {
    let client = cluster.database.client().await?;
    until("the queue is empty", async || {
        let rows = client.query_one("SELECT count(*) FROM queue_recipient", &[]).await.ok()?;
        (rows.get::<_, i64>(0) == 0).then_some(())
    })
    .await
}

/// Waits until some rows are owned.
async fn owned(cluster: &Cluster, at_least: i64) -> Result<()> {
    let client = cluster.database.client().await?;
    let query = "SELECT count(*) FROM queue_recipient WHERE state = 2";
    until("somebody works on it", async || {
        let rows = client.query_one(query, &[]).await.ok()?;
        (rows.get::<_, i64>(0) >= at_least).then_some(())
    })
    .await
}

/// The bodies of the messages of INBOX.
async fn inbox(node: &Node, account: &str) -> Result<Vec<String>> {
    let mut imap = super::login(node, account).await?;
    if imap.select("INBOX").await? == 0 {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    for answer in imap.command("FETCH 1:* BODY.PEEK[]").await? {
        let body = testkit::literal(&answer).context("no literal")?;
        all.push(String::from_utf8_lossy(&body).into_owned());
    }
    imap.logout().await?;
    Ok(all)
}

/// The node that owns rows.
async fn owner(cluster: &Cluster) -> Result<String> {
    let client = cluster.database.client().await?;
    let row = client.query_one("SELECT owner FROM queue_recipient WHERE state = 2 LIMIT 1", &[]);
    Ok(types::Incarnation(row.await?.get(0)).to_string())
}

/// An operator's command, as JSON.
fn queue(cluster: &Cluster, command: &[&str]) -> Result<serde_json::Value> {
    let file = cluster.config_file()?;
    let mut all = command.to_vec();
    all.extend(["--json", "--config", &file]);
    Ok(serde_json::from_str(&postrider(&all, "")?)?)
}
