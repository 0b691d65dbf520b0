//! The lock of a maildrop is one for all nodes, and falls with whoever holds it.

use crate::nodes::{idle, login, send, with_cluster};
use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};
use testkit::{Cluster, ClusterOptions, Node, PASSWORD, Pop3Client, until};

/// A lease, and what it takes to notice.
const LEASE: Duration = Duration::from_secs(store::maildrop::MAILDROP_LEASE_SECONDS as u64 + 3);

async fn open(node: &Node, account: &str) -> Result<Pop3Client> {
    Pop3Client::login(node.pop3s()?, account, PASSWORD).await
}

/// Tries until the maildrop is free.
async fn open_soon(node: &Node, account: &str) -> Result<Pop3Client> {
    let opened = until("the maildrop to be free", async || match open(node, account).await {
        Err(error) if format!("{error:#}").contains("[IN-USE]") => None,
        other => Some(other),
    });
    opened.await?
}

async fn in_use(node: &Node, account: &str) -> Result<()> {
    let error = open(node, account).await.err().context("the maildrop was free")?;
    ensure!(format!("{error:#}").starts_with("-ERR [IN-USE]"), "{error:#}");
    Ok(())
}

/// How many messages IMAP finds.
async fn count(node: &Node, account: &str) -> Result<u32> {
    let mut imap = login(node, account).await?;
    let count = imap.select("INBOX").await?;
    imap.logout().await?;
    Ok(count)
}

async fn locks(cluster: &Cluster) -> Result<i64> {
    let client = cluster.database.client().await?;
    Ok(client.query_one("SELECT count(*) FROM maildrop_lock", &[]).await?.get(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_end_of_a_session_gives_the_maildrop_back_and_only_quit_removes() -> Result<()> {
    let options = ClusterOptions {
        settings: vec![("limits.drain_seconds".into(), 1.into())],
        ..Default::default()
    };
    with_cluster(2, options, async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        for n in 0..3 {
            send(&cluster.nodes[0], &anna, &format!("m{n}")).await?;
        }
        // The client vanishes.
        let mut pop = open(&cluster.nodes[0], &anna).await?;
        pop.ok("DELE 1").await?;
        in_use(&cluster.nodes[1], &anna).await?;
        in_use(&cluster.nodes[0], &anna).await?;
        drop(pop);
        let mut pop = open_soon(&cluster.nodes[1], &anna).await?;
        ensure!(pop.ok("STAT").await?.starts_with("3 "));
        // QUIT, and at once again: nothing is in the way.
        pop.ok("DELE 2").await?;
        pop.quit().await?;
        ensure!(locks(cluster).await? == 0);
        // The node drains: whoever has not said QUIT keeps everything.
        let mut pop = open(&cluster.nodes[0], &anna).await?;
        ensure!(pop.ok("STAT").await?.starts_with("2 "));
        pop.ok("DELE 1").await?;
        let mut first = cluster.nodes.remove(0);
        let ended = tokio::task::spawn_blocking(move || first.terminate());
        let said = pop.line().await?;
        ensure!(said.starts_with("-ERR [SYS/TEMP]"), "{said}");
        ensure!(ended.await??.success());
        ensure!(locks(cluster).await? == 0, "given back before the node ended");
        let mut pop = open(&cluster.nodes[0], &anna).await?;
        ensure!(pop.ok("STAT").await?.starts_with("2 "));
        pop.quit().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lock_of_a_killed_node_falls_within_its_lease() -> Result<()> {
    with_cluster(2, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        for n in 0..2 {
            send(&cluster.nodes[0], &anna, &format!("m{n}")).await?;
        }
        let mut pop = open(&cluster.nodes[0], &anna).await?;
        pop.ok("DELE 1").await?;
        // As long as it lives the lock is renewed.
        tokio::time::sleep(LEASE).await;
        in_use(&cluster.nodes[1], &anna).await?;
        cluster.nodes[0].kill();
        let killed = Instant::now();
        in_use(&cluster.nodes[1], &anna).await?;
        let mut pop = open_soon(&cluster.nodes[1], &anna).await?;
        println!("the maildrop was free {:.1?} after its node was killed", killed.elapsed());
        ensure!(killed.elapsed() < LEASE, "{:?}", killed.elapsed());
        ensure!(pop.ok("STAT").await?.starts_with("2 "));
        pop.quit().await?;
        cluster.nodes.remove(0);
        Ok(())
    })
    .await
}

/// A node that slept for longer than the lease wakes up with QUIT in its hands: what it was to remove is another
/// session's by now, or was, and stays.
#[tokio::test(flavor = "multi_thread")]
async fn who_lost_the_lock_removes_nothing() -> Result<()> {
    with_cluster(2, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let (anna, bert) = (cluster.account("anna")?, cluster.account("bert")?);
        for n in 0..3 {
            send(&cluster.nodes[0], &anna, &format!("a{n}")).await?;
            send(&cluster.nodes[0], &bert, &format!("b{n}")).await?;
        }
        let mut sleepers = Vec::new();
        for account in [&anna, &bert] {
            let mut pop = open(&cluster.nodes[0], account).await?;
            pop.ok("DELE 1").await?;
            pop.ok("DELE 2").await?;
            sleepers.push(pop);
        }
        // A third waits and says nothing: it is told that its lock is lost.
        let carl = cluster.account("carl")?;
        let mut silent = open(&cluster.nodes[0], &carl).await?;
        cluster.nodes[0].daemon().pause();
        for pop in &mut sleepers {
            pop.stream.send(b"QUIT\r\n").await?;
        }
        // Anna's other session holds on; Bert's comes and goes, so that no lock is there at all.
        let mut held = open_soon(&cluster.nodes[1], &anna).await?;
        let mut gone = open_soon(&cluster.nodes[1], &bert).await?;
        ensure!(gone.ok("STAT").await?.starts_with("3 "));
        gone.ok("DELE 3").await?;
        gone.quit().await?;
        let taken = open_soon(&cluster.nodes[1], &carl).await?;
        cluster.nodes[0].daemon().resume();
        for pop in &mut sleepers {
            // A process that stood still may have missed PostgreSQL's answer: then it does not know, and says so.
            let said = pop.line().await?;
            let honest = ["-ERR [IN-USE]", "-ERR [SYS/TEMP]"];
            ensure!(honest.iter().any(|start| said.starts_with(start)), "{said}");
            pop.stream.expect_close().await?;
        }
        let said = silent.line().await?;
        ensure!(said.starts_with("-ERR [IN-USE]"), "{said}");
        silent.stream.expect_close().await?;
        ensure!(held.ok("STAT").await?.starts_with("3 "));
        held.ok("RETR 1").await?;
        ensure!(count(&cluster.nodes[0], &anna).await? == 3);
        ensure!(count(&cluster.nodes[0], &bert).await? == 2, "what the other session removed");
        drop((held, taken));
        Ok(())
    })
    .await
}

/// A hundred sessions at once for one maildrop: one has it, whoever removes, removes each message once, and an IMAP
/// session on another node sees each go.
#[tokio::test(flavor = "multi_thread")]
async fn many_at_once() -> Result<()> {
    with_cluster(2, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        for n in 0..10 {
            send(&cluster.nodes[n % 2], &anna, &format!("m{n}")).await?;
        }
        let (mut imap, _, there) = idle(&cluster.nodes[1], &anna).await?;
        ensure!(there == 10);
        let nodes = &cluster.nodes;
        let remove_one = async |n: usize| {
            loop {
                let Ok(mut pop) = open(&nodes[n % 2], &anna).await else {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                };
                let drop_listing = pop.ok("STAT").await?;
                let left = drop_listing.split(' ').next().context("STAT")?.parse::<u32>()?;
                pop.ok("DELE 1").await?;
                pop.quit().await?;
                return anyhow::Ok(left);
            }
        };
        let all = futures::future::join_all((0..10).map(remove_one)).await;
        let mut seen: Vec<u32> = Vec::new();
        for left in all {
            seen.push(left?);
        }
        seen.sort_unstable();
        ensure!(seen == (1..=10).collect::<Vec<u32>>(), "{seen:?}");
        for _ in 0..10 {
            imap.notice(Duration::from_secs(30), |answer| answer.ends_with(b" EXPUNGE")).await?;
        }
        ensure!(count(&cluster.nodes[0], &anna).await? == 0);
        ensure!(locks(cluster).await? == 0);
        Ok(())
    })
    .await
}

/// Dependencies go away while a session is there: it stays, commands that need them are answered, and nothing is
/// removed that was not said to be.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_outlives_an_outage() -> Result<()> {
    let options = ClusterOptions {
        own_postgres: Some(testkit::PostgresOptions::default()),
        settings: vec![("blob.cache_mib".into(), 0.into())],
    };
    with_cluster(1, options, async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        for n in 0..2 {
            send(&cluster.nodes[0], &anna, &format!("m{n}")).await?;
        }
        let mut pop = open(&cluster.nodes[0], &anna).await?;
        cluster.s3.kill();
        let said = pop.command("RETR 1").await?;
        ensure!(said.starts_with("-ERR [SYS/TEMP]"), "{said}");
        pop.ok("LIST 2").await?;
        cluster.s3.up()?;
        until("messages to be read again", async || {
            let said = pop.lines("RETR 1").await;
            said.ok()
        })
        .await?;
        pop.ok("DELE 1").await?;
        cluster.database.postgres().pause()?;
        let said = pop.command("NOOP").await?;
        ensure!(said.starts_with("+OK"), "{said}");
        let said = pop.command("QUIT").await?;
        ensure!(said.starts_with("-ERR [SYS/TEMP]"), "{said}");
        cluster.database.postgres().resume()?;
        let mut pop = open_soon(&cluster.nodes[0], &anna).await?;
        let left = pop.ok("STAT").await?;
        println!("after an outage at QUIT: {said}, then {left}");
        ensure!(
            left.starts_with("2 ") || (left.starts_with("1 ") && said.contains("not known")),
            "{left}"
        );
        pop.quit().await
    })
    .await
}
