//! STLS and login.

use super::{Event, Open, Phase, Session, State, Step};
use crate::maildrop::Maildrop;
use crate::reader::Line;
use crate::reply::Code;
use crate::secret::Secret;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sasl::{Mechanism, Mechanisms};

/// Why nobody was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginFailure {
    /// Wrong user or password, and nothing more is said.
    Rejected,
    /// The mechanism's messages are malformed.
    Malformed,
    /// The client is known but may not act for whom it names.
    Unauthorized,
    /// Too many failures lately.
    Throttled,
    /// No resources to check it, or to open the maildrop, now.
    Busy,
    /// Cannot be checked, or the maildrop not be opened, now.
    Unavailable,
    /// The login was right, and another session has the maildrop.
    InUse,
}

impl Session {
    pub(super) fn passwords_allowed(&self) -> bool {
        self.tls || self.config.plaintext_login
    }

    /// "Clients MUST NOT issue the STLS command after issuing UTF8" (RFC 6856 §2.1).
    pub(super) fn may_stls(&self) -> bool {
        self.config.stls && !self.tls && !self.utf8 && self.state == State::Authorization
    }

    pub(super) fn stls(&mut self) -> Step {
        if !self.may_stls() {
            let why = match (self.tls, self.utf8) {
                (true, _) => "TLS is active already",
                (_, true) => "Not after UTF8",
                _ => "TLS is not available",
            };
            return self.err(None, why);
        }
        // Commands put in before the handshake would be taken for commands under TLS.
        self.reader.clear();
        self.ok("Begin TLS negotiation");
        self.ask(Open::StartTls, Event::StartTls)
    }

    /// TLS is up: nothing the client said before counts.
    pub fn tls_started(&mut self) {
        if matches!(self.question, Some(Open::StartTls)) {
            self.question = None;
            self.tls = true;
            self.fresh = true;
            self.reader.clear();
        }
    }

    /// What this connection may use from now on, where passwords may be sent.
    pub fn offer_mechanisms(&mut self, mechanisms: Mechanisms) {
        self.mechanisms = mechanisms;
    }

    fn no_privacy(&mut self) -> Step {
        self.err(None, "Encryption first: STLS, or the port for POP3 over TLS")
    }

    /// The same answer for everybody: "Servers that answer -ERR to the USER command are giving potential attackers
    /// clues about which names are valid" (RFC 1939 §13).
    pub(super) fn user_named(&mut self, name: String) -> Step {
        if !self.passwords_allowed() {
            return self.no_privacy();
        }
        self.user = Some(name);
        self.ok("Now the password")
    }

    pub(super) fn pass(&mut self, user: Option<String>, password: Secret) -> Step {
        if !self.passwords_allowed() {
            return self.no_privacy();
        }
        let Some(user) = user else { return self.err(None, "USER first") };
        self.ask(Open::Auth, Event::Login { user, password })
    }

    pub(super) fn auth(&mut self, mechanism: &str, initial: Option<&str>) -> Step {
        if !self.passwords_allowed() {
            return self.no_privacy();
        }
        let known = Mechanism::parse(mechanism).filter(|known| self.mechanisms.has(*known));
        let Some(mechanism) = known else {
            return self.err(None, "Authentication mechanism not supported");
        };
        // "If the client needs to send a zero-length initial response, it MUST send it as a single pad character".
        let initial = match initial {
            None => None,
            Some("=") => Some(Secret::new(Vec::new())),
            Some(text) => match BASE64_STANDARD.decode(text) {
                Ok(octets) => Some(Secret::new(octets)),
                Err(_) => return self.err(None, "Not base64"),
            },
        };
        self.phase = Phase::Auth;
        self.ask(Open::Auth, Event::Authenticate { mechanism, initial })
    }

    /// Sends a challenge; the client's answer comes as [`Event::AuthResponse`].
    pub fn challenge(&mut self, challenge: &[u8]) {
        if self.phase == Phase::Auth && matches!(self.question, Some(Open::Auth)) {
            self.question = None;
            let line = format!("+ {}\r\n", BASE64_STANDARD.encode(challenge));
            self.output.extend_from_slice(line.as_bytes());
        }
    }

    /// The client is who it says, and this is what its maildrop holds.
    pub fn opened(&mut self, maildrop: Maildrop) {
        if !matches!(self.question, Some(Open::Auth)) {
            return;
        }
        self.question = None;
        self.go(State::Transaction);
        self.maildrop = maildrop;
        let (count, octets) = self.maildrop.left();
        self.ok(&format!("Logged in, {count} messages ({octets} octets)"));
    }

    /// The client is not let in.
    pub fn login_failed(&mut self, failure: LoginFailure) {
        if !matches!(self.question, Some(Open::Auth)) {
            return;
        }
        self.question = None;
        self.phase = Phase::Commands;
        let (code, text) = match failure {
            LoginFailure::Rejected => (Some(Code::Auth), "Authentication failed"),
            LoginFailure::Malformed => (None, "Malformed authentication message"),
            LoginFailure::Unauthorized => {
                (Some(Code::Auth), "Acting for another user is not possible")
            }
            LoginFailure::Throttled => {
                (Some(Code::SysTemp), "Too many failed logins, try again later")
            }
            LoginFailure::Busy => (Some(Code::SysTemp), "Busy, try again later"),
            LoginFailure::Unavailable => {
                (Some(Code::SysTemp), "Temporarily not possible, try again later")
            }
            LoginFailure::InUse => (Some(Code::InUse), "Another session has the maildrop"),
        };
        self.err(code, text);
    }

    /// A line of an exchange. "If the client wishes to cancel the authentication exchange, it issues a line
    /// consisting of a single "*"" (RFC 5034 §4).
    pub(super) fn auth_line(&mut self) -> Step {
        let Some(line) = self.reader.line(self.config.max_line_bytes) else { return Step::Wait };
        let text = match line {
            Line::Good(line) if *line == *b"*" => "Authentication cancelled",
            Line::Good(line) => match BASE64_STANDARD.decode(&line) {
                Ok(octets) => {
                    return self.ask(Open::Auth, Event::AuthResponse(Secret::new(octets)));
                }
                Err(_) => "Not base64",
            },
            Line::Endless => return self.endless(),
            Line::Broken | Line::TooLong => "Not base64",
        };
        self.phase = Phase::Commands;
        self.err(None, text);
        Step::Event(Event::AuthCancelled)
    }
}
