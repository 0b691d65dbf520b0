//! Lists: pages of rows, and what never changes of their messages.

use crate::uids::UidSet;
use crate::{Mail, MailError};
use message::Structure;
use std::collections::{HashMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;
use store::message::{BlobRow, MessageRow, UidRow};
use types::{AccountId, BlobId, MailboxId, MessageId, Uid};

/// Rows of one page: one short statement, some 100 KiB.
const PAGE: u32 = 500;
/// Rows of one page for who only looks at them.
const WIDE_PAGE: u32 = 2_000;
/// A run at least this long is read as a run; shorter ones are named UID by UID, many at once.
const LONG_RUN: u32 = 64;

/// A mailbox of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub mailbox: MailboxId,
}

/// What never changes of a message. Shared between the sessions of a node.
#[derive(Debug)]
pub struct Message {
    /// EMAILID.
    pub id: MessageId,
    /// RFC822.SIZE.
    pub size: u32,
    /// Envelope, parts, kept fields.
    pub structure: Structure,
    /// RFC 8970.
    pub preview: String,
    pub(crate) blob: BlobId,
    /// Where the bytes are, once somebody asked.
    pub(crate) place: std::sync::OnceLock<BlobRow>,
    weight: u32,
}

impl Message {
    pub(crate) fn decode(row: MessageRow) -> Result<Self, MailError> {
        let structure = Structure::decode(&row.structure)
            .map_err(|error| MailError::Bug(format!("message {}: {error}", row.id)))?;
        // Decoded, every text has its own allocation: about three times the encoded form.
        let weight = (row.structure.len() * 3 + row.preview.len() + 256) as u32;
        Ok(Self {
            id: row.id,
            size: row.size,
            structure,
            preview: row.preview,
            blob: row.blob,
            place: std::sync::OnceLock::new(),
            weight,
        })
    }

    pub(crate) fn weight(&self) -> u32 {
        self.weight
    }
}

/// Goes through a set of messages page by page, ascending. Nothing is held between two pages.
#[derive(Debug, Clone)]
pub struct Pages {
    target: Target,
    size: u32,
    runs: VecDeque<RangeInclusive<u32>>,
}

impl Pages {
    /// Over these messages of a mailbox.
    #[must_use]
    pub fn new(target: Target, uids: UidSet) -> Self {
        Self { target, size: PAGE, runs: uids.runs().iter().cloned().collect() }
    }

    /// The same in larger pages, for who keeps little of each.
    pub(crate) fn wide(target: Target, uids: UidSet) -> Self {
        Self { size: WIDE_PAGE, ..Self::new(target, uids) }
    }

    /// The next page; messages that are gone are left out, so it may be empty. `None`: that was all.
    ///
    /// # Errors
    /// [`MailError::Busy`], [`MailError::Unavailable`]; the same page may be asked for again.
    pub async fn next(&mut self, mail: &Mail) -> Result<Option<Vec<UidRow>>, MailError> {
        let Target { account, mailbox } = self.target;
        let Some(run) = self.runs.front().cloned() else { return Ok(None) };
        if run.end() - run.start() >= LONG_RUN {
            let rows =
                store::message::uid_rows(&mail.store, account, mailbox, run.clone(), self.size)
                    .await?;
            self.runs.pop_front();
            if let Some(last) = rows.last().filter(|_| rows.len() >= self.size as usize)
                && last.uid.0 < *run.end()
            {
                self.runs.push_front(last.uid.0 + 1..=*run.end());
            }
            return Ok(Some(rows));
        }
        let mut uids = Vec::new();
        let mut taken = 0;
        for run in &self.runs {
            let long = run.end() - run.start() >= LONG_RUN;
            if long || uids.len() + (run.end() - run.start()) as usize >= self.size as usize {
                break;
            }
            uids.extend(run.clone().map(Uid));
            taken += 1;
        }
        let rows = store::message::uid_rows_of(&mail.store, account, mailbox, &uids).await?;
        self.runs.drain(..taken);
        Ok(Some(rows))
    }
}

impl Mail {
    /// The messages behind these rows, in their order; `None` where one was expunged meanwhile.
    ///
    /// # Errors
    /// [`MailError::Busy`], [`MailError::Unavailable`]; [`MailError::Bug`] for a damaged row.
    pub async fn messages(
        &self,
        account: AccountId,
        rows: &[UidRow],
    ) -> Result<Vec<Option<Arc<Message>>>, MailError> {
        self.messages_of(account, rows.iter().map(|row| row.message)).await
    }

    /// As [`Mail::messages`], by their ids.
    pub(crate) async fn messages_of(
        &self,
        account: AccountId,
        ids: impl Iterator<Item = MessageId>,
    ) -> Result<Vec<Option<Arc<Message>>>, MailError> {
        let mut missing: HashMap<MessageId, Vec<usize>> = HashMap::new();
        let mut found = Vec::with_capacity(ids.size_hint().0);
        for (at, id) in ids.enumerate() {
            let message = self.messages.get(&id);
            if message.is_none() {
                missing.entry(id).or_default().push(at);
            }
            found.push(message);
        }
        if !missing.is_empty() {
            let wanted: Vec<MessageId> = missing.keys().copied().collect();
            for row in store::message::message_rows(&self.store, account, &wanted).await? {
                let message = Arc::new(Message::decode(row)?);
                self.messages.insert(message.id, Arc::clone(&message));
                for at in missing.remove(&message.id).unwrap_or_default() {
                    found[at] = Some(Arc::clone(&message));
                }
            }
        }
        Ok(found)
    }

    /// Finds out where the bytes of these messages are, all with one question, so that reading them asks no
    /// more.
    ///
    /// # Errors
    /// [`MailError::Busy`], [`MailError::Unavailable`].
    pub async fn locate(&self, messages: &[Arc<Message>]) -> Result<(), MailError> {
        let unknown = messages.iter().filter(|message| message.place.get().is_none());
        let blobs: Vec<BlobId> = unknown.map(|message| message.blob).collect();
        if blobs.is_empty() {
            return Ok(());
        }
        let places: HashMap<BlobId, BlobRow> =
            store::message::blob_rows(&self.store, &blobs).await?.into_iter().collect();
        for message in messages {
            if let Some(place) = places.get(&message.blob) {
                // Somebody else may have found it first: it is the same.
                let _ = message.place.set(place.clone());
            }
        }
        Ok(())
    }
}
