//! Mail for elsewhere on its way to this node's own worker.

use crate::Ingest;
use queue::worker::Inlets;
use queue::{Place, claim_of};
use std::collections::BTreeMap;
use store::account::Outbound;
use store::queue::Claimed;
use types::{Destination, Incarnation};

/// This node's worker.
pub(crate) struct Sender {
    pub(crate) me: Incarnation,
    pub(crate) inlets: Inlets<Claimed>,
}

/// Places for some of a message's destinations, and the others.
#[derive(Default)]
pub(crate) struct Places {
    mine: Vec<Place<Claimed>>,
    everybodys: Vec<Destination>,
}

impl Ingest {
    /// Asks the worker which recipients it sends itself; they are marked as this node's own.
    pub(crate) fn places(&self, outbound: &mut Outbound) -> Places {
        let mut places = Places::default();
        let Some(sender) = self.inner.sender.get() else { return places };
        let mut of: BTreeMap<Destination, usize> = BTreeMap::new();
        for to in outbound.recipients.iter().filter(|to| to.settled.is_none()) {
            *of.entry(to.destination.clone()).or_default() += 1;
        }
        for (destination, count) in of {
            match sender.inlets.reception.place(&destination, count) {
                Some(place) => places.mine.push(place),
                None => places.everybodys.push(destination),
            }
        }
        outbound.owner = Some(sender.me);
        for to in &mut outbound.recipients {
            // In the order of the map above.
            let place = places.mine.binary_search_by(|one| one.destination().cmp(&to.destination));
            to.mine = to.settled.is_none() && place.is_ok();
        }
        places
    }

    /// After the commit: brings what was born as this node's own. Whoever else has work is told; a place that stays
    /// empty is no promise kept, so its destination is everybody's.
    pub(crate) fn bring(&self, mut places: Places, born: Vec<(Destination, Claimed)>) {
        let Some(sender) = self.inner.sender.get() else { return };
        let mut of: BTreeMap<Destination, Vec<_>> = BTreeMap::new();
        for (to, claimed) in born {
            of.entry(to).or_default().push(claim_of(claimed));
        }
        for place in places.mine {
            match of.remove(place.destination()) {
                Some(claims) => place.bring(claims),
                None => places.everybodys.push(place.destination().clone()),
            }
        }
        sender.inlets.doorbell.ring(places.everybodys);
    }
}
