//! Mail that goes through: from a user's submission to a server elsewhere.
//!
//! The sink and the DNS are in this process, so that only the server's work is counted. Every domain of the run is
//! at the sink. Proved by the sink's log: each Message-ID came once.

use crate::cpu::Groups;
use crate::mix::Mail;
use crate::report::{Percentiles, Row};
use crate::scenario::Plan;
use crate::stage::{Stage, StageOptions};
use crate::target::{Meter, Target};
use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};
use testkit::dns::Dns;
use testkit::sink::{Arrival, Sink, SinkOptions};
use testkit::{Daemon, Node, PASSWORD, SmtpClient, process, until};

/// Destinations that the mail goes to.
const DOMAINS: u64 = 20;
/// Longest wait for the last message.
const PATIENCE: Duration = Duration::from_secs(600);

/// The world outside: everything under `.out` is at the sink.
pub struct Outside {
    sink: Sink,
    dns: Dns,
}

impl Outside {
    /// Starts both.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn up() -> Result<Self> {
        let sink = Sink::start(SinkOptions::default()).await?;
        let host = |domain: &str| domain.ends_with(".out").then_some(Ipv4Addr::LOCALHOST);
        Ok(Self { sink, dns: Dns::mail_domains(host).await? })
    }

    fn dialled(&self) -> usize {
        self.sink.connections(self.sink.address()).total
    }

    fn settings(&self) -> Vec<(String, toml::Value)> {
        let port = i64::from(self.sink.address().port());
        vec![
            ("resolve.servers".into(), vec![self.dns.address().to_string()].into()),
            ("resolve.ipv6".into(), false.into()),
            ("delivery.port".into(), port.into()),
            ("delivery.allow_loopback".into(), true.into()),
        ]
    }
}

/// Through Postrider: AUTH and TLS on submission, as users have it.
///
/// # Errors
/// When it does not come up or loses or doubles a message.
pub async fn postrider(options: &StageOptions, plan: &Plan) -> Result<Row> {
    let outside = Outside::up().await?;
    let stage = outside.stage(options).await?;
    let row = outside.submit(&stage, plan).await?;
    stage.check().await?;
    Ok(row)
}

impl Outside {
    /// A cluster whose mail leaves for here.
    ///
    /// # Errors
    /// When a part does not come up.
    pub async fn stage(&self, options: &StageOptions) -> Result<Stage> {
        let mut options = options.clone();
        options.settings.extend(self.settings());
        Stage::up(&options).await
    }

    /// A plan's mail through a cluster.
    ///
    /// # Errors
    /// When it loses or doubles a message.
    pub async fn submit(&self, stage: &Stage, plan: &Plan) -> Result<Row> {
        let nodes = stage.cluster.nodes.iter().map(Node::submission).collect::<Result<Vec<_>>>()?;
        let source = Source { nodes, login: true, from: stage.target.accounts.clone() };
        let before = rows_written(&stage.target).await?;
        let mut row = run(&stage.target, self, &source, plan).await?;
        let written = rows_written(&stage.target).await? - before;
        row.more.insert("rows written".into(), written / plan.count as f64);
        Ok(row)
    }
}

/// Rows that were inserted, updated or deleted so far.
async fn rows_written(target: &Target) -> Result<f64> {
    let database = target.database.as_ref().context("no database")?;
    let sql = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::float8 FROM pg_stat_user_tables";
    Ok(database.query_one(sql, &[]).await?.get(0))
}

/// Who submits, and where.
struct Source {
    nodes: Vec<SocketAddr>,
    /// With TLS and a password.
    login: bool,
    from: Vec<String>,
}

impl Source {
    async fn connect(&self, nth: usize) -> Result<SmtpClient> {
        let mut client = SmtpClient::connect(self.nodes[nth % self.nodes.len()]).await?;
        client.ehlo().await?;
        if self.login {
            client.start_tls().await?;
            let from = &self.from[nth % self.from.len()];
            let reply = client.auth_plain(from, PASSWORD).await?;
            ensure!(reply.code == 235, "{}", reply.text());
        }
        Ok(client)
    }
}

/// What was accepted: when it was sent, and how long that took.
type Accepted = HashMap<String, (SystemTime, Duration)>;

async fn run(target: &Target, outside: &Outside, source: &Source, plan: &Plan) -> Result<Row> {
    // Passwords are hashed once; what is measured is the mail.
    for nth in 0..source.from.len().min(plan.accounts) {
        source.connect(nth).await?.quit().await?;
    }
    let mail = Mail::new(plan.mix, plan.seed);
    let (earlier, dialled) = (outside.sink.count(), outside.dialled());
    let meter = Meter::start(target).await?;
    let pace = Pace { next: AtomicU64::new(0), begun: Instant::now(), rate: plan.rate };
    let senders = (0..plan.connections).map(|_| submit(source, &mail, plan, &pace));
    let accepted: Accepted = try_join_all(senders).await?.into_iter().flatten().collect();
    outside.sink.wait_for(earlier + plan.count as usize, PATIENCE).await?;
    let begun = accepted.values().map(|(_, took)| *took).collect();
    let mut row =
        meter.finish(format!("submission {}", plan.mix.name()), plan.count, begun).await?;
    // Only now: a second copy may come late.
    let arrivals = outside.sink.arrivals().split_off(earlier);
    let ways = prove(&arrivals, &accepted, plan.count)?;
    if let Some(points) = Percentiles::of(ways) {
        row.more.insert("p50 ms to the sink".into(), points.p50);
        row.more.insert("p90 ms to the sink".into(), points.p90);
        row.more.insert("p99 ms to the sink".into(), points.p99);
    }
    let dialled = outside.dialled() - dialled;
    row.more.insert("connections out".into(), dialled as f64 / plan.count as f64);
    row.proof = format!("the sink has all {} Message-IDs, each once", plan.count);
    Ok(row)
}

/// Everything that was accepted came, once, and nothing else did. Gives the ways' times.
fn prove(arrivals: &[Arrival], accepted: &Accepted, count: u64) -> Result<Vec<Duration>> {
    ensure!(accepted.len() as u64 == count, "{} of {count} were accepted", accepted.len());
    let mut ways = Vec::with_capacity(arrivals.len());
    let mut seen = HashSet::with_capacity(arrivals.len());
    for arrival in arrivals {
        let id = arrival.message_id.as_str();
        let (at, _) = accepted.get(id).with_context(|| format!("{id} was never sent"))?;
        ensure!(seen.insert(id), "{id} came twice");
        ways.push(arrival.at.duration_since(*at).unwrap_or_default());
    }
    ensure!(seen.len() == accepted.len(), "{} of {count} came", seen.len());
    Ok(ways)
}

/// Who sends what when.
struct Pace {
    next: AtomicU64,
    begun: Instant,
    rate: Option<f64>,
}

impl Pace {
    /// The moment of a message.
    async fn wait(&self, nth: u64) {
        if let Some(rate) = self.rate {
            let at = self.begun + Duration::from_secs_f64(nth as f64 / rate);
            tokio::time::sleep_until(at.into()).await;
        }
    }
}

/// One after the other over one connection, a new one after some.
async fn submit(source: &Source, mail: &Mail, plan: &Plan, pace: &Pace) -> Result<Accepted> {
    let mut done = Accepted::new();
    loop {
        let first = pace.next.fetch_add(plan.per_connection, Ordering::Relaxed);
        if first >= plan.count {
            return Ok(done);
        }
        pace.wait(first).await;
        let account = (first / plan.per_connection) as usize % plan.accounts.min(source.from.len());
        let mut client = source.connect(account).await?;
        for nth in first..(first + plan.per_connection).min(plan.count) {
            pace.wait(nth).await;
            let to = format!("r{nth}@d{}.out", nth % DOMAINS);
            let message = mail.message(nth, &to);
            let octets = [&message.header[..], &message.body[..]].concat();
            let (sent, begun) = (SystemTime::now(), Instant::now());
            let with = " BODY=8BITMIME";
            let reply = client.send_mail_with(&source.from[account], with, &[&to], &octets).await?;
            ensure!(reply.code == 250, "{}", reply.text());
            let id = mail.id(nth).trim_matches(['<', '>']).to_owned();
            done.insert(id, (sent, begun.elapsed()));
        }
        client.quit().await?;
    }
}

/// Through Postfix as a relay for clients of its network: without TLS and passwords.
///
/// # Errors
/// When it is not installed, does not come up, or loses or doubles a message.
pub async fn postfix(plan: &Plan) -> Result<Row> {
    ensure!(
        Path::new("/usr/sbin/postfix").exists(),
        "Postfix is missing; `make load-peers` installs it"
    );
    let outside = Outside::up().await?;
    let folder = process::folder()?;
    let smtp = SocketAddr::from(([127, 0, 0, 1], testkit::free_port()?));
    let daemon = start_postfix(folder.path(), smtp, outside.sink.address())?;
    until("Postfix listens", async || tokio::net::TcpStream::connect(smtp).await.ok()).await?;
    let from: Vec<String> =
        (0..plan.accounts).map(|nth| format!("user{nth}@load.example")).collect();
    let target = Target {
        name: "Postfix".into(),
        smtp: vec![smtp],
        greeting: "EHLO",
        imap: vec![],
        imaps: vec![],
        http: vec![],
        groups: Groups::default().with("Postfix", vec![daemon.pid()]),
        accounts: from.clone(),
        password: String::new(),
        database: None,
        queues: ["incoming", "active"].map(|name| folder.path().join("queue").join(name)).into(),
    };
    let source = Source { nodes: vec![smtp], login: false, from };
    run(&target, &outside, &source, plan).await
}

fn start_postfix(folder: &Path, smtp: SocketAddr, sink: SocketAddr) -> Result<Daemon> {
    let (etc, queue, data) = (folder.join("etc"), folder.join("queue"), folder.join("data"));
    for path in [&etc, &queue, &data] {
        fs::create_dir(path)?;
    }
    process::give_to("postfix", &data)?;
    fs::write(
        etc.join("main.cf"),
        format!(
            "compatibility_level = 3.6\nqueue_directory = {queue}\ndata_directory = {data}\n\
             daemon_directory = /usr/lib/postfix/sbin\ncommand_directory = /usr/sbin\n\
             mail_owner = postfix\nsetgid_group = postdrop\nmyhostname = mx.load.example\n\
             inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmydestination =\n\
             local_recipient_maps =\nalias_maps =\nmynetworks = 127.0.0.0/8\n\
             relayhost = [127.0.0.1]:{port}\nmessage_size_limit = 52428800\nmailbox_size_limit = 0\n\
             smtpd_relay_restrictions = permit_mynetworks, reject\nsmtpd_client_connection_count_limit = 0\n\
             maillog_file_prefixes = {folder}\nmaillog_file = {folder}/postfix.log\n",
            queue = queue.display(),
            data = data.display(),
            folder = folder.display(),
            port = sink.port(),
        ),
    )?;
    let master = crate::peer::master(smtp) + "smtp unix - - n - - smtp\n";
    fs::write(etc.join("master.cf"), master)?;
    let mut command = Command::new("/usr/sbin/postfix");
    command.arg("-c").arg(&etc).arg("start-fg");
    Daemon::start("postfix", &mut command, &folder.join("postfix.out"), false)
}
