//! CATENATE (RFC 4469): a message out of pieces that come and pieces that are there.
//!
//! ```text
//!  APPEND x CATENATE ( ──▶ Parts ──TEXT {n}──▶ Message ──▶ MessageEnd ─┐
//!                           ▲ │ └─URL {n}──▶ UrlLiteral ──▶ UrlEnd ──┐ │
//!                           │ └───URL x───────▶ [Event::AppendUrl] ◀─┘ │
//!                           └───────────────────┴───────────────────────┘
//!                             `)`: as after any message
//! ```
//! What has come of a line and was not read yet is in `command`. Nothing of a message is kept here.

use super::{Event, Open, Phase, Session, Step};
use crate::command::may_be_utf8;
use crate::cursor::{Cursor, Literal, Parsed, Refusal};
use crate::reader::{Line, announcement};
use crate::response::Code;
use bytes::BytesMut;

/// Most parts of one message: each may cost a look into a mailbox.
const MAX_PARTS: usize = 256;
/// Longest URL that comes as a literal.
const MAX_URL: u64 = 8 * 1024;

/// How far a message of parts has come.
#[derive(Debug, Default)]
pub(super) struct Parts {
    count: usize,
    /// Octets of TEXT.
    text: u64,
}

/// What comes next of a message.
enum Part {
    /// `)`, and what follows it.
    End(BytesMut),
    /// `URL x`, and what follows it.
    Url(String, BytesMut),
    /// `URL {n}`
    UrlLiteral(Literal),
    /// `TEXT {n}`; `close`: a parenthesis follows it (RFC 6855 §4).
    Text { literal: Literal, close: bool },
}

impl Session {
    /// The next part of the line that is there.
    pub(super) fn next_part(&mut self) -> Step {
        let line = self.command.split();
        let literal = announcement(&line);
        match self.read_part(&line) {
            Ok(Part::End(rest)) => {
                self.parts = None;
                self.after_message(&rest, false)
            }
            Ok(Part::Url(url, rest)) => {
                self.command = rest;
                self.ask(Open::Url, Event::AppendUrl(url))
            }
            Ok(Part::UrlLiteral(literal)) => {
                self.go_on(literal, Phase::UrlLiteral { left: literal.size })
            }
            Ok(Part::Text { literal, close }) => {
                let phase = Phase::Message { left: literal.size, binary: false, close };
                self.go_on(literal, phase)
            }
            Err(refusal) => self.refuse_part(&refusal, literal),
        }
    }

    fn go_on(&mut self, literal: Literal, phase: Phase) -> Step {
        if literal.sync {
            self.proceed("Ready for more");
        }
        self.phase = phase;
        Step::Again
    }

    fn refuse_part(&mut self, refusal: &Refusal, literal: Option<Literal>) -> Step {
        let _ = self.refuse(refusal, literal, self.config.max_message_bytes);
        Step::Event(Event::AppendVoid)
    }

    fn read_part(&mut self, line: &[u8]) -> Parsed<Part> {
        let count = self.parts.as_ref().map_or(0, |parts| parts.count);
        let line = [line, b"\r\n"].concat();
        let mut cursor = Cursor::new(&line, self.grammar());
        if count > 0 {
            if cursor.take(b')') {
                return Ok(Part::End(cursor.rest_of_line()));
            }
            cursor.space()?;
        }
        if count >= MAX_PARTS {
            return Err(Refusal::no(Code::Limit, "Too many parts for one message"));
        }
        if cursor.take_word("URL ") {
            return self.read_url(&mut cursor);
        }
        let close = cursor.take_word("UTF8 (");
        if close {
            may_be_utf8(&cursor)?;
        } else if !cursor.take_word("TEXT ") {
            return Err(Refusal::bad("A part is TEXT or URL"));
        }
        let literal = cursor.announcement()?;
        cursor.end()?;
        if literal.binary != close {
            return Err(Refusal::bad("TEXT takes a literal, UTF8 a literal8"));
        }
        self.text_fits(literal)?;
        Ok(Part::Text { literal, close })
    }

    fn read_url(&self, cursor: &mut Cursor<'_>) -> Parsed<Part> {
        if cursor.peek() != Some(b'{') {
            let url = cursor.text()?;
            return Ok(Part::Url(url, cursor.rest_of_line()));
        }
        let literal = cursor.announcement()?;
        cursor.end()?;
        if literal.size > MAX_URL {
            return Err(Refusal::no(Code::TooBig, "URL too long"));
        }
        self.may_be_unasked(literal)?;
        Ok(Part::UrlLiteral(literal))
    }

    fn text_fits(&mut self, literal: Literal) -> Parsed<()> {
        let Some(parts) = &mut self.parts else { return Ok(()) };
        parts.text = parts.text.saturating_add(literal.size);
        if parts.text > self.config.max_message_bytes {
            return Err(Refusal::no(Code::TooBig, "Message too large"));
        }
        self.may_be_unasked(literal)
    }

    /// A part is complete; this follows it on its line.
    pub(super) fn part_done(&mut self, rest: BytesMut) -> Step {
        if let Some(parts) = &mut self.parts {
            parts.count += 1;
        }
        self.command = rest;
        self.phase = Phase::Parts;
        Step::Again
    }

    /// Answers [`Event::AppendUrl`]: its octets are a part of the message now. [`Session::append_refuse`] is the other
    /// answer.
    pub fn append_url_done(&mut self) {
        if self.question == Some(Open::Url) {
            self.question = None;
            let rest = self.command.split();
            let _ = self.part_done(rest);
        }
    }

    /// More of a URL that comes as a literal.
    pub(super) fn url_literal(&mut self, left: u64) -> Step {
        let octets = self.reader.octets(left);
        let left = left - octets.len() as u64;
        self.command.extend_from_slice(&octets);
        self.phase = if left == 0 { Phase::UrlEnd } else { Phase::UrlLiteral { left } };
        if left > 0 { Step::Wait } else { Step::Again }
    }

    /// The line behind it.
    pub(super) fn url_end(&mut self) -> Step {
        let Some(line) = self.reader.line(self.limit()) else { return Step::Wait };
        let url = self.command.split();
        let literal = match &line {
            Line::Good(line) | Line::Broken(line) => announcement(line),
            Line::TooLong(_, tail) => announcement(tail.strip_suffix(b"\r\n").unwrap_or(tail)),
            Line::Endless => return self.endless(),
        };
        match (line, String::from_utf8(url.to_vec())) {
            (Line::Good(line), Ok(url)) => {
                self.command = line;
                self.ask(Open::Url, Event::AppendUrl(url))
            }
            _ => self.refuse_part(&Refusal::bad("A URL or the line behind it is broken"), literal),
        }
    }
}
