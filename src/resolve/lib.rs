//! DNS for mail that leaves: which hosts take a domain's mail, and where they are.
//!
//! [`Resolve`] is the seam: [`Hickory`] asks real servers, [`double::Zone`] is a table that tells the truth
//! or lies. Everything a stranger's zone can make large is bounded here. What a failure means for a message
//! is told by its kind: a name that does not exist is for ever, a server that does not answer is for now.
//! No policy: MTA-STS and the use of TLSA records belong to whoever delivers.

mod config;
pub mod double;
mod hickory;
mod hosts;
mod order;

pub use config::{ResolveConfig, ServerAddress};
pub use hickory::Hickory;
pub use hosts::{Exchange, MailHosts, MailLoop, SiteKey, literal};
pub use order::interleave;

use async_trait::async_trait;
use std::net::SocketAddr;

/// Most hosts of a domain that are looked at; protects an attempt's length.
pub const MAX_HOSTS: usize = 20;
/// Most addresses of a host.
pub const MAX_ADDRESSES: usize = 12;
/// Most TLSA records of a host.
pub const MAX_TLSA: usize = 24;
/// Most TXT records of a name.
pub const MAX_TEXTS: usize = 64;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The name does not exist (NXDOMAIN). For ever.
    #[error("the domain does not exist")]
    NoDomain,
    /// The domain says that it takes no mail (null MX, RFC 7505). For ever.
    #[error("the domain takes no mail")]
    NoMail,
    /// The name exists and has neither MX nor address. For ever.
    #[error("the name has no address")]
    NoAddress,
    /// Not a domain name. For ever.
    #[error("not a domain name")]
    BadName,
    /// Nobody could tell. For now.
    #[error("the name cannot be looked up: {0}")]
    Unavailable(String),
    /// DNSSEC validation failed. For now: somebody has to repair it.
    #[error("the answer failed DNSSEC validation")]
    Bogus,
}

impl ResolveError {
    /// Whether the next look-up may well give an answer.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Bogus)
    }
}

/// Where a host is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Addresses {
    /// In the order in which they should be tried; at least one.
    pub list: Vec<SocketAddr>,
    /// Under which names TLSA records may stand, the first that has any counts ("TLSA base domain", RFC 7672 §2.2.2 and
    /// §2.2.3): what the host is an alias of, then the host. None where DNSSEC does not vouch for the host.
    pub bases: Vec<String>,
}

/// A TLSA record (RFC 6698) that DNSSEC vouches for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tlsa {
    /// Certificate usage: 2 DANE-TA, 3 DANE-EE; 0 and 1 are of no use in SMTP (RFC 7672 §3.1.3).
    pub usage: u8,
    /// 0 the certificate, 1 its public key.
    pub selector: u8,
    /// 0 the thing itself, 1 its SHA-256, 2 its SHA-512.
    pub matching: u8,
    /// What to compare with.
    pub data: Vec<u8>,
}

/// Looks names up.
#[async_trait]
pub trait Resolve: Send + Sync + 'static {
    /// The hosts that take a domain's mail: its MX records, or itself when it has none but an address
    /// (RFC 5321 §5.1). `domain` is in A-labels, or an address literal with its brackets.
    ///
    /// # Errors
    /// [`ResolveError`] says whether to try again.
    async fn mail_hosts(&self, domain: &str) -> Result<MailHosts, ResolveError>;

    /// The addresses of a host, IPv6 and IPv4 taking turns, with this port.
    ///
    /// # Errors
    /// [`ResolveError`] says whether to try again.
    async fn addresses(&self, host: &str, port: u16) -> Result<Addresses, ResolveError>;

    /// The TLSA records of a host's SMTP port, as far as DNSSEC vouches for them; none when there are none
    /// or nobody validates.
    ///
    /// # Errors
    /// [`ResolveError`]: the host must not be used now (RFC 7672 §2.1.1).
    async fn tlsa(&self, host: &str, port: u16) -> Result<Vec<Tlsa>, ResolveError>;

    /// The TXT records of a name, the strings of each put together.
    ///
    /// # Errors
    /// [`ResolveError`]; none at all is [`ResolveError::NoAddress`] or [`ResolveError::NoDomain`].
    async fn texts(&self, name: &str) -> Result<Vec<String>, ResolveError>;
}
