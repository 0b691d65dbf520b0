//! Mail in the queue whose destination is ours after all, and mail that would come back to us.

use super::*;
use std::time::Duration;
use testkit::dns::{Answer, Kind};
use testkit::sink::{Effect, Moment, Rule};

/// Waits until so many messages are in INBOX, and gives them.
async fn arrived_at(node: &Node, account: &str, count: usize) -> Result<Vec<String>> {
    until("it is in the mailbox", async || {
        let found = inbox(node, account).await.ok()?;
        (found.len() >= count).then_some(found)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_redirected_here_is_delivered_here() -> Result<()> {
    let outside = Outside::new().await?;
    with_cluster(2, outside.options(), async |cluster: &mut Cluster| {
        let (anna, ben) = (cluster.account("anna")?, cluster.account("ben")?);
        let file = cluster.config_file()?;
        for account in [&anna, &ben] {
            postrider(&["alias", "add", "both@example.test", account, "--config", &file], "")?;
        }
        queue(cluster, &["queue", "pause", "--domain", "far.out"])?;
        for (id, to) in [("one", "x@far.out"), ("two", "y@far.out")] {
            submit(&cluster.nodes[0], &anna, &[to], id).await?;
        }
        let listed = queue(cluster, &["queue", "list", "--domain", "far.out"])?;
        let number = |at: usize| listed[at]["id"].to_string();
        for wrong in [["--to", "nobody@example.test"], ["--via", "example.test"]] {
            let first = number(0);
            let command = [&["queue", "redirect", &first], &wrong[..]].concat();
            ensure!(queue(cluster, &command).is_err(), "{wrong:?}");
        }
        queue(cluster, &["queue", "redirect", &number(0), "--to", &ben])?;
        let found = arrived_at(&cluster.nodes[1], &ben, 1).await?;
        ensure!(found[0].contains("Subject: one") && found[0].contains("Return-Path: <anna@"));
        // An alias with two accounts: a copy for each.
        queue(cluster, &["queue", "redirect", &number(1), "--to", "both@example.test"])?;
        arrived_at(&cluster.nodes[0], &ben, 2).await?;
        arrived_at(&cluster.nodes[0], &anna, 1).await?;
        emptied(cluster).await?;
        assert_eq!(outside.sink.connections(outside.sink.address()).total, 0);
        let text = listed[0]["queue"].as_str().context("an id")?.to_owned();
        let shown = postrider(&["queue", "show", &text, "--config", &file], "")?;
        ensure!(shown.contains("its domain is ours: delivered here"), "{shown}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_becomes_ours_gets_what_waits_for_it() -> Result<()> {
    let outside = Outside::new().await?;
    let later = Effect::Reply("451 4.7.1 come back later".into());
    outside.sink.rule(Rule::new(Moment::Rcpt, "*", later));
    let mut options = outside.options();
    options.settings.push(("queue.retry_first_seconds".into(), 4.into()));
    with_cluster(2, options, async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        submit(&cluster.nodes[0], &anna, &["carl@late.out", "nobody@late.out"], "one").await?;
        until("it was tried", async || {
            let rows = queue(cluster, &["queue", "list", "--state", "waiting"]).ok()?;
            (rows.as_array()?.len() == 2).then_some(())
        })
        .await?;
        let file = cluster.config_file()?;
        postrider(&["domain", "add", "late.out", "--config", &file], "")?;
        let add = ["account", "add", "--config", &file, "--password-stdin", "carl@late.out"];
        postrider(&add, &format!("{PASSWORD}\n"))?;
        arrived_at(&cluster.nodes[1], "carl@late.out", 1).await?;
        // Who has no mailbox yet may get one: it waits.
        let waits = until("the other was looked at", async || {
            let rows = queue(cluster, &["queue", "list"]).ok()?;
            let seen = rows[0]["last"].as_str()?.contains("no such user");
            seen.then_some(rows)
        });
        let waits = waits.await?;
        assert_eq!((&waits[0]["state"], &waits[1]), (&"waiting".into(), &serde_json::Value::Null));
        assert_eq!(outside.sink.count(), 0);
        queue(cluster, &["queue", "cancel", "--all"])?;
        Ok(())
    })
    .await
}

/// "it MUST NOT … deliver … to itself" (RFC 5321 §5.1), and Received fields are counted (§6.3).
#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_back_to_us() -> Result<()> {
    let sink = Sink::start(SinkOptions::default()).await?;
    let dns = Dns::start(|name, kind| match (name, kind) {
        ("loop.out", Kind::Mx) => {
            Answer::Mx(vec![(10, "MX.test".into()), (20, "worse.out".into())])
        }
        ("backup.out", Kind::Mx) => {
            Answer::Mx(vec![(10, "best.out".into()), (20, "mx.test".into())])
        }
        (_, Kind::A) => Answer::A(vec![Ipv4Addr::LOCALHOST]),
        _ => Answer::NoData,
    });
    let outside = Outside { sink, dns: dns.await? };
    with_cluster(1, outside.options(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let node = &cluster.nodes[0];
        submit(node, &anna, &["x@loop.out", "y@backup.out"], "one").await?;
        outside.sink.wait_for(1, Duration::from_secs(30)).await?;
        emptied(cluster).await?;
        let reports = arrived_at(node, &anna, 1).await?;
        for wanted in ["Final-Recipient: rfc822; x@loop.out", "Status: 5.4.6", "Action: failed"] {
            ensure!(reports[0].contains(wanted), "{wanted}: {}", reports[0]);
        }
        assert_eq!(outside.sink.count(), 1, "only what is nearer than we are");
        // It has been through too many servers.
        let hop = "Received: from a by b; Tue, 24 Nov 2026 10:00:00 +0000\r\n";
        let looping = [hop.repeat(101).as_bytes(), &super::super::message("two", 300)].concat();
        let mut client = submitter(node, &anna).await?;
        let reply = client.send_mail(&anna, &["x@backup.out"], &looping).await?;
        ensure!(reply.code == 554 && reply.text().contains("5.4.6"), "{}", reply.text());
        Ok(())
    })
    .await
}
