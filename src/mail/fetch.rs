//! Lists: pages of rows, and what never changes of their messages.

use crate::uids::UidSet;
use crate::{Mail, MailError};
use message::Structure;
use std::collections::{HashMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;
use store::message::{BlobRow, Columns, MessageRow, UidRow};
use types::{AccountId, BlobId, MailboxId, MessageId, Uid};

/// Rows of one page: one short statement, some 100 KiB.
const PAGE: u32 = 500;
/// Rows of one page for who keeps little of each, some 500 KiB.
const WIDE_PAGE: u32 = 4_000;
/// So many messages close together are read as one range; others are named UID by UID, many at once.
const LONG_RUN: u64 = 64;

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
    columns: Columns,
    runs: VecDeque<RangeInclusive<u32>>,
}

impl Pages {
    /// Over these messages of a mailbox.
    #[must_use]
    pub fn new(target: Target, uids: UidSet) -> Self {
        Self::of(target, uids, Columns::ALL)
    }

    /// The same; rows need hold no more than these.
    #[must_use]
    pub fn of(target: Target, uids: UidSet, columns: Columns) -> Self {
        let size = if columns.has(Columns::MESSAGE) { PAGE } else { WIDE_PAGE };
        Self { target, size, columns, runs: uids.runs().iter().cloned().collect() }
    }

    /// The same in larger pages, for who keeps little of each.
    pub(crate) fn wide(target: Target, uids: UidSet, columns: Columns) -> Self {
        Self { size: WIDE_PAGE, ..Self::of(target, uids, columns) }
    }

    /// The next page; messages that are gone are left out, so it may be empty. `None`: that was all.
    ///
    /// # Errors
    /// [`MailError::Busy`], [`MailError::Unavailable`]; the same page may be asked for again.
    pub async fn next(&mut self, mail: &Mail) -> Result<Option<Vec<UidRow>>, MailError> {
        let Target { account, mailbox } = self.target;
        let Some(first) = self.runs.front().map(|run| *run.start()) else { return Ok(None) };
        let (store, size) = (&mail.store, self.size);
        let (last, count) = stretch(&self.runs, size.into());
        if count < LONG_RUN {
            let uids = self.loose();
            let rows = store::message::uid_rows_of(store, account, mailbox, &uids).await?;
            self.pass(uids.last().map_or(last, |uid| uid.0));
            return Ok(Some(rows));
        }
        let (range, columns) = (first..=last, self.columns);
        let mut rows =
            store::message::uid_columns(store, account, mailbox, range, size, columns).await?;
        let end = rows.last().filter(|_| rows.len() >= size as usize).map_or(last, |row| row.uid.0);
        if self.runs.front().is_some_and(|run| *run.end() < end) {
            self.keep_wanted(&mut rows);
        }
        self.pass(end);
        Ok(Some(rows))
    }

    /// The UIDs that come next, up to those that lie close together.
    fn loose(&self) -> Vec<Uid> {
        let short = |run: &&RangeInclusive<u32>| u64::from(run.end() - run.start()) < LONG_RUN;
        let uids = self.runs.iter().take_while(short).flat_map(Clone::clone);
        uids.take(self.size as usize).map(Uid).collect()
    }

    /// Leaves out what lies between the runs.
    fn keep_wanted(&self, rows: &mut Vec<UidRow>) {
        let mut runs = self.runs.iter().peekable();
        rows.retain(|row| {
            while runs.next_if(|run| *run.end() < row.uid.0).is_some() {}
            runs.peek().is_some_and(|run| run.contains(&row.uid.0))
        });
    }

    /// Everything up to here was read.
    fn pass(&mut self, last: u32) {
        while self.runs.front().is_some_and(|run| *run.end() <= last) {
            self.runs.pop_front();
        }
        if let Some(run) = self.runs.front_mut().filter(|run| *run.start() <= last) {
            *run = last + 1..=*run.end();
        }
    }
}

/// How far one range leads in which most UIDs are wanted, or some `size` of them, and how many those are. What is not
/// wanted has mostly been expunged long ago, so it costs nothing.
fn stretch(runs: &VecDeque<RangeInclusive<u32>>, size: u64) -> (u32, u64) {
    let (mut last, mut count, mut holes) = (0, 0, 0);
    for run in runs {
        if count > 0 {
            holes += u64::from(run.start() - last - 1);
        }
        if holes > count || count >= size {
            break;
        }
        count += u64::from(run.end() - run.start()) + 1;
        last = *run.end();
    }
    (last, count)
}

/// Messages of a list, as far as they are known.
#[derive(Default)]
struct Known {
    found: Vec<Option<Arc<Message>>>,
    /// What is not remembered and where it belongs, in the order of their ids: so they lie in PostgreSQL.
    missing: Vec<(MessageId, usize)>,
}

impl Known {
    /// Each once.
    fn missing(&self) -> Vec<MessageId> {
        let mut ids: Vec<MessageId> = self.missing.iter().map(|(id, _)| *id).collect();
        ids.dedup();
        ids
    }

    /// Takes a message to its places, and remembers it.
    fn add(&mut self, mail: &Mail, row: MessageRow) -> Result<Arc<Message>, MailError> {
        let message = Arc::new(Message::decode(row)?);
        mail.messages.insert(message.id, Arc::clone(&message));
        let first = self.missing.partition_point(|(id, _)| *id < message.id);
        for (_, at) in self.missing[first..].iter().take_while(|(id, _)| *id == message.id) {
            self.found[*at] = Some(Arc::clone(&message));
        }
        Ok(message)
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

    /// As [`Mail::messages`], for who reads their bytes next: where those are is asked for in the same breath.
    ///
    /// # Errors
    /// As [`Mail::messages`].
    pub async fn messages_placed(
        &self,
        account: AccountId,
        rows: &[UidRow],
    ) -> Result<Vec<Option<Arc<Message>>>, MailError> {
        let mut known = self.remembered_messages(rows.iter().map(|row| row.message));
        let missing = known.missing();
        if !missing.is_empty() {
            let rows = store::message::message_rows_placed(&self.store, account, &missing).await?;
            for (row, place) in rows {
                let message = known.add(self, row)?;
                if let Some(place) = place {
                    let _ = message.place.set(place);
                }
            }
        }
        let there: Vec<_> = known.found.iter().flatten().cloned().collect();
        self.locate(&there).await?;
        Ok(known.found)
    }

    /// As [`Mail::messages`], by their ids.
    pub(crate) async fn messages_of(
        &self,
        account: AccountId,
        ids: impl Iterator<Item = MessageId>,
    ) -> Result<Vec<Option<Arc<Message>>>, MailError> {
        let mut known = self.remembered_messages(ids);
        let missing = known.missing();
        if !missing.is_empty() {
            for row in store::message::message_rows(&self.store, account, &missing).await? {
                known.add(self, row)?;
            }
        }
        Ok(known.found)
    }

    fn remembered_messages(&self, ids: impl Iterator<Item = MessageId>) -> Known {
        let mut known = Known::default();
        for (at, id) in ids.enumerate() {
            let message = self.messages.get(&id);
            if message.is_none() {
                known.missing.push((id, at));
            }
            known.found.push(message);
        }
        known.missing.sort_unstable();
        known
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn pages(uids: &[u32], size: u32) -> Pages {
        let target = Target { account: AccountId(1), mailbox: MailboxId::new() };
        Pages { size, ..Pages::new(target, uids.iter().copied().collect()) }
    }

    #[test]
    fn ranges_lead_over_small_holes() {
        let runs = |runs: &[RangeInclusive<u32>]| runs.iter().cloned().collect();
        assert_eq!(stretch(&runs(&[1..=96, 98..=200]), 500), (200, 199));
        assert_eq!(stretch(&runs(&[1..=96, 98..=200]), 90), (96, 96));
        assert_eq!(stretch(&runs(&[5..=5, 9..=9]), 500), (5, 1));
        assert_eq!(stretch(&runs(&[1..=u32::MAX]), 500), (u32::MAX, u64::from(u32::MAX)));
    }

    proptest! {
        /// What a mailbox would give is read once, whatever lies between.
        #[test]
        fn every_wanted_message_comes_once(
            wanted in prop::collection::btree_set(1u32..400, 0..200),
            there in prop::collection::btree_set(1u32..400, 0..300),
            size in 1u32..100,
        ) {
            let uids: Vec<u32> = wanted.iter().copied().collect();
            let (mut pages, mut read) = (pages(&uids, size), Vec::new());
            while let Some(first) = pages.runs.front().map(|run| *run.start()) {
                let (last, count) = stretch(&pages.runs, size.into());
                if count < LONG_RUN {
                    let named = pages.loose();
                    prop_assert!(!named.is_empty() && named.len() <= size as usize);
                    read.extend(named.iter().map(|uid| uid.0).filter(|uid| there.contains(uid)));
                    pages.pass(named.last().map_or(last, |uid| uid.0));
                    continue;
                }
                let page = there.range(first..=last).take(size as usize).copied();
                let mut rows: Vec<UidRow> = page.map(row).collect();
                let full = rows.len() >= size as usize;
                let end = rows.last().filter(|_| full).map_or(last, |row| row.uid.0);
                pages.keep_wanted(&mut rows);
                read.extend(rows.iter().map(|row| row.uid.0));
                pages.pass(end);
            }
            let both: BTreeSet<u32> = wanted.intersection(&there).copied().collect();
            prop_assert_eq!(read, both.into_iter().collect::<Vec<_>>());
        }
    }

    fn row(uid: u32) -> UidRow {
        UidRow {
            uid: Uid(uid),
            flags: types::Flags::default(),
            keywords: Vec::new(),
            modseq: types::ModSeq(0),
            message: MessageId::new(),
            thread: types::ThreadId::new(),
            received_at: chrono::DateTime::UNIX_EPOCH,
            saved_at: chrono::DateTime::UNIX_EPOCH,
            size: 0,
        }
    }
}
