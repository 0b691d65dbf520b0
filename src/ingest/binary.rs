//! A message with binary content, written anew so that it can be sent as any other (RFC 3516 §4.4). What has come is
//! read back from where it was put and goes through a second time; neither is ever whole in memory.

use crate::incoming::{Incoming, StoredBlob};
use crate::{Ingest, IngestError};
use blob::BlobError;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use message::{Base64Lines, Step, header_with, without_binary};
use std::ops::Range;

/// Largest header that is written anew.
const MAX_HEADER: u64 = 1024 * 1024;

/// Why a message with binary content was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BinaryError {
    /// As of any message. Did not happen.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// NUL where nothing can be written anew: in a header, in what is signed, in what does not say that it is binary.
    #[error("the binary content cannot be encoded")]
    CannotEncode,
}

impl From<BlobError> for BinaryError {
    fn from(error: BlobError) -> Self {
        Self::Ingest(error.into())
    }
}

impl Incoming {
    /// Ends a message that holds NUL, and begins one that says the same without.
    ///
    /// # Errors
    /// [`BinaryError`]; nothing happened.
    pub async fn without_binary(self) -> Result<Self, BinaryError> {
        let expected = self.size().saturating_mul(4) / 3;
        let (ingest, stored) = self.store(None).await?;
        let result = encode(&ingest, &stored, expected).await;
        ingest.forget(stored.key);
        result
    }
}

async fn encode(
    ingest: &Ingest,
    stored: &StoredBlob,
    expected: u64,
) -> Result<Incoming, BinaryError> {
    let structure = message::Structure::decode(&stored.blob.structure)
        .map_err(|error| IngestError::Bug(error.to_string()))?;
    let mut source = Source { ingest, stored, out: ingest.begin(Some(expected))? };
    for step in without_binary(&structure) {
        match step {
            Step::Copy(range) => source.copy(range).await?,
            Step::Header { range, encoding, top } => source.header(range, encoding, top).await?,
            Step::Encode(range) => source.encode(range).await?,
        }
    }
    Ok(source.out)
}

struct Source<'a> {
    ingest: &'a Ingest,
    stored: &'a StoredBlob,
    out: Incoming,
}

impl Source<'_> {
    async fn read(&mut self, range: Range<u64>) -> Result<blob::ByteStream, BlobError> {
        if range.is_empty() {
            return Ok(futures::stream::empty().boxed());
        }
        self.ingest.inner.blob.get(&self.stored.key, range).await
    }

    async fn copy(&mut self, range: Range<u64>) -> Result<(), BinaryError> {
        let mut stream = self.read(range).await?;
        while let Some(piece) = stream.try_next().await? {
            if piece.contains(&0) {
                return Err(BinaryError::CannotEncode);
            }
            self.out.write(piece).await?;
        }
        Ok(())
    }

    async fn header(
        &mut self,
        range: Range<u64>,
        encoding: &str,
        top: bool,
    ) -> Result<(), BinaryError> {
        if range.end - range.start > MAX_HEADER {
            return Err(BinaryError::CannotEncode);
        }
        let blob = self.ingest.inner.blob.as_ref();
        let header = blob::get_bytes(blob, &self.stored.key, range).await?;
        if header.contains(&0) {
            return Err(BinaryError::CannotEncode);
        }
        Ok(self.out.write(header_with(&header, encoding, top).into()).await?)
    }

    async fn encode(&mut self, range: Range<u64>) -> Result<(), BinaryError> {
        let mut stream = self.read(range).await?;
        let mut lines = Base64Lines::default();
        while let Some(piece) = stream.try_next().await? {
            let mut text = Vec::with_capacity(piece.len() / 2 * 3);
            lines.push(&piece, &mut text);
            self.out.write(Bytes::from(text)).await?;
        }
        let mut text = Vec::new();
        lines.finish(&mut text);
        Ok(self.out.write(text.into()).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IngestConfig;
    use crate::deliver::tests::nowhere;
    use net::MemoryBudget;

    async fn encoded(message: &[u8]) -> Result<Vec<u8>, BinaryError> {
        let (dir, budget) = (tempfile::tempdir().unwrap(), MemoryBudget::new(64 * 1024 * 1024));
        let ingest = nowhere(dir.path(), budget, IngestConfig::default());
        let mut incoming = ingest.begin(None)?;
        for piece in message.chunks(10_000) {
            incoming.write(Bytes::copy_from_slice(piece)).await?;
        }
        let (ingest, stored) = incoming.without_binary().await?.store(None).await?;
        let blob = ingest.inner.blob.as_ref();
        Ok(blob::get_bytes(blob, &stored.key, 0..stored.blob.size).await?.to_vec())
    }

    #[tokio::test]
    async fn large_and_small() {
        for size in [1, 100, 200_000, 1_000_000] {
            let mut message = b"Subject: x\r\nContent-Type: application/octet-stream\r\n\
                Content-Transfer-Encoding: binary\r\n\r\n"
                .to_vec();
            message.resize(message.len() + size, 0);
            let out = encoded(&message).await.unwrap();
            assert!(!out.contains(&0) && out.len() > size, "{size}");
            let body = out.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
            let decoded = message::decode_body("base64", &out[body..]);
            assert!(decoded.len() == size && decoded.iter().all(|octet| *octet == 0), "{size}");
        }
    }

    #[tokio::test]
    async fn nul_where_it_cannot_be() {
        for message in [
            b"Subject: a\0b\r\n\r\n".as_slice(),
            b"Subject: x\r\n\r\na\0b",
            b"Subject: \0\r\nContent-Transfer-Encoding: binary\r\n\r\na",
        ] {
            assert_eq!(encoded(message).await, Err(BinaryError::CannotEncode));
        }
    }
}
