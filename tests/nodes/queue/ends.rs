//! Mail that nobody gets to try: it is told of, and goes back in time.

use super::*;
use std::time::Duration;
use testkit::dns::{Answer, Kind};

/// A world in which `silent.out` is never answered for and `dead.out` leads to where nobody listens.
async fn outside() -> Result<Outside> {
    let sink = Sink::start(SinkOptions::default()).await?;
    let dns = Dns::start(|name, kind| {
        let domain = name.strip_prefix("mx.").unwrap_or(name);
        match (domain, kind) {
            ("silent.out", _) => Answer::Silence,
            (_, Kind::A) if domain != name && domain == "dead.out" => {
                Answer::A(vec![Ipv4Addr::new(127, 0, 0, 99)])
            }
            (_, Kind::A) if domain != name => Answer::A(vec![Ipv4Addr::LOCALHOST]),
            (_, Kind::Mx) if domain == name => Answer::Mx(vec![(10, format!("mx.{name}"))]),
            _ => Answer::NoData,
        }
    });
    Ok(Outside { sink, dns: dns.await? })
}

/// Held, paused, limited, not to be reached, not even to be looked up: after some time the sender hears that it is late,
/// and then that it is over.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_never_tried_is_told_of_and_goes_back() -> Result<()> {
    let outside = outside().await?;
    let mut options = outside.options();
    let mut set = |path: &str, value: i64| options.settings.push((path.to_owned(), value.into()));
    set("queue.expire_seconds", 25);
    set("queue.delay_report_seconds", 6);
    set("queue.chores_seconds", 1);
    set("queue.sweep_seconds", 1);
    set("resolve.timeout_ms", 500);
    set("delivery.connect_timeout_ms", 500);
    with_cluster(2, options, async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let node = &cluster.nodes[0];
        queue(cluster, &["queue", "pause", "--domain", "paused.out"])?;
        queue(cluster, &["queue", "pause", "--domain", "held.out"])?;
        let limit = ["--messages", "1", "--per", "1h"];
        queue(cluster, &[&["limit", "set", "site", "full.out"], &limit[..]].concat())?;
        tokio::time::sleep(Duration::from_secs(4)).await;
        // The one message that full.out takes in an hour.
        submit(node, &anna, &["first@full.out"], "first").await?;
        outside.sink.wait_for(1, Duration::from_secs(20)).await?;
        let domains = ["paused.out", "held.out", "full.out", "silent.out", "dead.out"];
        for domain in domains {
            submit(node, &anna, &[&format!("x@{domain}")], domain).await?;
        }
        assert_eq!(queue(cluster, &["queue", "hold", "--domain", "held.out"])?["recipients"], 1);
        queue(cluster, &["queue", "resume", "--domain", "held.out"])?;
        emptied(cluster).await?;
        let inbox = inbox(&cluster.nodes[1], &anna).await?;
        for domain in domains {
            let about = format!("Final-Recipient: rfc822; x@{domain}");
            let of = |action: &str| {
                let found = inbox.iter().filter(|report| {
                    report.contains(&about) && report.contains(&format!("Action: {action}"))
                });
                found.cloned().collect::<Vec<_>>()
            };
            let (delayed, failed) = (of("delayed"), of("failed"));
            ensure!((delayed.len(), failed.len()) == (1, 1), "{domain}: {inbox:#?}");
            ensure!(failed[0].contains("Status: 5."), "{}", failed[0]);
        }
        assert_eq!(inbox.len(), 2 * domains.len());
        ensure!(inbox.iter().any(|report| report.contains("Status: 5.4.7")), "{inbox:#?}");
        assert_eq!(outside.sink.count(), 1, "nothing was sent");
        let client = cluster.database.client().await?;
        let left = client.query_one("SELECT count(*) FROM queue_message", &[]).await?;
        assert_eq!(left.get::<_, i64>(0), 0);
        Ok(())
    })
    .await
}

/// Finished journals go after their days, from a cluster whose nodes do not send as well.
#[tokio::test(flavor = "multi_thread")]
async fn old_journals_go_on_every_deployment() -> Result<()> {
    for sends in [true, false] {
        let outside = Outside::new().await?;
        let mut options = outside.options();
        options.settings.push(("queue.journal_days".into(), 1.into()));
        options.settings.push(("queue.chores_seconds".into(), 1.into()));
        options.settings.push(("queue.outbound".into(), sends.into()));
        with_cluster(2, options, async |cluster: &mut Cluster| {
            let client = cluster.database.client().await?;
            let insert = "INSERT INTO queue_event (queue_id, kind, at) SELECT $1, 1, now() - $2::float8 * interval '1 hour'";
            let days = |days: u64| {
                let age = chrono::Duration::hours(24 * days as i64 + 1);
                let millis = (chrono::Utc::now() - age).timestamp_millis() as u128;
                uuid::Uuid::from_u128(millis << 80 | 7)
            };
            client.execute(insert, &[&days(2), &49.0_f64]).await?;
            client.execute(insert, &[&days(0), &1.0_f64]).await?;
            let left = until("the old one is gone", async || {
                let row = client.query_one("SELECT count(*) FROM queue_event", &[]).await.ok()?;
                (row.get::<_, i64>(0) == 1).then_some(1)
            });
            left.await?;
            let jobs = "SELECT count(*) FROM job_lease WHERE name = 'queue-chores'";
            assert_eq!(client.query_one(jobs, &[]).await?.get::<_, i64>(0), 1);
            Ok(())
        })
        .await?;
    }
    Ok(())
}
