//! One connection: the machine of [`smtp::client`] and the socket it speaks through.
//!
//! Reads and writes at the same time: a server that answers a pipelined group while the group is still being
//! written never blocks us, nor we it.

use crate::outcome::NoConnection;
use crate::tls::{TlsConfigs, TlsSeen, Trust, seen};
use bytes::Buf;
use smtp::client::{Action, Client, Config, Lost, Phase};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::client::TlsStream;
use tokio_util::io::poll_read_buf;

/// Octets read at once; replies are short.
const READ: usize = 4 * 1024;

/// The bytes' way.
enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// In the middle of a handshake, or after one that failed.
    Gone,
}

/// Who is at the other end.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// Host name, for reports.
    pub host: String,
    /// Names its certificate may be for, the one it is called by first.
    pub names: Vec<String>,
    /// Where.
    pub address: SocketAddr,
    /// Whom to accept there.
    pub trust: Trust,
    /// Wait for a handshake.
    pub handshake: Duration,
    /// It was made for mail that wants to arrive rather than to be safe, and serves no other.
    pub lenient: bool,
}

impl Peer {
    /// Whether what was verified counts for mail to a domain as well. A certificate below a trust anchor may have been
    /// taken for the name of the domain that the connection was made for (RFC 7672 §3.2.2).
    pub(crate) fn is_known_to(&self, domain: &str) -> bool {
        let by_name =
            matches!(&self.trust, Trust::Dane(records) if records.iter().any(|r| r.usage == 2));
        !by_name || self.names.iter().any(|name| name == domain)
    }
}

/// A connection.
pub(crate) struct Connection {
    wire: Wire,
    pub(crate) client: Client,
    pub(crate) peer: Peer,
    pub(crate) tls: Option<TlsSeen>,
    made: Instant,
    /// The phase and reply the current wait belongs to, and since when.
    waiting: ((Phase, u64), Instant),
    /// The whole attempt must be through by then, except for the last reply.
    limit: Option<Instant>,
    unflushed: bool,
}

impl Connection {
    /// Speaks over a socket just connected; with TLS first if `implicit`.
    pub(crate) async fn open(
        stream: TcpStream,
        config: Config,
        peer: Peer,
        implicit: bool,
        tls: &TlsConfigs,
    ) -> Result<Self, NoConnection> {
        let now = Instant::now();
        let mut connection = Self {
            wire: Wire::Plain(stream),
            client: Client::new(Arc::new(config), implicit),
            peer,
            tls: None,
            made: now,
            waiting: ((Phase::Greeting, 0), now),
            limit: None,
            unflushed: false,
        };
        if implicit {
            connection.handshake(tls).await.map_err(|()| NoConnection::Handshake)?;
        }
        connection.waiting.1 = Instant::now();
        Ok(connection)
    }

    /// How old it is.
    pub(crate) fn age(&self) -> Duration {
        self.made.elapsed()
    }

    /// The attempt's end.
    pub(crate) fn set_limit(&mut self, limit: Instant) {
        self.limit = Some(limit);
        self.waiting.1 = Instant::now();
    }

    /// TLS over the connection.
    pub(crate) async fn handshake(&mut self, tls: &TlsConfigs) -> Result<(), ()> {
        let Wire::Plain(stream) = std::mem::replace(&mut self.wire, Wire::Gone) else {
            return Err(());
        };
        let connecting =
            timeout(self.peer.handshake, tls.connect(&self.peer.trust, &self.peer.names, stream));
        let result = connecting.await.unwrap_or_else(|_| Err("timed out".into()));
        let stream = result.map_err(|error| {
            let peer = &self.peer;
            tracing::debug!(host = %peer.host, address = %peer.address, %error, "no TLS with the server");
        })?;
        self.tls = Some(seen(&stream, self.peer.trust != Trust::Anyone));
        self.wire = Wire::Tls(Box::new(stream));
        Ok(())
    }

    /// The machine's next action; waits for the network as long as it takes, or may take.
    pub(crate) async fn action(&mut self) -> Action {
        loop {
            if let Some(action) = self.client.next() {
                return action;
            }
            self.turn().await;
        }
    }

    /// An action that is there already.
    pub(crate) fn ready_action(&mut self) -> Option<Action> {
        self.client.next()
    }

    /// Whether everything written is with the system.
    pub(crate) fn is_drained(&mut self) -> bool {
        self.client.output().is_empty() && !self.unflushed
    }

    /// Some octets in one of the directions, or the news that there will be none.
    pub(crate) async fn turn(&mut self) {
        let deadline = self.deadline();
        match timeout_at(deadline, poll_fn(|cx| self.poll(cx))).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => self.client.lost(Lost::Closed),
            Err(_) => self.client.lost(Lost::TimedOut),
        }
    }

    fn deadline(&mut self) -> Instant {
        let phase = self.client.phase();
        let now_waiting = (phase, self.client.replies());
        if now_waiting != self.waiting.0 {
            self.waiting = (now_waiting, Instant::now());
        }
        let wait = self.client.timeout().unwrap_or(Duration::from_secs(60));
        let deadline = self.waiting.1 + wait;
        match self.limit {
            // Giving up now would only make a second copy likely.
            Some(limit) if phase != Phase::FinalDot => deadline.min(limit),
            _ => deadline,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut progress = false;
        while !self.client.output().is_empty() {
            let output = self.client.output();
            match Pin::new(&mut self.wire).poll_write(cx, output) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    self.client.output().advance(written);
                    self.unflushed = true;
                    progress = true;
                }
                // Its last words may still be there to be read.
                Poll::Ready(Err(error)) => return self.poll_last_words(cx, error),
                Poll::Pending => break,
            }
        }
        if self.unflushed && self.client.output().is_empty() {
            match Pin::new(&mut self.wire).poll_flush(cx) {
                Poll::Ready(Ok(())) => {
                    self.unflushed = false;
                    progress = true;
                }
                Poll::Ready(Err(error)) => return self.poll_last_words(cx, error),
                Poll::Pending => {}
            }
        }
        if progress {
            self.waiting.1 = Instant::now();
            // Let the machine give more before anything is awaited.
            return Poll::Ready(Ok(()));
        }
        self.poll_read_some(cx)
    }

    fn poll_read_some(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let input = self.client.input();
        if input.capacity() - input.len() < READ / 4 {
            input.reserve(READ);
        }
        match poll_read_buf(Pin::new(&mut self.wire), cx, input) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            Poll::Ready(result) => Poll::Ready(result.map(|_| ())),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_last_words(&mut self, cx: &mut Context<'_>, error: io::Error) -> Poll<io::Result<()>> {
        self.client.output().clear();
        self.unflushed = false;
        match self.poll_read_some(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            _ => Poll::Ready(Err(error)),
        }
    }

    /// Whether an idle connection is still silent and open.
    pub(crate) async fn is_quiet(&mut self) -> bool {
        let quiet = poll_fn(|cx| {
            let mut octet = [0; 1];
            let read = Pin::new(&mut self.wire).poll_read(cx, &mut ReadBuf::new(&mut octet));
            Poll::Ready(read.is_pending())
        });
        quiet.await && self.client.input().is_empty()
    }

    /// Says QUIT if that makes sense, waits a little for the answer, closes.
    pub(crate) async fn close(mut self) {
        self.client.quit();
        while !matches!(self.action().await, Action::Close(_)) {}
        let _ = timeout(
            Duration::from_secs(1),
            poll_fn(|cx| Pin::new(&mut self.wire).poll_shutdown(cx)),
        )
        .await;
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
            Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}
