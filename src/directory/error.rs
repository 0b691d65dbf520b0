//! What can go wrong, told apart by who is to blame and whether it happened.

use store::StoreError;

/// Why a look-up gave no answer. Nothing happened; trying again is right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// At its limits just now.
    #[error("busy: {0}")]
    Busy(&'static str),
    /// PostgreSQL is away.
    #[error("{0}")]
    Unavailable(String),
}

impl From<StoreError> for DirectoryError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy(why) => Self::Busy(why),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// Why nobody was let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthFailure {
    /// Unknown user, wrong password or disabled account: one answer for all.
    #[error("wrong user name or password")]
    Denied,
    /// Too many failures lately; the password was not looked at.
    #[error("too many failed logins, try again later")]
    Throttled,
    /// The client's message makes no sense, or its channel binding is none of this connection.
    #[error("malformed authentication message")]
    Malformed,
    /// The client asked to act as somebody else.
    #[error("acting for another user is not supported")]
    Authorization,
    /// Too many logins at once; the password was not looked at.
    #[error("too many logins at once, try again")]
    Busy,
    /// PostgreSQL is away.
    #[error("logins cannot be checked now: {0}")]
    Unavailable(String),
}

impl From<StoreError> for AuthFailure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy(_) | StoreError::Locked => Self::Busy,
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<sasl::Failure> for AuthFailure {
    fn from(failure: sasl::Failure) -> Self {
        match failure {
            sasl::Failure::Malformed | sasl::Failure::ChannelBinding => Self::Malformed,
            sasl::Failure::Authorization => Self::Authorization,
            sasl::Failure::Credentials => Self::Denied,
        }
    }
}

/// Why an operator's command did not work: one line that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    /// What was typed cannot be right.
    #[error("{0}")]
    Invalid(String),
    /// What was named is not there.
    #[error("{0}")]
    NotFound(String),
    /// What was to be made is there.
    #[error("{0}")]
    Exists(String),
    /// Something else has to be done first.
    #[error("{0}")]
    Refused(String),
    /// Did not happen; trying again later is right.
    #[error("{0}; nothing was changed, try again")]
    Unavailable(String),
    /// May have happened.
    #[error("{0}; it may have been done or not: look, then try again")]
    MayHaveHappened(String),
}

impl From<StoreError> for OperatorError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::MaybeHappened(_) => Self::MayHaveHappened(error.to_string()),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<DirectoryError> for OperatorError {
    fn from(error: DirectoryError) -> Self {
        Self::Unavailable(error.to_string())
    }
}
