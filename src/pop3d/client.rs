//! One client's connection: octets in, events, octets out.
//!
//! ```text
//!           ┌──────── next(): events, one at a time ◀───────┐
//!           ▼                                               │
//!   carry out ──▶ send the output ──▶ wait for: octets ─────┤
//!                                               silence, the drain, a lost lock or login ──▶ end, nothing is removed
//! ```

use crate::Shared;
use crate::auth::Pending;
use crate::wire::{Wire, shrink};
use directory::{Guard, Login};
use mail::{MailError, Maildrop};
use net::{Goodbye, Stream};
use pop3::{Event, RemoveFailure, Session, State};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use tokio::time::Instant;

/// A connection and what its session is about.
pub(crate) struct Client {
    pub(crate) shared: Arc<Shared>,
    pub(crate) machine: Session,
    pub(crate) wire: Wire,
    pub(crate) peer: SocketAddr,
    pub(crate) login: Option<Login>,
    /// Tells when the login is over.
    pub(crate) guard: Option<Guard>,
    pub(crate) maildrop: Option<Maildrop>,
    pub(crate) pending: Option<Pending>,
    pub(crate) failures: u32,
    begun: Instant,
}

type Moment = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What ended a wait.
enum Woken {
    /// Octets came; 0: the client is gone.
    Octets(usize),
    /// Another session took the maildrop's lock.
    Lost,
    /// The client was silent for too long.
    Silence,
    /// The node goes down.
    Goodbye,
    /// Who is logged in may not stay.
    Revoked,
}

/// Serves one client to its end.
pub(crate) async fn run(shared: Arc<Shared>, stream: Stream, implicit_tls: bool, goodbye: Goodbye) {
    let peer = stream.peer();
    let mut wire = Wire::new(stream, shared.config.write());
    if implicit_tls {
        let Some(tls) = &shared.tls else { return };
        if let Err(error) = wire.start_tls(tls).await {
            tracing::debug!(%peer, %error, "no TLS");
            return;
        }
    }
    let Ok(channel) = wire.channel() else { return };
    let mut machine = Session::new(Arc::clone(&shared.machine), implicit_tls);
    machine.offer_mechanisms(shared.directory.mechanisms(&channel));
    let client = Client {
        shared,
        machine,
        wire,
        peer,
        login: None,
        guard: None,
        maildrop: None,
        pending: None,
        failures: 0,
        begun: Instant::now(),
    };
    metrics::gauge!("postrider_pop3_sessions").increment(1);
    let end = client.serve(Box::pin(async move { goodbye.come().await })).await;
    metrics::gauge!("postrider_pop3_sessions").decrement(1);
    if let Err(error) = end {
        tracing::debug!(%peer, %error, "a session ended");
    }
}

impl Client {
    async fn serve(mut self, mut goodbye: Moment) -> io::Result<()> {
        let result = self.talk(&mut goodbye).await;
        if let Some(maildrop) = self.maildrop.take() {
            maildrop.close().await;
        }
        self.wire.close().await;
        result
    }

    async fn talk(&mut self, goodbye: &mut Moment) -> io::Result<()> {
        let mut leaving = false;
        loop {
            while let Some(event) = self.machine.next() {
                if self.guard.as_ref().is_some_and(Guard::is_revoked) && event != Event::Close {
                    self.revoke();
                    continue;
                }
                match event {
                    Event::Close => return self.wire.send(self.machine.output()).await,
                    Event::Output => self.wire.send(self.machine.output()).await?,
                    event => {
                        // Boxed, so that a waiting session does not hold room for the largest command.
                        Box::pin(self.handle(event)).await?;
                        self.wire.send_some(self.machine.output()).await?;
                    }
                }
            }
            self.wire.send(self.machine.output()).await?;
            shrink(self.machine.output());
            match self.wait(goodbye, leaving).await? {
                Woken::Octets(0) => return Ok(()),
                Woken::Octets(_) => {}
                Woken::Lost => self.machine.lock_lost(),
                Woken::Revoked => self.revoke(),
                Woken::Silence => self.machine.timed_out(),
                Woken::Goodbye => leaving = self.machine.shut_down(),
            }
        }
    }

    async fn wait(&mut self, goodbye: &mut Moment, leaving: bool) -> io::Result<Woken> {
        let silence = self.silence();
        let held = self.maildrop.is_some();
        let maildrop = &mut self.maildrop;
        let lost = async {
            match maildrop {
                Some(maildrop) => maildrop.lost().await,
                None => std::future::pending().await,
            }
        };
        let guard = self.guard.as_ref();
        let revoked = async {
            match guard {
                Some(guard) => guard.revoked().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            read = self.wire.receive(self.machine.input()) => Ok(Woken::Octets(read?)),
            () = goodbye, if !leaving => Ok(Woken::Goodbye),
            () = lost, if held => Ok(Woken::Lost),
            () = revoked => Ok(Woken::Revoked),
            () = tokio::time::sleep_until(silence) => Ok(Woken::Silence),
        }
    }

    /// The account is not the one that was logged in to: nothing is removed for who was.
    fn revoke(&mut self) {
        self.guard = None;
        self.machine.revoked();
    }

    /// When the wait that begins now has been too long.
    fn silence(&self) -> Instant {
        if self.machine.state() == State::Authorization {
            // A stranger that sends an octet now and then is as bad as one that sends none.
            return self.begun + self.shared.config.login();
        }
        Instant::now() + self.machine.timeout()
    }

    async fn handle(&mut self, event: Event) -> io::Result<()> {
        match event {
            Event::StartTls => self.start_tls().await?,
            Event::Login { user, password } => self.login(&user, &password).await,
            Event::Authenticate { mechanism, initial } => {
                self.authenticate(mechanism, initial).await;
            }
            Event::AuthResponse(response) => self.auth_response(&response).await,
            Event::AuthCancelled => self.pending = None,
            Event::Retrieve(wanted) => {
                // What was answered before must not wait for what comes now.
                self.wire.send(self.machine.output()).await?;
                self.retrieve(wanted).await?;
            }
            Event::Update => self.update().await,
            Event::Output | Event::Close => {}
        }
        Ok(())
    }

    async fn start_tls(&mut self) -> io::Result<()> {
        self.wire.send(self.machine.output()).await?;
        let shared = Arc::clone(&self.shared);
        let Some(tls) = &shared.tls else {
            return Err(io::Error::other("TLS was offered and is not there"));
        };
        self.wire.start_tls(tls).await?;
        self.machine.offer_mechanisms(shared.directory.mechanisms(&self.wire.channel()?));
        self.machine.tls_started();
        Ok(())
    }

    /// QUIT. The maildrop is free before the client hears of it: it may be back at once.
    async fn update(&mut self) {
        let Some(maildrop) = self.maildrop.take() else {
            return self.machine.removed(Ok(()));
        };
        let deleted = self.machine.maildrop().deleted();
        let result = self.shared.mail.maildrop_remove(maildrop, deleted).await;
        if let Ok(removed) = &result {
            metrics::counter!("postrider_pop3_removed_total").increment(*removed);
            let user = self.login.as_ref().map(|login| login.address.as_str());
            tracing::debug!(peer = %self.peer, user, removed, "logged out");
        }
        self.machine.removed(result.map(drop).map_err(failure));
    }
}

fn failure(error: MailError) -> RemoveFailure {
    match error {
        MailError::LockLost => RemoveFailure::LockLost,
        MailError::MayHaveHappened(why) => {
            tracing::warn!(%why, "it is unknown whether a maildrop's messages were removed");
            RemoveFailure::Unknown
        }
        MailError::Busy(_) | MailError::Unavailable(_) => RemoveFailure::Unavailable,
        error => {
            tracing::error!(%error, "a maildrop's messages were not removed");
            RemoveFailure::Unavailable
        }
    }
}
