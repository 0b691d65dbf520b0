use super::*;
use futures::TryStreamExt;

async fn read(
    store: &dyn BlobStore,
    key: &ObjectKey,
    range: Range<u64>,
) -> Result<Vec<u8>, BlobError> {
    let pieces: Vec<Bytes> = store.get(key, range).await?.try_collect().await?;
    Ok(pieces.concat())
}

/// What every store must do; the S3 one runs the same through a whole node in the integration tests.
async fn conforms(store: &dyn BlobStore) {
    let key = ObjectKey::new(20_261_123);
    store
        .put(&key, vec![Bytes::from_static(b"hello "), Bytes::from_static(b"world")])
        .await
        .unwrap();
    assert_eq!(read(store, &key, 0..11).await.unwrap(), b"hello world");
    assert_eq!(read(store, &key, 6..8).await.unwrap(), b"wo");
    assert_eq!(read(store, &key, 3..3).await.unwrap(), b"");
    assert_eq!(get_bytes(store, &key, 0..5).await.unwrap(), "hello");
    assert!(get_bytes(store, &key, 0..50).await.is_err());

    let big = ObjectKey::new(20_261_123);
    let mut writer = store.writer(&big).await.unwrap();
    for n in 0..12u8 {
        writer.write(vec![n; 1_000_000].into()).await.unwrap();
    }
    writer.finish().await.unwrap();
    let all = read(store, &big, 0..12_000_000).await.unwrap();
    assert!(
        all.chunks(1_000_000).enumerate().all(|(n, chunk)| chunk.iter().all(|b| *b == n as u8))
    );

    let lost = ObjectKey::new(20_261_123);
    let mut writer = store.writer(&lost).await.unwrap();
    writer.write(Bytes::from_static(b"x")).await.unwrap();
    writer.abort().await;
    assert!(matches!(read(store, &lost, 0..1).await, Err(BlobError::NotFound(_))));

    for key in [&key, &key, &big] {
        store.delete(key).await.unwrap();
    }
    assert!(matches!(read(store, &key, 0..1).await, Err(BlobError::NotFound(_))));
}

#[tokio::test]
async fn a_folder_conforms_bare_and_guarded() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::open(dir.path()).unwrap();
    conforms(&folder).await;
    conforms(&Guarded::new(Arc::new(folder.clone()), 0)).await;
    let left: Vec<_> = walk(dir.path());
    assert!(left.is_empty(), "{left:?}");
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(dir)
        .unwrap()
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path) } else { vec![path] }
        })
        .collect()
}

#[test]
fn keys_are_no_paths_to_elsewhere() {
    let key = ObjectKey::new(20_261_123);
    assert_eq!(ObjectKey::parse(key.as_str()), Ok(key.clone()));
    assert_ne!(key, ObjectKey::new(20_261_123));
    for bad in ["", "../x", "ab/20261123/../../../etc/passwd", "ab/20261123", "AB/20261123/00"] {
        assert!(ObjectKey::parse(bad).is_err(), "{bad}");
    }
}

/// A store that is always away.
struct Away;

#[async_trait]
impl BlobStore for Away {
    async fn put(&self, _: &ObjectKey, _: Vec<Bytes>) -> Result<(), BlobError> {
        Err(BlobError::Unavailable("away".into()))
    }
    async fn writer(&self, _: &ObjectKey) -> Result<Box<dyn BlobWriter>, BlobError> {
        Err(BlobError::Unavailable("away".into()))
    }
    async fn get(&self, _: &ObjectKey, _: Range<u64>) -> Result<ByteStream, BlobError> {
        Err(BlobError::Unavailable("away".into()))
    }
    async fn delete(&self, _: &ObjectKey) -> Result<(), BlobError> {
        Err(BlobError::Unavailable("away".into()))
    }
}

#[tokio::test]
async fn the_breaker_opens_after_outages_in_a_row() {
    let store = Guarded::new(Arc::new(Away), 0);
    assert!(!store.is_down());
    for _ in 0..5 {
        let _ = store.put(&ObjectKey::new(1), Vec::new()).await;
    }
    assert!(store.is_down());
}
