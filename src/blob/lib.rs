//! Message bytes: written once under a unique key, never changed, deleted long after nobody refers to them.
//!
//! [`BlobStore`] is the trait; [`Folder`] keeps files on one machine, [`S3`] objects for a cluster, and
//! [`Guarded`] stands before either with a breaker, counters and a small read cache that is safe to lose.
//! Keys are random, so a write whose outcome is unknown is simply abandoned: nothing refers to it. Nothing
//! here relies on conditional writes.

mod error;
mod folder;
mod guarded;
mod key;
mod s3;

pub use error::BlobError;
pub use folder::Folder;
pub use guarded::Guarded;
pub use key::ObjectKey;
pub use s3::{S3, S3Config};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use std::ops::Range;
use std::sync::Arc;

/// Octets as they arrive.
pub type ByteStream = BoxStream<'static, Result<Bytes, BlobError>>;

/// Any store.
pub type SharedBlobStore = Arc<dyn BlobStore>;

/// Where message bytes live.
#[async_trait]
pub trait BlobStore: Send + Sync {
    /// Stores a small object at once. `Ok` means durable.
    async fn put(&self, key: &ObjectKey, pieces: Vec<Bytes>) -> Result<(), BlobError>;

    /// Begins an object that comes in pieces, of unknown size.
    async fn writer(&self, key: &ObjectKey) -> Result<Box<dyn BlobWriter>, BlobError>;

    /// Reads a range, piece by piece. An object that ends too early is an error, at once or in the stream.
    async fn get(&self, key: &ObjectKey, range: Range<u64>) -> Result<ByteStream, BlobError>;

    /// Deletes an object; one that is not there counts as deleted.
    async fn delete(&self, key: &ObjectKey) -> Result<(), BlobError>;

    /// Whether calls fail right now, without trying: so that SMTP can say so at MAIL.
    fn is_down(&self) -> bool {
        false
    }
}

/// An object under way. Dropped without [`BlobWriter::finish`], it leaves nothing that is ever read.
#[async_trait]
pub trait BlobWriter: Send {
    /// Takes the next octets.
    async fn write(&mut self, piece: Bytes) -> Result<(), BlobError>;

    /// Makes it durable.
    async fn finish(self: Box<Self>) -> Result<(), BlobError>;

    /// Gives it up.
    async fn abort(self: Box<Self>);
}

/// Reads a range as a whole; for ranges whose size is known to be small.
///
/// # Errors
/// As [`BlobStore::get`]; [`BlobError::Corrupt`] when fewer octets came than asked for.
pub async fn get_bytes(
    store: &dyn BlobStore,
    key: &ObjectKey,
    range: Range<u64>,
) -> Result<Bytes, BlobError> {
    use futures::TryStreamExt;
    let wanted = (range.end - range.start) as usize;
    let mut stream = store.get(key, range).await?;
    let first = stream.try_next().await?.unwrap_or_default();
    if first.len() == wanted {
        return Ok(first);
    }
    let mut all = bytes::BytesMut::with_capacity(wanted);
    all.extend_from_slice(&first);
    while let Some(piece) = stream.try_next().await? {
        all.extend_from_slice(&piece);
    }
    if all.len() == wanted { Ok(all.freeze()) } else { Err(BlobError::Corrupt(key.to_string())) }
}

#[cfg(test)]
mod tests;
