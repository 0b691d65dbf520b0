//! Mailbox names: which are legal, and which a LIST pattern means.
//!
//! A name is UTF-8, `/` between levels (RFC 9051 §5.1). INBOX is one name in any case ("The case-insensitive
//! mailbox name INBOX is a special name reserved to mean 'the primary mailbox for this user'"); so is the
//! INBOX at the top of a longer name.

use std::fmt;

/// Between the levels of a name.
pub const SEPARATOR: char = '/';
/// Longest name, in octets.
const MAX_NAME: usize = 500;
/// Longest level, in octets.
const MAX_LEVEL: usize = 250;
/// Most levels.
const MAX_DEPTH: usize = 20;
/// Longest LIST pattern that is looked at; a longer one can match no legal name that matters.
const MAX_PATTERN: usize = 1_000;

/// A legal mailbox name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MailboxName(String);

/// Why a name is not legal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing, or nothing between two separators.
    #[error("a mailbox name has no empty levels")]
    Empty,
    /// Too long, or too many levels.
    #[error("the mailbox name is too long or too deep")]
    Length,
    /// A control character, a LIST wildcard, or `#` at the start (other namespaces).
    #[error("the mailbox name holds a character that is not allowed")]
    Character,
}

impl MailboxName {
    /// Checks a name and folds INBOX. One separator at the end is taken off: with CREATE it declares "that
    /// the client intends to create mailbox names under this name" (RFC 9051 §6.3.4), which is always possible.
    ///
    /// # Errors
    /// [`NameError`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let text = text.strip_suffix(SEPARATOR).unwrap_or(text);
        if text.len() > MAX_NAME {
            return Err(NameError::Length);
        }
        let levels: Vec<&str> = text.split(SEPARATOR).collect();
        if levels.iter().any(|level| level.is_empty()) {
            return Err(NameError::Empty);
        }
        if levels.len() > MAX_DEPTH || levels.iter().any(|level| level.len() > MAX_LEVEL) {
            return Err(NameError::Length);
        }
        let illegal = |c: char| {
            c.is_control() || matches!(c, '%' | '*' | '\u{2028}' | '\u{2029}' | '\u{fffd}')
        };
        if text.starts_with('#') || text.contains(illegal) {
            return Err(NameError::Character);
        }
        Ok(Self(fold_inbox(text)))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is INBOX itself.
    #[must_use]
    pub fn is_inbox(&self) -> bool {
        self.0 == "INBOX"
    }

    /// Whether this is below `other`.
    #[must_use]
    pub fn is_inside(&self, other: &MailboxName) -> bool {
        self.0.strip_prefix(&other.0).is_some_and(|rest| rest.starts_with(SEPARATOR))
    }
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text whose first level is INBOX in any case, with that level in capitals.
fn fold_inbox(text: &str) -> String {
    let (first, rest) = match text.find(SEPARATOR) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    if first.eq_ignore_ascii_case("INBOX") { format!("INBOX{rest}") } else { text.to_owned() }
}

/// A LIST pattern: reference and pattern put together, INBOX folded (RFC 9051 §6.3.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<char>);

impl Pattern {
    /// Puts reference and pattern together. `None`: too long to match anything.
    #[must_use]
    pub fn new(reference: &str, pattern: &str) -> Option<Self> {
        if reference.len() + pattern.len() > MAX_PATTERN {
            return None;
        }
        // A pattern from the root does not stand on the reference.
        let whole = match pattern.strip_prefix(SEPARATOR) {
            Some(rooted) => rooted.to_owned(),
            None => format!("{reference}{pattern}"),
        };
        let mut chars: Vec<char> = Vec::with_capacity(whole.len());
        for c in fold_inbox(&whole).chars() {
            // `*` swallows its neighbours, so that the matcher never tries twice.
            match (chars.last(), c) {
                (Some('*'), '*' | '%') | (Some('%'), '%') => {}
                (Some('%'), '*') => *chars.last_mut()? = '*',
                _ => chars.push(c),
            }
        }
        Some(Self(chars))
    }

    /// Whether a name fits: `*` stands for anything, `%` for anything within a level.
    ///
    /// The latest `*` and, after it, the latest `%` are where a mismatch goes back to; an earlier one never
    /// needs to give, since what follows the later one fits just as well. So the cost is at most name times
    /// pattern.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let text: Vec<char> = name.chars().collect();
        let (mut at, mut next) = (0, 0);
        let (mut star, mut percent) = (None, None);
        loop {
            match self.0.get(next) {
                Some('*') => {
                    star = Some((next, at));
                    percent = None;
                    next += 1;
                    continue;
                }
                Some('%') => {
                    percent = Some((next, at));
                    next += 1;
                    continue;
                }
                Some(c) if text.get(at) == Some(c) => {
                    (at, next) = (at + 1, next + 1);
                    continue;
                }
                None if at == text.len() => return true,
                _ => {}
            }
            let take = |back: &mut Option<(usize, usize)>, any: bool| {
                let (wildcard, taken) = back.as_mut()?;
                let c = text.get(*taken)?;
                if !any && *c == SEPARATOR {
                    return None;
                }
                *taken += 1;
                Some((*taken, *wildcard + 1))
            };
            if let Some(back) = take(&mut percent, false) {
                (at, next) = back;
            } else if let Some(back) = take(&mut star, true) {
                percent = None;
                (at, next) = back;
            } else {
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_checked_and_inbox_is_one() {
        let parse = |text: &str| MailboxName::parse(text).map(|name| name.0);
        assert_eq!(parse("inBox"), Ok("INBOX".into()));
        assert_eq!(parse("inbox/Foo"), Ok("INBOX/Foo".into()));
        assert_eq!(parse("Inboxes"), Ok("Inboxes".into()));
        assert_eq!(parse("a/Größe/"), Ok("a/Größe".into()));
        for bad in ["", "/", "/a", "a//b", "a//"] {
            assert_eq!(parse(bad), Err(NameError::Empty), "{bad:?}");
        }
        for bad in ["a\0", "a\r\nb", "a\u{85}", "x%", "*", "#news", "a\u{2028}"] {
            assert_eq!(parse(bad), Err(NameError::Character), "{bad:?}");
        }
        for bad in ["x".repeat(251), "x/".repeat(250) + "x", "y/".repeat(20) + "y"] {
            assert_eq!(parse(&bad), Err(NameError::Length), "{bad:?}");
        }
        let (a, ab) = (MailboxName("a".into()), MailboxName("a/b".into()));
        assert!(ab.is_inside(&a) && !a.is_inside(&ab) && !a.is_inside(&a));
        assert!(!MailboxName("ab".into()).is_inside(&a));
    }

    fn fits(pattern: &str, name: &str) -> bool {
        Pattern::new("", pattern).unwrap().matches(name)
    }

    #[test]
    fn wildcards() {
        for (pattern, name) in [
            ("*", "a/b/c"),
            ("%", "a"),
            ("a/%", "a/b"),
            ("%/b", "a/b"),
            ("*b", "a/b"),
            ("%a%", "xay"),
            ("*/%", "a/b/c"),
            ("inbox", "INBOX"),
            ("INB%", "INBOX"),
            ("Entw%rfe", "Entwürfe"),
            ("%*", "a/b"),
            ("*a%b", "a/axb"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("%", "a/b"),
            ("a", "b"),
            ("", "a"),
            ("a/%", "a"),
            ("a%", "b"),
            ("%/%", "a/b/c"),
            ("*a%b", "a/x/b"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
        assert!(Pattern::new("a/", "%").unwrap().matches("a/b"));
        assert!(Pattern::new("a/", "/b").unwrap().matches("b"));
        assert_eq!(Pattern::new("", &"x".repeat(2_000)), None);
    }

    /// The definition, in exponential time.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), _) => {
                naive(rest, text) || (!text.is_empty() && naive(pattern, &text[1..]))
            }
            (Some(('%', rest)), _) => {
                naive(rest, text)
                    || (text.first().is_some_and(|c| *c != '/') && naive(pattern, &text[1..]))
            }
            (Some((p, rest)), Some((t, tail))) => p == t && naive(rest, tail),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_is_as_defined(pattern in "[ab/%*]{0,8}", text in "[ab/]{0,9}") {
            let rooted = pattern.strip_prefix('/').unwrap_or(&pattern);
            let wanted = naive(&rooted.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>());
            prop_assert_eq!(fits(&pattern, &text), wanted);
        }
    }
}
