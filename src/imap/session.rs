//! The session: one client's commands, in order.
//!
//! ```text
//!                  LOGIN, AUTHENTICATE            SELECT, EXAMINE
//! NotAuthenticated ──────────────────▶ Authenticated ──────────▶ Selected
//!    │ ▲ STARTTLS forgets the input         ▲ ◀──────────────────┘ │   CLOSE, UNSELECT, a failed SELECT
//!    │ └────┘                               │                      │
//!    └──────────────── LOGOUT, BYE ─────────┴──────────────────────┴──▶ Logout
//! ```
//! `go` is the only place that changes the state. What is being read is the phase: lines, a literal, a
//! message, an exchange, DONE, or the rest of a command that was refused. While a question is open
//! ([`Event`] says which), nothing more is read.

mod append;
mod auth;
mod catenate;
mod lines;

use crate::capability::{CAPABILITIES, Capabilities, Capability, ENABLED};
use crate::command::{Append, Command, CommandSpec, Request, Search, State, Verb, criteria};
use crate::config::Config;
use crate::cursor::{Cursor, Grammar, Literal, Refusal};
use crate::language::{LANGUAGES, Language};
use crate::reader::Reader;
use crate::response::{Code, Status, Style, Writer, write_status};
use crate::secret::Secret;
use bytes::{Bytes, BytesMut};
use catenate::Parts;
use sasl::{Mechanism, Mechanisms};
use std::sync::Arc;
use std::time::Duration;

pub use auth::AuthVerdict;

/// What the driver has to do or decide.
#[derive(Debug, PartialEq)]
pub enum Event {
    /// Send the output, start TLS, then call [`Session::tls_started`].
    StartTls,
    /// LOGIN: answer with [`Session::auth_verdict`].
    Login {
        /// Who.
        user: String,
        /// With what.
        password: Secret,
    },
    /// An exchange begins: answer with [`Session::auth_challenge`] or [`Session::auth_verdict`].
    Authenticate {
        /// The mechanism.
        mechanism: Mechanism,
        /// Its initial response.
        initial: Option<Secret>,
    },
    /// The client's answer to a challenge; answer as before.
    AuthResponse(Secret),
    /// The client gave up; no answer is wanted.
    AuthCancelled,
    /// A command: write its untagged answers, then call [`Session::finish`].
    Command(Command),
    /// IDLE: call [`Session::idle_started`] and write what changes as it changes, or refuse with
    /// [`Session::finish`].
    Idle,
    /// DONE came: no more updates but those at hand, then [`Session::finish`].
    IdleDone,
    /// A message is about to come: answer with [`Session::append_accept`] or [`Session::append_refuse`].
    Append(Append),
    /// The message goes on with the octets that this URL means (RFC 4469): answer with [`Session::append_url_done`] or
    /// [`Session::append_refuse`].
    AppendUrl(String),
    /// A piece of it. [`Session::append_abort`] may be called at any piece.
    AppendContent(Bytes),
    /// The message is complete and another one follows (RFC 3502): answer as [`Event::Append`]. "No partial
    /// appending is permitted": none is stored before all have come.
    AppendNext(Append),
    /// It is complete: store it and those before it, then [`Session::finish`].
    AppendEnd,
    /// The messages under way are void; forget what has come. No answer is wanted.
    AppendVoid,
    /// Send the output, then compress what is sent and expand what comes (RFC 4978); what is in the input already
    /// is compressed. Then call [`Session::compression_started`].
    Compress,
    /// A SEARCH with SAVE was refused with NO: `$` is empty from now on (RFC 5182 §2.1). No answer is wanted.
    SavedSearchVoid,
    /// Send the output and close.
    Close,
}

/// The question that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    StartTls,
    Compress,
    Auth,
    Command,
    Idle,
    /// After DONE; `false`: it was no DONE.
    IdleDone(bool),
    /// `close`: a parenthesis follows the message.
    Append {
        literal: Literal,
        close: bool,
    },
    /// The same for a message of parts.
    Parts,
    Url,
    AppendEnd,
}

impl Open {
    /// Whether [`Session::finish`] is its answer.
    fn is_finished(&self) -> bool {
        matches!(self, Self::Command | Self::Idle | Self::IdleDone(_) | Self::AppendEnd)
    }
}

/// What is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A command, or more of it behind a literal.
    Lines,
    /// A literal within a command.
    Literal { left: u64 },
    /// A message; `close`: a parenthesis follows it.
    Message { left: u64, binary: bool, close: bool },
    /// The line end behind a message.
    MessageEnd { close: bool },
    /// Parts of a message, on the line that is there.
    Parts,
    /// A URL among them.
    UrlLiteral { left: u64 },
    /// The line behind it.
    UrlEnd,
    /// A refused literal.
    Discard { left: u64 },
    /// The rest of a refused command's line.
    DiscardLine,
    /// The client's side of an exchange.
    Auth,
    /// DONE.
    Idle,
}

/// Whether the client listens while no command is in progress (RFC 5465 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listening {
    /// It does not.
    No,
    /// It does, but its message numbers must stay (SELECTED-DELAYED).
    Delayed,
    /// It does, and knows that message numbers may change at any time (SELECTED).
    Always,
}

/// What a step gave.
#[derive(Debug)]
enum Step {
    /// More input is needed.
    Wait,
    /// Go on.
    Again,
    /// Say this.
    Event(Event),
}

/// One client.
#[derive(Debug)]
pub struct Session {
    config: Arc<Config>,
    state: State,
    phase: Phase,
    question: Option<Open>,
    reader: Reader,
    output: BytesMut,
    tls: bool,
    mechanisms: Mechanisms,
    compressed: bool,
    /// What the client turned on.
    enabled: Capabilities,
    /// What texts for people are written in.
    language: Language,
    /// The highest mod-sequence of the selected mailbox that the client may believe.
    modseq: Option<u64>,
    /// What may be told while no command is in progress (RFC 5465).
    listening: Listening,
    /// The command under way is a SEARCH over message numbers.
    numbers: bool,
    /// The tag of the command under way; `*` when it has none.
    tag: String,
    spec: Option<&'static CommandSpec>,
    uid: bool,
    /// A command with literals, as far as it has come.
    command: BytesMut,
    literals: usize,
    /// The message under way is made of parts.
    parts: Option<Parts>,
    /// Messages of the APPEND under way, and where they are to go.
    messages: usize,
    target: String,
    /// The answer to a refused command, to be given when the rest of it is thrown away.
    pending: Option<(BytesMut, Status)>,
    discarded: u64,
    fresh: bool,
    errors: u32,
    commands: u32,
    close: bool,
}

impl Session {
    /// A new client; `tls` when the connection is encrypted already. The greeting is in the output.
    #[must_use]
    pub fn new(config: Arc<Config>, tls: bool) -> Self {
        let mechanisms = config.mechanisms;
        Self::offering(config, tls, mechanisms)
    }

    /// The same on a connection that may use these mechanisms.
    #[must_use]
    pub fn offering(config: Arc<Config>, tls: bool, mechanisms: Mechanisms) -> Self {
        let mut session = Self {
            config,
            state: State::NotAuthenticated,
            phase: Phase::Lines,
            question: None,
            reader: Reader::default(),
            output: BytesMut::new(),
            tls,
            mechanisms,
            compressed: false,
            enabled: Capabilities::default(),
            language: Language::Default,
            modseq: None,
            listening: Listening::No,
            numbers: false,
            tag: "*".to_owned(),
            spec: None,
            uid: false,
            command: BytesMut::new(),
            literals: 0,
            parts: None,
            messages: 0,
            target: String::new(),
            pending: None,
            discarded: 0,
            fresh: true,
            errors: 0,
            commands: 0,
            close: false,
        };
        let capabilities = session.capabilities();
        let greeting = format!("{} Postrider ready", session.config.hostname);
        session.writer().status(Status::Ok, Some(&Code::Capability(&capabilities)), &greeting);
        session
    }

    /// Where octets from the client go; the driver reads straight into it.
    pub fn input(&mut self) -> &mut BytesMut {
        &mut self.reader.input
    }

    /// Takes octets from the client.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.reader.input.extend_from_slice(bytes);
    }

    /// What is to be sent.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// Gives the memory of empty buffers back: for a client that may be silent for long.
    pub fn release_buffers(&mut self) {
        for buffer in [&mut self.reader.input, &mut self.output, &mut self.command] {
            if buffer.is_empty() {
                *buffer = BytesMut::new();
            }
        }
    }

    /// Writes untagged responses into the output, in the client's style.
    pub fn writer(&mut self) -> Writer<'_> {
        let style = self.style();
        Writer::new(&mut self.output, style)
    }

    /// How strings are to be written for this client.
    #[must_use]
    pub fn style(&self) -> Style {
        let grammar = self.grammar();
        let (utf8, uid_only) = (grammar.utf8(), grammar.uid_only());
        Style { utf8, uid_only, language: self.language }
    }

    /// Whether the client enabled IMAP4rev2.
    #[must_use]
    pub fn is_rev2(&self) -> bool {
        self.is_enabled(Capability::Imap4Rev2)
    }

    /// Whether this is announced, by name or as a part of something else.
    #[must_use]
    pub fn serves(&self, capability: Capability) -> bool {
        self.config.capabilities.serves(capability)
    }

    /// Whether the client turned this on, with ENABLE or, for CONDSTORE, by using it (RFC 7162 §3.1).
    #[must_use]
    pub fn is_enabled(&self, capability: Capability) -> bool {
        self.enabled.has(capability)
    }

    /// What the client may take for the highest mod-sequence of the selected mailbox: all changes up to it were
    /// told. It is said when the client first shows that it knows mod-sequences; a driver that announces
    /// CONDSTORE keeps it up to date.
    pub fn set_highest_modseq(&mut self, modseq: u64) {
        self.modseq = Some(modseq);
    }

    /// Whether the connection is compressed.
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The tag of the command under way.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// The name of the command under way, for logs and metrics.
    #[must_use]
    pub fn command_name(&self) -> &'static str {
        self.spec.map_or("", |spec| spec.name)
    }

    /// Where the session stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether the client idles: updates may be written at any time.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.phase == Phase::Idle && self.question.is_none()
    }

    /// From now on the client listens also while no command is in progress.
    pub fn listen(&mut self, listening: Listening) {
        self.listening = listening;
    }

    /// Whether what changes may be told now, though no command asked: the client idles, or it listens and nothing of a
    /// command has come yet.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        let between =
            self.phase == Phase::Lines && self.literals == 0 && self.reader.input.is_empty();
        self.is_idle() || (self.listening != Listening::No && between && self.question.is_none())
    }

    /// Whether EXPUNGE responses may be written now: "MUST NOT be sent when no command is in progress, nor
    /// while responding to a FETCH, STORE, or SEARCH command" (RFC 9051 §7.5.1); UID forms are other commands.
    #[must_use]
    pub fn may_expunge(&self) -> bool {
        let commanded = self.question.is_some_and(|question| question.is_finished());
        // A UID SEARCH "that contains message numbers in the search criteria" (RFC 7162 §3.2.10.2) is like SEARCH.
        let fits = self.spec.is_some_and(|spec| spec.expunges || (self.uid && !self.numbers));
        let always = self.listening == Listening::Always && self.is_listening();
        self.state == State::Selected && (self.is_idle() || always || (commanded && fits))
    }

    /// How long to wait for the next octets of the client.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        match self.phase {
            _ if self.state == State::NotAuthenticated => self.config.login_timeout,
            Phase::Lines | Phase::Idle if self.literals == 0 => self.config.command_timeout,
            _ => self.config.literal_timeout,
        }
    }

    /// The client was silent for too long.
    pub fn timed_out(&mut self) {
        self.bye(None, "Idle for too long");
    }

    /// The node is going down. `false`: a command or message is under way, ask again when it is through.
    pub fn shut_down(&mut self) -> bool {
        if self.question.is_some()
            || !matches!(self.phase, Phase::Lines | Phase::Idle | Phase::Auth)
        {
            return false;
        }
        self.bye(Some(&Code::Unavailable), "Server is going down, connect again");
        true
    }

    /// Says `* BYE` and ends the session, whatever is under way.
    pub fn bye(&mut self, code: Option<&Code<'_>>, text: &str) {
        if !self.close {
            self.output.extend_from_slice(b"* ");
            write_status(&mut self.output, "BYE", code, text, self.language);
            self.close = true;
            self.question = None;
        }
    }

    /// Whether BYE was said: nothing more is read, and [`Event::Close`] comes next.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.close || self.state == State::Logout
    }

    /// The next thing to do; `None`: more input is needed (or an answer to the open question).
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Event> {
        loop {
            if self.state == State::Logout {
                return None;
            }
            if self.close {
                self.go(State::Logout);
                return Some(Event::Close);
            }
            if self.question.is_some() {
                return None;
            }
            let step = match self.phase {
                Phase::Lines => self.command_line(),
                Phase::Literal { left } => self.literal(left),
                Phase::Message { left, binary, close } => self.message(left, binary, close),
                Phase::MessageEnd { close } => self.message_end(close),
                Phase::Parts => self.next_part(),
                Phase::UrlLiteral { left } => self.url_literal(left),
                Phase::UrlEnd => self.url_end(),
                Phase::Discard { left } => self.discard(left),
                Phase::DiscardLine => self.discard_line(),
                Phase::Auth => self.auth_line(),
                Phase::Idle => self.idle_line(),
            };
            match step {
                Step::Wait => return None,
                Step::Again => {}
                Step::Event(event) => return Some(event),
            }
        }
    }

    fn go(&mut self, state: State) {
        if state != State::Selected {
            self.modseq = None;
        }
        self.state = state;
    }

    fn ask(&mut self, question: Open, event: Event) -> Step {
        self.question = Some(question);
        Step::Event(event)
    }

    fn grammar(&self) -> Grammar {
        Grammar { capabilities: self.config.capabilities, enabled: self.enabled }
    }

    /// Reads what a filter says (RFC 5466 §3.2: "each search criterion stored in such a server entry is a full and
    /// correct search criterion").
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn search_criteria(&self, octets: &[u8]) -> Result<Search, Refusal> {
        criteria(&mut Cursor::new(octets, self.grammar()))
    }

    /// Most octets of a command now.
    fn limit(&self) -> usize {
        match self.state {
            State::NotAuthenticated => self.config.max_command_bytes_early,
            _ => self.config.max_command_bytes,
        }
    }

    // ---- answers ----

    /// The tagged answer to the command under way. OK to SELECT selects; anything to SELECT but OK leaves no
    /// mailbox selected; OK to CLOSE and UNSELECT deselects.
    pub fn finish(&mut self, status: Status, code: Option<&Code<'_>>, text: &str) {
        let Some(question) = self.question.take_if(|question| question.is_finished()) else {
            return;
        };
        self.phase = Phase::Lines;
        if question == Open::IdleDone(false) {
            self.reply(Status::Bad, None, "Expected DONE");
            return;
        }
        match self.spec.map(|spec| spec.verb) {
            Some(Verb::Select | Verb::Examine) if status == Status::Ok => self.go(State::Selected),
            Some(Verb::Close | Verb::Unselect) if status == Status::Ok => {
                self.go(State::Authenticated)
            }
            Some(Verb::Unauthenticate) if status == Status::Ok => self.forget_login(),
            _ => {}
        }
        self.reply(status, code, text);
    }

    /// `tag OK text`, with what is usual for the command.
    pub fn finish_ok(&mut self) {
        let text = format!("{} completed", self.command_name());
        self.finish(Status::Ok, None, &text);
    }

    /// `+ text`: the client may go on.
    fn proceed(&mut self, text: &str) {
        write_status(&mut self.output, "+", None, text, self.language);
    }

    /// Writes a tagged answer and counts it.
    fn reply(&mut self, status: Status, code: Option<&Code<'_>>, text: &str) {
        let reply = self.rendered(status, code, text);
        self.output.extend_from_slice(&reply);
        self.count(status);
    }

    fn rendered(&self, status: Status, code: Option<&Code<'_>>, text: &str) -> BytesMut {
        let mut reply = BytesMut::from(self.tag.as_bytes());
        reply.extend_from_slice(b" ");
        write_status(&mut reply, status.name(), code, text, self.language);
        reply
    }

    /// Errors in a row end the session; before login all count, refused passwords too.
    fn count(&mut self, status: Status) {
        let stranger = self.state == State::NotAuthenticated;
        match status {
            Status::Bad => self.errors += 1,
            Status::No if stranger => self.errors += 1,
            Status::Ok if !stranger => self.errors = 0,
            _ => {}
        }
        if self.errors >= self.config.max_errors {
            self.bye(None, "Too many errors");
        }
    }

    /// Refuses the command under way. A literal that the client sends unasked is thrown away first, up to a
    /// bound.
    fn refuse(&mut self, refusal: &Refusal, literal: Option<Literal>, most: u64) -> Step {
        let reply = self.rendered(refusal.status, refusal.code.as_ref(), refusal.text);
        self.refuse_with(reply, refusal.status, literal, most)
    }

    fn refuse_with(
        &mut self,
        reply: BytesMut,
        status: Status,
        literal: Option<Literal>,
        most: u64,
    ) -> Step {
        self.command.clear();
        self.literals = 0;
        self.parts = None;
        self.discarded = 0;
        self.pending = Some((reply, status));
        self.rest_of(literal, most)
    }

    /// Throws away what follows of a refused command whose line ended so, then answers.
    fn rest_of(&mut self, literal: Option<Literal>, most: u64) -> Step {
        match literal.filter(|literal| !literal.sync) {
            Some(literal) => {
                self.discarded = self.discarded.saturating_add(literal.size);
                if self.discarded > most {
                    self.answer_pending();
                    self.bye(Some(&Code::TooBig), "Literal too large to be thrown away");
                } else {
                    self.phase = Phase::Discard { left: literal.size };
                }
            }
            None => self.answer_pending(),
        }
        Step::Again
    }

    fn answer_pending(&mut self) {
        self.phase = Phase::Lines;
        self.parts = None;
        if let Some((reply, status)) = self.pending.take() {
            self.output.extend_from_slice(&reply);
            self.count(status);
        }
    }

    // ---- commands ----

    fn request(&mut self, request: Request) -> Step {
        match request {
            Request::Capability => {
                let line = format!("* CAPABILITY {}\r\n", self.capabilities());
                self.output.extend_from_slice(line.as_bytes());
                self.reply(Status::Ok, None, "CAPABILITY completed");
                Step::Again
            }
            Request::Logout => {
                let language = self.language;
                self.output.extend_from_slice(b"* ");
                write_status(&mut self.output, "BYE", None, "Logging out", language);
                self.reply(Status::Ok, None, "LOGOUT completed");
                self.close = true;
                Step::Again
            }
            Request::Enable(names) => self.enable(&names),
            Request::Language(ranges) => self.speak(&ranges),
            Request::Compress => self.compress(),
            Request::StartTls => self.starttls(),
            Request::Login { user, password } => self.login(user, password),
            Request::Authenticate(authenticate) => self.authenticate(authenticate),
            Request::Idle => self.ask(Open::Idle, Event::Idle),
            Request::Append(head) => self.append_begun(*head),
            Request::Command(Command::Noop) if self.state == State::NotAuthenticated => {
                self.reply(Status::Ok, None, "NOOP completed");
                Step::Again
            }
            Request::Command(command) => {
                if matches!(command, Command::Select { .. }) && self.state == State::Selected {
                    // "A server returns the CLOSED response code when the currently selected mailbox is
                    // closed implicitly using the SELECT or EXAMINE command" (RFC 9051 §7.1).
                    self.writer().status(
                        Status::Ok,
                        Some(&Code::Closed),
                        "Previous mailbox closed",
                    );
                    self.go(State::Authenticated);
                }
                self.ask(Open::Command, Event::Command(command))
            }
        }
    }

    fn enable(&mut self, names: &[String]) -> Step {
        let before = self.enabled;
        for name in names {
            let known = CAPABILITIES.iter().find(|spec| spec.name.eq_ignore_ascii_case(name));
            let offered = known
                .map(|spec| spec.capability)
                .filter(|capability| ENABLED.contains(capability))
                .filter(|capability| self.config.capabilities.serves(*capability));
            if let Some(capability) = offered {
                self.enabled = self.enabled.with(capability);
            }
        }
        self.output.extend_from_slice(b"* ENABLED");
        for spec in CAPABILITIES {
            if self.enabled.has(spec.capability) && !before.has(spec.capability) {
                self.output.extend_from_slice(b" ");
                self.output.extend_from_slice(spec.name.as_bytes());
            }
        }
        self.output.extend_from_slice(b"\r\n");
        let condstore = [Capability::CondStore, Capability::QResync];
        if condstore.iter().any(|capability| self.enabled.has(*capability)) {
            let first = !condstore.iter().any(|capability| before.has(*capability));
            self.condstore(first);
        }
        self.reply(Status::Ok, None, "ENABLE completed");
        Step::Again
    }

    /// A command was one that enables CONDSTORE. "A first CONDSTORE enabling command executed in the session with a
    /// mailbox selected MUST cause the server to return HIGHESTMODSEQ" (RFC 7162 §3.1); SELECT says it anyway.
    fn condstore(&mut self, first: bool) {
        self.enabled = self.enabled.with(Capability::CondStore);
        let selecting =
            self.spec.is_some_and(|spec| matches!(spec.verb, Verb::Select | Verb::Examine));
        if let Some(modseq) = self.modseq.filter(|_| first && !selecting)
            && self.state == State::Selected
        {
            let code = Code::HighestModSeq(modseq);
            self.writer().status(Status::Ok, Some(&code), "Mod-sequences are told from now on");
        }
    }

    /// RFC 8437 §3: "the server resets its state to the not authenticated state": nothing of the old login stays.
    fn forget_login(&mut self) {
        self.go(State::NotAuthenticated);
        self.enabled = Capabilities::default();
        self.language = Language::Default;
        self.listening = Listening::No;
        self.commands = 0;
    }

    // ---- LANGUAGE (RFC 5255) ----

    fn speak(&mut self, ranges: &[String]) -> Step {
        if ranges.is_empty() {
            self.writer().languages(&LANGUAGES);
            self.reply(Status::Ok, None, "LANGUAGE completed");
            return Step::Again;
        }
        let Some(language) = Language::matching(ranges, self.config.language) else {
            // "If the command fails, the server continues to return human-readable responses in the language it was
            // previously using." (§3.2)
            self.reply(Status::No, None, "No language that is spoken here");
            return Step::Again;
        };
        self.language = language;
        self.writer().languages(&[language]);
        if self.state == State::NotAuthenticated {
            self.reply(Status::Ok, None, "LANGUAGE completed");
            return Step::Again;
        }
        // "all responses will be in that language starting after the LANGUAGE response. Note that this includes the
        // NAMESPACE response." (§3.2)
        self.ask(Open::Command, Event::Command(Command::Namespace))
    }

    // ---- COMPRESS (RFC 4978) ----

    fn compress(&mut self) -> Step {
        if self.compressed {
            // "If ... any compression is already active ... the server MUST send NO" with this code.
            let code = Code::CompressionActive;
            self.reply(Status::No, Some(&code), "The connection is compressed already");
            return Step::Again;
        }
        self.reply(Status::Ok, None, "DEFLATE active");
        self.ask(Open::Compress, Event::Compress)
    }

    /// Answers [`Event::Compress`].
    pub fn compression_started(&mut self) {
        if self.question == Some(Open::Compress) {
            self.question = None;
            self.compressed = true;
        }
    }

    // ---- IDLE (RFC 2177) ----

    /// Answers [`Event::Idle`]: from now on updates may be written at any time.
    pub fn idle_started(&mut self) {
        if self.question == Some(Open::Idle) {
            self.question = None;
            self.phase = Phase::Idle;
            self.proceed("idling");
        }
    }

    fn idle_line(&mut self) -> Step {
        let Some(line) = self.reader.line(self.limit()) else { return Step::Wait };
        let done = match line {
            crate::reader::Line::Good(line) => line.eq_ignore_ascii_case(b"DONE"),
            crate::reader::Line::Endless => return self.endless(),
            _ => false,
        };
        self.ask(Open::IdleDone(done), Event::IdleDone)
    }

    fn endless(&mut self) -> Step {
        self.bye(None, "A line without an end");
        Step::Again
    }
}

#[cfg(test)]
mod tests;
