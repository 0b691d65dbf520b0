//! `postrider limit`: how much mail may leave at once.

use crate::cmd::operator::Where;
use crate::cmd::queue::time;
use crate::cmd::route::checked;
use crate::exit::{Code, Failure, Outcome};
use crate::output::{ago, table};
use clap::{Subcommand, ValueEnum};
use serde_json::json;
use std::time::Duration;
use store::queue::{LimitRow, LimitScope, limit_list, limit_put, limit_remove};

/// How much mail may leave at once, from all nodes together. In force within seconds.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  postrider limit set site '*.google.com' --connections 10
  postrider limit set site example.com --connections 2 --messages 100 --per 1h
  postrider limit set sender @example.org --messages 1000 --per 1d
  postrider limit set tenant 3 --messages 50
  postrider limit list
  postrider limit remove site example.com

A site is the set of servers that take a domain's mail: all domains of one
provider share its limit. It is meant by the name of one of its servers, by a
domain, or by *.domain; * is every site without a limit of its own. A sender is
an address, @domain, or * for each; a tenant its number, or *. What waits for a
rate looks again when the rate allows more; `queue retry` lets it look at once.")]
pub struct Args {
    #[command(flatten)]
    place: Where,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Scope {
    Site,
    Tenant,
    Sender,
}

impl From<Scope> for LimitScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Site => Self::Site,
            Scope::Tenant => Self::Tenant,
            Scope::Sender => Self::Sender,
        }
    }
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Set a limit, or replace the one that is there
    Set {
        /// Whose mail
        scope: Scope,
        /// Which of them
        pattern: String,
        /// At most so many connections to a site, or messages under way of a tenant or sender
        #[arg(long, required_unless_present = "messages", value_parser = clap::value_parser!(u32).range(1..))]
        connections: Option<u32>,
        /// At most so many messages …
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        messages: Option<u32>,
        /// … in so long, e.g. 60s, 1h, 1d
        #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
        per: Duration,
    },
    /// Show all limits
    List,
    /// Remove a limit
    Remove {
        /// Whose mail
        scope: Scope,
        /// Which of them
        pattern: String,
    },
}

/// Runs the command.
///
/// # Errors
/// As its action.
pub async fn run(args: Args) -> Outcome {
    let place = args.place;
    match args.action {
        Action::Set { scope, pattern, connections, messages, per } => {
            if per.is_zero() {
                return Err(Failure::usage("--per: at least 1s"));
            }
            let pattern = named(scope, &pattern)?;
            let limit = LimitRow { scope: scope.into(), pattern, connections, messages, per };
            let (_, store) = place.store().await?;
            limit_put(&store, &limit).await?;
            place.output().show(&limit, || list(std::slice::from_ref(&limit)))
        }
        Action::List => {
            let (_, store) = place.store().await?;
            let limits = limit_list(&store).await?;
            place.output().show(&limits, || list(&limits))
        }
        Action::Remove { scope, pattern } => {
            let pattern = named(scope, &pattern)?;
            let (_, store) = place.store().await?;
            let scope = LimitScope::from(scope);
            if !limit_remove(&store, scope, &pattern).await? {
                let line = format!("there is no limit of {} {pattern}", scope.name());
                return Err(Failure::new(Code::Named, line));
            }
            let shown = json!({ "scope": scope, "pattern": pattern });
            place.output().show(&shown, || format!("removed {} {pattern}", scope.name()))
        }
    }
}

fn named(scope: Scope, pattern: &str) -> Outcome<String> {
    let wrong = |what: &str| Err(Failure::usage(format!("{pattern:?} is no {what}")));
    match scope {
        // A whole site has a name with commas.
        Scope::Site if pattern.contains(',') => Ok(pattern.to_ascii_lowercase()),
        Scope::Site => checked(pattern),
        Scope::Tenant if pattern == "*" || pattern.parse::<i32>().is_ok() => Ok(pattern.to_owned()),
        Scope::Tenant => wrong("tenant's number"),
        Scope::Sender if pattern == "*" || pattern.contains('@') => {
            Ok(pattern.to_ascii_lowercase())
        }
        Scope::Sender => wrong("address or @domain"),
    }
}

fn list(limits: &[LimitRow]) -> String {
    if limits.is_empty() {
        return "no limits but those of the configuration ([queue] site_connections)\n".into();
    }
    let row = |limit: &LimitRow| {
        let connections = limit.connections.map_or_else(|| "-".into(), |n| n.to_string());
        let messages = limit.messages.map(|n| format!("{n} in {}", ago(limit.per)));
        let scope = limit.scope.name().to_owned();
        [scope, limit.pattern.clone(), connections, messages.unwrap_or_else(|| "-".into())]
    };
    let rows: Vec<_> = limits.iter().map(row).collect();
    table(["SCOPE", "WHICH", "CONNECTIONS", "MESSAGES"], &rows)
}
