//! Exit codes, and what a command says when it ends badly: one line, and what to do.

use std::fmt;
use std::process::ExitCode;

/// For `--help`.
pub const HELP: &str = "Exit codes:
  0  done
  1  failed, or something else has to be done first
  2  the command line or the configuration cannot be right
  3  what was named is not there, or what was to be made is there already
  4  PostgreSQL, the blob store or the coordinator is away or busy: try again later";

/// How a command ended; the numbers are the exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Failed.
    Failed = 1,
    /// Command line or configuration.
    Usage = 2,
    /// Not there, or there already.
    Named = 3,
    /// A dependency is away or busy.
    Unavailable = 4,
}

/// A command that did not do what it was told.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: Code,
    /// For the operator.
    pub line: String,
}

/// What a command ends with.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure of this kind.
    pub fn new(code: Code, line: impl Into<String>) -> Self {
        Self { code, line: line.into() }
    }

    /// [`Code::Failed`].
    pub fn failed(line: impl Into<String>) -> Self {
        Self::new(Code::Failed, line)
    }

    /// [`Code::Usage`].
    pub fn usage(line: impl Into<String>) -> Self {
        Self::new(Code::Usage, line)
    }

    /// The same with a piece of advice.
    #[must_use]
    pub fn hint(mut self, advice: &str) -> Self {
        self.line = format!("{}: {advice}", self.line);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Messages of servers may have several lines; an operator's terminal and log get one.
        for (index, line) in self.line.lines().map(str::trim).filter(|l| !l.is_empty()).enumerate()
        {
            if index > 0 {
                f.write_str(" / ")?;
            }
            f.write_str(line)?;
        }
        Ok(())
    }
}

/// Says how it ended.
pub fn report(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            crate::output::note(&format!("postrider: {failure}"));
            ExitCode::from(failure.code as u8)
        }
    }
}

impl From<store::StoreError> for Failure {
    fn from(error: store::StoreError) -> Self {
        use store::StoreError as E;
        let code = match error {
            E::Busy(_) | E::Locked | E::Unavailable(_) => Code::Unavailable,
            E::Conflict(_) => Code::Named,
            E::MaybeHappened(_) | E::Schema(_) | E::Refused(_) | E::Bug(_) => Code::Failed,
        };
        Self::new(code, error.to_string())
    }
}

impl From<directory::OperatorError> for Failure {
    fn from(error: directory::OperatorError) -> Self {
        use directory::OperatorError as E;
        let code = match error {
            E::Invalid(_) => Code::Usage,
            E::NotFound(_) | E::Exists(_) => Code::Named,
            E::Refused(_) | E::MayHaveHappened(_) => Code::Failed,
            E::Unavailable(_) => Code::Unavailable,
        };
        Self::new(code, error.to_string())
    }
}

impl From<blob::BlobError> for Failure {
    fn from(error: blob::BlobError) -> Self {
        use blob::BlobError as E;
        let code = match error {
            E::Unavailable(_) => Code::Unavailable,
            E::Config(_) => Code::Usage,
            E::NotFound(_) | E::Corrupt(_) => Code::Failed,
        };
        Self::new(code, error.to_string())
    }
}

impl From<coordinator::CoordinatorError> for Failure {
    fn from(error: coordinator::CoordinatorError) -> Self {
        use coordinator::CoordinatorError as E;
        let code = match error {
            E::Unavailable(_) => Code::Unavailable,
            E::Config(_) => Code::Usage,
        };
        Self::new(code, error.to_string())
    }
}

impl From<net::NetError> for Failure {
    fn from(error: net::NetError) -> Self {
        let code = match error {
            net::NetError::Bind(..) => Code::Failed,
            net::NetError::Certificate(_) => Code::Usage,
        };
        Self::new(code, error.to_string())
    }
}

impl From<crate::config::ConfigError> for Failure {
    fn from(error: crate::config::ConfigError) -> Self {
        Self::usage(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line() {
        let failure = Failure::failed("first\n  second\n\n").hint("do this");
        assert_eq!(failure.to_string(), "first / second / : do this");
        assert_eq!(Failure::failed("a").hint("b").to_string(), "a: b");
    }

    #[test]
    fn away_is_told_from_wrong() {
        let away = Failure::from(store::StoreError::Unavailable("x".into()));
        assert_eq!(away.code, Code::Unavailable);
        let missing = Failure::from(directory::OperatorError::NotFound("x".into()));
        assert_eq!(missing.code as u8, 3);
    }
}
