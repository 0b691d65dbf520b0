//! A client's connection: plain, or TLS that trusts whatever certificate it is shown.

use anyhow::{Context, Result, bail};
use bytes::{Buf, Bytes, BytesMut};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Longest wait for more octets, unless the caller says otherwise.
const PATIENCE: Duration = Duration::from_secs(60);
/// Octets asked for at a time.
const READ: usize = 64 * 1024;

enum Socket {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
    Closed,
}

/// A connection with a buffer of what has come and was not taken.
pub struct Stream {
    socket: Socket,
    buffer: BytesMut,
    patience: Duration,
}

impl Stream {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| address.to_string())?;
        stream.set_nodelay(true)?;
        Ok(Self { socket: Socket::Plain(stream), buffer: BytesMut::new(), patience: PATIENCE })
    }

    /// Connects from another address of this machine (all of 127.0.0.0/8 is).
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn connect_from(source: IpAddr, address: SocketAddr) -> Result<Self> {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(source, 0))?;
        let stream = socket.connect(address).await.with_context(|| address.to_string())?;
        stream.set_nodelay(true)?;
        Ok(Self { socket: Socket::Plain(stream), buffer: BytesMut::new(), patience: PATIENCE })
    }

    /// Connects and begins TLS at once.
    ///
    /// # Errors
    /// When nobody listens or the handshake fails.
    pub async fn connect_tls(address: SocketAddr) -> Result<Self> {
        let mut stream = Self::connect(address).await?;
        stream.start_tls().await?;
        Ok(stream)
    }

    /// Begins TLS. What came before in plain text and was not taken is an error: it could have been put there
    /// by anybody.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn start_tls(&mut self) -> Result<()> {
        let Socket::Plain(stream) = std::mem::replace(&mut self.socket, Socket::Closed) else {
            bail!("the connection is not in plain text");
        };
        if !self.buffer.is_empty() {
            bail!("plain text before TLS: {:?}", self.buffer);
        }
        let name = ServerName::try_from("localhost").context("a name")?;
        let connect = trusting_tls()?.connect(name, stream);
        let tls = tokio::time::timeout(self.patience, connect).await.context("TLS handshake")??;
        self.socket = Socket::Tls(Box::new(tls));
        Ok(())
    }

    /// What the server showed (DER), within TLS.
    #[must_use]
    pub fn peer_certificate(&self) -> Option<Vec<u8>> {
        let Socket::Tls(stream) = &self.socket else { return None };
        let chain = stream.get_ref().1.peer_certificates()?;
        chain.first().map(|certificate| certificate.to_vec())
    }

    /// How long to wait for anything from now on.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Sends all of it.
    ///
    /// # Errors
    /// When the server does not take it.
    pub async fn send(&mut self, octets: &[u8]) -> Result<()> {
        let work = async {
            match &mut self.socket {
                Socket::Plain(stream) => stream.write_all(octets).await,
                Socket::Tls(stream) => write_tls(stream, octets).await,
                Socket::Closed => Err(io::ErrorKind::NotConnected.into()),
            }
        };
        let sent = tokio::time::timeout(self.patience, work).await;
        Ok(sent.context("the server takes nothing")??)
    }

    /// Waits for more; `false` when the server has closed.
    ///
    /// # Errors
    /// When nothing comes in time.
    pub async fn more(&mut self) -> Result<bool> {
        self.buffer.reserve(READ);
        let work = async {
            match &mut self.socket {
                Socket::Plain(stream) => stream.read_buf(&mut self.buffer).await,
                Socket::Tls(stream) => stream.read_buf(&mut self.buffer).await,
                Socket::Closed => Ok(0),
            }
        };
        match tokio::time::timeout(self.patience, work).await.context("no answer in time")? {
            Ok(count) => Ok(count > 0),
            Err(error) if ended(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// What has come and was not taken.
    #[must_use]
    pub fn buffer(&self) -> &[u8] {
        &self.buffer
    }

    /// Takes octets from the buffer.
    pub fn take(&mut self, count: usize) -> Bytes {
        self.buffer.split_to(count).freeze()
    }

    /// The next line, without its CRLF. `None` when the server has closed instead.
    ///
    /// # Errors
    /// When none comes in time, or half of one.
    pub async fn line(&mut self) -> Result<Option<Bytes>> {
        let mut searched = 0;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[searched..]) {
                let mut line = self.take(searched + at);
                self.buffer.advance(1);
                if line.last() == Some(&b'\r') {
                    line.truncate(line.len() - 1);
                }
                return Ok(Some(line));
            }
            searched = self.buffer.len();
            if !self.more().await? {
                if self.buffer.is_empty() {
                    return Ok(None);
                }
                bail!("closed in the middle of {:?}", self.buffer);
            }
        }
    }

    /// All that comes until the server closes.
    ///
    /// # Errors
    /// When nothing comes for too long, and the server does not close.
    pub async fn rest(&mut self) -> Result<Bytes> {
        while self.more().await? {}
        Ok(self.buffer.split().freeze())
    }

    /// Whether the server closes now, having said nothing more.
    ///
    /// # Errors
    /// When it says something, or does not close in time.
    pub async fn expect_close(&mut self) -> Result<()> {
        match self.line().await? {
            None => Ok(()),
            Some(line) => bail!("expected the end, got {:?}", line),
        }
    }

    /// Says that nothing more will be sent; the server may go on.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn finish_sending(&mut self) -> Result<()> {
        match &mut self.socket {
            Socket::Plain(stream) => stream.shutdown().await?,
            Socket::Tls(stream) => stream.shutdown().await?,
            Socket::Closed => {}
        }
        Ok(())
    }

    /// Closes, without waiting for anything.
    pub fn close(&mut self) {
        self.socket = Socket::Closed;
    }
}

/// tokio-rustls buffers; what is written must also be flushed.
async fn write_tls(
    stream: &mut (impl AsyncWrite + AsyncRead + Unpin),
    octets: &[u8],
) -> io::Result<()> {
    stream.write_all(octets).await?;
    stream.flush().await
}

/// A reset, or TLS cut off without a goodbye: closed, all the same.
fn ended(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe
    )
}

/// A TLS client that takes any certificate. For tests only.
///
/// # Errors
/// When TLS cannot be set up at all.
pub fn trusting_tls() -> Result<TlsConnector> {
    static CONNECTOR: OnceLock<TlsConnector> = OnceLock::new();
    if let Some(connector) = CONNECTOR.get() {
        return Ok(connector.clone());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting(provider)))
        .with_no_client_auth();
    Ok(CONNECTOR.get_or_init(|| TlsConnector::from(Arc::new(config))).clone())
}

#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
