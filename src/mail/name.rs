//! Which mailbox names are legal.
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
