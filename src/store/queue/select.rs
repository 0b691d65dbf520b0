//! What an operator sees of the queue, and does to it.

use super::claim::seconds;
use crate::sql::Sql;
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use types::{Destination, Incarnation, QueueId, TenantId};

/// Rows touched by one statement.
const CHUNK: u32 = 1_000;

/// Where a recipient stands, as operators say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum QueueState {
    /// For its time.
    Waiting,
    /// For somebody to take it up.
    Due,
    /// An attempt is under way.
    Sending,
    /// Its end is known; a report is owed.
    Report,
    /// A recipient of this cluster.
    Local,
    /// Held by an operator.
    Held,
}

impl QueueState {
    /// Reads the word that [`QueueState`] is written as.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        use QueueState::{Due, Held, Local, Report, Sending, Waiting};
        let all = [Waiting, Due, Sending, Report, Local, Held];
        all.into_iter().find(|state| state.name() == word)
    }

    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Due => "due",
            Self::Sending => "sending",
            Self::Report => "report",
            Self::Local => "local",
            Self::Held => "held",
        }
    }

    fn code(self) -> i16 {
        match self {
            Self::Waiting => 0,
            Self::Due => 1,
            Self::Sending => 2,
            Self::Report => 3,
            Self::Local => 9,
            Self::Held => 10,
        }
    }

    fn of(code: i16, hold: bool, due: bool) -> Self {
        match code {
            2 => Self::Sending,
            3 => Self::Report,
            9 => Self::Local,
            _ if hold => Self::Held,
            0 if !due => Self::Waiting,
            _ => Self::Due,
        }
    }
}

/// Which rows. Whatever is given must hold; the default is all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Select {
    /// These rows.
    pub ids: Option<Vec<i64>>,
    /// These messages.
    pub queues: Option<Vec<QueueId>>,
    /// For this destination (A-labels, or a literal in brackets).
    pub domain: Option<String>,
    /// From this reverse-path, or `@domain`; empty is the null reverse-path.
    pub sender: Option<String>,
    /// To this forward-path.
    pub recipient: Option<String>,
    /// Standing there.
    pub state: Option<QueueState>,
    /// Of this tenant.
    pub tenant: Option<TenantId>,
    /// Accepted longer ago.
    pub older_than: Option<Duration>,
}

/// A queued recipient.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listed {
    /// Its row.
    pub id: i64,
    /// Its message.
    #[serde(serialize_with = "as_text")]
    pub queue: QueueId,
    /// Who pays.
    pub tenant: TenantId,
    /// Empty for the null reverse-path.
    pub sender: String,
    /// The forward-path.
    pub recipient: String,
    /// Where it goes; `None`: here.
    pub destination: Option<String>,
    /// Where it stands.
    pub state: QueueState,
    /// An operator's hold, also while it is being sent.
    pub held: bool,
    /// Not before; while it is being sent: since when.
    pub due: DateTime<Utc>,
    /// Attempts used up.
    pub attempts: u32,
    /// How often a node was gone in the middle.
    pub takeovers: u32,
    /// The node that sends it now.
    pub node: Option<uuid::Uuid>,
    /// When it was accepted.
    pub received_at: DateTime<Utc>,
    /// When it is given up.
    pub expires_at: Option<DateTime<Utc>>,
    /// Octets of the message.
    pub size: u64,
    /// What was said last.
    pub last: String,
}

/// An id is written as the logs write it.
pub(super) fn as_text<S: serde::Serializer>(
    id: &impl std::fmt::Display,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

/// The next recipients after row `after` (0 at first) that are meant. Fewer than `limit`: that was all.
///
/// # Errors
/// As [`Store::session`].
pub async fn queue_list(
    store: &Store,
    select: &Select,
    after: i64,
    limit: u32,
) -> Result<Vec<Listed>, StoreError> {
    static LIST: Sql = Sql::new(
        "SELECT r.id, r.queue_id, r.tenant_id, m.reverse_path, r.recipient, r.destination, r.state, r.hold, \
                r.due <= now() AS is_due, r.due, r.attempts, r.takeovers, r.owner, m.received_at, r.expires_at, \
                m.size, r.last_error \
         FROM queue_select_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS s(id) \
         JOIN queue_recipient r ON r.id = s.id JOIN queue_message m ON m.id = r.queue_id ORDER BY r.id",
        SELECT_TYPES,
    );
    let rows = run(store, &LIST, select, after, limit).await?;
    Ok(rows.iter().map(listed).collect())
}

const SELECT_TYPES: &[Type] = &[
    Type::INT8_ARRAY,
    Type::UUID_ARRAY,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::INT2,
    Type::INT4,
    Type::FLOAT8,
    Type::INT8,
    Type::INT4,
];

async fn run(
    store: &Store,
    sql: &Sql,
    select: &Select,
    after: i64,
    limit: u32,
) -> Result<Vec<Row>, StoreError> {
    let queues: Option<Vec<uuid::Uuid>> =
        select.queues.as_ref().map(|queues| queues.iter().map(|queue| queue.0).collect());
    let domain = select.domain.as_ref().map(|domain| domain.to_ascii_lowercase());
    let limit = i32::try_from(limit).unwrap_or(i32::MAX);
    let params: crate::pool::Params<'_> = &[
        &select.ids,
        &queues,
        &domain,
        &select.sender,
        &select.recipient,
        &select.state.map(QueueState::code),
        &select.tenant.map(|tenant| tenant.0),
        &select.older_than.map(|age| age.as_secs_f64()),
        &after,
        &limit,
    ];
    store.session().await?.read(sql, params).await
}

pub(super) fn listed(row: &Row) -> Listed {
    let (code, held): (i16, bool) = (row.get("state"), row.get("hold"));
    Listed {
        id: row.get("id"),
        queue: QueueId(row.get("queue_id")),
        tenant: TenantId(row.get("tenant_id")),
        sender: row.get("reverse_path"),
        recipient: row.get("recipient"),
        destination: row.get("destination"),
        state: QueueState::of(code, held, row.get("is_due")),
        held,
        due: row.get("due"),
        attempts: row.get::<_, i32>("attempts") as u32,
        takeovers: row.get::<_, i32>("takeovers") as u32,
        node: row.get("owner"),
        received_at: row.get("received_at"),
        expires_at: row.get("expires_at"),
        size: row.get::<_, i64>("size") as u64,
        last: row.get("last_error"),
    }
}

/// What an operator wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Tried now, whatever its time.
    Retry,
    /// Not tried until released.
    Hold,
    /// Held no more.
    Release,
    /// Dropped without a word.
    Cancel,
    /// Given up; the sender is told if the sender wants to hear of failures.
    Bounce,
    /// Sent elsewhere, now.
    Redirect {
        /// To this address; `None`: the same address, only by way of `destination`.
        recipient: Option<String>,
        /// Where it goes.
        destination: Destination,
    },
}

impl Action {
    fn name(&self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Cancel => "cancel",
            Self::Bounce => "bounce",
            Self::Redirect { .. } => "redirect",
        }
    }
}

/// What an action came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// Recipients that it changed.
    pub recipients: u64,
    /// Destinations that may have due mail now: their bells are to be rung.
    pub destinations: Vec<Destination>,
}

/// Does it to all that are meant, in short statements; `by` stands in the log. What was done before an error stays
/// done, and all of it may be repeated.
///
/// # Errors
/// As [`Store::session`].
pub async fn queue_change(
    store: &Store,
    select: &Select,
    action: &Action,
    by: &str,
) -> Result<Changed, StoreError> {
    static IDS: Sql =
        Sql::new("SELECT queue_select_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", SELECT_TYPES);
    let (mut changed, mut found, mut after) = (0, BTreeSet::new(), 0);
    loop {
        let rows = run(store, &IDS, select, after, CHUNK).await?;
        let ids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        let Some(last) = ids.last().copied() else { break };
        for row in change(store, &ids, action, by).await? {
            changed += 1;
            found.extend(row.get::<_, Option<&str>>(1).map(Destination::new));
        }
        if ids.len() < CHUNK as usize {
            break;
        }
        after = last;
    }
    let rings = !matches!(action, Action::Hold | Action::Cancel | Action::Bounce);
    let destinations = if rings { found.into_iter().collect() } else { Vec::new() };
    Ok(Changed { recipients: changed, destinations })
}

async fn change(
    store: &Store,
    ids: &[i64],
    action: &Action,
    by: &str,
) -> Result<Vec<Row>, StoreError> {
    static CHANGE: Sql = Sql::new(
        "SELECT id, destination FROM queue_change_v1($1, $2, $3, $4, $5, $6)",
        &[Type::TEXT, Type::INT8_ARRAY, Type::TEXT, Type::TEXT, Type::INT8, Type::TEXT],
    );
    let (recipient, destination) = match action {
        Action::Redirect { recipient, destination } => (recipient.as_deref(), Some(destination)),
        _ => (None, None),
    };
    let domain = destination.map(Destination::domain);
    let key = destination.map(Destination::key);
    let params: crate::pool::Params<'_> = &[&action.name(), &ids, &recipient, &domain, &key, &by];
    store.session().await?.write(&CHANGE, params).await
}

/// One thing that happened to queued mail.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventRow {
    /// When.
    pub at: DateTime<Utc>,
    /// The recipient's row; `None`: the whole message.
    pub recipient_id: Option<i64>,
    /// The recipient.
    pub recipient: Option<String>,
    /// `attempt`, `takeover`, `report`, `operator`, `end` (without an attempt).
    pub kind: &'static str,
    /// Whose attempt; who was gone; who wrote the report.
    #[serde(serialize_with = "node_text")]
    pub node: Option<Incarnation>,
    /// The claim's number.
    pub attempt: Option<u32>,
    /// Of an attempt: `delivered`, `failed`, `expired`, `again`.
    pub outcome: Option<&'static str>,
    /// It came too late to count: `late`, `gone`.
    pub fenced: Option<&'static str>,
    /// Everything else.
    pub detail: Value,
}

fn node_text<S: serde::Serializer>(node: &Option<Incarnation>, s: S) -> Result<S::Ok, S::Error> {
    match node {
        Some(node) => s.collect_str(node),
        None => s.serialize_none(),
    }
}

/// A message's way through the queue.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Journey {
    /// Its id.
    #[serde(serialize_with = "as_text")]
    pub queue: QueueId,
    /// Its reverse-path, if it is still known.
    pub sender: Option<String>,
    /// When it was accepted, if it is still known.
    pub received_at: Option<DateTime<Utc>>,
    /// Recipients that are not done.
    pub recipients: Vec<Listed>,
    /// Everything that happened, in order.
    pub events: Vec<EventRow>,
}

/// A message and everything that happened to it, also after it has left. `None`: nothing is known of it (any more).
///
/// # Errors
/// As [`Store::session`].
pub async fn queue_show(store: &Store, queue: QueueId) -> Result<Option<Journey>, StoreError> {
    static EVENTS: Sql = Sql::new(
        "SELECT at, recipient_id, recipient, kind, node, attempt, outcome, recorded, detail, reverse_path, received_at \
         FROM queue_event WHERE queue_id = $1 ORDER BY id LIMIT 10000",
        &[Type::UUID],
    );
    let select = Select { queues: Some(vec![queue]), ..Select::default() };
    let recipients = queue_list(store, &select, 0, 10_000).await?;
    let rows = store.session().await?.read(&EVENTS, &[&queue.0]).await?;
    if recipients.is_empty() && rows.is_empty() {
        return Ok(None);
    }
    let sender = recipients.first().map(|one| one.sender.clone());
    let sender = sender.or_else(|| rows.iter().find_map(|row| row.get("reverse_path")));
    let received_at = recipients.first().map(|one| one.received_at);
    let received_at = received_at.or_else(|| rows.iter().find_map(|row| row.get("received_at")));
    let events = rows.iter().map(event).collect();
    Ok(Some(Journey { queue, sender, received_at, recipients, events }))
}

fn event(row: &Row) -> EventRow {
    EventRow {
        at: row.get("at"),
        recipient_id: row.get("recipient_id"),
        recipient: row.get("recipient"),
        kind: match row.get::<_, i16>("kind") {
            1 => "attempt",
            2 => "takeover",
            3 => "report",
            5 => "end",
            _ => "operator",
        },
        node: row.get::<_, Option<uuid::Uuid>>("node").map(Incarnation),
        attempt: row.get::<_, Option<i32>>("attempt").map(|attempt| attempt as u32),
        outcome: row.get::<_, Option<i16>>("outcome").map(|outcome| match outcome {
            0 => "delivered",
            1 => "failed",
            2 => "expired",
            _ => "again",
        }),
        fenced: match row.get::<_, i16>("recorded") {
            0 => None,
            1 => Some("late"),
            _ => Some("gone"),
        },
        detail: row.get("detail"),
    }
}

/// Removes a piece of the events of messages that were accepted more than `keep` ago and are done. `true`: there may
/// be more.
///
/// # Errors
/// As [`Store::session`].
pub async fn queue_events_prune(
    store: &Store,
    keep: Duration,
    limit: u32,
) -> Result<bool, StoreError> {
    static PRUNE: Sql = Sql::new(
        "SELECT queue_events_prune_v1($1, $2, $3)",
        &[Type::UUID, Type::FLOAT8, Type::INT8],
    );
    // Ids are in the order of time (UUIDv7), so old messages are at one end of the index.
    let before = Utc::now() - chrono::Duration::from_std(keep).unwrap_or_default();
    let millis = u128::try_from(before.timestamp_millis()).unwrap_or(0);
    let before = uuid::Uuid::from_u128(millis << 80);
    let session = store.session().await?;
    let params: crate::pool::Params<'_> = &[&before, &keep.as_secs_f64(), &i64::from(limit)];
    let rows = session.write(&PRUNE, params).await?;
    Ok(rows.first().is_some_and(|row| row.get::<_, i64>(0) >= i64::from(limit)))
}

/// How full the queue is.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Stats {
    /// Waiting for their time.
    pub waiting: u64,
    /// Due and not taken up yet.
    pub due: u64,
    /// Being sent.
    pub sending: u64,
    /// Owing a report.
    pub reports: u64,
    /// Held.
    pub held: u64,
    /// Recipients of this cluster.
    pub local: u64,
    /// For how long the oldest due one has been due.
    pub oldest_due: Duration,
    /// The fullest destinations: domain, recipients, due ones among them.
    pub destinations: Vec<(String, u64, u64)>,
}

/// Counts everything: reads the whole queue once.
///
/// # Errors
/// As [`Store::session`].
pub async fn queue_stats(store: &Store, top: u32) -> Result<Stats, StoreError> {
    static COUNT: Sql = Sql::new(
        "SELECT count(*) FILTER (WHERE state = 0 AND due > now() AND NOT hold), \
                count(*) FILTER (WHERE (state = 1 OR state = 0 AND due <= now()) AND NOT hold), \
                count(*) FILTER (WHERE state = 2), count(*) FILTER (WHERE state = 3), \
                count(*) FILTER (WHERE hold AND state IN (0, 1)), count(*) FILTER (WHERE state = 9), \
                COALESCE(extract(epoch FROM now() - min(due) FILTER (WHERE state IN (0, 1) AND NOT hold)), 0)::float8 \
         FROM queue_recipient",
        &[],
    );
    static TOP: Sql = Sql::new(
        "SELECT destination, count(*), count(*) FILTER (WHERE due <= now() AND NOT hold) FROM queue_recipient \
         WHERE state IN (0, 1, 2) GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $1",
        &[Type::INT8],
    );
    let session = store.session().await?;
    let rows = session.read(&COUNT, &[]).await?;
    let row = rows.first().ok_or_else(|| StoreError::Bug("no counts".into()))?;
    let count = |at: usize| row.get::<_, i64>(at) as u64;
    let (waiting, due, sending, reports) = (count(0), count(1), count(2), count(3));
    let (held, local, oldest_due) = (count(4), count(5), seconds(row.get(6)));
    let rows = session.read(&TOP, &[&i64::from(top)]).await?;
    let destination =
        |row: &Row| (row.get(0), row.get::<_, i64>(1) as u64, row.get::<_, i64>(2) as u64);
    let destinations = rows.iter().map(destination).collect();
    Ok(Stats { waiting, due, sending, reports, held, local, oldest_due, destinations })
}

/// The queue's depth for the metrics: each count stops at 100,000, so that it costs little however full the queue
/// is. Held ones and destinations are not counted.
///
/// # Errors
/// As [`Store::session`].
pub async fn queue_depth(store: &Store) -> Result<Stats, StoreError> {
    static DEPTH: Sql = Sql::new(
        "SELECT (SELECT count(*) FROM (SELECT FROM queue_recipient WHERE state = 0 AND NOT hold LIMIT 100000) x), \
                (SELECT count(*) FROM (SELECT FROM queue_recipient WHERE state = 1 AND NOT hold LIMIT 100000) x), \
                (SELECT count(*) FROM (SELECT FROM queue_recipient WHERE state = 2 LIMIT 100000) x), \
                (SELECT count(*) FROM (SELECT FROM queue_recipient WHERE state = 3 LIMIT 100000) x), \
                (SELECT count(*) FROM (SELECT FROM queue_recipient WHERE account_id IS NOT NULL LIMIT 100000) x), \
                GREATEST(0, extract(epoch FROM now() - LEAST( \
                    (SELECT min(due) FROM (SELECT due FROM queue_recipient WHERE state = 1 AND NOT hold \
                      LIMIT 100000) x), \
                    (SELECT due FROM queue_recipient WHERE state = 0 AND NOT hold ORDER BY due LIMIT 1))))::float8",
        &[],
    );
    let rows = store.session().await?.read(&DEPTH, &[]).await?;
    let row = rows.first().ok_or_else(|| StoreError::Bug("no counts".into()))?;
    let count = |at: usize| row.get::<_, i64>(at) as u64;
    Ok(Stats {
        waiting: count(0),
        due: count(1),
        sending: count(2),
        reports: count(3),
        local: count(4),
        oldest_due: seconds(row.get::<_, Option<f64>>(5).unwrap_or(0.0)),
        ..Stats::default()
    })
}
