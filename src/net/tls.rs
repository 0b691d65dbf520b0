//! Certificates: read from files, chosen by server name, read again when the files change.
//!
//! Each has a TLS configuration of its own, so that a connection knows which one it was shown (for its channel
//! binding), and a resumed session can only be one of the same certificate.

use crate::NetError;
use crate::proofs;
use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A certificate chain and its key, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// Chain, leaf first.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// Whose certificates clients may log in with, PEM.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientAuthorities {
    /// Certificates of the authorities.
    pub certificates: Vec<PathBuf>,
    /// What they revoked. Where an authority is listed, every certificate of it must be covered.
    pub revocations: Vec<PathBuf>,
}

/// The certificates in force. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    inner: Arc<Inner>,
    asks: bool,
}

struct Inner {
    files: Vec<CertificateFiles>,
    clients: Option<ClientAuthorities>,
    loaded: ArcSwap<Loaded>,
}

struct Loaded {
    keys: Vec<Arc<Key>>,
    stamp: Vec<Option<(SystemTime, u64)>>,
}

/// A certificate and what connections under it are made of.
pub(crate) struct Key {
    certified: Arc<CertifiedKey>,
    /// Asks clients for no certificate.
    plain: Arc<ServerConfig>,
    /// Asks clients for one, and goes on without.
    asking: Option<Arc<ServerConfig>>,
    /// `tls-server-end-point` (RFC 5929 §4).
    pub(crate) end_point: Option<Arc<[u8]>>,
}

impl Tls {
    /// Reads the files. The first pair serves clients that name no server or an unknown one.
    ///
    /// # Errors
    /// [`NetError::Certificate`] names the file and what is wrong with it.
    pub fn load(files: Vec<CertificateFiles>) -> Result<Self, NetError> {
        Self::load_with(files, None)
    }

    /// The same; clients of [`Tls::asking`] may show certificates of these authorities.
    ///
    /// # Errors
    /// As [`Tls::load`].
    pub fn load_with(
        files: Vec<CertificateFiles>,
        clients: Option<ClientAuthorities>,
    ) -> Result<Self, NetError> {
        let loaded = ArcSwap::from_pointee(load(&files, clients.as_ref())?);
        Ok(Self { inner: Arc::new(Inner { files, clients, loaded }), asks: false })
    }

    /// For listeners where people log in: clients are asked for a certificate, if there are authorities. Not for
    /// mail from other servers: many show one when asked, of an authority that is not among ours, and the handshake
    /// would fail.
    #[must_use]
    pub fn asking(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), asks: true }
    }

    /// What serves this client.
    pub(crate) fn choose(&self, hello: &ClientHello<'_>) -> Option<(Arc<Key>, Arc<ServerConfig>)> {
        let loaded = self.inner.loaded.load();
        let name =
            hello.server_name().and_then(|name| rustls::pki_types::ServerName::try_from(name).ok());
        let fits = |key: &Key| {
            let leaf = key.certified.end_entity_cert().ok()?;
            let leaf = rustls::server::ParsedCertificate::try_from(leaf).ok()?;
            rustls::client::verify_server_name(&leaf, name.as_ref()?).ok()
        };
        let named = loaded.keys.iter().find(|key| fits(key).is_some());
        let key = named.or(loaded.keys.first())?;
        let asking = key.asking.as_ref().filter(|_| self.asks);
        Some((Arc::clone(key), Arc::clone(asking.unwrap_or(&key.plain))))
    }

    /// Reads the files again if they changed; broken new files leave the old certificates in force.
    ///
    /// # Errors
    /// As [`Tls::load`].
    pub fn reload(&self) -> Result<bool, NetError> {
        let (files, clients) = (&self.inner.files, self.inner.clients.as_ref());
        if stamp(files, clients) == self.inner.loaded.load().stamp {
            return Ok(false);
        }
        self.inner.loaded.store(Arc::new(load(files, clients)?));
        Ok(true)
    }

    /// Looks at the files for ever.
    pub async fn watch(self) {
        let mut complained = None;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            match self.reload() {
                Ok(true) => {
                    complained = None;
                    tracing::info!("new TLS certificates are in force");
                }
                Ok(false) => {}
                Err(error) => {
                    let text = error.to_string();
                    if complained.as_ref() != Some(&text) {
                        tracing::error!(%error, "the changed TLS certificates are unusable, the old ones stay");
                        complained = Some(text);
                    }
                }
            }
        }
    }
}

fn stamp(
    files: &[CertificateFiles],
    clients: Option<&ClientAuthorities>,
) -> Vec<Option<(SystemTime, u64)>> {
    let of = |path: &Path| {
        fs::metadata(path).ok().and_then(|meta| Some((meta.modified().ok()?, meta.len())))
    };
    let pairs = files.iter().flat_map(|pair| [&pair.certificate, &pair.key]);
    let clients = clients
        .into_iter()
        .flat_map(|clients| clients.certificates.iter().chain(&clients.revocations));
    pairs.chain(clients).map(|path| of(path)).collect()
}

fn broken(path: &Path, error: &dyn fmt::Display) -> NetError {
    NetError::Certificate(format!("TLS file {}: {error}", path.display()))
}

fn load(
    files: &[CertificateFiles],
    clients: Option<&ClientAuthorities>,
) -> Result<Loaded, NetError> {
    let stamp = stamp(files, clients);
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = clients.map(|clients| verifier(clients, &provider)).transpose()?;
    let mut keys = Vec::with_capacity(files.len());
    for pair in files {
        keys.push(Arc::new(load_key(pair, verifier.as_ref(), &provider)?));
    }
    if keys.is_empty() {
        return Err(NetError::Certificate("no TLS certificate is configured".into()));
    }
    Ok(Loaded { keys, stamp })
}

fn load_key(
    pair: &CertificateFiles,
    verifier: Option<&Arc<dyn ClientCertVerifier>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Key, NetError> {
    let wrong = |error: &dyn fmt::Display| broken(&pair.certificate, error);
    let chain = CertificateDer::pem_file_iter(&pair.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(&error))?;
    let key = PrivateKeyDer::from_pem_file(&pair.key).map_err(|error| broken(&pair.key, &error))?;
    let certified = CertifiedKey::from_der(chain, key, provider).map_err(|error| wrong(&error))?;
    let certified = Arc::new(certified);
    let config = |verifier: Option<&Arc<dyn ClientCertVerifier>>| {
        let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(&error))?;
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier)),
            None => builder.with_no_client_auth(),
        };
        let resolver = SingleCertAndKey::from(CertifiedKey::clone(&certified));
        Ok(Arc::new(builder.with_cert_resolver(Arc::new(resolver))))
    };
    let (plain, asking) =
        (config(None)?, verifier.map(|verifier| config(Some(verifier))).transpose()?);
    let end_point = certified.cert.first().and_then(|leaf| proofs::end_point(leaf));
    Ok(Key { certified, plain, asking, end_point })
}

/// Takes certificates of these authorities, and clients without one.
fn verifier(
    clients: &ClientAuthorities,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, NetError> {
    let mut roots = RootCertStore::empty();
    for path in &clients.certificates {
        let all = CertificateDer::pem_file_iter(path).map_err(|error| broken(path, &error))?;
        for certificate in all {
            let certificate = certificate.map_err(|error| broken(path, &error))?;
            roots.add(certificate).map_err(|error| broken(path, &error))?;
        }
    }
    let mut lists = Vec::new();
    for path in &clients.revocations {
        let all = CertificateRevocationListDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>);
        lists.extend(all.map_err(|error| broken(path, &error))?);
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .with_crls(lists)
        .allow_unauthenticated()
        .build()
        .map_err(|error| NetError::Certificate(format!("authorities of clients: {error}")))
}

/// A self-signed certificate for these names, made once and kept in `dir`.
///
/// # Errors
/// [`NetError::Certificate`] when the files cannot be written.
pub fn self_signed(dir: &Path, names: &[String]) -> Result<CertificateFiles, NetError> {
    let files =
        CertificateFiles { certificate: dir.join("certificate.pem"), key: dir.join("key.pem") };
    if files.certificate.exists() && files.key.exists() {
        return Ok(files);
    }
    let failed =
        |error: &dyn fmt::Display| NetError::Certificate(format!("{}: {error}", dir.display()));
    let made =
        rcgen::generate_simple_self_signed(names.to_vec()).map_err(|error| failed(&error))?;
    fs::create_dir_all(dir).map_err(|error| failed(&error))?;
    write_private(&files.key, &made.signing_key.serialize_pem()).map_err(|error| failed(&error))?;
    fs::write(&files.certificate, made.cert.pem()).map_err(|error| failed(&error))?;
    Ok(files)
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file =
        fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
