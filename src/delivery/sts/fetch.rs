//! A policy by HTTPS (RFC 8461 §3.3): one GET, of a host whose certificate is right, without redirects, caches or
//! credentials; bounded in time and size.

use crate::DeliveryConfig;
use crate::dial::is_elsewhere;
use crate::tls::{TlsConfigs, Trust};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use policy::mta_sts::{MAX_BODY, POLICY_PATH, Policy, PolicyError, policy_host};
use resolve::{Resolve, ResolveError};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

/// "a suggested timeout is one minute" (§3.3). Mail waits for it.
const LIMIT: Duration = Duration::from_secs(60);
/// Of that, for one address.
const CONNECT: Duration = Duration::from_secs(10);
/// Most addresses tried.
const ADDRESSES: usize = 4;
/// Most octets of a response's header.
const HEADER: usize = 64 * 1024;

/// Why there is no policy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("its host: {0}")]
    Host(ResolveError),
    #[error("its host cannot be connected to")]
    Connect,
    #[error("TLS: {0}")]
    Tls(String),
    #[error("HTTP: {0}")]
    Http(String),
    #[error("the answer is {0}")]
    Status(StatusCode),
    #[error("the answer is no text/plain")]
    Type,
    #[error("the answer is too long, or broke off")]
    Body,
    #[error("the policy: {0}")]
    Policy(#[from] PolicyError),
    #[error("it took too long")]
    Late,
}

/// Fetches.
pub(crate) struct Fetch {
    resolver: Arc<dyn Resolve>,
    tls: Arc<TlsConfigs>,
    port: u16,
    anywhere: bool,
}

/// A connection's other half ends with it.
struct Driven(AbortHandle);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Fetch {
    pub(super) fn new(
        config: &DeliveryConfig,
        resolver: Arc<dyn Resolve>,
        tls: Arc<TlsConfigs>,
    ) -> Self {
        Self { resolver, tls, port: config.mta_sts_port, anywhere: config.allow_loopback }
    }

    /// The policy that a domain publishes now.
    pub(super) async fn policy(&self, domain: &str) -> Result<Policy, FetchError> {
        let fetched = tokio::time::timeout(LIMIT, self.get(&policy_host(domain))).await;
        let body = fetched.map_err(|_| FetchError::Late)??;
        Ok(Policy::parse(&body)?)
    }

    async fn get(&self, host: &str) -> Result<Bytes, FetchError> {
        let stream = self.connect(host).await?;
        // "the sending MTA MUST … validate … a DNS-ID of the Policy Host" (§3.3).
        let names = [host.to_owned()];
        let secure = self.tls.connect(&Trust::Authority, &names, stream).await;
        let io = TokioIo::new(secure.map_err(FetchError::Tls)?);
        let http = |error: hyper::Error| FetchError::Http(error.to_string());
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HEADER);
        let (mut sender, connection) = builder.handshake(io).await.map_err(http)?;
        let _driven = Driven(tokio::spawn(connection).abort_handle());
        let response = sender.send_request(request(host, self.port)?).await.map_err(http)?;
        check(&response)?;
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
        Ok(body.map_err(|_| FetchError::Body)?.to_bytes())
    }

    async fn connect(&self, host: &str) -> Result<TcpStream, FetchError> {
        let found = self.resolver.addresses(host, self.port).await.map_err(FetchError::Host)?;
        let usable = |address: &&SocketAddr| self.anywhere || is_elsewhere(address.ip());
        for address in found.list.iter().filter(usable).take(ADDRESSES) {
            if let Ok(Ok(stream)) = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await
            {
                return Ok(stream);
            }
        }
        Err(FetchError::Connect)
    }
}

fn request(host: &str, port: u16) -> Result<Request<Empty<Bytes>>, FetchError> {
    let authority = if port == 443 { host.to_owned() } else { format!("{host}:{port}") };
    let request = Request::get(POLICY_PATH)
        .header(HOST, authority)
        .header(ACCEPT, "text/plain")
        .header(USER_AGENT, "postrider")
        .body(Empty::new());
    request.map_err(|error| FetchError::Http(error.to_string()))
}

/// "HTTP 3xx redirects MUST NOT be followed"; "senders SHOULD validate that the media type is text/plain" (§3.3, §3.2).
fn check<B>(response: &Response<B>) -> Result<(), FetchError> {
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status(response.status()));
    }
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    match essence {
        Some(essence) if essence.eq_ignore_ascii_case("text/plain") => Ok(()),
        _ => Err(FetchError::Type),
    }
}
