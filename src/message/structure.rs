//! What is known of a message without its bytes.

use crate::address::Address;
use crate::fields::{Field, is_kept};
use serde::{Deserialize, Serialize};

/// The structure of one message. Offsets count octets from the message's first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Structure {
    /// Octets of the whole message (RFC822.SIZE).
    pub size: u64,
    /// The message itself: type, parts, offsets.
    pub root: Part,
    /// ENVELOPE.
    pub envelope: Envelope,
    /// Header fields that clients list often, verbatim, in order.
    pub fields: Vec<Field>,
    /// A kept field was cut because the header block was too large: ask the bytes.
    pub fields_cut: bool,
}

/// ENVELOPE (RFC 9051 §7.5.2): texts as in the header, unfolded, encoded-words left as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Date field.
    pub date: Option<String>,
    /// Subject field.
    pub subject: Option<String>,
    /// From field.
    pub from: Vec<Address>,
    /// Sender field; empty means as From.
    pub sender: Vec<Address>,
    /// Reply-To field; empty means as From.
    pub reply_to: Vec<Address>,
    /// To field.
    pub to: Vec<Address>,
    /// Cc field.
    pub cc: Vec<Address>,
    /// Bcc field.
    pub bcc: Vec<Address>,
    /// In-Reply-To field.
    pub in_reply_to: Option<String>,
    /// Message-ID field.
    pub message_id: Option<String>,
}

/// One MIME entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Top-level media type as written, e.g. `text`.
    pub media_type: String,
    /// Subtype as written.
    pub subtype: String,
    /// Content-Type parameters; RFC 2231 continuations joined.
    pub params: Vec<(String, String)>,
    /// Content-ID.
    pub id: Option<String>,
    /// Content-Description.
    pub description: Option<String>,
    /// Content-Transfer-Encoding, `7BIT` when absent.
    pub encoding: String,
    /// Content-Disposition.
    pub disposition: Option<Disposition>,
    /// Content-Language.
    pub language: Vec<String>,
    /// Content-Location.
    pub location: Option<String>,
    /// Content-MD5.
    pub md5: Option<String>,
    /// First octet of the entity's header.
    pub header_start: u64,
    /// First octet of its body; the header with its blank line ends here.
    pub body_start: u64,
    /// One past the body's last octet; the line break before a boundary belongs to the boundary.
    pub body_end: u64,
    /// Line ends within the body.
    pub lines: u64,
    /// What is inside.
    pub kind: Kind,
}

/// What an entity holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Content.
    Leaf,
    /// Parts between boundaries.
    Multipart(Vec<Part>),
    /// A message of its own (message/rfc822, message/global), not transfer-encoded.
    Message(Box<(Envelope, Part)>),
}

/// Content-Disposition (RFC 2183).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disposition {
    /// `inline`, `attachment`, …
    pub kind: String,
    /// Its parameters.
    pub params: Vec<(String, String)>,
}

/// A stored structure that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a message structure this version understands")]
pub struct DecodeError;

/// First byte of the stored form.
const VERSION: u8 = 1;

impl Structure {
    /// The stored form: a version byte and a compact encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Serialising plain data into memory cannot fail; an empty text would be refused by `decode`.
        postcard::to_extend(self, vec![VERSION]).unwrap_or_default()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are of another version or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        match bytes.split_first() {
            Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|_| DecodeError),
            _ => Err(DecodeError),
        }
    }

    /// Whether the kept fields answer for all of these names: a name outside the kept set means that the
    /// bytes must be read.
    #[must_use]
    pub fn covers(&self, names: &[impl AsRef<str>]) -> bool {
        !self.fields_cut && names.iter().all(|name| is_kept(name.as_ref()))
    }
}

impl Part {
    /// Whether the media type is this, without regard to case.
    #[must_use]
    pub fn is(&self, media_type: &str, subtype: &str) -> bool {
        self.media_type.eq_ignore_ascii_case(media_type)
            && self.subtype.eq_ignore_ascii_case(subtype)
    }

    /// A Content-Type parameter.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Octets of the body.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.body_end.saturating_sub(self.body_start)
    }
}
