//! Ends that no attempt brings.

use super::*;
use serde_json::json;
use store::queue::{
    Action, QueueState, Select, queue_astray, queue_change, queue_elders, queue_expire,
    queue_give_up, queue_home, queue_list, queue_local_due, queue_pause, queue_show,
};

super::super::both_ways! {
    what_is_over_goes_back_although_nobody_tried_it,
    what_is_being_sent_is_not_given_up,
    elders_are_looked_through_piece_by_piece,
    a_recipient_comes_home,
    nobody_is_given_a_message_twice,
    who_is_nobody_here_is_told_but_not_while_the_domain_is_young,
}

const NOW: Duration = Duration::ZERO;

async fn over(bench: &Bench) -> Result<()> {
    let sql =
        "UPDATE queue_recipient SET expires_at = now() - interval '1 minute' WHERE state <> 9";
    Ok(bench.database.client().await?.batch_execute(sql).await?)
}

async fn what_is_over_goes_back_although_nobody_tried_it(bench: &Bench) -> Result<()> {
    let store = &bench.store;
    let mut set =
        outgoing(bench, &[], &["held@a.test", "due@b.test", "later@c.test", "never@d.test"]);
    set.outbound.recipients[2].wait = Duration::from_secs(3600);
    set.outbound.recipients[3].parameters = json!({"notify": ["never"]});
    let queue = set.envelope.as_ref().context("an envelope")?.queue;
    deliver(store, set).await?;
    let held = Select { domain: Some("a.test".into()), ..Select::default() };
    queue_change(store, &held, &Action::Hold, "the test").await?;
    queue_pause(store, Some(&Destination::new("b.test")), "a test").await?;
    let node = node(store).await?;
    assert_eq!(queue_expire(store, node, NOW, 100).await?, 0, "not yet");
    over(bench).await?;
    assert_eq!(queue_expire(store, node, Duration::from_secs(120), 100).await?, 0, "the grace");
    assert_eq!(queue_expire(store, node, NOW, 3).await?, 3);
    assert_eq!(queue_expire(store, node, NOW, 100).await?, 1);
    assert_eq!(queue_expire(store, node, NOW, 100).await?, 0);
    bench.check().await?;
    let due = report_due(store, NOW, 10).await?;
    let told: Vec<_> = due[0].recipients.iter().map(|one| one.recipient.as_str()).collect();
    assert_eq!(told, ["held@a.test", "due@b.test", "later@c.test"], "one wants to hear nothing");
    let result = &due[0].recipients[0].result;
    assert_eq!((&result["action"], &result["expired"]), (&"failed".into(), &true.into()));
    let journey = queue_show(store, queue).await?.context("a journey")?;
    let ends = journey.events.iter().filter(|event| event.kind == "end");
    assert!(ends.clone().all(|event| event.outcome == Some("expired") && event.node == Some(node)));
    assert_eq!(ends.count(), 4);
    let ids: Vec<i64> = due[0].recipients.iter().map(|one| one.id).collect();
    report_waive(store, node, &ids, &[], "a test").await?;
    assert_eq!(bench.count("SELECT count(*) FROM queue_message", &[]).await?, 0);
    Ok(())
}

async fn what_is_being_sent_is_not_given_up(bench: &Bench) -> Result<()> {
    let store = &bench.store;
    deliver(store, outgoing(bench, &[], &["x@a.test"])).await?;
    let node = node(store).await?;
    let sent = claim(store, node, "a.test").await?;
    over(bench).await?;
    assert_eq!(queue_expire(store, node, NOW, 100).await?, 0);
    assert_eq!(queue_record(store, node, &[record(&sent[0], DELIVERED)]).await?, [Recorded::Done]);
    Ok(())
}

/// The rows of a destination, brought to these accounts.
async fn home(bench: &Bench, domain: &str, accounts: &[AccountId], status: &str) -> Result<usize> {
    let node = node(&bench.store).await?;
    let astray = queue_astray(&bench.store, &Destination::new(domain), 100).await?;
    let mut came = 0;
    for one in astray {
        let result = json!({"status": status, "text": "no such user"});
        came += usize::from(queue_home(&bench.store, node, one.id, accounts, &result).await?);
    }
    bench.check().await?;
    Ok(came)
}

/// By age, each once, and none that is being sent; giving up tells as any other end does.
async fn elders_are_looked_through_piece_by_piece(bench: &Bench) -> Result<()> {
    let store = &bench.store;
    for to in [&["1@a.test", "2@b.test", "3@c.test"][..], &["4@a.test", "5@sent.test"]] {
        deliver(store, outgoing(bench, &[], to)).await?;
    }
    let node = node(store).await?;
    assert_eq!(queue_claim(store, node, &Destination::new("sent.test"), 5, 0).await?.rows.len(), 1);
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let piece = queue_elders(store, Duration::ZERO, after, 2).await?;
        seen.extend(piece.iter().map(|one| (one.id, one.destination.domain().to_owned())));
        if piece.len() < 2 {
            break;
        }
        after = piece.last().map(|last| (last.queue, last.id));
    }
    let domains: Vec<&str> = seen.iter().map(|(_, domain)| domain.as_str()).collect();
    assert_eq!(domains, ["a.test", "b.test", "c.test", "a.test"]);
    let hour = Duration::from_secs(3600);
    assert_eq!(queue_elders(store, hour, None, 9).await?, [], "nobody is so old");
    let ids: Vec<i64> = seen[..2].iter().map(|(id, _)| *id).collect();
    assert_eq!(queue_give_up(store, node, &ids).await?, 2);
    assert_eq!(queue_give_up(store, node, &ids).await?, 0);
    assert_eq!(queue_give_up(store, node, &[]).await?, 0);
    bench.check().await?;
    let due = report_due(store, NOW, 10).await?;
    assert_eq!(due[0].recipients.len(), 2);
    assert_eq!(due[0].recipients[0].result["expired"], true);
    Ok(())
}

async fn a_recipient_comes_home(bench: &Bench) -> Result<()> {
    let store = &bench.store;
    let (anna, bert) = (bench.account("anna").await?, bench.account("bert").await?);
    let mut set = outgoing(bench, &[], &["x@a.test", "y@a.test", "z@b.test"]);
    set.outbound.recipients[1].wait = Duration::from_secs(3600);
    let blob = set.blob.clone();
    deliver(store, set).await?;
    let held = Select { recipient: Some("x@a.test".into()), ..Select::default() };
    queue_change(store, &held, &Action::Hold, "the test").await?;
    assert_eq!(home(bench, "a.test", &[anna, bert], "").await?, 0, "held, and not due");
    queue_change(store, &held, &Action::Release, "the test").await?;
    assert_eq!(home(bench, "a.test", &[anna, bert], "").await?, 1);
    let due = queue_local_due(store, 10).await?;
    let mut accounts: Vec<_> = due.iter().map(|one| one.account).collect();
    accounts.sort();
    assert_eq!(accounts, [anna, bert]);
    assert_eq!(due[0].recipient, "x@a.test");
    let node = node(store).await?;
    assert!(claim(store, node, "a.test").await?.is_empty());
    for one in &due {
        let delivery = store::account::Delivery { queued: Some(one.id), ..to_inbox(one.account) };
        let set = DeliverySet {
            newborn: false,
            envelope: None,
            deliveries: vec![delivery],
            blob: blob.clone(),
            outbound: Outbound::default(),
        };
        placed(&deliver(store, set).await?)?;
    }
    let left = queue_list(store, &Select::default(), 0, 10).await?;
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|one| one.state != QueueState::Local));
    Ok(())
}

async fn nobody_is_given_a_message_twice(bench: &Bench) -> Result<()> {
    let store = &bench.store;
    let (anna, bert) = (bench.account("anna").await?, bench.account("bert").await?);
    // Anna has it, Bert is about to get it, and both of the others lead to Bert.
    let mut set = outgoing(bench, &[anna, bert], &["anna@a.test", "bert@b.test", "both@c.test"]);
    set.deliveries[1].deferred = true;
    set.outbound.recipients[0].parameters = json!({"notify": ["success"]});
    deliver(store, set).await?;
    assert_eq!(home(bench, "a.test", &[anna], "").await?, 1);
    assert_eq!(home(bench, "b.test", &[bert], "").await?, 1);
    assert_eq!(home(bench, "c.test", &[anna, bert], "").await?, 1);
    assert_eq!(queue_local_due(store, 10).await?.len(), 1);
    // Whoever asked hears that it arrived.
    let due = report_due(store, NOW, 10).await?;
    assert_eq!((due.len(), due[0].recipients.len()), (1, 1));
    assert_eq!(due[0].recipients[0].result["action"], "delivered");
    Ok(())
}

async fn who_is_nobody_here_is_told_but_not_while_the_domain_is_young(bench: &Bench) -> Result<()> {
    let store = &bench.store;
    deliver(store, outgoing(bench, &[], &["x@a.test"])).await?;
    store::directory::domain_add(store, "a.test").await?;
    assert_eq!(home(bench, "a.test", &[], "5.1.1").await?, 1);
    assert!(report_due(store, NOW, 10).await?.is_empty(), "its accounts may still be made");
    let left = queue_list(store, &Select::default(), 0, 10).await?;
    assert_eq!((left[0].state, left[0].last.as_str()), (QueueState::Waiting, "no such user"));
    let client = bench.database.client().await?;
    client.batch_execute("UPDATE domain SET created_at = now() - interval '2 hours'").await?;
    queue_change(store, &Select::default(), &Action::Retry, "the test").await?;
    assert_eq!(home(bench, "a.test", &[], "5.1.1").await?, 1);
    let due = report_due(store, NOW, 10).await?;
    assert_eq!(due[0].recipients[0].result["status"], "5.1.1");
    assert_eq!(due[0].recipients[0].result["action"], "failed");
    Ok(())
}
