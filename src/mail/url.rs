//! Signed URLs (RFC 4467): what only the owner of a mailbox can make and everybody can be given.

use crate::{Mail, MailError};
use hmac::{Hmac, Mac};
use rand::RngCore;
use sha2::Sha256;
use store::url_key::{KEY_OCTETS, url_key_make, url_key_read, url_key_remove};
use types::{AccountId, MailboxId};

/// What a token of ours begins with: how it was made.
const VERSION: &str = "01";

fn mac(key: &[u8], rump: &str) -> Result<Hmac<Sha256>, MailError> {
    let mac = Hmac::<Sha256>::new_from_slice(key);
    let mut mac = mac.map_err(|error| MailError::Bug(error.to_string()))?;
    mac.update(rump.as_bytes());
    Ok(mac)
}

/// A key that nobody has.
fn plausible() -> [u8; KEY_OCTETS] {
    let mut key = [0; KEY_OCTETS];
    rand::rng().fill_bytes(&mut key);
    key
}

fn token(key: &[u8], rump: &str) -> Result<String, MailError> {
    let tag = mac(key, rump)?.finalize().into_bytes();
    let digits = tag.iter().map(|octet| format!("{octet:02x}"));
    Ok(std::iter::once(VERSION.to_owned()).chain(digits).collect())
}

/// Takes as long whatever differs.
fn fits(key: &[u8], rump: &str, token: &str) -> Result<bool, MailError> {
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let hexadecimal = token.bytes().all(|byte| byte.is_ascii_hexdigit());
    let tag: Option<Vec<u8>> = match token.strip_prefix(VERSION) {
        Some(digits) if hexadecimal => digits.as_bytes().chunks(2).map(octet).collect(),
        _ => None,
    };
    let Some(tag) = tag else { return Ok(false) };
    Ok(mac(key, rump)?.verify_slice(&tag).is_ok())
}

impl Mail {
    /// Signs the rump of a URL with the mailbox's key, which is made if there is none.
    ///
    /// # Errors
    /// [`MailError::NoMailbox`]; [`MailError::Busy`], [`MailError::Unavailable`].
    pub async fn url_token(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        rump: &str,
    ) -> Result<String, MailError> {
        let known = url_key_read(&self.store, account, mailbox).await?;
        let key = match known {
            Some(key) => key,
            None => {
                let made = url_key_make(&self.store, account, mailbox, &plausible()).await?;
                made.ok_or(MailError::NoMailbox)?
            }
        };
        token(&key, rump)
    }

    /// Whether this is the token of a rump. That there is no such mailbox takes as long to find out.
    ///
    /// # Errors
    /// [`MailError::Busy`], [`MailError::Unavailable`].
    pub async fn url_token_fits(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        rump: &str,
        token: &str,
    ) -> Result<bool, MailError> {
        match url_key_read(&self.store, account, mailbox).await? {
            Some(key) => fits(&key, rump, token),
            None => fits(&plausible(), rump, token).map(|_| false),
        }
    }

    /// Makes all signed URLs of a mailbox, or of all mailboxes, void.
    ///
    /// # Errors
    /// [`MailError::Busy`], [`MailError::Unavailable`], [`MailError::MayHaveHappened`].
    pub async fn url_keys_reset(
        &self,
        account: AccountId,
        mailbox: Option<MailboxId>,
    ) -> Result<(), MailError> {
        Ok(url_key_remove(&self.store, account, mailbox).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_fit_their_rump_and_key_alone() {
        let rump = "imap://joe@example.com/INBOX/;uid=20;urlauth=anonymous";
        let made = token(&[7; 32], rump).unwrap();
        assert!(made.len() >= 32 && made.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert!(fits(&[7; 32], rump, &made).unwrap());
        assert!(fits(&[7; 32], rump, &made.to_uppercase()).unwrap());
        assert!(!fits(&[8; 32], rump, &made).unwrap());
        assert!(!fits(&[7; 32], &rump.replace("20", "21"), &made).unwrap());
        for broken in ["", "01", &made[..made.len() - 2], &made[1..], "01zz", "02", "0+", "01é"] {
            assert!(!fits(&[7; 32], rump, broken).unwrap(), "{broken}");
        }
    }
}
