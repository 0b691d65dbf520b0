//! What the domain says, as replies: the one place where its errors meet SMTP.

use directory::{AuthFailure, DirectoryError, Lookup};
use ingest::{Delivered, IngestError};
use smtp::{AuthVerdict, ContentVerdict, DataVerdict, MailVerdict, RcptVerdict, Role};

pub(crate) fn mail(error: &IngestError) -> MailVerdict {
    match error {
        IngestError::Busy(_) => MailVerdict::Busy,
        _ => MailVerdict::Unavailable,
    }
}

pub(crate) fn data(error: &IngestError) -> DataVerdict {
    match error {
        IngestError::Busy(_) => DataVerdict::Busy,
        _ => DataVerdict::Unavailable,
    }
}

/// A message that was not taken.
pub(crate) fn content(error: &IngestError) -> ContentVerdict {
    match error {
        IngestError::Busy(_) => ContentVerdict::Busy,
        // The machine's limit comes first; this is a setting above what can be stored.
        IngestError::TooLarge | IngestError::Unavailable(_) | IngestError::Bug(_) => {
            ContentVerdict::Unavailable
        }
        // Neither 250 nor 4xx would be true.
        IngestError::MayHaveHappened(_) => ContentVerdict::Unknown,
    }
}

/// A recipient of a message that was taken, by what became of its accounts. `elsewhere`: some are in the queue.
pub(crate) fn delivered(accounts: &[Delivered], elsewhere: bool, id: &str) -> ContentVerdict {
    let taken = |one: &Delivered| matches!(one, Delivered::Placed(_) | Delivered::Queued);
    if elsewhere || accounts.iter().any(taken) {
        ContentVerdict::Accepted(id.to_owned())
    } else {
        ContentVerdict::UnknownUser
    }
}

pub(crate) fn rcpt(found: &Result<Lookup, DirectoryError>, role: Role) -> RcptVerdict {
    match found {
        // An alias takes mail as long as one of its accounts does; the full ones get theirs out of the queue.
        Ok(Lookup::Accounts(targets)) if targets.iter().all(|target| target.over_quota) => {
            RcptVerdict::MailboxFull
        }
        Ok(Lookup::Accounts(_)) => RcptVerdict::Ok,
        Ok(Lookup::Disabled) => RcptVerdict::Disabled,
        Ok(Lookup::Unknown) => RcptVerdict::UnknownUser,
        Ok(Lookup::NotOurs) if role == Role::Submission => RcptVerdict::NoRoute,
        Ok(Lookup::NotOurs) => RcptVerdict::RelayDenied,
        Err(_) => RcptVerdict::Unavailable,
    }
}

pub(crate) fn auth(failure: &AuthFailure) -> AuthVerdict {
    match failure {
        AuthFailure::Denied | AuthFailure::Authorization => AuthVerdict::Rejected,
        AuthFailure::Malformed => AuthVerdict::Malformed,
        AuthFailure::Throttled => AuthVerdict::Throttled,
        AuthFailure::Busy | AuthFailure::Unavailable(_) => AuthVerdict::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use directory::Target;
    use types::{AccountId, TenantId};

    fn accounts(full: &[bool]) -> Result<Lookup, DirectoryError> {
        let target = |over_quota: &bool| Target {
            account: AccountId(1),
            tenant: TenantId(1),
            address: "a@x".into(),
            over_quota: *over_quota,
        };
        Ok(Lookup::Accounts(full.iter().map(target).collect()))
    }

    #[test]
    fn recipients() {
        assert_eq!(rcpt(&accounts(&[false]), Role::Smtp), RcptVerdict::Ok);
        assert_eq!(rcpt(&accounts(&[true, false]), Role::Smtp), RcptVerdict::Ok);
        assert_eq!(rcpt(&accounts(&[true, true]), Role::Smtp), RcptVerdict::MailboxFull);
        assert_eq!(rcpt(&Ok(Lookup::NotOurs), Role::Smtp), RcptVerdict::RelayDenied);
        assert_eq!(rcpt(&Ok(Lookup::NotOurs), Role::Lmtp), RcptVerdict::RelayDenied);
        assert_eq!(rcpt(&Ok(Lookup::NotOurs), Role::Submission), RcptVerdict::NoRoute);
        let away = Err(DirectoryError::Unavailable("x".into()));
        assert_eq!(rcpt(&away, Role::Smtp), RcptVerdict::Unavailable);
    }

    #[test]
    fn only_an_unknown_outcome_has_no_answer() {
        assert_eq!(content(&IngestError::MayHaveHappened("x".into())), ContentVerdict::Unknown);
        for error in [
            IngestError::Busy("x"),
            IngestError::Unavailable("x".into()),
            IngestError::TooLarge,
            IngestError::Bug("x".into()),
        ] {
            let verdict = content(&error);
            assert!(matches!(verdict, ContentVerdict::Busy | ContentVerdict::Unavailable));
        }
    }

    #[test]
    fn one_account_is_enough() {
        let accepted = ContentVerdict::Accepted("id".into());
        assert_eq!(delivered(&[Delivered::NoAccount, Delivered::Queued], false, "id"), accepted);
        assert_eq!(delivered(&[Delivered::NoAccount], false, "id"), ContentVerdict::UnknownUser);
        assert_eq!(delivered(&[Delivered::NoAccount], true, "id"), accepted);
    }
}
