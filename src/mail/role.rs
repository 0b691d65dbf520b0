//! Special uses of mailboxes (RFC 6154, RFC 8457).

/// What a mailbox is for. The numbers are stored: never renumber.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i16)]
pub enum Role {
    /// An ordinary mailbox.
    None = 0,
    /// INBOX itself.
    Inbox = 1,
    /// `\Drafts`
    Drafts = 2,
    /// `\Sent`
    Sent = 3,
    /// `\Trash`
    Trash = 4,
    /// `\Junk`
    Junk = 5,
    /// `\Archive`
    Archive = 6,
    /// `\Important` (RFC 8457)
    Important = 7,
}

/// Every special use with its attribute name.
const NAMED: [(Role, &str); 6] = [
    (Role::Drafts, "\\Drafts"),
    (Role::Sent, "\\Sent"),
    (Role::Trash, "\\Trash"),
    (Role::Junk, "\\Junk"),
    (Role::Archive, "\\Archive"),
    (Role::Important, "\\Important"),
];

impl Role {
    /// As stored. A number of a later version is an ordinary mailbox to this one.
    #[must_use]
    pub fn from_stored(number: i16) -> Self {
        match number {
            1 => Self::Inbox,
            2 => Self::Drafts,
            3 => Self::Sent,
            4 => Self::Trash,
            5 => Self::Junk,
            6 => Self::Archive,
            7 => Self::Important,
            _ => Self::None,
        }
    }

    /// The number to store.
    #[must_use]
    pub fn stored(self) -> i16 {
        self as i16
    }

    /// A use that CREATE may ask for, by its attribute name without regard to case. `\All` and `\Flagged`
    /// are views over other mailboxes, which this server does not make.
    #[must_use]
    pub fn from_attribute(name: &str) -> Option<Self> {
        NAMED.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(role, _)| *role)
    }

    /// The attribute LIST shows, if any.
    #[must_use]
    pub fn attribute(self) -> Option<&'static str> {
        NAMED.iter().find(|(role, _)| *role == self).map(|(_, name)| *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_agree() {
        for (role, name) in NAMED {
            assert_eq!(Role::from_stored(role.stored()), role);
            assert_eq!(Role::from_attribute(&name.to_uppercase()), Some(role));
            assert_eq!(role.attribute(), Some(name));
        }
        assert_eq!(Role::from_stored(Role::Inbox.stored()), Role::Inbox);
        assert_eq!(Role::from_stored(99), Role::None);
        assert_eq!(Role::from_attribute("\\All"), None);
        assert_eq!(Role::Inbox.attribute(), None);
    }
}
