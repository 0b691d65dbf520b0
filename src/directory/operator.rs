//! What operators do: thin, with errors of one line that say what to do.

use crate::login::{MAX_PASSWORD, prepare};
use crate::{AccountRow, AliasRow, Directory, DomainRow, OperatorError};
use sasl::scram::Verifier;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use store::StoreError;
use store::directory::{self as rows, AccountAdded, AliasAdded, NewAccount};
use types::{AccountId, EmailAddress};

/// Accounts per page of [`Directory::account_page`].
pub const ACCOUNT_PAGE: i64 = 1_000;

/// An account and what leads to it.
#[derive(Debug, Clone, Serialize)]
pub struct AccountDetails {
    /// The account.
    #[serde(flatten)]
    pub account: AccountRow,
    /// Its aliases, catch-alls as `@domain`.
    pub aliases: Vec<String>,
}

/// The two forms in which a password is kept.
struct Secrets {
    argon2id: String,
    scram_sha_256: String,
}

type Outcome<T> = Result<T, OperatorError>;

impl Directory {
    /// Adds a domain. Gives its name as it is stored.
    ///
    /// # Errors
    /// [`OperatorError`], as for all of these.
    pub async fn domain_add(&self, name: &str) -> Outcome<String> {
        let name = domain(name)?;
        match rows::domain_add(&self.inner.store, &name).await {
            Ok(()) => {
                self.inner.foreign.invalidate(&name);
                Ok(name)
            }
            Err(StoreError::Conflict(_)) => {
                Err(OperatorError::Exists(format!("the domain {name} is there already")))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// All domains.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn domain_list(&self) -> Outcome<Vec<DomainRow>> {
        Ok(rows::domain_list(&self.inner.store).await?)
    }

    /// Removes an empty domain.
    ///
    /// # Errors
    /// [`OperatorError`]; it says what is left in it.
    pub async fn domain_remove(&self, name: &str) -> Outcome<()> {
        let name = domain(name)?;
        let left = match rows::domain_remove(&self.inner.store, &name).await {
            Ok(left) => left.ok_or_else(|| no_domain(&name))?,
            Err(StoreError::Refused(_)) => {
                let text = format!("something came into {name} at the same moment: try again");
                return Err(OperatorError::Refused(text));
            }
            Err(error) => return Err(error.into()),
        };
        let refused = |text: String| Err(OperatorError::Refused(text));
        if left.accounts > 0 {
            return refused(format!(
                "{name} has {} accounts: remove them first (postrider account list --domain {name})",
                left.accounts
            ));
        }
        if left.aliases > 0 {
            return refused(format!(
                "{name} has {} aliases: remove them first (postrider alias list --domain {name})",
                left.aliases
            ));
        }
        if left.purging > 0 {
            return refused(format!(
                "the mail of {} removed accounts of {name} is still being purged: try again in a while",
                left.purging
            ));
        }
        Ok(())
    }

    /// Adds an account with its mailboxes.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn account_add(
        &self,
        address: &str,
        password: &SecretString,
        display_name: &str,
        quota_bytes: Option<u64>,
    ) -> Outcome<AccountId> {
        let address = parse(address)?;
        let quota_bytes = quota_bytes.map(|octets| i64::try_from(octets).unwrap_or(i64::MAX));
        let secrets = self.secrets(password).await?;
        let new = NewAccount {
            address: address.as_str(),
            domain: address.domain(),
            display_name,
            argon2id: &secrets.argon2id,
            scram_sha_256: &secrets.scram_sha_256,
            quota_bytes,
        };
        match rows::account_add(&self.inner.store, &new).await {
            Ok(AccountAdded::Made(id)) => {
                self.forget(&address).await;
                Ok(id)
            }
            Ok(AccountAdded::NoDomain) => Err(no_domain(address.domain())),
            Ok(AccountAdded::AliasHasIt) => Err(OperatorError::Exists(format!(
                "{address} is an alias: remove it first (postrider alias remove {address})"
            ))),
            Err(StoreError::Conflict(_)) => {
                Err(OperatorError::Exists(format!("the account {address} is there already")))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sets a new password; it counts at once, everywhere.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn account_passwd(&self, address: &str, password: &SecretString) -> Outcome<()> {
        let address = parse(address)?;
        let secrets = self.secrets(password).await?;
        let (argon2id, scram) = (&secrets.argon2id, &secrets.scram_sha_256);
        let found =
            rows::credential_replace(&self.inner.store, address.as_str(), argon2id, scram).await?;
        if found { Ok(()) } else { Err(no_account(&address)) }
    }

    /// The accounts after an address (`""`: from the start), in order, at most [`ACCOUNT_PAGE`]. Empty: that
    /// was all.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn account_page(&self, of: Option<&str>, after: &str) -> Outcome<Vec<AccountRow>> {
        let of = of.map(domain).transpose()?;
        Ok(rows::account_page(&self.inner.store, of.as_deref(), after, ACCOUNT_PAGE).await?)
    }

    /// All accounts, or those of a domain.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn account_list(&self, of: Option<&str>) -> Outcome<Vec<AccountRow>> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.account_page(of, &after).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after.clone_from(&last.address);
            all.extend(page);
        }
    }

    /// One account.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn account_show(&self, address: &str) -> Outcome<AccountDetails> {
        let address = parse(address)?;
        let store = &self.inner.store;
        let account = rows::account_read(store, address.as_str()).await?;
        let account = account.ok_or_else(|| no_account(&address))?;
        let aliases = rows::alias_list(store, None, Some(address.as_str())).await?;
        let aliases = aliases.into_iter().map(|alias| alias.address).collect();
        Ok(AccountDetails { account, aliases })
    }

    /// Lets nobody in and takes no mail, until enabled again. What is stored stays.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn account_disable(&self, address: &str) -> Outcome<AccountId> {
        self.set_active(address, false).await
    }

    /// Undoes [`Directory::account_disable`].
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn account_enable(&self, address: &str) -> Outcome<AccountId> {
        self.set_active(address, true).await
    }

    async fn set_active(&self, address: &str, active: bool) -> Outcome<AccountId> {
        let address = parse(address)?;
        let found = rows::account_set_active(&self.inner.store, address.as_str(), active).await?;
        self.forget(&address).await;
        found.ok_or_else(|| no_account(&address))
    }

    /// Removes an account; its mail is purged in the background, its address is free at once.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn account_remove(&self, address: &str) -> Outcome<AccountId> {
        let address = parse(address)?;
        let found = rows::account_remove(&self.inner.store, address.as_str()).await?;
        self.forget(&address).await;
        found.ok_or_else(|| no_account(&address))
    }

    /// Adds an alias, or one more account to it. `@domain` catches what nothing else takes.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn alias_add(&self, alias: &str, account: &str) -> Outcome<()> {
        let (text, domain) = alias_parts(alias)?;
        let account = parse(account)?;
        let made = rows::alias_add(&self.inner.store, &text, &domain, account.as_str()).await;
        match made {
            Ok(AliasAdded::Made) => {
                self.inner.recipients.invalidate_all();
                Ok(())
            }
            Ok(AliasAdded::NoDomain) => Err(no_domain(&domain)),
            Ok(AliasAdded::NoAccount) => Err(no_account(&account)),
            Ok(AliasAdded::AccountHasIt) => Err(OperatorError::Exists(format!(
                "{text} is an account: an alias would never be asked"
            ))),
            Err(StoreError::Conflict(_)) => Err(OperatorError::Exists(format!(
                "the alias {text} delivers to {account} already"
            ))),
            Err(error) => Err(error.into()),
        }
    }

    /// All aliases, those of a domain, or those of an account.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn alias_list(
        &self,
        of: Option<&str>,
        account: Option<&str>,
    ) -> Outcome<Vec<AliasRow>> {
        let of = of.map(domain).transpose()?;
        let account = account.map(parse).transpose()?;
        let account = account.as_ref().map(EmailAddress::as_str);
        Ok(rows::alias_list(&self.inner.store, of.as_deref(), account).await?)
    }

    /// Removes an alias, or only its delivery to one account. Gives how many deliveries ended.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn alias_remove(&self, alias: &str, account: Option<&str>) -> Outcome<usize> {
        let (text, _) = alias_parts(alias)?;
        let account = account.map(parse).transpose()?;
        let only = account.as_ref().map(EmailAddress::as_str);
        let removed = rows::alias_remove(&self.inner.store, &text, only).await?;
        self.inner.recipients.invalidate_all();
        match (removed, only) {
            (0, Some(account)) => {
                Err(OperatorError::NotFound(format!("no alias {text} delivers to {account}")))
            }
            (0, None) => Err(OperatorError::NotFound(format!("no such alias: {text}"))),
            (removed, _) => Ok(removed),
        }
    }

    async fn secrets(&self, password: &SecretString) -> Outcome<Secrets> {
        let prepared = prepare(password.expose_secret()).ok_or_else(|| {
            OperatorError::Invalid(format!(
                "this password cannot be used: it is empty, over {MAX_PASSWORD} bytes, or holds control \
                 characters or others that SASLprep (RFC 4013) forbids"
            ))
        })?;
        let busy = || OperatorError::Unavailable("too many passwords are being hashed".into());
        let argon2id = self.inner.hashing.hash(prepared.clone()).await.map_err(|_| busy())?;
        let iterations = self.scram().await?.iterations;
        let salt: [u8; 16] = rand::random();
        let derive = move || Verifier::derive(&prepared, &salt, iterations);
        let verifier = tokio::task::spawn_blocking(derive).await.ok().flatten();
        let scram_sha_256 = verifier.ok_or_else(busy)?.encode();
        Ok(Secrets { argon2id, scram_sha_256 })
    }

    /// On this node at least, what an operator did counts at once.
    async fn forget(&self, address: &EmailAddress) {
        self.inner.recipients.invalidate(address).await;
    }
}

fn domain(name: &str) -> Outcome<String> {
    EmailAddress::normalise_domain(name)
        .map_err(|error| OperatorError::Invalid(format!("{name:?}: {error}")))
}

fn parse(address: &str) -> Outcome<EmailAddress> {
    EmailAddress::parse(address)
        .map_err(|error| OperatorError::Invalid(format!("{address:?}: {error}")))
}

/// An alias as stored, and its domain.
fn alias_parts(alias: &str) -> Outcome<(String, String)> {
    match alias.strip_prefix('@') {
        Some(name) => domain(name).map(|name| (format!("@{name}"), name)),
        None => parse(alias).map(|address| (address.to_string(), address.domain().to_owned())),
    }
}

fn no_domain(name: &str) -> OperatorError {
    OperatorError::NotFound(format!(
        "{name} is not a domain of this cluster: add it first (postrider domain add {name})"
    ))
}

fn no_account(address: &EmailAddress) -> OperatorError {
    OperatorError::NotFound(format!(
        "no such account: {address} (postrider account list shows all)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_addresses_or_whole_domains() {
        assert_eq!(alias_parts("@Bücher.example").unwrap().0, "@xn--bcher-kva.example");
        assert_eq!(alias_parts("Info@X.example").unwrap().0, "info@x.example");
        assert!(alias_parts("nonsense").is_err());
        assert!(alias_parts("@").is_err());
    }

    #[test]
    fn errors_say_what_to_do() {
        let text = no_domain("example.org").to_string();
        assert!(text.contains("postrider domain add example.org"), "{text}");
        assert!(!text.contains('\n'));
    }
}
