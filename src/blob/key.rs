//! Object keys: `<2 hex>/<yyyymmdd>/<random>`.
//!
//! The leading byte spreads the load over an object store's partitions; the day lets orphans be found by
//! listing one past day's prefixes.

use crate::BlobError;
use std::fmt;

/// A key, unique and never reused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// A new key for an object written on this day (`yyyymmdd`).
    #[must_use]
    pub fn new(day: u32) -> Self {
        let random: u128 = rand::random();
        Self(format!("{:02x}/{day:08}/{random:032x}", rand::random::<u8>()))
    }

    /// Reads a stored key.
    ///
    /// # Errors
    /// [`BlobError::Corrupt`] when it is none: a key becomes a path, so nothing else may pass.
    pub fn parse(text: &str) -> Result<Self, BlobError> {
        let hex = |part: &str, len: usize| {
            part.len() == len
                && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let mut parts = text.split('/');
        let legal = matches!(
            (parts.next(), parts.next(), parts.next(), parts.next()),
            (Some(a), Some(b), Some(c), None) if hex(a, 2) && hex(b, 8) && hex(c, 32)
        );
        if legal {
            Ok(Self(text.to_owned()))
        } else {
            Err(BlobError::Corrupt(format!("key {text:?}")))
        }
    }

    /// The key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
