//! FETCH.

use super::partial::{PartialRange, partial_range};
use super::resync::{modseq, need_qresync};
use super::{Call, Command, Request};
use crate::capability::Capability;
use crate::cursor::{Cursor, Parsed, Refusal};
use crate::set::{SequenceSet, sequence_set};
use std::ops::Range;

/// Most items of one FETCH.
const MAX_ITEMS: usize = 256;
/// Most names of one HEADER.FIELDS.
const MAX_FIELDS: usize = 256;
/// Most numbers of a part: more levels than a message is looked into.
const MAX_PART: usize = 64;

/// FETCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Which messages.
    pub set: SequenceSet,
    /// The set holds UIDs. Then [`FetchItem::Uid`] is among the items, unless UIDONLY is enabled.
    pub uid: bool,
    /// What to fetch, macros resolved, each once.
    pub items: Vec<FetchItem>,
    /// Only messages that changed after this. Then [`FetchItem::ModSeq`] is among the items (RFC 7162 §3.1.4).
    pub changed_since: Option<u64>,
    /// Expunged messages of the set are told too (RFC 7162 §3.2.6); then `changed_since` is given.
    pub vanished: bool,
    /// Only these of the set's messages (RFC 9394 §3.3).
    pub partial: Option<PartialRange>,
}

/// One item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchItem {
    /// `UID`
    Uid,
    /// `FLAGS`
    Flags,
    /// `INTERNALDATE`
    InternalDate,
    /// `RFC822.SIZE`
    Size,
    /// `ENVELOPE`
    Envelope,
    /// `BODY` without a section
    Body,
    /// `BODYSTRUCTURE`
    BodyStructure,
    /// `BODY[...]`, `BODY.PEEK[...]`
    Section(BodySection),
    /// `RFC822`
    Rfc822,
    /// `RFC822.HEADER`
    Rfc822Header,
    /// `RFC822.TEXT`
    Rfc822Text,
    /// `BINARY[...]`, `BINARY.PEEK[...]`: decoded
    Binary(BodySection),
    /// `BINARY.SIZE[...]`
    BinarySize(Vec<u32>),
    /// `MODSEQ` (RFC 7162)
    ModSeq,
    /// `EMAILID` (RFC 8474)
    EmailId,
    /// `THREADID` (RFC 8474)
    ThreadId,
    /// `PREVIEW`, `PREVIEW (LAZY)` (RFC 8970)
    Preview {
        /// Only if it costs nothing.
        lazy: bool,
    },
    /// `SAVEDATE` (RFC 8514)
    SaveDate,
}

/// `[section]<partial>`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodySection {
    /// Does not set \Seen.
    pub peek: bool,
    /// The part's number; empty: the message.
    pub part: Vec<u32>,
    /// What of it.
    pub text: SectionText,
    /// Only these octets.
    pub partial: Option<Partial>,
}

/// What of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SectionText {
    /// All of the message, or the part's body.
    Whole,
    /// `HEADER`
    Header,
    /// `HEADER.FIELDS`, `HEADER.FIELDS.NOT`
    HeaderFields {
        /// The names as written.
        names: Vec<String>,
        /// All but these.
        not: bool,
    },
    /// `TEXT`
    Text,
    /// `MIME`
    Mime,
}

/// `<offset.count>`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partial {
    /// From here on.
    pub offset: u64,
    /// At most so many; never 0.
    pub count: u64,
}

impl Partial {
    /// What it leaves of `size` octets. "If the starting octet is beyond the end of the text, an empty
    /// string is returned."
    #[must_use]
    pub fn clip(&self, size: u64) -> Range<u64> {
        let start = self.offset.min(size);
        start..start.saturating_add(self.count).min(size)
    }
}

impl SectionText {
    /// Which octets of a message it is, or is cut from.
    #[must_use]
    pub fn section(&self) -> message::Section {
        match self {
            Self::Whole => message::Section::Whole,
            Self::Header | Self::HeaderFields { .. } => message::Section::Header,
            Self::Text => message::Section::Text,
            Self::Mime => message::Section::Mime,
        }
    }
}

impl FetchItem {
    /// Whether it sets \Seen where that can be set.
    #[must_use]
    pub fn sets_seen(&self) -> bool {
        match self {
            Self::Section(section) | Self::Binary(section) => !section.peek,
            Self::Rfc822 | Self::Rfc822Text => true,
            _ => false,
        }
    }
}

/// `"FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")")`
pub(super) fn fetch(cursor: &mut Cursor<'_>, call: Call) -> Parsed<Request> {
    cursor.space()?;
    let set = sequence_set(cursor)?;
    cursor.space()?;
    // Once UIDONLY is enabled a response begins with the UID.
    let shown = call.uid && !cursor.grammar.uid_only();
    let mut items = if shown { vec![FetchItem::Uid] } else { Vec::new() };
    let mut add = |item: FetchItem| {
        if !items.contains(&item) {
            items.push(item);
        }
    };
    if cursor.peek() == Some(b'(') {
        cursor.some_list(MAX_ITEMS, item)?.into_iter().for_each(add);
    } else if let Some(items) = take_macro(cursor) {
        items.iter().cloned().for_each(add);
    } else {
        add(item(cursor)?);
    }
    let (changed_since, vanished, partial) = (None, false, None);
    let mut fetch = Fetch { set, uid: call.uid, items, changed_since, vanished, partial };
    if cursor.take(b' ') {
        modifiers(cursor, &mut fetch)?;
    }
    Ok(Request::Command(Command::Fetch(fetch)))
}

/// `"(" fetch-modifier *(SP fetch-modifier) ")"` (RFC 4466 §2.4)
fn modifiers(cursor: &mut Cursor<'_>, fetch: &mut Fetch) -> Parsed<()> {
    cursor.some_list(8, |cursor| {
        match cursor.name()?.to_ascii_uppercase().as_str() {
            "CHANGEDSINCE" => {
                cursor.need(Capability::CondStore)?;
                cursor.condstore = true;
                cursor.space()?;
                fetch.changed_since = Some(modseq(cursor)?);
            }
            "VANISHED" => {
                cursor.need(Capability::QResync)?;
                need_qresync(cursor)?;
                fetch.vanished = true;
            }
            "PARTIAL" if fetch.uid => {
                cursor.need(Capability::Partial)?;
                cursor.space()?;
                fetch.partial = Some(partial_range(cursor)?);
            }
            _ => return Err(Refusal::bad("Unknown modifier of FETCH")),
        }
        Ok(())
    })?;
    if fetch.vanished && !(fetch.uid && fetch.changed_since.is_some()) {
        return Err(Refusal::bad("VANISHED goes with UID FETCH and CHANGEDSINCE only"));
    }
    // "it implicitly adds the MODSEQ FETCH message data item" (RFC 7162 §3.1.4.1).
    if fetch.changed_since.is_some() && !fetch.items.contains(&FetchItem::ModSeq) {
        fetch.items.push(FetchItem::ModSeq);
    }
    Ok(())
}

const FULL: &[FetchItem] = &[
    FetchItem::Flags,
    FetchItem::InternalDate,
    FetchItem::Size,
    FetchItem::Envelope,
    FetchItem::Body,
];

/// `"(" fetch-att *(SP fetch-att) ")"`, each once.
pub(super) fn items(cursor: &mut Cursor<'_>) -> Parsed<Vec<FetchItem>> {
    let mut items = Vec::new();
    for item in cursor.some_list(MAX_ITEMS, item)? {
        if !items.contains(&item) {
            items.push(item);
        }
    }
    Ok(items)
}

fn take_macro(cursor: &mut Cursor<'_>) -> Option<&'static [FetchItem]> {
    [("FAST", 3), ("ALL", 4), ("FULL", 5)]
        .into_iter()
        .find(|(name, _)| cursor.take_word(name))
        .map(|(_, count)| &FULL[..count])
}

/// Items without arguments.
const PLAIN: &[(&str, FetchItem)] = &[
    ("UID", FetchItem::Uid),
    ("FLAGS", FetchItem::Flags),
    ("INTERNALDATE", FetchItem::InternalDate),
    ("RFC822.SIZE", FetchItem::Size),
    ("ENVELOPE", FetchItem::Envelope),
    ("BODYSTRUCTURE", FetchItem::BodyStructure),
    ("RFC822", FetchItem::Rfc822),
    ("RFC822.HEADER", FetchItem::Rfc822Header),
    ("RFC822.TEXT", FetchItem::Rfc822Text),
];

/// Items of extensions, without arguments.
const EXTENDED: &[(&str, FetchItem, Capability)] = &[
    ("MODSEQ", FetchItem::ModSeq, Capability::CondStore),
    ("EMAILID", FetchItem::EmailId, Capability::ObjectId),
    ("THREADID", FetchItem::ThreadId, Capability::ObjectId),
    ("PREVIEW", FetchItem::Preview { lazy: false }, Capability::Preview),
    ("SAVEDATE", FetchItem::SaveDate, Capability::SaveDate),
];

fn item(cursor: &mut Cursor<'_>) -> Parsed<FetchItem> {
    let name = cursor.name()?;
    if let Some((_, item)) = PLAIN.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        return Ok(item.clone());
    }
    if let Some((_, item, capability)) =
        EXTENDED.iter().find(|(known, _, _)| known.eq_ignore_ascii_case(name))
    {
        cursor.need(*capability)?;
        return Ok(extended(cursor, item));
    }
    let section = cursor.peek() == Some(b'[');
    match name.to_ascii_uppercase().as_str() {
        "BODY" if !section => Ok(FetchItem::Body),
        "BODY" => body_section(cursor, false).map(FetchItem::Section),
        "BODY.PEEK" => body_section(cursor, true).map(FetchItem::Section),
        "BINARY" => binary(cursor, false).map(FetchItem::Binary),
        "BINARY.PEEK" => binary(cursor, true).map(FetchItem::Binary),
        "BINARY.SIZE" => {
            let section = binary(cursor, true)?;
            if section.partial.is_some() {
                return Err(Refusal::bad("BINARY.SIZE takes no partial"));
            }
            Ok(FetchItem::BinarySize(section.part))
        }
        _ => Err(Refusal::bad("Unknown FETCH item")),
    }
}

fn extended(cursor: &mut Cursor<'_>, item: &FetchItem) -> FetchItem {
    match item {
        // What else follows in parentheses are modifiers of FETCH.
        FetchItem::Preview { .. } => FetchItem::Preview { lazy: cursor.take_word(" (LAZY)") },
        FetchItem::ModSeq => {
            cursor.condstore = true;
            FetchItem::ModSeq
        }
        other => other.clone(),
    }
}

fn binary(cursor: &mut Cursor<'_>, peek: bool) -> Parsed<BodySection> {
    if !cursor.grammar.capabilities.has(Capability::Imap4Rev2) {
        cursor.need(Capability::Binary)?;
    }
    let section = body_section(cursor, peek)?;
    if section.text != SectionText::Whole {
        return Err(Refusal::bad("BINARY takes a part number only"));
    }
    Ok(section)
}

/// `section [partial]`
fn body_section(cursor: &mut Cursor<'_>, peek: bool) -> Parsed<BodySection> {
    cursor.byte(b'[')?;
    let (part, text) = section_spec(cursor)?;
    cursor.byte(b']')?;
    let partial = if cursor.take(b'<') { Some(partial(cursor)?) } else { None };
    Ok(BodySection { peek, part, text, partial })
}

/// `section-spec`, or nothing.
pub(crate) fn section_spec(cursor: &mut Cursor<'_>) -> Parsed<(Vec<u32>, SectionText)> {
    let mut part = Vec::new();
    if cursor.peek() == Some(b']') {
        return Ok((part, SectionText::Whole));
    }
    while cursor.peek().is_some_and(|byte| byte.is_ascii_digit()) {
        let number = cursor.number()?;
        if number == 0 || part.len() >= MAX_PART {
            return Err(Refusal::bad("No such part number"));
        }
        part.push(number);
        if !cursor.take(b'.') {
            return Ok((part, SectionText::Whole));
        }
    }
    let text = match cursor.name()?.to_ascii_uppercase().as_str() {
        "HEADER" => SectionText::Header,
        "TEXT" => SectionText::Text,
        "MIME" if !part.is_empty() => SectionText::Mime,
        "HEADER.FIELDS" => header_fields(cursor, false)?,
        "HEADER.FIELDS.NOT" => header_fields(cursor, true)?,
        _ => return Err(Refusal::bad("Unknown section")),
    };
    Ok((part, text))
}

fn header_fields(cursor: &mut Cursor<'_>, not: bool) -> Parsed<SectionText> {
    cursor.space()?;
    let names = cursor.some_list(MAX_FIELDS, Cursor::text)?;
    Ok(SectionText::HeaderFields { names, not })
}

fn partial(cursor: &mut Cursor<'_>) -> Parsed<Partial> {
    let offset = cursor.number64()?;
    cursor.byte(b'.')?;
    let count = cursor.number64()?;
    cursor.byte(b'>')?;
    if count == 0 {
        return Err(Refusal::bad("A partial has at least one octet"));
    }
    Ok(Partial { offset, count })
}
