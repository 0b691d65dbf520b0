//! MTA-STS policies (RFC 8461) that were fetched, shared by all nodes.

use crate::sql::Sql;
use crate::{Store, StoreError};
use std::time::Duration;
use tokio_postgres::types::Type;

/// A policy as it was fetched last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StsRow {
    /// By which it was announced.
    pub id: String,
    /// `enforce`, `testing`, `none`.
    pub mode: String,
    /// Patterns of hosts.
    pub mx: Vec<String>,
    /// In force for so long after it was fetched.
    pub max_age: Duration,
    /// Since it was fetched, by the database's clock. Written: now.
    pub age: Duration,
}

/// What is known of a domain (A-labels). `None`: nothing was ever fetched, or it is long out of force.
///
/// # Errors
/// As [`Store::session`].
pub async fn sts_load(store: &Store, domain: &str) -> Result<Option<StsRow>, StoreError> {
    static LOAD: Sql = Sql::new(
        "SELECT id, mode, mx, extract(epoch FROM expires_at - fetched_at)::float8, \
                GREATEST(0, extract(epoch FROM now() - fetched_at))::float8 FROM mta_sts WHERE domain = $1",
        &[Type::TEXT],
    );
    let row = store.session().await?.read_opt(&LOAD, &[&domain]).await?;
    let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    Ok(row.map(|row| StsRow {
        id: row.get(0),
        mode: row.get(1),
        mx: row.get(2),
        max_age: seconds(row.get(3)),
        age: seconds(row.get(4)),
    }))
}

/// Remembers what was fetched just now. Safe to repeat.
///
/// # Errors
/// As [`Store::session`].
pub async fn sts_save(store: &Store, domain: &str, row: &StsRow) -> Result<(), StoreError> {
    static SAVE: Sql = Sql::new(
        "INSERT INTO mta_sts (domain, id, mode, mx, fetched_at, expires_at) \
         VALUES ($1, $2, $3, $4, now(), now() + make_interval(secs => $5)) \
         ON CONFLICT (domain) DO UPDATE SET id = EXCLUDED.id, mode = EXCLUDED.mode, mx = EXCLUDED.mx, \
             fetched_at = EXCLUDED.fetched_at, expires_at = EXCLUDED.expires_at",
        &[Type::TEXT, Type::TEXT, Type::TEXT, Type::TEXT_ARRAY, Type::FLOAT8],
    );
    let params: crate::pool::Params<'_> =
        &[&domain, &row.id, &row.mode, &row.mx, &row.max_age.as_secs_f64()];
    store.session().await?.write(&SAVE, params).await.map(|_| ())
}

/// Forgets what is no longer in force. Safe to repeat.
///
/// # Errors
/// As [`Store::session`].
pub async fn sts_prune(store: &Store) -> Result<(), StoreError> {
    static PRUNE: Sql = Sql::new("DELETE FROM mta_sts WHERE expires_at < now()", &[]);
    store.session().await?.write(&PRUNE, &[]).await.map(|_| ())
}
