//! Mailbox names and patterns. Inside the server a name is UTF-8 with `/` between levels; INBOX in any case
//! is `INBOX`, also as the first level. IMAP4rev1 spells names in modified UTF-7, IMAP4rev2 in UTF-8.

use crate::cursor::{Cursor, Parsed, Refusal};
use crate::response::Code;
use crate::utf7;
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Between the levels of a name.
pub const DELIMITER: char = '/';

/// Longest name in octets; protects what is indexed.
pub const MAX_NAME_BYTES: usize = 1_000;

/// Longest pattern in octets, and most of all patterns of a LIST together; bounds the time of matching.
pub const MAX_PATTERN_BYTES: usize = 1_024;

/// Reads `mailbox`.
pub(crate) fn mailbox(cursor: &mut Cursor<'_>) -> Parsed<String> {
    let bytes = cursor.astring()?;
    let name = decode(&bytes, cursor.grammar.utf8()).ok_or(Refusal::no(
        Code::Cannot,
        "Not a mailbox name: see RFC 3501 5.1.3 and RFC 9051 5.1",
    ))?;
    if name.len() > MAX_NAME_BYTES {
        return Err(Refusal::no(Code::Cannot, "Mailbox name too long"));
    }
    Ok(name)
}

/// Reads a name to be created: "If the mailbox name is suffixed with the server's hierarchy separator
/// character ..., this is a declaration that the client intends to create mailbox names under this name"
/// (RFC 9051 §6.3.4); it means nothing more here. No level may be empty.
pub(crate) fn new_mailbox(cursor: &mut Cursor<'_>) -> Parsed<String> {
    let name = mailbox(cursor)?;
    let name = name.strip_suffix(DELIMITER).unwrap_or(&name);
    if name.is_empty() || name.split(DELIMITER).any(str::is_empty) {
        return Err(Refusal::no(Code::Cannot, "A level of a mailbox name is empty"));
    }
    if !is_nfc(name) {
        // "the server MUST reject the creation or convert the name to Net-Unicode" (RFC 9051 §6.3.4), and
        // Net-Unicode is NFC. Converting would oblige every command to tell of the old name.
        return Err(Refusal::no(Code::Cannot, "Mailbox names are in Unicode normalization form C"));
    }
    if name.contains(['*', '%']) {
        return Err(Refusal::no(Code::Cannot, "Mailbox names here hold no wildcards"));
    }
    Ok(name.to_owned())
}

/// A name as the client spells it. `None`: no name in this spelling.
///
/// IMAP4rev1 says nothing of normalization, and clients take names from file systems that decompose: there
/// every command takes any form of a name for its form C.
pub(crate) fn decode(bytes: &[u8], utf8: bool) -> Option<String> {
    let name = if utf8 {
        std::str::from_utf8(bytes).ok().map(str::to_owned)
    } else {
        utf7::decode(bytes).map(|name| if is_nfc(&name) { name } else { name.nfc().collect() })
    }?;
    // Net-Unicode (RFC 5198 §2) has no control characters and no line or paragraph separators.
    let legal = |c: char| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}');
    name.chars().all(legal).then(|| with_inbox(name))
}

fn with_inbox(name: String) -> String {
    match name.get(..5) {
        Some(head)
            if head.eq_ignore_ascii_case("INBOX")
                && (name.len() == 5 || name[5..].starts_with(DELIMITER)) =>
        {
            format!("INBOX{}", &name[5..])
        }
        _ => name,
    }
}

/// A LIST pattern: `*` stands for anything, `%` for anything but the delimiter.
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern {
    text: Vec<char>,
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_text().fmt(f)
    }
}

impl Pattern {
    /// From text; runs of wildcards become one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut chars: Vec<char> = Vec::new();
        for c in text.chars() {
            match (c, chars.last()) {
                ('*' | '%', Some('*')) | ('%', Some('%')) => {}
                ('*', Some('%')) => {
                    chars.pop();
                    chars.push('*');
                }
                _ => chars.push(c),
            }
        }
        let inbox: String = chars.iter().take(6).collect();
        let level = chars.len() <= 5 || chars[5] == DELIMITER;
        if level && inbox.get(..5).is_some_and(|head| head.eq_ignore_ascii_case("INBOX")) {
            chars.splice(..5, "INBOX".chars());
        }
        Self { text: chars }
    }

    /// The pattern as text.
    #[must_use]
    pub fn as_text(&self) -> String {
        self.text.iter().collect()
    }

    /// Whether it has no wildcards: it can match one name only.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !self.text.iter().any(|c| matches!(c, '*' | '%'))
    }

    /// Whether it ends in `%`: then "matching levels of hierarchy are also returned" (RFC 9051 §6.3.9).
    #[must_use]
    pub fn wants_levels(&self) -> bool {
        self.text.last() == Some(&'%')
    }

    /// Whether it may match this name or one below it.
    #[must_use]
    pub fn reaches(&self, level: &str) -> bool {
        let below = format!("{level}{DELIMITER}");
        self.matches(level) || self.states_after(&below).is_some()
    }

    /// Whether a name matches. "INBOX" matches without regard to case only where a pattern spells it out or
    /// where its wildcards take all of it.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.states_after(name).is_some_and(|live| live[self.text.len()])
    }

    /// The prefixes of the pattern that match this text; `None`: none does.
    fn states_after(&self, name: &str) -> Option<Vec<bool>> {
        // Which prefixes of the pattern match what was read so far.
        let mut live = vec![false; self.text.len() + 1];
        live[0] = true;
        self.skip_wildcards(&mut live);
        let mut next = vec![false; self.text.len() + 1];
        for c in name.chars() {
            next.fill(false);
            let mut any = false;
            for (at, wanted) in self.text.iter().enumerate().filter(|(at, _)| live[*at]) {
                let (stays, moves) = match wanted {
                    '*' => (true, false),
                    '%' => (c != DELIMITER, false),
                    other => (false, *other == c),
                };
                next[at] |= stays;
                next[at + 1] |= moves;
                any |= stays || moves;
            }
            if !any {
                return None;
            }
            self.skip_wildcards(&mut next);
            std::mem::swap(&mut live, &mut next);
        }
        Some(live)
    }

    /// A wildcard may stand for nothing.
    fn skip_wildcards(&self, live: &mut [bool]) {
        for (at, wanted) in self.text.iter().enumerate() {
            live[at + 1] |= live[at] && matches!(wanted, '*' | '%');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn inbox_has_one_spelling() {
        assert_eq!(decode(b"iNbOx", false).as_deref(), Some("INBOX"));
        assert_eq!(decode(b"inbox/Sub", false).as_deref(), Some("INBOX/Sub"));
        assert_eq!(decode(b"inboxes", false).as_deref(), Some("inboxes"));
        assert_eq!(decode("Gelöscht".as_bytes(), true).as_deref(), Some("Gelöscht"));
        assert_eq!(decode("Gelöscht".as_bytes(), false), None);
        assert_eq!(decode(b"a\x07b", true), None);
        assert_eq!(decode(b"o&Awg-", false).as_deref(), Some("ö"));
        assert_eq!(decode("o\u{308}".as_bytes(), true).as_deref(), Some("o\u{308}"));
        assert_eq!(decode(b"&AAc-", false), None);
    }

    #[test]
    fn wildcards() {
        let matches = |pattern: &str, name: &str| Pattern::new(pattern).matches(name);
        let reaches = |pattern: &str| Pattern::new(pattern).reaches("O U");
        assert!(reaches("*") && reaches("%") && reaches("O U/%") && reaches("O U/a/b"));
        assert!(reaches("O U") && reaches("O%/x*") && reaches("%/%") && reaches("*z"));
        assert!(!reaches("INBOX") && !reaches("O Ux") && !reaches("a/*") && !reaches("%x"));
        assert!(matches("*", "a/b") && matches("%", "a") && !matches("%", "a/b"));
        assert!(matches("a/%", "a/b") && !matches("a/%", "a/b/c") && !matches("a/%", "a"));
        assert!(matches("*b*", "abc/d") && matches("a%c", "abbc") && !matches("a%c", "ab/c"));
        assert!(matches("%/%", "a/b") && !matches("%/%", "a/b/c") && matches("%*", "a/b"));
        assert!(
            matches("inbox", "INBOX") && matches("inbox/%", "INBOX/x") && !matches("Foo", "foo")
        );
        assert!(matches("", "") && !matches("", "a") && matches("*", ""));
        assert!(Pattern::new("a/%").wants_levels() && Pattern::new("a").is_exact());
    }

    fn slow(pattern: &[char], name: &[char]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (None, Some(_)) => false,
            (Some(('*', rest)), _) => {
                slow(rest, name) || name.split_first().is_some_and(|(_, tail)| slow(pattern, tail))
            }
            (Some(('%', rest)), _) => {
                let more = name.split_first().filter(|(c, _)| **c != DELIMITER);
                slow(rest, name) || more.is_some_and(|(_, tail)| slow(pattern, tail))
            }
            (Some((c, rest)), Some((d, tail))) => c == d && slow(rest, tail),
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn matching_is_what_it_says(pattern in "[ab/*%]{0,8}", name in "[ab/]{0,8}") {
            let chars: Vec<char> = pattern.chars().collect();
            let letters: Vec<char> = name.chars().collect();
            prop_assert_eq!(Pattern::new(&pattern).matches(&name), slow(&chars, &letters));
        }
    }
}
