//! The worker that delivers what could not be delivered inline.
//!
//! Woken when this node queued something, and every few seconds by itself for what a dead node left. It may run
//! on every node at once: one transaction makes the copy and removes the queue row, so of two workers with the
//! same row exactly one succeeds. An outage uses up no attempt. A failing recipient is tried again with growing
//! waits; one whose mailbox is full for as long as mail for elsewhere is tried is given up, and its sender told.

use crate::deliver::count;
use crate::{Ingest, IngestError};
use blob::{BlobError, ObjectKey};
use chrono::Utc;
use futures::{StreamExt, TryStreamExt};
use message::{Scanned, Scanner};
use queue::Schedule;
use rand::Rng;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::time::Duration;
use store::StoreError;
use store::account::{self, Delivery, DeliverySet, NewBlob, Outbound, Outcome};
use store::queue::{DueRecipient, Postponed, queue_local_due, queue_local_end, queue_postpone};
use tokio::time::Instant;
use types::{BlobId, Flags};

/// Most recipients taken up at once.
const BATCH: u32 = 1_000;
/// Most accounts of one transaction.
const INLINE: usize = 32;
/// Messages worked on side by side.
const MESSAGES: usize = 4;
/// What reading a message again may hold: pieces on their way, and header text.
const SCAN_SHARE: u64 = 1024 * 1024;

/// Why a recipient has to wait, as its sender may be told; what is broken in here is for the log.
#[derive(Debug, Clone, Copy)]
struct Late {
    schedule: Schedule,
    status: &'static str,
    why: &'static str,
}

const FULL: Late = Late { schedule: queue::OVER_QUOTA, status: "4.2.2", why: "over quota" };
const BUSY: Late = Late { schedule: queue::BUSY, status: "4.3.0", why: "the mailbox is busy" };
const NO_INBOX: Late =
    Late { schedule: queue::BUSY, status: "4.2.0", why: "the mailbox has no INBOX" };

/// Works until `stop` resolves. What is under way then is safe: it happens or it stays queued.
pub async fn run(ingest: Ingest, stop: impl Future<Output = ()>) {
    tokio::pin!(stop);
    let mut wake = Instant::now();
    loop {
        tokio::select! {
            () = &mut stop => return,
            () = ingest.inner.queued.notified() => {}
            () = tokio::time::sleep_until(wake) => {}
        }
        let pass = tokio::select! {
            () = &mut stop => return,
            pass = ingest.pass() => pass,
        };
        wake = Instant::now() + ingest.pause(pass);
    }
}

/// What one look at the queue came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// There was more than one batch.
    More,
    /// Everything due is done or put off; the first put off is due after this.
    Done(Option<Duration>),
    /// PostgreSQL or the blob store did not answer.
    Failed,
}

/// What became of one message's recipients.
#[derive(Debug, Clone, Copy)]
struct Report {
    failed: bool,
    next: Option<Duration>,
}

impl Report {
    const FAILED: Self = Self { failed: true, next: None };

    fn and(self, other: Self) -> Self {
        let next = match (self.next, other.next) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { failed: self.failed || other.failed, next }
    }
}

impl Ingest {
    fn pause(&self, pass: Pass) -> Duration {
        let sweep = Duration::from_secs(self.inner.config.queue_sweep_seconds.max(1).into());
        let sweep = sweep.mul_f64(rand::rng().random_range(0.75..=1.25));
        match pass {
            Pass::More => Duration::ZERO,
            Pass::Done(Some(next)) => sweep.min(next),
            Pass::Done(None) | Pass::Failed => sweep,
        }
    }

    async fn pass(&self) -> Pass {
        let due = match queue_local_due(&self.inner.store, BATCH).await {
            Ok(due) => due,
            Err(error) => {
                tracing::debug!(%error, "the queue could not be read");
                self.inner.database.suspect(&self.inner.store);
                return Pass::Failed;
            }
        };
        let full = due.len() == BATCH as usize;
        let report = futures::stream::iter(by_message(due))
            .map(|recipients| self.message(recipients))
            .buffer_unordered(MESSAGES)
            .fold(Report { failed: false, next: None }, |all, one| async move { all.and(one) })
            .await;
        match report {
            Report { failed: true, .. } => Pass::Failed,
            Report { .. } if full => Pass::More,
            Report { next, .. } => Pass::Done(next),
        }
    }

    /// One message's due recipients: its bytes are read once, then the copies are made.
    async fn message(&self, recipients: Vec<DueRecipient>) -> Report {
        let Some(first) = recipients.first() else { return Report { failed: false, next: None } };
        let Some(_share) = self.inner.budget.try_reserve(SCAN_SHARE) else {
            return Report::FAILED;
        };
        let blob = match self.scan(first).await {
            Ok(scanned) => new_blob(first, scanned),
            // Attempts wait, none is used up.
            Err(error) if error.is_outage() => return Report::FAILED,
            Err(error) => {
                tracing::error!(blob = %first.blob, %error, "a queued message cannot be read");
                if self.is_over(first) {
                    return self.end_all(&recipients, "5.3.0", "the message is lost").await;
                }
                return self.postpone_all(&recipients, BUSY).await;
            }
        };
        let mut report = Report { failed: false, next: None };
        for chunk in recipients.chunks(INLINE) {
            report = report.and(self.chunk(&blob, chunk).await);
            if report.failed {
                break;
            }
        }
        report
    }

    async fn scan(&self, recipient: &DueRecipient) -> Result<Scanned, BlobError> {
        let key = ObjectKey::parse(&recipient.object_key)?;
        let mut scanner = Scanner::new();
        let mut left = recipient.size;
        if left > 0 {
            let mut stream = self.inner.blob.get(&key, 0..left).await?;
            while let Some(piece) = stream.try_next().await? {
                scanner.feed(&piece);
                left = left.saturating_sub(piece.len() as u64);
            }
        }
        if left > 0 {
            return Err(BlobError::Corrupt(key.to_string()));
        }
        Ok(scanner.finish())
    }

    async fn chunk(&self, blob: &NewBlob, recipients: &[DueRecipient]) -> Report {
        let tells = recipients.iter().enumerate().filter(|(_, recipient)| recipient.tells);
        let tells = tells.map(|(index, _)| index).collect();
        let set = DeliverySet {
            blob: blob.clone(),
            newborn: false,
            envelope: None,
            deliveries: recipients.iter().map(delivery).collect(),
            outbound: Outbound { tells, ..Outbound::default() },
        };
        match account::deliver(&self.inner.store, set).await {
            Ok(outcomes) => {
                let mut report = Report { failed: false, next: None };
                for (recipient, outcome) in recipients.iter().zip(outcomes) {
                    report = report.and(self.settle(recipient, outcome).await);
                }
                report
            }
            // Another worker was faster with one of them; the rows tell the next look the truth.
            Err(StoreError::Refused(_)) => {
                Report { failed: false, next: Some(Duration::from_millis(100)) }
            }
            Err(error) => match IngestError::from(error) {
                IngestError::Bug(why) => {
                    tracing::error!(blob = %blob.id, %why, "a queued message cannot be delivered");
                    self.postpone_all(recipients, BUSY).await
                }
                error => {
                    tracing::debug!(blob = %blob.id, %error, "a queued message has to wait");
                    Report::FAILED
                }
            },
        }
    }

    async fn settle(&self, recipient: &DueRecipient, outcome: Outcome) -> Report {
        count(outcome);
        match outcome {
            Outcome::Delivered(placed) => {
                self.inner.hub.changed(recipient.account, placed.modseq);
                tracing::info!(
                    id = %recipient.blob, recipient = recipient.recipient, attempts = recipient.attempts,
                    "delivered out of the queue"
                );
                Report { failed: false, next: None }
            }
            Outcome::NoLongerQueued => Report { failed: false, next: None },
            Outcome::OverQuota if self.is_over(recipient) => {
                self.end(
                    recipient,
                    json!({"status": "5.2.2", "text": "mailbox full", "expired": true}),
                )
                .await
            }
            Outcome::OverQuota => self.postpone(recipient, FULL).await,
            Outcome::Busy | Outcome::Deferred => self.postpone(recipient, BUSY).await,
            Outcome::NoMailbox if self.is_over(recipient) => {
                self.end(recipient, json!({"status": "5.2.0", "text": "the mailbox has no INBOX"}))
                    .await
            }
            Outcome::NoMailbox => self.postpone(recipient, NO_INBOX).await,
            // The account was removed, and with it everything it had.
            Outcome::NoAccount => {
                self.end(recipient, json!({"status": "5.1.1", "text": "the mailbox is gone"})).await
            }
        }
    }

    fn is_over(&self, recipient: &DueRecipient) -> bool {
        let age = (Utc::now() - recipient.received_at).to_std().unwrap_or_default();
        age >= self.inner.config.expire
    }

    /// It cannot be delivered.
    async fn end(&self, recipient: &DueRecipient, result: Value) -> Report {
        tracing::warn!(id = %recipient.blob, recipient = recipient.recipient, %result, "a queued copy is given up");
        match queue_local_end(&self.inner.store, recipient.id, &result).await {
            Ok(()) | Err(StoreError::Refused(_)) => Report { failed: false, next: None },
            Err(_) => Report::FAILED,
        }
    }

    async fn end_all(&self, recipients: &[DueRecipient], status: &str, why: &str) -> Report {
        let mut report = Report { failed: false, next: None };
        for recipient in recipients {
            report = report.and(self.end(recipient, json!({"status": status, "text": why})).await);
        }
        report
    }

    async fn postpone_all(&self, recipients: &[DueRecipient], late: Late) -> Report {
        let mut report = Report { failed: false, next: None };
        for recipient in recipients {
            report = report.and(self.postpone(recipient, late).await);
        }
        report
    }

    async fn postpone(&self, recipient: &DueRecipient, late: Late) -> Report {
        let wait = late.schedule.wait(recipient.attempts, rand::random());
        let (id, attempts) = (recipient.id, recipient.attempts);
        let (status, why) = (late.status, late.why);
        let delay_report = self.inner.config.delay_report;
        metrics::counter!("postrider_local_queue_postponed_total").increment(1);
        let postponed = Postponed { wait, status, why, delay_report };
        match queue_postpone(&self.inner.store, id, attempts, postponed).await {
            Ok(()) => Report { failed: false, next: Some(wait) },
            Err(_) => Report::FAILED,
        }
    }
}

/// Recipients by message, in the order in which messages fell due. An account that stands in one message twice
/// waits for the next look: a message is once in an account.
fn by_message(due: Vec<DueRecipient>) -> Vec<Vec<DueRecipient>> {
    let mut groups: Vec<Vec<DueRecipient>> = Vec::new();
    let mut index: HashMap<BlobId, usize> = HashMap::new();
    let mut seen = HashSet::new();
    for recipient in due {
        if !seen.insert((recipient.blob, recipient.account)) {
            continue;
        }
        let at = *index.entry(recipient.blob).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[at].push(recipient);
    }
    groups
}

fn new_blob(recipient: &DueRecipient, scanned: Scanned) -> NewBlob {
    NewBlob {
        id: recipient.blob,
        object_key: recipient.object_key.clone(),
        size: recipient.size,
        // The blob's row was born with its message; nothing of it is written again.
        blake3: [0; 32],
        structure: scanned.structure.encode(),
        preview: scanned.preview,
        received_at: recipient.received_at,
        references: scanned.references,
    }
}

fn delivery(recipient: &DueRecipient) -> Delivery {
    Delivery {
        account: recipient.account,
        mailbox: recipient.mailbox,
        strict: false,
        flags: Flags::default(),
        keywords: Vec::new(),
        recipient: recipient.recipient.clone(),
        queued: Some(recipient.id),
        deferred: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::AccountId;

    fn due(id: i64, blob: u128, account: i32) -> DueRecipient {
        DueRecipient {
            id,
            account: AccountId(account),
            mailbox: None,
            recipient: format!("{account}@x"),
            attempts: 0,
            blob: BlobId(uuid::Uuid::from_u128(blob)),
            object_key: String::new(),
            size: 0,
            received_at: chrono::DateTime::UNIX_EPOCH,
            tells: false,
        }
    }

    #[test]
    fn recipients_are_grouped_by_message_and_accounts_come_once() {
        let groups = by_message(vec![due(1, 7, 1), due(2, 8, 1), due(3, 7, 2), due(4, 7, 1)]);
        let ids: Vec<Vec<i64>> =
            groups.iter().map(|group| group.iter().map(|r| r.id).collect()).collect();
        assert_eq!(ids, [vec![1, 3], vec![2]]);
    }

    #[test]
    fn reports_add_up() {
        let wait = |ms| Report { failed: false, next: Some(Duration::from_millis(ms)) };
        let none = Report { failed: false, next: None };
        let sum = wait(300).and(none).and(wait(200));
        assert_eq!((sum.failed, sum.next), (false, Some(Duration::from_millis(200))));
        assert!(none.and(Report::FAILED).and(none).failed);
    }
}
