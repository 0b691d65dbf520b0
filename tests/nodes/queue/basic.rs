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
