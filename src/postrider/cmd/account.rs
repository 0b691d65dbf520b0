//! `postrider account`: who owns mail and logs in.

use crate::cmd::operator::Where;
use crate::cmd::password;
use crate::exit::{Failure, Outcome};
use crate::output::{octets, pairs, print, table};
use clap::Subcommand;
use directory::{AccountRow, Directory};
use serde_json::json;
use std::io::{IsTerminal, Write};

/// The accounts that own mail and log in. An account's address is its user name.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  postrider account add anna@example.org --name 'Anna Adler'   # asks for a password
  postrider account add ben@example.org --quota 5G --password-stdin < secret
  postrider account passwd anna@example.org
  postrider account list --domain example.org --json
  postrider account disable ben@example.org        # mail stays, nobody gets in
  postrider account remove ben@example.org --yes   # mail goes too")]
pub struct Args {
    #[command(flatten)]
    place: Where,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add an account with INBOX, Drafts, Sent, Trash, Junk and Archive
    Add {
        /// Its address
        address: String,
        /// For people
        #[arg(long, default_value = "", hide_default_value = true)]
        name: String,
        /// Limit of its mail, e.g. 500M or 5G; none if not given
        #[arg(long, value_parser = size)]
        quota: Option<u64>,
        /// Read the password from the first line of stdin instead of asking
        #[arg(long)]
        password_stdin: bool,
    },
    /// Set a new password; it counts at once on every node
    Passwd {
        /// Its address
        address: String,
        /// Read the password from the first line of stdin instead of asking
        #[arg(long)]
        password_stdin: bool,
    },
    /// Show all accounts
    List {
        /// Only those of a domain
        #[arg(long)]
        domain: Option<String>,
    },
    /// Show one account and its aliases
    Show {
        /// Its address
        address: String,
    },
    /// Let nobody in and take no mail; what is stored stays
    Disable {
        /// Its address
        address: String,
    },
    /// Undo `disable`
    Enable {
        /// Its address
        address: String,
    },
    /// Remove an account with all its mail, in the background; its address is free at once
    Remove {
        /// Its address
        address: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Runs the command.
///
/// # Errors
/// As its action.
pub async fn run(args: Args) -> Outcome {
    let place = args.place;
    match args.action {
        Action::Add { address, name, quota, password_stdin } => {
            // The configuration first: nobody types a password for nothing.
            let directory = place.directory().await?;
            let password = password::new(password_stdin, &address)?;
            let id = directory.account_add(&address, &password, &name, quota).await?;
            let shown = json!({ "id": id, "address": address });
            place.output().show(&shown, || format!("added {address}"))
        }
        Action::Passwd { address, password_stdin } => {
            let directory = place.directory().await?;
            directory.account_show(&address).await?;
            let password = password::new(password_stdin, &address)?;
            directory.account_passwd(&address, &password).await?;
            let shown = json!({ "address": address });
            place.output().show(&shown, || format!("{address} has a new password"))
        }
        Action::List { domain } => list(&place, domain.as_deref()).await,
        Action::Show { address } => show(&place, &address).await,
        Action::Disable { address } => {
            let id = place.directory().await?.account_disable(&address).await?;
            let shown = json!({ "id": id, "address": address, "active": false });
            place.output().show(&shown, || format!("disabled {address}"))
        }
        Action::Enable { address } => {
            let id = place.directory().await?.account_enable(&address).await?;
            let shown = json!({ "id": id, "address": address, "active": true });
            place.output().show(&shown, || format!("enabled {address}"))
        }
        Action::Remove { address, yes } => remove(&place, &address, yes).await,
    }
}

async fn list(place: &Where, domain: Option<&str>) -> Outcome {
    let directory = place.directory().await?;
    if place.output().is_json() {
        return place.output().show(&directory.account_list(domain).await?, String::new);
    }
    // Page by page: a hundred thousand accounts are shown as they come.
    let (mut after, mut first) = (String::new(), true);
    loop {
        let page = directory.account_page(domain, &after).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.address);
        let rows: Vec<_> = page.iter().map(row).collect();
        let text = table(["ADDRESS", "NAME", "STATE", "MESSAGES", "SIZE", "QUOTA"], &rows);
        let text = if first { text.as_str() } else { text.split_once('\n').map_or("", |t| t.1) };
        print(text)?;
        first = false;
    }
    if first { print("no accounts") } else { Ok(()) }
}

fn row(account: &AccountRow) -> [String; 6] {
    [
        account.address.clone(),
        account.display_name.clone(),
        state(account).into(),
        account.used_messages.to_string(),
        size_text(account.used_bytes),
        account.quota_bytes.map_or_else(|| "-".into(), size_text),
    ]
}

fn state(account: &AccountRow) -> &'static str {
    if account.active { "active" } else { "disabled" }
}

fn size_text(bytes: i64) -> String {
    octets(u64::try_from(bytes).unwrap_or(0))
}

async fn show(place: &Where, address: &str) -> Outcome {
    let details = place.directory().await?.account_show(address).await?;
    place.output().show(&details, || {
        let account = &details.account;
        let quota = account.quota_bytes.map_or_else(|| "no limit".into(), size_text);
        let created = account.created_at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
        pairs(&[
            ("address", account.address.clone()),
            ("id", account.id.to_string()),
            ("name", account.display_name.clone()),
            ("state", state(account).into()),
            ("created", created),
            ("messages", account.used_messages.to_string()),
            ("size", size_text(account.used_bytes)),
            ("quota", quota),
            ("aliases", details.aliases.join(", ")),
        ])
    })
}

async fn remove(place: &Where, address: &str, yes: bool) -> Outcome {
    let directory = place.directory().await?;
    if !yes {
        confirm(&directory, address).await?;
    }
    let id = directory.account_remove(address).await?;
    let shown = json!({ "id": id, "address": address });
    place.output().show(&shown, || format!("removed {address}; its mail is being purged"))
}

/// All the account's mail goes: a person has to mean it.
async fn confirm(directory: &Directory, address: &str) -> Outcome {
    let account = directory.account_show(address).await?.account;
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(format!("removing {address} with all its mail needs --yes")));
    }
    let (messages, size) = (account.used_messages, size_text(account.used_bytes));
    let question = format!("Remove {address} with {messages} messages ({size})? Type yes: ");
    let _ = std::io::stderr().write_all(question.as_bytes());
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    match read {
        Ok(_) if answer.trim() == "yes" => Ok(()),
        _ => Err(Failure::failed("nothing was removed")),
    }
}

/// `500M`, `5G`, `1T`, or octets; binary multiples.
fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no size: say 500M or 5G");
    let upper = text.trim().to_ascii_uppercase();
    let upper = upper.trim_end_matches('B').trim_end_matches('I');
    let (digits, shift) = match upper.chars().last().ok_or_else(wrong)? {
        'K' => (&upper[..upper.len() - 1], 10),
        'M' => (&upper[..upper.len() - 1], 20),
        'G' => (&upper[..upper.len() - 1], 30),
        'T' => (&upper[..upper.len() - 1], 40),
        _ => (upper, 0),
    };
    let number: u64 = digits.trim().parse().map_err(|_| wrong())?;
    let octets = number.checked_mul(1 << shift).filter(|octets| *octets > 0);
    octets.filter(|octets| i64::try_from(*octets).is_ok()).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_people_write_them() {
        assert_eq!(size("5G"), Ok(5 << 30));
        assert_eq!(size("500m"), Ok(500 << 20));
        assert_eq!(size("10 KiB"), Ok(10 << 10));
        assert_eq!(size("1048576"), Ok(1 << 20));
        for wrong in ["", "G", "-1M", "0", "5X", "99999999T", "1.5G"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
