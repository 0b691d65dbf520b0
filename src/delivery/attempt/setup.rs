//! From an address to a connection that is ready for a message.

use super::hosts::Target;
use super::{Attempt, State, untried};
use crate::connection::{Connection, Peer};
use crate::dial;
use crate::outcome::{self, Circumstances, Meaning, Next, NoConnection};
use smtp::client::{Action, Config, Ended, Lost, TlsWish};
use std::time::Duration;

impl Attempt<'_> {
    pub(super) async fn connect(&mut self, target: &Target) -> State {
        self.connections += 1;
        match self.open(target).await {
            Ok(mut connection) => {
                self.inner.avoid.worked(target.address);
                connection.set_limit(self.limit);
                *self.connection = Some(connection);
                State::Setup(target.clone())
            }
            Err(error) => {
                count("connect_failed");
                if !matches!(error, NoConnection::Local | NoConnection::Handshake) {
                    self.inner.avoid.failed(target.address);
                }
                if error == NoConnection::Local {
                    tracing::warn!(address = %target.address, "no connection can be made from here: no descriptor is left, or none of [delivery] sources is an address of this machine");
                } else {
                    tracing::debug!(id = self.mailing.id, host = target.host, address = %target.address, %error, "no connection");
                }
                self.after_failure(outcome::of_connect(error), target)
            }
        }
    }

    async fn open(&self, target: &Target) -> Result<Connection, NoConnection> {
        let (stream, name) = dial::dial(self.inner, target.address).await?;
        let peer = Peer {
            host: target.host.clone(),
            names: target.security.names.clone(),
            address: target.address,
            trust: target.security.trust.clone(),
            lenient: self.does_without(),
            handshake: Duration::from_millis(self.inner.config.handshake_timeout_ms),
        };
        let config = self.client_config(name, target);
        Connection::open(stream, config, peer, target.security.implicit, &self.inner.tls).await
    }

    fn client_config(&self, name: String, target: &Target) -> Config {
        let route = self.plan.route();
        Config {
            protocol: route.protocol,
            name,
            tls: target.security.wish,
            credentials: route.credentials.clone(),
            prefer_chunking: self.inner.config.prefer_chunking,
            pipelining: true,
            timeouts: self.inner.config.timeouts(),
        }
    }

    pub(super) async fn setup(&mut self, target: &Target) -> State {
        let ended = self.greet().await;
        let Some(ended) = ended else {
            if self.is_ourselves() {
                return self.after_ourselves(target).await;
            }
            count("ready");
            self.target = Some(target.clone());
            self.here.clone_from(&self.open);
            return State::Send;
        };
        count("setup_failed");
        tracing::debug!(id = self.mailing.id, host = target.host, address = %target.address, ?ended, "not ready for mail");
        let at = Circumstances {
            tls_required: target.security.wish == TlsWish::Required,
            ..self.circumstances()
        };
        let state = self.after_failure(outcome::of_setup(&ended, at), target);
        *self.connection = None;
        state
    }

    /// Until the server is ready for mail (`None`) or not.
    async fn greet(&mut self) -> Option<Ended> {
        let connection = self.connection.as_mut()?;
        loop {
            match connection.action().await {
                Action::Ready => return None,
                Action::Close(ended) => return Some(ended),
                Action::StartTls => match connection.handshake(&self.inner.tls).await {
                    Ok(()) => connection.client.tls_started(),
                    Err(()) => connection.client.lost(Lost::Handshake),
                },
                _ => {}
            }
        }
    }

    /// The server calls itself by a name of ours: an address of ours that other names lead to, a balancer before us. Mail
    /// would come back. `localhost` says nothing.
    fn is_ourselves(&self) -> bool {
        let Some(connection) = &self.connection else { return false };
        let name = connection.client.server().name.as_str();
        let is_name = name.contains('.');
        is_name && self.inner.config.our_names().iter().any(|own| own.eq_ignore_ascii_case(name))
    }

    /// "any MX records with … preference equal or greater than that of the local host are discarded" (RFC 5321 §5.1).
    async fn after_ourselves(&mut self, target: &Target) -> State {
        count("ourselves");
        let meaning = outcome::of_ourselves(self.circumstances());
        tracing::warn!(id = self.mailing.id, domain = self.plan.domain(), host = target.host, address = %target.address, "mail for a domain that is not ours leads to this server");
        self.note(&meaning);
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
        self.only_better()
    }

    fn after_failure(&mut self, meaning: Meaning, target: &Target) -> State {
        match meaning.next {
            Next::Plain => {
                let mut plain = target.clone();
                plain.security.wish = TlsWish::Never;
                self.did_not_do(&meaning);
                State::Connect(plain)
            }
            Next::Settled => {
                self.note(&meaning);
                State::Settled
            }
            _ => {
                self.note(&meaning);
                State::NextAddress
            }
        }
    }

    pub(super) fn note_untried(&mut self, text: &str) {
        self.note(&untried(text));
    }
}

fn count(what: &'static str) {
    metrics::counter!("postrider_delivery_connections_total", "result" => what).increment(1);
}
