//! Who among the others is gone: when this node may take over what they owned.
//!
//! The database's clock alone does not decide. After an outage, or after a failover to a server whose clock is
//! ahead, all leases look expired at once. So a node takes over only from whom it has itself watched, look after
//! look, for a whole lease, without seeing a renewal. Whoever is there will have renewed by then.

use crate::{LEASE, Mono};
use std::collections::HashMap;
use std::time::Duration;
use types::Incarnation;

/// Looks further apart than this do not count as watching: something may have been missed, and this node was
/// perhaps itself paused or cut off.
const LONGEST_GAP: Duration = Duration::from_secs(5);

/// What a look showed of one owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// Whose lease.
    pub owner: Incarnation,
    /// Changes with every renewal. `None`: it owns something and has no lease (it was given back).
    pub stamp: Option<i64>,
    /// Whether the database's clock says that it has run out.
    pub expired: bool,
}

impl Sighting {
    /// Whether the owner is there, by the database's clock.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.stamp.is_some() && !self.expired
    }
}

/// What this node has seen of the others' leases.
#[derive(Debug, Clone, Default)]
pub struct Peers {
    seen: HashMap<Incarnation, (i64, Mono)>,
    last: Option<Mono>,
    living: Vec<Incarnation>,
}

impl Peers {
    /// A look that was sent at `asked` showed these. Returns whom to take over from.
    pub fn look(&mut self, asked: Mono, answered: Mono, sightings: &[Sighting]) -> Vec<Sighting> {
        if self.last.is_none_or(|last| answered.since(last) > LONGEST_GAP) {
            self.seen.clear();
        }
        self.last = Some(asked);
        let alive = sightings.iter().filter(|one| one.is_alive());
        self.living = alive.map(|one| one.owner).collect();
        let mut seen = HashMap::with_capacity(sightings.len());
        let mut gone = Vec::new();
        for sighting in sightings {
            let Some(stamp) = sighting.stamp else {
                gone.push(*sighting);
                continue;
            };
            let since = match self.seen.get(&sighting.owner) {
                Some((before, since)) if *before == stamp => *since,
                // Seen when the answer came: counting from there on is never too early.
                _ => answered,
            };
            if sighting.expired && asked.since(since) >= LEASE {
                gone.push(*sighting);
            }
            seen.insert(sighting.owner, (stamp, since));
        }
        self.seen = seen;
        gone
    }

    /// A look failed: whatever was watched until now is to be watched anew.
    pub fn blind(&mut self) {
        self.last = None;
    }

    /// The nodes whose leases ran at the last look.
    #[must_use]
    pub fn living(&self) -> &[Incarnation] {
        &self.living
    }
}

/// How far apart a node's batches begin when it shares PostgreSQL with others: many nodes with little each are to
/// cost no more than one with all of it, whose batches fill while the one before is under way.
pub(crate) fn spacing(nodes: usize) -> Duration {
    const EACH: Duration = Duration::from_millis(4);
    const MOST: Duration = Duration::from_millis(20);
    (EACH * u32::try_from(nodes.saturating_sub(1)).unwrap_or(u32::MAX).min(5)).min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono(Duration::from_secs(seconds))
    }

    fn sighting(owner: Incarnation, stamp: i64, expired: bool) -> Sighting {
        Sighting { owner, stamp: Some(stamp), expired }
    }

    fn first_takeover(
        peers: &mut Peers,
        from: u64,
        mut show: impl FnMut(u64) -> Sighting,
    ) -> Option<u64> {
        (from..from + 60).find(|t| !peers.look(at(*t), at(*t), &[show(*t)]).is_empty())
    }

    #[test]
    fn a_whole_lease_of_watching() {
        let (mut peers, dead) = (Peers::default(), Incarnation::new());
        assert_eq!(first_takeover(&mut peers, 100, |_| sighting(dead, 7, true)), Some(115));
    }

    #[test]
    fn whoever_renews_lives_whatever_the_databases_clock_says() {
        let (mut peers, node) = (Peers::default(), Incarnation::new());
        let renewing = |t: u64| sighting(node, (t / 3) as i64, true);
        assert_eq!(first_takeover(&mut peers, 0, renewing), None);
    }

    #[test]
    fn whose_lease_runs_lives() {
        let (mut peers, node) = (Peers::default(), Incarnation::new());
        assert_eq!(first_takeover(&mut peers, 0, |_| sighting(node, 7, false)), None);
    }

    #[test]
    fn a_failed_look_or_a_pause_starts_the_watch_anew() {
        let (mut peers, dead) = (Peers::default(), Incarnation::new());
        assert_eq!(first_takeover(&mut peers, 0, |t| sighting(dead, 7, t > 20)), Some(21));
        peers.blind();
        assert_eq!(first_takeover(&mut peers, 22, |_| sighting(dead, 7, true)), Some(37));
        assert_eq!(first_takeover(&mut peers, 99, |_| sighting(dead, 7, true)), Some(114));
    }

    #[test]
    fn a_lease_given_back_frees_at_once() {
        let (mut peers, node) = (Peers::default(), Incarnation::new());
        let orphan = Sighting { owner: node, stamp: None, expired: true };
        assert_eq!(peers.look(at(0), at(0), &[orphan]), [orphan]);
    }
}
