//! What can go wrong. For a write it does not matter whether it happened: the key is never used again.

/// Why a call gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// The store is away, too slow or full. Trying again later is right.
    #[error("the blob store is unavailable: {0}")]
    Unavailable(String),
    /// There is no such object.
    #[error("no such object: {0}")]
    NotFound(String),
    /// The object is shorter than its row says.
    #[error("the object is damaged: {0}")]
    Corrupt(String),
    /// The settings are unusable; one line for the operator.
    #[error("{0}")]
    Config(String),
}

impl BlobError {
    /// Whether this speaks of the store and not of one object.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
