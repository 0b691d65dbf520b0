//! PASS and AUTH. The machine lets nobody send a password over a plain connection.

use crate::client::Client;
use directory::{AuthFailure, Exchange, Login, Step};
use mail::MailError;
use pop3::{LoginFailure, Maildrop, Secret};
use sasl::Mechanism;
use std::time::Duration;

/// The wait after a first failed login; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// An exchange under way.
pub(crate) enum Pending {
    /// The client's answer goes here.
    Exchange(Box<Exchange>),
    /// The client has proved itself, and owes an empty answer to our own proof.
    Proved(Login),
}

impl Client {
    pub(crate) async fn login(&mut self, user: &str, password: &Secret) {
        let result = match password.text() {
            Some(text) => self.shared.directory.login(user, text, self.peer.ip()).await,
            None => Err(AuthFailure::Denied),
        };
        self.judge(result).await;
    }

    pub(crate) async fn authenticate(&mut self, mechanism: Mechanism, initial: Option<Secret>) {
        let initial = initial.as_ref().map(Secret::octets);
        let directory = self.shared.directory.clone();
        let Ok(channel) = self.wire.channel() else {
            return self.judge(Err(AuthFailure::Malformed)).await;
        };
        let (exchange, step) = directory.exchange(mechanism, initial, channel).await;
        self.step(Box::new(exchange), step).await;
    }

    pub(crate) async fn auth_response(&mut self, response: &Secret) {
        match self.pending.take() {
            Some(Pending::Exchange(mut exchange)) => {
                let step = exchange.respond(response.octets()).await;
                self.step(exchange, step).await;
            }
            Some(Pending::Proved(login)) if response.octets().is_empty() => {
                self.judge(Ok(login)).await;
            }
            _ => self.judge(Err(AuthFailure::Malformed)).await,
        }
    }

    async fn step(&mut self, exchange: Box<Exchange>, step: Step) {
        match step {
            Step::Challenge(challenge) => {
                self.pending = Some(Pending::Exchange(exchange));
                self.machine.challenge(&challenge);
            }
            Step::Done(login, None) => self.judge(Ok(login)).await,
            Step::Done(login, Some(last)) => {
                self.pending = Some(Pending::Proved(login));
                self.machine.challenge(&last);
            }
            Step::Failed(failure) => self.judge(Err(failure)).await,
        }
    }

    async fn judge(&mut self, result: Result<Login, AuthFailure>) {
        self.pending = None;
        match result {
            Ok(login) => self.admit(login).await,
            Err(failure) => {
                self.failures += 1;
                let wait = FIRST_WAIT.saturating_mul(1 << self.failures.min(10).saturating_sub(1));
                tokio::time::sleep(wait.min(LONGEST_WAIT)).await;
                self.machine.login_failed(denied(&failure));
            }
        }
    }

    /// Opens the maildrop of somebody who proved who they are.
    async fn admit(&mut self, login: Login) {
        let opened = self.shared.mail.maildrop(&self.shared.maildrops, login.account).await;
        match opened {
            Ok(Some(mut maildrop)) => {
                tracing::info!(peer = %self.peer, user = %login.address, "logged in");
                let messages = maildrop.take_messages();
                self.machine.opened(Maildrop::new(maildrop.uidvalidity().0, messages));
                self.maildrop = Some(maildrop);
                self.guard = Some(self.shared.directory.guard(&login));
                self.login = Some(login);
            }
            Ok(None) => {
                tracing::info!(peer = %self.peer, user = %login.address, "the maildrop is in use");
                self.machine.login_failed(LoginFailure::InUse);
            }
            Err(error) => {
                tracing::debug!(%error, user = %login.address, "a maildrop could not be opened");
                self.machine.login_failed(closed(&error));
            }
        }
    }
}

fn denied(failure: &AuthFailure) -> LoginFailure {
    match failure {
        AuthFailure::Denied => LoginFailure::Rejected,
        AuthFailure::Throttled => LoginFailure::Throttled,
        AuthFailure::Malformed => LoginFailure::Malformed,
        AuthFailure::Authorization => LoginFailure::Unauthorized,
        AuthFailure::Busy => LoginFailure::Busy,
        AuthFailure::Unavailable(_) => LoginFailure::Unavailable,
    }
}

fn closed(error: &MailError) -> LoginFailure {
    match error {
        MailError::Busy(_) => LoginFailure::Busy,
        MailError::Unavailable(_) | MailError::MayHaveHappened(_) => LoginFailure::Unavailable,
        error => {
            tracing::error!(%error, "a maildrop could not be opened");
            LoginFailure::Unavailable
        }
    }
}
