//! Who is told what became of a recipient: the queue, the log, the metrics.

use super::carrier::Parcel;
use delivery::{Fate as Told, Outcome, Report, Watch};
use queue::worker::Desk;
use queue::{Claim, Fate, RetryPolicy};
use serde_json::{Map, Value, json};
use std::time::Instant;
use store::queue::{Claimed, Note};

/// Listens to one attempt.
pub struct Watcher<'a> {
    /// What is carried.
    pub parcel: &'a Parcel,
    /// Whom to tell.
    pub desk: &'a Desk<Claimed, Note>,
    /// The route's own retries.
    pub policy: Option<RetryPolicy>,
    /// For the metrics.
    pub class: &'static str,
    /// Since when.
    pub begun: Instant,
}

impl Watcher<'_> {
    /// The same became of everybody.
    pub fn all(&self, outcome: &Outcome) {
        for claim in &self.parcel.claims {
            self.tell(claim, outcome);
        }
    }

    fn tell(&self, claim: &Claim<Claimed>, outcome: &Outcome) {
        let ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        log(claim, outcome, ms);
        count(outcome.fate, self.class);
        let note = note(&claim.row, outcome, ms);
        self.desk.finished(claim.recipient, fate(outcome), self.policy, note);
    }
}

impl Watch for Watcher<'_> {
    fn fence(&self) -> bool {
        self.desk.fence()
    }

    fn known(&self, recipient: usize, outcome: &Outcome) {
        if let Some(claim) = self.parcel.claims.get(recipient) {
            self.tell(claim, outcome);
        }
    }
}

fn fate(outcome: &Outcome) -> Fate {
    match outcome.fate {
        Told::Delivered => Fate::Delivered { reports_passed_on: outcome.dsn },
        Told::Failed => Fate::Failed,
        Told::Deferred => Fate::Deferred,
        Told::MayHaveHappened => Fate::MayHaveHappened,
        Told::Untried => Fate::Untried,
    }
}

fn name(fate: Told) -> &'static str {
    match fate {
        Told::Delivered => "delivered",
        Told::Failed => "failed",
        Told::Deferred => "deferred",
        Told::MayHaveHappened => "unknown",
        Told::Untried => "untried",
    }
}

fn count(fate: Told, class: &'static str) {
    let result = name(fate);
    metrics::counter!("postrider_queue_attempts_total", "result" => result, "class" => class)
        .increment(1);
    if fate == Told::MayHaveHappened {
        metrics::counter!("postrider_queue_duplicates_suspected_total", "why" => "no answer")
            .increment(1);
    }
}

fn log(claim: &Claim<Claimed>, outcome: &Outcome, ms: u64) {
    let row = &claim.row;
    let (id, host, tls) = (row.blob, outcome.host.as_deref(), outcome.tls.is_some());
    let (to, text, attempt) = (&row.recipient, &outcome.text, claim.attempt);
    match outcome.fate {
        Told::Delivered => tracing::info!(%id, to, host, tls, attempt, ms, text, "delivered"),
        Told::Failed => tracing::info!(%id, to, host, tls, attempt, ms, text, "failed"),
        Told::Deferred => tracing::info!(%id, to, host, tls, attempt, ms, text, "deferred"),
        Told::MayHaveHappened => {
            tracing::warn!(%id, to, host, tls, attempt, ms, text, "whether it was delivered is unknown");
        }
        Told::Untried => tracing::debug!(%id, to, text, "not tried"),
    }
}

/// What the queue keeps of it: for the operator, and for the sender's report.
fn note(row: &Claimed, outcome: &Outcome, ms: u64) -> Note {
    let mut detail = Map::new();
    let mut set = |key: &str, value: Value| drop(detail.insert(key.to_owned(), value));
    set("fate", name(outcome.fate).into());
    set("status", outcome.status.to_string().into());
    set("text", outcome.text.as_str().into());
    set("ms", ms.into());
    if outcome.quoted {
        set("quoted", true.into());
    }
    if let Some(host) = &outcome.host {
        set("host", host.as_str().into());
    }
    if let Some(address) = outcome.address {
        set("address", address.to_string().into());
    }
    if let Some(tls) = &outcome.tls {
        set("tls", json!({"version": tls.version, "cipher": tls.cipher, "verified": tls.verified}));
    }
    if !outcome.tries.is_empty() {
        let one = |one: &delivery::Try| {
            let address = one.address.map(|address| address.to_string());
            json!({"host": one.host, "address": address, "text": one.text})
        };
        set("tries", outcome.tries.iter().map(one).collect());
    }
    let text = outcome.text.clone();
    let (queue, recipient) = (row.queue, row.recipient.clone());
    Note { queue, recipient, text, detail: Value::Object(detail) }
}

/// For who was claimed and not tried.
pub fn untried(row: &Claimed) -> Note {
    let (queue, recipient) = (row.queue, row.recipient.clone());
    Note { queue, recipient, text: "not tried".into(), detail: json!({"fate": "untried"}) }
}

/// Hosts that did not do.
pub fn tries(id: &str, domain: &str, report: &Report) {
    for one in &report.tries {
        let address = one.address.map(|address| address.to_string());
        tracing::info!(id, domain, host = one.host, address, text = one.text, "a host did not do");
    }
}
