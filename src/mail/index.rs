//! The search index: made after the commit, in the background, on one node at a time.
//!
//! The change log says what came into an account; up to where it has been read is a row of the account. So nothing is
//! written when a message arrives, and a worker that dies between two batches costs one batch read again. Between the
//! look at the log and the writing of signatures nothing is locked; a message in memory is at most 256 KiB and its
//! signature 4 KiB, larger ones stream.

use crate::fetch::Message;
use crate::search::{FORMAT, sign};
use crate::{Mail, MailError};
use futures::{StreamExt, TryStreamExt};
use rand::Rng;
use std::sync::Arc;
use std::time::Duration;
use store::lease::job_lease_take;
use store::search::{
    Behind, Signed, search_all, search_arrived, search_backlog, search_behind, search_read,
    search_sign, search_unsigned,
};
use types::{AccountId, Incarnation, MessageId};

/// The lease under which one node works.
const LEASE: &str = "mail.index";
const LEASE_SECONDS: f64 = 30.0;
/// How often a node looks for work.
const LOOK_EVERY: Duration = Duration::from_secs(4);
/// Accounts looked up at a time.
const ACCOUNTS: u32 = 64;
/// Messages whose signatures are written at a time.
const BATCH: usize = 64;
/// Rows of the log read at a time.
const LOG_ROWS: u32 = 256;
/// Messages read at the same time.
const READERS: usize = 2;
/// Breath after a batch: who waits for an answer goes first.
const PAUSE: Duration = Duration::from_millis(5);

/// Indexes for ever. Runs on every node; the lease lets one of them work.
pub async fn index_jobs(mail: Mail, incarnation: Incarnation) {
    loop {
        let pause = LOOK_EVERY.mul_f64(rand::rng().random_range(0.75..=1.25));
        match index_round(&mail, incarnation).await {
            Ok(_) => {}
            Err(
                error @ (MailError::Busy(_)
                | MailError::Unavailable(_)
                | MailError::MayHaveHappened(_)),
            ) => {
                tracing::debug!(%error, "the index waits");
            }
            Err(error) => tracing::warn!(%error, "indexing failed and will be tried again"),
        }
        tokio::time::sleep(pause).await;
    }
}

/// Goes through all accounts that are behind, in turns, until none is. Gives the number of messages indexed.
pub(crate) async fn index_round(mail: &Mail, incarnation: Incarnation) -> Result<u64, MailError> {
    let work = Work { mail, incarnation };
    let (mut indexed, mut after, mut more) = (0, AccountId(0), false);
    while work.has_lease().await? {
        if after == AccountId(0) {
            work.tell_backlog().await?;
        }
        let behind = search_behind(&mail.store, after, ACCOUNTS).await?;
        let Some(last) = behind.last() else {
            if !std::mem::take(&mut more) {
                break;
            }
            after = AccountId(0);
            continue;
        };
        after = last.account;
        for account in behind {
            let turn = work.turn(account).await?;
            indexed += turn.indexed;
            more |= turn.more;
        }
    }
    Ok(indexed)
}

/// What came of one account's turn.
#[derive(Default)]
struct Turn {
    indexed: u64,
    more: bool,
}

struct Work<'a> {
    mail: &'a Mail,
    incarnation: Incarnation,
}

impl Work<'_> {
    async fn has_lease(&self) -> Result<bool, MailError> {
        let store = &self.mail.store;
        Ok(job_lease_take(store, LEASE, self.incarnation, LEASE_SECONDS).await?)
    }

    async fn tell_backlog(&self) -> Result<(), MailError> {
        let (accounts, changes) = search_backlog(&self.mail.store).await?;
        metrics::gauge!("postrider_search_index_accounts_behind").set(accounts as f64);
        metrics::gauge!("postrider_search_index_changes_behind").set(changes as f64);
        Ok(())
    }

    /// One account's turn. What is wrong with one account does not keep the others waiting.
    async fn turn(&self, behind: Behind) -> Result<Turn, MailError> {
        self.has_lease().await?;
        let turn = if behind.indexed < behind.floor {
            self.all(behind).await
        } else {
            self.arrived(behind).await
        };
        match turn {
            Err(
                error @ (MailError::Busy(_)
                | MailError::Unavailable(_)
                | MailError::MayHaveHappened(_)),
            ) => Err(error),
            Err(error) => {
                tracing::warn!(account = %behind.account, %error, "an account cannot be indexed");
                Ok(Turn::default())
            }
            turn => turn,
        }
    }

    /// One piece of the log, so that a large account does not keep the others waiting.
    async fn arrived(&self, behind: Behind) -> Result<Turn, MailError> {
        let store = &self.mail.store;
        let arrived = search_arrived(store, &behind, LOG_ROWS).await?;
        let indexed = self.messages(behind.account, &arrived.messages).await?;
        search_read(store, behind.account, arrived.up_to).await?;
        Ok(Turn { indexed, more: arrived.up_to < behind.modseq })
    }

    /// All messages of an account whose log does not reach back far enough.
    async fn all(&self, behind: Behind) -> Result<Turn, MailError> {
        let (store, account) = (&self.mail.store, behind.account);
        let (mut indexed, mut after) = (0, MessageId(uuid::Uuid::nil()));
        loop {
            let messages = search_all(store, account, after, LOG_ROWS).await?;
            let Some(last) = messages.last() else { break };
            after = *last;
            indexed += self.messages(account, &messages).await?;
            self.has_lease().await?;
        }
        search_read(store, account, behind.modseq).await?;
        Ok(Turn { indexed, more: false })
    }

    async fn messages(&self, account: AccountId, ids: &[MessageId]) -> Result<u64, MailError> {
        let mut indexed = 0;
        for ids in ids.chunks(BATCH) {
            indexed += self.batch(account, ids).await?;
        }
        Ok(indexed)
    }

    async fn batch(&self, account: AccountId, ids: &[MessageId]) -> Result<u64, MailError> {
        let (mail, store) = (self.mail, &self.mail.store);
        let rows = search_unsigned(store, account, ids, FORMAT).await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let (mut messages, mut signed) = (Vec::new(), Vec::new());
        for row in rows {
            let id = row.id;
            match Message::decode(row) {
                Ok(message) => messages.push(Arc::new(message)),
                Err(error) => {
                    tracing::warn!(message = %id, %error, "a message cannot be indexed");
                    signed.push(unsigned(id));
                }
            }
        }
        mail.locate(&messages).await?;
        let read: Vec<Option<Signed>> = futures::stream::iter(messages)
            .map(|message| sign_one(mail, message))
            .buffered(READERS)
            .try_collect()
            .await?;
        signed.extend(read.into_iter().flatten());
        search_sign(store, account, FORMAT, &signed).await?;
        metrics::counter!("postrider_search_indexed_total").increment(signed.len() as u64);
        tokio::time::sleep(PAUSE).await;
        Ok(signed.len() as u64)
    }
}

/// `None`: the message is gone.
async fn sign_one(mail: &Mail, message: Arc<Message>) -> Result<Option<Signed>, MailError> {
    let (signature, complete) = match sign(mail, &message).await {
        Err(MailError::Expunged) => return Ok(None),
        // It was logged. Whoever searches finds out by himself what can be read of it.
        Err(MailError::Damaged(_)) => return Ok(Some(unsigned(message.id))),
        other => other?,
    };
    metrics::counter!("postrider_search_indexed_octets_total").increment(message.structure.size);
    if !complete {
        metrics::counter!("postrider_search_indexed_partly_total").increment(1);
    }
    Ok(Some(Signed { message: message.id, complete, signature }))
}

/// Says of a message that it has to be read.
fn unsigned(message: MessageId) -> Signed {
    Signed { message, complete: false, signature: vec![0] }
}
