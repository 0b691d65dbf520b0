//! Schema migrations: the SQL files of `migrations/`, embedded, run by refinery under an advisory lock.

use crate::error::{StoreError, describe};
use crate::{PostgresConfig, Store};
use serde::Serialize;

mod embedded {
    refinery::embed_migrations!("../../migrations");
}

/// The schema version this binary was built with.
#[must_use]
pub fn newest() -> i32 {
    embedded::migrations::runner().get_migrations().iter().map(|m| m.version()).max().unwrap_or(0)
}

/// The oldest schema version this binary works with: it serves while a newer binary has migrated ahead
/// (expand first), and its successor serves before the contracting step.
pub const OLDEST: i32 = 17;

/// Ten nodes that start at once take turns here ("postride" as a number).
const ADVISORY_LOCK: i64 = 0x706f_7374_7269_6465;

/// Where the schema stands.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The newest applied version; 0 when there is none.
    pub applied: i32,
    /// The newest version this binary knows.
    pub newest: i32,
    /// Applied and pending migrations in order.
    pub migrations: Vec<Migration>,
}

/// One migration.
#[derive(Debug, Clone, Serialize)]
pub struct Migration {
    /// Its number.
    pub version: i32,
    /// Its name.
    pub name: String,
    /// Whether the database has it.
    pub applied: bool,
}

/// Applies what is missing. Safe when several nodes call it at once, and idempotent. Needs a direct
/// connection (a session-level lock), not a transaction pooler.
///
/// # Errors
/// [`StoreError`] with the statement's own message when a migration fails; that migration is rolled back.
pub async fn up(config: &PostgresConfig) -> Result<Vec<Migration>, StoreError> {
    let mut client = connect(config).await?;
    client
        .execute("SELECT pg_advisory_lock($1)", &[&ADVISORY_LOCK])
        .await
        .map_err(|error| StoreError::from_postgres(&error))?;
    let report = embedded::migrations::runner().run_async(&mut client).await;
    let report = report.map_err(|error| StoreError::Schema(migration_failed(&error)))?;
    Ok(report
        .applied_migrations()
        .iter()
        .map(|m| Migration { version: m.version(), name: m.name().to_owned(), applied: true })
        .collect())
}

fn migration_failed(error: &refinery::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("the migration failed: {error}: {cause}"),
        None => format!("the migration failed: {error}"),
    }
}

/// A connection outside the pool: the lock lives as long as it does. TLS as in the pool.
async fn connect(config: &PostgresConfig) -> Result<tokio_postgres::Client, StoreError> {
    let (client, connection) = crate::pool::target(config)?
        .connect(crate::pool::tls(config)?)
        .await
        .map_err(|error| StoreError::Unavailable(describe(&error)))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::warn!(%error, "the migration's database connection ended");
        }
    });
    Ok(client)
}

/// What the database has and what this binary knows.
///
/// # Errors
/// As [`Store::session`].
pub async fn status(store: &Store) -> Result<Status, StoreError> {
    use crate::sql::Sql;
    static PRESENT: Sql =
        Sql::new("SELECT to_regclass('refinery_schema_history') IS NOT NULL", &[]);
    static APPLIED: Sql =
        Sql::new("SELECT version::int FROM refinery_schema_history ORDER BY version", &[]);
    let session = store.session().await?;
    let present =
        session.read(&PRESENT, &[]).await?.first().is_some_and(|row| row.get::<_, bool>(0));
    let applied: Vec<i32> = if present {
        session.read(&APPLIED, &[]).await?.iter().map(|row| row.get(0)).collect()
    } else {
        Vec::new()
    };
    let known = embedded::migrations::runner();
    let mut migrations: Vec<Migration> = known
        .get_migrations()
        .iter()
        .map(|m| Migration {
            version: m.version(),
            name: m.name().to_owned(),
            applied: applied.contains(&(m.version())),
        })
        .collect();
    migrations.sort_by_key(|migration| migration.version);
    Ok(Status { applied: applied.last().copied().unwrap_or(0), newest: newest(), migrations })
}

/// Whether this binary may serve with the database's schema.
///
/// # Errors
/// [`StoreError::Schema`] with a line that says what to do.
pub async fn check(store: &Store) -> Result<Status, StoreError> {
    let status = status(store).await?;
    if status.applied < OLDEST {
        return Err(StoreError::Schema(format!(
            "the database schema is at version {}, this binary needs {OLDEST} or later: run `postrider migrate up`",
            status.applied
        )));
    }
    if status.applied > status.newest {
        let oldest_binary = oldest_binary(store).await?;
        if status.newest < oldest_binary {
            return Err(StoreError::Schema(format!(
                "the database schema is at version {} and needs a binary built for {oldest_binary} or later; this one knows {}: start a newer postrider",
                status.applied, status.newest
            )));
        }
    }
    Ok(status)
}

async fn oldest_binary(store: &Store) -> Result<i32, StoreError> {
    use crate::sql::Sql;
    static OLDEST_BINARY: Sql = Sql::new("SELECT oldest_binary FROM schema_compatibility", &[]);
    let row = store.session().await?.read_opt(&OLDEST_BINARY, &[]).await?;
    Ok(row.map_or(0, |row| row.get(0)))
}
