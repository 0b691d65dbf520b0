//! The commands, declared once: name, states in which they are legal, capability, RFC, parser.
//!
//! An extension adds a file beside these, a capability, and its lines in the tables: [`COMMANDS`], and
//! those of FETCH items, SEARCH keys, STATUS items and LIST options.

mod acl;
mod append;
mod auth;
mod fetch;
mod list;
mod mailbox;
mod messages;
mod metadata;
mod multisearch;
mod notify;
mod partial;
mod quota;
mod resync;
mod search;
mod sort;
mod status;
mod urlauth;

pub use acl::{AclChange, Identifier};
pub use append::{Append, Replaced};
pub use fetch::{BodySection, Fetch, FetchItem, Partial, SectionText};
pub use list::{List, ListReturn, ListSelect};
pub use mailbox::SpecialUse;
pub use messages::{Store, StoreAction};
pub use metadata::{Depth, GetMetadata, MetadataEntry};
pub use multisearch::{MultiSearch, SearchSource};
pub use notify::{Notify, NotifyEvents, NotifyGroup, NotifyMailboxes, NotifySelected};
pub use partial::PartialRange;
pub use resync::QResync;
pub use search::{DateKind, DateOp, Returns, Search, SearchKey};
pub use sort::{Sort, SortCriterion, SortKey, Thread, ThreadAlgorithm};
pub use status::StatusItem;
pub use urlauth::{UrlData, UrlFetch};

pub(crate) use append::{AppendHead, Content, append_head, append_message, may_be_utf8};
pub(crate) use auth::Authenticate;
pub(crate) use fetch::section_spec;
pub(crate) use notify::EVENTS;
pub(crate) use search::criteria;

use crate::capability::Capability;
use crate::cursor::{Cursor, Parsed, Refusal};
use crate::secret::Secret;
use crate::set::SequenceSet;

/// Where a session stands (RFC 9051 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody is known yet.
    NotAuthenticated,
    /// Logged in.
    Authenticated,
    /// A mailbox is selected.
    Selected,
    /// Nothing more will be read.
    Logout,
}

/// A command's declaration.
#[derive(Debug)]
pub struct CommandSpec {
    /// The verb.
    pub name: &'static str,
    /// States in which it is legal.
    pub states: &'static [State],
    /// Whether it may stand behind `UID`.
    pub uid: bool,
    /// The capability it came with; `None`: IMAP4rev1 itself.
    pub capability: Option<Capability>,
    /// Whether EXPUNGE responses may be sent with its answer ("MUST NOT be sent ... while responding to a
    /// FETCH, STORE, or SEARCH command", RFC 9051 §7.5.1; their UID forms may).
    pub expunges: bool,
    /// Where it is defined.
    pub rfc: &'static str,
    pub(crate) verb: Verb,
    pub(crate) parse: fn(&mut Cursor<'_>, Call) -> Parsed<Request>,
}

/// How a command was called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub verb: Verb,
    /// Behind `UID`.
    pub uid: bool,
}

/// What a verb means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Append,
    Authenticate,
    CancelUpdate,
    Capability,
    Check,
    Close,
    Compress,
    Copy,
    Create,
    Delete,
    DeleteAcl,
    ESearch,
    Enable,
    Examine,
    Expunge,
    Fetch,
    GenUrlAuth,
    GetAcl,
    GetMetadata,
    GetQuota,
    GetQuotaRoot,
    Id,
    Idle,
    Language,
    List,
    ListRights,
    Login,
    Logout,
    Lsub,
    Move,
    MyRights,
    Namespace,
    Noop,
    Notify,
    Rename,
    Replace,
    ResetKey,
    Search,
    Select,
    SetAcl,
    SetMetadata,
    SetQuota,
    Sort,
    StartTls,
    Status,
    Store,
    Subscribe,
    Thread,
    Unauthenticate,
    Unselect,
    Unsubscribe,
    UrlFetch,
}

/// A command, read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Request {
    Capability,
    Logout,
    StartTls,
    Login {
        user: String,
        password: Secret,
    },
    Authenticate(Authenticate),
    Enable(Vec<String>),
    /// Ranges (RFC 5255); none: which languages there are.
    Language(Vec<String>),
    Compress,
    Idle,
    /// APPEND or REPLACE of a message of parts, the first of which is no literal.
    Append(Box<AppendHead>),
    /// For the driver.
    Command(Command),
}

/// A command that the driver carries out and ends with [`crate::Session::finish`].
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// NOOP: a moment to tell what changed.
    Noop,
    /// CHECK, as NOOP.
    Check,
    /// ID: what the client says of itself.
    Id(Vec<(String, Option<String>)>),
    /// NAMESPACE
    Namespace,
    /// NOTIFY (RFC 5465)
    Notify(Notify),
    /// UNAUTHENTICATE: leaves the mailbox and forgets who the client is (RFC 8437).
    Unauthenticate,
    /// SELECT or EXAMINE. OK selects; NO leaves no mailbox selected.
    Select {
        /// Which.
        mailbox: String,
        /// EXAMINE.
        read_only: bool,
        /// The CONDSTORE parameter, which by then is enabled.
        condstore: bool,
        /// What the client knows of it (RFC 7162 §3.2.5).
        qresync: Option<Box<QResync>>,
    },
    /// CREATE
    Create {
        /// Which.
        mailbox: String,
        /// Its special uses (RFC 6154 §3).
        special_use: Vec<SpecialUse>,
    },
    /// DELETE
    Delete(String),
    /// RENAME
    Rename {
        /// The old name.
        from: String,
        /// The new one.
        to: String,
    },
    /// SUBSCRIBE
    Subscribe(String),
    /// UNSUBSCRIBE
    Unsubscribe(String),
    /// LIST
    List(List),
    /// LSUB (RFC 3501 §6.3.9); answered with LSUB responses.
    Lsub(List),
    /// STATUS
    Status {
        /// Which.
        mailbox: String,
        /// What is asked, each once.
        items: Vec<StatusItem>,
    },
    /// CLOSE: expunges without saying so, and deselects.
    Close,
    /// UNSELECT: deselects.
    Unselect,
    /// EXPUNGE, or UID EXPUNGE of these (RFC 4315).
    Expunge {
        /// Only these.
        uids: Option<SequenceSet>,
    },
    /// SEARCH
    Search(Search),
    /// CANCELUPDATE (RFC 5267): tags of searches with UPDATE
    CancelUpdate(Vec<String>),
    /// ESEARCH (RFC 7377)
    MultiSearch(MultiSearch),
    /// SORT (RFC 5256)
    Sort(Sort),
    /// THREAD (RFC 5256)
    Thread(Thread),
    /// GETQUOTA of a quota root (RFC 9208)
    GetQuota(String),
    /// GETQUOTAROOT of a mailbox (RFC 9208)
    GetQuotaRoot(String),
    /// SETQUOTA (RFC 9208)
    SetQuota {
        /// Of which quota root.
        root: String,
        /// Resources and their limits; others have none afterwards.
        limits: Vec<(String, u64)>,
    },
    /// GETMETADATA (RFC 5464)
    GetMetadata(GetMetadata),
    /// SETMETADATA (RFC 5464): all or none.
    SetMetadata {
        /// Of which mailbox; empty: of the server.
        mailbox: String,
        /// Names in lower case, and values.
        entries: Vec<MetadataEntry>,
    },
    /// SETACL (RFC 4314)
    SetAcl {
        /// Of which mailbox.
        mailbox: String,
        /// For whom.
        identifier: Identifier,
        /// What.
        change: AclChange,
    },
    /// DELETEACL (RFC 4314)
    DeleteAcl {
        /// Of which mailbox.
        mailbox: String,
        /// For whom.
        identifier: Identifier,
    },
    /// GETACL (RFC 4314)
    GetAcl(String),
    /// LISTRIGHTS (RFC 4314)
    ListRights {
        /// Of which mailbox.
        mailbox: String,
        /// For whom.
        identifier: Identifier,
    },
    /// MYRIGHTS (RFC 4314)
    MyRights(String),
    /// GENURLAUTH (RFC 4467): rumps of URLs and mechanisms.
    GenUrlAuth(Vec<(String, String)>),
    /// RESETKEY (RFC 4467)
    ResetKey {
        /// Of which mailbox; `None`: of all.
        mailbox: Option<String>,
        /// For which mechanisms; none: for all.
        mechanisms: Vec<String>,
    },
    /// URLFETCH (RFC 4467, RFC 5524)
    UrlFetch(Vec<UrlFetch>),
    /// FETCH
    Fetch(Fetch),
    /// STORE
    Store(Store),
    /// COPY
    Copy(Transfer),
    /// MOVE
    Move(Transfer),
}

/// What COPY and MOVE say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Which messages.
    pub set: SequenceSet,
    /// The set holds UIDs.
    pub uid: bool,
    /// Where to.
    pub mailbox: String,
}

use State::{Authenticated, NotAuthenticated, Selected};
const ANY: &[State] = &[NotAuthenticated, Authenticated, Selected];
const KNOWN: &[State] = &[Authenticated, Selected];

/// Every command there is.
pub const COMMANDS: &[CommandSpec] = &[
    spec("CAPABILITY", Verb::Capability, ANY, None, "RFC 9051 6.1.1", auth::bare),
    spec("NOOP", Verb::Noop, ANY, None, "RFC 9051 6.1.2", auth::bare),
    spec("LOGOUT", Verb::Logout, ANY, None, "RFC 9051 6.1.3", auth::bare),
    spec("ID", Verb::Id, ANY, Some(Capability::Id), "RFC 2971 3.1", auth::id),
    spec(
        "LANGUAGE",
        Verb::Language,
        ANY,
        Some(Capability::Language),
        "RFC 5255 3.2",
        auth::language,
    ),
    spec("STARTTLS", Verb::StartTls, &[NotAuthenticated], None, "RFC 9051 6.2.1", auth::bare),
    spec(
        "AUTHENTICATE",
        Verb::Authenticate,
        &[NotAuthenticated],
        None,
        "RFC 9051 6.2.2",
        auth::authenticate,
    ),
    spec("LOGIN", Verb::Login, &[NotAuthenticated], None, "RFC 9051 6.2.3", auth::login),
    spec("ENABLE", Verb::Enable, KNOWN, Some(Capability::Enable), "RFC 9051 6.3.1", auth::enable),
    spec(
        "UNAUTHENTICATE",
        Verb::Unauthenticate,
        KNOWN,
        Some(Capability::Unauthenticate),
        "RFC 8437 3",
        auth::bare,
    ),
    spec(
        "COMPRESS",
        Verb::Compress,
        KNOWN,
        Some(Capability::CompressDeflate),
        "RFC 4978 3",
        auth::compress,
    ),
    spec("NOTIFY", Verb::Notify, KNOWN, Some(Capability::Notify), "RFC 5465 3.1", notify::notify),
    // METADATA-SERVER alone brings them too, so the parser asks.
    spec("GETMETADATA", Verb::GetMetadata, KNOWN, None, "RFC 5464 4.2", metadata::get_metadata),
    spec("SETMETADATA", Verb::SetMetadata, KNOWN, None, "RFC 5464 4.3", metadata::set_metadata),
    spec(
        "GETQUOTA",
        Verb::GetQuota,
        KNOWN,
        Some(Capability::Quota),
        "RFC 9208 4.1.1",
        quota::get_quota,
    ),
    spec(
        "GETQUOTAROOT",
        Verb::GetQuotaRoot,
        KNOWN,
        Some(Capability::Quota),
        "RFC 9208 4.1.2",
        quota::get_quota_root,
    ),
    spec(
        "SETQUOTA",
        Verb::SetQuota,
        KNOWN,
        Some(Capability::Quota),
        "RFC 9208 4.1.3",
        quota::set_quota,
    ),
    spec("SETACL", Verb::SetAcl, KNOWN, Some(Capability::Acl), "RFC 4314 3.1", acl::set_acl),
    spec(
        "DELETEACL",
        Verb::DeleteAcl,
        KNOWN,
        Some(Capability::Acl),
        "RFC 4314 3.2",
        acl::with_identifier,
    ),
    spec("GETACL", Verb::GetAcl, KNOWN, Some(Capability::Acl), "RFC 4314 3.3", acl::of_mailbox),
    spec(
        "LISTRIGHTS",
        Verb::ListRights,
        KNOWN,
        Some(Capability::Acl),
        "RFC 4314 3.4",
        acl::with_identifier,
    ),
    spec("MYRIGHTS", Verb::MyRights, KNOWN, Some(Capability::Acl), "RFC 4314 3.5", acl::of_mailbox),
    spec("SELECT", Verb::Select, KNOWN, None, "RFC 9051 6.3.2", mailbox::select),
    spec("EXAMINE", Verb::Examine, KNOWN, None, "RFC 9051 6.3.3", mailbox::select),
    spec("CREATE", Verb::Create, KNOWN, None, "RFC 9051 6.3.4", mailbox::create),
    spec("DELETE", Verb::Delete, KNOWN, None, "RFC 9051 6.3.5", mailbox::one_mailbox),
    spec("RENAME", Verb::Rename, KNOWN, None, "RFC 9051 6.3.6", mailbox::rename),
    spec("SUBSCRIBE", Verb::Subscribe, KNOWN, None, "RFC 9051 6.3.7", mailbox::one_mailbox),
    spec("UNSUBSCRIBE", Verb::Unsubscribe, KNOWN, None, "RFC 9051 6.3.8", mailbox::one_mailbox),
    spec("LIST", Verb::List, KNOWN, None, "RFC 9051 6.3.9", list::list),
    spec("LSUB", Verb::Lsub, KNOWN, None, "RFC 3501 6.3.9", list::lsub),
    spec(
        "NAMESPACE",
        Verb::Namespace,
        KNOWN,
        Some(Capability::Namespace),
        "RFC 9051 6.3.10",
        auth::bare,
    ),
    spec("STATUS", Verb::Status, KNOWN, None, "RFC 9051 6.3.11", status::status),
    spec("APPEND", Verb::Append, KNOWN, None, "RFC 9051 6.3.12", append::without_literal),
    spec("IDLE", Verb::Idle, KNOWN, Some(Capability::Idle), "RFC 9051 6.3.13", auth::bare),
    spec(
        "GENURLAUTH",
        Verb::GenUrlAuth,
        KNOWN,
        Some(Capability::UrlAuth),
        "RFC 4467 7",
        urlauth::generate,
    ),
    spec(
        "RESETKEY",
        Verb::ResetKey,
        KNOWN,
        Some(Capability::UrlAuth),
        "RFC 4467 7",
        urlauth::reset,
    ),
    spec(
        "URLFETCH",
        Verb::UrlFetch,
        KNOWN,
        Some(Capability::UrlAuth),
        "RFC 4467 7",
        urlauth::fetch,
    ),
    spec("CHECK", Verb::Check, &[Selected], None, "RFC 3501 6.4.1", auth::bare),
    spec("CLOSE", Verb::Close, &[Selected], None, "RFC 9051 6.4.1", auth::bare),
    spec(
        "UNSELECT",
        Verb::Unselect,
        &[Selected],
        Some(Capability::Unselect),
        "RFC 9051 6.4.2",
        auth::bare,
    ),
    with_uid("EXPUNGE", Verb::Expunge, None, true, "RFC 9051 6.4.3", messages::expunge),
    with_uid("SEARCH", Verb::Search, None, false, "RFC 9051 6.4.4", search::search),
    CommandSpec {
        states: KNOWN,
        ..with_uid(
            "ESEARCH",
            Verb::ESearch,
            Some(Capability::MultiSearch),
            false,
            "RFC 7377 2",
            multisearch::multi_search,
        )
    },
    // CONTEXT=SEARCH and CONTEXT=SORT both bring it, so the parser asks.
    spec(
        "CANCELUPDATE",
        Verb::CancelUpdate,
        &[Selected],
        None,
        "RFC 5267 4.3.5",
        search::cancel_update,
    ),
    with_uid("SORT", Verb::Sort, Some(Capability::Sort), false, "RFC 5256 3", sort::sort),
    // Which algorithms there are says the parser.
    with_uid("THREAD", Verb::Thread, None, false, "RFC 5256 3", sort::thread),
    with_uid("FETCH", Verb::Fetch, None, false, "RFC 9051 6.4.5", fetch::fetch),
    with_uid("STORE", Verb::Store, None, false, "RFC 9051 6.4.6", messages::store),
    with_uid("COPY", Verb::Copy, None, true, "RFC 9051 6.4.7", messages::transfer),
    with_uid(
        "MOVE",
        Verb::Move,
        Some(Capability::Move),
        true,
        "RFC 9051 6.4.8",
        messages::transfer,
    ),
    with_uid(
        "REPLACE",
        Verb::Replace,
        Some(Capability::Replace),
        true,
        "RFC 8508 3",
        append::without_literal,
    ),
];

const fn spec(
    name: &'static str,
    verb: Verb,
    states: &'static [State],
    capability: Option<Capability>,
    rfc: &'static str,
    parse: fn(&mut Cursor<'_>, Call) -> Parsed<Request>,
) -> CommandSpec {
    CommandSpec { name, states, uid: false, capability, expunges: true, rfc, verb, parse }
}

const fn with_uid(
    name: &'static str,
    verb: Verb,
    capability: Option<Capability>,
    expunges: bool,
    rfc: &'static str,
    parse: fn(&mut Cursor<'_>, Call) -> Parsed<Request>,
) -> CommandSpec {
    let states = &[Selected];
    CommandSpec { name, states, uid: true, capability, expunges, rfc, verb, parse }
}

/// The declaration of the command that comes next, `UID` before it included.
pub(crate) fn verb(cursor: &mut Cursor<'_>) -> Parsed<(&'static CommandSpec, bool)> {
    let unknown = Refusal::bad("Unknown command");
    let mut name = cursor.atom().map_err(|_| Refusal::bad("A command is missing"))?;
    let uid = name.eq_ignore_ascii_case("UID");
    if uid {
        cursor.space()?;
        name = cursor.atom()?;
    }
    let spec = COMMANDS.iter().find(|spec| spec.name.eq_ignore_ascii_case(name)).ok_or(unknown)?;
    if uid && !spec.uid {
        return Err(Refusal::bad("UID does not go with this command"));
    }
    if let Some(capability) = spec.capability {
        cursor.need(capability)?;
    }
    Ok((spec, uid))
}
