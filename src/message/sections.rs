//! Part numbers and sections (RFC 9051 §6.4.5.1): which octets `BODY[…]` means.

use crate::structure::{Kind, Part, Structure};
use std::ops::Range;

/// What to fetch of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// `BODY[]` or `BODY[1.2]`: the whole message, or the part's body.
    Whole,
    /// `HEADER` (and the `HEADER.FIELDS` that are cut from it): of a message.
    Header,
    /// `TEXT`: a message's body.
    Text,
    /// `MIME`: a part's header.
    Mime,
}

impl Structure {
    /// The part with this number; `None` when there is none. The empty number is the message itself.
    #[must_use]
    pub fn part(&self, number: &[u32]) -> Option<&Part> {
        let mut part = &self.root;
        let mut fresh_message = true;
        for index in number {
            // "MIME-IMB [MIME-IMB] message/rfc822 parts also have nested part numbers, referring to parts of
            // the MESSAGE part's body"
            if let (Kind::Message(inner), false) = (&part.kind, fresh_message) {
                part = &inner.1;
                fresh_message = true;
            }
            part = match &part.kind {
                Kind::Multipart(children) => children.get((*index).checked_sub(1)? as usize)?,
                // "Every message has at least one part number. Non-[MIME-IMB] messages … have only part 1"
                _ if *index == 1 && fresh_message => part,
                _ => return None,
            };
            fresh_message = false;
        }
        Some(part)
    }

    /// The octets of a section; `None` when there is no such thing (the answer is NIL).
    #[must_use]
    pub fn section(&self, number: &[u32], section: Section) -> Option<Range<u64>> {
        if number.is_empty() {
            return match section {
                Section::Whole => Some(0..self.size),
                Section::Header => Some(self.root.header_start..self.root.body_start),
                Section::Text => Some(self.root.body_start..self.size),
                Section::Mime => None,
            };
        }
        let part = self.part(number)?;
        match section {
            Section::Whole => Some(part.body_start..part.body_end),
            Section::Mime => Some(part.header_start..part.body_start),
            Section::Header | Section::Text => match &part.kind {
                Kind::Message(inner) => {
                    let inner = &inner.1;
                    Some(match section {
                        Section::Header => inner.header_start..inner.body_start,
                        _ => inner.body_start..part.body_end,
                    })
                }
                _ => None,
            },
        }
    }
}
