//! STORE, COPY, MOVE, EXPUNGE.

use super::{Call, Command, Request, Transfer, Verb};
use crate::capability::Capability;
use crate::cursor::{Cursor, Parsed, Refusal};
use crate::flags::{FlagList, Foreign, bare_flags, flag_list};
use crate::mailbox::mailbox;
use crate::set::{SequenceSet, sequence_set};

/// What STORE does with the flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreAction {
    /// `FLAGS`
    Replace,
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
}

/// STORE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Which messages.
    pub set: SequenceSet,
    /// The set holds UIDs; the answer shows them.
    pub uid: bool,
    /// What to do.
    pub action: StoreAction,
    /// The client does not want to hear of its own change.
    pub silent: bool,
    /// The flags.
    pub flags: FlagList,
    /// Messages that changed after this are left alone (RFC 7162 §3.1.3).
    pub unchanged_since: Option<u64>,
}

/// `"STORE" SP sequence-set [store-modifiers] SP store-att-flags`
pub(super) fn store(cursor: &mut Cursor<'_>, call: Call) -> Parsed<Request> {
    cursor.space()?;
    let set = sequence_set(cursor)?;
    cursor.space()?;
    let mut unchanged_since = None;
    if cursor.peek() == Some(b'(') {
        unchanged_since = modifiers(cursor)?;
        cursor.space()?;
    }
    let action = if cursor.take(b'+') {
        StoreAction::Add
    } else if cursor.take(b'-') {
        StoreAction::Remove
    } else {
        StoreAction::Replace
    };
    let name = cursor.name()?;
    let silent = name.eq_ignore_ascii_case("FLAGS.SILENT");
    if !silent && !name.eq_ignore_ascii_case("FLAGS") {
        return Err(Refusal::bad("STORE changes FLAGS only"));
    }
    cursor.space()?;
    let flags = if cursor.peek() == Some(b'(') {
        flag_list(cursor, Foreign::Refuse)?
    } else {
        bare_flags(cursor, Foreign::Refuse)?
    };
    let store = Store { set, uid: call.uid, action, silent, flags, unchanged_since };
    Ok(Request::Command(Command::Store(store)))
}

/// `"(" store-modifier *(SP store-modifier) ")"` (RFC 4466 §2.5)
fn modifiers(cursor: &mut Cursor<'_>) -> Parsed<Option<u64>> {
    let mut unchanged_since = None;
    cursor.some_list(1, |cursor| {
        if !cursor.take_word("UNCHANGEDSINCE ") {
            return Err(Refusal::bad("Unknown modifier of STORE"));
        }
        cursor.need(Capability::CondStore)?;
        cursor.condstore = true;
        unchanged_since = Some(cursor.number64()?);
        Ok(())
    })?;
    Ok(unchanged_since)
}

/// `"COPY" SP sequence-set SP mailbox`, and so MOVE.
pub(super) fn transfer(cursor: &mut Cursor<'_>, call: Call) -> Parsed<Request> {
    cursor.space()?;
    let set = sequence_set(cursor)?;
    cursor.space()?;
    let transfer = Transfer { set, uid: call.uid, mailbox: mailbox(cursor)? };
    Ok(Request::Command(match call.verb {
        Verb::Move => Command::Move(transfer),
        _ => Command::Copy(transfer),
    }))
}

/// `"EXPUNGE"`, `"UID" SP "EXPUNGE" SP sequence-set`
pub(super) fn expunge(cursor: &mut Cursor<'_>, call: Call) -> Parsed<Request> {
    let mut uids = None;
    if call.uid {
        cursor.need(Capability::UidPlus)?;
        cursor.space()?;
        uids = Some(sequence_set(cursor)?);
    }
    Ok(Request::Command(Command::Expunge { uids }))
}
