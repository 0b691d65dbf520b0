//! From lines and literals to whole commands.

use super::{Event, Phase, Session, Step};
use crate::capability::Capability;
use crate::command::{Call, CommandSpec, Request, State, Verb, verb};
use crate::cursor::{Cursor, Literal, Parsed, Refusal};
use crate::reader::{Line, announcement};
use crate::response::{Code, Status};
use bytes::BytesMut;

/// Longest tag; it is written back.
const MAX_TAG: usize = 128;
/// Most literals of one command; protects against a command made of empty ones.
const MAX_LITERALS: usize = 256;
/// Largest non-synchronizing literal where only LITERAL- is announced (RFC 7888 §5).
const MAX_LITERAL_MINUS: u64 = 4_096;

const BAD_LINE: Refusal =
    Refusal::bad("A line ends in CRLF and holds no NUL and no CR or LF within");
const LINE_TOO_LONG: Refusal = Refusal::bad("Command too long");

impl Session {
    pub(super) fn command_line(&mut self) -> Step {
        if self.fresh && self.reader.input.first() == Some(&0x16) {
            self.bye(None, "This is IMAP; TLS begins with STARTTLS or on another port");
            return Step::Again;
        }
        let room = self.limit().saturating_sub(self.command.len());
        let Some(line) = self.reader.line(room) else { return Step::Wait };
        let most = self.config.max_discarded_bytes;
        match line {
            Line::Good(line) => self.good_line(line),
            Line::Broken(line) => {
                self.begin(&line);
                self.refuse(&BAD_LINE, announcement(&line), most)
            }
            Line::TooLong(head, tail) => {
                self.begin(&head);
                let tail = tail.strip_suffix(b"\r\n").unwrap_or(&tail);
                self.refuse(&LINE_TOO_LONG, announcement(tail), most)
            }
            Line::Endless => self.endless(),
        }
    }

    /// Takes the tag of a command's first line.
    fn begin(&mut self, line: &[u8]) {
        if self.literals > 0 {
            return;
        }
        self.spec = None;
        self.uid = false;
        self.numbers = false;
        let mut cursor = Cursor::new(line, self.grammar());
        match cursor.tag() {
            Ok(tag) if tag.len() <= MAX_TAG && cursor.take(b' ') => {
                self.tag.clear();
                self.tag.push_str(tag);
            }
            _ => "*".clone_into(&mut self.tag),
        }
    }

    fn good_line(&mut self, line: BytesMut) -> Step {
        if self.literals == 0 {
            self.begin(&line);
            if let Some(step) = self.stranger(&line) {
                return step;
            }
        }
        if let Some(literal) = announcement(&line) {
            return self.announced(&line, literal);
        }
        if self.literals == 0 {
            return self.complete(&line);
        }
        self.command.extend_from_slice(&line);
        let whole = self.command.split();
        self.literals = 0;
        self.complete(&whole)
    }

    /// Ends sessions of clients that speak HTTP, or that never log in.
    fn stranger(&mut self, line: &[u8]) -> Option<Step> {
        let first = std::mem::take(&mut self.fresh);
        let http = ["GET", "POST", "HEAD", "PUT", "OPTIONS", "CONNECT"];
        if first
            && http.contains(&self.tag.as_str())
            && memchr::memmem::find(line, b"HTTP/").is_some()
        {
            self.bye(None, "This is a mail server");
            return Some(Step::Again);
        }
        self.commands = self.commands.saturating_add(1);
        if self.state == State::NotAuthenticated && self.commands > self.config.max_commands_early {
            self.bye(None, "Too many commands without login");
            return Some(Step::Again);
        }
        None
    }

    /// Reads a whole command.
    fn complete(&mut self, whole: &[u8]) -> Step {
        let mut cursor = Cursor::new(whole, self.grammar());
        match self.read(&mut cursor) {
            Ok(request) => {
                if cursor.condstore {
                    self.condstore(!self.enabled.has(Capability::CondStore));
                }
                self.numbers = cursor.numbers;
                self.request(request)
            }
            Err(refusal) => {
                let step = self.refuse(&refusal, None, 0);
                let void = cursor.saves && refusal.status == Status::No;
                if void { Step::Event(Event::SavedSearchVoid) } else { step }
            }
        }
    }

    fn read(&mut self, cursor: &mut Cursor<'_>) -> Parsed<Request> {
        let spec = self.head(cursor)?;
        let call = Call { verb: spec.verb, uid: self.uid };
        let request = (spec.parse)(cursor, call)?;
        cursor.end()?;
        Ok(request)
    }

    /// Tag and verb, and whether the command is legal here.
    fn head(&mut self, cursor: &mut Cursor<'_>) -> Parsed<&'static CommandSpec> {
        if self.tag == "*" {
            return Err(Refusal::bad("A command begins with a tag and a space"));
        }
        cursor.tag()?;
        cursor.space()?;
        let (spec, uid) = verb(cursor)?;
        self.spec = Some(spec);
        self.uid = uid;
        if !spec.states.contains(&self.state) {
            return Err(match self.state {
                State::NotAuthenticated => Refusal::bad("Log in first"),
                State::Authenticated if spec.states == [State::Selected] => {
                    Refusal::bad("No mailbox is selected")
                }
                _ => Refusal::bad("Already logged in"),
            });
        }
        // EXPUNGE takes no numbers, and ESEARCH answers with UIDs (RFC 7377 §2.1); its keys are looked at one by one.
        if spec.uid && !uid && !matches!(spec.verb, Verb::Expunge | Verb::ESearch) {
            cursor.need_numbers()?;
        }
        if spec.verb == Verb::Login && !self.passwords_allowed() {
            return Err(super::auth::PRIVACY);
        }
        Ok(spec)
    }

    /// A line that ends in a literal: what can be refused is refused before the octets come.
    fn announced(&mut self, line: &[u8], literal: Literal) -> Step {
        let most = self.config.max_discarded_bytes;
        if self.literals == 0 {
            let grammar = self.grammar();
            if let Err(refusal) = self.head(&mut Cursor::new(line, grammar)) {
                return self.refuse(&refusal, Some(literal), most);
            }
        }
        if let Err(refusal) = self.may_be_unasked(literal) {
            return self.refuse(&refusal, Some(literal), most);
        }
        self.literals += 1;
        self.command.extend_from_slice(line);
        self.command.extend_from_slice(b"\r\n");
        let appends =
            self.spec.is_some_and(|spec| matches!(spec.verb, Verb::Append | Verb::Replace));
        if appends && !self.is_append_name() {
            return self.append_announced(literal);
        }
        let room = self.limit().saturating_sub(self.command.len()) as u64;
        // `value = nstring / literal8` (RFC 5464 §5)
        let octets = self.spec.is_some_and(|spec| spec.verb == Verb::SetMetadata);
        let refusal = if literal.binary && !octets {
            Some(Refusal::bad("literal8 does not go with this command"))
        } else if literal.size > room {
            Some(Refusal::no(Code::TooBig, "Literal too large"))
        } else if self.literals > MAX_LITERALS {
            Some(Refusal::bad("Too many literals").with(Code::Limit))
        } else {
            None
        };
        if let Some(refusal) = refusal {
            return self.refuse(&refusal, Some(literal), most);
        }
        if literal.sync {
            self.proceed("OK");
        }
        self.phase = Phase::Literal { left: literal.size };
        Step::Again
    }

    /// Whether the first literal of an APPEND or REPLACE is its mailbox name.
    fn is_append_name(&self) -> bool {
        let mut cursor = Cursor::new(&self.command, self.grammar());
        // Tag, verb, and for REPLACE a number: what comes next is the mailbox.
        let replaces = self.spec.is_some_and(|spec| spec.verb == Verb::Replace);
        let words = 2 + usize::from(self.uid) + usize::from(replaces);
        self.literals == 1 && cursor.skip_words(words) && cursor.peek() == Some(b'{')
    }

    pub(super) fn may_be_unasked(&self, literal: Literal) -> Parsed<()> {
        let capabilities = self.config.capabilities;
        let minus = capabilities.has(Capability::Imap4Rev2) && literal.size <= MAX_LITERAL_MINUS;
        if literal.sync || capabilities.has(Capability::LiteralPlus) || minus {
            Ok(())
        } else {
            Err(Refusal::bad("Literals of this size need a continuation"))
        }
    }

    /// More of a literal.
    pub(super) fn literal(&mut self, left: u64) -> Step {
        let octets = self.reader.octets(left);
        let left = left - octets.len() as u64;
        self.command.extend_from_slice(&octets);
        self.phase = if left == 0 { Phase::Lines } else { Phase::Literal { left } };
        if left > 0 { Step::Wait } else { Step::Again }
    }

    /// More of a refused literal.
    pub(super) fn discard(&mut self, left: u64) -> Step {
        let left = left - self.reader.discard(left);
        self.phase = if left == 0 { Phase::DiscardLine } else { Phase::Discard { left } };
        if left > 0 { Step::Wait } else { Step::Again }
    }

    /// The line behind a refused literal: it may end in another.
    pub(super) fn discard_line(&mut self) -> Step {
        let Some(line) = self.reader.line(self.limit()) else { return Step::Wait };
        let most = self.config.max_discarded_bytes.max(self.discarded);
        match line {
            Line::Good(line) | Line::Broken(line) => self.rest_of(announcement(&line), most),
            Line::TooLong(_, tail) => {
                let tail = tail.strip_suffix(b"\r\n").unwrap_or(&tail);
                self.rest_of(announcement(tail), most)
            }
            Line::Endless => self.endless(),
        }
    }
}
