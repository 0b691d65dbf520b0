//! SMTP, submission and LMTP over sockets: the driver of [`smtp::Session`].
//!
//! The machine keeps the order, the limits and the wording; here bytes move, time passes, and every question of
//! the machine is put to the directory or to ingest. 250 to a message is said only after ingest said that it is
//! durable (invariant 1); a message that may have been stored gets no answer at all.
//!
//! Bounded: one command may take only so long however slowly its octets drip, one message as well; replies that
//! the client does not read stop its input; message octets come out of the node's memory budget.

mod config;
mod connection;
mod header;
mod transaction;
mod verdict;

pub use config::SmtpdConfig;
pub use smtp::Role;

use directory::Directory;
use ingest::Ingest;
use net::{Caps, Crowd, Drain, Listener, Tls};
use std::sync::Arc;

/// What a client over the connection caps is told; for [`net::ListenerConfig::refusal`].
pub const REFUSAL: &str = "421 4.3.2 Too many connections, try again later\r\n";

/// The driver of a node. Cheap to clone.
#[derive(Clone)]
pub struct Smtpd {
    shared: Arc<Shared>,
}

struct Shared {
    config: SmtpdConfig,
    directory: Directory,
    ingest: Ingest,
    tls: Option<Tls>,
    /// Who sends large messages.
    large: Crowd,
}

impl Smtpd {
    /// Without `tls` nobody can authenticate.
    #[must_use]
    pub fn new(
        config: SmtpdConfig,
        directory: Directory,
        ingest: Ingest,
        tls: Option<Tls>,
    ) -> Self {
        let large = Crowd::default();
        Self { shared: Arc::new(Shared { config, directory, ingest, tls, large }) }
    }

    /// Serves a listener until the drain begins; its sessions end within the drain's window.
    pub fn serve(
        &self,
        listener: Listener,
        role: Role,
        implicit_tls: bool,
        caps: &Caps,
        drain: &Drain,
    ) {
        let starttls = self.shared.tls.is_some() && !implicit_tls;
        let machine = Arc::new(self.shared.config.machine(role, starttls));
        let (shared, goodbyes) = (Arc::clone(&self.shared), drain.clone());
        listener.serve(caps, drain, move |stream| {
            let (shared, machine) = (Arc::clone(&shared), Arc::clone(&machine));
            connection::serve(shared, machine, stream, implicit_tls, goodbyes.goodbye())
        });
    }
}

#[cfg(test)]
mod tests;
