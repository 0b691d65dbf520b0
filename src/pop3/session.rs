//! The session: one client's commands, in order.
//!
//! ```text
//!               PASS, AUTH: the driver opened the maildrop           QUIT
//! Authorization ──────────────────────────────────────────▶ Transaction ──▶ Update ──▶ Close
//!    │ ▲ STLS forgets the input                                  │
//!    │ └───┘                                                     │ silence, the node goes down: nothing is removed
//!    └──────────────────── QUIT ────────────────▶ Close ◀────────┘
//! ```
//! `go` is the only place that changes the state. While a question is open ([`Event`] says which), nothing more
//! is read.

mod auth;
mod listing;

use crate::command::{COMMANDS, Request, State, find};
use crate::config::Config;
use crate::content::Content;
use crate::language::{LANGUAGES, matching};
use crate::maildrop::Maildrop;
use crate::reader::{Line, Reader};
use crate::reply::{Code, err, ok};
use crate::secret::Secret;
use bytes::BytesMut;
use listing::Listing;
use sasl::{Mechanism, Mechanisms};
use std::sync::Arc;
use std::time::Duration;

pub use auth::LoginFailure;

/// Output is handed over when it has grown to this.
const OUTPUT: usize = 16 * 1024;

/// What the driver has to do or decide.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// Send the output, start TLS, then call [`Session::tls_started`].
    StartTls,
    /// USER and PASS: answer with [`Session::opened`] or [`Session::login_failed`].
    Login {
        /// Who.
        user: String,
        /// With what.
        password: Secret,
    },
    /// An exchange begins: answer with [`Session::challenge`], or as a login.
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
    /// RETR or TOP: [`Session::content_begin`], pieces through [`Session::content`] for as long as it wants more,
    /// [`Session::content_end`]; or [`Session::content_failed`] instead of all that.
    Retrieve(Retrieve),
    /// QUIT: remove what [`Maildrop::deleted`] tells, release the maildrop, then call [`Session::removed`].
    Update,
    /// Send the output; there is more to come without the client.
    Output,
    /// Send the output and close.
    Close,
}

/// A message that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retrieve {
    /// Which.
    pub uid: u32,
    /// Header and so many lines of the body; `None`: everything.
    pub lines: Option<u64>,
}

/// Why a message is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetrieveFailure {
    /// Somebody removed it since the session began.
    Gone,
    /// Its bytes are there no more, or are damaged.
    Damaged,
    /// Something is away or busy; trying again is right.
    Unavailable,
}

/// Why what is marked was not removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoveFailure {
    /// The lock had run out and may be another session's: nothing was removed.
    LockLost,
    /// It did not happen, or not for all.
    Unavailable,
    /// It is not known whether it happened.
    Unknown,
}

/// The question that is open.
#[derive(Debug)]
enum Open {
    StartTls,
    /// PASS, or a step of an exchange.
    Auth,
    Retrieve(Option<Content>),
    Update,
}

/// What is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Commands.
    Commands,
    /// The client's side of an exchange.
    Auth,
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
    listing: Option<Listing>,
    reader: Reader,
    output: BytesMut,
    tls: bool,
    mechanisms: Mechanisms,
    utf8: bool,
    /// USER was the last command, and this its argument: "PASS ... may only be given ... immediately after a
    /// successful USER command".
    user: Option<String>,
    maildrop: Maildrop,
    /// The command under way, for logs.
    command: &'static str,
    fresh: bool,
    errors: u32,
    commands: u32,
    close: bool,
    closed: bool,
}

impl Session {
    /// A new client; `tls` when the connection is encrypted already. The greeting is in the output.
    #[must_use]
    pub fn new(config: Arc<Config>, tls: bool) -> Self {
        let mut session = Self {
            mechanisms: config.mechanisms,
            config,
            state: State::Authorization,
            phase: Phase::Commands,
            question: None,
            listing: None,
            reader: Reader::default(),
            output: BytesMut::new(),
            tls,
            utf8: false,
            user: None,
            maildrop: Maildrop::default(),
            command: "",
            fresh: true,
            errors: 0,
            commands: 0,
            close: false,
            closed: false,
        };
        // No timestamp: APOP needs the password itself, and only hashes of it are kept.
        let greeting = format!("{} Postrider ready", session.config.hostname);
        session.ok(&greeting);
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

    /// Where the session stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// The maildrop as the session sees it.
    #[must_use]
    pub fn maildrop(&self) -> &Maildrop {
        &self.maildrop
    }

    /// The name of the last command, for logs and metrics.
    #[must_use]
    pub fn command_name(&self) -> &'static str {
        self.command
    }

    /// How long to wait for the next octets of the client.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        match self.state {
            State::Authorization => self.config.login_timeout,
            _ => self.config.command_timeout,
        }
    }

    /// The client was silent for too long: "the server should close the TCP connection without removing any
    /// messages or sending any response to the client" (RFC 1939 §3).
    pub fn timed_out(&mut self) {
        self.close = true;
        self.question = None;
    }

    /// The node is going down; nothing is removed. `false`: a command is under way, ask again when it is through.
    pub fn shut_down(&mut self) -> bool {
        if self.question.is_some() || self.listing.is_some() {
            return false;
        }
        self.end(Code::SysTemp, "Server is going down, connect again");
        true
    }

    /// The maildrop's lock is another session's: nothing this one would do is safe any more.
    pub fn lock_lost(&mut self) {
        if self.question.is_none() && self.listing.is_none() {
            self.end(Code::InUse, "The lock of the maildrop is lost, connect again");
        }
    }

    /// Who is logged in may not stay: whatever is under way is over, and nothing is removed.
    pub fn revoked(&mut self) {
        self.question = None;
        // Half an answer is no answer: then nothing more can be said.
        if self.listing.take().is_none() {
            self.end(Code::Auth, "Your account was changed, log in again");
        }
        self.close = true;
    }

    /// Says `-ERR` to whatever the client says next, and ends the session.
    fn end(&mut self, code: Code, text: &str) {
        if !self.close {
            err(&mut self.output, Some(code), text);
            self.close = true;
        }
    }

    /// Whether nothing more is read.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.close || self.closed
    }

    /// The next thing to do; `None`: more input is needed (or an answer to the open question).
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Event> {
        loop {
            if self.closed || (self.question.is_some() && !self.close) {
                return None;
            }
            if self.close {
                self.closed = true;
                return Some(Event::Close);
            }
            if self.output.len() >= OUTPUT {
                return Some(Event::Output);
            }
            let step = match (&self.listing, self.phase) {
                (Some(_), _) => self.more_listing(),
                (None, Phase::Commands) => self.command_line(),
                (None, Phase::Auth) => self.auth_line(),
            };
            match step {
                Step::Wait => return None,
                Step::Again => {}
                Step::Event(event) => return Some(event),
            }
        }
    }

    fn go(&mut self, state: State) {
        self.state = state;
        self.user = None;
        self.phase = Phase::Commands;
    }

    fn ask(&mut self, question: Open, event: Event) -> Step {
        self.question = Some(question);
        Step::Event(event)
    }

    // ---- answers ----

    fn ok(&mut self, text: &str) -> Step {
        ok(&mut self.output, text);
        if self.state != State::Authorization {
            self.errors = 0;
        }
        Step::Again
    }

    fn err(&mut self, code: Option<Code>, text: &str) -> Step {
        err(&mut self.output, code, text);
        self.errors += 1;
        if self.errors >= self.config.max_errors {
            self.close = true;
        }
        Step::Again
    }

    // ---- commands ----

    fn command_line(&mut self) -> Step {
        let Some(line) = self.reader.line(self.config.max_line_bytes) else { return Step::Wait };
        let user = self.user.take();
        let line = match line {
            Line::Good(line) => line,
            Line::Broken => {
                return self.err(None, "A command ends in CRLF and holds neither NUL nor CR");
            }
            Line::TooLong => return self.err(None, "The line is too long"),
            Line::Endless => return self.endless(),
        };
        if let Some(step) = self.stranger(&line) {
            return step;
        }
        // "The server MUST reject UTF-8 usernames or passwords that fail to comply with the formal syntax in UTF-8"
        // (RFC 6856 §2.2).
        let Ok(text) = std::str::from_utf8(&line) else {
            return self.err(None, "The line is not UTF-8");
        };
        let Some((spec, rest)) = find(text) else {
            return self.err(None, "Unknown command");
        };
        self.command = spec.name;
        if !spec.states.contains(&self.state) {
            let why = match self.state {
                State::Authorization => "Log in first",
                _ => "Already logged in",
            };
            return self.err(None, why);
        }
        match (spec.parse)(rest) {
            Ok(request) => self.request(request, user),
            Err(why) => self.err(None, why),
        }
    }

    /// What somebody who has not logged in may not do for long.
    fn stranger(&mut self, line: &[u8]) -> Option<Step> {
        let first = std::mem::take(&mut self.fresh);
        if first && memchr::memmem::find(line, b" HTTP/").is_some() {
            self.close = true;
            return Some(self.err(None, "This is a mail server"));
        }
        self.commands = self.commands.saturating_add(1);
        if self.state == State::Authorization && self.commands > self.config.max_commands_early {
            self.close = true;
            return Some(self.err(None, "Too many commands without login"));
        }
        None
    }

    fn endless(&mut self) -> Step {
        self.close = true;
        self.err(None, "A line without an end")
    }

    fn request(&mut self, request: Request, user: Option<String>) -> Step {
        match request {
            Request::Capa => self.capa(),
            Request::Stls => self.stls(),
            Request::User(name) => self.user_named(name),
            Request::Pass(password) => self.pass(user, password),
            Request::Auth { mechanism, initial } => self.auth(&mechanism, initial.as_deref()),
            Request::Utf8 => {
                self.utf8 = true;
                self.ok("UTF-8 from now on")
            }
            Request::Lang(range) => self.lang(range.as_deref()),
            Request::Stat => {
                let (count, octets) = self.maildrop.left();
                self.ok(&format!("{count} {octets}"))
            }
            Request::List(number) => self.list(number, listing::Kind::Sizes),
            Request::Uidl(number) => self.list(number, listing::Kind::UniqueIds),
            Request::Retr(number) => self.retrieve(number, None),
            Request::Top(number, lines) => self.retrieve(number, Some(lines)),
            Request::Dele(number) => {
                if self.maildrop.delete(number) {
                    self.ok(&format!("Message {number} is marked"))
                } else {
                    self.no_such_message()
                }
            }
            Request::Noop => self.ok("Nothing done"),
            Request::Rset => {
                self.maildrop.reset();
                self.ok("No message is marked")
            }
            Request::Quit => self.quit(),
        }
    }

    fn no_such_message(&mut self) -> Step {
        self.err(None, "No such message")
    }

    /// "Capabilities available in the AUTHORIZATION state MUST be announced in both states" (RFC 2449 §5); STLS
    /// alone only where it is "permitted in the current state" (RFC 2595 §4).
    fn capa(&mut self) -> Step {
        self.ok("Capability list follows");
        let mut lines: Vec<String> = Vec::new();
        for name in COMMANDS.iter().filter_map(|spec| spec.capability) {
            match name {
                "STLS" if !self.may_stls() => {}
                "USER" | "SASL" if !self.passwords_allowed() => {}
                "SASL" => {
                    let names: Vec<&str> = self.mechanisms.iter().map(Mechanism::name).collect();
                    lines.push(format!("SASL {}", names.join(" ")));
                }
                "UTF8" => lines.push("UTF8 USER".into()),
                name => lines.push(name.into()),
            }
        }
        // The server itself removes no mail, and asks nobody to wait between logins: no LOGIN-DELAY.
        let more = [
            "RESP-CODES",
            "AUTH-RESP-CODE",
            "PIPELINING",
            "EXPIRE NEVER",
            "IMPLEMENTATION Postrider",
        ];
        for line in lines.iter().map(String::as_str).chain(more).chain(["."]) {
            self.output.extend_from_slice(line.as_bytes());
            self.output.extend_from_slice(b"\r\n");
        }
        Step::Again
    }

    fn lang(&mut self, range: Option<&str>) -> Step {
        let Some(range) = range else {
            self.ok("Language listing follows:");
            for (tag, name) in LANGUAGES {
                self.output.extend_from_slice(format!("{tag} {name}\r\n").as_bytes());
            }
            self.output.extend_from_slice(b".\r\n");
            return Step::Again;
        };
        match matching(range) {
            Some(tag) => self.ok(&format!("{tag} This is the language")),
            None => self.err(None, "No text is in this language"),
        }
    }

    fn quit(&mut self) -> Step {
        if self.state == State::Authorization {
            self.close = true;
            return self.ok("Bye");
        }
        self.go(State::Update);
        self.ask(Open::Update, Event::Update)
    }

    /// Answers [`Event::Update`]. "Whether the removal was successful or not, the server then releases any
    /// exclusive-access lock on the maildrop and closes the TCP connection" (RFC 1939 §6).
    pub fn removed(&mut self, result: Result<(), RemoveFailure>) {
        if !matches!(self.question, Some(Open::Update)) {
            return;
        }
        self.question = None;
        self.close = true;
        match result {
            Ok(()) => self.ok("Bye"),
            Err(RemoveFailure::LockLost) => {
                self.err(Some(Code::InUse), "The lock was lost, no message was removed")
            }
            Err(RemoveFailure::Unavailable) => {
                self.err(Some(Code::SysTemp), "Some deleted messages were not removed")
            }
            Err(RemoveFailure::Unknown) => {
                self.err(Some(Code::SysTemp), "It is not known whether the messages were removed")
            }
        };
    }

    // ---- messages ----

    fn retrieve(&mut self, number: u32, lines: Option<u64>) -> Step {
        match self.maildrop.message(number) {
            Some((uid, _)) => {
                self.ask(Open::Retrieve(None), Event::Retrieve(Retrieve { uid, lines }))
            }
            None => self.no_such_message(),
        }
    }

    /// The message comes.
    pub fn content_begin(&mut self, lines: Option<u64>) {
        if matches!(self.question, Some(Open::Retrieve(None))) {
            self.ok("The message follows");
            self.question = Some(Open::Retrieve(Some(Content::new(lines, self.utf8))));
        }
    }

    /// A piece of it. `false`: no more is wanted.
    pub fn content(&mut self, octets: &[u8]) -> bool {
        match &mut self.question {
            Some(Open::Retrieve(Some(content))) => content.take(octets, &mut self.output),
            _ => false,
        }
    }

    /// It is complete, or as much of it as was wanted.
    pub fn content_end(&mut self) {
        match self.question.take() {
            Some(Open::Retrieve(Some(content))) => content.end(&mut self.output),
            other => self.question = other,
        }
    }

    /// It does not come. Once [`Session::content_begin`] was called, only the end of the connection can say so.
    pub fn content_failed(&mut self, failure: RetrieveFailure) {
        if !matches!(self.question, Some(Open::Retrieve(None))) {
            return;
        }
        self.question = None;
        match failure {
            RetrieveFailure::Gone => self.err(None, "The message is gone"),
            RetrieveFailure::Damaged => {
                self.err(Some(Code::SysPerm), "The message cannot be read, it was logged")
            }
            RetrieveFailure::Unavailable => {
                self.err(Some(Code::SysTemp), "The message cannot be read now, try again later")
            }
        };
    }
}

#[cfg(test)]
mod tests;
