//! IMAP URLs (RFC 5092) that mean a message or a piece of one, and who may fetch it (RFC 4467).
//!
//! Absolute (`imap://user@host/mailbox/;UID=1`) or relative to a session (`/mailbox/;UID=1`, `;UID=1`).

use crate::capability::Capabilities;
use crate::command::{BodySection, Partial, SectionText, section_spec};
use crate::cursor::{Cursor, Grammar};
use chrono::{DateTime, FixedOffset};

/// Longest URL that is looked at.
const MAX_URL_BYTES: usize = 8 * 1024;

/// A URL that means a message or a piece of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageUrl {
    /// Where; `None`: relative to the session.
    pub server: Option<UrlServer>,
    /// The mailbox; `None`: the selected one.
    pub mailbox: Option<String>,
    /// What the mailbox's UIDVALIDITY has to be.
    pub uidvalidity: Option<u32>,
    /// The message.
    pub uid: u32,
    /// The piece of it.
    pub section: BodySection,
    /// Who may fetch it.
    pub auth: Option<UrlAuth>,
}

/// `imap://user@host:port`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlServer {
    /// Whose mailbox it is.
    pub user: Option<String>,
    /// The server's name, with its port where one is written.
    pub host: String,
}

/// `;EXPIRE=date;URLAUTH=access:mechanism:token`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlAuth {
    /// Until when.
    pub expire: Option<DateTime<FixedOffset>>,
    /// By whom.
    pub access: UrlAccess,
    /// How many octets of the URL are its rump, which the token is made over: up to and with the access.
    pub rump: usize,
    /// Mechanism and token; `None`: the URL is a rump.
    pub token: Option<(String, String)>,
}

/// Who may fetch (RFC 4467 §3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UrlAccess {
    /// `anonymous`
    Anonymous,
    /// `authuser`: whoever has logged in.
    AuthUser,
    /// `user+x`: this one.
    User(String),
    /// `submit+x`: message submission, on behalf of this one.
    Submit(String),
}

impl MessageUrl {
    /// Reads a URL. `None`: it is none, or it means something other than a message.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // What follows "?" is a search, and "#" begins no part of an IMAP URL (RFC 5092 §11).
        let legal = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#');
        if text.len() > MAX_URL_BYTES || !text.bytes().all(legal) {
            return None;
        }
        let (server, path) = match strip(text, "imap://") {
            Some(rest) => {
                let slash = rest.find('/')?;
                (Some(server(&rest[..slash])?), &rest[slash..])
            }
            None => (None, text),
        };
        let (place, rest) = match strip(path, ";UID=") {
            Some(rest) => ("", rest),
            None => {
                let at = find(path, "/;UID=")?;
                (&path[..at], &path[at + 6..])
            }
        };
        let (mailbox, uidvalidity) = place_of(place)?;
        if server.is_some() && mailbox.is_none() {
            return None;
        }
        let (uid, rest) = number(rest)?;
        let (section, rest) = section(rest)?;
        let auth = match rest {
            "" => None,
            rest => Some(auth(text, rest)?),
        };
        (uid > 0).then_some(Self { server, mailbox, uidvalidity, uid, section, auth })
    }
}

/// What follows `word`, which is compared without case.
fn strip<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let head = text.get(..word.len())?;
    head.eq_ignore_ascii_case(word).then(|| &text[word.len()..])
}

fn find(text: &str, word: &str) -> Option<usize> {
    text.to_ascii_uppercase().find(word)
}

/// Octets for `%XX`; the text has to be UTF-8 then.
fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || (rest.next()? as char).to_digit(16);
        out.push(if byte == b'%' { (digit()? * 16 + digit()?) as u8 } else { byte });
    }
    String::from_utf8(out).ok().filter(|text| !text.contains('\0'))
}

fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// `[user] [;AUTH=x] "@" host [":" port]`
fn server(text: &str) -> Option<UrlServer> {
    let (user, host) = match text.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, text),
    };
    let user = user.map(|user| find(user, ";AUTH=").map_or(user, |at| &user[..at]));
    let user = match user.filter(|user| !user.is_empty()) {
        Some(user) => Some(decoded(user)?),
        None => None,
    };
    (!host.is_empty()).then(|| UrlServer { user, host: host.to_ascii_lowercase() })
}

/// `["/" mailbox [";UIDVALIDITY=" n]]`
fn place_of(place: &str) -> Option<(Option<String>, Option<u32>)> {
    if place.is_empty() {
        return Some((None, None));
    }
    let place = place.strip_prefix('/')?;
    let (name, uidvalidity) = match find(place, ";UIDVALIDITY=") {
        Some(at) => {
            let (number, rest) = number(&place[at + 13..])?;
            (&place[..at], Some(number).filter(|_| rest.is_empty())?.into())
        }
        None => (place, None),
    };
    // Whatever else is set apart by a semicolon is not known here.
    if name.is_empty() || name.contains(';') {
        return None;
    }
    Some((Some(decoded(name)?), uidvalidity))
}

/// `["/;SECTION=" section] ["/;PARTIAL=" offset ["." length]]`
fn section(text: &str) -> Option<(BodySection, &str)> {
    let mut found =
        BodySection { peek: true, part: Vec::new(), text: SectionText::Whole, partial: None };
    let mut rest = text;
    if let Some(after) = strip(rest, "/;SECTION=") {
        let end = after.find("/;").or_else(|| after.find(';')).unwrap_or(after.len());
        (found.part, found.text) = read_section(&decoded(&after[..end])?)?;
        rest = &after[end..];
    }
    if let Some(after) = strip(rest, "/;PARTIAL=") {
        let (offset, after) = number(after)?;
        let (count, after) = match after.strip_prefix('.') {
            Some(after) => number(after).map(|(count, after)| (u64::from(count), after))?,
            None => (u64::MAX, after),
        };
        found.partial = Some(Partial { offset: offset.into(), count }).filter(|_| count > 0);
        found.partial?;
        rest = after;
    }
    Some((found, rest))
}

fn read_section(text: &str) -> Option<(Vec<u32>, SectionText)> {
    let grammar = Grammar { capabilities: Capabilities::all(), enabled: Capabilities::default() };
    let mut cursor = Cursor::new(text.as_bytes(), grammar);
    let section = section_spec(&mut cursor).ok()?;
    (!text.is_empty() && cursor.at_end()).then_some(section)
}

/// `[";EXPIRE=" date-time] ";URLAUTH=" access [":" mechanism ":" token]`, the end of `whole`.
fn auth(whole: &str, rest: &str) -> Option<UrlAuth> {
    let (expire, rest) = match strip(rest, ";EXPIRE=") {
        Some(after) => {
            let end = after.find(';')?;
            let date = decoded(&after[..end])?;
            (Some(DateTime::parse_from_rfc3339(&date).ok()?), &after[end..])
        }
        None => (None, rest),
    };
    let after = strip(rest, ";URLAUTH=")?;
    let (access, token) = match after.split_once(':') {
        Some((access, token)) => {
            let (mechanism, token) = token.split_once(':')?;
            (access, Some((mechanism.to_owned(), token.to_owned())))
        }
        None => (after, None),
    };
    let rump = whole.len() - (after.len() - access.len());
    Some(UrlAuth { expire, access: access_of(access)?, rump, token })
}

fn access_of(text: &str) -> Option<UrlAccess> {
    if let Some(user) = strip(text, "user+") {
        return decoded(user).filter(|user| !user.is_empty()).map(UrlAccess::User);
    }
    if let Some(user) = strip(text, "submit+") {
        return decoded(user).filter(|user| !user.is_empty()).map(UrlAccess::Submit);
    }
    match text.to_ascii_lowercase().as_str() {
        "anonymous" => Some(UrlAccess::Anonymous),
        "authuser" => Some(UrlAccess::AuthUser),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> MessageUrl {
        MessageUrl::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn relative_urls() {
        let url = read("/Drafts;UIDVALIDITY=385759045/;UID=20/;section=1.MIME");
        assert_eq!((url.mailbox.as_deref(), url.uidvalidity), (Some("Drafts"), Some(385_759_045)));
        assert_eq!((url.uid, url.section.part, url.section.text), (20, vec![1], SectionText::Mime));
        assert_eq!((url.server, url.auth), (None, None));
        let url = read(";UID=7/;Section=HEADER/;PARTIAL=2.10");
        assert_eq!((url.mailbox, url.section.text), (None, SectionText::Header));
        assert_eq!(url.section.partial, Some(Partial { offset: 2, count: 10 }));
        assert_eq!(read("/a%2Fb/c/;uid=1").mailbox.as_deref(), Some("a/b/c"));
        assert_eq!(read("/Entw%C3%BCrfe/;uid=1").mailbox.as_deref(), Some("Entwürfe"));
        let fields = read("/;UID=1/;SECTION=HEADER.FIELDS%20(From%20To)").section.text;
        let names = vec!["From".to_owned(), "To".to_owned()];
        assert_eq!(fields, SectionText::HeaderFields { names, not: false });
    }

    #[test]
    fn absolute_urls() {
        let url = read("imap://joe;AUTH=*@Example.com:143/INBOX/;uid=20/;section=1.2");
        let server = url.server.unwrap();
        assert_eq!((server.user.as_deref(), &*server.host), (Some("joe"), "example.com:143"));
        assert_eq!(read("imap://host/INBOX/;uid=1").server.unwrap().user, None);
    }

    #[test]
    fn authorized_urls() {
        let rump = "imap://joe@example.com/INBOX/;uid=20/;section=1.2;expire=2004-03-01T14:25:15Z;\
            urlauth=submit+fred";
        let auth = read(rump).auth.unwrap();
        assert_eq!(auth.access, UrlAccess::Submit("fred".into()));
        assert_eq!((auth.rump, auth.token), (rump.len(), None));
        assert_eq!(auth.expire.unwrap().timestamp(), 1_078_151_115);
        let whole = format!("{rump}:internal:91354a473744909de610943775f92038");
        let auth = read(&whole).auth.unwrap();
        let token = ("internal".to_owned(), "91354a473744909de610943775f92038".to_owned());
        assert_eq!((auth.rump, auth.token), (rump.len(), Some(token)));
        let access = |text: &str| read(&format!("/a/;UID=1;URLAUTH={text}")).auth.unwrap().access;
        assert_eq!(access("anonymous"), UrlAccess::Anonymous);
        assert_eq!(access("AuthUser"), UrlAccess::AuthUser);
        assert_eq!(access("user+f%40x"), UrlAccess::User("f@x".into()));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for broken in [
            "",
            "/",
            "/INBOX",
            "imap://host/;UID=1",
            "imap://host",
            "http://host/INBOX/;UID=1",
            "/INBOX/;UID=",
            "/INBOX/;UID=0",
            "/INBOX/;UID=4294967296",
            "/INBOX/;UID=1;section=1",
            "/INBOX;UIDVALIDITY=785799047/;UID=113330;section=1.5.9",
            "/INBOX/;UID=1/;SECTION=",
            "/INBOX/;UID=1/;SECTION=FOO",
            "/INBOX/;UID=1/;PARTIAL=0.0",
            "/INBOX/;UID=1/x",
            "/IN%zzBOX/;UID=1",
            "/%ff/;UID=1",
            "/a b/;UID=1",
            "INBOX/;UID=1",
            "/INBOX?TEXT%20x/;UID=1",
            "/INBOX/;UID=1#x",
            "/INBOX/;UID=1;URLAUTH=nobody",
            "/INBOX/;UID=1;URLAUTH=user+",
            "/INBOX/;UID=1;URLAUTH=anonymous:internal",
            "/INBOX/;UID=1;EXPIRE=yesterday;URLAUTH=anonymous",
        ] {
            assert_eq!(MessageUrl::parse(broken), None, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(text in "(imap://[a-z@;%:/=]{0,12})?(/[ -~é]{0,12})?(/;UID=[0-9]{1,3})?[ -~]{0,60}") {
            if let Some(url) = MessageUrl::parse(&text) {
                prop_assert!(url.uid > 0);
                if let Some(auth) = url.auth {
                    prop_assert!(text.is_char_boundary(auth.rump));
                }
            }
        }
    }
}
