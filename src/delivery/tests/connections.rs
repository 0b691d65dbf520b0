use super::*;
use Fate::{Deferred, Delivered};

#[tokio::test]
async fn many_messages_share_a_connection() {
    let (world, sink) = (World::with(|config| config.max_messages = 4), sink().await);
    world.domain("a.test", &sink);
    let mut courier = world.courier("a.test").await;
    for n in 0..10 {
        let report =
            courier.carry(&mailing(&n.to_string(), &["x@a.test"]), &Watcher::default()).await;
        assert_eq!(fates(&report), [Delivered]);
        assert_eq!(report.connections, u32::from(n % 4 == 0));
    }
    courier.close().await;
    assert_eq!(sink.connections(sink.address()).total, 3);
    assert_eq!(sink.connections(sink.address()).most, 1);
}

/// Says when it is dropped.
struct Told(Arc<AtomicBool>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_parked_connection_serves_all_domains_of_its_site() {
    let (world, sink) = (World::new(), sink().await);
    world.zone.mx("a.test", &[(10, "mx.test")]);
    world.zone.mx("b.test", &[(10, "mx.test")]);
    world.zone.host("mx.test", &[sink.address()]);
    let (a, b) = (world.plan("a.test").await, world.plan("b.test").await);
    assert!(world.delivery.idle_courier(&b).is_none());
    let given_back = Arc::new(AtomicBool::new(false));
    let permit: Permit = Box::new(Told(Arc::clone(&given_back)));
    let mut courier = world.delivery.courier(&a, Some(permit));
    courier.carry(&mailing("1", &["x@a.test"]), &Watcher::default()).await;
    courier.park();
    assert_eq!(world.delivery.idle_connections(), 1);
    let mut courier = world.delivery.idle_courier(&b).unwrap();
    assert!(courier.is_connected() && world.delivery.idle_courier(&b).is_none());
    let report = courier.carry(&mailing("2", &["x@b.test"]), &Watcher::default()).await;
    assert_eq!((fates(&report), report.connections), (vec![Delivered], 0));
    courier.park();
    // The permit is held as long as the connection is there, and no longer.
    assert!(!given_back.load(Ordering::SeqCst));
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(given_back.load(Ordering::SeqCst));
    assert_eq!(world.delivery.idle_connections(), 0);
    assert_eq!(
        sink.connections(sink.address()),
        testkit::sink::Connections { now: 0, most: 1, total: 1 }
    );
}

#[tokio::test]
async fn only_so_many_wait_and_a_drain_closes_them() {
    let (world, sink) = (World::with(|config| config.idle_connections = 2), sink().await);
    for domain in ["a.test", "b.test", "c.test"] {
        world.domain(domain, &sink);
        let mut courier = world.courier(domain).await;
        courier.carry(&mailing("1", &["x@x.test"]), &Watcher::default()).await;
        courier.park();
    }
    assert_eq!(world.delivery.idle_connections(), 2);
    world.delivery.close_idle().await;
    assert_eq!(world.delivery.idle_connections(), 0);
    for _ in 0..50 {
        if sink.connections(sink.address()).now == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", sink.connections(sink.address()));
}

/// A server that ends a connection that has carried mail has not refused anything.
#[tokio::test]
async fn an_old_connection_is_replaced_without_fuss() {
    // Closed while idle.
    let (world, sink) = (World::new(), sink().await);
    world.domain("a.test", &sink);
    let mut courier = world.courier("a.test").await;
    courier.carry(&mailing("1", &["x@a.test"]), &Watcher::default()).await;
    sink.rule(Rule::new(Moment::Mail, "*", Effect::Close).times(1));
    let report = courier.carry(&mailing("2", &["x@a.test"]), &Watcher::default()).await;
    assert_eq!(
        (fates(&report), report.signal, report.connections),
        (vec![Delivered], Signal::Fine, 1)
    );
    // Told so.
    sink.rule(
        Rule::new(Moment::Mail, "*", Effect::ReplyAndClose("421 4.7.0 enough".into())).times(1),
    );
    let report = courier.carry(&mailing("3", &["x@a.test"]), &Watcher::default()).await;
    assert_eq!(
        (fates(&report), report.signal, report.connections),
        (vec![Delivered], Signal::Fine, 1)
    );
    assert_eq!(sink.count(), 3);
    // A new connection that is treated so is another matter.
    sink.rule(Rule::new(Moment::Mail, "*", Effect::ReplyAndClose("421 4.7.0 enough".into())));
    let report = courier.carry(&mailing("4", &["x@a.test"]), &Watcher::default()).await;
    assert_eq!((fates(&report), report.signal), (vec![Deferred], Signal::Slow));
}

#[tokio::test]
async fn the_sink_that_stops_is_noticed() {
    let (world, sink) = (World::new(), sink().await);
    world.domain("a.test", &sink);
    let mut courier = world.courier("a.test").await;
    courier.carry(&mailing("1", &["x@a.test"]), &Watcher::default()).await;
    drop(sink);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let report = courier.carry(&mailing("2", &["x@a.test"]), &Watcher::default()).await;
    assert_eq!((fates(&report), report.signal), (vec![Deferred], Signal::Down));
}

/// A future that is dropped in the middle leaves nothing behind that could be used.
#[tokio::test]
async fn an_attempt_that_is_dropped_is_not_continued() {
    let (world, sink) = (World::new(), sink().await);
    world.domain("a.test", &sink);
    sink.rule(Rule::new(Moment::Rcpt, "*", Effect::Tarpit).times(1));
    let mut courier = world.courier("a.test").await;
    let (first, watcher) = (mailing("1", &["x@a.test"]), Watcher::default());
    let carrying = courier.carry(&first, &watcher);
    assert!(tokio::time::timeout(Duration::from_millis(200), carrying).await.is_err());
    let report = courier.carry(&mailing("2", &["x@a.test"]), &Watcher::default()).await;
    assert_eq!((fates(&report), report.connections), (vec![Delivered], 1));
    assert_eq!(sink.arrivals()[0].message_id, "2");
}
