//! A queued message's bytes, by range out of the blob store.

use async_trait::async_trait;
use blob::{BlobError, ObjectKey, SharedBlobStore, get_bytes};
use bytes::Bytes;
use delivery::{Content, ContentError};
use std::ops::Range;
use std::time::Duration;
use store::queue::Claimed;

/// Bytes that cannot be found are believed to be lost only when the message has waited for so long: a bucket may
/// be misconfigured, or half restored.
const LOST_AFTER: Duration = Duration::from_secs(3 * 24 * 3600);

/// What leaves of a stored message: everything behind our own Return-Path ("A message-originating SMTP system
/// SHOULD NOT send a message that already contains a Return-path header field", RFC 5321 section 4.4).
pub struct Stored {
    blob: SharedBlobStore,
    key: String,
    start: u64,
    size: u64,
    lost: bool,
}

impl Stored {
    /// Of a claimed recipient.
    pub fn of(claimed: &Claimed, blob: SharedBlobStore) -> Self {
        Self {
            blob,
            key: claimed.object_key.clone(),
            start: claimed.offset + claimed.content_offset,
            size: claimed.size.saturating_sub(claimed.content_offset),
            lost: claimed.age >= LOST_AFTER,
        }
    }

    async fn get(&self, range: Range<u64>) -> Result<Bytes, BlobError> {
        let key = ObjectKey::parse(&self.key)?;
        let range = self.start + range.start..self.start + range.end;
        get_bytes(self.blob.as_ref(), &key, range).await
    }
}

#[async_trait]
impl Content for Stored {
    fn size(&self) -> u64 {
        self.size
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes, ContentError> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        self.get(range).await.map_err(|error| match error {
            BlobError::Unavailable(_) => ContentError::Unavailable,
            error => {
                metrics::counter!("postrider_queue_content_missing_total").increment(1);
                tracing::error!(key = self.key, %error, "a queued message cannot be read");
                if self.lost { ContentError::Gone } else { ContentError::Unavailable }
            }
        })
    }
}
