//! Flags as a client writes them.

use crate::cursor::{Cursor, Parsed, Refusal};
use crate::response::Code;
use types::{Flags, check_keyword};

/// Most keywords in one command; protects rows that hold them.
pub const MAX_KEYWORDS: usize = 100;

/// A list of flags: those with a bit, and other keywords as written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlagList {
    /// System flags and the keywords that have a bit.
    pub flags: Flags,
    /// The other keywords, each once (without regard to case).
    pub keywords: Vec<String>,
}

/// One flag or keyword.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flag {
    /// One with a bit.
    Known(Flags),
    /// Any other keyword.
    Keyword(String),
}

impl FlagList {
    /// Adds one.
    pub fn add(&mut self, flag: Flag) {
        match flag {
            Flag::Known(flag) => self.flags = self.flags.with(flag),
            Flag::Keyword(name) => {
                if !self.keywords.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
                    self.keywords.push(name);
                }
            }
        }
    }
}

/// What to do with `\Recent` and system flags that are not ours, which no client can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// STORE: the client hears that it cannot.
    Refuse,
    /// APPEND: passed over, since clients copy what another server's FETCH said, and a message is worth more
    /// than its flags.
    Ignore,
}

/// `flag-list`.
pub(crate) fn flag_list(cursor: &mut Cursor<'_>, foreign: Foreign) -> Parsed<FlagList> {
    let flags = cursor.list(MAX_KEYWORDS + Flags::NAMED.len(), |cursor| flag(cursor, foreign))?;
    collect(flags)
}

/// `flag *(SP flag)`, up to the end.
pub(crate) fn bare_flags(cursor: &mut Cursor<'_>, foreign: Foreign) -> Parsed<FlagList> {
    let mut flags = vec![flag(cursor, foreign)?];
    while cursor.take(b' ') {
        flags.push(flag(cursor, foreign)?);
        if flags.len() > MAX_KEYWORDS + Flags::NAMED.len() {
            return Err(Refusal::bad("Too many flags").with(Code::Limit));
        }
    }
    collect(flags)
}

fn collect(flags: Vec<Option<Flag>>) -> Parsed<FlagList> {
    let mut list = FlagList::default();
    flags.into_iter().flatten().for_each(|flag| list.add(flag));
    if list.keywords.len() > MAX_KEYWORDS {
        return Err(Refusal::no(Code::Limit, "Too many keywords"));
    }
    Ok(list)
}

fn flag(cursor: &mut Cursor<'_>, foreign: Foreign) -> Parsed<Option<Flag>> {
    if cursor.peek() != Some(b'\\') {
        return keyword(cursor).map(Some);
    }
    cursor.byte(b'\\')?;
    let name = cursor.atom()?;
    let system = Flags::NAMED.iter().find(|(_, known)| {
        known.strip_prefix('\\').is_some_and(|known| known.eq_ignore_ascii_case(name))
    });
    match system {
        Some((flag, _)) => Ok(Some(Flag::Known(*flag))),
        None if foreign == Foreign::Ignore => Ok(None),
        None => Err(Refusal::no(Code::Cannot, "No such system flag")),
    }
}

/// `flag-keyword`.
pub(crate) fn keyword(cursor: &mut Cursor<'_>) -> Parsed<Flag> {
    let name = cursor.atom()?;
    if let Some(flag) = Flags::from_name(name) {
        return Ok(Flag::Known(flag));
    }
    check_keyword(name).map_err(|_| Refusal::no(Code::Cannot, "Not a keyword"))?;
    Ok(Flag::Keyword(name.to_owned()))
}
