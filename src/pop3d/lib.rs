//! POP3: from sockets to maildrops.
//!
//! [`client`] is one connection's loop: octets into the `pop3` machine, events out of it, output back. A session
//! has its maildrop alone, on all nodes together, by a lock in PostgreSQL (`mail::Maildrops`); QUIT removes what is
//! marked in one change, and no other end of a session removes anything.
//!
//! Limits: at most 64 KiB of unsent output before anything more is read or made; deadlines on every wait and every
//! write; messages stream. No database connection is held while octets go to or come from a client. When PostgreSQL
//! or the blob store is away, commands that need it are answered -ERR, sessions stay.

mod auth;
mod client;
mod config;
mod retrieve;
mod wire;

pub use config::Pop3dConfig;

use directory::Directory;
use mail::{Mail, Maildrops};
use net::{Caps, Drain, Listener, Tls};
use std::sync::Arc;

/// The POP3 service of a node. Cheap to clone.
#[derive(Clone)]
pub struct Pop3d {
    shared: Arc<Shared>,
}

/// What all sessions stand on.
struct Shared {
    config: Pop3dConfig,
    machine: Arc<pop3::Config>,
    directory: Directory,
    mail: Mail,
    maildrops: Maildrops,
    tls: Option<Tls>,
}

impl Pop3d {
    /// Over these. Without `tls` nobody can log in: passwords never cross a plain connection.
    #[must_use]
    pub fn new(
        config: Pop3dConfig,
        directory: Directory,
        mail: Mail,
        maildrops: Maildrops,
        tls: Option<Tls>,
    ) -> Self {
        let machine = Arc::new(config.machine(tls.is_some()));
        // Here people log in: their certificates are asked for, if there are authorities.
        let tls = tls.map(|tls| tls.asking());
        Self { shared: Arc::new(Shared { config, machine, directory, mail, maildrops, tls }) }
    }

    /// Serves a listener until the drain begins; open sessions end within its window.
    pub fn serve(&self, listener: Listener, implicit_tls: bool, caps: &Caps, drain: &Drain) {
        let shared = Arc::clone(&self.shared);
        let moments = drain.clone();
        listener.serve(caps, drain, move |stream| {
            client::run(Arc::clone(&shared), stream, implicit_tls, moments.goodbye())
        });
    }

    /// What a client is told when there are too many connections.
    pub const REFUSAL: &'static str = "-ERR [SYS/TEMP] Too many connections, try again later\r\n";
}
