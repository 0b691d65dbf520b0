//! Certificates of an authority of its own, and a web server that has one: where policies of MTA-STS are fetched.
//!
//! The server parses for itself and answers every request with the octets it was given, so that it can be as wrong as
//! any.

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Who vouches.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// No randomness.
    pub fn new() -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// Its certificate, for who is to trust it.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// What a server of these names needs.
    ///
    /// # Errors
    /// A name that is none.
    pub fn acceptor(&self, names: &[&str]) -> anyhow::Result<TlsAcceptor> {
        let key = KeyPair::generate()?;
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names)?.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// A running server; stops when dropped.
pub struct Https {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

struct Shared {
    acceptor: TlsAcceptor,
    answer: Mutex<Vec<u8>>,
    asked: Mutex<Vec<String>>,
}

impl Https {
    /// On a free port.
    ///
    /// # Errors
    /// There is none.
    pub async fn start(acceptor: TlsAcceptor) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port")?;
        let (address, stop) = (listener.local_addr()?, CancellationToken::new());
        let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
        let shared = Arc::new(Shared { acceptor, answer: answer.into(), asked: Mutex::default() });
        let (served, stopped) = (Arc::clone(&shared), stop.clone());
        tokio::spawn(async move { stopped.run_until_cancelled(serve(listener, served)).await });
        Ok(Self { address, shared, stop })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on these octets are the answer.
    pub fn answer(&self, octets: impl Into<Vec<u8>>) {
        *guard(&self.shared.answer) = octets.into();
    }

    /// From now on this text is, as it should be served.
    pub fn text(&self, text: &str) {
        let length = text.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}"
        );
        self.answer(format!("{head}\r\n\r\n{text}"));
    }

    /// The requests so far, each a path and a host.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        guard(&self.shared.asked).clone()
    }
}

impl Drop for Https {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        // A connection that breaks is the client's choice.
        tokio::spawn(async move { _ = one(stream, &shared).await });
    }
}

async fn one(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut stream = shared.acceptor.accept(stream).await?;
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") && request.len() < 16 * 1024 {
        request.push(stream.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let path = text.split(' ').nth(1).unwrap_or_default();
    let host = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("host").then(|| value.trim())
    });
    guard(&shared.asked).push(format!("{path} {}", host.unwrap_or_default()));
    let answer = guard(&shared.answer).clone();
    stream.write_all(&answer).await?;
    stream.shutdown().await
}
