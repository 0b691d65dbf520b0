//! IMAP4rev1 (RFC 3501) and IMAP4rev2 (RFC 9051): the server's half as a machine without I/O.
//!
//! Bytes go in ([`Session::feed`], [`Session::input`]), [`Event`]s and response bytes come out. One command
//! at a time is offered; every event that asks something is answered by one method before
//! [`Session::next`] is called again, so pipelined commands wait in the input. Untagged data is written by
//! the driver through [`Session::writer`], the tagged answer by [`Session::finish`]. Messages of APPEND
//! stream through; everything else a client sends is bounded. No clock, no store: the driver decides, the
//! machine keeps the grammar, the order, the limits and the wording.

mod capability;
mod command;
mod config;
mod cursor;
mod date;
mod flags;
mod language;
mod mailbox;
mod reader;
mod response;
mod secret;
mod session;
mod set;
mod url;
mod utf7;

pub use capability::{CAPABILITIES, Capabilities, Capability, CapabilitySpec};
pub use command::{
    AclChange, Append, BodySection, COMMANDS, Command, CommandSpec, DateKind, DateOp, Depth, Fetch,
    FetchItem, GetMetadata, Identifier, List, ListReturn, ListSelect, MetadataEntry, MultiSearch,
    Notify, NotifyEvents, NotifyGroup, NotifyMailboxes, NotifySelected, Partial, PartialRange,
    QResync, Replaced, Returns, Search, SearchKey, SearchSource, SectionText, Sort, SortCriterion,
    SortKey, SpecialUse, State, StatusItem, Store, StoreAction, Thread, ThreadAlgorithm, Transfer,
    UrlData, UrlFetch,
};
pub use config::Config;
pub use cursor::Refusal;
pub use flags::{Flag, FlagList, MAX_KEYWORDS};
pub use language::Language;
pub use mailbox::{DELIMITER, MAX_NAME_BYTES, Pattern};
pub use response::{
    Attribute, Code, FetchLine, Found, ListEntry, NamespaceEntry, QuotaResource, ResultChange,
    Status, StatusData, StatusValue, Style, ThreadNode, Updated, Writer,
};
pub use secret::Secret;
pub use session::{AuthVerdict, Event, Listening, Session};
pub use set::{NumberSet, SequenceSet};
pub use url::{MessageUrl, UrlAccess, UrlAuth, UrlServer};
