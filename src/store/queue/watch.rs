//! What nobody rang for, and what belongs to nodes that are gone.

use super::claim::seconds;
use crate::sql::Sql;
use crate::{Store, StoreError};
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use types::{Destination, Incarnation};

/// A destination with due work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Where.
    pub destination: Destination,
    /// For how long the oldest of it has been due.
    pub overdue: Duration,
}

/// What a look showed of one owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// Whose lease.
    pub owner: Incarnation,
    /// Changes with every renewal. `None`: it owns something and has no lease.
    pub stamp: Option<i64>,
    /// Whether the database's clock says that it has run out.
    pub expired: bool,
}

/// Destinations with due work that are not paused, in the order of their keys after `from`; and where to go on, or
/// `None` at the end. At most `limit` groups of destination, tenant and priority are looked at. Safe to repeat: it
/// writes nothing but which rows have fallen due.
///
/// # Errors
/// As [`Store::session`].
pub async fn queue_sweep(
    store: &Store,
    from: Option<i64>,
    limit: u32,
) -> Result<(Vec<Due>, Option<i64>), StoreError> {
    static SWEEP: Sql = Sql::new(
        "SELECT key, destination, overdue, steps, paused FROM queue_sweep_v1($1, $2)",
        &[Type::INT8, Type::INT4],
    );
    let limit = i32::try_from(limit).unwrap_or(i32::MAX).max(1);
    let from = from.unwrap_or(i64::MIN);
    let rows = store.session().await?.write(&SWEEP, &[&from, &limit]).await?;
    let next = rows.last().filter(|row| row.get::<_, i32>("steps") >= limit);
    let next = next.map(|row| row.get("key"));
    let open = rows.iter().filter(|row| !row.get::<_, bool>("paused"));
    Ok((open.map(due).collect(), next))
}

fn due(row: &Row) -> Due {
    let overdue = seconds(row.get("overdue"));
    Due { destination: Destination::new(row.get("destination")), overdue }
}

/// All leases that run, those that have run out and still own something, and owners without a lease.
///
/// # Errors
/// As [`Store::session`].
pub async fn queue_look(store: &Store) -> Result<Vec<Sighting>, StoreError> {
    static LOOK: Sql = Sql::new(
        "WITH RECURSIVE o AS ( \
             (SELECT r.owner FROM queue_recipient r WHERE r.state = 2 ORDER BY r.owner LIMIT 1) \
             UNION ALL \
             SELECT (SELECT r.owner FROM queue_recipient r WHERE r.state = 2 AND r.owner > o.owner \
                      ORDER BY r.owner LIMIT 1) FROM o WHERE o.owner IS NOT NULL \
         ) \
         SELECT COALESCE(l.incarnation, o.owner), (extract(epoch FROM l.expires_at) * 1000000)::bigint, \
                COALESCE(l.expires_at <= now(), true) \
           FROM node_lease l FULL JOIN (SELECT owner FROM o WHERE owner IS NOT NULL) o ON o.owner = l.incarnation \
          WHERE o.owner IS NOT NULL OR l.expires_at > now()",
        &[],
    );
    let rows = store.session().await?.read(&LOOK, &[]).await?;
    let sighting = |row: &Row| Sighting {
        owner: Incarnation(row.get(0)),
        stamp: row.get(1),
        expired: row.get(2),
    };
    Ok(rows.iter().map(sighting).collect())
}

/// Frees what these owned, if their leases still are as they were seen; `by` stands in the events. Gives the
/// destinations. Safe to repeat.
///
/// # Errors
/// As [`Store::session`].
pub async fn queue_take_over(
    store: &Store,
    by: Incarnation,
    gone: &[Sighting],
) -> Result<Vec<Destination>, StoreError> {
    static TAKE_OVER: Sql = Sql::new(
        "SELECT queue_take_over_v1($1, $2, $3)",
        &[Type::UUID, Type::UUID_ARRAY, Type::INT8_ARRAY],
    );
    let owners: Vec<uuid::Uuid> = gone.iter().map(|one| one.owner.0).collect();
    let stamps: Vec<Option<i64>> = gone.iter().map(|one| one.stamp).collect();
    let session = store.session().await?;
    let rows = session.write(&TAKE_OVER, &[&by.0, &owners, &stamps]).await?;
    Ok(destinations(&rows))
}

static FREE: Sql =
    Sql::new("SELECT queue_free_v1($1, $2, $3)", &[Type::UUID, Type::INT8_ARRAY, Type::FLOAT8]);

/// Frees what `owner` has had for at least `age` without knowing of it: not `known`. Gives the destinations. Safe
/// to repeat.
///
/// # Errors
/// As [`Store::session`].
pub async fn queue_reconcile(
    store: &Store,
    owner: Incarnation,
    known: &[i64],
    age: Duration,
) -> Result<Vec<Destination>, StoreError> {
    let session = store.session().await?;
    let rows = session.write(&FREE, &[&owner.0, &Some(known), &age.as_secs_f64()]).await?;
    Ok(destinations(&rows))
}

/// Frees everything that `owner` has: it is going and has finished what it could. Gives the destinations. Safe to
/// repeat.
///
/// # Errors
/// As [`Store::session`].
pub async fn queue_release(
    store: &Store,
    owner: Incarnation,
) -> Result<Vec<Destination>, StoreError> {
    let session = store.session().await?;
    let rows = session.write(&FREE, &[&owner.0, &None::<Vec<i64>>, &-1.0e9_f64]).await?;
    Ok(destinations(&rows))
}

fn destinations(rows: &[Row]) -> Vec<Destination> {
    rows.iter().map(|row| Destination::new(row.get(0))).collect()
}
