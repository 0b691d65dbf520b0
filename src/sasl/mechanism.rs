//! The mechanisms there are, and the set of them that a connection may use.

/// A mechanism of this server, in the order in which they are announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616
    Plain,
    /// The old two-question login, for clients that know nothing else.
    Login,
    /// RFC 7677, without channel binding.
    ScramSha256,
    /// The same, bound to the TLS connection (RFC 5802 §6, RFC 9266, RFC 5929 §4).
    ScramSha256Plus,
    /// RFC 4422 appendix A: who the TLS client certificate says.
    External,
    /// RFC 7628
    OAuthBearer,
    /// What came before OAUTHBEARER, for clients that know nothing else.
    XOAuth2,
}

const ALL: [(&str, Mechanism); 7] = [
    ("PLAIN", Mechanism::Plain),
    ("LOGIN", Mechanism::Login),
    ("SCRAM-SHA-256", Mechanism::ScramSha256),
    ("SCRAM-SHA-256-PLUS", Mechanism::ScramSha256Plus),
    ("EXTERNAL", Mechanism::External),
    ("OAUTHBEARER", Mechanism::OAuthBearer),
    ("XOAUTH2", Mechanism::XOAuth2),
];

impl Mechanism {
    /// By name, without regard to case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let found = ALL.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, mechanism)| mechanism)
    }

    /// As it is announced.
    #[must_use]
    pub fn name(self) -> &'static str {
        ALL[self as usize].0
    }
}

/// Some of the mechanisms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mechanisms(u8);

impl Mechanisms {
    /// What every encrypted connection may use, whatever is configured.
    pub const USUAL: Self = Self::of(&[Mechanism::Plain, Mechanism::ScramSha256]);

    /// A set.
    #[must_use]
    pub const fn of(list: &[Mechanism]) -> Self {
        let (mut set, mut at) = (0, 0);
        while at < list.len() {
            set |= 1 << list[at] as u8;
            at += 1;
        }
        Self(set)
    }

    /// One more, if so.
    #[must_use]
    pub fn with(self, mechanism: Mechanism, wanted: bool) -> Self {
        Self(self.0 | u8::from(wanted) << mechanism as u8)
    }

    /// Whether it is in.
    #[must_use]
    pub fn has(self, mechanism: Mechanism) -> bool {
        self.0 & 1 << mechanism as u8 != 0
    }

    /// Those that are in, in the order in which they are announced.
    pub fn iter(self) -> impl Iterator<Item = Mechanism> {
        ALL.into_iter()
            .map(|(_, mechanism)| mechanism)
            .filter(move |mechanism| self.has(*mechanism))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for (name, mechanism) in ALL {
            assert_eq!(mechanism.name(), name);
            assert_eq!(Mechanism::parse(&name.to_lowercase()), Some(mechanism));
        }
        assert_eq!(Mechanism::parse("NTLM"), None);
    }

    #[test]
    fn sets() {
        let set = Mechanisms::USUAL.with(Mechanism::External, true).with(Mechanism::Login, false);
        let names: Vec<_> = set.iter().map(Mechanism::name).collect();
        assert_eq!(names, ["PLAIN", "SCRAM-SHA-256", "EXTERNAL"]);
        assert!(set.has(Mechanism::External) && !set.has(Mechanism::Login));
    }
}
