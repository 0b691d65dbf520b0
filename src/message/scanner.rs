//! The scanner: message bytes in, structure out, memory bounded.
//!
//! ```text
//!            blank line                    boundary of an open multipart
//!  Header ───────────────▶ Body ───────────────────────────────────────▶ Header (next part)
//!    ▲                      │ multipart: its own preamble, then parts
//!    └──────────────────────┘ message/rfc822: the inner message's header
//! ```
//! Only lines matter: a body line is looked at for `--` at its start, nothing else. A line longer than
//! [`MAX_LINE`] is judged by its beginning. Too many parts, too deep nesting or too much header text: the
//! rest is described as opaque content. A byte at a time gives the same structure as the whole at once.

use crate::address::parse_addresses;
use crate::fields::{Field, MAX_KEPT_FIELD, is_kept, iter_fields, unfold};
use crate::params;
use crate::preview::Capture;
use crate::references::reference_hashes;
use crate::structure::{Disposition, Envelope, Kind, Part, Structure};

/// Bytes of a line that are kept for judging it while it is incomplete.
const MAX_LINE: usize = 1_024;
/// Most header octets remembered of one entity; the rest of its header is counted, not read.
const MAX_HEADER: usize = 128 * 1024;
/// Most header octets remembered of one message altogether.
const MAX_HEADER_TOTAL: usize = 512 * 1024;
/// Deepest nesting of entities.
const MAX_DEPTH: usize = 40;
/// Most entities of one message.
const MAX_PARTS: usize = 1_000;
/// Longest boundary that is honoured; RFC 2046 allows 70.
const MAX_BOUNDARY: usize = 200;

/// What the scanner found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// Envelope, parts, kept fields.
    pub structure: Structure,
    /// The first words of the text (RFC 8970), at most 256 characters.
    pub preview: String,
    /// Hashes of the message's own Message-ID (first) and of those it cites.
    pub references: Vec<i64>,
}

/// Takes a message in chunks.
#[derive(Debug)]
pub struct Scanner {
    /// Offset of the next octet to come.
    offset: u64,
    /// Beginning of the line that is not complete yet.
    carry: Vec<u8>,
    /// Offset at which that line began.
    line_start: u64,
    /// Line ends seen so far.
    newlines: u64,
    /// Octets of the line end before the current line (0, 1 or 2).
    last_break: u64,
    /// The previous octet, for a CR and LF that come in two chunks.
    last_octet: u8,
    in_header: bool,
    header: Vec<u8>,
    header_total: usize,
    header_cut: bool,
    top_header: Vec<u8>,
    open: Vec<Open>,
    parts: usize,
    boundaries: usize,
    capture: Capture,
    capturing: bool,
}

#[derive(Debug)]
struct Open {
    part: Part,
    boundary: Option<Vec<u8>>,
    children: Vec<Part>,
    envelope: Option<Envelope>,
    body_newlines: u64,
    digest: bool,
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

impl Scanner {
    /// At the start of a message.
    #[must_use]
    pub fn new() -> Self {
        Self {
            offset: 0,
            carry: Vec::new(),
            line_start: 0,
            newlines: 0,
            last_break: 0,
            last_octet: 0,
            in_header: true,
            header: Vec::new(),
            header_total: 0,
            header_cut: false,
            top_header: Vec::new(),
            open: vec![Open::new(0, false)],
            parts: 1,
            boundaries: 0,
            capture: Capture::default(),
            capturing: false,
        }
    }

    /// Takes the next octets.
    pub fn feed(&mut self, mut chunk: &[u8]) {
        while !chunk.is_empty() {
            if self.carry.is_empty() && self.at_line_start() && self.skip_plain_body(&mut chunk) {
                continue;
            }
            match memchr::memchr(b'\n', chunk) {
                Some(at) => {
                    let (line, rest) = chunk.split_at(at + 1);
                    self.end_line(line);
                    chunk = rest;
                }
                None => {
                    self.hold(chunk);
                    return;
                }
            }
        }
    }

    fn at_line_start(&self) -> bool {
        self.offset == self.line_start
    }

    /// The fast way through a body that no boundary can end and nobody captures: count line ends.
    fn skip_plain_body(&mut self, chunk: &mut &[u8]) -> bool {
        if self.in_header || self.boundaries > 0 || self.capturing {
            return false;
        }
        let Some(last) = memchr::memrchr(b'\n', chunk) else { return false };
        let (lines, rest) = chunk.split_at(last + 1);
        self.newlines += memchr::memchr_iter(b'\n', lines).count() as u64;
        let before = if last > 0 { lines[last - 1] } else { 0 };
        self.last_break = if before == b'\r' { 2 } else { 1 };
        self.offset += lines.len() as u64;
        self.line_start = self.offset;
        self.last_octet = b'\n';
        *chunk = rest;
        true
    }

    /// Keeps the beginning of an incomplete line; the rest of an overlong one is only counted.
    fn hold(&mut self, piece: &[u8]) {
        let limit = if self.in_header { MAX_HEADER } else { MAX_LINE };
        let room = limit.saturating_sub(self.carry.len());
        self.carry.extend_from_slice(&piece[..piece.len().min(room)]);
        self.offset += piece.len() as u64;
        self.last_octet = piece.last().copied().unwrap_or(self.last_octet);
    }

    fn end_line(&mut self, tail: &[u8]) {
        let before = if tail.len() >= 2 { tail[tail.len() - 2] } else { self.last_octet };
        let length = self.offset + tail.len() as u64 - self.line_start;
        let line_break = if before == b'\r' && length > 1 { 2 } else { 1 };
        self.newlines += 1;
        if self.carry.is_empty() {
            self.offset += tail.len() as u64;
            self.line(tail, line_break);
        } else {
            self.hold(tail);
            let mut line = std::mem::take(&mut self.carry);
            if !line.ends_with(b"\n") {
                line.extend_from_slice(b"\n");
            }
            self.line(&line, line_break);
            line.clear();
            self.carry = line;
        }
        self.last_octet = b'\n';
        self.last_break = line_break;
        self.line_start = self.offset;
    }

    /// One line with its end (an overlong one: its beginning).
    fn line(&mut self, line: &[u8], line_break: u64) {
        if self.boundaries > 0 && line.starts_with(b"--") && self.try_boundary(line) {
            return;
        }
        if !self.in_header {
            if self.capturing {
                self.capturing = self.capture.line(line);
            }
            return;
        }
        let blank = self.offset - self.line_start == line_break;
        self.remember_header(line);
        if blank {
            self.end_header();
        }
    }

    fn remember_header(&mut self, line: &[u8]) {
        let room = MAX_HEADER
            .saturating_sub(self.header.len())
            .min(MAX_HEADER_TOTAL.saturating_sub(self.header_total));
        if line.len() <= room {
            self.header.extend_from_slice(line);
            self.header_total += line.len();
        } else {
            self.header_cut |= self.parts == 1;
        }
    }

    /// Whether the line is the boundary of an open multipart; closes what it ends and opens what it starts.
    fn try_boundary(&mut self, line: &[u8]) -> bool {
        let text = line[2..].trim_ascii_end();
        let matches = |open: &Open| {
            let boundary = open.boundary.as_deref()?;
            let rest = text.strip_prefix(boundary)?;
            match rest {
                b"" => Some(false),
                b"--" => Some(true),
                _ => None,
            }
        };
        let found =
            self.open.iter().enumerate().rev().find_map(|(at, open)| Some((at, matches(open)?)));
        let Some((level, last)) = found else { return false };
        let end = self.line_start.saturating_sub(self.last_break);
        // The line end before a boundary belongs to the boundary, and this line's own was counted already.
        self.close_above(level, end, self.newlines.saturating_sub(2));
        let multipart = &mut self.open[level];
        if last {
            multipart.boundary = None;
            self.boundaries -= 1;
            self.in_header = false;
        } else if self.parts >= MAX_PARTS {
            self.in_header = false;
        } else {
            let digest = multipart.digest;
            self.parts += 1;
            self.open.push(Open::new(self.offset, digest));
            self.in_header = true;
        }
        self.capturing = false;
        true
    }

    /// Closes everything deeper than `level`.
    fn close_above(&mut self, level: usize, end: u64, newlines: u64) {
        while self.open.len() > level + 1 {
            if self.in_header {
                // Its header never ended, so its boundary was never looked for.
                self.finish_header(end);
                self.open
                    .iter_mut()
                    .skip(1)
                    .next_back()
                    .into_iter()
                    .for_each(|open| open.boundary = None);
            }
            let Some(open) = self.open.pop() else { return };
            if open.boundary.is_some() {
                self.boundaries -= 1;
            }
            if let Some(parent) = self.open.len().checked_sub(1).map(|at| &mut self.open[at]) {
                parent.adopt(open, end, newlines);
            }
        }
    }

    fn end_header(&mut self) {
        self.finish_header(self.offset);
        let depth = self.open.len();
        let Some(open) = self.open.last_mut() else { return };
        open.body_newlines = self.newlines;
        if open.boundary.is_some() {
            self.boundaries += 1;
        } else if open.holds_message() && depth < MAX_DEPTH && self.parts < MAX_PARTS {
            self.parts += 1;
            self.open.push(Open::new(self.offset, false));
            self.in_header = true;
            return;
        }
        self.capturing = self.capture.wants(&open.part);
    }

    /// Reads the remembered header block into the innermost entity, whose body starts at `body_start`.
    fn finish_header(&mut self, body_start: u64) {
        let block = std::mem::take(&mut self.header);
        self.in_header = false;
        let depth = self.open.len();
        let inside_message = depth == 1 || self.open[depth - 2].holds_message();
        if let Some(open) = self.open.last_mut() {
            open.part.body_start = body_start.max(open.part.header_start);
            open.body_newlines = self.newlines;
            open.read_header(&block, inside_message, depth < MAX_DEPTH);
        }
        if depth == 1 {
            self.top_header = block;
        } else {
            self.header = block;
            self.header.clear();
        }
    }

    /// The end of the message.
    #[must_use]
    pub fn finish(mut self) -> Scanned {
        if !self.carry.is_empty() {
            let line = std::mem::take(&mut self.carry);
            let unread = self.in_header || self.capturing || self.boundaries > 0;
            if unread
                && !(self.boundaries > 0 && line.starts_with(b"--") && self.last_boundary(&line))
            {
                if self.in_header {
                    self.remember_header(&line);
                } else if self.capturing {
                    let _ = self.capture.line(&line);
                }
            }
        }
        let end = self.offset;
        self.close_above(0, end, self.newlines);
        if self.in_header {
            self.finish_header(end);
        }
        let newlines = self.newlines;
        let mut root = self.open.swap_remove(0);
        let envelope = root.envelope.take().unwrap_or_default();
        let fields = kept_fields(&self.top_header);
        let fields_cut = self.header_cut || fields.is_none();
        let references = reference_hashes(&self.top_header);
        let structure = Structure {
            size: end,
            root: root.close(end, newlines),
            envelope,
            fields: fields.unwrap_or_default(),
            fields_cut,
        };
        Scanned { structure, preview: self.capture.text(), references }
    }

    /// A boundary as the message's very last line, without a line end.
    fn last_boundary(&mut self, line: &[u8]) -> bool {
        // try_boundary counts on this line's end having been counted.
        self.newlines += 1;
        let found = self.try_boundary(line);
        self.newlines -= 1;
        found
    }
}

impl Open {
    fn new(header_start: u64, digest: bool) -> Self {
        let (media_type, subtype) = if digest { ("message", "rfc822") } else { ("text", "plain") };
        Self {
            part: Part {
                media_type: media_type.into(),
                subtype: subtype.into(),
                params: Vec::new(),
                id: None,
                description: None,
                encoding: "7BIT".into(),
                disposition: None,
                language: Vec::new(),
                location: None,
                md5: None,
                header_start,
                body_start: header_start,
                body_end: header_start,
                lines: 0,
                kind: Kind::Leaf,
            },
            boundary: None,
            children: Vec::new(),
            envelope: None,
            body_newlines: 0,
            digest: false,
        }
    }

    /// A message inside, as it is. An encoded one (against RFC 2046 §5.2.1) is opaque.
    fn holds_message(&self) -> bool {
        let plain =
            ["7bit", "8bit", "binary"].iter().any(|e| self.part.encoding.eq_ignore_ascii_case(e));
        plain && (self.part.is("message", "rfc822") || self.part.is("message", "global"))
    }

    fn read_header(&mut self, block: &[u8], is_message: bool, may_nest: bool) {
        let mut envelope = is_message.then(Envelope::default);
        for (name, value) in iter_fields(block) {
            if name.len() > 8 && name[..8].eq_ignore_ascii_case("Content-") {
                self.content_field(&name[8..], value, may_nest);
            } else if let Some(envelope) = &mut envelope {
                envelope_field(envelope, name, value);
            }
        }
        self.envelope = envelope;
    }

    fn content_field(&mut self, name: &str, value: &[u8], may_nest: bool) {
        let text = unfold(value);
        let part = &mut self.part;
        match name.to_ascii_lowercase().as_str() {
            "type" => self.content_type(&text, may_nest),
            "transfer-encoding" if !text.is_empty() => {
                part.encoding = text.split(';').next().unwrap_or("").trim().to_ascii_uppercase();
            }
            "id" => part.id = Some(text),
            "description" => part.description = Some(text),
            "location" => part.location = Some(text),
            "md5" => part.md5 = Some(text),
            "language" => {
                part.language = text.split(',').map(|tag| tag.trim().to_owned()).take(16).collect();
            }
            "disposition" => {
                let (kind, params) = params::parse(&text);
                part.disposition = (!kind.is_empty()).then_some(Disposition { kind, params });
            }
            _ => {}
        }
    }

    fn content_type(&mut self, text: &str, may_nest: bool) {
        let (main, params) = params::parse(text);
        let Some((media_type, subtype)) = main.split_once('/') else { return };
        let (media_type, subtype) = (media_type.trim(), subtype.trim());
        if media_type.is_empty() || subtype.is_empty() {
            return;
        }
        self.part.media_type = media_type.to_owned();
        self.part.subtype = subtype.to_owned();
        self.part.params = params;
        let multipart = may_nest && media_type.eq_ignore_ascii_case("multipart");
        let boundary = self.part.param("boundary").map(|text| text.trim_end().as_bytes().to_vec());
        self.boundary = boundary.filter(|b| multipart && !b.is_empty() && b.len() <= MAX_BOUNDARY);
        self.digest = subtype.eq_ignore_ascii_case("digest");
    }

    /// Takes a finished entity in: as the message inside, or as one more part.
    fn adopt(&mut self, mut child: Open, end: u64, newlines: u64) {
        let envelope = child.envelope.take();
        let part = child.close(end, newlines);
        if self.holds_message() {
            self.part.kind = Kind::Message(Box::new((envelope.unwrap_or_default(), part)));
        } else {
            self.children.push(part);
        }
    }

    fn close(mut self, end: u64, newlines: u64) -> Part {
        self.part.body_end = end.max(self.part.body_start);
        self.part.lines = newlines.saturating_sub(self.body_newlines);
        if !self.children.is_empty() {
            self.part.kind = Kind::Multipart(self.children);
        }
        self.part
    }
}

fn envelope_field(envelope: &mut Envelope, name: &str, value: &[u8]) {
    let text = || Some(unfold(value)).filter(|text| !text.is_empty());
    let addresses = || parse_addresses(&unfold(value));
    match name.to_ascii_lowercase().as_str() {
        "date" => envelope.date = text(),
        "subject" => envelope.subject = Some(unfold(value)),
        "from" => envelope.from = addresses(),
        "sender" => envelope.sender = addresses(),
        "reply-to" => envelope.reply_to = addresses(),
        "to" => extend(&mut envelope.to, addresses()),
        "cc" => extend(&mut envelope.cc, addresses()),
        "bcc" => extend(&mut envelope.bcc, addresses()),
        "in-reply-to" => envelope.in_reply_to = text(),
        "message-id" => envelope.message_id = text(),
        _ => {}
    }
}

/// Several To fields (against RFC 5322 §3.6) are one list.
fn extend(list: &mut Vec<crate::Address>, more: Vec<crate::Address>) {
    if list.is_empty() { *list = more } else { list.extend(more) }
}

/// The kept fields of the top header; `None` when one is too large to keep.
fn kept_fields(block: &[u8]) -> Option<Vec<Field>> {
    iter_fields(block)
        .filter(|(name, _)| is_kept(name))
        .map(|(name, value)| {
            (value.len() <= MAX_KEPT_FIELD)
                .then(|| Field { name: name.to_owned().into(), value: value.to_vec() })
        })
        .collect()
}

#[cfg(test)]
mod tests;
