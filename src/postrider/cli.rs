//! The command line. Each group of commands is a file under `cmd`.

use crate::cmd;
use crate::exit::{self, Failure, Outcome};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A mail server whose every node can serve every user.
#[derive(Debug, Parser)]
#[command(name = "postrider", version, about, after_help = exit::HELP)]
#[command(propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A whole mail server on this machine: one command, one folder
    Standalone(cmd::standalone::Args),
    /// One node of a cluster
    Serve(cmd::serve::Args),
    /// The database schema
    Migrate(cmd::migrate::Args),
    /// The domains that this cluster takes mail for
    Domain(cmd::domain::Args),
    /// The accounts that own mail and log in
    Account(cmd::account::Args),
    /// Further addresses of accounts
    Alias(cmd::alias::Args),
    /// Mail that waits to be delivered
    Queue(cmd::queue::Args),
    /// How mail for some domains leaves
    Route(cmd::route::Args),
    /// How much mail may leave at once
    Limit(cmd::limit::Args),
    /// The configuration
    Config(cmd::config::Args),
    /// The nodes of the cluster
    Cluster(cmd::cluster::Args),
    /// Asks everything a node stands on and says what is wrong
    Doctor(cmd::doctor::Args),
}

/// Does what the command line says.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return exit::report(Err(Failure::failed(format!("cannot start threads: {error}"))));
        }
    };
    let outcome = runtime.block_on(dispatch(cli.command));
    // Whatever still runs (a hash, a file) is not waited for: nothing that was promised depends on it.
    runtime.shutdown_background();
    exit::report(outcome)
}

async fn dispatch(command: Command) -> Outcome {
    match command {
        Command::Standalone(args) => cmd::standalone::run(args).await,
        Command::Serve(args) => cmd::serve::run(args).await,
        Command::Migrate(args) => cmd::migrate::run(args).await,
        Command::Domain(args) => cmd::domain::run(args).await,
        Command::Account(args) => cmd::account::run(args).await,
        Command::Alias(args) => cmd::alias::run(args).await,
        Command::Queue(args) => cmd::queue::run(args).await,
        Command::Route(args) => cmd::route::run(args).await,
        Command::Limit(args) => cmd::limit::run(args).await,
        Command::Config(args) => cmd::config::run(args),
        Command::Cluster(args) => cmd::cluster::run(args).await,
        Command::Doctor(args) => cmd::doctor::run(args).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_tests_and_compose_files_say_is_understood() {
        let lines = [
            "standalone --data /d --listen 127.0.0.1 --ephemeral-ports --ready-json",
            "serve --config /f --config /g --set limits.per_ip=3 --ready-json",
            "migrate --config /f up",
            "migrate up --config /f --json",
            "domain add example.org --data /d",
            "account add a@example.org --password-stdin --quota 5G --name 'A'",
            "account remove a@example.org --yes",
            "alias add info@example.org a@example.org",
            "alias list --domain example.org --json",
            "config check --config /f",
            "cluster status --json",
            "queue list --domain example.org --state waiting --older-than 2h --limit 5 --json",
            "queue show Bx --data /d",
            "queue retry 4711 4712",
            "queue hold --sender @example.org",
            "queue cancel --all --bounce",
            "queue redirect 7 --to a@example.org",
            "queue flush --domain example.org",
            "queue pause --all --reason maintenance",
            "queue resume --domain example.org",
            "route add * --relay smtp.example.org:587 --tls verify --auth-user me",
            "route add example.org --relay [::1]:24 --lmtp --retry-first 1m --retry-longest 1h --expire 2d",
            "limit set site *.example.org --connections 2 --messages 5 --per 1h",
            "doctor",
        ];
        for line in lines {
            let words = std::iter::once("postrider").chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_ok(), "{line}");
        }
        for line in [
            "doctor --config /f --data /d",
            "account add",
            "serve",
            "account passwd a b",
            "queue pause",
            "queue redirect 7",
            "queue list --state x",
            "route add a --relay b",
            "limit set site a",
            "route add a --auth-user b",
        ] {
            let words = std::iter::once("postrider").chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_err() || line == "serve", "{line}");
        }
    }
}
