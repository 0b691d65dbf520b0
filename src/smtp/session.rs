//! The session: one client's commands, in order.
//!
//! ```text
//!             EHLO            MAIL            RCPT            DATA
//! Connected ───────▶ Ready ─────────▶ Mail ─────────▶ Rcpt ─────────▶ Data ──▶ Ready
//!                    ▲ ▲ │ AUTH        RSET, EHLO       │  BDAT                  ▲
//!                    │ └─┴──▶ Auth    ──▶ Ready         └───────▶ Bdat ──LAST────┘
//!                    └ STARTTLS forgets everything (RFC 3207 §4.2)
//! ```
//! `go` is the only place that changes the stage. While a question is open ([`Event`] says which), nothing
//! more is read.

use crate::command::{CommandSpec, Stage, Verb, find};
use crate::config::{Config, Role};
use crate::content::{DotReader, Piece};
use crate::path::{BadArgument, Body, Mail, Rcpt, parse_mail, parse_rcpt};
use crate::reply::{
    self, AuthVerdict, ContentVerdict, DataVerdict, MailVerdict, RcptVerdict, Reply,
};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::{Buf, Bytes, BytesMut};
use sasl::{Mechanism, Mechanisms};
use std::sync::Arc;
use std::time::Duration;

/// Longest command line, parameters included (RFC 5321 §4.5.3.1.4 asks for 512 plus what extensions add).
const MAX_LINE: usize = 4_096;
/// Longest line of an AUTH exchange, the command with its initial response included (RFC 4954 §4: 12288 octets).
const MAX_AUTH_LINE: usize = 12_288;
/// Most octets of one piece of content, so that a fast sender does not make one large allocation.
const MAX_PIECE: usize = 64 * 1024;

/// A void message is read to its end, so that the client hears why, up to this many times the largest size.
const MOST_SWALLOWED: u64 = 2;

/// What the driver has to do or decide.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// Send the output, start TLS, then call [`Session::tls_started`].
    StartTls,
    /// An exchange begins: answer with [`Session::auth_challenge`] or [`Session::auth_verdict`].
    Auth {
        /// The mechanism.
        mechanism: Mechanism,
        /// Its initial response.
        initial: Option<Vec<u8>>,
    },
    /// The client's answer to a challenge.
    AuthResponse(Vec<u8>),
    /// The client gave up; no answer is wanted.
    AuthCancelled,
    /// Answer with [`Session::mail_verdict`].
    Mail(Mail),
    /// Answer with [`Session::rcpt_verdict`].
    Rcpt(Rcpt),
    /// A message is about to come: answer with [`Session::data_verdict`].
    Data,
    /// A piece of the message.
    Content(Bytes),
    /// The message is complete: answer with [`Session::content_verdicts`].
    ContentEnd,
    /// The message under way is void; forget what has come. No answer is wanted.
    ContentVoid,
    /// The transaction ended without a message. No answer is wanted.
    Reset,
    /// Send the output and close.
    Close,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data { chunk: Option<Chunk> },
    ContentEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Chunk {
    left: u64,
    last: bool,
    /// Swallow it: it was refused already, with this reply still to be sent.
    refused: Option<Reply>,
}

/// One client.
#[derive(Debug)]
pub struct Session {
    config: Arc<Config>,
    stage: Stage,
    question: Option<Open>,
    input: BytesMut,
    output: BytesMut,
    skipping: bool,
    fresh: bool,
    tls: bool,
    mechanisms: Mechanisms,
    authenticated: bool,
    helo: String,
    extended: bool,
    mail: Option<Mail>,
    accepted: usize,
    dots: DotReader,
    chunk: Option<Chunk>,
    received: u64,
    void: Option<Reply>,
    errors: u32,
    idle: u32,
    close: bool,
    closed: bool,
}

impl Session {
    /// A new client; `tls` when the connection is encrypted already. The greeting is in the output.
    #[must_use]
    pub fn new(config: Arc<Config>, tls: bool) -> Self {
        let protocol = if config.role == Role::Lmtp { "LMTP" } else { "ESMTP" };
        let greeting = format!("220 {} {protocol} Postrider\r\n", config.hostname);
        Self {
            config,
            stage: Stage::Connected,
            question: None,
            input: BytesMut::new(),
            output: BytesMut::from(greeting.as_bytes()),
            skipping: false,
            fresh: true,
            tls,
            mechanisms: Mechanisms::USUAL.with(Mechanism::Login, true),
            authenticated: false,
            helo: String::new(),
            extended: false,
            mail: None,
            accepted: 0,
            dots: DotReader::new(),
            chunk: None,
            received: 0,
            void: None,
            errors: 0,
            idle: 0,
            close: false,
            closed: false,
        }
    }

    /// Where octets from the client go; the driver reads straight into it.
    pub fn input(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// Takes octets from the client.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// What is to be sent.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// What the client called itself.
    #[must_use]
    pub fn helo(&self) -> &str {
        &self.helo
    }

    /// Whether it said EHLO or LHLO.
    #[must_use]
    pub fn is_extended(&self) -> bool {
        self.extended
    }

    /// The transaction's MAIL.
    #[must_use]
    pub fn mail(&self) -> Option<&Mail> {
        self.mail.as_ref()
    }

    /// Where the session stands.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// How long to wait for the next octets of the client.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        match self.stage {
            Stage::Data | Stage::Bdat => self.config.data_timeout,
            _ => self.config.command_timeout,
        }
    }

    /// The client was silent for too long.
    pub fn timed_out(&mut self) {
        self.say(reply::TIMEOUT);
        self.close = true;
    }

    /// The node is going down. `false`: a message is under way, ask again when it is through.
    pub fn shut_down(&mut self) -> bool {
        if self.question.is_some()
            || matches!(self.stage, Stage::Data | Stage::Bdat)
            || self.chunk.is_some()
        {
            return false;
        }
        self.say(reply::SHUTTING_DOWN);
        self.close = true;
        true
    }

    /// The next thing to do; `None`: more input is needed (or an answer to the open question).
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Event> {
        loop {
            if self.closed {
                return None;
            }
            if self.close {
                self.closed = true;
                self.go(Stage::Closed);
                return Some(Event::Close);
            }
            if self.question.is_some() {
                return None;
            }
            if self.stage == Stage::Data {
                if let Some(event) = self.read_data()? {
                    return Some(event);
                }
                continue;
            }
            if self.chunk.is_some() {
                if let Some(event) = self.read_chunk()? {
                    return Some(event);
                }
                continue;
            }
            let line = self.read_line()?;
            if let Some(event) = line.and_then(|line| self.line(&line)) {
                return Some(event);
            }
        }
    }

    fn go(&mut self, stage: Stage) {
        self.stage = stage;
    }

    fn ask(&mut self, question: Open, event: Event) -> Option<Event> {
        self.question = Some(question);
        Some(event)
    }

    fn say(&mut self, reply: Reply) {
        reply.write(&mut self.output, "");
        if reply.is_error() {
            self.count_error();
        }
    }

    /// The command was a part of a message, and there is a bound on those already.
    fn not_idle(&mut self) {
        self.idle = self.idle.saturating_sub(1);
    }

    fn count_error(&mut self) {
        self.errors += 1;
        if self.errors >= self.config.max_errors && !self.close {
            reply::TOO_MANY_ERRORS.write(&mut self.output, "");
            self.close = true;
        }
    }

    // ---- lines ----

    /// `None`: no complete line yet. `Some(None)`: the line was refused.
    fn read_line(&mut self) -> Option<Option<String>> {
        if self.fresh && self.input.first() == Some(&0x16) {
            // A TLS ClientHello on a plain port.
            self.say(reply::NOT_SMTP);
            self.close = true;
            return Some(None);
        }
        let limit =
            if self.stage == Stage::Auth || self.begins_auth() { MAX_AUTH_LINE } else { MAX_LINE };
        let Some(end) = memchr::memchr(b'\n', &self.input) else {
            if self.input.len() > limit {
                self.skipping = true;
                self.input.clear();
            }
            return None;
        };
        let line = self.input.split_to(end + 1);
        if std::mem::take(&mut self.skipping) || line.len() > limit {
            self.say(reply::LINE_TOO_LONG);
            return Some(None);
        }
        let text =
            line.strip_suffix(b"\r\n").filter(|text| memchr::memchr2(b'\r', 0, text).is_none());
        let text = text.and_then(|text| std::str::from_utf8(text).ok());
        if text.is_none() {
            self.say(reply::BAD_LINE);
        }
        Some(text.map(str::to_owned))
    }

    /// Whether an AUTH that is allowed here is coming.
    fn begins_auth(&self) -> bool {
        self.tls
            && self.config.role == Role::Submission
            && self.input.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"AUTH "))
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if self.stage == Stage::Auth {
            return self.auth_line(line);
        }
        let (name, arguments) = line.split_once(' ').unwrap_or((line, ""));
        let first = std::mem::take(&mut self.fresh);
        if first && ["GET", "POST", "HEAD", "PUT", "OPTIONS", "CONNECT"].contains(&name) {
            self.say(reply::NOT_SMTP);
            self.close = true;
            return None;
        }
        self.idle += 1;
        if self.idle > self.config.max_idle_commands {
            self.say(reply::TOO_MANY_COMMANDS);
            self.close = true;
            return None;
        }
        match find(name) {
            Some(spec) => self.command(spec, arguments.trim()),
            None => {
                self.say(reply::UNKNOWN_COMMAND);
                None
            }
        }
    }

    fn command(&mut self, spec: &CommandSpec, arguments: &str) -> Option<Event> {
        if !spec.roles.contains(&self.config.role) {
            self.say(reply::NOT_HERE);
            return None;
        }
        if spec.verb == Verb::Bdat {
            return self.bdat(arguments);
        }
        if !spec.stages.contains(&self.stage) {
            self.say(match (spec.verb, self.stage) {
                (Verb::Data, Stage::Mail) => reply::NO_RECIPIENTS,
                _ => reply::BAD_SEQUENCE,
            });
            return None;
        }
        match spec.verb {
            Verb::Ehlo | Verb::Helo | Verb::Lhlo => self.hello(spec.verb, arguments),
            Verb::StartTls => self.starttls(arguments),
            Verb::Auth => self.auth(arguments),
            Verb::Mail => self.mail_command(arguments),
            Verb::Rcpt => self.rcpt_command(arguments),
            Verb::Data => self.data_command(arguments),
            Verb::Rset => {
                self.say(reply::OK);
                self.reset()
            }
            Verb::Quit => {
                self.say(reply::BYE);
                self.close = true;
                None
            }
            Verb::Noop | Verb::Vrfy | Verb::Expn | Verb::Help | Verb::Bdat => {
                self.say(match spec.verb {
                    Verb::Vrfy => reply::VRFY,
                    Verb::Expn => reply::EXPN,
                    Verb::Help => reply::HELP,
                    _ => reply::OK,
                });
                None
            }
        }
    }

    // ---- greeting, TLS, AUTH ----

    fn hello(&mut self, verb: Verb, arguments: &str) -> Option<Event> {
        if arguments.is_empty() || arguments.contains(' ') || arguments.len() > 255 {
            self.say(reply::SYNTAX);
            return None;
        }
        let event = self.reset();
        self.helo = arguments.to_owned();
        self.extended = verb != Verb::Helo;
        self.go(Stage::Ready);
        if self.extended {
            self.capabilities();
        } else {
            self.output.extend_from_slice(format!("250 {}\r\n", self.config.hostname).as_bytes());
        }
        event
    }

    fn capabilities(&mut self) {
        let mut lines = vec![self.config.hostname.clone(), "PIPELINING".into()];
        lines.push(format!("SIZE {}", self.config.max_message_bytes));
        lines.extend(
            ["8BITMIME", "SMTPUTF8", "CHUNKING", "BINARYMIME", "ENHANCEDSTATUSCODES", "DSN"]
                .map(Into::into),
        );
        // RFC 8689 §2: "The session itself MUST employ TLS transmission."
        if self.offers_require_tls() {
            lines.push("REQUIRETLS".into());
        }
        if self.config.starttls && !self.tls {
            lines.push("STARTTLS".into());
        }
        if self.config.role == Role::Submission && self.tls && !self.authenticated {
            let names: Vec<_> = self.mechanisms.iter().map(Mechanism::name).collect();
            lines.push(format!("AUTH {}", names.join(" ")));
        }
        let last = lines.len() - 1;
        for (at, line) in lines.iter().enumerate() {
            let mark = if at == last { ' ' } else { '-' };
            self.output.extend_from_slice(format!("250{mark}{line}\r\n").as_bytes());
        }
    }

    fn offers_require_tls(&self) -> bool {
        self.config.require_tls && self.tls
    }

    fn starttls(&mut self, arguments: &str) -> Option<Event> {
        if !self.config.starttls || self.tls {
            self.say(reply::NOT_HERE);
            return None;
        }
        if !arguments.is_empty() {
            self.say(reply::SYNTAX);
            return None;
        }
        if !self.input.is_empty() {
            // Commands smuggled in before the handshake would be taken for commands under TLS.
            self.say(reply::STRAY_DATA);
            self.close = true;
            return None;
        }
        self.say(reply::GO_TLS);
        self.ask(Open::StartTls, Event::StartTls)
    }

    /// What this connection may use from now on, once it is encrypted.
    pub fn offer_mechanisms(&mut self, mechanisms: Mechanisms) {
        self.mechanisms = mechanisms;
    }

    /// TLS is up: nothing the client said before counts (RFC 3207 §4.2).
    pub fn tls_started(&mut self) {
        self.question = None;
        self.tls = true;
        self.input.clear();
        self.helo.clear();
        self.mail = None;
        self.accepted = 0;
        self.go(Stage::Connected);
    }

    fn auth(&mut self, arguments: &str) -> Option<Event> {
        if self.authenticated {
            self.say(reply::ALREADY_AUTH);
            return None;
        }
        if !self.tls {
            self.say(reply::ENCRYPTION_FIRST);
            return None;
        }
        let (name, initial) = match arguments.split_once(' ') {
            Some((name, initial)) => (name, Some(initial)),
            None => (arguments, None),
        };
        let known = Mechanism::parse(name).filter(|mechanism| self.mechanisms.has(*mechanism));
        let Some(mechanism) = known else {
            self.say(reply::UNKNOWN_MECHANISM);
            return None;
        };
        // RFC 4954 §4: "=" is an empty initial response.
        let initial = match initial {
            Some("=") => Some(Vec::new()),
            Some(text) => match BASE64_STANDARD.decode(text) {
                Ok(bytes) => Some(bytes),
                Err(_) => {
                    self.say(reply::AUTH_BAD_BASE64);
                    return None;
                }
            },
            None => None,
        };
        self.go(Stage::Auth);
        self.ask(Open::Auth, Event::Auth { mechanism, initial })
    }

    fn auth_line(&mut self, line: &str) -> Option<Event> {
        if line == "*" {
            self.go(Stage::Ready);
            self.say(reply::AUTH_CANCELLED);
            return Some(Event::AuthCancelled);
        }
        match BASE64_STANDARD.decode(line) {
            Ok(bytes) => self.ask(Open::Auth, Event::AuthResponse(bytes)),
            Err(_) => {
                self.go(Stage::Ready);
                self.say(reply::AUTH_BAD_BASE64);
                Some(Event::AuthCancelled)
            }
        }
    }

    /// Sends a challenge; the client's answer comes as [`Event::AuthResponse`].
    pub fn auth_challenge(&mut self, challenge: &[u8]) {
        self.question = None;
        let line = format!("334 {}\r\n", BASE64_STANDARD.encode(challenge));
        self.output.extend_from_slice(line.as_bytes());
    }

    /// Ends the exchange.
    pub fn auth_verdict(&mut self, verdict: AuthVerdict) {
        self.question = None;
        self.authenticated = verdict == AuthVerdict::Ok;
        self.go(Stage::Ready);
        self.say(verdict.into());
        if verdict == AuthVerdict::Throttled {
            // Temporary for the right user, an error like any other for whoever guesses on.
            self.count_error();
        }
    }

    /// Who was let in may not stay: whatever is under way is over. [`Event::Close`] comes next.
    pub fn revoke(&mut self) {
        self.question = None;
        self.say(reply::REVOKED);
        self.close = true;
    }

    // ---- the transaction ----

    fn mail_command(&mut self, arguments: &str) -> Option<Event> {
        if self.config.role == Role::Submission && !self.authenticated {
            let tls_first = self.config.starttls && !self.tls;
            self.say(if tls_first { reply::NEED_TLS } else { reply::NEED_AUTH });
            return None;
        }
        match parse_mail(arguments) {
            Ok(mail) if mail.size.is_some_and(|size| size > self.config.max_message_bytes) => {
                self.say(reply::TOO_BIG);
                None
            }
            Ok(mail) if mail.require_tls && !self.offers_require_tls() => {
                self.say(bad_argument(BadArgument::UnknownParameter, reply::BAD_SENDER));
                None
            }
            Ok(mail) => {
                self.mail = Some(mail.clone());
                self.ask(Open::Mail, Event::Mail(mail))
            }
            Err(bad) => {
                self.say(bad_argument(bad, reply::BAD_SENDER));
                None
            }
        }
    }

    /// Answers [`Event::Mail`].
    pub fn mail_verdict(&mut self, verdict: MailVerdict) {
        self.question = None;
        if verdict == MailVerdict::Ok {
            self.accepted = 0;
            self.go(Stage::Mail);
        } else {
            self.mail = None;
        }
        self.say(verdict.into());
    }

    fn rcpt_command(&mut self, arguments: &str) -> Option<Event> {
        if self.accepted >= self.config.max_recipients {
            self.say(reply::TOO_MANY_RECIPIENTS);
            return None;
        }
        let smtputf8 = self.mail.as_ref().is_some_and(|mail| mail.smtputf8);
        match parse_rcpt(arguments, smtputf8) {
            Ok(rcpt) => self.ask(Open::Rcpt, Event::Rcpt(rcpt)),
            Err(bad) => {
                self.say(bad_argument(bad, reply::BAD_ADDRESS));
                None
            }
        }
    }

    /// Answers [`Event::Rcpt`].
    pub fn rcpt_verdict(&mut self, verdict: RcptVerdict) {
        self.question = None;
        if verdict == RcptVerdict::Ok {
            self.accepted += 1;
            self.not_idle();
            self.go(Stage::Rcpt);
        }
        self.say(verdict.into());
    }

    fn data_command(&mut self, arguments: &str) -> Option<Event> {
        if !arguments.is_empty() {
            self.say(reply::SYNTAX);
            return None;
        }
        if self.mail.as_ref().is_some_and(|mail| mail.body == Body::BinaryMime) {
            self.say(reply::BINARY_NEEDS_BDAT);
            return None;
        }
        self.ask(Open::Data { chunk: None }, Event::Data)
    }

    /// Answers [`Event::Data`].
    pub fn data_verdict(&mut self, verdict: DataVerdict) {
        let Some(Open::Data { chunk }) = self.question.take() else { return };
        self.received = 0;
        self.void = None;
        match (chunk, verdict) {
            (None, DataVerdict::Go) => {
                self.dots = DotReader::new();
                self.go(Stage::Data);
                self.say(reply::START_DATA);
            }
            (None, refusal) => self.say(refusal.into()),
            (Some(chunk), DataVerdict::Go) => {
                self.go(Stage::Bdat);
                self.chunk = Some(chunk);
            }
            (Some(chunk), refusal) => {
                self.chunk = Some(Chunk { refused: Some(refusal.into()), ..chunk })
            }
        }
    }

    /// `None`: more input is needed. `Some(None)`: go round again.
    #[allow(clippy::option_option)]
    fn read_data(&mut self) -> Option<Option<Event>> {
        match self.dots.read(&mut self.input) {
            Piece::NeedInput => None,
            Piece::Content(bytes) => Some(self.content(bytes)),
            Piece::End => {
                self.go(Stage::Rcpt);
                Some(self.content_end())
            }
        }
    }

    /// Counts a piece; the first thing wrong with a message makes it void, the rest of it is swallowed, but
    /// not without end.
    fn content(&mut self, bytes: Bytes) -> Option<Event> {
        self.received = self.received.saturating_add(bytes.len() as u64);
        if let Some(refusal) = self.void {
            if self.received > self.config.max_message_bytes.saturating_mul(MOST_SWALLOWED) {
                self.say(refusal);
                self.close = true;
            }
            return None;
        }
        if self.received > self.config.max_message_bytes {
            self.void = Some(reply::TOO_BIG);
        } else if self.stage == Stage::Data && self.dots.saw_bare_line_end() {
            self.void = Some(reply::BARE_LINE_END);
        } else {
            return Some(Event::Content(bytes));
        }
        Some(Event::ContentVoid)
    }

    fn content_end(&mut self) -> Option<Event> {
        match self.void.take() {
            Some(reply) => {
                // LMTP: "one reply for each previously successful RCPT" (RFC 2033 §4.2).
                let replies = if self.config.role == Role::Lmtp { self.accepted } else { 1 };
                (0..replies).for_each(|_| self.say(reply));
                // Where this message ends another server may see no end, and pass on what follows as text that
                // a stranger wrote: it must not be run as commands.
                self.close |= reply == reply::BARE_LINE_END;
                self.end_transaction();
                None
            }
            None => self.ask(Open::ContentEnd, Event::ContentEnd),
        }
    }

    /// Answers [`Event::ContentEnd`]: one verdict, for LMTP one per accepted recipient in order.
    pub fn content_verdicts(&mut self, verdicts: &[ContentVerdict]) {
        self.question = None;
        self.end_transaction();
        for verdict in verdicts {
            match reply::content(verdict) {
                Some((reply, detail)) => {
                    reply.write(&mut self.output, detail);
                    self.idle = 0;
                }
                None => {
                    // Neither yes nor no would be true: the client has to try again.
                    self.close = true;
                    return;
                }
            }
        }
    }

    fn end_transaction(&mut self) {
        self.mail = None;
        self.accepted = 0;
        self.chunk = None;
        self.void = None;
        self.go(Stage::Ready);
    }

    fn reset(&mut self) -> Option<Event> {
        let active = self.mail.is_some();
        if self.stage != Stage::Connected {
            self.end_transaction();
        }
        active.then_some(Event::Reset)
    }

    // ---- BDAT (RFC 3030) ----

    fn bdat(&mut self, arguments: &str) -> Option<Event> {
        let mut words = arguments.split(' ').filter(|word| !word.is_empty());
        let size = words.next().filter(|w| w.len() <= 19 && w.bytes().all(|b| b.is_ascii_digit()));
        let size = size.and_then(|word| word.parse::<u64>().ok());
        let last = match (words.next(), words.next()) {
            (None, _) => Some(false),
            (Some(word), None) if word.eq_ignore_ascii_case("LAST") => Some(true),
            _ => None,
        };
        let (Some(left), Some(last)) = (size, last) else {
            // Without a size nobody knows where the next command begins.
            self.say(reply::SYNTAX);
            self.close = true;
            return None;
        };
        if left > self.config.max_message_bytes.saturating_mul(MOST_SWALLOWED) {
            self.say(reply::TOO_BIG);
            self.close = true;
            return None;
        }
        let chunk = Chunk { left, last, refused: None };
        if left > 0 && matches!(self.stage, Stage::Rcpt | Stage::Bdat) {
            self.not_idle();
        }
        match self.stage {
            Stage::Rcpt => self.ask(Open::Data { chunk: Some(chunk) }, Event::Data),
            Stage::Bdat => {
                self.chunk = Some(chunk);
                None
            }
            // "the octets of the chunk are read and discarded", then the reply.
            stage => {
                let refusal =
                    if stage == Stage::Mail { reply::NO_RECIPIENTS } else { reply::BAD_SEQUENCE };
                self.chunk = Some(Chunk { refused: Some(refusal), ..chunk });
                None
            }
        }
    }

    /// As [`Session::read_data`].
    #[allow(clippy::option_option)]
    fn read_chunk(&mut self) -> Option<Option<Event>> {
        let chunk = self.chunk.as_mut()?;
        if chunk.left == 0 {
            return Some(self.chunk_end());
        }
        if self.input.is_empty() {
            return None;
        }
        let take =
            usize::try_from(chunk.left).unwrap_or(usize::MAX).min(self.input.len()).min(MAX_PIECE);
        chunk.left -= take as u64;
        if chunk.refused.is_some() {
            self.input.advance(take);
            return Some(None);
        }
        let bytes = self.input.split_to(take).freeze();
        Some(self.content(bytes))
    }

    fn chunk_end(&mut self) -> Option<Event> {
        let chunk = self.chunk.take()?;
        if let Some(refusal) = chunk.refused {
            self.say(refusal);
            if self.stage == Stage::Rcpt {
                // The message never began; the client has to start over.
                self.end_transaction();
                return Some(Event::Reset);
            }
            return None;
        }
        if chunk.last || self.void.is_some() {
            self.go(Stage::Rcpt);
            return self.content_end();
        }
        self.say(reply::CHUNK_OK);
        None
    }
}

fn bad_argument(bad: BadArgument, address: Reply) -> Reply {
    match bad {
        BadArgument::Syntax | BadArgument::Parameter => reply::SYNTAX,
        BadArgument::Address => address,
        BadArgument::UnknownParameter => reply::UNKNOWN_PARAMETER,
        BadArgument::NeedsUtf8 => reply::NEEDS_UTF8,
    }
}

#[cfg(test)]
mod tests;
