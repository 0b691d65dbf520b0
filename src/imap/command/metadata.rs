//! METADATA (RFC 5464).

use super::{Call, Command, Request};
use crate::capability::Capability;
use crate::cursor::{Cursor, Parsed, Refusal};
use crate::mailbox::mailbox;

/// Most entries of one command.
const MAX_ENTRIES: usize = 256;
/// Longest name of an entry; protects what is indexed.
const MAX_ENTRY_BYTES: usize = 500;

/// GETMETADATA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetMetadata {
    /// Of which mailbox; empty: of the server.
    pub mailbox: String,
    /// Values longer than this are left out, and then the answer says so.
    pub max_size: Option<u64>,
    /// How far below the entries to look.
    pub depth: Depth,
    /// Names of entries, in lower case: "entry names ... are case-insensitive" (RFC 5464 §3.1).
    pub entries: Vec<String>,
}

/// How far below an entry GETMETADATA looks (RFC 5464 §4.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Only the entry.
    Zero,
    /// Its children too.
    One,
    /// All that is below it.
    Infinity,
}

/// An entry and its new value; `None` removes it.
pub type MetadataEntry = (String, Option<Vec<u8>>);

/// `"GETMETADATA" [SP getmetadata-options] SP mailbox SP entries`. The RFC's own examples have the options behind
/// the mailbox, so they may stand there too.
pub(super) fn get_metadata(cursor: &mut Cursor<'_>, _: Call) -> Parsed<Request> {
    need(cursor)?;
    let (mut max_size, mut depth) = (None, Depth::Zero);
    cursor.space()?;
    if cursor.peek() == Some(b'(') {
        options(cursor, &mut max_size, &mut depth)?;
        cursor.space()?;
    }
    let mailbox = mailbox(cursor)?;
    cursor.space()?;
    if cursor.comes("(MAXSIZE ") || cursor.comes("(DEPTH ") {
        options(cursor, &mut max_size, &mut depth)?;
        cursor.space()?;
    }
    let entries = entries(cursor)?;
    let get = GetMetadata { mailbox, max_size, depth, entries };
    Ok(Request::Command(Command::GetMetadata(get)))
}

fn need(cursor: &Cursor<'_>) -> Parsed<()> {
    cursor.need(Capability::MetadataServer).or_else(|_| cursor.need(Capability::Metadata))
}

fn options(cursor: &mut Cursor<'_>, max_size: &mut Option<u64>, depth: &mut Depth) -> Parsed<()> {
    cursor.some_list(8, |cursor| {
        let name = cursor.name()?.to_ascii_uppercase();
        cursor.space()?;
        match name.as_str() {
            "MAXSIZE" => *max_size = Some(cursor.number64()?),
            "DEPTH" => {
                *depth = match cursor.name()?.to_ascii_uppercase().as_str() {
                    "0" => Depth::Zero,
                    "1" => Depth::One,
                    "INFINITY" => Depth::Infinity,
                    _ => return Err(Refusal::bad("DEPTH is 0, 1 or infinity")),
                };
            }
            _ => return Err(Refusal::bad("Unknown option of GETMETADATA")),
        }
        Ok(())
    })?;
    Ok(())
}

/// `entry / "(" entry *(SP entry) ")"`; several without parentheses too, as in an example of RFC 5464 §4.4.1.
fn entries(cursor: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    if cursor.peek() == Some(b'(') {
        return cursor.some_list(MAX_ENTRIES, entry);
    }
    let mut entries = vec![entry(cursor)?];
    while entries.len() < MAX_ENTRIES && cursor.take(b' ') {
        entries.push(entry(cursor)?);
    }
    Ok(entries)
}

/// `"(" entry *(SP entry) ")"`, or one without parentheses: what LIST is to tell (RFC 9590 §5).
pub(super) fn listed_entries(cursor: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    match cursor.peek() {
        Some(b'(') => cursor.some_list(MAX_ENTRIES, entry),
        _ => Ok(vec![entry(cursor)?]),
    }
}

/// `"SETMETADATA" SP mailbox SP "(" entry SP value *(SP entry SP value) ")"`
pub(super) fn set_metadata(cursor: &mut Cursor<'_>, _: Call) -> Parsed<Request> {
    need(cursor)?;
    cursor.space()?;
    let mailbox = mailbox(cursor)?;
    cursor.space()?;
    let entries = cursor.some_list(MAX_ENTRIES, |cursor| {
        let entry = entry(cursor)?;
        cursor.space()?;
        let value = cursor.nstring8()?;
        Ok((entry, value.map(std::borrow::Cow::into_owned)))
    })?;
    Ok(Request::Command(Command::SetMetadata { mailbox, entries }))
}

/// An entry's name: "MUST NOT contain two consecutive "/" characters and MUST NOT end with a "/"", no `*`, no `%`,
/// no other than printable ASCII (RFC 5464 §3.2), and "All entries MUST have either "/shared" or "/private" as a
/// prefix" (§6).
fn entry(cursor: &mut Cursor<'_>) -> Parsed<String> {
    let name = cursor.text()?.to_ascii_lowercase();
    let printable = name.bytes().all(|byte| matches!(byte, 0x20..=0x7e) && !b"*%".contains(&byte));
    let parts = !name.contains("//") && !name.ends_with('/');
    let prefixed = ["/private", "/shared"].iter().any(|prefix| {
        name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    if printable && parts && prefixed && name.len() <= MAX_ENTRY_BYTES {
        Ok(name)
    } else {
        Err(Refusal::bad("Not the name of an entry: see RFC 5464 3.2"))
    }
}
