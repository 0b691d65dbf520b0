//! STATUS, and its items, which LIST can ask for too.

use super::{Call, Command, Request};
use crate::capability::Capability;
use crate::cursor::{Cursor, Parsed, Refusal};
use crate::mailbox::mailbox;

/// What STATUS can tell of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusItem {
    /// How many messages.
    Messages,
    /// How many are \Recent (RFC 3501).
    Recent,
    /// The next UID.
    UidNext,
    /// The UIDVALIDITY.
    UidValidity,
    /// How many are not \Seen.
    Unseen,
    /// How many are \Deleted (RFC 9051).
    Deleted,
    /// Octets of all messages (RFC 8438).
    Size,
    /// The mailbox's highest mod-sequence (RFC 7162).
    HighestModSeq,
    /// MAILBOXID (RFC 8474).
    MailboxId,
    /// Octets of the largest message APPEND takes (RFC 7889).
    AppendLimit,
}

/// Every item: name, what brings it.
const ITEMS: &[(&str, StatusItem, Option<Capability>)] = &[
    ("MESSAGES", StatusItem::Messages, None),
    ("RECENT", StatusItem::Recent, None),
    ("UIDNEXT", StatusItem::UidNext, None),
    ("UIDVALIDITY", StatusItem::UidValidity, None),
    ("UNSEEN", StatusItem::Unseen, None),
    ("DELETED", StatusItem::Deleted, Some(Capability::Imap4Rev2)),
    ("SIZE", StatusItem::Size, Some(Capability::StatusSize)),
    ("HIGHESTMODSEQ", StatusItem::HighestModSeq, Some(Capability::CondStore)),
    ("MAILBOXID", StatusItem::MailboxId, Some(Capability::ObjectId)),
    ("APPENDLIMIT", StatusItem::AppendLimit, Some(Capability::AppendLimit)),
];

impl StatusItem {
    /// As written on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        ITEMS.iter().find(|(_, item, _)| *item == self).map_or("", |(name, _, _)| name)
    }
}

/// `"STATUS" SP mailbox SP "(" status-att *(SP status-att) ")"`
pub(super) fn status(cursor: &mut Cursor<'_>, _: Call) -> Parsed<Request> {
    cursor.space()?;
    let mailbox = mailbox(cursor)?;
    cursor.space()?;
    let items = items(cursor)?;
    Ok(Request::Command(Command::Status { mailbox, items }))
}

/// The parenthesized items, each once.
pub(super) fn items(cursor: &mut Cursor<'_>) -> Parsed<Vec<StatusItem>> {
    let mut items = Vec::new();
    cursor.some_list(64, |cursor| {
        let name = cursor.name()?;
        let found = ITEMS.iter().find(|(known, _, _)| known.eq_ignore_ascii_case(name));
        let (_, item, capability) = found.ok_or(Refusal::bad("Unknown STATUS item"))?;
        if let Some(capability) = capability {
            cursor.need(*capability)?;
        }
        cursor.condstore |= *item == StatusItem::HighestModSeq;
        if !items.contains(item) {
            items.push(*item);
        }
        Ok(())
    })?;
    Ok(items)
}
