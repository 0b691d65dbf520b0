//! Capabilities: what can be announced, and the set that is.
//!
//! [`Capability`] holds only what this crate parses whole; a driver takes away what it does not serve.
//! What is not in the set is refused by the grammar, so nothing works that was not announced.

/// An extension that this crate's grammar and session know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// RFC 3501
    Imap4Rev1,
    /// RFC 9051. The grammar and ENABLE are here; to announce it a driver must: send LIST with SELECT, UID with
    /// every unsolicited FETCH and no RECENT once it is enabled ([`crate::Session::is_rev2`]), keep `$` true through
    /// expunges and empty it at SELECT, answer LIST with CHILDINFO, `\NonExistent`, `\Subscribed` and STATUS, send
    /// COPYUID untagged with MOVE and APPENDUID, say TRYCREATE, decode BINARY or say UNKNOWN-CTE, and know SIZE and
    /// DELETED in STATUS.
    Imap4Rev2,
    /// RFC 7888: non-synchronizing literals of any size.
    LiteralPlus,
    /// RFC 4959
    SaslIr,
    /// RFC 2971
    Id,
    /// RFC 5161
    Enable,
    /// RFC 2177
    Idle,
    /// RFC 2342
    Namespace,
    /// RFC 3691
    Unselect,
    /// RFC 4315
    UidPlus,
    /// RFC 6851
    Move,
    /// RFC 3348: `\HasChildren` and `\HasNoChildren` also in a LIST that does not ask for them.
    Children,
    /// RFC 5258
    ListExtended,
    /// RFC 5819
    ListStatus,
    /// RFC 6154 §2
    SpecialUse,
    /// RFC 6154 §3
    CreateSpecialUse,
    /// RFC 4731
    ESearch,
    /// RFC 5182
    SearchRes,
    /// RFC 8438
    StatusSize,
    /// RFC 3516: beside the FETCH items (which IMAP4rev2 has too) APPEND of `literal8`, which may hold NUL. What
    /// is stored so must be re-encoded before it is sent as BODY.
    Binary,
    /// RFC 5032
    Within,
    /// RFC 7162 §3.1
    CondStore,
    /// RFC 7162 §3.2; brings CONDSTORE with it.
    QResync,
    /// RFC 8474
    ObjectId,
    /// RFC 8970
    Preview,
    /// RFC 8514
    SaveDate,
    /// RFC 7889: announced with [`crate::Config::max_message_bytes`].
    AppendLimit,
    /// RFC 4978
    CompressDeflate,
    /// RFC 8437
    Unauthenticate,
    /// RFC 3502
    MultiAppend,
    /// RFC 8508
    Replace,
    /// RFC 6855 §3: once enabled, names and quoted strings are UTF-8. To announce it a driver must refuse APPEND of
    /// 8-bit header fields by a client that did not enable it ([`crate::Append::utf8`] tells of the others).
    Utf8Accept,
    /// RFC 5256 §3, SORT
    Sort,
    /// RFC 5957
    SortDisplay,
    /// RFC 5267 §3.1
    ESort,
    /// RFC 5267 §4: a driver tells how the results of SEARCH change; with NOTIFY, items of new messages too (RFC 5465 §7).
    ContextSearch,
    /// RFC 5267 §4: the same for SORT, with positions.
    ContextSort,
    /// RFC 5256 §3, THREAD
    ThreadOrderedSubject,
    /// RFC 5256 §3, THREAD
    ThreadReferences,
    /// RFC 5255 §4.3: SEARCH, SORT and THREAD compare by i;unicode-casemap.
    I18nLevel1,
    /// RFC 5255 §3: texts in the client's language.
    Language,
    /// RFC 6203: FUZZY keys, and how well messages match.
    SearchFuzzy,
    /// RFC 5466
    Filters,
    /// RFC 7377
    MultiSearch,
    /// RFC 9394
    Partial,
    /// RFC 9738: announced with [`crate::Config::message_limit`], which a driver keeps.
    MessageLimit,
    /// RFC 9208
    Quota,
    /// RFC 9208 §5.1: octets, in units of 1,024.
    QuotaResStorage,
    /// RFC 9208 §5.2
    QuotaResMessage,
    /// RFC 9208 §4.1.3: clients may set limits.
    QuotaSet,
    /// RFC 9585: [`crate::Code::InProgress`] while a long command runs.
    InProgress,
    /// RFC 5464: annotations of mailboxes and of the server.
    Metadata,
    /// RFC 5464: annotations of the server only.
    MetadataServer,
    /// RFC 5465
    Notify,
    /// RFC 4314: a driver checks the right of every command.
    Acl,
    /// RFC 4314 §5.1.1: the rights that RFC 2086 does not know.
    AclRights,
    /// RFC 8440
    ListMyRights,
    /// RFC 9586: once enabled, no message numbers in either direction.
    UidOnly,
    /// RFC 9590: annotations with LIST.
    ListMetadata,
    /// RFC 4469: a driver resolves URLs to octets.
    Catenate,
    /// RFC 4467
    UrlAuth,
    /// RFC 5524: URLFETCH of decoded parts and of their structure.
    UrlAuthBinary,
}

/// A capability's declaration.
#[derive(Debug)]
pub struct CapabilitySpec {
    /// Which.
    pub capability: Capability,
    /// As announced.
    pub name: &'static str,
    /// Whether it is announced before login too.
    pub early: bool,
    /// Where it is defined.
    pub rfc: &'static str,
}

/// Every capability, in the order of the announcement. STARTTLS, LOGINDISABLED and AUTH= depend on the
/// session and stand apart.
pub const CAPABILITIES: &[CapabilitySpec] = &[
    spec(Capability::Imap4Rev1, "IMAP4rev1", true, "RFC 3501"),
    spec(Capability::Imap4Rev2, "IMAP4rev2", true, "RFC 9051"),
    spec(Capability::LiteralPlus, "LITERAL+", true, "RFC 7888"),
    spec(Capability::SaslIr, "SASL-IR", true, "RFC 4959"),
    spec(Capability::Id, "ID", true, "RFC 2971"),
    spec(Capability::Enable, "ENABLE", true, "RFC 5161"),
    spec(Capability::Idle, "IDLE", true, "RFC 2177"),
    spec(Capability::Namespace, "NAMESPACE", false, "RFC 2342"),
    spec(Capability::Unselect, "UNSELECT", false, "RFC 3691"),
    spec(Capability::UidPlus, "UIDPLUS", false, "RFC 4315"),
    spec(Capability::Move, "MOVE", false, "RFC 6851"),
    spec(Capability::Children, "CHILDREN", false, "RFC 3348"),
    spec(Capability::ListExtended, "LIST-EXTENDED", false, "RFC 5258"),
    spec(Capability::ListStatus, "LIST-STATUS", false, "RFC 5819"),
    spec(Capability::SpecialUse, "SPECIAL-USE", false, "RFC 6154"),
    spec(Capability::CreateSpecialUse, "CREATE-SPECIAL-USE", false, "RFC 6154"),
    spec(Capability::ESearch, "ESEARCH", false, "RFC 4731"),
    spec(Capability::SearchRes, "SEARCHRES", false, "RFC 5182"),
    spec(Capability::StatusSize, "STATUS=SIZE", false, "RFC 8438"),
    spec(Capability::Binary, "BINARY", false, "RFC 3516"),
    spec(Capability::Within, "WITHIN", false, "RFC 5032"),
    spec(Capability::CondStore, "CONDSTORE", false, "RFC 7162"),
    spec(Capability::QResync, "QRESYNC", false, "RFC 7162"),
    spec(Capability::ObjectId, "OBJECTID", false, "RFC 8474"),
    spec(Capability::Preview, "PREVIEW", false, "RFC 8970"),
    spec(Capability::SaveDate, "SAVEDATE", false, "RFC 8514"),
    spec(Capability::AppendLimit, "APPENDLIMIT", false, "RFC 7889"),
    spec(Capability::CompressDeflate, "COMPRESS=DEFLATE", false, "RFC 4978"),
    spec(Capability::Unauthenticate, "UNAUTHENTICATE", false, "RFC 8437"),
    spec(Capability::MultiAppend, "MULTIAPPEND", false, "RFC 3502"),
    spec(Capability::Replace, "REPLACE", false, "RFC 8508"),
    spec(Capability::Utf8Accept, "UTF8=ACCEPT", false, "RFC 6855"),
    spec(Capability::Sort, "SORT", false, "RFC 5256"),
    spec(Capability::SortDisplay, "SORT=DISPLAY", false, "RFC 5957"),
    spec(Capability::ESort, "ESORT", false, "RFC 5267"),
    spec(Capability::ContextSearch, "CONTEXT=SEARCH", false, "RFC 5267"),
    spec(Capability::ContextSort, "CONTEXT=SORT", false, "RFC 5267"),
    spec(Capability::ThreadOrderedSubject, "THREAD=ORDEREDSUBJECT", false, "RFC 5256"),
    spec(Capability::ThreadReferences, "THREAD=REFERENCES", false, "RFC 5256"),
    spec(Capability::I18nLevel1, "I18NLEVEL=1", false, "RFC 5255"),
    spec(Capability::Language, "LANGUAGE", true, "RFC 5255"),
    spec(Capability::SearchFuzzy, "SEARCH=FUZZY", false, "RFC 6203"),
    spec(Capability::Filters, "FILTERS", false, "RFC 5466"),
    spec(Capability::MultiSearch, "MULTISEARCH", false, "RFC 7377"),
    spec(Capability::Partial, "PARTIAL", false, "RFC 9394"),
    spec(Capability::MessageLimit, "MESSAGELIMIT", false, "RFC 9738"),
    spec(Capability::Quota, "QUOTA", false, "RFC 9208"),
    spec(Capability::QuotaResStorage, "QUOTA=RES-STORAGE", false, "RFC 9208"),
    spec(Capability::QuotaResMessage, "QUOTA=RES-MESSAGE", false, "RFC 9208"),
    spec(Capability::QuotaSet, "QUOTASET", false, "RFC 9208"),
    spec(Capability::InProgress, "INPROGRESS", false, "RFC 9585"),
    spec(Capability::Metadata, "METADATA", false, "RFC 5464"),
    spec(Capability::MetadataServer, "METADATA-SERVER", false, "RFC 5464"),
    spec(Capability::Notify, "NOTIFY", false, "RFC 5465"),
    spec(Capability::Acl, "ACL", false, "RFC 4314"),
    spec(Capability::AclRights, "RIGHTS=texk", false, "RFC 4314"),
    spec(Capability::ListMyRights, "LIST-MYRIGHTS", false, "RFC 8440"),
    spec(Capability::UidOnly, "UIDONLY", false, "RFC 9586"),
    spec(Capability::ListMetadata, "LIST-METADATA", false, "RFC 9590"),
    spec(Capability::Catenate, "CATENATE", false, "RFC 4469"),
    spec(Capability::UrlAuth, "URLAUTH", false, "RFC 4467"),
    spec(Capability::UrlAuthBinary, "URLAUTH=BINARY", false, "RFC 5524"),
];

/// What ENABLE turns on (RFC 5161).
pub(crate) const ENABLED: &[Capability] = &[
    Capability::Imap4Rev2,
    Capability::CondStore,
    Capability::QResync,
    Capability::Utf8Accept,
    Capability::UidOnly,
];

const fn spec(
    capability: Capability,
    name: &'static str,
    early: bool,
    rfc: &'static str,
) -> CapabilitySpec {
    CapabilitySpec { capability, name, early, rfc }
}

/// What IMAP4rev2 holds in itself (RFC 9051 appendix E).
const WITHIN_REV2: &[Capability] = &[
    Capability::SaslIr,
    Capability::Enable,
    Capability::Idle,
    Capability::Namespace,
    Capability::Unselect,
    Capability::UidPlus,
    Capability::Move,
    Capability::Children,
    Capability::ListExtended,
    Capability::ListStatus,
    Capability::ESearch,
    Capability::SearchRes,
    Capability::StatusSize,
];

/// A set of capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities(u128);

impl Capabilities {
    /// Everything this crate parses.
    #[must_use]
    pub const fn all() -> Self {
        let mut bits = 0;
        let mut at = 0;
        while at < CAPABILITIES.len() {
            bits |= 1 << CAPABILITIES[at].capability as u32;
            at += 1;
        }
        Self(bits)
    }

    /// This set and `capability`.
    #[must_use]
    pub const fn with(self, capability: Capability) -> Self {
        Self(self.0 | 1 << capability as u32)
    }

    /// This set without `capability`.
    #[must_use]
    pub const fn without(self, capability: Capability) -> Self {
        Self(self.0 & !(1 << capability as u32))
    }

    /// Whether `capability` is in it by name.
    #[must_use]
    pub const fn has(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u32) != 0
    }

    /// Whether what `capability` brings is there: by name, as a part of IMAP4rev2, or since "the presence of the
    /// "QRESYNC" capability implies support for the CONDSTORE IMAP extension" (RFC 7162 §3.2.3).
    #[must_use]
    pub fn serves(self, capability: Capability) -> bool {
        self.has(capability)
            || (self.has(Capability::Imap4Rev2) && WITHIN_REV2.contains(&capability))
            || (self.has(Capability::QResync) && capability == Capability::CondStore)
    }

    /// The set of these.
    #[must_use]
    pub const fn of(list: &[Capability]) -> Self {
        let mut set = Self(0);
        let mut at = 0;
        while at < list.len() {
            set = set.with(list[at]);
            at += 1;
        }
        set
    }
}
