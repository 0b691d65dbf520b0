//! Several messages for one mailbox, or one in the place of another: all are durable before the first is a row (RFC
//! 3502: "no partial appending is permitted"; RFC 8508).

use crate::deliver::count;
use crate::incoming::Incoming;
use crate::{AppendError, Ingest, IngestError, Placed};
use blob::ObjectKey;
use chrono::{DateTime, Utc};
use net::Permit;
use rand::Rng;
use std::time::Duration;
use store::StoreError;
use store::account::{AppendTo, NewMessage, Outcome};
use types::{AccountId, Flags, MailboxId, Uid};

/// How often a locked account is tried: the client can only do the same.
const TRIES: u32 = 4;

/// A message whose bytes are durable and which is not in any mailbox yet. Dropped, its bytes go.
pub struct Prepared {
    ingest: Ingest,
    message: NewMessage,
    /// Taken when they are a message's, or may be.
    key: Option<ObjectKey>,
    _share: Permit,
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.ingest.forget(key);
        }
    }
}

impl Incoming {
    /// Ends a message that waits for others.
    ///
    /// # Errors
    /// Nothing happened: [`IngestError::Unavailable`], [`IngestError::Busy`].
    pub async fn prepare(
        self,
        flags: Flags,
        keywords: Vec<String>,
        received_at: Option<DateTime<Utc>>,
    ) -> Result<Prepared, IngestError> {
        let (ingest, stored) = self.store(received_at).await?;
        let octets = stored.blob.structure.len() + stored.blob.preview.len() + 512;
        // Whatever comes of it, from here on the bytes are looked after.
        let share = ingest.inner.budget.try_reserve(octets as u64);
        let message = NewMessage { blob: stored.blob, flags, keywords };
        let key = Some(stored.key);
        match share {
            Some(share) => Ok(Prepared { ingest, message, key, _share: share }),
            None => {
                key.into_iter().for_each(|key| ingest.forget(key));
                Err(crate::incoming::over_budget())
            }
        }
    }
}

impl Ingest {
    /// Puts the messages into a mailbox, all or none, and removes another one, maybe of another account, in the same step if
    /// asked to. `Ok` means
    /// durable.
    ///
    /// # Errors
    /// [`AppendError`]; only [`IngestError::MayHaveHappened`] leaves open whether it happened.
    pub async fn append_all(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        mut messages: Vec<Prepared>,
        replaces: Option<(AccountId, MailboxId, Uid)>,
    ) -> Result<Vec<Placed>, AppendError> {
        let to = AppendTo { account, mailbox, replaces };
        let rows: Vec<NewMessage> =
            messages.iter().map(|prepared| prepared.message.clone()).collect();
        let mut result = store::account::append(&self.inner.store, to, &rows).await;
        for attempt in 2..=TRIES {
            if result != Err(StoreError::Locked) {
                break;
            }
            let pause = rand::rng().random_range(5..50 * u64::from(attempt));
            tokio::time::sleep(Duration::from_millis(pause)).await;
            result = store::account::append(&self.inner.store, to, &rows).await;
        }
        match result {
            Ok(placed) => {
                messages.iter_mut().for_each(|message| message.key = None);
                for placed in &placed {
                    count(Outcome::Delivered(*placed));
                }
                if let Some(last) = placed.last() {
                    self.inner.hub.changed(account, last.modseq);
                }
                if let Some((other, ..)) = replaces.filter(|(other, ..)| *other != account) {
                    self.tell_of(other).await;
                }
                Ok(placed)
            }
            Err(StoreError::Refused(why)) => Err(refused(&why)),
            Err(error) => {
                if let StoreError::MaybeHappened(_) = error {
                    messages.iter_mut().for_each(|message| message.key = None);
                }
                if !matches!(error, StoreError::Busy(_) | StoreError::Locked) {
                    self.inner.database.suspect(&self.inner.store);
                    tracing::warn!(%error, "messages were not appended");
                }
                Err(IngestError::from(error).into())
            }
        }
    }
}

impl Ingest {
    /// Something changed in an account, and where it stands now was not told.
    async fn tell_of(&self, account: AccountId) {
        match store::mailbox::account_modseqs(&self.inner.store, &[account]).await {
            Ok(modseqs) => {
                modseqs
                    .iter()
                    .for_each(|(account, modseq)| self.inner.hub.changed(*account, *modseq));
            }
            // The sweep finds it.
            Err(error) => tracing::debug!(%error, "nobody was told of a change"),
        }
    }
}

/// The texts that `append_v1` raises.
fn refused(why: &str) -> AppendError {
    match why {
        "over quota" => AppendError::OverQuota,
        "no such message" => AppendError::NoMessage,
        "no such mailbox" | "no such account" => AppendError::NoMailbox,
        other => IngestError::Bug(other.to_owned()).into(),
    }
}
