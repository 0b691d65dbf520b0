//! LOGIN and AUTHENTICATE. The machine lets nobody send a password over a plain connection.

use crate::client::Client;
use directory::{AuthFailure, Exchange, Login, Step};
use imap::{AuthVerdict, Secret};
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
                self.machine.auth_challenge(&challenge);
            }
            Step::Done(login, None) => self.judge(Ok(login)).await,
            Step::Done(login, Some(last)) => {
                self.pending = Some(Pending::Proved(login));
                self.machine.auth_challenge(&last);
            }
            Step::Failed(failure) => self.judge(Err(failure)).await,
        }
    }

    async fn judge(&mut self, result: Result<Login, AuthFailure>) {
        self.pending = None;
        let verdict = match result {
            Ok(login) => self.admit(login),
            Err(failure) => {
                self.failures += 1;
                let wait = FIRST_WAIT.saturating_mul(1 << self.failures.min(10).saturating_sub(1));
                tokio::time::sleep(wait.min(LONGEST_WAIT)).await;
                verdict(&failure)
            }
        };
        self.machine.auth_verdict(verdict);
    }
}

impl Client {
    /// Lets somebody in who proved who they are, if their account has a place left.
    fn admit(&mut self, login: Login) -> AuthVerdict {
        let most = self.shared.config.sessions_per_account;
        self.seat = self.shared.seats.take(login.account, most);
        if self.seat.is_none() {
            tracing::warn!(user = %login.address, most, "too many sessions of one account");
            return AuthVerdict::Busy;
        }
        tracing::info!(peer = %self.peer, user = %login.address, "logged in");
        self.guard = Some(self.shared.directory.guard(&login));
        self.login = Some(login);
        AuthVerdict::Ok
    }
}

fn verdict(failure: &AuthFailure) -> AuthVerdict {
    match failure {
        AuthFailure::Denied => AuthVerdict::Rejected,
        AuthFailure::Throttled => AuthVerdict::Throttled,
        AuthFailure::Malformed => AuthVerdict::Malformed,
        AuthFailure::Authorization => AuthVerdict::Unauthorized,
        AuthFailure::Busy => AuthVerdict::Busy,
        AuthFailure::Unavailable(_) => AuthVerdict::Unavailable,
    }
}
