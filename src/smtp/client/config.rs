//! How a connection is to be made.

use std::fmt;
use std::time::Duration;

/// Which protocol the server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Protocol {
    /// RFC 5321.
    #[default]
    Smtp,
    /// RFC 2033.
    Lmtp,
}

/// What is wanted of STARTTLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TlsWish {
    /// Not even when offered.
    Never,
    /// When offered; otherwise in the clear (RFC 7435).
    #[default]
    IfOffered,
    /// Or not at all.
    Required,
}

/// Who we are to a relay that asks.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// User name.
    pub user: String,
    /// Password; never printed.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Waits for the server (RFC 5321 §4.5.3.2, whose values are the default).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// Initial 220: 5 minutes.
    pub greeting: Duration,
    /// EHLO, STARTTLS, AUTH, RSET; the RFC names none, 5 minutes as for MAIL.
    pub command: Duration,
    /// MAIL: 5 minutes.
    pub mail: Duration,
    /// RCPT: 5 minutes.
    pub rcpt: Duration,
    /// 354 to DATA: 2 minutes.
    pub data: Duration,
    /// A block of the body: 3 minutes.
    pub block: Duration,
    /// The reply to the final dot: 10 minutes. "…premature timeouts can result in delivery of more than one
    /// copy".
    pub final_dot: Duration,
    /// QUIT: nothing depends on it.
    pub quit: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        Self {
            greeting: minutes(5),
            command: minutes(5),
            mail: minutes(5),
            rcpt: minutes(5),
            data: minutes(2),
            block: minutes(3),
            final_dot: minutes(10),
            quit: Duration::from_secs(5),
        }
    }
}

/// Settings of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The protocol.
    pub protocol: Protocol,
    /// What we call ourselves in EHLO: a domain name or an address literal.
    pub name: String,
    /// STARTTLS.
    pub tls: TlsWish,
    /// AUTH PLAIN before the first message.
    pub credentials: Option<Credentials>,
    /// Whether BDAT is used wherever it is offered, not only where DATA cannot carry the message.
    pub prefer_chunking: bool,
    /// Whether PIPELINING is used where it is offered.
    pub pipelining: bool,
    /// Waits.
    pub timeouts: Timeouts,
}

impl Config {
    /// Sound values for a server in the wild.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            protocol: Protocol::Smtp,
            name: name.into(),
            tls: TlsWish::IfOffered,
            credentials: None,
            prefer_chunking: false,
            pipelining: true,
            timeouts: Timeouts::default(),
        }
    }
}
