//! PARTIAL (RFC 9394): a part of what was found.

use crate::cursor::{Cursor, Parsed, Refusal};
use crate::set::NumberSet;
use std::ops::Range;

/// `1:500`, or `-1:-100` counted from the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartialRange {
    /// As written; never 0.
    pub first: u32,
    /// As written; may be smaller than `first`.
    pub last: u32,
    /// Counted from the end.
    pub from_end: bool,
}

impl PartialRange {
    /// Which of `count` results it means, counted from 0. Empty: "the whole range references results that do not
    /// exist" (RFC 9394 §3.1).
    #[must_use]
    pub fn of(&self, count: u64) -> Range<u64> {
        let first = u64::from(self.first.min(self.last));
        let last = u64::from(self.first.max(self.last)).min(count);
        if first > count {
            return 0..0;
        }
        if self.from_end { count - last..count - first + 1 } else { first - 1..last }
    }

    /// Which of these numbers it means.
    #[must_use]
    pub fn clip(&self, found: &NumberSet) -> NumberSet {
        found.nth(self.of(found.len()))
    }
}

/// `partial-range`
pub(super) fn partial_range(cursor: &mut Cursor<'_>) -> Parsed<PartialRange> {
    let from_end = cursor.take(b'-');
    let first = position(cursor)?;
    cursor.byte(b':')?;
    if from_end {
        cursor.byte(b'-')?;
    }
    Ok(PartialRange { first, last: position(cursor)?, from_end })
}

fn position(cursor: &mut Cursor<'_>) -> Parsed<u32> {
    match cursor.number()? {
        0 => Err(Refusal::bad("0 is no position")),
        position => Ok(position),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::tests::grammar;
    use proptest::prelude::*;

    fn read(text: &str) -> Parsed<PartialRange> {
        let mut cursor = Cursor::new(text.as_bytes(), grammar());
        let range = partial_range(&mut cursor)?;
        cursor.end().map(|()| range)
    }

    #[test]
    fn ranges_of_the_rfc() {
        let of = |text: &str, count| read(text).unwrap().of(count);
        assert_eq!(of("-1:-100", 23_764), 23_664..23_764);
        assert_eq!(of("23500:24000", 23_764), 23_499..23_764);
        assert_eq!(of("1:500", 23_764), 0..500);
        assert!(of("24000:24500", 23_764).is_empty());
        assert_eq!(of("500:400", 1_000), of("400:500", 1_000));
        assert_eq!(of("-500:-400", 1_000), of("-400:-500", 1_000));
        assert_eq!(of("-1:-5", 3), 0..3);
        assert!(of("1:4294967295", 0).is_empty() && of("-1:-4294967295", 0).is_empty());
        for broken in ["", "1", "0:1", "1:0", "-1:1", "1:-1", "1:*", "--1:-2", "1:4294967296"] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }

    proptest! {
        #[test]
        fn clipping_is_what_it_says(
            numbers in prop::collection::btree_set(1..80u32, 0..40), first in 1..50u32, last in 1..50u32, from_end: bool,
        ) {
            let range = PartialRange { first, last, from_end };
            let mut list: Vec<u32> = numbers.iter().copied().collect();
            if from_end {
                list.reverse();
            }
            let within = |(at, _): &(usize, u32)| (first.min(last) as usize..=first.max(last) as usize).contains(&(at + 1));
            let wanted: NumberSet = list.into_iter().enumerate().filter(within).map(|(_, number)| number).collect();
            prop_assert_eq!(range.clip(&numbers.into_iter().collect()), wanted);
        }
    }
}
