//! ESEARCH (RFC 7377): SEARCH in several mailboxes.

use super::notify::{MAX_NAMES, NotifyMailboxes};
use super::search::{Returns, Search, options, with_charset};
use super::{Call, Command, Request};
use crate::cursor::{Cursor, Parsed, Refusal};
use crate::mailbox::mailbox;

/// ESEARCH.
#[derive(Debug, Clone, PartialEq)]
pub struct MultiSearch {
    /// Where to search; empty: in the selected mailbox.
    pub sources: Vec<SearchSource>,
    /// What to find. The answers show UIDs.
    pub search: Search,
}

/// Mailboxes to be searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchSource {
    /// The selected one.
    Selected,
    /// As in NOTIFY.
    Mailboxes(NotifyMailboxes),
    /// These and those right below them.
    SubtreeOne(Vec<String>),
}

impl MultiSearch {
    /// Whether the selected mailbox is among the sources, or the only one by default.
    #[must_use]
    pub fn wants_selected(&self) -> bool {
        self.sources.is_empty() || self.sources.contains(&SearchSource::Selected)
    }
}

/// `"ESEARCH" [SP "IN" SP "(" source-mbox ")"] [SP "RETURN" ...] SP search-program`
pub(super) fn multi_search(cursor: &mut Cursor<'_>, _: Call) -> Parsed<Request> {
    cursor.space()?;
    let mut sources = Vec::new();
    if cursor.take_word("IN ") {
        let mut names = 0;
        sources = cursor.some_list(16, |cursor| source(cursor, &mut names))?;
        cursor.space()?;
    }
    let returns = options(cursor)?.unwrap_or(Returns { all: true, ..Returns::default() });
    let elsewhere = sources.iter().any(|source| *source != SearchSource::Selected);
    if returns.save && elsewhere {
        // "If any source option other than "selected" is specified, the ESEARCH command MUST return a "BAD" result"
        // (RFC 7377 §2.2).
        return Err(Refusal::bad("SAVE goes with the selected mailbox alone"));
    }
    let search = with_charset(cursor, true, Some(returns))?;
    Ok(Request::Command(Command::MultiSearch(MultiSearch { sources, search })))
}

/// `filter-mailboxes` of NOTIFY, with "subtree-one" and without "selected-delayed".
fn source(cursor: &mut Cursor<'_>, names: &mut usize) -> Parsed<SearchSource> {
    let mut some = |cursor: &mut Cursor<'_>| {
        cursor.space()?;
        let found = if cursor.peek() == Some(b'(') {
            cursor.some_list(MAX_NAMES, mailbox)?
        } else {
            vec![mailbox(cursor)?]
        };
        *names += found.len();
        if *names > MAX_NAMES {
            return Err(Refusal::no(crate::response::Code::Limit, "Too many mailboxes"));
        }
        Ok(found)
    };
    Ok(match cursor.name()?.to_ascii_uppercase().as_str() {
        "SELECTED" => SearchSource::Selected,
        "INBOXES" => SearchSource::Mailboxes(NotifyMailboxes::Inboxes),
        "PERSONAL" => SearchSource::Mailboxes(NotifyMailboxes::Personal),
        "SUBSCRIBED" => SearchSource::Mailboxes(NotifyMailboxes::Subscribed),
        "SUBTREE" => SearchSource::Mailboxes(NotifyMailboxes::Subtree(some(cursor)?)),
        "SUBTREE-ONE" => SearchSource::SubtreeOne(some(cursor)?),
        "MAILBOXES" => SearchSource::Mailboxes(NotifyMailboxes::Mailboxes(some(cursor)?)),
        _ => return Err(Refusal::bad("Unknown kind of mailboxes")),
    })
}
