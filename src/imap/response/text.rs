//! Numbers, strings and flags on the wire.

use crate::language::Language;
use bytes::BytesMut;
use types::Flags;

/// How strings and texts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// IMAP4rev2 was enabled: UTF-8 may stand in quoted strings and in mailbox names.
    ///
    /// "Servers advertising both IMAP4rev1 and IMAP4rev2 MUST NOT generate UTF-8-quoted strings unless the
    /// client has issued "ENABLE IMAP4rev2"" (RFC 9051 appendix A).
    pub utf8: bool,
    /// UIDONLY was enabled: messages are named by their UIDs (RFC 9586).
    pub uid_only: bool,
    /// What texts for people are written in.
    pub language: Language,
}

/// A text for people, translated, and the line end. Line ends within it become spaces.
pub(crate) fn push_text(out: &mut BytesMut, text: &str, language: Language) {
    let translated = language.translate(text);
    let text = translated.as_deref().unwrap_or(text);
    // RFC 3501 asks for at least one character, and for ASCII only until another language is chosen (RFC 5255 §3.5).
    let text = if text.is_empty() { "." } else { text };
    for c in text.chars() {
        let safe = match c {
            ' '..='~' => c,
            c if c.is_control() || language == Language::Default => ' ',
            c => c,
        };
        out.extend_from_slice(safe.encode_utf8(&mut [0; 4]).as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// Longest string that is looked through for whether it can be quoted.
const MAX_QUOTED: usize = 1_024;

pub(crate) fn push_number(out: &mut BytesMut, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Quoted where it can be, a literal where it must.
pub(crate) fn push_string(out: &mut BytesMut, bytes: &[u8], style: Style) {
    if bytes.len() <= MAX_QUOTED && can_be_quoted(bytes, style) {
        push_quoted(out, bytes);
    } else if memchr::memchr(0, bytes).is_some() {
        // "NUL MUST NOT be used anywhere" but in literal8, which only some items may be.
        let clean: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
        push_literal(out, &clean);
    } else {
        push_literal(out, bytes);
    }
}

fn can_be_quoted(bytes: &[u8], style: Style) -> bool {
    let ascii = bytes.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    let legal = |bytes: &[u8]| bytes.iter().all(|byte| !matches!(byte, 0 | b'\r' | b'\n'));
    ascii || (style.utf8 && std::str::from_utf8(bytes).is_ok() && legal(bytes))
}

/// The octets must be fit for it.
pub(crate) fn push_quoted(out: &mut BytesMut, mut bytes: &[u8]) {
    out.extend_from_slice(b"\"");
    while let Some(at) = memchr::memchr2(b'"', b'\\', bytes) {
        out.extend_from_slice(&bytes[..at]);
        out.extend_from_slice(&[b'\\', bytes[at]]);
        bytes = &bytes[at + 1..];
    }
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\"");
}

pub(crate) fn push_literal(out: &mut BytesMut, bytes: &[u8]) {
    push_literal_head(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(crate) fn push_literal_head(out: &mut BytesMut, size: u64) {
    out.extend_from_slice(b"{");
    push_number(out, size);
    out.extend_from_slice(b"}\r\n");
}

pub(crate) fn push_nstring(out: &mut BytesMut, text: Option<&str>, style: Style) {
    match text {
        Some(text) => push_string(out, text.as_bytes(), style),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// An atom where it can be, else a string.
pub(crate) fn push_astring(out: &mut BytesMut, bytes: &[u8], style: Style) {
    let atom = !bytes.is_empty()
        && bytes.iter().all(|byte| crate::cursor::is_atom_char(*byte))
        && !bytes.eq_ignore_ascii_case(b"NIL");
    if atom {
        out.extend_from_slice(bytes);
    } else {
        push_string(out, bytes, style);
    }
}

/// A mailbox name in the client's spelling.
pub(crate) fn push_mailbox(out: &mut BytesMut, name: &str, style: Style) {
    if style.utf8 || crate::utf7::is_plain(name) {
        push_astring(out, name.as_bytes(), style);
    } else {
        push_astring(out, crate::utf7::encode(name).as_bytes(), style);
    }
}

/// `(\Seen $Junk ...)`, `more` at the end.
pub(crate) fn push_flags(
    out: &mut BytesMut,
    flags: Flags,
    keywords: &[impl AsRef<str>],
    more: &[&str],
) {
    let mut before: &[u8] = b"(";
    let mut push = |name: &str| {
        out.extend_from_slice(before);
        out.extend_from_slice(name.as_bytes());
        before = b" ";
    };
    flags.names().for_each(&mut push);
    keywords.iter().for_each(|keyword| push(keyword.as_ref()));
    more.iter().for_each(|name| push(name));
    out.extend_from_slice(if before == b"(" { b"()" } else { b")" });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(bytes: &[u8], utf8: bool) -> String {
        let mut out = BytesMut::new();
        push_string(&mut out, bytes, Style { utf8, ..Style::default() });
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn strings_choose_their_form() {
        assert_eq!(string(b"", false), "\"\"");
        assert_eq!(string(b"a \"b\\c\"", false), "\"a \\\"b\\\\c\\\"\"");
        assert_eq!(string(b"a\r\nb", true), "{4}\r\na\r\nb");
        assert_eq!(string("ö".as_bytes(), false), "{2}\r\nö");
        assert_eq!(string("ö".as_bytes(), true), "\"ö\"");
        assert_eq!(string(b"a\0b", false), "{2}\r\nab");
        assert!(string(b"\xff", true).starts_with("{1}"));
        assert!(string(&[b'x'; 1025], false).starts_with("{1025}"));
    }

    #[test]
    fn names_are_spelled_for_the_client() {
        let name = |name: &str, utf8: bool| {
            let mut out = BytesMut::new();
            push_mailbox(&mut out, name, Style { utf8, ..Style::default() });
            String::from_utf8(out.to_vec()).unwrap()
        };
        assert_eq!(
            name("Gelöscht", false),
            "&APY-".to_owned().as_str().replace("&APY-", "Gel&APY-scht")
        );
        assert_eq!(name("Gelöscht", true), "\"Gelöscht\"");
        assert_eq!(name("a b", false), "\"a b\"");
        assert_eq!(name("NIL", false), "\"NIL\"");
        assert_eq!(name("a%", false), "\"a%\"");
    }

    #[test]
    fn numbers() {
        let number = |n| {
            let mut out = BytesMut::new();
            push_number(&mut out, n);
            String::from_utf8(out.to_vec()).unwrap()
        };
        assert_eq!([number(0), number(10), number(u64::MAX)], ["0", "10", "18446744073709551615"]);
    }
}
