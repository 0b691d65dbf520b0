//! Where test mail ends: an SMTP or LMTP server that can be as bad as the Internet.
//!
//! It runs inside the test's process, on loopback addresses only, and parses for itself, so that it shares no
//! mistake with the server under test. [`Rule`]s say who gets refused, delayed, strung along or cut off, and
//! how often; every message that was complete is in the log with its Message-ID, time and connection, also
//! one whose sender never got an answer. Connections are counted per listening address.
//!
//! Message bodies are not kept unless [`SinkOptions::keep`] asks for it.

mod log;
mod rules;
mod session;

pub use log::{Arrival, Connections};
pub use rules::{Effect, Moment, Rule};

use anyhow::Context;
use log::Log;
use rules::Rules;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How a sink presents itself.
#[derive(Clone)]
pub struct SinkOptions {
    /// Where it listens; port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// LMTP instead of SMTP.
    pub lmtp: bool,
    /// The EHLO keywords. STARTTLS is added when there is a certificate and no TLS yet.
    pub keywords: Vec<String>,
    /// For STARTTLS.
    pub tls: Option<TlsAcceptor>,
    /// TLS from the first octet.
    pub implicit_tls: bool,
    /// `user` and password AUTH PLAIN must bring; `None` offers no AUTH.
    pub login: Option<(String, String)>,
    /// Whether bodies are kept in the log.
    pub keep: bool,
}

impl Default for SinkOptions {
    fn default() -> Self {
        let keywords = [
            "PIPELINING",
            "SIZE 100000000",
            "8BITMIME",
            "SMTPUTF8",
            "CHUNKING",
            "BINARYMIME",
            "DSN",
        ];
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            lmtp: false,
            keywords: keywords.map(str::to_owned).to_vec(),
            tls: None,
            implicit_tls: false,
            login: None,
            keep: false,
        }
    }
}

/// What the sessions share.
struct Shared {
    options: SinkOptions,
    rules: Rules,
    log: Log,
}

/// A running sink; stops when dropped.
pub struct Sink {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    stop: CancellationToken,
}

impl Sink {
    /// Starts listening.
    ///
    /// # Errors
    /// An address that is no loopback address or cannot be bound.
    pub async fn start(options: SinkOptions) -> anyhow::Result<Self> {
        let stop = CancellationToken::new();
        let mut listeners = Vec::new();
        for address in &options.listen {
            anyhow::ensure!(
                address.ip().is_loopback(),
                "a sink listens on loopback only, not on {address}"
            );
            let listener = TcpListener::bind(address).await;
            listeners.push(listener.with_context(|| format!("cannot listen on {address}"))?);
        }
        let addresses =
            listeners.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
        let log = Log::new(&addresses);
        let shared = Arc::new(Shared { options, rules: Rules::default(), log });
        for listener in listeners {
            let (shared, stop) = (Arc::clone(&shared), stop.clone());
            tokio::spawn(async move {
                stop.clone().run_until_cancelled(accept(shared, listener, stop)).await
            });
        }
        Ok(Self { shared, addresses, stop })
    }

    /// The first listening address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// All of them.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Adds a rule; the first that fits decides.
    pub fn rule(&self, rule: Rule) {
        self.shared.rules.add(rule);
    }

    /// From now on everything is accepted.
    pub fn clear_rules(&self) {
        self.shared.rules.clear();
    }

    /// Every complete message so far, in order.
    #[must_use]
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.shared.log.arrivals()
    }

    /// How many messages were complete.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.log.count()
    }

    /// Waits until so many messages were complete.
    ///
    /// # Errors
    /// When they are not there in time.
    pub async fn wait_for(&self, count: usize, limit: Duration) -> anyhow::Result<()> {
        let wait = async {
            while self.count() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(limit, wait).await;
        waited.with_context(|| format!("{} of {count} messages after {limit:?}", self.count()))
    }

    /// Most messages of a reverse-path that were between MAIL and their end at the same time.
    #[must_use]
    pub fn most_at_once(&self, from: &str) -> usize {
        self.most_of(&[from])
    }

    /// The same of several together.
    #[must_use]
    pub fn most_of(&self, from: &[&str]) -> usize {
        self.shared.log.most_at_once(from)
    }

    /// The connections a listening address has had.
    #[must_use]
    pub fn connections(&self, address: SocketAddr) -> Connections {
        self.shared.log.connections(address)
    }

    /// From now on [`Connections::most`] is counted anew.
    pub fn forget_most(&self, address: SocketAddr) {
        self.shared.log.forget_most(address);
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, stop: CancellationToken) {
    let Ok(address) = listener.local_addr() else { return };
    loop {
        let Ok((stream, peer)) = listener.accept().await else { continue };
        let (shared, stop) = (Arc::clone(&shared), stop.clone());
        tokio::spawn(async move {
            let open = shared.log.opened(address);
            stop.run_until_cancelled(serve(&shared, stream, address, peer, open)).await;
        });
    }
}

async fn serve(
    shared: &Arc<Shared>,
    stream: TcpStream,
    address: SocketAddr,
    peer: SocketAddr,
    open: log::Open,
) {
    let _ = stream.set_nodelay(true);
    let mut session = session::Session::new(Arc::clone(shared), address, peer, open);
    // A connection that breaks is what sinks are for.
    let _ = session.run(stream).await;
}
