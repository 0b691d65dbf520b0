//! Delivery status notifications: when one is due (RFC 3461) and what it looks like (RFC 3464, RFC 6522,
//! RFC 6533).
//!
//! [`is_due`] decides, [`write`] makes the message: words for people, fields for machines, and what is
//! returned of the original, which is bounded. The envelope is the caller's: a report leaves with the null
//! reverse-path and without RET, and because nothing is ever due to a null reverse-path, there is no bounce
//! of a bounce. No clock and no randomness: dates, the Message-ID and the boundary are given.

mod fields;
mod returned;
mod words;

use std::fmt::Write;

/// What happened to a recipient (RFC 3464 §2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It will never arrive.
    Failed,
    /// Not yet; it is still being tried.
    Delayed,
    /// It is in the mailbox.
    Delivered,
    /// It went on to a server that gives no reports.
    Relayed,
    /// It went on to several others.
    Expanded,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
        }
    }
}

/// What the sender asked for a recipient: NOTIFY (RFC 3461 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wishes {
    /// NEVER
    pub never: bool,
    /// SUCCESS
    pub success: bool,
    /// FAILURE
    pub failure: bool,
    /// DELAY
    pub delay: bool,
}

/// Whether a report is due. `wishes`: `None` when RCPT had no NOTIFY; `null_sender`: "A DSN MUST NOT be
/// returned to the sender for any message for which the return address … was NULL" (RFC 3461 §5.2). For
/// [`Action::Relayed`] the caller asks only if the next server did not take the parameters over (§5.2.2).
#[must_use]
pub fn is_due(action: Action, wishes: Option<Wishes>, null_sender: bool) -> bool {
    if null_sender {
        return false;
    }
    match (wishes, action) {
        (Some(wishes), _) if wishes.never => false,
        (Some(wishes), Action::Failed) => wishes.failure,
        (Some(wishes), Action::Delayed) => wishes.delay,
        (Some(wishes), _) => wishes.success,
        (None, action) => matches!(action, Action::Failed | Action::Delayed),
    }
}

/// How much of the message is wanted back: RET (RFC 3461 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// RET=FULL
    Full,
    /// RET=HDRS
    Header,
}

/// One recipient's part.
#[derive(Debug, Clone)]
pub struct About<'a> {
    /// The address the message was to go to.
    pub recipient: &'a str,
    /// ORCPT: address type and address, decoded.
    pub original: Option<(&'a str, &'a str)>,
    /// What happened.
    pub action: Action,
    /// RFC 3463.
    pub status: (u8, u16, u16),
    /// A remote server's reply, word for word.
    pub diagnostic: Option<&'a str>,
    /// Our own words, when there is no such reply.
    pub reason: &'a str,
    /// The remote server.
    pub remote_mta: Option<&'a str>,
    /// RFC 5322 date of the last attempt.
    pub last_attempt: Option<&'a str>,
    /// RFC 5322 date until which it will be tried, for [`Action::Delayed`].
    pub retry_until: Option<&'a str>,
}

/// A report to be written.
#[derive(Debug, Clone)]
pub struct Report<'a> {
    /// Our name.
    pub reporting_mta: &'a str,
    /// Whose address stands in From; answers to it should reach a person.
    pub from: &'a str,
    /// The sender of the original: its reverse-path.
    pub to: &'a str,
    /// RFC 5322 date of now.
    pub date: &'a str,
    /// Without angle brackets.
    pub message_id: &'a str,
    /// Something unique, of letters and digits.
    pub boundary: &'a str,
    /// RFC 5322 date at which the original came.
    pub arrival: Option<&'a str>,
    /// ENVID, decoded.
    pub envelope_id: Option<&'a str>,
    /// RET.
    pub ret: Option<Return>,
    /// Whether the original came with SMTPUTF8.
    pub smtputf8: bool,
    /// Whom it is about; at least one. Only those to whom a report is due.
    pub about: &'a [About<'a>],
    /// The beginning of the original: at least its header, at most what the caller cares to read.
    pub original: &'a [u8],
    /// Whether that is all of it.
    pub original_is_whole: bool,
}

/// A report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The message.
    pub bytes: Vec<u8>,
    /// Whether it has octets over 127.
    pub eight_bit: bool,
    /// Whether its header needs SMTPUTF8.
    pub smtputf8: bool,
}

/// Writes a report.
#[must_use]
pub fn write(report: &Report<'_>) -> Written {
    let status = fields::status(report);
    let returned = returned::choose(report);
    let boundary = free_boundary(report.boundary, &[status.as_bytes(), returned.content]);
    let mut out = header(report, &boundary).into_bytes();
    let people = words::text(report);
    part(&mut out, &boundary, "text/plain; charset=utf-8", people.as_bytes(), true);
    let global = if status.is_ascii() { "" } else { "global-" };
    part(
        &mut out,
        &boundary,
        &format!("message/{global}delivery-status"),
        status.as_bytes(),
        false,
    );
    part(&mut out, &boundary, returned.media_type, returned.content, false);
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Written { eight_bit: !out.is_ascii(), smtputf8: !report.to.is_ascii(), bytes: out }
}

fn header(report: &Report<'_>, boundary: &str) -> String {
    let clean = fields::clean;
    let mut out = String::with_capacity(1_024);
    let _ = write!(out, "From: Mail Delivery System <{}>\r\n", clean(report.from));
    let _ = write!(out, "To: <{}>\r\n", clean(report.to));
    let _ = write!(out, "Subject: {}\r\n", words::subject(report));
    let _ = write!(out, "Date: {}\r\n", clean(report.date));
    let _ = write!(out, "Message-ID: <{}>\r\n", clean(report.message_id));
    if let Some(id) = returned::message_id(report.original) {
        let _ = write!(out, "References: {id}\r\n");
    }
    // RFC 3834 §5.
    out.push_str("Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
    let _ = write!(
        out,
        "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{boundary}\"\r\n\r\n"
    );
    out
}

fn part(out: &mut Vec<u8>, boundary: &str, media_type: &str, content: &[u8], inline: bool) {
    let encoding = if content.is_ascii() { "7bit" } else { "8bit" };
    let disposition = if inline { "Content-Disposition: inline\r\n" } else { "" };
    let head = format!(
        "--{boundary}\r\nContent-Type: {media_type}\r\n{disposition}Content-Transfer-Encoding: {encoding}\r\n\r\n"
    );
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(content);
    if !content.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// A boundary that occurs in none of the parts, whoever wrote them.
fn free_boundary(wish: &str, contents: &[&[u8]]) -> String {
    let wish: String = wish.chars().filter(char::is_ascii_alphanumeric).take(40).collect();
    let occurs = |boundary: &str| {
        contents.iter().any(|content| memchr::memmem::find(content, boundary.as_bytes()).is_some())
    };
    let free = (0..u32::MAX).map(|n| format!("={wish}-{n}")).find(|boundary| !occurs(boundary));
    free.unwrap_or(wish)
}

#[cfg(test)]
mod tests;
