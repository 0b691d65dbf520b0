//! What a server says it can do: the EHLO keywords, one line each.

use super::reply::Reply;

/// What EHLO offered. After HELO everything is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// What the server calls itself.
    pub name: String,
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// SIZE (RFC 1870): the largest message; `None` when it names none.
    pub size: Option<u64>,
    /// Whether SIZE stands there at all, so that MAIL may have the parameter.
    pub sizes: bool,
    /// 8BITMIME (RFC 6152).
    pub eight_bit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub utf8: bool,
    /// CHUNKING (RFC 3030).
    pub chunking: bool,
    /// BINARYMIME (RFC 3030); of no use without CHUNKING.
    pub binary: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// STARTTLS (RFC 3207).
    pub starttls: bool,
    /// REQUIRETLS (RFC 8689).
    pub require_tls: bool,
    /// AUTH with PLAIN (RFC 4954, RFC 4616).
    pub auth_plain: bool,
    /// LIMITS RCPTMAX (RFC 9422): most recipients of one message.
    pub most_recipients: Option<u32>,
    /// LIMITS MAILMAX (RFC 9422): most messages of one connection.
    pub most_messages: Option<u32>,
}

type Take = fn(&mut Capabilities, &str);

/// Every keyword that is understood.
const KEYWORDS: &[(&str, Take)] = &[
    ("PIPELINING", |to, _| to.pipelining = true),
    ("SIZE", size),
    ("8BITMIME", |to, _| to.eight_bit = true),
    ("SMTPUTF8", |to, _| to.utf8 = true),
    ("CHUNKING", |to, _| to.chunking = true),
    ("BINARYMIME", |to, _| to.binary = true),
    ("DSN", |to, _| to.dsn = true),
    ("STARTTLS", |to, _| to.starttls = true),
    ("REQUIRETLS", |to, _| to.require_tls = true),
    ("AUTH", auth),
    ("LIMITS", limits),
];

impl Capabilities {
    /// Reads the answer to EHLO or LHLO.
    pub(crate) fn parse(reply: &Reply) -> Self {
        let mut lines = reply.lines.iter();
        let name = lines.next().and_then(|line| line.split(' ').next()).unwrap_or_default();
        let mut out = Self { name: name.to_owned(), ..Self::default() };
        for line in lines {
            // "AUTH=PLAIN" is how some servers of the last century wrote it.
            let (keyword, arguments) = line.split_once([' ', '=']).unwrap_or((line, ""));
            let known = KEYWORDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(keyword));
            if let Some((_, take)) = known {
                take(&mut out, arguments);
            }
        }
        out
    }

    /// What is known after HELO.
    pub(crate) fn plain(reply: &Reply) -> Self {
        let first = reply.lines.first().and_then(|line| line.split(' ').next());
        Self { name: first.unwrap_or_default().to_owned(), ..Self::default() }
    }
}

/// RFC 1870 §4: no number or zero means no fixed maximum.
fn size(to: &mut Capabilities, arguments: &str) {
    to.sizes = true;
    to.size = arguments.trim().parse().ok().filter(|limit| *limit > 0);
}

fn auth(to: &mut Capabilities, arguments: &str) {
    to.auth_plain |= arguments.split(' ').any(|word| word.eq_ignore_ascii_case("PLAIN"));
}

/// RFC 9422 §3: a limit is a number of one to six digits, not beginning with 0.
fn limits(to: &mut Capabilities, arguments: &str) {
    for (name, value) in arguments.split(' ').filter_map(|word| word.split_once('=')) {
        let value = value.parse().ok().filter(|limit| (1..1_000_000).contains(limit));
        match name.to_ascii_uppercase().as_str() {
            "RCPTMAX" => to.most_recipients = value,
            "MAILMAX" => to.most_messages = value,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(lines: &[&str]) -> Capabilities {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        Capabilities::parse(&Reply { code: 250, enhanced: None, lines })
    }

    #[test]
    fn keywords_are_found_in_any_case() {
        let found = parse(&[
            "mx.example.org Hello [192.0.2.1]",
            "PIPELINING",
            "size 1000",
            "8bitmime",
            "SMTPUTF8",
            "CHUNKING",
            "BINARYMIME",
            "DSN",
            "STARTTLS",
            "REQUIRETLS",
            "AUTH LOGIN PLAIN",
            "LIMITS RCPTMAX=20 MAILMAX=5 RCPTDOMAINMAX=1",
            "X-UNKNOWN a b",
        ]);
        assert_eq!(found.name, "mx.example.org");
        assert!(
            found.pipelining && found.eight_bit && found.utf8 && found.chunking && found.binary
        );
        assert!(
            found.dsn && found.starttls && found.require_tls && found.auth_plain && found.sizes
        );
        assert_eq!(
            (found.size, found.most_recipients, found.most_messages),
            (Some(1000), Some(20), Some(5))
        );
    }

    #[test]
    fn strange_forms() {
        assert_eq!(parse(&["x", "SIZE 0"]).size, None);
        assert_eq!(parse(&["x", "SIZE many"]).size, None);
        assert!(parse(&["x", "AUTH=PLAIN"]).auth_plain);
        assert!(!parse(&["x", "AUTH LOGIN"]).auth_plain);
        assert_eq!(parse(&["x", "LIMITS RCPTMAX=0 MAILMAX=x"]).most_recipients, None);
        // The first line is a name, not a keyword.
        assert!(!parse(&["PIPELINING"]).pipelining);
    }
}
