//! From the greeting to the first message: EHLO, STARTTLS, EHLO again, AUTH.

use super::capabilities::Capabilities;
use super::config::TlsWish;
use super::machine::{Action, Client, Ended, Lost, State};
use super::reply::{BadReply, Reply};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

impl Client {
    pub(super) fn greeting(&mut self, reply: Reply) {
        if reply.is_positive() { self.hello() } else { self.refused(reply) }
    }

    fn hello(&mut self) {
        let verb = if self.is_lmtp() { "LHLO" } else { "EHLO" };
        let line = format!("{verb} {}", self.config.name);
        self.command(&line, State::Ehlo);
    }

    /// "If the EHLO command is not acceptable to the SMTP server, 501, 500, 502, or 550 failure replies MUST
    /// be returned" (RFC 5321 §4.1.4): the client then says HELO (§3.2). A 554 is meant for us.
    pub(super) fn ehlo_reply(&mut self, reply: Reply) {
        if reply.is_positive() {
            self.server = Capabilities::parse(&reply);
            return self.secure();
        }
        let not_understood = matches!(reply.code, 500 | 501 | 502 | 504 | 550);
        if not_understood && !self.is_lmtp() && !self.tls {
            let line = format!("HELO {}", self.config.name);
            return self.command(&line, State::Helo);
        }
        self.refused(reply);
    }

    pub(super) fn helo_reply(&mut self, reply: Reply) {
        if reply.is_positive() {
            self.server = Capabilities::plain(&reply);
            self.secure();
        } else {
            self.refused(reply);
        }
    }

    /// STARTTLS when it is wanted and possible.
    fn secure(&mut self) {
        let wish = self.config.tls;
        if self.tls || wish == TlsWish::Never {
            self.authenticate();
        } else if self.server.starttls {
            self.command("STARTTLS", State::StartTls);
        } else if wish == TlsWish::Required {
            self.end(Ended::NoTls);
        } else {
            self.authenticate();
        }
    }

    pub(super) fn starttls_reply(&mut self, reply: Reply) {
        if reply.is_positive() {
            if self.has_stray_input() {
                return self.lost(Lost::Nonsense(BadReply::BeforeTls));
            }
            self.go(State::Handshake);
            self.actions.push_back(Action::StartTls);
        } else if reply.code == 421 || !(reply.is_transient() || reply.is_permanent()) {
            self.refused(reply);
        } else if self.config.tls == TlsWish::Required {
            // "the SMTP client … must decide whether or not to continue" (RFC 3207 §4.1).
            self.refused(reply);
        } else {
            self.authenticate();
        }
    }

    /// TLS is up: "the client MUST discard any knowledge obtained from the server … prior to the TLS
    /// negotiation" and asks again (RFC 3207 §4.2).
    pub fn tls_started(&mut self) {
        if self.state != State::Handshake {
            return;
        }
        self.tls = true;
        self.input.clear();
        self.server = Capabilities::default();
        self.hello();
    }

    fn authenticate(&mut self) {
        let Some(credentials) = &self.config.credentials else { return self.ready() };
        if !(self.tls && self.server.auth_plain) {
            return self.end(Ended::NoAuth);
        }
        // RFC 4616: "message = [authzid] UTF8NUL authcid UTF8NUL passwd".
        let message = format!("\0{}\0{}", credentials.user, credentials.password);
        let line = format!("AUTH PLAIN {}", BASE64_STANDARD.encode(message));
        self.command(&line, State::Auth);
    }

    pub(super) fn auth_reply(&mut self, reply: Reply) {
        if reply.is_positive() { self.ready() } else { self.refused(reply) }
    }
}
