//! Messages for servers that take less: 8bit and binary content as quoted-printable or base64 (RFC 6152 §3,
//! RFC 3030 §3, RFC 2045 §6).
//!
//! Only what has to change changes: each leaf on its own, its Content-Transfer-Encoding, and that of what it
//! stands in. What must not change cannot be sent: a header that is not ASCII, anything within
//! multipart/signed (RFC 1847 §2.1). A signature over the whole message (DKIM) does not survive this, which
//! is why it is the last resort.

mod encode;

use crate::fields::iter_fields;
use crate::scanner::Scanner;
use crate::structure::{Kind, Part};
pub(crate) use encode::{LINE_OCTETS, base64};

/// What the server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Lines of ASCII.
    SevenBit,
    /// Lines (8BITMIME).
    EightBit,
}

/// Why a message cannot be written so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CannotDowngrade {
    /// A header holds octets that cannot stand there.
    #[error("a header field is not ASCII")]
    Header,
    /// It is signed as it is.
    #[error("the message is signed and must not be changed")]
    Signed,
    /// Its structure is not understood well enough.
    #[error("the message cannot be converted")]
    Opaque,
}

/// Writes a message so that the server takes it.
///
/// # Errors
/// [`CannotDowngrade`] says why it cannot be done.
pub fn downgrade(message: &[u8], target: Target) -> Result<Vec<u8>, CannotDowngrade> {
    let mut scanner = Scanner::new();
    scanner.feed(message);
    let structure = scanner.finish().structure;
    let mut writer = Writer { message, target, out: Vec::with_capacity(message.len() * 5 / 4) };
    writer.entity(&structure.root, true)?;
    Ok(writer.out)
}

impl Target {
    /// Whether these octets can go as they are.
    fn takes(self, octets: &[u8]) -> bool {
        is_lines(octets) && (self == Self::EightBit || octets.is_ascii())
    }

    fn name(self) -> &'static str {
        match self {
            Self::SevenBit => "7bit",
            Self::EightBit => "8bit",
        }
    }
}

/// CRLF lines of at most 998 octets without NUL (RFC 2045 §2.8); the last may lack its end.
pub(crate) fn is_lines(text: &[u8]) -> bool {
    let line = |line: &[u8]| match line.strip_suffix(b"\r\n") {
        Some(line) => line.len() <= 998 && memchr::memchr2(b'\r', 0, line).is_none(),
        None => line.len() <= 998 && memchr::memchr3(b'\r', b'\n', 0, line).is_none(),
    };
    text.split_inclusive(|octet| *octet == b'\n').all(line)
}

struct Writer<'a> {
    message: &'a [u8],
    target: Target,
    out: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn slice(&self, from: u64, to: u64) -> &'a [u8] {
        let at = |octet: u64| usize::try_from(octet).unwrap_or(usize::MAX).min(self.message.len());
        &self.message[at(from)..at(to).max(at(from))]
    }

    fn entity(&mut self, part: &Part, top: bool) -> Result<(), CannotDowngrade> {
        let header = self.slice(part.header_start, part.body_start);
        let body = self.slice(part.body_start, part.body_end);
        if !(is_lines(header) && header.is_ascii()) {
            return Err(CannotDowngrade::Header);
        }
        if self.target.takes(body) {
            self.out.extend_from_slice(header);
            self.out.extend_from_slice(body);
            return Ok(());
        }
        match &part.kind {
            Kind::Multipart(_) if part.is("multipart", "signed") => Err(CannotDowngrade::Signed),
            Kind::Multipart(parts) => self.multipart(part, parts, header, top),
            Kind::Message(inner) if part.is("message", "rfc822") => {
                self.header(header, Some(self.target.name()), top);
                self.entity(&inner.1, false)
            }
            // RFC 6532 §3.7: this one may be encoded.
            Kind::Message(_) => self.leaf(part, header, body, top),
            Kind::Leaf => self.leaf(part, header, body, top),
        }
    }

    fn multipart(
        &mut self,
        part: &Part,
        parts: &[Part],
        header: &[u8],
        top: bool,
    ) -> Result<(), CannotDowngrade> {
        let wide = ["8bit", "binary"].iter().any(|name| part.encoding.eq_ignore_ascii_case(name));
        self.header(header, wide.then(|| self.target.name()), top);
        let mut at = part.body_start;
        for inner in parts {
            self.between(at, inner.header_start)?;
            self.entity(inner, false)?;
            at = inner.body_end;
        }
        self.between(at, part.body_end)
    }

    /// Boundaries, and what stands before the first and after the last.
    fn between(&mut self, from: u64, to: u64) -> Result<(), CannotDowngrade> {
        let text = self.slice(from, to);
        if !is_lines(text) {
            return Err(CannotDowngrade::Opaque);
        }
        // Nobody reads a preamble; it only has to pass.
        let pass = |octet: &u8| {
            if octet.is_ascii() || self.target == Target::EightBit { *octet } else { b'?' }
        };
        self.out.extend(text.iter().map(pass));
        Ok(())
    }

    fn leaf(
        &mut self,
        part: &Part,
        header: &[u8],
        body: &[u8],
        top: bool,
    ) -> Result<(), CannotDowngrade> {
        let plain =
            ["7bit", "8bit", "binary"].iter().any(|name| part.encoding.eq_ignore_ascii_case(name));
        let composite = part.media_type.eq_ignore_ascii_case("multipart")
            || (part.media_type.eq_ignore_ascii_case("message")
                && !part.subtype.to_ascii_lowercase().starts_with("global"));
        if composite || !plain {
            return Err(CannotDowngrade::Opaque);
        }
        let text = part.media_type.eq_ignore_ascii_case("text") && encode::has_lines(body);
        self.header(header, Some(if text { "quoted-printable" } else { "base64" }), top);
        if text {
            encode::quoted_printable(body, &mut self.out);
        } else {
            encode::base64(body, &mut self.out);
        }
        Ok(())
    }

    /// A header with another Content-Transfer-Encoding.
    fn header(&mut self, header: &[u8], encoding: Option<&str>, top: bool) {
        match encoding {
            Some(encoding) => write_header(&mut self.out, header, encoding, top),
            None => self.out.extend_from_slice(header),
        }
    }
}

/// Writes a header with another Content-Transfer-Encoding; `top`: it is the message's own.
pub(crate) fn write_header(out: &mut Vec<u8>, header: &[u8], encoding: &str, top: bool) {
    let has = |wanted: &str| iter_fields(header).any(|(name, _)| name.eq_ignore_ascii_case(wanted));
    let mut dropped = false;
    for line in header.split_inclusive(|octet| *octet == b'\n') {
        if line == b"\r\n" || line == b"\n" {
            break;
        }
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            dropped = is_field(line, "Content-Transfer-Encoding");
        }
        if !dropped {
            out.extend_from_slice(line);
        }
    }
    if !out.is_empty() && !out.ends_with(b"\n") {
        out.extend_from_slice(b"\r\n");
    }
    if top && !has("MIME-Version") {
        out.extend_from_slice(b"MIME-Version: 1.0\r\n");
    }
    if !has("Content-Type") {
        // RFC 1428 §3: the best that can be said of it.
        out.extend_from_slice(b"Content-Type: text/plain; charset=unknown-8bit\r\n");
    }
    let field = format!("Content-Transfer-Encoding: {encoding}\r\n\r\n");
    out.extend_from_slice(field.as_bytes());
}

fn is_field(line: &[u8], name: &str) -> bool {
    let end = memchr::memchr(b':', line).unwrap_or(0);
    line[..end].trim_ascii_end().eq_ignore_ascii_case(name.as_bytes())
}

#[cfg(test)]
mod tests;
