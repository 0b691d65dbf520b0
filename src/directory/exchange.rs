//! A SASL exchange against the directory.

use crate::login::login;
use crate::{AuthFailure, Directory, Login};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use sasl::scram::Verifier;
use std::net::IpAddr;
use store::directory::Credential;

/// What a driver has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this (before base64) and give the answer to [`Exchange::respond`].
    Challenge(Vec<u8>),
    /// The client is in. Where a protocol cannot carry data with its success, `last` is sent as one more
    /// challenge, whose answer is empty (RFC 4954 §4, RFC 9051 §6.2.2).
    Done(Login, Option<Vec<u8>>),
    /// It is over.
    Failed(AuthFailure),
}

/// An exchange under way.
pub struct Exchange {
    directory: Directory,
    peer: IpAddr,
    sasl: sasl::Exchange,
    /// SCRAM: whose verifier was given out.
    known: Option<(String, Credential)>,
    /// SCRAM: the name as the client wrote it.
    user: String,
}

impl Directory {
    /// Begins an exchange.
    pub async fn exchange(
        &self,
        mechanism: sasl::Mechanism,
        initial: Option<&[u8]>,
        peer: IpAddr,
    ) -> (Exchange, Step) {
        let nonce: [u8; 24] = rand::random();
        let nonce = BASE64_STANDARD_NO_PAD.encode(nonce);
        let (sasl, step) = sasl::Exchange::start(mechanism, initial, nonce);
        let directory = self.clone();
        let mut exchange = Exchange { directory, peer, sasl, known: None, user: String::new() };
        let step = exchange.follow(step).await;
        (exchange, step)
    }

    /// What an unknown user's challenge is made of; the same for a name as long as this process lives.
    fn fake_verifier(&self, user: &str) -> Verifier {
        Verifier::fake(&self.inner.secret, &user.to_lowercase(), self.inner.config.scram_iterations)
    }
}

impl Exchange {
    /// The client's answer, base64 undone.
    pub async fn respond(&mut self, response: &[u8]) -> Step {
        let step = self.sasl.respond(response);
        self.follow(step).await
    }

    async fn follow(&mut self, step: sasl::Step) -> Step {
        match step {
            sasl::Step::Challenge(challenge) => Step::Challenge(challenge),
            sasl::Step::Password { login, password } => {
                match self.directory.login(&login, &password, self.peer).await {
                    Ok(login) => Step::Done(login, None),
                    Err(failure) => Step::Failed(failure),
                }
            }
            sasl::Step::Verifier { login } => match self.verifier(login).await {
                Ok(verifier) => match self.sasl.provide(verifier) {
                    sasl::Step::Challenge(challenge) => Step::Challenge(challenge),
                    _ => Step::Failed(AuthFailure::Malformed),
                },
                Err(failure) => Step::Failed(failure),
            },
            sasl::Step::Success { last, .. } => self.finish(Ok(last)),
            sasl::Step::Failed(failure) => self.finish(Err(failure.into())),
        }
    }

    async fn verifier(&mut self, user: String) -> Result<Verifier, AuthFailure> {
        self.directory.admit(&user, self.peer)?;
        self.known = self.directory.credential(&user).await?;
        let stored = self.known.as_ref().and_then(|(_, credential)| {
            credential.scram_sha_256.as_deref().and_then(Verifier::decode)
        });
        let verifier = stored.unwrap_or_else(|| self.directory.fake_verifier(&user));
        self.user = user;
        Ok(verifier)
    }

    fn finish(&mut self, outcome: Result<Vec<u8>, AuthFailure>) -> Step {
        let known = self.known.take().filter(|(_, credential)| credential.active);
        let (result, last) = match outcome {
            Ok(last) => (known.map(login).ok_or(AuthFailure::Denied), Some(last)),
            Err(failure) => (Err(failure), None),
        };
        if !self.user.is_empty() {
            self.directory.note(&self.user, self.peer, &result);
        }
        match result {
            Ok(login) => Step::Done(login, last),
            Err(failure) => Step::Failed(failure),
        }
    }
}
