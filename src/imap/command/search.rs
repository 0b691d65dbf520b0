//! SEARCH: the program, and what is to be returned (RFC 4731, RFC 5182, RFC 5267).

use super::partial::{PartialRange, partial_range};
use super::resync::search_modseq;
use super::{Call, Command, FetchItem, Request, fetch};
use crate::capability::Capability;
use crate::cursor::{Cursor, Parsed, Refusal, text_of};
use crate::date::date;
use crate::flags::{Flag, keyword};
use crate::response::{Code, Status};
use crate::set::{NumberSet, SequenceSet, sequence_set};
use chrono::NaiveDate;
use types::Flags;

/// Deepest nesting of parentheses, NOT and OR; protects the stack.
pub(crate) const MAX_DEPTH: usize = 50;
/// Most keys of one SEARCH; protects what runs it.
pub(crate) const MAX_KEYS: usize = 1_000;
/// Most tags of one CANCELUPDATE.
const MAX_TAGS: usize = 100;

/// SEARCH.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// The answer shows UIDs.
    pub uid: bool,
    /// What to return; `None`: the SEARCH response of IMAP4rev1.
    pub returns: Option<Returns>,
    /// All of these must hold.
    pub keys: Vec<SearchKey>,
    /// MODSEQ is among the keys, so the answer tells the highest mod-sequence found (RFC 7162 §3.1.6).
    pub modseq: bool,
    /// With UPDATE: what is to be told of each new message that matches (RFC 5465 §7).
    pub shown: Vec<FetchItem>,
}

impl Search {
    /// Whether the result is to be kept true (RFC 5267 §4.3).
    #[must_use]
    pub fn updates(&self) -> bool {
        self.returns.is_some_and(|returns| returns.update)
    }

    /// Of which numbers found the highest mod-sequence is told: of all, or, where MIN or MAX alone are returned, of
    /// those two (RFC 4731 §3.2). `None`: it is not told.
    #[must_use]
    pub fn returned(&self, found: &NumberSet) -> Option<NumberSet> {
        if !self.modseq || found.is_empty() {
            return None;
        }
        Some(match &self.returns {
            Some(returns) if returns.is_bare() => return None,
            Some(returns) => returns.saved(found),
            None => found.clone(),
        })
    }
}

/// Result options. [`Returns::default`] is none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Returns {
    /// The smallest.
    pub min: bool,
    /// The largest.
    pub max: bool,
    /// All.
    pub all: bool,
    /// How many.
    pub count: bool,
    /// Remember as `$`.
    pub save: bool,
    /// Only these of all (RFC 9394).
    pub partial: Option<PartialRange>,
    /// How well each matches (RFC 6203).
    pub relevancy: bool,
    /// How the result changes is told from now on (RFC 5267 §4.3).
    pub update: bool,
    /// It will be asked for again: a hint (RFC 5267 §4.2).
    pub context: bool,
}

impl Returns {
    /// Whether nothing but SAVE was asked for: then there is no ESEARCH response.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.is_bare() && !self.update && !self.context
    }

    /// Whether no part of the result was asked for.
    fn is_bare(&self) -> bool {
        let told = self.min || self.max || self.all || self.count || self.relevancy;
        !told && self.partial.is_none()
    }

    /// What SAVE keeps of the numbers found: with MIN, MAX or PARTIAL and neither ALL nor COUNT only those (RFC 5182
    /// §2.4, RFC 9394 §3.2).
    #[must_use]
    pub fn saved(&self, found: &NumberSet) -> NumberSet {
        if self.all || self.count || !(self.min || self.max || self.partial.is_some()) {
            return found.clone();
        }
        let one = |number: u32| (number, number);
        let min = found.first().filter(|_| self.min).map(one);
        let max = found.last().filter(|_| self.max).map(one);
        let part = self.partial.map(|partial| partial.clip(found)).unwrap_or_default();
        NumberSet::from_ranges(part.ranges().iter().copied().chain(min).chain(max))
    }
}

/// Which date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateKind {
    /// INTERNALDATE
    Internal,
    /// The Date field
    Sent,
    /// SAVEDATE (RFC 8514)
    Saved,
}

/// How dates compare; time and zone do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateOp {
    /// Earlier.
    Before,
    /// The same day.
    On,
    /// The same day or later.
    Since,
}

/// One key. Texts match as substrings without regard to case.
#[derive(Debug, Clone, PartialEq)]
pub enum SearchKey {
    /// Everything.
    All,
    /// A flag or keyword is set (or not).
    Flag {
        /// Which.
        flag: Flag,
        /// Whether it has to be set.
        set: bool,
    },
    /// `RECENT` (or `OLD` when not).
    Recent(bool),
    /// These sequence numbers.
    Sequence(SequenceSet),
    /// These UIDs.
    Uid(SequenceSet),
    /// A header field holds this text; the empty text: the field is there. FROM, TO, CC, BCC and SUBJECT
    /// come as this too, as they mean the same.
    Header {
        /// The field's name.
        name: String,
        /// The text.
        value: String,
    },
    /// The body holds this.
    Body(String),
    /// Header or body hold this.
    Text(String),
    /// A date.
    Date {
        /// Which one.
        kind: DateKind,
        /// How it compares.
        op: DateOp,
        /// With what.
        date: NaiveDate,
    },
    /// More octets than this.
    Larger(u64),
    /// Fewer octets than this.
    Smaller(u64),
    /// INTERNALDATE at least so many seconds ago (RFC 5032).
    Older(u32),
    /// INTERNALDATE at most so many seconds ago (RFC 5032).
    Younger(u32),
    /// Changed at this mod-sequence or later (RFC 7162).
    ModSeq(u64),
    /// EMAILID, as the client wrote it (RFC 8474).
    EmailId(String),
    /// THREADID, as the client wrote it (RFC 8474).
    ThreadId(String),
    /// Whether the mailbox keeps SAVEDATE (RFC 8514).
    SaveDateSupported,
    /// What the filter of this name says (RFC 5466); a driver puts its keys in this place.
    Filter(String),
    /// About this (RFC 6203).
    Fuzzy(Box<SearchKey>),
    /// Not this.
    Not(Box<SearchKey>),
    /// One of these.
    Or(Box<SearchKey>, Box<SearchKey>),
    /// All of these.
    And(Vec<SearchKey>),
}

/// `"SEARCH" [search-return-opts] SP search-program`
pub(super) fn search(cursor: &mut Cursor<'_>, call: Call) -> Parsed<Request> {
    cursor.space()?;
    let mut returns = options(cursor)?;
    if returns.is_none() && cursor.grammar.rev2() {
        // RFC 9051 §6.4.4: without RETURN it is as RETURN (ALL).
        returns = Some(Returns { all: true, ..Returns::default() });
    }
    let search = with_charset(cursor, call.uid, returns)?;
    Ok(Request::Command(Command::Search(search)))
}

/// `["RETURN" SP "(" ... ")" SP]`
pub(super) fn options(cursor: &mut Cursor<'_>) -> Parsed<Option<Returns>> {
    if !cursor.take_word("RETURN ") {
        return Ok(None);
    }
    cursor.need_either(Capability::ESearch, Capability::ContextSearch)?;
    let returns = return_options(cursor, Capability::ContextSearch)?;
    cursor.space()?;
    Ok(Some(returns))
}

/// `["CHARSET" SP charset SP] search-key *(SP search-key)`
pub(super) fn with_charset(
    cursor: &mut Cursor<'_>,
    uid: bool,
    returns: Option<Returns>,
) -> Parsed<Search> {
    if cursor.take_word("CHARSET ") {
        let known = charset(cursor);
        cursor.space()?;
        if let Err(refusal) = known {
            // FILTER with another charset than UTF-8 "MUST result in the tagged BAD response", which "MUST contain the
            // BADCHARSET response code" (RFC 5466 §3.1).
            return match program(cursor, uid, returns) {
                Ok(_) if cursor.filters => Err(Refusal { status: Status::Bad, ..refusal }),
                _ => Err(refusal),
            };
        }
    }
    program(cursor, uid, returns)
}

/// `search-key *(SP search-key)`, the end of SEARCH, SORT and THREAD.
pub(super) fn program(
    cursor: &mut Cursor<'_>,
    uid: bool,
    returns: Option<Returns>,
) -> Parsed<Search> {
    let mut left = MAX_KEYS;
    let keys = keys(cursor, MAX_DEPTH, &mut left)?;
    if returns.is_some_and(|returns| returns.relevancy) && !cursor.fuzzy {
        return Err(NOT_FUZZY);
    }
    let shown = std::mem::take(&mut cursor.shown);
    Ok(Search { uid, returns, keys, modseq: cursor.condstore, shown })
}

/// "The RELEVANCY return option MUST NOT be used unless a FUZZY search key is also given" (RFC 6203 §4), and so the
/// criterion of SORT (§6).
pub(super) const NOT_FUZZY: Refusal = Refusal::bad("RELEVANCY goes with FUZZY");

/// `"(" [search-return-opt *(SP search-return-opt)] ")"`; `contexts` brings those of RFC 5267 here.
pub(super) fn return_options(cursor: &mut Cursor<'_>, contexts: Capability) -> Parsed<Returns> {
    let mut returns = Returns::default();
    let options = cursor.list(16, |cursor| {
        match cursor.name()?.to_ascii_uppercase().as_str() {
            "MIN" => returns.min = true,
            "MAX" => returns.max = true,
            "ALL" => returns.all = true,
            "COUNT" => returns.count = true,
            "SAVE" => {
                cursor.need(Capability::SearchRes)?;
                returns.save = true;
                cursor.saves = true;
            }
            "PARTIAL" => {
                cursor.need_either(Capability::Partial, contexts)?;
                cursor.space()?;
                if returns.partial.replace(partial_range(cursor)?).is_some() {
                    return Err(ONE_PART);
                }
            }
            "RELEVANCY" => {
                cursor.need(Capability::SearchFuzzy)?;
                returns.relevancy = true;
            }
            "CONTEXT" => {
                cursor.need(contexts)?;
                returns.context = true;
            }
            "UPDATE" => {
                cursor.need(contexts)?;
                returns.update = true;
                shown(cursor)?;
            }
            _ => return Err(Refusal::bad("Unknown result option")),
        }
        Ok(())
    })?;
    // "an empty set of options is the same as ALL"
    returns.all |= options.is_empty();
    if returns.all && returns.partial.is_some() {
        return Err(ONE_PART);
    }
    Ok(returns)
}

/// `[SP "(" fetch-att *(SP fetch-att) ")"]` behind UPDATE (RFC 5465 §8).
fn shown(cursor: &mut Cursor<'_>) -> Parsed<()> {
    if cursor.comes(" (") {
        cursor.need(Capability::Notify)?;
        cursor.space()?;
        cursor.shown = fetch::items(cursor)?;
    }
    Ok(())
}

/// `"CANCELUPDATE" 1*(SP quoted)` (RFC 5267 §4.3.5)
pub(super) fn cancel_update(cursor: &mut Cursor<'_>, _: Call) -> Parsed<Request> {
    cursor.need_either(Capability::ContextSearch, Capability::ContextSort)?;
    let mut tags = Vec::new();
    while tags.is_empty() || !cursor.at_end() {
        if tags.len() >= MAX_TAGS {
            return Err(Refusal::bad("Too many tags").with(Code::Limit));
        }
        cursor.space()?;
        tags.push(text_of(&cursor.quoted()?)?);
    }
    Ok(Request::Command(Command::CancelUpdate(tags)))
}

/// "A single command MUST NOT contain more than one PARTIAL or ALL search return option" (RFC 9394 §3.1).
const ONE_PART: Refusal = Refusal::bad("Only one PARTIAL or ALL");

/// Everything is compared as UTF-8, which holds US-ASCII.
fn charset(cursor: &mut Cursor<'_>) -> Parsed<()> {
    if cursor.grammar.enabled.has(Capability::Utf8Accept) {
        // "Once an IMAP client has enabled UTF-8 support ..., it MUST NOT issue a "SEARCH" command that contains a
        // charset specification. If an IMAP server receives such a "SEARCH" command ..., it SHOULD reject the
        // command with a "BAD" response" (RFC 6855 §3).
        return Err(Refusal::bad("No CHARSET once UTF8=ACCEPT is enabled"));
    }
    charset_name(cursor)
}

/// The charset of the texts that follow.
pub(super) fn charset_name(cursor: &mut Cursor<'_>) -> Parsed<()> {
    let name = cursor.astring()?;
    let known = [b"UTF-8".as_slice(), b"US-ASCII"];
    if known.iter().any(|known| name.eq_ignore_ascii_case(known)) {
        Ok(())
    } else {
        Err(Refusal::no(Code::BadCharset, "Charset not supported"))
    }
}

/// `search-key *(SP search-key)`
fn keys(cursor: &mut Cursor<'_>, depth: usize, left: &mut usize) -> Parsed<Vec<SearchKey>> {
    let mut keys = vec![key(cursor, depth, left)?];
    while cursor.take(b' ') {
        keys.push(key(cursor, depth, left)?);
    }
    Ok(keys)
}

fn key(cursor: &mut Cursor<'_>, depth: usize, left: &mut usize) -> Parsed<SearchKey> {
    let deeper =
        depth.checked_sub(1).ok_or(Refusal::bad("Search nested too deep").with(Code::Limit))?;
    *left = left.checked_sub(1).ok_or(Refusal::bad("Too many search keys").with(Code::Limit))?;
    match cursor.peek() {
        Some(b'(') => {
            cursor.byte(b'(')?;
            let keys = keys(cursor, deeper, left)?;
            cursor.byte(b')')?;
            return Ok(SearchKey::And(keys));
        }
        Some(b'0'..=b'9' | b'*' | b'$') => {
            if cursor.peek() != Some(b'$') {
                cursor.need_numbers()?;
                cursor.numbers = true;
            }
            return sequence_set(cursor).map(SearchKey::Sequence);
        }
        _ => {}
    }
    let name =
        cursor.name().map_err(|_| Refusal::bad("A search key is missing"))?.to_ascii_uppercase();
    match name.as_str() {
        "NOT" => {
            cursor.space()?;
            Ok(SearchKey::Not(Box::new(key(cursor, deeper, left)?)))
        }
        "OR" => {
            cursor.space()?;
            let one = key(cursor, deeper, left)?;
            cursor.space()?;
            Ok(SearchKey::Or(Box::new(one), Box::new(key(cursor, deeper, left)?)))
        }
        "FUZZY" => {
            cursor.need(Capability::SearchFuzzy)?;
            cursor.fuzzy = true;
            cursor.space()?;
            Ok(SearchKey::Fuzzy(Box::new(key(cursor, deeper, left)?)))
        }
        "FILTER" => {
            cursor.need(Capability::Filters)?;
            cursor.space()?;
            filter(cursor)
        }
        "SAVEDATESUPPORTED" => {
            cursor.need(Capability::SaveDate)?;
            Ok(SearchKey::SaveDateSupported)
        }
        name => match plain(name) {
            Some(key) => Ok(key),
            None => with_argument(cursor, name),
        },
    }
}

/// `filter-name`: an atom without `/` (RFC 5466 §4). What it says is not known here: it may hold message numbers.
fn filter(cursor: &mut Cursor<'_>) -> Parsed<SearchKey> {
    let name = cursor.atom()?;
    cursor.numbers = true;
    cursor.filters = true;
    if name.contains('/') {
        return Err(Refusal::bad("Not the name of a filter"));
    }
    Ok(SearchKey::Filter(name.to_owned()))
}

/// `search-criteria`: what a filter says (RFC 5466 §3.2), and nothing behind it.
pub(crate) fn criteria(cursor: &mut Cursor<'_>) -> Parsed<Search> {
    let search = program(cursor, false, None)?;
    cursor.end()?;
    Ok(search)
}

/// Keys without arguments.
fn plain(name: &str) -> Option<SearchKey> {
    let flag = |flag, set| SearchKey::Flag { flag: Flag::Known(flag), set };
    Some(match name {
        "ALL" => SearchKey::All,
        "ANSWERED" => flag(Flags::ANSWERED, true),
        "DELETED" => flag(Flags::DELETED, true),
        "DRAFT" => flag(Flags::DRAFT, true),
        "FLAGGED" => flag(Flags::FLAGGED, true),
        "SEEN" => flag(Flags::SEEN, true),
        "UNANSWERED" => flag(Flags::ANSWERED, false),
        "UNDELETED" => flag(Flags::DELETED, false),
        "UNDRAFT" => flag(Flags::DRAFT, false),
        "UNFLAGGED" => flag(Flags::FLAGGED, false),
        "UNSEEN" => flag(Flags::SEEN, false),
        "RECENT" => SearchKey::Recent(true),
        "OLD" => SearchKey::Recent(false),
        "NEW" => SearchKey::And(vec![SearchKey::Recent(true), flag(Flags::SEEN, false)]),
        _ => return None,
    })
}

/// A UID, and those on one side of it (RFC 9738 §3.2).
fn uids_beside(
    cursor: &mut Cursor<'_>,
    range: impl FnOnce(u32) -> Option<(u32, u32)>,
) -> Parsed<SearchKey> {
    cursor.need(Capability::MessageLimit)?;
    let uid = cursor.number()?;
    if uid == 0 {
        return Err(Refusal::bad("0 is no UID"));
    }
    let uids = range(uid).map(|range| SearchKey::Uid(SequenceSet::Ranges(vec![range])));
    Ok(uids.unwrap_or_else(|| SearchKey::Not(Box::new(SearchKey::All))))
}

fn with_argument(cursor: &mut Cursor<'_>, name: &str) -> Parsed<SearchKey> {
    const UNKNOWN: Refusal = Refusal::bad("Unknown search key");
    let kind = match name {
        name if name.starts_with("SENT") => DateKind::Sent,
        name if name.starts_with("SAVED") => DateKind::Saved,
        _ => DateKind::Internal,
    };
    let known = matches!(
        name,
        "BCC"
            | "CC"
            | "FROM"
            | "SUBJECT"
            | "TO"
            | "HEADER"
            | "BODY"
            | "TEXT"
            | "KEYWORD"
            | "UNKEYWORD"
            | "BEFORE"
            | "ON"
            | "SINCE"
            | "SENTBEFORE"
            | "SENTON"
            | "SENTSINCE"
            | "LARGER"
            | "SMALLER"
            | "UID"
            | "UIDAFTER"
            | "UIDBEFORE"
            | "OLDER"
            | "YOUNGER"
            | "MODSEQ"
            | "EMAILID"
            | "THREADID"
            | "SAVEDBEFORE"
            | "SAVEDON"
            | "SAVEDSINCE"
    );
    if !known {
        return Err(UNKNOWN);
    }
    if kind == DateKind::Saved {
        cursor.need(Capability::SaveDate)?;
    }
    cursor.space()?;
    let on = |op, date| SearchKey::Date { kind, op, date };
    Ok(match name {
        "BCC" | "CC" | "FROM" | "SUBJECT" | "TO" => {
            SearchKey::Header { name: name.to_owned(), value: cursor.text()? }
        }
        "HEADER" => {
            let name = cursor.text()?;
            cursor.space()?;
            SearchKey::Header { name, value: cursor.text()? }
        }
        "BODY" => SearchKey::Body(cursor.text()?),
        "TEXT" => SearchKey::Text(cursor.text()?),
        "KEYWORD" => SearchKey::Flag { flag: keyword(cursor)?, set: true },
        "UNKEYWORD" => SearchKey::Flag { flag: keyword(cursor)?, set: false },
        "BEFORE" | "SENTBEFORE" | "SAVEDBEFORE" => on(DateOp::Before, date(cursor)?),
        "ON" | "SENTON" | "SAVEDON" => on(DateOp::On, date(cursor)?),
        "SINCE" | "SENTSINCE" | "SAVEDSINCE" => on(DateOp::Since, date(cursor)?),
        "LARGER" => SearchKey::Larger(cursor.number64()?),
        "SMALLER" => SearchKey::Smaller(cursor.number64()?),
        "UID" => SearchKey::Uid(sequence_set(cursor)?),
        "UIDAFTER" => uids_beside(cursor, |uid| (uid.checked_add(1)?, u32::MAX).into())?,
        "UIDBEFORE" => uids_beside(cursor, |uid| (uid > 1).then_some((1, uid - 1)))?,
        "OLDER" => SearchKey::Older(interval(cursor)?),
        "YOUNGER" => SearchKey::Younger(interval(cursor)?),
        "MODSEQ" => SearchKey::ModSeq(search_modseq(cursor)?),
        "EMAILID" => SearchKey::EmailId(object_id(cursor)?),
        "THREADID" => SearchKey::ThreadId(object_id(cursor)?),
        _ => return Err(UNKNOWN),
    })
}

/// `objectid`: letters, digits, `_` and `-`, at most 255 (RFC 8474 §7). One that is no id of ours finds nothing.
fn object_id(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.need(Capability::ObjectId)?;
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let id = cursor.text()?;
    if id.is_empty() || id.len() > 255 || !id.bytes().all(legal) {
        return Err(Refusal::bad("Not an object id"));
    }
    Ok(id)
}

/// `nz-number` of seconds (RFC 5032 §5).
fn interval(cursor: &mut Cursor<'_>) -> Parsed<u32> {
    cursor.need(Capability::Within)?;
    match cursor.number()? {
        0 => Err(Refusal::bad("An interval is not 0")),
        seconds => Ok(seconds),
    }
}
