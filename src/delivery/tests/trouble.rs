use super::*;
use Fate::{Deferred, Delivered, Failed, MayHaveHappened, Untried};
use smtp::client::Enhanced;

/// A refusal at each point, for now and for ever.
#[tokio::test]
async fn what_the_server_says_stands() {
    for moment in [Moment::Mail, Moment::Rcpt, Moment::Data, Moment::Dot] {
        for (text, fate) in [("451 4.3.0 later", Deferred), ("554 5.7.1 never", Failed)] {
            let (world, sink) = (World::new(), sink().await);
            world.domain("a.test", &sink);
            sink.rule(reply(moment, "*", text));
            let report = world.send(&mailing("1", &["x@a.test", "y@a.test"]), "a.test").await;
            assert_eq!(fates(&report), [fate, fate], "{moment:?} {text}");
            let slow = fate == Deferred && moment != Moment::Rcpt;
            assert_eq!(report.signal == Signal::Slow, slow, "{moment:?} {text}");
            assert_eq!(report.outcomes[0].text, text);
        }
    }
}

/// What keeps us from being heard is tried elsewhere; in the end it is for now.
#[tokio::test]
async fn an_unfriendly_host_is_passed_over() {
    for (moment, text, alone) in [
        (Moment::Connect, "421 4.3.2 busy", Deferred),
        (Moment::Connect, "554 5.7.1 bad reputation", Deferred),
        (Moment::Connect, "521 5.3.2 no mail here", Failed),
        (Moment::Hello, "421 4.3.2 busy", Deferred),
        (Moment::Mail, "421 4.3.2 busy", Deferred),
        (Moment::Rcpt, "421 4.3.2 busy", Deferred),
        (Moment::Dot, "421 4.3.2 busy", Deferred),
    ] {
        let (world, first, second) = (World::new(), sink().await, sink().await);
        first.rule(Rule::new(moment, "*", Effect::ReplyAndClose(text.into())));
        world.domain("alone.test", &first);
        let report = world.send(&mailing("1", &["x@alone.test"]), "alone.test").await;
        assert_eq!(fates(&report), [alone], "{moment:?} {text}");
        assert_eq!(report.outcomes[0].text, text);

        world.zone.mx("both.test", &[(10, "alone.test"), (20, "second.test")]);
        world.zone.host("second.test", &[second.address()]);
        let report = world.send(&mailing("2", &["x@both.test"]), "both.test").await;
        assert_eq!(fates(&report), [Delivered], "{moment:?} {text}");
        assert_eq!(second.count(), 1);
        assert_eq!((report.tries.len(), report.tries[0].text.as_str()), (1, text));
    }
}

/// Cut before the end: it did not happen, so the next host may have it. Cut after: it may have, so nobody
/// else gets it now.
#[tokio::test]
async fn the_final_dot_divides() {
    for (moment, elsewhere) in [
        (Moment::Connect, true),
        (Moment::Hello, true),
        (Moment::Mail, true),
        (Moment::Rcpt, true),
        (Moment::Data, true),
        (Moment::Content, true),
        (Moment::Dot, false),
    ] {
        let (world, first, second) = (World::new(), sink().await, sink().await);
        first.rule(Rule::new(moment, "*", Effect::Close));
        world.zone.mx("a.test", &[(10, "first.test"), (20, "second.test")]);
        world.zone.host("first.test", &[first.address()]);
        world.zone.host("second.test", &[second.address()]);
        // Larger than what the system buffers, so that the cut comes before the end is written.
        let content = if moment == Moment::Content {
            "Hello world\r\n".repeat(2_000_000)
        } else {
            "x".into()
        };
        let report = world.send(&with_content("1", &["x@a.test"], content.into()), "a.test").await;
        if elsewhere {
            assert_eq!(fates(&report), [Delivered], "{moment:?}");
            assert_eq!((first.count(), second.count()), (0, 1), "{moment:?}");
        } else {
            assert_eq!(fates(&report), [MayHaveHappened], "{moment:?}");
            assert_eq!((first.count(), second.count()), (1, 0), "{moment:?}");
            assert_eq!(first.arrivals()[0].reply, None);
            assert_eq!(report.signal, Signal::Slow);
        }
    }
}

#[tokio::test]
async fn silence_is_waited_for_only_so_long() {
    for moment in [Moment::Connect, Moment::Hello, Moment::Mail, Moment::Rcpt, Moment::Data] {
        let world = World::with(|config| config.command_timeout_ms = Some(100));
        let sink = sink().await;
        world.domain("a.test", &sink);
        sink.rule(Rule::new(moment, "*", Effect::Tarpit));
        let report = world.send(&mailing("1", &["x@a.test"]), "a.test").await;
        assert_eq!(fates(&report), [Deferred], "{moment:?}");
        assert_eq!(report.signal, Signal::Slow);
        assert_eq!(report.outcomes[0].status, Enhanced(4, 4, 2));
        assert!(report.outcomes[0].text.starts_with("the server did not answer in time"));
    }
}

/// A server that is slow with every single answer is not given up while it answers: each has its own wait.
#[tokio::test]
async fn slow_but_steady_arrives() {
    let world = World::with(|config| config.command_timeout_ms = Some(800));
    let sink = sink().await;
    world.domain("a.test", &sink);
    sink.rule(Rule::new(Moment::Rcpt, "*", Effect::Delay(Duration::from_millis(200))));
    let to = ["1@a.test", "2@a.test", "3@a.test", "4@a.test", "5@a.test", "6@a.test"];
    let report = world.send(&mailing("1", &to), "a.test").await;
    assert_eq!(fates(&report), [Delivered; 6]);
}

/// One that strings along is given up in the end, but not when all of the message is there.
#[tokio::test]
async fn an_attempt_has_an_end() {
    let world = World::with(|config| config.attempt_ms = 1_000);
    let sink = sink().await;
    world.domain("a.test", &sink);
    sink.rule(Rule::new(Moment::Rcpt, "slow*", Effect::Delay(Duration::from_millis(400))));
    let to = ["slow1@a.test", "slow2@a.test", "slow3@a.test", "slow4@a.test"];
    let report = world.send(&mailing("1", &to), "a.test").await;
    assert_eq!(fates(&report), [Deferred; 4]);
    assert_eq!(sink.count(), 0);
    sink.rule(Rule::new(Moment::Dot, "*", Effect::Delay(Duration::from_millis(1_400))));
    let report = world.send(&mailing("1", &["x@a.test"]), "a.test").await;
    assert_eq!(fates(&report), [Delivered]);
}

/// The fence: a node that is not sure of its lease never ends a message.
#[tokio::test]
async fn the_fence_keeps_the_message_from_ending() {
    struct Closing(Watcher, Mutex<u32>);
    impl Watch for Closing {
        fn fence(&self) -> bool {
            // Yes before connecting, no before the dot.
            let mut asked = self.1.lock().unwrap();
            *asked += 1;
            *asked == 1
        }
        fn known(&self, recipient: usize, outcome: &Outcome) {
            self.0.known(recipient, outcome);
        }
    }
    for chunking in [false, true] {
        let world = World::with(|config| config.prefer_chunking = chunking);
        let sink = sink().await;
        world.domain("a.test", &sink);
        let mut courier = world.courier("a.test").await;
        let watcher = Closing(Watcher::default(), Mutex::default());
        let report = courier.carry(&mailing("1", &["x@a.test"]), &watcher).await;
        assert_eq!(fates(&report), [Untried]);
        assert_eq!(report.signal, Signal::Ours);
        assert!(!courier.is_connected());
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(sink.count(), 0);
        assert_eq!(watcher.0.known.lock().unwrap().len(), 1);
    }
    // Nobody is bothered when the fence is down from the start.
    let (world, sink) = (World::new(), sink().await);
    world.domain("a.test", &sink);
    let watcher = Watcher::default();
    watcher.closed.store(true, Ordering::SeqCst);
    let report = world.courier("a.test").await.carry(&mailing("1", &["x@a.test"]), &watcher).await;
    assert_eq!(fates(&report), [Untried]);
    assert_eq!(sink.connections(sink.address()).total, 0);
}

/// RFC 5321 §4.5.3.1.10: the rest goes in another transaction.
#[tokio::test]
async fn too_many_recipients_go_in_turns() {
    let (world, sink) = (World::new(), sink().await);
    world.domain("a.test", &sink);
    sink.rule(reply(Moment::Rcpt, "many*", "452 4.5.3 too many recipients").times(2));
    let to = ["a@a.test", "many1@a.test", "many2@a.test", "b@a.test"];
    let report = world.send(&mailing("1", &to), "a.test").await;
    assert_eq!(fates(&report), [Delivered; 4]);
    assert_eq!(report.connections, 1);
    let arrivals = sink.arrivals();
    assert_eq!(arrivals[0].to, ["a@a.test", "b@a.test"]);
    assert_eq!(arrivals[1].to, ["many1@a.test", "many2@a.test"]);
    // Our own limit, and the server's.
    let world = World::with(|config| config.max_recipients = 3);
    let limited = sink_with(|o| o.keywords.push("LIMITS RCPTMAX=2".into())).await;
    world.domain("b.test", &limited);
    world.domain("a.test", &sink);
    world.send(&mailing("2", &["1@b.test", "2@b.test", "3@b.test"]), "b.test").await;
    assert_eq!(limited.arrivals().iter().map(|a| a.to.len()).collect::<Vec<_>>(), [2, 1]);
    let to = ["1@a.test", "2@a.test", "3@a.test", "4@a.test"];
    world.send(&mailing("3", &to), "a.test").await;
    assert_eq!(sink.arrivals()[2].to.len(), 3);
}

#[tokio::test]
async fn nonsense_is_survived() {
    let (world, sink) = (World::new(), sink().await);
    world.domain("a.test", &sink);
    sink.rule(reply(Moment::Hello, "*", "yes please"));
    let report = world.send(&mailing("1", &["x@a.test"]), "a.test").await;
    assert_eq!(fates(&report), [Deferred]);
    assert_eq!(report.outcomes[0].status, Enhanced(4, 5, 0));
}

/// Shares of trouble over many messages: every one is delivered, refused or open, and nobody twice.
#[tokio::test]
async fn a_bad_day() {
    let (world, sink) = (World::new(), sink().await);
    world.domain("a.test", &sink);
    sink.rule(reply(Moment::Rcpt, "*", "450 4.2.1 later").share(0.1));
    sink.rule(reply(Moment::Dot, "*", "554 5.7.1 spam").share(0.1));
    sink.rule(Rule::new(Moment::Content, "*", Effect::Close).share(0.1));
    sink.rule(Rule::new(Moment::Mail, "*", Effect::ReplyAndClose("421 bye".into())).share(0.1));
    let mut courier = world.courier("a.test").await;
    let mut counts = std::collections::HashMap::new();
    let mut delivered = Vec::new();
    for n in 0..200 {
        let id = format!("{n}@me.test");
        let report = courier.carry(&mailing(&id, &["x@a.test"]), &Watcher::default()).await;
        let fate = report.outcomes[0].fate;
        *counts.entry(fate).or_insert(0) += 1;
        if fate == Delivered {
            delivered.push(id);
        }
    }
    let arrived: Vec<String> = sink
        .arrivals()
        .into_iter()
        .filter(|arrival| arrival.reply == Some(250))
        .map(|arrival| arrival.message_id)
        .collect();
    assert_eq!(arrived, delivered);
    assert!(
        counts[&Delivered] > 120 && counts[&Failed] > 10 && counts[&Deferred] > 20,
        "{counts:?}"
    );
    assert_eq!(counts.values().sum::<i32>(), 200);
}
