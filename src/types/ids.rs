//! Identifiers.
//!
//! Accounts, domains and tenants are small integers given by the database. Mailboxes, messages,
//! threads and blobs are UUIDv7 made by the node; on the wire they are a type letter plus
//! lower-case base32 without padding, the same in IMAP (RFC 8474) and JMAP.

use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// A text that is not an id of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid id")]
pub struct IdError;

macro_rules! integer_id {
    ($(#[$doc:meta])* $name:ident($int:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $int);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

integer_id!(
    /// Who pays: every domain, account and queue row belongs to one tenant.
    TenantId(i32)
);
integer_id!(
    /// A mail domain this cluster is responsible for.
    DomainId(i32)
);
integer_id!(
    /// Who owns data.
    AccountId(i32)
);
integer_id!(
    /// A message's number in one mailbox (RFC 9051 §2.3.1.1); never 0.
    Uid(u32)
);
integer_id!(
    /// A mailbox's UIDVALIDITY (RFC 9051 §2.3.1.1); never 0.
    UidValidity(u32)
);
integer_id!(
    /// A mod-sequence (RFC 7162): one counter per account, 63 bits, 0 before the first change.
    ModSeq(u64)
);

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $letter:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);
        impl $name {
            /// A new id; later ids sort after earlier ones made by the same process.
            #[must_use]
            #[allow(clippy::new_without_default)]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
            /// Reads the wire form.
            ///
            /// # Errors
            /// [`IdError`] when the letter, the length or a character is wrong.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                let body = text.strip_prefix($letter).ok_or(IdError)?;
                base32_decode(body).map(|bytes| Self(Uuid::from_bytes(bytes)))
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($letter)?;
                base32_encode(self.0.as_bytes(), f)
            }
        }
    };
}

uuid_id!(
    /// A mailbox (RFC 8474 MAILBOXID). Survives a rename.
    MailboxId,
    "F"
);
uuid_id!(
    /// A message's content within an account (RFC 8474 EMAILID); copies keep it.
    MessageId,
    "M"
);
uuid_id!(
    /// A conversation (RFC 8474 THREADID).
    ThreadId,
    "T"
);
uuid_id!(
    /// Stored bytes. Also the ingest id: a delivery whose COMMIT outcome is unknown is looked up by it.
    BlobId,
    "B"
);
uuid_id!(
    /// A message in the queue.
    QueueId,
    "Q"
);
uuid_id!(
    /// One run of one node: random at every start, so no node has a name that matters.
    Incarnation,
    "N"
);

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

fn base32_encode(bytes: &[u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut value = u128::from_be_bytes(*bytes);
    // 26 characters of 5 bits hold 130 bits; the first carries the top 3.
    let mut out = [0u8; 26];
    for slot in out.iter_mut().rev() {
        *slot = ALPHABET[(value & 31) as usize];
        value >>= 5;
    }
    f.write_str(std::str::from_utf8(&out).map_err(|_| fmt::Error)?)
}

fn base32_decode(text: &str) -> Result<[u8; 16], IdError> {
    let bytes = text.as_bytes();
    if bytes.len() != 26 {
        return Err(IdError);
    }
    let mut value: u128 = 0;
    for (index, byte) in bytes.iter().enumerate() {
        let digit = match byte {
            b'a'..=b'z' => byte - b'a',
            b'2'..=b'7' => byte - b'2' + 26,
            _ => return Err(IdError),
        };
        if index == 0 && digit > 7 {
            return Err(IdError);
        }
        value = (value << 5) | u128::from(digit);
    }
    Ok(value.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_form_round_trips() {
        let id = MailboxId::new();
        let text = id.to_string();
        assert_eq!(text.len(), 27);
        assert_eq!(MailboxId::parse(&text), Ok(id));
        assert_eq!(MessageId::parse(&text), Err(IdError));
    }

    #[test]
    fn extremes_round_trip() {
        for uuid in [Uuid::nil(), Uuid::max()] {
            let text = ThreadId(uuid).to_string();
            assert_eq!(ThreadId::parse(&text), Ok(ThreadId(uuid)));
        }
    }

    #[test]
    fn broken_ids_are_refused() {
        for text in ["", "M", "Maaaa", "Mzaaaaaaaaaaaaaaaaaaaaaaaaa", "M1aaaaaaaaaaaaaaaaaaaaaaaaa"]
        {
            assert_eq!(MessageId::parse(text), Err(IdError), "{text}");
        }
    }
}
