//! Every reply there is: code, enhanced status code (RFC 3463, RFC 5248) and text. Handlers choose one;
//! none of them holds a reply text of its own.

use bytes::BytesMut;

/// A reply line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reply {
    pub code: u16,
    pub enhanced: &'static str,
    pub text: &'static str,
}

const fn reply(code: u16, enhanced: &'static str, text: &'static str) -> Reply {
    Reply { code, enhanced, text }
}

pub(crate) const OK: Reply = reply(250, "2.0.0", "OK");
pub(crate) const BYE: Reply = reply(221, "2.0.0", "Bye");
pub(crate) const HELP: Reply = reply(214, "2.0.0", "See RFC 5321");
pub(crate) const VRFY: Reply = reply(252, "2.5.2", "Send some mail, I will try my best");
pub(crate) const EXPN: Reply = reply(502, "5.5.1", "Lists are not expanded here");
pub(crate) const GO_TLS: Reply = reply(220, "2.0.0", "Ready to start TLS");
pub(crate) const SENDER_OK: Reply = reply(250, "2.1.0", "Sender OK");
pub(crate) const RECIPIENT_OK: Reply = reply(250, "2.1.5", "Recipient OK");
pub(crate) const START_DATA: Reply = reply(354, "", "Start mail input; end with <CRLF>.<CRLF>");
pub(crate) const CHUNK_OK: Reply = reply(250, "2.0.0", "Chunk received");
pub(crate) const AUTH_OK: Reply = reply(235, "2.7.0", "Authentication successful");

pub(crate) const UNKNOWN_COMMAND: Reply = reply(500, "5.5.1", "Command not recognised");
pub(crate) const LINE_TOO_LONG: Reply = reply(500, "5.5.2", "Line too long");
pub(crate) const BAD_LINE: Reply =
    reply(500, "5.5.2", "Line holds NUL, a bare CR or LF, or is not UTF-8");
pub(crate) const NOT_SMTP: Reply = reply(554, "5.5.0", "This is a mail server");
pub(crate) const SYNTAX: Reply = reply(501, "5.5.4", "Syntax error in arguments");
pub(crate) const BAD_ADDRESS: Reply = reply(501, "5.1.3", "Bad address syntax");
pub(crate) const BAD_SENDER: Reply = reply(501, "5.1.7", "Bad sender address syntax");
pub(crate) const NEEDS_UTF8: Reply = reply(553, "5.6.7", "Address needs SMTPUTF8");
pub(crate) const UNKNOWN_PARAMETER: Reply = reply(555, "5.5.4", "Parameter not recognised");
pub(crate) const NOT_HERE: Reply = reply(502, "5.5.1", "Command not available here");
pub(crate) const BAD_SEQUENCE: Reply = reply(503, "5.5.1", "Bad sequence of commands");
pub(crate) const NO_RECIPIENTS: Reply = reply(554, "5.5.1", "No valid recipients");
pub(crate) const NEED_TLS: Reply = reply(530, "5.7.0", "Must issue a STARTTLS command first");
pub(crate) const NEED_AUTH: Reply = reply(530, "5.7.0", "Authentication required");
pub(crate) const ENCRYPTION_FIRST: Reply =
    reply(538, "5.7.11", "Encryption required for requested authentication mechanism");
pub(crate) const ALREADY_AUTH: Reply = reply(503, "5.5.1", "Already authenticated");
pub(crate) const UNKNOWN_MECHANISM: Reply =
    reply(504, "5.5.4", "Authentication mechanism not supported");
pub(crate) const AUTH_CANCELLED: Reply = reply(501, "5.7.0", "Authentication cancelled");
pub(crate) const REVOKED: Reply = reply(421, "4.7.0", "Your account was changed, log in again");
pub(crate) const AUTH_BAD_BASE64: Reply = reply(501, "5.5.2", "Not base64");
pub(crate) const TOO_MANY_RECIPIENTS: Reply = reply(452, "4.5.3", "Too many recipients");
pub(crate) const TOO_BIG: Reply = reply(552, "5.3.4", "Message too big");
pub(crate) const BINARY_NEEDS_BDAT: Reply = reply(503, "5.5.1", "BINARYMIME needs BDAT");
pub(crate) const BARE_LINE_END: Reply =
    reply(550, "5.6.0", "Message holds a bare CR or LF; lines end in CRLF (RFC 5321 2.3.8)");
pub(crate) const STRAY_DATA: Reply = reply(554, "5.5.0", "Data after STARTTLS");
pub(crate) const TOO_MANY_ERRORS: Reply = reply(421, "4.7.0", "Too many errors");
pub(crate) const TOO_MANY_COMMANDS: Reply = reply(421, "4.7.0", "Too many commands without mail");
pub(crate) const TIMEOUT: Reply = reply(421, "4.4.2", "Timeout waiting for you");
pub(crate) const SHUTTING_DOWN: Reply = reply(421, "4.3.2", "Server is going down, try again");

/// What the driver says of MAIL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailVerdict {
    /// Go on.
    Ok,
    /// No memory to spare now.
    Busy,
    /// A part of the system is away.
    Unavailable,
    /// The authenticated user may not send with this reverse-path.
    NotYours,
}

/// What the driver says of RCPT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RcptVerdict {
    /// Go on.
    Ok,
    /// No such mailbox in a domain of ours.
    UnknownUser,
    /// The mailbox is switched off.
    Disabled,
    /// The mailbox is full now.
    MailboxFull,
    /// The message has as many mailboxes as one message may have.
    TooMany,
    /// Not a domain of ours, and the client may not relay.
    RelayDenied,
    /// Mail to other servers is not sent from here now; a message must not be lost, so it is not taken.
    NoRoute,
    /// No mail can go there: it is no domain name.
    BadDomain,
    /// A part of the system is away.
    Unavailable,
}

/// What the driver says of DATA or the first BDAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataVerdict {
    /// Send it.
    Go,
    /// No memory to spare now.
    Busy,
    /// A part of the system is away.
    Unavailable,
}

/// What became of a message (for LMTP: for one recipient).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContentVerdict {
    /// Durable; its id for the logs.
    Accepted(String),
    /// Did not happen: try again.
    Unavailable,
    /// Did not happen: no resources now.
    Busy,
    /// The mailbox vanished since RCPT.
    UnknownUser,
    /// It has passed through too many servers: it goes round in a loop.
    Loop,
    /// May have happened: nothing may be said, the connection closes.
    Unknown,
}

/// What the driver says of a password or proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthVerdict {
    /// The client is who it says.
    Ok,
    /// Wrong user or password.
    Rejected,
    /// The mechanism's message makes no sense.
    Malformed,
    /// Too many failures lately.
    Throttled,
    /// Cannot be checked now.
    Unavailable,
}

impl From<MailVerdict> for Reply {
    fn from(verdict: MailVerdict) -> Self {
        match verdict {
            MailVerdict::Ok => SENDER_OK,
            MailVerdict::Busy => reply(452, "4.3.1", "Insufficient resources, try again later"),
            MailVerdict::Unavailable => reply(451, "4.3.0", "Temporary trouble, try again later"),
            MailVerdict::NotYours => reply(553, "5.7.1", "Sender address is not yours"),
        }
    }
}

impl From<RcptVerdict> for Reply {
    fn from(verdict: RcptVerdict) -> Self {
        match verdict {
            RcptVerdict::Ok => RECIPIENT_OK,
            RcptVerdict::UnknownUser => reply(550, "5.1.1", "No such user here"),
            RcptVerdict::Disabled => reply(550, "5.2.1", "Mailbox disabled"),
            RcptVerdict::MailboxFull => reply(452, "4.2.2", "Mailbox full"),
            RcptVerdict::TooMany => TOO_MANY_RECIPIENTS,
            RcptVerdict::RelayDenied => reply(550, "5.7.1", "Relaying denied"),
            RcptVerdict::BadDomain => reply(553, "5.1.2", "No mail goes to such a domain name"),
            RcptVerdict::NoRoute => reply(451, "4.4.4", "Mail to other servers is not carried now"),
            RcptVerdict::Unavailable => reply(451, "4.3.0", "Temporary trouble, try again later"),
        }
    }
}

impl From<DataVerdict> for Reply {
    fn from(verdict: DataVerdict) -> Self {
        match verdict {
            DataVerdict::Go => START_DATA,
            DataVerdict::Busy => reply(452, "4.3.1", "Insufficient resources, try again later"),
            DataVerdict::Unavailable => reply(451, "4.3.0", "Temporary trouble, try again later"),
        }
    }
}

impl From<AuthVerdict> for Reply {
    fn from(verdict: AuthVerdict) -> Self {
        match verdict {
            AuthVerdict::Ok => AUTH_OK,
            AuthVerdict::Rejected => reply(535, "5.7.8", "Authentication credentials invalid"),
            AuthVerdict::Malformed => reply(501, "5.5.2", "Malformed authentication message"),
            AuthVerdict::Throttled => {
                reply(454, "4.7.0", "Too many failed logins, try again later")
            }
            AuthVerdict::Unavailable => reply(454, "4.7.0", "Temporary authentication failure"),
        }
    }
}

impl Reply {
    /// Writes the line; `detail` follows the text.
    pub(crate) fn write(self, out: &mut BytesMut, detail: &str) {
        let space = if self.enhanced.is_empty() { "" } else { " " };
        let gap = if detail.is_empty() { "" } else { " " };
        let line = format!("{} {}{space}{}{gap}{detail}\r\n", self.code, self.enhanced, self.text);
        out.extend_from_slice(line.as_bytes());
    }

    pub(crate) fn is_error(self) -> bool {
        self.code >= 500
    }
}

/// The reply to the end of a message. `Unknown` has none.
pub(crate) fn content(verdict: &ContentVerdict) -> Option<(Reply, &str)> {
    Some(match verdict {
        ContentVerdict::Accepted(id) => (reply(250, "2.0.0", "Accepted"), id.as_str()),
        ContentVerdict::Unavailable => {
            (reply(451, "4.3.0", "Temporary trouble, try again later"), "")
        }
        ContentVerdict::Busy => {
            (reply(452, "4.3.1", "Insufficient resources, try again later"), "")
        }
        ContentVerdict::UnknownUser => (reply(550, "5.1.1", "No such user here"), ""),
        ContentVerdict::Loop => (reply(554, "5.4.6", "Too many hops, this message loops"), ""),
        ContentVerdict::Unknown => return None,
    })
}
