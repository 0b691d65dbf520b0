//! Where connections come from and go to, and how long they are waited for.

use super::*;
use Fate::{Deferred, Delivered};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

/// Each of our addresses is used, and each says its own name.
#[tokio::test]
async fn connections_come_from_a_pool_of_addresses_with_names() {
    let source = |last: u8, name: Option<&str>| Source {
        address: IpAddr::from([127, 0, 9, last]),
        name: name.map(str::to_owned),
    };
    let pool = vec![source(1, Some("one.me.test")), source(2, None)];
    let world = World::with(|config| config.sources = pool.clone());
    let sink = sink().await;
    world.domain("a.test", &sink);
    for n in 0..30 {
        let report = world.send(&mailing(&n.to_string(), &["x@a.test"]), "a.test").await;
        assert_eq!(fates(&report), [Delivered]);
    }
    let seen: BTreeSet<(IpAddr, String)> =
        sink.arrivals().into_iter().map(|one| (one.peer.ip(), one.hello)).collect();
    let wanted = [(pool[0].address, "one.me.test".into()), (pool[1].address, "me.test".into())];
    assert_eq!(seen, BTreeSet::from(wanted));
    // An address that is not (any more) ours is our own fault: no attempt is used up.
    let gone = Source { address: "192.0.2.77".parse().unwrap(), name: None };
    let world = World::with(|config| config.sources = vec![gone]);
    world.domain("a.test", &sink);
    let report = world.send(&mailing("x", &["x@a.test"]), "a.test").await;
    assert_eq!((fates(&report), report.signal), (vec![Fate::Untried], Signal::Ours));
}

/// IPv6 and IPv4 of one host: whichever answers.
#[tokio::test]
async fn both_families_are_tried() {
    let six = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    let (six, four) = (sink_with(|o| o.listen = vec![six]).await, sink().await);
    let closed = {
        let listener = tokio::net::TcpListener::bind("[::1]:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    for (list, family) in [
        (vec![six.address(), four.address()], &six),
        (vec![closed, four.address()], &four),
        (vec![nobody().await, six.address()], &six),
    ] {
        let world = World::new();
        world.zone.mx("a.test", &[(10, "mx.a.test")]);
        world.zone.host("mx.a.test", &list);
        let before = family.count();
        let report = world.send(&mailing("1", &["x@a.test"]), "a.test").await;
        assert_eq!((fates(&report), family.count()), (vec![Delivered], before + 1), "{list:?}");
    }
}

/// RFC 5321 §4.1.3: no name is asked for.
#[tokio::test]
async fn address_literals_are_connected_to() {
    let six = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    let (six, four) = (sink_with(|o| o.listen = vec![six]).await, sink().await);
    for (sink, domain) in [(&four, "[127.0.0.1]"), (&six, "[IPv6:::1]")] {
        let world = World::with(|config| config.port = sink.address().port());
        let to = format!("x@{domain}");
        let report = world.send(&mailing("1", &[&to]), domain).await;
        assert_eq!(fates(&report), [Delivered], "{domain}");
        assert_eq!(sink.arrivals()[0].to, [to]);
        // Not by way of this machine's own addresses, unless an operator says so.
        let world = World::with(|config| {
            config.port = sink.address().port();
            config.allow_loopback = false;
        });
        let report = world.send(&mailing("1", &["x@a.test"]), domain).await;
        assert_eq!((fates(&report), sink.count()), (vec![Fate::Failed], 1));
    }
}

/// RFC 5321 §4.5.3.2: its waits are ours, and a setting only shortens them, never that for the end of a message.
#[tokio::test]
async fn each_phase_has_its_own_wait() {
    let minutes = |n: u64| Duration::from_secs(60 * n);
    let ours = DeliveryConfig::default().timeouts();
    assert_eq!((ours.greeting, ours.mail, ours.rcpt), (minutes(5), minutes(5), minutes(5)));
    assert_eq!((ours.data, ours.block, ours.final_dot), (minutes(2), minutes(3), minutes(10)));
    let long = DeliveryConfig { command_timeout_ms: Some(3_600_000), ..config() };
    assert_eq!(long.timeouts(), ours);
    let world = World::with(|config| config.command_timeout_ms = Some(200));
    let (sink, late) = (sink().await, Effect::Delay(Duration::from_millis(800)));
    world.domain("a.test", &sink);
    sink.rule(Rule::new(Moment::Dot, "*", late.clone()));
    let report = world.send(&mailing("1", &["x@a.test"]), "a.test").await;
    assert_eq!(fates(&report), [Delivered]);
    sink.rule(Rule::new(Moment::Data, "*", late));
    let report = world.send(&mailing("2", &["x@a.test"]), "a.test").await;
    assert_eq!((fates(&report), sink.count()), (vec![Deferred], 1));
}
