//! One client's connection: octets in, events, octets out.
//!
//! ```text
//!           ┌──────── next(): events, one at a time ◀───────┐
//!           ▼                                               │
//!   carry out ──▶ send the output ──▶ wait for: octets ─────┤
//!                                               a wake-up (IDLE) ──▶ update
//!                                               the keepalive (IDLE)
//!                                               silence ──▶ BYE
//!                                               the drain ──▶ BYE
//! ```

use crate::Shared;
use crate::answer::{Answer, Stop};
use crate::auth::Pending;
use crate::cmd::append::Upload;
use crate::notify::Watching;
use crate::seats::Seat;
use crate::selected::Selected;
use crate::update::Look;
use crate::wire::Wire;
use directory::{Guard, Login};
use imap::{Code, Command, Event, Session, State};
use mail::UidSet;
use net::{Goodbye, Stream};
use rand::Rng;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use types::AccountId;

/// Between two tries of an idle session to catch up while PostgreSQL is away.
const RETRY: Duration = Duration::from_secs(3);

/// A connection and what its session is about.
pub(crate) struct Client {
    pub(crate) shared: Arc<Shared>,
    pub(crate) machine: Session,
    pub(crate) wire: Wire,
    pub(crate) peer: SocketAddr,
    pub(crate) login: Option<Login>,
    pub(crate) seat: Option<Seat>,
    /// Tells when the login is over.
    pub(crate) guard: Option<Guard>,
    pub(crate) pending: Option<Pending>,
    pub(crate) failures: u32,
    pub(crate) selected: Option<Selected>,
    pub(crate) upload: Option<Box<Upload>>,
    pub(crate) notify: Option<Box<Watching>>,
    /// The lowest UID that the command under way is about, where it may not be about all (RFC 9738).
    pub(crate) cut: Option<u32>,
    begun: Instant,
}

type Moment = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What ended a wait.
enum Woken {
    /// Octets came; 0: the client is gone.
    Octets(usize),
    /// Something may have changed.
    Changed,
    /// Time for a sign of life.
    Keepalive,
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
        // Boxed, here and below: what waits for long does not hold room for what is over or seldom.
        if let Err(error) = Box::pin(wire.start_tls(tls)).await {
            tracing::debug!(%peer, %error, "no TLS");
            return;
        }
    }
    let Ok(channel) = wire.channel() else { return };
    let mechanisms = shared.directory.mechanisms(&channel);
    let machine = Session::offering(Arc::clone(&shared.machine), implicit_tls, mechanisms);
    let client = Box::new(Client {
        shared,
        machine,
        wire,
        peer,
        login: None,
        seat: None,
        guard: None,
        pending: None,
        failures: 0,
        selected: None,
        upload: None,
        notify: None,
        cut: None,
        begun: Instant::now(),
    });
    metrics::gauge!("postrider_imap_sessions").increment(1);
    let end = client.serve(Box::pin(async move { goodbye.come().await })).await;
    metrics::gauge!("postrider_imap_sessions").decrement(1);
    if let Err(error) = end {
        tracing::debug!(%peer, %error, "a session ended");
    }
}

impl Client {
    async fn serve(mut self: Box<Self>, mut goodbye: Moment) -> io::Result<()> {
        let result = self.talk(&mut goodbye).await;
        Box::pin(async {
            self.deselect().await;
            self.wire.close().await;
        })
        .await;
        result
    }

    async fn talk(&mut self, goodbye: &mut Moment) -> io::Result<()> {
        let mut leaving = false;
        loop {
            while let Some(event) = self.machine.next() {
                if event == Event::Close {
                    return self.wire.send(self.machine.output()).await;
                }
                if self.guard.as_ref().is_some_and(Guard::is_revoked) {
                    self.revoke();
                    continue;
                }
                // Boxed, so that an idle session does not hold room for the largest command.
                Box::pin(self.handle(event)).await?;
                self.wire.send_some(self.machine.output()).await?;
            }
            self.wire.send(self.machine.output()).await?;
            if leaving && self.machine.shut_down() {
                continue;
            }
            match self.wait(goodbye, leaving).await? {
                Woken::Octets(0) => return Ok(()),
                Woken::Revoked => self.revoke(),
                Woken::Goodbye => {
                    leaving = true;
                    self.machine.shut_down();
                }
                _ => {}
            }
        }
    }

    /// Waits for octets; meanwhile, in IDLE, tells what changes. Returns for octets, silence and the drain.
    async fn wait(&mut self, goodbye: &mut Moment, leaving: bool) -> io::Result<Woken> {
        let begun = Instant::now();
        loop {
            self.machine.release_buffers();
            let silence = self.silence(begun);
            let woken = self.wait_once(goodbye, leaving, silence).await?;
            match woken {
                Woken::Changed => Box::pin(self.woken()).await?,
                Woken::Keepalive => self.machine.writer().ok("Still here"),
                Woken::Silence => {
                    self.machine.timed_out();
                    return Ok(woken);
                }
                Woken::Octets(_) | Woken::Goodbye | Woken::Revoked => return Ok(woken),
            }
            self.wire.send(self.machine.output()).await?;
            if self.machine.is_ending() {
                return Ok(woken);
            }
        }
    }

    /// When the wait that began then has been too long.
    fn silence(&self, begun: Instant) -> Instant {
        let end = begun + self.machine.timeout();
        if self.machine.state() == State::NotAuthenticated {
            // A stranger that sends an octet now and then is as bad as one that sends none.
            return end.min(self.begun + self.shared.config.login());
        }
        self.upload.as_ref().map_or(end, |upload| end.min(upload.deadline))
    }

    async fn wait_once(
        &mut self,
        goodbye: &mut Moment,
        leaving: bool,
        silence: Instant,
    ) -> io::Result<Woken> {
        let idle = self.machine.is_listening();
        let selected = self.selected.as_mut().filter(|_| idle);
        let mut behind = selected
            .as_ref()
            .is_some_and(|selected| selected.synced.is_none() || selected.contexts.are_behind());
        let notify = self.notify.as_mut().filter(|_| idle);
        behind |= notify.as_ref().is_some_and(|notify| notify.behind);
        // Somebody else's mailbox is in an account that NOTIFY may know nothing of.
        let watch = selected.and_then(|selected| selected.watch.as_mut());
        let watched = watch.is_some() || notify.is_some();
        let changed = async {
            let selected = async {
                match watch {
                    Some(watch) => watch.changed().await,
                    None => std::future::pending().await,
                }
            };
            let account = async {
                match notify {
                    Some(notify) => notify.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = selected => {}
                () = account => {}
            }
        };
        let guard = self.guard.as_ref();
        let revoked = async {
            match guard {
                Some(guard) => guard.revoked().await,
                None => std::future::pending().await,
            }
        };
        // One clock for all: the earliest counts.
        let now = Instant::now();
        let mut alarm = (silence, Woken::Silence);
        let keepalive = now + self.shared.config.keepalive();
        if idle && keepalive < alarm.0 {
            alarm = (keepalive, Woken::Keepalive);
        }
        // Spread, so that a PostgreSQL that is back does not meet everybody at once.
        let retry = now + RETRY.mul_f64(rand::rng().random_range(0.5..=1.5));
        if behind && retry < alarm.0 {
            alarm = (retry, Woken::Changed);
        }
        let (at, what) = alarm;
        tokio::select! {
            biased;
            read = self.wire.receive(self.machine.input()) => Ok(Woken::Octets(read?)),
            () = goodbye, if !leaving => Ok(Woken::Goodbye),
            () = revoked => Ok(Woken::Revoked),
            () = changed, if watched => Ok(Woken::Changed),
            () = tokio::time::sleep_until(at) => Ok(what),
        }
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
            Event::Command(command) => {
                // What was answered before must not wait for what comes now.
                self.wire.send(self.machine.output()).await?;
                self.command(command).await?;
            }
            Event::Idle => self.idle().await?,
            Event::IdleDone => {
                self.update_quietly(Look::IfStale).await?;
                self.settle().await?;
                self.machine.finish_ok();
            }
            Event::Append(append) => self.append_begin(append).await?,
            Event::AppendUrl(url) => self.append_url(&url).await?,
            Event::AppendContent(piece) => self.append_piece(piece).await,
            Event::AppendEnd => self.append_end().await?,
            Event::AppendVoid => self.upload = None,
            Event::SavedSearchVoid => {
                if let Some(selected) = &mut self.selected {
                    selected.saved = UidSet::default();
                }
            }
            Event::AppendNext(append) => self.append_next(append).await,
            Event::Compress => {
                // "the server MUST compress ... starting immediately after the CRLF that ends the tagged OK response".
                self.wire.send(self.machine.output()).await?;
                self.wire.start_compression(self.machine.input());
                self.machine.compression_started();
            }
            Event::Close => {}
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

    /// The account is not the one that was logged in to: its password was changed, or it was closed. What is under
    /// way is not carried out any more.
    fn revoke(&mut self) {
        self.upload = None;
        self.guard = None;
        self.machine.bye(Some(&Code::Expired), "Your account was changed, log in again");
    }

    /// From here on the client is told what changes as it changes.
    async fn idle(&mut self) -> io::Result<()> {
        self.machine.idle_started();
        // The watch first: what changes after the look wakes us.
        self.watch_selected();
        self.update_quietly(Look::Now).await
    }

    /// From here on what changes in the selected mailbox wakes the session.
    pub(crate) fn watch_selected(&mut self) {
        if let Some(selected) = &mut self.selected {
            let account = selected.view.target().account;
            let hub = self.shared.mail.hub();
            if selected.watch.is_none() {
                selected.watch = Some(hub.watch(account));
                // What changed before it is to be looked for.
                let frozen = self.notify.as_ref().is_some_and(|notify| !notify.selected().messages);
                selected.synced = selected.synced.filter(|_| frozen);
            }
        }
    }

    async fn command(&mut self, command: Command) -> io::Result<()> {
        let started = Instant::now();
        let name = self.machine.command_name();
        if !matches!(command, Command::Select { .. } | Command::Close | Command::Unselect)
            && let Err(Stop::Answer(answer)) = self.look_again().await
        {
            answer.finish(&mut self.machine);
            return Ok(());
        }
        if self.machine.is_ending() {
            return Ok(());
        }
        self.cut = None;
        let answer = match crate::cmd::run(self, command).await {
            Ok(answer) | Err(Stop::Answer(answer)) => answer,
            Err(Stop::Gone(error)) => return Err(error),
        };
        let answer = self.limited(answer);
        let outcome = if answer.is_ok() { "ok" } else { "failed" };
        metrics::counter!("postrider_imap_commands_total", "command" => name, "outcome" => outcome)
            .increment(1);
        metrics::histogram!("postrider_imap_command_seconds", "command" => name)
            .record(started.elapsed());
        self.update_quietly(Look::IfStale).await?;
        self.settle().await?;
        answer.finish(&mut self.machine);
        Ok(())
    }

    /// Whose mailboxes these are.
    pub(crate) fn account(&self) -> Result<AccountId, Answer> {
        let login = self.login.as_ref().map(|login| login.account);
        login.ok_or_else(|| Answer::bad("Log in first"))
    }

    /// The selected mailbox.
    pub(crate) fn selected(&mut self) -> Result<&mut Selected, Answer> {
        self.selected.as_mut().ok_or_else(|| Answer::bad("No mailbox is selected"))
    }

    /// UNAUTHENTICATE (RFC 8437): nothing of who was here stays, and the time to log in begins anew.
    pub(crate) async fn forget_login(&mut self) {
        self.deselect().await;
        self.login = None;
        self.seat = None;
        self.guard = None;
        self.notify = None;
        self.begun = Instant::now();
    }

    /// Leaves the selected mailbox, if there is one.
    pub(crate) async fn deselect(&mut self) {
        if let Some(selected) = self.selected.take() {
            self.shared.mail.close(selected.view).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the future of a session takes: most sessions wait most of the time, by the ten thousand.
    fn size<F: Future>(_: fn(Arc<Shared>, Stream, bool, Goodbye) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_session_that_waits_is_small() {
        let (session, client) = (size(run), size_of::<Client>());
        assert!(session <= 2_048 && client <= 1_536, "{session}, {client}");
    }
}
