//! The bytes of a message, from wherever they are.

use async_trait::async_trait;
use bytes::Bytes;
use message::downgrade::{Target, downgrade};
use std::ops::Range;
use tokio::sync::OwnedSemaphorePermit;

/// Most octets asked for at once.
pub(crate) const PIECE: u64 = 256 * 1024;

/// Why there are no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// Not now. No attempt is used up.
    #[error("the message cannot be read now")]
    Unavailable,
    /// Never again.
    #[error("the message is lost")]
    Gone,
}

/// A message that can be read by range.
#[async_trait]
pub trait Content: Send + Sync {
    /// All of it, in octets.
    fn size(&self) -> u64;

    /// These octets, all of them. A range is at most 256 KiB long and within the size.
    ///
    /// # Errors
    /// [`ContentError`] says whether to try again.
    async fn read(&self, range: Range<u64>) -> Result<Bytes, ContentError>;
}

/// A message in memory.
#[derive(Debug, Clone)]
pub struct Held(pub Bytes);

#[async_trait]
impl Content for Held {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes, ContentError> {
        let at = |octet: u64| usize::try_from(octet).unwrap_or(usize::MAX).min(self.0.len());
        Ok(self.0.slice(at(range.start)..at(range.end)))
    }
}

/// Reads a message from its beginning.
pub(crate) struct Cursor<'a> {
    content: &'a dyn Content,
    at: u64,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(content: &'a dyn Content) -> Self {
        Self { content, at: 0 }
    }

    /// The next piece; empty at the end. A piece of the wrong length is an error: what would follow would
    /// be another message than the one accepted.
    pub(crate) async fn next(&mut self) -> Result<Bytes, ContentError> {
        let end = self.content.size().min(self.at + PIECE);
        if self.at == end {
            return Ok(Bytes::new());
        }
        let piece = self.content.read(self.at..end).await?;
        if piece.len() as u64 != end - self.at {
            return Err(ContentError::Unavailable);
        }
        self.at = end;
        Ok(piece)
    }
}

/// What a message needs of a server, found by looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Needs {
    /// Octets over 127 somewhere.
    pub eight_bit: bool,
    /// Octets over 127 in the header (RFC 6532).
    pub utf8_header: bool,
    /// NUL, a bare CR or LF, or a line over 998 octets: not even 8BITMIME carries those.
    pub binary: bool,
}

/// Reads all of a message. For the rare server that lacks an extension the message asked for.
pub(crate) async fn look(content: &dyn Content) -> Result<Needs, ContentError> {
    let mut cursor = Cursor::new(content);
    let mut scan = Scan::default();
    loop {
        let piece = cursor.next().await?;
        if piece.is_empty() {
            scan.end();
            return Ok(scan.needs);
        }
        piece.iter().for_each(|octet| scan.octet(*octet));
    }
}

/// A message written anew, and the leave to have it in memory.
pub(crate) struct Converted {
    pub(crate) content: Held,
    pub(crate) _permit: OwnedSemaphorePermit,
}

/// A message as a lesser server takes it; `None` when it cannot be read or must not be changed.
pub(crate) async fn converted(content: &dyn Content, target: Target) -> Option<Held> {
    let mut whole = Vec::with_capacity(usize::try_from(content.size()).ok()?);
    let mut cursor = Cursor::new(content);
    loop {
        let piece = cursor.next().await.ok()?;
        if piece.is_empty() {
            break;
        }
        whole.extend_from_slice(&piece);
    }
    downgrade(&whole, target).ok().map(|message| Held(message.into()))
}

#[derive(Default)]
struct Scan {
    needs: Needs,
    line: usize,
    cr: bool,
    body: bool,
}

impl Scan {
    fn octet(&mut self, octet: u8) {
        if std::mem::take(&mut self.cr) {
            if octet == b'\n' {
                self.body |= self.line == 0;
                self.line = 0;
                return;
            }
            self.needs.binary = true;
        }
        match octet {
            b'\r' => self.cr = true,
            0 | b'\n' => self.needs.binary = true,
            _ => {
                self.line += 1;
                self.needs.binary |= self.line > 998;
                self.needs.eight_bit |= octet > 127;
                self.needs.utf8_header |= octet > 127 && !self.body;
            }
        }
    }

    fn end(&mut self) {
        self.needs.binary |= self.cr;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn needs(text: &[u8]) -> Needs {
        look(&Held(Bytes::copy_from_slice(text))).await.unwrap()
    }

    #[tokio::test]
    async fn what_a_message_needs() {
        let none = Needs::default();
        let eight = Needs { eight_bit: true, ..none };
        assert_eq!(needs(b"Subject: a\r\n\r\nplain\r\n").await, none);
        assert_eq!(needs("A: b\r\n\r\nf\u{fc}r\r\n".as_bytes()).await, eight);
        assert_eq!(
            needs("A: f\u{fc}r\r\n\r\nb\r\n".as_bytes()).await,
            Needs { utf8_header: true, ..eight }
        );
        let binary = Needs { binary: true, ..none };
        for text in [&b"a\r\n\r\nx\0y"[..], b"a\nb", b"a\rb", b"a\r"] {
            assert_eq!(needs(text).await, binary);
        }
        assert_eq!(needs(&[b'x'; 998]).await, none);
        assert_eq!(needs(&[b'x'; 999]).await, binary);
    }

    struct Short;

    #[async_trait]
    impl Content for Short {
        fn size(&self) -> u64 {
            10
        }
        async fn read(&self, _: Range<u64>) -> Result<Bytes, ContentError> {
            Ok(Bytes::from_static(b"short"))
        }
    }

    #[tokio::test]
    async fn a_short_read_is_an_error() {
        assert_eq!(Cursor::new(&Short).next().await, Err(ContentError::Unavailable));
        let held = Held(Bytes::from(vec![7; 600_000]));
        let mut cursor = Cursor::new(&held);
        let mut sizes = Vec::new();
        loop {
            match cursor.next().await.unwrap().len() {
                0 => break,
                length => sizes.push(length),
            }
        }
        assert_eq!(sizes, [262_144, 262_144, 75_712]);
    }
}
