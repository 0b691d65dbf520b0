//! Attempts against real sockets: sinks on loopback, a table instead of DNS.

mod basic;
mod connections;
mod content;
mod hostile;
mod security;
mod sts;
mod trouble;
mod ways;

use crate::*;
use bytes::Bytes;
use resolve::double::Zone;
use smtp::client::{Envelope, Recipient};
use smtp::{Body, ForwardPath, Path};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::sink::{Effect, Moment, Rule, Sink, SinkOptions};

/// A delivery over a table of names.
struct World {
    zone: Arc<Zone>,
    delivery: Delivery,
}

fn config() -> DeliveryConfig {
    DeliveryConfig {
        hostname: "me.test".into(),
        allow_loopback: true,
        connect_timeout_ms: 2_000,
        command_timeout_ms: Some(2_000),
        idle_ms: 300,
        ..DeliveryConfig::default()
    }
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut DeliveryConfig)) -> Self {
        let mut config = config();
        change(&mut config);
        let zone = Arc::new(Zone::new());
        let delivery = Delivery::new(config, zone.clone()).unwrap();
        Self { zone, delivery }
    }

    /// A domain with one host at this sink.
    fn domain(&self, domain: &str, sink: &Sink) {
        self.zone.domain(domain, sink.address());
    }

    async fn plan(&self, domain: &str) -> Plan {
        self.delivery.plan(domain, &Arc::new(Route::default())).await.unwrap()
    }

    async fn courier(&self, domain: &str) -> Courier {
        self.delivery.courier(&self.plan(domain).await, None)
    }

    /// One attempt over a connection of its own.
    async fn send(&self, mailing: &Mailing, domain: &str) -> Report {
        let mut courier = self.courier(domain).await;
        let report = courier.carry(mailing, &Watcher::default()).await;
        courier.close().await;
        report
    }

    async fn send_by(&self, mailing: &Mailing, route: Route) -> Report {
        let plan = self.delivery.plan("x.test", &Arc::new(route)).await.unwrap();
        let mut courier = self.delivery.courier(&plan, None);
        let report = courier.carry(mailing, &Watcher::default()).await;
        courier.close().await;
        report
    }
}

/// Listens, and lets everything pass unless told otherwise.
#[derive(Default)]
struct Watcher {
    closed: AtomicBool,
    known: Mutex<Vec<(usize, Fate)>>,
}

impl Watch for Watcher {
    fn fence(&self) -> bool {
        !self.closed.load(Ordering::SeqCst)
    }

    fn known(&self, recipient: usize, outcome: &Outcome) {
        self.known.lock().unwrap().push((recipient, outcome.fate));
    }
}

fn recipient(address: &str) -> Recipient {
    let (local, domain) = address.rsplit_once('@').unwrap();
    let path = Path { local_part: local.into(), domain: domain.into() };
    Recipient { path: ForwardPath::Path(path), notify: None, original: None }
}

fn mailing(id: &str, to: &[&str]) -> Mailing {
    let text = format!("Message-ID: <{id}>\r\nSubject: test\r\n\r\nHello\r\n.dot\r\n");
    with_content(id, to, text.into())
}

fn with_content(id: &str, to: &[&str], content: Bytes) -> Mailing {
    Mailing {
        id: id.to_owned(),
        envelope: Envelope {
            reverse_path: Some(Path { local_part: "from".into(), domain: "me.test".into() }),
            size: content.len() as u64,
            body: Body::SevenBit,
            utf8: false,
            ret: None,
            envelope_id: None,
            require_tls: false,
            recipients: to.iter().map(|address| recipient(address)).collect(),
        },
        content: Arc::new(Held(content)),
        tls_optional: false,
    }
}

async fn sink() -> Sink {
    Sink::start(SinkOptions::default()).await.unwrap()
}

async fn sink_with(change: impl FnOnce(&mut SinkOptions)) -> Sink {
    let mut options = SinkOptions::default();
    change(&mut options);
    Sink::start(options).await.unwrap()
}

fn fates(report: &Report) -> Vec<Fate> {
    report.outcomes.iter().map(|outcome| outcome.fate).collect()
}

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

fn reply(moment: Moment, pattern: &str, text: &str) -> Rule {
    Rule::new(moment, pattern, Effect::Reply(text.into()))
}
