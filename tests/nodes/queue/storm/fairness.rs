//! Limits that hold for all nodes together, and destinations that do not slow each other.

use super::*;
use coordinator::limits::PERMIT_IDLE;
use std::collections::HashSet;
use testkit::dns::{Answer, Kind};

/// Many domains whose mail one host takes: one site.
async fn one_site() -> Result<Outside> {
    let sink = Sink::start(SinkOptions::default()).await?;
    let dns = Dns::start(|name, kind| match (name, kind) {
        ("mx.site.test", Kind::A) => Answer::A(vec![Ipv4Addr::LOCALHOST]),
        (name, Kind::Mx) if name.ends_with(".out") => Answer::Mx(vec![(10, "mx.site.test".into())]),
        _ => Answer::NoDomain,
    });
    Ok(Outside { sink, dns: dns.await? })
}

/// Two connections for three nodes together. A Redis that has forgotten who has them gives two more, and nodes close
/// those that are too many within a lease.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_across_nodes() -> Result<()> {
    let storm = Storm::over(one_site().await?, 30);
    storm.slow_world(Duration::from_millis(sized(200, 100) as u64));
    let count = sized(400, 2_500);
    storm
        .run(storm.options(), async |cluster: &mut Cluster, anna: &str| {
            let limit = ["limit", "set", "site", "mx.site.test", "--connections", "2"];
            queue(cluster, &limit)?;
            // In force on all nodes within seconds.
            tokio::time::sleep(Duration::from_secs(5)).await;
            let (sink, begun) = (&storm.outside.sink, Instant::now());
            let most = || sink.connections(sink.address()).most;
            let submitting = storm.load.submit(anna, storm.destinations, count, f64::MAX);
            let watching = async {
                sink.wait_for(count / 4, patience()).await?;
                let before = most();
                cluster.redis.command("FLUSHALL").await?;
                tokio::time::sleep(PERMIT_IDLE).await;
                let forgotten = most();
                sink.forget_most(sink.address());
                let so_far = sink.count();
                anyhow::Ok((before, forgotten, so_far))
            };
            let (submitting, watching) = tokio::join!(submitting, watching);
            let (before, forgotten, so_far) = watching?;
            submitting?;
            storm.settle(cluster).await?;
            let after = most();
            let peers = sink.arrivals().into_iter().map(|arrival| arrival.peer.ip());
            let peers: HashSet<IpAddr> = peers.collect();
            let nodes = peers.len();
            println!(
                "| 2 connections | at once before FLUSHALL | within a lease after it | from then on | nodes that sent |\n\
                 |---|---|---|---|---|\n| {count} messages | {before} | {forgotten} | {after} | {nodes} |"
            );
            ensure!(so_far < count, "everything had been sent before the lease was over");
            ensure!(before == 2 && after <= 2, "{before} before, {after} after");
            ensure!(forgotten <= 4, "{forgotten}: those of before and those of after");
            // Two connections may stay with two nodes as long as these have mail.
            ensure!(nodes >= sized(2, NODES), "only {nodes} nodes sent");
            let all = storm.load.submitted();
            let took = begun.elapsed();
            let verdict = storm.judge("2 connections, FLUSHALL", cluster, &all, anna, took).await?;
            assert_eq!(verdict.excused(), 0, "{verdict:?}");
            Ok(())
        })
        .await
}

/// Where nobody answers, though somebody listens.
const DEAD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 99);

/// A host that takes connections for `dead.test` and says nothing, beside the one that takes everything else.
async fn with_dead() -> Result<Outside> {
    let port = testkit::free_port()?;
    let listen = [Ipv4Addr::LOCALHOST, DEAD].map(|ip| SocketAddr::from((ip, port))).to_vec();
    let options = SinkOptions { listen, ..SinkOptions::default() };
    let host = |domain: &str| match domain {
        "dead.test" => Some(DEAD),
        domain => domain.ends_with(".out").then_some(Ipv4Addr::LOCALHOST),
    };
    Ok(Outside { sink: Sink::start(options).await?, dns: Dns::mail_domains(host).await? })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_destination_slows_nobody() -> Result<()> {
    let (count, waiting) = (sized(300, 4_000), sized(5_000, 100_000));
    let storm = Storm::over(with_dead().await?, sized(30, 100));
    storm.outside.sink.rule(Rule::new(Moment::Connect, &format!("{DEAD}:*"), Effect::Tarpit));
    storm
        .run(storm.options(), async |cluster: &mut Cluster, anna: &str| {
            let begun = Instant::now();
            let before = storm.measure(anna, count).await?;
            many_wait(cluster, anna, waiting).await?;
            let dead = storm.outside.sink.addresses()[1];
            let connected = || storm.outside.sink.connections(dead).total;
            until("it is tried", async || (connected() > 0).then_some(())).await?;
            let beside = storm.measure(anna, count).await?;
            let left = forget_them(cluster).await?;
            let after = storm.measure(anna, count).await?;
            println!("| {count} messages to others | messages/s | p50 | p99 |\n|---|---|---|---|");
            for (what, figures) in
                [("without", &before), ("beside it", &beside), ("after it", &after)]
            {
                let Figures { rate, p50, p99 } = figures;
                println!("| {what} | {rate:.0} | {p50:.0?} | {p99:.0?} |");
            }
            println!(
                "{left} were still waiting for the dead one; {} connections to it",
                connected()
            );
            ensure!(left == waiting + 1, "{left} are left");
            // How much slower is a matter of what else the machine does; what it must not do is wait.
            ensure!(
                beside.p99 < before.p99.max(after.p99) * 2 + Duration::from_secs(3),
                "{beside:?}"
            );
            storm.settle(cluster).await?;
            let all = storm.load.submitted();
            let took = begun.elapsed();
            storm.judge("a dead destination", cluster, &all, anna, took).await.map(drop)
        })
        .await
}

/// Messages per second, and how long one takes from its 250 to the sink.
#[derive(Debug)]
struct Figures {
    rate: f64,
    p50: Duration,
    p99: Duration,
}

impl Storm {
    async fn measure(&self, anna: &str, count: usize) -> Result<Figures> {
        let (begun, already) = (Instant::now(), self.outside.sink.count());
        let before = self.load.accepted();
        self.load.submit(anna, self.destinations, count, f64::MAX).await?;
        let accepted = self.load.accepted();
        let new = accepted.iter().filter(|(n, _)| !before.contains_key(n) && !is_bad(**n));
        let new: BTreeMap<_, _> = new.collect();
        self.outside.sink.wait_for(already + new.len(), patience()).await?;
        let took = begun.elapsed();
        let mut waits = Vec::new();
        for arrival in &self.outside.sink.arrivals()[already..] {
            let number = verdict::number(arrival)?;
            if let Some(at) = new.get(&number) {
                waits.push(arrival.at.duration_since(**at).unwrap_or_default());
            }
        }
        let [p50, p99] = [0.5, 0.99].map(|share| percentile(&mut waits, share));
        Ok(Figures { rate: count as f64 / took.as_secs_f64(), p50, p99 })
    }
}

/// So many messages wait for `dead.test`, and are due.
async fn many_wait(cluster: &Cluster, anna: &str, waiting: usize) -> Result<()> {
    queue(cluster, &["queue", "pause", "--domain", "dead.test"])?;
    submit(&cluster.nodes[0], anna, &["x@dead.test"], "dead").await?;
    let client = cluster.database.client().await?;
    let many = format!(
        "BEGIN;
         CREATE TEMP TABLE one AS SELECT * FROM queue_message
             WHERE id = (SELECT queue_id FROM queue_recipient WHERE destination = 'dead.test');
         CREATE TEMP TABLE many AS SELECT n, (left(id::text, 24) || lpad(to_hex(n), 12, '0'))::uuid AS id
             FROM one, generate_series(1, {waiting}) n;
         INSERT INTO queue_message (id, tenant_id, blob_id, reverse_path, size, received_at, envelope, content_offset)
             SELECT many.id, tenant_id, blob_id, reverse_path, size, received_at, envelope, content_offset
               FROM one, many;
         INSERT INTO queue_recipient (queue_id, tenant_id, recipient, due, state, destination, destination_key,
                                      expires_at)
             SELECT many.id, tenant_id, n || '@dead.test', due, state, destination, destination_key, expires_at
               FROM many, queue_recipient WHERE destination = 'dead.test';
         UPDATE blob SET refs = refs + {waiting} WHERE id = (SELECT blob_id FROM one);
         COMMIT; ANALYZE queue_recipient; ANALYZE queue_message"
    );
    client.batch_execute(&many).await?;
    queue(cluster, &["queue", "resume", "--domain", "dead.test"])?;
    Ok(())
}

/// Cancels what waits for `dead.test`; gives how much that was.
async fn forget_them(cluster: &Cluster) -> Result<usize> {
    queue(cluster, &["queue", "pause", "--domain", "dead.test"])?;
    let client = cluster.database.client().await?;
    let left = async || -> Result<i64> {
        let query = "SELECT count(*) FROM queue_recipient WHERE destination = 'dead.test'";
        Ok(client.query_one(query, &[]).await?.get(0))
    };
    let were = left().await?;
    while left().await? > 0 {
        queue(cluster, &["queue", "cancel", "--domain", "dead.test"])?;
    }
    Ok(usize::try_from(were)?)
}
