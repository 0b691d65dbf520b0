//! Results that are kept true (RFC 5267 §4.3): what a search found, and how that changes.
//!
//! Whoever keeps one says which messages may have changed; only those, and new ones, are judged again. Nothing here
//! remembers what a message was like: whether it is in the result is all that counts.
//!
//! Limits: [`MAX_OCTETS`] for one result, taken out of the node's budget; what a look takes is bounded by its time.

use crate::search::{Progress, Query};
use crate::sort::{Piece, Sorted};
use crate::uids::UidSet;
use crate::view::View;
use crate::{Mail, MailError};
use net::Permit;
use tokio::time::Instant;

/// Most octets of one result, about: some fifty thousand messages where they are sorted, many more where they are not.
const MAX_OCTETS: u64 = 4 * 1024 * 1024;
/// The least that is taken for one.
const LEAST_OCTETS: u64 = 4 * 1024;

/// What a search found, kept true.
#[derive(Debug)]
pub struct Context {
    query: Query,
    kept: Kept,
    /// Messages that may match otherwise than they did.
    stale: UidSet,
    /// Those that were never judged: these, and from this UID on.
    fresh: UidSet,
    next: u32,
    share: Permit,
    room: u64,
}

/// A result.
#[derive(Debug)]
pub enum Kept {
    /// In the mailbox's order.
    Set(UidSet),
    /// In an order of its own.
    Sorted(Sorted),
}

/// A part of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// These.
    Set(UidSet),
    /// These in their places, one piece after the other.
    Pieces(Vec<Piece>),
}

/// How a result changed: first some messages go, then others come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    /// They do not match any more.
    pub removed: Part,
    /// They match now.
    pub added: Part,
    /// Those of them that are new in the mailbox.
    pub fresh: UidSet,
    /// Some were left for another look: it took too long.
    pub more: bool,
}

impl Part {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Set(set) => set.is_empty(),
            Self::Pieces(pieces) => pieces.is_empty(),
        }
    }
}

impl Kept {
    fn weight(&self) -> u64 {
        match self {
            Self::Set(set) => set.runs().len() as u64 * 8,
            Self::Sorted(sorted) => sorted.weight(),
        }
    }

    fn among(&self, uids: &UidSet) -> UidSet {
        match self {
            Self::Set(set) => set.intersection(uids),
            Self::Sorted(sorted) => sorted.among(uids),
        }
    }

    fn remove(&mut self, uids: &UidSet) -> Part {
        match self {
            Self::Set(set) => {
                let removed = set.intersection(uids);
                *set = set.difference(&removed);
                Part::Set(removed)
            }
            Self::Sorted(sorted) => Part::Pieces(sorted.remove(uids)),
        }
    }
}

impl Context {
    /// The messages that are gone are no longer in the result: which ones were.
    pub fn vanish(&mut self, gone: &UidSet) -> Part {
        self.kept.remove(gone)
    }

    /// These may match otherwise than they did.
    pub fn touch(&mut self, uids: &UidSet) {
        self.stale = self.stale.union(uids);
    }

    /// Whether there is nothing to judge.
    #[must_use]
    pub fn is_settled(&self, view: &View) -> bool {
        self.stale.is_empty() && self.next >= view.uidnext()
    }

    /// Notes what is new, and forgets what is gone.
    fn look(&mut self, view: &View) {
        let new = UidSet::from_ranges([self.next..=u32::MAX]);
        self.next = view.uidnext();
        let there = |uids: &UidSet| view.known(uids).difference(view.vanished());
        self.fresh = there(&self.fresh.union(&new));
        self.stale = there(&self.stale.union(&new));
    }
}

impl Mail {
    /// Keeps what a search of this view found, which has not moved since. `None`: it is too large, or the node is short of
    /// memory.
    #[must_use]
    pub fn keep(&self, view: &View, query: Query, kept: Kept) -> Option<Context> {
        let (share, room) = self.context_share(kept.weight())?;
        let kept = match kept {
            // What it was sorted in is accounted for from now on with the context.
            Kept::Sorted(sorted) => Kept::Sorted(sorted.settled()),
            set @ Kept::Set(_) => set,
        };
        let (stale, fresh, next) = (UidSet::default(), UidSet::default(), view.uidnext());
        Some(Context { query, kept, stale, fresh, next, share, room })
    }

    /// A share of the budget in which a result of this weight can still grow.
    fn context_share(&self, weight: u64) -> Option<(Permit, u64)> {
        let room = (weight + weight / 4).max(LEAST_OCTETS);
        let share = self.budget.try_reserve(room).filter(|_| weight <= MAX_OCTETS)?;
        Some((share, room))
    }

    /// Judges again what may have changed: all of it if that is done by `until`, and something in any case.
    ///
    /// # Errors
    /// [`MailError::Limit`]: the result has become too large, or the node is short of memory, and it is not kept any more.
    /// As [`Mail::search`]: another look makes up for it.
    pub async fn shift(
        &self,
        view: &View,
        context: &mut Context,
        until: Instant,
    ) -> Result<Shift, MailError> {
        context.look(view);
        let (mut judged, mut matching) = (UidSet::default(), UidSet::default());
        for chunk in context.stale.chunks() {
            if !judged.is_empty() && Instant::now() >= until {
                break;
            }
            let chunk: UidSet = chunk.into_iter().map(|uid| uid.0).collect();
            let found = self
                .search_among(view, &context.query, chunk.clone(), &Progress::default())
                .await?;
            for run in found.runs() {
                matching.push_run(*run.start(), *run.end());
            }
            for run in chunk.runs() {
                judged.push_run(*run.start(), *run.end());
            }
        }
        let before = context.kept.among(&judged);
        let new = matching.difference(&before);
        let entries = match &context.kept {
            Kept::Sorted(sorted) if !new.is_empty() => {
                let criteria = sorted.criteria();
                let sorted = self.sorted(view, &context.query, criteria, new.clone(), false);
                Some(sorted.await?.0)
            }
            _ => None,
        };
        context.stale = context.stale.difference(&judged);
        let fresh = new.intersection(&context.fresh);
        context.fresh = context.fresh.difference(&judged);
        let removed = context.kept.remove(&before.difference(&matching));
        let added = match &mut context.kept {
            Kept::Set(set) => {
                *set = set.union(&new);
                Part::Set(new)
            }
            Kept::Sorted(sorted) => Part::Pieces(match entries {
                Some(entries) => sorted.insert(entries),
                None => Vec::new(),
            }),
        };
        self.grown(context)?;
        Ok(Shift { removed, added, fresh, more: !context.stale.is_empty() })
    }

    fn grown(&self, context: &mut Context) -> Result<(), MailError> {
        let weight = context.kept.weight();
        if weight > context.room {
            let room = self.context_share(weight).ok_or(MailError::Limit("Too many results"))?;
            (context.share, context.room) = room;
        }
        Ok(())
    }
}
