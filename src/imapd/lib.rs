//! IMAP: from sockets to mailboxes.
//!
//! [`client`] is one connection's loop: octets into the `imap` machine, events out of it, output back. Each
//! command group is a file under `cmd`. What a session has been told of its mailbox is a `mail::View`; what
//! changed since is told by [`update`], at commands and, in IDLE, when the hub wakes it.
//!
//! Limits: at most 64 KiB of unsent output before anything more is read or made; deadlines on every wait and
//! every write; bodies stream. No database connection and no lock is held while octets go to or come from a
//! client. When PostgreSQL or the blob store is away, commands that need it are answered NO, sessions stay.

mod answer;
mod auth;
mod client;
mod cmd;
mod config;
mod contexts;
mod limit;
mod notify;
mod seats;
mod selected;
mod sets;
#[cfg(test)]
mod texts;
mod update;
mod wire;

pub use config::{ImapdConfig, PreferredLanguage};

use directory::Directory;
use ingest::Ingest;
use mail::Mail;
use net::{Caps, Drain, Listener, Tls};
use seats::Seats;
use std::sync::Arc;

/// The IMAP service of a node. Cheap to clone.
#[derive(Clone)]
pub struct Imapd {
    shared: Arc<Shared>,
}

/// What all sessions stand on.
struct Shared {
    config: ImapdConfig,
    machine: Arc<imap::Config>,
    directory: Directory,
    mail: Mail,
    ingest: Ingest,
    tls: Option<Tls>,
    seats: Arc<Seats>,
    /// Messages on their way in.
    uploads: Arc<Seats>,
    /// Results that are kept true.
    contexts: Arc<Seats>,
}

impl Imapd {
    /// Over these. Without `tls` nobody can log in: passwords never cross a plain connection.
    #[must_use]
    pub fn new(
        config: ImapdConfig,
        directory: Directory,
        mail: Mail,
        ingest: Ingest,
        tls: Option<Tls>,
    ) -> Self {
        let machine = Arc::new(config.machine(tls.is_some()));
        let seats = Arc::default();
        // Here people log in: their certificates are asked for, if there are authorities.
        let tls = tls.map(|tls| tls.asking());
        let (uploads, contexts) = (Arc::default(), Arc::default());
        let shared =
            Shared { config, machine, directory, mail, ingest, tls, seats, uploads, contexts };
        Self { shared: Arc::new(shared) }
    }

    /// Serves a listener until the drain begins; open sessions say goodbye within its window.
    pub fn serve(&self, listener: Listener, implicit_tls: bool, caps: &Caps, drain: &Drain) {
        let shared = Arc::clone(&self.shared);
        let moments = drain.clone();
        listener.serve(caps, drain, move |stream| {
            client::run(Arc::clone(&shared), stream, implicit_tls, moments.goodbye())
        });
    }

    /// What a client is told when there are too many connections.
    pub const REFUSAL: &'static str =
        "* BYE [UNAVAILABLE] Too many connections, try again later\r\n";
}
