//! The books: what really happened, and whether it may have.

use super::node::{LIMIT, Who};
use super::world::Sim;
use crate::model::Recorded;
use crate::{Ruling, RunId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use types::{Destination, Incarnation};

/// A fault of one node.
#[derive(Debug, Clone, Copy)]
pub(super) enum Trouble {
    /// At.
    Killed(u64),
    /// Paused or cut off from PostgreSQL, from and to.
    Away(u64, u64),
}

/// A message that was complete at its destination.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    who: Who,
    claimed: u64,
    checked: u64,
    pub(super) at: u64,
    pub(super) unanswered: bool,
    /// When it was written, and by which transaction.
    committed: Option<(u64, u64)>,
}

/// A connection to a destination.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) who: Who,
    pub(super) run: RunId,
    pub(super) site: Destination,
}

/// What really happened.
#[derive(Default)]
pub(super) struct Books {
    /// By which transaction.
    pub(super) accepted: BTreeMap<i64, u64>,
    pub(super) refusals: BTreeSet<i64>,
    ended: BTreeMap<i64, (u64, bool)>,
    forgotten: BTreeSet<i64>,
    deliveries: HashMap<i64, Vec<Delivery>>,
    claims: HashMap<(usize, u64, i64), u64>,
    troubles: HashMap<(usize, u64), Vec<Trouble>>,
    incarnations: HashMap<(usize, u64), Incarnation>,
    failovers: Vec<u64>,
    connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    /// Limits may be exceeded until then.
    pub(super) lenient_until: u64,
}

impl Books {
    pub(super) fn claimed(&mut self, now: u64, who: Who, ids: &[i64]) {
        for id in ids {
            self.claims.insert((who.node, who.life, *id), now);
        }
    }

    pub(super) fn delivery(&self, who: Who, id: i64, now: u64) -> Delivery {
        let claimed = self.claims.get(&(who.node, who.life, id)).copied().unwrap_or(0);
        Delivery { who, claimed, checked: now, at: now, unanswered: false, committed: None }
    }

    pub(super) fn trouble(&mut self, who: Who, trouble: Trouble) {
        self.troubles.entry((who.node, who.life)).or_default().push(trouble);
    }

    pub(super) fn remember(&mut self, who: Who, me: Incarnation) {
        self.incarnations.insert((who.node, who.life), me);
    }

    pub(super) fn incarnation(&self, who: Who, now: Incarnation) -> Incarnation {
        self.incarnations.get(&(who.node, who.life)).copied().unwrap_or(now)
    }

    pub(super) fn connect(&mut self, connection: Connection) -> u64 {
        self.next_connection += 1;
        self.connections.insert(self.next_connection, connection);
        self.next_connection
    }

    pub(super) fn disconnect(&mut self, number: u64) {
        self.connections.remove(&number);
    }

    /// A failover left only transactions up to this one.
    pub(super) fn failover(&mut self, now: u64, last: u64) {
        self.failovers.push(now);
        let lost = self.accepted.iter().filter(|(_, number)| **number > last);
        self.forgotten.extend(lost.map(|(id, _)| *id));
        self.ended.retain(|_, (number, _)| *number <= last);
        for delivery in self.deliveries.values_mut().flatten() {
            delivery.committed = delivery.committed.filter(|(_, number)| *number <= last);
        }
    }

    /// Why a second copy may have followed this one by `until`.
    fn excuse(&self, first: &Delivery, second: &Delivery, until: u64) -> Option<&'static str> {
        let earliest = first.claimed.min(second.claimed);
        if self.failovers.iter().any(|at| *at >= earliest && *at <= until) {
            return Some("a failover forgot");
        }
        // What is known to have arrived is not claimed any more, whatever happened before.
        if first.committed.is_some_and(|(at, _)| second.claimed > at) {
            return None;
        }
        if first.unanswered {
            return Some("the destination hung up after the dot");
        }
        let until = first.committed.map_or(until, |(at, _)| at.min(until));
        let troubles = self.troubles.get(&(first.who.node, first.who.life))?;
        // The lease was fresh at the check, so it can have run out only after a while of trouble from there.
        let since = first.checked.saturating_sub(12_000);
        let mut away = 0;
        for trouble in troubles {
            match *trouble {
                Trouble::Killed(at) if at >= first.checked && at <= until => {
                    return Some("its sender was killed");
                }
                Trouble::Away(from, to) => {
                    away += to.min(until).saturating_sub(from.max(since));
                }
                Trouble::Killed(_) => {}
            }
        }
        (away >= 9_000).then_some("its sender was paused or cut off")
    }
}

impl Sim {
    /// When a message arrived first.
    pub(super) fn arrival(&self, id: i64) -> Option<u64> {
        self.books.deliveries.get(&id)?.iter().map(|delivery| delivery.at).min()
    }

    /// A destination took a message.
    pub(super) fn arrived(&mut self, id: i64, delivery: Delivery) -> Result<(), String> {
        let earlier = self.books.deliveries.entry(id).or_default().clone();
        for first in &earlier {
            match self.books.excuse(first, &delivery, self.now) {
                Some(why) => self.tell(|| format!("{id} comes again: {why}")),
                None => {
                    return Err(format!(
                        "{id} came twice without an excuse, at {}: {first:?}, then {delivery:?}",
                        self.now
                    ));
                }
            }
        }
        self.story.duplicates += u64::from(!earlier.is_empty());
        self.books.deliveries.entry(id).or_default().push(delivery);
        Ok(())
    }

    /// A result was written, or was too late.
    pub(super) fn recorded(
        &mut self,
        who: Who,
        id: i64,
        ruling: Ruling,
        recorded: Recorded,
    ) -> Result<(), String> {
        if recorded != Recorded::Done {
            self.story.late_records += 1;
        }
        let delivered = matches!(ruling, Ruling::Delivered { .. });
        let transaction = self.postgres.transactions;
        if delivered && let Some(all) = self.books.deliveries.get_mut(&id) {
            for delivery in all.iter_mut().filter(|delivery| delivery.who == who) {
                delivery.committed.get_or_insert((self.now, transaction));
            }
        }
        let again = matches!(ruling, Ruling::Again(_));
        if again || recorded != Recorded::Done {
            return Ok(());
        }
        self.tell(|| format!("{id} ends: {ruling:?}"));
        if delivered && !self.books.deliveries.contains_key(&id) {
            return Err(format!("{id} is called delivered and never arrived"));
        }
        if let Ruling::Failed { expired, .. } = ruling {
            let refused = self.books.refusals.contains(&id);
            let over = expired && id % 11 == 0;
            if !refused && !over {
                return Err(format!("{id} is called failed and was never refused"));
            }
        }
        self.books.ended.insert(id, (transaction, delivered));
        Ok(())
    }

    /// Not too many connections to a destination. What is known to be one too many ends with its message.
    pub(super) fn check_limit(&mut self, site: &Destination) -> Result<(), String> {
        let rightful = |one: &&Connection| {
            let leave = self.nodes[one.who.node].leaves.get(&one.run);
            one.site == *site && leave.is_none_or(|leave| !leave.surplus)
        };
        let open = self.books.connections.values().filter(rightful);
        let count = open.clone().count();
        if count > LIMIT as usize && self.now > self.books.lenient_until {
            let whose: Vec<_> = open.map(|one| (one.who, one.run)).collect();
            return Err(format!("{count} connections to {site} at {}: {whose:?}", self.now));
        }
        Ok(())
    }

    /// Everything that was accepted has ended.
    pub(super) fn close_books(&mut self) -> Result<(), String> {
        for id in self.books.accepted.keys() {
            match self.books.ended.get(id) {
                _ if self.books.forgotten.contains(id) => self.story.forgotten += 1,
                Some((_, true)) => self.story.delivered += 1,
                Some((_, false)) => self.story.refused += 1,
                None => return Err(format!("{id} was accepted and has no end")),
            }
        }
        if self.calm && self.story.duplicates > 0 {
            return Err("a duplicate in calm weather".into());
        }
        Ok(())
    }
}
