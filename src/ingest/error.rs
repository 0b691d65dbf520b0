//! Why a message was not taken, told apart by whether it happened.

use blob::BlobError;
use store::StoreError;

/// Why a message was not taken. Only [`IngestError::MayHaveHappened`] leaves it open; everything else did not
/// happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IngestError {
    /// This node or an account is at its limits. Trying again soon is right.
    #[error("{0}")]
    Busy(&'static str),
    /// The blob store or PostgreSQL is away.
    #[error("{0}")]
    Unavailable(String),
    /// Larger than any message may be.
    #[error("the message is too large")]
    TooLarge,
    /// A mistake of ours or of whoever runs the servers behind us. Trying again later is right.
    #[error("internal error: {0}")]
    Bug(String),
    /// The COMMIT was not answered and could not be looked up.
    #[error("the outcome is unknown: {0}")]
    MayHaveHappened(String),
}

impl From<StoreError> for IngestError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy(why) => Self::Busy(why),
            StoreError::Locked => Self::Busy("the account is locked by another change"),
            StoreError::Unavailable(why) | StoreError::Schema(why) => Self::Unavailable(why),
            StoreError::MaybeHappened(why) => Self::MayHaveHappened(why),
            StoreError::Conflict(why) | StoreError::Refused(why) | StoreError::Bug(why) => {
                Self::Bug(why)
            }
        }
    }
}

/// A blob that may or may not have been written is as good as none: nothing refers to its key.
impl From<BlobError> for IngestError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Unavailable(why) => Self::Unavailable(why),
            other => Self::Bug(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unanswered_commit_may_have_happened() {
        let lost = || "lost".to_owned();
        let open = |error: IngestError| matches!(error, IngestError::MayHaveHappened(_));
        assert!(open(StoreError::MaybeHappened(lost()).into()));
        for error in [
            StoreError::Busy("x"),
            StoreError::Locked,
            StoreError::Unavailable(lost()),
            StoreError::Schema(lost()),
            StoreError::Conflict(lost()),
            StoreError::Refused(lost()),
            StoreError::Bug(lost()),
        ] {
            assert!(!open(error.into()));
        }
        assert!(!open(BlobError::Unavailable(lost()).into()));
        assert!(!open(BlobError::NotFound(lost()).into()));
    }
}
