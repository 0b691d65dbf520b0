//! The commands, declared once: name, states in which they are legal, capability, RFC, parser.

use crate::secret::Secret;

/// Where a session stands (RFC 1939 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody is known yet.
    Authorization,
    /// The maildrop is locked and open.
    Transaction,
    /// QUIT was said: what is marked is being removed, or was.
    Update,
}

/// A command's declaration.
#[derive(Debug)]
pub struct CommandSpec {
    /// The keyword.
    pub name: &'static str,
    /// States in which it is legal.
    pub states: &'static [State],
    /// The line of CAPA that announces it, where one does; SASL and UTF8 have arguments and LANG stands for itself.
    pub capability: Option<&'static str>,
    /// Where it is defined.
    pub rfc: &'static str,
    pub(crate) parse: fn(&str) -> Result<Request, &'static str>,
}

/// A command, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    Auth { mechanism: String, initial: Option<String> },
    Capa,
    Dele(u32),
    Lang(Option<String>),
    List(Option<u32>),
    Noop,
    Pass(Secret),
    Quit,
    Retr(u32),
    Rset,
    Stat,
    Stls,
    Top(u32, u64),
    Uidl(Option<u32>),
    User(String),
    Utf8,
}

const EARLY: &[State] = &[State::Authorization];
const LATE: &[State] = &[State::Transaction];
const BOTH: &[State] = &[State::Authorization, State::Transaction];

/// Every command, in the order in which CAPA tells of them.
pub const COMMANDS: &[CommandSpec] = &[
    spec("CAPA", BOTH, None, "RFC 2449", |rest| nothing(rest, Request::Capa)),
    spec("STLS", EARLY, Some("STLS"), "RFC 2595", |rest| nothing(rest, Request::Stls)),
    spec("USER", EARLY, Some("USER"), "RFC 1939", user),
    spec("PASS", EARLY, None, "RFC 1939", pass),
    spec("AUTH", EARLY, Some("SASL"), "RFC 5034", auth),
    spec("UTF8", EARLY, Some("UTF8"), "RFC 6856", |rest| nothing(rest, Request::Utf8)),
    spec("LANG", BOTH, Some("LANG"), "RFC 6856", lang),
    spec("STAT", LATE, None, "RFC 1939", |rest| nothing(rest, Request::Stat)),
    spec("LIST", LATE, None, "RFC 1939", |rest| Ok(Request::List(maybe_number(rest)?))),
    spec("UIDL", LATE, Some("UIDL"), "RFC 1939", |rest| Ok(Request::Uidl(maybe_number(rest)?))),
    spec("RETR", LATE, None, "RFC 1939", |rest| Ok(Request::Retr(number(rest)?))),
    spec("TOP", LATE, Some("TOP"), "RFC 1939", top),
    spec("DELE", LATE, None, "RFC 1939", |rest| Ok(Request::Dele(number(rest)?))),
    spec("NOOP", LATE, None, "RFC 1939", |rest| nothing(rest, Request::Noop)),
    spec("RSET", LATE, None, "RFC 1939", |rest| nothing(rest, Request::Rset)),
    spec("QUIT", BOTH, None, "RFC 1939", |rest| nothing(rest, Request::Quit)),
];

const fn spec(
    name: &'static str,
    states: &'static [State],
    capability: Option<&'static str>,
    rfc: &'static str,
    parse: fn(&str) -> Result<Request, &'static str>,
) -> CommandSpec {
    CommandSpec { name, states, capability, rfc, parse }
}

/// The declaration of the command that a line names, and what stands behind it. "Commands in the POP3 consist of a
/// case-insensitive keyword, possibly followed by one or more arguments ... each separated by a single SPACE".
pub(crate) fn find(line: &str) -> Option<(&'static CommandSpec, &str)> {
    let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
    let spec = COMMANDS.iter().find(|spec| spec.name.eq_ignore_ascii_case(name))?;
    Some((spec, rest))
}

const NO_ARGUMENT: &str = "This command takes no argument";
const NUMBER: &str = "A message number is wanted";

fn nothing(rest: &str, request: Request) -> Result<Request, &'static str> {
    if rest.trim_end_matches(' ').is_empty() { Ok(request) } else { Err(NO_ARGUMENT) }
}

/// A number that does not fit is a number all the same: no message has it.
fn number(rest: &str) -> Result<u32, &'static str> {
    let text = rest.trim_end_matches(' ');
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NUMBER);
    }
    Ok(text.parse().unwrap_or(u32::MAX))
}

fn maybe_number(rest: &str) -> Result<Option<u32>, &'static str> {
    if rest.trim_end_matches(' ').is_empty() { Ok(None) } else { number(rest).map(Some) }
}

fn top(rest: &str) -> Result<Request, &'static str> {
    const BOTH: &str = "A message number and a number of lines are wanted";
    let (message, lines) = rest.split_once(' ').ok_or(BOTH)?;
    let lines = lines.trim_end_matches(' ');
    if lines.is_empty() || !lines.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BOTH);
    }
    Ok(Request::Top(number(message)?, lines.parse().unwrap_or(u64::MAX)))
}

/// RFC 6856 §2.2: with SASLprep, "servers MUST reject UTF-8 usernames or passwords that contain a UTF-8 character
/// listed in Section 2.3 of SASLprep". The password is prepared where it is compared.
fn user(rest: &str) -> Result<Request, &'static str> {
    use stringprep::tables as t;
    let forbidden = |c: char| {
        t::ascii_control_character(c)
            || t::non_ascii_control_character(c)
            || t::private_use(c)
            || t::non_character_code_point(c)
            || t::surrogate_code(c)
            || t::inappropriate_for_plain_text(c)
            || t::inappropriate_for_canonical_representation(c)
            || t::change_display_properties_or_deprecated(c)
            || t::tagging_character(c)
            || t::non_ascii_space_character(c)
    };
    match rest {
        "" => Err("A user name is wanted"),
        name if name.chars().any(forbidden) => Err("No user name holds such a character"),
        name => Ok(Request::User(name.to_owned())),
    }
}

/// "Since the PASS command has exactly one argument, a POP3 server may treat spaces in the argument as part of the
/// password, instead of as argument separators" (RFC 1939 §7).
fn pass(rest: &str) -> Result<Request, &'static str> {
    Ok(Request::Pass(Secret::new(rest.as_bytes().to_vec())))
}

fn auth(rest: &str) -> Result<Request, &'static str> {
    let (mechanism, initial) = match rest.split_once(' ') {
        Some((mechanism, initial)) => (mechanism, Some(initial.to_owned())),
        None => (rest, None),
    };
    if mechanism.is_empty() {
        return Err("A mechanism is wanted; CAPA lists them");
    }
    Ok(Request::Auth { mechanism: mechanism.to_owned(), initial })
}

fn lang(rest: &str) -> Result<Request, &'static str> {
    let range = rest.trim_end_matches(' ');
    Ok(Request::Lang((!range.is_empty()).then(|| range.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Request, &'static str> {
        let (spec, rest) = find(line).ok_or("no such command")?;
        (spec.parse)(rest)
    }

    #[test]
    fn arguments() {
        assert_eq!(read("list"), Ok(Request::List(None)));
        assert_eq!(read("LIST 3 "), Ok(Request::List(Some(3))));
        assert_eq!(read("RETR 99999999999999999999"), Ok(Request::Retr(u32::MAX)));
        assert_eq!(read("TOP 1 18446744073709551616"), Ok(Request::Top(1, u64::MAX)));
        assert_eq!(read("PASS a  b "), Ok(Request::Pass(Secret::new(b"a  b ".to_vec()))));
        let auth = |initial: Option<&str>| Request::Auth {
            mechanism: "PLAIN".into(),
            initial: initial.map(str::to_owned),
        };
        assert_eq!(read("AUTH PLAIN"), Ok(auth(None)));
        assert_eq!(read("AUTH PLAIN ="), Ok(auth(Some("="))));
        for wrong in [
            "RETR",
            "RETR ",
            "RETR -1",
            "RETR +1",
            "RETR 1 2",
            "RETR 1x",
            "LIST x",
            "TOP 1",
            "TOP 1 ",
            "TOP 1 -1",
            "TOP  1",
            "STAT 1",
            "AUTH",
            "AUTH ",
            "USER ",
            "USER",
            "QUIT now",
            "USER a\u{7}",
            "USER \u{200e}a",
            "USER \u{e000}",
            "",
        ] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn keywords_are_three_or_four_letters() {
        for spec in COMMANDS {
            assert!((3..=4).contains(&spec.name.len()), "{}", spec.name);
            assert!(!spec.states.is_empty() && spec.rfc.starts_with("RFC "));
        }
    }
}
