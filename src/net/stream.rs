//! A client's connection, plain or under TLS.

use crate::tls::Tls;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
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

/// A connection.
pub struct Stream {
    kind: Kind,
    peer: SocketAddr,
}

enum Kind {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
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
        let Kind::Tls(stream) = &self.kind else { return None };
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
        let stream = tokio::time::timeout(HANDSHAKE, tls.acceptor().accept(stream))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        Ok(Self { kind: Kind::Tls(Box::new(stream)), peer: self.peer })
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Kind::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
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
            Kind::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Kind::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            Kind::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Kind::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
