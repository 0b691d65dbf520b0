//! Header fields for a client that did not say UTF8 (RFC 6856 §2.1): what is not ASCII becomes something that is, in
//! the manner of RFC 6858. Names and subjects stay readable as encoded-words (RFC 2047), addresses that plain mail
//! cannot carry become an invalid one under the name they had, and every other field is left out.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use message::{Address, parse_addresses, unfold};

/// Fields that are text for people.
const TEXTS: &[&str] =
    &["subject", "comments", "content-description", "organization", "thread-topic"];
/// Fields that hold addresses.
const ADDRESSES: &[&str] = &[
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "bcc",
    "resent-from",
    "resent-sender",
    "resent-to",
    "resent-cc",
    "resent-bcc",
];
/// RFC 6858: an address that cannot be shown, and that nobody can write to by mistake.
const INVALID: &str = "invalid@internationalized-address.invalid";
/// Octets in one encoded-word: with a field's name before it a line stays below 76 characters.
const WORD: usize = 30;

/// What to send instead of a field that holds octets above ASCII, line ends included. Empty: leave it out.
pub(crate) fn field(raw: &[u8]) -> Vec<u8> {
    let Some(colon) = raw.iter().position(|octet| *octet == b':') else { return Vec::new() };
    let (name, value) = (&raw[..colon], &raw[colon + 1..]);
    let Ok(name) = std::str::from_utf8(name) else { return Vec::new() };
    let is = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name.trim_end()));
    let value = if is(TEXTS) {
        words(value.trim_ascii())
    } else if is(ADDRESSES) {
        addresses(&parse_addresses(&unfold(value)))
    } else {
        String::new()
    };
    if value.is_empty() { Vec::new() } else { format!("{name}: {value}\r\n").into_bytes() }
}

/// Encoded-words, several lines if need be. Octets that are no UTF-8 keep what they are (RFC 1428 §3).
fn words(text: &[u8]) -> String {
    let unfolded;
    let (charset, octets) = match std::str::from_utf8(text) {
        Ok(_) => {
            unfolded = unfold(text);
            ("utf-8", unfolded.as_bytes())
        }
        Err(_) => ("unknown-8bit", text),
    };
    let mut out = String::new();
    let mut rest = octets;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(word_end(rest));
        if !out.is_empty() {
            out.push_str("\r\n ");
        }
        out.push_str(&format!("=?{charset}?B?{}?=", BASE64_STANDARD.encode(word)));
        rest = after;
    }
    out
}

/// "Each encoded-word MUST represent an integral number of characters" (RFC 2047 §5).
fn word_end(octets: &[u8]) -> usize {
    let mut end = octets.len().min(WORD);
    while end > WORD - 4 && octets.get(end).is_some_and(|octet| octet & 0xC0 == 0x80) {
        end -= 1;
    }
    end
}

fn addresses(all: &[Address]) -> String {
    let mut out = String::new();
    let mut follows = false;
    for address in all {
        let (text, separates) = match address {
            Address { host: Some(_), .. } => (one(address), true),
            Address { mailbox: Some(group), .. } => (format!("{}:", phrase(group)), false),
            _ => (";".to_owned(), true),
        };
        if follows && text != ";" {
            out.push(',');
        }
        if !out.is_empty() && text != ";" {
            out.push_str("\r\n ");
        }
        out.push_str(&text);
        follows = separates;
    }
    out
}

fn one(address: &Address) -> String {
    let mailbox = address.mailbox.as_deref().unwrap_or_default();
    let host = address.host.as_deref().unwrap_or_default();
    let name = address.name.as_deref().filter(|name| !name.is_empty());
    if !mailbox.is_ascii() || !host.is_ascii() {
        let shown = name.map_or_else(|| format!("{mailbox}@{host}"), str::to_owned);
        return format!("{} <{INVALID}>", phrase(&shown));
    }
    let local =
        if is_plain(mailbox, |octet| octet == b'.') { mailbox.into() } else { quoted(mailbox) };
    match name {
        Some(name) => format!("{} <{local}@{host}>", phrase(name)),
        None => format!("{local}@{host}"),
    }
}

fn phrase(text: &str) -> String {
    if !text.is_ascii() {
        words(text.as_bytes())
    } else if is_plain(text, |octet| octet == b' ') {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// Atoms (RFC 5322 §3.2.3), and whatever else is allowed between them.
fn is_plain(text: &str, also: impl Fn(u8) -> bool) -> bool {
    let atext =
        |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&octet);
    !text.is_empty() && text.bytes().all(|octet| atext(octet) || also(octet))
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(raw: &str) -> String {
        String::from_utf8(field(raw.as_bytes())).unwrap()
    }

    #[test]
    fn what_people_read_stays_readable() {
        assert_eq!(text("Subject: Grüße\r\n"), "Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n");
        let long = text(&format!("Subject: {}\r\n", "ü".repeat(40)));
        assert!(long.lines().count() == 3 && long.lines().all(|line| line.len() < 76), "{long}");
        let decoded =
            message::decode_header_text(long.trim().split_once(": ").unwrap().1).into_owned();
        assert_eq!(decoded, "ü".repeat(40));
        assert_eq!(field(b"Subject: Gr\xfc\xdfe\r\n"), b"Subject: =?unknown-8bit?B?R3L832U=?=\r\n");
    }

    #[test]
    fn addresses_that_plain_mail_can_carry_stay() {
        assert_eq!(
            text("From: Jürgen <j@x.test>\r\n"),
            "From: =?utf-8?B?SsO8cmdlbg==?= <j@x.test>\r\n"
        );
        assert_eq!(
            text("To: jürgen@x.test, \"A. B\" <a.b@y.test>,\r\n c@z.test\r\n"),
            "To: =?utf-8?B?asO8cmdlbkB4LnRlc3Q=?= <invalid@internationalized-address.invalid>,\r\n \
             \"A. B\" <a.b@y.test>,\r\n c@z.test\r\n"
        );
        let group = text("Cc: Löwen: a@x.test, b@x.test;, c@x.test\r\n");
        assert_eq!(
            group,
            "Cc: =?utf-8?B?TMO2d2Vu?=:\r\n a@x.test,\r\n b@x.test;,\r\n c@x.test\r\n"
        );
    }

    #[test]
    fn everything_else_is_left_out() {
        for raw in ["X-Any: ü\r\n", "Content-Type: text/plain; name=ü\r\n", "ü: x\r\n", "ü\r\n"]
        {
            assert_eq!(text(raw), "", "{raw:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_it_is_ascii(
            name in prop::sample::select(vec!["Subject", "from", "TO", "X", ""]),
            value in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let value: Vec<u8> = value.into_iter().filter(|octet| !b"\r\n".contains(octet)).collect();
            let raw = [name.as_bytes(), b": ", &value, b"\r\n"].concat();
            let made = field(&raw);
            prop_assert!(made.is_ascii());
            prop_assert!(made.is_empty() || made.ends_with(b"\r\n"));
            let text = String::from_utf8(made).unwrap();
            for line in text.split("\r\n").skip(1).filter(|line| !line.is_empty()) {
                prop_assert!(line.starts_with(' ') && line.trim() != "");
            }
            prop_assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
        }
    }
}
