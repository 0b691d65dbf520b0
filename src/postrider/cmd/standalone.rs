//! `postrider standalone`: a whole mail server, one command, one folder.
//!
//! The folder holds everything: `postgres/` (a private server, see [`crate::postgres`]), `blobs/`, `tls/`,
//! `postrider.toml` for operator commands, `first-account`, and the `lock` that keeps a second one out.

mod base;
mod first;
mod folder;
mod welcome;

use crate::cmd::serve::key_value;
use crate::config::{Config, Layers, load};
use crate::exit::{Failure, Outcome};
use crate::postgres::{Cluster, State, Supervisor};
use crate::signals::{Hangup, Stop};
use crate::{connect, log, node, output};
use base::Ports;
use folder::Folder;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use store::PostgresConfig;

/// A whole mail server on this machine: one command, one folder.
///
/// Starts and supervises a private PostgreSQL (the system's programs, a Unix socket in the folder), keeps
/// messages in the folder, and at the first start makes a domain, an account and a self-signed certificate.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  postrider standalone --data ~/mail
  postrider standalone --data /srv/mail --domain example.org --account anna
  postrider standalone --data /tmp/m --ephemeral-ports --ready-json

  postrider account add ben@example.org --data ~/mail      # while it runs
  postrider doctor --data ~/mail

Ports: 2525 SMTP, 2587 and 2465 submission, 2143 and 2993 IMAP on --listen;
2424 LMTP and 8080 HTTP (health, metrics) always on 127.0.0.1.

PostgreSQL 15 or newer has to be installed (apt install postgresql). Started
as root, it runs as the user postgres. Settings of a cluster's node work here
too: --config, --set, POSTRIDER__SECTION__KEY.")]
pub struct Args {
    /// Where everything is kept; made if it is not there
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Address of the mail listeners
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    listen: IpAddr,
    /// Any free ports
    #[arg(long, conflicts_with = "standard_ports")]
    ephemeral_ports: bool,
    /// The ports that mail has everywhere: 25, 587, 465, 143, 993 (and 24 for LMTP)
    #[arg(long)]
    standard_ports: bool,
    /// Domain of the first account [default: this machine's, or example.test]
    #[arg(long)]
    domain: Option<String>,
    /// First account, the part before the @
    #[arg(long, default_value = "me")]
    account: String,
    /// Further configuration file; may be given several times, later ones win
    #[arg(long, short, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// One setting, e.g. limits.per_ip=50
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
    /// Folder of PostgreSQL's server programs [default: the newest that is found]
    #[arg(long, value_name = "DIR", env = "POSTRIDER_POSTGRES_BIN")]
    postgres_bin: Option<PathBuf>,
    /// Print one line of JSON with addresses, account and password on stdout once every listener accepts
    #[arg(long)]
    ready_json: bool,
}

/// Statements of the node end on the server after this long; its own deadline is 10 s.
const STATEMENT_SECONDS: u32 = 15;

/// Runs the command.
///
/// # Errors
/// PostgreSQL is not installed or does not start, the folder is in use, a port is taken.
pub async fn run(args: Args) -> Outcome {
    let stop = Stop::on_signals(Hangup::Stops)?;
    let folder = Folder::open(&args.data)?;
    let cluster = Cluster::locate(folder.path(), args.postgres_bin.as_deref())?;
    let config = configure(&args, &folder, &cluster)?;
    log::start(&config.log);
    if cluster.is_new() {
        output::note("Preparing the database; this happens once and takes a few seconds.");
    }
    cluster.prepare()?;
    let direct = PostgresConfig::new(cluster.url(0));
    folder.write_operator_config(&base::operator(&folder, &cluster.url(0))?)?;
    let postgres = Supervisor::start(cluster)?;
    let outcome = tokio::select! {
        outcome = with_postgres(&args, config, &direct, &folder, &postgres, &stop) => outcome,
        () = stop.insisted() => Ok(()),
    };
    postgres.stop(stop.insisted()).await;
    outcome
}

/// The node's configuration: what a standalone needs, under whatever else is said.
fn configure(args: &Args, folder: &Folder, cluster: &Cluster) -> Outcome<Config> {
    let ports = match (args.ephemeral_ports, args.standard_ports) {
        (true, _) => Ports::EPHEMERAL,
        (_, true) => Ports::STANDARD,
        _ => Ports::UNPRIVILEGED,
    };
    let certificate = folder.certificate(args.listen)?;
    let base =
        base::node(folder, &cluster.url(STATEMENT_SECONDS), &certificate, args.listen, &ports)?;
    let mut layers = Layers::files(args.config.clone());
    layers.base = Some(base);
    layers.flags.clone_from(&args.set);
    Ok(load(&layers)?)
}

async fn with_postgres(
    args: &Args,
    mut config: Config,
    direct: &PostgresConfig,
    folder: &Folder,
    postgres: &Supervisor,
    stop: &Stop,
) -> Outcome {
    let store = connect::store(&config)?;
    let Some(()) = wait(&store, postgres, stop).await? else { return Ok(()) };
    store::migrate::up(direct).await?;
    let directory = directory::Directory::new(store, config.directory.clone());
    let domain = args.domain.clone().unwrap_or_else(base::default_domain);
    let first = first::account(&directory, folder, &args.account, &domain).await?;
    if config.directory.postmaster.is_none() {
        let address = first.account.as_deref();
        config.directory.postmaster = address.and_then(|a| types::EmailAddress::parse(a).ok());
    }
    drop(directory);
    node::run(config, stop, |mut ready| {
        ready.first = Some(first);
        let text =
            if args.ready_json { ready.line() } else { welcome::text(&ready, folder.path()) };
        output::print(&text)
    })
    .await
}

/// Until PostgreSQL takes connections; a recovery may take its time. `None`: told to stop.
async fn wait(store: &store::Store, postgres: &Supervisor, stop: &Stop) -> Outcome<Option<()>> {
    /// So often in a row it may end before that is no bad luck.
    const TRIES: u32 = 6;
    let mut looks = 0_u32;
    while store.ping().await.is_err() {
        if let State::Ended { times, why } = postgres.state()
            && times >= TRIES
        {
            return Err(Failure::failed(format!("PostgreSQL does not start: {why}")));
        }
        looks += 1;
        if looks.is_multiple_of(200) {
            output::note("Waiting for PostgreSQL; it may be recovering.");
        }
        tokio::select! {
            () = stop.asked() => return Ok(None),
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
    }
    Ok(Some(()))
}
