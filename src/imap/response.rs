//! What the server says. One writer per response; handlers hold no reply texts of IMAP's own syntax.
//!
//! Everything goes straight into the output buffer. [`Writer`] writes whole untagged lines, [`FetchLine`]
//! one FETCH response item by item, so that a body can stream through it.

mod acl;
mod code;
mod envelope;
mod fetch;
mod mailbox;
mod metadata;
mod quota;
mod search;
mod sort;
mod structure;
pub(crate) mod text;
mod urlauth;

pub(crate) use code::write as write_status;
pub use code::{Code, Status};
pub use fetch::FetchLine;
pub use mailbox::{Attribute, ListEntry, NamespaceEntry, StatusData, StatusValue};
pub use quota::QuotaResource;
pub use search::{Found, ResultChange, Updated};
pub use sort::ThreadNode;
pub use text::Style;

use crate::language::Language;
use crate::set::NumberSet;
use bytes::BytesMut;
use types::Flags;

/// Ranges of one VANISHED response: keeps its line below the 8,000 octets clients are told to expect (RFC 7162 §4).
const MAX_RANGES_OF_A_LINE: usize = 350;

/// Writes untagged responses.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut BytesMut,
    style: Style,
}

impl<'a> Writer<'a> {
    /// A writer into `out`.
    pub fn new(out: &'a mut BytesMut, style: Style) -> Self {
        Self { out, style }
    }

    /// The buffer it writes into.
    pub fn out(&mut self) -> &mut BytesMut {
        self.out
    }

    /// `* OK [code] text`, and so for NO and BAD.
    pub fn status(&mut self, status: Status, code: Option<&Code<'_>>, text: &str) {
        self.out.extend_from_slice(b"* ");
        code::write(self.out, status.name(), code, text, self.style.language);
    }

    /// `* OK text`, the keepalive of IDLE.
    pub fn ok(&mut self, text: &str) {
        self.status(Status::Ok, None, text);
    }

    fn numbered(&mut self, number: u32, what: &str) {
        self.out.extend_from_slice(b"* ");
        text::push_number(self.out, u64::from(number));
        self.out.extend_from_slice(what.as_bytes());
    }

    /// `* n EXISTS`
    pub fn exists(&mut self, count: u32) {
        self.numbered(count, " EXISTS\r\n");
    }

    /// `* n RECENT` (RFC 3501 §7.3.2)
    pub fn recent(&mut self, count: u32) {
        self.numbered(count, " RECENT\r\n");
    }

    /// `* n EXPUNGE`
    pub fn expunge(&mut self, sequence: u32) {
        self.numbered(sequence, " EXPUNGE\r\n");
    }

    /// `* VANISHED n,m:o` (RFC 7162 §3.2.10): these UIDs are gone; with `earlier` they were before the client
    /// looked. A long set becomes several responses. Nothing is written for the empty set.
    pub fn vanished(&mut self, earlier: bool, uids: &NumberSet) {
        for part in uids.split(MAX_RANGES_OF_A_LINE) {
            let head: &[u8] = if earlier { b"* VANISHED (EARLIER) " } else { b"* VANISHED " };
            self.out.extend_from_slice(head);
            part.write(self.out);
            self.out.extend_from_slice(b"\r\n");
        }
    }

    /// `* FLAGS (...)`: the flags that can occur in the mailbox.
    pub fn flags(&mut self, flags: Flags, keywords: &[impl AsRef<str>]) {
        self.out.extend_from_slice(b"* FLAGS ");
        text::push_flags(self.out, flags, keywords, &[]);
        self.out.extend_from_slice(b"\r\n");
    }

    /// `* OK [PERMANENTFLAGS (...)]`; with `any` clients may make new keywords (`\*`).
    pub fn permanent_flags(&mut self, flags: Flags, keywords: &[impl AsRef<str>], any: bool) {
        self.out.extend_from_slice(b"* OK [PERMANENTFLAGS ");
        let last: &[&str] = if any { &["\\*"] } else { &[] };
        text::push_flags(self.out, flags, keywords, last);
        self.out.extend_from_slice(b"] ");
        text::push_text(self.out, "Flags that can be set", self.style.language);
    }

    /// `* LANGUAGE (...)` (RFC 5255 §3.3): one language is the one in use, several are those there are.
    pub(crate) fn languages(&mut self, languages: &[Language]) {
        let tags: Vec<_> = languages.iter().map(|language| language.tag()).collect();
        let line = format!("* LANGUAGE ({})\r\n", tags.join(" "));
        self.out.extend_from_slice(line.as_bytes());
    }

    /// `* ID (...)` or `* ID NIL` (RFC 2971).
    pub fn id(&mut self, pairs: &[(&str, &str)]) {
        self.out.extend_from_slice(b"* ID ");
        for (at, (key, value)) in pairs.iter().enumerate() {
            self.out.extend_from_slice(if at == 0 { b"(" } else { b" " });
            text::push_string(self.out, key.as_bytes(), self.style);
            self.out.extend_from_slice(b" ");
            text::push_string(self.out, value.as_bytes(), self.style);
        }
        self.out.extend_from_slice(if pairs.is_empty() { b"NIL\r\n" } else { b")\r\n" });
    }

    /// Begins `* n FETCH (`, or `* uid UIDFETCH (` (RFC 9586); [`FetchLine::end`] ends it.
    pub fn fetch(&mut self, sequence: u32, uid: u32) -> FetchLine<'_> {
        FetchLine::begin(self.out, self.style, sequence, uid)
    }
}

#[cfg(test)]
mod tests;
