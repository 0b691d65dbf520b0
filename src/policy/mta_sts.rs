//! MTA-STS (RFC 8461): which hosts may take a domain's mail, and only under verified TLS.
//!
//! ```text
//!   TXT _mta-sts.DOMAIN ──▶ discovered ─┐
//!   what is known, and since when ──────┴─▶ next ──▶ use it │ fetch (and use it if that fails) │ no policy
//! ```
//! A policy in force outlives the record that announced it: an answer that was lost, or taken away by somebody on the
//! way, makes nothing weaker (§5.1, §10.2).

use std::time::Duration;

/// "plaintext non-negative integer seconds … with a max value of 31557600" (§3.2).
pub const LONGEST: Duration = Duration::from_secs(31_557_600);
/// "a suggested maximum policy size 64 kilobytes" (§3.3).
pub const MAX_BODY: usize = 64 * 1024;
/// A policy in force is fetched again after so long at the latest, whatever the record says: "we suggest implementers do
/// not wait until a cached policy has expired before checking for an update" (§10.2).
const REFRESH: Duration = Duration::from_secs(86_400);

/// Where the record stands (§3.1).
#[must_use]
pub fn record_name(domain: &str) -> String {
    format!("_mta-sts.{domain}")
}

/// Whom to ask for the policy (§3.3).
#[must_use]
pub fn policy_host(domain: &str) -> String {
    format!("mta-sts.{domain}")
}

/// Where it stands there (§3.3).
pub const POLICY_PATH: &str = "/.well-known/mta-sts.txt";

/// What looking for the record came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discovered {
    /// There is a policy with this id.
    Id(String),
    /// There is none.
    Nothing,
    /// Nobody could tell.
    NoAnswer,
}

/// What TXT records (each with its strings concatenated) announce. "If the number of resulting records is not one, or if
/// the resulting record is syntactically invalid, senders MUST assume the recipient domain does not have an available
/// MTA-STS Policy" (§3.1).
#[must_use]
pub fn discovered<'a>(records: impl IntoIterator<Item = &'a str>) -> Discovered {
    let mut ours = records.into_iter().filter(|record| is_sts(record));
    match (ours.next(), ours.next()) {
        (Some(record), None) => id(record).map_or(Discovered::Nothing, Discovered::Id),
        _ => Discovered::Nothing,
    }
}

/// "records that do not begin with 'v=STSv1;' are discarded".
fn is_sts(record: &str) -> bool {
    let rest = record.strip_prefix("v=STSv1").map(|rest| rest.trim_start_matches([' ', '\t']));
    rest.is_some_and(|rest| rest.starts_with(';'))
}

/// `sts-id = %s"id=" 1*32(ALPHA / DIGIT)`; other fields are extensions, of which only the form is looked at:
/// `sts-ext-name "=" 1*(%x21-3A / %x3C / %x3E-7E)`.
fn id(record: &str) -> Option<String> {
    let mut found = None;
    let mut fields =
        record.split(';').map(|field| field.trim_matches([' ', '\t'])).skip(1).peekable();
    while let Some(field) = fields.next() {
        if field.is_empty() && fields.peek().is_none() {
            break;
        }
        let (name, value) = field.split_once('=')?;
        let fits = |c: char| c.is_ascii_graphic() && c != '=';
        if !is_name(name) || value.is_empty() || !value.chars().all(fits) {
            return None;
        }
        if name == "id" && found.is_none() {
            let good = value.len() <= 32 && value.chars().all(|c| c.is_ascii_alphanumeric());
            found = Some(good.then(|| value.to_owned())?);
        }
    }
    found
}

/// `(ALPHA / DIGIT) *31(ALPHA / DIGIT / "_" / "-" / ".")`: the name of a field, of the record as of the policy.
fn is_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    (1..=32).contains(&name.len())
        && name.bytes().all(fits)
        && name.as_bytes()[0].is_ascii_alphanumeric()
}

/// What a domain wants (§3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// No mail to hosts that do not fit.
    Enforce,
    /// Only to be told of it.
    Testing,
    /// As if there were no policy.
    None,
}

impl Mode {
    const ALL: [Self; 3] = [Self::Enforce, Self::Testing, Self::None];

    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Testing => "testing",
            Self::None => "none",
        }
    }

    /// Reads its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == word)
    }
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Policy {
    /// What is wanted.
    pub mode: Mode,
    /// Hosts, lower case: a name, or `*.` and a name.
    pub mx: Vec<String>,
    /// In force for so long after it was fetched.
    pub max_age: Duration,
}

/// Why a text is no policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Too long, or not a text.
    #[error("it is too long, or no text")]
    Form,
    /// A line that is no field.
    #[error("a line is no `key: value`")]
    Line,
    /// No `version: STSv1`.
    #[error("it has no version that is known")]
    Version,
    /// No mode.
    #[error("it has no mode that is known")]
    Mode,
    /// No max_age.
    #[error("it has no max_age that can be read")]
    MaxAge,
    /// No mx where one has to be, or one that could be no host.
    #[error("its mx are no list of hosts")]
    Mx,
}

impl Policy {
    /// Reads a policy. "If any non-repeated field … is duplicated, all entries except for the first SHALL be ignored"
    /// (§3.2); fields that are not known are extensions. As many mx as there is room for: "Parsers MUST accept … policy
    /// files that are syntactically valid". Blanks and empty lines too many are forgiven.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn parse(body: &[u8]) -> Result<Self, PolicyError> {
        if body.len() > MAX_BODY {
            return Err(PolicyError::Form);
        }
        let text = std::str::from_utf8(body).map_err(|_| PolicyError::Form)?;
        let (mut version, mut mode, mut max_age, mut mx) = (None, None, None, Vec::new());
        for line in text.split('\n').map(|line| line.trim_matches([' ', '\t', '\r'])) {
            if line.is_empty() {
                continue;
            }
            let (key, value) = line.split_once(':').ok_or(PolicyError::Line)?;
            let (key, value) = (key.trim_end_matches([' ', '\t']), value.trim_matches([' ', '\t']));
            if !is_name(key) || value.chars().any(|c| c.is_control() && c != '\t') {
                return Err(PolicyError::Line);
            }
            match key {
                "version" => _ = version.get_or_insert(value),
                "mode" => _ = mode.get_or_insert(value),
                "max_age" => _ = max_age.get_or_insert(value),
                "mx" => mx.push(pattern(value)?),
                _ => {}
            }
        }
        if version != Some("STSv1") {
            return Err(PolicyError::Version);
        }
        let mode = mode.and_then(Mode::parse).ok_or(PolicyError::Mode)?;
        let max_age = max_age.and_then(seconds).ok_or(PolicyError::MaxAge)?.min(LONGEST);
        if mx.is_empty() && mode != Mode::None {
            return Err(PolicyError::Mx);
        }
        Ok(Self { mode, mx, max_age })
    }

    /// Whether a host is one of those. "wildcards … match only the left-most label" (§4.1), and never none of it.
    #[must_use]
    pub fn allows(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let parent = host.split_once('.').map(|(_, parent)| parent);
        self.mx.iter().any(|pattern| match pattern.strip_prefix("*.") {
            Some(rest) => parent == Some(rest) && !host.starts_with('.'),
            None => *pattern == host,
        })
    }
}

fn pattern(value: &str) -> Result<String, PolicyError> {
    let value = value.trim_end_matches('.').to_ascii_lowercase();
    let host = value.strip_prefix("*.").unwrap_or(&value);
    let fits = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if host.len() > 253 || !host.split('.').all(fits) {
        return Err(PolicyError::Mx);
    }
    Ok(value)
}

/// `1*10(DIGIT)`.
fn seconds(value: &str) -> Option<Duration> {
    let digits = (1..=10).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| value.parse().ok().map(Duration::from_secs)).flatten()
}

/// A policy that was fetched before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The id it was announced by.
    pub id: String,
    /// It.
    pub policy: Policy,
    /// Since it was fetched.
    pub age: Duration,
}

impl Known {
    /// Whether it still counts.
    #[must_use]
    pub fn is_in_force(&self) -> bool {
        self.age < self.policy.max_age
    }
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The known policy is in force, and nothing says that there is another.
    Use,
    /// Fetch the policy of this id; if that fails, what is known counts, if it is in force.
    Fetch(String),
    /// There is none.
    NoPolicy,
}

/// Decides.
#[must_use]
pub fn next(known: Option<&Known>, discovered: &Discovered) -> Step {
    let known = known.filter(|known| known.is_in_force());
    match (discovered, known) {
        (Discovered::Id(id), Some(known)) if *id != known.id => Step::Fetch(id.clone()),
        (_, Some(known)) if known.age >= REFRESH.min(known.policy.max_age / 2) => {
            Step::Fetch(known.id.clone())
        }
        (_, Some(_)) => Step::Use,
        (Discovered::Id(id), None) => Step::Fetch(id.clone()),
        (_, None) => Step::NoPolicy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICY: &str = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\n\
                          mx: backupmx.example.com\r\nmax_age: 604800\r\n";

    fn policy(mode: Mode) -> Policy {
        Policy { mode, mx: vec!["mx.a.test".into()], max_age: Duration::from_secs(604_800) }
    }

    #[test]
    fn records() {
        let id = |text: &str| Discovered::Id(text.into());
        for (records, wanted) in [
            (&["v=STSv1; id=20160831085700Z;"][..], id("20160831085700Z")),
            (&["v=STSv1;id=1"], id("1")),
            (&["v=STSv1 ; x=y ; id=1 ; id=2 ; "], id("1")),
            (&["v=spf1 -all", "v=STSv1; id=1;"], id("1")),
            (&["v=STSv1; id=1;", "v=STSv1; id=2;"], Discovered::Nothing),
            (&["v=STSv1; id=1;", "v=STSv10; id=2;"], id("1")),
            (&["v=STSv1; id=not-so;"], Discovered::Nothing),
            (&["v=STSv1; id=;"], Discovered::Nothing),
            (&["v=STSv1; id=a b;"], Discovered::Nothing),
            (&["v=STSv1; novalue; id=1"], Discovered::Nothing),
            (&["v=STSv1; a.b-c_d=!#<>~; id=1"], id("1")),
            (&["v=STSv1; =x; id=1"], Discovered::Nothing),
            (&["v=STSv1; _x=y; id=1"], Discovered::Nothing),
            (&["v=STSv1; a b=y; id=1"], Discovered::Nothing),
            (&["v=STSv1; id =1; id=2"], Discovered::Nothing),
            (&["v=STSv1; x=a=b; id=1"], Discovered::Nothing),
            (&["v=STSv1; abcdefghijklmnopqrstuvwxyz0123456=x; id=1"], Discovered::Nothing),
            (&["v=STSv1; Id=1"], Discovered::Nothing),
            (&["v=STSv1;; id=1"], Discovered::Nothing),
            (&[" v=STSv1; id=1"], Discovered::Nothing),
            (&["v=STSv1; id=123456789012345678901234567890123;"], Discovered::Nothing),
            (&["v=STSv1"], Discovered::Nothing),
            (&["v=STSv1;"], Discovered::Nothing),
            (&["V=STSv1; id=1"], Discovered::Nothing),
            (&[], Discovered::Nothing),
        ] {
            assert_eq!(discovered(records.iter().copied()), wanted, "{records:?}");
        }
    }

    #[test]
    fn a_policy_is_read() {
        let policy = Policy::parse(POLICY.as_bytes()).unwrap();
        assert_eq!((policy.mode, policy.max_age), (Mode::Enforce, Duration::from_secs(604_800)));
        for (host, allowed) in [
            ("mail.example.com", true),
            ("Mail.Example.com.", true),
            ("foo.example.net", true),
            ("foo.bar.example.net", false),
            ("example.net", false),
            (".example.net", false),
            ("xexample.net", false),
            ("other.example.com", false),
            ("", false),
        ] {
            assert_eq!(policy.allows(host), allowed, "{host}");
        }
        // LF alone, no final line end, an extension, blanks, doubled fields of which the first counts.
        let text = "version: STSv1\nmode:testing\nmode: enforce\nmx:  a.test \nnew_thing: x:y\nmax_age: 9999999999";
        let policy = Policy::parse(text.as_bytes()).unwrap();
        assert_eq!((policy.mode, policy.max_age), (Mode::Testing, LONGEST));
        assert_eq!(policy.mx, ["a.test"]);
        // As many hosts as there is room for.
        let many = format!("{POLICY}{}", "mx: b.test\n".repeat(5_000));
        assert_eq!(Policy::parse(many.as_bytes()).unwrap().mx.len(), 5_003);
        let none = Policy::parse(b"version: STSv1\nmode: none\nmax_age: 86400\n").unwrap();
        assert_eq!((none.mode, none.mx.len()), (Mode::None, 0));
    }

    #[test]
    fn what_is_no_policy() {
        let without = |line: &str| {
            POLICY.split_inclusive("\r\n").filter(|l| !l.starts_with(line)).collect::<String>()
        };
        for (text, wanted) in [
            (String::new(), PolicyError::Version),
            ("<html>\n".into(), PolicyError::Line),
            (without("version"), PolicyError::Version),
            (POLICY.replace("STSv1", "STSv2"), PolicyError::Version),
            (without("mode"), PolicyError::Mode),
            (POLICY.replace("enforce", "Enforce"), PolicyError::Mode),
            (without("max_age"), PolicyError::MaxAge),
            (POLICY.replace("604800", "-1"), PolicyError::MaxAge),
            (POLICY.replace("604800", "12345678901"), PolicyError::MaxAge),
            (without("mx"), PolicyError::Mx),
            (POLICY.replace("mail.example", "*.*.example"), PolicyError::Mx),
            (POLICY.replace("mail.example.com", "a..b"), PolicyError::Mx),
            (POLICY.replace("mail.example.com", "m\u{fc}ller.example"), PolicyError::Mx),
            (POLICY.replace("mail.example.com", "m*.example.com"), PolicyError::Mx),
            (format!("{POLICY}two words: x\r\n"), PolicyError::Line),
            (format!("{POLICY}-x: y\r\n"), PolicyError::Line),
            (format!("{POLICY}: y\r\n"), PolicyError::Line),
            (format!("{POLICY}x: a\rb\r\n"), PolicyError::Line),
            ("x".repeat(MAX_BODY + 1), PolicyError::Form),
        ] {
            assert_eq!(Policy::parse(text.as_bytes()), Err(wanted), "{text:.60}");
        }
        assert_eq!(Policy::parse(b"version: \xff"), Err(PolicyError::Form));
    }

    /// What is known times what the record says.
    #[test]
    fn a_policy_in_force_outlives_its_record() {
        let known = |id: &str, hours: u64| Known {
            id: id.into(),
            policy: policy(Mode::Enforce),
            age: Duration::from_secs(hours * 3600),
        };
        let (fresh, old, gone) = (known("1", 1), known("1", 30), known("1", 24 * 7));
        let (same, other) = (Discovered::Id("1".into()), Discovered::Id("2".into()));
        let fetch = |id: &str| Step::Fetch(id.into());
        use Discovered::{NoAnswer, Nothing};
        for (known, discovered, wanted) in [
            (None, &same, fetch("1")),
            (None, &Nothing, Step::NoPolicy),
            (None, &NoAnswer, Step::NoPolicy),
            (Some(&fresh), &same, Step::Use),
            (Some(&fresh), &other, fetch("2")),
            (Some(&fresh), &Nothing, Step::Use),
            (Some(&fresh), &NoAnswer, Step::Use),
            (Some(&old), &same, fetch("1")),
            (Some(&old), &Nothing, fetch("1")),
            (Some(&gone), &same, fetch("1")),
            (Some(&gone), &Nothing, Step::NoPolicy),
            (Some(&gone), &NoAnswer, Step::NoPolicy),
        ] {
            assert_eq!(next(known, discovered), wanted, "{known:?} {discovered:?}");
        }
    }

    proptest! {
        #[test]
        fn anything_is_survived(body: Vec<u8>, record in "v=STSv1[;= a-z0-9]{0,40}", host in "\\PC{0,30}") {
            let _ = discovered([record.as_str()]);
            if let Ok(policy) = Policy::parse(&body) {
                let _ = policy.allows(&host);
            }
        }

        #[test]
        fn policies_of_sorts(lines in prop::collection::vec("(version|mode|mx|max_age|x) ?: ?[*a-z0-9.]{0,12}", 0..9)) {
            if let Ok(policy) = Policy::parse(lines.join("\n").as_bytes()) {
                prop_assert!(policy.mode == Mode::None || !policy.mx.is_empty());
            }
        }
    }
}
