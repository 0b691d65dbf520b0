//! The end of a message from IMAP APPEND: one copy in one mailbox, or nothing.

use crate::deliver::count;
use crate::incoming::Incoming;
use crate::{IngestError, Placed};
use chrono::{DateTime, Utc};
use rand::Rng;
use std::time::Duration;
use store::account::{Delivery, DeliverySet, Outbound, Outcome};
use types::{AccountId, Flags, MailboxId};

/// How often a locked account is tried: the client can only do the same.
const TRIES: u32 = 4;

/// Where an appended message goes (RFC 9051 §6.3.12).
#[derive(Debug, Clone)]
pub struct Append {
    /// Whose mailbox.
    pub account: AccountId,
    /// The mailbox.
    pub mailbox: MailboxId,
    /// System flags.
    pub flags: Flags,
    /// Keywords.
    pub keywords: Vec<String>,
    /// INTERNALDATE; now when absent.
    pub received_at: Option<DateTime<Utc>>,
}

/// Why a message was not appended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The message could not be taken, or it is unknown whether it was.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// The mailbox went away. Did not happen.
    #[error("no such mailbox")]
    NoMailbox,
    /// The message to be replaced is gone. Did not happen.
    #[error("no such message")]
    NoMessage,
    /// The account is full. Did not happen.
    #[error("the account is over its quota")]
    OverQuota,
}

impl Incoming {
    /// Puts the message into a mailbox. `Ok` means durable.
    ///
    /// # Errors
    /// [`AppendError`]; only [`IngestError::MayHaveHappened`] leaves open whether it happened.
    pub async fn append(self, append: Append) -> Result<Placed, AppendError> {
        let account = append.account;
        let (ingest, stored) = self.store(append.received_at).await?;
        let set = DeliverySet {
            blob: stored.blob.clone(),
            newborn: true,
            envelope: None,
            deliveries: vec![delivery(append)],
            outbound: Outbound::default(),
        };
        let mut outcome = Outcome::Busy;
        for attempt in 1..=TRIES {
            let done = ingest.commit(set.clone(), &stored).await.map_err(IngestError::from)?;
            let outcomes = done.outcomes;
            outcome = outcomes.first().copied().unwrap_or(Outcome::NoMailbox);
            if outcome != Outcome::Busy || attempt == TRIES {
                break;
            }
            // Nothing was written, not even the blob's row, so the same set can go again.
            let pause = rand::rng().random_range(5..50 * u64::from(attempt));
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        count(outcome);
        if let Outcome::Delivered(placed) = outcome {
            ingest.inner.hub.changed(account, placed.modseq);
            return Ok(placed);
        }
        ingest.forget(stored.key);
        Err(match outcome {
            Outcome::Busy => IngestError::Busy("the account is locked by another change").into(),
            Outcome::OverQuota => AppendError::OverQuota,
            _ => AppendError::NoMailbox,
        })
    }
}

fn delivery(append: Append) -> Delivery {
    Delivery {
        account: append.account,
        mailbox: Some(append.mailbox),
        strict: true,
        flags: append.flags,
        keywords: append.keywords,
        recipient: String::new(),
        queued: None,
        deferred: false,
    }
}
