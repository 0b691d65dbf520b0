//! Message bytes by range. Small ranges are read at once, so that a failure is known before anything was
//! said to the client; large ones stream, and only a few pieces are in memory at a time.

use crate::fetch::Message;
use crate::{Mail, MailError};
use blob::{BlobError, ByteStream, ObjectKey};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use net::Permit;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Ranges up to this are read at once.
const WHOLE: u64 = 256 * 1024;
/// What a large range may hold at a time: a piece on its way in and one on its way out.
const STREAMING: u64 = 256 * 1024;
/// How long a read waits for its share of the memory budget.
const BUDGET_PATIENCE: Duration = Duration::from_secs(10);
const BUDGET_PAUSE: Duration = Duration::from_millis(20);

/// A range of a message's bytes on its way.
pub struct Body {
    length: u64,
    left: u64,
    stream: ByteStream,
    _share: Permit,
}

impl Body {
    /// Octets in all.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// No octets at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The next octets; `None` after the last.
    ///
    /// # Errors
    /// [`MailError::Unavailable`], or [`MailError::Damaged`] when fewer octets came than the message has: the
    /// promised length cannot be kept, the connection has to go.
    pub async fn next(&mut self) -> Result<Option<Bytes>, MailError> {
        if self.left == 0 {
            return Ok(None);
        }
        let Some(mut piece) = self.stream.try_next().await? else {
            return Err(MailError::Damaged("the message is shorter than its row says".into()));
        };
        piece.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= piece.len() as u64;
        Ok(Some(piece))
    }

    /// All of it; for ranges that are known to be small.
    ///
    /// # Errors
    /// As [`Body::next`].
    pub async fn collect(mut self) -> Result<Vec<u8>, MailError> {
        let mut all = Vec::with_capacity(self.left.min(STREAMING) as usize);
        while let Some(piece) = self.next().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }
}

impl Mail {
    /// Reads a range of a message. When this returns, the blob store has begun to answer.
    ///
    /// # Errors
    /// [`MailError::Unavailable`] when the blob store is away, [`MailError::Busy`] when the node's memory
    /// budget has no room, [`MailError::Expunged`], [`MailError::Damaged`].
    pub async fn read(&self, message: &Arc<Message>, range: Range<u64>) -> Result<Body, MailError> {
        self.locate(std::slice::from_ref(message)).await?;
        let place = message.place.get().ok_or(MailError::Expunged)?;
        let end = range.end.min(place.length);
        let range = range.start.min(end)..end;
        let length = range.end - range.start;
        let share = self.reserve(length.min(STREAMING)).await?;
        let at = place.offset + range.start..place.offset + range.end;
        let stream = match self.open_range(&place.object_key, at).await {
            Err(BlobError::NotFound(key)) => return Err(self.why_missing(message, key).await),
            other => other?,
        };
        Ok(Body { length, left: length, stream, _share: share })
    }

    async fn open_range(&self, key: &str, at: Range<u64>) -> Result<ByteStream, BlobError> {
        let length = at.end - at.start;
        if length == 0 {
            return Ok(futures::stream::empty().boxed());
        }
        let key = ObjectKey::parse(key)?;
        if length <= WHOLE {
            let bytes = blob::get_bytes(self.blob.as_ref(), &key, at).await?;
            return Ok(futures::stream::iter([Ok(bytes)]).boxed());
        }
        let mut stream = self.blob.get(&key, at).await?;
        let first = stream.try_next().await?;
        Ok(futures::stream::iter(first.map(Ok)).chain(stream).boxed())
    }

    /// The collector marks a blob's row before it deletes the object: a live row without an object is damage.
    async fn why_missing(&self, message: &Arc<Message>, key: String) -> MailError {
        match store::message::blob_row(&self.store, message.blob).await {
            Ok(Some(_)) => {
                metrics::counter!("postrider_blobs_missing_total").increment(1);
                tracing::error!(message = %message.id, %key, "the bytes of a message are missing");
                MailError::Damaged(format!("object {key} is missing"))
            }
            Ok(None) => MailError::Expunged,
            Err(error) => error.into(),
        }
    }

    pub(crate) async fn reserve(&self, octets: u64) -> Result<Permit, MailError> {
        let started = tokio::time::Instant::now();
        loop {
            if let Some(share) = self.budget.try_reserve(octets) {
                return Ok(share);
            }
            if started.elapsed() > BUDGET_PATIENCE {
                metrics::counter!("postrider_memory_budget_refusals_total", "for" => "read")
                    .increment(1);
                return Err(MailError::Busy("this node is short of memory"));
            }
            tokio::time::sleep(BUDGET_PAUSE).await;
        }
    }
}
