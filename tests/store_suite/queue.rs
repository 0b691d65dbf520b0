//! The queue's SQL against its rule book, and what the rule book cannot say: locks, round trips, blobs, events.

mod ends;
mod model;
mod operator;

use crate::bench::{Bench, placed, to_inbox};
use anyhow::{Context, Result, ensure};
use std::collections::HashSet;
use std::time::Duration;
use store::account::{
    DeliverySet, Outbound, Outcome, RemoteRecipient, ReportOf, Settled, accept, deliver,
};
use store::queue::{
    Claimed, Note, RecordRow, Recorded, Written, queue_claim, queue_local_end, queue_look,
    queue_record, queue_release, queue_sweep, queue_take_over, report_due, report_waive,
};
use store::{Store, StoreError, lease};
use types::{AccountId, Destination, Incarnation, QueueId, TenantId};

super::both_ways! {
    rows_follow_the_rule_book,
    a_message_to_here_and_elsewhere,
    a_message_to_elsewhere_only,
    what_comes_soon_after_a_batch_goes_together,
    mail_is_born_as_its_nodes_own,
    nobody_claims_without_a_lease,
    four_claimers_share_without_a_double,
    a_late_failure_is_fenced_and_a_late_delivery_is_a_fact,
    the_last_two_recipients_at_the_same_time,
    a_sweep_goes_on_where_it_stopped,
    a_report_pays_once,
    a_copy_made_here_owes_a_report_if_asked,
    a_copy_out_of_the_queue_owes_a_report_if_asked,
    the_end_of_a_local_recipient_is_told,
    a_remote_reply_may_hold_anything,
}

/// A recipient of another server.
pub fn remote(address: &str) -> RemoteRecipient {
    let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
    RemoteRecipient {
        destination: Destination::new(domain),
        tenant: TenantId(1),
        recipient: address.to_owned(),
        parameters: serde_json::json!({"notify": ["failure"]}),
        priority: 0,
        wait: Duration::ZERO,
        expire: Duration::from_secs(432_000),
        settled: None,
        mine: false,
    }
}

/// A new message to these.
pub fn outgoing(bench: &Bench, here: &[AccountId], elsewhere: &[&str]) -> DeliverySet {
    let outbound = Outbound {
        recipients: elsewhere.iter().map(|address| remote(address)).collect(),
        owner: None,
        content_offset: 17,
        delay_report: Some(Duration::from_secs(4 * 3600)),
        report: None,
        tells: Vec::new(),
    };
    DeliverySet { outbound, ..bench.set(here) }
}

/// A node with a lease.
pub async fn node(store: &Store) -> Result<Incarnation> {
    let node = Incarnation::new();
    lease::node_lease_renew(store, node, "test", 3, "test").await?;
    Ok(node)
}

fn record(claimed: &Claimed, written: Written) -> RecordRow {
    let note = Note {
        queue: claimed.queue,
        recipient: claimed.recipient.clone(),
        text: "what it said".into(),
        detail: serde_json::json!({"status": "4.0.0", "host": "mx.test"}),
    };
    RecordRow { id: claimed.id, attempt: claimed.attempt, written, note: Some(note) }
}

const DELIVERED: Written = Written::Delivered { report: false };
const FAILED: Written = Written::Failed { report: true, expired: false };

fn again(seconds: u64) -> Written {
    Written::Again { wait: Duration::from_secs(seconds), used: true }
}

async fn claim(store: &Store, node: Incarnation, domain: &str) -> Result<Vec<Claimed>> {
    Ok(queue_claim(store, node, &Destination::new(domain), 100, 0).await?.rows)
}

async fn rows_follow_the_rule_book(bench: &Bench) -> Result<()> {
    model::compare(bench).await
}

async fn a_message_to_here_and_elsewhere(bench: &Bench) -> Result<()> {
    let (anna, bert) = (bench.account("anna").await?, bench.account("bert").await?);
    let mut set = outgoing(bench, &[anna, bert], &["x@a.test", "y@b.test", "z@a.test"]);
    set.deliveries[1].deferred = true;
    let outcomes = deliver(&bench.store, set.clone()).await?;
    ensure!(matches!(outcomes[..], [Outcome::Delivered(_), Outcome::Deferred]));
    bench.check().await?;
    // One in a mailbox, and one queue row for the rest.
    let refs =
        bench.count("SELECT refs::bigint FROM blob WHERE id = $1", &[&set.blob.id.0]).await?;
    assert_eq!(refs, 2);
    let node = node(&bench.store).await?;
    let claimed = claim(&bench.store, node, "A.test").await?;
    assert_eq!(claimed.len(), 2);
    let first = &claimed[0];
    assert_eq!(
        (first.recipient.as_str(), first.reverse_path.as_str()),
        ("x@a.test", "sender@elsewhere.test")
    );
    assert_eq!((first.attempt, first.attempts, first.takeovers, first.priority), (1, 0, 0, 0));
    assert_eq!((first.blob, &first.object_key), (set.blob.id, &set.blob.object_key));
    assert_eq!((first.offset, first.size, first.content_offset), (0, 100, 17));
    assert_eq!(first.recipient_parameters, serde_json::json!({"notify": ["failure"]}));
    assert!(first.left > Duration::from_secs(431_000) && first.age < Duration::from_secs(60));
    assert!(claim(&bench.store, node, "a.test").await?.is_empty());
    let rows: Vec<_> = claimed.iter().map(|one| record(one, DELIVERED)).collect();
    assert_eq!(queue_record(&bench.store, node, &rows).await?, [Recorded::Done; 2]);
    bench.check().await?;
    let rest = claim(&bench.store, node, "b.test").await?;
    queue_record(&bench.store, node, &[record(&rest[0], DELIVERED)]).await?;
    // The local one is last, and takes the message with it.
    let due = store::queue::queue_local_due(&bench.store, 10).await?;
    let delivery = store::account::Delivery { queued: Some(due[0].id), ..to_inbox(bert) };
    let set = DeliverySet {
        newborn: false,
        envelope: None,
        deliveries: vec![delivery],
        outbound: Outbound::default(),
        ..set
    };
    placed(&deliver(&bench.store, set).await?)?;
    assert_eq!(bench.count("SELECT count(*) FROM queue_message", &[]).await?, 0);
    assert_eq!(bench.count("SELECT count(*) FROM queue_event", &[]).await?, 3);
    Ok(())
}

async fn a_message_to_elsewhere_only(bench: &Bench) -> Result<()> {
    let set = outgoing(bench, &[], &["x@a.test"]);
    let blob = set.blob.id.0;
    assert!(deliver(&bench.store, set.clone()).await?.is_empty());
    // The same again is refused: its blob is born already.
    assert!(deliver(&bench.store, set).await.is_err());
    let node = node(&bench.store).await?;
    let claimed = claim(&bench.store, node, "a.test").await?;
    queue_record(&bench.store, node, &[record(&claimed[0], again(60))]).await?;
    assert_eq!(bench.count("SELECT count(*) FROM blob_delta", &[]).await?, 0);
    assert!(claim(&bench.store, node, "a.test").await?.is_empty());
    let client = bench.database.client().await?;
    client.batch_execute("UPDATE queue_recipient SET due = now()").await?;
    let claimed = claim(&bench.store, node, "a.test").await?;
    assert_eq!((claimed[0].attempt, claimed[0].attempts), (2, 1));
    queue_record(&bench.store, node, &[record(&claimed[0], DELIVERED)]).await?;
    let freed = "SELECT sum(delta) FROM blob_delta WHERE blob_id = $1";
    assert_eq!(bench.count(freed, &[&blob]).await?, -1);
    Ok(())
}

/// One alone waits for nothing; among many nodes the next ones wait for each other.
async fn what_comes_soon_after_a_batch_goes_together(bench: &Bench) -> Result<()> {
    let transactions = "SELECT count(DISTINCT xmin::text) FROM queue_recipient";
    let one = || deliver(&bench.store, outgoing(bench, &[], &["x@a.test"]));
    bench.store.space_batches(Duration::from_secs(3600));
    one().await?;
    futures::future::try_join_all((0..10).map(|_| one())).await?;
    assert_eq!(bench.count("SELECT count(*) FROM queue_recipient", &[]).await?, 11);
    assert_eq!(bench.count(transactions, &[]).await?, 2);
    bench.check().await
}

/// It is as if it had been claimed; without a lease, or while its destination is paused, it is everybody's.
async fn mail_is_born_as_its_nodes_own(bench: &Bench) -> Result<()> {
    let (store, owner) = (&bench.store, node(&bench.store).await?);
    let born = async |owner| {
        let mut set = outgoing(bench, &[], &["x@a.test", "y@b.test", "z@a.test"]);
        set.outbound.owner = Some(owner);
        for nth in [0, 2] {
            set.outbound.recipients[nth].mine = true;
        }
        accept(store, set).await.map(|done| done.born)
    };
    let first = born(owner).await?;
    let names = first.iter().map(|(to, claimed)| (to.domain(), claimed.recipient.as_str()));
    assert_eq!(names.collect::<Vec<_>>(), [("a.test", "x@a.test"), ("a.test", "z@a.test")]);
    bench.check().await?;
    assert!(
        claim(store, owner, "a.test").await?.is_empty()
            && !claim(store, owner, "b.test").await?.is_empty()
    );
    queue_release(store, owner).await?;
    for ((_, born), claimed) in first.iter().zip(claim(store, owner, "a.test").await?) {
        let wanted = Claimed {
            attempt: 2,
            age: claimed.age,
            left: claimed.left,
            received_at: claimed.received_at,
            ..born.clone()
        };
        assert_eq!(claimed, wanted);
        assert!((claimed.received_at - born.received_at).num_milliseconds() == 0);
    }
    assert!(born(Incarnation::new()).await?.is_empty(), "no lease");
    let client = bench.database.client().await?;
    client.batch_execute("INSERT INTO queue_pause VALUES ('a.test')").await?;
    assert!(born(owner).await?.is_empty(), "paused");
    client.batch_execute("DELETE FROM queue_pause").await?;
    assert_eq!(claim(store, owner, "a.test").await?.len(), 4);
    bench.check().await
}

async fn nobody_claims_without_a_lease(bench: &Bench) -> Result<()> {
    deliver(&bench.store, outgoing(bench, &[], &["x@a.test"])).await?;
    let stranger = Incarnation::new();
    let d = Destination::new("a.test");
    let refused = queue_claim(&bench.store, stranger, &d, 9, 0).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    let node = node(&bench.store).await?;
    let client = bench.database.client().await?;
    client.batch_execute("UPDATE node_lease SET expires_at = now() - interval '1 ms'").await?;
    let refused = queue_claim(&bench.store, node, &d, 9, 0).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    Ok(())
}

async fn four_claimers_share_without_a_double(bench: &Bench) -> Result<()> {
    let d = Destination::new("a.test");
    let addresses: Vec<String> = (0..500).map(|n| format!("u{n}@a.test")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    for some in addresses.chunks(50) {
        deliver(&bench.store, outgoing(bench, &[], some)).await?;
    }
    let claimers = (0..4).map(async |_| -> Result<Vec<i64>> {
        let store = bench.another_store()?;
        let node = node(&store).await?;
        let (mut mine, mut empty) = (Vec::new(), 0);
        // Empty may mean that another one has just locked the rest.
        while empty < 3 {
            let claimed = queue_claim(&store, node, &d, 7, 0).await?.rows;
            empty = if claimed.is_empty() { empty + 1 } else { 0 };
            let rows: Vec<_> = claimed.iter().map(|one| record(one, DELIVERED)).collect();
            let recorded = queue_record(&store, node, &rows).await?;
            ensure!(recorded.iter().all(|one| *one == Recorded::Done));
            mine.extend(claimed.iter().map(|one| one.id));
        }
        Ok(mine)
    });
    let mut seen = HashSet::new();
    for mine in futures::future::join_all(claimers).await {
        for id in mine? {
            ensure!(seen.insert(id), "{id} was claimed twice");
        }
    }
    assert_eq!(seen.len(), 500);
    assert_eq!(bench.count("SELECT count(*) FROM queue_message", &[]).await?, 0);
    Ok(())
}

async fn a_late_failure_is_fenced_and_a_late_delivery_is_a_fact(bench: &Bench) -> Result<()> {
    let store = &bench.store;
    deliver(store, outgoing(bench, &[], &["x@a.test", "y@a.test"])).await?;
    let (first, second) = (node(store).await?, node(store).await?);
    let claimed = claim(store, first, "a.test").await?;
    let client = bench.database.client().await?;
    let expire =
        "UPDATE node_lease SET expires_at = now() - interval '1 ms' WHERE incarnation = $1";
    client.execute(expire, &[&first.0]).await?;
    let seen = queue_look(store).await?;
    let gone: Vec<_> = seen.into_iter().filter(|one| one.owner == first).collect();
    assert!(gone.len() == 1 && gone[0].expired && gone[0].stamp.is_some());
    // It came back in between: its lease is another one now.
    lease::node_lease_renew(store, first, "test", 3, "test").await?;
    assert!(queue_take_over(store, second, &gone).await?.is_empty());
    client.execute(expire, &[&first.0]).await?;
    assert!(queue_take_over(store, second, &gone).await?.is_empty(), "another stamp");
    let seen = queue_look(store).await?;
    let gone: Vec<_> = seen.into_iter().filter(|one| one.owner == first).collect();
    assert_eq!(queue_take_over(store, second, &gone).await?, [Destination::new("a.test")]);
    assert!(queue_look(store).await?.iter().all(|one| one.owner == second), "it owns nothing more");

    let mine = claim(store, second, "a.test").await?;
    assert_eq!((mine.len(), mine[0].attempt, mine[0].takeovers), (2, 2, 1));
    let late = [record(&claimed[0], FAILED), record(&claimed[1], DELIVERED)];
    assert_eq!(queue_record(store, first, &late).await?, [Recorded::Late, Recorded::Done]);
    let now = [record(&mine[0], DELIVERED), record(&mine[1], again(60))];
    assert_eq!(queue_record(store, second, &now).await?, [Recorded::Done, Recorded::Gone]);
    assert_eq!(queue_record(store, second, &now).await?, [Recorded::Gone, Recorded::Gone]);
    // The log knows all of it.
    let journey = "SELECT count(*) FROM queue_event WHERE kind = $1 AND recorded = $2";
    for (kind, recorded, count) in [(1_i16, 0_i16, 2), (1, 1, 1), (1, 2, 3), (2, 0, 2)] {
        let found = bench.count(journey, &[&kind, &recorded]).await?;
        assert_eq!(found, count, "kind {kind}, recorded {recorded}");
    }
    Ok(())
}

async fn the_last_two_recipients_at_the_same_time(bench: &Bench) -> Result<()> {
    let store = &bench.store;
    let node = node(store).await?;
    for _ in 0..30 {
        deliver(store, outgoing(bench, &[], &["x@a.test", "y@b.test"])).await?;
        let (x, y) = (claim(store, node, "a.test").await?, claim(store, node, "b.test").await?);
        let (x, y) = ([record(&x[0], DELIVERED)], [record(&y[0], DELIVERED)]);
        let (a, b) = tokio::join!(queue_record(store, node, &x), queue_record(store, node, &y));
        assert_eq!((a?, b?), (vec![Recorded::Done], vec![Recorded::Done]));
    }
    assert_eq!(bench.count("SELECT count(*) FROM queue_message", &[]).await?, 0);
    assert_eq!(bench.count("SELECT -sum(delta) FROM blob_delta", &[]).await?, 30);
    Ok(())
}

async fn a_sweep_goes_on_where_it_stopped(bench: &Bench) -> Result<()> {
    let addresses: Vec<String> = (0..40).map(|n| format!("u@d{n}.test")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let mut set = outgoing(bench, &[], &addresses);
    // Some are only about to be due, and some belong to others.
    for (n, recipient) in set.outbound.recipients.iter_mut().enumerate() {
        recipient.wait = Duration::from_secs(if n % 4 == 0 { 1000 } else { 0 });
        recipient.priority = (n % 3) as i16;
    }
    deliver(&bench.store, set).await?;
    let client = bench.database.client().await?;
    client.batch_execute("UPDATE queue_recipient SET due = due - interval '1000 s'").await?;
    client.execute("INSERT INTO queue_pause (destination) VALUES ('d1.test')", &[]).await?;
    let (mut found, mut from, mut rounds) = (Vec::new(), None, 0);
    loop {
        let (due, next) = queue_sweep(&bench.store, from, 7).await?;
        assert!(due.len() <= 7);
        found.extend(due.into_iter().map(|one| one.destination.domain().to_owned()));
        rounds += 1;
        from = next;
        if from.is_none() {
            break;
        }
    }
    let distinct: HashSet<&String> = found.iter().collect();
    assert_eq!((found.len(), distinct.len(), rounds), (39, 39, 6));
    assert!(!found.contains(&"d1.test".to_owned()), "it is paused");
    let node = node(&bench.store).await?;
    assert!(claim(&bench.store, node, "d1.test").await?.is_empty());
    client.batch_execute("DELETE FROM queue_pause").await?;
    assert_eq!(claim(&bench.store, node, "d1.test").await?.len(), 1);
    assert_eq!(queue_release(&bench.store, node).await?, [Destination::new("d1.test")]);
    Ok(())
}

async fn a_report_pays_once(bench: &Bench) -> Result<()> {
    let store = &bench.store;
    let anna = bench.account("anna").await?;
    let original = outgoing(bench, &[], &["x@a.test", "y@a.test"]);
    let queue = original.envelope.as_ref().context("an envelope")?.queue;
    deliver(store, original).await?;
    let node = node(store).await?;
    let claimed = claim(store, node, "a.test").await?;
    queue_record(store, node, &[record(&claimed[0], FAILED)]).await?;
    assert_eq!(bench.count("SELECT count(*) FROM queue_recipient WHERE state = 3", &[]).await?, 1);
    // What is settled stays settled.
    let again = queue_record(store, node, &[record(&claimed[0], DELIVERED)]).await?;
    assert_eq!(again, [Recorded::Gone]);

    let report = |settled: &[i64], delayed: &[QueueId]| {
        let mut set = outgoing(bench, &[anna], &[]);
        let (settled, delayed) = (settled.to_vec(), delayed.to_vec());
        set.outbound.report = Some(ReportOf { node, settled, delayed });
        set
    };
    let (id, other) = (claimed[0].id, claimed[1].id);
    let owed_nothing = deliver(store, report(&[id, other], &[])).await;
    assert!(matches!(owed_nothing, Err(StoreError::Refused(_))), "{owed_nothing:?}");
    // Two nodes at once; and a bystander in the same batch.
    let (a, b, c) = tokio::join!(
        deliver(store, report(&[id], &[queue])),
        deliver(store, report(&[id], &[queue])),
        deliver(store, bench.set(&[anna])),
    );
    placed(&c?)?;
    assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
    let inbox = bench.mailbox(anna, "INBOX").await?;
    assert_eq!(inbox.total, 2, "one report and the bystander");
    let sent = "SELECT count(*) FROM queue_message WHERE delay_sent AND delay_at IS NULL";
    assert_eq!(bench.count(sent, &[]).await?, 1);
    queue_record(store, node, &[record(&claimed[1], DELIVERED)]).await?;
    assert_eq!(bench.count("SELECT count(*) FROM queue_message", &[]).await?, 0);
    Ok(())
}

async fn a_copy_made_here_owes_a_report_if_asked(bench: &Bench) -> Result<()> {
    let (anna, bert) = (bench.account("anna").await?, bench.account("bert").await?);
    for bert_waits in [false, true] {
        let mut set = outgoing(bench, &[anna, bert], &[]);
        set.deliveries[1].deferred = bert_waits;
        set.outbound.recipients = (0..2)
            .map(|delivery| RemoteRecipient {
                settled: Some(Settled {
                    result: serde_json::json!({"action": "delivered"}),
                    delivery: Some(delivery),
                }),
                ..remote("someone@example.test")
            })
            .collect();
        deliver(&bench.store, set).await?;
        let owed = "SELECT count(*) FROM queue_recipient WHERE state = 3";
        let wanted = if bert_waits { 3 } else { 2 };
        assert_eq!(bench.count(owed, &[]).await?, wanted);
        let delayed = "SELECT count(*) FROM queue_message WHERE delay_at IS NOT NULL";
        assert_eq!(bench.count(delayed, &[]).await?, 0, "nothing of it leaves");
        bench.check().await?;
    }
    Ok(())
}

async fn a_copy_out_of_the_queue_owes_a_report_if_asked(bench: &Bench) -> Result<()> {
    let store = &bench.store;
    let (anna, full) =
        (bench.account("anna").await?, bench.account_with_quota("full", Some(1)).await?);
    let mut set = bench.set(&[anna, full]);
    set.deliveries.iter_mut().for_each(|delivery| delivery.deferred = true);
    let envelope = set.envelope.as_mut().context("an envelope")?;
    let of = |account: AccountId| format!("account-{account}@example.test");
    envelope.parameters = serde_json::json!({
        "recipients": {of(anna): {"notify": ["success"]}, of(full): {"notify": ["success", "failure"]}}
    });
    deliver(store, set.clone()).await?;
    let due = store::queue::queue_local_due(store, 10).await?;
    assert!(due.len() == 2 && due.iter().all(|one| one.tells));
    let deliveries = due
        .iter()
        .map(|one| store::account::Delivery { queued: Some(one.id), ..to_inbox(one.account) });
    let set = DeliverySet {
        newborn: false,
        envelope: None,
        deliveries: deliveries.collect(),
        outbound: Outbound { tells: vec![0, 1], ..Outbound::default() },
        ..set
    };
    let outcomes = deliver(store, set.clone()).await?;
    ensure!(matches!(outcomes[..], [Outcome::Delivered(_), Outcome::OverQuota]), "{outcomes:?}");
    let owed = report_due(store, Duration::ZERO, 10).await?;
    assert_eq!((owed.len(), owed[0].recipients.len()), (1, 1));
    let told = &owed[0].recipients[0];
    assert_eq!((&told.recipient, &told.result["action"]), (&of(anna), &"delivered".into()));
    // Two workers had the same row: the second one's copy is not told of, nor made.
    let outcomes = deliver(store, set).await?;
    ensure!(matches!(outcomes[..], [Outcome::NoLongerQueued, Outcome::OverQuota]), "{outcomes:?}");
    assert_eq!(report_due(store, Duration::ZERO, 10).await?, owed);
    Ok(())
}

async fn the_end_of_a_local_recipient_is_told(bench: &Bench) -> Result<()> {
    let store = &bench.store;
    let (anna, bert) = (bench.account("anna").await?, bench.account("bert").await?);
    let mut set = bench.set(&[anna, bert]);
    set.deliveries.iter_mut().for_each(|delivery| delivery.deferred = true);
    let envelope = set.envelope.as_mut().context("an envelope")?;
    let never = format!("account-{bert}@example.test");
    envelope.parameters = serde_json::json!({"recipients": {never: {"notify": ["never"]}}});
    deliver(store, set).await?;
    let why = serde_json::json!({"status": "5.2.2", "text": "mailbox full"});
    for one in store::queue::queue_local_due(store, 10).await? {
        assert!(!one.tells);
        queue_local_end(store, one.id, &why).await?;
        let again = queue_local_end(store, one.id, &why).await;
        ensure!(matches!(again, Err(StoreError::Refused(_))), "{again:?}");
    }
    let owed = report_due(store, Duration::ZERO, 10).await?;
    assert_eq!((owed.len(), owed[0].recipients.len()), (1, 1));
    assert_eq!(owed[0].recipients[0].recipient, format!("account-{anna}@example.test"));
    assert_eq!(owed[0].recipients[0].result["status"], "5.2.2");
    let node = node(store).await?;
    report_waive(store, node, &[owed[0].recipients[0].id], &[], "a test").await?;
    assert_eq!(bench.count("SELECT count(*) FROM queue_message", &[]).await?, 0);
    Ok(())
}

async fn a_remote_reply_may_hold_anything(bench: &Bench) -> Result<()> {
    deliver(&bench.store, outgoing(bench, &[], &["x@a.test"])).await?;
    let node = node(&bench.store).await?;
    let claimed = claim(&bench.store, node, "a.test").await?;
    let mut row = record(&claimed[0], again(60));
    if let Some(note) = &mut row.note {
        note.text = "450 \0 \u{1F4A9}\r\n".into();
        note.detail = serde_json::json!({"reply\0": ["\0", {"a": "\u{0}b"}]});
    }
    assert_eq!(queue_record(&bench.store, node, &[row]).await?, [Recorded::Done]);
    Ok(())
}
