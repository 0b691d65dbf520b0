//! The simple ways of a message.

use super::*;
use std::time::Duration;
use testkit::sink::{Effect, Moment, Rule};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn what_a_user_submits_arrives_elsewhere_and_here() -> Result<()> {
    let outside = Outside::with(|sink| sink.keep = true).await?;
    with_cluster(2, outside.options(), async |cluster: &mut Cluster| {
        let (anna, ben) = (cluster.account("anna")?, cluster.account("ben")?);
        let node = &cluster.nodes[0];
        submit(node, &anna, &["x@a.out", "y@a.out", "z@b.out", &ben], "one").await?;
        outside.sink.wait_for(2, SOON).await?;
        emptied(cluster).await?;
        let mut to: Vec<Vec<String>> =
            outside.sink.arrivals().into_iter().map(|arrival| arrival.to).collect();
        to.sort();
        assert_eq!(to, [vec!["x@a.out".to_owned(), "y@a.out".into()], vec!["z@b.out".into()]]);
        let arrival = outside.sink.arrivals().remove(0);
        assert_eq!(arrival.from, anna);
        let content = String::from_utf8(arrival.content.context("kept")?)?;
        ensure!(content.starts_with("Received: "), "{content}");
        ensure!(content.contains("jack") || content.contains("Jack"), "{content}");
        assert_eq!(inbox(&cluster.nodes[1], &ben).await?.len(), 1);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deferred_is_tried_again() -> Result<()> {
    let outside = Outside::new().await?;
    let later = Effect::Reply("451 4.7.1 come back later".into());
    outside.sink.rule(Rule::new(Moment::Rcpt, "*", later).times(2));
    with_cluster(1, outside.options(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        submit(&cluster.nodes[0], &anna, &["x@a.out"], "one").await?;
        outside.sink.wait_for(1, SOON).await?;
        emptied(cluster).await?;
        assert_eq!(arrived(&outside.sink), BTreeMap::from([("one".to_owned(), 1)]));
        Ok(())
    })
    .await
}

/// A sender of ours is told, in its INBOX; whoever wants to hear nothing hears nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_reported_to_its_sender() -> Result<()> {
    let outside = Outside::new().await?;
    let never = Effect::Reply("550 5.1.1 no such user here".into());
    outside.sink.rule(Rule::new(Moment::Rcpt, "gone@*", never));
    with_cluster(2, outside.options(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let (one, two) = (&cluster.nodes[0], &cluster.nodes[1]);
        submit(one, &anna, &["gone@a.out", "x@a.out", "y@nowhere.test"], "one").await?;
        emptied(cluster).await?;
        let inbox = inbox(two, &anna).await?;
        assert_eq!(inbox.len(), 1, "one report tells of both: {inbox:?}");
        let report = &inbox[0];
        for wanted in [
            "Return-Path: <>",
            "multipart/report; report-type=delivery-status",
            "Final-Recipient: rfc822; gone@a.out",
            "Diagnostic-Code: smtp; 550 5.1.1 no such user here",
            "Remote-MTA: dns; mx.a.out",
            "Final-Recipient: rfc822; y@nowhere.test",
            "Status: 5.1.2",
            "Subject: one",
        ] {
            ensure!(report.contains(wanted), "{wanted} is missing:\n{report}");
        }
        ensure!(!report.contains("x@a.out"), "{report}");
        assert_eq!(outside.sink.count(), 1);

        let mut client = submitter(one, &anna).await?;
        client.command(&format!("MAIL FROM:<{anna}>")).await?;
        client.command("RCPT TO:<gone@a.out> NOTIFY=NEVER").await?;
        client.command("DATA").await?;
        client.stream.send(&testkit::stuffed(&super::super::message("two", 500))).await?;
        ensure!(client.reply().await?.code == 250);
        emptied(cluster).await?;
        assert_eq!(super::inbox(two, &anna).await?.len(), 1);
        Ok(())
    })
    .await
}

/// A relay by an operator's command, on all nodes within seconds, and back to DNS.
#[tokio::test(flavor = "multi_thread")]
async fn routes_are_in_force_everywhere_within_seconds() -> Result<()> {
    let outside = Outside::new().await?;
    let mut options = testkit::sink::SinkOptions { lmtp: true, ..Default::default() };
    options.listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    let relay = Sink::start(options).await?;
    with_cluster(2, outside.options(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let at = relay.address().to_string();
        let added = queue(cluster, &["route", "add", "*.out", "--relay", &at, "--lmtp"])?;
        assert_eq!(added["pattern"], "*.out");
        tokio::time::sleep(Duration::from_secs(5)).await;
        submit(&cluster.nodes[1], &anna, &["x@a.out", "y@b.out"], "one").await?;
        relay.wait_for(2, SOON).await?;
        assert_eq!(outside.sink.count(), 0);
        queue(cluster, &["route", "remove", "*.out"])?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        submit(&cluster.nodes[0], &anna, &["x@a.out"], "two").await?;
        outside.sink.wait_for(1, SOON).await?;
        assert_eq!(relay.count(), 2);
        Ok(())
    })
    .await
}

/// What an operator can do, and what the journey of a message looks like.
#[tokio::test(flavor = "multi_thread")]
async fn operators_see_and_steer() -> Result<()> {
    let outside = Outside::new().await?;
    let later = Effect::Reply("451 4.7.1 come back later".into());
    outside.sink.rule(Rule::new(Moment::Rcpt, "*@slow.out", later));
    let mut options = outside.options();
    options.settings.push(("queue.retry_first_seconds".into(), 3600.into()));
    options.settings.push(("queue.retry_longest_seconds".into(), 3600.into()));
    with_cluster(2, options, async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        queue(cluster, &["queue", "pause", "--domain", "held.out", "--reason", "a test"])?;
        submit(&cluster.nodes[0], &anna, &["x@slow.out", "y@held.out"], "one").await?;
        let listed = until("the first try", async || {
            let rows = queue(cluster, &["queue", "list", "--domain", "slow.out"]).ok()?;
            (rows[0]["state"] == "waiting").then_some(rows)
        })
        .await?;
        assert_eq!(
            (&listed[0]["recipient"], &listed[0]["attempts"]),
            (&"x@slow.out".into(), &1.into())
        );
        let stats = queue(cluster, &["queue", "stats"])?;
        assert_eq!((&stats["waiting"], &stats["due"]), (&1.into(), &1.into()));
        assert_eq!(stats["pauses"][0]["reason"], "a test");
        // Paused: not tried; resumed: at once.
        assert_eq!(outside.sink.count(), 0);
        queue(cluster, &["queue", "resume", "--domain", "held.out"])?;
        outside.sink.wait_for(1, SOON).await?;
        // Held, redirected, released.
        let number = listed[0]["id"].to_string();
        let held = queue(cluster, &["queue", "hold", &number])?;
        assert_eq!(held["recipients"], 1);
        queue(cluster, &["queue", "retry", &number])?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(queue(cluster, &["queue", "list"])?[0]["state"], "held");
        queue(cluster, &["queue", "redirect", &number, "--to", "z@fast.out"])?;
        queue(cluster, &["queue", "release", "--all"])?;
        outside.sink.wait_for(2, SOON).await?;
        emptied(cluster).await?;
        let id = listed[0]["queue"].as_str().context("an id")?.to_owned();
        let journey = queue(cluster, &["queue", "show", &id])?;
        let events = journey["events"].as_array().context("events")?;
        let fates: Vec<_> = events.iter().filter_map(|e| e["detail"]["fate"].as_str()).collect();
        assert_eq!(fates.iter().filter(|fate| **fate == "delivered").count(), 2, "{events:?}");
        ensure!(fates.contains(&"deferred"), "{events:?}");
        ensure!(events.iter().any(|e| e["detail"]["action"] == "redirect"), "{events:?}");
        let text = postrider(&["queue", "show", &id, "--config", &cluster.config_file()?], "")?;
        ensure!(
            text.contains("come back later") && text.contains("redirect to z@fast.out"),
            "{text}"
        );
        // Dropped, and the sender is told.
        submit(&cluster.nodes[1], &anna, &["x@slow.out"], "two").await?;
        until("the try", async || {
            let rows = queue(cluster, &["queue", "list", "--state", "waiting"]).ok()?;
            (rows[0]["attempts"] == 1).then_some(())
        })
        .await?;
        queue(cluster, &["queue", "cancel", "--sender", &anna, "--bounce"])?;
        emptied(cluster).await?;
        let inbox = inbox(&cluster.nodes[0], &anna).await?;
        ensure!(inbox.len() == 1 && inbox[0].contains("cancelled by an operator"), "{inbox:?}");
        Ok(())
    })
    .await
}

/// Node A is killed in the middle of its messages; B has them within a lease and a few seconds.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_nodes_mail_is_taken_over() -> Result<()> {
    let outside = Outside::new().await?;
    outside.sink.rule(Rule::new(Moment::Rcpt, "*", Effect::Tarpit).times(1));
    with_cluster(2, outside.options(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        submit(&cluster.nodes[0], &anna, &["x@a.out"], "one").await?;
        owned(cluster, 1).await?;
        let killed = owner(cluster).await?;
        let at = cluster.nodes.iter().position(|node| node.ready.node == killed);
        cluster.nodes[at.context("a node")?].kill();
        let begun = std::time::Instant::now();
        outside.sink.clear_rules();
        outside.sink.wait_for(1, Duration::from_secs(60)).await?;
        let took = begun.elapsed();
        println!("after kill -9: taken over and delivered within {took:.1?}");
        ensure!(took < Duration::from_secs(20), "{took:?}");
        emptied(cluster).await
    })
    .await
}

/// SIGTERM: what was not begun is somebody else's within a second.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_goes_hands_over_at_once() -> Result<()> {
    let outside = Outside::new().await?;
    let slow = Effect::Delay(Duration::from_millis(400));
    outside.sink.rule(Rule::new(Moment::Dot, "*", slow));
    with_cluster(1, outside.options(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let mut client = submitter(&cluster.nodes[0], &anna).await?;
        for n in 0..40 {
            let mail = super::super::message(&format!("m{n}"), 500);
            ensure!(client.send_mail(&anna, &["x@a.out"], &mail).await?.code == 250);
        }
        owned(cluster, 20).await?;
        cluster.add_node()?;
        // Both take part by now, or the second finds nothing to do.
        let (first, rest) = cluster.nodes.split_at_mut(1);
        let client = cluster.database.client().await?;
        let now: chrono::DateTime<chrono::Utc> =
            client.query_one("SELECT clock_timestamp()", &[]).await?.get(0);
        let gone = tokio::task::block_in_place(|| first[0].terminate())?;
        ensure!(gone.success(), "{gone}");
        let other = types::Incarnation::parse(&rest[0].ready.node)?.0;
        let first_of_other = until("the second sends", async || {
            let query = "SELECT min(at) FROM queue_event WHERE node = $1 AND kind = 1";
            client.query_one(query, &[&other]).await.ok()?.get(0)
        });
        let first_of_other: chrono::DateTime<chrono::Utc> = first_of_other.await?;
        let took = (first_of_other - now).to_std()?;
        println!("after SIGTERM the other delivered its first message {took:.1?} later");
        // Of that 400 ms are the sink's.
        ensure!(took < Duration::from_millis(1_400), "{took:?}");
        outside.sink.wait_for(40, SOON).await?;
        emptied(cluster).await?;
        ensure!(arrived(&outside.sink).values().all(|count| *count == 1), "doubled");
        Ok(())
    })
    .await
}

/// Without Redis PostgreSQL alone is asked.
#[tokio::test(flavor = "multi_thread")]
async fn mail_leaves_without_redis() -> Result<()> {
    let outside = Outside::new().await?;
    with_cluster(2, outside.options(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        cluster.redis.kill();
        for n in 0..10 {
            submit(&cluster.nodes[n % 2], &anna, &[&format!("x@d{n}.out")], &format!("m{n}"))
                .await?;
        }
        outside.sink.wait_for(10, SOON).await?;
        cluster.redis.up().await?;
        submit(&cluster.nodes[0], &anna, &["x@a.out"], "last").await?;
        outside.sink.wait_for(11, SOON).await?;
        emptied(cluster).await?;
        ensure!(arrived(&outside.sink).values().all(|count| *count == 1), "doubled");
        Ok(())
    })
    .await
}
