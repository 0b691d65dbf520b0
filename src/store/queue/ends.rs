//! Ends that no attempt brings (`migrations/V4__queue_ends.sql`): what is given up in time, and what stays here after
//! all.

use super::claim::seconds;
use crate::sql::Sql;
use crate::{Store, StoreError};
use chrono::Utc;
use serde_json::Value;
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use types::{AccountId, Destination, Incarnation, QueueId};

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

/// A recipient elsewhere that has waited for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elder {
    /// Its row.
    pub id: i64,
    /// Its message.
    pub queue: QueueId,
    /// Where it goes.
    pub destination: Destination,
    /// Since it was accepted.
    pub age: Duration,
}

/// Recipients elsewhere that were accepted about `age` ago or longer, from after `after` on, by the age of their
/// messages; not those that are being sent. Fewer than `limit`: that was all. Not for every second: it steps over the
/// recipients of this cluster that wait as well.
///
/// # Errors
/// As [`Store::session`].
pub async fn queue_elders(
    store: &Store,
    age: Duration,
    after: Option<(QueueId, i64)>,
    limit: u32,
) -> Result<Vec<Elder>, StoreError> {
    static ELDERS: Sql = Sql::new(
        "SELECT r.id, r.queue_id, r.destination, extract(epoch FROM now() - m.received_at)::float8 \
         FROM queue_recipient r JOIN queue_message m ON m.id = r.queue_id \
         WHERE r.state IN (0, 1) AND r.queue_id >= $1 AND (r.queue_id, r.id) > ($1, $2) AND r.queue_id < $3 \
         ORDER BY r.queue_id, r.id LIMIT $4",
        &[Type::UUID, Type::INT8, Type::UUID, Type::INT8],
    );
    // Ids are in the order of time (UUIDv7); nodes' clocks are, to a minute.
    let age = chrono::Duration::from_std(age).unwrap_or(chrono::Duration::MAX);
    let before =
        Utc::now().checked_sub_signed(age).unwrap_or_default() + chrono::Duration::minutes(1);
    let millis = u128::try_from(before.timestamp_millis()).unwrap_or(0);
    let before = uuid::Uuid::from_u128(millis << 80);
    let (queue, id) = after.unwrap_or((QueueId(uuid::Uuid::nil()), 0));
    let params: crate::pool::Params<'_> = &[&queue.0, &id, &before, &i64::from(limit)];
    let rows = store.session().await?.read(&ELDERS, params).await?;
    let elder = |row: &Row| Elder {
        id: row.get(0),
        queue: QueueId(row.get(1)),
        destination: Destination::new(row.get(2)),
        age: seconds(row.get(3)),
    };
    Ok(rows.iter().map(elder).collect())
}

/// Gives up those of these recipients elsewhere that nobody is trying at this moment: their time is over. As
/// [`queue_expire`] otherwise. Safe to repeat.
///
/// # Errors
/// As [`Store::session`].
pub async fn queue_give_up(
    store: &Store,
    node: Incarnation,
    ids: &[i64],
) -> Result<u64, StoreError> {
    static GIVE_UP: Sql = Sql::new(
        "WITH x AS MATERIALIZED (SELECT r.id FROM queue_recipient r WHERE r.id = ANY ($1) AND r.state IN (0, 1) \
                                  ORDER BY r.id FOR UPDATE SKIP LOCKED), \
              y AS MATERIALIZED (SELECT array_agg(x.id) AS ids FROM x) \
         SELECT cardinality(y.ids)::bigint, queue_end_v1(y.ids, $2, 2::smallint, 'failed', '{\"expired\": true}') \
         FROM y WHERE y.ids IS NOT NULL",
        &[Type::INT8_ARRAY, Type::UUID],
    );
    let rows = store.session().await?.write(&GIVE_UP, &[&ids, &node.0]).await?;
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
