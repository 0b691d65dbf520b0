//! What can go wrong with PostgreSQL, told apart by whether the thing happened.

use tokio_postgres::error::SqlState;

/// Why a call on the store gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No free connection, or the server's own limits. Did not happen; trying again soon is right.
    #[error("busy: {0}")]
    Busy(&'static str),
    /// Somebody else has it: a row lock did not come in time. Did not happen.
    #[error("busy: the account is locked by another change")]
    Locked,
    /// PostgreSQL is gone, read-only or shutting down. Did not happen.
    #[error("PostgreSQL is unavailable: {0}")]
    Unavailable(String),
    /// The connection was lost, or the deadline passed, after a write was sent. May have happened.
    #[error("the outcome is unknown: {0}")]
    MaybeHappened(String),
    /// The schema is not one this binary works with. Did not happen.
    #[error("{0}")]
    Schema(String),
    /// A unique constraint said no; its name. Did not happen.
    #[error("already there ({0})")]
    Conflict(String),
    /// A reference to something that does not exist (any more), or an explicit refusal raised by SQL; the
    /// text it raised. Did not happen.
    #[error("refused: {0}")]
    Refused(String),
    /// A mistake of ours or of whoever runs the database. Did not happen.
    #[error("database error: {0}")]
    Bug(String),
}

/// SQLSTATE that our SQL functions raise to refuse something by name (class 'PR').
pub(crate) const REFUSED: &str = "PR001";

impl StoreError {
    /// Reads what tokio-postgres says. A lost connection counts as "may have happened": only reads may
    /// call [`StoreError::for_read`] on it.
    pub(crate) fn from_postgres(error: &tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            return if error.is_closed() || is_io(error) {
                Self::MaybeHappened(describe(error))
            } else {
                Self::Bug(describe(error))
            };
        };
        let code = db.code();
        if code.code() == REFUSED {
            return Self::Refused(db.message().to_owned());
        }
        match *code {
            SqlState::LOCK_NOT_AVAILABLE
            | SqlState::T_R_DEADLOCK_DETECTED
            | SqlState::T_R_SERIALIZATION_FAILURE => Self::Locked,
            SqlState::QUERY_CANCELED => Self::Busy("the statement ran into its time limit"),
            SqlState::TOO_MANY_CONNECTIONS => Self::Busy("PostgreSQL has no free connection"),
            SqlState::UNIQUE_VIOLATION => {
                Self::Conflict(db.constraint().unwrap_or("unique").to_owned())
            }
            SqlState::FOREIGN_KEY_VIOLATION => {
                Self::Refused(db.constraint().unwrap_or("reference").to_owned())
            }
            SqlState::UNDEFINED_TABLE
            | SqlState::UNDEFINED_FUNCTION
            | SqlState::UNDEFINED_COLUMN => {
                Self::Schema(format!("{} (is the schema migrated?)", db.message()))
            }
            _ if leaves_open(code.code()) => Self::MaybeHappened(db.message().to_owned()),
            _ if is_outage(code.code()) => Self::Unavailable(db.message().to_owned()),
            _ => Self::Bug(format!("{} {}", code.code(), db.message())),
        }
    }

    /// The same failure seen by a read: nothing can have happened.
    pub(crate) fn for_read(self) -> Self {
        match self {
            Self::MaybeHappened(text) => Self::Unavailable(text),
            other => other,
        }
    }

    /// Whether the call certainly changed nothing and may simply be tried again later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Locked | Self::Unavailable(_))
    }
}

/// The session was ended, which may have been after the COMMIT and before its answer: class 08 (a pooler that
/// lost its server), 57P01 and 57P02 (shutdown, crash of another session), 40003.
fn leaves_open(code: &str) -> bool {
    code.starts_with("08") || matches!(code, "57P01" | "57P02" | "40003")
}

/// Class 53 resources, 57P not (yet or any more) up; 25006 a standby that was asked to write.
fn is_outage(code: &str) -> bool {
    code.starts_with("53") || code.starts_with("57P") || code == "25006"
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
}

/// The error with its cause; tokio-postgres alone prints only "error connecting to server".
pub(crate) fn describe(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
