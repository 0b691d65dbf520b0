//! A login with a password.

use crate::{AuthFailure, Directory, DirectoryError};
use std::net::IpAddr;
use std::time::Instant;
use store::directory::{Credential, account_read, credential_read};
use types::{AccountId, EmailAddress, TenantId};

/// Longest password, in octets; nobody types more, and strangers may not make us hash more.
pub(crate) const MAX_PASSWORD: usize = 1_024;

/// Somebody who proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Whose data.
    pub account: AccountId,
    /// Whose account.
    pub tenant: TenantId,
    /// The account's address.
    pub address: String,
    /// What the account's access was then; see [`Directory::guard`].
    pub access: i64,
}

impl Directory {
    /// Checks a password. Takes as long for a user that does not exist.
    ///
    /// # Errors
    /// [`AuthFailure`]; only [`AuthFailure::Denied`] says that the password was looked at.
    pub async fn login(
        &self,
        user: &str,
        password: &str,
        peer: IpAddr,
    ) -> Result<Login, AuthFailure> {
        self.admit(user, peer)?;
        let result = match self.credential(user).await {
            Ok(known) => self.check(known, password).await,
            Err(failure) => Err(failure),
        };
        self.note(user, peer, &result);
        result
    }

    /// The account of a user who need not have logged in. `None`: there is none, or it is disabled.
    ///
    /// # Errors
    /// [`DirectoryError`]
    pub async fn owner(&self, user: &str) -> Result<Option<AccountId>, DirectoryError> {
        let Ok(address) = EmailAddress::parse(user.trim()) else { return Ok(None) };
        let account = account_read(&self.inner.store, &address.to_string()).await?;
        Ok(account.filter(|account| account.active).map(|account| account.id))
    }

    /// Whether this client may try at all now.
    pub(crate) fn admit(&self, user: &str, peer: IpAddr) -> Result<(), AuthFailure> {
        if self.inner.throttle.allows(peer, user, Instant::now()) {
            return Ok(());
        }
        count("throttled");
        Err(AuthFailure::Throttled)
    }

    /// Remembers how it went.
    pub(crate) fn note(&self, user: &str, peer: IpAddr, result: &Result<Login, AuthFailure>) {
        match result {
            Ok(_) => {
                count("ok");
                self.inner.throttle.succeeded(peer, user);
            }
            Err(AuthFailure::Denied) => {
                count("denied");
                tracing::info!(%peer, user = %printable(user), "a login was denied");
                self.inner.throttle.failed(peer, user, Instant::now());
            }
            Err(failure) => {
                count("failed");
                tracing::debug!(%peer, %failure, "a login could not be checked");
            }
        }
    }

    /// The credential of a user; `None` for one that cannot exist or does not.
    pub(crate) async fn credential(
        &self,
        user: &str,
    ) -> Result<Option<(String, Credential)>, AuthFailure> {
        let Ok(address) = EmailAddress::parse(user.trim()) else { return Ok(None) };
        let address = address.to_string();
        let credential = credential_read(&self.inner.store, &address).await?;
        Ok(credential.map(|credential| (address, credential)))
    }

    async fn check(
        &self,
        known: Option<(String, Credential)>,
        password: &str,
    ) -> Result<Login, AuthFailure> {
        let prepared = prepare(password);
        if let (Some((_, credential)), Some(password)) = (&known, &prepared)
            && credential.active
            && self.inner.successes.knows(credential.account, credential.version, password)
        {
            return known.map(login).ok_or(AuthFailure::Denied);
        }
        let stored = known
            .as_ref()
            .filter(|_| prepared.is_some())
            .map(|(_, credential)| credential.argon2id.clone());
        let candidate = prepared.clone().unwrap_or_default();
        let fits = self.inner.hashing.verify(candidate, stored).await;
        let fits = fits.map_err(|_| AuthFailure::Busy)?;
        match (known, prepared) {
            (Some(known), Some(password)) if fits && known.1.active => {
                let (account, version) = (known.1.account, known.1.version);
                self.inner.successes.remember(account, version, &password);
                Ok(login(known))
            }
            _ => Err(AuthFailure::Denied),
        }
    }
}

pub(crate) fn login((address, credential): (String, Credential)) -> Login {
    let Credential { account, tenant, access, .. } = credential;
    Login { account, tenant, address, access }
}

/// RFC 4616 §2: the password is prepared with SASLprep (RFC 4013) before it is compared. `None`: nobody can
/// have this password.
pub(crate) fn prepare(password: &str) -> Option<String> {
    if password.is_empty() || password.len() > MAX_PASSWORD {
        return None;
    }
    stringprep::saslprep(password).ok().map(std::borrow::Cow::into_owned)
}

fn count(outcome: &'static str) {
    metrics::counter!("postrider_logins_total", "outcome" => outcome).increment(1);
}

/// A user name fit for a log line.
fn printable(user: &str) -> String {
    user.chars().filter(|c| !c.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_prepared_as_the_rfc_wants() {
        assert_eq!(prepare("I\u{ad}X").as_deref(), Some("IX"));
        assert_eq!(prepare("pass\u{a0}word").as_deref(), Some("pass word"));
        for forbidden in ["", "\u{7}", "a\0b", "\u{627}1"] {
            assert_eq!(prepare(forbidden), None, "{forbidden:?}");
        }
        assert_eq!(prepare(&"x".repeat(MAX_PASSWORD + 1)), None);
    }
}
