//! Which mailbox a user means: one of their own, or somebody else's (RFC 2342, "Other Users' Namespace").
//!
//! `Other Users/anna@example.test/Lists` is Lists of anna@example.test. Whatever does not name an account there is a name
//! like any other, so no mailbox of an older version is out of reach; but none is made there any more.

use crate::name::{MailboxName, NameError, SEPARATOR};
use std::fmt;
use types::EmailAddress;

/// The level above the mailboxes of others.
pub const OTHERS: &str = "Other Users";

/// A mailbox as a user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Path {
    /// The user's own.
    Own(MailboxName),
    /// Somebody else's.
    Other {
        /// Whose.
        owner: EmailAddress,
        /// Its name there.
        name: MailboxName,
    },
}

impl Path {
    /// Reads a name.
    ///
    /// # Errors
    /// [`NameError`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        match split(text) {
            Some((owner, name)) => Ok(Self::Other { owner, name: MailboxName::parse(name)? }),
            None => Ok(Self::Own(MailboxName::parse(text)?)),
        }
    }

    /// The name within the account.
    pub(crate) fn name(&self) -> &MailboxName {
        match self {
            Self::Own(name) | Self::Other { name, .. } => name,
        }
    }

    /// Whose, if it is not the user's own.
    pub(crate) fn owner(&self) -> Option<&EmailAddress> {
        match self {
            Self::Own(_) => None,
            Self::Other { owner, .. } => Some(owner),
        }
    }

    /// The name of a mailbox of `owner` as others write it.
    #[must_use]
    pub fn of_other(owner: &str, name: &str) -> String {
        format!("{OTHERS}{SEPARATOR}{owner}{SEPARATOR}{name}")
    }

    /// Whether the mailboxes there are of others, or could be.
    pub(crate) fn is_reserved(name: &MailboxName) -> bool {
        let rest = name.as_str().strip_prefix(OTHERS);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(SEPARATOR))
    }
}

impl From<MailboxName> for Path {
    fn from(name: MailboxName) -> Self {
        Self::Own(name)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(name) => name.fmt(f),
            Self::Other { owner, name } => {
                f.write_str(&Self::of_other(owner.as_str(), name.as_str()))
            }
        }
    }
}

/// The owner, and the name behind. An address may hold the separator before its `@`, never after it.
fn split(text: &str) -> Option<(EmailAddress, &str)> {
    let rest = text.strip_prefix(OTHERS)?.strip_prefix(SEPARATOR)?;
    let at = rest.find('@')?;
    let end = at + rest[at..].find(SEPARATOR)?;
    let (address, name) = (&rest[..end], &rest[end + SEPARATOR.len_utf8()..]);
    if name.is_empty() {
        return None;
    }
    EmailAddress::parse(address).ok().map(|owner| (owner, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_have_a_place_of_their_own() {
        let own =
            |text: &str| matches!(Path::parse(text), Ok(Path::Own(name)) if name.as_str() == text);
        assert!(own("INBOX") && own("Other Users") && own("Other Users/x/y"));
        assert!(own("Other Users/a@b.test") && own("Other Usersx/a@b.test/y"));
        assert!(matches!(Path::parse("Other Users/a@b.test/"), Ok(Path::Own(_))));
        let other = |text: &str| match Path::parse(text) {
            Ok(Path::Other { owner, name }) => Some((owner.to_string(), name.to_string())),
            _ => None,
        };
        let found = other("Other Users/Anna@Example.test/inbox/x").unwrap();
        assert_eq!(found, ("anna@example.test".into(), "INBOX/x".into()));
        let found = other("Other Users/a/b@example.test/x/").unwrap();
        assert_eq!(found, ("a/b@example.test".into(), "x".into()));
        let told = Path::parse("Other Users/Anna@Example.test/inbox").unwrap().to_string();
        assert_eq!(told, "Other Users/anna@example.test/INBOX");
        assert_eq!(Path::parse("Other Users/a@b.test/x//y"), Err(NameError::Empty));
        let reserved = |text: &str| Path::is_reserved(&MailboxName::parse(text).unwrap());
        assert!(reserved("Other Users") && reserved("Other Users/x") && !reserved("Other Usersx"));
    }
}
