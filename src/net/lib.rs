//! Listeners, TLS, PROXY protocol, drain, the node's memory budget, and single HTTP requests.
//!
//! Knows no mail protocol: a driver gets a [`Stream`] and speaks. The accept loop never waits for a client:
//! PROXY headers and handshakes happen in the session's own task.

mod budget;
mod crowd;
mod drain;
mod fetch;
mod listener;
mod proofs;
mod proxy;
mod stream;
mod tls;

pub use budget::{MemoryBudget, Permit};
pub use crowd::{Crowd, Place};
pub use drain::{Drain, Goodbye};
pub use fetch::{Fetch, FetchError};
pub use listener::{Caps, Listener, ListenerConfig};
pub use proofs::{ClientCertificate, Proofs};
pub use stream::{Presence, Stream, TlsInfo};
pub use tls::{CertificateFiles, ClientAuthorities, Tls, self_signed};

/// What can go wrong before a session begins; one line each.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// An address cannot be bound.
    #[error("cannot listen on {0}: {1}")]
    Bind(String, std::io::Error),
    /// A certificate or key is unusable.
    #[error("{0}")]
    Certificate(String),
}
