//! Results on their way to PostgreSQL: each is written as soon as it can be, and kept until it is.
//!
//! A record may be repeated (a fact is a fact, and a fence passes once), so whatever was not answered is simply
//! sent again. Memory is bounded by what was claimed.

use crate::{Mono, Ruling};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Most records in one statement.
const MOST: usize = 256;
/// Statements under way at once: one that runs and one that fills meanwhile.
const AT_ONCE: usize = 2;
/// Wait after a failure. Short: a result that is not written is a duplicate if this node dies.
const PAUSE: Duration = Duration::from_millis(500);

/// One recipient's result.
#[derive(Debug, Clone, PartialEq)]
pub struct Record<N> {
    /// Its row.
    pub recipient: i64,
    /// The claim it belongs to.
    pub attempt: u32,
    /// What becomes of the row.
    pub ruling: Ruling,
    /// What the log is to say; nothing if nothing was tried.
    pub note: Option<N>,
}

/// Records that are not written yet.
#[derive(Debug)]
pub(crate) struct Recorder<N> {
    waiting: VecDeque<Record<N>>,
    sent: HashMap<u64, Vec<Record<N>>>,
    next: u64,
    not_before: Mono,
}

impl<N: Clone> Recorder<N> {
    pub(crate) fn new() -> Self {
        let (waiting, sent) = (VecDeque::new(), HashMap::new());
        Self { waiting, sent, next: 0, not_before: Mono::default() }
    }

    pub(crate) fn push(&mut self, record: Record<N>) {
        self.waiting.push_back(record);
    }

    /// What to send now.
    pub(crate) fn next(&mut self, now: Mono) -> Option<(u64, Vec<Record<N>>)> {
        if self.waiting.is_empty() || self.sent.len() >= AT_ONCE || now < self.not_before {
            return None;
        }
        let batch: Vec<_> = self.waiting.drain(..self.waiting.len().min(MOST)).collect();
        self.next += 1;
        self.sent.insert(self.next, batch.clone());
        Some((self.next, batch))
    }

    /// A batch was answered. Returns whose results are written now.
    pub(crate) fn answered(&mut self, id: u64, written: bool, now: Mono) -> Vec<i64> {
        let Some(batch) = self.sent.remove(&id) else { return Vec::new() };
        if written {
            return batch.iter().map(|record| record.recipient).collect();
        }
        self.not_before = now.after(PAUSE);
        batch.into_iter().rev().for_each(|record| self.waiting.push_front(record));
        Vec::new()
    }

    /// When [`Recorder::next`] is to be asked again, if nothing else happens.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        (!self.waiting.is_empty() && self.sent.len() < AT_ONCE).then_some(self.not_before)
    }

    /// Whether a recipient's result waits; it is then for this claim. What is under way is not changed.
    pub(crate) fn renumber(&mut self, recipient: i64, attempt: u32) -> bool {
        let mut found = self.sent.values().flatten().any(|record| record.recipient == recipient);
        for record in self.waiting.iter_mut().filter(|record| record.recipient == recipient) {
            record.attempt = attempt;
            found = true;
        }
        found
    }

    /// Whose results are not written yet.
    pub(crate) fn recipients(&self) -> impl Iterator<Item = i64> {
        let all = self.waiting.iter().chain(self.sent.values().flatten());
        all.map(|record| record.recipient)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.sent.is_empty()
    }
}
