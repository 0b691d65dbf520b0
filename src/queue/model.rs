//! The rules of the queue's rows over memory: what the SQL functions of the store do, in the form one can read,
//! simulate and compare them with.
//!
//! ```text
//!              claim (a lease that runs)              delivered, by anybody
//!   Waiting ─────────────────────────────▶ Owned ───────────────────────────▶ gone, or Settled while a report is owed
//!      ▲                                     │  failed, with the fence ──────▶ gone, or Settled
//!      │ again, with the fence               │
//!      ├─────────────────────────────────────┤
//!      │ its owner gave up, or is gone       │
//!      └─────────────────────────────────────┘
//! ```

use crate::{Again, Ruling};
use std::collections::BTreeMap;
use std::time::Duration;
use types::{Destination, Incarnation};

/// Most tenants that share one claim.
pub const CLAIM_TENANTS: usize = 16;
/// A row that was taken over this often waits before the next try: perhaps it is what kills its owners.
const SUSPICIOUS: u32 = 2;

/// What a claim brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picked {
    /// The rows, in the order in which they are to be carried.
    pub ids: Vec<i64>,
    /// The tenant to begin after next time.
    pub after: i32,
    /// Whether there may be more: a tenant has used its whole share, or there are as many tenants as may share.
    pub more: bool,
}

/// Which attempt of whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fence {
    /// The owner.
    pub owner: Incarnation,
    /// Its number among the recipient's claims.
    pub attempt: u32,
}

/// Where a recipient stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// For its time, or for somebody to claim it.
    Waiting,
    /// An attempt is under way.
    Owned(Incarnation),
    /// Its fate is known; only a report is owed.
    Settled,
}

/// A queued recipient. Times are milliseconds of the database's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where it goes.
    pub destination: Destination,
    /// Who pays.
    pub tenant: i32,
    /// Higher goes first (RFC 6710).
    pub priority: i16,
    /// Not before this; once it is owned: since when.
    pub due: u64,
    /// Where it stands.
    pub state: State,
    /// Claims so far: the fence.
    pub attempt: u32,
    /// Attempts used up.
    pub attempts: u32,
    /// How often an owner was gone.
    pub takeovers: u32,
    /// An operator's hold.
    pub hold: bool,
}

impl Row {
    /// A new one.
    #[must_use]
    pub fn new(destination: Destination, tenant: i32, due: u64) -> Self {
        let (attempt, attempts, takeovers) = (0, 0, 0);
        let state = State::Waiting;
        Self {
            destination,
            tenant,
            priority: 0,
            due,
            state,
            attempt,
            attempts,
            takeovers,
            hold: false,
        }
    }

    fn is_due(&self, now: u64) -> bool {
        self.state == State::Waiting && !self.hold && self.due <= now
    }
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is written.
    Done,
    /// The row is another attempt's by now; nothing changed.
    Late,
    /// There is no such row any more; nothing changed.
    Gone,
}

/// The queue's rows.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// By id.
    pub rows: BTreeMap<i64, Row>,
}

impl Table {
    /// Claims due rows of one destination for a node whose lease runs (the caller's duty): shared evenly
    /// between tenants, beginning after `after`, each tenant's by priority, then by time.
    pub fn claim(
        &mut self,
        now: u64,
        owner: Incarnation,
        destination: &Destination,
        most: usize,
        after: i32,
    ) -> Picked {
        let mut due: BTreeMap<i32, Vec<(i16, u64, i64)>> = BTreeMap::new();
        for (id, row) in &self.rows {
            if row.destination == *destination && row.is_due(now) {
                due.entry(row.tenant).or_default().push((-row.priority, row.due, *id));
            }
        }
        let turn = due.range(after.saturating_add(1)..).chain(due.range(..=after));
        let tenants: Vec<i32> = turn.map(|(tenant, _)| *tenant).take(CLAIM_TENANTS).collect();
        let share = most.div_ceil(tenants.len().max(1));
        let mut picked = Vec::new();
        let mut more = tenants.len() == CLAIM_TENANTS;
        for (turn, tenant) in tenants.iter().enumerate() {
            let rows = due.entry(*tenant).or_default();
            rows.sort_unstable();
            more |= rows.len() >= share;
            picked.extend(rows.iter().take(share).enumerate().map(|(nth, row)| (nth, turn, row.2)));
        }
        picked.sort_unstable();
        picked.truncate(most);
        for (_, _, id) in &picked {
            if let Some(row) = self.rows.get_mut(id) {
                row.state = State::Owned(owner);
                row.attempt += 1;
                row.due = now;
            }
        }
        let ids = picked.iter().map(|(_, _, id)| *id).collect();
        Picked { ids, after: tenants.last().copied().unwrap_or(after), more }
    }

    /// Writes what became of an attempt.
    pub fn record(&mut self, now: u64, id: i64, fence: Fence, ruling: Ruling) -> Recorded {
        let Some(row) = self.rows.get_mut(&id) else { return Recorded::Gone };
        if row.state == State::Settled {
            return Recorded::Gone;
        }
        let ours = row.state == State::Owned(fence.owner) && row.attempt == fence.attempt;
        let report = match ruling {
            Ruling::Delivered { report } => report,
            _ if !ours => return Recorded::Late,
            Ruling::Failed { report, .. } => report,
            Ruling::Again(Again { wait, used }) => {
                row.state = State::Waiting;
                row.due = now + millis(wait);
                row.attempts += u32::from(used);
                return Recorded::Done;
            }
        };
        if report {
            row.state = State::Settled;
        } else {
            self.rows.remove(&id);
        }
        Recorded::Done
    }

    /// Frees what these owners have. `gone`: they did not give it up themselves. Returns the destinations.
    pub fn release(&mut self, now: u64, owners: &[Incarnation], gone: bool) -> Vec<Destination> {
        let mut freed = Vec::new();
        for row in self.rows.values_mut() {
            let State::Owned(owner) = row.state else { continue };
            if !owners.contains(&owner) {
                continue;
            }
            row.state = State::Waiting;
            if gone {
                row.takeovers += 1;
                let waits = row.takeovers.checked_sub(SUSPICIOUS + 1);
                let wait = waits.map_or(0, |n| 60_000_u64 << n.min(4));
                row.due = row.due.max(now + wait);
            }
            freed.push(row.destination.clone());
        }
        freed.sort();
        freed.dedup();
        freed
    }

    /// Frees what this owner has for at least `age` without knowing it.
    pub fn reconcile(
        &mut self,
        now: u64,
        owner: Incarnation,
        known: &[i64],
        age: Duration,
    ) -> Vec<Destination> {
        let mut freed = Vec::new();
        for (id, row) in &mut self.rows {
            let old = row.due.saturating_add(millis(age)) <= now;
            if row.state == State::Owned(owner) && old && !known.contains(id) {
                row.state = State::Waiting;
                freed.push(row.destination.clone());
            }
        }
        freed.sort();
        freed.dedup();
        freed
    }

    /// Destinations with due work, and for how long the oldest of it has been due.
    #[must_use]
    pub fn sweep(&self, now: u64) -> Vec<(Destination, Duration)> {
        let mut oldest: BTreeMap<Destination, u64> = BTreeMap::new();
        for row in self.rows.values().filter(|row| row.is_due(now)) {
            let due = oldest.entry(row.destination.clone()).or_insert(row.due);
            *due = row.due.min(*due);
        }
        oldest.into_iter().map(|(d, due)| (d, Duration::from_millis(now - due))).collect()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[(i32, u64)]) -> Table {
        let d = Destination::new("d.test");
        let rows = rows.iter().map(|(tenant, due)| Row::new(d.clone(), *tenant, *due));
        Table { rows: (1..).zip(rows).collect() }
    }

    /// Every state times every event, legal or not.
    #[test]
    fn states_times_events() {
        let (me, other) = (Incarnation::new(), Incarnation::new());
        let again = Ruling::Again(Again { wait: Duration::from_secs(60), used: true });
        let (gone, kept) =
            (Ruling::Delivered { report: false }, Ruling::Delivered { report: true });
        let failed = |report| Ruling::Failed { report, expired: false };
        use Recorded::{Done, Gone, Late};
        let (waits, mine, his) = (State::Waiting, State::Owned(me), State::Owned(other));
        let settled = State::Settled;
        for (state, ruling, wanted, left) in [
            (waits, gone, Done, None),
            (waits, kept, Done, Some(settled)),
            (waits, failed(true), Late, Some(waits)),
            (waits, again, Late, Some(waits)),
            (mine, gone, Done, None),
            (mine, kept, Done, Some(settled)),
            (mine, failed(false), Done, None),
            (mine, failed(true), Done, Some(settled)),
            (mine, again, Done, Some(waits)),
            (his, gone, Done, None),
            (his, kept, Done, Some(settled)),
            (his, failed(true), Late, Some(his)),
            (his, again, Late, Some(his)),
            (settled, gone, Gone, Some(settled)),
            (settled, failed(true), Gone, Some(settled)),
            (settled, again, Gone, Some(settled)),
        ] {
            let mut table = table(&[(1, 0)]);
            let row = table.rows.get_mut(&1).unwrap();
            (row.state, row.attempt) = (state, 3);
            let fence = Fence { owner: me, attempt: 3 };
            assert_eq!(table.record(5, 1, fence, ruling), wanted, "{state:?} {ruling:?}");
            assert_eq!(table.rows.get(&1).map(|row| row.state), left, "{state:?} {ruling:?}");
        }
    }

    #[test]
    fn an_older_attempt_of_the_same_owner_is_late() {
        let me = Incarnation::new();
        let mut table = table(&[(1, 0)]);
        let d = Destination::new("d.test");
        table.claim(0, me, &d, 9, 0);
        table.release(0, &[me], true);
        table.claim(0, me, &d, 9, 0);
        let again = Ruling::Again(Again { wait: Duration::ZERO, used: true });
        assert_eq!(table.record(0, 1, Fence { owner: me, attempt: 1 }, again), Recorded::Late);
        assert_eq!(table.record(0, 1, Fence { owner: me, attempt: 2 }, again), Recorded::Done);
        assert_eq!(table.record(0, 7, Fence { owner: me, attempt: 2 }, again), Recorded::Gone);
    }

    #[test]
    fn tenants_share_a_claim() {
        let mut rows = vec![(1, 0); 50];
        rows.extend([(2, 5), (2, 5), (3, 9), (4, 99)]);
        let mut table = table(&rows);
        let d = Destination::new("d.test");
        let picked = table.claim(10, Incarnation::new(), &d, 6, 1);
        assert_eq!(
            picked.ids,
            [51, 53, 1, 52, 2],
            "in turn, beginning after tenant 1; a third each"
        );
        assert_eq!((picked.after, picked.more), (1, true));
        let picked = table.claim(10, Incarnation::new(), &d, 4, picked.after);
        assert_eq!(picked.ids, [3, 4, 5, 6]);
        let rest = table.claim(10, Incarnation::new(), &d, 60, 0);
        assert_eq!((rest.ids.len(), rest.more), (44, false), "that was all");
    }

    #[test]
    fn priority_counts_within_a_tenant_only() {
        let mut table = table(&[(1, 0), (1, 1), (2, 0)]);
        table.rows.get_mut(&2).unwrap().priority = 4;
        let picked = table.claim(10, Incarnation::new(), &Destination::new("d.test"), 9, 0);
        assert_eq!(picked.ids, [2, 3, 1]);
    }

    #[test]
    fn what_kills_its_owners_waits() {
        let mut table = table(&[(1, 0)]);
        let d = Destination::new("d.test");
        let mut waits = Vec::new();
        for n in 0..5 {
            let (owner, now) = (Incarnation::new(), n * 10_000_000);
            assert_eq!(table.claim(now, owner, &d, 1, 0).ids, [1]);
            table.release(now, &[owner], true);
            waits.push(table.rows[&1].due.saturating_sub(now));
        }
        assert_eq!(waits, [0, 0, 60_000, 120_000, 240_000]);
    }

    #[test]
    fn held_and_future_rows_are_neither_claimed_nor_swept() {
        let mut table = table(&[(1, 0), (1, 50)]);
        table.rows.get_mut(&1).unwrap().hold = true;
        assert!(table.sweep(10).is_empty());
        let d = Destination::new("d.test");
        assert!(table.claim(10, Incarnation::new(), &d, 9, 0).ids.is_empty());
        assert_eq!(table.sweep(60), [(d, Duration::from_millis(10))]);
    }
}
