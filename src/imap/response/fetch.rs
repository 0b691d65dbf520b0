//! One FETCH response.

use super::envelope::push_envelope;
use super::structure::push_body;
use super::text::{Style, push_astring, push_flags, push_nstring, push_number, push_string};
use crate::command::{BodySection, FetchItem, SectionText};
use crate::date::MONTHS;
use bytes::BytesMut;
use chrono::{DateTime, Datelike, Offset, TimeZone, Timelike};
use message::{Envelope, Part};
use types::Flags;

/// `* n FETCH (` item by item. Between two calls the driver may send what is in [`FetchLine::out`].
#[derive(Debug)]
pub struct FetchLine<'a> {
    out: &'a mut BytesMut,
    style: Style,
    empty: bool,
}

impl<'a> FetchLine<'a> {
    pub(crate) fn begin(out: &'a mut BytesMut, style: Style, sequence: u32, uid: u32) -> Self {
        out.extend_from_slice(b"* ");
        push_number(out, u64::from(if style.uid_only { uid } else { sequence }));
        out.extend_from_slice(if style.uid_only { b" UIDFETCH (" } else { b" FETCH (" });
        Self { out, style, empty: true }
    }

    /// The buffer; a literal's octets go straight into it.
    pub fn out(&mut self) -> &mut BytesMut {
        self.out
    }

    /// Ends the line.
    pub fn end(self) {
        self.out.extend_from_slice(b")\r\n");
    }

    fn item(&mut self, name: &str) {
        if !std::mem::take(&mut self.empty) {
            self.out.extend_from_slice(b" ");
        }
        self.out.extend_from_slice(name.as_bytes());
    }

    /// `UID n`, where the line does not begin with it.
    pub fn uid(&mut self, uid: u32) {
        if !self.style.uid_only {
            self.uid_item(uid);
        }
    }

    /// `UID n`, asked for.
    pub fn uid_item(&mut self, uid: u32) {
        self.item("UID ");
        push_number(self.out, u64::from(uid));
    }

    /// `FLAGS (...)`
    pub fn flags(&mut self, flags: Flags, keywords: &[impl AsRef<str>], recent: bool) {
        self.item("FLAGS ");
        let last: &[&str] = if recent { &["\\Recent"] } else { &[] };
        push_flags(self.out, flags, keywords, last);
    }

    /// `INTERNALDATE "..."`, in the zone of `date`. Years stay within four digits.
    pub fn internal_date<Z: TimeZone>(&mut self, date: &DateTime<Z>) {
        self.item("INTERNALDATE ");
        push_date_time(self.out, date);
    }

    /// `RFC822.SIZE n`
    pub fn size(&mut self, octets: u64) {
        self.item("RFC822.SIZE ");
        push_number(self.out, octets);
    }

    /// `MODSEQ (n)` (RFC 7162)
    pub fn mod_seq(&mut self, modseq: u64) {
        self.item("MODSEQ (");
        push_number(self.out, modseq);
        self.out.extend_from_slice(b")");
    }

    /// `EMAILID (id)` (RFC 8474)
    pub fn email_id(&mut self, id: &str) {
        self.item("EMAILID (");
        self.out.extend_from_slice(id.as_bytes());
        self.out.extend_from_slice(b")");
    }

    /// `THREADID (id)`, or NIL where there is none (RFC 8474)
    pub fn thread_id(&mut self, id: Option<&str>) {
        match id {
            Some(id) => {
                self.item("THREADID (");
                self.out.extend_from_slice(id.as_bytes());
                self.out.extend_from_slice(b")");
            }
            None => self.item("THREADID NIL"),
        }
    }

    /// `PREVIEW "..."`, or NIL where it is not known (RFC 8970). Always UTF-8, as a literal where the client cannot
    /// take it quoted.
    pub fn preview(&mut self, text: Option<&str>) {
        self.item("PREVIEW ");
        push_nstring(self.out, text, self.style);
    }

    /// `SAVEDATE "..."`, or NIL where it is not kept (RFC 8514)
    pub fn save_date<Z: TimeZone>(&mut self, date: Option<&DateTime<Z>>) {
        self.item("SAVEDATE ");
        match date {
            Some(date) => push_date_time(self.out, date),
            None => self.out.extend_from_slice(b"NIL"),
        }
    }

    /// `ENVELOPE (...)`
    pub fn envelope(&mut self, envelope: &Envelope) {
        self.item("ENVELOPE ");
        push_envelope(self.out, envelope, self.style);
    }

    /// `BODY (...)`
    pub fn body(&mut self, root: &Part) {
        self.item("BODY ");
        push_body(self.out, root, false, self.style);
    }

    /// `BODYSTRUCTURE (...)`
    pub fn body_structure(&mut self, root: &Part) {
        self.item("BODYSTRUCTURE ");
        push_body(self.out, root, true, self.style);
    }

    /// Any item whose value was written before, e.g. kept in wire form: `name value`.
    pub fn ready(&mut self, name: &str, value: &[u8]) {
        self.item(name);
        self.out.extend_from_slice(b" ");
        self.out.extend_from_slice(value);
    }

    /// An item of octets: its name and the literal's head. Exactly `size` octets must follow in
    /// [`FetchLine::out`]. BINARY is written as `literal8`, since decoded octets may hold NUL.
    pub fn data(&mut self, item: &FetchItem, size: u64) {
        self.data_head(item, matches!(item, FetchItem::Binary(_)), size);
    }

    fn data_head(&mut self, item: &FetchItem, binary: bool, size: u64) {
        self.data_name(item);
        self.out.extend_from_slice(if binary { b" ~{" } else { b" {" });
        push_number(self.out, size);
        self.out.extend_from_slice(b"}\r\n");
    }

    /// An item of octets that are at hand. "If ... the data does not contain the NUL octet, the server SHOULD
    /// return the data in a <string> instead of a <literal8>" (RFC 3516 §4.3).
    pub fn data_octets(&mut self, item: &FetchItem, octets: &[u8]) {
        let binary = matches!(item, FetchItem::Binary(_)) && memchr::memchr(0, octets).is_some();
        self.data_head(item, binary, octets.len() as u64);
        self.out.extend_from_slice(octets);
    }

    /// An item of octets that the message does not have: `NIL`.
    pub fn data_nil(&mut self, item: &FetchItem) {
        self.data_name(item);
        self.out.extend_from_slice(b" NIL");
    }

    /// `BINARY.SIZE[part] n`
    pub fn binary_size(&mut self, part: &[u32], octets: u64) {
        self.item("BINARY.SIZE[");
        push_part(self.out, part);
        self.out.extend_from_slice(b"] ");
        push_number(self.out, octets);
    }

    fn data_name(&mut self, item: &FetchItem) {
        match item {
            FetchItem::Section(section) => {
                self.item("BODY");
                self.section(section);
            }
            FetchItem::Binary(section) => {
                self.item("BINARY");
                self.section(section);
            }
            FetchItem::Rfc822 => self.item("RFC822"),
            FetchItem::Rfc822Header => self.item("RFC822.HEADER"),
            FetchItem::Rfc822Text => self.item("RFC822.TEXT"),
            // No other item is octets; its own method says it right.
            _ => self.item("BODY[]"),
        }
    }

    /// `[1.2.HEADER.FIELDS (a b)]<0>`
    fn section(&mut self, section: &BodySection) {
        self.out.extend_from_slice(b"[");
        push_part(self.out, &section.part);
        if !section.part.is_empty() && section.text != SectionText::Whole {
            self.out.extend_from_slice(b".");
        }
        match &section.text {
            SectionText::Whole => {}
            SectionText::Header => self.out.extend_from_slice(b"HEADER"),
            SectionText::Text => self.out.extend_from_slice(b"TEXT"),
            SectionText::Mime => self.out.extend_from_slice(b"MIME"),
            SectionText::HeaderFields { names, not } => {
                self.out.extend_from_slice(b"HEADER.FIELDS");
                self.out.extend_from_slice(if *not { b".NOT (" } else { b" (" });
                for (at, name) in names.iter().enumerate() {
                    if at > 0 {
                        self.out.extend_from_slice(b" ");
                    }
                    push_astring(self.out, name.as_bytes(), self.style);
                }
                self.out.extend_from_slice(b")");
            }
        }
        self.out.extend_from_slice(b"]");
        if let Some(partial) = &section.partial {
            self.out.extend_from_slice(b"<");
            push_number(self.out, partial.offset);
            self.out.extend_from_slice(b">");
        }
    }

    /// An item that is a string, e.g. of an extension.
    pub fn string(&mut self, name: &str, value: &str) {
        self.item(name);
        self.out.extend_from_slice(b" ");
        push_string(self.out, value.as_bytes(), self.style);
    }
}

fn push_part(out: &mut BytesMut, part: &[u32]) {
    for (at, number) in part.iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(b".");
        }
        push_number(out, u64::from(*number));
    }
}

/// `" 7-Feb-1994 21:52:25 -0800"`
fn push_date_time<Z: TimeZone>(out: &mut BytesMut, date: &DateTime<Z>) {
    let zone = date.offset().fix().local_minus_utc() / 60;
    let year = date.year().clamp(0, 9_999).unsigned_abs();
    let zone_sign = if zone < 0 { b" -" } else { b" +" };
    let zone = zone.unsigned_abs();
    out.extend_from_slice(b"\"");
    if date.day() < 10 {
        out.extend_from_slice(b" ");
    }
    push_number(out, u64::from(date.day()));
    out.extend_from_slice(b"-");
    out.extend_from_slice(MONTHS[date.month0() as usize % 12].as_bytes());
    out.extend_from_slice(b"-");
    push_two(out, year / 100, b"");
    push_two(out, year % 100, b" ");
    push_two(out, date.hour(), b":");
    push_two(out, date.minute(), b":");
    push_two(out, date.second(), zone_sign);
    push_two(out, zone / 60, b"");
    push_two(out, zone % 60, b"\"");
}

/// Two digits and what follows them.
fn push_two(out: &mut BytesMut, number: u32, after: &[u8]) {
    let digit = |number: u32| b'0' + (number % 10) as u8;
    out.extend_from_slice(&[digit(number / 10), digit(number)]);
    out.extend_from_slice(after);
}
