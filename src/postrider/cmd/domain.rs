//! `postrider domain`: what this cluster takes mail for.

use crate::cmd::operator::Where;
use crate::exit::Outcome;
use crate::output::table;
use clap::Subcommand;
use serde_json::json;

/// The domains that this cluster takes mail for.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  postrider domain add example.org
  postrider domain list --json
  postrider domain remove example.org      # only when it has no accounts and aliases left")]
pub struct Args {
    #[command(flatten)]
    place: Where,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Take mail for a domain from now on
    Add {
        /// Its name
        domain: String,
    },
    /// Show all
    List,
    /// Take no more mail for a domain that is empty
    Remove {
        /// Its name
        domain: String,
    },
}

/// Runs the command.
///
/// # Errors
/// As its action.
pub async fn run(args: Args) -> Outcome {
    let directory = args.place.directory().await?;
    let output = args.place.output();
    match args.action {
        Action::Add { domain } => {
            let name = directory.domain_add(&domain).await?;
            output.show(&json!({ "domain": name }), || {
                format!("added {name}\nnext: postrider account add somebody@{name}")
            })
        }
        Action::List => {
            let domains = directory.domain_list().await?;
            output.show(&domains, || {
                let row = |d: &directory::DomainRow| {
                    [
                        d.name.clone(),
                        d.tenant.clone(),
                        d.accounts.to_string(),
                        d.aliases.to_string(),
                    ]
                };
                let rows: Vec<_> = domains.iter().map(row).collect();
                table(["DOMAIN", "TENANT", "ACCOUNTS", "ALIASES"], &rows)
            })
        }
        Action::Remove { domain } => {
            directory.domain_remove(&domain).await?;
            output.show(&json!({ "domain": domain }), || format!("removed {domain}"))
        }
    }
}
