//! APPEND: the message streams from the client to the driver.

use super::{Event, Open, Phase, Session, Step};
use crate::command::append_head;
use crate::cursor::{Cursor, Literal, Parsed, Refusal};
use crate::reader::{Line, announcement};
use crate::response::{Code, Status};

/// Most octets of one piece, so that a fast sender does not make one large allocation.
const MAX_PIECE: u64 = 64 * 1024;

impl Session {
    /// The message's literal was announced; nothing of it was asked for yet.
    pub(super) fn append_announced(&mut self, literal: Literal) -> Step {
        let command = self.command.split();
        self.literals = 0;
        let mut cursor = Cursor::new(&command, self.grammar());
        let head = skip_verb(&mut cursor).and_then(|()| append_head(&mut cursor));
        let refusal = match head {
            Ok(head) if head.literal.size > self.config.max_message_bytes => {
                Refusal::no(Code::TooBig, "Message too large")
            }
            Ok(head) if head.literal.size == 0 => Refusal::no(Code::Cannot, "The message is empty"),
            Ok(head) => return self.ask(Open::Append(head.literal), Event::Append(head.append)),
            Err(refusal) => refusal,
        };
        self.refuse(&refusal, Some(literal), self.config.max_message_bytes)
    }

    /// Answers [`Event::Append`]: the message may come.
    pub fn append_accept(&mut self) {
        let Some(Open::Append(literal)) = self.question else { return };
        self.question = None;
        if literal.sync {
            self.output.extend_from_slice(b"+ Ready for the message\r\n");
        }
        self.phase = Phase::Message { left: literal.size, binary: literal.binary };
    }

    /// Answers [`Event::Append`]: NO. A client that waits sends nothing; else the message is thrown away.
    pub fn append_refuse(&mut self, code: Option<&Code<'_>>, text: &str) {
        let Some(Open::Append(literal)) = self.question else { return };
        self.question = None;
        let reply = self.rendered(Status::No, code, text);
        self.refuse_with(reply, Status::No, Some(literal), self.config.max_message_bytes);
    }

    /// The message under way cannot be stored: the rest of it is thrown away, then the client hears NO.
    pub fn append_abort(&mut self, code: Option<&Code<'_>>, text: &str) {
        match self.phase {
            Phase::Message { .. } | Phase::MessageEnd if self.question.is_none() => {
                self.pending = Some((self.rendered(Status::No, code, text), Status::No));
            }
            _ => self.finish(Status::No, code, text),
        }
    }

    pub(super) fn message(&mut self, left: u64, binary: bool) -> Step {
        if left == 0 {
            self.phase = Phase::MessageEnd;
            return Step::Again;
        }
        let octets = self.reader.octets(left.min(MAX_PIECE));
        if octets.is_empty() {
            return Step::Wait;
        }
        self.phase = Phase::Message { left: left - octets.len() as u64, binary };
        if self.pending.is_some() {
            return Step::Again;
        }
        // "literal ... represents the number of CHAR8s", and CHAR8 is "any OCTET except NUL".
        if !binary && memchr::memchr(0, &octets).is_some() {
            let text = "The message holds NUL";
            self.pending = Some((self.rendered(Status::No, Some(&Code::Cannot), text), Status::No));
            return Step::Event(Event::AppendVoid);
        }
        Step::Event(Event::AppendContent(octets))
    }

    pub(super) fn message_end(&mut self) -> Step {
        let Some(line) = self.reader.line(self.limit()) else { return Step::Wait };
        let most = self.config.max_discarded_bytes;
        self.discarded = 0;
        let literal = match &line {
            Line::Good(line) if line.is_empty() && self.pending.is_none() => {
                self.phase = Phase::Lines;
                return self.ask(Open::AppendEnd, Event::AppendEnd);
            }
            Line::Good(line) | Line::Broken(line) => announcement(line),
            Line::TooLong(_, tail) => announcement(tail.strip_suffix(b"\r\n").unwrap_or(tail)),
            Line::Endless => return self.endless(),
        };
        if self.pending.is_some() {
            return self.rest_of(literal, most);
        }
        let _ = self.refuse(&Refusal::bad("APPEND takes one message"), literal, most);
        Step::Event(Event::AppendVoid)
    }
}

fn skip_verb(cursor: &mut Cursor<'_>) -> Parsed<()> {
    cursor.tag()?;
    cursor.space()?;
    cursor.atom().map(|_| ())
}
