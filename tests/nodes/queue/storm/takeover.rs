//! How long mail of a node that is gone waits: from the signal until the sink has it from another node.

use super::harm::Kind;
use super::*;
use std::collections::HashSet;

/// Messages of one round.
const MESSAGES: usize = 400;
const DESTINATIONS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn mail_of_a_node_that_is_gone_waits_no_longer_than_it_must() -> Result<()> {
    let storm = Storm::new(DESTINATIONS).await?;
    storm
        .run(storm.options(), async |cluster: &mut Cluster, anna: &str| {
            let begun = Instant::now();
            println!("| gone by | recipients taken over | p50 | p90 | p99 | longest |\n|---|---|---|---|---|---|");
            // The margin here is for machines that do much else at the same time.
            for (kind, seconds) in
                [(Kind::Kill, sized(30, 20)), (Kind::Restart, sized(12, 1))]
            {
                let mut waits = Vec::new();
                for _ in 0..sized(1, 20) {
                    waits.extend(storm.hand_over(cluster, anna, kind).await?);
                }
                ensure!(waits.len() >= 20, "{kind:?}: only {} were taken over", waits.len());
                let [p50, p90, p99, most] =
                    [0.5, 0.9, 0.99, 1.0].map(|share| percentile(&mut waits, share));
                let name = if kind == Kind::Kill { "kill -9" } else { "SIGTERM" };
                println!("| {name} | {} | {p50:.2?} | {p90:.2?} | {p99:.2?} | {most:.2?} |", waits.len());
                ensure!(p99 < Duration::from_secs(seconds as u64), "{name}: {p99:?}");
            }
            let all = storm.load.submitted();
            storm.judge("takeovers", cluster, &all, anna, begun.elapsed()).await.map(drop)
        })
        .await
}

impl Storm {
    /// Lets all nodes claim a lot, does it to the one that has most, and tells how long what it had took to come
    /// from the others.
    async fn hand_over(
        &self,
        cluster: &mut Cluster,
        anna: &str,
        kind: Kind,
    ) -> Result<Vec<Duration>> {
        queue(cluster, &["queue", "pause", "--all"])?;
        self.load.submit(anna, self.destinations, MESSAGES, f64::MAX).await?;
        self.slow_world(Duration::from_millis(400));
        queue(cluster, &["queue", "resume", "--all"])?;
        owned(cluster, MESSAGES as i64 / 2).await?;
        let (slot, had) = self.richest(cluster).await?;
        let at = self.strike(&mut cluster.nodes[slot], slot, kind)?;
        self.good_world();
        self.settle(cluster).await?;
        let arrivals = self.outside.sink.arrivals().into_iter();
        let others = arrivals.filter(|one| one.peer.ip() != address(slot) && one.at >= at);
        let taken_over = others.filter(|one| one.to.iter().any(|to| had.contains(to)));
        let waits = taken_over.map(|one| one.at.duration_since(at).unwrap_or_default()).collect();
        self.replace(&cluster.config, &mut cluster.nodes[slot], slot).await?;
        Ok(waits)
    }

    /// The place of the node that owns most, and the recipients it owns.
    async fn richest(&self, cluster: &Cluster) -> Result<(usize, HashSet<String>)> {
        let client = cluster.database.client().await?;
        let query = "SELECT owner, array_agg(recipient) FROM queue_recipient WHERE state = 2 GROUP BY 1 \
                      ORDER BY count(*) DESC LIMIT 1";
        let row = client.query_one(query, &[]).await?;
        let slot = lock(&self.homes).get(&row.get::<_, Uuid>(0)).copied();
        Ok((slot.context("a node of ours")?, row.get::<_, Vec<String>>(1).into_iter().collect()))
    }
}
