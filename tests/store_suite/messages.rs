//! STORE, COPY, MOVE, EXPUNGE, and reading.

use crate::bench::Bench;
use anyhow::{Context, Result};
use store::StoreError;
use store::account::{
    CHUNK, CopyMessages, Expunge, FlagOp, StoreFlags, Stored, StoredState, commit,
};
use store::mailbox::account_modseqs;
use store::message::{
    Columns, change_log, first_unseen, keywords_in_use, message_rows, uid_columns, uid_rows,
    uid_rows_of, uid_runs, uids_deleted,
};
use types::{AccountId, Flags, MailboxId, ModSeq, Uid};

super::both_ways! {
    store_sets_adds_and_removes,
    store_counts_and_logs_only_what_changes,
    unchanged_since_leaves_newer_ones_alone,
    keywords_compare_without_case,
    expunge_removes_what_is_deleted,
    a_copy_survives_its_original,
    move_within_and_between_mailboxes,
    copy_into_a_mailbox_that_is_gone,
    runs_and_lists,
    the_log_is_paged,
    a_modseq_that_was_not_used_is_not_told,
}

async fn store(
    bench: &Bench,
    account: AccountId,
    mailbox: MailboxId,
    uids: &[u32],
    op: FlagOp,
    flags: Flags,
    keywords: &[&str],
) -> Result<Vec<Stored>> {
    let uids: Vec<Uid> = uids.iter().map(|uid| Uid(*uid)).collect();
    let keywords: Vec<String> = keywords.iter().map(|k| (*k).to_owned()).collect();
    let change = StoreFlags {
        account,
        mailbox,
        uids: &uids,
        op,
        flags,
        keywords: &keywords,
        unchanged_since: None,
    };
    Ok(commit(&bench.store, &change).await?)
}

async fn delete_and_expunge(
    bench: &Bench,
    account: AccountId,
    mailbox: MailboxId,
    uids: &[u32],
) -> Result<Vec<Uid>> {
    store(bench, account, mailbox, uids, FlagOp::Add, Flags::DELETED, &[]).await?;
    let uids: Vec<Uid> = uids.iter().map(|uid| Uid(*uid)).collect();
    Ok(commit(&bench.store, &Expunge { account, mailbox, uids: &uids }).await?.uids)
}

async fn copy(
    bench: &Bench,
    account: AccountId,
    from: MailboxId,
    uids: &[u32],
    to: MailboxId,
    remove: bool,
) -> Result<Vec<(u32, u32)>, StoreError> {
    let uids: Vec<Uid> = uids.iter().map(|uid| Uid(*uid)).collect();
    let done =
        commit(&bench.store, &CopyMessages { account, from, uids: &uids, to, remove }).await?;
    Ok(done.pairs.into_iter().map(|(from, to)| (from.0, to.0)).collect())
}

async fn store_sets_adds_and_removes(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    let inbox = bench.fill(anna, 3).await?;
    let all = [1, 2, 3];
    let flagged = Flags::FLAGGED.with(Flags::SEEN);
    for stored in store(bench, anna, inbox, &all, FlagOp::Set, flagged, &["Work"]).await? {
        assert_eq!((stored.flags, stored.state), (flagged, StoredState::Changed));
        assert_eq!(stored.keywords, ["Work"]);
    }
    store(bench, anna, inbox, &[2], FlagOp::Add, Flags::DELETED, &["Home"]).await?;
    store(bench, anna, inbox, &[3], FlagOp::Remove, Flags::SEEN, &["Work"]).await?;
    let rows = uid_rows(&bench.store, anna, inbox, 1..=3, 10).await?;
    let seen: Vec<_> = rows.iter().map(|row| (row.flags, row.keywords.as_slice())).collect();
    let (work, both) = (["Work".to_owned()], ["Home".to_owned(), "Work".to_owned()]);
    assert_eq!(seen[0], (flagged, &work[..]));
    assert_eq!(seen[1], (flagged.with(Flags::DELETED), &both[..]));
    assert_eq!(seen[2], (Flags::FLAGGED, &[][..]));
    let mailbox = bench.mailbox(anna, "INBOX").await?;
    assert_eq!((mailbox.unseen, mailbox.deleted), (1, 1));
    assert_eq!(first_unseen(&bench.store, anna, inbox).await?, Some(Uid(3)));
    assert_eq!(keywords_in_use(&bench.store, anna, inbox).await?, ["Home", "Work"]);
    // FLAGS replaces keywords too.
    store(bench, anna, inbox, &all, FlagOp::Set, Flags::default(), &[]).await?;
    assert_eq!(keywords_in_use(&bench.store, anna, inbox).await?, Vec::<String>::new());
    Ok(())
}

async fn store_counts_and_logs_only_what_changes(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    let inbox = bench.fill(anna, 5).await?;
    store(bench, anna, inbox, &[2], FlagOp::Add, Flags::SEEN, &[]).await?;
    let before = bench.mailbox(anna, "INBOX").await?.highest_modseq;
    let again = store(bench, anna, inbox, &[2], FlagOp::Add, Flags::SEEN, &[]).await?;
    assert_eq!((again[0].state, again[0].modseq), (StoredState::Unchanged, before));
    assert_eq!(bench.mailbox(anna, "INBOX").await?.highest_modseq, before);
    let mixed = store(bench, anna, inbox, &[1, 2, 99], FlagOp::Add, Flags::SEEN, &[]).await?;
    let states: Vec<_> = mixed.iter().map(|stored| (stored.uid.0, stored.state)).collect();
    assert_eq!(states, [(1, StoredState::Changed), (2, StoredState::Unchanged)]);
    let log = change_log(&bench.store, anna, inbox, before, 10).await?.context("nothing")?;
    assert_eq!(log.changes.len(), 1);
    assert_eq!((log.changes[0].op, log.changes[0].uids.as_slice()), (2, &[1][..]));
    Ok(())
}

async fn unchanged_since_leaves_newer_ones_alone(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    let inbox = bench.fill(anna, 3).await?;
    let then = bench.mailbox(anna, "INBOX").await?.highest_modseq;
    store(bench, anna, inbox, &[2], FlagOp::Add, Flags::SEEN, &[]).await?;
    let uids = [Uid(1), Uid(2), Uid(3)];
    let change = StoreFlags {
        account: anna,
        mailbox: inbox,
        uids: &uids,
        op: FlagOp::Set,
        flags: Flags::FLAGGED,
        keywords: &[],
        unchanged_since: Some(then),
    };
    let done = commit(&bench.store, &change).await?;
    let states: Vec<_> = done.iter().map(|stored| stored.state).collect();
    assert_eq!(states, [StoredState::Changed, StoredState::Conflict, StoredState::Changed]);
    assert_eq!(done[1].flags, Flags::SEEN);
    Ok(())
}

async fn keywords_compare_without_case(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    let inbox = bench.fill(anna, 1).await?;
    store(bench, anna, inbox, &[1], FlagOp::Add, Flags::default(), &["Label"]).await?;
    let same =
        store(bench, anna, inbox, &[1], FlagOp::Add, Flags::default(), &["LABEL", "label"]).await?;
    assert_eq!(
        (same[0].state, same[0].keywords.as_slice()),
        (StoredState::Unchanged, &["Label".to_owned()][..])
    );
    let gone =
        store(bench, anna, inbox, &[1], FlagOp::Remove, Flags::default(), &["lAbEl"]).await?;
    assert_eq!(gone[0].keywords, Vec::<String>::new());
    Ok(())
}

async fn expunge_removes_what_is_deleted(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    let inbox = bench.fill(anna, 6).await?;
    store(bench, anna, inbox, &[2, 4, 6], FlagOp::Add, Flags::DELETED, &[]).await?;
    assert_eq!(uids_deleted(&bench.store, anna, inbox, 2, 10).await?, [Uid(4), Uid(6)]);
    let uids: Vec<Uid> = (1..=5).map(Uid).collect();
    let done =
        commit(&bench.store, &Expunge { account: anna, mailbox: inbox, uids: &uids }).await?;
    assert_eq!(done.uids, [Uid(2), Uid(4)]);
    let mailbox = bench.mailbox(anna, "INBOX").await?;
    assert_eq!((mailbox.total, mailbox.deleted, mailbox.highest_modseq), (4, 1, done.modseq));
    assert_eq!(mailbox.uidnext, Uid(7), "no UID is ever given again");
    assert_eq!(uid_runs(&bench.store, anna, inbox).await?, [1..=1, 3..=3, 5..=6]);
    Ok(())
}

/// RFC 8474 and invariant 3: a COPY shares the message and nothing else.
async fn a_copy_survives_its_original(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    let inbox = bench.fill(anna, 2).await?;
    let archive = bench.mailbox(anna, "Archive").await?.id;
    store(bench, anna, inbox, &[1], FlagOp::Set, Flags::FLAGGED, &["Kept"]).await?;
    let used = async || {
        let sql = "SELECT used_bytes, used_messages FROM account_state WHERE account_id = $1";
        let row = bench.database.client().await?.query_one(sql, &[&anna.0]).await?;
        anyhow::Ok((row.get::<_, i64>(0), row.get::<_, i64>(1)))
    };
    let before = used().await?;
    assert_eq!(copy(bench, anna, inbox, &[1, 2], archive, false).await?, [(1, 1), (2, 2)]);
    assert_eq!(used().await?, before, "a copy costs no quota");
    let copied = uid_rows(&bench.store, anna, archive, 1..=1, 1).await?.remove(0);
    assert_eq!(
        (copied.flags, copied.keywords.as_slice()),
        (Flags::FLAGGED, &["Kept".to_owned()][..])
    );
    store(bench, anna, archive, &[1], FlagOp::Set, Flags::SEEN, &[]).await?;
    let original = uid_rows(&bench.store, anna, inbox, 1..=1, 1).await?.remove(0);
    assert_eq!((original.flags, original.message), (Flags::FLAGGED, copied.message));

    assert_eq!(delete_and_expunge(bench, anna, inbox, &[1]).await?, [Uid(1)]);
    assert_eq!(message_rows(&bench.store, anna, &[copied.message]).await?.len(), 1);
    bench.check().await?;
    assert_eq!(delete_and_expunge(bench, anna, archive, &[1]).await?, [Uid(1)]);
    assert_eq!(message_rows(&bench.store, anna, &[copied.message]).await?, []);
    assert_eq!(used().await?, (before.0 / 2, 1));
    Ok(())
}

async fn move_within_and_between_mailboxes(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    let inbox = bench.fill(anna, 4).await?;
    let trash = bench.mailbox(anna, "Trash").await?.id;
    assert_eq!(copy(bench, anna, inbox, &[3, 1, 77], trash, true).await?, [(1, 1), (3, 2)]);
    assert_eq!(uid_runs(&bench.store, anna, inbox).await?, [2..=2, 4..=4]);
    // Onto itself: new UIDs.
    assert_eq!(copy(bench, anna, inbox, &[2, 4], inbox, true).await?, [(2, 5), (4, 6)]);
    assert_eq!(copy(bench, anna, inbox, &[5], inbox, false).await?, [(5, 7)]);
    assert_eq!(uid_runs(&bench.store, anna, inbox).await?, [5..=7]);
    assert_eq!(copy(bench, anna, inbox, &[1, 2], trash, true).await?, []);
    Ok(())
}

async fn copy_into_a_mailbox_that_is_gone(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    let bert = bench.account("bert").await?;
    let inbox = bench.fill(anna, 1).await?;
    for to in [MailboxId::new(), bench.inbox(bert).await?] {
        let refused = copy(bench, anna, inbox, &[1], to, true).await;
        assert_eq!(refused, Err(StoreError::Refused("no such mailbox".into())));
    }
    let nobody = copy(bench, AccountId(4_711), inbox, &[1], inbox, true).await;
    assert_eq!(nobody, Err(StoreError::Refused("no such account".into())));
    assert_eq!(bench.mailbox(anna, "INBOX").await?.total, 1);
    Ok(())
}

async fn runs_and_lists(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    let empty = bench.inbox(anna).await?;
    assert_eq!(uid_runs(&bench.store, anna, empty).await?, []);
    assert_eq!(first_unseen(&bench.store, anna, empty).await?, None);
    let inbox = bench.fill(anna, 2_500).await?;
    assert_eq!(uid_runs(&bench.store, anna, inbox).await?, [1..=2_500]);
    let gone: Vec<u32> = (1_000..1_500).collect();
    assert_eq!(gone.len(), CHUNK / 2);
    delete_and_expunge(bench, anna, inbox, &gone).await?;
    assert_eq!(uid_runs(&bench.store, anna, inbox).await?, [1..=999, 1_500..=2_500]);
    let page = uid_rows(&bench.store, anna, inbox, 990..=u32::MAX, 20).await?;
    let uids: Vec<u32> = page.iter().map(|row| row.uid.0).collect();
    assert_eq!(uids, (990..1_000).chain(1_500..1_510).collect::<Vec<_>>());
    let some = uid_rows_of(&bench.store, anna, inbox, &[Uid(5), Uid(1_200), Uid(2_000)]).await?;
    assert_eq!(some.iter().map(|row| row.uid.0).collect::<Vec<_>>(), [5, 2_000]);
    let run = || 990..=u32::MAX;
    let whole = uid_columns(&bench.store, anna, inbox, run(), 20, Columns::ALL).await?;
    assert_eq!(whole, page);
    let sizes = uid_columns(&bench.store, anna, inbox, run(), 20, Columns::SIZE).await?;
    assert!(
        sizes.iter().zip(&page).all(|(some, all)| (some.uid, some.size) == (all.uid, all.size))
    );
    assert!(sizes.iter().all(|row| row.modseq == ModSeq(0)));
    let none = uid_columns(&bench.store, anna, inbox, 3_000..=u32::MAX, 20, Columns::ALL).await?;
    assert_eq!(none, []);
    Ok(())
}

async fn the_log_is_paged(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    let inbox = bench.fill(anna, 10).await?;
    for uid in 1..=10 {
        store(bench, anna, inbox, &[uid], FlagOp::Add, Flags::SEEN, &[]).await?;
    }
    // A move onto itself is two rows of one modseq, which no page may tear apart.
    for uid in 1..=5 {
        copy(bench, anna, inbox, &[uid], inbox, true).await?;
    }
    let whole =
        change_log(&bench.store, anna, inbox, ModSeq(0), 1_000).await?.context("nothing")?;
    assert!(whole.complete);
    for limit in 2..8 {
        let (mut since, mut seen) = (ModSeq(0), Vec::new());
        loop {
            let page =
                change_log(&bench.store, anna, inbox, since, limit).await?.context("nothing")?;
            assert!(page.changes.len() <= limit as usize);
            assert!(page.modseq > since || page.complete, "it goes on");
            since = page.modseq;
            seen.extend(page.changes);
            if page.complete {
                break;
            }
        }
        assert_eq!((since, &seen), (whole.modseq, &whole.changes), "limit {limit}");
    }
    assert!(change_log(&bench.store, AccountId(4_711), inbox, ModSeq(0), 9).await?.is_none());
    Ok(())
}

/// Whoever publishes a modseq that did not come to pass would make others miss the change that takes it.
async fn a_modseq_that_was_not_used_is_not_told(bench: &Bench) -> Result<()> {
    let anna = bench.account("anna").await?;
    let inbox = bench.inbox(anna).await?;
    let now = async || anyhow::Ok(account_modseqs(&bench.store, &[anna]).await?[0].1);
    let copy =
        CopyMessages { account: anna, from: inbox, uids: &[Uid(9)], to: inbox, remove: true };
    assert_eq!(commit(&bench.store, &copy).await?.modseq, now().await?);
    let expunge = Expunge { account: anna, mailbox: inbox, uids: &[Uid(9)] };
    assert_eq!(commit(&bench.store, &expunge).await?.modseq, now().await?);
    let rename = store::account::MailboxRename { account: anna, from: "INBOX", to: "Old" };
    assert_eq!(commit(&bench.store, &rename).await?, now().await?);
    Ok(())
}
