//! APPEND up to its message, which streams.

use super::{Call, Request};
use crate::capability::Capability;
use crate::cursor::{Cursor, Literal, Parsed, Refusal};
use crate::date::date_time;
use crate::flags::{FlagList, Foreign, flag_list};
use crate::mailbox::mailbox;
use chrono::{DateTime, FixedOffset};

/// What APPEND says before its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Where to.
    pub mailbox: String,
    /// The message's flags.
    pub flags: FlagList,
    /// Its INTERNALDATE; now when none is given.
    pub date: Option<DateTime<FixedOffset>>,
    /// Its octets.
    pub size: u64,
    /// It comes as `literal8` and may hold NUL (RFC 3516).
    pub binary: bool,
}

/// With how the message comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppendHead {
    pub append: Append,
    pub literal: Literal,
}

/// `"APPEND" SP mailbox [SP flag-list] [SP date-time] SP literal`, up to the literal's announcement, after
/// which nothing is there yet.
pub(crate) fn append_head(cursor: &mut Cursor<'_>) -> Parsed<AppendHead> {
    cursor.space()?;
    let mailbox = mailbox(cursor)?;
    cursor.space()?;
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
    if cursor.peek() == Some(b'~') {
        cursor.need(Capability::Binary)?;
    }
    let literal = cursor.announcement()?;
    cursor.end()?;
    Ok(AppendHead {
        append: Append { mailbox, flags, date, size: literal.size, binary: literal.binary },
        literal,
    })
}

/// A whole APPEND line: its message would have made it longer.
pub(super) fn without_message(_: &mut Cursor<'_>, _: Call) -> Parsed<Request> {
    Err(Refusal::bad("APPEND ends in a literal that holds the message"))
}
