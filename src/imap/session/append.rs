//! APPEND and REPLACE: messages stream from the client to the driver.

use super::catenate::Parts;
use super::{Event, Open, Phase, Session, Step};
use crate::capability::Capability;
use crate::command::{AppendHead, Content, Verb, append_head, append_message};
use crate::cursor::{Cursor, Literal, Parsed, Refusal};
use crate::reader::{Line, announcement};
use crate::response::{Code, Status};

/// Most octets of one piece, so that a fast sender does not make one large allocation.
const MAX_PIECE: u64 = 64 * 1024;
/// Most messages of one APPEND (RFC 3502): they are one transaction.
const MAX_MESSAGES: usize = 1_000;

impl Session {
    /// The first message's literal was announced; nothing of it was asked for yet.
    pub(super) fn append_announced(&mut self, literal: Literal) -> Step {
        let command = self.command.split();
        self.literals = 0;
        let replaces = self.spec.is_some_and(|spec| spec.verb == Verb::Replace);
        let mut cursor = Cursor::new(&command, self.grammar());
        let head = skip_verb(&mut cursor, self.uid)
            .and_then(|()| append_head(&mut cursor, replaces, self.uid));
        match self.acceptable(head) {
            Ok(head) => self.append_begun(head),
            Err(refusal) => self.refuse(&refusal, Some(literal), self.config.max_message_bytes),
        }
    }

    /// The first message is about to come.
    pub(super) fn append_begun(&mut self, head: AppendHead) -> Step {
        self.messages = 0;
        self.target.clone_from(&head.append.mailbox);
        self.offer(head, Event::Append)
    }

    fn acceptable(&self, head: Parsed<AppendHead>) -> Parsed<AppendHead> {
        let head = head?;
        let Content::Literal(literal) = &head.content else { return Ok(head) };
        if literal.size > self.config.max_message_bytes {
            return Err(Refusal::no(Code::TooBig, "Message too large"));
        }
        if literal.size == 0 {
            // "A zero-length message literal argument is an error, and MUST return a NO. This can be used to
            // cancel the append." (RFC 3502)
            return Err(Refusal::no(Code::Cannot, "The message is empty"));
        }
        Ok(head)
    }

    fn offer(
        &mut self,
        head: AppendHead,
        event: impl FnOnce(crate::command::Append) -> Event,
    ) -> Step {
        self.messages += 1;
        self.parts = None;
        let open = match head.content {
            Content::Literal(literal) => Open::Append { literal, close: head.append.utf8 },
            Content::Parts(line) => {
                self.command = line;
                self.parts = Some(Parts::default());
                Open::Parts
            }
        };
        self.ask(open, event(head.append))
    }

    /// Answers [`Event::Append`] and [`Event::AppendNext`]: the message may come.
    pub fn append_accept(&mut self) {
        if self.question == Some(Open::Parts) {
            self.question = None;
            self.phase = Phase::Parts;
            return;
        }
        let Some(Open::Append { literal, close }) = self.question else { return };
        self.question = None;
        if literal.sync {
            self.proceed("Ready for the message");
        }
        self.phase = Phase::Message { left: literal.size, binary: literal.binary && !close, close };
    }

    /// Answers [`Event::Append`], [`Event::AppendNext`] and [`Event::AppendUrl`]: NO. A client that waits sends nothing;
    /// else the message is thrown away. Messages that came before are void too.
    pub fn append_refuse(&mut self, code: Option<&Code<'_>>, text: &str) {
        let literal = match self.question {
            Some(Open::Append { literal, .. }) => Some(literal),
            Some(Open::Parts | Open::Url) => announcement(&self.command),
            _ => return,
        };
        self.question = None;
        let reply = self.rendered(Status::No, code, text);
        self.refuse_with(reply, Status::No, literal, self.config.max_message_bytes);
    }

    /// The message under way cannot be stored: the rest of the command is thrown away, then the client hears NO.
    pub fn append_abort(&mut self, code: Option<&Code<'_>>, text: &str) {
        match self.phase {
            Phase::Message { .. } | Phase::MessageEnd { .. } if self.question.is_none() => {
                self.pending = Some((self.rendered(Status::No, code, text), Status::No));
            }
            _ => self.finish(Status::No, code, text),
        }
    }

    pub(super) fn message(&mut self, left: u64, binary: bool, close: bool) -> Step {
        if left == 0 {
            self.phase = Phase::MessageEnd { close };
            return Step::Again;
        }
        let octets = self.reader.octets(left.min(MAX_PIECE));
        if octets.is_empty() {
            return Step::Wait;
        }
        self.phase = Phase::Message { left: left - octets.len() as u64, binary, close };
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

    pub(super) fn message_end(&mut self, close: bool) -> Step {
        let Some(line) = self.reader.line(self.limit()) else { return Step::Wait };
        let most = self.config.max_discarded_bytes;
        self.discarded = 0;
        let literal = match &line {
            Line::Good(line) if self.pending.is_none() => return self.after_message(line, close),
            Line::Good(line) | Line::Broken(line) => announcement(line),
            Line::TooLong(_, tail) => announcement(tail.strip_suffix(b"\r\n").unwrap_or(tail)),
            Line::Endless => return self.endless(),
        };
        if self.pending.is_some() {
            return self.rest_of(literal, most.max(self.config.max_message_bytes));
        }
        let _ = self.refuse(&Refusal::bad("APPEND ends after its message"), literal, most);
        Step::Event(Event::AppendVoid)
    }

    /// The command ends here, or goes on with another message.
    pub(super) fn after_message(&mut self, line: &[u8], close: bool) -> Step {
        let rest = if close { line.strip_prefix(b")") } else { Some(line) };
        if let (Some(rest), true) = (rest, self.parts.is_some()) {
            return self.part_done(rest.into());
        }
        if rest.is_some_and(<[u8]>::is_empty) {
            self.phase = Phase::Lines;
            return self.ask(Open::AppendEnd, Event::AppendEnd);
        }
        let literal = announcement(line);
        let next = match rest {
            None => Err(Refusal::bad("A closing parenthesis is missing")),
            Some(rest) => self.next_message(rest, literal.is_some()),
        };
        match next {
            Ok(head) => self.offer(head, Event::AppendNext),
            Err(refusal) => {
                let _ = self.refuse(&refusal, literal, self.config.max_message_bytes);
                Step::Event(Event::AppendVoid)
            }
        }
    }

    fn next_message(&self, line: &[u8], literal: bool) -> Parsed<AppendHead> {
        // Only a message of parts can do without.
        if !literal && memchr::memmem::find(&line.to_ascii_uppercase(), b"CATENATE (").is_none() {
            return Err(Refusal::bad("APPEND ends after its message"));
        }
        let append = self.spec.is_some_and(|spec| spec.verb == Verb::Append);
        if !append || !self.config.capabilities.serves(Capability::MultiAppend) {
            return Err(Refusal::bad("This command takes one message"));
        }
        if let Some(limit) = self.config.message_limit
            && self.messages >= limit as usize
        {
            // "no messages are appended when the server MESSAGELIMIT is exceeded" (RFC 9738 §3.1)
            let code = Code::MessageLimit(limit, None);
            return Err(Refusal::no(code, "Too many messages for one APPEND"));
        }
        if self.messages >= MAX_MESSAGES {
            return Err(Refusal::no(Code::Limit, "Too many messages for one APPEND"));
        }
        let line = [line, b"\r\n"].concat();
        let mut cursor = Cursor::new(&line, self.grammar());
        let head = self.acceptable(append_message(&mut cursor, self.target.clone(), None))?;
        if let Content::Literal(literal) = &head.content {
            self.may_be_unasked(*literal)?;
        }
        Ok(head)
    }
}

fn skip_verb(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<()> {
    cursor.tag()?;
    cursor.space()?;
    if uid {
        cursor.atom()?;
        cursor.space()?;
    }
    cursor.atom().map(|_| ())
}
