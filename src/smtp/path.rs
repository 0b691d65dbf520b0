//! Paths and parameters of MAIL and RCPT (RFC 5321 §4.1.2, RFC 3461, RFC 6531).

/// A mailbox as a peer wrote it, unquoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// Local part without quotes.
    pub local_part: String,
    /// Domain, or an address literal with its brackets.
    pub domain: String,
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let atom =
            |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b) || b >= 0x80;
        if !self.local_part.is_empty() && self.local_part.bytes().all(atom) {
            write!(f, "{}@{}", self.local_part, self.domain)
        } else {
            let quoted = self.local_part.replace('\\', "\\\\").replace('"', "\\\"");
            write!(f, "\"{quoted}\"@{}", self.domain)
        }
    }
}

/// Where mail goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForwardPath {
    /// `<postmaster>` without a domain (RFC 5321 §4.1.1.3).
    Postmaster,
    /// A mailbox.
    Path(Path),
}

impl std::fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Postmaster => f.write_str("postmaster"),
            Self::Path(path) => path.fmt(f),
        }
    }
}

/// BODY parameter (RFC 6152, RFC 3030).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Body {
    /// 7BIT
    #[default]
    SevenBit,
    /// 8BITMIME
    EightBitMime,
    /// BINARYMIME: only with BDAT.
    BinaryMime,
}

/// RET parameter (RFC 3461 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ret {
    /// The whole message comes back in a DSN.
    Full,
    /// Only its header.
    Hdrs,
}

/// MAIL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// `None` is the null reverse-path.
    pub reverse_path: Option<Path>,
    /// SIZE (RFC 1870).
    pub size: Option<u64>,
    /// BODY.
    pub body: Body,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// RET.
    pub ret: Option<Ret>,
    /// ENVID, decoded from xtext.
    pub envelope_id: Option<String>,
    /// REQUIRETLS (RFC 8689).
    pub require_tls: bool,
}

/// NOTIFY parameter (RFC 3461 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Notify {
    /// NEVER
    pub never: bool,
    /// SUCCESS
    pub success: bool,
    /// FAILURE
    pub failure: bool,
    /// DELAY
    pub delay: bool,
}

/// RCPT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rcpt {
    /// To whom.
    pub forward_path: ForwardPath,
    /// NOTIFY.
    pub notify: Option<Notify>,
    /// ORCPT: address type and address, decoded from xtext.
    pub original: Option<(String, String)>,
}

/// Why arguments were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadArgument {
    Syntax,
    Address,
    Parameter,
    UnknownParameter,
    NeedsUtf8,
}

use BadArgument::{Address, NeedsUtf8, Parameter, Syntax, UnknownParameter};

/// The arguments of MAIL (after the verb).
pub(crate) fn parse_mail(text: &str) -> Result<Mail, BadArgument> {
    let rest = strip_keyword(text, "FROM:").ok_or(Syntax)?;
    let (path, parameters) = angle_path(rest)?;
    let mut mail = Mail {
        reverse_path: None,
        size: None,
        body: Body::SevenBit,
        smtputf8: false,
        ret: None,
        envelope_id: None,
        require_tls: false,
    };
    for (name, value) in each_once(parameters)? {
        mail_parameter(&mut mail, name, value)?;
    }
    mail.reverse_path = if path.is_empty() { None } else { Some(mailbox(path)?) };
    if let Some(path) = &mail.reverse_path {
        require_utf8(path, mail.smtputf8)?;
    }
    Ok(mail)
}

const KNOWN: [&str; 7] = ["SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "AUTH", "REQUIRETLS"];

fn mail_parameter(mail: &mut Mail, name: &str, value: Option<&str>) -> Result<(), BadArgument> {
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    match value {
        Some(value) if is("SIZE") => {
            let digits =
                !value.is_empty() && value.len() <= 20 && value.bytes().all(|b| b.is_ascii_digit());
            mail.size = Some(digits.then(|| value.parse().unwrap_or(u64::MAX)).ok_or(Parameter)?);
        }
        Some(value) if is("BODY") => {
            mail.body = match value.to_ascii_uppercase().as_str() {
                "7BIT" => Body::SevenBit,
                "8BITMIME" => Body::EightBitMime,
                "BINARYMIME" => Body::BinaryMime,
                _ => return Err(Parameter),
            };
        }
        None if is("SMTPUTF8") => mail.smtputf8 = true,
        None if is("REQUIRETLS") => mail.require_tls = true,
        Some(value) if is("RET") => {
            mail.ret = match value.to_ascii_uppercase().as_str() {
                "FULL" => Some(Ret::Full),
                "HDRS" => Some(Ret::Hdrs),
                _ => return Err(Parameter),
            };
        }
        // "MUST consist entirely of printable (graphic and white space) characters" of ASCII (RFC 3461 §4.4).
        Some(value) if is("ENVID") && (1..=100).contains(&value.len()) => {
            mail.envelope_id = Some(xtext(value).filter(|id| id.is_ascii()).ok_or(Parameter)?);
        }
        // RFC 4954 §5: parsed, and not trusted: "AUTH=<>" is what we would pass on.
        Some(value) if is("AUTH") => {
            xtext(value).ok_or(Parameter)?;
        }
        _ if KNOWN.iter().any(|known| is(known)) => return Err(Parameter),
        _ => return Err(UnknownParameter),
    }
    Ok(())
}

/// The arguments of RCPT (after the verb). `smtputf8`: what MAIL said.
pub(crate) fn parse_rcpt(text: &str, smtputf8: bool) -> Result<Rcpt, BadArgument> {
    let rest = strip_keyword(text, "TO:").ok_or(Syntax)?;
    let (path, parameters) = angle_path(rest)?;
    let forward_path = if path.eq_ignore_ascii_case("postmaster") {
        ForwardPath::Postmaster
    } else {
        let path = mailbox(path)?;
        require_utf8(&path, smtputf8)?;
        ForwardPath::Path(path)
    };
    let mut rcpt = Rcpt { forward_path, notify: None, original: None };
    for (name, value) in each_once(parameters)? {
        match value {
            Some(value) if name.eq_ignore_ascii_case("NOTIFY") => {
                rcpt.notify = Some(notify(value)?)
            }
            Some(value) if name.eq_ignore_ascii_case("ORCPT") && value.len() <= 500 => {
                rcpt.original = Some(original(value)?);
            }
            _ if name.eq_ignore_ascii_case("NOTIFY") || name.eq_ignore_ascii_case("ORCPT") => {
                return Err(Parameter);
            }
            _ => return Err(UnknownParameter),
        }
    }
    Ok(rcpt)
}

/// `addr-type ";" xtext`. Only addresses of the type "utf-8" have characters beyond ASCII (RFC 6533 §3).
fn original(value: &str) -> Result<(String, String), BadArgument> {
    let (kind, address) = value.split_once(';').ok_or(Parameter)?;
    let atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*-/?^_`{|}~".contains(&b);
    if kind.is_empty() || !kind.bytes().all(atom) {
        return Err(Parameter);
    }
    let utf8 = kind.eq_ignore_ascii_case("utf-8");
    let address = xtext(address).filter(|address| utf8 || address.is_ascii());
    Ok((kind.to_owned(), address.filter(|address| !address.is_empty()).ok_or(Parameter)?))
}

fn notify(value: &str) -> Result<Notify, BadArgument> {
    let mut notify = Notify::default();
    for word in value.split(',') {
        let slot = match word.to_ascii_uppercase().as_str() {
            "NEVER" => &mut notify.never,
            "SUCCESS" => &mut notify.success,
            "FAILURE" => &mut notify.failure,
            "DELAY" => &mut notify.delay,
            _ => return Err(Parameter),
        };
        *slot = true;
    }
    // "the NEVER keyword MUST appear by itself" (RFC 3461 §4.1)
    if notify.never && (notify.success || notify.failure || notify.delay) {
        return Err(Parameter);
    }
    Ok(notify)
}

fn strip_keyword<'a>(text: &'a str, keyword: &str) -> Option<&'a str> {
    let head = text.get(..keyword.len())?;
    // A space after the colon is against the RFC and common.
    head.eq_ignore_ascii_case(keyword).then(|| text[keyword.len()..].trim_start_matches(' '))
}

/// Splits `<path> parameters`. A `>` inside a quoted local part does not end the path.
fn angle_path(text: &str) -> Result<(&str, &str), BadArgument> {
    let inner = text.strip_prefix('<').ok_or(Syntax)?;
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => {
                let rest = &inner[at + 1..];
                if !rest.is_empty() && !rest.starts_with(' ') {
                    return Err(Syntax);
                }
                return Ok((&inner[..at], rest));
            }
            _ => {}
        }
    }
    Err(Syntax)
}

/// "if there is more than one ENVID or RET parameter in a particular MAIL command, the server MUST issue the reply-code
/// 501" (RFC 3461 §5.1); no other may come twice either.
fn each_once(text: &str) -> Result<Vec<(&str, Option<&str>)>, BadArgument> {
    let all: Vec<(&str, Option<&str>)> = each_parameter(text).collect();
    let twice = |at: usize| all[..at].iter().any(|(name, _)| name.eq_ignore_ascii_case(all[at].0));
    if (0..all.len()).any(twice) { Err(Parameter) } else { Ok(all) }
}

fn each_parameter(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    text.split(' ').filter(|word| !word.is_empty()).map(|word| match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    })
}

/// `[ "@a,@b:" ] local@domain`; a source route is read and ignored (RFC 5321 §4.1.1.3, appendix C).
fn mailbox(path: &str) -> Result<Path, BadArgument> {
    let spec = if path.starts_with('@') { path.split_once(':').ok_or(Address)?.1 } else { path };
    let (local_part, domain) =
        if spec.starts_with('"') { quoted_local(spec)? } else { plain_local(spec)? };
    let literal = domain.starts_with('[') && domain.ends_with(']') && domain.len() <= 64;
    if local_part.is_empty() || local_part.len() > 64 || !(literal || is_domain(domain)) {
        return Err(Address);
    }
    Ok(Path { local_part, domain: domain.to_owned() })
}

fn plain_local(spec: &str) -> Result<(String, &str), BadArgument> {
    let (local, domain) = spec.rsplit_once('@').ok_or(Address)?;
    let atom =
        |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b) || b >= 0x80;
    local.bytes().all(atom).then(|| (local.to_owned(), domain)).ok_or(Address)
}

fn quoted_local(spec: &str) -> Result<(String, &str), BadArgument> {
    let mut local = String::new();
    let mut chars = spec.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                let domain = spec[at + 1..].strip_prefix('@').ok_or(Address)?;
                return Ok((local, domain));
            }
            '\\' => local.push(chars.next().ok_or(Address)?.1),
            c if c.is_control() => return Err(Address),
            c => local.push(c),
        }
    }
    Err(Address)
}

fn is_domain(domain: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && label
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_' || !c.is_ascii())
    };
    domain.len() <= 255 && domain.split('.').all(label)
}

fn require_utf8(path: &Path, smtputf8: bool) -> Result<(), BadArgument> {
    let ascii = path.local_part.is_ascii() && path.domain.is_ascii();
    if ascii || smtputf8 { Ok(()) } else { Err(NeedsUtf8) }
}

/// RFC 3461 §4: `+` and two upper-case hexadecimal digits for what is not printable. What it stands for has to be.
fn xtext(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => {
                let mut digit = || bytes.next().filter(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'));
                let digits = [digit()?, digit()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                out.push(u8::from_str_radix(digits, 16).ok()?);
            }
            b'!'..=b'~' if byte != b'=' => out.push(byte),
            0x80.. => out.push(byte),
            _ => return None,
        }
    }
    let text = String::from_utf8(out).ok()?;
    (!text.chars().any(char::is_control)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_paths() {
        let mail = parse_mail("FROM:<Smith@bar.com> SIZE=12 BODY=8BITMIME").unwrap();
        assert_eq!(mail.reverse_path.unwrap().to_string(), "Smith@bar.com");
        assert_eq!((mail.size, mail.body), (Some(12), Body::EightBitMime));
        assert_eq!(parse_mail("from: <>").unwrap().reverse_path, None);
        let rcpt = parse_rcpt("TO:<@a.example,@b.example:Jones@xyz.com>", false).unwrap();
        assert_eq!(rcpt.forward_path.to_string(), "Jones@xyz.com");
        assert_eq!(
            parse_rcpt("TO:<Postmaster>", false).unwrap().forward_path,
            ForwardPath::Postmaster
        );
        let rcpt = parse_rcpt("TO:<\"a\\\"b> c\"@x.org>", false).unwrap();
        assert_eq!(rcpt.forward_path.to_string(), "\"a\\\"b> c\"@x.org");
        assert!(parse_rcpt("TO:<u@[192.0.2.1]>", false).is_ok());
    }

    #[test]
    fn dsn_parameters() {
        assert!(parse_mail("FROM:<a@b> REQUIRETLS").unwrap().require_tls);
        assert_eq!(parse_mail("FROM:<a@b> REQUIRETLS=1"), Err(Parameter));
        let mail = parse_mail("FROM:<a@b> RET=HDRS ENVID=QQ+2B314159").unwrap();
        assert_eq!((mail.ret, mail.envelope_id.as_deref()), (Some(Ret::Hdrs), Some("QQ+314159")));
        let rcpt =
            parse_rcpt("TO:<a@b> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+40x.org", false).unwrap();
        assert!(rcpt.notify.is_some_and(|n| n.success && n.delay && !n.failure));
        assert_eq!(rcpt.original, Some(("rfc822".into(), "Bob@x.org".into())));
        assert_eq!(parse_rcpt("TO:<a@b> NOTIFY=NEVER,DELAY", false), Err(Parameter));
        let rcpt = parse_rcpt("TO:<a@b> ORCPT=utf-8;j\\x{F6}rg@x", false).unwrap();
        assert_eq!(rcpt.original, Some(("utf-8".into(), "j\\x{F6}rg@x".into())));
        let longest = format!("FROM:<a@b> RET=FULL ENVID={}", "x".repeat(100));
        assert_eq!(parse_mail(&longest).unwrap().envelope_id.map(|id| id.len()), Some(100));
    }

    /// RFC 3461 §5.1: 501 for illegal characters, and for a parameter that comes twice.
    #[test]
    fn dsn_parameters_that_are_none() {
        for text in [
            "ENVID=",
            "ENVID=a=b",
            "ENVID=+",
            "ENVID=+4",
            "ENVID=++4",
            "ENVID=+4a",
            "ENVID=a+0D+0Ab",
            "ENVID=+00",
            "ENVID=+C3+A4",
            "ENVID=ä",
            "ENVID=a ENVID=b",
            "RET=FULL RET=FULL",
            "RET=FULL ret=HDRS",
            "RET=",
            "RET=NONE",
            "SIZE=1 SIZE=2",
            "REQUIRETLS REQUIRETLS",
        ] {
            assert_eq!(parse_mail(&format!("FROM:<a@b> {text}")), Err(Parameter), "{text}");
        }
        for text in [
            "NOTIFY=",
            "NOTIFY=SUCCESS,",
            "NOTIFY=ALWAYS",
            "NOTIFY=SUCCESS NOTIFY=FAILURE",
            "ORCPT=",
            "ORCPT=rfc822",
            "ORCPT=;a@b",
            "ORCPT=rfc822;",
            "ORCPT=rf(c;a@b",
            "ORCPT=rfc822;a+0D+0ARCPT",
            "ORCPT=rfc822;a+FFb",
            "ORCPT=rfc822;j+C3+B6rg@x",
            "ORCPT=rfc822;a ORCPT=rfc822;b",
        ] {
            assert_eq!(parse_rcpt(&format!("TO:<a@b> {text}"), false), Err(Parameter), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_by_kind() {
        for (text, error) in [
            ("FROM:a@b", Syntax),
            ("FROM <a@b>", Syntax),
            ("FROM:<a@b", Syntax),
            ("FROM:<a@b>x", Syntax),
            ("FROM:<a>", Address),
            ("FROM:<a@-b>", Address),
            ("FROM:<a@b..c>", Address),
            ("FROM:<a b@c>", Address),
            ("FROM:<a@b> SIZE=x", Parameter),
            ("FROM:<a@b> SIZE", Parameter),
            ("FROM:<a@b> BODY=9BIT", Parameter),
            ("FROM:<a@b> ENVID=+ZZ", Parameter),
            ("FROM:<a@b> FOO=1", UnknownParameter),
            ("FROM:<jörg@b>", NeedsUtf8),
        ] {
            assert_eq!(parse_mail(text), Err(error), "{text}");
        }
        assert!(parse_mail("FROM:<jörg@bücher.example> SMTPUTF8").is_ok());
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,200}") {
            let _ = (parse_mail(&text), parse_rcpt(&text, true));
            let _ = (parse_mail(&format!("FROM:<{text}")), parse_rcpt(&format!("TO:<\"{text}"), false));
        }

        #[test]
        fn printed_paths_read_back(local in "[ -~]{1,40}") {
            let path = Path { local_part: local, domain: "x.org".into() };
            let rcpt = parse_rcpt(&format!("TO:<{path}>"), false).unwrap();
            prop_assert_eq!(rcpt.forward_path, ForwardPath::Path(path));
        }
    }
}
