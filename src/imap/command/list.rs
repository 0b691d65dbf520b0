//! LIST with its extended forms (RFC 5258, RFC 5819, RFC 6154, RFC 8440), and LSUB.

use super::{Call, Command, Request, StatusItem};
use super::{metadata, status};
use crate::capability::Capability;
use crate::cursor::{Cursor, Parsed, Refusal};
use crate::mailbox::{MAX_PATTERN_BYTES, Pattern, decode};
use crate::response::Code;

/// Most patterns of one LIST.
const MAX_PATTERNS: usize = 64;

/// What LIST asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Selection options.
    pub select: ListSelect,
    /// The reference as given.
    pub reference: String,
    /// Reference and mailbox argument joined, one pattern per argument. Empty: nothing can match.
    pub patterns: Vec<Pattern>,
    /// Basic syntax with an empty mailbox argument: only the delimiter and the root are asked for.
    pub root_only: bool,
    /// The extended syntax was used.
    pub extended: bool,
    /// Return options.
    pub returns: ListReturn,
}

/// Selection options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListSelect {
    /// Subscribed names, whether they exist or not.
    pub subscribed: bool,
    /// Remote ones too; there are none.
    pub remote: bool,
    /// Parents of what is selected too, with CHILDINFO.
    pub recursive_match: bool,
    /// Only those with a special use.
    pub special_use: bool,
}

/// Return options.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListReturn {
    /// `\Subscribed`; implied by the selection option.
    pub subscribed: bool,
    /// `\HasChildren` and `\HasNoChildren`.
    pub children: bool,
    /// Special uses; implied by the selection option.
    pub special_use: bool,
    /// A STATUS response for each.
    pub status: Vec<StatusItem>,
    /// A MYRIGHTS response for each (RFC 8440).
    pub my_rights: bool,
    /// These annotations of each (RFC 9590).
    pub metadata: Vec<String>,
}

impl List {
    /// Whether a name matches one of the patterns.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(name))
    }
}

/// `"LSUB" SP mailbox SP list-mailbox`
pub(super) fn lsub(cursor: &mut Cursor<'_>, _: Call) -> Parsed<Request> {
    cursor.space()?;
    let reference = cursor.astring()?.into_owned();
    cursor.space()?;
    let argument = cursor.list_mailbox()?.into_owned();
    let select = ListSelect { subscribed: true, ..ListSelect::default() };
    let list = build(cursor, select, &reference, vec![argument], None)?;
    Ok(Request::Command(Command::Lsub(list)))
}

/// `"LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]`
pub(super) fn list(cursor: &mut Cursor<'_>, _: Call) -> Parsed<Request> {
    cursor.space()?;
    let mut extended = false;
    let mut select = ListSelect::default();
    if cursor.peek() == Some(b'(') {
        cursor.need(Capability::ListExtended)?;
        select = selection(cursor)?;
        extended = true;
        cursor.space()?;
    }
    let reference = cursor.astring()?.into_owned();
    cursor.space()?;
    let arguments = if cursor.peek() == Some(b'(') {
        cursor.need(Capability::ListExtended)?;
        extended = true;
        let one = |cursor: &mut Cursor<'_>| cursor.list_mailbox().map(|bytes| bytes.into_owned());
        cursor.some_list(MAX_PATTERNS, one)?
    } else {
        vec![cursor.list_mailbox()?.into_owned()]
    };
    let mut returns = None;
    if cursor.take(b' ') {
        if !cursor.take_word("RETURN ") {
            return Err(Refusal::bad("Only RETURN may follow"));
        }
        cursor.need(Capability::ListExtended)?;
        returns = Some(return_options(cursor)?);
        extended = true;
    }
    let returns = extended.then(|| returns.unwrap_or_default());
    build(cursor, select, &reference, arguments, returns)
        .map(|list| Request::Command(Command::List(list)))
}

fn build(
    cursor: &Cursor<'_>,
    select: ListSelect,
    reference: &[u8],
    arguments: Vec<Vec<u8>>,
    returns: Option<ListReturn>,
) -> Parsed<List> {
    let total: usize = arguments.iter().map(|argument| argument.len() + reference.len()).sum();
    if total > MAX_PATTERN_BYTES {
        return Err(Refusal::no(Code::Limit, "Mailbox patterns too long"));
    }
    let extended = returns.is_some();
    let root_only = !extended && arguments.iter().all(Vec::is_empty);
    // "any mailbox name arguments that are empty strings are ignored" in the extended syntax; and "Any
    // syntactically valid pattern that is not accepted by a server for any reason MUST be silently ignored".
    let patterns = arguments
        .iter()
        .filter(|argument| !argument.is_empty())
        .filter_map(|argument| decode(&[reference, argument].concat(), cursor.grammar.utf8()))
        .map(|text| Pattern::new(&text))
        .collect();
    let mut returns = returns.unwrap_or_default();
    returns.subscribed |= select.subscribed;
    returns.special_use |= select.special_use;
    let reference = decode(reference, cursor.grammar.utf8()).unwrap_or_default();
    Ok(List { select, reference, patterns, root_only, extended, returns })
}

fn selection(cursor: &mut Cursor<'_>) -> Parsed<ListSelect> {
    let mut select = ListSelect::default();
    cursor.list(16, |cursor| {
        match cursor.name()?.to_ascii_uppercase().as_str() {
            "SUBSCRIBED" => select.subscribed = true,
            "REMOTE" => select.remote = true,
            "RECURSIVEMATCH" => select.recursive_match = true,
            "SPECIAL-USE" => {
                cursor.need(Capability::SpecialUse)?;
                select.special_use = true;
            }
            // "A server MUST respond to options it does not recognize with a BAD response."
            _ => return Err(Refusal::bad("Unknown selection option")),
        }
        Ok(())
    })?;
    // "The server MUST return a BAD tagged response in such case."; SPECIAL-USE is independent, but a
    // filter all the same, so it may be recursed over (RFC 6154 §2 note).
    if select.recursive_match && !select.subscribed && !select.special_use {
        return Err(Refusal::bad("RECURSIVEMATCH needs something to match"));
    }
    Ok(select)
}

fn return_options(cursor: &mut Cursor<'_>) -> Parsed<ListReturn> {
    let mut returns = ListReturn::default();
    cursor.list(16, |cursor| {
        match cursor.name()?.to_ascii_uppercase().as_str() {
            "SUBSCRIBED" => returns.subscribed = true,
            "CHILDREN" => returns.children = true,
            "SPECIAL-USE" => {
                cursor.need(Capability::SpecialUse)?;
                returns.special_use = true;
            }
            "MYRIGHTS" => {
                cursor.need(Capability::ListMyRights)?;
                returns.my_rights = true;
            }
            "STATUS" => {
                cursor.need(Capability::ListStatus)?;
                cursor.space()?;
                returns.status = status::items(cursor)?;
            }
            "METADATA" => {
                cursor.need(Capability::ListMetadata)?;
                cursor.space()?;
                returns.metadata = metadata::listed_entries(cursor)?;
            }
            _ => return Err(Refusal::bad("Unknown return option")),
        }
        Ok(())
    })?;
    Ok(returns)
}
