//! SEARCH (RFC 9051 §6.4.4), cheap questions first.
//!
//! Every key answers yes, no or "not known yet". A message is judged by its row (flags, dates, sizes); if
//! that leaves it open, by the tables of a large mailbox's header fields and by its signature in the index, which may
//! say that a text is not there; then by its structure
//! (envelope and kept header fields); if that does not tell either, by its bytes, which are read once, in pieces,
//! decoded. So `OR SEEN BODY x` reads only unseen messages which may hold x, or which are not indexed yet.

mod bytes;
pub(crate) mod dates;
mod fuzzy;
mod headers;
mod relevancy;
mod signature;
mod text;

pub use relevancy::Scores;
pub(crate) use signature::{FORMAT, sign};

use crate::collate::fold;
use crate::fetch::{Message, Pages};
use crate::uids::UidSet;
use crate::view::View;
use crate::{Mail, MailError};
use chrono::NaiveDate;
use futures::{StreamExt, TryStreamExt};
use fuzzy::Fuzzy;
use headers::Headers;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use store::message::{Columns, UidRow};
use store::search::{search_candidates, search_candidates_near};
use types::{Flags, MessageId, ModSeq, ThreadId, Uid};

/// Messages whose bytes are read at the same time.
const READERS: usize = 4;
/// Structures in memory at the same time.
const STRUCTURES: usize = 500;
/// Needles that the index is asked for; further ones are looked for in the bytes.
const SIEVES: usize = 16;
/// Messages judged at a time where their rows are not needed.
const IDS: usize = 2_000;

/// How a date compares. Time and zone are disregarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Earlier than the day.
    Before,
    /// On the day.
    On,
    /// On the day or later.
    Since,
}

/// A condition on messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// Every message.
    All,
    /// All of these.
    And(Vec<Key>),
    /// Either.
    Or(Box<Key>, Box<Key>),
    /// Not this.
    Not(Box<Key>),
    /// One of these UIDs.
    Uids(UidSet),
    /// Has these system flags.
    Flags(Flags),
    /// Has this keyword.
    Keyword(String),
    /// `\Recent` in this session.
    Recent,
    /// INTERNALDATE.
    Received(When, NaiveDate),
    /// Date field.
    Sent(When, NaiveDate),
    /// SAVEDATE (RFC 8514).
    Saved(When, NaiveDate),
    /// INTERNALDATE at or after this moment (RFC 5032 YOUNGER; `Not` of it is OLDER).
    ReceivedSince(chrono::DateTime<chrono::Utc>),
    /// More octets than this.
    Larger(u64),
    /// Fewer octets than this.
    Smaller(u64),
    /// Changed at this modseq or later (RFC 7162).
    ModSeq(ModSeq),
    /// EMAILID (RFC 8474).
    Email(MessageId),
    /// THREADID.
    Thread(ThreadId),
    /// A field of this name contains the text; an empty text asks for the field.
    Header(String, String),
    /// The text is in the body.
    Body(String),
    /// The text is in the header or the body.
    Text(String),
    /// About this: its texts match by words, more or less well (RFC 6203).
    Fuzzy(Box<Key>),
}

/// A condition made ready.
#[derive(Debug, Clone)]
pub struct Query {
    root: Node,
    needles: Vec<Needle>,
}

#[derive(Debug, Clone)]
enum Node {
    Key(Key),
    And(Vec<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    /// An index into the needles.
    Needle(usize),
}

/// A text to be found.
#[derive(Debug, Clone)]
struct Needle {
    place: Place,
    /// Folded.
    text: String,
    /// Where it may be there more or less.
    fuzzy: Option<Fuzzy>,
}

#[derive(Debug, Clone)]
enum Place {
    Field(String),
    Body,
    Anywhere,
}

/// What is known of a message so far.
struct Facts<'a> {
    row: &'a UidRow,
    recent: bool,
    /// Needles of which the index says that they are not there, a bit each.
    absent: u32,
    message: Option<&'a Message>,
    /// How well its bytes hold each needle: 100 to the letter, 0 not at all.
    found: Option<&'a [u8]>,
}

/// A message not judged yet.
struct Open {
    row: UidRow,
    absent: u32,
    message: Option<Arc<Message>>,
}

impl Query {
    /// Makes a condition ready.
    #[must_use]
    pub fn new(key: Key) -> Self {
        let mut needles = Vec::new();
        let root = compile(key, false, &mut needles);
        Self { root, needles }
    }

    /// The messages that can match at all, as far as the UIDs named say.
    fn candidates(&self, all: UidSet) -> UidSet {
        match &self.root {
            Node::Key(Key::Uids(set)) => all.intersection(set),
            Node::And(nodes) => nodes.iter().fold(all, |left, node| match node {
                Node::Key(Key::Uids(set)) => left.intersection(set),
                _ => left,
            }),
            _ => all,
        }
    }
}

impl Query {
    /// The messages that have to be looked at.
    #[must_use]
    pub fn searched(&self, view: &View) -> UidSet {
        self.candidates(view.all().difference(view.vanished()))
    }

    /// From now on among these messages only.
    pub fn narrow(&mut self, uids: UidSet) {
        let within = Node::Key(Key::Uids(uids));
        match &mut self.root {
            Node::And(nodes) => nodes.push(within),
            root => {
                let all = std::mem::replace(root, Node::And(Vec::new()));
                *root = Node::And(vec![all, within]);
            }
        }
    }

    /// Only messages that changed after this can match.
    fn changed_since(&self) -> Option<ModSeq> {
        let of = |node: &Node| match node {
            Node::Key(Key::ModSeq(modseq)) => Some(ModSeq(modseq.0.saturating_sub(1))),
            _ => None,
        };
        match &self.root {
            Node::And(nodes) => nodes.iter().filter_map(of).max(),
            node => of(node),
        }
    }
}

fn compile(key: Key, fuzzy: bool, needles: &mut Vec<Needle>) -> Node {
    let mut needle = |place, text: &str| {
        let text = fold(text);
        let fuzzy = fuzzy.then(|| Fuzzy::new(&text));
        needles.push(Needle { place, text, fuzzy });
        Node::Needle(needles.len() - 1)
    };
    match key {
        Key::Header(name, text) => needle(Place::Field(name), &text),
        Key::Body(text) => needle(Place::Body, &text),
        Key::Text(text) => needle(Place::Anywhere, &text),
        Key::And(keys) => {
            Node::And(keys.into_iter().map(|key| compile(key, fuzzy, needles)).collect())
        }
        Key::Or(a, b) => {
            let [a, b] = [a, b].map(|key| Box::new(compile(*key, fuzzy, needles)));
            Node::Or(a, b)
        }
        Key::Not(key) => Node::Not(Box::new(compile(*key, fuzzy, needles))),
        Key::Fuzzy(key) => compile(*key, true, needles),
        other => Node::Key(other),
    }
}

impl Node {
    /// The messages that match, if the UIDs alone tell.
    fn as_set(&self, view: &View, all: &UidSet) -> Option<UidSet> {
        Some(match self {
            Self::Key(Key::All) => all.clone(),
            Self::Key(Key::Uids(set)) => all.intersection(set),
            Self::Key(Key::Recent) => view.recent_uids().intersection(all),
            Self::Not(node) => all.difference(&node.as_set(view, all)?),
            Self::Or(a, b) => a.as_set(view, all)?.union(&b.as_set(view, all)?),
            Self::And(nodes) => {
                let mut left = all.clone();
                for node in nodes {
                    left = left.intersection(&node.as_set(view, all)?);
                }
                left
            }
            Self::Key(_) | Self::Needle(_) => return None,
        })
    }

    /// Whether it asks for what may change of a copy, or stands in its row only.
    fn needs_rows(&self) -> bool {
        match self {
            Self::Key(key) => !matches!(key, Key::All | Key::Uids(_) | Key::Recent | Key::Sent(..)),
            Self::Needle(_) => false,
            Self::Not(node) => node.needs_rows(),
            Self::Or(a, b) => a.needs_rows() || b.needs_rows(),
            Self::And(nodes) => nodes.iter().any(Self::needs_rows),
        }
    }

    /// What it looks at of the rows. Whatever they leave open is found by the message.
    fn columns(&self) -> Columns {
        match self {
            Self::Key(key) => match key {
                Key::Flags(_) | Key::Keyword(_) => Columns::FLAGS,
                Key::Received(..) | Key::ReceivedSince(_) => Columns::RECEIVED,
                Key::Saved(..) => Columns::SAVED,
                Key::Larger(_) | Key::Smaller(_) => Columns::SIZE,
                Key::ModSeq(_) => Columns::MODSEQ,
                Key::Thread(_) => Columns::THREAD,
                Key::Email(_) | Key::Sent(..) => Columns::MESSAGE,
                _ => Columns::NONE,
            },
            Self::Needle(_) => Columns::MESSAGE,
            Self::Not(node) => node.columns(),
            Self::Or(a, b) => a.columns().with(b.columns()),
            Self::And(nodes) => {
                nodes.iter().fold(Columns::NONE, |all, node| all.with(node.columns()))
            }
        }
    }

    fn judge(&self, facts: &Facts<'_>, needles: &[Needle]) -> Option<bool> {
        match self {
            Self::Not(node) => node.judge(facts, needles).map(|yes| !yes),
            Self::And(nodes) => {
                let mut answer = Some(true);
                for node in nodes {
                    match node.judge(facts, needles) {
                        Some(false) => return Some(false),
                        Some(true) => {}
                        None => answer = None,
                    }
                }
                answer
            }
            Self::Or(a, b) => match (a.judge(facts, needles), b.judge(facts, needles)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Self::Needle(index) => match facts.found {
                Some(found) => found.get(*index).map(|score| *score > 0),
                None if *index < SIEVES && facts.absent >> index & 1 == 1 => Some(false),
                None => {
                    let score = needles.get(*index)?.in_kept(facts.message?)?;
                    Some(score > 0)
                }
            },
            Self::Key(key) => judge_key(key, facts),
        }
    }
}

fn judge_key(key: &Key, facts: &Facts<'_>) -> Option<bool> {
    let row = facts.row;
    Some(match key {
        Key::Uids(set) => set.contains(row.uid.0),
        Key::Flags(flags) => row.flags.contains(*flags),
        Key::Keyword(name) => match Flags::from_name(name) {
            Some(flag) => row.flags.contains(flag),
            None => row.keywords.iter().any(|keyword| keyword.eq_ignore_ascii_case(name)),
        },
        Key::Recent => facts.recent,
        Key::Received(when, day) => when.fits(row.received_at.date_naive(), *day),
        Key::Saved(when, day) => when.fits(row.saved_at.date_naive(), *day),
        Key::ReceivedSince(moment) => row.received_at >= *moment,
        Key::Larger(size) => u64::from(row.size) > *size,
        Key::Smaller(size) => u64::from(row.size) < *size,
        Key::ModSeq(modseq) => row.modseq >= *modseq,
        Key::Email(id) => row.message == *id,
        Key::Thread(id) => row.thread == *id,
        Key::Sent(when, day) => {
            let date = facts.message?.structure.envelope.date.as_deref();
            date.and_then(dates::day).is_some_and(|sent| when.fits(sent, *day))
        }
        // The others became nodes of their own.
        _ => true,
    })
}

impl When {
    fn fits(self, date: NaiveDate, day: NaiveDate) -> bool {
        match self {
            Self::Before => date < day,
            Self::On => date == day,
            Self::Since => date >= day,
        }
    }
}

impl Needle {
    /// Whether the index can tell something, where only bytes could otherwise.
    fn is_sieved(&self) -> bool {
        !matches!(&self.place, Place::Field(name) if message::is_kept(name))
    }

    /// How well the kept fields hold it; `None`: they cannot tell.
    fn in_kept(&self, message: &Message) -> Option<u8> {
        let Place::Field(name) = &self.place else { return None };
        let structure = &message.structure;
        structure.covers(std::slice::from_ref(name)).then(|| {
            let fields = structure.fields.iter();
            fields.map(|field| self.in_field(&field.name, &field.value)).max().unwrap_or(0)
        })
    }
}

impl Mail {
    /// The known messages of a view that match.
    ///
    /// # Errors
    /// [`MailError::Busy`]; [`MailError::Unavailable`] also when bytes had to be read and the blob store is
    /// away: an incomplete answer would look like a complete one.
    pub async fn search(&self, view: &View, query: &Query) -> Result<UidSet, MailError> {
        self.search_watched(view, query, &Progress::default()).await
    }

    /// As [`Mail::search`]; how far it is can be seen meanwhile.
    ///
    /// # Errors
    /// As [`Mail::search`].
    pub async fn search_watched(
        &self,
        view: &View,
        query: &Query,
        progress: &Progress,
    ) -> Result<UidSet, MailError> {
        let mut among = view.all().difference(view.vanished());
        if let Some(modseq) = query.changed_since()
            && let Some(changed) = self.since(view.target(), modseq).await?.changed
        {
            among = among.intersection(&changed);
        }
        self.search_among(view, query, among, progress).await
    }

    /// Those of these messages that match.
    pub(crate) async fn search_among(
        &self,
        view: &View,
        query: &Query,
        all: UidSet,
        progress: &Progress,
    ) -> Result<UidSet, MailError> {
        if let Some(set) = query.root.as_set(view, &all) {
            return Ok(set);
        }
        let headers = Headers::new(view, &query.needles);
        let judge = Judge { mail: self, view, query, headers, progress };
        let candidates = query.candidates(all);
        progress.goal.store(candidates.len(), Ordering::Relaxed);
        let mut matching = UidSet::default();
        let mut note = |mut judged: Vec<u32>| {
            judged.sort_unstable();
            judged.into_iter().for_each(|uid| matching.push(uid));
        };
        if !query.root.needs_rows()
            && let Some(ids) = self.ids(view.target(), &candidates).await?
        {
            let mut left = ids.of(&candidates).peekable();
            while left.peek().is_some() {
                let rows = left.by_ref().take(IDS).map(|(uid, message)| row_of(uid, message));
                note(judge.page(rows.collect()).await?);
            }
            return Ok(matching);
        }
        let mut pages = Pages::wide(view.target(), candidates, query.root.columns());
        while let Some(rows) = pages.next(self).await? {
            note(judge.page(rows).await?);
        }
        Ok(matching)
    }
}

/// A row of which only what never changes counts.
fn row_of(uid: u32, message: MessageId) -> UidRow {
    UidRow {
        uid: Uid(uid),
        message,
        flags: Flags::default(),
        keywords: Vec::new(),
        modseq: ModSeq(0),
        thread: ThreadId(message.0),
        received_at: chrono::DateTime::UNIX_EPOCH,
        saved_at: chrono::DateTime::UNIX_EPOCH,
        size: 0,
    }
}

/// How far a search is.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    goal: AtomicU64,
}

impl Progress {
    /// Messages judged, and messages to be judged.
    #[must_use]
    pub fn of(&self) -> (u32, u32) {
        let number = |of: &AtomicU64| u32::try_from(of.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        let goal = number(&self.goal);
        (number(&self.done).min(goal), goal)
    }

    fn judged(&self, messages: u64) {
        self.done.fetch_add(messages, Ordering::Relaxed);
    }
}

struct Judge<'a> {
    mail: &'a Mail,
    view: &'a View,
    query: &'a Query,
    headers: Option<Headers>,
    progress: &'a Progress,
}

impl Judge<'_> {
    fn ask(&self, open: &Open, found: Option<&[u8]>) -> Option<bool> {
        let Open { row, absent, message } = open;
        let recent = self.view.is_recent(row.uid.0);
        let facts = Facts { row, recent, absent: *absent, message: message.as_deref(), found };
        self.query.root.judge(&facts, &self.query.needles)
    }

    /// Leaves those that what is known does not settle.
    fn sift(&self, mut all: Vec<Open>, matching: &mut Vec<u32>) -> Vec<Open> {
        let before = all.len();
        all.retain(|open| match self.ask(open, None) {
            None => true,
            Some(yes) => {
                matching.extend(yes.then_some(open.row.uid.0));
                false
            }
        });
        self.progress.judged((before - all.len()) as u64);
        all
    }

    async fn page(&self, rows: Vec<UidRow>) -> Result<Vec<u32>, MailError> {
        let mut matching = Vec::new();
        let open = rows.into_iter().map(|row| Open { row, absent: 0, message: None }).collect();
        let mut open = self.sift(open, &mut matching);
        if let Some(headers) = &self.headers {
            self.mail.by_headers(self.view, headers, &mut open).await?;
            open = self.sift(open, &mut matching);
        }
        self.by_signature(&mut open).await?;
        let mut open = self.sift(open, &mut matching);
        while !open.is_empty() {
            let later = open.split_off(open.len().min(STRUCTURES));
            self.by_structure(open, &mut matching).await?;
            open = later;
        }
        Ok(matching)
    }

    /// Asks the index which needles are not there, of those that only bytes could confirm.
    async fn by_signature(&self, open: &mut [Open]) -> Result<(), MailError> {
        let (store, account) = (&self.mail.store, self.view.target().account);
        let ids: Vec<MessageId> = open.iter().map(|open| open.row.message).collect();
        for (index, needle) in self.query.needles.iter().enumerate().take(SIEVES) {
            if ids.is_empty() || !needle.is_sieved() {
                continue;
            }
            let found = if let Some(fuzzy) = &needle.fuzzy {
                let Some((probes, least)) = fuzzy.probes() else { continue };
                search_candidates_near(store, account, FORMAT, &ids, probes, least).await?
            } else {
                let Some(probes) = signature::probes(&needle.text) else { continue };
                search_candidates(store, account, FORMAT, &ids, &probes).await?
            };
            let mut candidate = vec![false; ids.len()];
            for at in found {
                if let Some(candidate) = candidate.get_mut(at) {
                    *candidate = true;
                }
            }
            for (open, candidate) in open.iter_mut().zip(candidate) {
                open.absent |= u32::from(!candidate) << index;
            }
        }
        Ok(())
    }

    async fn by_structure(
        &self,
        mut open: Vec<Open>,
        matching: &mut Vec<u32>,
    ) -> Result<(), MailError> {
        let ids = open.iter().map(|open| open.row.message);
        let messages = self.mail.messages_of(self.view.target().account, ids).await?;
        open.iter_mut().zip(messages).for_each(|(open, message)| open.message = message);
        open.retain(|open| open.message.is_some());
        let open = self.sift(open, matching);
        let unread: Vec<_> = open.iter().filter_map(|open| open.message.clone()).collect();
        self.mail.locate(&unread).await?;
        let read: Vec<Option<u32>> = futures::stream::iter(open)
            .map(|open| self.by_bytes(open))
            .buffer_unordered(READERS)
            .try_collect()
            .await?;
        matching.extend(read.into_iter().flatten());
        Ok(())
    }

    async fn by_bytes(&self, open: Open) -> Result<Option<u32>, MailError> {
        let Some(message) = &open.message else { return Ok(None) };
        tokio::task::yield_now().await;
        self.progress.judged(1);
        let found = match bytes::find(self.mail, message, &self.query.needles).await {
            // One damaged message must not make its mailbox unsearchable; it was logged.
            Err(MailError::Expunged | MailError::Damaged(_)) => return Ok(None),
            other => other?,
        };
        Ok((self.ask(&open, Some(&found)) == Some(true)).then_some(open.row.uid.0))
    }
}

#[cfg(test)]
mod tests;
