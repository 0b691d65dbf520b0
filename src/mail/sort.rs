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

struct Entry {
    uid: u32,
    values: Box<[Value]>,
}

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
    ) -> Result<(Vec<u32>, Scores), MailError> {
        let found = self.search_watched(view, query, progress).await?;
        let scored = relevancy || criteria.iter().any(|c| c.by == SortBy::Relevancy);
        let scores =
            if scored { self.relevancy(view, query, &found).await? } else { Scores::new() };
        let mut entries = Vec::new();
        let _shares = self
            .each_found(view, found, !criteria.iter().all(|c| c.by.in_row()), |row, message| {
                let message = message.map(AsRef::as_ref);
                let entry = Entry::new(criteria, row, message, &scores);
                let weight = entry.weight();
                entries.push(entry);
                weight
            })
            .await?;
        entries.sort_unstable_by(|a, b| a.compare(b, criteria));
        Ok((entries.into_iter().map(|entry| entry.uid).collect(), scores))
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
