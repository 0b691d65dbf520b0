//! SELECT, EXAMINE, CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE.

use super::resync::{SelectParameters, select_parameters};
use super::{Call, Command, Request, Verb};
use crate::capability::Capability;
use crate::cursor::{Cursor, Parsed, Refusal};
use crate::mailbox::{mailbox, new_mailbox};
use crate::response::Code;

/// A special use (RFC 6154 §2, RFC 8457).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum SpecialUse {
    All,
    Archive,
    Drafts,
    Flagged,
    Important,
    Junk,
    Sent,
    Trash,
}

impl SpecialUse {
    const ALL: &[SpecialUse] = &[
        Self::All,
        Self::Archive,
        Self::Drafts,
        Self::Flagged,
        Self::Important,
        Self::Junk,
        Self::Sent,
        Self::Trash,
    ];

    /// As written on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "\\All",
            Self::Archive => "\\Archive",
            Self::Drafts => "\\Drafts",
            Self::Flagged => "\\Flagged",
            Self::Important => "\\Important",
            Self::Junk => "\\Junk",
            Self::Sent => "\\Sent",
            Self::Trash => "\\Trash",
        }
    }
}

/// `"SELECT" SP mailbox [select-params]`, and so EXAMINE
pub(super) fn select(cursor: &mut Cursor<'_>, call: Call) -> Parsed<Request> {
    cursor.space()?;
    let mailbox = mailbox(cursor)?;
    let read_only = call.verb == Verb::Examine;
    let mut parameters = SelectParameters::default();
    if cursor.take(b' ') {
        parameters = select_parameters(cursor)?;
    }
    let SelectParameters { condstore, qresync } = parameters;
    Ok(Request::Command(Command::Select { mailbox, read_only, condstore, qresync }))
}

/// `"CREATE" SP mailbox [SP "(" "USE" SP "(" [use-attr *(SP use-attr)] ")" ")"]`
pub(super) fn create(cursor: &mut Cursor<'_>, _: Call) -> Parsed<Request> {
    cursor.space()?;
    let mailbox = new_mailbox(cursor)?;
    let mut special_use = Vec::new();
    if cursor.take(b' ') {
        cursor.need(Capability::CreateSpecialUse)?;
        cursor.some_list(1, |cursor| {
            if !cursor.take_word("USE ") {
                return Err(Refusal::bad("Unknown parameter of CREATE"));
            }
            special_use = cursor.list(SpecialUse::ALL.len(), use_attribute)?;
            Ok(())
        })?;
    }
    Ok(Request::Command(Command::Create { mailbox, special_use }))
}

/// "If the server cannot create a mailbox with the designated special use ..., it MUST ... respond with a
/// tagged NO" with USEATTR (RFC 6154 §3).
fn use_attribute(cursor: &mut Cursor<'_>) -> Parsed<SpecialUse> {
    cursor.byte(b'\\')?;
    let name = cursor.atom()?;
    SpecialUse::ALL
        .iter()
        .find(|known| known.name()[1..].eq_ignore_ascii_case(name))
        .copied()
        .ok_or(Refusal::no(Code::UseAttr, "No such special use"))
}

/// One name.
pub(super) fn one_mailbox(cursor: &mut Cursor<'_>, call: Call) -> Parsed<Request> {
    cursor.space()?;
    let name = mailbox(cursor)?;
    Ok(Request::Command(match call.verb {
        Verb::Subscribe => Command::Subscribe(name),
        Verb::Unsubscribe => Command::Unsubscribe(name),
        _ => Command::Delete(name),
    }))
}

/// `"RENAME" SP mailbox SP mailbox`
pub(super) fn rename(cursor: &mut Cursor<'_>, _: Call) -> Parsed<Request> {
    cursor.space()?;
    let from = mailbox(cursor)?;
    cursor.space()?;
    let to = new_mailbox(cursor)?;
    Ok(Request::Command(Command::Rename { from, to }))
}
