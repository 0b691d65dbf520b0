//! Leases by the database's clock: one per node, and one per job that runs on one node at a time.

use crate::sql::Sql;
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_postgres::types::Type;
use types::Incarnation;

/// Length of a node's lease in seconds; it is renewed every [`NODE_RENEW_SECONDS`].
pub const NODE_LEASE_SECONDS: i32 = 15;
/// How often a node renews its lease, in seconds.
pub const NODE_RENEW_SECONDS: u64 = 3;

/// A node as PostgreSQL knows it.
#[derive(Debug, Clone, Serialize)]
pub struct NodeLease {
    /// One run of one node.
    pub incarnation: Incarnation,
    /// Its program version.
    pub version: String,
    /// The schema version it was built for.
    pub schema: i32,
    /// What it does, comma-separated.
    pub roles: String,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// Whether its lease runs.
    pub alive: bool,
}

/// Takes or renews this node's lease, and forgets leases that ran out long ago. Safe to repeat.
///
/// # Errors
/// As [`Store::session`].
pub async fn node_lease_renew(
    store: &Store,
    incarnation: Incarnation,
    version: &str,
    schema: i32,
    roles: &str,
) -> Result<(), StoreError> {
    static RENEW: Sql = Sql::new(
        "WITH forgotten AS (DELETE FROM node_lease WHERE expires_at < now() - interval '1 day') \
         INSERT INTO node_lease (incarnation, version, schema, roles, expires_at) \
         VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5)) \
         ON CONFLICT (incarnation) DO UPDATE SET expires_at = EXCLUDED.expires_at",
        &[Type::UUID, Type::TEXT, Type::INT4, Type::TEXT, Type::FLOAT8],
    );
    let seconds = f64::from(NODE_LEASE_SECONDS);
    let session = store.session().await?;
    session.write(&RENEW, &[&incarnation.0, &version, &schema, &roles, &seconds]).await.map(|_| ())
}

/// Gives the lease back at once: what this node owned is free.
///
/// # Errors
/// As [`Store::session`].
pub async fn node_lease_delete(store: &Store, incarnation: Incarnation) -> Result<(), StoreError> {
    static DELETE: Sql = Sql::new("DELETE FROM node_lease WHERE incarnation = $1", &[Type::UUID]);
    store.session().await?.write(&DELETE, &[&incarnation.0]).await.map(|_| ())
}

/// All nodes of the last day.
///
/// # Errors
/// As [`Store::session`].
pub async fn node_lease_list(store: &Store) -> Result<Vec<NodeLease>, StoreError> {
    static LIST: Sql = Sql::new(
        "SELECT incarnation, version, schema, roles, started_at, expires_at > now() FROM node_lease \
         ORDER BY started_at",
        &[],
    );
    let rows = store.session().await?.read(&LIST, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| NodeLease {
            incarnation: Incarnation(row.get(0)),
            version: row.get(1),
            schema: row.get(2),
            roles: row.get(3),
            started_at: row.get(4),
            alive: row.get(5),
        })
        .collect())
}

/// Takes or renews a job for a while. `false`: another node has it.
///
/// # Errors
/// As [`Store::session`].
pub async fn job_lease_take(
    store: &Store,
    name: &str,
    owner: Incarnation,
    seconds: f64,
) -> Result<bool, StoreError> {
    static TAKE: Sql = Sql::new(
        "INSERT INTO job_lease (name, owner, expires_at) VALUES ($1, $2, now() + make_interval(secs => $3)) \
         ON CONFLICT (name) DO UPDATE SET owner = EXCLUDED.owner, expires_at = EXCLUDED.expires_at \
         WHERE job_lease.owner = EXCLUDED.owner OR job_lease.expires_at < now() RETURNING 1",
        &[Type::TEXT, Type::UUID, Type::FLOAT8],
    );
    let rows = store.session().await?.write(&TAKE, &[&name, &owner.0, &seconds]).await?;
    Ok(!rows.is_empty())
}
