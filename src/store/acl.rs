//! Access control lists and others' mailboxes as they are read (RFC 4314).

use crate::mailbox::{MailboxRow, mailbox_row};
use crate::metadata::Annotation;
use crate::sql::Sql;
use crate::{Store, StoreError};
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use types::{AccountId, MailboxId, Rights};

/// A mailbox of somebody else, and what the one who asks may do with it; without any right it is as good as not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedRow {
    /// Whose.
    pub owner: AccountId,
    /// The owner's address.
    pub address: String,
    /// Of the one who asks.
    pub rights: Rights,
    /// The mailbox.
    pub mailbox: MailboxRow,
}

pub(crate) fn rights(bits: i32) -> Rights {
    Rights(bits as u16)
}

fn shared_row(row: &Row) -> SharedRow {
    SharedRow {
        owner: AccountId(row.get(0)),
        address: row.get(1),
        rights: rights(row.get(2)),
        mailbox: mailbox_row(row, 3),
    }
}

/// A live mailbox of the account with this address, in the tenant of the one who asks; it may give them no rights.
///
/// # Errors
/// As [`Store::session`].
pub async fn shared_by_name(
    store: &Store,
    user: AccountId,
    owner: &str,
    name: &str,
) -> Result<Option<SharedRow>, StoreError> {
    static BY_NAME: Sql = Sql::new(
        include_str!("acl/shared_by_name.sql"),
        &[Type::INT4, Type::TEXT, Type::TEXT_ARRAY],
    );
    let names = [name];
    let row = store.session().await?.read_opt(&BY_NAME, &[&user.0, &owner, &&names[..]]).await?;
    Ok(row.as_ref().map(shared_row))
}

/// As [`shared_by_name`]: the nearest mailbox above a name.
///
/// # Errors
/// As [`Store::session`].
pub async fn shared_above(
    store: &Store,
    user: AccountId,
    owner: &str,
    name: &str,
) -> Result<Option<SharedRow>, StoreError> {
    static ABOVE: Sql = Sql::new(
        include_str!("acl/shared_by_name.sql"),
        &[Type::INT4, Type::TEXT, Type::TEXT_ARRAY],
    );
    let names: Vec<&str> = name.match_indices('/').map(|(at, _)| &name[..at]).collect();
    let row = store.session().await?.read_opt(&ABOVE, &[&user.0, &owner, &names]).await?;
    Ok(row.as_ref().map(shared_row))
}

/// All mailboxes of others, or of one of them, with which a user may do anything, by address and name, at most `limit`.
///
/// # Errors
/// As [`Store::session`].
pub async fn shared_list(
    store: &Store,
    user: AccountId,
    owner: Option<AccountId>,
    limit: u32,
) -> Result<Vec<SharedRow>, StoreError> {
    static LIST: Sql =
        Sql::new(include_str!("acl/shared_list.sql"), &[Type::INT4, Type::INT4, Type::INT8]);
    let params: crate::pool::Params<'_> =
        &[&user.0, &owner.map(|owner| owner.0), &i64::from(limit)];
    let rows = store.session().await?.read(&LIST, params).await?;
    Ok(rows.iter().map(shared_row).collect())
}

/// What a user other than the owner may do with a mailbox now; nothing when it is gone.
///
/// # Errors
/// As [`Store::session`].
pub async fn rights_now(
    store: &Store,
    account: AccountId,
    mailbox: MailboxId,
    user: AccountId,
) -> Result<Rights, StoreError> {
    static NOW: Sql = Sql::new(
        "SELECT acl_rights_v1(m.account_id, m.id, $3) FROM mailbox m JOIN account o ON o.id = m.account_id \
         WHERE m.account_id = $1 AND m.id = $2 AND m.state = 0 AND o.state <> 2",
        &[Type::INT4, Type::UUID, Type::INT4],
    );
    let session = store.session().await?;
    let row = session.read_opt(&NOW, &[&account.0, &mailbox.0, &user.0]).await?;
    Ok(row.map_or(Rights::NONE, |row| rights(row.get(0))))
}

/// An entry of an ACL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclRow {
    /// The grantee's address; `None`: anyone.
    pub address: Option<String>,
    /// The rights are taken away.
    pub negative: bool,
    /// Which.
    pub rights: Rights,
}

/// The ACL of a mailbox, but for its owner, who may do everything.
///
/// # Errors
/// As [`Store::session`].
pub async fn acl_list(
    store: &Store,
    account: AccountId,
    mailbox: MailboxId,
) -> Result<Vec<AclRow>, StoreError> {
    static LIST: Sql = Sql::new(
        "SELECT u.address, x.negative, x.rights FROM mailbox_acl x LEFT JOIN account u ON u.id = x.grantee_id \
         WHERE x.account_id = $1 AND x.mailbox_id = $2 AND (u.id IS NULL OR u.state <> 2) \
         ORDER BY u.address COLLATE \"C\" NULLS LAST, x.negative",
        &[Type::INT4, Type::UUID],
    );
    let rows = store.session().await?.read(&LIST, &[&account.0, &mailbox.0]).await?;
    let entry = |row: &Row| AclRow {
        address: row.get(0),
        negative: row.get(1),
        rights: rights(row.get(2)),
    };
    Ok(rows.iter().map(entry).collect())
}

/// The account with this address in the same tenant as `beside`.
///
/// # Errors
/// As [`Store::session`].
pub async fn account_beside(
    store: &Store,
    beside: AccountId,
    address: &str,
) -> Result<Option<AccountId>, StoreError> {
    static BESIDE: Sql = Sql::new(
        "SELECT u.id FROM account o JOIN account u ON u.tenant_id = o.tenant_id \
         WHERE o.id = $1 AND u.address = $2 AND u.state <> 2",
        &[Type::INT4, Type::TEXT],
    );
    let row = store.session().await?.read_opt(&BESIDE, &[&beside.0, &address]).await?;
    Ok(row.map(|row| AccountId(row.get(0))))
}

/// An account's address. `None`: it is gone.
///
/// # Errors
/// As [`Store::session`].
pub async fn account_address(
    store: &Store,
    account: AccountId,
) -> Result<Option<String>, StoreError> {
    static ADDRESS: Sql =
        Sql::new("SELECT address FROM account WHERE id = $1 AND state <> 2", &[Type::INT4]);
    let row = store.session().await?.read_opt(&ADDRESS, &[&account.0]).await?;
    Ok(row.map(|row| row.get(0)))
}

/// What a user other than the owner sees of a mailbox's annotations: what is shared, and what is private to that user;
/// names and depth as for [`crate::metadata::annotations`].
///
/// # Errors
/// As [`Store::session`].
pub async fn annotations_as(
    store: &Store,
    user: AccountId,
    account: AccountId,
    mailbox: MailboxId,
    entries: &[String],
    depth: u8,
) -> Result<Vec<Annotation>, StoreError> {
    static FOUND: Sql = Sql::new(
        include_str!("acl/annotations_as.sql"),
        &[Type::INT4, Type::UUID, Type::INT4, Type::TEXT_ARRAY, Type::INT4],
    );
    let params: crate::pool::Params<'_> =
        &[&account.0, &mailbox.0, &user.0, &entries, &i32::from(depth)];
    let rows = store.session().await?.read(&FOUND, params).await?;
    Ok(rows.iter().map(|row| Annotation { entry: row.get(0), value: row.get(1) }).collect())
}
