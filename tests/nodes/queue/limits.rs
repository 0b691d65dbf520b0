//! Limits of who sends, over three nodes, and fairness between those who send.

use super::*;
use std::collections::HashSet;
use std::time::{Duration, Instant};
use testkit::sink::{Effect, Moment, Rule};

const SOON: Duration = Duration::from_secs(90);

/// A sink that takes its time, so that what is under way at once can be seen.
async fn slow(milliseconds: u64) -> Result<Outside> {
    let outside = Outside::new().await?;
    let delay = Effect::Delay(Duration::from_millis(milliseconds));
    outside.sink.rule(Rule::new(Moment::Dot, "*", delay));
    Ok(outside)
}

/// Everybody's mail at the same time, by way of all nodes.
async fn submit_all(cluster: &Cluster, from: &str, count: usize, tag: &str) -> Result<()> {
    let mut clients = Vec::new();
    for node in &cluster.nodes {
        clients.push(submitter(node, from).await?);
    }
    for n in 0..count {
        let clients_count = clients.len();
        let client = &mut clients[n % clients_count];
        let to = format!("x@{tag}{}.out", n % 12);
        let mail = super::super::message(&format!("{tag}-{n}"), 500);
        ensure!(client.send_mail(from, &[&to], &mail).await?.code == 250);
    }
    Ok(())
}

/// Two messages of one sender at a time, three of one tenant, whatever the nodes and destinations; others are not held up.
#[tokio::test(flavor = "multi_thread")]
async fn senders_and_tenants_have_limits_for_the_whole_cluster() -> Result<()> {
    let outside = slow(250).await?;
    with_cluster(3, outside.options(), async |cluster: &mut Cluster| {
        let (anna, ben) = (cluster.account("anna")?, cluster.account("ben")?);
        let (carl, dora) = (cluster.account("carl")?, cluster.account("dora")?);
        let client = cluster.database.client().await?;
        let tenant = "INSERT INTO tenant (name) VALUES ('other') RETURNING id";
        let tenant: i32 = client.query_one(tenant, &[]).await?.get(0);
        let theirs = "UPDATE account SET tenant_id = $1 WHERE address IN ($2, $3)";
        client.execute(theirs, &[&tenant, &carl, &dora]).await?;
        queue(cluster, &["limit", "set", "sender", &anna, "--connections", "2"])?;
        let three = ["--connections", "3"];
        queue(cluster, &[&["limit", "set", "tenant", &tenant.to_string()], &three[..]].concat())?;
        let listed = queue(cluster, &["limit", "list"])?;
        assert_eq!(listed.as_array().context("limits")?.len(), 2);
        tokio::time::sleep(Duration::from_secs(4)).await;
        for (from, tag) in [(&anna, "a"), (&carl, "c"), (&dora, "d"), (&ben, "b")] {
            submit_all(cluster, from, 24, tag).await?;
        }
        outside.sink.wait_for(96, SOON).await?;
        emptied(cluster).await?;
        ensure!(arrived(&outside.sink).values().all(|count| *count == 1), "doubled");
        let most = |from: &str| outside.sink.most_at_once(from);
        println!(
            "at once: anna {}, carl {}, dora {}, ben {}",
            most(&anna),
            most(&carl),
            most(&dora),
            most(&ben)
        );
        assert_eq!(most(&anna), 2, "her own limit");
        assert_eq!(outside.sink.most_of(&[&carl, &dora]), 3, "theirs together");
        ensure!(most(&ben) > 3, "he has none");
        Ok(())
    })
    .await
}

/// So many messages in so long, counted over all nodes.
#[tokio::test(flavor = "multi_thread")]
async fn a_rate_holds_over_all_nodes() -> Result<()> {
    let outside = Outside::new().await?;
    with_cluster(3, outside.options(), async |cluster: &mut Cluster| {
        let (anna, ben) = (cluster.account("anna")?, cluster.account("ben")?);
        let rate = ["--messages", "10", "--per", "1h"];
        queue(cluster, &[&["limit", "set", "sender", "@example.test"], &rate[..]].concat())?;
        queue(cluster, &["limit", "set", "sender", &ben, "--messages", "1000"])?;
        tokio::time::sleep(Duration::from_secs(4)).await;
        submit_all(cluster, &anna, 30, "a").await?;
        submit_all(cluster, &ben, 30, "b").await?;
        let of = |from: &str| outside.sink.arrivals().iter().filter(|one| one.from == from).count();
        until("what may go has gone", async || (of(&anna) >= 10 && of(&ben) >= 30).then_some(()))
            .await?;
        tokio::time::sleep(Duration::from_secs(6)).await;
        println!("of 30 messages {} left within the rate of 10 an hour", of(&anna));
        // An hour's worth, and what came back to her by the minute meanwhile.
        ensure!((10..=11).contains(&of(&anna)), "{}", of(&anna));
        queue(cluster, &["limit", "remove", "sender", "@example.test"])?;
        tokio::time::sleep(Duration::from_secs(4)).await;
        queue(cluster, &["queue", "retry", "--all"])?;
        outside.sink.wait_for(60, SOON).await?;
        emptied(cluster).await
    })
    .await
}

/// A tenant with a thousand messages, and a destination that is dead with as many, hold up nobody's few.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_starves() -> Result<()> {
    let outside = slow(40).await?;
    let mut options = outside.options();
    options.settings.push(("queue.site_connections".into(), 1.into()));
    options.settings.push(("queue.batch".into(), 20.into()));
    with_cluster(2, options, async |cluster: &mut Cluster| {
        let (anna, ben) = (cluster.account("anna")?, cluster.account("ben")?);
        let client = cluster.database.client().await?;
        let tenant = "INSERT INTO tenant (name) VALUES ('other') RETURNING id";
        let tenant: i32 = client.query_one(tenant, &[]).await?.get(0);
        client
            .execute("UPDATE account SET tenant_id = $1 WHERE address = $2", &[&tenant, &ben])
            .await?;
        queue(cluster, &["queue", "pause", "--all"])?;
        let mut sender = submitter(&cluster.nodes[0], &anna).await?;
        for n in 0..300 {
            let mail = super::super::message(&format!("many-{n}"), 300);
            ensure!(sender.send_mail(&anna, &["x@big.out"], &mail).await?.code == 250);
        }
        for n in 0..5 {
            submit(&cluster.nodes[1], &ben, &["y@big.out"], &format!("few-{n}")).await?;
            submit(&cluster.nodes[1], &anna, &["z@small.out"], &format!("other-{n}")).await?;
        }
        queue(cluster, &["queue", "resume", "--all"])?;
        let begun = Instant::now();
        let wanted: HashSet<String> =
            (0..5).flat_map(|n| [format!("few-{n}"), format!("other-{n}")]).collect();
        until("the few are through", async || {
            let there = arrived(&outside.sink);
            wanted.iter().all(|id| there.contains_key(id)).then_some(())
        })
        .await?;
        let others = outside.sink.count() - wanted.len();
        println!(
            "the few were through after {:.1?}, before all but {others} of 300",
            begun.elapsed()
        );
        ensure!(others < 150, "{others} of the many went first");
        outside.sink.clear_rules();
        outside.sink.wait_for(310, SOON).await?;
        emptied(cluster).await
    })
    .await
}
