//! LIST and UIDL: a line at once, or all of them in pieces.

use super::{OUTPUT, Session, Step};

/// What a line tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// LIST
    Sizes,
    /// UIDL
    UniqueIds,
}

/// A listing under way.
#[derive(Debug)]
pub(super) struct Listing {
    kind: Kind,
    /// The next number.
    next: u32,
}

impl Session {
    /// "A scan listing consists of the message-number of the message, followed by a single space and the exact size
    /// of the message in octets", and nothing more (RFC 1939 §5); a unique-id listing likewise.
    fn listed(&self, kind: Kind, number: u32, (uid, octets): (u32, u32)) -> String {
        match kind {
            Kind::Sizes => format!("{number} {octets}"),
            Kind::UniqueIds => format!("{number} {}", self.maildrop.unique_id(uid)),
        }
    }

    pub(super) fn list(&mut self, number: Option<u32>, kind: Kind) -> Step {
        let Some(number) = number else {
            let (count, octets) = self.maildrop.left();
            self.ok(&format!("{count} messages ({octets} octets)"));
            self.listing = Some(Listing { kind, next: 1 });
            return Step::Again;
        };
        match self.maildrop.message(number) {
            Some(message) => {
                let line = self.listed(kind, number, message);
                self.ok(&line)
            }
            None => self.no_such_message(),
        }
    }

    /// More of a listing, until the output is worth sending.
    pub(super) fn more_listing(&mut self) -> Step {
        let Some(mut listing) = self.listing.take() else { return Step::Again };
        while let Some((number, message)) = self.maildrop.from(listing.next) {
            if self.output.len() >= OUTPUT {
                self.listing = Some(listing);
                return Step::Again;
            }
            let line = self.listed(listing.kind, number, message);
            self.output.extend_from_slice(line.as_bytes());
            self.output.extend_from_slice(b"\r\n");
            listing.next = number.saturating_add(1);
        }
        self.output.extend_from_slice(b".\r\n");
        Step::Again
    }
}
