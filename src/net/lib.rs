//! Listeners, TLS, PROXY protocol, drain and the node's memory budget.
//!
//! Knows no mail protocol: a driver gets a [`Stream`] and speaks. The accept loop never waits for a client:
//! PROXY headers and handshakes happen in the session's own task.

mod budget;
mod crowd;
mod drain;
mod listener;
mod proxy;
mod stream;
mod tls;

pub use budget::{MemoryBudget, Permit};
pub use crowd::{Crowd, Place};
pub use drain::{Drain, Goodbye};
pub use listener::{Caps, Listener, ListenerConfig};
pub use stream::{Stream, TlsInfo};
pub use tls::{CertificateFiles, Tls, self_signed};

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
