//! What became of attempts.

use crate::sql::Sql;
use crate::{Store, StoreError};
use serde_json::Value;
use std::collections::HashSet;
use std::time::Duration;
use tokio_postgres::types::Type;
use types::{Incarnation, QueueId};

/// What becomes of a recipient after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It was delivered: a fact, whoever owns the row by now.
    Delivered {
        /// The sender is to hear that it was relayed.
        report: bool,
    },
    /// It never will be.
    Failed {
        /// The sender is to hear of it.
        report: bool,
        /// Because its time is over.
        expired: bool,
    },
    /// It waits.
    Again {
        /// For so long.
        wait: Duration,
        /// Whether the attempt counts.
        used: bool,
    },
}

/// One recipient's result.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordRow {
    /// Its row.
    pub id: i64,
    /// The claim it belongs to.
    pub attempt: u32,
    /// What becomes of it.
    pub written: Written,
    /// What the log says; `None` when nothing was tried.
    pub note: Option<Note>,
}

/// What the event log keeps of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// Its message.
    pub queue: QueueId,
    /// The forward-path.
    pub recipient: String,
    /// One line for lists.
    pub text: String,
    /// Everything else, an object: `status`, `reply`, `quoted`, `host`, `address`, `tls`, `tries`, … A settled
    /// recipient's report is made of it.
    pub detail: Value,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is written.
    Done,
    /// The row is another attempt's by now; nothing changed.
    Late,
    /// There is no such row any more; nothing changed.
    Gone,
}

/// Writes results of `owner`'s attempts, in order, and their events, in one transaction. The blobs of messages that
/// are done are let go. Safe to repeat: what was written before is [`Recorded::Gone`] or [`Recorded::Late`].
///
/// # Errors
/// As [`Store::session`]; all of it happened, or nothing.
pub async fn queue_record(
    store: &Store,
    owner: Incarnation,
    records: &[RecordRow],
) -> Result<Vec<Recorded>, StoreError> {
    let mut all = Vec::with_capacity(records.len());
    let session = store.session().await?;
    let mut rest = records;
    while !rest.is_empty() {
        // A recipient that stands here twice is written in two steps.
        let mut seen = HashSet::with_capacity(rest.len());
        let some = rest.iter().take_while(|record| seen.insert(record.id)).count();
        let (now, later) = rest.split_at(some);
        all.extend(write(&session, owner, now).await?);
        rest = later;
    }
    Ok(all)
}

async fn write(
    session: &crate::Session,
    owner: Incarnation,
    records: &[RecordRow],
) -> Result<Vec<Recorded>, StoreError> {
    static RECORD: Sql = Sql::new(
        "SELECT queue_record_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        &[
            Type::UUID,
            Type::INT8_ARRAY,
            Type::INT4_ARRAY,
            Type::INT2_ARRAY,
            Type::BOOL_ARRAY,
            Type::FLOAT8_ARRAY,
            Type::BOOL_ARRAY,
            Type::TEXT_ARRAY,
            Type::UUID_ARRAY,
            Type::TEXT_ARRAY,
            Type::JSONB_ARRAY,
        ],
    );
    let c = Columns::of(records);
    let params: crate::pool::Params<'_> = &[
        &owner.0,
        &c.id,
        &c.attempt,
        &c.ruling,
        &c.report,
        &c.wait,
        &c.used,
        &c.text,
        &c.queue,
        &c.recipient,
        &c.detail,
    ];
    let rows = session.write(&RECORD, params).await?;
    let outcomes: Vec<i16> = rows.first().map(|row| row.get(0)).unwrap_or_default();
    if outcomes.len() != records.len() {
        return Err(StoreError::Bug("queue_record_v1 answered for other records".into()));
    }
    Ok(outcomes.into_iter().map(recorded).collect())
}

fn recorded(outcome: i16) -> Recorded {
    match outcome {
        0 => Recorded::Done,
        1 => Recorded::Late,
        _ => Recorded::Gone,
    }
}

#[derive(Default)]
struct Columns {
    id: Vec<i64>,
    attempt: Vec<i32>,
    ruling: Vec<i16>,
    report: Vec<bool>,
    wait: Vec<f64>,
    used: Vec<bool>,
    text: Vec<Option<String>>,
    queue: Vec<Option<uuid::Uuid>>,
    recipient: Vec<Option<String>>,
    detail: Vec<Option<Value>>,
}

impl Columns {
    fn of(records: &[RecordRow]) -> Self {
        let mut all = Self::default();
        for record in records {
            let (ruling, report, wait, used) = match record.written {
                Written::Delivered { report } => (0, report, Duration::ZERO, true),
                Written::Failed { report, expired } => {
                    (1 + i16::from(expired), report, Duration::ZERO, true)
                }
                Written::Again { wait, used } => (3, false, wait, used),
            };
            all.id.push(record.id);
            all.attempt.push(record.attempt as i32);
            all.ruling.push(ruling);
            all.report.push(report);
            all.wait.push(wait.as_secs_f64());
            all.used.push(used);
            let note = record.note.as_ref();
            all.text.push(note.map(|note| without_nul(&note.text)));
            all.queue.push(note.map(|note| note.queue.0));
            all.recipient.push(note.map(|note| without_nul(&note.recipient)));
            all.detail.push(note.map(|note| storable(&note.detail)));
        }
        all
    }
}

/// PostgreSQL stores no NUL, and a remote server may send one.
fn without_nul(text: &str) -> String {
    text.replace('\0', " ")
}

pub(crate) fn storable(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_nul(text)),
        Value::Array(values) => values.iter().map(storable).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, value)| (without_nul(key), storable(value))).collect()
        }
        other => other.clone(),
    }
}
