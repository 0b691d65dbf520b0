//! What PostgreSQL does for the hot statements: nothing may read a large table from end to end, whatever it
//! knows (or does not know yet) of the data.
//!
//! The statements are those the store really sends: PostgreSQL's own log of plans (auto_explain) is read, for
//! statements nested in functions too.

use crate::bench::{Bench, Way, on, placed, to_inbox};
use crate::store_suite::queue::outgoing;
use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use store::account::{
    CopyMessages, Delivery, DeliverySet, Expunge, FlagOp, MailboxPurge, MaildropUpdate, Outcome,
    StoreFlags, commit, deliver,
};
use testkit::{Postgres, PostgresOptions};
use types::{Destination, Flags, MessageId, ModSeq, Uid};

/// Indexes all that there is.
async fn sign_all(bench: &Bench, account: types::AccountId) -> Result<()> {
    use store::search::{Signed, search_all, search_sign};
    let sign = |message| Signed { message, complete: true, signature: vec![255; 984] };
    let mut after = MessageId(uuid::Uuid::nil());
    loop {
        let messages = search_all(&bench.store, account, after, 500).await?;
        let Some(last) = messages.last() else { return Ok(()) };
        after = *last;
        let signed: Vec<_> = messages.into_iter().map(sign).collect();
        search_sign(&bench.store, account, 1, &signed).await?;
    }
}

/// What the index asks for and writes, and what a search asks it. (Which accounts are behind is asked by one job: that
/// reads every account's row.)
async fn search_index(
    bench: &Bench,
    store: &store::Store,
    account: types::AccountId,
    ids: &[MessageId],
) -> Result<()> {
    use store::search as index;
    let behind =
        index::Behind { account, indexed: ModSeq(0), modseq: ModSeq(1 << 40), floor: ModSeq(0) };
    let arrived = index::search_arrived(store, &behind, 50).await?;
    ensure!(!arrived.messages.is_empty(), "nothing arrived");
    index::search_all(store, account, MessageId(uuid::Uuid::nil()), 50).await?;
    let unsigned = index::search_unsigned(store, account, ids, 1).await?;
    let sign =
        |message: MessageId| index::Signed { message, complete: true, signature: vec![255; 123] };
    let signed: Vec<_> = unsigned.iter().map(|row| sign(row.id)).collect();
    index::search_sign(store, account, 1, &signed).await?;
    index::search_candidates(store, account, 1, ids, &[1, 2, 3, 4, 5, 6, 7, 8]).await?;
    index::search_candidates_near(store, account, 1, ids, &[1, 2, 3], 2).await?;
    let inbox = bench.inbox(account).await?;
    use store::search_page::{search_page_slices, search_page_write};
    search_page_write(store, account, inbox, 0, 1, &[255; 4_096]).await?;
    let pages = search_page_slices(store, account, inbox, (0, 9), 1, &[3, 31]).await?;
    ensure!(pages.iter().all(|page| page.octets == [255; 256]), "{pages:?}");
    index::search_read(store, account, ModSeq(1)).await.context("marking")
}

/// Tables that grow with the mail. A sequential scan over one of them is a fault.
const LARGE: &[&str] = &[
    "account",
    "account_state",
    "mailbox",
    "message",
    "mailbox_message",
    "search_signature",
    "thread_ref",
    "change",
    "blob",
    "queue_message",
    "queue_recipient",
    "queue_event",
    "maildrop_lock",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_hot_statement_reads_a_table_from_end_to_end() -> Result<()> {
    let settings = [
        "shared_preload_libraries=auto_explain",
        "auto_explain.log_min_duration=0",
        "auto_explain.log_nested_statements=on",
        "auto_explain.log_format=json",
        "auto_explain.log_analyze=on",
        "auto_explain.log_timing=off",
        "autovacuum=off",
    ];
    let settings = settings.iter().map(|text| (*text).to_owned()).collect();
    let postgres =
        Arc::new(Postgres::start(PostgresOptions { settings, ..Default::default() }).await?);
    on(Arc::clone(&postgres), Way::Direct, async |bench: &Bench| {
        // Connections whose plans were made when there was nothing, and keep them.
        let young = bench.another_store()?;
        for n in 0..3 {
            let account = bench.account(&format!("early{n}")).await?;
            bench.deliver(account).await?;
            for _ in 0..6 {
                all_hot_statements(bench, &young, account).await?;
            }
        }
        let names: Vec<String> = (0..3_000).map(|n| format!("other{n}")).collect();
        let others: Vec<_> = futures::stream::iter(names)
            .map(async |name| bench.account(&name).await)
            .buffer_unordered(8)
            .try_collect()
            .await?;
        let anna = bench.account("anna").await?;
        let mail = (0..3_000).map(|_| bench.deliver(anna));
        for done in futures::future::join_all(mail).await {
            done?;
        }
        bench.fill(anna, 6_000).await?;
        sign_all(bench, anna).await?;
        let locks = "INSERT INTO maildrop_lock (account_id, holder, expires_at) \
                     SELECT id, gen_random_uuid(), now() FROM account WHERE address <> 'anna@example.test'";
        bench.database.client().await?.batch_execute(locks).await?;
        // A queue in which nothing is due.
        for some in others.chunks(32) {
            let mut set = bench.set(some);
            set.deliveries.iter_mut().for_each(|delivery| delivery.deferred = true);
            deliver(&bench.store, set).await?;
        }
        let client = bench.database.client().await?;
        let later = "UPDATE queue_recipient SET due = now() + interval '1 hour' WHERE state = 9";
        client.batch_execute(later).await?;
        fill_queue(bench).await?;
        let mark = postgres.log().len();
        // Never analysed, plans of a connection that has just come.
        let store = bench.another_store()?;
        for _ in 0..7 {
            all_hot_statements(bench, &store, anna).await?;
        }
        judge(&postgres.log()[mark..], "not analysed")?;
        client.batch_execute("ANALYZE").await?;
        let mark = postgres.log().len();
        for _ in 0..7 {
            all_hot_statements(bench, &store, anna).await?;
        }
        judge(&postgres.log()[mark..], "analysed")
    })
    .await
}

/// A session of POP3 that removes one message.
async fn maildrop(
    store: &store::Store,
    account: types::AccountId,
    mailbox: types::MailboxId,
    uid: Uid,
) -> Result<()> {
    use store::maildrop as pop;
    let hold = pop::Hold::new(account);
    ensure!(pop::maildrop_lock_take(store, hold).await?);
    ensure!(!pop::maildrop_lock_take(store, pop::Hold::new(account)).await?);
    ensure!(pop::maildrop_lock_renew(store, &[hold]).await? == [hold]);
    ensure!(!pop::maildrop_rows(store, account, mailbox, 0, 50).await?.is_empty());
    let change = MaildropUpdate { hold, mailbox, uids: &[uid], last: false };
    commit(store, &change).await?;
    pop::maildrop_lock_release(store, &[hold]).await?;
    Ok(())
}

async fn all_hot_statements(
    bench: &Bench,
    store: &store::Store,
    account: types::AccountId,
) -> Result<()> {
    use store::message as read;
    let inbox = bench.inbox(account).await?;
    let placed = placed(&deliver(store, bench.set(&[account])).await?)?;
    let uids: Vec<Uid> = (1..=50).map(Uid).chain([placed.uid]).collect();
    let rows = read::uid_rows_of(store, account, inbox, &uids).await?;
    let ids: Vec<MessageId> = rows.iter().map(|row| row.message).collect();
    read::message_rows(store, account, &ids).await?;
    read::message_rows_placed(store, account, &ids).await?;
    read::uid_rows(store, account, inbox, 1..=u32::MAX, 50).await?;
    read::uid_columns(store, account, inbox, 1..=u32::MAX, 50, read::Columns::ALL).await?;
    read::uid_runs(store, account, inbox).await?;
    read::first_unseen(store, account, inbox).await?;
    read::keywords_in_use(store, account, inbox).await?;
    read::uids_deleted(store, account, inbox, 0, 50).await?;
    read::change_log(store, account, inbox, ModSeq(1), 100).await?;
    search_index(bench, store, account, &ids).await?;
    store::mailbox::mailbox_list(store, account).await?;
    store::mailbox::mailbox_by_name(store, account, "INBOX").await?;
    store::acl::shared_list(store, account, None, 100).await?;
    store::acl::shared_by_name(store, account, "other1@example.test", "INBOX").await?;
    store::acl::rights_now(store, account, inbox, types::AccountId(1)).await?;
    store::mailbox::mailbox_claim_recent(store, account, inbox, placed.uid).await?;
    store::directory::address_resolve(
        store,
        "anna@example.test",
        "anna@example.test",
        "example.test",
    )
    .await?;
    store::directory::credential_read(store, "anna@example.test").await?;
    let blobs = read::message_rows(store, account, &[MessageId(rows[0].message.0)]).await?;
    read::blob_row(store, blobs[0].blob).await?;
    read::blob_rows(store, &[blobs[0].blob]).await?;
    for op in [FlagOp::Add, FlagOp::Set] {
        let change = StoreFlags {
            account,
            mailbox: inbox,
            uids: &uids,
            op,
            flags: Flags::SEEN,
            keywords: &["One".to_owned()],
            unchanged_since: None,
        };
        commit(store, &change).await?;
    }
    let last = [placed.uid];
    let trash = bench.mailbox(account, "Trash").await?.id;
    commit(store, &CopyMessages { account, from: inbox, uids: &last, to: trash, remove: true })
        .await?;
    let deleted = StoreFlags {
        account,
        mailbox: inbox,
        uids: &uids[..1],
        op: FlagOp::Add,
        flags: Flags::DELETED,
        keywords: &[],
        unchanged_since: None,
    };
    commit(store, &deleted).await?;
    commit(store, &Expunge { account, mailbox: inbox, uids: &uids[..1] }).await?;
    // Into the queue and out of it.
    let mut set = bench.set(&[account]);
    set.deliveries[0].deferred = true;
    ensure!(deliver(store, set.clone()).await? == [Outcome::Deferred]);
    let due = store::queue::queue_local_due(store, 10).await?;
    let delivery = Delivery { queued: Some(due[0].id), ..to_inbox(account) };
    let set = DeliverySet { newborn: false, envelope: None, deliveries: vec![delivery], ..set };
    deliver(store, set).await?;
    commit(store, &MailboxPurge { account, mailbox: inbox }).await?;
    let last = bench.deliver(account).await?;
    maildrop(store, account, inbox, last.uid).await?;
    hot_statements_of_the_queue(bench, store).await
}

/// Rows that wait for tomorrow at every destination, ten thousand due ones of a dead one, and a log.
async fn fill_queue(bench: &Bench) -> Result<()> {
    let client = bench.database.client().await?;
    let (dead, live) = (Destination::new("dead.test"), Destination::new("live.test"));
    deliver(&bench.store, outgoing(bench, &[], &["first@live.test"])).await?;
    let rows = "INSERT INTO queue_recipient (queue_id, tenant_id, recipient, due, state, destination, destination_key,
                                             expires_at)
                SELECT m.id, 1, 'u' || n || '@x', now() + $2::float8 * interval '1 hour',
                       CASE WHEN $2 > 0 THEN 0 ELSE 1 END, COALESCE($3::text, 'd' || n || '.test'), COALESCE($4::bigint, n),
                       now() + interval '5 days'
                  FROM (SELECT id FROM queue_message ORDER BY id DESC LIMIT 1) m, generate_series(1, $1::int) n";
    let none = (None::<&str>, None::<i64>);
    for (count, hours, (domain, key)) in [
        (10_000, 24.0, none),
        (10_000, 24.0, (Some(live.domain()), Some(live.key()))),
        (10_000, -1.0, (Some(dead.domain()), Some(dead.key()))),
        (3, -1.0, (Some(live.domain()), Some(live.key()))),
    ] {
        client.execute(rows, &[&count, &hours, &domain, &key]).await?;
    }
    let events = "INSERT INTO queue_event (queue_id, kind, at)
                  SELECT gen_random_uuid(), 1, now() FROM generate_series(1, 10000)";
    client.execute(events, &[]).await?;
    Ok(())
}

async fn hot_statements_of_the_queue(bench: &Bench, store: &store::Store) -> Result<()> {
    use store::mta_sts::{StsRow, sts_load, sts_prune, sts_save};
    use store::queue::*;
    let node = crate::store_suite::queue::node(store).await?;
    let live = Destination::new("live.test");
    deliver(store, outgoing(bench, &[], &["x@live.test", "y@live.test", "z@live.test"])).await?;
    let (due, _) = queue_sweep(store, None, 100).await?;
    ensure!(due.iter().any(|one| one.destination == live), "{due:?}");
    let claimed = queue_claim(store, node, &live, 3, 0).await?.rows;
    ensure!(claimed.len() == 3);
    queue_look(store).await?;
    let again = Written::Again { wait: Duration::ZERO, used: true };
    let delivered = Written::Delivered { report: false };
    let failed = Written::Failed { report: true, expired: false };
    let note = Note {
        queue: claimed[0].queue,
        recipient: "x".into(),
        text: String::new(),
        detail: serde_json::json!({}),
    };
    let row = |(claimed, written): (&Claimed, Written)| {
        let (id, attempt, note) = (claimed.id, claimed.attempt, Some(note.clone()));
        RecordRow { id, attempt, written, note }
    };
    let rows: Vec<_> = claimed.iter().zip([again, delivered, failed]).map(row).collect();
    queue_record(store, node, &rows).await?;
    report_due(store, Duration::ZERO, 10).await?;
    report_delayed(store, 10).await?;
    report_waive(store, node, &[claimed[2].id], &[], "a test").await?;
    queue_claim(store, node, &live, 1, 0).await?;
    queue_reconcile(store, node, &[], Duration::ZERO).await?;
    queue_claim(store, node, &live, 1, 0).await?;
    store::lease::node_lease_delete(store, node).await?;
    let seen: Vec<_> = queue_look(store).await?.into_iter().filter(|one| one.expired).collect();
    queue_take_over(store, node, &seen).await?;
    queue_release(store, node).await?;
    queue_events_prune(store, Duration::from_secs(86_400), 100).await?;
    settings_load(store, None).await?;
    let (row, live_too) = (claimed[0].id, queue_astray(store, &live, 3).await?);
    ensure!(live_too.iter().any(|one| one.id == row), "{live_too:?}");
    queue_home(store, node, row, &[], &serde_json::json!({"status": "5.1.1"})).await?;
    queue_expire(store, node, Duration::ZERO, 100).await?;
    queue_give_up(store, node, &[row]).await?;
    let policy = StsRow {
        id: "1".into(),
        mode: "enforce".into(),
        mx: vec!["mx.test".into()],
        max_age: Duration::from_secs(60),
        age: Duration::ZERO,
    };
    sts_save(store, "live.test", &policy).await?;
    ensure!(sts_load(store, "live.test").await?.is_some_and(|row| row.mx == policy.mx));
    sts_prune(store).await?;
    Ok(())
}

/// Every plan in the log.
fn plans(log: &str) -> Result<Vec<Value>> {
    let mut plans = Vec::new();
    for part in log.split("plan:\n").skip(1) {
        // Continuation lines begin with a tab, and the object ends where its first brace is closed.
        let mut stream = serde_json::Deserializer::from_str(part).into_iter::<Value>();
        plans.push(stream.next().context("a plan")??);
    }
    Ok(plans)
}

/// Fails on a sequential scan of a large table, and on a node that threw away far more rows than it kept.
fn judge(log: &str, when: &str) -> Result<()> {
    let plans = plans(log)?;
    ensure!(plans.len() > 100, "auto_explain logged {} plans", plans.len());
    let mut faults = std::collections::BTreeSet::new();
    for plan in &plans {
        let query = plan["Query Text"].as_str().unwrap_or_default();
        // The test's own preparations and the invariants are no hot statements.
        if query.contains("refinery") || query.starts_with("ANALYZE") {
            continue;
        }
        inspect(&plan["Plan"], query, &mut faults);
    }
    ensure!(faults.is_empty(), "{when}:\n{}", faults.into_iter().collect::<Vec<_>>().join("\n"));
    Ok(())
}

fn inspect(node: &Value, query: &str, faults: &mut std::collections::BTreeSet<String>) {
    let kind = node["Node Type"].as_str().unwrap_or_default();
    let relation = node["Relation Name"].as_str().unwrap_or_default();
    let table = relation.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('_');
    let number = |name: &str| node[name].as_f64().unwrap_or_default();
    let wasted = (number("Rows Removed by Filter")
        + number("Rows Removed by Join Filter")
        + number("Rows Removed by Index Recheck"))
        * number("Actual Loops").max(1.0);
    let query = query.split_whitespace().take(24).collect::<Vec<_>>().join(" ");
    // `\Seen`, `\Deleted` and keyword searches read a mailbox, as they must; gaps between UIDs are looked for in its index.
    let searches = ["flags & 1 = 0", "flags & 8", "keywords IS NOT NULL", "WITH ends"];
    let search = searches.iter().any(|search| query.contains(search));
    if !search && kind == "Seq Scan" && LARGE.contains(&table) && number("Actual Loops") > 0.0 {
        faults.insert(format!("Seq Scan on {relation}: {query}"));
    }
    if !search && wasted > 2_000.0 {
        let filter = node["Filter"].as_str().or(node["Join Filter"].as_str()).unwrap_or_default();
        faults.insert(format!("{kind} on {relation} threw {wasted} rows away ({filter}): {query}"));
    }
    for child in node["Plans"].as_array().into_iter().flatten() {
        inspect(child, &query, faults);
    }
}
