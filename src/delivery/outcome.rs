//! What a failed delivery means: for the recipient, for the rest of the attempt, for the destination. The
//! only place where that is decided; `outcome/table.txt` shows every row.
//!
//! The rules behind the rows:
//! * What the server said to a recipient or a message stands: 5yz is for ever, 4yz is for now.
//! * What kept us from being heard (no connection, a greeting that is no 220, 421 at any time) is tried at
//!   the next host, and in the end for now, not for ever; except 521 and 556, by which a host says that it
//!   never takes mail (RFC 7504).
//! * No answer to the end of a message: it may have happened. Nothing else is tried now.
//! * Whatever goes wrong between us and a relay that an operator chose is the operator's to repair: for now.
//! * What is our own fault (no bytes, no fence, no local address) uses up no attempt.

use resolve::{MailLoop, ResolveError};
use smtp::client::{CannotSend, Ended, Enhanced, Lost, Phase, Reply, Verdict};
use std::fmt;

/// What became of a recipient in this attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// A fact.
    Delivered,
    /// For ever.
    Failed,
    /// For now; an attempt is used up.
    Deferred,
    /// Nobody knows: to be tried again, and a second copy is possible then (RFC 1047).
    MayHaveHappened,
    /// Nothing was tried; no attempt is used up.
    Untried,
}

/// What the attempt may still do for the recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Next {
    /// Nothing.
    Settled,
    /// Try the next address or host; the fate stands if there is none.
    NextHost,
    /// Connect to the same address again and do without TLS.
    Plain,
    /// Connect to the same address again: this connection had grown old.
    Fresh,
    /// Another transaction on the same connection.
    Again,
}

/// What it says about the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// It works.
    Fine,
    /// The fault is ours; nothing is said about it.
    Ours,
    /// It wants less, or is in trouble.
    Slow,
    /// It cannot be reached.
    Down,
}

/// A row's right side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    /// For the recipient.
    pub fate: Fate,
    /// For the attempt.
    pub next: Next,
    /// For the destination.
    pub signal: Signal,
    /// For reports (RFC 3463).
    pub status: Enhanced,
    /// In words, one line.
    pub text: String,
    /// Whether the words are the remote server's.
    pub quoted: bool,
}

/// A recipient's outcome, with what a log or a report wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The fate.
    pub fate: Fate,
    /// RFC 3463.
    pub status: Enhanced,
    /// In words, one line.
    pub text: String,
    /// Whether the words are the remote server's.
    pub quoted: bool,
    /// The host that was spoken to last.
    pub host: Option<String>,
    /// Where.
    pub address: Option<std::net::SocketAddr>,
    /// Under which TLS.
    pub tls: Option<crate::TlsSeen>,
    /// Whether that host took the DSN parameters over; if not, a "relayed" report may be due (RFC 3461 §5.2.2).
    pub dsn: bool,
    /// Hosts that did not do before, in order; bounded as in [`crate::Report::tries`].
    pub tries: Vec<crate::Try>,
}

impl Meaning {
    fn ours(
        fate: Fate,
        next: Next,
        signal: Signal,
        status: Enhanced,
        text: impl fmt::Display,
    ) -> Self {
        Self { fate, next, signal, status, text: text.to_string(), quoted: false }
    }

    fn said(fate: Fate, next: Next, signal: Signal, reply: &Reply) -> Self {
        let class = if fate == Fate::Failed {
            5
        } else if fate == Fate::Delivered {
            2
        } else {
            4
        };
        let status = reply.enhanced.map_or(Enhanced(class, 0, 0), |e| Enhanced(class, e.1, e.2));
        Self { fate, next, signal, status, text: reply.to_string(), quoted: true }
    }

    /// An operator's relay: whatever is wrong with it is for now.
    fn at_relay(mut self) -> Self {
        if self.fate == Fate::Failed {
            self.fate = Fate::Deferred;
            self.status.0 = 4;
        }
        self.signal = self.signal.max(Signal::Ours);
        self
    }
}

/// What a meaning is for a recipient when nobody was spoken to.
impl From<Meaning> for Outcome {
    fn from(meaning: Meaning) -> Self {
        let Meaning { fate, status, text, quoted, .. } = meaning;
        let (host, address, tls, tries) = (None, None, None, Vec::new());
        Self { fate, status, text, quoted, host, address, tls, dsn: false, tries }
    }
}

/// What the row depends on besides the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Circumstances {
    /// An operator chose the host.
    pub relay: bool,
    /// The connection has carried mail before.
    pub reused: bool,
    /// The server accepted another recipient of this transaction before.
    pub others_accepted: bool,
    /// TLS is a must: the route or the host's TLSA records want it.
    pub tls_required: bool,
    /// TLS is a must: the message says REQUIRETLS.
    pub require_tls: bool,
}

use Fate::{Deferred, Delivered, Failed, MayHaveHappened, Untried};
use Next::{Again, Fresh, NextHost, Plain, Settled};
use Signal::{Down, Fine, Ours, Slow};

/// The domain cannot be looked up.
#[must_use]
pub fn of_domain(error: &ResolveError) -> Meaning {
    let (fate, signal, status) = match error {
        ResolveError::NoDomain | ResolveError::BadName => (Failed, Fine, Enhanced(5, 1, 2)),
        // RFC 7505 §4.2.
        ResolveError::NoMail => (Failed, Fine, Enhanced(5, 1, 10)),
        ResolveError::NoAddress => (Failed, Fine, Enhanced(5, 4, 4)),
        ResolveError::Unavailable(_) => (Deferred, Ours, Enhanced(4, 4, 3)),
        ResolveError::Bogus => (Deferred, Slow, Enhanced(4, 4, 3)),
    };
    Meaning::ours(fate, Settled, signal, status, error)
}

/// Every host is this server.
#[must_use]
pub fn of_loop(error: MailLoop) -> Meaning {
    Meaning::ours(Failed, Settled, Fine, Enhanced(5, 4, 6), error)
}

/// A host turned out to be this server.
#[must_use]
pub fn of_ourselves(at: Circumstances) -> Meaning {
    let meaning = of_loop(MailLoop);
    if at.relay { meaning.at_relay() } else { meaning }
}

/// A host cannot be looked up.
#[must_use]
pub fn of_host(error: &ResolveError, at: Circumstances) -> Meaning {
    let meaning = match error {
        ResolveError::Unavailable(_) | ResolveError::Bogus => {
            Meaning::ours(Deferred, NextHost, Slow, Enhanced(4, 4, 3), error)
        }
        _ => Meaning::ours(Failed, NextHost, Fine, Enhanced(5, 4, 4), error),
    };
    if at.relay { meaning.at_relay() } else { meaning }
}

/// Nobody can tell whether the domain has a policy in force (RFC 8461 §5.1); without it mail would be less safe.
#[must_use]
pub fn of_unknown_policy(error: crate::CacheAway) -> Meaning {
    Meaning::ours(Untried, Settled, Ours, Enhanced(4, 3, 0), error)
}

/// The host is none of those that the domain's policy names: "MUST NOT deliver the message to hosts that fail MX
/// matching" (RFC 8461 §5). Another may do, or another policy (§5.1), so it is for now.
#[must_use]
pub fn of_host_not_meant() -> Meaning {
    let text = "the host is none of those that the domain's MTA-STS policy names";
    Meaning::ours(Deferred, NextHost, Fine, Enhanced(4, 7, 5), text)
}

/// All addresses of a host are this machine's own or nobody's.
#[must_use]
pub fn of_useless_addresses() -> Meaning {
    let text = "the host has no address on the Internet";
    Meaning::ours(Failed, NextHost, Fine, Enhanced(5, 4, 4), text)
}

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NoConnection {
    /// Nobody listens.
    #[error("the connection was refused")]
    Refused,
    /// No way there.
    #[error("the host cannot be reached")]
    Unreachable,
    /// No answer.
    #[error("the connection timed out")]
    TimedOut,
    /// The handshake of TLS from the first octet failed.
    #[error("the TLS handshake failed")]
    Handshake,
    /// Something on this side: no descriptor, no such local address.
    #[error("no connection can be made from here")]
    Local,
}

/// There is no connection.
#[must_use]
pub fn of_connect(error: NoConnection) -> Meaning {
    match error {
        NoConnection::Local => Meaning::ours(Untried, Settled, Ours, Enhanced(4, 3, 0), error),
        NoConnection::Handshake => {
            Meaning::ours(Deferred, NextHost, Slow, Enhanced(4, 7, 5), error)
        }
        _ => Meaning::ours(Deferred, NextHost, Down, Enhanced(4, 4, 1), error),
    }
}

/// The connection ended before a message could be sent.
#[must_use]
pub fn of_setup(ended: &Ended, at: Circumstances) -> Meaning {
    let meaning = match ended {
        Ended::Refused { phase: Phase::Auth, reply } => {
            Meaning::said(Deferred, NextHost, Ours, reply)
        }
        Ended::Refused { phase: Phase::StartTls, reply } if at.require_tls => {
            Meaning { status: Enhanced(5, 7, 10), ..Meaning::said(Failed, NextHost, Fine, reply) }
        }
        // Nobody has shown yet who says so: "Failure to establish an authenticated TLS connection MUST result in falling
        // back to the next SMTP server or delayed delivery" (RFC 7672 §2.2; RFC 8461 §5 likewise).
        Ended::Refused { reply, .. } if at.tls_required && !at.require_tls => {
            Meaning::said(Deferred, NextHost, Slow, reply)
        }
        Ended::Refused { reply, .. } => setup_refused(reply),
        Ended::NoTls if at.require_tls => no_tls(ended),
        Ended::Lost { phase: Phase::StartTls, .. } if at.require_tls => no_tls(ended),
        Ended::NoTls => {
            let text = "the server offers no TLS, which is required";
            Meaning::ours(Deferred, NextHost, Fine, Enhanced(4, 7, 10), text)
        }
        Ended::NoAuth => {
            let text = "the server takes no password by AUTH PLAIN under TLS";
            Meaning::ours(Deferred, NextHost, Ours, Enhanced(4, 7, 0), text)
        }
        Ended::Lost { phase, lost } => setup_lost(*phase, *lost, at),
        Ended::Quit => Meaning::ours(Untried, Settled, Ours, Enhanced(4, 3, 0), "withdrawn"),
    };
    if at.relay { meaning.at_relay() } else { meaning }
}

/// "Unable to establish TLS-protected SMTP session: 5.7.10 Encryption needed" (RFC 8689 §4.2.1), and such a
/// message is not kept for better times.
fn no_tls(ended: &Ended) -> Meaning {
    let why = if *ended == Ended::NoTls { "offers no TLS" } else { "cannot agree on TLS" };
    let text = format!("the message requires TLS (REQUIRETLS), and the server {why}");
    Meaning::ours(Failed, NextHost, Fine, Enhanced(5, 7, 10), text)
}

/// RFC 7504: "521 … the server does not accept mail" and 556 for its domain. Other refusals at the door are
/// mostly about reputation or load, and pass.
fn setup_refused(reply: &Reply) -> Meaning {
    match reply.code {
        521 | 556 => Meaning::said(Failed, NextHost, Fine, reply),
        _ => Meaning::said(Deferred, NextHost, Slow, reply),
    }
}

fn setup_lost(phase: Phase, lost: Lost, at: Circumstances) -> Meaning {
    match (phase, lost) {
        (_, Lost::Withdrawn) => Meaning::ours(Untried, Settled, Ours, Enhanced(4, 3, 0), lost),
        (Phase::StartTls, _) if !at.tls_required => {
            Meaning::ours(Deferred, Plain, Slow, Enhanced(4, 7, 5), lost)
        }
        (Phase::StartTls, Lost::Handshake) => {
            Meaning::ours(Deferred, NextHost, Slow, Enhanced(4, 7, 5), lost)
        }
        _ => lost_at(phase, lost),
    }
}

/// A connection that broke when the message was not complete.
fn lost_at(phase: Phase, lost: Lost) -> Meaning {
    let status = match lost {
        Lost::Nonsense(_) => Enhanced(4, 5, 0),
        _ => Enhanced(4, 4, 2),
    };
    let text = format!("{lost} ({})", phase.name());
    Meaning::ours(Deferred, NextHost, Slow, status, text)
}

/// A recipient's verdict.
#[must_use]
pub fn of_verdict(verdict: &Verdict, at: Circumstances) -> Meaning {
    match verdict {
        Verdict::Delivered(reply) => Meaning::said(Delivered, Settled, Fine, reply),
        Verdict::Refused { phase, reply } => refused(*phase, reply, at),
        Verdict::Unable(cannot) => unable(*cannot),
        Verdict::Lost { phase, lost } => lost_in_transaction(*phase, *lost, at),
    }
}

fn refused(phase: Phase, reply: &Reply, at: Circumstances) -> Meaning {
    let early = matches!(phase, Phase::Mail | Phase::Idle);
    match reply.code {
        // Servers end connections so after so many messages, or minutes.
        421 if at.reused && early => Meaning::said(Deferred, Fresh, Fine, reply),
        421 => Meaning::said(Deferred, NextHost, Slow, reply),
        // A relay that does not know us (any more).
        530 | 534 | 535 | 538 if at.relay => Meaning::said(Deferred, NextHost, Ours, reply),
        // "552 … SHOULD be treated as 452" (RFC 5321 §4.5.3.1.10): too many recipients at once.
        452 | 552 if phase == Phase::Rcpt && at.others_accepted && is_about_number(reply) => {
            Meaning::said(Deferred, Again, Fine, reply)
        }
        // One mailbox's trouble is not the destination's.
        400..500 if phase == Phase::Rcpt => Meaning::said(Deferred, Settled, Fine, reply),
        400..500 => Meaning::said(Deferred, Settled, Slow, reply),
        _ => Meaning::said(Failed, Settled, Fine, reply),
    }
}

/// "X.5.3 Too many recipients", or no word about it.
fn is_about_number(reply: &Reply) -> bool {
    reply.enhanced.is_none_or(|e| (e.1, e.2) == (5, 3))
}

/// The server could not be asked: others may be able to, unless the message is simply too large.
fn unable(cannot: CannotSend) -> Meaning {
    let (next, status) = match cannot {
        CannotSend::TooBig { .. } => (Settled, Enhanced(5, 3, 4)),
        CannotSend::EightBit | CannotSend::Binary => (NextHost, Enhanced(5, 6, 3)),
        CannotSend::Utf8 => (NextHost, Enhanced(5, 6, 7)),
        // RFC 8689 §5.
        CannotSend::RequireTls => (NextHost, Enhanced(5, 7, 30)),
        CannotSend::Address => (Settled, Enhanced(5, 1, 3)),
        CannotSend::NoRecipient | CannotSend::NotReady => {
            return Meaning::ours(Untried, Settled, Ours, Enhanced(4, 3, 0), cannot);
        }
    };
    Meaning::ours(Failed, next, Fine, status, cannot)
}

fn lost_in_transaction(phase: Phase, lost: Lost, at: Circumstances) -> Meaning {
    let old = at.reused && matches!(phase, Phase::Mail | Phase::Idle);
    match (phase, lost) {
        // Whatever it was: the server has all of the message.
        (Phase::FinalDot, _) => {
            let text = format!("{lost} after the end of the message; it may have been delivered");
            Meaning::ours(MayHaveHappened, Settled, Slow, Enhanced(4, 4, 2), text)
        }
        (_, Lost::NoBody | Lost::Withdrawn) => {
            Meaning::ours(Untried, Settled, Ours, Enhanced(4, 3, 0), lost)
        }
        (_, Lost::Closed) if old => Meaning::ours(Deferred, Fresh, Fine, Enhanced(4, 4, 2), lost),
        _ => lost_at(phase, lost),
    }
}

/// Of two hosts that both did not take it: what is for now counts more than what is for ever, and the
/// later more than the earlier.
#[must_use]
pub fn combine(earlier: Option<Meaning>, later: Meaning) -> Meaning {
    match earlier {
        Some(earlier) if earlier.fate == Deferred && later.fate == Failed => earlier,
        _ => later,
    }
}

#[cfg(test)]
mod tests;
