//! A message while its bytes come.
//!
//! ```text
//!   begin ──▶ buffered ──(over 256 KiB)──▶ streaming ──▶ stored
//!                │  one PUT at the end         │ finish     ▲
//!                └─────────────────────────────┴────────────┘
//! ```
//! Dropped on the way, it leaves nothing: a streamed object is aborted, a buffered one was never sent.

use crate::{Ingest, IngestError};
use blob::{BlobError, BlobWriter, ObjectKey};
use bytes::Bytes;
use chrono::{DateTime, Datelike, Utc};
use message::{Scanned, Scanner};
use net::{MemoryBudget, Permit};
use std::time::Instant;
use store::account::NewBlob;
use types::BlobId;

/// Messages up to this are kept and put in one piece (invariant 12).
const BUFFER: usize = 256 * 1024;
/// The smallest buffer.
const FIRST: usize = 4 * 1024;
/// Most that an announced size makes us allocate before anything came.
const TRUSTED: usize = 64 * 1024;
/// What a small message may hold: its buffer, and as much again of header text in the scanner.
pub(crate) const SMALL_SHARE: u64 = 2 * BUFFER as u64;
/// What a streaming message may hold: a part of an upload on its way, and header text.
const STREAMING_SHARE: u64 = 6 * 1024 * 1024;
/// RFC822.SIZE is a signed 32-bit number in the tables.
const LARGEST: u64 = i32::MAX as u64;

/// A message on its way in.
pub struct Incoming {
    pub(crate) ingest: Ingest,
    id: BlobId,
    key: ObjectKey,
    begun: DateTime<Utc>,
    hasher: Box<blake3::Hasher>,
    scanner: Scanner,
    header: Header,
    size: u64,
    buffer: Vec<u8>,
    upload: Option<Upload>,
    share: Share,
}

/// A message whose bytes are durable, and what it takes to forget them again.
pub(crate) struct StoredBlob {
    pub(crate) blob: NewBlob,
    pub(crate) key: ObjectKey,
    _share: Share,
}

impl Incoming {
    pub(crate) fn new(ingest: Ingest, expected: Option<u64>) -> Result<Self, IngestError> {
        if expected.is_some_and(|octets| octets > LARGEST) {
            return Err(IngestError::TooLarge);
        }
        let wanted = expected.unwrap_or(0).saturating_add(1_024);
        let capacity = usize::try_from(wanted).unwrap_or(TRUSTED).clamp(FIRST, TRUSTED);
        let mut share = Share::new(ingest.inner.budget.clone());
        share.grow_to(2 * capacity as u64)?;
        let begun = Utc::now();
        Ok(Self {
            ingest,
            id: BlobId::new(),
            key: ObjectKey::new(day(begun)),
            begun,
            hasher: Box::default(),
            scanner: Scanner::new(),
            header: Header::default(),
            size: 0,
            buffer: Vec::with_capacity(capacity),
            upload: None,
            share,
        })
    }

    /// The message's id, for the Received field, the reply and the logs.
    #[must_use]
    pub fn id(&self) -> BlobId {
        self.id
    }

    /// Octets so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether a header field so far holds an octet that is not ASCII.
    #[must_use]
    pub fn has_eight_bit_header(&self) -> bool {
        self.header.eight_bit
    }

    /// Takes the next octets. After an error the message is lost: drop it.
    ///
    /// # Errors
    /// Nothing happened: [`IngestError::Busy`] when the memory budget is used up,
    /// [`IngestError::Unavailable`], [`IngestError::TooLarge`].
    pub async fn write(&mut self, piece: Bytes) -> Result<(), IngestError> {
        self.size += piece.len() as u64;
        if self.size > LARGEST {
            return Err(IngestError::TooLarge);
        }
        self.hasher.update(&piece);
        self.scanner.feed(&piece);
        self.header.look(&piece);
        if let Some(upload) = &mut self.upload {
            self.share.grow_to(self.size.min(STREAMING_SHARE))?;
            return Ok(upload.write(piece).await?);
        }
        if self.buffer.len() + piece.len() > BUFFER {
            return self.stream(piece).await;
        }
        self.make_room(piece.len())?;
        // Copied, not kept: a small piece would keep all of the network buffer it is a slice of.
        self.buffer.extend_from_slice(&piece);
        Ok(())
    }

    fn make_room(&mut self, more: usize) -> Result<(), IngestError> {
        let wanted = self.buffer.len() + more;
        if wanted > self.buffer.capacity() {
            let capacity = wanted.max(2 * self.buffer.capacity()).min(BUFFER);
            self.share.grow_to(2 * capacity as u64)?;
            self.buffer.reserve_exact(capacity - self.buffer.len());
        }
        Ok(())
    }

    /// Too large for the buffer: from here on the octets go to the blob store as they come.
    async fn stream(&mut self, piece: Bytes) -> Result<(), IngestError> {
        self.share.grow_to(self.size.clamp(SMALL_SHARE, STREAMING_SHARE))?;
        let writer = self.ingest.inner.blob.writer(&self.key).await?;
        let upload = self.upload.insert(Upload(Some(writer)));
        upload.write(std::mem::take(&mut self.buffer).into()).await?;
        Ok(upload.write(piece).await?)
    }

    /// Makes the bytes durable.
    pub(crate) async fn store(
        self,
        received_at: Option<DateTime<Utc>>,
    ) -> Result<(Ingest, StoredBlob), IngestError> {
        let started = Instant::now();
        match self.upload {
            Some(upload) => upload.finish().await?,
            None => self.ingest.inner.blob.put(&self.key, vec![self.buffer.into()]).await?,
        }
        metrics::histogram!("postrider_ingest_seconds", "step" => "blob").record(started.elapsed());
        let Scanned { structure, preview, references } = self.scanner.finish();
        let blob = NewBlob {
            id: self.id,
            object_key: self.key.to_string(),
            size: self.size,
            blake3: self.hasher.finalize().into(),
            structure: structure.encode(),
            preview,
            received_at: received_at.unwrap_or(self.begun),
            references,
        };
        Ok((self.ingest, StoredBlob { blob, key: self.key, _share: self.share }))
    }
}

impl Ingest {
    /// Deletes bytes that nothing refers to, if the store can right now; the collector finds them otherwise.
    pub(crate) fn forget(&self, key: ObjectKey) {
        let blob = self.inner.blob.clone();
        tokio::spawn(async move {
            if let Err(error) = blob.delete(&key).await {
                tracing::debug!(%key, %error, "the bytes of a message that was not taken stay for now");
            }
        });
    }
}

fn day(now: DateTime<Utc>) -> u32 {
    let date = now.date_naive();
    u32::try_from(date.year()).unwrap_or(0) * 10_000 + date.month() * 100 + date.day()
}

pub(crate) fn over_budget() -> IngestError {
    metrics::counter!("postrider_memory_budget_refusals_total", "for" => "ingest").increment(1);
    IngestError::Busy("this node is short of memory")
}

/// Looks at a message's header as it comes.
#[derive(Default)]
struct Header {
    /// The line that comes has an octet already.
    begun: bool,
    over: bool,
    eight_bit: bool,
}

impl Header {
    fn look(&mut self, piece: &[u8]) {
        for octet in piece {
            match octet {
                _ if self.over => return,
                b'\n' => self.over = !std::mem::take(&mut self.begun),
                b'\r' => {}
                octet => {
                    self.begun = true;
                    self.eight_bit |= !octet.is_ascii();
                }
            }
        }
    }
}

/// An object under way; aborted when dropped.
struct Upload(Option<Box<dyn BlobWriter>>);

impl Upload {
    async fn write(&mut self, piece: Bytes) -> Result<(), BlobError> {
        match &mut self.0 {
            Some(writer) => writer.write(piece).await,
            None => Err(BlobError::Unavailable("the upload is over".into())),
        }
    }

    async fn finish(mut self) -> Result<(), BlobError> {
        match self.0.take() {
            Some(writer) => writer.finish().await,
            None => Err(BlobError::Unavailable("the upload is over".into())),
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let (Some(writer), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(writer.abort());
        }
    }
}

/// A growing share of the memory budget.
struct Share {
    budget: MemoryBudget,
    held: u64,
    permits: Vec<Permit>,
}

impl Share {
    fn new(budget: MemoryBudget) -> Self {
        Self { budget, held: 0, permits: Vec::new() }
    }

    fn grow_to(&mut self, octets: u64) -> Result<(), IngestError> {
        if octets > self.held {
            // In steps, so that a streaming message does not hold a thousand permits.
            let step = (octets - self.held).max(self.held / 2);
            self.permits.push(self.budget.try_reserve(step).ok_or_else(over_budget)?);
            self.held += step;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IngestConfig;
    use crate::deliver::tests::{envelope, nowhere};

    const BUDGET: u64 = 16 * 1024 * 1024;

    async fn drained(budget: &MemoryBudget) {
        while budget.left() < BUDGET {
            tokio::task::yield_now().await;
        }
    }

    fn files(dir: &std::path::Path) -> usize {
        let Ok(entries) = std::fs::read_dir(dir) else { return 1 };
        entries.map(|entry| files(&entry.unwrap().path())).sum()
    }

    #[tokio::test]
    async fn memory_is_taken_as_it_grows_and_given_back() {
        let (dir, budget) = (tempfile::tempdir().unwrap(), MemoryBudget::new(BUDGET));
        let ingest = nowhere(dir.path(), budget.clone(), IngestConfig::default());
        let mut small = ingest.begin(None).unwrap();
        assert!(budget.left() > BUDGET - 16 * 1024);
        for _ in 0..200_000 {
            small.write(Bytes::from_static(b"x")).await.unwrap();
        }
        assert!(budget.left() <= BUDGET - 400_000);
        assert!(small.buffer.capacity() <= BUFFER);
        let mut large = ingest.begin(Some(50_000_000)).unwrap();
        for _ in 0..200 {
            large.write(Bytes::from(vec![b'x'; 64 * 1024])).await.unwrap();
        }
        assert!(large.upload.is_some());
        assert!(large.share.held <= 2 * STREAMING_SHARE);
        assert!(large.buffer.capacity() == 0, "streamed, not kept");
        drop(small);
        drop(large);
        drained(&budget).await;
        while files(dir.path()) > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn over_budget_is_busy() {
        let dir = tempfile::tempdir().unwrap();
        let budget = MemoryBudget::new(SMALL_SHARE);
        let ingest = nowhere(dir.path(), budget.clone(), IngestConfig::default());
        let first = ingest.begin(None).unwrap();
        assert!(matches!(ingest.ready(), Err(IngestError::Busy(_))));
        assert!(matches!(ingest.begin(None), Err(IngestError::Busy(_))));
        drop(first);
        let mut large = ingest.begin(None).unwrap();
        let mut outcome = Ok(());
        for _ in 0..100 {
            outcome = large.write(Bytes::from(vec![b'x'; 100_000])).await;
            if outcome.is_err() {
                break;
            }
        }
        assert!(matches!(outcome, Err(IngestError::Busy(_))), "{outcome:?}");
        assert_eq!(
            ingest.begin(Some(u64::MAX)).err(),
            Some(IngestError::Busy("this node is short of memory"))
        );
        drop(large);
        assert_eq!(ingest.begin(Some(u64::MAX)).err(), Some(IngestError::TooLarge));
    }

    #[tokio::test]
    async fn what_is_stored_is_what_came() {
        for size in [0, 1, 1_000, BUFFER, BUFFER + 1, 1_000_000] {
            let (dir, budget) = (tempfile::tempdir().unwrap(), MemoryBudget::new(BUDGET));
            let ingest = nowhere(dir.path(), budget.clone(), IngestConfig::default());
            let mut incoming = ingest.begin(None).unwrap();
            let text: Vec<u8> = b"Subject: x\r\n\r\n".iter().copied().cycle().take(size).collect();
            for piece in text.chunks(777) {
                incoming.write(Bytes::copy_from_slice(piece)).await.unwrap();
            }
            let (ingest, stored) = incoming.store(None).await.unwrap();
            assert_eq!(stored.blob.size, size as u64);
            assert_eq!(stored.blob.blake3, *blake3::hash(&text).as_bytes());
            let blob = ingest.inner.blob.as_ref();
            let read = blob::get_bytes(blob, &stored.key, 0..size as u64).await.unwrap();
            assert!(read == text, "{size}");
        }
    }

    #[tokio::test]
    async fn without_postgresql_nothing_happened_and_nothing_stays() {
        let (dir, budget) = (tempfile::tempdir().unwrap(), MemoryBudget::new(BUDGET));
        let ingest = nowhere(dir.path(), budget.clone(), IngestConfig::default());
        let mut incoming = ingest.begin(None).unwrap();
        incoming.write(Bytes::from_static(b"Subject: x\r\n\r\nhello\r\n")).await.unwrap();
        let result = incoming.deliver(envelope(&[1])).await;
        assert!(matches!(result, Err(IngestError::Unavailable(_))), "{result:?}");
        while ingest.ready().is_ok() {
            // A ping has to fail first; from then on it is said at MAIL.
            tokio::task::yield_now().await;
        }
        assert!(matches!(ingest.ready(), Err(IngestError::Unavailable(_))));
        drained(&budget).await;
        while files(dir.path()) > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn octets_of_the_header_alone_count() {
        for (text, wide) in [
            ("Subject: x\r\n\r\n\u{e4}", false),
            ("Subject: \u{e4}\r\n\r\nx", true),
            ("Subject: x\r\n \u{e4}", true),
            ("a: b\n\n\u{e4}", false),
            ("\r\n\u{e4}", false),
            ("", false),
        ] {
            for size in 1..5 {
                let mut header = Header::default();
                text.as_bytes().chunks(size).for_each(|piece| header.look(piece));
                assert_eq!(header.eight_bit, wide, "{text:?}");
            }
        }
    }

    #[test]
    fn keys_name_the_day() {
        let now = DateTime::from_timestamp(1_795_460_400, 0).unwrap();
        assert_eq!(day(now), 20_261_123);
    }
}
