//! The connection: where it stands, what comes in, what ends it. [`Client::go`] is the only place that
//! changes the state.

use super::body::BodyWriter;
use super::capabilities::Capabilities;
use super::config::{Config, Protocol};
use super::envelope::{CannotSend, Envelope};
use super::reply::{BadReply, Reply, ReplyReader};
use super::transaction::{Step, Transaction};
use bytes::BytesMut;
use std::sync::Arc;
use std::time::Duration;

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Waiting for the initial 220.
    Greeting,
    /// EHLO (or LHLO) was sent.
    Ehlo,
    /// EHLO was not understood, HELO was sent.
    Helo,
    /// STARTTLS was sent.
    StartTls,
    /// The driver makes the TLS handshake.
    Handshake,
    /// AUTH PLAIN was sent.
    Auth,
    /// Between messages.
    Ready,
    /// MAIL, RCPT and DATA are being sent and answered.
    Envelope,
    /// The driver gives the body.
    Body,
    /// All of the message but its end has been given; the driver must confirm.
    Fence,
    /// The end was sent; what happens from here on may have happened.
    FinalDot,
    /// A transaction without a message is being cleared.
    Rset,
    /// QUIT was sent.
    Quit,
    /// Over.
    Closed,
}

/// What the server was doing when something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The initial greeting.
    Greeting,
    /// EHLO, HELO or LHLO.
    Ehlo,
    /// STARTTLS and the handshake.
    StartTls,
    /// AUTH.
    Auth,
    /// Nothing: between messages.
    Idle,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA, before 354.
    Data,
    /// The body; the message was not complete.
    Body,
    /// The message was complete.
    FinalDot,
    /// RSET.
    Rset,
    /// QUIT.
    Quit,
}

impl Phase {
    /// Its name in logs and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::Ehlo => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Idle => "idle",
            Self::Mail => "MAIL FROM",
            Self::Rcpt => "RCPT TO",
            Self::Data => "DATA",
            Self::Body => "message body",
            Self::FinalDot => "end of message",
            Self::Rset => "RSET",
            Self::Quit => "QUIT",
        }
    }
}

/// A connection's end that nobody announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The peer closed or reset it.
    #[error("the connection was lost")]
    Closed,
    /// The peer was silent for longer than [`Client::timeout`].
    #[error("the server did not answer in time")]
    TimedOut,
    /// What came is not SMTP.
    #[error("{0}")]
    Nonsense(BadReply),
    /// TLS could not be agreed on.
    #[error("the TLS handshake failed")]
    Handshake,
    /// Our side could not give the body, or not as long as announced.
    #[error("the message could not be read")]
    NoBody,
    /// Our side drew back before the end of the message (the fence said no, or a drain).
    #[error("the attempt was withdrawn")]
    Withdrawn,
}

/// One recipient's fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The server has it: a fact.
    Delivered(Reply),
    /// The server said no.
    Refused {
        /// To what.
        phase: Phase,
        /// Its words.
        reply: Reply,
    },
    /// It was not offered to the server, which could not take it.
    Unable(CannotSend),
    /// No answer. At [`Phase::FinalDot`] it may have happened, before that it did not.
    Lost {
        /// While waiting for what.
        phase: Phase,
        /// How.
        lost: Lost,
    },
}

/// Why a connection is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// We said QUIT.
    Quit,
    /// The server's reply ended it.
    Refused {
        /// To what.
        phase: Phase,
        /// Its words.
        reply: Reply,
    },
    /// It broke.
    Lost {
        /// While waiting for what.
        phase: Phase,
        /// How.
        lost: Lost,
    },
    /// TLS is required and was not offered.
    NoTls,
    /// We have to authenticate, and the server offers no PLAIN or the connection no TLS.
    NoAuth,
}

/// What the driver has to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Send the output, make the handshake, call [`Client::tls_started`] or [`Client::lost`].
    StartTls,
    /// Call [`Client::begin`] or [`Client::quit`], now or later.
    Ready,
    /// A recipient's fate is known: its index in the envelope.
    Recipient(usize, Verdict),
    /// Call [`Client::body`] for every piece and then [`Client::body_end`], unless the state changes.
    Body,
    /// Send the output. Then call [`Client::confirm`] or [`Client::lost`] with [`Lost::Withdrawn`].
    BeforeFinalDot,
    /// Every recipient's fate was told.
    Done,
    /// Send the output and close.
    Close(Ended),
}

/// One connection to a server.
#[derive(Debug)]
pub struct Client {
    pub(super) config: Arc<Config>,
    pub(super) state: State,
    pub(super) input: BytesMut,
    pub(super) output: BytesMut,
    reader: ReplyReader,
    pub(super) actions: std::collections::VecDeque<Action>,
    pub(super) server: Capabilities,
    pub(super) tls: bool,
    pub(super) transaction: Option<Transaction>,
    pub(super) body: Option<BodyWriter>,
    messages: u32,
    replies: u64,
}

impl Client {
    /// A connection just made; `tls` when it is encrypted from the start.
    #[must_use]
    pub fn new(config: Arc<Config>, tls: bool) -> Self {
        Self {
            config,
            state: State::Greeting,
            input: BytesMut::new(),
            output: BytesMut::new(),
            reader: ReplyReader::default(),
            actions: std::collections::VecDeque::new(),
            server: Capabilities::default(),
            tls,
            transaction: None,
            body: None,
            messages: 0,
            replies: 0,
        }
    }

    /// Where octets from the server go; the driver reads straight into it.
    pub fn input(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// Takes octets from the server.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// What is to be sent.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// Where the connection stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// What the server offers.
    #[must_use]
    pub fn server(&self) -> &Capabilities {
        &self.server
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// How many messages were begun on this connection.
    #[must_use]
    pub fn messages(&self) -> u32 {
        self.messages
    }

    /// How many recipients of the message under way the server has accepted and not told the fate of.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.transaction.as_ref().map_or(0, |transaction| transaction.accepted().count())
    }

    /// How many replies came; each one begins the wait for the next anew.
    #[must_use]
    pub fn replies(&self) -> u64 {
        self.replies
    }

    /// What the server is doing now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.state {
            State::Greeting => Phase::Greeting,
            State::Ehlo | State::Helo => Phase::Ehlo,
            State::StartTls | State::Handshake => Phase::StartTls,
            State::Auth => Phase::Auth,
            State::Ready | State::Closed => Phase::Idle,
            State::Envelope => self.transaction.as_ref().map_or(Phase::Idle, Transaction::phase),
            State::Body | State::Fence => Phase::Body,
            State::FinalDot => Phase::FinalDot,
            State::Rset => Phase::Rset,
            State::Quit => Phase::Quit,
        }
    }

    /// How long to wait for the server's next octets (in [`State::Body`]: until it takes a block). `None`:
    /// nothing is awaited.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        let timeouts = &self.config.timeouts;
        Some(match self.phase() {
            Phase::Idle => return None,
            Phase::Greeting => timeouts.greeting,
            Phase::Ehlo | Phase::StartTls | Phase::Auth | Phase::Rset => timeouts.command,
            Phase::Mail => timeouts.mail,
            Phase::Rcpt => timeouts.rcpt,
            Phase::Data => timeouts.data,
            Phase::Body => timeouts.block,
            Phase::FinalDot => timeouts.final_dot,
            Phase::Quit => timeouts.quit,
        })
    }

    /// The next thing to do; `None`: more input (or a call of the driver's) is needed.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Action> {
        loop {
            if let Some(action) = self.actions.pop_front() {
                return Some(action);
            }
            if matches!(self.state, State::Closed | State::Handshake) {
                return None;
            }
            match self.reader.read(&mut self.input) {
                Ok(None) => return None,
                Ok(Some(reply)) => {
                    self.replies += 1;
                    self.reply(reply);
                }
                Err(bad) => self.lost(Lost::Nonsense(bad)),
            }
        }
    }

    fn reply(&mut self, reply: Reply) {
        match self.state {
            State::Greeting => self.greeting(reply),
            State::Ehlo => self.ehlo_reply(reply),
            State::Helo => self.helo_reply(reply),
            State::StartTls => self.starttls_reply(reply),
            State::Auth => self.auth_reply(reply),
            State::Envelope => self.envelope_reply(reply),
            State::Body | State::Fence => self.early_reply(reply),
            State::FinalDot => self.final_reply(reply),
            State::Rset if reply.is_positive() => self.ready(),
            // Nothing was asked: "421 idle for too long" or nonsense; either way it is over.
            State::Ready | State::Rset => self.refused(reply),
            State::Quit => self.end(Ended::Quit),
            State::Handshake | State::Closed => {}
        }
    }

    pub(super) fn go(&mut self, state: State) {
        self.state = state;
    }

    /// Sends a command and waits for its reply.
    pub(super) fn command(&mut self, line: &str, state: State) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
        self.go(state);
    }

    pub(super) fn ready(&mut self) {
        self.go(State::Ready);
        self.actions.push_back(Action::Ready);
    }

    /// Whether octets wait that nothing has asked for.
    pub(super) fn has_stray_input(&self) -> bool {
        !self.input.is_empty() || !self.reader.is_between()
    }

    // ---- a message ----

    /// Begins a message; legal when [`State::Ready`]. Its recipients' fates come as actions.
    ///
    /// # Errors
    /// Why it cannot go over this connection: nothing was sent, the connection stays ready.
    pub fn begin(&mut self, envelope: Envelope) -> Result<(), CannotSend> {
        if self.state != State::Ready {
            return Err(CannotSend::NotReady);
        }
        envelope.check(&self.server, self.tls)?;
        self.messages += 1;
        self.start(envelope);
        Ok(())
    }

    /// A piece of the body; ignored when the state is no longer [`State::Body`].
    pub fn body(&mut self, piece: &[u8]) {
        if self.state != State::Body {
            return;
        }
        let Some(writer) = &mut self.body else { return };
        if !writer.write(piece, &mut self.output) {
            self.lost(Lost::NoBody);
        }
    }

    /// The body is complete; [`Action::BeforeFinalDot`] comes next.
    pub fn body_end(&mut self) {
        if self.state != State::Body {
            return;
        }
        let Some(writer) = &mut self.body else { return };
        if writer.finish(&mut self.output) {
            self.go(State::Fence);
            self.actions.push_back(Action::BeforeFinalDot);
        } else {
            self.lost(Lost::NoBody);
        }
    }

    /// The fence holds: sends the end of the message.
    pub fn confirm(&mut self) {
        if self.state != State::Fence {
            return;
        }
        if let Some(mut writer) = self.body.take() {
            writer.end(&mut self.output);
        }
        self.go(State::FinalDot);
    }

    // ---- the end ----

    /// Says QUIT when that is possible; waiting for the answer is a courtesy.
    pub fn quit(&mut self) {
        match self.state {
            State::Closed | State::Quit => {}
            State::Ready | State::Rset => self.command("QUIT", State::Quit),
            _ => self.lost(Lost::Withdrawn),
        }
    }

    /// The connection broke, was too slow, or is given up. Whoever was waiting for an answer hears of it.
    pub fn lost(&mut self, lost: Lost) {
        let phase = self.phase();
        match self.state {
            State::Closed => {}
            State::Quit => self.end(Ended::Quit),
            _ => {
                self.settle(&Verdict::Lost { phase, lost });
                self.end(Ended::Lost { phase, lost });
            }
        }
    }

    /// A reply that ends the connection and the transaction with it.
    pub(super) fn refused(&mut self, reply: Reply) {
        let phase = self.phase();
        if reply.is_transient() || reply.is_permanent() {
            self.settle(&Verdict::Refused { phase, reply: reply.clone() });
            self.end(Ended::Refused { phase, reply });
        } else {
            self.lost(Lost::Nonsense(BadReply::OutOfPlace));
        }
    }

    pub(super) fn end(&mut self, ended: Ended) {
        self.go(State::Closed);
        self.transaction = None;
        self.body = None;
        self.actions.push_back(Action::Close(ended));
    }

    /// Gives everybody without a fate this one.
    pub(super) fn settle(&mut self, verdict: &Verdict) {
        let Some(transaction) = self.transaction.take() else { return };
        for index in transaction.open() {
            self.actions.push_back(Action::Recipient(index, verdict.clone()));
        }
        self.actions.push_back(Action::Done);
    }

    pub(super) fn is_lmtp(&self) -> bool {
        self.config.protocol == Protocol::Lmtp
    }

    /// The command whose reply comes next within an envelope.
    pub(super) fn next_step(&mut self) -> Option<Step> {
        self.transaction.as_mut().and_then(Transaction::answered)
    }
}
