//! What stands before every store: a breaker, counters, and a small read cache.
//!
//! The breaker opens after several outages in a row and lets one call through every few seconds to see
//! whether the store is back. While it is open, calls fail at once instead of holding sessions.

use crate::{BlobError, BlobStore, BlobWriter, ByteStream, ObjectKey, SharedBlobStore, get_bytes};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Outages in a row that open the breaker.
const OPEN_AFTER: u32 = 5;
/// Pause between attempts while it is open.
const RETRY: Duration = Duration::from_secs(2);
/// Larger ranges are streamed past the cache.
const CACHEABLE: u64 = 256 * 1024;

/// A store with its guards.
pub struct Guarded {
    inner: SharedBlobStore,
    started: Instant,
    failures: AtomicU32,
    /// Milliseconds since `started` at which the next attempt may go through.
    retry_at: AtomicU64,
    cache: moka::sync::Cache<(ObjectKey, u64, u64), Bytes>,
}

impl Guarded {
    /// Stands before `inner`; `cache_bytes` bounds the read cache, 0 for none.
    #[must_use]
    pub fn new(inner: SharedBlobStore, cache_bytes: u64) -> Self {
        let cache = moka::sync::Cache::builder()
            .max_capacity(cache_bytes)
            .weigher(|_, bytes: &Bytes| bytes.len() as u32 + 128)
            .build();
        Self {
            inner,
            started: Instant::now(),
            failures: AtomicU32::new(0),
            retry_at: AtomicU64::new(0),
            cache,
        }
    }

    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// Whether this call may go through; the one that may while the breaker is open moves the time on.
    fn admit(&self) -> Result<(), BlobError> {
        if self.failures.load(Ordering::Relaxed) < OPEN_AFTER {
            return Ok(());
        }
        let (now, at) = (self.now_ms(), self.retry_at.load(Ordering::Relaxed));
        let next = now + RETRY.as_millis() as u64;
        let mine = now >= at
            && self
                .retry_at
                .compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if mine {
            Ok(())
        } else {
            Err(BlobError::Unavailable("waiting for the store to come back".into()))
        }
    }

    fn note<T>(&self, call: &'static str, result: Result<T, BlobError>) -> Result<T, BlobError> {
        metrics::counter!("postrider_blob_requests_total", "call" => call, "ok" => if result.is_ok() { "yes" } else { "no" })
            .increment(1);
        match &result {
            Err(error) if error.is_outage() => {
                if self.failures.fetch_add(1, Ordering::Relaxed) + 1 == OPEN_AFTER {
                    tracing::warn!(%error, "the blob store is away");
                }
                self.retry_at.store(self.now_ms() + RETRY.as_millis() as u64, Ordering::Relaxed);
            }
            _ => {
                if self.failures.swap(0, Ordering::Relaxed) >= OPEN_AFTER {
                    tracing::info!("the blob store is back");
                }
            }
        }
        result
    }
}

#[async_trait]
impl BlobStore for Guarded {
    async fn put(&self, key: &ObjectKey, pieces: Vec<Bytes>) -> Result<(), BlobError> {
        self.admit()?;
        self.note("put", self.inner.put(key, pieces).await)
    }

    async fn writer(&self, key: &ObjectKey) -> Result<Box<dyn BlobWriter>, BlobError> {
        self.admit()?;
        self.note("writer", self.inner.writer(key).await)
    }

    async fn get(&self, key: &ObjectKey, range: Range<u64>) -> Result<ByteStream, BlobError> {
        let size = range.end - range.start;
        let id = (key.clone(), range.start, range.end);
        if let Some(bytes) = self.cache.get(&id) {
            return Ok(futures::stream::iter([Ok(bytes)]).boxed());
        }
        self.admit()?;
        if size > CACHEABLE || self.cache.policy().max_capacity() == Some(0) {
            return self.note("get", self.inner.get(key, range).await);
        }
        let bytes = self.note("get", get_bytes(self.inner.as_ref(), key, range).await)?;
        self.cache.insert(id, bytes.clone());
        Ok(futures::stream::iter([Ok(bytes)]).boxed())
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), BlobError> {
        self.admit()?;
        self.note("delete", self.inner.delete(key).await)
    }

    fn is_down(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= OPEN_AFTER
            && self.now_ms() < self.retry_at.load(Ordering::Relaxed)
    }
}

impl From<Guarded> for SharedBlobStore {
    fn from(guarded: Guarded) -> Self {
        Arc::new(guarded)
    }
}
