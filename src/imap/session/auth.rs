//! Capabilities, STARTTLS and login.

use super::{Event, Open, Phase, Session, Step};
use crate::capability::{CAPABILITIES, Capability};
use crate::command::{Authenticate, State};
use crate::cursor::Refusal;
use crate::language::Language;
use crate::reader::Line;
use crate::response::{Code, Status};
use crate::secret::Secret;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sasl::{Mechanism, Mechanisms};
use std::borrow::Cow;

/// RFC 5530 §3: "The operation is not permitted due to a lack of data confidentiality."
pub(super) const PRIVACY: Refusal =
    Refusal::no(Code::PrivacyRequired, "Encryption first: STARTTLS, or the port for IMAP over TLS");

/// What the driver says of a password or proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthVerdict {
    /// The client is who it says.
    Ok,
    /// Wrong user or password, and nothing more is said.
    Rejected,
    /// The mechanism's messages are malformed.
    Malformed,
    /// The client is known but may not act for whom it names.
    Unauthorized,
    /// Too many failures lately.
    Throttled,
    /// No resources to check it now.
    Busy,
    /// Cannot be checked now.
    Unavailable,
}

impl Session {
    /// What is announced now.
    #[must_use]
    pub fn capabilities(&self) -> String {
        let stranger = self.state == State::NotAuthenticated;
        let names: Vec<Cow<'_, str>> = CAPABILITIES
            .iter()
            .filter(|spec| self.config.capabilities.has(spec.capability))
            .filter(|spec| spec.early || !stranger)
            .filter(|spec| {
                spec.capability != Capability::MessageLimit || self.config.message_limit.is_some()
            })
            .map(|spec| match spec.capability {
                Capability::MessageLimit => {
                    let limit = self.config.message_limit.unwrap_or(u32::MAX);
                    format!("{}={limit}", spec.name).into()
                }
                Capability::AppendLimit => {
                    format!("{}={}", spec.name, self.config.max_message_bytes).into()
                }
                _ => spec.name.into(),
            })
            .collect();
        let mut list = names.join(" ");
        if !stranger {
            return list;
        }
        if self.config.starttls && !self.tls {
            list.push_str(" STARTTLS");
        }
        if self.passwords_allowed() {
            for mechanism in self.mechanisms.iter() {
                list.push_str(" AUTH=");
                list.push_str(mechanism.name());
            }
        } else {
            list.push_str(" LOGINDISABLED");
        }
        list
    }

    pub(super) fn passwords_allowed(&self) -> bool {
        self.tls || self.config.plaintext_login
    }

    pub(super) fn starttls(&mut self) -> Step {
        if self.tls || !self.config.starttls {
            // "The server MUST always respond with a tagged BAD response when the STARTTLS command is
            // received on an Implicit TLS port."
            let text = if self.tls { "TLS is active already" } else { "TLS is not available" };
            self.reply(Status::Bad, None, text);
            return Step::Again;
        }
        // "Extra data from the TCP buffer is thrown away": commands put in before the handshake would be
        // taken for commands under TLS.
        self.reader.clear();
        self.reply(Status::Ok, None, "Begin TLS negotiation now");
        self.ask(Open::StartTls, Event::StartTls)
    }

    /// TLS is up: nothing the client said before counts.
    pub fn tls_started(&mut self) {
        self.question = None;
        self.tls = true;
        self.fresh = true;
        self.language = Language::Default;
        self.reader.clear();
        self.phase = Phase::Lines;
    }

    /// What this connection may use from now on, where passwords may be sent.
    pub fn offer_mechanisms(&mut self, mechanisms: Mechanisms) {
        self.mechanisms = mechanisms;
    }

    pub(super) fn login(&mut self, user: String, password: Secret) -> Step {
        self.ask(Open::Auth, Event::Login { user, password })
    }

    pub(super) fn authenticate(&mut self, request: Authenticate) -> Step {
        if !self.passwords_allowed() {
            return self.refuse(&PRIVACY, None, 0);
        }
        let known = Mechanism::parse(&request.mechanism)
            .filter(|mechanism| self.mechanisms.has(*mechanism));
        let Some(mechanism) = known else {
            let refusal = Refusal::no(Code::Cannot, "Authentication mechanism not supported");
            return self.refuse(&refusal, None, 0);
        };
        self.phase = Phase::Auth;
        self.ask(Open::Auth, Event::Authenticate { mechanism, initial: request.initial })
    }

    /// Sends a challenge; the client's answer comes as [`Event::AuthResponse`].
    pub fn auth_challenge(&mut self, challenge: &[u8]) {
        if self.phase == Phase::Auth && self.question.take() == Some(Open::Auth) {
            let line = format!("+ {}\r\n", BASE64_STANDARD.encode(challenge));
            self.output.extend_from_slice(line.as_bytes());
        }
    }

    /// Ends LOGIN or the exchange.
    pub fn auth_verdict(&mut self, verdict: AuthVerdict) {
        if self.question.take() != Some(Open::Auth) {
            return;
        }
        self.phase = Phase::Lines;
        let no =
            |session: &mut Self, code: Code<'_>, text| session.reply(Status::No, Some(&code), text);
        match verdict {
            AuthVerdict::Ok => {
                self.go(State::Authenticated);
                let list = self.capabilities();
                self.reply(Status::Ok, Some(&Code::Capability(&list)), "Logged in");
            }
            AuthVerdict::Rejected => no(self, Code::AuthenticationFailed, "Authentication failed"),
            AuthVerdict::Malformed => {
                self.reply(Status::Bad, None, "Malformed authentication message")
            }
            AuthVerdict::Unauthorized => {
                no(self, Code::AuthorizationFailed, "Acting for another user is not possible");
            }
            AuthVerdict::Throttled => {
                no(self, Code::Limit, "Too many failed logins, try again later");
            }
            AuthVerdict::Busy => no(self, Code::Unavailable, "Busy, try again later"),
            AuthVerdict::Unavailable => {
                no(self, Code::Unavailable, "Logins cannot be checked now, try again later");
            }
        }
    }

    pub(super) fn auth_line(&mut self) -> Step {
        let Some(line) = self.reader.line(self.limit()) else { return Step::Wait };
        let text = match line {
            // "If the client wishes to cancel the authentication exchange, it issues a line consisting of a
            // single "*". If the server receives such a response ..., it MUST reject the AUTHENTICATE command by
            // sending a tagged BAD response."
            Line::Good(line) if *line == *b"*" => "Authentication cancelled",
            Line::Good(line) => match BASE64_STANDARD.decode(&line) {
                Ok(octets) => {
                    return self.ask(Open::Auth, Event::AuthResponse(Secret::new(octets)));
                }
                Err(_) => "Not base64",
            },
            Line::Endless => return self.endless(),
            _ => "Not base64",
        };
        self.phase = Phase::Lines;
        self.reply(Status::Bad, None, text);
        Step::Event(Event::AuthCancelled)
    }
}
