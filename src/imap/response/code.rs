//! Status and response codes (RFC 9051 §7.1, RFC 5530).

use super::text::{push_number, push_quoted, push_text};
use crate::language::Language;
use crate::set::NumberSet;
use bytes::BytesMut;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Ok,
    /// Not done.
    No,
    /// Not understood.
    Bad,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::No => "NO",
            Self::Bad => "BAD",
        }
    }
}

/// A response code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Code<'a> {
    Alert,
    AlreadyExists,
    /// UIDVALIDITY and the UIDs given.
    AppendUid(u32, &'a NumberSet),
    AuthenticationFailed,
    AuthorizationFailed,
    /// With the list of what is supported.
    BadCharset,
    /// RFC 5465 §3.1, with the list of what is supported.
    BadEvent,
    /// RFC 4469 §4.1
    BadUrl(&'a str),
    Cannot,
    /// The list as written.
    Capability(&'a str),
    ClientBug,
    Closed,
    /// RFC 4978 §3: the connection is compressed already.
    CompressionActive,
    ContactAdmin,
    /// UIDVALIDITY of the target, UIDs in the source, UIDs in the target; both ascending.
    CopyUid(u32, &'a NumberSet, &'a NumberSet),
    Corruption,
    Expired,
    ExpungeIssued,
    HasChildren,
    /// RFC 7162 §3.1.2.1
    HighestModSeq(u64),
    /// RFC 9585: the tag, how far it is, and of how much.
    InProgress(&'a str, u32, Option<u32>),
    InUse,
    Limit,
    /// MAILBOXID (RFC 8474 §4.1)
    MailboxId(&'a str),
    /// RFC 9738 §3.1: the limit, and the lowest UID that was processed.
    MessageLimit(u32, Option<u32>),
    /// RFC 5464 §4.2.1: the size of the largest value left out.
    MetadataLongEntries(u64),
    /// RFC 5464 §4.3: the largest value that is taken.
    MetadataMaxSize(u64),
    /// RFC 5464 §4.3
    MetadataTooMany,
    /// RFC 7162 §3.1.3: what was left alone.
    Modified(&'a NumberSet),
    NonExistent,
    NoPerm,
    /// RFC 5267 §4.3.1: the tag of the search.
    NoUpdate(&'a str),
    /// RFC 5182 §2.1: SAVE could not be obeyed.
    NotSaved,
    /// RFC 5465 §5.8
    NotificationOverflow,
    OverQuota,
    Parse,
    PrivacyRequired,
    ReadOnly,
    ReadWrite,
    ServerBug,
    /// RFC 4469 §4.2
    TooBig,
    TryCreate,
    UidNext(u32),
    UidNotSticky,
    /// RFC 9586
    UidRequired,
    UidValidity(u32),
    /// RFC 4467 §5
    UrlMech,
    /// RFC 5466 §3.1: the name of the filter.
    UndefinedFilter(&'a str),
    Unavailable,
    UnknownCte,
    /// RFC 3501: the first unseen message.
    Unseen(u32),
    /// RFC 6154 §3
    UseAttr,
}

impl Code<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Alert => "ALERT",
            Self::AlreadyExists => "ALREADYEXISTS",
            Self::AppendUid(..) => "APPENDUID",
            Self::AuthenticationFailed => "AUTHENTICATIONFAILED",
            Self::AuthorizationFailed => "AUTHORIZATIONFAILED",
            Self::BadCharset => "BADCHARSET (US-ASCII UTF-8)",
            Self::BadEvent => "BADEVENT",
            Self::BadUrl(_) => "BADURL",
            Self::Cannot => "CANNOT",
            Self::Capability(_) => "CAPABILITY",
            Self::ClientBug => "CLIENTBUG",
            Self::Closed => "CLOSED",
            Self::CompressionActive => "COMPRESSIONACTIVE",
            Self::ContactAdmin => "CONTACTADMIN",
            Self::CopyUid(..) => "COPYUID",
            Self::Corruption => "CORRUPTION",
            Self::Expired => "EXPIRED",
            Self::ExpungeIssued => "EXPUNGEISSUED",
            Self::HasChildren => "HASCHILDREN",
            Self::HighestModSeq(_) => "HIGHESTMODSEQ",
            Self::InProgress(..) => "INPROGRESS",
            Self::InUse => "INUSE",
            Self::Limit => "LIMIT",
            Self::MailboxId(_) => "MAILBOXID",
            Self::MessageLimit(..) => "MESSAGELIMIT",
            Self::MetadataLongEntries(_) => "METADATA LONGENTRIES",
            Self::MetadataMaxSize(_) => "METADATA MAXSIZE",
            Self::MetadataTooMany => "METADATA TOOMANY",
            Self::Modified(_) => "MODIFIED",
            Self::NonExistent => "NONEXISTENT",
            Self::NoPerm => "NOPERM",
            Self::NoUpdate(_) => "NOUPDATE",
            Self::NotSaved => "NOTSAVED",
            Self::NotificationOverflow => "NOTIFICATIONOVERFLOW",
            Self::OverQuota => "OVERQUOTA",
            Self::Parse => "PARSE",
            Self::PrivacyRequired => "PRIVACYREQUIRED",
            Self::ReadOnly => "READ-ONLY",
            Self::ReadWrite => "READ-WRITE",
            Self::ServerBug => "SERVERBUG",
            Self::TooBig => "TOOBIG",
            Self::TryCreate => "TRYCREATE",
            Self::UidNext(_) => "UIDNEXT",
            Self::UidNotSticky => "UIDNOTSTICKY",
            Self::UidRequired => "UIDREQUIRED",
            Self::UidValidity(_) => "UIDVALIDITY",
            Self::UrlMech => "URLMECH INTERNAL",
            Self::UndefinedFilter(_) => "UNDEFINED-FILTER",
            Self::Unavailable => "UNAVAILABLE",
            Self::UnknownCte => "UNKNOWN-CTE",
            Self::Unseen(_) => "UNSEEN",
            Self::UseAttr => "USEATTR",
        }
    }

    fn write(&self, out: &mut BytesMut) {
        out.extend_from_slice(self.name().as_bytes());
        match self {
            Self::UidNext(number) | Self::UidValidity(number) | Self::Unseen(number) => {
                out.extend_from_slice(b" ");
                push_number(out, u64::from(*number));
            }
            Self::BadEvent => {
                out.extend_from_slice(b" (");
                out.extend_from_slice(crate::command::EVENTS.as_bytes());
                out.extend_from_slice(b")");
            }
            Self::HighestModSeq(number)
            | Self::MetadataLongEntries(number)
            | Self::MetadataMaxSize(number) => {
                out.extend_from_slice(b" ");
                push_number(out, *number);
            }
            Self::InProgress(tag, done, goal) => {
                out.extend_from_slice(b" (");
                push_quoted(out, tag.as_bytes());
                out.extend_from_slice(b" ");
                push_number(out, u64::from(*done));
                out.extend_from_slice(b" ");
                match goal {
                    Some(goal) => push_number(out, u64::from(*goal)),
                    None => out.extend_from_slice(b"NIL"),
                }
                out.extend_from_slice(b")");
            }
            Self::MessageLimit(limit, uid) => {
                for number in [Some(*limit), *uid].into_iter().flatten() {
                    out.extend_from_slice(b" ");
                    push_number(out, u64::from(number));
                }
            }
            Self::NoUpdate(tag) => {
                out.extend_from_slice(b" ");
                push_quoted(out, tag.as_bytes());
            }
            Self::MailboxId(id) => {
                out.extend_from_slice(b" (");
                out.extend_from_slice(id.as_bytes());
                out.extend_from_slice(b")");
            }
            // `url-resp-text`: no "]" and no "\"; in a URL an octet may always be written as its hexadecimal digits.
            Self::BadUrl(url) => {
                out.extend_from_slice(b" ");
                for octet in url.bytes() {
                    match octet {
                        b']' | b'\\' | 0..=b' ' | 0x7f.. => {
                            out.extend_from_slice(format!("%{octet:02X}").as_bytes());
                        }
                        octet => out.extend_from_slice(&[octet]),
                    }
                }
            }
            Self::Modified(numbers) => {
                out.extend_from_slice(b" ");
                numbers.write(out);
            }
            Self::AppendUid(validity, uids) => write_sets(out, *validity, &[uids]),
            Self::CopyUid(validity, from, to) => write_sets(out, *validity, &[from, to]),
            Self::UndefinedFilter(name) => {
                out.extend_from_slice(b" ");
                out.extend_from_slice(name.as_bytes());
            }
            Self::Capability(list) => {
                out.extend_from_slice(b" ");
                out.extend_from_slice(list.as_bytes());
            }
            _ => {}
        }
    }
}

fn write_sets(out: &mut BytesMut, validity: u32, sets: &[&NumberSet]) {
    out.extend_from_slice(b" ");
    push_number(out, u64::from(validity));
    for set in sets {
        out.extend_from_slice(b" ");
        set.write(out);
    }
}

/// `OK [CODE] text` and the line end.
pub(crate) fn write(
    out: &mut BytesMut,
    status: &str,
    code: Option<&Code<'_>>,
    text: &str,
    language: Language,
) {
    out.extend_from_slice(status.as_bytes());
    out.extend_from_slice(b" ");
    if let Some(code) = code {
        out.extend_from_slice(b"[");
        code.write(out);
        out.extend_from_slice(b"] ");
    }
    push_text(out, text, language);
}
