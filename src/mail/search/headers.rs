//! Which messages of a large mailbox a search for header fields need look at.
//!
//! What the kept fields hold stands in tables of bits, a page of UIDs each (`store::search_page`): a bit for every three
//! octets in a row of a field, and one for the field itself. A table only says what is *not* there; what may be there
//! the message's own fields confirm. The first search that comes to a page makes its table, so a mailbox that nobody
//! searches costs nothing, and one that is searched again is read where something may be found.

use super::text::field_text;
use super::{Needle, Open, Place, SIEVES};
use crate::collate::fold;
use crate::fetch::{Message, Pages};
use crate::uids::UidSet;
use crate::view::View;
use crate::{Mail, MailError};
use message::Structure;
use std::collections::HashMap;
use store::message::{Columns, message_rows};
use store::search_page::{PAGE_UIDS, SLICE_OCTETS, search_page_slices, search_page_write};
use types::MessageId;

/// How fields are read, folded and hashed. Another number makes older tables void.
const FORMAT: i16 = 1;
/// Slices of a table: 256 octets for each message.
const SLICES: u64 = 2_048;
/// Slices looked at for one text.
const PROBES: usize = 12;
/// Smaller mailboxes have no tables: what a session lists of them is remembered anyway.
const LEAST: u32 = 4 * PAGE_UIDS;
/// A table is made when at least so many of its messages would have to be looked at.
const WORTH: usize = 256;
/// Structures in memory at the same time.
const STRUCTURES: usize = 256;
/// Pages asked for at a time, as many as one answer holds.
const TOGETHER: u32 = 64;

/// What a query looks for in tables.
pub(super) struct Headers {
    /// The slices of every needle, one after the other.
    slices: Vec<u16>,
    /// Which needle, and how many of the slices are its.
    needles: Vec<(usize, usize)>,
}

impl Headers {
    /// `None`: tables say nothing to this.
    pub(super) fn new(view: &View, needles: &[Needle]) -> Option<Self> {
        let mut headers = Self { slices: Vec::new(), needles: Vec::new() };
        for (index, needle) in needles.iter().enumerate().take(SIEVES) {
            match &needle.place {
                Place::Field(name) if needle.fuzzy.is_none() && message::is_kept(name) => {
                    let before = headers.slices.len();
                    headers.slices.extend(probes(name, &needle.text));
                    headers.needles.push((index, headers.slices.len() - before));
                }
                _ => {}
            }
        }
        (view.exists() >= LEAST && !headers.needles.is_empty()).then_some(headers)
    }

    /// Notes what is not there, given the slices of the page that all of these messages are on.
    fn mark(&self, open: &mut [Open], octets: &[u8]) {
        let mut slices = octets.chunks_exact(SLICE_OCTETS);
        for (index, count) in &self.needles {
            let mut both = [u8::MAX; SLICE_OCTETS];
            for slice in slices.by_ref().take(*count) {
                both.iter_mut().zip(slice).for_each(|(both, octet)| *both &= octet);
            }
            for open in open.iter_mut() {
                let (octet, bit) = place(open.row.uid.0);
                open.absent |= u32::from(both[octet] & bit == 0) << index;
            }
        }
    }
}

/// A table while it is made.
struct Table(Vec<u8>);

impl Table {
    fn new() -> Self {
        Self(vec![0; SLICES as usize * SLICE_OCTETS])
    }

    fn add(&mut self, uid: u32, structure: &Structure) {
        if structure.fields_cut {
            // Only its bytes can tell.
            (0..SLICES as u16).for_each(|slice| self.set(slice, uid));
            return;
        }
        for field in &structure.fields {
            let seed = seed(&field.name);
            self.set(slice(seed, &[]), uid);
            let text = fold(&field_text(&field.value));
            text.as_bytes().windows(3).for_each(|octets| self.set(slice(seed, octets), uid));
        }
    }

    fn set(&mut self, slice: u16, uid: u32) {
        let (octet, bit) = place(uid);
        self.0[usize::from(slice) * SLICE_OCTETS + octet] |= bit;
    }

    fn slices(&self, wanted: &[u16]) -> Vec<u8> {
        let all: Vec<&[u8]> = self.0.chunks_exact(SLICE_OCTETS).collect();
        wanted.iter().flat_map(|slice| all[usize::from(*slice)]).copied().collect()
    }
}

/// Where a UID's bit is in each slice.
fn place(uid: u32) -> (usize, u8) {
    let at = uid % PAGE_UIDS;
    (at as usize / 8, 1 << (at % 8))
}

fn page(open: &Open) -> u32 {
    open.row.uid.0 / PAGE_UIDS
}

/// What tells the fields apart.
fn seed(name: &str) -> u64 {
    let mix = |hash: u64, octet: u8| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01B3);
    name.bytes().map(|octet| octet.to_ascii_lowercase()).fold(0xCBF2_9CE4_8422_2325, mix)
}

/// The slice for three octets of a field; for none: for the field itself.
fn slice(seed: u64, octets: &[u8]) -> u16 {
    let word = octets.iter().fold(1, |word, octet| word << 8 | u64::from(*octet));
    let mixed = (seed ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 33) as u16 % SLICES as u16
}

/// The slices in which a message has a bit if this folded text is in its field, spread over the text.
fn probes(name: &str, text: &str) -> Vec<u16> {
    let seed = seed(name);
    let mut all: Vec<u16> = text.as_bytes().windows(3).map(|octets| slice(seed, octets)).collect();
    if all.is_empty() {
        return vec![slice(seed, &[])];
    }
    let step = all.len().div_ceil(PROBES);
    all = all.into_iter().step_by(step).collect();
    all.sort_unstable();
    all.dedup();
    all
}

impl Mail {
    /// Asks the tables which needles are not there. The messages are in the order of their UIDs.
    pub(super) async fn by_headers(
        &self,
        view: &View,
        headers: &Headers,
        open: &mut [Open],
    ) -> Result<(), MailError> {
        let (store, target) = (&self.store, view.target());
        let mut rest = open;
        while let Some(first) = rest.first().map(page) {
            let end = rest.partition_point(|open| page(open) < first + TOGETHER);
            let (now, later) = rest.split_at_mut(end);
            let last = now.last().map_or(first, page);
            let (account, mailbox, range) = (target.account, target.mailbox, (first, last));
            let found =
                search_page_slices(store, account, mailbox, range, FORMAT, &headers.slices).await?;
            let found: HashMap<u32, Vec<u8>> =
                found.into_iter().map(|slices| (slices.page, slices.octets)).collect();
            for group in now.chunk_by_mut(|a, b| page(a) == page(b)) {
                let at = page(&group[0]);
                if let Some(octets) = found.get(&at) {
                    headers.mark(group, octets);
                } else if group.len() >= WORTH && is_whole(view, at) {
                    let table = self.make_table(view, at).await?;
                    headers.mark(group, &table.slices(&headers.slices));
                }
            }
            rest = later;
        }
        Ok(())
    }

    async fn make_table(&self, view: &View, page: u32) -> Result<Table, MailError> {
        let (store, target) = (&self.store, view.target());
        let uids = page * PAGE_UIDS..=page * PAGE_UIDS + (PAGE_UIDS - 1);
        let mut pages = Pages::wide(target, UidSet::from_ranges([uids]), Columns::MESSAGE);
        let mut uids: Vec<(MessageId, u32)> = Vec::new();
        while let Some(rows) = pages.next(self).await? {
            uids.extend(rows.iter().map(|row| (row.message, row.uid.0)));
        }
        uids.sort_unstable();
        let mut table = Table::new();
        // Not remembered: a search through everything would drive out what sessions list.
        for some in uids.chunks(STRUCTURES) {
            let ids: Vec<MessageId> = some.iter().map(|(id, _)| *id).collect();
            for row in message_rows(store, target.account, &ids).await? {
                let message = Message::decode(row)?;
                let first = some.partition_point(|(id, _)| *id < message.id);
                let same = some[first..].iter().take_while(|(id, _)| *id == message.id);
                same.for_each(|(_, uid)| table.add(*uid, &message.structure));
            }
            tokio::task::yield_now().await;
        }
        search_page_write(store, target.account, target.mailbox, page, FORMAT, &table.0).await?;
        metrics::counter!("postrider_search_header_pages_total").increment(1);
        Ok(table)
    }
}

/// Whether all UIDs of a page have been given, so that it never changes.
fn is_whole(view: &View, page: u32) -> bool {
    (u64::from(page) + 1) * u64::from(PAGE_UIDS) <= u64::from(view.uidnext())
}

#[cfg(test)]
mod tests {
    use super::super::Place;
    use super::*;
    use message::Scanner;
    use proptest::prelude::*;

    fn structure(header: &str) -> Structure {
        let mut scanner = Scanner::new();
        scanner.feed(header.as_bytes());
        scanner.feed(b"\r\n\r\nbody\r\n");
        scanner.finish().structure
    }

    /// Whether a table with this message alone says that a field may hold a text.
    fn may_hold(structure: &Structure, name: &str, text: &str) -> bool {
        let mut table = Table::new();
        table.add(5_000, structure);
        let (octet, bit) = place(5_000);
        let slices = table.slices(&probes(name, &fold(text)));
        slices.chunks_exact(SLICE_OCTETS).all(|slice| slice[octet] & bit != 0)
    }

    #[test]
    fn what_is_there_is_never_denied_and_most_else_is() {
        let structure = structure(
            "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= of\r\n the year\r\nFrom: J <jo@x.example>\r\nTo:",
        );
        for (name, text) in [
            ("subject", "GRÜßE OF THE"),
            ("SUBJECT", "ar"),
            ("From", "jo@x.example"),
            ("From", ""),
            ("To", ""),
        ] {
            assert!(may_hold(&structure, name, text), "{name}: {text}");
        }
        for (name, text) in
            [("From", "grüße"), ("Subject", "quetzal"), ("Cc", ""), ("Cc", "a"), ("To", "jo@x")]
        {
            assert!(!may_hold(&structure, name, text), "{name}: {text}");
        }
    }

    #[test]
    fn what_was_cut_may_hold_anything() {
        let cut = Structure { fields_cut: true, ..structure("Subject: a") };
        assert!(may_hold(&cut, "Subject", "quetzal") && may_hold(&cut, "Cc", ""));
    }

    proptest! {
        #[test]
        fn no_field_that_holds_a_text_is_passed_over(
            value in "[ -~äöüßÄéﬁ]{0,60}", from in 0usize..60, length in 0usize..20,
        ) {
            let structure = structure(&format!("Subject:{value}"));
            let text: String = value.chars().skip(from).take(length).collect();
            let needle = Needle { place: Place::Field("Subject".into()), text: fold(&text), fuzzy: None };
            let held = structure.fields.iter().any(|f| needle.in_field(&f.name, &f.value) > 0);
            prop_assert!(!held || may_hold(&structure, "Subject", &text));
        }
    }
}
