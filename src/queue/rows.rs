//! [`Rows`] over the store.

use crate::peers::spacing;
use crate::worker::Rows;
use crate::{Away, Claim, Claims, Due, ORPHAN_AGE, Record, Reports, Ruling, Sighting, Standing};
use async_trait::async_trait;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use store::queue::{
    self as sql, Claimed, Note, RecordRow, Recorded, Written, queue_claim, queue_look,
    queue_reconcile, queue_record, queue_release, queue_sweep, queue_take_over,
};
use store::{Store, StoreError, lease::node_lease_renew};
use types::{Destination, Incarnation};

/// Most groups of due work that one look is told of; the next look goes on from there.
const SWEPT: u32 = 2_000;

/// The queue's rows as one node sees them.
#[derive(Clone)]
pub struct StoreRows {
    store: Store,
    me: Incarnation,
    version: String,
    roles: String,
    unrenewed: Arc<AtomicBool>,
}

impl StoreRows {
    /// `version` and `roles` stand in the node's lease.
    #[must_use]
    pub fn new(store: Store, me: Incarnation, version: &str, roles: &str) -> Self {
        let (version, roles) = (version.to_owned(), roles.to_owned());
        Self { store, me, version, roles, unrenewed: Arc::default() }
    }

    /// Says once that renewals fail, and once that they are back.
    fn complain(&self, renewed: &Result<(), StoreError>) {
        let failed = renewed.is_err();
        match (self.unrenewed.swap(failed, Ordering::Relaxed), renewed) {
            (false, Err(error)) => tracing::warn!(%error, "the node's lease cannot be renewed"),
            (true, Ok(())) => tracing::info!("the node's lease is renewed"),
            _ => {}
        }
    }
}

/// One place where "why" is told; the engine only cares that there was no answer.
fn away<'a>(what: &'a str) -> impl Fn(StoreError) -> Away + 'a {
    move |error| {
        metrics::counter!("postrider_queue_store_failures_total", "call" => what.to_owned())
            .increment(1);
        match error {
            StoreError::Bug(_) | StoreError::Schema(_) => {
                tracing::error!(%error, "the queue: {what}");
            }
            error => tracing::debug!(%error, "the queue: {what}"),
        }
        Away
    }
}

#[async_trait]
impl Rows for StoreRows {
    type Row = Claimed;
    type Note = Note;

    async fn renew(&self) -> Result<(), Away> {
        let schema = store::migrate::newest();
        let renewed = node_lease_renew(&self.store, self.me, &self.version, schema, &self.roles);
        let renewed = renewed.await;
        self.complain(&renewed);
        renewed.map_err(away("renew"))
    }

    async fn look(&self) -> Result<Vec<Sighting>, Away> {
        let seen = queue_look(&self.store).await.map_err(away("look"))?;
        let sighting = |one: sql::Sighting| Sighting {
            owner: one.owner,
            stamp: one.stamp,
            expired: one.expired,
        };
        let seen: Vec<_> = seen.into_iter().map(sighting).collect();
        self.store.space_batches(spacing(seen.iter().filter(|one| one.is_alive()).count()));
        Ok(seen)
    }

    async fn take_over(&self, gone: &[Sighting]) -> Result<Vec<Destination>, Away> {
        let sighting = |one: &Sighting| sql::Sighting {
            owner: one.owner,
            stamp: one.stamp,
            expired: one.expired,
        };
        let gone: Vec<_> = gone.iter().map(sighting).collect();
        queue_take_over(&self.store, self.me, &gone).await.map_err(away("take over"))
    }

    async fn sweep(&self, from: Option<i64>) -> Result<(Vec<Due>, Option<i64>), Away> {
        let (due, next) = queue_sweep(&self.store, from, SWEPT).await.map_err(away("sweep"))?;
        let of = |one: sql::Due| Due { destination: one.destination, overdue: one.overdue };
        Ok((due.into_iter().map(of).collect(), next))
    }

    async fn claim(
        &self,
        destination: &Destination,
        most: usize,
        after: i32,
    ) -> Result<Claims<Claimed>, Away> {
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let claimed = queue_claim(&self.store, self.me, destination, most, after).await;
        let sql::Claims { rows, after, more } = claimed.map_err(away("claim"))?;
        Ok(Claims { claims: rows.into_iter().map(claim_of).collect(), after, more })
    }

    async fn record(&self, records: &[Record<Note>]) -> Result<(), Away> {
        let rows: Vec<RecordRow> = records.iter().map(row).collect();
        let written = queue_record(&self.store, self.me, &rows).await.map_err(away("record"))?;
        for (record, outcome) in records.iter().zip(written) {
            count(record, outcome);
        }
        Ok(())
    }

    async fn reconcile(&self, known: &[i64]) -> Result<Vec<Destination>, Away> {
        let freed = queue_reconcile(&self.store, self.me, known, ORPHAN_AGE).await;
        freed.map_err(away("reconcile"))
    }

    async fn let_go(&self) -> Result<(), Away> {
        queue_release(&self.store, self.me).await.map(drop).map_err(away("let go"))
    }
}

/// A recipient that this node owns, as the engine sees it.
#[must_use]
pub fn claim_of(row: Claimed) -> Claim<Claimed> {
    let standing = Standing {
        attempts: row.attempts,
        age: row.age,
        left: row.left,
        reports: reports(&row.recipient_parameters, &row.reverse_path),
    };
    Claim { recipient: row.id, attempt: row.attempt, standing, row }
}

/// What the sender wants to hear: without NOTIFY of failure and delay (RFC 3461 §4.1 leaves that to us), and nothing
/// at all for the null reverse-path (§5.2).
fn reports(rcpt: &Value, reverse_path: &str) -> Reports {
    if reverse_path.is_empty() {
        return Reports::default();
    }
    let Some(words) = rcpt.get("notify").and_then(Value::as_array) else {
        return Reports { success: false, failure: true, delay: true };
    };
    let says = |word: &str| words.iter().any(|one| one == word);
    Reports { success: says("success"), failure: says("failure"), delay: says("delay") }
}

fn row(record: &Record<Note>) -> RecordRow {
    let (written, tried) = match record.ruling {
        Ruling::Delivered { report } => (Written::Delivered { report }, true),
        Ruling::Failed { report, expired } => (Written::Failed { report, expired }, true),
        Ruling::Again(again) => (Written::Again { wait: again.wait, used: again.used }, again.used),
    };
    // What was not tried is no step of a journey.
    let note = record.note.clone().filter(|_| tried);
    RecordRow { id: record.recipient, attempt: record.attempt, written, note }
}

/// Results that came too late are the sign of a possible duplicate.
fn count(record: &Record<Note>, outcome: Recorded) {
    let ruling = match record.ruling {
        Ruling::Delivered { .. } => "delivered",
        Ruling::Failed { expired: true, .. } => "expired",
        Ruling::Failed { .. } => "failed",
        Ruling::Again(again) if again.used => "again",
        Ruling::Again(_) => "untried",
    };
    let recorded = match outcome {
        Recorded::Done => "done",
        Recorded::Late => "late",
        Recorded::Gone => "gone",
    };
    metrics::counter!("postrider_queue_results_total", "result" => ruling, "recorded" => recorded)
        .increment(1);
    if outcome == Recorded::Gone && matches!(record.ruling, Ruling::Delivered { .. }) {
        metrics::counter!("postrider_queue_duplicates_suspected_total", "why" => "settled elsewhere")
            .increment(1);
        tracing::warn!(
            recipient = record.recipient,
            attempt = record.attempt,
            "delivered, but its row was gone: perhaps somebody else delivered it as well"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_sender_wants_to_hear() {
        let all = |success, failure, delay| Reports { success, failure, delay };
        for (rcpt, from, wanted) in [
            (json!({}), "a@x", all(false, true, true)),
            (json!({"notify": ["never"]}), "a@x", all(false, false, false)),
            (json!({"notify": ["success", "delay"]}), "a@x", all(true, false, true)),
            (json!({"notify": ["failure"]}), "", all(false, false, false)),
        ] {
            assert_eq!(reports(&rcpt, from), wanted, "{rcpt} {from:?}");
        }
    }
}
