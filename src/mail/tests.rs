//! Against a real PostgreSQL and a folder of blobs.

use super::*;
use crate::search::{Key, Query};
use anyhow::{Context, Result};
use blob::{BlobStore, Folder, ObjectKey};
use bytes::Bytes;
use message::Scanner;
use store::account::{Delivery, DeliverySet, NewBlob, Outbound, Outcome, deliver};
use store::directory::{AccountAdded, NewAccount, account_add, account_remove, domain_add};
use testkit::{Database, Postgres};
use types::{AccountId, BlobId, Flags, Incarnation, ModSeq, Uid};

const INBOX: &str = "INBOX";

struct Bench {
    database: Database,
    store: Store,
    blobs: Arc<Folder>,
    mail: Mail,
    account: AccountId,
    _dir: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Result<Self> {
        let database = Postgres::shared().await?.database().await?;
        let store = database.store()?;
        let dir = tempfile::tempdir()?;
        let blobs = Arc::new(Folder::open(dir.path())?);
        let hub =
            Hub::start(store.clone(), Arc::<coordinator::Local>::default(), HubConfig::default());
        let shared: SharedBlobStore = Arc::clone(&blobs) as _;
        let mail = Mail::new(store.clone(), shared, hub, MemoryBudget::new(64 << 20));
        domain_add(&store, "test.example").await?;
        let added = account_add(
            &store,
            &NewAccount {
                address: "anna@test.example",
                domain: "test.example",
                display_name: "",
                argon2id: "-",
                scram_sha_256: "-",
                quota_bytes: None,
            },
        )
        .await?;
        let AccountAdded::Made(account) = added else { anyhow::bail!("{added:?}") };
        Ok(Self { database, store, blobs, mail, account, _dir: dir })
    }

    async fn deliver(&self, text: &str) -> Result<(u32, ObjectKey)> {
        let key = ObjectKey::new(20_261_124);
        self.blobs.put(&key, vec![Bytes::copy_from_slice(text.as_bytes())]).await?;
        let mut scanner = Scanner::new();
        scanner.feed(text.as_bytes());
        let scanned = scanner.finish();
        let set = DeliverySet {
            blob: NewBlob {
                id: BlobId::new(),
                object_key: key.to_string(),
                size: text.len() as u64,
                blake3: *blake3::hash(text.as_bytes()).as_bytes(),
                structure: scanned.structure.encode(),
                preview: scanned.preview,
                received_at: std::time::SystemTime::now().into(),
                references: scanned.references,
            },
            newborn: true,
            envelope: None,
            deliveries: vec![Delivery {
                account: self.account,
                mailbox: None,
                strict: false,
                flags: Flags::default(),
                keywords: Vec::new(),
                recipient: "anna@test.example".into(),
                queued: None,
                deferred: false,
            }],
            outbound: Outbound::default(),
        };
        match deliver(&self.store, set).await?.first() {
            Some(Outcome::Delivered(placed)) => Ok((placed.uid.0, key)),
            other => anyhow::bail!("{other:?}"),
        }
    }

    async fn fill(&self, count: u32) -> Result<()> {
        for n in 1..=count {
            self.deliver(&format!("Subject: s{n}\r\n\r\nbody number {n}.\r\n")).await?;
        }
        Ok(())
    }

    async fn open(&self, name: &str) -> Result<View> {
        Ok(self.mail.open(self.account, &Path::parse(name)?, Access::ReadWrite).await?)
    }

    async fn create(&self, name: &str) -> Result<MailboxId> {
        Ok(self.mail.create(self.account, &Path::parse(name)?, Role::None).await?.0)
    }

    async fn target(&self, name: &str) -> Result<Reach> {
        Ok(self.mail.target(self.account, &Path::parse(name)?).await?.reach)
    }

    async fn flag(&self, view: &mut View, uids: &[u32], flags: Flags) -> Result<Vec<Stored>> {
        let set: UidSet = uids.iter().copied().collect();
        let chunk = set.chunks().next().context("some")?;
        let change =
            FlagChange { op: FlagOp::Add, flags, keywords: Vec::new(), unchanged_since: None };
        Ok(self.mail.store_flags(view, &chunk, &change).await?)
    }

    async fn sql(&self, sql: &str) -> Result<()> {
        Ok(self.database.client().await?.batch_execute(sql).await?)
    }

    async fn all_is_well(self) -> Result<()> {
        self.database.check(Some(self.blobs.as_ref())).await
    }
}

fn set(uids: &[u32]) -> UidSet {
    uids.iter().copied().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_views_see_each_others_changes() -> Result<()> {
    let bench = Bench::new().await?;
    bench.fill(5).await?;
    let mut one = bench.open(INBOX).await?;
    assert_eq!((one.exists(), one.recent(), one.first_unseen()), (5, 5, Some(1)));
    let mut two = bench.open(INBOX).await?;
    assert_eq!(two.recent(), 0, "told to the first");
    let stored = bench.flag(&mut one, &[2, 3], Flags::SEEN.with(Flags::DELETED)).await?;
    assert!(stored.iter().all(|row| row.state == StoredState::Changed));
    assert!(bench.mail.sync(&mut one).await?.updated.is_empty(), "answered for");
    assert_eq!(bench.mail.sync(&mut two).await?.updated, set(&[2, 3]));
    bench.mail.expunge(&two, Some(&set(&[3, 4]))).await?;
    bench.deliver("Subject: new\r\n\r\n").await?;
    for view in [&mut one, &mut two] {
        let changes = bench.mail.sync(view).await?;
        assert!(changes.appeared && changes.vanished);
        assert_eq!(view.exists(), 6);
        assert_eq!(view.take_vanished(), [3]);
        assert_eq!((view.exists(), view.number(6), view.uidnext()), (5, Some(5), 7));
    }
    bench.mail.close(one).await;
    assert_eq!(bench.open(INBOX).await?.recent(), 0, "told to one of them");
    bench.all_is_well().await
}

#[tokio::test(flavor = "multi_thread")]
async fn below_the_floor_and_after_a_restore_views_are_compared() -> Result<()> {
    let bench = Bench::new().await?;
    bench.fill(6).await?;
    let mut view = bench.open(INBOX).await?;
    let mut other = bench.open(INBOX).await?;
    bench.flag(&mut other, &[1], Flags::FLAGGED).await?;
    bench.flag(&mut other, &[2, 3], Flags::DELETED).await?;
    bench.mail.expunge(&other, None).await?;
    bench.fill(1).await?;
    bench.sql("UPDATE account_state SET change_floor = modseq").await?;
    let changes = bench.mail.sync(&mut view).await?;
    assert_eq!(changes.updated, set(&[1]));
    assert_eq!((view.vanished().clone(), view.exists()), (set(&[2, 3]), 7));
    assert!(changes.appeared && changes.vanished && !changes.gone);
    assert_eq!(bench.mail.sync(&mut view).await?.updated, UidSet::default(), "caught up");
    bench.sql("UPDATE account_state SET change_floor = 0").await?;
    // As if the database had been set back: the view knows of changes that never happened.
    let before = view.modseq();
    bench.sql("UPDATE account_state SET modseq = modseq - 1").await?;
    let changes = bench.mail.sync(&mut view).await?;
    assert_eq!(changes.updated, set(&[1, 4, 5, 6, 7]), "nothing that was told counts");
    assert_eq!(view.modseq(), ModSeq(before.0 - 1));
    bench.sql("UPDATE account_state SET modseq = modseq + 1").await?;
    bench.all_is_well().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_mailbox_empties_its_views_and_is_purged() -> Result<()> {
    let bench = Bench::new().await?;
    bench.fill(3).await?;
    bench.create("Old/Things").await?;
    let target = bench.target("Old/Things").await?;
    let inbox = bench.open(INBOX).await?;
    bench.mail.copy(&inbox, &inbox.all(), target).await?;
    let mut view = bench.open("Old/Things").await?;
    let name = |text| Path::parse(text);
    assert_eq!(bench.mail.delete(bench.account, &name("Old")?).await, Err(MailError::HasChildren));
    bench.mail.delete(bench.account, &name("Old/Things")?).await?;
    let changes = bench.mail.sync(&mut view).await?;
    assert!(changes.gone && changes.vanished);
    assert_eq!(view.take_vanished(), [1, 1, 1]);
    assert_eq!(bench.mail.copy(&inbox, &set(&[1]), target).await, Err(MailError::NoTarget));
    assert_eq!(bench.mail.target(bench.account, &name("Nowhere")?).await, Err(MailError::NoTarget));
    let me = Incarnation::new();
    while purge::round(&bench.store, me).await? {}
    assert_eq!(store::mailbox::mailbox_to_purge(&bench.store).await?, None);
    assert!(!purge::round(&bench.store, Incarnation::new()).await?, "the lease is taken");
    assert_eq!(bench.open(INBOX).await?.exists(), 3, "the originals stay");
    bench.all_is_well().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_account_is_purged_later() -> Result<()> {
    let bench = Bench::new().await?;
    bench.fill(3).await?;
    account_remove(&bench.store, "anna@test.example").await?;
    let me = Incarnation::new();
    while purge::round(&bench.store, me).await? {}
    let client = bench.database.client().await?;
    let count = async |table: &str| -> Result<i64> {
        let sql = format!("SELECT count(*) FROM {table}");
        Ok(client.query_one(&sql, &[]).await?.get(0))
    };
    assert_eq!(count("account").await?, 1, "a delivery may still be under way");
    bench.sql("UPDATE account SET removed_at = now() - interval '1 hour'").await?;
    while purge::round(&bench.store, me).await? {}
    for table in [
        "account",
        "account_state",
        "mailbox",
        "mailbox_message",
        "message",
        "change",
        "subscription",
    ] {
        assert_eq!(count(table).await?, 0, "{table}");
    }
    bench.all_is_well().await
}

#[tokio::test(flavor = "multi_thread")]
async fn moves_and_renames() -> Result<()> {
    let bench = Bench::new().await?;
    bench.fill(4).await?;
    bench.create("A/B").await?;
    let target = bench.target("A/B").await?;
    let mut view = bench.open(INBOX).await?;
    let chunk = set(&[2, 3]).chunks().next().context("some")?;
    let moved = bench.mail.move_chunk(&view, &chunk, target).await?;
    let pairs: Vec<_> = moved.pairs.iter().map(|(from, to)| (from.0, to.0)).collect();
    assert_eq!(pairs, [(2, 1), (3, 2)]);
    bench.mail.sync(&mut view).await?;
    assert_eq!(view.take_vanished(), [2, 2]);
    let name = |text| Path::parse(text);
    let rename = async |from, to| bench.mail.rename(bench.account, &name(from)?, &name(to)?).await;
    assert!(matches!(rename("A", "A/B/C").await, Err(MailError::Cannot(_))));
    assert_eq!(rename("A", "Sent").await, Err(MailError::Exists));
    assert_eq!(rename("Nowhere", "X").await, Err(MailError::NoMailbox));
    let deep = "x/".repeat(19) + "y";
    assert!(matches!(rename("A", &deep).await, Err(MailError::Name(_))), "A/B would be too deep");
    rename("A", "Z").await?;
    assert_eq!(bench.open("Z/B").await?.exists(), 2);
    rename(INBOX, "Saved").await?;
    assert_eq!((bench.open(INBOX).await?.exists(), bench.open("Saved").await?.exists()), (0, 2));
    assert!(matches!(
        bench.mail.delete(bench.account, &name("inbox")?).await,
        Err(MailError::Cannot(_))
    ));
    assert_eq!(
        bench.mail.create(bench.account, &name("Drafts2")?, Role::Drafts).await,
        Err(MailError::UseTaken)
    );
    bench.all_is_well().await
}

/// Many rows with their keywords are in memory at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_holds_only_so_many_keywords() -> Result<()> {
    let bench = Bench::new().await?;
    bench.fill(1).await?;
    let mut view = bench.open(INBOX).await?;
    let mut store = async |op, from: u32, count: u32| {
        let keywords = (from..from + count).map(|n| format!("k{n}")).collect();
        let change = FlagChange { op, flags: Flags::default(), keywords, unchanged_since: None };
        bench.mail.store_flags(&mut view, &[Uid(1)], &change).await
    };
    for from in [0, 100] {
        assert_eq!(store(FlagOp::Add, from, 100).await?.len(), 1);
    }
    assert!(matches!(store(FlagOp::Add, 200, 1).await, Err(MailError::Limit(_))));
    assert_eq!(store(FlagOp::Add, 50, 100).await?[0].keywords.len(), 200, "none of them is new");
    assert_eq!(store(FlagOp::Remove, 0, 1).await?[0].keywords.len(), 199);
    assert_eq!(store(FlagOp::Add, 200, 1).await?[0].keywords.len(), 200);
    assert_eq!(store(FlagOp::Set, 300, 100).await?[0].keywords.len(), 100);
    bench.all_is_well().await
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_searches() -> Result<()> {
    let bench = Bench::new().await?;
    bench.fill(30).await?;
    let (odd, _) = bench
        .deliver("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX-Odd: Strange Thing\r\n\r\nhallo\r\n")
        .await?;
    let long = "Z".repeat(300_000) + "nadel";
    let (large, _) = bench.deliver(&format!("Subject: large\r\n\r\n{long}\r\n")).await?;
    let mut view = bench.open(INBOX).await?;
    bench.flag(&mut view, &[3, 5, 7, 8], Flags::DELETED).await?;
    bench.mail.expunge(&view, None).await?;
    bench.mail.sync(&mut view).await?;
    view.take_vanished();
    let mut found = Vec::new();
    let mut pages = Pages::new(view.target(), view.all());
    while let Some(rows) = pages.next(&bench.mail).await? {
        found.extend(rows.iter().map(|row| row.uid.0));
    }
    assert_eq!(found, view.all().iter().collect::<Vec<_>>());
    let search = async |key| bench.mail.search(&view, &Query::new(key)).await;
    let text = |text: &str| Key::Text(text.into());
    assert_eq!(search(Key::Header("subject".into(), "grüße".into())).await?, set(&[odd]));
    assert_eq!(search(Key::Header("x-odd".into(), "strange t".into())).await?, set(&[odd]));
    assert_eq!(search(text("strange")).await?, set(&[odd]));
    assert_eq!(search(Key::Body("strange".into())).await?, UidSet::default());
    assert_eq!(search(Key::Body("ZNADEL".into())).await?, set(&[large]));
    assert_eq!(search(Key::Body("number 2".into())).await?.len(), 11, "2 and 20 to 29");
    let not = |key| Key::Not(Box::new(key));
    assert_eq!(search(not(Key::Body("number".into()))).await?, set(&[odd, large]));
    assert_eq!(search(Key::Larger(100_000)).await?, set(&[large]));
    assert_eq!(search(not(Key::Uids(set(&[1])))).await?.len(), 27);
    bench.all_is_well().await
}

/// Bytes from the cache come without a wait; the search of a mailbox must not keep a thread to itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_lets_others_have_their_turn() -> Result<()> {
    let bench = Bench::new().await?;
    bench.fill(60).await?;
    let cached: SharedBlobStore = Arc::new(blob::Guarded::new(bench.blobs.clone(), 16 << 20));
    let hub = Arc::clone(bench.mail.hub());
    let mail = Mail::new(bench.store.clone(), cached, hub, MemoryBudget::new(64 << 20));
    let view = bench.open(INBOX).await?;
    let query = Query::new(Key::Body("nowhere".into()));
    assert!(mail.search(&view, &query).await?.is_empty(), "and now all is in the cache");
    let mut turns = 0;
    let others = std::future::poll_fn(|_| {
        turns += 1;
        std::task::Poll::<()>::Pending
    });
    tokio::select! {
        biased;
        () = others => {}
        found = mail.search(&view, &query) => assert!(found?.is_empty()),
    }
    // Four messages are read at the same time.
    assert!(turns >= 15, "{turns}");
    bench.all_is_well().await
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_missing_are_damage_and_expunged_ones_are_not() -> Result<()> {
    let bench = Bench::new().await?;
    let (_, key) = bench.deliver("Subject: x\r\n\r\nhello\r\n").await?;
    let view = bench.open(INBOX).await?;
    let mut pages = Pages::new(view.target(), view.all());
    let rows = pages.next(&bench.mail).await?.context("a page")?;
    let message = bench.mail.messages(bench.account, &rows).await?.remove(0).context("there")?;
    let body = bench.mail.read(&message, 14..19).await?;
    assert_eq!((body.len(), body.collect().await?), (5, b"hello".to_vec()));
    assert_eq!(bench.mail.read(&message, 90..99).await?.collect().await?, b"");
    let bytes = blob::get_bytes(bench.blobs.as_ref(), &key, 0..21).await?;
    bench.blobs.delete(&key).await?;
    let gone = async || bench.mail.read(&message, 0..5).await.err();
    assert!(matches!(gone().await, Some(MailError::Damaged(_))));
    bench.sql("UPDATE blob SET state = 1").await?;
    assert_eq!(gone().await, Some(MailError::Expunged));
    bench.sql("UPDATE blob SET state = 0").await?;
    bench.blobs.put(&key, vec![bytes]).await?;
    bench.all_is_well().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_wakes_the_watchers_of_this_node() -> Result<()> {
    let bench = Bench::new().await?;
    bench.fill(1).await?;
    let mut watch = bench.mail.hub().watch(bench.account);
    let mut view = bench.open(INBOX).await?;
    bench.flag(&mut view, &[1], Flags::SEEN).await?;
    assert!(watch.take_changed());
    bench.flag(&mut view, &[1], Flags::SEEN).await?;
    assert!(!watch.take_changed(), "nothing changed");
    bench.create("New").await?;
    assert!(watch.take_changed());
    bench.all_is_well().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_mailbox_is_remembered_and_caught_up_with() -> Result<()> {
    let bench = Bench::new().await?;
    bench
        .sql(
            "INSERT INTO mailbox_message (account_id, mailbox_id, uid, flags, modseq, message_id, \
                 thread_id, received_at, saved_at, size) \
             SELECT account_id, id, g, 1, 1, gen_random_uuid(), gen_random_uuid(), now(), now(), 9 \
             FROM mailbox, generate_series(1, 3000) g WHERE name = 'INBOX'; \
             UPDATE mailbox SET uidnext = 3001, total = 3000, size = 27000 WHERE name = 'INBOX'",
        )
        .await?;
    let first = bench.open(INBOX).await?;
    assert_eq!((first.exists(), first.recent()), (3_000, 3_000));
    assert_eq!(bench.mail.snapshots.iter().count(), 1);
    let mut other = bench.open(INBOX).await?;
    bench.flag(&mut other, &[5, 6], Flags::DELETED).await?;
    bench.mail.expunge(&other, None).await?;
    bench.deliver("Subject: new\r\n\r\n").await?;
    let second = bench.open(INBOX).await?;
    let wanted = UidSet::from_ranges([1..=4, 7..=3001]);
    assert_eq!((second.all(), second.uidnext(), second.recent()), (wanted.clone(), 3_002, 1));
    assert_eq!(second.number(7), Some(5));
    bench.sql("UPDATE account_state SET change_floor = modseq").await?;
    bench.mail.close(first).await;
    let third = bench.open(INBOX).await?;
    assert_eq!((third.all(), third.recent()), (wanted, 0));
    Ok(())
}

/// What a client that was away hears: what changed, what is gone, and nothing of either twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happened_since() -> Result<()> {
    let bench = Bench::new().await?;
    bench.fill(6).await?;
    let mut view = bench.open(INBOX).await?;
    let before = view.told_modseq();
    bench.flag(&mut view, &[2, 5], Flags::FLAGGED).await?;
    bench.flag(&mut view, &[4], Flags::DELETED).await?;
    assert_eq!(bench.mail.expunge(&view, None).await?, 1);
    bench.fill(1).await?;
    let since = bench.mail.since(view.target(), before).await?;
    // 4 changed before it went.
    assert_eq!(since.changed, Some(set(&[2, 4, 5, 7])));
    assert_eq!(since.expunged, Some(set(&[4])));
    let now = bench.open(INBOX).await?.told_modseq();
    let since = bench.mail.since(view.target(), now).await?;
    assert_eq!(since, Since { changed: Some(set(&[])), expunged: Some(set(&[])) });
    // A modseq of a future that never was, and one that the log has forgotten.
    let future = bench.mail.since(view.target(), ModSeq(now.0 + 1_000)).await?;
    assert_eq!(future, Since::default());
    let floor = before.0 + 1;
    bench.sql(&format!("UPDATE account_state SET change_floor = {floor}")).await?;
    bench.sql(&format!("DELETE FROM change WHERE modseq <= {floor}")).await?;
    assert_eq!(bench.mail.since(view.target(), before).await?, Since::default());
    let target = view.target();
    assert!(bench.mail.highest_modseq(target, &set(&[1, 2, 7])).await? > Some(before));
    assert_eq!(bench.mail.highest_modseq(target, &set(&[4, 99])).await?, None);
    bench.all_is_well().await
}

/// A view never lets its client believe a mod-sequence before everything up to it was told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_may_believe_what_it_was_told() -> Result<()> {
    let bench = Bench::new().await?;
    bench.fill(4).await?;
    let (mut view, mut other) = (bench.open(INBOX).await?, bench.open(INBOX).await?);
    let start = view.told_modseq();
    // One's own change that follows directly needs no look.
    let stored = bench.flag(&mut view, &[1], Flags::SEEN).await?;
    assert!(!view.is_behind(stored[0].modseq) && view.told_modseq() == stored[0].modseq);
    assert!(stored[0].modseq > start);
    // Somebody else expunges, then one stores: what was expunged is not told yet.
    bench.mail.sync(&mut other).await?;
    bench.flag(&mut other, &[3], Flags::DELETED).await?;
    bench.mail.expunge(&other, None).await?;
    let stored = bench.flag(&mut view, &[2], Flags::SEEN).await?;
    assert!(view.is_behind(stored[0].modseq));
    let changes = bench.mail.sync(&mut view).await?;
    assert!(changes.vanished && view.is_behind(stored[0].modseq));
    let told = view.told_modseq();
    let missed = bench.mail.since(view.target(), told).await?;
    assert!(missed.expunged.context("logged")?.contains(3), "{told}");
    assert_eq!(view.take_vanished_uids(), set(&[3]));
    assert!(!view.is_behind(stored[0].modseq));
    assert_eq!(view.told_modseq(), bench.open(INBOX).await?.told_modseq());
    // A conflict leaves the message alone.
    let change = FlagChange {
        op: FlagOp::Add,
        flags: Flags::FLAGGED,
        keywords: Vec::new(),
        unchanged_since: Some(start),
    };
    let stored = bench.mail.store_flags(&mut view, &[Uid(1), Uid(4)], &change).await?;
    let states: Vec<_> = stored.iter().map(|row| row.state).collect();
    assert_eq!(states, [StoredState::Conflict, StoredState::Changed]);
    bench.all_is_well().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_spares_the_bytes_and_loses_nothing() -> Result<()> {
    let bench = Bench::new().await?;
    let me = Incarnation::new();
    let search = async |key: Key| -> Result<UidSet> {
        Ok(bench.mail.search(&bench.open(INBOX).await?, &Query::new(key)).await?)
    };
    let body = |text: &str| Key::Body(text.to_owned());
    bench.deliver("Subject: one\r\nX-Own: Pebble\r\n\r\na needle in the hay\r\n").await?;
    let (_, key) = bench.deliver("Subject: two\r\n\r\nonly hay\r\n").await?;
    assert_eq!(search(body("NEEDLE")).await?, set(&[1]), "nothing is indexed");
    assert_eq!(crate::index::index_round(&bench.mail, me).await?, 2);
    assert_eq!(crate::index::index_round(&bench.mail, Incarnation::new()).await?, 0, "leased");
    assert_eq!(crate::index::index_round(&bench.mail, me).await?, 0, "done");
    bench.deliver("Subject: three\r\n\r\nanother needle, not indexed\r\n").await?;
    assert_eq!(search(body("needle")).await?, set(&[1, 3]));
    // The bytes of the second are away; nobody misses them.
    let kept = blob::get_bytes(bench.blobs.as_ref(), &key, 0..26).await?;
    bench.blobs.delete(&key).await?;
    let not = |key: Key| Key::Not(Box::new(key));
    assert_eq!(search(not(body("needle"))).await?, set(&[2]));
    assert_eq!(search(not(Key::Text("pebble".into()))).await?, set(&[2, 3]));
    assert_eq!(search(Key::Header("x-own".into(), "ebbl".into())).await?, set(&[1]));
    assert_eq!(search(body("ee")).await?, set(&[1, 3]), "too short for the index");
    bench.blobs.put(&key, vec![kept]).await?;
    // A signature goes with the last copy of its message.
    let mut view = bench.open(INBOX).await?;
    bench.flag(&mut view, &[1], Flags::DELETED).await?;
    bench.mail.expunge(&view, Some(&set(&[1]))).await?;
    assert_eq!(search(body("needle")).await?, set(&[3]));
    // Where the log does not reach back, all messages are gone through.
    bench.sql("DELETE FROM search_signature; DELETE FROM search_state").await?;
    bench.sql("UPDATE account_state SET change_floor = modseq").await?;
    assert_eq!(crate::index::index_round(&bench.mail, me).await?, 2);
    bench.sql("UPDATE account_state SET change_floor = 0").await?;
    // A signature of another format tells nothing.
    bench
        .sql("UPDATE search_signature SET format = 0, signature = '\\x00', complete = false")
        .await?;
    assert_eq!(search(body("needle")).await?, set(&[3]));
    bench.all_is_well().await
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_kept_true() -> Result<()> {
    let bench = Bench::new().await?;
    let mail = &bench.mail;
    bench.fill(40).await?;
    let mut view = bench.open(INBOX).await?;
    let now = tokio::time::Instant::now();
    let later = now + Duration::from_secs(60);
    let seen = || Query::new(Key::Flags(Flags::SEEN));
    let nothing = || Kept::Set(UidSet::default());
    let mut kept = mail.keep(&view, seen(), nothing()).context("kept")?;
    let (all, criteria) =
        (Query::new(Key::All), [Criterion { by: SortBy::Arrival, reverse: true }]);
    let (sorted, _) =
        mail.sort(&view, &all, &criteria, false, &search::Progress::default()).await?;
    assert_eq!(sorted.uids().len(), 40);
    let mut order = mail.keep(&view, all, Kept::Sorted(sorted)).context("kept")?;
    assert!(kept.is_settled(&view) && order.is_settled(&view));
    // Only what is touched is judged.
    bench.flag(&mut view, &[2, 3, 9], Flags::SEEN).await?;
    kept.touch(&set(&[2, 3, 4]));
    let shift = mail.shift(&view, &mut kept, later).await?;
    assert_eq!((shift.added, shift.fresh), (Part::Set(set(&[2, 3])), UidSet::default()));
    assert!(shift.removed.is_empty() && !shift.more && kept.is_settled(&view));
    kept.touch(&set(&[9]));
    let shift = mail.shift(&view, &mut kept, later).await?;
    assert_eq!(shift.added, Part::Set(set(&[9])));
    // New messages, more than a look without time judges.
    let target = bench.target(INBOX).await?;
    for _ in 0..5 {
        mail.copy(&view, &view.all(), target).await?;
        mail.sync(&mut view).await?;
    }
    assert_eq!(view.exists(), 1_280);
    let (first, second) =
        (mail.shift(&view, &mut kept, now).await?, mail.shift(&view, &mut kept, later).await?);
    assert!(first.more && !second.more && kept.is_settled(&view));
    let wanted = mail.search(&view, &seen()).await?.difference(&set(&[2, 3, 9]));
    assert_eq!(wanted.len(), 3 * 31);
    assert_eq!(first.fresh.union(&second.fresh), wanted);
    assert_eq!((first.added, second.added), (Part::Set(first.fresh), Part::Set(second.fresh)));
    let Part::Pieces(pieces) = mail.shift(&view, &mut order, later).await?.added else {
        anyhow::bail!("it is sorted");
    };
    assert!(pieces.iter().all(|piece| piece.uids.len() <= MAX_PIECE));
    assert_eq!(pieces.iter().map(|piece| piece.uids.len()).sum::<usize>(), 1_240);
    // What is gone is told once, whoever looks.
    bench.flag(&mut view, &[3, 4], Flags::DELETED).await?;
    mail.expunge(&view, None).await?;
    mail.sync(&mut view).await?;
    assert_eq!(kept.vanish(view.vanished()), Part::Set(set(&[3])));
    assert!(kept.vanish(view.vanished()).is_empty());
    kept.touch(&set(&[3, 4]));
    let shift = mail.shift(&view, &mut kept, later).await?;
    assert!(shift.added.is_empty() && shift.removed.is_empty());
    // A node that is short of memory keeps none.
    let shared: SharedBlobStore = Arc::clone(&bench.blobs) as _;
    let hub = Arc::clone(mail.hub());
    let poor = Mail::new(bench.store.clone(), shared, hub, MemoryBudget::new(1_000));
    assert!(poor.keep(&view, seen(), nothing()).is_none());
    bench.all_is_well().await
}

/// Sixty-four messages, copied until the mailbox is large: message n of it is a copy of `(n - 1) % 64 + 1`.
#[tokio::test]
async fn header_fields_of_a_large_mailbox_are_looked_up() -> Result<()> {
    let bench = Bench::new().await?;
    bench.fill(64).await?;
    for _ in 0..7 {
        let view = bench.open(INBOX).await?;
        bench.mail.copy(&view, &view.all(), bench.target(INBOX).await?).await?;
    }
    let view = bench.open(INBOX).await?;
    assert_eq!(view.exists(), 8_192);
    let subject = |text: &str| Query::new(Key::Header("Subject".into(), text.into()));
    let copies = |of: u32| (0..128).map(|nth| nth * 64 + of).collect::<UidSet>();
    let tables = async || -> Result<i64> {
        let client = bench.database.client().await?;
        Ok(client.query_one("SELECT count(*) FROM search_page", &[]).await?.get(0))
    };
    let few = Key::And(vec![
        Key::Uids(UidSet::from_ranges([1..=100])),
        Key::Header("Subject".into(), "s7".into()),
    ]);
    assert_eq!(
        bench.mail.search(&view, &Query::new(few)).await?.iter().collect::<Vec<_>>(),
        [7, 71]
    );
    assert_eq!(tables().await?, 0, "what is quickly read needs no table");
    for _ in 0..2 {
        assert_eq!(bench.mail.search(&view, &subject("S7")).await?, copies(7));
        assert_eq!(tables().await?, 8);
    }
    assert!(bench.mail.search(&view, &subject("s65")).await?.is_empty());
    assert_eq!(bench.mail.search(&view, &subject("")).await?, view.all());
    // What comes later is found as well, and what goes is not.
    let (uid, _) = bench.deliver("Subject: again s7\r\n\r\nbody\r\n").await?;
    let mut view = bench.open(INBOX).await?;
    bench.flag(&mut view, &[7, 71], Flags::DELETED).await?;
    bench.mail.expunge(&view, None).await?;
    bench.mail.sync(&mut view).await?;
    view.take_vanished();
    let mut left: Vec<u32> = copies(7).iter().skip(2).collect();
    left.push(uid);
    assert_eq!(bench.mail.search(&view, &subject("s7")).await?.iter().collect::<Vec<_>>(), left);
    // Who finds a table missing makes it.
    bench.sql("DELETE FROM search_page WHERE page > 2").await?;
    assert_eq!(bench.mail.search(&view, &subject("s7")).await?.len(), left.len() as u64);
    assert_eq!(tables().await?, 8);
    bench.all_is_well().await
}
