//! The order in which addresses are tried.

use crate::MAX_ADDRESSES;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv6 and IPv4 take turns, IPv6 first, so that a family that does not work here costs one try and not all
/// of them. At most [`MAX_ADDRESSES`].
#[must_use]
pub fn interleave(v6: &[Ipv6Addr], v4: &[Ipv4Addr]) -> Vec<IpAddr> {
    let longest = v6.len().max(v4.len());
    let turns = (0..longest).flat_map(|at| {
        let six = v6.get(at).copied().map(IpAddr::from);
        let four = v4.get(at).copied().map(IpAddr::from);
        [six, four]
    });
    turns.flatten().take(MAX_ADDRESSES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let six: Vec<Ipv6Addr> = (1..4).map(|n| Ipv6Addr::from(n as u128)).collect();
        let four = [Ipv4Addr::new(192, 0, 2, 1)];
        let order = interleave(&six, &four);
        let families: Vec<bool> = order.iter().map(IpAddr::is_ipv6).collect();
        assert_eq!(families, [true, false, true, true]);
        assert_eq!(interleave(&[], &four), [IpAddr::from(four[0])]);
        let many: Vec<Ipv4Addr> = (0..100u8).map(|n| Ipv4Addr::new(192, 0, 2, n)).collect();
        assert_eq!(interleave(&[], &many).len(), MAX_ADDRESSES);
    }
}
