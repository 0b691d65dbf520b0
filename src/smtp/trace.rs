//! Trace fields: Received (RFC 5321 §4.4, RFC 3848, RFC 6531) and Return-Path.

use crate::config::Role;
use std::fmt::Write;
use std::net::IpAddr;

/// What a Received field says.
#[derive(Debug, Clone)]
pub struct Received<'a> {
    /// The protocol.
    pub role: Role,
    /// What the client called itself.
    pub helo: &'a str,
    /// Whether it said EHLO (or LHLO).
    pub extended: bool,
    /// Where it came from.
    pub peer: IpAddr,
    /// Protocol version and cipher, under TLS.
    pub tls: Option<(&'a str, &'a str)>,
    /// Whether the client authenticated.
    pub authenticated: bool,
    /// Whether MAIL said SMTPUTF8.
    pub smtputf8: bool,
    /// Our name.
    pub by: &'a str,
    /// The message's id here.
    pub id: &'a str,
    /// The recipient, when there is only one: more would tell them of each other.
    pub only_recipient: Option<&'a str>,
    /// RFC 5322 date.
    pub date: &'a str,
}

/// The field with its line end.
#[must_use]
pub fn received(trace: &Received<'_>) -> String {
    let literal = match trace.peer.to_canonical() {
        IpAddr::V4(ip) => format!("[{ip}]"),
        IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
    };
    // The client chose it: nothing may pass that means something in a structured field.
    let harmless = |c: &char| c.is_ascii_alphanumeric() || ".-_:[]".contains(*c);
    let helo: String = trace.helo.chars().filter(harmless).take(255).collect();
    let mut out = format!(
        "Received: from {helo} ({literal})\r\n\tby {} (Postrider) with {}",
        trace.by,
        with(trace)
    );
    if let Some((version, cipher)) = trace.tls {
        let _ = write!(out, "\r\n\t({version} {cipher})");
    }
    let _ = write!(out, "\r\n\tid {}", trace.id);
    if let Some(recipient) = trace.only_recipient {
        let _ = write!(out, "\r\n\tfor <{recipient}>");
    }
    let _ = write!(out, "; {}\r\n", trace.date);
    out
}

/// The protocol keyword: RFC 3848 §2 and RFC 6531 §4.3.
fn with(trace: &Received<'_>) -> String {
    let base = match (trace.role, trace.smtputf8, trace.extended) {
        (Role::Lmtp, false, _) => "LMTP",
        (Role::Lmtp, true, _) => "UTF8LMTP",
        (_, true, _) => "UTF8SMTP",
        (_, false, true) => "ESMTP",
        (_, false, false) => "SMTP",
    };
    let secure = if trace.tls.is_some() && base != "SMTP" { "S" } else { "" };
    let authenticated = if trace.authenticated { "A" } else { "" };
    format!("{base}{secure}{authenticated}")
}

/// The Return-Path field of final delivery (RFC 5321 §4.4); empty text for the null reverse-path.
#[must_use]
pub fn return_path(reverse_path: &str) -> String {
    format!("Return-Path: <{reverse_path}>\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_read_as_the_rfc_wants() {
        let mut trace = Received {
            role: Role::Submission,
            helo: "laptop\r\nX: (y); ",
            extended: true,
            peer: "2001:db8::1".parse().unwrap(),
            tls: Some(("TLSv1.3", "TLS13_AES_256_GCM_SHA384")),
            authenticated: true,
            smtputf8: false,
            by: "mx.example.org",
            id: "Babc",
            only_recipient: Some("anna@example.org"),
            date: "Mon, 23 Nov 2026 20:00:00 +0000",
        };
        assert_eq!(
            received(&trace),
            "Received: from laptopX:y ([IPv6:2001:db8::1])\r\n\tby mx.example.org (Postrider) with ESMTPSA\r\n\
             \t(TLSv1.3 TLS13_AES_256_GCM_SHA384)\r\n\tid Babc\r\n\tfor <anna@example.org>; \
             Mon, 23 Nov 2026 20:00:00 +0000\r\n"
        );
        trace.tls = None;
        trace.authenticated = false;
        trace.extended = false;
        assert!(received(&trace).contains("with SMTP\r\n"));
        trace.smtputf8 = true;
        assert!(received(&trace).contains("with UTF8SMTP\r\n"));
    }
}
