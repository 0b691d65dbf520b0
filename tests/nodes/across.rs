//! What happens on one node is seen on the other.

use super::{exists, idle, login, message, send, with_cluster};
use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};
use testkit::{Cluster, ClusterOptions, SmtpClient, until};

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at =
        |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
    format!("p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms", at(0.5), at(0.99), at(1.0))
}

/// The second point: SMTP to A, EXISTS in IDLE on B.
#[tokio::test(flavor = "multi_thread")]
async fn mail_to_one_node_is_told_in_idle_on_the_other() -> Result<()> {
    with_cluster(2, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let [a, b] = &cluster.nodes[..] else { unreachable!() };
        let (mut imap, tag, _) = idle(b, &anna).await?;
        let mut smtp = SmtpClient::connect(a.smtp()?).await?;
        smtp.ehlo().await?;
        let (mut since_sent, mut since_answered) = (Vec::new(), Vec::new());
        for n in 1..=200u32 {
            let mail = message(&format!("m{n}"), 2_000);
            let sent = Instant::now();
            let reply = smtp.send_mail("sender@elsewhere.test", &[&anna], &mail).await?;
            ensure!(reply.code == 250, "{}", reply.text());
            let answered = Instant::now();
            exists(&mut imap, n).await?;
            since_sent.push(sent.elapsed());
            since_answered.push(answered.elapsed());
        }
        println!("SMTP to A, EXISTS in IDLE on B, 200 deliveries, debug build:");
        println!("  from MAIL:     {}", percentiles(since_sent));
        println!("  from the 250:  {}", percentiles(since_answered));
        imap.done(&tag).await?;
        imap.logout().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_and_expunges_travel() -> Result<()> {
    with_cluster(2, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let [a, b] = &cluster.nodes[..] else { unreachable!() };
        for n in 1..=5 {
            send(a, &anna, &format!("m{n}")).await?;
        }
        let (mut watcher, tag, count) = idle(b, &anna).await?;
        assert_eq!(count, 5);
        let patience = Duration::from_secs(60);
        let mut imap = login(a, &anna).await?;
        imap.select("INBOX").await?;
        imap.command("STORE 2 +FLAGS (\\Flagged $Later)").await?;
        let told = watcher.notice(patience, |answer| answer.starts_with(b"* 2 FETCH")).await?;
        let told = String::from_utf8_lossy(&told).into_owned();
        ensure!(told.contains("\\Flagged") && told.contains("$Later"), "{told}");
        imap.command("STORE 3,5 +FLAGS.SILENT (\\Deleted)").await?;
        watcher.notice(patience, |answer| answer.starts_with(b"* 5 FETCH")).await?;
        imap.command("EXPUNGE").await?;
        let mut gone = Vec::new();
        while gone.len() < 2 {
            let notice = watcher.notice(patience, |answer| answer.ends_with(b" EXPUNGE")).await?;
            gone.push(String::from_utf8_lossy(&notice).into_owned());
        }
        assert!(
            gone == ["* 5 EXPUNGE", "* 3 EXPUNGE"] || gone == ["* 3 EXPUNGE", "* 4 EXPUNGE"],
            "{gone:?}"
        );
        // A move to another mailbox is an expunge here and a message there.
        imap.command("MOVE 1 Archive").await?;
        watcher.notice(patience, |answer| answer == b"* 1 EXPUNGE").await?;
        watcher.done(&tag).await?;
        assert_eq!(watcher.select("Archive").await?, 1);
        // And an APPEND on the one is seen on the other.
        let tag = watcher.idle().await?;
        let end = imap.append("Archive", "(\\Seen) ", &message("appended", 100)).await?;
        ensure!(end.starts_with("OK [APPENDUID"), "{end}");
        exists(&mut watcher, 2).await?;
        watcher.done(&tag).await?;
        Ok(())
    })
    .await
}

/// Redis may be stopped, paused, flushed or cut off: it costs latency and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_redis_mail_is_told() -> Result<()> {
    with_cluster(2, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let (mut imap, tag, _) = idle(&cluster.nodes[1], &anna).await?;
        let mut count = 0;
        for what in
            ["up", "killed", "up again", "paused", "resumed", "flushed", "killed", "up again"]
        {
            match what {
                "killed" => cluster.redis.kill(),
                "up again" => cluster.redis.up().await?,
                "paused" => cluster.redis.daemon()?.pause(),
                "resumed" => cluster.redis.daemon()?.resume(),
                "flushed" => cluster.redis.command("FLUSHALL").await.map(|_| ())?,
                _ => {}
            }
            let mut times = Vec::new();
            for _ in 0..3 {
                count += 1;
                send(&cluster.nodes[0], &anna, &format!("m{count}")).await?;
                let answered = Instant::now();
                exists(&mut imap, count).await?;
                times.push(answered.elapsed());
            }
            println!("Redis {what:<10} told after {times:.0?}");
        }
        // Hints are back without a restart: B's subscription stands again in Redis.
        until("the subscription", async || {
            let channels = cluster.redis.command("PUBSUB SHARDCHANNELS").await.ok()?;
            (channels != "*0").then_some(())
        })
        .await?;
        // And presence too.
        until("both nodes show themselves", async || {
            let nodes = cluster.redis.command("SCARD test:nodes").await.ok()?;
            (nodes == ":2").then_some(())
        })
        .await?;
        imap.done(&tag).await?;
        for node in &cluster.nodes {
            let (status, body) = node.get("/readyz").await?;
            ensure!(status == 200, "{status} {body}");
        }
        Ok(())
    })
    .await
}

/// While Redis is gone a node stays ready: all would leave the balancer together otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn health_tells_of_dependencies_and_stays_ready() -> Result<()> {
    with_cluster(1, super::own_postgres(), async |cluster: &mut Cluster| {
        let (status, _) = cluster.nodes[0].get("/livez").await?;
        assert_eq!(status, 200);
        // Which dependencies do not answer; the node itself is ready all the while.
        let away = async |cluster: &Cluster, wanted: &[&str]| {
            until(&format!("{wanted:?} are away"), async || {
                let (status, body) = cluster.nodes[0].get("/readyz").await.ok()?;
                assert_eq!(status, 200, "{body}");
                let body: serde_json::Value = serde_json::from_str(&body).ok()?;
                let all = body["dependencies"].as_object()?;
                assert_eq!(all.len(), 3, "{body}");
                let away = all.iter().filter(|(_, seen)| seen["ok"] == false);
                away.map(|(name, _)| name.as_str()).eq(wanted.iter().copied()).then_some(())
            })
            .await
        };
        away(cluster, &[]).await?;
        cluster.redis.kill();
        away(cluster, &["coordinator"]).await?;
        cluster.redis.up().await?;
        away(cluster, &[]).await?;
        cluster.database.postgres().stop()?;
        away(cluster, &["postgres"]).await?;
        cluster.database.postgres().up().await?;
        away(cluster, &[]).await?;
        cluster.s3.kill();
        away(cluster, &["blob"]).await?;
        cluster.s3.up()?;
        away(cluster, &[]).await?;
        let (status, metrics) = cluster.nodes[0].get("/metrics").await?;
        assert_eq!(status, 200);
        metrics.lines().find(|line| line.starts_with("postrider_")).context("no metrics")?;
        Ok(())
    })
    .await
}
