//! What an operator's monitoring reads of the queue.

use super::*;
use std::time::Duration;
use testkit::sink::{Effect, Moment, Rule};

/// Every metric that the queue is steered by is there and tells what happened; README names them all.
#[tokio::test(flavor = "multi_thread")]
async fn the_queue_tells_how_it_fares() -> Result<()> {
    let outside = Outside::new().await?;
    let reply = |text: &str| Effect::Reply(text.into());
    outside.sink.rule(Rule::new(Moment::Rcpt, "later@*", reply("451 4.7.1 later")));
    outside.sink.rule(Rule::new(Moment::Rcpt, "never@*", reply("550 5.1.1 never")));
    outside.sink.rule(Rule::new(Moment::Dot, "lost@*", Effect::Close).times(1));
    let mut options = outside.options();
    options.settings.push(("queue.retry_unknown_seconds".into(), 1.into()));
    with_cluster(2, options, async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        queue(cluster, &["queue", "pause", "--domain", "paused.out"])?;
        let to = ["x@a.out", "later@b.out", "never@c.out", "lost@d.out", "x@paused.out"];
        submit(&cluster.nodes[0], &anna, &to, "one").await?;
        outside.sink.wait_for(3, Duration::from_secs(60)).await?;
        // One is killed with a message in its hands; the other takes over.
        outside.sink.rule(Rule::new(Moment::Rcpt, "held@*", Effect::Tarpit).times(1));
        submit(&cluster.nodes[0], &anna, &["held@e.out"], "two").await?;
        owned(cluster, 1).await?;
        let killed = owner(cluster).await?;
        let at = cluster.nodes.iter().position(|node| node.ready.node == killed);
        let at = at.context("a node")?;
        let before = sums(&cluster.nodes[at]).await?;
        cluster.nodes[at].kill();
        outside.sink.wait_for(4, Duration::from_secs(60)).await?;
        let left = &cluster.nodes[1 - at];
        until("the queue was counted", async || {
            (left.metric("postrider_queue_oldest_due_seconds", "").await.ok()? > 1.0).then_some(())
        })
        .await?;
        let after = sums(left).await?;
        let both = |name: &str| before[name] + after[name];
        for (name, at_least) in [
            ("result=\"delivered\"", 3.0),
            ("result=\"deferred\"", 1.0),
            ("result=\"failed\"", 1.0),
            ("result=\"unknown\"", 1.0),
            ("class=\"other\"", 6.0),
            ("why=\"no answer\"", 1.0),
            ("claims", 1.0),
            ("born", 4.0),
        ] {
            ensure!(both(name) >= at_least, "{name}: {}", both(name));
        }
        let takeovers = left.metric("postrider_queue_takeovers_total", "").await?;
        ensure!(takeovers >= 1.0, "{takeovers}");
        ensure!(left.metric("postrider_queue_depth", "state=\"due\"").await? >= 1.0);
        let readme = include_str!("../../../README.md");
        let (_, scraped) = left.get("/metrics").await?;
        for name in NAMES {
            ensure!(scraped.contains(name), "{name} is not exported");
            ensure!(readme.contains(name), "{name} is not in README.md");
        }
        queue(cluster, &["queue", "cancel", "--all"])?;
        Ok(())
    })
    .await
}

const NAMES: [&str; 8] = [
    "postrider_queue_depth",
    "postrider_queue_oldest_due_seconds",
    "postrider_queue_attempts_total",
    "postrider_queue_results_total",
    "postrider_queue_takeovers_total",
    "postrider_queue_duplicates_suspected_total",
    "postrider_queue_claim_seconds",
    "postrider_queue_born_total",
];

async fn sums(node: &Node) -> Result<BTreeMap<&'static str, f64>> {
    let mut sums = BTreeMap::new();
    let attempts = "postrider_queue_attempts_total";
    for (name, label) in [
        (attempts, "result=\"delivered\""),
        (attempts, "result=\"deferred\""),
        (attempts, "result=\"failed\""),
        (attempts, "result=\"unknown\""),
        (attempts, "class=\"other\""),
        ("postrider_queue_duplicates_suspected_total", "why=\"no answer\""),
    ] {
        sums.insert(label, node.metric(name, label).await?);
    }
    sums.insert("born", node.metric("postrider_queue_born_total", "").await?);
    sums.insert("claims", node.metric("postrider_queue_claim_seconds_count", "").await?);
    Ok(sums)
}
