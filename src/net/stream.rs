//! A client's connection, plain or under TLS.

use crate::proofs::{ClientCertificate, EXPORTER, Proofs};
use crate::tls::{Key, Tls};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

/// Longest TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(15);

/// What TLS agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsInfo {
    /// Protocol version, e.g. `TLSv1.3`.
    pub version: String,
    /// Cipher suite.
    pub cipher: String,
}

/// Whether somebody is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// For all we know.
    Here,
    /// Nothing more will come; whether anybody listens shows when something is sent.
    Silent,
    /// Nobody.
    Gone,
}

/// A connection.
pub struct Stream {
    kind: Kind,
    peer: SocketAddr,
}

enum Kind {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>, Arc<Key>),
}

impl Stream {
    pub(crate) fn plain(stream: TcpStream, peer: SocketAddr) -> Self {
        Self { kind: Kind::Plain(stream), peer }
    }

    /// The client, as the balancer says when there is one.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// What TLS agreed on; `None` on a plain connection.
    #[must_use]
    pub fn tls(&self) -> Option<TlsInfo> {
        let Kind::Tls(stream, _) = &self.kind else { return None };
        let connection = stream.get_ref().1;
        Some(TlsInfo {
            version: connection.protocol_version()?.as_str()?.replace('_', "."),
            cipher: connection.negotiated_cipher_suite()?.suite().as_str()?.to_owned(),
        })
    }

    /// Starts TLS as the server.
    ///
    /// # Errors
    /// What went wrong with the handshake, a client that takes too long included.
    pub async fn start_tls(self, tls: &Tls) -> io::Result<Self> {
        let Kind::Plain(stream) = self.kind else {
            return Err(io::Error::other("TLS is on already"));
        };
        let (stream, key) = tokio::time::timeout(HANDSHAKE, Box::pin(handshake(stream, tls)))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        Ok(Self { kind: Kind::Tls(Box::new(stream), key), peer: self.peer })
    }

    /// Whether the client is still there, as far as the socket has heard. Reads nothing and never waits.
    #[must_use]
    pub fn presence(&self) -> Presence {
        let socket = match &self.kind {
            Kind::Plain(stream) => stream,
            Kind::Tls(stream, _) => stream.get_ref().0,
        };
        let interest = Interest::READABLE | Interest::WRITABLE | Interest::ERROR;
        let ready = pin!(socket.ready(interest)).poll(&mut Context::from_waker(Waker::noop()));
        match ready {
            Poll::Ready(Err(_)) => Presence::Gone,
            Poll::Ready(Ok(ready)) if ready.is_error() || ready.is_write_closed() => Presence::Gone,
            Poll::Ready(Ok(ready)) if ready.is_read_closed() => Presence::Silent,
            _ => Presence::Here,
        }
    }

    /// What TLS proves of this connection and its client.
    #[must_use]
    pub fn proofs(&self) -> Proofs {
        let Kind::Tls(stream, key) = &self.kind else { return Proofs::default() };
        let connection = stream.get_ref().1;
        // RFC 9266 §4.2: before TLS 1.3 it is unique only under conditions; then it is not offered.
        let modern = connection.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3);
        let export = || connection.export_keying_material([0; 32], EXPORTER, None).ok();
        let leaf = connection.peer_certificates().and_then(|chain| chain.first());
        Proofs {
            exporter: modern.then(export).flatten(),
            end_point: key.end_point.clone(),
            client: leaf.and_then(ClientCertificate::read),
        }
    }
}

async fn handshake(stream: TcpStream, tls: &Tls) -> io::Result<(TlsStream<TcpStream>, Arc<Key>)> {
    let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
    let chosen = tls.choose(&start.client_hello());
    let (key, config) = chosen.ok_or_else(|| io::Error::other("no TLS certificate"))?;
    Ok((start.into_stream(config).await?, key))
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Kind::Tls(stream, _) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.kind {
            Kind::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Kind::Tls(stream, _) => Pin::new(stream.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Kind::Tls(stream, _) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Kind::Tls(stream, _) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
