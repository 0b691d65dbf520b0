//! Claims.

use crate::sql::Sql;
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use types::{BlobId, Destination, Incarnation, QueueId, TenantId};

/// A recipient that this node owns now, with everything that delivering it needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// Its row.
    pub id: i64,
    /// Its message.
    pub queue: QueueId,
    /// Who pays.
    pub tenant: TenantId,
    /// The forward-path as the client wrote it.
    pub recipient: String,
    /// Parameters of RCPT (`notify`, `orcpt`): an object.
    pub recipient_parameters: Value,
    /// This claim's number: the fence.
    pub attempt: u32,
    /// Attempts used up before.
    pub attempts: u32,
    /// How often an owner was gone.
    pub takeovers: u32,
    /// Higher goes first (RFC 6710).
    pub priority: i16,
    /// The stored bytes.
    pub blob: BlobId,
    /// Key in the blob store.
    pub object_key: String,
    /// First octet of the message within the object.
    pub offset: u64,
    /// Octets of the stored message.
    pub size: u64,
    /// What leaves begins here: after the Return-Path of this server.
    pub content_offset: u64,
    /// Empty for the null reverse-path.
    pub reverse_path: String,
    /// Parameters of MAIL (`body`, `smtputf8`, `ret`, `envid`, `requiretls`, `tlsoptional`): an object.
    pub mail_parameters: Value,
    /// When it was accepted.
    pub received_at: DateTime<Utc>,
    /// Since it was accepted, by the database's clock.
    pub age: Duration,
    /// Until it expires, by the database's clock.
    pub left: Duration,
    /// The sender was told of the delay.
    pub delay_sent: bool,
}

/// What a claim brought.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    /// The recipients, in the order in which they are to be carried.
    pub rows: Vec<Claimed>,
    /// The tenant to go on after.
    pub after: i32,
    /// Whether there may be more. Rows that somebody else has locked do not count.
    pub more: bool,
}

/// Claims due recipients of one destination, shared between tenants in turn after `after_tenant` (0 at first). Empty: nothing is due, or the destination is paused. An answer that was lost
/// leaves rows owned without an attempt; [`super::queue_reconcile`] finds them.
///
/// # Errors
/// [`StoreError::Refused`] when `owner`'s lease does not run: nothing was claimed. As [`Store::session`].
pub async fn queue_claim(
    store: &Store,
    owner: Incarnation,
    destination: &Destination,
    most: u32,
    after_tenant: i32,
) -> Result<Claims, StoreError> {
    static CLAIM: Sql = Sql::new(
        "SELECT * FROM queue_claim_v2($1, $2, $3, $4, $5)",
        &[Type::UUID, Type::INT8, Type::TEXT, Type::INT4, Type::INT4],
    );
    let most = i32::try_from(most).unwrap_or(i32::MAX);
    let params: crate::pool::Params<'_> =
        &[&owner.0, &destination.key(), &destination.domain(), &most, &after_tenant];
    let rows = store.session().await?.write(&CLAIM, params).await?;
    let (after, more) = rows
        .first()
        .map_or((after_tenant, false), |row| (row.get("after_tenant"), row.get("more")));
    Ok(Claims { rows: rows.iter().map(claimed).collect(), after, more })
}

fn claimed(row: &Row) -> Claimed {
    let count = |name: &str| row.get::<_, i32>(name) as u32;
    Claimed {
        id: row.get("id"),
        queue: QueueId(row.get("queue_id")),
        tenant: TenantId(row.get("tenant_id")),
        recipient: row.get("recipient"),
        recipient_parameters: row.get("rcpt"),
        attempt: count("attempt"),
        attempts: count("attempts"),
        takeovers: count("takeovers"),
        priority: -row.get::<_, i16>("rank"),
        blob: BlobId(row.get("blob_id")),
        object_key: row.get("object_key"),
        offset: row.get::<_, i64>("blob_offset") as u64,
        size: row.get::<_, i64>("size") as u64,
        content_offset: row.get::<_, i32>("content_offset") as u64,
        reverse_path: row.get("reverse_path"),
        mail_parameters: row.get("mail"),
        received_at: row.get("received_at"),
        age: seconds(row.get("age")),
        left: seconds(row.get("remaining")),
        delay_sent: row.get("delay_sent"),
    }
}

/// Negative and absurd ones are cut off.
pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default()
}
