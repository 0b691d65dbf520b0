//! Settings.

use jsonwebtoken::Algorithm;
use net::FetchError;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::str::FromStr;

/// Whose tokens let people in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OAuthConfig {
    /// The `iss` of every token.
    pub issuer: String,
    /// One of these must be in a token's `aud`: tokens for other services of the issuer are none for us.
    pub audience: Vec<String>,
    /// The issuer's public keys (RFC 7517): a file, or a URL. Without it only `introspection` says what is good.
    pub jwks: Option<String>,
    /// How long keys from a URL are believed, in seconds. A token by a key that is not among them is a reason to look
    /// before that, though not more often than every half minute.
    pub keys_seconds: u32,
    /// Signature algorithms that are taken; only asymmetric ones can be.
    pub algorithms: Vec<String>,
    /// The claim that holds the account's address.
    pub claim: String,
    /// A scope that a token must have.
    pub scope: Option<String>,
    /// Told to clients that ask where to get a token (RFC 7628 §3.2.2).
    pub openid_configuration: Option<String>,
    /// URL where the issuer tells whether a token is good (RFC 7662); asked at every login.
    pub introspection: Option<String>,
    /// Who we are there.
    pub client_id: Option<String>,
    /// File with our secret there.
    pub client_secret_file: Option<PathBuf>,
    /// Authorities (PEM) of those URLs instead of the system's.
    pub authority: Option<PathBuf>,
}

impl Default for OAuthConfig {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            audience: Vec::new(),
            jwks: None,
            keys_seconds: 600,
            algorithms: ["RS256", "PS256", "ES256", "ES384", "EdDSA"].map(Into::into).into(),
            claim: "email".into(),
            scope: None,
            openid_configuration: None,
            introspection: None,
            client_id: None,
            client_secret_file: None,
            authority: None,
        }
    }
}

impl OAuthConfig {
    /// What can be found wrong without asking anybody; gives the algorithms.
    pub(crate) fn check(&self) -> Result<Vec<Algorithm>, String> {
        let wrong = |text: &str| Err(format!("directory.oauth.{text}"));
        if self.issuer.is_empty() {
            return wrong("issuer is missing");
        }
        if self.audience.is_empty() || self.audience.iter().any(String::is_empty) {
            return wrong("audience is missing: without it tokens for other services would do");
        }
        if self.claim.is_empty() {
            return wrong("claim is empty");
        }
        if self.jwks.is_none() && self.introspection.is_none() {
            return wrong("jwks or introspection is needed");
        }
        if self.client_id.is_some() != self.client_secret_file.is_some() {
            return wrong("client_id and client_secret_file: give both or none");
        }
        if let Some(error) = self.introspection.as_deref().and_then(FetchError::of_url) {
            return wrong(&format!("introspection: {error}"));
        }
        let mut algorithms = Vec::new();
        for name in &self.algorithms {
            match Algorithm::from_str(name) {
                Ok(Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512) | Err(_) => {
                    return wrong(&format!("algorithms: {name} is none that can be used"));
                }
                Ok(algorithm) => algorithms.push(algorithm),
            }
        }
        if algorithms.is_empty() { wrong("algorithms: at least one") } else { Ok(algorithms) }
    }
}
