//! One message and who listens to what becomes of it.

use crate::content::Content;
use crate::outcome::{Outcome, Signal};
use smtp::client::Envelope;
use std::net::SocketAddr;
use std::sync::Arc;

/// A message for one destination.
#[derive(Clone)]
pub struct Mailing {
    /// Its id in the logs.
    pub id: String,
    /// From whom, to whom, with which parameters. `size` is that of the content.
    pub envelope: Envelope,
    /// The bytes.
    pub content: Arc<dyn Content>,
    /// Its author says "TLS-Required: No" (RFC 8689 §3).
    pub tls_optional: bool,
}

/// Follows an attempt. Called in the middle of it, so both must be quick.
pub trait Watch: Send + Sync {
    /// Whether the message may still be sent: asked before connecting and right before its end goes out.
    fn fence(&self) -> bool;

    /// A recipient's fate (its index in the envelope) is known for this attempt. Called exactly once for each,
    /// as early as possible.
    fn known(&self, recipient: usize, outcome: &Outcome);
}

/// A host that did not do, before the one that decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Try {
    /// Its name.
    pub host: String,
    /// Where it was tried; `None`: its address was not found.
    pub address: Option<SocketAddr>,
    /// What was wrong, in one line.
    pub text: String,
}

/// How an attempt went.
#[derive(Debug, Clone)]
pub struct Report {
    /// For each recipient of the envelope.
    pub outcomes: Vec<Outcome>,
    /// What it says about the destination.
    pub signal: Signal,
    /// Hosts that did not do, in order; bounded by the addresses tried.
    pub tries: Vec<Try>,
    /// Connections made for it; 0 when an earlier one served.
    pub connections: u32,
}
