//! Asking the issuer about a token (RFC 7662).

use super::{OAuthConfig, Refused};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use net::Fetch;
use serde_json::Value;

pub(super) struct Introspection {
    url: String,
    authorization: Option<String>,
    fetch: Fetch,
}

impl Introspection {
    pub(super) fn new(config: &OAuthConfig, fetch: Fetch) -> Result<Option<Self>, String> {
        let Some(url) = config.introspection.clone() else { return Ok(None) };
        let authorization = match (&config.client_id, &config.client_secret_file) {
            (Some(id), Some(file)) => {
                let secret = std::fs::read_to_string(file).map_err(|error| {
                    format!("directory.oauth.client_secret_file {}: {error}", file.display())
                })?;
                // RFC 6749 §2.3.1: both are form-encoded first.
                let pair = format!("{}:{}", encode(id), encode(secret.trim()));
                Some(format!("Basic {}", BASE64_STANDARD.encode(pair)))
            }
            _ => None,
        };
        Ok(Some(Self { url, authorization, fetch }))
    }

    pub(super) async fn ask(&self, token: &str) -> Result<Value, Refused> {
        let form = format!("token={}&token_type_hint=access_token", encode(token));
        let answer = self.fetch.post_form(&self.url, form, self.authorization.as_deref()).await;
        let answer = answer.map_err(|error| away(&error))?;
        serde_json::from_slice(&answer).map_err(|error| away(&error))
    }
}

fn away(error: &dyn std::fmt::Display) -> Refused {
    tracing::warn!(%error, "the issuer does not say whether a token is good");
    Refused::Unavailable(format!("introspection: {error}"))
}

/// `application/x-www-form-urlencoded`
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(octet));
            }
            _ => out.push_str(&format!("%{octet:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn forms() {
        assert_eq!(super::encode("a+b=c d/ü"), "a%2Bb%3Dc%20d%2F%C3%BC");
    }
}
