//! `postrider alias`: further addresses of accounts.

use crate::cmd::operator::Where;
use crate::exit::Outcome;
use crate::output::table;
use clap::Subcommand;
use serde_json::json;

/// Further addresses of accounts. An alias with several accounts delivers to each; `@domain` takes what
/// nothing else takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  postrider alias add info@example.org anna@example.org
  postrider alias add info@example.org ben@example.org    # now both get it
  postrider alias add @example.org anna@example.org       # whatever nobody else takes
  postrider alias list --account anna@example.org
  postrider alias remove info@example.org --account ben@example.org")]
pub struct Args {
    #[command(flatten)]
    place: Where,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Deliver an address to an account, or to one more
    Add {
        /// The address, or @domain
        alias: String,
        /// The account that gets its mail
        account: String,
    },
    /// Show aliases
    List {
        /// Only those of a domain
        #[arg(long)]
        domain: Option<String>,
        /// Only those of an account
        #[arg(long)]
        account: Option<String>,
    },
    /// Remove an alias
    Remove {
        /// The address, or @domain
        alias: String,
        /// Only its delivery to this account
        #[arg(long)]
        account: Option<String>,
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
        Action::Add { alias, account } => {
            directory.alias_add(&alias, &account).await?;
            output.show(&json!({ "alias": alias, "account": account }), || {
                format!("{alias} delivers to {account}")
            })
        }
        Action::List { domain, account } => {
            let aliases = directory.alias_list(domain.as_deref(), account.as_deref()).await?;
            output.show(&aliases, || {
                let rows: Vec<_> =
                    aliases.iter().map(|a| [a.address.clone(), a.account.clone()]).collect();
                table(["ALIAS", "ACCOUNT"], &rows)
            })
        }
        Action::Remove { alias, account } => {
            let removed = directory.alias_remove(&alias, account.as_deref()).await?;
            output.show(&json!({ "alias": alias, "removed": removed }), || match account {
                Some(account) => format!("{alias} no longer delivers to {account}"),
                None => format!("removed {alias}"),
            })
        }
    }
}
