//! One message: MAIL, RCPT … and DATA go out together where PIPELINING is offered (RFC 2920), one by one
//! elsewhere; the replies come in the same order. BDAT waits for the recipients' replies.

use super::body::{BodyWriter, ChunkWriter, DotWriter};
use super::envelope::Envelope;
use super::machine::{Action, Client, Lost, Phase, State, Verdict};
use super::reply::{BadReply, Reply};
use crate::path::Body;
use std::collections::VecDeque;

/// A command of the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Mail,
    Rcpt(usize),
    Data,
}

/// What is known of a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// RCPT was not answered yet.
    Asked,
    /// RCPT was accepted.
    Accepted,
    /// Told.
    Known,
}

/// The message under way.
#[derive(Debug)]
pub(super) struct Transaction {
    envelope: Envelope,
    fates: Vec<Fate>,
    unsent: VecDeque<Step>,
    unanswered: VecDeque<Step>,
    /// MAIL was accepted, so that the server holds a transaction.
    mail: bool,
    chunking: bool,
}

impl Transaction {
    /// The recipients without a fate.
    pub(super) fn open(&self) -> impl Iterator<Item = usize> + '_ {
        let open = |fate: &Fate| *fate != Fate::Known;
        self.fates.iter().enumerate().filter(move |(_, fate)| open(fate)).map(|(at, _)| at)
    }

    pub(super) fn accepted(&self) -> impl Iterator<Item = usize> + '_ {
        let accepted = |fate: &Fate| *fate == Fate::Accepted;
        self.fates.iter().enumerate().filter(move |(_, fate)| accepted(fate)).map(|(at, _)| at)
    }

    /// What the server is answering.
    pub(super) fn phase(&self) -> Phase {
        match self.unanswered.front() {
            Some(Step::Mail) => Phase::Mail,
            Some(Step::Rcpt(_)) | None => Phase::Rcpt,
            Some(Step::Data) => Phase::Data,
        }
    }

    pub(super) fn answered(&mut self) -> Option<Step> {
        self.unanswered.pop_front()
    }

    /// Whether a command still unsent has become pointless.
    fn is_pointless(&self, step: Step) -> bool {
        match step {
            Step::Mail => false,
            Step::Rcpt(_) => !self.mail,
            Step::Data => !self.mail || self.accepted().next().is_none(),
        }
    }
}

impl Client {
    /// Begins: the envelope was checked.
    pub(super) fn start(&mut self, envelope: Envelope) {
        let binary = envelope.body == Body::BinaryMime;
        let chunking = self.server.chunking && (binary || self.config.prefer_chunking);
        let mut unsent = VecDeque::from([Step::Mail]);
        let mut fates = vec![Fate::Asked; envelope.recipients.len()];
        for (index, recipient) in envelope.recipients.iter().enumerate() {
            match recipient.check(&self.server) {
                Ok(()) => unsent.push_back(Step::Rcpt(index)),
                Err(cannot) => {
                    fates[index] = Fate::Known;
                    self.actions.push_back(Action::Recipient(index, Verdict::Unable(cannot)));
                }
            }
        }
        if unsent.len() == 1 {
            self.actions.push_back(Action::Done);
            return self.ready();
        }
        if !chunking {
            unsent.push_back(Step::Data);
        }
        let unanswered = VecDeque::with_capacity(unsent.len());
        self.transaction =
            Some(Transaction { envelope, fates, unsent, unanswered, mail: false, chunking });
        self.go(State::Envelope);
        self.pump();
    }

    /// Writes what may be written now: everything under PIPELINING, else one command.
    fn pump(&mut self) {
        let pipelining = self.config.pipelining && self.server.pipelining;
        let Some(transaction) = &mut self.transaction else { return };
        while pipelining || transaction.unanswered.is_empty() {
            let Some(step) = transaction.unsent.pop_front() else { break };
            if !pipelining && transaction.is_pointless(step) {
                continue;
            }
            let line = match step {
                Step::Mail => transaction.envelope.mail(&self.server),
                Step::Rcpt(index) => {
                    let utf8 = transaction.envelope.says_utf8(&self.server);
                    transaction.envelope.recipients[index].rcpt(&self.server, utf8)
                }
                Step::Data => "DATA\r\n".to_owned(),
            };
            self.output.extend_from_slice(line.as_bytes());
            transaction.unanswered.push_back(step);
        }
    }

    pub(super) fn envelope_reply(&mut self, reply: Reply) {
        // "421 … may be a reply to any command if the service knows it must shut down" (RFC 5321 §4.2.3).
        let go_ahead = reply.code == 354 && self.phase() == Phase::Data;
        let sound = reply.is_positive() && self.phase() != Phase::Data;
        let refusal = reply.is_transient() || reply.is_permanent();
        if reply.code == 421 || !(go_ahead || sound || refusal) {
            return self.refused(reply);
        }
        match self.next_step() {
            Some(Step::Mail) => self.mail_reply(reply),
            Some(Step::Rcpt(index)) => self.rcpt_reply(index, reply),
            Some(Step::Data) => return self.data_reply(reply),
            None => return self.lost(Lost::Nonsense(BadReply::OutOfPlace)),
        }
        self.pump();
        self.after_group();
    }

    fn mail_reply(&mut self, reply: Reply) {
        if reply.is_positive() {
            if let Some(transaction) = &mut self.transaction {
                transaction.mail = true;
            }
            return;
        }
        self.tell_open(&Verdict::Refused { phase: Phase::Mail, reply });
    }

    fn rcpt_reply(&mut self, index: usize, reply: Reply) {
        let Some(transaction) = &mut self.transaction else { return };
        // After a refused MAIL everybody's fate is known already.
        if transaction.fates[index] != Fate::Asked {
            return;
        }
        if reply.is_positive() {
            transaction.fates[index] = Fate::Accepted;
        } else {
            self.tell(index, Verdict::Refused { phase: Phase::Rcpt, reply });
        }
    }

    /// All commands are answered and there is no DATA among them.
    fn after_group(&mut self) {
        let Some(transaction) = &self.transaction else { return };
        if !(transaction.unanswered.is_empty() && transaction.unsent.is_empty()) {
            return;
        }
        if transaction.chunking && transaction.accepted().next().is_some() {
            let size = transaction.envelope.size;
            let writer = BodyWriter::Chunk(ChunkWriter::new(size, &mut self.output));
            return self.ask_body(writer);
        }
        self.without_message();
    }

    fn data_reply(&mut self, reply: Reply) {
        let wanted = self.transaction.as_ref().is_some_and(|t| t.accepted().next().is_some());
        match (reply.code == 354, wanted) {
            (true, true) => self.ask_body(BodyWriter::Dots(DotWriter::new())),
            // "if the DATA command was accepted the client SMTP should send a single dot" (RFC 2920 §3.1).
            (true, false) => {
                self.output.extend_from_slice(b".\r\n");
                self.go(State::FinalDot);
            }
            (false, _) => {
                self.tell_open(&Verdict::Refused { phase: Phase::Data, reply });
                self.without_message();
            }
        }
    }

    fn ask_body(&mut self, writer: BodyWriter) {
        self.body = Some(writer);
        self.go(State::Body);
        self.actions.push_back(Action::Body);
    }

    /// A reply while the message is under way: the server will not have it.
    pub(super) fn early_reply(&mut self, reply: Reply) {
        self.refused(reply);
    }

    /// The reply to the end; under LMTP "one reply for each previously successful RCPT command" (RFC 2033
    /// §4.2).
    pub(super) fn final_reply(&mut self, reply: Reply) {
        let refusal = reply.is_transient() || reply.is_permanent();
        let next = self.transaction.as_ref().and_then(|t| t.accepted().next());
        let Some(index) = next else {
            // The single dot after DATA that should have been refused.
            return if reply.code == 421 { self.refused(reply) } else { self.finish() };
        };
        if reply.code == 421 || !(reply.is_positive() || refusal) {
            return self.refused(reply);
        }
        let verdict = match reply.is_positive() {
            true => Verdict::Delivered(reply),
            false => Verdict::Refused { phase: Phase::FinalDot, reply },
        };
        if self.is_lmtp() {
            self.tell(index, verdict);
        } else {
            self.tell_open(&verdict);
        }
        if self.transaction.as_ref().is_none_or(|t| t.accepted().next().is_none()) {
            self.finish();
        }
    }

    /// The server has forgotten the transaction by itself.
    fn finish(&mut self) {
        self.transaction = None;
        self.actions.push_back(Action::Done);
        self.ready();
    }

    /// No recipient was accepted, or DATA was not.
    fn without_message(&mut self) {
        let mail = self.transaction.take().is_some_and(|transaction| transaction.mail);
        self.actions.push_back(Action::Done);
        if mail { self.command("RSET", State::Rset) } else { self.ready() }
    }

    fn tell(&mut self, index: usize, verdict: Verdict) {
        if let Some(transaction) = &mut self.transaction {
            transaction.fates[index] = Fate::Known;
        }
        self.actions.push_back(Action::Recipient(index, verdict));
    }

    fn tell_open(&mut self, verdict: &Verdict) {
        let open: Vec<usize> =
            self.transaction.as_ref().map(|t| t.open().collect()).unwrap_or_default();
        for index in open {
            self.tell(index, verdict.clone());
        }
    }
}
