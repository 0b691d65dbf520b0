use super::*;
use Fate::{Deferred, Delivered, Failed};
use resolve::ResolveError;
use smtp::client::{Enhanced, Protocol};

#[tokio::test]
async fn a_message_arrives_as_it_was() {
    let (world, sink) = (World::new(), sink_with(|o| o.keep = true).await);
    world.domain("a.test", &sink);
    let mailing = mailing("one@me.test", &["x@a.test", "odd name@a.test"]);
    let report = world.send(&mailing, "a.test").await;
    assert_eq!(fates(&report), [Delivered, Delivered]);
    assert_eq!((report.signal, report.connections), (Signal::Fine, 1));
    assert_eq!(report.outcomes[0].host.as_deref(), Some("a.test"));
    assert_eq!(report.outcomes[0].address, Some(sink.address()));
    assert_eq!(report.outcomes[0].text, "250 2.0.0 taken");
    assert!(report.outcomes[0].dsn && report.outcomes[0].quoted);
    let arrived = &sink.arrivals()[0];
    assert_eq!(arrived.message_id, "one@me.test");
    assert_eq!(arrived.to, ["x@a.test", "\"odd name\"@a.test"]);
    assert_eq!(arrived.content.as_deref(), Some(&held(&mailing).await[..]));
}

async fn held(mailing: &Mailing) -> Bytes {
    mailing.content.read(0..mailing.content.size()).await.unwrap()
}

#[tokio::test]
async fn each_recipient_has_its_own_fate() {
    let (world, sink) = (World::new(), sink().await);
    world.domain("a.test", &sink);
    sink.rule(reply(Moment::Rcpt, "gone@*", "550 5.1.1 no such user"));
    sink.rule(reply(Moment::Rcpt, "full@*", "452 4.2.2 mailbox full"));
    let mailing = mailing("1", &["a@a.test", "gone@a.test", "full@a.test", "b@a.test"]);
    let mut courier = world.courier("a.test").await;
    let watcher = Watcher::default();
    let report = courier.carry(&mailing, &watcher).await;
    assert_eq!(fates(&report), [Delivered, Failed, Deferred, Delivered]);
    assert_eq!(report.outcomes[1].status, Enhanced(5, 1, 1));
    assert_eq!(report.outcomes[1].text, "550 5.1.1 no such user");
    assert_eq!(report.signal, Signal::Fine);
    // The refusals were known before the message was sent.
    let known = watcher.known.lock().unwrap().clone();
    assert_eq!(known, [(1, Failed), (2, Deferred), (0, Delivered), (3, Delivered)]);
    assert_eq!(sink.arrivals()[0].to, ["a@a.test", "b@a.test"]);
}

#[tokio::test]
async fn the_domain_decides_where_to() {
    let world = World::new();
    let route = Arc::new(Route::default());
    for (domain, error, fate, status) in [
        ("gone.test", ResolveError::NoDomain, Failed, Enhanced(5, 1, 2)),
        ("null.test", ResolveError::NoMail, Failed, Enhanced(5, 1, 10)),
        ("slow.test", ResolveError::Unavailable("x".into()), Deferred, Enhanced(4, 4, 3)),
    ] {
        world.zone.mx_fails(domain, error);
        let meaning = world.delivery.plan(domain, &route).await.unwrap_err();
        assert_eq!((meaning.fate, meaning.status), (fate, status), "{domain}");
        let outcome = Outcome::from(meaning);
        assert_eq!(outcome.host, None);
    }
    world.zone.mx("loop.test", &[(10, "me.test"), (20, "other.test")]);
    let meaning = world.delivery.plan("loop.test", &route).await.unwrap_err();
    assert_eq!((meaning.fate, meaning.status), (Failed, Enhanced(5, 4, 6)));
    world.zone.mx("a.test", &[(10, "mx1.test"), (20, "mx2.test")]);
    world.zone.mx("b.test", &[(5, "mx2.test"), (5, "mx1.test")]);
    assert_eq!(world.plan("a.test").await.site(), world.plan("b.test").await.site());
}

#[tokio::test]
async fn the_next_host_is_tried() {
    let (world, sink) = (World::new(), sink().await);
    world.zone.mx(
        "a.test",
        &[(10, "none.test"), (20, "dead.test"), (30, "live.test"), (40, "later.test")],
    );
    world.zone.host_fails("none.test", ResolveError::NoAddress);
    world.zone.host("dead.test", &[nobody().await, nobody().await]);
    world.zone.host("live.test", &[sink.address()]);
    let report = world.send(&mailing("1", &["x@a.test"]), "a.test").await;
    assert_eq!(fates(&report), [Delivered]);
    assert_eq!((report.connections, report.signal), (3, Signal::Fine));
    assert_eq!(report.outcomes[0].host.as_deref(), Some("live.test"));
    assert_eq!(world.zone.asked("later.test"), 0);
    let tries: Vec<&str> = report.tries.iter().map(|t| t.host.as_str()).collect();
    assert_eq!(tries, ["none.test", "dead.test", "dead.test"]);
    assert_eq!(report.tries[1].text, "the connection was refused");
    // What did not answer a moment ago is not tried first again,
    let report = world.send(&mailing("2", &["x@a.test"]), "a.test").await;
    assert_eq!((fates(&report), report.connections), (vec![Delivered], 1));
    // but it is tried when there is nothing else.
    world.zone.mx("dead.test", &[(10, "dead.test")]);
    let report = world.send(&mailing("3", &["x@dead.test"]), "dead.test").await;
    assert_eq!((fates(&report), report.connections), (vec![Deferred], 2));
}

#[tokio::test]
async fn nobody_there_is_for_now_and_no_address_for_ever() {
    let world = World::with(|config| config.max_addresses = 3);
    world.zone.mx("dead.test", &[(10, "mx.dead.test"), (20, "gone.dead.test")]);
    let addresses = [nobody().await, nobody().await, nobody().await, nobody().await];
    world.zone.host("mx.dead.test", &addresses);
    let report = world.send(&mailing("1", &["x@dead.test"]), "dead.test").await;
    assert_eq!(fates(&report), [Deferred]);
    assert_eq!((report.signal, report.connections), (Signal::Down, 3));
    assert_eq!(report.outcomes[0].status, Enhanced(4, 4, 1));
    assert_eq!(report.outcomes[0].host.as_deref(), Some("mx.dead.test"));

    world.zone.mx("none.test", &[(10, "a.none.test"), (20, "b.none.test")]);
    let report = world.send(&mailing("1", &["x@none.test"]), "none.test").await;
    assert_eq!(fates(&report), [Failed]);
    assert_eq!(report.outcomes[0].status, Enhanced(5, 4, 4));
    // One of them may exist: nobody could tell.
    world.zone.host_fails("a.none.test", ResolveError::Unavailable("x".into()));
    let report = world.send(&mailing("1", &["x@none.test"]), "none.test").await;
    assert_eq!(fates(&report), [Deferred]);
}

/// A stranger's DNS cannot make this machine speak to itself.
#[tokio::test]
async fn loopback_is_no_mail_host_unless_an_operator_says_so() {
    let (world, sink) = (World::with(|config| config.allow_loopback = false), sink().await);
    world.domain("a.test", &sink);
    let report = world.send(&mailing("1", &["x@a.test"]), "a.test").await;
    assert_eq!(fates(&report), [Failed]);
    assert_eq!(report.outcomes[0].status, Enhanced(5, 4, 4));
    assert_eq!(sink.connections(sink.address()).total, 0);
    let hop = Hop::Relay { host: "127.0.0.1".into(), port: sink.address().port() };
    let report =
        world.send_by(&mailing("1", &["x@a.test"]), Route { hop, ..Route::default() }).await;
    assert_eq!(fates(&report), [Delivered]);
}

#[tokio::test]
async fn lmtp_to_a_relay() {
    let (world, sink) = (World::new(), sink_with(|o| o.lmtp = true).await);
    sink.rule(reply(Moment::Rcpt, "gone@*", "550 5.1.1 no such user"));
    let hop = Hop::Relay { host: "127.0.0.1".into(), port: sink.address().port() };
    let route = Route { hop, protocol: Protocol::Lmtp, ..Route::default() };
    let report =
        world.send_by(&mailing("1", &["a@x.test", "gone@x.test", "b@x.test"]), route.clone()).await;
    assert_eq!(fates(&report), [Delivered, Failed, Delivered]);
    sink.rule(reply(Moment::Dot, "*", "452 4.2.2 full"));
    let report = world.send_by(&mailing("1", &["a@x.test", "b@x.test"]), route).await;
    assert_eq!(fates(&report), [Deferred, Deferred]);
}

#[tokio::test]
async fn parameters_go_along() {
    let (world, sink) = (World::new(), sink().await);
    world.domain("a.test", &sink);
    let mut mailing = mailing("1", &["x@a.test"]);
    mailing.envelope.ret = Some(smtp::Ret::Hdrs);
    mailing.envelope.envelope_id = Some("id+1".into());
    mailing.envelope.recipients[0].notify =
        Some(smtp::Notify { success: true, failure: true, ..smtp::Notify::default() });
    mailing.envelope.recipients[0].original = Some(("rfc822".into(), "first@a.test".into()));
    world.send(&mailing, "a.test").await;
    let commands = &sink.arrivals()[0].commands;
    let size = mailing.content.size();
    assert_eq!(commands[0], format!("MAIL FROM:<from@me.test> SIZE={size} RET=HDRS ENVID=id+2B1"));
    assert_eq!(commands[1], "RCPT TO:<x@a.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first@a.test");
}

/// The whole way: names from a DNS server, hosts at addresses of their own.
#[tokio::test]
async fn through_real_dns() {
    let sink = sink().await;
    let dns = testkit::dns::Dns::mail_domains(|domain| {
        domain.ends_with(".test").then_some(std::net::Ipv4Addr::LOCALHOST)
    });
    let dns = dns.await.unwrap();
    let servers = vec![resolve::ServerAddress(dns.address())];
    let settings = resolve::ResolveConfig { servers, ..resolve::ResolveConfig::default() };
    let resolver = Arc::new(resolve::Hickory::new(&settings).unwrap());
    let config = DeliveryConfig { port: sink.address().port(), ..config() };
    let delivery = Delivery::new(config, resolver).unwrap();
    let route = Arc::new(Route::default());
    let plan = delivery.plan("a.test", &route).await.unwrap();
    assert_eq!(plan.site().as_str(), "mx.a.test");
    let mut courier = delivery.courier(&plan, None);
    let report = courier.carry(&mailing("1", &["x@a.test"]), &Watcher::default()).await;
    assert_eq!(fates(&report), [Delivered]);
    assert_eq!(report.outcomes[0].host.as_deref(), Some("mx.a.test"));
    assert_eq!(delivery.plan("a.nowhere", &route).await.unwrap_err().fate, Failed);
}
