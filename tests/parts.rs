//! The coordinator against a real Redis, the blob store against a real S3.

use anyhow::{Context, Result, bail};
use blob::{BlobError, BlobStore, Folder, Guarded, ObjectKey, S3Config, get_bytes};
use bytes::Bytes;
use coordinator::{Coordinator, Hint, Inbox, NodeInfo, Received};
use futures::TryStreamExt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use testkit::{Proxy, Redis, S3};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use types::{AccountId, ModSeq};

const ANNA: AccountId = AccountId(7);

async fn received(inbox: &Inbox, wanted: impl Fn(&Received) -> bool) -> Result<()> {
    let wait = async {
        loop {
            if wanted(&inbox.receive().await) {
                return;
            }
        }
    };
    Ok(tokio::time::timeout(testkit::PATIENCE, wait).await?)
}

/// Publishes until the other side hears of it: the only thing a hint promises is to be tried.
async fn heard(from: &dyn Coordinator, to: &dyn Coordinator, modseq: u64) -> Result<()> {
    let inbox = to.inbox();
    let hear = received(&inbox, |received| received.hints.get(&ANNA) == Some(&ModSeq(modseq)));
    tokio::pin!(hear);
    loop {
        from.publish(Hint { account: ANNA, modseq: ModSeq(modseq) });
        tokio::select! {
            heard = &mut hear => return heard,
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
    }
}

fn node(name: &str) -> NodeInfo {
    NodeInfo {
        incarnation: name.into(),
        version: "1".into(),
        roles: vec!["smtp".into()],
        started_at: 1,
        listeners: Vec::new(),
    }
}

/// What the storms rely on: the replica has the place, all of before, and nothing of the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_failed_over_lacks_the_last_writes() -> Result<()> {
    let mut redis = Redis::start().await?;
    redis.command("INCRBY before 7").await?;
    let mut writer = tokio::net::TcpStream::connect(redis.address()).await?;
    let writing = tokio::spawn(async move {
        let (mut written, mut answer) = (0, [0; 64]);
        // Until the connection breaks.
        while writer.write_all(b"INCR last\r\n").await.is_ok()
            && writer.read(&mut answer).await.is_ok_and(|count| count > 0)
        {
            written += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        written
    });
    redis.fail_over(Duration::from_secs(1)).await?;
    let written = writing.await?;
    assert_eq!(redis.command("INCRBY before 0").await?, ":7");
    let kept: i32 = redis.command("INCRBY last 0").await?.trim_start_matches(':').parse()?;
    anyhow::ensure!(kept < written, "{kept} of {written} were kept");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_survive_whatever_happens_to_redis() -> Result<()> {
    let mut redis = Redis::start().await?;
    let network = Proxy::to_tcp(redis.address()).await?;
    let url = format!("redis://{}", network.address());
    let (a, b) =
        (coordinator::Redis::start(&url, "test")?, coordinator::Redis::start(&url, "test")?);
    b.watch(ANNA);
    heard(&a, &b, 1).await.context("step 1")?;

    // Flushed: nobody notices but the list of nodes, which fills again.
    a.announce(&node("one")).await?;
    redis.command("FLUSHALL").await?;
    assert_eq!(b.nodes().await?, []);
    heard(&a, &b, 2).await.context("step 2")?;
    a.announce(&node("one")).await?;
    assert_eq!(b.nodes().await?, [node("one")]);

    // Another cluster on the same Redis hears and shows nothing of us.
    let foreign = coordinator::Redis::start(&url, "other")?;
    assert_eq!(foreign.nodes().await?, []);

    // Killed, and started empty on the same port.
    redis.kill();
    received(&b.inbox(), |received| received.lost).await.context("step 3")?;
    assert!(b.announce(&node("two")).await.is_err());
    redis.up().await?;
    received(&b.inbox(), |received| received.resubscribed).await.context("step 4")?;
    heard(&a, &b, 3).await.context("step 5")?;

    // Paused: connections stay open and nothing comes.
    redis.daemon()?.pause();
    received(&b.inbox(), |received| received.lost).await.context("step 6")?;
    redis.daemon()?.resume();
    received(&b.inbox(), |received| received.resubscribed).await.context("step 7")?;
    heard(&a, &b, 4).await.context("step 8")?;

    // The network swallows everything, then cuts.
    network.swallow(true);
    received(&b.inbox(), |received| received.lost).await.context("step 9")?;
    network.swallow(false);
    network.cut();
    received(&b.inbox(), |received| received.resubscribed).await.context("step 10")?;
    heard(&a, &b, 5).await.context("step 11")?;

    // Watched while Redis is away.
    redis.kill();
    received(&b.inbox(), |received| received.lost).await.context("step 12")?;
    let late = coordinator::Redis::start(&url, "test")?;
    late.watch(ANNA);
    redis.up().await?;
    heard(&a, &late, 6).await.context("the last step")
}

#[tokio::test(flavor = "multi_thread")]
async fn only_watched_accounts_are_subscribed() -> Result<()> {
    let redis = Redis::start().await?;
    let node = coordinator::Redis::start(&redis.url(), "test")?;
    for account in 0..500 {
        node.watch(AccountId(account));
    }
    // Subscribing tells of itself: who watches asks once, whatever came in between.
    let mut told = std::collections::HashSet::new();
    let inbox = node.inbox();
    let all = async {
        while told.len() < 500 {
            told.extend(inbox.receive().await.hints.into_keys());
        }
    };
    tokio::time::timeout(testkit::PATIENCE, all).await?;
    let channels = async || -> Result<usize> {
        let answer = redis.command("PUBSUB SHARDCHANNELS").await?;
        Ok(answer.trim_start_matches('*').parse()?)
    };
    assert_eq!(channels().await?, 500);
    for account in 1..500 {
        node.unwatch(AccountId(account));
    }
    testkit::until("one subscription is left", async || (channels().await.ok()? == 1).then_some(()))
        .await
}

async fn read(
    store: &dyn BlobStore,
    key: &ObjectKey,
    range: Range<u64>,
) -> Result<Vec<u8>, BlobError> {
    let pieces: Vec<Bytes> = store.get(key, range).await?.try_collect().await?;
    Ok(pieces.concat())
}

/// What every store must do.
async fn conforms(store: &dyn BlobStore) -> Result<()> {
    let key = ObjectKey::new(20_261_124);
    store.put(&key, vec![Bytes::from_static(b"hello "), Bytes::from_static(b"world")]).await?;
    assert_eq!(read(store, &key, 0..11).await?, b"hello world");
    assert_eq!(read(store, &key, 6..8).await?, b"wo");
    assert_eq!(read(store, &key, 3..3).await?, b"");
    assert_eq!(get_bytes(store, &key, 0..5).await?, "hello");
    // Shorter than its row says: damage of one object, not an outage of the store.
    for range in [0..50, 11..12, 100..200] {
        let damaged = read(store, &key, range.clone()).await;
        assert!(matches!(damaged, Err(BlobError::Corrupt(_))), "{range:?}: {damaged:?}");
    }
    store.put(&ObjectKey::new(20_261_124), Vec::new()).await?;

    for size in [1, 5 * 1024 * 1024 - 1, 5 * 1024 * 1024, 12_345_678] {
        let bytes: Bytes = (0..size).map(|n| (n / 1_000) as u8).collect();
        let key = ObjectKey::new(20_261_124);
        let mut writer = store.writer(&key).await?;
        let mut rest = bytes.clone();
        while !rest.is_empty() {
            writer.write(rest.split_to(rest.len().min(300_000))).await?;
        }
        writer.finish().await?;
        assert!(read(store, &key, 0..size as u64).await? == bytes, "{size}");
        let tail = size as u64 / 2..size as u64;
        assert!(read(store, &key, tail.clone()).await? == bytes[tail.start as usize..]);
        store.delete(&key).await?;
    }

    let lost = ObjectKey::new(20_261_124);
    let mut writer = store.writer(&lost).await?;
    writer.write(vec![0; 6_000_000].into()).await?;
    writer.abort().await;
    let dropped = ObjectKey::new(20_261_124);
    let mut writer = store.writer(&dropped).await?;
    writer.write(Bytes::from_static(b"x")).await?;
    drop(writer);
    for key in [&lost, &dropped] {
        assert!(matches!(read(store, key, 0..1).await, Err(BlobError::NotFound(_))));
    }
    for _ in 0..2 {
        store.delete(&key).await?;
    }
    assert!(matches!(read(store, &key, 0..1).await, Err(BlobError::NotFound(_))));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_conforms() -> Result<()> {
    let s3 = S3::start()?;
    let store = blob::S3::connect(&s3.config()).await;
    conforms(&store).await?;
    conforms(&Guarded::new(Arc::new(store), 1 << 20)).await?;
    let older = S3Config { checksums_when_required: true, ..s3.config() };
    conforms(&blob::S3::connect(&older).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_conforms() -> Result<()> {
    let folder = testkit::process::folder()?;
    conforms(&Folder::open(folder.path())?).await
}

/// The breaker opens when S3 is gone in any way, and closes by itself.
#[tokio::test(flavor = "multi_thread")]
async fn s3_goes_and_comes_back() -> Result<()> {
    let mut s3 = S3::start()?;
    let network = Proxy::to_tcp(s3.address()).await?;
    let config = S3Config { timeout_ms: 1_000, ..s3.config_at(network.address()) };
    let store = Guarded::new(Arc::new(blob::S3::connect(&config).await), 1 << 20);
    let kept = ObjectKey::new(20_261_124);
    store.put(&kept, vec![Bytes::from_static(b"kept")]).await?;
    let put = async || store.put(&ObjectKey::new(20_261_124), vec![Bytes::from_static(b"x")]).await;
    for fault in ["killed", "paused", "swallowed", "refused"] {
        match fault {
            "killed" => s3.kill(),
            "paused" => s3.daemon()?.pause(),
            "swallowed" => network.swallow(true),
            _ => network.refuse(true),
        }
        for outcome in futures::future::join_all((0..6).map(|_| put())).await {
            match outcome {
                Err(BlobError::Unavailable(_)) => {}
                other => bail!("{fault}: {other:?}"),
            }
        }
        assert!(store.is_down(), "{fault}");
        let asked = std::time::Instant::now();
        assert!(put().await.is_err());
        assert!(
            asked.elapsed() < Duration::from_millis(900),
            "{fault}: an open breaker asks nobody"
        );
        match fault {
            "killed" => s3.up()?,
            "paused" => s3.daemon()?.resume(),
            "swallowed" => network.swallow(false),
            _ => network.refuse(false),
        }
        testkit::until("S3 is back", async || put().await.ok()).await?;
        assert!(!store.is_down());
        assert_eq!(read(&store, &kept, 0..4).await?, b"kept");
    }
    // Wrong credentials are an outage too, and it is said which.
    let wrong = S3Config { secret_key: Some("wrong".to_owned().into()), ..s3.config() };
    let refused = blob::S3::connect(&wrong).await.put(&kept, vec![Bytes::from_static(b"x")]).await;
    match refused {
        Err(BlobError::Unavailable(text)) => assert!(text.contains("Signature"), "{text}"),
        other => bail!("{other:?}"),
    }
    Ok(())
}
