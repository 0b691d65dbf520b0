//! Bearer tokens (RFC 6750) of a configured issuer: OAUTHBEARER and XOAUTH2.
//!
//! A token is good if its signature is by a key of the issuer and an algorithm that was allowed, and issuer,
//! audience, times and scope fit (RFC 7519, RFC 8725); or if the issuer says so itself (RFC 7662); where both are
//! configured, both. Symmetric algorithms are never allowed: a public key would be their secret.

mod config;
mod introspection;
mod keys;

pub use config::OAuthConfig;

use crate::login::login;
use crate::{AuthFailure, Directory, Login};
use introspection::Introspection;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use keys::Keys;
use net::Fetch;
use sasl::TokenRefusal;
use serde_json::Value;
use std::net::IpAddr;
use types::EmailAddress;

/// Clocks may differ by this much.
const LEEWAY_SECONDS: u64 = 60;

/// Why a token lets nobody in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is no good.
    Invalid,
    /// It is good, but not for mail.
    Scope,
    /// It cannot be judged now.
    Unavailable(String),
}

/// What judges tokens.
pub(crate) struct OAuth {
    config: OAuthConfig,
    algorithms: Vec<Algorithm>,
    keys: Option<Keys>,
    introspection: Option<Introspection>,
}

impl OAuth {
    /// Reads the files; asks nobody yet.
    pub(crate) fn new(config: OAuthConfig) -> Result<Self, String> {
        let algorithms = config.check()?;
        let fetch = Fetch::new(config.authority.as_deref()).map_err(|error| error.to_string())?;
        let keys = config.jwks.as_deref();
        let keys = keys.map(|source| Keys::new(source, config.keys_seconds, fetch.clone()));
        let introspection = Introspection::new(&config, fetch)?;
        Ok(Self { keys: keys.transpose()?, introspection, algorithms, config })
    }

    /// The user that a token names, as the issuer writes it.
    pub(crate) async fn user(&self, token: &str) -> Result<String, Refused> {
        let mut claims = match &self.keys {
            Some(keys) => Some(self.verified(keys, token).await?),
            None => None,
        };
        if let Some(introspection) = &self.introspection {
            let answer = introspection.ask(token).await?;
            if answer["active"] != Value::Bool(true) {
                return Err(Refused::Invalid);
            }
            if claims.is_none() {
                self.expect(&answer)?;
                claims = Some(answer);
            }
        }
        self.judge(&claims.ok_or(Refused::Invalid)?)
    }

    /// The claims of a token that is what it says.
    async fn verified(&self, keys: &Keys, token: &str) -> Result<Value, Refused> {
        let header = decode_header(token).map_err(|_| Refused::Invalid)?;
        if !self.algorithms.contains(&header.alg) || !typ_fits(header.typ.as_deref()) {
            return Err(Refused::Invalid);
        }
        let found = keys.find(header.kid.as_deref(), header.alg).await?;
        let validation = self.validation(header.alg);
        let good = found.iter().find_map(|key: &DecodingKey| {
            decode::<Value>(token, key, &validation).ok().map(|data| data.claims)
        });
        good.ok_or(Refused::Invalid)
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_audience(&self.config.audience);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_SECONDS;
        validation
    }

    /// What an introspection's answer must not contradict (RFC 7662 §2.2: all but `active` may be missing). The
    /// audience is what keeps tokens of other services out, so it may not.
    fn expect(&self, claims: &Value) -> Result<(), Refused> {
        let issuer = claims.get("iss").is_none_or(|issuer| *issuer == *self.config.issuer);
        let ours = |audience: &Value| self.config.audience.iter().any(|one| *audience == **one);
        let audience = match &claims["aud"] {
            Value::Array(all) => all.iter().any(ours),
            one => ours(one),
        };
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        let alive = claims.get("exp").is_none_or(|end| {
            end.as_f64().is_some_and(|end| end + LEEWAY_SECONDS as f64 > now as f64)
        });
        if issuer && audience && alive { Ok(()) } else { Err(Refused::Invalid) }
    }

    /// Scope and name.
    fn judge(&self, claims: &Value) -> Result<String, Refused> {
        if let Some(wanted) = &self.config.scope
            && !has_scope(&claims["scope"], wanted)
            && !has_scope(&claims["scp"], wanted)
        {
            return Err(Refused::Scope);
        }
        let name = claims[&self.config.claim].as_str().filter(|name| !name.is_empty());
        // OpenID Connect Core §5.1: an address that the issuer has not verified may be anybody's.
        let verified = claims
            .get("email_verified")
            .is_none_or(|told| *told == Value::Bool(true) || *told == Value::String("true".into()));
        match name {
            Some(name) if self.config.claim != "email" || verified => Ok(name.to_owned()),
            _ => Err(Refused::Invalid),
        }
    }

    /// What a client is told.
    pub(crate) fn refusal(&self, why: &Refused) -> TokenRefusal<'_> {
        TokenRefusal {
            status: if *why == Refused::Scope { "insufficient_scope" } else { "invalid_token" },
            scope: self.config.scope.as_deref(),
            openid_configuration: self.config.openid_configuration.as_deref(),
        }
    }
}

/// RFC 8725 §3.11: a JWT of another kind is no access token. Many issuers say nothing, or just "JWT".
fn typ_fits(typ: Option<&str>) -> bool {
    typ.is_none_or(|typ| {
        let typ = typ.to_ascii_lowercase();
        ["jwt", "at+jwt", "application/at+jwt"].contains(&typ.as_str())
    })
}

/// RFC 8693 §4.2: a text with blanks; some issuers send a list.
fn has_scope(scopes: &Value, wanted: &str) -> bool {
    match scopes {
        Value::String(text) => text.split(' ').any(|scope| scope == wanted),
        Value::Array(all) => all.iter().any(|scope| *scope == *wanted),
        _ => false,
    }
}

/// Why a token let nobody in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TokenFailure {
    /// The client is to be told why.
    Refused(Refused),
    /// The token was not the reason.
    Other(AuthFailure),
}

impl From<AuthFailure> for TokenFailure {
    fn from(failure: AuthFailure) -> Self {
        Self::Other(failure)
    }
}

/// Whom failures are counted for where the client names nobody.
const NOBODY: &str = "(token)";

impl Directory {
    /// Lets in whom the token names, who must be whom the client names, if it does. Failures count as those of
    /// passwords do.
    pub(crate) async fn token_login(
        &self,
        oauth: &OAuth,
        wanted: Option<&str>,
        token: &str,
        peer: IpAddr,
    ) -> Result<Login, TokenFailure> {
        let user = wanted.unwrap_or(NOBODY);
        self.admit(user, peer)?;
        let judged = match oauth.user(token).await {
            Ok(named) => self.token_owner(wanted, &named).await,
            Err(Refused::Unavailable(why)) => Err(AuthFailure::Unavailable(why).into()),
            Err(refused) => Err(TokenFailure::Refused(refused)),
        };
        let noted = judged.as_ref().map(Login::clone).map_err(|failure| match failure {
            TokenFailure::Refused(_) => AuthFailure::Denied,
            TokenFailure::Other(failure) => failure.clone(),
        });
        self.note(user, peer, &noted);
        judged
    }

    async fn token_owner(&self, wanted: Option<&str>, named: &str) -> Result<Login, TokenFailure> {
        let refused = || TokenFailure::Refused(Refused::Invalid);
        let address = EmailAddress::parse(named).map_err(|_| refused())?;
        let other = |name: &str| EmailAddress::parse(name.trim()).ok().as_ref() != Some(&address);
        if wanted.is_some_and(other) {
            return Err(refused());
        }
        let known = self.credential(address.as_str()).await?;
        known.filter(|(_, credential)| credential.active).map(login).ok_or_else(refused)
    }
}

#[cfg(test)]
mod tests;
