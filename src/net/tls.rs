//! Certificates: read from files, chosen by server name, read again when the files change.

use crate::NetError;
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_rustls::TlsAcceptor;

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

/// The certificates in force. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    inner: Arc<Inner>,
    acceptor: TlsAcceptor,
}

struct Inner {
    files: Vec<CertificateFiles>,
    loaded: ArcSwap<Loaded>,
}

struct Loaded {
    keys: Vec<Arc<CertifiedKey>>,
    stamp: Vec<Option<(SystemTime, u64)>>,
}

impl Tls {
    /// Reads the files. The first pair serves clients that name no server or an unknown one.
    ///
    /// # Errors
    /// [`NetError::Certificate`] names the file and what is wrong with it.
    pub fn load(files: Vec<CertificateFiles>) -> Result<Self, NetError> {
        let loaded = load(&files)?;
        let inner = Arc::new(Inner { files, loaded: ArcSwap::from_pointee(loaded) });
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| NetError::Certificate(error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Resolver(Arc::clone(&inner))));
        Ok(Self { inner, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// Reads the files again if they changed; broken new files leave the old certificates in force.
    ///
    /// # Errors
    /// As [`Tls::load`].
    pub fn reload(&self) -> Result<bool, NetError> {
        if stamp(&self.inner.files) == self.inner.loaded.load().stamp {
            return Ok(false);
        }
        self.inner.loaded.store(Arc::new(load(&self.inner.files)?));
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

fn stamp(files: &[CertificateFiles]) -> Vec<Option<(SystemTime, u64)>> {
    let of = |path: &Path| {
        fs::metadata(path).ok().and_then(|meta| Some((meta.modified().ok()?, meta.len())))
    };
    files.iter().flat_map(|pair| [of(&pair.certificate), of(&pair.key)]).collect()
}

fn load(files: &[CertificateFiles]) -> Result<Loaded, NetError> {
    let stamp = stamp(files);
    let mut keys = Vec::with_capacity(files.len());
    for pair in files {
        let broken = |path: &Path, error: &dyn fmt::Display| {
            NetError::Certificate(format!("TLS file {}: {error}", path.display()))
        };
        let chain = CertificateDer::pem_file_iter(&pair.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| broken(&pair.certificate, &error))?;
        let key =
            PrivateKeyDer::from_pem_file(&pair.key).map_err(|error| broken(&pair.key, &error))?;
        let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
            .map_err(|error| broken(&pair.certificate, &error))?;
        keys.push(Arc::new(key));
    }
    if keys.is_empty() {
        return Err(NetError::Certificate("no TLS certificate is configured".into()));
    }
    Ok(Loaded { keys, stamp })
}

struct Resolver(Arc<Inner>);

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let loaded = self.0.loaded.load();
        let fits = |key: &CertifiedKey| {
            let name = rustls::pki_types::ServerName::try_from(hello.server_name()?).ok()?;
            let leaf =
                rustls::server::ParsedCertificate::try_from(key.end_entity_cert().ok()?).ok()?;
            rustls::client::verify_server_name(&leaf, &name).ok()
        };
        let named = loaded.keys.iter().find(|key| fits(key).is_some());
        named.or(loaded.keys.first()).map(Arc::clone)
    }
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
