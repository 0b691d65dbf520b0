//! Many messages while nodes, Redis, PostgreSQL and S3 come to harm: what was accepted arrives, and whatever came
//! twice has a fault of its sender to show for it.
//!
//! Every node sends from an address of its own (127.0.1.n), so that the sink's log says who sent what, and every
//! recipient gets one message, so that the queue's journal can be asked about it. Sized for every build;
//! `STORM=full` (`make storm`) is the size that the queue is to be proved with, `STORM=4000` the same with so many
//! messages in a storm.

mod fairness;
mod harm;
mod proofs;
mod submitters;
mod takeover;
mod verdict;

use super::*;
use harm::{Fault, Part};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use submitters::{Load, Submitted};
use testkit::NodeConfig;
use testkit::sink::{Effect, Moment, Rule};
use types::Incarnation;
use uuid::Uuid;

/// Whether this is the real thing, and time does not matter.
pub fn is_full() -> bool {
    std::env::var_os("STORM").is_some()
}

/// Messages in a storm.
pub fn messages() -> usize {
    match std::env::var("STORM") {
        Ok(size) => size.parse().unwrap_or(20_000),
        Err(_) => 600,
    }
}

/// So many here and so many when it is [`is_full`].
pub fn sized(here: usize, full: usize) -> usize {
    if is_full() { full } else { here }
}

/// Nothing takes longer than that.
pub fn patience() -> Duration {
    Duration::from_secs(if is_full() { 3_600 } else { 400 })
}

/// One recipient in so many does not exist.
const BAD: usize = 50;

/// Whether it is one of those.
fn is_bad(number: usize) -> bool {
    number % BAD == 7
}

/// Who gets message `number`.
fn recipient(number: usize, destinations: usize) -> String {
    let name = if is_bad(number) { "bad" } else { "r" };
    format!("{name}{number}@d{}.out", number % destinations)
}

/// What nodes leave behind when they end.
struct Gone {
    slot: usize,
    log: String,
}

/// Three nodes, what becomes of them, and the world they send to.
pub struct Storm {
    outside: Outside,
    destinations: usize,
    load: Load,
    faults: Mutex<Vec<Fault>>,
    /// Which place each node had.
    homes: Mutex<HashMap<Uuid, usize>>,
    gone: Mutex<Vec<Gone>>,
}

const NODES: usize = 3;

impl Storm {
    /// Domains at one sink, of which one recipient in fifty does not exist.
    pub async fn new(destinations: usize) -> Result<Self> {
        Ok(Self::over(Outside::new().await?, destinations))
    }

    /// With a world of one's own.
    pub fn over(outside: Outside, destinations: usize) -> Self {
        let storm = Self {
            outside,
            destinations,
            load: Load::default(),
            faults: Mutex::default(),
            homes: Mutex::default(),
            gone: Mutex::default(),
        };
        storm.good_world();
        storm
    }

    /// What makes nodes send there.
    pub fn options(&self) -> ClusterOptions {
        let mut options = self.outside.options();
        for (path, value) in [
            ("queue.retry_unknown_seconds", 2),
            ("delivery.command_timeout_ms", 5_000),
            ("limits.drain_seconds", 5),
            ("limits.per_ip", 10_000),
        ] {
            options.settings.push((path.into(), value.into()));
        }
        options
    }

    /// Runs a test on the nodes and checks all data afterwards. What they said is shown on failure.
    pub async fn run(
        &self,
        options: ClusterOptions,
        test: impl AsyncFnOnce(&mut Cluster, &str) -> Result<()>,
    ) -> Result<()> {
        let mut cluster = Cluster::start_with(0, options).await?;
        let work = async {
            for slot in 0..NODES {
                cluster.nodes.push(self.start(cluster.config.clone(), slot).await?);
            }
            let anna = cluster.account("anna")?;
            test(&mut cluster, &anna).await?;
            cluster.check().await
        };
        let outcome = tokio::time::timeout(patience(), work).await.context("it hangs");
        let outcome = outcome.and_then(|done| done);
        for (slot, mut node) in std::mem::take(&mut cluster.nodes).into_iter().enumerate() {
            let log = node.daemon().log();
            if outcome.is_err() {
                eprintln!("--- node {} said last:\n{}", slot + 1, node.daemon().log_tail());
            }
            lock(&self.gone).push(Gone { slot, log });
        }
        for Gone { slot, log } in lock(&self.gone).iter() {
            ensure!(!log.contains("panicked"), "a node {} panicked:\n{log}", slot + 1);
        }
        outcome?;
        cluster.database.discard().await
    }

    /// Starts a node that sends from the address of its place.
    async fn start(&self, config: NodeConfig, slot: usize) -> Result<Node> {
        let source =
            toml::Table::from_iter([("address".to_owned(), address(slot).to_string().into())]);
        let config = config.with("delivery.sources", vec![source]);
        let node = tokio::task::spawn_blocking(move || Node::start(&config)).await??;
        lock(&self.homes).insert(Incarnation::parse(&node.ready.node)?.0, slot);
        self.load.open_door(slot, Some(node.submission()?));
        Ok(node)
    }

    /// Nothing bad happens to whom there is.
    pub fn good_world(&self) {
        let sink = &self.outside.sink;
        sink.clear_rules();
        let nobody = Effect::Reply("550 5.1.1 no such user".into());
        sink.rule(Rule::new(Moment::Rcpt, "bad*", nobody));
    }

    /// Everything bad a server elsewhere can do, by share.
    pub fn bad_world(&self) {
        let say = |text: &str| Effect::Reply(text.into());
        for (moment, effect, share) in [
            (Moment::Connect, Effect::Close, 0.02),
            (Moment::Mail, say("452 4.3.1 too busy"), 0.01),
            (Moment::Rcpt, say("451 4.7.1 come back later"), 0.03),
            (Moment::Rcpt, Effect::Tarpit, 0.002),
            (Moment::Content, Effect::Close, 0.01),
            (Moment::Dot, Effect::Close, 0.01),
            (Moment::Dot, say("451 4.3.0 try again"), 0.01),
            (Moment::Dot, Effect::Delay(Duration::from_millis(300)), 0.05),
        ] {
            self.outside.sink.rule(Rule::new(moment, "*", effect).share(share));
        }
    }

    /// A slow server, so that faults find something under way.
    pub fn slow_world(&self, delay: Duration) {
        self.outside.sink.rule(Rule::new(Moment::Dot, "*", Effect::Delay(delay)));
    }

    /// Waits until nothing is queued any more.
    pub async fn settle(&self, cluster: &Cluster) -> Result<()> {
        let client = cluster.database.client().await?;
        let end = Instant::now() + patience();
        let query = "SELECT count(*), string_agg(DISTINCT concat_ws(' ', state, recipient, takeovers, due - now(), \
                            last_error), E'\n') FILTER (WHERE due < now() + interval '1 minute') FROM queue_recipient";
        loop {
            let row = client.query_one(query, &[]).await?;
            let left: i64 = row.get(0);
            if left == 0 {
                return Ok(());
            }
            let what = || row.get::<_, Option<String>>(1).unwrap_or_default();
            ensure!(Instant::now() < end, "{left} are left: {}", what());
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// What nodes that are gone, or still are there, said about something.
    fn said(&self, cluster: &mut Cluster, about: &str) -> String {
        let mut lines = String::new();
        let mut add = |slot: usize, log: &str| {
            for line in log.lines().filter(|line| line.contains(about)) {
                lines += &format!("node {}: {line}\n", slot + 1);
            }
        };
        lock(&self.gone).iter().for_each(|gone| add(gone.slot, &gone.log));
        for (slot, node) in cluster.nodes.iter_mut().enumerate() {
            add(slot, &node.daemon().log());
        }
        lines
    }
}

/// Where the node of a place sends from.
fn address(slot: usize) -> IpAddr {
    Ipv4Addr::new(127, 0, 1, slot as u8 + 1).into()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The value that such a share of the values does not exceed.
fn percentile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * share).round() as usize]
}
