//! A COMMIT whose answer is lost. The caller must be told the truth, or that nobody knows; the message is there
//! once or not at all.

use crate::bench::{Bench, Way, envelope, on, placed, to_inbox, with_bench};
use crate::store_suite::queue::outgoing;
use anyhow::Result;
use std::sync::Arc;
use std::time::Duration;
use store::account::{
    Delivery, DeliverySet, Expunge, FlagOp, MailboxDelete, Outcome, StoreFlags, commit, deliver,
};
use store::{PostgresConfig, Store, StoreError};
use testkit::{Point, Postgres, PostgresOptions, Proxy};
use types::{AccountId, Flags, Uid};

/// A store whose connections go through a network that can be cut.
async fn behind(bench: &Bench, pool_size: usize) -> Result<(Proxy, Store)> {
    let proxy = Proxy::to_unix(bench.database.postgres().socket()).await?;
    let address = proxy.address();
    let url = format!(
        "host={} port={} user=postgres dbname={} sslmode=disable",
        address.ip(),
        address.port(),
        bench.database.name()
    );
    let config = PostgresConfig { pool_size, pool_wait_ms: 500, ..PostgresConfig::new(url) };
    let store = Store::new(&config)?;
    store.ping().await?;
    Ok((proxy, store))
}

async fn total(bench: &Bench, account: AccountId) -> Result<u32> {
    Ok(bench.mailbox(account, "INBOX").await?.total)
}

#[tokio::test(flavor = "multi_thread")]
async fn at_every_point_the_answer_is_true() -> Result<()> {
    with_bench(Way::Direct, async |bench: &Bench| {
        let anna = bench.account("anna").await?;
        let (proxy, store) = behind(bench, 4).await?;
        let points = [Point::BeforeRequest, Point::AfterRequest, Point::BeforeAnswer];
        for (round, point) in points.into_iter().cycle().take(12).enumerate() {
            let before = total(bench, anna).await?;
            let set = bench.set(&[anna]);
            proxy.cut_at(set.blob.object_key.clone(), point);
            let answer = deliver(&store, set.clone()).await;
            assert_eq!(proxy.sprung(), round as u64 + 1, "{point:?}");
            let now = total(bench, anna).await?;
            match answer {
                Ok(outcomes) => {
                    let placed = placed(&outcomes)?;
                    assert_eq!((now, placed.uid), (before + 1, Uid(now)), "{point:?}");
                }
                Err(StoreError::Unavailable(_)) => {
                    assert_eq!(now, before, "{point:?}: said that it did not happen");
                    // And never will, even if the request were still on its way.
                    let late = deliver(&bench.store, set).await;
                    assert!(matches!(late, Err(StoreError::Conflict(_))), "{late:?}");
                    assert_eq!(total(bench, anna).await?, before);
                }
                other => panic!("{point:?}: {other:?}"),
            }
            let certain = match point {
                Point::BeforeRequest => now == before,
                Point::AfterRequest => true,
                Point::BeforeAnswer => now == before + 1,
            };
            assert!(certain, "{point:?}");
        }
        Ok(())
    })
    .await
}

/// What goes elsewhere has no copy here to be read back: its blob speaks for it.
#[tokio::test(flavor = "multi_thread")]
async fn mail_for_elsewhere_is_queued_once_or_not_at_all() -> Result<()> {
    with_bench(Way::Direct, async |bench: &Bench| {
        let anna = bench.account("anna").await?;
        let (proxy, store) = behind(bench, 4).await?;
        let points = [Point::BeforeRequest, Point::AfterRequest, Point::BeforeAnswer];
        for (round, point) in points.into_iter().cycle().take(12).enumerate() {
            let here: &[AccountId] = if round % 2 == 0 { &[] } else { &[anna] };
            let set = outgoing(bench, here, &["x@a.test", "y@b.test"]);
            let queue = set.envelope.as_ref().map(|envelope| envelope.queue.0);
            let rows = "SELECT count(*) FROM queue_recipient WHERE queue_id = $1";
            proxy.cut_at(set.blob.object_key.clone(), point);
            let answer = deliver(&store, set.clone()).await;
            assert_eq!(proxy.sprung(), round as u64 + 1, "{point:?}");
            let now = bench.count(rows, &[&queue]).await?;
            match answer {
                Ok(outcomes) => assert_eq!((outcomes.len(), now), (here.len(), 2), "{point:?}"),
                Err(StoreError::Unavailable(_)) => {
                    assert_eq!(now, 0, "{point:?}: said that it did not happen");
                    let late = deliver(&bench.store, set).await;
                    assert!(matches!(late, Err(StoreError::Conflict(_))), "{late:?}");
                    assert_eq!(bench.count(rows, &[&queue]).await?, 0);
                }
                other => panic!("{point:?}: {other:?}"),
            }
            let certain = match point {
                Point::BeforeRequest => now == 0,
                Point::AfterRequest => true,
                Point::BeforeAnswer => now == 2,
            };
            assert!(certain, "{point:?}");
        }
        Ok(())
    })
    .await
}

/// The request is in the server's hands and waits for a lock when the connection is cut: it will be committed
/// after the look-up has begun.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_still_under_way_is_waited_for() -> Result<()> {
    with_bench(Way::Direct, async |bench: &Bench| {
        let anna = bench.account("anna").await?;
        let (proxy, store) = behind(bench, 4).await?;
        let holder = bench.database.client().await?;
        for hold_ms in [0, 50, 100, 150, 200] {
            let before = total(bench, anna).await?;
            let lock = format!(
                "BEGIN; SELECT 1 FROM account_state WHERE account_id = {anna} FOR NO KEY UPDATE"
            );
            holder.batch_execute(&lock).await?;
            let set = bench.set(&[anna]);
            proxy.cut_at(set.blob.object_key.clone(), Point::AfterRequest);
            let release = async {
                tokio::time::sleep(Duration::from_millis(hold_ms)).await;
                holder.batch_execute("ROLLBACK").await
            };
            let (answer, released) = tokio::join!(deliver(&store, set), release);
            released?;
            let there = total(bench, anna).await? - before;
            match answer {
                Ok(outcomes) => assert_eq!((placed(&outcomes)?.uid, there), (Uid(before + 1), 1)),
                Err(StoreError::Unavailable(_)) => assert_eq!(there, 0),
                other => panic!("{other:?}"),
            }
            bench.check().await?;
        }
        Ok(())
    })
    .await
}

/// A batch of mixed fortunes: somebody unknown first, whose blob is never born, a refused APPEND, a deferred
/// recipient, and one that is expunged before anybody looks.
#[tokio::test(flavor = "multi_thread")]
async fn every_outcome_is_read_back() -> Result<()> {
    with_bench(Way::Direct, async |bench: &Bench| {
        let (anna, bert) = (bench.account("anna").await?, bench.account("bert").await?);
        let inbox = bench.inbox(anna).await?;
        let gone = bench.mailbox(anna, "Archive").await?.id;
        commit(&bench.store, &MailboxDelete { account: anna, name: "Archive" }).await?;
        let (proxy, store) = behind(bench, 4).await?;
        let mut deferred = bench.set(&[bert]);
        deferred.deliveries[0].deferred = true;
        let append = Delivery { mailbox: Some(gone), strict: true, ..to_inbox(anna) };
        let append = DeliverySet { envelope: None, deliveries: vec![append], ..bench.set(&[]) };
        let full = bench.account_with_quota("full", Some(10)).await?;
        let sets = vec![
            bench.set(&[AccountId(4_711)]),
            append,
            deferred,
            bench.set(&[anna, AccountId(4_711), bert]),
            bench.set(&[full]),
        ];
        // While one delivery holds up the line, the others gather in one batch behind it: all its connections
        // are taken, so none of them has begun.
        let last = sets[4].blob.object_key.clone();
        let blocked: Vec<_> = {
            let mut sessions = Vec::new();
            for _ in 0..4 {
                sessions.push(store.session().await?);
            }
            sessions
        };
        let first = deliver(&store, bench.set(&[anna, bert, full]));
        let rest = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            proxy.cut_at(last, Point::BeforeAnswer);
            futures::future::join_all(sets.into_iter().map(|set| deliver(&store, set))).await
        };
        let release = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            drop(blocked);
        };
        let expunge = async {
            // As soon as it has been delivered its owner expunges it.
            testkit::until("the second message", async || {
                (total(bench, anna).await.ok()? == 2).then_some(())
            })
            .await?;
            let uids = [Uid(2)];
            let store_flags = StoreFlags {
                account: anna,
                mailbox: inbox,
                uids: &uids,
                op: FlagOp::Add,
                flags: Flags::DELETED,
                keywords: &[],
                unchanged_since: None,
            };
            commit(&bench.store, &store_flags).await?;
            let expunge = Expunge { account: anna, mailbox: inbox, uids: &uids };
            anyhow::Ok(commit(&bench.store, &expunge).await?)
        };
        let (first, rest, (), expunged) = tokio::join!(first, rest, release, expunge);
        first?;
        assert_eq!((proxy.sprung(), expunged?.uids), (1, vec![Uid(2)]));
        let rest: Vec<Vec<Outcome>> = rest.into_iter().collect::<Result<_, _>>()?;
        assert_eq!(rest[0], [Outcome::NoAccount]);
        assert_eq!(rest[1], [Outcome::Busy], "not delivered, and nobody may say it was");
        assert_eq!(rest[2], [Outcome::Deferred]);
        let expunged = placed(&rest[3][..1])?;
        assert_eq!((expunged.mailbox, expunged.uid), (inbox, Uid(2)));
        assert_eq!(rest[3][1], Outcome::NoAccount);
        assert!(matches!(rest[3][2], Outcome::Delivered(_)));
        assert_eq!(rest[4], [Outcome::Deferred], "over quota, and safe in the queue");
        Ok(())
    })
    .await
}

/// Out of the queue the row itself is the witness: whoever tries again finds it gone, or delivers.
#[tokio::test(flavor = "multi_thread")]
async fn a_queued_delivery_is_never_done_twice() -> Result<()> {
    with_bench(Way::Direct, async |bench: &Bench| {
        let anna = bench.account("anna").await?;
        let (proxy, store) = behind(bench, 4).await?;
        for point in [Point::BeforeRequest, Point::AfterRequest, Point::BeforeAnswer] {
            let before = total(bench, anna).await?;
            let mut set = bench.set(&[anna]);
            set.deliveries[0].deferred = true;
            assert_eq!(deliver(&bench.store, set.clone()).await?, [Outcome::Deferred]);
            let due = store::queue::queue_local_due(&bench.store, 10).await?;
            assert_eq!(due.len(), 1);
            let delivery = Delivery { queued: Some(due[0].id), ..to_inbox(anna) };
            let again = DeliverySet {
                newborn: false,
                envelope: None,
                deliveries: vec![delivery],
                ..set.clone()
            };
            proxy.cut_at(set.blob.object_key.clone(), point);
            let lost = deliver(&store, again.clone()).await;
            assert!(matches!(lost, Err(StoreError::MaybeHappened(_))), "{lost:?}");
            let retried = testkit::until("a sure answer", async || {
                deliver(&bench.store, again.clone()).await.ok()
            })
            .await?;
            assert!(matches!(retried[0], Outcome::Delivered(_) | Outcome::NoLongerQueued));
            assert_eq!(total(bench, anna).await?, before + 1, "{point:?}");
        }
        Ok(())
    })
    .await
}

/// Load, and connections cut at random: every answer is the truth.
#[tokio::test(flavor = "multi_thread")]
async fn cut_at_random_under_load() -> Result<()> {
    with_bench(Way::Direct, async |bench: &Bench| {
        let accounts = [
            bench.account("anna").await?,
            bench.account("bert").await?,
            bench.account("cleo").await?,
        ];
        let (proxy, store) = behind(bench, 8).await?;
        let work = async {
            let (mut happened, mut open) = ([0, 0, 0], [0, 0, 0]);
            let mut failed = 0;
            for _ in 0..60 {
                let sets = (0..8).map(|n| bench.set(&accounts[..=n % 3]));
                let sets: Vec<_> = sets.collect();
                let done =
                    futures::future::join_all(sets.iter().map(|set| deliver(&store, set.clone())));
                for (set, answer) in sets.iter().zip(done.await) {
                    match answer {
                        Ok(outcomes) => {
                            for (n, outcome) in outcomes.iter().enumerate() {
                                assert!(
                                    matches!(outcome, Outcome::Delivered(_) | Outcome::Busy),
                                    "{outcome:?}"
                                );
                                happened[n] += 1;
                            }
                        }
                        // Cut off again and again while it was looked up.
                        Err(StoreError::MaybeHappened(_)) => {
                            open[..set.deliveries.len()].iter_mut().for_each(|open| *open += 1);
                        }
                        Err(error) => {
                            assert!(error.is_temporary(), "{error:?}");
                            let sql = "SELECT count(*) FROM blob WHERE id = $1 AND state = 0";
                            assert_eq!(bench.count(sql, &[&set.blob.id.0]).await?, 0, "{error:?}");
                            failed += 1;
                        }
                    }
                }
            }
            anyhow::Ok((happened, open, failed))
        };
        let weather = async {
            loop {
                tokio::time::sleep(Duration::from_millis(rand::random_range(5..60))).await;
                proxy.cut();
            }
        };
        let (happened, open, failed) =
            tokio::select! { done = work => done?, () = weather => unreachable!() };
        eprintln!("cut at random: {happened:?} delivered, {open:?} open, {failed} sets refused");
        assert!(happened[0] > 0);
        for (n, account) in accounts.iter().enumerate() {
            let queued = "SELECT count(*) FROM queue_recipient WHERE account_id = $1";
            let queued = u32::try_from(bench.count(queued, &[&account.0]).await?)?;
            let there = total(bench, *account).await? + queued;
            assert!((happened[n]..=happened[n] + open[n]).contains(&there), "{there} there");
        }
        Ok(())
    })
    .await
}

/// PostgreSQL itself: shut down under load, crashed, paused. What was answered is there; what was refused is not.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_goes_and_comes_back() -> Result<()> {
    let postgres = Arc::new(Postgres::start(PostgresOptions::default()).await?);
    on(Arc::clone(&postgres), Way::Direct, async |bench: &Bench| {
        let anna = bench.account("anna").await?;
        let config = PostgresConfig { pool_wait_ms: 500, query_timeout_ms: 2_000, ..bench.database.config() };
        let store = Store::new(&config)?;
        let (stop, mut stopped) = tokio::sync::watch::channel(false);
        let work = async {
            let (mut sure, mut refused, mut open) = (0u32, 0u32, 0u32);
            while !*stopped.borrow_and_update() {
                let sets = (0..4).map(|_| deliver(&store, bench.set(&[anna])));
                for answer in futures::future::join_all(sets).await {
                    match answer {
                        Ok(_) => sure += 1,
                        Err(StoreError::MaybeHappened(_)) => open += 1,
                        Err(error) if error.is_temporary() => refused += 1,
                        Err(error) => panic!("{error:?}"),
                    }
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            (sure, refused, open)
        };
        let faults = async {
            let pause = || tokio::time::sleep(Duration::from_millis(300));
            pause().await;
            postgres.restart().await?;
            pause().await;
            postgres.pause()?;
            tokio::time::sleep(Duration::from_secs(3)).await;
            postgres.resume()?;
            pause().await;
            postgres.kill();
            pause().await;
            postgres.up().await?;
            // Everything heals by itself.
            testkit::until("a delivery after all that", async || {
                deliver(&store, bench.set(&[anna])).await.ok()
            })
            .await?;
            anyhow::Ok(())
        };
        let faults = async {
            let done = faults.await;
            stop.send_replace(true);
            done
        };
        let ((sure, refused, open), faults) = tokio::join!(work, faults);
        faults?;
        eprintln!("PostgreSQL restarted, paused, crashed: {sure} delivered, {refused} refused, {open} open");
        // fsync is off, which only a crash of the machine would notice.
        let queued = bench.count("SELECT count(*) FROM queue_recipient", &[]).await?;
        let there = total(bench, anna).await? + u32::try_from(queued)?;
        assert!(there > sure && there <= sure + 1 + open, "{there} there");
        Ok(())
    })
    .await
}

/// A network that swallows everything: the caller's patience ends, and so does the statement's.
#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole_ends_in_time() -> Result<()> {
    with_bench(Way::Direct, async |bench: &Bench| {
        let anna = bench.account("anna").await?;
        let (proxy, _) = behind(bench, 2).await?;
        let address = proxy.address();
        let url = format!(
            "host={} port={} user=postgres dbname={}",
            address.ip(),
            address.port(),
            bench.database.name()
        );
        let config = PostgresConfig {
            pool_size: 2,
            pool_wait_ms: 300,
            query_timeout_ms: 500,
            ..PostgresConfig::new(url)
        };
        let store = Store::new(&config)?;
        store.ping().await?;
        proxy.swallow(true);
        let read = store::mailbox::mailbox_list(&store, anna).await;
        assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
        let set = DeliverySet { envelope: Some(envelope()), ..bench.set(&[anna]) };
        let answer = async { deliver(&store, set).await };
        let heal = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            proxy.swallow(false);
        };
        let (answer, ()) = tokio::join!(answer, heal);
        let there = total(bench, anna).await?;
        match answer {
            Ok(outcomes) => assert_eq!(there, placed(&outcomes)?.uid.0),
            Err(StoreError::Unavailable(_)) => assert_eq!(there, 0),
            other => panic!("{other:?}"),
        }
        store.ping().await?;
        Ok(())
    })
    .await
}
