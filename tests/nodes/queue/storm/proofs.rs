//! The storms.

use super::*;
use testkit::PostgresOptions;

/// What happens while mail is on its way.
struct Case {
    what: &'static str,
    /// Nodes are killed, stopped and restarted.
    nodes: bool,
    part: Part,
    /// Servers elsewhere do everything bad that they can.
    bad_world: bool,
}

/// Submits, harms, waits, judges.
async fn run(case: Case) -> Result<()> {
    let (count, rate) = (messages(), sized(40, 150) as f64);
    let storm = Storm::new(sized(40, 200)).await?;
    if case.bad_world {
        storm.bad_world();
    } else {
        storm.slow_world(Duration::from_millis(20));
    }
    let mut options = storm.options();
    options.own_postgres = Some(PostgresOptions::default());
    storm
        .run(options, async |cluster: &mut Cluster, anna: &str| {
            let begun = Instant::now();
            storm.under_fire(&case, cluster, anna, count, rate).await?;
            storm.settle(cluster).await?;
            let (all, took) = (storm.load.submitted(), begun.elapsed());
            assert_eq!(all.accepted.len(), count);
            let verdict = storm.judge(case.what, cluster, &all, anna, took).await?;
            if !case.nodes {
                assert_eq!(all.open.len(), 0, "no node was harmed");
                assert_eq!(takeovers(cluster).await?, 0.0, "nobody was gone");
            }
            if !case.nodes && !case.bad_world {
                assert_eq!(verdict.excused(), 0, "{verdict:?}");
            }
            Ok(())
        })
        .await
}

impl Storm {
    async fn under_fire(
        &self,
        case: &Case,
        cluster: &mut Cluster,
        anna: &str,
        count: usize,
        rate: f64,
    ) -> Result<()> {
        let (submitted, enough) = (AtomicBool::new(false), AtomicBool::new(false));
        let Cluster { nodes, redis, database, s3, config, .. } = cluster;
        let mail = async {
            self.load.submit(anna, self.destinations, count, rate).await?;
            submitted.store(true, Ordering::SeqCst);
            anyhow::Ok(())
        };
        let nodes = async {
            if case.nodes { self.harm_nodes(config, nodes, &enough).await } else { Ok(()) }
        };
        let work = async {
            let parts = self.harm_part(case.part, redis, database, s3, &submitted);
            let (mail, parts) = tokio::join!(mail, parts);
            enough.store(true, Ordering::SeqCst);
            mail.and(parts)
        };
        let (work, nodes) = tokio::join!(work, nodes);
        work.and(nodes)
    }
}

async fn takeovers(cluster: &Cluster) -> Result<f64> {
    let mut sum = 0.0;
    for node in &cluster.nodes {
        sum += node.metric("postrider_queue_takeovers_total", "").await?;
    }
    Ok(sum)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_faults_nothing_comes_twice() -> Result<()> {
    let what = "none";
    run(Case { what, nodes: false, part: Part::Nothing, bad_world: false }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_come_and_go_and_all_mail_arrives() -> Result<()> {
    let what = "nodes";
    run(Case { what, nodes: true, part: Part::Nothing, bad_world: true }).await
}

/// Nodes live, and what they share does not: nothing comes twice.
#[tokio::test(flavor = "multi_thread")]
async fn shared_parts_come_to_harm_and_nothing_comes_twice() -> Result<()> {
    let what = "every shared part in turn";
    run(Case { what, nodes: false, part: Part::All, bad_world: false }).await
}

/// Both at once; at full size also with each shared part by itself.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_and_shared_parts_come_to_harm_and_all_mail_arrives() -> Result<()> {
    let each = [
        ("nodes, and every shared part in turn", Part::All),
        ("nodes, and Redis FLUSHALL every 3 s", Part::RedisFlushed),
        ("nodes, and Redis stopped for 30 s", Part::RedisStopped),
        ("nodes, and Redis SIGSTOPped for 30 s", Part::RedisPaused),
        ("nodes, and Redis failed over without its last 2 s", Part::RedisFailedOver),
        ("nodes, and PostgreSQL restarted", Part::PostgresRestarted),
        ("nodes, and S3 gone for 30 s", Part::S3Gone),
    ];
    for (what, part) in each.into_iter().take(sized(1, 7)) {
        run(Case { what, nodes: true, part, bad_world: true }).await?;
    }
    Ok(())
}
