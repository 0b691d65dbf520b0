//! Domains, accounts, aliases and credentials.
//!
//! Addresses come normalised ([`types::EmailAddress`]). Only [`account_add`] writes mailboxes and counters
//! outside of `store::account`: an account that does not exist yet has nobody to race with. It is one
//! statement, so all of it or nothing exists.

use crate::sql::Sql;
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use types::{AccountId, MailboxId, TenantId};
use uuid::Uuid;

mod access;
mod durability;

pub use access::{ScramSetting, access_recent, scram_setting};
pub use durability::{Durability, durability_read};

/// Mailboxes of a new account and their special use (`mail::Role`).
const FIRST_MAILBOXES: [(&str, i16); 6] =
    [("INBOX", 1), ("Drafts", 2), ("Sent", 3), ("Trash", 4), ("Junk", 5), ("Archive", 6)];

/// An account that may take an address; see [`address_resolve`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// 1 the account itself, 2 an alias, 3 and 4 the same without the detail, 5 the catch-all.
    pub rank: i16,
    /// Who takes it.
    pub account: AccountId,
    /// Whose account.
    pub tenant: TenantId,
    /// The account's own address.
    pub address: String,
    /// Not disabled.
    pub active: bool,
    /// At or over its quota now.
    pub over_quota: bool,
}

/// Who takes an address: every candidate, best rank first. `base` is the address without its detail.
/// `None`: the domain is not ours. Empty: nobody takes it.
///
/// # Errors
/// As [`Store::session`].
pub async fn address_resolve(
    store: &Store,
    address: &str,
    base: &str,
    domain: &str,
) -> Result<Option<Vec<Candidate>>, StoreError> {
    static RESOLVE: Sql = Sql::new(
        include_str!("directory/address_resolve.sql"),
        &[Type::TEXT, Type::TEXT, Type::TEXT, Type::TEXT],
    );
    let catch_all = format!("@{domain}");
    let session = store.session().await?;
    let rows = session.read(&RESOLVE, &[&address, &base, &catch_all, &domain]).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    Ok(Some(rows.iter().filter_map(candidate).collect()))
}

fn candidate(row: &Row) -> Option<Candidate> {
    Some(Candidate {
        rank: row.get::<_, Option<i16>>(0)?,
        account: AccountId(row.get(1)),
        tenant: TenantId(row.get(2)),
        address: row.get(3),
        active: row.get(4),
        over_quota: row.get(5),
    })
}

/// What a login is checked against.
#[derive(Clone)]
pub struct Credential {
    /// Whose.
    pub account: AccountId,
    /// Whose account.
    pub tenant: TenantId,
    /// Not disabled.
    pub active: bool,
    /// PHC string.
    pub argon2id: String,
    /// `sasl::scram::Verifier` as text.
    pub scram_sha_256: Option<String>,
    /// Rises with every change.
    pub version: i64,
    /// Rises with every change after which nobody who logged in before it may stay.
    pub access: i64,
}

/// Reads an account's secrets. `None`: no such account.
///
/// # Errors
/// As [`Store::session`].
pub async fn credential_read(
    store: &Store,
    address: &str,
) -> Result<Option<Credential>, StoreError> {
    static READ: Sql = Sql::new(
        "SELECT a.id, a.tenant_id, a.state = 0, c.argon2id, c.scram_sha_256, c.version, a.access \
         FROM account a JOIN credential c ON c.account_id = a.id WHERE a.address = $1 AND a.state <> 2",
        &[Type::TEXT],
    );
    let row = store.session().await?.read_opt(&READ, &[&address]).await?;
    Ok(row.map(|row| Credential {
        account: AccountId(row.get(0)),
        tenant: TenantId(row.get(1)),
        active: row.get(2),
        argon2id: row.get(3),
        scram_sha_256: row.get(4),
        version: row.get(5),
        access: row.get(6),
    }))
}

/// Replaces an account's secrets; who is logged in has to do so again. `false`: no such account. Safe to repeat.
///
/// # Errors
/// As [`Store::session`]; [`StoreError::MaybeHappened`].
pub async fn credential_replace(
    store: &Store,
    address: &str,
    argon2id: &str,
    scram_sha_256: &str,
) -> Result<bool, StoreError> {
    static REPLACE: Sql = Sql::new(
        "WITH owner AS (\
            UPDATE account SET access = access + 1, access_at = now() \
            WHERE address = $1 AND state <> 2 RETURNING id) \
         UPDATE credential c SET argon2id = $2, scram_sha_256 = $3, version = c.version + 1, changed_at = now() \
         FROM owner WHERE c.account_id = owner.id RETURNING 1",
        &[Type::TEXT, Type::TEXT, Type::TEXT],
    );
    let session = store.session().await?;
    Ok(!session.write(&REPLACE, &[&address, &argon2id, &scram_sha_256]).await?.is_empty())
}

/// A domain.
#[derive(Debug, Clone, Serialize)]
pub struct DomainRow {
    /// Lower-case A-labels.
    pub name: String,
    /// Whose.
    pub tenant: String,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// Accounts that were not removed.
    pub accounts: i64,
    /// Aliases.
    pub aliases: i64,
}

/// Adds a domain to the default tenant.
///
/// # Errors
/// [`StoreError::Conflict`] when it is there.
pub async fn domain_add(store: &Store, name: &str) -> Result<(), StoreError> {
    static ADD: Sql = Sql::new(
        "INSERT INTO domain (tenant_id, name) SELECT id, $1 FROM tenant WHERE name = 'default'",
        &[Type::TEXT],
    );
    store.session().await?.write(&ADD, &[&name]).await.map(|_| ())
}

/// All domains by name.
///
/// # Errors
/// As [`Store::session`].
pub async fn domain_list(store: &Store) -> Result<Vec<DomainRow>, StoreError> {
    static LIST: Sql = Sql::new(include_str!("directory/domain_list.sql"), &[]);
    let rows = store.session().await?.read(&LIST, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| DomainRow {
            name: row.get(0),
            tenant: row.get(1),
            created_at: row.get(2),
            accounts: row.get(3),
            aliases: row.get(4),
        })
        .collect())
}

/// What stood in a domain when it was to be removed; all zero: it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DomainRemains {
    /// Accounts.
    pub accounts: i64,
    /// Removed accounts whose data is still being purged.
    pub purging: i64,
    /// Aliases.
    pub aliases: i64,
}

/// Removes an empty domain. `None`: no such domain.
///
/// # Errors
/// [`StoreError::Refused`] when an account came into it at the same moment.
pub async fn domain_remove(store: &Store, name: &str) -> Result<Option<DomainRemains>, StoreError> {
    static REMOVE: Sql = Sql::new(include_str!("directory/domain_remove.sql"), &[Type::TEXT]);
    let rows = store.session().await?.write(&REMOVE, &[&name]).await?;
    Ok(rows.first().map(|row| DomainRemains {
        accounts: row.get(0),
        purging: row.get(1),
        aliases: row.get(2),
    }))
}

/// An account to be.
pub struct NewAccount<'a> {
    /// Its address.
    pub address: &'a str,
    /// The part after the `@`.
    pub domain: &'a str,
    /// For people.
    pub display_name: &'a str,
    /// PHC string.
    pub argon2id: &'a str,
    /// `sasl::scram::Verifier` as text.
    pub scram_sha_256: &'a str,
    /// Octets; `None`: no limit.
    pub quota_bytes: Option<i64>,
}

/// What became of [`account_add`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountAdded {
    /// Made, with its first mailboxes, all subscribed.
    Made(AccountId),
    /// The domain is not ours.
    NoDomain,
    /// An alias has this address.
    AliasHasIt,
}

/// Adds an account with its counters, credential and first mailboxes at modseq 1.
///
/// # Errors
/// [`StoreError::Conflict`] when an account has the address.
pub async fn account_add(store: &Store, new: &NewAccount<'_>) -> Result<AccountAdded, StoreError> {
    static ADD: Sql = Sql::new(
        include_str!("directory/account_add.sql"),
        &[
            Type::TEXT,
            Type::TEXT,
            Type::TEXT,
            Type::TEXT,
            Type::TEXT,
            Type::INT8,
            Type::TEXT_ARRAY,
            Type::INT2_ARRAY,
            Type::UUID_ARRAY,
        ],
    );
    let names: Vec<&str> = FIRST_MAILBOXES.iter().map(|(name, _)| *name).collect();
    let roles: Vec<i16> = FIRST_MAILBOXES.iter().map(|(_, role)| *role).collect();
    let ids: Vec<Uuid> = FIRST_MAILBOXES.iter().map(|_| MailboxId::new().0).collect();
    let rows = store
        .session()
        .await?
        .write(
            &ADD,
            &[
                &new.address,
                &new.domain,
                &new.display_name,
                &new.argon2id,
                &new.scram_sha_256,
                &new.quota_bytes,
                &names,
                &roles,
                &ids,
            ],
        )
        .await?;
    let row = rows.first().ok_or_else(|| StoreError::Bug("account_add gave no row".into()))?;
    Ok(match row.get::<_, Option<i32>>(2) {
        Some(id) => AccountAdded::Made(AccountId(id)),
        None if row.get::<_, bool>(0) => AccountAdded::AliasHasIt,
        None => AccountAdded::NoDomain,
    })
}

/// An account as an operator sees it.
#[derive(Debug, Clone, Serialize)]
pub struct AccountRow {
    /// Its number.
    pub id: AccountId,
    /// Its address.
    pub address: String,
    /// For people.
    pub display_name: String,
    /// Not disabled.
    pub active: bool,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// Octets stored.
    pub used_bytes: i64,
    /// Messages stored.
    pub used_messages: i64,
    /// Limit in octets.
    pub quota_bytes: Option<i64>,
    /// Limit in messages.
    pub quota_messages: Option<i64>,
}

/// The next accounts after an address (`""`: from the start), at most `limit`. Empty: that was all.
///
/// # Errors
/// As [`Store::session`].
pub async fn account_page(
    store: &Store,
    domain: Option<&str>,
    after: &str,
    limit: i64,
) -> Result<Vec<AccountRow>, StoreError> {
    static PAGE: Sql =
        Sql::new(include_str!("directory/account_page.sql"), &[Type::TEXT, Type::TEXT, Type::INT8]);
    let rows = store.session().await?.read(&PAGE, &[&domain, &after, &limit]).await?;
    Ok(rows.iter().map(account_row).collect())
}

/// One account. `None`: no such address.
///
/// # Errors
/// As [`Store::session`].
pub async fn account_read(store: &Store, address: &str) -> Result<Option<AccountRow>, StoreError> {
    static READ: Sql = Sql::new(
        "SELECT a.id, a.address, a.display_name, a.state, a.created_at, s.used_bytes, s.used_messages, \
         s.quota_bytes, s.quota_messages \
         FROM account a JOIN account_state s ON s.account_id = a.id WHERE a.address = $1 AND a.state <> 2",
        &[Type::TEXT],
    );
    let row = store.session().await?.read_opt(&READ, &[&address]).await?;
    Ok(row.as_ref().map(account_row))
}

fn account_row(row: &Row) -> AccountRow {
    AccountRow {
        id: AccountId(row.get(0)),
        address: row.get(1),
        display_name: row.get(2),
        active: row.get::<_, i16>(3) == 0,
        created_at: row.get(4),
        used_bytes: row.get(5),
        used_messages: row.get(6),
        quota_bytes: row.get(7),
        quota_messages: row.get(8),
    }
}

/// Enables or disables an account. `None`: no such account. Safe to repeat.
///
/// # Errors
/// As [`Store::session`]; [`StoreError::MaybeHappened`].
pub async fn account_set_active(
    store: &Store,
    address: &str,
    active: bool,
) -> Result<Option<AccountId>, StoreError> {
    static SET: Sql = Sql::new(
        "UPDATE account SET state = $2, access = access + (state <> $2)::int, \
         access_at = CASE WHEN state <> $2 THEN now() ELSE access_at END \
         WHERE address = $1 AND state <> 2 RETURNING id",
        &[Type::TEXT, Type::INT2],
    );
    let state: i16 = if active { 0 } else { 1 };
    let rows = store.session().await?.write(&SET, &[&address, &state]).await?;
    Ok(rows.first().map(|row| AccountId(row.get(0))))
}

/// Marks an account for the purge; its address is free at once. `None`: no such account.
///
/// # Errors
/// As [`Store::session`]; [`StoreError::MaybeHappened`].
pub async fn account_remove(store: &Store, address: &str) -> Result<Option<AccountId>, StoreError> {
    static REMOVE: Sql = Sql::new(include_str!("directory/account_remove.sql"), &[Type::TEXT]);
    let rows = store.session().await?.write(&REMOVE, &[&address]).await?;
    Ok(rows.first().map(|row| AccountId(row.get(0))))
}

/// What became of [`alias_add`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AliasAdded {
    /// Made.
    Made,
    /// The alias' domain is not ours.
    NoDomain,
    /// The account does not exist.
    NoAccount,
    /// An account has this address; the alias would never be asked.
    AccountHasIt,
}

/// Adds an alias. `address` may be `@domain`.
///
/// # Errors
/// [`StoreError::Conflict`] when this very alias is there.
pub async fn alias_add(
    store: &Store,
    address: &str,
    domain: &str,
    account: &str,
) -> Result<AliasAdded, StoreError> {
    static ADD: Sql =
        Sql::new(include_str!("directory/alias_add.sql"), &[Type::TEXT, Type::TEXT, Type::TEXT]);
    let rows = store.session().await?.write(&ADD, &[&address, &domain, &account]).await?;
    let row = rows.first().ok_or_else(|| StoreError::Bug("alias_add gave no row".into()))?;
    Ok(match (row.get(0), row.get(1), row.get(2)) {
        (false, _, _) => AliasAdded::NoDomain,
        (_, false, _) => AliasAdded::NoAccount,
        (_, _, true) => AliasAdded::AccountHasIt,
        (true, true, false) => AliasAdded::Made,
    })
}

/// An alias and one account it delivers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AliasRow {
    /// The alias.
    pub address: String,
    /// The account's address.
    pub account: String,
}

/// Aliases of a domain, of an account, or all.
///
/// # Errors
/// As [`Store::session`].
pub async fn alias_list(
    store: &Store,
    domain: Option<&str>,
    account: Option<&str>,
) -> Result<Vec<AliasRow>, StoreError> {
    static LIST: Sql =
        Sql::new(include_str!("directory/alias_list.sql"), &[Type::TEXT, Type::TEXT]);
    let rows = store.session().await?.read(&LIST, &[&domain, &account]).await?;
    Ok(rows.iter().map(|row| AliasRow { address: row.get(0), account: row.get(1) }).collect())
}

/// Removes an alias, or only its delivery to one account. Gives the number of rows removed.
///
/// # Errors
/// As [`Store::session`]; [`StoreError::MaybeHappened`].
pub async fn alias_remove(
    store: &Store,
    address: &str,
    account: Option<&str>,
) -> Result<usize, StoreError> {
    static REMOVE: Sql = Sql::new(
        "DELETE FROM alias l USING account a WHERE l.address = $1 AND a.id = l.account_id \
         AND ($2::text IS NULL OR a.address = $2) RETURNING 1",
        &[Type::TEXT, Type::TEXT],
    );
    Ok(store.session().await?.write(&REMOVE, &[&address, &account]).await?.len())
}
