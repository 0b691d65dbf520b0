//! Two at once, under load, over two nodes' pools.

use crate::bench::{Bench, placed, to_inbox};
use anyhow::Result;
use std::time::Duration;
use store::account::{
    Delivery, DeliverySet, FlagOp, MailboxCreate, MailboxDelete, MailboxPurge, MailboxRename,
    Outbound, Outcome, StoreFlags, commit, deliver,
};
use store::mailbox::mailbox_to_purge;
use store::message::{change_log, uid_runs};
use store::{Store, StoreError};
use types::{AccountId, Flags, MailboxId, ModSeq, Uid};

super::both_ways! {
    recipients_in_either_order,
    delivery_against_delete_and_rename,
    delivery_against_store_over_a_large_mailbox,
    two_replies_at_once,
    a_reader_never_misses_a_change,
    writers_of_every_kind,
}

/// Sees to it that what waited for a lock is delivered in the end, as the queue's worker would.
async fn drain_queue(bench: &Bench, sets: &[DeliverySet]) -> Result<()> {
    for recipient in store::queue::queue_local_due(&bench.store, 10_000).await? {
        let original = sets.iter().find(|set| set.blob.id == recipient.blob);
        let blob = original.map(|set| set.blob.clone());
        let blob = blob.ok_or_else(|| anyhow::anyhow!("an unknown blob in the queue"))?;
        let delivery = Delivery { queued: Some(recipient.id), ..to_inbox(recipient.account) };
        let (deliveries, outbound) = (vec![delivery], Outbound::default());
        let set = DeliverySet { blob, newborn: false, envelope: None, deliveries, outbound };
        placed(&deliver(&bench.store, set).await?)?;
    }
    Ok(())
}

/// {A, B} and {B, A}, many times, from two nodes: no deadlock, nothing lost, nothing doubled.
async fn recipients_in_either_order(bench: &Bench) -> Result<()> {
    let mut accounts = Vec::new();
    for n in 0..4 {
        accounts.push(bench.account(&format!("user{n}")).await?);
    }
    let other = bench.another_store()?;
    let mut sets = Vec::new();
    for n in 0..400usize {
        let (a, b) = (accounts[n % 4], accounts[(n / 4 + n + 1) % 4]);
        sets.push(bench.set(&if a == b { vec![a] } else { vec![a, b] }));
    }
    let expected: usize = sets.iter().map(|set| set.deliveries.len()).sum();
    let work = sets.iter().enumerate().map(|(n, set)| {
        let store = if n % 2 == 0 { &bench.store } else { &other };
        deliver(store, set.clone())
    });
    let mut busy = 0;
    for outcomes in futures::future::join_all(work).await {
        for outcome in outcomes? {
            match outcome {
                Outcome::Delivered(_) => {}
                Outcome::Busy => busy += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    eprintln!("{expected} copies, {busy} by way of the queue");
    bench.check().await?;
    drain_queue(bench, &sets).await?;
    let mut total = 0;
    for account in accounts {
        total += bench.mailbox(account, "INBOX").await?.total as usize;
    }
    assert_eq!(total, expected);
    assert_eq!(bench.database.deadlocks().await?, 0);
    Ok(())
}

/// Mail to a mailbox that is deleted, made again, renamed and purged all the while: each is somewhere.
async fn delivery_against_delete_and_rename(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    let other = bench.another_store()?;
    let create = || MailboxCreate { account: anna, name: "Lists", role: 0 };
    let (first, _) = commit(&bench.store, &create()).await?;
    let (target, told) = tokio::sync::watch::channel(first);
    let (done, finished) = tokio::sync::watch::channel(false);
    let deliveries = async {
        let mut sets = Vec::new();
        for _ in 0..40 {
            let wave: Vec<DeliverySet> = (0..8)
                .map(|_| {
                    let mailbox = Some(*told.borrow());
                    let delivery = Delivery { mailbox, ..to_inbox(anna) };
                    DeliverySet { deliveries: vec![delivery], ..bench.set(&[]) }
                })
                .collect();
            let work = wave.iter().map(|set| deliver(&bench.store, set.clone()));
            for outcomes in futures::future::join_all(work).await {
                let outcomes = outcomes?;
                assert!(matches!(outcomes[0], Outcome::Delivered(_) | Outcome::Busy));
            }
            sets.extend(wave);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let _ = done.send(true);
        anyhow::Ok(sets)
    };
    let disturbance = async {
        let mut rounds = 0;
        while !*finished.borrow() || rounds == 0 {
            rounds += 1;
            let rename = MailboxRename { account: anna, from: "Lists", to: "Moved/Lists" };
            again(async || commit(&other, &rename).await).await?;
            let rename = MailboxRename { account: anna, from: "Moved/Lists", to: "Lists" };
            again(async || commit(&other, &rename).await).await?;
            let old = *target.borrow();
            let delete = MailboxDelete { account: anna, name: "Lists" };
            again(async || commit(&other, &delete).await).await?;
            let (new, _) = again(async || commit(&other, &create()).await).await?;
            target.send_replace(new);
            let purge = MailboxPurge { account: anna, mailbox: old };
            while again(async || commit(&other, &purge).await).await? {}
        }
        anyhow::Ok(rounds)
    };
    let (sets, rounds) = tokio::join!(deliveries, disturbance);
    let (sets, rounds) = (sets?, rounds?);
    eprintln!("{} deliveries against {rounds} rounds of rename and delete", sets.len());
    drain_queue(bench, &sets).await?;
    // Every message was created in the log exactly once (consistency checks that), purged or not.
    let sql =
        "SELECT count(DISTINCT id) FROM change, unnest(object_ids) AS id WHERE kind = 1 AND op = 1";
    let created: i64 = bench.database.client().await?.query_one(sql, &[]).await?.get(0);
    assert_eq!(created as usize, sets.len());
    assert_eq!(mailbox_to_purge(&bench.store).await?, None);
    assert_eq!(bench.database.deadlocks().await?, 0);
    Ok(())
}

/// Tries until the account's lock is had, as a session does for its client.
async fn again<T>(mut work: impl AsyncFnMut() -> Result<T, StoreError>) -> Result<T, StoreError> {
    loop {
        match work().await {
            Err(StoreError::Locked | StoreError::Busy(_)) => {}
            other => return other,
        }
    }
}

/// 20,000 messages flagged in chunks while mail comes in. Deliveries that find the account locked wait in the
/// queue at most; none fails, and none waits for the whole STORE.
async fn delivery_against_store_over_a_large_mailbox(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    let inbox = bench.fill(anna, 20_000).await?;
    let other = bench.another_store()?;
    let (done, finished) = tokio::sync::watch::channel(false);
    let flagging = async {
        for op in [FlagOp::Add, FlagOp::Remove] {
            for chunk in 0..20 {
                let uids: Vec<Uid> = (chunk * 1_000 + 1..=chunk * 1_000 + 1_000).map(Uid).collect();
                let change = StoreFlags {
                    account: anna,
                    mailbox: inbox,
                    uids: &uids,
                    op,
                    flags: Flags::SEEN,
                    keywords: &[],
                    unchanged_since: None,
                };
                let stored = again(async || commit(&other, &change).await).await?;
                assert_eq!(stored.len(), 1_000);
            }
        }
        let _ = done.send(true);
        anyhow::Ok(())
    };
    let deliveries = async {
        let (mut sets, mut busy) = (Vec::new(), 0);
        while !*finished.borrow() || sets.is_empty() {
            let set = bench.set(&[anna]);
            match deliver(&bench.store, set.clone()).await?[..] {
                [Outcome::Delivered(_)] => {}
                [Outcome::Busy] => busy += 1,
                ref other => panic!("{other:?}"),
            }
            sets.push(set);
        }
        anyhow::Ok((sets, busy))
    };
    let (flagged, delivered) = tokio::join!(flagging, deliveries);
    flagged?;
    let (sets, busy) = delivered?;
    eprintln!("{} deliveries meanwhile, {busy} by way of the queue", sets.len());
    drain_queue(bench, &sets).await?;
    let mailbox = bench.mailbox(anna, "INBOX").await?;
    assert_eq!(mailbox.total as usize, 20_000 + sets.len());
    assert_eq!(bench.database.deadlocks().await?, 0);
    Ok(())
}

/// Two replies to one message arrive at two nodes in the same moment, with and without the original known.
async fn two_replies_at_once(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    let other = bench.another_store()?;
    for round in 0..40i64 {
        let original = round * 10;
        if round % 2 == 0 {
            let set = DeliverySet { blob: bench.blob(10, &[original]), ..bench.set(&[anna]) };
            placed(&deliver(&bench.store, set).await?)?;
        }
        let reply = |n: i64| DeliverySet {
            blob: bench.blob(10, &[original + n, original]),
            ..bench.set(&[anna])
        };
        let (a, b) = (reply(1), reply(2));
        let (a, b) = tokio::join!(deliver(&bench.store, a), deliver(&other, b));
        let (a, b) = (a?, b?);
        if let ([Outcome::Delivered(a)], [Outcome::Delivered(b)]) = (&a[..], &b[..]) {
            assert_eq!(a.thread, b.thread, "round {round}");
        }
    }
    Ok(())
}

/// Whoever reads the log up to the modseq he is told never finds an older change later.
async fn a_reader_never_misses_a_change(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    let inbox = bench.inbox(anna).await?;
    let other = bench.another_store()?;
    let (done, finished) = tokio::sync::watch::channel(false);
    let writer = async {
        for _ in 0..30 {
            let work = (0..6).map(|n| {
                deliver(if n % 2 == 0 { &bench.store } else { &other }, bench.set(&[anna]))
            });
            for outcome in futures::future::join_all(work).await {
                outcome?;
            }
        }
        let _ = done.send(true);
        anyhow::Ok(())
    };
    let reader = async {
        let (mut since, mut seen) = (ModSeq(0), Vec::new());
        loop {
            let last = *finished.borrow();
            let page = change_log(&other, anna, inbox, since, 1_000).await?;
            let page = page.ok_or_else(|| anyhow::anyhow!("no account"))?;
            assert!(page.modseq >= since);
            since = page.modseq;
            seen.extend(page.changes.into_iter().flat_map(|change| change.uids));
            if last {
                return anyhow::Ok(seen);
            }
        }
    };
    let (written, seen) = tokio::join!(writer, reader);
    written?;
    let seen = seen?;
    let runs = uid_runs(&bench.store, anna, inbox).await?;
    assert_eq!(runs.len(), 1);
    assert_eq!(seen, runs[0].clone().collect::<Vec<u32>>(), "in order, none missing, none twice");
    Ok(())
}

/// Everything at once on two accounts, at random, from two nodes.
async fn writers_of_every_kind(bench: &Bench) -> Result<()> {
    use store::account::{CopyMessages, Expunge};
    let accounts = [bench.account("anna").await?, bench.account("bert").await?];
    let other = bench.another_store()?;
    let mut boxes: Vec<(AccountId, Vec<MailboxId>)> = Vec::new();
    for account in accounts {
        let rows = store::mailbox::mailbox_list(&bench.store, account).await?;
        boxes.push((account, rows.into_iter().map(|row| row.id).collect()));
        bench.fill(account, 60).await?;
    }
    let worker = async |store: &Store| {
        let mut sets = Vec::new();
        for _ in 0..60 {
            let (account, mailboxes) = &boxes[rand::random_range(0..2)];
            let any = || mailboxes[rand::random_range(0..mailboxes.len())];
            let (from, to) = (any(), any());
            let uids: Vec<Uid> = (0..8).map(|_| Uid(rand::random_range(1..80))).collect();
            let account = *account;
            let done = match rand::random_range(0..6) {
                0 => {
                    let set = bench.set(&accounts);
                    sets.push(set.clone());
                    deliver(store, set).await.map(|_| ())
                }
                1 | 2 => {
                    let remove = rand::random();
                    let copy = CopyMessages { account, from, uids: &uids, to, remove };
                    commit(store, &copy).await.map(|_| ())
                }
                3 => commit(store, &Expunge { account, mailbox: from, uids: &uids })
                    .await
                    .map(|_| ()),
                _ => {
                    let change = StoreFlags {
                        account,
                        mailbox: from,
                        uids: &uids,
                        op: if rand::random() { FlagOp::Add } else { FlagOp::Set },
                        flags: Flags(rand::random_range(0..16)),
                        keywords: &[],
                        unchanged_since: None,
                    };
                    commit(store, &change).await.map(|_| ())
                }
            };
            match done {
                Ok(()) | Err(StoreError::Locked | StoreError::Busy(_)) => {}
                Err(error) => return Err(anyhow::Error::from(error)),
            }
        }
        Ok(sets)
    };
    let work = [&bench.store, &other, &bench.store, &other].map(worker);
    let mut sets = Vec::new();
    for done in futures::future::join_all(work).await {
        sets.extend(done?);
    }
    drain_queue(bench, &sets).await?;
    assert_eq!(bench.database.deadlocks().await?, 0);
    Ok(())
}
