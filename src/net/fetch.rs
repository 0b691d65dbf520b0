//! One HTTP request at a time to somebody whom the operator named: bounded in time and size, no redirects, no
//! plain HTTP but to this machine.

use crate::NetError;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::fmt::Display;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Longest wait for a whole answer, the connection included.
const PATIENCE: Duration = Duration::from_secs(5);
/// Largest answer taken.
const LARGEST: usize = 512 * 1024;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The URL cannot be used.
    #[error("{0}")]
    Url(String),
    /// Nobody answered, or not in time, or too much.
    #[error("{0}")]
    Unavailable(String),
    /// Another status than 200.
    #[error("HTTP status {0}")]
    Status(u16),
}

/// Who asks. Cheap to clone.
#[derive(Clone)]
pub struct Fetch {
    tls: TlsConnector,
}

impl std::fmt::Debug for Fetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fetch")
    }
}

fn away(error: impl Display) -> FetchError {
    FetchError::Unavailable(error.to_string())
}

impl Fetch {
    /// Trusts the system's authorities, or only those of a file (PEM).
    ///
    /// # Errors
    /// [`NetError::Certificate`] when the file is unusable.
    pub fn new(authority: Option<&Path>) -> Result<Self, NetError> {
        let mut roots = RootCertStore::empty();
        if let Some(path) = authority {
            let broken = |error: &dyn Display| {
                NetError::Certificate(format!("TLS file {}: {error}", path.display()))
            };
            let all = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| broken(&error))?;
            for certificate in all {
                roots.add(certificate).map_err(|error| broken(&error))?;
            }
        } else {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| NetError::Certificate(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)) })
    }

    /// GET.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn get(&self, url: &str) -> Result<Bytes, FetchError> {
        self.ask(url, Method::GET, Bytes::new(), None).await
    }

    /// POST of a form that is encoded already.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn post_form(
        &self,
        url: &str,
        form: String,
        authorization: Option<&str>,
    ) -> Result<Bytes, FetchError> {
        self.ask(url, Method::POST, form.into(), authorization).await
    }

    async fn ask(
        &self,
        url: &str,
        method: Method,
        body: Bytes,
        authorization: Option<&str>,
    ) -> Result<Bytes, FetchError> {
        let target = Target::parse(url)?;
        let mut request = Request::builder()
            .method(&method)
            .uri(&target.path)
            .header(HOST, &target.authority)
            .header(ACCEPT, "application/json");
        if method == Method::POST {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request =
            request.body(Full::new(body)).map_err(|error| FetchError::Url(error.to_string()))?;
        let answer = async {
            let stream = TcpStream::connect((target.host.as_str(), target.port)).await;
            let stream = stream.map_err(away)?;
            if !target.tls {
                return exchange(stream, request).await;
            }
            let name = ServerName::try_from(target.host.clone()).map_err(away)?;
            let stream = self.tls.connect(name, stream).await.map_err(away)?;
            exchange(stream, request).await
        };
        tokio::time::timeout(PATIENCE, answer).await.map_err(|_| away("no answer in time"))?
    }
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Bytes, FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let made = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = made.map_err(away)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(away)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        Ok(body.map_err(away)?.to_bytes())
    };
    // The connection moves octets only while it is polled, and ends with the answer.
    let mut connection = std::pin::pin!(connection);
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        ended = &mut connection => match ended {
            // What came before the end is still to be read.
            Ok(()) => answer.await,
            Err(error) => Err(away(error)),
        },
    }
}

/// A URL taken apart.
#[derive(Debug)]
struct Target {
    tls: bool,
    authority: String,
    host: String,
    port: u16,
    path: String,
}

impl Target {
    fn parse(url: &str) -> Result<Self, FetchError> {
        let wrong = |why: &str| FetchError::Url(format!("{url:?}: {why}"));
        let uri: Uri = url.parse().map_err(|_| wrong("not a URL"))?;
        let authority = uri.authority().ok_or_else(|| wrong("no host"))?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if here => false,
            _ => return Err(wrong("https:// is needed")),
        };
        Ok(Self {
            tls,
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            path: uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            authority: authority.as_str().to_owned(),
            host,
        })
    }
}

/// Whether a URL can be asked; for whoever reads a configuration.
impl FetchError {
    /// What is wrong with a URL, if anything is.
    #[must_use]
    pub fn of_url(url: &str) -> Option<Self> {
        Target::parse(url).err()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Answers every connection with this, and then with nothing more.
    async fn server(answer: Vec<u8>, close: bool) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys?x=1", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                let read = stream.read(&mut request).await.unwrap();
                assert!(request[..read].starts_with(b"GET /keys?x=1 HTTP/1.1\r\n"));
                let _ = stream.write_all(&answer).await;
                if !close {
                    std::future::pending::<()>().await;
                }
            }
        });
        url
    }

    #[tokio::test]
    async fn answers_are_taken_and_bounded() {
        let fetch = Fetch::new(None).unwrap();
        let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_vec();
        assert_eq!(fetch.get(&server(ok, false).await).await.unwrap(), "{}");
        let ok = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}".to_vec();
        assert_eq!(fetch.get(&server(ok, true).await).await.unwrap(), "{}");
        let moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n".to_vec();
        let answer = fetch.get(&server(moved, true).await).await;
        assert_eq!(answer, Err(FetchError::Status(302)));
        let mut large = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
        large.resize(LARGEST + 1_000, b'x');
        let answer = fetch.get(&server(large, true).await).await;
        assert!(matches!(answer, Err(FetchError::Unavailable(_))), "{answer:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_given_up() {
        let fetch = Fetch::new(None).unwrap();
        let answer = fetch.get(&server(Vec::new(), false).await).await;
        assert!(matches!(answer, Err(FetchError::Unavailable(_))), "{answer:?}");
    }

    #[test]
    fn plain_http_stays_here() {
        for good in ["https://idp.example/keys", "http://127.0.0.1:8080/", "http://[::1]/x"] {
            assert_eq!(FetchError::of_url(good), None, "{good}");
        }
        for bad in
            ["", "idp.example", "/keys", "ftp://x/", "http://idp.example/keys", "file:///etc"]
        {
            assert!(FetchError::of_url(bad).is_some(), "{bad}");
        }
    }
}
