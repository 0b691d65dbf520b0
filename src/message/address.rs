//! Address lists as ENVELOPE shows them (RFC 9051 §7.5.2), from fields that may be broken.

use serde::{Deserialize, Serialize};

/// One address structure. A group starts with one that has only `mailbox` (its name) and ends with one
/// that has nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Display name, encoded-words left as they are.
    pub name: Option<String>,
    /// Source route.
    pub adl: Option<String>,
    /// Local part, or a group's name.
    pub mailbox: Option<String>,
    /// Domain.
    pub host: Option<String>,
}

/// Most addresses taken from one field: bounds what a list of a million recipients costs to store.
const MAX_ADDRESSES: usize = 256;

/// Reads an address list; what makes no sense becomes an address with the text as its local part.
#[must_use]
pub fn parse_addresses(text: &str) -> Vec<Address> {
    let mut parser = Parser { out: Vec::new(), in_group: false };
    let mut current = Current::default();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if parser.out.len() >= MAX_ADDRESSES {
            return parser.out;
        }
        match c {
            '"' => current.push_quoted(&mut chars),
            '(' => current.comment = Some(read_comment(&mut chars)),
            '<' => current.route = Some(chars.by_ref().take_while(|c| *c != '>').collect()),
            ',' => parser.finish(&mut current),
            ':' if current.route.is_none() && !parser.in_group => parser.open_group(&mut current),
            ';' if parser.in_group => parser.close_group(&mut current),
            _ => current.push(c),
        }
    }
    parser.finish(&mut current);
    if parser.in_group {
        parser.out.push(Address::default());
    }
    parser.out
}

#[derive(Default)]
struct Current {
    words: String,
    quoted: bool,
    comment: Option<String>,
    route: Option<String>,
}

impl Current {
    fn push(&mut self, c: char) {
        let space = c.is_whitespace();
        if !(space && (self.words.is_empty() || self.words.ends_with(' '))) {
            self.words.push(if space { ' ' } else { c });
        }
    }

    fn push_quoted(&mut self, chars: &mut impl Iterator<Item = char>) {
        self.quoted = true;
        while let Some(c) = chars.next() {
            match c {
                '"' => return,
                '\\' => self.words.extend(chars.next()),
                _ => self.words.push(c),
            }
        }
    }
}

fn read_comment(chars: &mut impl Iterator<Item = char>) -> String {
    let mut depth = 1;
    let mut out = String::new();
    while let Some(c) = chars.next() {
        match c {
            '(' => depth += 1,
            ')' => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            '\\' => {
                out.extend(chars.next());
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
    out.trim().to_owned()
}

struct Parser {
    out: Vec<Address>,
    in_group: bool,
}

impl Parser {
    fn finish(&mut self, current: &mut Current) {
        let Current { words, quoted, comment, route } = std::mem::take(current);
        let words = words.trim().to_owned();
        match route {
            Some(route) => self.out.push(with_route(&route, words)),
            None if words.is_empty() && !quoted => {}
            None => {
                let (mailbox, host) = split_spec(&words);
                self.out.push(Address {
                    name: comment.filter(|c| !c.is_empty()),
                    adl: None,
                    mailbox,
                    host,
                });
            }
        }
    }

    fn open_group(&mut self, current: &mut Current) {
        let name = std::mem::take(current).words.trim().to_owned();
        self.in_group = true;
        self.out.push(Address { mailbox: Some(name), ..Address::default() });
    }

    fn close_group(&mut self, current: &mut Current) {
        self.finish(current);
        self.in_group = false;
        self.out.push(Address::default());
    }
}

fn with_route(route: &str, name: String) -> Address {
    let (adl, spec) = match route.split_once(':') {
        Some((adl, spec)) if adl.trim_start().starts_with('@') => {
            (Some(adl.trim().to_owned()), spec)
        }
        _ => (None, route),
    };
    let (mailbox, host) = split_spec(spec.trim());
    Address { name: (!name.is_empty()).then_some(name), adl, mailbox, host }
}

/// `local@domain`; the local part without its quotes. A missing domain is an empty text, since NIL would
/// mean a group.
fn split_spec(spec: &str) -> (Option<String>, Option<String>) {
    let compact = |text: &str| text.trim().to_owned();
    let unquote = |text: &str| match text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
        Some(inner) => inner.replace("\\\\", "\u{0}").replace('\\', "").replace('\u{0}', "\\"),
        None => text.to_owned(),
    };
    match spec.rsplit_once('@') {
        Some((local, domain)) => (Some(unquote(&compact(local))), Some(compact(domain))),
        None => (Some(unquote(spec)), Some(String::new())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(name: Option<&str>, mailbox: &str, host: &str) -> Address {
        Address {
            name: name.map(Into::into),
            adl: None,
            mailbox: Some(mailbox.into()),
            host: Some(host.into()),
        }
    }

    #[test]
    fn common_forms() {
        let found = parse_addresses("\"Doe, Jane\" <jane@x.org>, bob@y.org (Bob), <z@w>");
        assert_eq!(
            found,
            [
                address(Some("Doe, Jane"), "jane", "x.org"),
                address(Some("Bob"), "bob", "y.org"),
                address(None, "z", "w")
            ]
        );
    }

    #[test]
    fn groups_have_a_start_and_an_end() {
        let found = parse_addresses("Team: a@b, c@d;, e@f");
        assert_eq!(found.len(), 5);
        assert_eq!(found[0], Address { mailbox: Some("Team".into()), ..Address::default() });
        assert_eq!(found[3], Address::default());
        assert_eq!(found[4], address(None, "e", "f"));
    }

    #[test]
    fn routes_and_nonsense() {
        let found = parse_addresses("X <@a,@b:c@d>");
        assert_eq!(found[0].adl.as_deref(), Some("@a,@b"));
        assert_eq!(found[0].mailbox.as_deref(), Some("c"));
        assert_eq!(parse_addresses("no address here"), [address(None, "no address here", "")]);
        for text in ["<", "\"", "((", ":;:;", ",,,", "a:b:c;;", "\\"] {
            let _ = parse_addresses(text);
        }
    }
}
