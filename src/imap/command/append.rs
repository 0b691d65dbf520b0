//! APPEND and REPLACE up to each message, which streams.

use super::{Call, Request, Verb};
use crate::capability::Capability;
use crate::cursor::{Cursor, Literal, Parsed, Refusal};
use crate::date::date_time;
use crate::flags::{FlagList, Foreign, flag_list};
use crate::mailbox::mailbox;
use crate::response::Status;
use crate::set::{SequenceSet, sequence_set};
use bytes::BytesMut;
use chrono::{DateTime, FixedOffset};

/// What APPEND says before a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Where to.
    pub mailbox: String,
    /// The message's flags.
    pub flags: FlagList,
    /// Its INTERNALDATE; now when none is given.
    pub date: Option<DateTime<FixedOffset>>,
    /// Its octets; 0 when it is made of parts.
    pub size: u64,
    /// It comes as `literal8` and may hold NUL (RFC 3516).
    pub binary: bool,
    /// Its header may hold UTF-8: it comes as `UTF8 (~{...})` (RFC 6855 §4).
    pub utf8: bool,
    /// It is made of parts (RFC 4469).
    pub parts: bool,
    /// REPLACE: the message that goes when this one comes.
    pub replaces: Option<Replaced>,
}

/// The message that REPLACE removes (RFC 8508): one number, or `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// Which.
    pub number: SequenceSet,
    /// It is a UID.
    pub uid: bool,
}

/// With how the message comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppendHead {
    pub append: Append,
    pub content: Content,
}

/// How a message comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Literal(Literal),
    /// In parts; this has come of the line that holds them (RFC 4469).
    Parts(BytesMut),
}

/// `"APPEND" SP mailbox append-message`, `"REPLACE" SP seq-number SP mailbox append-message`, up to the literal's
/// announcement, after which nothing is there yet.
pub(crate) fn append_head(
    cursor: &mut Cursor<'_>,
    replaces: bool,
    uid: bool,
) -> Parsed<AppendHead> {
    cursor.space()?;
    let mut replaced = None;
    if replaces {
        replaced = Some(Replaced { number: one_number(cursor)?, uid });
        cursor.space()?;
    }
    let mailbox = mailbox(cursor)?;
    append_message(cursor, mailbox, replaced)
}

/// `append-message = [SP flag-list] [SP date-time] SP append-data`
pub(crate) fn append_message(
    cursor: &mut Cursor<'_>,
    mailbox: String,
    replaces: Option<Replaced>,
) -> Parsed<AppendHead> {
    cursor.space()?;
    // Python's IMAPClient puts two between the messages of MULTIAPPEND.
    if cursor.peek() == Some(b' ') {
        cursor.space()?;
    }
    let mut flags = FlagList::default();
    if cursor.peek() == Some(b'(') {
        flags = flag_list(cursor, Foreign::Ignore)?;
        cursor.space()?;
    }
    let mut date = None;
    if cursor.peek() == Some(b'"') {
        date = Some(date_time(cursor)?);
        cursor.space()?;
    }
    if cursor.take_word("CATENATE (") {
        cursor.need(Capability::Catenate)?;
        let (size, binary, utf8, parts) = (0, false, false, true);
        let append = Append { mailbox, flags, date, size, binary, utf8, parts, replaces };
        return Ok(AppendHead { append, content: Content::Parts(cursor.rest_of_line()) });
    }
    let utf8 = cursor.take_word("UTF8 (");
    if utf8 {
        may_be_utf8(cursor)?;
    } else if cursor.peek() == Some(b'~') {
        cursor.need(Capability::Binary)?;
    }
    let literal = cursor.announcement()?;
    cursor.end()?;
    if utf8 && !literal.binary {
        return Err(Refusal::bad("UTF8 takes a literal8"));
    }
    let (size, binary) = (literal.size, literal.binary && !utf8);
    let append = Append { mailbox, flags, date, size, binary, utf8, parts: false, replaces };
    Ok(AppendHead { append, content: Content::Literal(literal) })
}

/// Whether `UTF8 (~{...})` may be said.
pub(crate) fn may_be_utf8(cursor: &Cursor<'_>) -> Parsed<()> {
    if cursor.grammar.enabled.has(Capability::Utf8Accept) {
        Ok(())
    } else {
        Err(Refusal::bad("ENABLE UTF8=ACCEPT first"))
    }
}

/// `seq-number`: one, or `*`.
fn one_number(cursor: &mut Cursor<'_>) -> Parsed<SequenceSet> {
    match sequence_set(cursor)? {
        SequenceSet::Ranges(ranges) if matches!(ranges.as_slice(), [(a, b)] if a == b) => {
            Ok(SequenceSet::Ranges(ranges))
        }
        _ => Err(Refusal::bad("REPLACE takes one message number")),
    }
}

/// A whole APPEND line without any literal: only a message of parts can do without.
pub(super) fn without_literal(cursor: &mut Cursor<'_>, call: Call) -> Parsed<Request> {
    let missing = Refusal::bad("APPEND and REPLACE end in a literal that holds the message");
    match append_head(cursor, call.verb == Verb::Replace, call.uid) {
        Ok(head) => Ok(Request::Append(Box::new(head))),
        Err(refusal) if refusal.status == Status::Bad && refusal.code.is_none() => Err(missing),
        Err(refusal) => Err(refusal),
    }
}
