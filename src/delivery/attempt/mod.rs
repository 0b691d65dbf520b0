//! One attempt, as states.
//!
//! ```text
//! Load ─▶ Reuse ──▶ Send ──▶ Settled
//!           │        ▲ │ ╲ others are left and the connection is up: Send
//!           ▼        │ ╰───────────────┐ lost, refused as a whole
//!        NextHost ─▶ NextAddress ─▶ Connect ─▶ Setup ─▶ Send
//!           ▲            │  ▲           │        │ no TLS after all: Connect, plain
//!           ╰────────────╯  ╰───────────┴────────╯
//! ```
//! [`Attempt::step`] is the only place that leaves a state. A recipient is *open* until its fate is settled;
//! what *stands* for it is what it gets when no host is left. Each settled fate is told at once.

mod hosts;
mod setup;
mod transaction;

use crate::Inner;
use crate::connection::Connection;
use crate::content::{Content, ContentError, Converted, Cursor, Needs};
use crate::job::{Mailing, Report, Try, Watch};
use crate::outcome::{self, Fate, Meaning, Next, Outcome, Signal};
use crate::plan::{Plan, TlsPolicy};
use bytes::Bytes;
use hosts::{Hosts, Target};
use smtp::client::{Enhanced, State as Stage};
use std::time::Duration;
use tokio::time::Instant;

/// Where an attempt stands.
#[derive(Debug)]
enum State {
    /// The first piece of the content is read, before anybody is bothered.
    Load,
    /// A connection may be there already.
    Reuse,
    /// The next host is looked up.
    NextHost,
    /// The next address of the host.
    NextAddress,
    /// A connection is made.
    Connect(Target),
    /// Greeting, EHLO, TLS, AUTH.
    Setup(Target),
    /// A transaction with those recipients that have not had one on this connection.
    Send,
    /// Everybody's fate is settled.
    Settled,
}

/// Most failures told of one attempt, and most characters of each: every recipient's journal has them.
const MAX_TRIES: usize = 32;
const MAX_TRY_TEXT: usize = 250;

/// One attempt.
pub(crate) struct Attempt<'a> {
    inner: &'a Inner,
    plan: &'a Plan,
    mailing: &'a Mailing,
    watch: &'a dyn Watch,
    connection: &'a mut Option<Connection>,
    hosts: Hosts,
    /// Where the connection goes, when it was made in this attempt.
    target: Option<Target>,
    /// Recipients without a settled fate.
    open: Vec<usize>,
    /// Those of them that have not been named on this connection.
    here: Vec<usize>,
    standing: Vec<Option<Meaning>>,
    /// Of the last thing that went wrong.
    last: Option<Meaning>,
    outcomes: Vec<Option<Outcome>>,
    signal: Signal,
    connections: u32,
    tries: Vec<Try>,
    limit: Instant,
    first: Bytes,
    needs: Option<Needs>,
    converted: Option<Converted>,
}

impl<'a> Attempt<'a> {
    pub(crate) fn new(
        inner: &'a Inner,
        plan: &'a Plan,
        mailing: &'a Mailing,
        watch: &'a dyn Watch,
        connection: &'a mut Option<Connection>,
    ) -> Self {
        let count = mailing.envelope.recipients.len();
        Self {
            inner,
            plan,
            mailing,
            watch,
            connection,
            hosts: Hosts::new(plan, &inner.config),
            target: None,
            open: (0..count).collect(),
            here: Vec::new(),
            standing: vec![None; count],
            last: None,
            outcomes: vec![None; count],
            signal: Signal::Fine,
            connections: 0,
            tries: Vec::new(),
            limit: Instant::now() + Duration::from_millis(inner.config.attempt_ms),
            first: Bytes::new(),
            needs: None,
            converted: None,
        }
    }

    pub(crate) async fn run(mut self) -> Report {
        let begun = Instant::now();
        let mut state = State::Load;
        while !matches!(state, State::Settled) && !self.open.is_empty() {
            let next = self.step(&state).await;
            tracing::trace!(id = self.mailing.id, "{state:?} -> {next:?}");
            state = next;
        }
        self.settle_standing();
        metrics::histogram!("postrider_delivery_attempt_seconds")
            .record(begun.elapsed().as_secs_f64());
        let outcomes = self.outcomes.into_iter().flatten().collect();
        let (signal, tries, connections) = (self.signal, self.tries, self.connections);
        Report { outcomes, signal, tries, connections }
    }

    async fn step(&mut self, state: &State) -> State {
        match state {
            State::Load => self.load().await,
            State::Reuse => self.reuse().await,
            State::NextHost => self.next_host().await,
            State::NextAddress => self.next_address(),
            State::Connect(target) => self.connect(target).await,
            State::Setup(target) => self.setup(target).await,
            State::Send => self.send().await,
            State::Settled => State::Settled,
        }
    }

    /// What is sent.
    fn content(&self) -> &dyn Content {
        match &self.converted {
            Some(converted) => &converted.content,
            None => self.mailing.content.as_ref(),
        }
    }

    async fn load(&mut self) -> State {
        match Cursor::new(self.content()).next().await {
            Ok(first) => {
                self.first = first;
                State::Reuse
            }
            Err(error) => {
                let (fate, status) = match error {
                    ContentError::Unavailable => (Fate::Untried, Enhanced(4, 3, 0)),
                    ContentError::Gone => (Fate::Failed, Enhanced(5, 3, 0)),
                };
                self.give_up(fate, status, &error.to_string())
            }
        }
    }

    /// A connection of an earlier message serves if it is still there, young, and good enough.
    async fn reuse(&mut self) -> State {
        let Some(mut connection) = self.connection.take() else { return State::NextHost };
        let verified = connection.tls.as_ref().is_some_and(|tls| tls.verified);
        let good = connection.client.state() == Stage::Ready
            && !connection.is_spent(self.inner)
            && (verified || !self.must_have_tls())
            && (self.does_without() || !connection.peer.lenient)
            && connection.peer.is_known_to(self.plan.domain());
        if good && connection.is_quiet().await {
            connection.set_limit(self.limit);
            self.hosts.at(&connection.peer.host, Some(connection.peer.address));
            *self.connection = Some(connection);
            self.here.clone_from(&self.open);
            return State::Send;
        }
        connection.close().await;
        State::NextHost
    }

    /// RFC 8689 §4.2.1; reports about such a message may go without.
    fn must_have_tls(&self) -> bool {
        self.mailing.envelope.require_tls && self.mailing.envelope.reverse_path.is_some()
    }

    /// The message rather arrives than is safe, "ignoring policy-based mechanisms …, if any, asserted by the recipient
    /// domain" (RFC 8689 §3); what an operator demands stands.
    fn does_without(&self) -> bool {
        self.mailing.tls_optional && self.plan.route().tls == TlsPolicy::Opportunistic
    }

    /// What keeps everybody who is open from being heard at this host.
    fn note(&mut self, meaning: &Meaning) {
        for index in self.open.clone() {
            self.stand(index, meaning.clone());
        }
        self.did_not_do(meaning);
    }

    /// A host did not do; the log of the attempt says so, once for each way.
    fn did_not_do(&mut self, meaning: &Meaning) {
        self.last = Some(meaning.clone());
        if let (Some(host), true) = (self.hosts.last_host(), self.tries.len() < MAX_TRIES) {
            let text = meaning.text.chars().take(MAX_TRY_TEXT).collect();
            let address = self.hosts.last_address();
            let one = Try { host, address, text };
            if self.tries.last() != Some(&one) {
                self.tries.push(one);
            }
        }
    }

    fn stand(&mut self, index: usize, meaning: Meaning) {
        self.standing[index] = Some(outcome::combine(self.standing[index].take(), meaning));
    }

    /// No host is left: what stands is what it is.
    fn settle_standing(&mut self) {
        for index in self.open.clone() {
            let standing = self.standing[index].take().or_else(|| self.last.clone());
            let meaning = standing.unwrap_or_else(|| untried("there was nothing to try"));
            self.settle(index, meaning);
        }
    }

    fn give_up(&mut self, fate: Fate, status: Enhanced, text: &str) -> State {
        let text = text.to_owned();
        let signal = Signal::Ours;
        let meaning = Meaning { fate, next: Next::Settled, signal, status, text, quoted: false };
        for index in self.open.clone() {
            self.settle(index, meaning.clone());
        }
        State::Settled
    }

    /// A fate is settled, told and counted.
    fn settle(&mut self, index: usize, meaning: Meaning) {
        self.open.retain(|open| *open != index);
        let connection = self.connection.as_ref();
        let outcome = Outcome {
            fate: meaning.fate,
            status: meaning.status,
            text: meaning.text,
            quoted: meaning.quoted,
            host: connection.map(|c| c.peer.host.clone()).or_else(|| self.hosts.last_host()),
            address: connection.map(|c| c.peer.address).or_else(|| self.hosts.last_address()),
            tls: connection.and_then(|c| c.tls.clone()),
            dsn: connection.is_some_and(|c| c.client.server().dsn),
            tries: self.tries.clone(),
        };
        self.signal = self.signal.max(meaning.signal);
        metrics::counter!("postrider_delivery_recipients_total", "fate" => fate_name(meaning.fate))
            .increment(1);
        self.watch.known(index, &outcome);
        self.outcomes[index] = Some(outcome);
    }
}

fn fate_name(fate: Fate) -> &'static str {
    match fate {
        Fate::Delivered => "delivered",
        Fate::Failed => "failed",
        Fate::Deferred => "deferred",
        Fate::MayHaveHappened => "may_have_happened",
        Fate::Untried => "untried",
    }
}

pub(super) fn untried(text: &str) -> Meaning {
    Meaning {
        fate: Fate::Untried,
        next: Next::Settled,
        signal: Signal::Ours,
        status: Enhanced(4, 3, 0),
        text: text.to_owned(),
        quoted: false,
    }
}
