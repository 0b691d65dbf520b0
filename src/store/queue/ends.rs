//! Ends that no attempt brings (`migrations/V4__queue_ends.sql`): what is given up in time, and what stays here after
//! all.

use crate::sql::Sql;
use crate::{Store, StoreError};
use serde_json::Value;
use std::time::Duration;
use tokio_postgres::types::Type;
use types::{AccountId, Destination, Incarnation};

/// Gives up recipients elsewhere whose time was over `grace` ago and whom nobody is trying at this moment, at most
/// `limit`; their senders are told if they want to hear of it. Gives their number. Safe to repeat.
///
/// # Errors
/// As [`Store::session`].
pub async fn queue_expire(
    store: &Store,
    node: Incarnation,
    grace: Duration,
    limit: u32,
) -> Result<u64, StoreError> {
    static EXPIRE: Sql =
        Sql::new("SELECT queue_expire_v1($1, $2, $3)", &[Type::UUID, Type::FLOAT8, Type::INT8]);
    let params: crate::pool::Params<'_> = &[&node.0, &grace.as_secs_f64(), &i64::from(limit)];
    let rows = store.session().await?.write(&EXPIRE, params).await?;
    Ok(rows.first().map_or(0, |row| row.get::<_, i64>(0) as u64))
}

/// A recipient in the queue for elsewhere whose destination is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Astray {
    /// Its row.
    pub id: i64,
    /// The forward-path.
    pub recipient: String,
}

/// Recipients that are due for a destination, about as many as `limit`; not those that are held or being sent.
///
/// # Errors
/// As [`Store::session`].
pub async fn queue_astray(
    store: &Store,
    destination: &Destination,
    limit: u32,
) -> Result<Vec<Astray>, StoreError> {
    static ASTRAY: Sql = Sql::new(
        "SELECT id, recipient FROM queue_astray_v1($1, $2, $3)",
        &[Type::TEXT, Type::INT8, Type::INT8],
    );
    let params: crate::pool::Params<'_> =
        &[&destination.domain(), &destination.key(), &i64::from(limit)];
    let rows = store.session().await?.read(&ASTRAY, params).await?;
    Ok(rows.iter().map(|row| Astray { id: row.get(0), recipient: row.get(1) }).collect())
}

/// Makes a recipient elsewhere a local one of these accounts; without any it fails, and `result` (`status`, `text`) is
/// what the report says, unless the domain is so young that its accounts may still be to come. `false`: somebody else has it by now.
///
/// # Errors
/// As [`Store::session`].
pub async fn queue_home(
    store: &Store,
    node: Incarnation,
    id: i64,
    accounts: &[AccountId],
    result: &Value,
) -> Result<bool, StoreError> {
    static HOME: Sql = Sql::new(
        "SELECT queue_home_v1($1, $2, $3, $4)",
        &[Type::INT8, Type::UUID, Type::INT4_ARRAY, Type::JSONB],
    );
    let accounts: Vec<i32> = accounts.iter().map(|account| account.0).collect();
    let params: crate::pool::Params<'_> = &[&id, &node.0, &accounts, result];
    let rows = store.session().await?.write(&HOME, params).await?;
    Ok(rows.first().is_some_and(|row| row.get(0)))
}
