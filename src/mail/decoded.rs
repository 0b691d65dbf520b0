//! A part without its Content-Transfer-Encoding, decoded while it streams by: for BINARY (RFC 3516), which
//! must know the decoded size before the first octet, so large parts are read twice.

use crate::body::Body;
use crate::fetch::Message;
use crate::{Mail, MailError};
use bytes::Bytes;
use message::{Part, decode_body};
use std::sync::Arc;

/// Encoded octets decoded at a time.
const WINDOW: usize = 64 * 1024;

/// Encoded octets in pieces of any size; whole windows out, the same whatever the pieces were.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    raw: Vec<u8>,
    base64: bool,
}

impl Windows {
    pub(crate) fn new(encoding: &str) -> Self {
        Self { raw: Vec::new(), base64: encoding.eq_ignore_ascii_case("base64") }
    }

    /// Takes octets; each full window is given to `each`.
    pub(crate) fn push(&mut self, window: usize, mut piece: &[u8], mut each: impl FnMut(Vec<u8>)) {
        while !piece.is_empty() {
            let room = window.saturating_sub(self.raw.len()).max(1);
            let (now, later) = piece.split_at(room.min(piece.len()));
            self.raw.extend_from_slice(now);
            piece = later;
            if self.raw.len() >= window {
                let rest = self.raw.split_off(self.cut());
                each(std::mem::replace(&mut self.raw, rest));
            }
        }
    }

    /// What is left.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.raw
    }

    /// Where the octets can be cut without breaking what they encode.
    fn cut(&self) -> usize {
        if !self.base64 {
            let newline = self.raw.iter().rposition(|byte| *byte == b'\n');
            // A line as long as a window is cut anywhere.
            return newline.map_or(self.raw.len(), |at| at + 1);
        }
        let legal = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
        let mut over = self.raw.iter().filter(|byte| legal(byte)).count() % 4;
        let mut cut = self.raw.len();
        while over > 0 && cut > 0 {
            cut -= 1;
            over -= usize::from(legal(&self.raw[cut]));
        }
        cut
    }
}

/// A decoded part on its way.
pub struct Decoded {
    body: Body,
    windows: Option<Windows>,
    encoding: String,
    ready: std::collections::VecDeque<Bytes>,
}

impl Decoded {
    /// The next octets; `None` after the last.
    ///
    /// # Errors
    /// As [`Body::next`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, MailError> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Ok(Some(piece));
            }
            let Some(windows) = &mut self.windows else { return Ok(None) };
            let (encoding, ready) = (&self.encoding, &mut self.ready);
            let mut decode = |raw: Vec<u8>| {
                ready.push_back(Bytes::from(decode_body(encoding, &raw).into_owned()));
            };
            match self.body.next().await? {
                Some(piece) => windows.push(WINDOW, &piece, decode),
                None => {
                    let raw = self.windows.take().map(Windows::finish).unwrap_or_default();
                    decode(raw);
                }
            }
        }
    }
}

impl Mail {
    /// Whether this server can undo an encoding.
    #[must_use]
    pub fn can_decode(encoding: &str) -> bool {
        ["7bit", "8bit", "binary", "base64", "quoted-printable"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(encoding))
    }

    /// Reads a part, decoded.
    ///
    /// # Errors
    /// As [`Mail::read`].
    pub async fn read_decoded(
        &self,
        message: &Arc<Message>,
        part: &Part,
    ) -> Result<Decoded, MailError> {
        let body = self.read(message, part.body_start..part.body_end).await?;
        let windows = Some(Windows::new(&part.encoding));
        Ok(Decoded { body, windows, encoding: part.encoding.clone(), ready: Default::default() })
    }

    /// Octets of a part when it is decoded.
    ///
    /// # Errors
    /// As [`Mail::read`].
    pub async fn decoded_size(
        &self,
        message: &Arc<Message>,
        part: &Part,
    ) -> Result<u64, MailError> {
        let mut decoded = self.read_decoded(message, part).await?;
        let mut size = 0;
        while let Some(piece) = decoded.next().await? {
            size += piece.len() as u64;
        }
        Ok(size)
    }
}
