//! Sets of message numbers: as a client writes them ([`SequenceSet`]) and as we hold and write them
//! ([`NumberSet`]).

use crate::cursor::{Cursor, Parsed, Refusal};
use crate::response::Code;
use crate::response::text::push_number;
use bytes::BytesMut;
use std::fmt;

/// Most ranges in one set; protects against sets that cost more to resolve than they are worth.
pub const MAX_RANGES: usize = 16_384;

/// A set as written: `2,4:7,9,12:*`, or `$` for the result of the last SEARCH that saved one (RFC 5182).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SequenceSet {
    /// `$`
    Saved,
    /// Pairs as written; 0 stands for `*`, which is no number in this grammar.
    Ranges(Vec<(u32, u32)>),
}

impl SequenceSet {
    /// Whether `*` occurs: then the largest number must be known.
    #[must_use]
    pub fn has_star(&self) -> bool {
        match self {
            Self::Saved => false,
            Self::Ranges(ranges) => ranges.iter().any(|(a, b)| *a == 0 || *b == 0),
        }
    }

    /// The numbers meant when `largest` is the largest in use. `None` for `$`.
    ///
    /// "a unique identifier sequence range of 3291:* includes the UID of the last message in the mailbox,
    /// even if that value is less than 3291" (RFC 9051 §9). In an empty mailbox (0) `*` means nothing.
    #[must_use]
    pub fn resolve(&self, largest: u32) -> Option<NumberSet> {
        let Self::Ranges(ranges) = self else { return None };
        let number = |n: u32| if n == 0 { largest } else { n };
        let pairs = ranges
            .iter()
            .map(|(a, b)| (number(*a), number(*b)))
            .filter(|(a, b)| *a != 0 && *b != 0);
        Some(NumberSet::from_ranges(pairs.map(|(a, b)| (a.min(b), a.max(b)))))
    }

    /// The largest number written, `*` apart: a sequence number above the count of messages is an error.
    #[must_use]
    pub fn largest_written(&self) -> u32 {
        match self {
            Self::Saved => 0,
            Self::Ranges(ranges) => ranges.iter().map(|(a, b)| *a.max(b)).max().unwrap_or(0),
        }
    }
}

/// Reads `sequence-set`; `$` only where it was announced.
pub(crate) fn sequence_set(cursor: &mut Cursor<'_>) -> Parsed<SequenceSet> {
    if cursor.peek() == Some(b'$') {
        cursor.need(crate::Capability::SearchRes)?;
        cursor.byte(b'$')?;
        return Ok(SequenceSet::Saved);
    }
    let mut ranges = Vec::new();
    loop {
        let first = number_or_star(cursor)?;
        let last = if cursor.take(b':') { number_or_star(cursor)? } else { first };
        if ranges.len() >= MAX_RANGES {
            return Err(Refusal::bad("Too many ranges in a set").with(Code::Limit));
        }
        ranges.push((first, last));
        if !cursor.take(b',') {
            return Ok(SequenceSet::Ranges(ranges));
        }
    }
}

fn number_or_star(cursor: &mut Cursor<'_>) -> Parsed<u32> {
    if cursor.take(b'*') {
        return Ok(0);
    }
    match cursor.number()? {
        0 => Err(Refusal::bad("0 is no message number")),
        number => Ok(number),
    }
}

/// Ascending numbers as ranges that neither touch nor overlap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NumberSet {
    ranges: Vec<(u32, u32)>,
}

impl NumberSet {
    /// Nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From ranges in any order, each with its smaller end first; 0 is left out.
    #[must_use]
    pub fn from_ranges(ranges: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut sorted: Vec<(u32, u32)> = ranges
            .into_iter()
            .filter(|(first, last)| *last != 0 && first <= last)
            .map(|(first, last)| (first.max(1), last))
            .collect();
        sorted.sort_unstable();
        let mut set = Self::new();
        for (first, last) in sorted {
            match set.ranges.last_mut() {
                Some(end) if first <= end.1.saturating_add(1) => end.1 = end.1.max(last),
                _ => set.ranges.push((first, last)),
            }
        }
        set
    }

    /// Adds a number larger than all in the set; any other is passed over.
    pub fn push(&mut self, number: u32) {
        match self.ranges.last_mut() {
            Some(end) if number <= end.1 => {}
            Some(end) if number == end.1 + 1 => end.1 = number,
            _ if number == 0 => {}
            _ => self.ranges.push((number, number)),
        }
    }

    /// The ranges, ascending, both ends inclusive.
    #[must_use]
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.ranges
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many numbers it holds.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|(first, last)| u64::from(last - first) + 1).sum()
    }

    /// Whether `number` is in it.
    #[must_use]
    pub fn contains(&self, number: u32) -> bool {
        let after = self.ranges.partition_point(|(first, _)| *first <= number);
        after > 0 && self.ranges[after - 1].1 >= number
    }

    /// The smallest.
    #[must_use]
    pub fn first(&self) -> Option<u32> {
        self.ranges.first().map(|range| range.0)
    }

    /// The largest.
    #[must_use]
    pub fn last(&self) -> Option<u32> {
        self.ranges.last().map(|range| range.1)
    }

    /// Every number, ascending. A range may be four thousand million long: bound it with what exists.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.ranges.iter().flat_map(|(first, last)| *first..=*last)
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut mine, mut theirs) =
            (self.ranges.iter().peekable(), other.ranges.iter().peekable());
        let mut set = Self::new();
        while let (Some(a), Some(b)) = (mine.peek(), theirs.peek()) {
            let (first, last) = (a.0.max(b.0), a.1.min(b.1));
            let mine_ends = a.1 <= b.1;
            if first <= last {
                set.ranges.push((first, last));
            }
            if mine_ends {
                mine.next();
            } else {
                theirs.next();
            }
        }
        set
    }

    /// The numbers at these places, counted from 0.
    #[must_use]
    pub fn nth(&self, places: std::ops::Range<u64>) -> NumberSet {
        let mut set = Self::new();
        let mut before = 0;
        for (first, last) in &self.ranges {
            let count = u64::from(last - first) + 1;
            let from = places.start.max(before) - before;
            let to = places.end.min(before + count).saturating_sub(before);
            if from < to {
                set.ranges.push((first + from as u32, first + (to - 1) as u32));
            }
            before += count;
        }
        set
    }

    /// The set in pieces of at most so many ranges.
    pub fn split(&self, most: usize) -> impl Iterator<Item = NumberSet> + '_ {
        self.ranges.chunks(most.max(1)).map(|ranges| NumberSet { ranges: ranges.to_vec() })
    }

    /// Writes it as `sequence-set`. Nothing is written for the empty set, which has no spelling.
    pub fn write(&self, out: &mut BytesMut) {
        for (at, (first, last)) in self.ranges.iter().enumerate() {
            if at > 0 {
                out.extend_from_slice(b",");
            }
            push_number(out, u64::from(*first));
            if last > first {
                out.extend_from_slice(b":");
                push_number(out, u64::from(*last));
            }
        }
    }
}

impl FromIterator<u32> for NumberSet {
    fn from_iter<T: IntoIterator<Item = u32>>(numbers: T) -> Self {
        Self::from_ranges(numbers.into_iter().map(|number| (number, number)))
    }
}

impl fmt::Display for NumberSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = BytesMut::new();
        self.write(&mut out);
        f.write_str(std::str::from_utf8(&out).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::tests::grammar;
    use proptest::prelude::*;

    fn read(text: &str) -> Parsed<SequenceSet> {
        let mut cursor = Cursor::new(text.as_bytes(), grammar());
        let set = sequence_set(&mut cursor)?;
        cursor.end()?;
        Ok(set)
    }

    fn resolved(text: &str, largest: u32) -> String {
        read(text).unwrap().resolve(largest).unwrap().to_string()
    }

    #[test]
    fn sets_mean_what_the_rfc_says() {
        // RFC 9051 §9: "a message sequence number set of 2,4:7,9,12:* for a mailbox with 15 messages"
        assert_eq!(resolved("2,4:7,9,12:*", 15), "2,4:7,9,12:15");
        assert_eq!(resolved("*:4,5:7", 10), "4:10");
        assert_eq!(resolved("3291:*", 5), "5:3291");
        assert_eq!(resolved("4:2", 9), "2:4");
        assert_eq!(resolved("*", 0), "");
        assert_eq!(resolved("1:*", 0), "");
        assert_eq!(resolved("1:4294967295", 7), "1:4294967295");
        assert_eq!(read("$"), Ok(SequenceSet::Saved));
        assert!(read("1:*").unwrap().has_star() && !read("1:2").unwrap().has_star());
        assert_eq!(read("1:*,7").unwrap().largest_written(), 7);
        for broken in [
            "",
            "0",
            "1:",
            ":1",
            "1,",
            ",1",
            "1::2",
            "1;2",
            "a",
            "1:2:3",
            "4294967296",
            "$,1",
            "-1",
            "**",
        ] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }

    proptest! {
        #[test]
        fn number_sets_are_sets(numbers in prop::collection::btree_set(1..200u32, 0..60), other in prop::collection::btree_set(1..200u32, 0..60)) {
            let set: NumberSet = numbers.iter().rev().copied().collect();
            let mut pushed = NumberSet::new();
            numbers.iter().for_each(|number| pushed.push(*number));
            prop_assert_eq!(&set, &pushed);
            prop_assert_eq!(set.len(), numbers.len() as u64);
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), numbers.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!((set.first(), set.last()), (numbers.first().copied(), numbers.last().copied()));
            for number in 0..=200 {
                prop_assert_eq!(set.contains(number), numbers.contains(&number));
            }
            let both: NumberSet = numbers.intersection(&other).copied().collect();
            prop_assert_eq!(set.intersection(&other.iter().copied().collect()), both);
            if !set.is_empty() {
                prop_assert_eq!(read(&set.to_string()).unwrap().resolve(0), Some(set));
            }
        }
    }
}
