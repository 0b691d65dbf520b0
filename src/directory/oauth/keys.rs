//! The issuer's public keys: from a file that is read again when it changes, or from a URL that is asked now and
//! then. What was learned is used while the URL does not answer, up to a day.

use super::Refused;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use net::{Fetch, FetchError};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Between two tries, whatever tokens come.
const PAUSE: Duration = Duration::from_secs(30);
/// How long keys are used that cannot be asked for again.
const STALE: Duration = Duration::from_secs(24 * 3_600);
/// Most keys of an issuer: each that fits is tried.
const MOST: usize = 64;

enum Source {
    File(PathBuf),
    Url(String, Fetch),
}

pub(super) struct Keys {
    source: Source,
    believed: Duration,
    /// Locked while somebody asks: others wait for the same answer, a few seconds at most.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    keys: Arc<Vec<Jwk>>,
    /// When they were learned.
    learned: Option<Instant>,
    tried: Option<Instant>,
    /// Of the file.
    stamp: Option<(SystemTime, u64)>,
}

impl Keys {
    pub(super) fn new(source: &str, seconds: u32, fetch: Fetch) -> Result<Self, String> {
        let believed = Duration::from_secs(seconds.max(1).into());
        if source.contains("://") {
            if let Some(error) = FetchError::of_url(source) {
                return Err(format!("directory.oauth.jwks: {error}"));
            }
            let source = Source::Url(source.to_owned(), fetch);
            return Ok(Self { source, believed, state: Mutex::default() });
        }
        let path = PathBuf::from(source);
        let wrong = |error: String| format!("directory.oauth.jwks {}: {error}", path.display());
        let text = std::fs::read(&path).map_err(|error| wrong(error.to_string()))?;
        parse(&text).map_err(wrong)?;
        Ok(Self { source: Source::File(path), believed, state: Mutex::default() })
    }

    /// The keys that may have made a signature. Without a `kid`, all that fit the algorithm.
    pub(super) async fn find(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Vec<DecodingKey>, Refused> {
        let fitting = |keys: &[Jwk]| -> Vec<DecodingKey> {
            let keys = keys.iter().filter(|key| fits(key, kid, algorithm));
            keys.filter_map(|key| DecodingKey::from_jwk(key).ok()).collect()
        };
        let found = fitting(&self.keys(false).await?);
        if !found.is_empty() {
            return Ok(found);
        }
        // The issuer may have a new key.
        Ok(fitting(&self.keys(true).await?))
    }

    async fn keys(&self, missing: bool) -> Result<Arc<Vec<Jwk>>, Refused> {
        let mut state = self.state.lock().await;
        match &self.source {
            Source::File(path) => state.read(path),
            Source::Url(url, fetch) => {
                let now = Instant::now();
                let old = state.learned.is_none_or(|at| now - at > self.believed);
                let may = state.tried.is_none_or(|at| now - at > PAUSE);
                if (old || missing) && may {
                    state.tried = Some(now);
                    state.fetch(url, fetch, now).await;
                }
                if state.learned.is_none_or(|at| now - at > STALE) {
                    return Err(Refused::Unavailable("the issuer's keys are not known".into()));
                }
            }
        }
        Ok(Arc::clone(&state.keys))
    }
}

impl State {
    fn read(&mut self, path: &PathBuf) {
        let stamp = std::fs::metadata(path).ok();
        let stamp = stamp.and_then(|meta| Some((meta.modified().ok()?, meta.len())));
        if stamp.is_none() || stamp == self.stamp {
            return;
        }
        let text = std::fs::read(path).map_err(|error| error.to_string());
        match text.and_then(|text| parse(&text)) {
            Ok(keys) => self.keys = Arc::new(keys),
            Err(error) => {
                tracing::error!(path = %path.display(), error, "the changed keys are unusable, the old ones stay");
            }
        }
        self.stamp = stamp;
    }

    async fn fetch(&mut self, url: &str, fetch: &Fetch, now: Instant) {
        let answer = fetch.get(url).await.map_err(|error| error.to_string());
        match answer.and_then(|text| parse(&text)) {
            Ok(keys) => {
                tracing::debug!(keys = keys.len(), "the issuer's keys are known");
                self.keys = Arc::new(keys);
                self.learned = Some(now);
            }
            Err(error) => tracing::warn!(url, error, "the issuer's keys cannot be learned now"),
        }
    }
}

/// What can be used of a set (RFC 7517 §5): a key of a kind that is not known is no reason to refuse the others.
fn parse(text: &[u8]) -> Result<Vec<Jwk>, String> {
    let set: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let keys = set["keys"].as_array().ok_or("no set of keys (RFC 7517)")?;
    let usable = keys.iter().filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok());
    let secret = |key: &Jwk| matches!(key.algorithm, AlgorithmParameters::OctetKey(_));
    Ok(usable.filter(|key| !secret(key)).take(MOST).collect())
}

fn fits(key: &Jwk, kid: Option<&str>, algorithm: Algorithm) -> bool {
    let signs = matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let named = kid.is_none_or(|kid| key.common.key_id.as_deref() == Some(kid));
    // RFC 8725 §3.1: a key is used with the algorithm it was made for.
    let alone =
        key.common.key_algorithm.is_none_or(|of| of.to_string() == format!("{algorithm:?}"));
    signs && named && alone && kind_fits(&key.algorithm, algorithm)
}

fn kind_fits(kind: &AlgorithmParameters, algorithm: Algorithm) -> bool {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    use jsonwebtoken::jwk::EllipticCurve::{Ed25519, P256, P384};
    match kind {
        AlgorithmParameters::RSA(_) => {
            matches!(algorithm, RS256 | RS384 | RS512 | PS256 | PS384 | PS512)
        }
        AlgorithmParameters::EllipticCurve(key) => {
            matches!((&key.curve, algorithm), (P256, ES256) | (P384, ES384))
        }
        AlgorithmParameters::OctetKeyPair(key) => {
            matches!((&key.curve, algorithm), (Ed25519, EdDSA))
        }
        _ => false,
    }
}
