//! A limit without a coordinator: whole shares for the nodes that live.
//!
//! Each unit of a limit goes to the node that draws the highest number for it (rendezvous hashing), so nodes that
//! agree on who lives agree on the shares, no unit is given twice, and few units move when a node comes or goes.

use types::Incarnation;

/// How many units of a limit are this node's.
#[must_use]
pub fn share(key: &str, most: u32, me: Incarnation, living: &[Incarnation]) -> u32 {
    let draws_highest = |unit: u32| {
        let mine = draw(key, unit, me);
        living.iter().filter(|node| **node != me).all(|node| draw(key, unit, *node) < mine)
    };
    (0..most).filter(|unit| draws_highest(*unit)).count() as u32
}

fn draw(key: &str, unit: u32, node: Incarnation) -> (u64, Incarnation) {
    let bytes = key.bytes().chain(unit.to_le_bytes()).chain(*node.0.as_bytes());
    let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (hash ^ (hash >> 29), node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_somebodys_and_nobody_has_two_halves() {
        let nodes: Vec<Incarnation> = (0..5).map(|_| Incarnation::new()).collect();
        for most in [0, 1, 2, 3, 7, 20, 100] {
            for key in ["site a", "site b"] {
                let shares = nodes.iter().map(|node| share(key, most, *node, &nodes));
                assert_eq!(shares.sum::<u32>(), most);
            }
        }
        assert_eq!(share("k", 9, nodes[0], &[]), 9, "alone");
    }

    #[test]
    fn shares_are_about_even() {
        let nodes: Vec<Incarnation> = (0..4).map(|_| Incarnation::new()).collect();
        let total =
            |node| (0..200).map(|n| share(&format!("site {n}"), 2, node, &nodes)).sum::<u32>();
        for node in &nodes {
            assert!((60..140).contains(&total(*node)), "{}", total(*node));
        }
    }

    #[test]
    fn who_goes_moves_only_its_own_units() {
        let nodes: Vec<Incarnation> = (0..4).map(|_| Incarnation::new()).collect();
        let before: Vec<u32> = nodes.iter().map(|node| share("k", 50, *node, &nodes)).collect();
        for (node, before) in nodes[..3].iter().zip(before) {
            assert!(share("k", 50, *node, &nodes[..3]) >= before);
        }
    }
}
