//! SORT (RFC 5256, RFC 5957): what was found, in the order asked for.
//!
//! Only what the criteria compare is in memory, counted against the node's budget.

use crate::collate::sort_key;
use crate::fetch::{Message, Pages};
use crate::search::dates::moment;
use crate::search::{Progress, Query, Scores};
use crate::subject::Subject;
use crate::uids::UidSet;
use crate::view::View;
use crate::{Mail, MailError};
use message::{Address, decode_header_text};
use net::Permit;
use std::cmp::Ordering;
use std::sync::Arc;
use store::message::UidRow;

/// By what messages are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortBy {
    /// INTERNALDATE with its time.
    Arrival,
    /// The mailbox part of the first Cc address.
    Cc,
    /// The sent date, in UTC.
    Date,
    /// The mailbox part of the first From address.
    From,
    /// RFC822.SIZE.
    Size,
    /// The base subject.
    Subject,
    /// The mailbox part of the first To address.
    To,
    /// The first From address as it is shown (RFC 5957).
    DisplayFrom,
    /// The first To address as it is shown (RFC 5957).
    DisplayTo,
    /// How well it matches, the best first (RFC 6203).
    Relevancy,
}

/// One criterion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Criterion {
    /// By what.
    pub by: SortBy,
    /// Descending.
    pub reverse: bool,
}

/// What is compared of one message.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Number(i64),
    Text(Box<str>),
}

#[derive(Debug)]
struct Entry {
    uid: u32,
    values: Box<[Value]>,
}

/// Messages in order, with what they were compared by.
#[derive(Debug, Default)]
pub struct Sorted {
    criteria: Vec<Criterion>,
    entries: Vec<Entry>,
    /// Of the node's memory.
    shares: Vec<Permit>,
}

/// Messages that stand together in a sorted result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where the first of them stands, counted from 1.
    pub position: u32,
    /// In their order; at most [`MAX_PIECE`].
    pub uids: Vec<u32>,
}

/// Most messages of one [`Piece`].
pub const MAX_PIECE: usize = 500;

impl SortBy {
    /// Whether the row alone tells.
    fn in_row(self) -> bool {
        matches!(self, Self::Arrival | Self::Size | Self::Relevancy)
    }

    fn value(self, row: &UidRow, message: Option<&Message>, score: u8) -> Value {
        let Some(message) = message.filter(|_| !self.in_row()) else {
            return Value::Number(match self {
                Self::Size => row.size.into(),
                Self::Relevancy => -i64::from(score),
                _ => row.received_at.timestamp(),
            });
        };
        let envelope = &message.structure.envelope;
        let text = match self {
            Self::Arrival | Self::Size | Self::Relevancy => String::new(),
            Self::Date => return Value::Number(sent(row, message)),
            Self::Subject => Subject::new(envelope.subject.as_deref().unwrap_or_default()).base,
            Self::Cc => mailbox(&envelope.cc),
            Self::From => mailbox(&envelope.from),
            Self::To => mailbox(&envelope.to),
            Self::DisplayFrom => display(&envelope.from),
            Self::DisplayTo => display(&envelope.to),
        };
        Value::Text(sort_key(&text).into())
    }
}

/// The sent date in seconds; "If the sent date cannot be determined ..., the INTERNALDATE for that message is used"
/// (RFC 5256 §2.2).
pub(crate) fn sent(row: &UidRow, message: &Message) -> i64 {
    let date = message.structure.envelope.date.as_deref().and_then(moment);
    date.unwrap_or_else(|| row.received_at.timestamp())
}

fn mailbox(list: &[Address]) -> String {
    list.first().and_then(|first| first.mailbox.clone()).unwrap_or_default()
}

/// RFC 5957 §3: the name, else the address, else what there is of it.
fn display(list: &[Address]) -> String {
    let Some(first) = list.first() else { return String::new() };
    let name = first.name.as_deref().map(|name| decode_header_text(name));
    match name.filter(|name| !name.is_empty()) {
        Some(name) => name.into_owned(),
        None => match (&first.mailbox, &first.host) {
            (Some(mailbox), Some(host)) => format!("{mailbox}@{host}"),
            (mailbox, _) => mailbox.clone().unwrap_or_default(),
        },
    }
}

impl Entry {
    fn new(
        criteria: &[Criterion],
        row: &UidRow,
        message: Option<&Message>,
        scores: &Scores,
    ) -> Self {
        let score = scores.get(&row.uid.0).copied().unwrap_or(0);
        let value = |criterion: &Criterion| criterion.by.value(row, message, score);
        let values = criteria.iter().map(value).collect();
        Self { uid: row.uid.0, values }
    }

    /// Octets of memory, about.
    fn weight(&self) -> u64 {
        let texts = self.values.iter().map(|value| match value {
            Value::Number(_) => 0,
            Value::Text(text) => text.len() as u64 + 8,
        });
        32 + 24 * self.values.len() as u64 + texts.sum::<u64>()
    }

    /// "there is an implicit sort criterion of "sequence number"", which REVERSE does not touch.
    fn compare(&self, other: &Self, criteria: &[Criterion]) -> Ordering {
        let values = self.values.iter().zip(&other.values).zip(criteria);
        for ((mine, theirs), criterion) in values {
            let order = mine.cmp(theirs);
            let order = if criterion.reverse { order.reverse() } else { order };
            if order != Ordering::Equal {
                return order;
            }
        }
        self.uid.cmp(&other.uid)
    }
}

impl Sorted {
    /// The messages in order.
    #[must_use]
    pub fn uids(&self) -> Vec<u32> {
        self.entries.iter().map(|entry| entry.uid).collect()
    }

    /// By what they are ordered.
    pub(crate) fn criteria(&self) -> &[Criterion] {
        &self.criteria
    }

    /// Without its share of the node's memory.
    pub(crate) fn settled(mut self) -> Self {
        self.shares.clear();
        self
    }

    /// Octets of memory, about.
    pub(crate) fn weight(&self) -> u64 {
        self.entries.iter().map(Entry::weight).sum()
    }

    /// Those of these messages that are in it.
    pub(crate) fn among(&self, uids: &UidSet) -> UidSet {
        self.entries.iter().map(|entry| entry.uid).filter(|uid| uids.contains(*uid)).collect()
    }

    /// Takes messages out. The pieces are to be taken out one after the other, so each stands where it does when those
    /// before it are gone.
    pub(crate) fn remove(&mut self, uids: &UidSet) -> Vec<Piece> {
        let mut pieces = Pieces::default();
        let mut left = 0;
        self.entries.retain(|entry| {
            let goes = uids.contains(entry.uid);
            if goes {
                pieces.push(left, false, entry.uid);
            } else {
                left += 1;
            }
            !goes
        });
        pieces.0
    }

    /// Puts messages in their places. The pieces are to be put in one after the other, so each stands where it does in the
    /// end.
    pub(crate) fn insert(&mut self, mut new: Self) -> Vec<Piece> {
        let criteria = &self.criteria;
        new.entries.sort_unstable_by(|a, b| a.compare(b, criteria));
        let mut pieces = Pieces::default();
        let old = std::mem::take(&mut self.entries);
        let (mut old, mut new) = (old.into_iter().peekable(), new.entries.into_iter().peekable());
        loop {
            let comes = match (old.peek(), new.peek()) {
                (Some(old), Some(new)) => new.compare(old, criteria) == Ordering::Less,
                (None, Some(_)) => true,
                (Some(_), None) => false,
                (None, None) => return pieces.0,
            };
            let next = if comes { new.next() } else { old.next() };
            if let Some(entry) = next {
                if comes {
                    pieces.push(self.entries.len(), true, entry.uid);
                }
                self.entries.push(entry);
            }
        }
    }
}

#[derive(Default)]
struct Pieces(Vec<Piece>);

impl Pieces {
    /// The next message, behind so many others; `grows`: what was put in before it counts among those.
    fn push(&mut self, before: usize, grows: bool, uid: u32) {
        let position = before as u32 + 1;
        if let Some(last) = self.0.last_mut() {
            let next = last.position + if grows { last.uids.len() as u32 } else { 0 };
            if next == position && last.uids.len() < MAX_PIECE {
                return last.uids.push(uid);
            }
        }
        self.0.push(Piece { position, uids: vec![uid] });
    }
}

impl Mail {
    /// The known messages of a view that match, in order; with `relevancy`, or where they are sorted by it, also how
    /// well they match.
    ///
    /// # Errors
    /// As [`Mail::search`].
    pub async fn sort(
        &self,
        view: &View,
        query: &Query,
        criteria: &[Criterion],
        relevancy: bool,
        progress: &Progress,
    ) -> Result<(Sorted, Scores), MailError> {
        let found = self.search_watched(view, query, progress).await?;
        self.sorted(view, query, criteria, found, relevancy).await
    }

    /// These messages in order, and how well they match where that is wanted.
    pub(crate) async fn sorted(
        &self,
        view: &View,
        query: &Query,
        criteria: &[Criterion],
        found: UidSet,
        relevancy: bool,
    ) -> Result<(Sorted, Scores), MailError> {
        let scored = relevancy || criteria.iter().any(|c| c.by == SortBy::Relevancy);
        let scores =
            if scored { self.relevancy(view, query, &found).await? } else { Scores::new() };
        let mut entries = Vec::new();
        let shares = self
            .each_found(view, found, !criteria.iter().all(|c| c.by.in_row()), |row, message| {
                let message = message.map(AsRef::as_ref);
                let entry = Entry::new(criteria, row, message, &scores);
                let weight = entry.weight();
                entries.push(entry);
                weight
            })
            .await?;
        entries.sort_unstable_by(|a, b| a.compare(b, criteria));
        Ok((Sorted { criteria: criteria.to_vec(), entries, shares }, scores))
    }

    /// Goes through what was found, with what never changes of each if that is wanted; `each` tells how much memory
    /// it keeps, and the share of the budget for all of it is given back.
    pub(crate) async fn each_found(
        &self,
        view: &View,
        found: UidSet,
        structures: bool,
        mut each: impl FnMut(&UidRow, Option<&Arc<Message>>) -> u64,
    ) -> Result<Vec<Permit>, MailError> {
        let account = view.target().account;
        let mut shares = Vec::new();
        let mut pages = Pages::new(view.target(), found);
        while let Some(rows) = pages.next(self).await? {
            let mut weight = 0;
            if structures {
                let messages = self.messages(account, &rows).await?;
                for (row, message) in rows.iter().zip(messages) {
                    if let Some(message) = message {
                        weight += each(row, Some(&message));
                    }
                }
            } else {
                weight = rows.iter().map(|row| each(row, None)).sum();
            }
            shares.push(self.reserve(weight).await?);
        }
        Ok(shares)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(uid: u32, values: &[&str]) -> Entry {
        let values = values.iter().map(|text| Value::Text(sort_key(text).into())).collect();
        Entry { uid, values }
    }

    #[test]
    fn reverse_leaves_the_last_criterion_alone() {
        let by = |reverse| Criterion { by: SortBy::Subject, reverse };
        let order = |criteria: &[Criterion]| {
            let mut all = vec![
                entry(1, &["b", "x"]),
                entry(2, &["A", "y"]),
                entry(3, &["b", "X"]),
                entry(4, &["", "z"]),
            ];
            all.sort_unstable_by(|a, b| a.compare(b, criteria));
            all.into_iter().map(|entry| entry.uid).collect::<Vec<_>>()
        };
        assert_eq!(order(&[by(false), by(false)]), [4, 2, 1, 3]);
        assert_eq!(order(&[by(true), by(false)]), [1, 3, 2, 4]);
        assert_eq!(order(&[by(true), by(true)]), [1, 3, 2, 4]);
    }

    /// What a client does with the pieces.
    fn follow(list: &mut Vec<u32>, pieces: &[Piece], adds: bool) {
        for Piece { position, uids } in pieces {
            assert!(!uids.is_empty() && uids.len() <= MAX_PIECE);
            let at = *position as usize - 1;
            if adds {
                list.splice(at..at, uids.iter().copied());
            } else {
                assert_eq!(list.splice(at..at + uids.len(), []).collect::<Vec<_>>(), *uids);
            }
        }
    }

    proptest! {
        #[test]
        fn who_follows_the_pieces_has_the_list(
            steps in prop::collection::vec((prop::collection::btree_map(1..60u32, 0..9u8, 0..20), any::<bool>()), 1..8),
            reverse: bool,
        ) {
            let criteria = vec![Criterion { by: SortBy::Size, reverse }];
            let mut sorted = Sorted { criteria: criteria.clone(), ..Sorted::default() };
            let mut told = Vec::new();
            for (step, adds) in steps {
                let there: UidSet = sorted.uids().into_iter().collect();
                if adds {
                    let value = |size: u8| [Value::Number(size.into())].into();
                    let new = step.into_iter().filter(|(uid, _)| !there.contains(*uid));
                    let entries = new.map(|(uid, size)| Entry { uid, values: value(size) }).collect();
                    let pieces = sorted.insert(Sorted { entries, ..Sorted::default() });
                    follow(&mut told, &pieces, true);
                } else {
                    let gone: UidSet = step.into_keys().collect();
                    prop_assert_eq!(sorted.among(&gone), there.intersection(&gone));
                    follow(&mut told, &sorted.remove(&gone), false);
                }
                prop_assert_eq!(&told, &sorted.uids());
                prop_assert!(sorted.entries.is_sorted_by(|a, b| a.compare(b, &criteria).is_lt()));
            }
        }
    }

    #[test]
    fn long_pieces_are_cut() {
        let entry = |uid| Entry { uid, values: [Value::Number(0)].into() };
        let criteria = vec![Criterion { by: SortBy::Size, reverse: false }];
        let mut sorted = Sorted { criteria, ..Sorted::default() };
        let mut told = Vec::new();
        let new = Sorted { entries: (1..=1_200).map(entry).collect(), ..Sorted::default() };
        let pieces = sorted.insert(new);
        assert_eq!(pieces.iter().map(|piece| piece.position).collect::<Vec<_>>(), [1, 501, 1_001]);
        follow(&mut told, &pieces, true);
        let pieces = sorted.remove(&UidSet::from_ranges([2..=1_199]));
        assert_eq!(pieces.iter().map(|piece| piece.position).collect::<Vec<_>>(), [2, 2, 2]);
        follow(&mut told, &pieces, false);
        assert_eq!(told, [1, 1_200]);
    }

    #[test]
    fn addresses_as_they_are_shown() {
        let address = |name: Option<&str>, mailbox: Option<&str>, host: Option<&str>| Address {
            name: name.map(str::to_owned),
            adl: None,
            mailbox: mailbox.map(str::to_owned),
            host: host.map(str::to_owned),
        };
        let shown = |address: Address| display(&[address]);
        assert_eq!(shown(address(Some("=?utf-8?q?J=C3=BCrgen?="), Some("j"), Some("x"))), "Jürgen");
        assert_eq!(shown(address(Some(""), Some("j"), Some("x"))), "j@x");
        assert_eq!(shown(address(None, Some("group"), None)), "group");
        assert_eq!(shown(address(None, None, None)), "");
        assert_eq!(display(&[]), "");
    }
}
