//! LIST, LSUB, STATUS and NAMESPACE.

use super::Writer;
use super::text::{push_mailbox, push_number, push_string};
use crate::command::{SpecialUse, StatusItem};
use crate::mailbox::DELIMITER;

/// A mailbox name attribute (RFC 9051 §7.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Attribute {
    NonExistent,
    NoInferiors,
    NoSelect,
    NoAccess,
    HasChildren,
    HasNoChildren,
    Marked,
    Unmarked,
    Subscribed,
    SpecialUse(SpecialUse),
}

impl Attribute {
    fn name(self) -> &'static str {
        match self {
            Self::NonExistent => "\\NonExistent",
            Self::NoInferiors => "\\Noinferiors",
            Self::NoSelect => "\\Noselect",
            Self::NoAccess => "\\NoAccess",
            Self::HasChildren => "\\HasChildren",
            Self::HasNoChildren => "\\HasNoChildren",
            Self::Marked => "\\Marked",
            Self::Unmarked => "\\Unmarked",
            Self::Subscribed => "\\Subscribed",
            Self::SpecialUse(attribute) => attribute.name(),
        }
    }
}

/// One LIST response.
#[derive(Debug, Clone, Copy, Default)]
pub struct ListEntry<'a> {
    /// Its attributes.
    pub attributes: &'a [Attribute],
    /// The name; the empty one is the root.
    pub name: &'a str,
    /// RECURSIVEMATCH: a subscribed mailbox lies below (RFC 9051 §6.3.9.6).
    pub child_subscribed: bool,
    /// RECURSIVEMATCH: a mailbox with a special use lies below (RFC 6154 §2).
    pub child_special_use: bool,
    /// The name as it was asked for, when it was another (RFC 9051 §6.3.9.7).
    pub old_name: Option<&'a str>,
}

/// One value of a STATUS response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusValue<'a> {
    /// Which.
    pub item: StatusItem,
    /// Its value.
    pub value: StatusData<'a>,
}

/// What a STATUS item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusData<'a> {
    /// A number.
    Number(u64),
    /// An object id, written in parentheses (RFC 8474 §4.3).
    Id(&'a str),
    /// No value: e.g. there is no APPENDLIMIT.
    Nil,
}

impl From<u64> for StatusData<'_> {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

/// One namespace: its prefix; the delimiter is always `/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamespaceEntry<'a> {
    /// The prefix.
    pub prefix: &'a str,
}

impl Writer<'_> {
    /// `* LIST (...) "/" name`
    pub fn list(&mut self, entry: &ListEntry<'_>) {
        self.list_head("* LIST (", entry);
        let mut before: &[u8] = b" (";
        if entry.child_subscribed || entry.child_special_use {
            self.out.extend_from_slice(before);
            self.out.extend_from_slice(match (entry.child_subscribed, entry.child_special_use) {
                (true, true) => b"CHILDINFO (\"SUBSCRIBED\" \"SPECIAL-USE\")".as_slice(),
                (true, false) => b"CHILDINFO (\"SUBSCRIBED\")",
                _ => b"CHILDINFO (\"SPECIAL-USE\")",
            });
            before = b" ";
        }
        if let Some(old) = entry.old_name {
            self.out.extend_from_slice(before);
            self.out.extend_from_slice(b"OLDNAME (");
            push_mailbox(self.out, old, self.style);
            self.out.extend_from_slice(b")");
            before = b" ";
        }
        self.out.extend_from_slice(if before == b" " { b")\r\n" } else { b"\r\n" });
    }

    /// `* LSUB (...) "/" name` (RFC 3501 §7.2.3)
    pub fn lsub(&mut self, attributes: &[Attribute], name: &str) {
        self.list_head("* LSUB (", &ListEntry { attributes, name, ..ListEntry::default() });
        self.out.extend_from_slice(b"\r\n");
    }

    fn list_head(&mut self, head: &str, entry: &ListEntry<'_>) {
        self.out.extend_from_slice(head.as_bytes());
        for (at, attribute) in entry.attributes.iter().enumerate() {
            if at > 0 {
                self.out.extend_from_slice(b" ");
            }
            self.out.extend_from_slice(attribute.name().as_bytes());
        }
        self.out.extend_from_slice(b") \"");
        self.out.extend_from_slice(DELIMITER.encode_utf8(&mut [0; 4]).as_bytes());
        self.out.extend_from_slice(b"\" ");
        push_mailbox(self.out, entry.name, self.style);
    }

    /// `* STATUS name (ITEM value ...)`
    pub fn mailbox_status(&mut self, name: &str, values: &[StatusValue<'_>]) {
        self.out.extend_from_slice(b"* STATUS ");
        push_mailbox(self.out, name, self.style);
        self.out.extend_from_slice(b" (");
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                self.out.extend_from_slice(b" ");
            }
            self.out.extend_from_slice(value.item.name().as_bytes());
            self.out.extend_from_slice(b" ");
            match value.value {
                StatusData::Number(number) => push_number(self.out, number),
                StatusData::Id(id) => {
                    self.out.extend_from_slice(b"(");
                    self.out.extend_from_slice(id.as_bytes());
                    self.out.extend_from_slice(b")");
                }
                StatusData::Nil => self.out.extend_from_slice(b"NIL"),
            }
        }
        self.out.extend_from_slice(b")\r\n");
    }

    /// ` "TRANSLATION" ("...")`: "a single string, containing the modified UTF-7 ... encoded translation of the namespace
    /// prefix" (RFC 5255 §3.4).
    fn translation(&mut self, prefix: &str) {
        let name = prefix.trim_end_matches(DELIMITER);
        if let Some(name) = self.style.language.translate(name) {
            let spelled = crate::utf7::encode(&format!("{name}{DELIMITER}"));
            self.out.extend_from_slice(b" \"TRANSLATION\" (");
            push_string(self.out, spelled.as_bytes(), self.style);
            self.out.extend_from_slice(b")");
        }
    }

    /// `* NAMESPACE personal others shared` (RFC 2342), with what the prefixes are called in the client's language.
    pub fn namespace(
        &mut self,
        personal: &[NamespaceEntry<'_>],
        others: &[NamespaceEntry<'_>],
        shared: &[NamespaceEntry<'_>],
    ) {
        self.out.extend_from_slice(b"* NAMESPACE");
        for group in [personal, others, shared] {
            self.out.extend_from_slice(if group.is_empty() { b" NIL" } else { b" (" });
            for entry in group {
                self.out.extend_from_slice(b"(");
                let spelled = if self.style.utf8 {
                    entry.prefix.to_owned()
                } else {
                    crate::utf7::encode(entry.prefix)
                };
                push_string(self.out, spelled.as_bytes(), self.style);
                self.out.extend_from_slice(b" \"/\"");
                self.translation(entry.prefix);
                self.out.extend_from_slice(b")");
            }
            if !group.is_empty() {
                self.out.extend_from_slice(b")");
            }
        }
        self.out.extend_from_slice(b"\r\n");
    }
}
