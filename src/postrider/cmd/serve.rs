//! `postrider serve`: one node of a cluster.

use crate::cmd::operator::config_files;
use crate::config::{Layers, load};
use crate::exit::{Failure, Outcome};
use crate::signals::{Hangup, Stop};
use crate::{log, node, output};
use std::path::PathBuf;

/// Starts one node against PostgreSQL, a blob store and a coordinator. Any number of nodes share them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  postrider migrate up      # once, and before each upgrade
  postrider serve --config /etc/postrider/postrider.toml
  POSTRIDER__LIMITS__MEMORY_MIB=2048 postrider serve

Settings come from the files, then from POSTRIDER__SECTION__KEY in the
environment, then from --set; later ones win. `postrider config check` shows
what comes out.

SIGTERM and SIGINT drain: nobody new comes in, answers under way are given,
goodbyes are spread over limits.drain_seconds. A second signal ends at once.")]
pub struct Args {
    /// Configuration file; may be given several times, later ones win
    /// [default: $POSTRIDER_CONFIG or /etc/postrider/postrider.toml]
    #[arg(long, short, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// One setting, e.g. limits.per_ip=50
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
    /// Print one line of JSON with all addresses on stdout once every listener accepts
    #[arg(long)]
    ready_json: bool,
}

/// `key=value` of `--set`.
pub fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().into(), value.into())),
        _ => Err("expected KEY=VALUE, e.g. limits.per_ip=50".into()),
    }
}

/// Runs the command.
///
/// # Errors
/// What keeps the node from starting.
pub async fn run(args: Args) -> Outcome {
    let mut layers = Layers::files(config_files(&args.config)?);
    layers.flags = args.set;
    let config = load(&layers)?;
    if config.listen.wanted().is_empty() {
        return Err(Failure::usage(
            "nothing to serve: the configuration has no [listen.…] section",
        ));
    }
    log::start(&config.log);
    let stop = Stop::on_signals(Hangup::Ignored)?;
    node::run(
        config,
        &stop,
        |ready| {
            if args.ready_json { output::print(&ready.line()) } else { Ok(()) }
        },
    )
    .await
}
