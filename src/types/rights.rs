//! What somebody may do with a mailbox (RFC 4314 §2.1).

use serde::{Deserialize, Serialize};
use std::fmt;

/// A set of rights. The bits are stored: never renumber.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rights(pub u16);

/// A character that is no right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a right")]
pub struct RightsError;

impl Rights {
    /// `l`: the mailbox is seen by LIST.
    pub const LOOKUP: Rights = Rights(1);
    /// `r`: SELECT, STATUS.
    pub const READ: Rights = Rights(1 << 1);
    /// `s`: `\Seen`.
    pub const SEEN: Rights = Rights(1 << 2);
    /// `w`: flags other than `\Seen` and `\Deleted`.
    pub const WRITE: Rights = Rights(1 << 3);
    /// `i`: APPEND, COPY into it.
    pub const INSERT: Rights = Rights(1 << 4);
    /// `p`: mail to its submission address; nothing here asks for it.
    pub const POST: Rights = Rights(1 << 5);
    /// `k`: CREATE below it.
    pub const CREATE: Rights = Rights(1 << 6);
    /// `x`: DELETE, and RENAME away.
    pub const DELETE: Rights = Rights(1 << 7);
    /// `t`: `\Deleted`.
    pub const TRASH: Rights = Rights(1 << 8);
    /// `e`: EXPUNGE.
    pub const EXPUNGE: Rights = Rights(1 << 9);
    /// `a`: SETACL and what else there is about ACLs.
    pub const ADMINISTER: Rights = Rights(1 << 10);

    /// No right at all.
    pub const NONE: Rights = Rights(0);
    /// Every right: what an owner has.
    pub const ALL: Rights = Rights((1 << 11) - 1);

    /// The rights with their letters, in the order in which they are written.
    pub const LETTERS: &'static [(Rights, char)] = &[
        (Self::LOOKUP, 'l'),
        (Self::READ, 'r'),
        (Self::SEEN, 's'),
        (Self::WRITE, 'w'),
        (Self::INSERT, 'i'),
        (Self::POST, 'p'),
        (Self::CREATE, 'k'),
        (Self::DELETE, 'x'),
        (Self::TRASH, 't'),
        (Self::EXPUNGE, 'e'),
        (Self::ADMINISTER, 'a'),
    ];

    /// What the letters of RFC 2086 mean: "the "create" right as union of the "k" and "x" rights, and the "delete"
    /// right as union of the "e" and "t" rights" (RFC 4314 §2.1.1).
    const OLD: &'static [(Rights, char)] =
        &[(Self::CREATE.with(Self::DELETE), 'c'), (Self::EXPUNGE.with(Self::TRASH), 'd')];

    /// Reads letters.
    ///
    /// # Errors
    /// [`RightsError`]: "an unrecognized right MUST cause the command to return the BAD response" (RFC 4314 §3.1).
    pub fn parse(text: &str) -> Result<Self, RightsError> {
        let of = |c: char| {
            let known = Self::LETTERS.iter().chain(Self::OLD).find(|(_, letter)| *letter == c);
            known.map(|(right, _)| *right).ok_or(RightsError)
        };
        text.chars().try_fold(Self::NONE, |all, c| Ok(all.with(of(c)?)))
    }

    /// Whether all of `other` are in it.
    #[must_use]
    pub const fn has(self, other: Rights) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is in it.
    #[must_use]
    pub const fn any(self, other: Rights) -> bool {
        self.0 & other.0 != 0
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Rights) -> Rights {
        Rights(self.0 | other.0)
    }

    /// These without `other`.
    #[must_use]
    pub const fn without(self, other: Rights) -> Rights {
        Rights(self.0 & !other.0)
    }

    /// The letters of each right, one text each, and those of RFC 2086 where one of their members is there: "the server
    /// MUST also include the "d" right", and so for "c".
    pub fn letters(self) -> impl Iterator<Item = char> {
        let new = Self::LETTERS.iter().filter(move |(right, _)| self.has(*right));
        let old = Self::OLD.iter().filter(move |(rights, _)| self.any(*rights));
        new.chain(old).map(|(_, letter)| *letter)
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.letters().try_for_each(|letter| fmt::Write::write_char(f, letter))
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rights({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_bits_agree() {
        for (right, letter) in Rights::LETTERS {
            assert_eq!(Rights::parse(&letter.to_string()), Ok(*right));
            assert!(right.to_string().starts_with(*letter));
        }
        assert_eq!(Rights::ALL.to_string(), "lrswipkxteacd");
        assert_eq!(Rights::parse("lrswipkxteacd"), Ok(Rights::ALL));
        assert_eq!(Rights::parse(""), Ok(Rights::NONE));
        assert_eq!(Rights::parse("lrQ"), Err(RightsError));
        assert_eq!(Rights::parse("q"), Err(RightsError));
        assert_eq!(Rights::parse("0"), Err(RightsError));
    }

    /// RFC 4314 §2.1.1
    #[test]
    fn rights_of_rfc_2086() {
        let written = |text: &str| Rights::parse(text).unwrap().to_string();
        assert_eq!(written("lrswida"), "lrswitead");
        assert_eq!(written("lrswikda"), "lrswikteacd");
        assert_eq!(written("lrsx"), "lrsxc");
        assert_eq!(written("c"), "kxc");
    }
}
