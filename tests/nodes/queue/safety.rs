//! Whom mail is given to: relays' passwords, and the policies of domains.

use super::*;
use std::time::Duration;
use testkit::dns::{Answer, Kind};
use testkit::https::{Authority, Https};

const SOON: Duration = Duration::from_secs(30);
const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const PASSWORD_THERE: &str = "geheim geheim 9";

/// A relay's password is sealed in the database, shown to nobody, and used by who has the key.
#[tokio::test(flavor = "multi_thread")]
async fn a_relays_password_is_sealed() -> Result<()> {
    let outside = Outside::new().await?;
    let authority = Authority::new()?;
    let relay = Sink::start(SinkOptions {
        tls: Some(authority.acceptor(&["127.0.0.1"])?),
        login: Some(("me".into(), PASSWORD_THERE.into())),
        ..SinkOptions::default()
    });
    let relay = relay.await?;
    with_cluster(1, outside.options(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let at = relay.address().to_string();
        let file = cluster.config_file()?;
        let add = ["route", "add", "*.out", "--relay", &at, "--auth-user", "me", "--config", &file];
        let (status, _, said) = testkit::postrider_raw(&add, PASSWORD_THERE)?;
        ensure!(!status.success() && said.contains("secrets.key is not set"), "{said}");
        // The key, for commands and for a second node.
        cluster.config.set("secrets.key", KEY);
        let file = cluster.config_file()?;
        let add = ["route", "add", "*.out", "--relay", &at, "--auth-user", "me", "--config", &file];
        let mut said = postrider(&add, &format!("{PASSWORD_THERE}\n"))?;
        said += &postrider(&["route", "list", "--config", &file], "")?;
        said += &postrider(&["route", "list", "--json", "--config", &file], "")?;
        said += &postrider(&["config", "check", "--json", "--config", &file], "")?;
        // It complains of a database without fsync, and should.
        let (_, doctor, _) = testkit::postrider_raw(&["doctor", "--config", &file], "")?;
        ensure!(doctor.contains("passwords of routes: 1"), "{doctor}");
        said += &doctor;
        ensure!(
            said.contains("as me") && !said.contains("geheim") && !said.contains(KEY),
            "{said}"
        );
        let client = cluster.database.client().await?;
        let stored: String = client.query_one("SELECT auth_secret FROM route", &[]).await?.get(0);
        ensure!(stored.starts_with("v1.") && !stored.contains("geheim"), "{stored}");
        // The node without a key sends nothing, and nothing another way.
        tokio::time::sleep(Duration::from_secs(4)).await;
        submit(&cluster.nodes[0], &anna, &["x@a.out"], "one").await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!((relay.count(), outside.sink.count()), (0, 0));
        let log = cluster.nodes[0].daemon().log();
        ensure!(log.contains("a route's password cannot be read on this node"), "{log}");
        ensure!(!log.contains("geheim"), "{log}");
        cluster.add_node()?;
        relay.wait_for(1, Duration::from_secs(60)).await?;
        emptied(cluster).await?;
        ensure!(relay.arrivals()[0].tls && outside.sink.count() == 0);
        Ok(())
    })
    .await
}

const POLICY: &str = "version: STSv1\nmode: enforce\nmx: mx.a.out\nmax_age: 86400\n";

/// One node discovers a policy; another keeps to it when the record and the policy host are gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_found_by_one_node_binds_all() -> Result<()> {
    let authority = Authority::new()?;
    let https = Https::start(authority.acceptor(&["mta-sts.a.out"])?).await?;
    https.text(POLICY);
    let good = SinkOptions { tls: Some(authority.acceptor(&["mx.a.out"])?), ..Default::default() };
    let good = Sink::start(good).await?;
    let port = good.address().port();
    // Without TLS, at another address with the same port.
    let listen = vec![SocketAddr::from(([127, 0, 0, 77], port))];
    let plain = Sink::start(SinkOptions { listen, ..Default::default() }).await?;
    let now = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let well = std::sync::Arc::clone(&now);
    let dns = Dns::start(move |name, kind| {
        let well = well.load(std::sync::atomic::Ordering::SeqCst);
        match (name, kind) {
            ("a.out" | "b.out", Kind::Mx) => Answer::Mx(vec![(10, format!("mx.{name}"))]),
            ("_mta-sts.a.out", Kind::Txt) if well => Answer::Txt(vec!["v=STSv1; id=1;".into()]),
            ("mx.a.out", Kind::A) if !well => Answer::A(vec![Ipv4Addr::new(127, 0, 0, 77)]),
            ("mx.b.out", Kind::A) => Answer::A(vec![Ipv4Addr::new(127, 0, 0, 77)]),
            ("mx.a.out" | "mta-sts.a.out", Kind::A) => Answer::A(vec![Ipv4Addr::LOCALHOST]),
            _ => Answer::NoDomain,
        }
    });
    let outside = Outside { sink: good, dns: dns.await? };
    let mut options = outside.options();
    let ca = tempfile::NamedTempFile::new()?;
    std::fs::write(ca.path(), authority.pem())?;
    let mut set = |path: &str, value: toml::Value| options.settings.push((path.to_owned(), value));
    set("delivery.ca_file", ca.path().display().to_string().into());
    set("delivery.mta_sts_port", i64::from(https.address().port()).into());
    with_cluster(1, options, async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        submit(&cluster.nodes[0], &anna, &["x@a.out"], "one").await?;
        outside.sink.wait_for(1, SOON).await?;
        ensure!(outside.sink.arrivals()[0].tls);
        emptied(cluster).await?;
        assert_eq!(https.asked().len(), 1);
        // The first node and all it remembers is gone, the record is not there, and the host speaks no TLS.
        now.store(false, std::sync::atomic::Ordering::SeqCst);
        cluster.nodes[0].terminate()?;
        cluster.nodes.clear();
        cluster.add_node()?;
        submit(&cluster.nodes[0], &anna, &["x@a.out", "y@b.out"], "two").await?;
        plain.wait_for(1, SOON).await?;
        let why = until("it was tried", async || {
            let rows = queue(cluster, &["queue", "list", "--domain", "a.out"]).ok()?;
            let last = rows[0]["last"].as_str()?.to_owned();
            (rows[0]["attempts"].as_u64()? >= 1).then_some(last)
        });
        let why = why.await?;
        ensure!(why.contains("TLS, which is required"), "{why}");
        assert_eq!(plain.count(), 1, "only to where no policy is");
        assert_eq!(https.asked().len(), 1);
        queue(cluster, &["queue", "cancel", "--all"])?;
        // "ignoring policy-based mechanisms (including MTA-STS and DANE), if any" (RFC 8689 §3).
        let mut client = submitter(&cluster.nodes[0], &anna).await?;
        let rather = [&b"TLS-Required: No\r\n"[..], &super::super::message("three", 300)].concat();
        ensure!(client.send_mail(&anna, &["x@a.out"], &rather).await?.code == 250);
        plain.wait_for(2, SOON).await?;
        emptied(cluster).await
    })
    .await
}
