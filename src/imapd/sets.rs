//! Between the sets of the protocol and those of the domain.

use imap::{NumberSet, SequenceSet};
use mail::{UidSet, View};
use std::ops::RangeInclusive;

/// UIDs as the protocol writes them.
pub(crate) fn to_wire(uids: &UidSet) -> NumberSet {
    NumberSet::from_ranges(uids.runs().iter().map(|run| (*run.start(), *run.end())))
}

/// Numbers as the domain knows UIDs.
pub(crate) fn from_wire(numbers: &NumberSet) -> UidSet {
    UidSet::from_ranges(ranges(numbers))
}

fn ranges(numbers: &NumberSet) -> Vec<RangeInclusive<u32>> {
    numbers.ranges().iter().map(|(first, last)| *first..=*last).collect()
}

/// The message numbers of these UIDs.
pub(crate) fn numbers_of(view: &View, uids: &UidSet) -> NumberSet {
    let mut numbers = NumberSet::new();
    uids.iter().filter_map(|uid| view.number(uid)).for_each(|number| numbers.push(number));
    numbers
}

/// The messages a set means. `None`: a message number that does not exist. UIDs that do not exist are passed
/// over (RFC 9051 §6.4.9).
pub(crate) fn resolve(view: &View, saved: &UidSet, set: &SequenceSet, uid: bool) -> Option<UidSet> {
    if *set == SequenceSet::Saved {
        return Some(view.known(saved));
    }
    if uid {
        let numbers = set.resolve(view.last_uid().unwrap_or(0))?;
        return Some(view.known(&from_wire(&numbers)));
    }
    // "This includes "*" if the selected mailbox is empty" (RFC 9051 §9, seq-number).
    let largest = set.largest_written();
    if largest > view.exists() || (set.has_star() && view.exists() == 0) {
        return None;
    }
    view.numbered(&ranges(&set.resolve(view.exists())?))
}

/// The UIDs that a set means within SEARCH, those that do not exist yet included: whoever keeps the result true will see
/// them. `*` is the last message, and so no bound for what is new.
pub(crate) fn open_uids(view: &View, saved: &UidSet, set: &SequenceSet) -> UidSet {
    let SequenceSet::Ranges(ranges) = set else { return view.known(saved) };
    let last = view.last_uid().unwrap_or(0);
    UidSet::from_ranges(ranges.iter().map(|(a, b)| match (*a, *b) {
        (0, 0) => last.max(1)..=u32::MAX,
        (0, from) | (from, 0) => from.min(last).max(1)..=u32::MAX,
        (a, b) => a.min(b)..=a.max(b),
    }))
}

/// The messages that numbers mean within SEARCH, where what does not exist simply does not match.
pub(crate) fn resolve_loosely(view: &View, saved: &UidSet, set: &SequenceSet) -> UidSet {
    if *set == SequenceSet::Saved {
        return view.known(saved);
    }
    let Some(numbers) = set.resolve(view.exists()) else { return UidSet::default() };
    let there: Vec<_> = ranges(&numbers)
        .into_iter()
        .filter(|range| *range.start() <= view.exists())
        .map(|range| *range.start()..=(*range.end()).min(view.exists()))
        .collect();
    view.numbered(&there).unwrap_or_default()
}
