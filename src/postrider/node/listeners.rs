//! Which listener speaks what.

use super::Node;
use super::jobs::Jobs;
use crate::config::Config;
use crate::exit::{Failure, Outcome};
use crate::ready::Ready;
use directory::Directory;
use imapd::Imapd;
use ingest::{Ingest, Reporter};
use mail::{Hub, Mail, Maildrops};
use net::{Caps, CertificateFiles, Drain, Listener, ListenerConfig, MemoryBudget, NetError, Tls};
use pop3d::Pop3d;
use queue::worker::Inlets;
use smtpd::{Role, Smtpd};
use std::net::SocketAddr;
use std::sync::Arc;
use store::queue::Claimed;
use webd::{Metrics, Webd};

/// Where a listener listens.
pub type Addresses = Vec<SocketAddr>;

/// Connections to health and metrics: apart from the mail's, so that a flood of clients cannot hide them. Far more
/// than are served: one more there ends an older one, which takes a moment.
const HTTP_CONNECTIONS: usize = 1_024;

/// Sockets that do not accept yet.
pub struct Bound {
    listeners: Vec<(&'static str, Listener)>,
}

impl Bound {
    /// Names of the listeners.
    pub fn names(&self) -> Vec<String> {
        self.listeners.iter().map(|(name, _)| (*name).to_owned()).collect()
    }

    /// `name address` of each socket.
    pub fn places(&self) -> Vec<String> {
        let of = |(name, listener): &(&str, Listener)| {
            listener.addresses().iter().map(|at| format!("{name} {at}")).collect::<Vec<_>>()
        };
        self.listeners.iter().flat_map(of).collect()
    }
}

/// Binds what speaks mail. `net` names the address that cannot be had.
///
/// # Errors
/// An address is taken or not ours.
pub async fn bind(config: &Config) -> Outcome<Bound> {
    let mut listeners = Vec::new();
    for (name, wanted) in config.listen.wanted() {
        if name == "http" {
            continue;
        }
        let how = ListenerConfig { proxy_from: wanted.proxy_from.clone(), refusal: refusal(name) };
        let bound = Listener::bind(&wanted.addresses, how).await;
        listeners.push((name, bound.map_err(|error| elsewhere(error, name))?));
    }
    Ok(Bound { listeners })
}

/// Which setting would help.
fn elsewhere(error: NetError, name: &str) -> Failure {
    Failure::from(error).hint(&format!("listen.{name}.addresses says where to listen"))
}

/// What a client over the caps is told. Under implicit TLS it could not read it.
fn refusal(name: &str) -> &'static str {
    match name {
        "smtp" | "submission" | "lmtp" => smtpd::REFUSAL,
        "imap" => Imapd::REFUSAL,
        "pop3" => Pop3d::REFUSAL,
        _ => "",
    }
}

/// Serves health and metrics from now on, if they are wanted.
///
/// # Errors
/// As [`bind`].
pub async fn http(node: &Node, metrics: Metrics, drain: &Drain) -> Outcome<Option<Addresses>> {
    let Some(wanted) = &node.config.listen.http else { return Ok(None) };
    let how = ListenerConfig { proxy_from: wanted.proxy_from.clone(), refusal: "" };
    let listener = Listener::bind(&wanted.addresses, how).await;
    let listener = listener.map_err(|error| elsewhere(error, "http"))?;
    let addresses = listener.addresses();
    let caps = Caps::new(HTTP_CONNECTIONS, HTTP_CONNECTIONS);
    Webd::new(node.health.clone(), metrics).serve(listener, &caps, drain);
    Ok(Some(addresses))
}

/// The certificates in force, watched; `None` without any.
pub fn tls(config: &Config, jobs: &mut Jobs) -> Outcome<Option<Tls>> {
    if config.tls.certificates.is_empty() {
        if config.listen.wanted().iter().any(|(name, _)| *name != "http") {
            tracing::warn!(
                "tls.certificates is empty: there is no STARTTLS, and nobody can log in"
            );
        }
        return Ok(None);
    }
    let files = config.tls.certificates.iter().map(|pair| CertificateFiles {
        certificate: pair.certificate.clone(),
        key: pair.key.clone(),
    });
    let tls = Tls::load_with(files.collect(), config.tls.clients())?;
    jobs.spawn(tls.clone().watch());
    Ok(Some(tls))
}

/// What all that serves clients stands on.
pub struct Domain {
    pub(super) directory: Directory,
    pub(super) ingest: Ingest,
    hub: Arc<Hub>,
    budget: MemoryBudget,
}

impl Node {
    /// Makes it; `inlets` get all mail that leaves.
    pub(super) fn domain(&self, inlets: Inlets<Claimed>) -> Domain {
        let config = &self.config;
        let budget = MemoryBudget::new(config.limits.memory_mib * 1024 * 1024);
        let hub = Hub::start(self.store.clone(), self.coordinator.clone(), config.hub.clone());
        let directory = Directory::new(self.store.clone(), config.directory.clone());
        let ingest = Ingest::new(
            self.store.clone(),
            self.blobs.guarded.clone(),
            hub.clone(),
            budget.clone(),
            config.ingest(),
        );
        ingest.send_by(self.incarnation, inlets);
        Domain { directory, ingest, hub, budget }
    }

    /// Starts the domain's jobs, and lets every listener accept.
    pub(super) fn start(
        &self,
        jobs: &mut Jobs,
        bound: Bound,
        http: Option<Addresses>,
        tls: Option<Tls>,
        domain: Domain,
    ) -> Ready {
        let config = &self.config;
        let (store, blob) = (self.store.clone(), self.blobs.guarded.clone());
        let Domain { directory, ingest, hub, budget } = domain;
        jobs.spawn(directory.clone().watch_access());
        let reporter =
            Reporter::new(ingest.clone(), directory.clone(), self.incarnation, &config.hostname);
        jobs.spawn(reporter.run());
        jobs.spawn(mail::purge_jobs(store.clone(), self.incarnation));
        jobs.spawn(ingest::local_queue::run(ingest.clone(), std::future::pending()));
        let maildrops = Maildrops::start(store.clone());
        let mail = Mail::new(store, blob, hub, budget);
        jobs.spawn(mail::index_jobs(mail.clone(), self.incarnation));
        let services = Services {
            smtpd: Smtpd::new(config.smtpd(), directory.clone(), ingest.clone(), tls.clone()),
            pop3d: Pop3d::new(
                config.pop3d(),
                directory.clone(),
                mail.clone(),
                maildrops,
                tls.clone(),
            ),
            imapd: Imapd::new(config.imapd(), directory, mail, ingest, tls),
            caps: Caps::new(config.limits.connections, config.limits.per_ip),
            drain: self.drain.clone(),
        };
        let mut ready = Ready { node: self.incarnation.to_string(), ..Ready::default() };
        if let Some(addresses) = http {
            ready.set("http", &addresses);
        }
        for (name, listener) in bound.listeners {
            ready.set(name, &listener.addresses());
            services.serve(name, listener);
        }
        ready
    }
}

/// Who serves the listeners.
struct Services {
    smtpd: Smtpd,
    imapd: Imapd,
    pop3d: Pop3d,
    caps: Caps,
    drain: Drain,
}

impl Services {
    fn serve(&self, name: &str, listener: Listener) {
        let (caps, drain) = (&self.caps, &self.drain);
        match name {
            "smtp" => self.smtpd.serve(listener, Role::Smtp, false, caps, drain),
            "submission" => self.smtpd.serve(listener, Role::Submission, false, caps, drain),
            "submissions" => self.smtpd.serve(listener, Role::Submission, true, caps, drain),
            "lmtp" => self.smtpd.serve(listener, Role::Lmtp, false, caps, drain),
            "imap" => self.imapd.serve(listener, false, caps, drain),
            "imaps" => self.imapd.serve(listener, true, caps, drain),
            "pop3" => self.pop3d.serve(listener, false, caps, drain),
            "pop3s" => self.pop3d.serve(listener, true, caps, drain),
            // `bind` makes no others.
            other => tracing::error!(listener = other, "nobody serves this"),
        }
    }
}
