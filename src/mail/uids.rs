//! Sets of UIDs, and the numbers a session gives its messages, both as runs: a mailbox of a million messages
//! without gaps is one run.

use std::ops::RangeInclusive;

/// UIDs as ascending runs that do not touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UidSet(Vec<RangeInclusive<u32>>);

impl UidSet {
    /// Any ranges, in any order, overlapping or upside down (`5:2` is `2:5`).
    #[must_use]
    pub fn from_ranges(ranges: impl IntoIterator<Item = RangeInclusive<u32>>) -> Self {
        let mut sorted: Vec<(u32, u32)> = ranges
            .into_iter()
            .map(|range| {
                let (a, b) = range.into_inner();
                (a.min(b), a.max(b))
            })
            .collect();
        sorted.sort_unstable();
        let mut set = Self::default();
        for (first, last) in sorted {
            set.push_run(first, last);
        }
        set
    }

    /// Adds a run that starts at or after the start of the last one.
    pub(crate) fn push_run(&mut self, first: u32, last: u32) {
        match self.0.last_mut() {
            Some(run) if first <= run.end().saturating_add(1) => {
                *run = *run.start()..=last.max(*run.end());
            }
            _ => self.0.push(first..=last),
        }
    }

    /// Adds a UID above all others (or the highest again).
    pub fn push(&mut self, uid: u32) {
        self.push_run(uid, uid);
    }

    /// The runs, ascending.
    #[must_use]
    pub fn runs(&self) -> &[RangeInclusive<u32>] {
        &self.0
    }

    /// Every UID, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().cloned().flatten()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.iter().map(|run| u64::from(run.end() - run.start()) + 1).sum()
    }

    /// None at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this one is in it.
    #[must_use]
    pub fn contains(&self, uid: u32) -> bool {
        let at = self.0.partition_point(|run| *run.end() < uid);
        self.0.get(at).is_some_and(|run| run.contains(&uid))
    }

    /// The smallest.
    #[must_use]
    pub fn first(&self) -> Option<u32> {
        self.0.first().map(|run| *run.start())
    }

    /// All but the largest `count`, and those.
    #[must_use]
    pub fn split_last(&self, count: u64) -> (Self, Self) {
        let mut before = self.len().saturating_sub(count);
        let (mut head, mut tail) = (Self::default(), Self::default());
        for run in &self.0 {
            let (first, last) = (*run.start(), *run.end());
            let length = u64::from(last - first) + 1;
            // How many of this run belong to the head.
            let here = before.min(length);
            before -= here;
            if here > 0 {
                head.push_run(first, first + (here - 1) as u32);
            }
            if here < length {
                tail.push_run(first + here as u32, last);
            }
        }
        (head, tail)
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut a, mut b) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut both = Self::default();
        while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
            let (first, last) = (*x.start().max(y.start()), *x.end().min(y.end()));
            if first <= last {
                both.push_run(first, last);
            }
            if x.end() < y.end() {
                a.next();
            } else {
                b.next();
            }
        }
        both
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::from_ranges(self.0.iter().chain(&other.0).cloned())
    }

    /// What is in this one only.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut left = Self::default();
        let mut holes = other.0.iter().peekable();
        for run in &self.0 {
            let mut first = u64::from(*run.start());
            let last = u64::from(*run.end());
            while holes.next_if(|hole| hole.end() < run.start()).is_some() {}
            while let Some(hole) = holes.peek().filter(|hole| hole.start() <= run.end()) {
                if u64::from(*hole.start()) > first {
                    left.push_run(first as u32, hole.start() - 1);
                }
                first = first.max(u64::from(*hole.end()) + 1);
                if hole.end() > run.end() {
                    break;
                }
                holes.next();
            }
            if first <= last {
                left.push_run(first as u32, *run.end());
            }
        }
        left
    }
}

impl FromIterator<u32> for UidSet {
    fn from_iter<I: IntoIterator<Item = u32>>(uids: I) -> Self {
        Self::from_ranges(uids.into_iter().map(|uid| uid..=uid))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    first: u32,
    last: u32,
    /// Message number of `first`.
    number: u32,
}

/// The numbers 1, 2, 3, … that a session has given to its messages, in the order of their UIDs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Numbers(Vec<Run>);

impl Numbers {
    pub(crate) fn new(set: &UidSet) -> Self {
        let mut numbers = Self::default();
        for run in &set.0 {
            numbers.append(*run.start(), *run.end());
        }
        numbers
    }

    /// How many messages.
    pub(crate) fn len(&self) -> u32 {
        self.0.last().map_or(0, |run| run.number + (run.last - run.first))
    }

    pub(crate) fn last_uid(&self) -> Option<u32> {
        self.0.last().map(|run| run.last)
    }

    /// Messages with UIDs above all others.
    pub(crate) fn append(&mut self, first: u32, last: u32) {
        let number = self.len() + 1;
        match self.0.last_mut() {
            Some(run) if run.last + 1 == first => run.last = last,
            _ => self.0.push(Run { first, last, number }),
        }
    }

    pub(crate) fn number(&self, uid: u32) -> Option<u32> {
        let at = self.0.partition_point(|run| run.last < uid);
        let run = self.0.get(at).filter(|run| run.first <= uid)?;
        Some(run.number + (uid - run.first))
    }

    /// How many messages have this UID or a higher one.
    pub(crate) fn count_from(&self, uid: u32) -> u32 {
        let at = self.0.partition_point(|run| run.last < uid);
        let Some(run) = self.0.get(at) else { return 0 };
        self.len() + 1 - (run.number + uid.saturating_sub(run.first))
    }

    pub(crate) fn set(&self) -> UidSet {
        UidSet(self.0.iter().map(|run| run.first..=run.last).collect())
    }

    /// The messages with these numbers (both ends exist).
    pub(crate) fn uids_of(&self, first: u32, last: u32, out: &mut Vec<RangeInclusive<u32>>) {
        let at = self.0.partition_point(|run| run.number + (run.last - run.first) < first);
        for run in self.0[at..].iter().take_while(|run| run.number <= last) {
            let from = run.first + first.saturating_sub(run.number);
            let to = run.last.min(run.first + (last - run.number));
            out.push(from..=to);
        }
    }

    /// Takes messages out; the ones behind them move up.
    pub(crate) fn remove(&mut self, gone: &UidSet) {
        *self = Self::new(&self.set().difference(gone));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn naive() -> impl Strategy<Value = BTreeSet<u32>> {
        prop::collection::btree_set(1u32..40, 0..30)
    }

    fn of(set: &BTreeSet<u32>) -> UidSet {
        set.iter().copied().collect()
    }

    #[test]
    fn extremes() {
        let all = UidSet::from_ranges([1..=u32::MAX]);
        assert_eq!(all.len(), u64::from(u32::MAX));
        assert!(all.difference(&all).is_empty());
        let odd = RangeInclusive::new(9, 3);
        assert_eq!(UidSet::from_ranges([odd]).runs(), &[3..=9]);
        assert_eq!(all.difference(&UidSet::from_ranges([5..=5])).runs(), &[1..=4, 6..=u32::MAX]);
        assert_eq!(Numbers::default().len(), 0);
    }

    proptest! {
        #[test]
        fn sets_are_sets(a in naive(), b in naive()) {
            let (x, y) = (of(&a), of(&b));
            prop_assert_eq!(x.intersection(&y), of(&(&a & &b)));
            prop_assert_eq!(x.union(&y), of(&(&a | &b)));
            prop_assert_eq!(x.difference(&y), of(&(&a - &b)));
            prop_assert_eq!(x.len(), a.len() as u64);
            prop_assert!(x.iter().eq(a.iter().copied()));
            for uid in 0..45 {
                prop_assert_eq!(x.contains(uid), a.contains(&uid));
            }
            let (head, tail) = x.split_last(b.len() as u64);
            let cut = a.len().saturating_sub(b.len());
            prop_assert!(head.iter().eq(a.iter().copied().take(cut)));
            prop_assert!(tail.iter().eq(a.iter().copied().skip(cut)));
            prop_assert_eq!(tail.first(), a.iter().copied().nth(cut));
        }

        #[test]
        fn numbers_count_through(a in naive(), gone in naive(), from in 1u32..30, to in 1u32..30) {
            let mut numbers = Numbers::new(&of(&a));
            numbers.remove(&of(&gone));
            let left: Vec<u32> = (&a - &gone).into_iter().collect();
            prop_assert_eq!(numbers.len() as usize, left.len());
            prop_assert_eq!(numbers.last_uid(), left.last().copied());
            for uid in 0..45 {
                let wanted = left.iter().position(|u| *u == uid).map(|at| at as u32 + 1);
                prop_assert_eq!(numbers.number(uid), wanted);
                let above = left.iter().filter(|u| **u >= uid).count() as u32;
                prop_assert_eq!(numbers.count_from(uid), above);
            }
            let (from, to) = (from.min(to), from.max(to).min(left.len() as u32));
            let mut found = Vec::new();
            if from <= to {
                numbers.uids_of(from, to, &mut found);
                let wanted: UidSet = left[from as usize - 1..to as usize].iter().copied().collect();
                prop_assert_eq!(UidSet::from_ranges(found), wanted);
            }
        }
    }
}
