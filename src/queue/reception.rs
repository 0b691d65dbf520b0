//! Newborn mail that this node sends itself at once.
//!
//! Its rows are inserted as this node's own, under its lease, in the transaction that accepts the message: nobody has
//! to be told of it and nobody has to claim it. The engine says when that is welcome; whoever accepts a message asks
//! for a [`Place`] before it commits, and brings what was committed. An answer that is lost leaves rows owned without
//! an attempt, as with a claim; they are found in the same way.

use crate::Claim;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use types::Destination;

/// Destinations remembered as shut; more are forgotten, and asked at their next turn.
const REMEMBERED: usize = 4_096;

/// Recipients of one destination that were born as this node's own.
#[derive(Debug, Clone, PartialEq)]
pub struct Born<R> {
    /// Where they go.
    pub destination: Destination,
    /// The lease's term when their place was given.
    pub term: u64,
    /// What a claim of them would have brought.
    pub claims: Vec<Claim<R>>,
}

/// Where newborn mail is received. Clones are the same one.
#[derive(Debug)]
pub struct Reception<R> {
    inner: Arc<Inner<R>>,
}

#[derive(Debug)]
struct Inner<R> {
    hall: Mutex<Hall<R>>,
    arrived: Notify,
}

#[derive(Debug)]
struct Hall<R> {
    /// The lease's term while newborn mail is welcome.
    open: Option<u64>,
    /// Most destinations at once.
    slots: usize,
    /// Most recipients that wait for one destination.
    most: usize,
    lines: HashMap<Destination, Line>,
    /// Lines that are being worked on, or will be.
    busy: usize,
    /// Places that were given and are still empty.
    promised: usize,
    born: Vec<Born<R>>,
}

/// Those who wait for one destination.
#[derive(Debug, Default)]
struct Line {
    runs: usize,
    places: usize,
    /// Older mail comes first, or the destination takes none at the moment.
    shut: bool,
}

impl Line {
    fn is_busy(&self) -> bool {
        self.runs > 0 || self.places > 0
    }
}

impl<R> Clone for Reception<R> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

/// Closed.
impl<R> Default for Reception<R> {
    fn default() -> Self {
        let (lines, born) = (HashMap::new(), Vec::new());
        let hall = Hall { open: None, slots: 0, most: 0, lines, busy: 0, promised: 0, born };
        Self { inner: Arc::new(Inner { hall: Mutex::new(hall), arrived: Notify::new() }) }
    }
}

impl<R> Reception<R> {
    /// Asks for a place for so many recipients of one destination of one message. `None`: they are everybody's.
    #[must_use]
    pub fn place(&self, destination: &Destination, count: usize) -> Option<Place<R>> {
        let mut hall = self.hall();
        let term = hall.open?;
        let line = hall.lines.get(destination);
        let (waiting, shut) = line.map_or((0, false), |line| (line.places, line.shut));
        let begins = !line.is_some_and(Line::is_busy);
        if shut || waiting + count > hall.most || begins && hall.busy >= hall.slots {
            return None;
        }
        hall.promised += 1;
        hall.change(destination, |line| line.places += count);
        let (reception, destination) = (self.clone(), destination.clone());
        Some(Place { reception, destination, term, count, is_over: false })
    }

    /// Waits for newborn mail. Cancel-safe.
    pub async fn arrived(&self) -> Vec<Born<R>> {
        loop {
            let born = self.take();
            if !born.is_empty() {
                return born;
            }
            self.inner.arrived.notified().await;
        }
    }

    /// What has arrived.
    pub(crate) fn take(&self) -> Vec<Born<R>> {
        std::mem::take(&mut self.hall().born)
    }

    fn hall(&self) -> MutexGuard<'_, Hall<R>> {
        self.inner.hall.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The engine's side.
impl<R> Reception<R> {
    /// The engine's measures.
    pub(crate) fn furnish(&self, slots: usize, most: usize) {
        let mut hall = self.hall();
        (hall.slots, hall.most) = (slots, most);
    }

    /// Under this term of the lease newborn mail is welcome; `None`: it is not.
    pub(crate) fn open(&self, term: Option<u64>) {
        self.hall().open = term;
    }

    /// One more run is at a destination.
    pub(crate) fn begun(&self, destination: &Destination) {
        self.hall().change(destination, |line| line.runs += 1);
    }

    /// One less.
    pub(crate) fn over(&self, destination: &Destination) {
        self.hall().change(destination, |line| line.runs = line.runs.saturating_sub(1));
    }

    /// So many do not wait any more.
    pub(crate) fn left(&self, destination: &Destination, count: usize) {
        self.hall().change(destination, |line| line.places = line.places.saturating_sub(count));
    }

    /// Whether mail for it is everybody's for now.
    pub(crate) fn shut(&self, destination: &Destination, shut: bool) {
        self.hall().change(destination, |line| line.shut = shut);
    }

    /// Whether somebody still holds an empty place, or mail that the engine has not seen.
    pub(crate) fn is_expecting(&self) -> bool {
        let hall = self.hall();
        hall.promised > 0 || !hall.born.is_empty()
    }
}

impl<R> Hall<R> {
    fn change(&mut self, destination: &Destination, change: impl FnOnce(&mut Line)) {
        let line = self.lines.entry(destination.clone()).or_default();
        let before = line.is_busy();
        change(line);
        let (after, idle) = (line.is_busy(), !line.is_busy() && !line.shut);
        self.busy = (self.busy + usize::from(after)) - usize::from(before);
        if idle {
            self.lines.remove(destination);
        } else if self.lines.len() > self.slots + REMEMBERED {
            self.lines.retain(|_, line| line.is_busy());
        }
    }
}

/// A place for newborn mail. Dropped empty, it is free again.
#[derive(Debug)]
pub struct Place<R> {
    reception: Reception<R>,
    destination: Destination,
    term: u64,
    count: usize,
    is_over: bool,
}

impl<R> Place<R> {
    /// Where it leads.
    #[must_use]
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Brings what was committed: at most as many as the place is for, perhaps none.
    pub fn bring(mut self, claims: Vec<Claim<R>>) {
        let missing = self.count.saturating_sub(claims.len());
        self.leave(missing, claims);
        self.reception.inner.arrived.notify_one();
    }

    /// Once.
    fn leave(&mut self, missing: usize, claims: Vec<Claim<R>>) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        let mut hall = self.reception.hall();
        hall.promised -= 1;
        hall.change(&self.destination, |line| line.places = line.places.saturating_sub(missing));
        if !claims.is_empty() {
            let (destination, term) = (self.destination.clone(), self.term);
            hall.born.push(Born { destination, term, claims });
        }
    }
}

impl<R> Drop for Place<R> {
    fn drop(&mut self) {
        self.leave(self.count, Vec::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reports, Standing};
    use std::time::Duration;

    fn claims(ids: std::ops::Range<i64>) -> Vec<Claim<()>> {
        let (age, left, reports) = (Duration::ZERO, Duration::MAX, Reports::default());
        let standing = Standing { attempts: 0, age, left, reports };
        ids.map(|recipient| Claim { recipient, attempt: 1, standing, row: () }).collect()
    }

    fn open(slots: usize, most: usize) -> Reception<()> {
        let reception = Reception::default();
        reception.furnish(slots, most);
        assert!(reception.place(&Destination::new("a.test"), 1).is_none(), "closed");
        reception.open(Some(7));
        reception
    }

    #[test]
    fn a_line_and_the_hall_have_an_end() {
        let (reception, a) = (open(2, 3), Destination::new("a.test"));
        let first = reception.place(&a, 2).unwrap();
        assert!(reception.place(&a, 2).is_none(), "four in a line of three");
        let second = reception.place(&a, 1).unwrap();
        assert!(reception.is_expecting());
        drop(second);
        first.bring(claims(1..2));
        assert!(reception.is_expecting(), "the engine has not seen it");
        let born = reception.take();
        assert_eq!((born[0].term, born[0].claims.len()), (7, 1));
        assert!(!reception.is_expecting());
        let third = reception.place(&a, 2).unwrap();
        let other = reception.place(&Destination::new("b.test"), 1).unwrap();
        assert!(reception.place(&Destination::new("c.test"), 1).is_none(), "two slots");
        drop((third, other));
        reception.left(&a, 1);
        assert!(reception.hall().lines.is_empty() && reception.hall().busy == 0);
        assert!(reception.place(&Destination::new("c.test"), 1).is_some());
    }

    #[test]
    fn what_is_shut_stays_shut_until_it_is_opened() {
        let (reception, a) = (open(2, 3), Destination::new("a.test"));
        reception.begun(&a);
        reception.shut(&a, true);
        reception.over(&a);
        assert!(reception.place(&a, 1).is_none());
        reception.begun(&a);
        reception.shut(&a, false);
        assert!(reception.place(&a, 1).is_some());
        reception.over(&a);
        assert!(reception.hall().lines.is_empty());
        for n in 0..10_000 {
            reception.shut(&Destination::new(&format!("d{n}.test")), true);
        }
        assert!(reception.hall().lines.len() <= REMEMBERED + 3);
    }

    #[tokio::test]
    async fn whoever_waits_is_told() {
        let (reception, a) = (open(1, 1), Destination::new("a.test"));
        let waits = tokio::spawn({
            let reception = reception.clone();
            async move { reception.arrived().await.len() }
        });
        tokio::task::yield_now().await;
        reception.place(&a, 1).unwrap().bring(claims(1..2));
        assert_eq!(waits.await.unwrap(), 1);
    }
}
