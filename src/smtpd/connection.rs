//! One connection: octets between the socket and the machine, and the machine's questions to who can answer.

use crate::Shared;
use crate::transaction::{Client, Transaction};
use crate::verdict;
use bytes::BytesMut;
use directory::{Channel, Exchange, Guard, Login, Step};
use net::{Goodbye, Stream, TlsInfo};
use sasl::Mechanism;
use smtp::{
    AuthVerdict, Config, ContentVerdict, DataVerdict, Event, MailVerdict, RcptVerdict, Role,
    Session, Stage,
};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

/// Most unsent output before a client's input waits (invariant 12).
const MOST_OUTPUT: usize = 64 * 1024;
/// Longest wait for a client to take our replies.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);
/// Longest wait for the end of a connection that we closed.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);
/// Room for commands, and for message text.
const ROOM: usize = 4 * 1024;
const DATA_ROOM: usize = 32 * 1024;

/// Serves one client.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    config: Arc<Config>,
    stream: Stream,
    implicit_tls: bool,
    goodbye: Goodbye,
) {
    let peer = stream.peer();
    let gauge = metrics::gauge!("postrider_smtp_sessions");
    gauge.increment(1.0);
    match talk(shared, config, stream, implicit_tls, goodbye).await {
        Ok(()) => tracing::debug!(%peer, "session over"),
        Err(error) => tracing::debug!(%peer, %error, "session broke"),
    }
    gauge.decrement(1.0);
}

async fn talk(
    shared: Arc<Shared>,
    config: Arc<Config>,
    mut stream: Stream,
    implicit_tls: bool,
    goodbye: Goodbye,
) -> io::Result<()> {
    if implicit_tls {
        stream = start_tls(&shared, config.role, stream).await?;
    }
    let mut connection = Connection::new(shared, config, &stream);
    let goodbye = goodbye.come();
    tokio::pin!(goodbye);
    let mut leaving = false;
    loop {
        while let Some(event) = connection.machine.next() {
            if connection.is_revoked() && event != Event::Close {
                connection.revoke();
                continue;
            }
            match event {
                Event::StartTls => {
                    connection.flush(&mut stream).await?;
                    stream = start_tls(&connection.shared, connection.config.role, stream).await?;
                    connection.tls_started(&stream);
                }
                Event::Close => {
                    connection.flush(&mut stream).await?;
                    return close(stream).await;
                }
                event => connection.handle(event).await,
            }
            connection.moved();
            if connection.machine.output().len() > MOST_OUTPUT {
                connection.flush(&mut stream).await?;
            }
        }
        if leaving && connection.machine.shut_down() {
            continue;
        }
        connection.flush(&mut stream).await?;
        tokio::select! {
            biased;
            () = &mut goodbye, if !leaving => leaving = true,
            more = connection.wait(&mut stream) => {
                if !more? {
                    return Ok(());
                }
            }
        }
    }
}

/// Only who may log in is asked for a certificate.
async fn start_tls(shared: &Shared, role: Role, stream: Stream) -> io::Result<Stream> {
    let tls = shared.tls.as_ref().ok_or_else(|| io::Error::other("no TLS certificate"))?;
    match role {
        Role::Submission => stream.start_tls(&tls.asking()).await,
        Role::Smtp | Role::Lmtp => stream.start_tls(tls).await,
    }
}

async fn close(mut stream: Stream) -> io::Result<()> {
    match timeout(CLOSE_PATIENCE, stream.shutdown()).await {
        Ok(result) => result,
        Err(_) => Ok(()),
    }
}

/// An authentication under way.
enum Auth {
    None,
    Exchange(Box<Exchange>),
    /// The client proved itself and was sent our own proof; its answer says nothing.
    Proved(Login),
}

struct Connection {
    shared: Arc<Shared>,
    config: Arc<Config>,
    machine: Session,
    peer: SocketAddr,
    tls: Option<TlsInfo>,
    channel: Channel,
    auth: Auth,
    login: Option<Login>,
    /// Tells when the login is over.
    guard: Option<Guard>,
    transaction: Option<Transaction>,
    /// When the client has waited too long with what it is to send next.
    deadline: Instant,
    /// When the message under way has taken too long.
    message_deadline: Option<Instant>,
}

impl Connection {
    fn new(shared: Arc<Shared>, config: Arc<Config>, stream: &Stream) -> Self {
        let tls = stream.tls();
        let machine = Session::new(Arc::clone(&config), tls.is_some());
        let deadline = Instant::now() + machine.timeout();
        let mut connection = Self {
            shared,
            config,
            machine,
            peer: stream.peer(),
            tls,
            channel: Channel::of(stream),
            auth: Auth::None,
            login: None,
            guard: None,
            transaction: None,
            deadline,
            message_deadline: None,
        };
        connection.offer();
        connection
    }

    fn tls_started(&mut self, stream: &Stream) {
        self.machine.tls_started();
        self.tls = stream.tls();
        self.channel = Channel::of(stream);
        self.transaction = None;
        self.offer();
    }

    fn offer(&mut self) {
        let usual = self.shared.directory.mechanisms(&self.channel);
        self.machine.offer_mechanisms(usual.with(Mechanism::Login, true));
    }

    /// Whether the login is over; what is under way is not carried out any more.
    fn is_revoked(&self) -> bool {
        self.guard.as_ref().is_some_and(Guard::is_revoked)
    }

    fn revoke(&mut self) {
        self.transaction = None;
        self.guard = None;
        self.machine.revoke();
    }

    /// Waits for octets, or for the login's end. `false`: the client is gone.
    async fn wait(&mut self, stream: &mut Stream) -> io::Result<bool> {
        let guard = self.guard.take();
        let revoked = async {
            match &guard {
                Some(guard) => guard.revoked().await,
                None => std::future::pending().await,
            }
        };
        let result = tokio::select! {
            biased;
            () = revoked => None,
            more = self.read(stream) => Some(more),
        };
        self.guard = guard;
        result.unwrap_or_else(|| {
            self.revoke();
            Ok(true)
        })
    }

    /// The client got on: its time begins anew. Octets of an unfinished command do not count, or one octet a
    /// minute would hold a session for ever.
    fn moved(&mut self) {
        self.deadline = Instant::now() + self.machine.timeout();
        if !matches!(self.machine.stage(), Stage::Data | Stage::Bdat) {
            self.message_deadline = None;
        }
    }

    /// Reads some octets. `false`: the client is gone.
    async fn read(&mut self, stream: &mut Stream) -> io::Result<bool> {
        let receiving = matches!(self.machine.stage(), Stage::Data | Stage::Bdat);
        let deadline = match self.message_deadline {
            Some(limit) => self.deadline.min(limit),
            None => self.deadline,
        };
        let input = self.machine.input();
        if input.is_empty() && !receiving && input.capacity() > ROOM {
            // The large buffer of a message is not kept for an idle client.
            *input = BytesMut::new();
        }
        input.reserve(if receiving { DATA_ROOM } else { ROOM });
        match timeout_at(deadline, stream.read_buf(input)).await {
            Ok(Ok(0)) => Ok(false),
            Ok(Ok(_)) => Ok(true),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                self.machine.timed_out();
                Ok(true)
            }
        }
    }

    async fn flush(&mut self, stream: &mut Stream) -> io::Result<()> {
        if self.machine.output().is_empty() {
            return Ok(());
        }
        // A reply is progress, whoever caused it.
        self.moved();
        let mut output = self.machine.output().split();
        let write = async {
            stream.write_all_buf(&mut output).await?;
            stream.flush().await
        };
        timeout(WRITE_PATIENCE, write)
            .await
            .map_err(|_| io::Error::other("the client does not read"))?
    }

    async fn handle(&mut self, event: Event) {
        match event {
            Event::Auth { mechanism, initial } => {
                let (directory, channel) = (&self.shared.directory, self.channel.clone());
                let begin = directory.exchange(mechanism, initial.as_deref(), channel);
                let (exchange, step) = begin.await;
                self.auth_step(Box::new(exchange), step);
            }
            Event::AuthResponse(response) => self.auth_response(&response).await,
            Event::AuthCancelled => self.auth = Auth::None,
            Event::Mail(mail) => {
                self.transaction = None;
                let begun = self.shared.mail(mail, &self.client()).await;
                let verdict = begun.as_ref().err().copied().unwrap_or(MailVerdict::Ok);
                self.transaction = begun.ok();
                self.machine.mail_verdict(verdict);
            }
            Event::Rcpt(rcpt) => {
                let role = self.config.role;
                let verdict = match &mut self.transaction {
                    Some(transaction) => {
                        let login = self.login.as_ref();
                        self.shared.rcpt(transaction, rcpt, role, login).await
                    }
                    None => RcptVerdict::Unavailable,
                };
                if verdict != RcptVerdict::Ok {
                    let why = format!("{verdict:?}");
                    metrics::counter!("postrider_smtp_recipients_refused_total", "why" => why)
                        .increment(1);
                }
                self.machine.rcpt_verdict(verdict);
            }
            Event::Data => {
                let verdict = self.data().await;
                self.machine.data_verdict(verdict);
            }
            Event::Content(piece) => {
                if let Some(transaction) = &mut self.transaction {
                    self.shared.content(transaction, piece).await;
                }
            }
            Event::ContentEnd => {
                let verdicts = match self.transaction.take() {
                    Some(transaction) => self.shared.content_end(transaction, &self.client()).await,
                    None => vec![ContentVerdict::Unavailable],
                };
                self.machine.content_verdicts(&verdicts);
            }
            Event::ContentVoid => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.void();
                }
            }
            Event::Reset => self.transaction = None,
            // Both need the socket; `talk` takes them before.
            Event::StartTls | Event::Close => {}
        }
    }

    async fn data(&mut self) -> DataVerdict {
        let Some(mut transaction) = self.transaction.take() else {
            return DataVerdict::Unavailable;
        };
        let verdict = self.shared.data(&mut transaction, &self.client()).await;
        self.transaction = Some(transaction);
        self.message_deadline = Some(Instant::now() + self.shared.config.message_timeout());
        verdict
    }

    fn client(&self) -> Client<'_> {
        Client {
            role: self.config.role,
            peer: self.peer.ip(),
            tls: self.tls.as_ref(),
            login: self.login.as_ref(),
            helo: self.machine.helo(),
            extended: self.machine.is_extended(),
        }
    }

    async fn auth_response(&mut self, response: &[u8]) {
        match std::mem::replace(&mut self.auth, Auth::None) {
            Auth::Exchange(mut exchange) => {
                let step = exchange.respond(response).await;
                self.auth_step(exchange, step);
            }
            Auth::Proved(login) => self.let_in(login),
            Auth::None => self.machine.auth_verdict(AuthVerdict::Malformed),
        }
    }

    fn auth_step(&mut self, exchange: Box<Exchange>, step: Step) {
        match step {
            Step::Challenge(challenge) => {
                self.auth = Auth::Exchange(exchange);
                self.machine.auth_challenge(&challenge);
            }
            // RFC 4954 §4: data with the success goes as a challenge, which the client answers with nothing.
            Step::Done(login, Some(last)) => {
                self.auth = Auth::Proved(login);
                self.machine.auth_challenge(&last);
            }
            Step::Done(login, None) => self.let_in(login),
            Step::Failed(failure) => self.machine.auth_verdict(verdict::auth(&failure)),
        }
    }

    fn let_in(&mut self, login: Login) {
        tracing::debug!(peer = %self.peer, user = login.address, "authenticated");
        self.guard = Some(self.shared.directory.guard(&login));
        self.login = Some(login);
        self.machine.auth_verdict(AuthVerdict::Ok);
    }
}
