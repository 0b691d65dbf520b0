//! Results on their way to PostgreSQL: each is written as soon as it can be, and kept until it is.
//!
//! A record may be repeated (a fact is a fact, and a fence passes once), so whatever was not answered is simply
//! sent again. Memory is bounded by what was claimed.

use crate::{Mono, Ruling};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Most records in one statement.
const MOST: usize = 256;
/// Statements under way at once.
const AT_ONCE: usize = 2;
/// The second one is for so many at least: what comes while one is under way goes together, as does what comes within
/// the time that a node among others leaves between two.
const MANY: usize = 32;
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
    /// When the last batch was sent.
    last: Option<Mono>,
    spacing: Duration,
    /// How many go together: halved by each failure, so that one that cannot be written at all is soon alone and
    /// delays nobody else.
    together: usize,
}

impl<N: Clone> Recorder<N> {
    pub(crate) fn new() -> Self {
        let (waiting, sent) = (VecDeque::new(), HashMap::new());
        Self {
            waiting,
            sent,
            next: 0,
            not_before: Mono::default(),
            last: None,
            spacing: Duration::ZERO,
            together: MOST,
        }
    }

    pub(crate) fn push(&mut self, record: Record<N>) {
        self.waiting.push_back(record);
    }

    /// What to send now.
    pub(crate) fn next(&mut self, now: Mono) -> Option<(u64, Vec<Record<N>>)> {
        if self.deadline().is_none_or(|at| now < at) {
            return None;
        }
        let batch: Vec<_> = self.waiting.drain(..self.waiting.len().min(self.together)).collect();
        self.next += 1;
        self.last = Some(now);
        self.sent.insert(self.next, batch.clone());
        Some((self.next, batch))
    }

    /// A batch was answered. Returns whose results are written now.
    pub(crate) fn answered(&mut self, id: u64, written: bool, now: Mono) -> Vec<i64> {
        let Some(batch) = self.sent.remove(&id) else { return Vec::new() };
        if written {
            self.together = (self.together * 2).min(MOST);
            return batch.iter().map(|record| record.recipient).collect();
        }
        self.together = (batch.len() / 2).max(1);
        self.not_before = now.after(PAUSE);
        self.waiting.extend(batch);
        Vec::new()
    }

    /// When [`Recorder::next`] is to be asked again, if nothing else happens.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        let spaced = self.last.filter(|_| self.waiting.len() < MANY);
        let earliest = spaced.map_or(Mono::default(), |last| last.after(self.spacing));
        self.has_a_batch().then_some(self.not_before.max(earliest))
    }

    /// Batches that are not full begin so far apart from now on.
    pub(crate) fn space(&mut self, spacing: Duration) {
        self.spacing = spacing;
    }

    fn has_a_batch(&self) -> bool {
        let least = if self.sent.is_empty() { 1 } else { MANY };
        self.sent.len() < AT_ONCE && self.waiting.len() >= least
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Again;
    use std::collections::HashSet;

    fn record(recipient: i64) -> Record<()> {
        let ruling = Ruling::Again(Again { wait: Duration::ZERO, used: true });
        Record { recipient, attempt: 1, ruling, note: None }
    }

    fn recorder(recipients: std::ops::Range<i64>) -> Recorder<()> {
        let mut recorder = Recorder::new();
        recipients.for_each(|recipient| recorder.push(record(recipient)));
        recorder
    }

    #[test]
    fn what_is_not_answered_is_sent_again_after_a_pause() {
        let (mut recorder, now) = (recorder(0..600), Mono::default());
        let (first, batch) = recorder.next(now).unwrap();
        assert_eq!((batch.len(), recorder.next(now).unwrap().1.len()), (MOST, MOST));
        assert!(recorder.next(now).is_none(), "two at once");
        assert_eq!(recorder.answered(first, false, now), [0; 0]);
        assert!(recorder.next(now).is_none());
        assert_eq!(recorder.recipients().count(), 600);
        let later = recorder.deadline().unwrap();
        assert_eq!(later, now.after(PAUSE));
        assert!(recorder.next(later).is_some());
    }

    #[test]
    fn among_others_what_comes_soon_after_goes_together() {
        let (mut recorder, now) = (recorder(0..1), Mono::default());
        recorder.space(Duration::from_millis(4));
        let (first, _) = recorder.next(now).expect("the first waits for nothing");
        recorder.answered(first, true, now);
        recorder.push(record(1));
        assert!(recorder.next(now).is_none());
        let later = recorder.deadline().unwrap();
        assert_eq!(later, now.after(Duration::from_millis(4)));
        (2..10).for_each(|recipient| recorder.push(record(recipient)));
        let (second, batch) = recorder.next(later).unwrap();
        assert_eq!(batch.len(), 9);
        recorder.answered(second, true, later);
        (0..MANY as i64).for_each(|recipient| recorder.push(record(recipient)));
        assert!(recorder.next(later).is_some(), "a full one waits for nothing");
    }

    #[test]
    fn one_that_cannot_be_written_delays_nobody() {
        let (mut recorder, mut now) = (recorder(0..1_000), Mono::default());
        let mut written = HashSet::new();
        let mut failures = 0;
        while written.len() < 999 {
            let Some((id, batch)) = recorder.next(now) else {
                now = recorder.deadline().unwrap();
                continue;
            };
            let good = batch.iter().all(|record| record.recipient != 300);
            failures += u32::from(!good);
            written.extend(recorder.answered(id, good, now));
        }
        assert!(failures <= 20, "{failures}");
        assert_eq!(recorder.recipients().collect::<Vec<_>>(), [300]);
        assert!(!recorder.is_empty());
    }
}
