//! Header fields: splitting a header block, and which fields are kept beside the structure.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A header field, verbatim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its name as written.
    #[serde(deserialize_with = "known_name")]
    pub name: Cow<'static, str>,
    /// Everything after the colon including folding and the final line end.
    #[serde(with = "raw_bytes")]
    pub value: Vec<u8>,
}

/// Most are written as everybody writes them, and need no room of their own.
fn known_name<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Cow<'static, str>, D::Error> {
    let name = <&str>::deserialize(from)?;
    let known = KEPT.iter().find(|kept| **kept == name);
    Ok(known.map_or_else(|| name.to_owned().into(), |kept| Cow::Borrowed(*kept)))
}

mod raw_bytes {
    use serde::{Deserialize, Deserializer, Serializer};
    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        <&[u8]>::deserialize(deserializer).map(<[u8]>::to_vec)
    }
}

/// Longest field that is kept; a longer one makes the whole set "ask the bytes".
pub(crate) const MAX_KEPT_FIELD: usize = 2_048;

/// What mail clients ask for when they fill a list. A field not named here is read from the bytes.
const KEPT: &[&str] = &[
    "Auto-Submitted",
    "Bcc",
    "Cc",
    "Content-Transfer-Encoding",
    "Content-Type",
    "Date",
    "From",
    "Importance",
    "In-Reply-To",
    "List-Id",
    "List-Post",
    "List-Unsubscribe",
    "Message-ID",
    "MIME-Version",
    "Newsgroups",
    "Precedence",
    "Priority",
    "References",
    "Reply-To",
    "Sender",
    "Subject",
    "To",
    "X-Mailer",
    "X-MSMail-Priority",
    "X-Priority",
    "X-Spam-Flag",
];

/// Whether fields of this name are kept in a [`crate::Structure`].
#[must_use]
pub fn is_kept(name: &str) -> bool {
    KEPT.iter().any(|kept| kept.eq_ignore_ascii_case(name))
}

/// The fields of a header block: (name, value with folding and line end). Lines that are no field are
/// passed over.
pub fn iter_fields(block: &[u8]) -> impl Iterator<Item = (&str, &[u8])> {
    let mut rest = block;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = field_end(rest);
            let (field, tail) = rest.split_at(end);
            rest = tail;
            if let Some(found) = split_field(field) {
                return Some(found);
            }
        }
        None
    })
}

/// Where the field that starts here ends: before the first line that does not begin with white space.
fn field_end(block: &[u8]) -> usize {
    let mut at = 0;
    while let Some(newline) = memchr::memchr(b'\n', &block[at..]) {
        at += newline + 1;
        if !matches!(block.get(at), Some(b' ' | b'\t')) {
            return at;
        }
    }
    block.len()
}

fn split_field(field: &[u8]) -> Option<(&str, &[u8])> {
    let colon = memchr::memchr(b':', field)?;
    let name = std::str::from_utf8(&field[..colon]).ok()?.trim_end_matches([' ', '\t']);
    let legal = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    legal.then_some((name, &field[colon + 1..]))
}

/// A field's value on one line, white space around it removed. Bytes that are no UTF-8 are replaced.
#[must_use]
pub fn unfold(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    if text.contains(['\r', '\n', '\0']) {
        text.replace(['\r', '\n', '\0'], "").trim().to_owned()
    } else {
        text.trim().to_owned()
    }
}

/// `HEADER.FIELDS` and `HEADER.FIELDS.NOT` over a header block, with the blank line at the end
/// (RFC 9051 §6.4.5.1: "the delimiting blank line … is always included").
#[must_use]
pub fn header_fields(block: &[u8], names: &[impl AsRef<str>], not: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    for (name, value) in iter_fields(block) {
        let named = names.iter().any(|wanted| wanted.as_ref().eq_ignore_ascii_case(name));
        if named != not {
            out.extend_from_slice(name.as_bytes());
            out.push(b':');
            out.extend_from_slice(value);
            if !out.ends_with(b"\n") {
                out.extend_from_slice(b"\r\n");
            }
        }
    }
    out.extend_from_slice(b"\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &[u8] = b"Subject: a\r\n folded\r\nFrom : x@y\r\nnonsense\r\nTo:z\r\n\r\n";

    #[test]
    fn fields_are_split_with_their_folding() {
        let fields: Vec<_> = iter_fields(BLOCK).collect();
        assert_eq!(fields[0], ("Subject", &b" a\r\n folded\r\n"[..]));
        assert_eq!(fields[1].0, "From");
        assert_eq!(fields[2].0, "To");
        assert_eq!(unfold(fields[0].1), "a folded");
    }

    #[test]
    fn selection_ends_with_a_blank_line() {
        assert_eq!(header_fields(BLOCK, &["to"], false), b"To:z\r\n\r\n");
        assert_eq!(header_fields(BLOCK, &["subject", "from"], true), b"To:z\r\n\r\n");
        assert_eq!(header_fields(b"", &["to"], false), b"\r\n");
    }
}
