//! MAIL and RCPT as they are written: what the server offers decides which parameters go along, and
//! whether the message can go there at all.

use super::capabilities::Capabilities;
use crate::path::{Body, ForwardPath, Notify, Path, Ret};
use std::fmt::Write;

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// `None` is the null reverse-path. The domain in A-labels.
    pub reverse_path: Option<Path>,
    /// Octets of the body as it will be given; for BDAT it must be exact.
    pub size: u64,
    /// What the content needs.
    pub body: Body,
    /// Whether the header or an address needs SMTPUTF8 (RFC 6531).
    pub utf8: bool,
    /// RET (RFC 3461), passed on where DSN is offered.
    pub ret: Option<Ret>,
    /// ENVID, decoded.
    pub envelope_id: Option<String>,
    /// REQUIRETLS (RFC 8689).
    pub require_tls: bool,
    /// To whom, at least one.
    pub recipients: Vec<Recipient>,
}

/// One recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Its address, the domain in A-labels.
    pub path: ForwardPath,
    /// NOTIFY, passed on where DSN is offered.
    pub notify: Option<Notify>,
    /// ORCPT: address type and address, decoded.
    pub original: Option<(String, String)>,
}

/// Why a message cannot go over this connection as it is. Nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CannotSend {
    /// Over the server's SIZE (RFC 1870 §6.1).
    #[error("the message is larger than the {limit} octets the server takes")]
    TooBig {
        /// The server's limit.
        limit: u64,
    },
    /// 8-bit content without 8BITMIME (RFC 6152 §3: convert it or fail).
    #[error("the server takes no 8-bit content")]
    EightBit,
    /// Binary content without BINARYMIME and CHUNKING (RFC 3030 §3: convert it or fail).
    #[error("the server takes no binary content")]
    Binary,
    /// The message or its sender needs SMTPUTF8 (RFC 6531 §3.1 item 8).
    #[error("the server takes no internationalized mail")]
    Utf8,
    /// REQUIRETLS, but the connection has no TLS or the server does not promise to keep it (RFC 8689 §4.2.1).
    #[error("the server does not support REQUIRETLS")]
    RequireTls,
    /// An address that cannot stand in a command line.
    #[error("the address cannot be written in SMTP")]
    Address,
    /// No recipient.
    #[error("the message has no recipient")]
    NoRecipient,
    /// The connection is not between messages.
    #[error("the connection is not ready for a message")]
    NotReady,
}

impl Envelope {
    /// Whether the message can go to such a server. Recipients are judged one by one by [`Recipient::check`].
    pub(crate) fn check(&self, server: &Capabilities, tls: bool) -> Result<(), CannotSend> {
        if self.recipients.is_empty() {
            return Err(CannotSend::NoRecipient);
        }
        if let Some(path) = &self.reverse_path {
            writable(path)?;
        }
        // A report about such a message may go without (RFC 8689 §4.2.1: "for which the MAIL FROM
        // return-path is not empty").
        if self.require_tls && self.reverse_path.is_some() && !(tls && server.require_tls) {
            return Err(CannotSend::RequireTls);
        }
        if let Some(limit) = server.size.filter(|limit| self.size > *limit) {
            return Err(CannotSend::TooBig { limit });
        }
        if self.wants_utf8() && !server.utf8 {
            return Err(CannotSend::Utf8);
        }
        match self.body {
            Body::EightBitMime if !server.eight_bit => Err(CannotSend::EightBit),
            Body::BinaryMime if !(server.binary && server.chunking) => Err(CannotSend::Binary),
            _ => Ok(()),
        }
    }

    fn wants_utf8(&self) -> bool {
        self.utf8 || self.reverse_path.as_ref().is_some_and(|path| !is_ascii(path))
    }

    /// The MAIL command.
    pub(crate) fn mail(&self, server: &Capabilities) -> String {
        let mut line = match &self.reverse_path {
            Some(path) => format!("MAIL FROM:<{path}>"),
            None => "MAIL FROM:<>".to_owned(),
        };
        if server.sizes {
            let _ = write!(line, " SIZE={}", self.size);
        }
        match self.body {
            Body::SevenBit => {}
            Body::EightBitMime => line.push_str(" BODY=8BITMIME"),
            Body::BinaryMime => line.push_str(" BODY=BINARYMIME"),
        }
        if self.says_utf8(server) {
            line.push_str(" SMTPUTF8");
        }
        if self.require_tls && server.require_tls {
            line.push_str(" REQUIRETLS");
        }
        if server.dsn {
            self.dsn(&mut line);
        }
        line.push_str("\r\n");
        line
    }

    /// Whether it goes as SMTPUTF8, so that its commands may have more than ASCII.
    pub(crate) fn says_utf8(&self, server: &Capabilities) -> bool {
        let recipients = || self.recipients.iter().any(|to| !to.is_ascii());
        server.utf8 && (self.wants_utf8() || recipients())
    }

    fn dsn(&self, line: &mut String) {
        match self.ret {
            Some(Ret::Full) => line.push_str(" RET=FULL"),
            Some(Ret::Hdrs) => line.push_str(" RET=HDRS"),
            None => {}
        }
        if let Some(id) = &self.envelope_id {
            let _ = write!(line, " ENVID={}", xtext(id, false));
        }
    }
}

impl Recipient {
    /// Whether this recipient can be named to such a server.
    pub(crate) fn check(&self, server: &Capabilities) -> Result<(), CannotSend> {
        if let ForwardPath::Path(path) = &self.path {
            writable(path)?;
        }
        if self.is_ascii() || server.utf8 { Ok(()) } else { Err(CannotSend::Utf8) }
    }

    fn is_ascii(&self) -> bool {
        matches!(&self.path, ForwardPath::Path(path) if is_ascii(path))
            || self.path == ForwardPath::Postmaster
    }

    /// The RCPT command. `utf8`: MAIL said SMTPUTF8.
    pub(crate) fn rcpt(&self, server: &Capabilities, utf8: bool) -> String {
        let mut line = format!("RCPT TO:<{}>", self.path);
        if server.dsn {
            if let Some(notify) = self.notify {
                line.push_str(&notify_words(notify));
            }
            if let Some((kind, address)) = &self.original {
                let kind: String = kind.chars().filter(char::is_ascii_graphic).collect();
                let _ = write!(line, " ORCPT={kind};{}", xtext(address, utf8));
            }
        }
        line.push_str("\r\n");
        line
    }
}

fn notify_words(notify: Notify) -> String {
    let words: Vec<&str> = [
        (notify.never, "NEVER"),
        (notify.success, "SUCCESS"),
        (notify.failure, "FAILURE"),
        (notify.delay, "DELAY"),
    ]
    .iter()
    .filter_map(|(set, word)| set.then_some(*word))
    .collect();
    if words.is_empty() { String::new() } else { format!(" NOTIFY={}", words.join(",")) }
}

fn is_ascii(path: &Path) -> bool {
    path.local_part.is_ascii() && path.domain.is_ascii()
}

/// Nothing that could end the path or the line early.
fn writable(path: &Path) -> Result<(), CannotSend> {
    let good = |text: &str| !text.chars().any(char::is_control);
    let domain = good(&path.domain) && !path.domain.contains([' ', '<', '>', '"']);
    (domain && good(&path.local_part)).then_some(()).ok_or(CannotSend::Address)
}

/// RFC 3461 §4 xtext. Characters beyond ASCII: as they are in a transaction with SMTPUTF8, otherwise in the
/// `\x{…}` form of RFC 6533 §3 ("utf-8-addr-xtext").
fn xtext(text: &str, utf8: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '+' | '=' => {
                let _ = write!(out, "+{:02X}", u32::from(c));
            }
            '!'..='~' => out.push(c),
            _ if c.is_ascii() => {
                let _ = write!(out, "+{:02X}", u32::from(c));
            }
            _ if utf8 && !c.is_control() => out.push(c),
            _ => {
                let _ = write!(out, "\\x{{{:X}}}", u32::from(c));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(local: &str, domain: &str) -> Path {
        Path { local_part: local.into(), domain: domain.into() }
    }

    fn envelope() -> Envelope {
        Envelope {
            reverse_path: Some(path("a", "b.org")),
            size: 100,
            body: Body::SevenBit,
            utf8: false,
            ret: Some(Ret::Hdrs),
            envelope_id: Some("QQ+3=1 ä".into()),
            require_tls: false,
            recipients: vec![Recipient {
                path: ForwardPath::Path(path("c d", "e.org")),
                notify: Some(Notify { success: true, delay: true, ..Notify::default() }),
                original: Some(("rfc822".into(), "c+d@e.org".into())),
            }],
        }
    }

    fn everything() -> Capabilities {
        Capabilities {
            sizes: true,
            eight_bit: true,
            utf8: true,
            chunking: true,
            binary: true,
            dsn: true,
            require_tls: true,
            ..Capabilities::default()
        }
    }

    #[test]
    fn parameters_go_where_they_are_offered() {
        let none = Capabilities::default();
        assert_eq!(envelope().mail(&none), "MAIL FROM:<a@b.org>\r\n");
        assert_eq!(envelope().recipients[0].rcpt(&none, false), "RCPT TO:<\"c d\"@e.org>\r\n");
        let all = everything();
        let mut mail =
            Envelope { body: Body::BinaryMime, utf8: true, require_tls: true, ..envelope() };
        assert_eq!(
            mail.mail(&all),
            "MAIL FROM:<a@b.org> SIZE=100 BODY=BINARYMIME SMTPUTF8 REQUIRETLS RET=HDRS \
             ENVID=QQ+2B3+3D1+20\\x{E4}\r\n"
        );
        assert_eq!(
            mail.recipients[0].rcpt(&all, true),
            "RCPT TO:<\"c d\"@e.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;c+2Bd@e.org\r\n"
        );
        mail.reverse_path = None;
        mail.ret = None;
        mail.envelope_id = None;
        mail.require_tls = false;
        assert_eq!(mail.mail(&all), "MAIL FROM:<> SIZE=100 BODY=BINARYMIME SMTPUTF8\r\n");
    }

    #[test]
    fn original_recipients_beyond_ascii() {
        let mut to = envelope().recipients.remove(0);
        to.original = Some(("utf-8".into(), "jörg@x".into()));
        let server = everything();
        assert!(to.rcpt(&server, true).ends_with("ORCPT=utf-8;jörg@x\r\n"));
        assert!(to.rcpt(&server, false).ends_with("ORCPT=utf-8;j\\x{F6}rg@x\r\n"));
        // What the server can do is not what this transaction said.
        let plain = Envelope { recipients: vec![to], envelope_id: None, ..envelope() };
        assert!(!plain.says_utf8(&server) && !plain.mail(&server).contains("SMTPUTF8"));
        assert!(Envelope { utf8: true, ..plain }.says_utf8(&server));
    }

    /// Each requirement against a server that has everything but the one extension.
    #[test]
    fn what_cannot_go_is_said_before_anything_is_sent() {
        let all = everything();
        let base = envelope();
        assert_eq!(base.check(&all, true), Ok(()));
        let check = |mail: &Envelope, change: fn(&mut Capabilities)| {
            let mut server = everything();
            change(&mut server);
            mail.check(&server, true)
        };
        let eight = Envelope { body: Body::EightBitMime, ..base.clone() };
        let binary = Envelope { body: Body::BinaryMime, ..base.clone() };
        let utf8 = Envelope { utf8: true, ..base.clone() };
        let sender = Envelope { reverse_path: Some(path("jörg", "x")), ..base.clone() };
        let tls = Envelope { require_tls: true, ..base.clone() };
        assert_eq!(check(&eight, |s| s.eight_bit = false), Err(CannotSend::EightBit));
        assert_eq!(check(&binary, |s| s.binary = false), Err(CannotSend::Binary));
        assert_eq!(check(&binary, |s| s.chunking = false), Err(CannotSend::Binary));
        assert_eq!(check(&utf8, |s| s.utf8 = false), Err(CannotSend::Utf8));
        assert_eq!(check(&sender, |s| s.utf8 = false), Err(CannotSend::Utf8));
        assert_eq!(check(&tls, |s| s.require_tls = false), Err(CannotSend::RequireTls));
        assert_eq!(tls.check(&all, false), Err(CannotSend::RequireTls));
        let report = Envelope { reverse_path: None, ..tls };
        assert_eq!(report.check(&Capabilities::default(), false), Ok(()));
        assert_eq!(check(&base, |s| s.size = Some(99)), Err(CannotSend::TooBig { limit: 99 }));
        assert_eq!(check(&base, |s| s.size = Some(100)), Ok(()));
        let nobody = Envelope { recipients: Vec::new(), ..base };
        assert_eq!(nobody.check(&all, true), Err(CannotSend::NoRecipient));
    }

    #[test]
    fn an_address_cannot_smuggle_a_command() {
        let evil = path("a>\r\nDATA", "x");
        let mail = Envelope { reverse_path: Some(evil.clone()), ..envelope() };
        assert_eq!(mail.check(&everything(), true), Err(CannotSend::Address));
        for evil in [evil, path("a", "x>\r\nQUIT"), path("a", "x> SIZE=1")] {
            let to = Recipient { path: ForwardPath::Path(evil), notify: None, original: None };
            assert_eq!(to.check(&everything()), Err(CannotSend::Address));
        }
        let to = Recipient {
            path: ForwardPath::Postmaster,
            notify: None,
            original: Some(("rfc822\r\nQUIT ".into(), "a\r\nQUIT".into())),
        };
        assert_eq!(
            to.rcpt(&everything(), true),
            "RCPT TO:<postmaster> ORCPT=rfc822QUIT;a+0D+0AQUIT\r\n"
        );
    }
}
