//! CREATE, RENAME, DELETE, purge, subscriptions, leases.

use crate::bench::Bench;
use anyhow::Result;
use store::StoreError;
use store::account::purge::{
    account_finish, account_log_purge, account_mailboxes_delete, accounts_to_purge,
};
use store::account::{
    CopyMessages, MailboxCreate, MailboxDelete, MailboxPurge, MailboxRename, SubscriptionSet,
    commit,
};
use store::lease::{job_lease_take, node_lease_delete, node_lease_list, node_lease_renew};
use store::mailbox::{mailbox_claim_recent, mailbox_list, mailbox_to_purge, subscription_list};
use store::message::uid_runs;
use types::{AccountId, Incarnation, MailboxId, Uid};

super::both_ways! {
    create_makes_superior_names,
    rename_takes_the_children_along,
    rename_of_inbox_empties_it,
    delete_and_purge,
    a_removed_account_goes_in_the_end,
    recent_is_claimed_once,
    subscriptions_outlive_mailboxes,
    leases,
}

async fn create(bench: &Bench, account: AccountId, name: &str) -> Result<MailboxId, StoreError> {
    let create = MailboxCreate { account, name, role: 0 };
    commit(&bench.store, &create).await.map(|(id, _)| id)
}

async fn names(bench: &Bench, account: AccountId) -> Result<Vec<String>> {
    let rows = mailbox_list(&bench.store, account).await?;
    Ok(rows.into_iter().map(|row| row.name).filter(|name| name.starts_with('x')).collect())
}

fn refused(text: &str) -> StoreError {
    StoreError::Refused(text.into())
}

async fn create_makes_superior_names(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    create(bench, anna, "x/y/z").await?;
    assert_eq!(names(bench, anna).await?, ["x", "x/y", "x/y/z"]);
    assert_eq!(create(bench, anna, "x/y").await, Err(refused("mailbox exists")));
    let sent = MailboxCreate { account: anna, name: "x/Sent", role: 3 };
    assert_eq!(commit(&bench.store, &sent).await, Err(refused("special use taken")));
    let id = create(bench, anna, "x/y/%_").await?;
    assert_eq!(bench.mailbox(anna, "x/y/%_").await?.id, id);
    Ok(())
}

async fn rename_takes_the_children_along(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    for name in ["x/a/b", "x/ab", "x_/a", "x/a/c_d"] {
        create(bench, anna, name).await?;
    }
    let kept = bench.mailbox(anna, "x/a/b").await?;
    let rename = |from, to| MailboxRename { account: anna, from, to };
    commit(&bench.store, &rename("x/a", "xx/new/a")).await?;
    let now = ["x", "x/ab", "x_", "x_/a", "xx", "xx/new", "xx/new/a", "xx/new/a/b", "xx/new/a/c_d"];
    assert_eq!(names(bench, anna).await?, now);
    let moved = bench.mailbox(anna, "xx/new/a/b").await?;
    assert_eq!((moved.id, moved.uidvalidity), (kept.id, kept.uidvalidity));
    let store = &bench.store;
    assert_eq!(commit(store, &rename("x/a", "x/b")).await, Err(refused("no such mailbox")));
    assert_eq!(commit(store, &rename("x/ab", "x_/a")).await, Err(refused("mailbox exists")));
    // A name that was freed is free.
    create(bench, anna, "x/a").await?;
    commit(store, &rename("xx/new/a", "x/a/again")).await?;
    assert!(names(bench, anna).await?.contains(&"x/a/again/c_d".to_owned()));
    Ok(())
}

/// RFC 9051 section 6.3.6: "Renaming INBOX is permitted and does not result in a tagged BAD response, and it has
/// special behavior: It moves all messages in INBOX to a new mailbox with the given name, leaving INBOX empty."
async fn rename_of_inbox_empties_it(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    create(bench, anna, "INBOX/child").await?;
    let inbox = bench.fill(anna, 250).await?;
    commit(&bench.store, &MailboxRename { account: anna, from: "INBOX", to: "x/old" }).await?;
    let (old, now) = (bench.mailbox(anna, "x/old").await?, bench.mailbox(anna, "INBOX").await?);
    assert_eq!((old.total, now.total, now.id), (250, 0, inbox));
    assert_eq!(uid_runs(&bench.store, anna, old.id).await?, [1..=250]);
    assert_eq!(bench.mailbox(anna, "INBOX/child").await?.total, 0, "children stay");
    Ok(())
}

async fn purge_all(bench: &Bench) -> Result<()> {
    while let Some((account, mailbox)) = mailbox_to_purge(&bench.store).await? {
        while commit(&bench.store, &MailboxPurge { account, mailbox }).await? {
            bench.check().await?;
        }
    }
    Ok(())
}

async fn delete_and_purge(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    let inbox = bench.fill(anna, 2_300).await?;
    let (old, kept) = (create(bench, anna, "x/old").await?, create(bench, anna, "x/kept").await?);
    let uids: Vec<Uid> = (1..=2_300).map(Uid).collect();
    let away = CopyMessages { account: anna, from: inbox, uids: &uids, to: old, remove: true };
    commit(&bench.store, &away).await?;
    let some = CopyMessages { account: anna, from: old, uids: &uids[..7], to: kept, remove: false };
    commit(&bench.store, &some).await?;
    let delete = |name| MailboxDelete { account: anna, name };
    assert_eq!(commit(&bench.store, &delete("x")).await, Err(refused("mailbox has children")));
    commit(&bench.store, &delete("x/old")).await?;
    assert_eq!(commit(&bench.store, &delete("x/old")).await, Err(refused("no such mailbox")));
    // The name is free at once, and what comes under it is another mailbox.
    let new = create(bench, anna, "x/old").await?;
    assert_ne!(new, old);
    bench.check().await?;
    assert_eq!(mailbox_to_purge(&bench.store).await?, Some((anna, old)));
    purge_all(bench).await?;
    assert_eq!(bench.mailbox(anna, "x/kept").await?.total, 7);
    let sql =
        "SELECT (SELECT count(*) FROM message), (SELECT count(*) FROM mailbox WHERE state = 1)";
    let row = bench.database.client().await?.query_one(sql, &[]).await?;
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (7, 0));
    // A purge that is told to go on where nothing is left, or of a mailbox that lives, does no harm.
    for mailbox in [old, kept] {
        assert!(!commit(&bench.store, &MailboxPurge { account: anna, mailbox }).await?);
    }
    assert_eq!(bench.mailbox(anna, "x/kept").await?.total, 7);
    Ok(())
}

async fn a_removed_account_goes_in_the_end(bench: &Bench) -> Result<()> {
    let (anna, bert) = (bench.account("anna").await?, bench.account("bert").await?);
    bench.fill(anna, 30).await?;
    bench.deliver(bert).await?;
    store::directory::account_remove(&bench.store, "anna@example.test").await?;
    let again = bench.account("anna").await?;
    assert_ne!(again, anna, "the address is free at once");
    assert_eq!(
        accounts_to_purge(&bench.store, 10).await?,
        [],
        "not before the last delivery has ended"
    );
    let client = bench.database.client().await?;
    client.execute("UPDATE account SET removed_at = removed_at - interval '1 hour'", &[]).await?;
    assert_eq!(accounts_to_purge(&bench.store, 10).await?, [anna]);
    assert!(!account_finish(&bench.store, anna).await?, "it still has mail");
    assert_eq!(account_mailboxes_delete(&bench.store, anna).await?, 6);
    assert_eq!(account_mailboxes_delete(&bench.store, bert).await?, 0, "bert lives");
    purge_all(bench).await?;
    while account_log_purge(&bench.store, anna, 10).await? {}
    assert!(account_finish(&bench.store, anna).await?);
    assert!(!account_finish(&bench.store, anna).await?);
    let left = "SELECT (SELECT count(*) FROM account WHERE id = $1) + (SELECT count(*) FROM message
                WHERE account_id = $1) + (SELECT count(*) FROM account_state WHERE account_id = $1)";
    assert_eq!(client.query_one(left, &[&anna.0]).await?.get::<_, i64>(0), 0);
    Ok(())
}

/// RFC 3501 section 2.3.2: "This session is the first session to have been notified about this message".
async fn recent_is_claimed_once(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    for round in 0..10 {
        let inbox = bench.deliver(anna).await?.mailbox;
        let before = bench.mailbox(anna, "INBOX").await?.uidnext;
        let claims = (0..8).map(|_| mailbox_claim_recent(&bench.store, anna, inbox, before));
        let mut first = 0;
        for claim in futures::future::join_all(claims).await {
            let from = claim?;
            assert!(from == before || from == Uid(round + 1));
            first += u32::from(from < before);
        }
        assert_eq!(first, 1, "exactly one session is told");
    }
    Ok(())
}

async fn subscriptions_outlive_mailboxes(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    create(bench, anna, "x").await?;
    for _ in 0..2 {
        commit(&bench.store, &SubscriptionSet { account: anna, name: "x", on: true }).await?;
    }
    commit(&bench.store, &MailboxDelete { account: anna, name: "x" }).await?;
    assert!(subscription_list(&bench.store, anna).await?.contains(&"x".to_owned()));
    for _ in 0..2 {
        commit(&bench.store, &SubscriptionSet { account: anna, name: "x", on: false }).await?;
    }
    assert!(!subscription_list(&bench.store, anna).await?.contains(&"x".to_owned()));
    Ok(())
}

async fn leases(bench: &Bench) -> Result<()> {
    let (a, b) = (Incarnation::new(), Incarnation::new());
    let store = &bench.store;
    for _ in 0..2 {
        node_lease_renew(store, a, "1.0", 2, "smtp").await?;
    }
    node_lease_renew(store, b, "1.1", 2, "imap").await?;
    let nodes = node_lease_list(store).await?;
    assert_eq!(
        nodes.iter().map(|n| (n.incarnation, n.alive)).collect::<Vec<_>>(),
        [(a, true), (b, true)]
    );
    node_lease_delete(store, a).await?;
    assert_eq!(node_lease_list(store).await?.len(), 1);

    assert!(job_lease_take(store, "purge", a, 100.0).await?);
    assert!(job_lease_take(store, "purge", a, 100.0).await?, "its owner renews it");
    assert!(!job_lease_take(store, "purge", b, 100.0).await?);
    assert!(job_lease_take(store, "index", b, 100.0).await?);
    let client = bench.database.client().await?;
    client.execute("UPDATE job_lease SET expires_at = now() - interval '1 second'", &[]).await?;
    assert!(job_lease_take(store, "purge", b, 100.0).await?, "it ran out");
    let takers = (0..8).map(|_| job_lease_take(store, "new", Incarnation::new(), 100.0));
    let taken = futures::future::join_all(takers).await;
    assert_eq!(taken.into_iter().filter(|taken| *taken == Ok(true)).count(), 1);
    Ok(())
}
