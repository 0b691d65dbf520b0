//! Nodes, PostgreSQL and S3 die, stop and come back. What was answered with 250 is there, once.

use super::{exists, idle, login, message, own_postgres, send, subjects, with_cluster};
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;
use testkit::{Cluster, ClusterOptions, SmtpClient, until};
use tokio::sync::watch;

/// What became of the mails of a load: by subject.
#[derive(Debug, Default)]
struct Sent {
    /// 250.
    accepted: BTreeSet<String>,
    /// 4yz or 5yz.
    refused: BTreeMap<String, String>,
    /// The connection went away first: nobody promised anything.
    open: BTreeSet<String>,
}

/// Sends mail after mail over one connection (a new one when it breaks) until told to stop.
async fn load(
    name: &str,
    smtp: impl Fn() -> SocketAddr,
    to: &[&str],
    mut stop: watch::Receiver<bool>,
) -> Sent {
    let mut sent = Sent::default();
    let mut connection: Option<SmtpClient> = None;
    let mut number = 0;
    while !*stop.borrow_and_update() {
        let client = match connection.take() {
            Some(client) => client,
            None => match connect(smtp()).await {
                Ok(client) => client,
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            },
        };
        let mut client = client;
        number += 1;
        let id = format!("{name}-{number}");
        match client.send_mail("sender@elsewhere.test", to, &message(&id, 3_000)).await {
            Ok(reply) if reply.code == 250 => {
                sent.accepted.insert(id);
                connection = Some(client);
            }
            Ok(reply) => {
                sent.refused.insert(id, reply.text());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(_) => {
                sent.open.insert(id);
            }
        }
    }
    sent
}

async fn connect(address: SocketAddr) -> Result<SmtpClient> {
    let mut client = SmtpClient::connect(address).await?;
    client.ehlo().await?;
    Ok(client)
}

/// Everything accepted is there once, nothing refused is, and what is open at most once. Deliveries that wait in
/// the queue are waited for.
async fn settle(cluster: &Cluster, node: usize, account: &str, sent: &[Sent]) -> Result<()> {
    let client = cluster.database.client().await?;
    until("the local queue is empty", async || {
        let rows = client.query_one("SELECT count(*) FROM queue_recipient", &[]).await.ok()?;
        (rows.get::<_, i64>(0) == 0).then_some(())
    })
    .await?;
    let there = subjects(&cluster.nodes[node], account).await?;
    let once: BTreeSet<&String> = there.iter().collect();
    ensure!(once.len() == there.len(), "something came twice: {there:?}");
    for sent in sent {
        for id in &sent.accepted {
            ensure!(once.contains(id), "{id} was accepted and is lost");
        }
        for (id, reply) in &sent.refused {
            ensure!(!once.contains(id), "{id} was refused ({reply}) and is there");
        }
    }
    Ok(())
}

fn tell(what: &str, sent: &[Sent]) {
    let count = |of: fn(&Sent) -> usize| sent.iter().map(of).sum::<usize>();
    let (accepted, refused, open) =
        (count(|s| s.accepted.len()), count(|s| s.refused.len()), count(|s| s.open.len()));
    println!("{what}: {accepted} accepted, {refused} refused, {open} open");
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_of_a_node_loses_nothing() -> Result<()> {
    with_cluster(2, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let (anna, bert) = (cluster.account("anna")?, cluster.account("bert")?);
        let (mut imap, _, _) = idle(&cluster.nodes[1], &anna).await?;
        let (stop, stopped) = watch::channel(false);
        let mut sent = Vec::new();
        for round in 0..3 {
            let address = cluster.nodes[0].smtp()?;
            let to = [anna.as_str(), bert.as_str()];
            let names: Vec<String> = (0..4).map(|n| format!("r{round}c{n}")).collect();
            let loads = names.iter().map(|name| load(name, || address, &to, stopped.clone()));
            let kill = async {
                tokio::time::sleep(Duration::from_millis(700)).await;
                cluster.nodes[0].kill();
                tokio::time::sleep(Duration::from_millis(50)).await;
                stop.send_replace(true);
            };
            let (done, ()) = tokio::join!(futures::future::join_all(loads), kill);
            sent.extend(done);
            stop.send_replace(false);
            cluster.nodes[0] = testkit::Node::start(&cluster.config)?;
        }
        tell("kill -9 under load", &sent);
        ensure!(sent.iter().map(|sent| sent.accepted.len()).sum::<usize>() > 10);
        settle(cluster, 1, &anna, &sent).await?;
        settle(cluster, 0, &bert, &sent).await?;
        let count = u32::try_from(subjects(&cluster.nodes[0], &anna).await?.len())?;
        exists(&mut imap, count).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_restarts_crashes_and_pauses() -> Result<()> {
    with_cluster(2, own_postgres(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let (mut imap, tag, _) = idle(&cluster.nodes[1], &anna).await?;
        let (stop, stopped) = watch::channel(false);
        let address = cluster.nodes[0].smtp()?;
        let postgres = std::sync::Arc::clone(cluster.database.postgres());
        let to = [anna.as_str()];
        let loads = ["a", "b"].map(|name| load(name, || address, &to, stopped.clone()));
        let faults = async {
            let pause = || tokio::time::sleep(Duration::from_millis(700));
            pause().await;
            postgres.restart().await?;
            pause().await;
            postgres.kill();
            pause().await;
            postgres.up().await?;
            pause().await;
            postgres.pause()?;
            tokio::time::sleep(Duration::from_secs(3)).await;
            postgres.resume()?;
            // Accepted again by itself.
            until("a mail after all that", async || {
                send(&cluster.nodes[1], &anna, "afterwards").await.ok()
            })
            .await?;
            anyhow::Ok(())
        };
        let faults = async {
            let done = faults.await;
            stop.send_replace(true);
            done
        };
        let (sent, faults) = tokio::join!(futures::future::join_all(loads), faults);
        faults?;
        tell("PostgreSQL restarted, crashed, paused", &sent);
        ensure!(sent.iter().map(|sent| sent.accepted.len()).sum::<usize>() > 10);
        for reply in sent.iter().flat_map(|sent| sent.refused.values()) {
            ensure!(reply.starts_with('4'), "a temporary trouble: {reply}");
        }
        settle(cluster, 0, &anna, &sent).await?;
        // The session that idled all the while is still there and knows it all.
        let count = u32::try_from(subjects(&cluster.nodes[0], &anna).await?.len())?;
        exists(&mut imap, count).await?;
        imap.done(&tag).await.map(|_| ())
    })
    .await
}

/// Commands meanwhile are answered NO, and the session stays.
#[tokio::test(flavor = "multi_thread")]
async fn imap_sessions_outlive_postgresql() -> Result<()> {
    with_cluster(1, own_postgres(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        send(&cluster.nodes[0], &anna, "one").await?;
        let mut imap = login(&cluster.nodes[0], &anna).await?;
        imap.select("INBOX").await?;
        cluster.database.postgres().stop()?;
        let (_, end) = imap.try_command("STORE 1 +FLAGS (\\Seen)").await?;
        ensure!(end.starts_with("NO [UNAVAILABLE]"), "{end}");
        let (_, end) = imap.try_command("STATUS Archive (MESSAGES)").await?;
        ensure!(end.starts_with("NO [UNAVAILABLE]"), "{end}");
        let (_, end) = imap.try_command("NOOP").await?;
        ensure!(end.starts_with("OK") || end.starts_with("NO [UNAVAILABLE]"), "{end}");
        let mut other = testkit::ImapClient::connect(cluster.nodes[0].imap()?).await?;
        other.command("STARTTLS").await?;
        other.stream.start_tls().await?;
        let (_, end) = other.try_command(&format!("LOGIN {anna} \"wrong or right\"")).await?;
        ensure!(end.starts_with("NO [UNAVAILABLE]"), "nobody can know: {end}");
        cluster.database.postgres().up().await?;
        until("a STORE", async || {
            let (_, end) = imap.try_command("STORE 1 +FLAGS (\\Seen)").await.ok()?;
            end.starts_with("OK").then_some(())
        })
        .await?;
        imap.logout().await
    })
    .await
}

/// S3 gone: 451, never 250; lists and flags go on; bodies are refused; and all of it comes back by itself.
#[tokio::test(flavor = "multi_thread")]
async fn s3_goes_and_comes_back() -> Result<()> {
    let options = ClusterOptions {
        // No cache, or bodies read before would still be there.
        settings: vec![
            ("blob.timeout_ms".into(), 1_000.into()),
            ("blob.cache_mib".into(), 0.into()),
        ],
        ..Default::default()
    };
    with_cluster(1, options, async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        send(&cluster.nodes[0], &anna, "before").await?;
        let mut imap = login(&cluster.nodes[0], &anna).await?;
        imap.select("INBOX").await?;
        let mut accepted = 1;
        for fault in ["killed", "paused"] {
            match fault {
                "killed" => cluster.s3.kill(),
                _ => cluster.s3.daemon()?.pause(),
            }
            // After DATA as long as nobody knows, at MAIL once the breaker does.
            let mut at = BTreeSet::new();
            for n in 0..12 {
                let mut smtp = connect(cluster.nodes[0].smtp()?).await?;
                let mail = smtp.command("MAIL FROM:<sender@elsewhere.test>").await?;
                if !mail.is_ok() {
                    ensure!(mail.code == 451, "{fault}: {}", mail.text());
                    at.insert("MAIL");
                    break;
                }
                smtp.command("RSET").await?;
                let id = format!("{fault}{n}");
                let mail = message(&id, 200 + n * 40_000);
                let reply = smtp.send_mail("sender@elsewhere.test", &[&anna], &mail).await?;
                ensure!(reply.code == 451, "{fault}: {}", reply.text());
                at.insert("DATA");
            }
            ensure!(at.len() == 2, "{fault}: refused at {at:?}");
            let listed = imap.command("FETCH 1 (FLAGS ENVELOPE BODYSTRUCTURE RFC822.SIZE)").await?;
            ensure!(listed.len() == 1, "lists come from PostgreSQL alone");
            imap.command("STORE 1 +FLAGS (\\Flagged)").await?;
            let (_, end) = imap.try_command("FETCH 1 BODY.PEEK[]").await?;
            ensure!(end.starts_with("NO [UNAVAILABLE]"), "{fault}: {end}");
            let end = imap.append("INBOX", "", &message("appended", 300)).await?;
            ensure!(end.starts_with("NO [UNAVAILABLE]"), "{fault}: {end}");
            match fault {
                "killed" => cluster.s3.up()?,
                _ => cluster.s3.daemon()?.resume(),
            }
            until("mail is taken again", async || {
                send(&cluster.nodes[0], &anna, &format!("after {fault}")).await.ok()
            })
            .await?;
            accepted += 1;
            let body = imap.command("FETCH 1 BODY.PEEK[]").await?;
            let body = testkit::literal(&body[0]).context("no literal")?;
            ensure!(body.windows(6).any(|word| word == b"before"));
        }
        ensure!(subjects(&cluster.nodes[0], &anna).await?.len() == accepted);
        Ok(())
    })
    .await
}
