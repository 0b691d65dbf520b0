//! The load generator's command line.

use anyhow::Result;
use clap::{Parser, ValueEnum};
use load::cpu::Groups;
use load::mix::Mix;
use load::peer::{Storage, postfix_dovecot};
use load::report::Report;
use load::scenario::{self, Plan};
use load::stage::{Blobs, Coordinator, Stage, StageOptions};
use load::target::Target;
use load::{big, floor, parsers, submission, waiting};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Measures what mail costs: CPU of every process involved, latencies, statements and object writes per
/// message. Everything is started privately and thrown away.
#[derive(Debug, Parser)]
struct Args {
    /// What to do; `all` is everything but `waiting` and `big`, which take long.
    #[arg(required = true)]
    scenarios: Vec<Scenario>,
    /// Which messages arrive; both when not given.
    #[arg(long)]
    mix: Option<Mix>,
    /// Operations of the arriving scenarios and of login and store.
    #[arg(long, default_value_t = 4_000)]
    count: u64,
    /// Connections at once.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Messages over one SMTP connection.
    #[arg(long, default_value_t = 10)]
    per_connection: u64,
    /// Accounts.
    #[arg(long, default_value_t = 100)]
    accounts: usize,
    /// Nodes (idle-fanout has at least three); may be given twice.
    #[arg(long, default_values_t = [1])]
    nodes: Vec<usize>,
    /// What the nodes tell each other through; may be given twice, and local is for one node.
    #[arg(long, default_values_t = [Coordinator::Redis], value_enum)]
    coordinator: Vec<Coordinator>,
    /// Where message bytes go; may be given twice.
    #[arg(long, default_values_t = [Blobs::Folder], value_enum)]
    blobs: Vec<Blobs>,
    /// Other servers to measure in the same run; may be given twice.
    #[arg(long, value_enum)]
    peer: Vec<Peer>,
    /// Leave Postrider out.
    #[arg(long)]
    only_peers: bool,
    /// Further settings of the nodes: `path.to.setting=value`.
    #[arg(long)]
    set: Vec<String>,
    /// Submission: messages a second, in all; as fast as they are taken when not given.
    #[arg(long)]
    rate: Option<f64>,
    /// Waiting: how many recipients wait.
    #[arg(long, default_value_t = 1_000_000)]
    waiting: u64,
    /// Big: messages of the mailbox.
    #[arg(long, default_value_t = 1_000_000)]
    messages: u64,
    /// Idle: sessions; may be given twice.
    #[arg(long, default_values_t = [1_000])]
    sessions: Vec<u64>,
    /// Where to write the figures as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where to write a page with bars.
    #[arg(long)]
    html: Option<PathBuf>,
    /// What makes this run's messages.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// All of the others but waiting and big.
    All,
    /// What the parts cost without a server: file, PUT, delivery transaction.
    Floor,
    /// What every octet passes through, in one thread.
    Parsers,
    /// Messages in by SMTP.
    SmtpIngest,
    /// Messages in by APPEND.
    Append,
    /// Lists of 1,000 messages.
    FetchList,
    /// Bodies, one by one and all at once.
    FetchBodies,
    /// SEARCH in 2,000 messages, and the index of their text.
    Search,
    /// One flag on one message.
    Store,
    /// Connect, LOGIN, SELECT, LOGOUT.
    Login,
    /// Sessions that do nothing, without TLS and with it.
    Idle,
    /// Mail to watched mailboxes over several nodes.
    IdleFanout,
    /// Mail through the queue: from submission to a server elsewhere.
    Submission,
    /// The same, and doing nothing, without and with a million recipients that are not due.
    Waiting,
    /// A mailbox of a million messages, and lists that nobody remembers.
    Big,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Peer {
    /// Postfix, LMTP, Dovecot with Maildir.
    PostfixDovecot,
    /// The same with mdbox.
    PostfixDovecotMdbox,
}

impl Args {
    fn does(&self, scenario: Scenario) -> bool {
        self.scenarios.iter().any(|wanted| [Scenario::All, scenario].contains(wanted))
    }

    fn mixes(&self) -> Vec<Mix> {
        self.mix.map_or(vec![Mix::Full, Mix::Small], |mix| vec![mix])
    }

    fn plan(&self, mix: Mix, step: u64) -> Plan {
        Plan {
            mix,
            count: self.count,
            connections: self.connections,
            per_connection: self.per_connection,
            accounts: self.accounts,
            rate: self.rate,
            seed: self.seed * 1_000 + step,
        }
    }

    /// Whether anything is done to a server.
    fn serves(&self) -> bool {
        use Scenario::{Append, FetchBodies, FetchList, Login, Search, SmtpIngest, Store};
        let all = [SmtpIngest, Append, FetchList, FetchBodies, Search, Store, Login];
        all.iter().any(|one| self.does(*one))
    }

    fn stage(&self, setup: Setup) -> Result<StageOptions> {
        let parsed = self.set.iter().map(|set| {
            let (path, value) = set.split_once('=').unwrap_or((set, "true"));
            let value = toml::from_str::<toml::Table>(&format!("x = {value}"))
                .ok()
                .and_then(|mut table| table.remove("x"))
                .unwrap_or_else(|| value.into());
            Ok((path.to_owned(), value))
        });
        let settings = parsed.collect::<Result<_>>()?;
        let Setup { nodes, blobs, coordinator } = setup;
        Ok(StageOptions { nodes, blobs, coordinator, accounts: self.accounts, settings })
    }

    /// All that was asked for and makes sense.
    fn setups(&self) -> Vec<Setup> {
        let mut setups = Vec::new();
        for blobs in &self.blobs {
            for coordinator in &self.coordinator {
                for nodes in &self.nodes {
                    let (nodes, blobs, coordinator) = (*nodes, *blobs, *coordinator);
                    if nodes == 1 || coordinator == Coordinator::Redis {
                        setups.push(Setup { nodes, blobs, coordinator });
                    }
                }
            }
        }
        setups
    }
}

/// One way to put Postrider up.
#[derive(Debug, Clone, Copy)]
struct Setup {
    nodes: usize,
    blobs: Blobs,
    coordinator: Coordinator,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run_all().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("postrider-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run_all() -> Result<()> {
    let args = Args::parse();
    let mut report = Report { about: about(&args), rows: Vec::new() };
    if args.does(Scenario::Parsers) {
        for mix in args.mixes() {
            parsers::parsers(&args.plan(mix, 1))?.into_iter().for_each(|row| report.add(row));
        }
    }
    let done = measure(&args, &mut report).await;
    // What was measured before a failure is worth keeping.
    write(&args, &report)?;
    done
}

async fn measure(args: &Args, report: &mut Report) -> Result<()> {
    for setup in args.setups().into_iter().filter(|_| !args.only_peers) {
        if args.serves() {
            let stage = Stage::up(&args.stage(setup)?).await?;
            run(args, &stage.target, report).await?;
            stage.check().await?;
        }
        if args.does(Scenario::Idle) {
            idle(args, setup, report).await?;
        }
        if args.does(Scenario::Submission) {
            for (step, mix) in (50..).zip(args.mixes()) {
                let stage = args.stage(setup)?;
                report.add(submission::postrider(&stage, &args.plan(mix, step)).await?);
            }
        }
        if args.scenarios.contains(&Scenario::Waiting) {
            let (stage, plan) = (args.stage(setup)?, args.plan(Mix::Small, 60));
            for row in waiting::waiting(&stage, &plan, args.waiting).await? {
                report.add(row);
            }
        }
        if args.scenarios.contains(&Scenario::Big) {
            let mut stage = Stage::up(&args.stage(setup)?).await?;
            big::big(&mut stage, &args.plan(Mix::Small, 70), args.messages, report).await?;
            stage.check().await?;
        }
        if args.does(Scenario::IdleFanout) && setup.coordinator == Coordinator::Redis {
            let setup = Setup { nodes: setup.nodes.max(3), ..setup };
            let stage = Stage::up(&args.stage(setup)?).await?;
            fanout(args, &stage.target, report).await?;
            stage.check().await?;
        }
    }
    if args.does(Scenario::Floor) {
        floors(args, report).await?;
    }
    if args.does(Scenario::Submission) && !args.peer.is_empty() {
        for (step, mix) in (50..).zip(args.mixes()) {
            report.add(submission::postfix(&args.plan(mix, step)).await?);
        }
    }
    let served = args.serves() || args.does(Scenario::IdleFanout) || args.does(Scenario::Idle);
    for peer in args.peer.iter().filter(|_| served) {
        let storage = match peer {
            Peer::PostfixDovecot => Storage::Maildir,
            Peer::PostfixDovecotMdbox => Storage::Mdbox,
        };
        let peer = postfix_dovecot(storage, args.accounts).await?;
        run(args, &peer.target, report).await?;
        for sessions in args.sessions.iter().filter(|_| args.does(Scenario::Idle)) {
            let plan = Plan { count: *sessions, ..args.plan(Mix::Small, 34) };
            report.add(scenario::idle(&peer.target, &plan, false).await?);
        }
        if args.does(Scenario::IdleFanout) {
            fanout(args, &peer.target, report).await?;
        }
    }
    Ok(())
}

/// Everything but the fan-out, on one server.
async fn run(args: &Args, target: &Arc<Target>, report: &mut Report) -> Result<()> {
    for (step, mix) in (10..).zip(args.mixes()) {
        if args.does(Scenario::SmtpIngest) {
            report.add(scenario::smtp_ingest(target, &args.plan(mix, step)).await?);
        }
        if args.does(Scenario::Append) {
            report.add(scenario::append(target, &args.plan(mix, step + 10)).await?);
        }
    }
    // Lists are long and bodies many: few accounts with much mail each.
    let read =
        |mix, step, count| Plan { accounts: args.accounts.min(10), count, ..args.plan(mix, step) };
    if args.does(Scenario::FetchList) {
        let plan = read(Mix::Small, 30, 10_000);
        scenario::fetch_list(target, &plan).await?.into_iter().for_each(|row| report.add(row));
    }
    if args.does(Scenario::FetchBodies) {
        let plan = read(Mix::Full, 31, 2_000);
        scenario::fetch_bodies(target, &plan).await?.into_iter().for_each(|row| report.add(row));
    }
    if args.does(Scenario::Search) {
        let plan = Plan { accounts: args.accounts.min(3), ..args.plan(Mix::Small, 35) };
        scenario::search(target, &plan).await?.into_iter().for_each(|row| report.add(row));
    }
    if args.does(Scenario::Store) {
        report.add(scenario::store(target, &args.plan(Mix::Small, 32)).await?);
    }
    if args.does(Scenario::Login) {
        report.add(scenario::login(target, &args.plan(Mix::Small, 33)).await?);
    }
    Ok(())
}

/// Sessions that do nothing. A server that frees memory does not give all of it back, so each is measured on a new one.
async fn idle(args: &Args, setup: Setup, report: &mut Report) -> Result<()> {
    for sessions in &args.sessions {
        for tls in [false, true] {
            let stage = Stage::up(&args.stage(setup)?).await?;
            let plan = Plan { count: *sessions, ..args.plan(Mix::Small, 34) };
            report.add(scenario::idle(&stage.target, &plan, tls).await?);
            stage.check().await?;
        }
    }
    Ok(())
}

async fn fanout(args: &Args, target: &Arc<Target>, report: &mut Report) -> Result<()> {
    let plan = Plan { count: args.count.min(1_000), ..args.plan(Mix::Small, 40) };
    report.add(scenario::idle_fanout(target, &plan).await?);
    Ok(())
}

/// The parts alone, on servers of the same kind as the nodes use.
async fn floors(args: &Args, report: &mut Report) -> Result<()> {
    for mix in args.mixes() {
        let folder = testkit::process::folder()?;
        report.add(floor::file_loop(folder.path(), &args.plan(mix, 2)).await?);
    }
    let setup = Setup { nodes: 0, blobs: Blobs::S3, coordinator: Coordinator::Redis };
    let mut stage = Stage::up(&args.stage(setup)?).await?;
    let s3 = Groups::default().with("S3", vec![stage.cluster.s3.daemon()?.pid()]);
    for mix in args.mixes() {
        let plan = args.plan(mix, 3);
        report.add(floor::put_loop(&stage.cluster.s3.config(), s3.clone(), &plan).await?);
    }
    let postgres = vec![stage.cluster.database.postgres().pid()?];
    let postgres = Groups::default().with("PostgreSQL", postgres);
    let store = stage.cluster.database.store()?;
    for connections in [1, args.connections, 64] {
        let plan = Plan { connections, ..args.plan(Mix::Small, 4) };
        report.add(floor::delivery_loop(&store, &stage.accounts, postgres.clone(), &plan).await?);
    }
    Ok(())
}

fn about(args: &Args) -> BTreeMap<String, String> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("");
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    BTreeMap::from([
        ("cpu".into(), format!("{cores} x {}", model.trim_start_matches([' ', '\t', ':']))),
        ("kernel".into(), read("/proc/sys/kernel/osrelease").trim().to_owned()),
        ("connections".into(), args.connections.to_string()),
        ("accounts".into(), args.accounts.to_string()),
        ("version".into(), env!("CARGO_PKG_VERSION").into()),
        ("figures".into(), "CPU-ms per operation of all server processes, fsync on, no TLS".into()),
    ])
}

fn write(args: &Args, report: &Report) -> Result<()> {
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_string_pretty(report)?)?;
    }
    if let Some(path) = &args.html {
        std::fs::write(path, report.page())?;
    }
    Ok(())
}
