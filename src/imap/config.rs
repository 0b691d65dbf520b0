//! What a listener allows. Every limit says what it protects.

use crate::capability::{Capabilities, Capability};
use crate::language::Language;
use sasl::Mechanisms;
use std::time::Duration;

/// Settings of a session.
#[derive(Debug, Clone)]
pub struct Config {
    /// Our name in the greeting.
    pub hostname: String,
    /// Whether STARTTLS can be offered.
    pub starttls: bool,
    /// Whether passwords may cross an unencrypted connection (a listener on loopback, tests).
    pub plaintext_login: bool,
    /// Mechanisms offered where passwords may be sent, until a driver knows better ([`crate::Session::offer`]).
    pub mechanisms: Mechanisms,
    /// What a client gets that asks for the "default" language (RFC 5255 §3.2).
    pub language: Language,
    /// What is announced and obeyed.
    pub capabilities: Capabilities,
    /// Largest message of APPEND in octets; protects disk and memory.
    pub max_message_bytes: u64,
    /// Most messages of one FETCH, SEARCH, STORE, COPY, MOVE, UID EXPUNGE or APPEND (RFC 9738). `None`: there is no such
    /// limit, and none is announced.
    pub message_limit: Option<u32>,
    /// Longest command with its literals before login, long enough for tokens; protects memory against strangers.
    pub max_command_bytes_early: usize,
    /// The same after login.
    pub max_command_bytes: usize,
    /// Largest refused non-synchronizing literal that is read and thrown away; a larger one ends the session.
    pub max_discarded_bytes: u64,
    /// Errors in a row (before login: in all) after which the session ends.
    pub max_errors: u32,
    /// Commands before login after which the session ends; stops idle chatter of strangers.
    pub max_commands_early: u32,
    /// Wait for more before login. A driver bounds the whole time until login by it as well, or a client
    /// that sends an octet a minute stays for ever.
    pub login_timeout: Duration,
    /// Wait for a command after login (RFC 9051 §5.4: at least 30 minutes).
    pub command_timeout: Duration,
    /// Wait for more of a literal.
    pub literal_timeout: Duration,
}

/// What is announced unless a listener says otherwise: that of which a driver holds every MUST.
const ANNOUNCED: Capabilities = Capabilities::of(&[
    Capability::Imap4Rev1,
    Capability::Imap4Rev2,
    Capability::LiteralPlus,
    Capability::SaslIr,
    Capability::Id,
    Capability::Enable,
    Capability::Idle,
    Capability::Namespace,
    Capability::Unselect,
    Capability::UidPlus,
    Capability::Move,
    Capability::Children,
    Capability::ListExtended,
    Capability::ListStatus,
    Capability::SpecialUse,
    Capability::CreateSpecialUse,
    Capability::ESearch,
    Capability::SearchRes,
    Capability::StatusSize,
    Capability::Within,
    Capability::CondStore,
    Capability::QResync,
    Capability::ObjectId,
    Capability::Preview,
    Capability::SaveDate,
    Capability::AppendLimit,
    Capability::Partial,
    Capability::CompressDeflate,
    Capability::Unauthenticate,
    Capability::Sort,
    Capability::SortDisplay,
    Capability::ESort,
    Capability::ContextSearch,
    Capability::ContextSort,
    Capability::ThreadOrderedSubject,
    Capability::ThreadReferences,
    Capability::InProgress,
    Capability::Quota,
    Capability::QuotaResStorage,
    Capability::QuotaResMessage,
    Capability::MultiAppend,
    Capability::Replace,
    Capability::Metadata,
    Capability::Notify,
    Capability::I18nLevel1,
    Capability::Language,
    Capability::UidOnly,
    Capability::ListMetadata,
    Capability::Catenate,
    Capability::Binary,
    Capability::Utf8Accept,
    Capability::UrlAuth,
    Capability::UrlAuthBinary,
    Capability::SearchFuzzy,
    Capability::Filters,
    Capability::MultiSearch,
    Capability::Acl,
    Capability::AclRights,
    Capability::ListMyRights,
]);

impl Config {
    /// Sound values.
    #[must_use]
    pub fn new(hostname: impl Into<String>) -> Self {
        Self {
            hostname: hostname.into(),
            starttls: false,
            plaintext_login: false,
            mechanisms: Mechanisms::USUAL,
            language: Language::English,
            capabilities: ANNOUNCED,
            max_message_bytes: 50 * 1024 * 1024,
            message_limit: None,
            max_command_bytes_early: 12 * 1024,
            max_command_bytes: 64 * 1024,
            max_discarded_bytes: 1024 * 1024,
            max_errors: 20,
            max_commands_early: 50,
            login_timeout: Duration::from_secs(60),
            command_timeout: Duration::from_secs(31 * 60),
            literal_timeout: Duration::from_secs(180),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::CAPABILITIES;
    use std::collections::BTreeMap;

    /// Per RFC: what holds, and its capabilities.
    fn table() -> BTreeMap<String, (String, Vec<String>)> {
        let rows = include_str!("rfc.md").lines().filter(|line| line.starts_with("| "));
        let mut table = BTreeMap::new();
        for row in rows.skip(1) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            assert_eq!(cells.len(), 7, "{row}");
            let names = cells[4].split(", ").filter(|name| !name.is_empty()).map(str::to_owned);
            let row = (cells[3].to_owned(), names.collect());
            assert!(table.insert(format!("RFC {}", cells[1]), row).is_none(), "{}", cells[1]);
        }
        table
    }

    #[test]
    fn the_table_of_rfcs_says_what_is_announced() {
        let mut table = table();
        let announced = Config::new("x").capabilities;
        for spec in CAPABILITIES {
            let (_, names) = table.get_mut(spec.rfc).unwrap_or_else(|| panic!("{}", spec.rfc));
            let at = names.iter().position(|name| name == spec.name);
            names.remove(at.unwrap_or_else(|| panic!("{} in {}", spec.name, spec.rfc)));
        }
        for (rfc, (holds, left)) in table {
            assert!(left.is_empty(), "{rfc}: {left:?} is no capability");
            let of: Vec<_> = CAPABILITIES.iter().filter(|spec| spec.rfc == rfc).collect();
            // One that says more than another stands for it.
            let told = |capability| match capability {
                Capability::MetadataServer => announced.has(Capability::Metadata),
                other => announced.has(other),
            };
            let all = of.iter().all(|spec| told(spec.capability));
            match holds.as_str() {
                "Yes" => assert!(all, "{rfc} is not announced"),
                "Partial" => {}
                "No" => assert!(of.iter().all(|spec| !told(spec.capability)), "{rfc} is announced"),
                other => panic!("{rfc}: {other}"),
            }
            assert!(all || holds != "Yes", "{rfc}");
        }
        for name in ["m", "s"] {
            assert!(include_str!("rfc.md").contains(&format!("*{name}*")));
        }
    }

    /// Every transcript that the table names is there.
    #[test]
    fn the_transcripts_of_the_table_are_there() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/");
        for row in include_str!("rfc.md").lines().filter(|line| line.starts_with("| ")).skip(1) {
            let cell = row.split('|').map(str::trim).nth(5).unwrap();
            for part in cell.split(['.', ';']) {
                let Some((kinds, names)) = part.split_once(": ") else { continue };
                let folders: &[&str] = match kinds.trim() {
                    "m" => &["session/transcripts"],
                    "s" => &["../../tests/imap/transcripts"],
                    "m, s" => &["session/transcripts", "../../tests/imap/transcripts"],
                    _ => continue,
                };
                for name in names.split(", ") {
                    let name = name.split([' ', ',']).next().unwrap();
                    for folder in folders {
                        let text = format!("{root}{folder}/{name}.txt");
                        let code = format!("{root}../../tests/imap/{name}.rs");
                        let there = |path: &str| std::path::Path::new(path).is_file();
                        assert!(there(&text) || there(&code), "{folder}/{name}");
                    }
                }
            }
        }
    }
}
