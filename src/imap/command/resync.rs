//! CONDSTORE and QRESYNC (RFC 7162): parameters of SELECT, modifiers of FETCH and STORE.

use crate::capability::Capability;
use crate::cursor::{Cursor, Parsed, Refusal};
use crate::set::{NumberSet, SequenceSet, sequence_set};

/// What a client knows of a mailbox it has seen before (RFC 7162 §3.2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QResync {
    /// The UIDVALIDITY it knows; when it is another, nothing else counts.
    pub uidvalidity: u32,
    /// Everything up to here it has been told.
    pub modseq: u64,
    /// The UIDs it knows; `None`: all.
    pub known: Option<NumberSet>,
    /// Message numbers and the UIDs that belonged to them, of equal length (RFC 7162 §3.2.5.2).
    pub matches: Option<(NumberSet, NumberSet)>,
}

impl QResync {
    /// The pairs of message number and UID, ascending; as many as a client claims, so bound it by what exists.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.matches.iter().flat_map(|(numbers, uids)| numbers.iter().zip(uids.iter()))
    }
}

/// Parameters of SELECT and EXAMINE.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct SelectParameters {
    pub condstore: bool,
    pub qresync: Option<Box<QResync>>,
}

/// `"(" select-param *(SP select-param) ")"`
pub(super) fn select_parameters(cursor: &mut Cursor<'_>) -> Parsed<SelectParameters> {
    let mut parameters = SelectParameters::default();
    cursor.some_list(8, |cursor| {
        let name = cursor.name()?;
        if name.eq_ignore_ascii_case("CONDSTORE") {
            cursor.need(Capability::CondStore)?;
            parameters.condstore = true;
        } else if name.eq_ignore_ascii_case("QRESYNC") {
            cursor.need(Capability::QResync)?;
            need_qresync(cursor)?;
            cursor.space()?;
            parameters.qresync = Some(Box::new(qresync(cursor)?));
        } else {
            return Err(Refusal::bad("Unknown parameter"));
        }
        cursor.condstore = true;
        Ok(())
    })?;
    Ok(parameters)
}

/// "A server MUST respond with a tagged BAD response if the QRESYNC parameter to the SELECT/EXAMINE command or
/// the VANISHED UID FETCH modifier is specified and the client hasn't issued "ENABLE QRESYNC"" (RFC 7162 §3.2.3).
pub(super) fn need_qresync(cursor: &Cursor<'_>) -> Parsed<()> {
    if cursor.grammar.enabled.has(Capability::QResync) {
        Ok(())
    } else {
        Err(Refusal::bad("ENABLE QRESYNC first"))
    }
}

/// `"(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"`
fn qresync(cursor: &mut Cursor<'_>) -> Parsed<QResync> {
    cursor.byte(b'(')?;
    let uidvalidity = cursor.number()?;
    cursor.space()?;
    let modseq = modseq(cursor)?;
    if uidvalidity == 0 {
        return Err(Refusal::bad("0 is no UIDVALIDITY"));
    }
    let (mut known, mut matches) = (None, None);
    let mut more = cursor.take(b' ');
    if more && cursor.peek() != Some(b'(') {
        known = Some(plain_set(cursor)?);
        more = cursor.take(b' ');
    }
    if more {
        cursor.need_numbers()?;
        cursor.byte(b'(')?;
        let numbers = ascending_set(cursor)?;
        cursor.space()?;
        let uids = ascending_set(cursor)?;
        cursor.byte(b')')?;
        if numbers.len() != uids.len() {
            return Err(Refusal::bad("Not as many UIDs as message numbers"));
        }
        matches = Some((numbers, uids));
    }
    cursor.byte(b')')?;
    Ok(QResync { uidvalidity, modseq, known, matches })
}

fn ranges(cursor: &mut Cursor<'_>) -> Parsed<Vec<(u32, u32)>> {
    match sequence_set(cursor)? {
        set if set.has_star() => Err(Refusal::bad("* is not allowed here")),
        SequenceSet::Ranges(ranges) => Ok(ranges),
        SequenceSet::Saved => Err(Refusal::bad("$ is not allowed here")),
    }
}

/// A set in which `*` is not allowed.
fn plain_set(cursor: &mut Cursor<'_>) -> Parsed<NumberSet> {
    let ranges = ranges(cursor)?;
    Ok(NumberSet::from_ranges(ranges.into_iter().map(|(a, b)| (a.min(b), a.max(b)))))
}

/// "Both MUST be provided in ascending order" (RFC 7162 §3.2.5.2).
fn ascending_set(cursor: &mut Cursor<'_>) -> Parsed<NumberSet> {
    let ranges = ranges(cursor)?;
    let within = ranges.iter().all(|(first, last)| first <= last);
    let between = ranges.windows(2).all(|pair| pair[0].1 < pair[1].0);
    if within && between {
        Ok(NumberSet::from_ranges(ranges))
    } else {
        Err(Refusal::bad("A set is not in ascending order"))
    }
}

/// `mod-sequence-value`: never 0.
pub(super) fn modseq(cursor: &mut Cursor<'_>) -> Parsed<u64> {
    match cursor.number64()? {
        0 => Err(Refusal::bad("0 is no mod-sequence here")),
        modseq => Ok(modseq),
    }
}

/// `search-modsequence` behind its name: `[SP entry-name SP entry-type-req] SP mod-sequence-valzer`.
///
/// "If the server doesn't store separate mod-sequences for different metadata items, it MUST ignore
/// <entry-name> and <entry-type-req>" (RFC 7162 §3.1.5).
pub(super) fn search_modseq(cursor: &mut Cursor<'_>) -> Parsed<u64> {
    cursor.need(Capability::CondStore)?;
    if cursor.peek() == Some(b'"') {
        let entry = cursor.string()?;
        if !entry.to_ascii_lowercase().starts_with(b"/flags/") {
            return Err(Refusal::bad("Entries of MODSEQ begin with /flags/"));
        }
        cursor.space()?;
        let kind = cursor.name()?;
        if !["all", "priv", "shared"].iter().any(|known| known.eq_ignore_ascii_case(kind)) {
            return Err(Refusal::bad("An entry is priv, shared or all"));
        }
        cursor.space()?;
    }
    cursor.condstore = true;
    cursor.number64()
}
