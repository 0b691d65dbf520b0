//! How commands end, and the one place where an error of the domain becomes a reply (RFC 5530).

use directory::DirectoryError;
use imap::{Code, NumberSet, Session, Status};
use ingest::{AppendError, BinaryError, IngestError};
use mail::{MailError, NameError};
use std::borrow::Cow;
use std::io;

/// A command's tagged reply.
#[derive(Debug)]
pub(crate) struct Answer {
    status: Status,
    code: Detail,
    /// `None`: what is usual for the command.
    text: Option<Cow<'static, str>>,
}

#[derive(Debug)]
enum Detail {
    None,
    Code(Code<'static>),
    AppendUid(u32, NumberSet),
    Modified(NumberSet),
    MailboxId(String),
    BadUrl(String),
    UndefinedFilter(String),
    CopyUid(u32, NumberSet, NumberSet),
}

/// Why a command was not carried out to its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Say this.
    Answer(Answer),
    /// The client is gone, or what it was promised cannot be kept: the connection ends.
    Gone(io::Error),
}

impl Answer {
    pub(crate) fn ok() -> Self {
        Self { status: Status::Ok, code: Detail::None, text: None }
    }

    pub(crate) fn ok_with(code: Code<'static>, text: &'static str) -> Self {
        Self { status: Status::Ok, code: Detail::Code(code), text: Some(text.into()) }
    }

    pub(crate) fn no(code: Code<'static>, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status: Status::No, code: Detail::Code(code), text: Some(text.into()) }
    }

    pub(crate) fn bad(text: &'static str) -> Self {
        Self { status: Status::Bad, code: Detail::None, text: Some(text.into()) }
    }

    pub(crate) fn appended(uidvalidity: u32, uids: NumberSet) -> Self {
        Self { status: Status::Ok, code: Detail::AppendUid(uidvalidity, uids), text: None }
    }

    /// "A server advertising the OBJECTID capability MUST include the MAILBOXID response code in the tagged OK
    /// response to all successful CREATE commands" (RFC 8474 §4.1).
    pub(crate) fn created(id: &str) -> Self {
        Self { status: Status::Ok, code: Detail::MailboxId(id.to_owned()), text: None }
    }

    /// RFC 4469 §4.1
    pub(crate) fn bad_url(url: &str, why: &'static str) -> Self {
        let (status, text) = (Status::No, Some(why.into()));
        Self { status, code: Detail::BadUrl(url.to_owned()), text }
    }

    /// "MUST cause failure of the SEARCH command with the tagged NO response that includes the UNDEFINED-FILTER response
    /// code followed by the name" (RFC 5466 §3.1).
    pub(crate) fn undefined_filter(name: &str) -> Self {
        let code = Detail::UndefinedFilter(name.to_owned());
        Self { status: Status::No, code, text: Some("There is no such filter".into()) }
    }

    /// STORE left these alone (RFC 7162 §3.1.3).
    pub(crate) fn modified(set: NumberSet) -> Self {
        let text = Some("Some messages had changed meanwhile".into());
        Self { status: Status::Ok, code: Detail::Modified(set), text }
    }

    pub(crate) fn copied(uidvalidity: u32, from: NumberSet, to: NumberSet) -> Self {
        Self { status: Status::Ok, code: Detail::CopyUid(uidvalidity, from, to), text: None }
    }

    pub(crate) fn is_ok(&self) -> bool {
        self.status == Status::Ok
    }

    /// Whether it is OK and has no response code.
    pub(crate) fn is_bare_ok(&self) -> bool {
        self.is_ok() && matches!(self.code, Detail::None)
    }

    /// The response code, if it is one without sets.
    pub(crate) fn code(&self) -> Option<Code<'static>> {
        match &self.code {
            Detail::Code(code) => Some(*code),
            _ => None,
        }
    }

    fn with_code<R>(&self, tell: impl FnOnce(Option<&Code<'_>>) -> R) -> R {
        match &self.code {
            Detail::None => tell(None),
            Detail::Code(code) => tell(Some(code)),
            Detail::UndefinedFilter(name) => tell(Some(&Code::UndefinedFilter(name))),
            Detail::AppendUid(uidvalidity, uids) => {
                tell(Some(&Code::AppendUid(*uidvalidity, uids)))
            }
            Detail::BadUrl(url) => tell(Some(&Code::BadUrl(url))),
            Detail::MailboxId(id) => tell(Some(&Code::MailboxId(id))),
            Detail::Modified(set) => tell(Some(&Code::Modified(set))),
            Detail::CopyUid(uidvalidity, from, to) => {
                tell(Some(&Code::CopyUid(*uidvalidity, from, to)))
            }
        }
    }

    /// Ends the command under way.
    pub(crate) fn finish(self, machine: &mut Session) {
        match &self.text {
            Some(text) => self.with_code(|code| machine.finish(self.status, code, text)),
            None => {
                let text = format!("{} completed", machine.command_name());
                self.with_code(|code| machine.finish(self.status, code, &text));
            }
        }
    }

    /// Says the code and the text untagged.
    pub(crate) fn tell(&self, machine: &mut Session, status: Status) {
        let text = self.text.clone().unwrap_or_else(|| "Done".into());
        self.with_code(|code| machine.writer().status(status, code, &text));
    }

    /// Refuses a message before it comes.
    pub(crate) fn refuse_append(self, machine: &mut Session) {
        let text = self.text.as_deref().unwrap_or_default();
        self.with_code(|code| machine.append_refuse(code, text));
    }

    /// Gives up a message while it comes.
    pub(crate) fn abort_append(self, machine: &mut Session) {
        let text = self.text.as_deref().unwrap_or_default();
        self.with_code(|code| machine.append_abort(code, text));
    }
}

fn name_error(error: NameError) -> &'static str {
    match error {
        NameError::Empty => "A level of a mailbox name is empty",
        NameError::Length => "The mailbox name is too long or too deep",
        NameError::Character => "The mailbox name holds a character that is not allowed",
    }
}

const UNAVAILABLE: &str = "Temporarily not possible, try again later";
const UNKNOWN: &str = "It is not known whether this was done: look before trying again";
const BUG: &str = "Internal error, it was logged";

impl From<MailError> for Answer {
    /// The reply to a client for every way the domain can fail.
    fn from(error: MailError) -> Self {
        match error {
            MailError::Busy(why) => Self::no(Code::InUse, why),
            MailError::Unavailable(why) => {
                tracing::debug!(%why, "a command was not possible");
                Self::no(Code::Unavailable, UNAVAILABLE)
            }
            MailError::MayHaveHappened(why) => {
                tracing::warn!(%why, "the outcome of a command is unknown");
                Self::no(Code::Unavailable, UNKNOWN)
            }
            MailError::Name(error) => Self::no(Code::Cannot, name_error(error)),
            MailError::NoPermission => Self::no(Code::NoPerm, "You may not do this"),
            MailError::NoIdentifier => Self::no(Code::Cannot, "Nobody is called so"),
            MailError::BeingDelivered => {
                Self::no(Code::InUse, "A message is on its way there by itself, try again later")
            }
            MailError::OverQuota => Self::no(Code::OverQuota, "The account is full"),
            MailError::NoMailbox => Self::no(Code::NonExistent, "No such mailbox"),
            MailError::NoTarget => Self::no(Code::TryCreate, "No such mailbox"),
            MailError::Exists => Self::no(Code::AlreadyExists, "The mailbox exists already"),
            MailError::HasChildren => {
                Self::no(Code::HasChildren, "Delete the mailboxes below it first")
            }
            MailError::UseTaken => Self::no(Code::UseAttr, "This special use is not to be had"),
            MailError::Cannot(why) => Self::no(Code::Cannot, why),
            MailError::Limit(why) => Self::no(Code::Limit, why),
            MailError::TooMany => Self::no(Code::MetadataTooMany, "Too many annotations"),
            MailError::LockLost => Self::no(Code::InUse, "The lock is lost"),
            MailError::NoAccount => Self::no(Code::ContactAdmin, "The account is gone"),
            MailError::Expunged => Self::no(Code::ExpungeIssued, "The message is gone"),
            MailError::Damaged(_) => {
                Self::no(Code::Corruption, "Some messages cannot be read, it was logged")
            }
            MailError::Bug(why) => {
                tracing::error!(%why, "a command failed");
                Self::no(Code::ServerBug, BUG)
            }
        }
    }
}

impl From<IngestError> for Answer {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Busy(why) => Self::no(Code::InUse, why),
            IngestError::Unavailable(why) => {
                tracing::debug!(%why, "a message could not be taken");
                Self::no(Code::Unavailable, UNAVAILABLE)
            }
            IngestError::TooLarge => Self::no(Code::TooBig, "The message is too large"),
            IngestError::Bug(why) => {
                tracing::error!(%why, "a message could not be taken");
                Self::no(Code::ServerBug, BUG)
            }
            IngestError::MayHaveHappened(why) => {
                tracing::warn!(%why, "it is unknown whether a message was taken");
                Self::no(Code::Unavailable, UNKNOWN)
            }
        }
    }
}

impl From<BinaryError> for Answer {
    fn from(error: BinaryError) -> Self {
        match error {
            BinaryError::Ingest(error) => error.into(),
            // "If the destination mailbox does not support the storage of binary content, the server MUST fail the
            // request and issue a "NO" response that contains the "UNKNOWN-CTE" extended response code." (RFC 3516 §4.4)
            BinaryError::CannotEncode => {
                Self::no(Code::UnknownCte, "NUL where nothing can be encoded")
            }
        }
    }
}

impl From<AppendError> for Answer {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Ingest(error) => error.into(),
            AppendError::NoMailbox => MailError::NoTarget.into(),
            AppendError::NoMessage => Self::no(Code::ExpungeIssued, "The message is gone"),
            AppendError::OverQuota => Self::no(Code::OverQuota, "The account is full"),
        }
    }
}

impl From<DirectoryError> for Answer {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Busy(why) => Self::no(Code::InUse, why),
            DirectoryError::Unavailable(why) => {
                tracing::debug!(%why, "a user could not be looked up");
                Self::no(Code::Unavailable, UNAVAILABLE)
            }
        }
    }
}

impl From<MailError> for Stop {
    fn from(error: MailError) -> Self {
        Self::Answer(error.into())
    }
}

impl From<Answer> for Stop {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_its_code() {
        let text = || "x".to_owned();
        for (error, code) in [
            (MailError::Busy("x"), Code::InUse),
            (MailError::Unavailable(text()), Code::Unavailable),
            (MailError::MayHaveHappened(text()), Code::Unavailable),
            (MailError::Name(mail::NameError::Empty), Code::Cannot),
            (MailError::NoPermission, Code::NoPerm),
            (MailError::NoIdentifier, Code::Cannot),
            (MailError::BeingDelivered, Code::InUse),
            (MailError::OverQuota, Code::OverQuota),
            (MailError::NoMailbox, Code::NonExistent),
            (MailError::NoTarget, Code::TryCreate),
            (MailError::Exists, Code::AlreadyExists),
            (MailError::HasChildren, Code::HasChildren),
            (MailError::UseTaken, Code::UseAttr),
            (MailError::Cannot("x"), Code::Cannot),
            (MailError::Limit("x"), Code::Limit),
            (MailError::TooMany, Code::MetadataTooMany),
            (MailError::LockLost, Code::InUse),
            (MailError::NoAccount, Code::ContactAdmin),
            (MailError::Expunged, Code::ExpungeIssued),
            (MailError::Damaged(text()), Code::Corruption),
            (MailError::Bug(text()), Code::ServerBug),
        ] {
            let answer = Answer::from(error.clone());
            assert_eq!(answer.code(), Some(code), "{error:?}");
            assert!(!answer.is_ok());
        }
    }

    #[test]
    fn nothing_of_our_insides_is_told() {
        for answer in [
            Answer::from(MailError::Unavailable("secret".into())),
            Answer::from(MailError::Bug("secret".into())),
            Answer::from(IngestError::MayHaveHappened("secret".into())),
        ] {
            assert!(!format!("{answer:?}").contains("secret"));
        }
    }
}
