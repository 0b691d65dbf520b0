//! Where outgoing mail goes, as the queue sorts it.

use std::fmt;
use std::sync::Arc;

/// A recipient domain: rows are claimed, doorbells ring and tokens are held per destination.
///
/// Its [`key`](Destination::key) is what PostgreSQL's indexes hold. Two domains may share one, so whoever
/// reads by key compares the domain as well.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Destination {
    domain: Arc<str>,
}

impl Destination {
    /// Of a domain in lower-case A-labels, or an address literal in its brackets.
    #[must_use]
    pub fn new(domain: &str) -> Self {
        Self { domain: domain.to_ascii_lowercase().into() }
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// A 64-bit hash of the domain. Stored: never to change.
    #[must_use]
    pub fn key(&self) -> i64 {
        // FNV-1a, then the finisher of MurmurHash3, because FNV alone leaves the low bits poor.
        let mut hash = self.domain.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        (hash ^ (hash >> 33)) as i64
    }

    /// The stream shard its doorbells ring in.
    #[must_use]
    pub fn shard(&self, shards: u32) -> u32 {
        (self.key() as u64 % u64::from(shards.max(1))) as u32
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_is_stored() {
        assert_eq!(Destination::new("Example.ORG"), Destination::new("example.org"));
        assert_eq!(Destination::new("example.org").key(), -3_658_184_669_810_823_985);
        assert_eq!(Destination::new("").key(), -1_166_397_803_181_037_274);
    }

    #[test]
    fn shards_are_even() {
        let mut count = [0_u32; 64];
        for n in 0..6_400 {
            count[Destination::new(&format!("d{n}.test")).shard(64) as usize] += 1;
        }
        assert!(count.iter().all(|n| (60..150).contains(n)), "{count:?}");
    }
}
