//! The machine's part: message/delivery-status (RFC 3464 §2) and its UTF-8 sibling (RFC 6533 §4.1).

use super::{About, Report};
use std::fmt::Write;

/// Longest line before it is folded.
const WIDTH: usize = 76;

/// All fields: those of the message, then a block for each recipient.
pub(super) fn status(report: &Report<'_>) -> String {
    let mut out = String::with_capacity(512);
    if let Some(id) = report.envelope_id {
        field(&mut out, "Original-Envelope-Id", &ascii(id));
    }
    field(&mut out, "Reporting-MTA", &format!("dns; {}", ascii(report.reporting_mta)));
    if let Some(arrival) = report.arrival {
        field(&mut out, "Arrival-Date", arrival);
    }
    for about in report.about {
        out.push_str("\r\n");
        recipient(&mut out, about, report.smtputf8);
    }
    out
}

fn recipient(out: &mut String, about: &About<'_>, utf8: bool) {
    if let Some((kind, address)) = about.original {
        let address =
            if kind.eq_ignore_ascii_case("utf-8") { decode(address) } else { address.into() };
        field(out, "Original-Recipient", &format!("{}; {}", ascii(kind), spell(&address, utf8)));
    }
    let kind = if about.recipient.is_ascii() { "rfc822" } else { "utf-8" };
    field(out, "Final-Recipient", &format!("{kind}; {}", spell(about.recipient, utf8)));
    field(out, "Action", about.action.name());
    let (class, subject, detail) = about.status;
    field(out, "Status", &format!("{class}.{subject}.{detail}"));
    if let Some(host) = about.remote_mta {
        field(out, "Remote-MTA", &format!("dns; {}", ascii(host)));
    }
    if let Some(reply) = about.diagnostic {
        field(out, "Diagnostic-Code", &format!("smtp; {}", ascii(reply)));
    }
    if let Some(date) = about.last_attempt {
        field(out, "Last-Attempt-Date", date);
    }
    if let Some(date) = about.retry_until {
        field(out, "Will-Retry-Until", date);
    }
}

/// An address: as it is where UTF-8 may stand, in the 7-bit form of RFC 6533 §3 elsewhere.
fn spell(address: &str, utf8: bool) -> String {
    if utf8 || address.is_ascii() {
        return address.to_owned();
    }
    let mut out = String::with_capacity(address.len() * 2);
    for c in address.chars() {
        match c {
            '\\' | '+' | '=' => {
                let _ = write!(out, "\\x{{{:02X}}}", u32::from(c));
            }
            '!'..='~' => out.push(c),
            _ => {
                let _ = write!(out, "\\x{{{:02X}}}", u32::from(c));
            }
        }
    }
    out
}

/// Undoes `\x{…}`; what is no such thing stays as it is ("it MUST be copied … without alteration").
fn decode(address: &str) -> String {
    let mut out = String::with_capacity(address.len());
    let mut rest = address;
    while let Some(at) = rest.find("\\x{") {
        let Some(end) = rest[at..].find('}').map(|end| at + end) else { break };
        let digits = &rest[at + 3..end];
        let point =
            u32::from_str_radix(digits, 16).ok().filter(|_| (2..=6).contains(&digits.len()));
        let Some(c) = point.and_then(char::from_u32) else { return address.to_owned() };
        out.push_str(&rest[..at]);
        out.push(c);
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    out
}

/// One field, folded.
fn field(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push(':');
    let mut column = name.len() + 1;
    for word in clean(value).split(' ').filter(|word| !word.is_empty()) {
        if column + word.len() >= WIDTH && column > name.len() + 1 {
            out.push_str("\r\n");
            column = 0;
        }
        out.push(' ');
        out.push_str(word);
        column += word.len() + 1;
    }
    out.push_str("\r\n");
}

/// Nothing that could begin another field.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(2_000).collect()
}

/// "text-fixed": ASCII only.
fn ascii(text: &str) -> String {
    clean(text).chars().map(|c| if c.is_ascii() { c } else { '?' }).take(900).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_seven_bits_and_back() {
        assert_eq!(spell("a+b@x", false), "a+b@x");
        assert_eq!(spell("j\u{f6}+=\\@x", false), "j\\x{F6}\\x{2B}\\x{3D}\\x{5C}@x");
        assert_eq!(spell("j\u{f6}@x", true), "j\u{f6}@x");
        for address in ["j\u{f6}+=\\@x", "\u{1F600}@x", "\u{7f}\u{20}\u{e4}"] {
            assert_eq!(decode(&spell(address, false)), address);
        }
        for strange in ["\\x{D800}@x", "\\x{1234567}", "\\x{}", "\\x{zz}", "\\x{41", "\\y"] {
            assert_eq!(decode(strange), strange);
        }
    }

    #[test]
    fn long_values_are_folded() {
        let mut out = String::new();
        field(&mut out, "Diagnostic-Code", &"word ".repeat(60));
        assert!(out.lines().all(|line| line.len() <= WIDTH), "{out}");
        assert!(out.lines().skip(1).all(|line| line.starts_with(' ')));
        let mut out = String::new();
        field(&mut out, "X", "a\r\nEvil: b");
        assert_eq!(out, "X: a Evil: b\r\n");
    }
}
