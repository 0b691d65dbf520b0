//! What operators see and do.

use super::{DELIVERED, FAILED, again, claim, node, outgoing, record, remote};
use crate::bench::Bench;
use anyhow::{Context, Result};
use std::time::Duration;
use store::account::deliver;
use store::queue::{
    Action, LimitRow, LimitScope, QueueState, Recorded, RouteRetry, RouteRow, RouteTls, Select,
    limit_list, limit_put, limit_remove, queue_change, queue_depth, queue_events_prune, queue_list,
    queue_pause, queue_pauses, queue_record, queue_resume, queue_show, queue_stats, report_delayed,
    report_due, report_postpone, report_waive, route_list, route_put, route_remove, settings_load,
};
use types::{Destination, QueueId, TenantId};

super::super::both_ways! {
    the_queue_is_listed_as_asked,
    actions_do_what_they_say,
    what_is_being_sent_can_be_cancelled,
    a_local_recipient_can_be_bounced,
    a_journey_outlives_its_message,
    reports_wait_for_each_other_but_not_for_long,
    a_delay_is_told_once,
    pauses,
    routes_and_limits_have_a_version,
}

async fn queued(bench: &Bench, elsewhere: &[&str]) -> Result<QueueId> {
    let set = outgoing(bench, &[], elsewhere);
    let queue = set.envelope.as_ref().context("an envelope")?.queue;
    deliver(&bench.store, set).await?;
    Ok(queue)
}

async fn names(bench: &Bench, select: Select) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut after = 0;
    loop {
        let some = queue_list(&bench.store, &select, after, 2).await?;
        found.extend(some.iter().map(|one| one.recipient.clone()));
        match some.last() {
            Some(last) if some.len() == 2 => after = last.id,
            _ => return Ok(found),
        }
    }
}

async fn the_queue_is_listed_as_asked(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    let mut set = outgoing(bench, &[anna], &["x@a.test", "y@b.test", "z@a.test", "Later@b.test"]);
    set.deliveries[0].deferred = true;
    set.outbound.recipients[3].wait = Duration::from_secs(3_600);
    deliver(&bench.store, set).await?;
    let other = queued(bench, &["x@c.test"]).await?;
    let node = node(&bench.store).await?;
    let sent = claim(&bench.store, node, "a.test").await?;
    queue_record(&bench.store, node, &[record(&sent[0], FAILED)]).await?;
    let ids = vec![sent[1].id];

    let all = Select::default();
    assert_eq!(names(bench, all.clone()).await?.len(), 6);
    let local = format!("account-{anna}@example.test");
    let state = |state| Select { state: Some(state), ..Select::default() };
    let domain = |domain: &str| Select { domain: Some(domain.into()), ..Select::default() };
    let sender = |sender: &str| Select { sender: Some(sender.into()), ..Select::default() };
    for (select, wanted) in [
        (state(QueueState::Waiting), vec!["Later@b.test"]),
        (state(QueueState::Due), vec!["y@b.test", "x@c.test"]),
        (state(QueueState::Sending), vec!["z@a.test"]),
        (state(QueueState::Report), vec!["x@a.test"]),
        (state(QueueState::Local), vec![local.as_str()]),
        (state(QueueState::Held), vec![]),
        (domain("B.test"), vec!["y@b.test", "Later@b.test"]),
        (domain("example.test"), vec![local.as_str()]),
        (Select { ids: Some(ids), ..all.clone() }, vec!["z@a.test"]),
        (Select { queues: Some(vec![other]), ..all.clone() }, vec!["x@c.test"]),
        (Select { recipient: Some("later@B.test".into()), ..all.clone() }, vec!["Later@b.test"]),
        (Select { tenant: Some(TenantId(7)), ..all.clone() }, vec![]),
        (Select { older_than: Some(Duration::from_secs(60)), ..all.clone() }, vec![]),
        (sender("nobody@elsewhere.test"), vec![]),
    ] {
        let mut found = names(bench, select.clone()).await?;
        let mut wanted: Vec<String> = wanted.into_iter().map(str::to_owned).collect();
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{select:?}");
    }
    for who in ["Sender@elsewhere.test", "@elsewhere.TEST"] {
        assert_eq!(names(bench, sender(who)).await?.len(), 6);
    }
    let stats = queue_stats(&bench.store, 2).await?;
    let counts = (stats.waiting, stats.due, stats.sending, stats.reports, stats.held, stats.local);
    assert_eq!(counts, (1, 2, 1, 1, 0, 1));
    assert_eq!(stats.destinations, [("b.test".into(), 2, 1), ("a.test".into(), 1, 1)]);
    let depth = queue_depth(&bench.store).await?;
    assert_eq!((depth.waiting, depth.due, depth.sending), (1, 2, 1));
    assert!(stats.oldest_due >= depth.oldest_due.saturating_sub(Duration::from_secs(9)));
    Ok(())
}

async fn actions_do_what_they_say(bench: &Bench) -> Result<()> {
    let store = &bench.store;
    queued(bench, &["x@a.test", "y@b.test"]).await?;
    let node = node(store).await?;
    let of = |domain: &str| Select { domain: Some(domain.into()), ..Select::default() };
    let act = async |domain: &str, action: &Action| -> Result<(u64, Vec<Destination>)> {
        let changed = queue_change(store, &of(domain), action, "the test").await?;
        Ok((changed.recipients, changed.destinations))
    };
    let (a, b) = (Destination::new("a.test"), Destination::new("b.test"));

    assert_eq!(act("a.test", &Action::Hold).await?, (1, vec![]));
    assert_eq!(act("a.test", &Action::Hold).await?, (0, vec![]));
    assert!(claim(store, node, "a.test").await?.is_empty());
    assert_eq!(act("a.test", &Action::Release).await?, (1, vec![a.clone()]));
    let sent = claim(store, node, "a.test").await?;
    assert_eq!(act("a.test", &Action::Retry).await?, (0, vec![]), "it is being sent");
    queue_record(store, node, &[record(&sent[0], again(3_600))]).await?;
    assert!(claim(store, node, "a.test").await?.is_empty());
    assert_eq!(act("a.test", &Action::Retry).await?, (1, vec![a]));
    assert_eq!(claim(store, node, "a.test").await?.len(), 1);

    let c = Destination::new("c.test");
    let redirect = Action::Redirect { recipient: None, destination: c.clone() };
    assert_eq!(act("b.test", &redirect).await?, (1, vec![c.clone()]));
    let redirect = Action::Redirect { recipient: Some("z@b.test".into()), destination: b.clone() };
    assert_eq!(act("c.test", &redirect).await?, (1, vec![b]));
    let sent = claim(store, node, "b.test").await?;
    let wanted = serde_json::json!({"notify": ["failure"], "orcpt": ["rfc822", "y@b.test"]});
    assert_eq!((&*sent[0].recipient, &sent[0].recipient_parameters), ("z@b.test", &wanted));
    let all = queue_change(store, &Select::default(), &Action::Cancel, "the test").await?;
    assert_eq!((all.recipients, all.destinations.len()), (2, 0));
    assert_eq!(bench.count("SELECT count(*) FROM queue_message", &[]).await?, 0);
    assert_eq!(bench.count("SELECT count(*) FROM queue_event WHERE kind = 4", &[]).await?, 7);
    Ok(())
}

async fn what_is_being_sent_can_be_cancelled(bench: &Bench) -> Result<()> {
    let store = &bench.store;
    queued(bench, &["x@a.test", "y@a.test"]).await?;
    let client = bench.database.client().await?;
    let never = r#"UPDATE queue_recipient SET envelope = '{"notify": ["never"]}' WHERE recipient = 'y@a.test'"#;
    client.batch_execute(never).await?;
    let node = node(store).await?;
    let sent = claim(store, node, "a.test").await?;
    let changed = queue_change(store, &Select::default(), &Action::Bounce, "the test").await?;
    assert_eq!(changed.recipients, 2);
    let rows: Vec<_> = sent.iter().map(|one| record(one, DELIVERED)).collect();
    assert_eq!(queue_record(store, node, &rows).await?, [Recorded::Gone, Recorded::Gone]);
    let due = report_due(store, Duration::ZERO, 10).await?;
    assert_eq!((due.len(), due[0].recipients.len()), (1, 1), "the other wants no report");
    assert_eq!(due[0].recipients[0].recipient, "x@a.test");
    assert_eq!(due[0].recipients[0].result["action"], "failed");
    Ok(())
}

async fn a_local_recipient_can_be_bounced(bench: &Bench) -> Result<()> {
    let store = &bench.store;
    let anna = bench.account("anna").await?;
    let mut set = bench.set(&[anna]);
    set.deliveries[0].deferred = true;
    deliver(store, set).await?;
    let changed = queue_change(store, &Select::default(), &Action::Bounce, "the test").await?;
    assert_eq!(changed.recipients, 1);
    assert!(store::queue::queue_local_due(store, 10).await?.is_empty());
    let due = report_due(store, Duration::ZERO, 10).await?;
    assert_eq!(due[0].recipients[0].recipient, format!("account-{anna}@example.test"));
    Ok(())
}

async fn a_journey_outlives_its_message(bench: &Bench) -> Result<()> {
    let store = &bench.store;
    let queue = queued(bench, &["x@a.test"]).await?;
    let journey = queue_show(store, queue).await?.context("it is queued")?;
    assert_eq!((journey.recipients.len(), journey.events.len()), (1, 0));
    let (one, two) = (node(store).await?, node(store).await?);
    let sent = claim(store, one, "a.test").await?;
    queue_record(store, one, &[record(&sent[0], again(0))]).await?;
    let sent = claim(store, two, "a.test").await?;
    queue_record(store, two, &[record(&sent[0], DELIVERED)]).await?;
    let journey = queue_show(store, queue).await?.context("it is remembered")?;
    assert!(journey.recipients.is_empty());
    assert_eq!(journey.sender.as_deref(), Some("sender@elsewhere.test"));
    assert!(journey.received_at.is_some());
    let attempts: Vec<_> = journey
        .events
        .iter()
        .map(|event| (event.node, event.attempt, event.outcome, event.fenced))
        .collect();
    assert_eq!(
        attempts,
        [(Some(one), Some(1), Some("again"), None), (Some(two), Some(2), Some("delivered"), None)]
    );
    assert_eq!(journey.events[0].detail["host"], "mx.test");
    serde_json::to_value(&journey)?;

    // Kept for a while, then not.
    assert!(!queue_events_prune(store, Duration::from_secs(3_600), 10).await?);
    assert!(queue_show(store, queue).await?.is_some());
    let waiting = queued(bench, &["y@a.test"]).await?;
    let sent = claim(store, one, "a.test").await?;
    queue_record(store, one, &[record(&sent[0], again(60))]).await?;
    assert!(queue_events_prune(store, Duration::ZERO, 1).await?);
    assert!(!queue_events_prune(store, Duration::ZERO, 10).await?);
    assert!(queue_show(store, queue).await?.is_none());
    assert_eq!(queue_show(store, waiting).await?.context("it waits")?.events.len(), 1);
    Ok(())
}

async fn reports_wait_for_each_other_but_not_for_long(bench: &Bench) -> Result<()> {
    let store = &bench.store;
    queued(bench, &["x@a.test", "y@a.test"]).await?;
    let node = node(store).await?;
    let sent = claim(store, node, "a.test").await?;
    queue_record(store, node, &[record(&sent[0], FAILED)]).await?;
    assert!(report_due(store, Duration::from_secs(60), 10).await?.is_empty());
    assert_eq!(report_due(store, Duration::ZERO, 10).await?.len(), 1);
    queue_record(store, node, &[record(&sent[1], FAILED)]).await?;
    let due = report_due(store, Duration::from_secs(60), 10).await?;
    assert_eq!((due.len(), due[0].recipients.len()), (1, 2));
    let first = &due[0].recipients[0];
    assert_eq!(
        (&first.result["action"], &first.result["status"]),
        (&"failed".into(), &"4.0.0".into())
    );
    assert_eq!(
        (due[0].content_offset, due[0].reverse_path.as_str()),
        (17, "sender@elsewhere.test")
    );
    let ids: Vec<i64> = due[0].recipients.iter().map(|one| one.id).collect();
    report_postpone(store, &ids, &[], Duration::from_secs(60)).await?;
    assert!(report_due(store, Duration::ZERO, 10).await?.is_empty(), "later");
    report_waive(store, node, &ids, &[], "a test").await?;
    assert!(report_waive(store, node, &ids, &[], "a test").await.is_err());
    assert!(report_due(store, Duration::ZERO, 10).await?.is_empty());
    Ok(())
}

async fn a_delay_is_told_once(bench: &Bench) -> Result<()> {
    let store = &bench.store;
    let mut set = outgoing(bench, &[], &["x@a.test", "y@a.test"]);
    set.outbound.recipients[1] = store::account::RemoteRecipient {
        parameters: serde_json::json!({"notify": ["delay", "failure"]}),
        ..remote("y@a.test")
    };
    let queue = set.envelope.as_ref().context("an envelope")?.queue;
    deliver(store, set).await?;
    assert!(report_delayed(store, 10).await?.is_empty());
    let client = bench.database.client().await?;
    client.batch_execute("UPDATE queue_message SET delay_at = now()").await?;
    let due = report_delayed(store, 10).await?;
    assert_eq!((due.len(), due[0].recipients.len()), (1, 1), "only one of them asked for it");
    assert_eq!(due[0].recipients[0].recipient, "y@a.test");
    let node = node(store).await?;
    report_waive(store, node, &[], &[queue], "a test").await?;
    assert!(report_delayed(store, 10).await?.is_empty());
    assert!(claim(store, node, "a.test").await?.iter().all(|one| one.delay_sent));
    Ok(())
}

async fn pauses(bench: &Bench) -> Result<()> {
    let store = &bench.store;
    queued(bench, &["x@a.test"]).await?;
    let (node, a) = (node(store).await?, Destination::new("a.test"));
    queue_pause(store, None, "everything").await?;
    queue_pause(store, Some(&a), "why").await?;
    queue_pause(store, Some(&a), "why not").await?;
    let found: Vec<_> =
        queue_pauses(store).await?.into_iter().map(|one| (one.destination, one.reason)).collect();
    assert_eq!(found, [("*".into(), "everything".into()), ("a.test".into(), "why not".into())]);
    assert!(claim(store, node, "a.test").await?.is_empty());
    assert!(queue_resume(store, Some(&a)).await? && !queue_resume(store, Some(&a)).await?);
    assert!(claim(store, node, "a.test").await?.is_empty());
    assert!(queue_resume(store, None).await?);
    assert_eq!(claim(store, node, "a.test").await?.len(), 1);
    Ok(())
}

async fn routes_and_limits_have_a_version(bench: &Bench) -> Result<()> {
    let store = &bench.store;
    let none = settings_load(store, None).await?.context("the first time")?;
    assert!(none.routes.is_empty() && none.limits.is_empty());
    assert!(settings_load(store, Some(none.version)).await?.is_none());
    let mut route = RouteRow {
        pattern: "*.Example.org".into(),
        relay: Some(("relay.test".into(), 2525)),
        lmtp: true,
        tls: RouteTls::StartTls,
        tls_verify: true,
        auth_user: Some("me".into()),
        auth_secret: Some("secret".to_owned().into()),
        retry: Some(RouteRetry {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(2),
            expire: Duration::from_secs(3),
        }),
    };
    route_put(store, &route).await?;
    let some = settings_load(store, Some(none.version)).await?.context("it changed")?;
    let found = &some.routes[0];
    assert_eq!((found.pattern.as_str(), &found.relay), ("*.example.org", &route.relay));
    assert_eq!((found.lmtp, found.tls, found.tls_verify), (true, RouteTls::StartTls, true));
    assert_eq!((&found.auth_user, found.retry), (&route.auth_user, route.retry));
    assert!(!format!("{found:?}").contains("secret\""), "{found:?}");
    use secrecy::ExposeSecret;
    let secret = found.auth_secret.as_ref().map(|secret| secret.expose_secret().to_owned());
    assert_eq!(secret.as_deref(), Some("secret"));
    route = RouteRow { relay: None, auth_user: None, auth_secret: None, retry: None, ..route };
    route_put(store, &route).await?;
    assert!(route_list(store).await?[0].relay.is_none());
    assert!(route_remove(store, "*.example.ORG").await? && !route_remove(store, "x").await?);

    let limit = LimitRow {
        scope: LimitScope::Site,
        pattern: "mx.test".into(),
        connections: Some(2),
        messages: None,
        per: Duration::from_secs(60),
    };
    limit_put(store, &limit).await?;
    let more = settings_load(store, Some(some.version)).await?.context("it changed")?;
    assert_eq!(more.limits, [limit]);
    assert!(limit_remove(store, LimitScope::Site, "mx.test").await?);
    assert!(limit_list(store).await?.is_empty());
    Ok(())
}
