//! Commands of any state and before login: CAPABILITY, ID, LANGUAGE, LOGIN, AUTHENTICATE, ENABLE.

use super::{Call, Command, Request, Verb};
use crate::capability::Capability;
use crate::cursor::{Cursor, Parsed, Refusal, text_of};
use crate::language::is_range;
use crate::response::Code;
use crate::secret::Secret;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// "Servers MUST accept ... up to 30 field-value pairs" (RFC 2971 §3.3).
const MAX_ID_PAIRS: usize = 30;
/// Most ranges of one LANGUAGE.
const MAX_RANGES: usize = 64;
/// Most capabilities of one ENABLE.
const MAX_ENABLE: usize = 64;

/// AUTHENTICATE, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authenticate {
    pub mechanism: String,
    pub initial: Option<Secret>,
}

/// A command without arguments.
pub(super) fn bare(_: &mut Cursor<'_>, call: Call) -> Parsed<Request> {
    Ok(match call.verb {
        Verb::Capability => Request::Capability,
        Verb::Logout => Request::Logout,
        Verb::StartTls => Request::StartTls,
        Verb::Idle => Request::Idle,
        Verb::Check => Request::Command(Command::Check),
        Verb::Namespace => Request::Command(Command::Namespace),
        Verb::Unauthenticate => Request::Command(Command::Unauthenticate),
        Verb::Close => Request::Command(Command::Close),
        Verb::Unselect => Request::Command(Command::Unselect),
        _ => Request::Command(Command::Noop),
    })
}

/// `"ID" SP ("(" *(string SP nstring) ")" / nil)` (RFC 2971 §4)
pub(super) fn id(cursor: &mut Cursor<'_>, _: Call) -> Parsed<Request> {
    cursor.space()?;
    if cursor.take_word("NIL") {
        return Ok(Request::Command(Command::Id(Vec::new())));
    }
    let pairs = cursor.list(MAX_ID_PAIRS, |cursor| {
        let key = text_of(&cursor.string()?)?;
        cursor.space()?;
        let value = cursor.nstring()?.map(|value| String::from_utf8_lossy(&value).into_owned());
        Ok((key, value))
    })?;
    Ok(Request::Command(Command::Id(pairs)))
}

/// `"LANGUAGE" *(SP lang-range-quoted)` (RFC 5255 §3.5)
pub(super) fn language(cursor: &mut Cursor<'_>, _: Call) -> Parsed<Request> {
    let mut ranges = Vec::new();
    while cursor.take(b' ') {
        if ranges.len() >= MAX_RANGES {
            return Err(Refusal::bad("Too many languages").with(Code::Limit));
        }
        let range = cursor.text()?;
        if !is_range(&range) {
            return Err(Refusal::bad("Not a language range"));
        }
        ranges.push(range);
    }
    Ok(Request::Language(ranges))
}

/// `"LOGIN" SP userid SP password`
pub(super) fn login(cursor: &mut Cursor<'_>, _: Call) -> Parsed<Request> {
    cursor.space()?;
    let user = cursor.text()?;
    cursor.space()?;
    let password = Secret::new(cursor.astring()?.into_owned());
    Ok(Request::Login { user, password })
}

/// `"AUTHENTICATE" SP auth-type [SP initial-resp]`
pub(super) fn authenticate(cursor: &mut Cursor<'_>, _: Call) -> Parsed<Request> {
    cursor.space()?;
    let mechanism = cursor.atom()?.to_owned();
    let mut initial = None;
    if cursor.take(b' ') {
        cursor.need(Capability::SaslIr)?;
        initial = Some(initial_response(cursor)?);
    }
    Ok(Request::Authenticate(Authenticate { mechanism, initial }))
}

fn initial_response(cursor: &mut Cursor<'_>) -> Parsed<Secret> {
    let text = cursor.atom()?;
    // "=" stands for an empty initial response (RFC 4959 §3).
    if text == "=" {
        return Ok(Secret::new(Vec::new()));
    }
    match BASE64_STANDARD.decode(text) {
        Ok(octets) => Ok(Secret::new(octets)),
        Err(_) => Err(Refusal::bad("Not base64")),
    }
}

/// `"COMPRESS" SP "DEFLATE"` (RFC 4978 §5)
pub(super) fn compress(cursor: &mut Cursor<'_>, _: Call) -> Parsed<Request> {
    cursor.space()?;
    if cursor.atom()?.eq_ignore_ascii_case("DEFLATE") {
        Ok(Request::Compress)
    } else {
        Err(Refusal::bad("DEFLATE is the only way to compress"))
    }
}

/// `"ENABLE" 1*(SP capability)`
pub(super) fn enable(cursor: &mut Cursor<'_>, _: Call) -> Parsed<Request> {
    let mut names = Vec::new();
    cursor.space()?;
    loop {
        names.push(cursor.atom()?.to_owned());
        if names.len() > MAX_ENABLE {
            return Err(Refusal::bad("Too many capabilities"));
        }
        if !cursor.take(b' ') {
            return Ok(Request::Enable(names));
        }
    }
}
