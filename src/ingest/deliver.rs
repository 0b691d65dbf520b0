//! The end of a message from SMTP or LMTP: copies for every account, and queue rows for elsewhere, in one
//! transaction.

use crate::incoming::{Incoming, StoredBlob};
use crate::{Ingest, IngestError};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use store::StoreError;
use store::account::{
    self, Delivery, DeliverySet, Done, Outbound, Outcome, Placed, RemoteRecipient, ReportOf,
    Settled,
};
use types::{AccountId, BlobId, Destination, Flags, QueueId, TenantId};

/// Most accounts that are done while the client waits (invariant 2).
const MOST_INLINE: usize = 32;

/// Whom a message is from and for.
#[derive(Debug, Clone, Default)]
pub struct Envelope {
    /// Empty for the null reverse-path.
    pub reverse_path: String,
    /// Parameters of MAIL that matter later (RFC 3461): an object.
    pub parameters: Value,
    /// Accounts, in the order in which results are wanted.
    pub recipients: Vec<Recipient>,
    /// Recipients elsewhere.
    pub remote: Vec<Remote>,
    /// Octets at the beginning that stay here: Return-Path, which only the final delivery has (RFC 5321 §4.4).
    pub content_offset: u32,
}

/// An account that is to get the message, and why.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// Who.
    pub account: AccountId,
    /// Whose account.
    pub tenant: TenantId,
    /// The address the client named.
    pub forward_path: String,
    /// Parameters of RCPT that matter later; null for none.
    pub parameters: Value,
}

/// A recipient elsewhere.
#[derive(Debug, Clone)]
pub struct Remote {
    /// Where its mail goes.
    pub destination: Destination,
    /// Who sends it.
    pub tenant: TenantId,
    /// The address the client named.
    pub forward_path: String,
    /// Parameters of RCPT that matter later; null for none.
    pub parameters: Value,
}

/// What became of one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// It is in the mailbox.
    Placed(Placed),
    /// It is durable in the queue: the account was busy or over quota, or there were too many at once.
    Queued,
    /// The account is gone. Nothing was stored for it.
    NoAccount,
}

impl Incoming {
    /// Makes the message durable for its recipients; two recipients with one account get one copy. `Ok` means
    /// durable: recipients elsewhere are in the queue, and the others' results come in their order.
    ///
    /// # Errors
    /// For all recipients alike: nothing happened, or [`IngestError::MayHaveHappened`].
    pub async fn deliver(self, envelope: Envelope) -> Result<Vec<Delivered>, IngestError> {
        Ok(self.deliver_as(envelope, None).await??)
    }

    /// As [`Incoming::deliver`] for a message that reports what became of others and settles them. `None`: somebody
    /// else settled one of them before, and nothing happened.
    ///
    /// # Errors
    /// As [`Incoming::deliver`].
    pub async fn deliver_report(
        self,
        envelope: Envelope,
        report: ReportOf,
    ) -> Result<Option<Vec<Delivered>>, IngestError> {
        match self.deliver_as(envelope, Some(report)).await? {
            Ok(delivered) => Ok(Some(delivered)),
            Err(StoreError::Refused(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn deliver_as(
        self,
        envelope: Envelope,
        report: Option<ReportOf>,
    ) -> Result<Result<Vec<Delivered>, StoreError>, IngestError> {
        let senders = envelope.remote.iter().map(|remote| remote.tenant);
        let tenants = senders.chain(envelope.recipients.iter().map(|recipient| recipient.tenant));
        let Some(tenant) = tenants.take(1).next() else {
            return Err(IngestError::Bug("a message without recipients".into()));
        };
        let (ingest, stored) = self.store(None).await?;
        let (deliveries, copy_of) = ingest.deliveries(&envelope.recipients);
        let mut outbound = ingest.outbound(&envelope, &copy_of, report);
        let places = ingest.places(&mut outbound);
        let set = DeliverySet {
            blob: stored.blob.clone(),
            newborn: true,
            envelope: Some(queue_envelope(&envelope, tenant, stored.blob.id)),
            deliveries,
            outbound,
        };
        let Done { outcomes, born } = match ingest.commit(set, &stored).await {
            Ok(done) => done,
            Err(error) => return Ok(Err(error)),
        };
        ingest.announce(&envelope, &copy_of, &outcomes);
        ingest.bring(places, born);
        let delivered: Vec<Delivered> = outcomes.iter().copied().map(delivered).collect();
        let nobody = delivered.iter().all(|one| *one == Delivered::NoAccount);
        if nobody && envelope.remote.is_empty() {
            ingest.forget(stored.key);
        }
        Ok(Ok(copy_of.iter().map(|copy| delivered[*copy]).collect()))
    }
}

impl Ingest {
    /// One delivery per account, and for each recipient which one is its own.
    fn deliveries(&self, recipients: &[Recipient]) -> (Vec<Delivery>, Vec<usize>) {
        let inline = self.inner.config.inline_accounts.clamp(1, MOST_INLINE);
        let mut copies: Vec<Delivery> = Vec::with_capacity(recipients.len());
        let mut known: HashMap<AccountId, usize> = HashMap::with_capacity(recipients.len());
        let mut copy_of = Vec::with_capacity(recipients.len());
        for recipient in recipients {
            let copy = *known.entry(recipient.account).or_insert_with(|| {
                copies.push(Delivery {
                    account: recipient.account,
                    mailbox: None,
                    strict: false,
                    flags: Flags::default(),
                    keywords: Vec::new(),
                    recipient: recipient.forward_path.clone(),
                    queued: None,
                    deferred: copies.len() >= inline,
                });
                copies.len() - 1
            });
            copy_of.push(copy);
        }
        (copies, copy_of)
    }

    /// What the queue gets for elsewhere; and of reports that a copy made here is owed (RFC 3461 §4.1 SUCCESS).
    fn outbound(
        &self,
        envelope: &Envelope,
        copy_of: &[usize],
        report: Option<ReportOf>,
    ) -> Outbound {
        let expire = self.inner.config.expire;
        let sent = envelope.remote.iter().map(|remote| RemoteRecipient {
            destination: remote.destination.clone(),
            tenant: remote.tenant,
            recipient: remote.forward_path.clone(),
            parameters: object(&remote.parameters),
            priority: 0,
            wait: Duration::ZERO,
            expire,
            settled: None,
            mine: false,
        });
        let wishes = !envelope.reverse_path.is_empty();
        let told = envelope.recipients.iter().zip(copy_of);
        let told = told.filter(|(recipient, _)| wishes && wants_success(&recipient.parameters));
        let told = told.map(|(recipient, copy)| RemoteRecipient {
            destination: Destination::new(domain_of(&recipient.forward_path)),
            tenant: recipient.tenant,
            recipient: recipient.forward_path.clone(),
            parameters: recipient.parameters.clone(),
            priority: 0,
            wait: Duration::ZERO,
            expire,
            settled: Some(Settled {
                result: json!({"action": "delivered", "status": "2.0.0"}),
                delivery: Some(*copy),
            }),
            mine: false,
        });
        Outbound {
            recipients: sent.chain(told).collect(),
            owner: None,
            content_offset: envelope.content_offset,
            delay_report: self.inner.config.delay_report.filter(|_| wishes),
            report,
            tells: Vec::new(),
        }
    }

    /// Commits a newborn message. If it certainly did not happen, the bytes go as well.
    pub(crate) async fn commit(
        &self,
        set: DeliverySet,
        stored: &StoredBlob,
    ) -> Result<Done, StoreError> {
        let started = Instant::now();
        let result = account::accept(&self.inner.store, set).await;
        metrics::histogram!("postrider_ingest_seconds", "step" => "commit")
            .record(started.elapsed());
        match &result {
            Ok(_) => {}
            Err(StoreError::MaybeHappened(why)) => {
                self.inner.database.suspect(&self.inner.store);
                tracing::error!(id = %stored.blob.id, %why, "whether a message was stored is unknown");
            }
            Err(error) => {
                if let StoreError::Unavailable(_) | StoreError::Schema(_) = error {
                    self.inner.database.suspect(&self.inner.store);
                }
                tracing::warn!(id = %stored.blob.id, %error, "a message was not stored");
                self.forget(stored.key.clone());
            }
        }
        result
    }

    /// After the commit: wakes who watches, and the worker of local recipients when it has work.
    fn announce(&self, envelope: &Envelope, copy_of: &[usize], outcomes: &[Outcome]) {
        let mut queued = false;
        let mut outcomes = outcomes.iter();
        let mut copies = 0;
        for (recipient, copy) in envelope.recipients.iter().zip(copy_of) {
            if *copy < copies {
                continue;
            }
            copies += 1;
            let Some(outcome) = outcomes.next() else { break };
            count(*outcome);
            match outcome {
                Outcome::Delivered(placed) => {
                    self.inner.hub.changed(recipient.account, placed.modseq);
                }
                Outcome::Busy | Outcome::OverQuota | Outcome::Deferred => queued = true,
                Outcome::NoAccount | Outcome::NoMailbox | Outcome::NoLongerQueued => {
                    tracing::warn!(
                        recipient = recipient.forward_path,
                        "a recipient's account went away between RCPT and the end of the message"
                    );
                }
            }
        }
        if queued {
            self.inner.queued.notify_one();
        }
    }
}

/// The parameters as the queue keeps them.
fn object(parameters: &Value) -> Value {
    if parameters.is_object() { parameters.clone() } else { json!({}) }
}

fn wants_success(parameters: &Value) -> bool {
    let wishes = parameters.get("notify").and_then(Value::as_array);
    wishes.is_some_and(|wishes| wishes.iter().any(|wish| wish == "success"))
}

fn domain_of(path: &str) -> &str {
    path.rsplit_once('@').map_or("localhost", |(_, domain)| domain)
}

fn delivered(outcome: Outcome) -> Delivered {
    match outcome {
        Outcome::Delivered(placed) => Delivered::Placed(placed),
        Outcome::Busy | Outcome::OverQuota | Outcome::Deferred => Delivered::Queued,
        // A delivery that is not strict finds INBOX unless the account is going.
        Outcome::NoAccount | Outcome::NoMailbox | Outcome::NoLongerQueued => Delivered::NoAccount,
    }
}

pub(crate) fn count(outcome: Outcome) {
    let name = match outcome {
        Outcome::Delivered(_) => "delivered",
        Outcome::Busy => "busy",
        Outcome::NoAccount => "no account",
        Outcome::OverQuota => "over quota",
        Outcome::NoMailbox => "no mailbox",
        Outcome::Deferred => "deferred",
        Outcome::NoLongerQueued => "settled elsewhere",
    };
    metrics::counter!("postrider_deliveries_total", "outcome" => name).increment(1);
}

/// What the queue keeps. Parameters of recipients stand beside those of MAIL, by forward-path.
/// The queue's id is the message's: what the client was told leads to the queue's log.
fn queue_envelope(envelope: &Envelope, tenant: TenantId, id: BlobId) -> account::Envelope {
    let mut parameters = match &envelope.parameters {
        Value::Object(map) => map.clone(),
        _ => Map::new(),
    };
    let of_recipients: Map<String, Value> = envelope
        .recipients
        .iter()
        .filter(|recipient| !recipient.parameters.is_null())
        .map(|recipient| (recipient.forward_path.clone(), recipient.parameters.clone()))
        .collect();
    if !of_recipients.is_empty() {
        parameters.insert("recipients".into(), Value::Object(of_recipients));
    }
    account::Envelope {
        queue: QueueId(id.0),
        tenant,
        reverse_path: envelope.reverse_path.clone(),
        parameters: Value::Object(parameters),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::IngestConfig;
    use net::MemoryBudget;
    use std::path::Path;
    use std::sync::Arc;
    use store::{PostgresConfig, Store};

    /// Blobs in a folder, and no PostgreSQL where one is looked for.
    pub(crate) fn nowhere(dir: &Path, budget: MemoryBudget, config: IngestConfig) -> Ingest {
        let url = format!("host={} user=nobody dbname=none", dir.display());
        let store = Store::new(&PostgresConfig::new(url)).unwrap();
        let blob = Arc::new(blob::Folder::open(dir.join("blobs")).unwrap());
        let coordinator: coordinator::SharedCoordinator = Arc::new(coordinator::Local::default());
        let hub = mail::Hub::start(store.clone(), coordinator, mail::HubConfig::default());
        Ingest::new(store, blob, hub, budget, config)
    }

    pub(crate) fn envelope(accounts: &[i32]) -> Envelope {
        let recipient = |(at, account): (usize, &i32)| Recipient {
            account: AccountId(*account),
            tenant: TenantId(1),
            forward_path: format!("{at}@x"),
            parameters: Value::Null,
        };
        Envelope {
            reverse_path: "sender@x".into(),
            parameters: serde_json::json!({"envid": "e"}),
            recipients: accounts.iter().enumerate().map(recipient).collect(),
            ..Envelope::default()
        }
    }

    #[tokio::test]
    async fn an_account_gets_one_copy_and_only_some_are_done_inline() {
        let dir = tempfile::tempdir().unwrap();
        let config = IngestConfig { inline_accounts: 2, ..Default::default() };
        let ingest = nowhere(dir.path(), MemoryBudget::new(1_000_000), config);
        let (copies, copy_of) = ingest.deliveries(&envelope(&[7, 8, 7, 9, 8, 6]).recipients);
        assert_eq!(copy_of, [0, 1, 0, 2, 1, 3]);
        let accounts: Vec<i32> = copies.iter().map(|copy| copy.account.0).collect();
        assert_eq!(accounts, [7, 8, 9, 6]);
        let deferred: Vec<bool> = copies.iter().map(|copy| copy.deferred).collect();
        assert_eq!(deferred, [false, false, true, true]);
        assert_eq!(copies[0].recipient, "0@x", "the address that came first");
    }

    #[test]
    fn the_queue_keeps_the_parameters() {
        let mut from = envelope(&[1, 2]);
        from.recipients[1].parameters = serde_json::json!({"notify": ["never"]});
        let id = BlobId::new();
        let kept = queue_envelope(&from, TenantId(1), id);
        assert_eq!(kept.queue.0, id.0);
        let wanted =
            serde_json::json!({"envid": "e", "recipients": {"1@x": {"notify": ["never"]}}});
        assert_eq!(kept.parameters, wanted);
    }
}
