//! TLS as a client: whoever answers, the right host, or the certificate that DNS names.

mod dane;

use resolve::Tlsa;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What TLS agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSeen {
    /// Protocol version, e.g. `TLSv1.3`.
    pub version: String,
    /// Cipher suite.
    pub cipher: String,
    /// Whether the certificate was the host's.
    pub verified: bool,
}

/// Whom to speak to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Whoever answers.
    Anyone,
    /// Who has a certificate for the host's name from a trusted authority.
    Authority,
    /// Who has the certificate that these TLSA records name (RFC 7672); the records are usable ones.
    Dane(Vec<Tlsa>),
}

/// What a host's TLSA records ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DaneDemand {
    /// There are none.
    Nothing,
    /// TLS is a must, authentication impossible (RFC 7672 §2.2: only unusable records).
    Encryption,
    /// TLS with one of these.
    Match(Vec<Tlsa>),
}

/// RFC 7672 §3.1: usages 2 and 3 with known selectors and matching types are usable, if the digest is one.
pub(crate) fn demand(records: Vec<Tlsa>) -> DaneDemand {
    if records.is_empty() {
        return DaneDemand::Nothing;
    }
    let usable: Vec<Tlsa> = records.into_iter().filter(is_usable).collect();
    if usable.is_empty() { DaneDemand::Encryption } else { DaneDemand::Match(strongest(usable)) }
}

fn is_usable(record: &Tlsa) -> bool {
    let digest = match record.matching {
        0 => !record.data.is_empty(),
        1 => record.data.len() == 32,
        2 => record.data.len() == 64,
        _ => false,
    };
    matches!(record.usage, 2 | 3) && record.selector <= 1 && digest
}

/// "For each usage and selector, the client SHOULD process only any usable records with a matching type of Full(0) and
/// the usable records whose digest algorithm is considered … to be the strongest" (RFC 7671 §9, which RFC 7672 §5 makes
/// a must).
fn strongest(records: Vec<Tlsa>) -> Vec<Tlsa> {
    let best = |of: &Tlsa| {
        let same = records.iter().filter(|r| (r.usage, r.selector) == (of.usage, of.selector));
        same.map(|r| r.matching).max()
    };
    let counts = |r: &&Tlsa| r.matching == 0 || Some(r.matching) == best(r);
    records.iter().filter(counts).cloned().collect()
}

/// The configurations in force; those that are shared remember sessions.
pub(crate) struct TlsConfigs {
    provider: Arc<CryptoProvider>,
    anyone: Arc<ClientConfig>,
    authority: Arc<ClientConfig>,
}

impl TlsConfigs {
    pub(crate) fn new(ca_file: Option<&Path>) -> Result<Self, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let anyone: Arc<dyn ServerCertVerifier> = Arc::new(Anyone(Arc::clone(&provider)));
        let anyone = Arc::new(with_verifier(&provider, anyone)?);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let authority = builder
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots(ca_file)?)
            .with_no_client_auth();
        Ok(Self { provider, anyone, authority: Arc::new(authority) })
    }

    fn config(&self, trust: &Trust, names: &[String]) -> Result<Arc<ClientConfig>, String> {
        Ok(match trust {
            Trust::Anyone => Arc::clone(&self.anyone),
            Trust::Authority => Arc::clone(&self.authority),
            Trust::Dane(records) => {
                let provider = Arc::clone(&self.provider);
                let verifier = dane::Dane::new(records.clone(), names, Arc::clone(&provider));
                Arc::new(with_verifier(&provider, Arc::new(verifier))?)
            }
        })
    }

    /// The handshake. `names`: the host, and whatever else its certificate may be for.
    pub(crate) async fn connect(
        &self,
        trust: &Trust,
        names: &[String],
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, String> {
        let config = self.config(trust, names)?;
        let host = names.first().map(String::as_str).unwrap_or_default();
        let inner = host.trim_start_matches('[').trim_end_matches(']');
        let inner = inner.strip_prefix("IPv6:").unwrap_or(inner).to_owned();
        let name = ServerName::try_from(inner).map_err(|error| error.to_string())?;
        let connecting = TlsConnector::from(config).connect(name, stream);
        connecting.await.map_err(|error| error.to_string())
    }
}

/// What a connection agreed on.
pub(crate) fn seen(stream: &TlsStream<TcpStream>, verified: bool) -> TlsSeen {
    let connection = stream.get_ref().1;
    let version = connection.protocol_version().and_then(|version| version.as_str());
    let suite = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    TlsSeen {
        version: version.unwrap_or_default().replace('_', "."),
        cipher: suite.unwrap_or_default().to_owned(),
        verified,
    }
}

fn with_verifier(
    provider: &Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider));
    Ok(builder
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// The system's authorities, which may be absent where nothing has to be verified, and the operator's.
fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        let broken = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let certificates = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| broken(&error))?;
        for certificate in certificates {
            roots.add(certificate).map_err(|error| broken(&error))?;
        }
    }
    Ok(roots)
}

/// Accepts every certificate; the signatures of the handshake still have to be right.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
