//! Access control lists (RFC 4314).

use super::{Call, Command, Request, Verb};
use crate::cursor::{Cursor, Parsed, Refusal, text_of};
use crate::mailbox::mailbox;
use types::Rights;

/// Longest identifier, in octets; no address is longer.
const MAX_IDENTIFIER_BYTES: usize = 400;

/// Whom an entry of an ACL is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier {
    /// As the client said it: "A LISTRIGHTS response caused by a LISTRIGHTS command MUST always return the same form of
    /// an identifier as specified by the client".
    pub given: String,
    /// Prepared with SASLprep, never empty.
    pub prepared: String,
}

/// What SETACL does to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AclChange {
    /// These take the place of those there are.
    Replace(Rights),
    /// `+`
    Add(Rights),
    /// `-`
    Remove(Rights),
}

/// "If the preparation of the identifier fails or results in an empty string, the server MUST refuse to perform the
/// command with a BAD response" (RFC 4314 §3).
fn identifier(cursor: &mut Cursor<'_>) -> Parsed<Identifier> {
    let given = text_of(&cursor.astring()?)?;
    if given.len() > MAX_IDENTIFIER_BYTES {
        return Err(Refusal::bad("The identifier is too long"));
    }
    let prepared = stringprep::saslprep(&given).ok().filter(|text| !text.is_empty());
    let prepared = prepared.ok_or(Refusal::bad("Not an identifier"))?.into_owned();
    Ok(Identifier { given, prepared })
}

/// `mod-rights = astring`: "an unrecognized right MUST cause the command to return the BAD response".
fn change(cursor: &mut Cursor<'_>) -> Parsed<AclChange> {
    let text = text_of(&cursor.astring()?)?;
    let (make, letters): (fn(Rights) -> AclChange, &str) = match text.chars().next() {
        Some('+') => (AclChange::Add, &text[1..]),
        Some('-') => (AclChange::Remove, &text[1..]),
        _ => (AclChange::Replace, &text),
    };
    let rights = Rights::parse(letters).map_err(|_| Refusal::bad("Not all of these are rights"))?;
    Ok(make(rights))
}

/// `"SETACL" SP mailbox SP identifier SP mod-rights`
pub(super) fn set_acl(cursor: &mut Cursor<'_>, _: Call) -> Parsed<Request> {
    cursor.space()?;
    let mailbox = mailbox(cursor)?;
    cursor.space()?;
    let identifier = identifier(cursor)?;
    cursor.space()?;
    let change = change(cursor)?;
    Ok(Request::Command(Command::SetAcl { mailbox, identifier, change }))
}

/// `"DELETEACL" SP mailbox SP identifier`, and so LISTRIGHTS
pub(super) fn with_identifier(cursor: &mut Cursor<'_>, call: Call) -> Parsed<Request> {
    cursor.space()?;
    let mailbox = mailbox(cursor)?;
    cursor.space()?;
    let identifier = identifier(cursor)?;
    Ok(Request::Command(match call.verb {
        Verb::ListRights => Command::ListRights { mailbox, identifier },
        _ => Command::DeleteAcl { mailbox, identifier },
    }))
}

/// `"GETACL" SP mailbox`, and so MYRIGHTS
pub(super) fn of_mailbox(cursor: &mut Cursor<'_>, call: Call) -> Parsed<Request> {
    cursor.space()?;
    let mailbox = mailbox(cursor)?;
    Ok(Request::Command(match call.verb {
        Verb::MyRights => Command::MyRights(mailbox),
        _ => Command::GetAcl(mailbox),
    }))
}
