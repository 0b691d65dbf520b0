//! Message flags: system flags as bits, keywords as text.

use serde::{Deserialize, Serialize};

/// The system flags of RFC 9051 §2.3.2 and the registered keywords of RFC 5788 that are frequent
/// enough to deserve a bit. Everything else is a keyword text. The bits are stored: never renumber.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Flags(pub u32);

impl Flags {
    /// `\Seen`
    pub const SEEN: Flags = Flags(1);
    /// `\Answered`
    pub const ANSWERED: Flags = Flags(1 << 1);
    /// `\Flagged`
    pub const FLAGGED: Flags = Flags(1 << 2);
    /// `\Deleted`
    pub const DELETED: Flags = Flags(1 << 3);
    /// `\Draft`
    pub const DRAFT: Flags = Flags(1 << 4);
    /// `$Forwarded`
    pub const FORWARDED: Flags = Flags(1 << 5);
    /// `$MDNSent`
    pub const MDN_SENT: Flags = Flags(1 << 6);
    /// `$Junk`
    pub const JUNK: Flags = Flags(1 << 7);
    /// `$NotJunk`
    pub const NOT_JUNK: Flags = Flags(1 << 8);
    /// `$Phishing`
    pub const PHISHING: Flags = Flags(1 << 9);
    /// `$Important` (RFC 8457)
    pub const IMPORTANT: Flags = Flags(1 << 10);

    /// Every flag that has a bit, with its IMAP spelling.
    pub const NAMED: &'static [(Flags, &'static str)] = &[
        (Self::ANSWERED, "\\Answered"),
        (Self::FLAGGED, "\\Flagged"),
        (Self::DELETED, "\\Deleted"),
        (Self::SEEN, "\\Seen"),
        (Self::DRAFT, "\\Draft"),
        (Self::FORWARDED, "$Forwarded"),
        (Self::MDN_SENT, "$MDNSent"),
        (Self::JUNK, "$Junk"),
        (Self::NOT_JUNK, "$NotJunk"),
        (Self::PHISHING, "$Phishing"),
        (Self::IMPORTANT, "$Important"),
    ];

    /// The bit for an IMAP flag or keyword name, without regard to case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Flags> {
        Self::NAMED
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(name))
            .map(|(flag, _)| *flag)
    }

    /// The names of the bits that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMED.iter().filter(move |(flag, _)| self.contains(*flag)).map(|(_, name)| *name)
    }

    /// Whether all bits of `other` are set.
    #[must_use]
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    #[must_use]
    pub fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// These without `other`.
    #[must_use]
    pub fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }
}

/// Why a keyword was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeywordError {
    /// Longer than [`MAX_KEYWORD_BYTES`] or empty.
    #[error("a keyword has 1 to 100 characters")]
    Length,
    /// Not an IMAP atom (RFC 9051 §9 flag-keyword).
    #[error("a keyword holds no spaces, brackets, quotes, wildcards or control characters")]
    Character,
}

const MAX_KEYWORD_BYTES: usize = 100;

/// Checks that `name` is a legal keyword (an atom of bounded length).
///
/// # Errors
/// [`KeywordError`] says what is wrong.
pub fn check_keyword(name: &str) -> Result<(), KeywordError> {
    if name.is_empty() || name.len() > MAX_KEYWORD_BYTES {
        return Err(KeywordError::Length);
    }
    let atom_char = |b: u8| b.is_ascii_graphic() && !br#"(){%*"\]"#.contains(&b);
    if name.bytes().all(atom_char) { Ok(()) } else { Err(KeywordError::Character) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bits_agree() {
        for (flag, name) in Flags::NAMED {
            assert_eq!(Flags::from_name(&name.to_uppercase()), Some(*flag));
            assert_eq!(flag.names().collect::<Vec<_>>(), vec![*name]);
        }
    }

    #[test]
    fn keywords_are_atoms() {
        assert_eq!(check_keyword("$Label1"), Ok(()));
        assert_eq!(check_keyword("a b"), Err(KeywordError::Character));
        assert_eq!(check_keyword(""), Err(KeywordError::Length));
        assert_eq!(check_keyword(&"x".repeat(101)), Err(KeywordError::Length));
    }
}
