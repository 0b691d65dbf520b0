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
    /// Octets of the messages that are \Deleted (RFC 9208).
    DeletedStorage,
}

/// Every item: name, what brings it (any of these; none: IMAP4rev1 itself).
const ITEMS: &[(&str, StatusItem, &[Capability])] = &[
    ("MESSAGES", StatusItem::Messages, &[]),
    ("RECENT", StatusItem::Recent, &[]),
    ("UIDNEXT", StatusItem::UidNext, &[]),
    ("UIDVALIDITY", StatusItem::UidValidity, &[]),
    ("UNSEEN", StatusItem::Unseen, &[]),
    ("DELETED", StatusItem::Deleted, &[Capability::Imap4Rev2, Capability::QuotaResMessage]),
    ("DELETED-STORAGE", StatusItem::DeletedStorage, &[Capability::QuotaResStorage]),
    ("SIZE", StatusItem::Size, &[Capability::StatusSize]),
    ("HIGHESTMODSEQ", StatusItem::HighestModSeq, &[Capability::CondStore]),
    ("MAILBOXID", StatusItem::MailboxId, &[Capability::ObjectId]),
    ("APPENDLIMIT", StatusItem::AppendLimit, &[Capability::AppendLimit]),
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
        let (_, item, any) = found.ok_or(Refusal::bad("Unknown STATUS item"))?;
        if let [.., last] = any
            && !any.iter().any(|capability| cursor.need(*capability).is_ok())
        {
            cursor.need(*last)?;
        }
        cursor.condstore |= *item == StatusItem::HighestModSeq;
        if !items.contains(item) {
            items.push(*item);
        }
        Ok(())
    })?;
    Ok(items)
}
