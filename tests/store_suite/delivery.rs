//! Messages into mailboxes, into the queue, and out of it.

use crate::bench::{Bench, placed, to_inbox};
use anyhow::{Context, Result};
use std::time::Duration;
use store::StoreError;
use store::account::{
    Delivery, DeliverySet, MailboxCreate, MailboxDelete, Outbound, Outcome, commit, deliver,
};
use store::message::{blob_row, change_log, message_rows, uid_rows};
use store::queue::{Postponed, queue_local_due, queue_local_end, queue_postpone};
use types::{AccountId, Flags, MailboxId, Uid};

super::both_ways! {
    one_message_to_one_account,
    one_message_to_many_accounts_is_one_blob,
    a_batch_of_many_messages,
    flags_and_keywords_are_kept,
    quota_is_exact,
    a_missing_mailbox_is_inbox_unless_strict,
    whoever_does_not_exist_gets_nothing,
    deferred_recipients_wait_in_the_queue,
    the_queue_settles_once,
    a_busy_account_is_queued_and_the_others_are_not_held_up,
    append_to_a_busy_account_is_only_reported,
    conversations,
    one_bad_set_does_not_fail_its_neighbours,
}

async fn one_message_to_one_account(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    let before = bench.mailbox(anna, "INBOX").await?;
    let set = bench.set(&[anna]);
    let blob = set.blob.clone();
    let placed = placed(&deliver(&bench.store, set).await?)?;
    assert_eq!(placed.mailbox, before.id);
    assert_eq!((placed.uid, placed.uidvalidity), (Uid(1), before.uidvalidity));
    assert!(placed.modseq > before.highest_modseq);

    let after = bench.mailbox(anna, "INBOX").await?;
    assert_eq!((after.uidnext, after.highest_modseq), (Uid(2), placed.modseq));
    assert_eq!((after.total, after.unseen, after.deleted, after.size), (1, 1, 0, blob.size));
    let rows = uid_rows(&bench.store, anna, before.id, 1..=u32::MAX, 10).await?;
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].uid, rows[0].message.0), (Uid(1), blob.id.0));
    let row = message_rows(&bench.store, anna, &[rows[0].message]).await?.remove(0);
    assert_eq!((row.blob, row.structure, row.preview), (blob.id, blob.structure, blob.preview));
    let found = blob_row(&bench.store, blob.id).await?.context("nothing")?;
    assert_eq!((found.object_key, found.length), (blob.object_key, blob.size));
    let log = change_log(&bench.store, anna, before.id, before.highest_modseq, 100)
        .await?
        .context("nothing")?;
    assert_eq!((log.modseq, log.changes.len()), (placed.modseq, 1));
    assert_eq!((log.changes[0].op, log.changes[0].uids.as_slice()), (1, &[1][..]));
    Ok(())
}

async fn one_message_to_many_accounts_is_one_blob(bench: &Bench) -> Result<()> {
    let mut accounts = Vec::new();
    for n in 0..10 {
        accounts.push(bench.account(&format!("user{n}")).await?);
    }
    accounts.reverse();
    let outcomes = deliver(&bench.store, bench.set(&accounts)).await?;
    assert_eq!(outcomes.len(), 10);
    for (account, outcome) in accounts.iter().zip(outcomes) {
        let placed = placed(&[outcome])?;
        assert_eq!(placed.mailbox, bench.inbox(*account).await?, "answers come in order");
    }
    let client = bench.database.client().await?;
    let row = client.query_one("SELECT count(*), sum(refs) FROM blob", &[]).await?;
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1, 10));
    Ok(())
}

async fn a_batch_of_many_messages(bench: &Bench) -> Result<()> {
    let (anna, bert) = (bench.account("anna").await?, bench.account("bert").await?);
    let sets = (0..200).map(|n| match n % 3 {
        0 => bench.set(&[anna]),
        1 => bench.set(&[bert]),
        _ => bench.set(&[bert, anna]),
    });
    let done = futures::future::join_all(sets.map(|set| deliver(&bench.store, set))).await;
    let mut uids: Vec<u32> = Vec::new();
    for outcomes in done {
        for outcome in outcomes? {
            let placed = placed(&[outcome])?;
            if placed.mailbox == bench.inbox(anna).await? {
                uids.push(placed.uid.0);
            }
        }
    }
    uids.sort_unstable();
    assert_eq!(uids, (1..=133).collect::<Vec<_>>());
    Ok(())
}

async fn flags_and_keywords_are_kept(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    let mut set = bench.set(&[anna]);
    set.deliveries[0].flags = Flags::SEEN.with(Flags::DELETED);
    set.deliveries[0].keywords = vec!["one".into(), "$Two".into()];
    let placed = placed(&deliver(&bench.store, set).await?)?;
    let row = uid_rows(&bench.store, anna, placed.mailbox, 1..=1, 1).await?.remove(0);
    assert_eq!(row.flags, Flags::SEEN.with(Flags::DELETED));
    assert_eq!(row.keywords, ["one", "$Two"]);
    let inbox = bench.mailbox(anna, "INBOX").await?;
    assert_eq!((inbox.total, inbox.unseen, inbox.deleted), (1, 0, 1));
    Ok(())
}

async fn quota_is_exact(bench: &Bench) -> Result<()> {
    let anna = bench.account_with_quota("anna", Some(1_000)).await?;
    let bert = bench.account("bert").await?;
    // In one batch or in several, ten messages of a hundred octets fit and the eleventh does not.
    let sets = (0..14).map(|_| bench.set(&[anna, bert]));
    let done = futures::future::join_all(sets.map(|set| deliver(&bench.store, set))).await;
    let mut outcomes = Vec::new();
    for set in done {
        let set = set?;
        assert!(matches!(set[1], Outcome::Delivered(_)), "one full account harms nobody else");
        outcomes.push(set[0]);
    }
    let full = outcomes.iter().filter(|outcome| **outcome == Outcome::OverQuota).count();
    assert_eq!((full, bench.mailbox(anna, "INBOX").await?.size), (4, 1_000));
    let client = bench.database.client().await?;
    let waiting =
        "SELECT count(*) FROM queue_recipient WHERE account_id = $1 AND last_error = 'over quota'";
    assert_eq!(client.query_one(waiting, &[&anna.0]).await?.get::<_, i64>(0), 4);
    // They are not due at once: a full mailbox does not empty within seconds.
    assert!(queue_local_due(&bench.store, 100).await?.is_empty());
    // Without an envelope (APPEND) it is only said.
    let set = DeliverySet { envelope: None, ..bench.set(&[anna]) };
    assert_eq!(deliver(&bench.store, set).await?, [Outcome::OverQuota]);
    Ok(())
}

async fn a_missing_mailbox_is_inbox_unless_strict(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    let create = MailboxCreate { account: anna, name: "Lists", role: 0 };
    let (lists, _) = commit(&bench.store, &create).await?;
    let into = |mailbox: MailboxId, strict: bool| {
        let delivery = Delivery { mailbox: Some(mailbox), strict, ..to_inbox(anna) };
        DeliverySet { deliveries: vec![delivery], ..bench.set(&[]) }
    };
    let there = placed(&deliver(&bench.store, into(lists, true)).await?)?;
    assert_eq!(there.mailbox, lists);
    commit(&bench.store, &MailboxDelete { account: anna, name: "Lists" }).await?;
    for gone in [lists, MailboxId::new()] {
        let elsewhere = placed(&deliver(&bench.store, into(gone, false)).await?)?;
        assert_eq!(elsewhere.mailbox, bench.inbox(anna).await?);
        assert_eq!(deliver(&bench.store, into(gone, true)).await?, [Outcome::NoMailbox]);
    }
    // Somebody else's mailbox is no mailbox.
    let bert = bench.account("bert").await?;
    let foreign = into(bench.inbox(bert).await?, true);
    assert_eq!(deliver(&bench.store, foreign).await?, [Outcome::NoMailbox]);
    Ok(())
}

async fn whoever_does_not_exist_gets_nothing(bench: &Bench) -> Result<()> {
    let (anna, bert) = (bench.account("anna").await?, bench.account("bert").await?);
    store::directory::account_remove(&bench.store, "bert@example.test").await?;
    let outcomes = deliver(&bench.store, bench.set(&[bert, AccountId(9_999), anna])).await?;
    assert_eq!(outcomes[..2], [Outcome::NoAccount, Outcome::NoAccount]);
    assert!(matches!(outcomes[2], Outcome::Delivered(_)));
    let nobody = bench.set(&[bert]);
    let blob = nobody.blob.id;
    assert_eq!(deliver(&bench.store, nobody).await?, [Outcome::NoAccount]);
    assert_eq!(blob_row(&bench.store, blob).await?, None, "nothing refers to it, so it is no blob");
    // A disabled account cannot log in, and still gets its mail.
    store::directory::account_set_active(&bench.store, "anna@example.test", false).await?;
    bench.deliver(anna).await?;
    Ok(())
}

/// What the worker of the local queue delivers.
async fn due_set(bench: &Bench, original: &DeliverySet) -> Result<Vec<DeliverySet>> {
    let due = queue_local_due(&bench.store, 100).await?;
    let set = |recipient: store::queue::DueRecipient| {
        assert_eq!(
            (recipient.blob, &recipient.object_key),
            (original.blob.id, &original.blob.object_key)
        );
        let queued = Some(recipient.id);
        DeliverySet {
            blob: original.blob.clone(),
            newborn: false,
            envelope: None,
            deliveries: vec![Delivery { queued, ..to_inbox(recipient.account) }],
            outbound: Outbound::default(),
        }
    };
    Ok(due.into_iter().map(set).collect())
}

async fn deferred_recipients_wait_in_the_queue(bench: &Bench) -> Result<()> {
    let (anna, bert) = (bench.account("anna").await?, bench.account("bert").await?);
    let mut set = bench.set(&[anna, bert]);
    set.deliveries[1].deferred = true;
    let original = set.clone();
    let outcomes = deliver(&bench.store, set).await?;
    assert!(matches!(outcomes[0], Outcome::Delivered(_)));
    assert_eq!(outcomes[1], Outcome::Deferred);
    bench.check().await?;
    let due = queue_local_due(&bench.store, 100).await?;
    assert_eq!((due.len(), due[0].account, due[0].attempts), (1, bert, 0));
    let again = |seconds, why| Postponed {
        wait: Duration::from_secs(seconds),
        status: "4.2.2",
        why,
        delay_report: None,
    };
    queue_postpone(&bench.store, due[0].id, 0, again(3_600, "later")).await?;
    // Another worker that saw the same attempt counts it once.
    queue_postpone(&bench.store, due[0].id, 0, again(0, "at the same time")).await?;
    assert!(queue_local_due(&bench.store, 100).await?.is_empty());
    bench.check().await?;
    queue_postpone(&bench.store, due[0].id, 1, again(0, "now")).await?;
    let sets = due_set(bench, &original).await?;
    for set in sets {
        placed(&deliver(&bench.store, set).await?)?;
    }
    assert_eq!(bench.mailbox(bert, "INBOX").await?.total, 1);
    assert!(queue_local_due(&bench.store, 100).await?.is_empty());
    Ok(())
}

async fn the_queue_settles_once(bench: &Bench) -> Result<()> {
    let (anna, bert) = (bench.account("anna").await?, bench.account("bert").await?);
    let mut set = bench.set(&[anna, bert]);
    set.deliveries.iter_mut().for_each(|delivery| delivery.deferred = true);
    let original = set.clone();
    assert_eq!(deliver(&bench.store, set).await?, [Outcome::Deferred, Outcome::Deferred]);
    // Two nodes find the same rows and deliver them at once.
    let other = bench.another_store()?;
    let sets = due_set(bench, &original).await?;
    let work =
        sets.into_iter().flat_map(|set| [deliver(&bench.store, set.clone()), deliver(&other, set)]);
    let mut delivered = 0;
    for outcome in futures::future::join_all(work).await {
        match outcome {
            Ok(outcome) if matches!(outcome[..], [Outcome::Delivered(_)]) => delivered += 1,
            Ok(outcome) => assert_eq!(outcome, [Outcome::NoLongerQueued]),
            Err(error) => assert_eq!(error, StoreError::Refused("no longer queued".into())),
        }
    }
    assert_eq!(delivered, 2);
    assert_eq!(bench.mailbox(anna, "INBOX").await?.total, 1);
    assert_eq!(bench.mailbox(bert, "INBOX").await?.total, 1);
    // Nobody settles what is not there.
    let refused = queue_local_end(&bench.store, 4_711, &serde_json::json!({})).await;
    assert_eq!(refused, Err(StoreError::Refused("no longer queued".into())));
    Ok(())
}

async fn a_busy_account_is_queued_and_the_others_are_not_held_up(bench: &Bench) -> Result<()> {
    let (anna, bert) = (bench.account("anna").await?, bench.account("bert").await?);
    let client = bench.database.client().await?;
    client
        .batch_execute(&format!(
            "BEGIN; SELECT 1 FROM account_state WHERE account_id = {bert} FOR NO KEY UPDATE"
        ))
        .await?;
    let set = bench.set(&[anna, bert]);
    let original = set.clone();
    let outcomes = deliver(&bench.store, set).await?;
    assert!(matches!(outcomes[0], Outcome::Delivered(_)));
    assert_eq!(outcomes[1], Outcome::Busy);
    client.batch_execute("ROLLBACK").await?;
    assert_eq!(bench.mailbox(bert, "INBOX").await?.total, 0);
    for set in due_set(bench, &original).await? {
        placed(&deliver(&bench.store, set).await?)?;
    }
    assert_eq!(bench.mailbox(bert, "INBOX").await?.total, 1);
    Ok(())
}

async fn append_to_a_busy_account_is_only_reported(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    let client = bench.database.client().await?;
    client
        .batch_execute(&format!(
            "BEGIN; SELECT 1 FROM account_state WHERE account_id = {anna} FOR NO KEY UPDATE"
        ))
        .await?;
    let set = DeliverySet { envelope: None, ..bench.set(&[anna]) };
    let blob = set.blob.id;
    assert_eq!(deliver(&bench.store, set).await?, [Outcome::Busy]);
    assert_eq!(blob_row(&bench.store, blob).await?, None);
    client.batch_execute("ROLLBACK").await?;
    Ok(())
}

async fn conversations(bench: &Bench) -> Result<()> {
    let (anna, bert) = (bench.account("anna").await?, bench.account("bert").await?);
    let send = async |references: &[i64], to: AccountId| {
        let set = DeliverySet { blob: bench.blob(50, references), ..bench.set(&[to]) };
        anyhow::Ok(placed(&deliver(&bench.store, set).await?)?.thread)
    };
    let first = send(&[1], anna).await?;
    assert_eq!(send(&[2, 1], anna).await?, first);
    assert_eq!(send(&[3, 2], anna).await?, first);
    assert_ne!(send(&[2, 1], bert).await?, first, "another account's conversation is another");
    let other = send(&[10], anna).await?;
    assert_ne!(other, first);
    // A reply to a message that has not come yet, and then that message.
    let orphan = send(&[21, 20], anna).await?;
    assert_eq!(send(&[20], anna).await?, orphan);
    // A message that cites two conversations joins the older one.
    assert_eq!(send(&[11, 10, 1], anna).await?, first);
    // Without a Message-ID nothing can join.
    assert_ne!(send(&[], anna).await?, send(&[], anna).await?);
    Ok(())
}

async fn one_bad_set_does_not_fail_its_neighbours(bench: &Bench) -> Result<()> {
    let (anna, bert) = (bench.account("anna").await?, bench.account("bert").await?);
    let first = bench.set(&[anna]);
    let mut again = bench.set(&[anna]);
    again.blob.id = first.blob.id;
    deliver(&bench.store, first).await?;
    let sets = [bench.set(&[anna]), again, bench.set(&[bert]), bench.set(&[anna, bert])];
    let done = futures::future::join_all(sets.map(|set| deliver(&bench.store, set))).await;
    let failed: Vec<bool> = done.iter().map(Result::is_err).collect();
    assert_eq!(failed, [false, true, false, false]);
    assert!(matches!(&done[1], Err(StoreError::Conflict(_))), "{:?}", done[1]);
    assert_eq!(bench.mailbox(anna, "INBOX").await?.total, 3);
    Ok(())
}
