//! A SASL exchange against the directory.

use crate::login::login;
use crate::oauth::{Refused, TokenFailure};
use crate::{AuthFailure, Directory, Login};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use net::Proofs;
use sasl::scram::Verifier;
use sasl::{Bindings, Mechanism, Mechanisms};
use std::net::IpAddr;
use store::StoreError;
use store::directory::{Credential, ScramSetting, scram_setting};
use types::EmailAddress;

/// Where a client comes from, and what its connection proves.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Its address.
    pub peer: IpAddr,
    /// What TLS proves; nothing on a plain connection.
    pub proofs: Proofs,
}

impl Channel {
    /// Of a connection.
    #[must_use]
    pub fn of(stream: &net::Stream) -> Self {
        Self { peer: stream.peer().ip(), proofs: stream.proofs() }
    }

    fn bindings(&self) -> Bindings {
        Bindings {
            exporter: self.proofs.exporter.map(Vec::from),
            end_point: self.proofs.end_point.as_deref().map(Vec::from),
        }
    }
}

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
    channel: Channel,
    sasl: sasl::Exchange,
    /// SCRAM: whose verifier was given out.
    known: Option<(String, Credential)>,
    /// SCRAM: the name as the client wrote it.
    user: String,
}

impl Directory {
    /// What a client may use on such a connection, if it may send a password there at all.
    #[must_use]
    pub fn mechanisms(&self, channel: &Channel) -> Mechanisms {
        let oauth = self.inner.oauth.is_some();
        Mechanisms::USUAL
            .with(Mechanism::ScramSha256Plus, channel.bindings().any())
            .with(Mechanism::External, channel.proofs.client.is_some())
            .with(Mechanism::OAuthBearer, oauth)
            .with(Mechanism::XOAuth2, oauth)
    }

    /// Begins an exchange.
    pub async fn exchange(
        &self,
        mechanism: Mechanism,
        initial: Option<&[u8]>,
        channel: Channel,
    ) -> (Exchange, Step) {
        let nonce: [u8; 24] = rand::random();
        let nonce = BASE64_STANDARD_NO_PAD.encode(nonce);
        let (sasl, step) = sasl::Exchange::start(mechanism, initial, nonce, channel.bindings());
        let directory = self.clone();
        let mut exchange = Exchange { directory, channel, sasl, known: None, user: String::new() };
        let step = exchange.follow(step).await;
        (exchange, step)
    }

    /// The cluster's setting of SCRAM.
    pub(crate) async fn scram(&self) -> Result<&ScramSetting, StoreError> {
        let proposal = ScramSetting {
            secret: rand::random(),
            iterations: self.inner.config.scram_iterations.max(4_096),
        };
        self.inner.scram.get_or_try_init(|| scram_setting(&self.inner.store, &proposal)).await
    }

    /// What an unknown user's challenge is made of: the same for a name for ever and on all nodes, however it is
    /// written, as for a known one.
    async fn fake_verifier(&self, user: &str) -> Result<Verifier, AuthFailure> {
        let setting = self.scram().await?;
        let name = EmailAddress::parse(user.trim());
        let name = name.map_or_else(|_| user.trim().to_lowercase(), |address| address.to_string());
        Ok(Verifier::fake(&setting.secret, &name, setting.iterations))
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
                done(self.directory.login(&login, &password, self.channel.peer).await)
            }
            sasl::Step::Certificate { wanted } => self.certificate(wanted.as_deref()).await,
            sasl::Step::Token { wanted, token } => self.token(wanted, &token).await,
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

    async fn certificate(&mut self, wanted: Option<&str>) -> Step {
        let Some(certificate) = &self.channel.proofs.client else {
            return Step::Failed(AuthFailure::Denied);
        };
        let peer = self.channel.peer;
        done(self.directory.certificate_login(certificate, wanted, peer).await)
    }

    async fn token(&mut self, wanted: Option<String>, token: &str) -> Step {
        let directory = self.directory.clone();
        let Some(oauth) = &directory.inner.oauth else {
            return Step::Failed(AuthFailure::Denied);
        };
        let refused = if token.is_empty() {
            // RFC 7628 §4.3: a question, and no guess.
            Refused::Invalid
        } else {
            match directory.token_login(oauth, wanted.as_deref(), token, self.channel.peer).await {
                Ok(login) => return Step::Done(login, None),
                Err(TokenFailure::Refused(refused)) => refused,
                Err(TokenFailure::Other(failure)) => return Step::Failed(failure),
            }
        };
        match self.sasl.refuse(&oauth.refusal(&refused)) {
            sasl::Step::Challenge(why) => Step::Challenge(why),
            _ => Step::Failed(AuthFailure::Malformed),
        }
    }

    async fn verifier(&mut self, user: String) -> Result<Verifier, AuthFailure> {
        self.directory.admit(&user, self.channel.peer)?;
        self.known = self.directory.credential(&user).await?;
        let stored = self.known.as_ref().and_then(|(_, credential)| {
            credential.scram_sha_256.as_deref().and_then(Verifier::decode)
        });
        let verifier = match stored {
            Some(verifier) => verifier,
            None => self.directory.fake_verifier(&user).await?,
        };
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
            self.directory.note(&self.user, self.channel.peer, &result);
        }
        match result {
            Ok(login) => Step::Done(login, last),
            Err(failure) => Step::Failed(failure),
        }
    }
}

fn done(result: Result<Login, AuthFailure>) -> Step {
    match result {
        Ok(login) => Step::Done(login, None),
        Err(failure) => Step::Failed(failure),
    }
}
