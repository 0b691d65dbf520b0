//! Secrets of others, a relay's password: sealed under the cluster's own key before they stand in PostgreSQL.
//!
//! `v1.<id of the key>.<hex of nonce, text, tag>`, AES-256-GCM with a random nonce. What the secret is for is bound to
//! it (associated data), so that who can write the database but not read the key cannot send it anywhere else.

use crate::config::{ConfigError, SecretsConfig};
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{SHA256, digest};
use secrecy::{ExposeSecret, SecretString};
use std::fmt::Write;

const VERSION: &str = "v1";
/// Octets of a key.
const KEY: usize = 32;
/// Octets of a nonce.
const NONCE: usize = 12;

/// How a missing key is made up for.
pub const HOW: &str = "make one with `openssl rand -hex 32` and give every node the same file: \
                       [secrets] key_file = \"/etc/postrider/secret.key\"";

/// Why a secret cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// There is no key.
    #[error("secrets.key is not set, and a secret is sealed under it")]
    NoKey,
    /// It needs another key.
    #[error("it is sealed under another secrets.key ({0}; ours is {1})")]
    OtherKey(String, String),
    /// It was changed, or moved from what it was for.
    #[error("it was not sealed for this: set it again")]
    Broken,
}

/// The cluster's key.
pub struct Seal {
    id: String,
    key: RandomizedNonceKey,
}

impl Seal {
    /// Of the configuration; `None`: there is no key.
    ///
    /// # Errors
    /// It is no key.
    pub fn of(config: &SecretsConfig) -> Result<Option<Self>, ConfigError> {
        let Some(text) = &config.key else { return Ok(None) };
        let wrong = || ConfigError("secrets.key: 64 hex digits (openssl rand -hex 32)".into());
        let octets = octets(text.expose_secret()).filter(|octets| octets.len() == KEY);
        let octets = octets.ok_or_else(wrong)?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &octets).map_err(|_| wrong())?;
        let named = [b"postrider key id".as_slice(), &octets].concat();
        let id = hex(&digest(&SHA256, &named).as_ref()[..4]);
        Ok(Some(Self { id, key }))
    }

    /// A secret as it may be stored.
    ///
    /// # Errors
    /// Never, as far as is known: the system has no randomness.
    pub fn seal(&self, what: &str, secret: &SecretString) -> Result<SecretString, Closed> {
        let mut text = secret.expose_secret().as_bytes().to_vec();
        let nonce = self.key.seal_in_place_append_tag(Aad::from(what), &mut text);
        let nonce = nonce.map_err(|_| Closed::Broken)?;
        let all = [nonce.as_ref().as_slice(), &text].concat();
        Ok(format!("{VERSION}.{}.{}", self.id, hex(&all)).into())
    }

    fn open(&self, what: &str, sealed: &str) -> Result<SecretString, Closed> {
        let mut parts = sealed.splitn(3, '.');
        let (version, id, all) = (parts.next(), parts.next(), parts.next());
        let (Some(VERSION), Some(id), Some(all)) = (version, id, all) else {
            return Err(Closed::Broken);
        };
        if id != self.id {
            return Err(Closed::OtherKey(id.to_owned(), self.id.clone()));
        }
        let all = octets(all).ok_or(Closed::Broken)?;
        let (nonce, text) = all.split_at_checked(NONCE).ok_or(Closed::Broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Closed::Broken)?;
        let mut text = text.to_vec();
        let open = self.key.open_in_place(nonce, Aad::from(what), &mut text);
        let open = open.map_err(|_| Closed::Broken)?;
        let open = std::str::from_utf8(open).map_err(|_| Closed::Broken)?;
        Ok(open.to_owned().into())
    }
}

/// Opens what was sealed.
///
/// # Errors
/// [`Closed`].
pub fn open(
    seal: Option<&Seal>,
    what: &str,
    sealed: &SecretString,
) -> Result<SecretString, Closed> {
    seal.ok_or(Closed::NoKey)?.open(what, sealed.expose_secret())
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(2 * octets.len()), |mut out, octet| {
        let _ = write!(out, "{octet:02x}");
        out
    })
}

fn octets(hex: &str) -> Option<Vec<u8>> {
    if !hex.is_ascii() || !hex.len().is_multiple_of(2) {
        return None;
    }
    let pairs = (0..hex.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(key: &str) -> Result<Option<Seal>, ConfigError> {
        Seal::of(&SecretsConfig { key: Some(key.to_owned().into()) })
    }

    #[test]
    fn what_is_sealed_opens_for_the_same_thing_only() {
        let (one, two) = (seal(&"0a".repeat(32)).unwrap(), seal(&"0b".repeat(32)).unwrap());
        let (one, two) = (one.unwrap(), two.unwrap());
        let secret = SecretString::from("correct horse".to_owned());
        let sealed = one.seal("route *", &secret).unwrap();
        assert!(!sealed.expose_secret().contains("horse"));
        let again = one.seal("route *", &secret).unwrap();
        assert_ne!(sealed.expose_secret(), again.expose_secret());
        let opened = open(Some(&one), "route *", &sealed).unwrap();
        assert_eq!(opened.expose_secret(), "correct horse");
        let closed = |seal: Option<&Seal>, what: &str, text: &SecretString| {
            open(seal, what, text).err().unwrap()
        };
        assert_eq!(closed(Some(&one), "route x", &sealed), Closed::Broken);
        assert_eq!(closed(None, "route *", &sealed), Closed::NoKey);
        assert!(matches!(closed(Some(&two), "route *", &sealed), Closed::OtherKey(..)));
        let text = sealed.expose_secret();
        let mut changed = text.to_owned();
        let last = if changed.pop() == Some('0') { '1' } else { '0' };
        changed.push(last);
        for broken in [changed.as_str(), "correct horse", "", "v1", "v1.x.y", &text[..30]] {
            let broken = SecretString::from(broken.to_owned());
            open(Some(&one), "route *", &broken).err().unwrap();
        }
    }

    #[test]
    fn a_key_has_32_octets() {
        assert!(Seal::of(&SecretsConfig::default()).unwrap().is_none());
        for wrong in ["", "0a", &"0a".repeat(31), &"0g".repeat(32), &"ä".repeat(32)] {
            assert!(seal(wrong).is_err(), "{wrong}");
        }
    }
}
