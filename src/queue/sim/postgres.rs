//! A PostgreSQL that goes away, executes late, forgets, and has a clock of its own.

use super::Mutation;
use crate::model::{Fence, Picked, Recorded, State, Table};
use crate::{Away, Claims, Do, Event, LEASE, Mono, ORPHAN_AGE, Record, Ruling, Sighting};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;
use types::Incarnation;

/// Most transactions that a failover forgets.
pub(super) const FORGETS: usize = 8;

#[derive(Clone, Default)]
struct Data {
    table: Rc<Table>,
    leases: Rc<BTreeMap<Incarnation, u64>>,
}

/// The server.
#[derive(Default)]
pub(super) struct Postgres {
    data: Data,
    /// The last states and their transactions' numbers.
    past: VecDeque<(u64, Data)>,
    /// Transactions so far.
    pub(super) transactions: u64,
    pub(super) up: bool,
    /// Its clock against true time, in milliseconds.
    pub(super) skew: u64,
    pub(super) mutation: Mutation,
}

/// What the world must know of an executed statement.
pub(super) enum Effect {
    Claimed(Vec<i64>),
    Recorded(i64, Ruling, Recorded),
}

impl Postgres {
    pub(super) fn new(mutation: Mutation) -> Self {
        Self { up: true, skew: 1 << 30, mutation, ..Self::default() }
    }

    pub(super) fn now(&self, true_now: u64) -> u64 {
        true_now + self.skew
    }

    pub(super) fn table(&self) -> &Table {
        &self.data.table
    }

    fn begin(&mut self) {
        self.past.push_back((self.transactions, self.data.clone()));
        if self.past.len() > FORGETS {
            self.past.pop_front();
        }
        self.transactions += 1;
    }

    pub(super) fn insert(&mut self, id: i64, row: crate::model::Row) {
        self.begin();
        Rc::make_mut(&mut self.data.table).rows.insert(id, row);
    }

    pub(super) fn delete_lease(&mut self, owner: Incarnation) {
        self.begin();
        Rc::make_mut(&mut self.data.leases).remove(&owner);
    }

    /// Goes back by so many transactions; gives the number of the last that is left.
    pub(super) fn forget(&mut self, count: usize) -> u64 {
        for _ in 0..count {
            if let Some((number, data)) = self.past.pop_back() {
                (self.transactions, self.data) = (number, data);
            }
        }
        self.transactions
    }

    /// Executes a statement of a node. `asked`: the node's own time when it was sent.
    pub(super) fn execute(
        &mut self,
        true_now: u64,
        me: Incarnation,
        asked: Mono,
        statement: &Do<(), ()>,
    ) -> (Event<(), ()>, Vec<Effect>) {
        let now = self.now(true_now);
        let mut effects = Vec::new();
        let event = match statement {
            Do::Renew => {
                self.begin();
                Rc::make_mut(&mut self.data.leases).insert(me, now + LEASE.as_millis() as u64);
                Event::Renewed(asked, Ok(()))
            }
            Do::Look => Event::Looked(asked, Ok(self.look(now))),
            Do::TakeOver(gone) => Event::TookOver(Ok(self.take_over(now, gone))),
            Do::Sweep(_) => Event::Swept(Ok((self.sweep(now), None))),
            Do::Claim(run, destination, most, after) => {
                if !self.has_lease(true_now, me) {
                    return (Event::Claimed(*run, Err(Away)), effects);
                }
                self.begin();
                let table = Rc::make_mut(&mut self.data.table);
                let picked = table.claim(now, me, destination, *most, *after);
                let claims = picked.ids.iter().map(|id| self.claim(*id)).collect();
                let Picked { ids, after, more } = picked;
                effects.push(Effect::Claimed(ids));
                Event::Claimed(*run, Ok(Claims { claims, after, more }))
            }
            Do::Record(batch, records) => {
                self.begin();
                for record in records {
                    let recorded = self.record(now, me, record);
                    effects.push(Effect::Recorded(record.recipient, record.ruling, recorded));
                }
                Event::Recorded(*batch, Ok(()))
            }
            Do::Reconcile(known) => {
                self.begin();
                let table = Rc::make_mut(&mut self.data.table);
                let freed = match self.mutation {
                    Mutation::NoReconciliation => Vec::new(),
                    _ => table.reconcile(now, me, known, ORPHAN_AGE),
                };
                Event::Reconciled(Ok(freed))
            }
            Do::LetGo => {
                self.begin();
                Rc::make_mut(&mut self.data.table).release(now, &[me], false);
                Event::LetGo(Ok(()))
            }
            other => unreachable!("no statement: {other:?}"),
        };
        (event, effects)
    }

    pub(super) fn has_lease(&self, true_now: u64, owner: Incarnation) -> bool {
        self.data.leases.get(&owner).is_some_and(|until| *until > self.now(true_now))
    }

    pub(super) fn claim(&self, id: i64) -> crate::Claim<()> {
        let row = &self.data.table.rows[&id];
        // Some expire soon, some owe reports.
        let left = Duration::from_secs(if id % 11 == 0 { 0 } else { 36_000 });
        let wants = id % 3 == 0;
        let reports = crate::Reports { success: wants, failure: wants, delay: wants };
        let standing =
            crate::Standing { attempts: row.attempts, age: Duration::ZERO, left, reports };
        crate::Claim { recipient: id, attempt: row.attempt, standing, row: () }
    }

    fn look(&self, now: u64) -> Vec<Sighting> {
        let seen = |(owner, until): (&Incarnation, &u64)| {
            let expired = *until <= now;
            let hasty = expired && self.mutation == Mutation::TrustTheDatabasesClock;
            let stamp = (!hasty).then_some(*until as i64);
            Sighting { owner: *owner, stamp, expired }
        };
        let mut sightings: Vec<_> = self.data.leases.iter().map(seen).collect();
        for row in self.data.table.rows.values() {
            if let State::Owned(owner) = row.state
                && !self.data.leases.contains_key(&owner)
                && !sightings.iter().any(|one| one.owner == owner)
            {
                sightings.push(Sighting { owner, stamp: None, expired: true });
            }
        }
        if self.mutation == Mutation::NoTakeover {
            sightings.retain(|one| !one.expired);
        }
        sightings
    }

    fn take_over(&mut self, now: u64, gone: &[Sighting]) -> Vec<types::Destination> {
        let as_seen = |one: &&Sighting| match (one.stamp, self.data.leases.get(&one.owner)) {
            (Some(stamp), Some(until)) => *until as i64 == stamp && *until <= now,
            (None, None) => true,
            (None, Some(until)) => {
                self.mutation == Mutation::TrustTheDatabasesClock && *until <= now
            }
            _ => false,
        };
        let owners: Vec<_> = gone.iter().filter(as_seen).map(|one| one.owner).collect();
        self.begin();
        Rc::make_mut(&mut self.data.table).release(now, &owners, true)
    }

    fn sweep(&self, now: u64) -> Vec<crate::Due> {
        if self.mutation == Mutation::NoSweep {
            return Vec::new();
        }
        let due = self.data.table.sweep(now);
        due.into_iter().map(|(destination, overdue)| crate::Due { destination, overdue }).collect()
    }

    fn record(&mut self, now: u64, me: Incarnation, record: &Record<()>) -> Recorded {
        let table = Rc::make_mut(&mut self.data.table);
        let mut fence = Fence { owner: me, attempt: record.attempt };
        let current = table.rows.get(&record.recipient).map(|row| (row.state, row.attempt));
        match (self.mutation, current) {
            (Mutation::NoFence, Some((State::Owned(owner), attempt))) => {
                fence = Fence { owner, attempt };
            }
            (Mutation::FactsAreFenced, Some((state, attempt)))
                if state != State::Owned(me) || attempt != record.attempt =>
            {
                return Recorded::Late;
            }
            _ => {}
        }
        table.record(now, record.recipient, fence, record.ruling)
    }
}
