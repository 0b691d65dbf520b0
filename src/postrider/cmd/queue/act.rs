//! What is done to queued mail. Bells are rung after each change, so that it counts at once.

use super::select::{Filters, Meant, domain};
use crate::cmd::operator::Where;
use crate::config::{Config, CoordinatorKind};
use crate::connect;
use crate::exit::{Code, Failure, Outcome};
use crate::outbound;
use crate::output::note;
use coordinator::work::Bell;
use directory::{DirectoryError, Lookup};
use serde_json::json;
use std::time::Duration;
use store::Store;
use store::queue::{Action, QueueState, Select, queue_change, queue_pause, queue_resume};
use types::{Destination, EmailAddress};

/// What `queue cancel` takes.
#[derive(Debug, clap::Args)]
pub struct Cancel {
    #[command(flatten)]
    meant: Meant,
    /// Tell the senders that it was not delivered
    #[arg(long)]
    bounce: bool,
}

/// What `queue redirect` takes.
#[derive(Debug, clap::Args)]
pub struct Redirect {
    #[command(flatten)]
    meant: Meant,
    /// To this address instead
    #[arg(long, value_name = "ADDRESS", required_unless_present = "via", conflicts_with = "via")]
    to: Option<String>,
    /// To the same address by way of this domain's servers, or its route
    #[arg(long, value_name = "DOMAIN")]
    via: Option<String>,
}

/// What `queue flush` takes.
#[derive(Debug, clap::Args)]
pub struct Flush {
    /// The domain
    #[arg(long)]
    domain: String,
}

/// What `queue pause` takes.
#[derive(Debug, clap::Args)]
pub struct Pause {
    /// Only for this domain
    #[arg(long, required_unless_present = "all")]
    domain: Option<String>,
    /// For every domain
    #[arg(long, conflicts_with = "domain")]
    all: bool,
    /// Why, for whoever looks at `queue stats`
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

/// What `queue resume` takes.
#[derive(Debug, clap::Args)]
pub struct Resume {
    /// The pause of this domain
    #[arg(long, required_unless_present = "all")]
    domain: Option<String>,
    /// The pause of everything
    #[arg(long, conflicts_with = "domain")]
    all: bool,
}

/// Does something to what is meant, and says how many it was.
///
/// # Errors
/// Nothing is meant; PostgreSQL is away.
pub async fn change(place: &Where, meant: &Meant, action: &Action, done: &str) -> Outcome {
    let select = meant.select()?;
    let (config, store) = place.store().await?;
    let recipients = apply(&config, &store, &select, action).await?;
    place.output().show(&json!({ "recipients": recipients }), || counted(recipients, done))
}

async fn apply(config: &Config, store: &Store, select: &Select, action: &Action) -> Outcome<u64> {
    let changed = queue_change(store, select, action, &operator()).await?;
    ring(config, changed.destinations).await;
    Ok(changed.recipients)
}

fn counted(recipients: u64, done: &str) -> String {
    match recipients {
        0 => "nothing in the queue is meant by that".into(),
        1 => format!("1 recipient: {done}"),
        n => format!("{n} recipients: {done}"),
    }
}

/// `queue cancel`.
///
/// # Errors
/// As [`change`].
pub async fn cancel(place: &Where, args: Cancel) -> Outcome {
    let (action, done) = if args.bounce {
        (Action::Bounce, "dropped, and the senders are told if they want to know")
    } else {
        (Action::Cancel, "dropped")
    };
    change(place, &args.meant, &action, done).await
}

/// `queue redirect`.
///
/// # Errors
/// As [`change`]; the address is none.
pub async fn redirect(place: &Where, args: Redirect) -> Outcome {
    let directory = place.directory().await?;
    let (recipient, destination, done) = match (args.to, args.via) {
        (Some(to), _) => {
            let address = EmailAddress::parse(&to)
                .map_err(|error| Failure::usage(format!("--to {to:?}: {error}")))?;
            let done = match directory.recipient(&address).await.map_err(away)? {
                Lookup::Accounts(_) => format!("will be delivered here, to {to}"),
                Lookup::NotOurs => format!("will go by way of {}", address.domain()),
                Lookup::Unknown | Lookup::Disabled => {
                    return Err(Failure::new(
                        Code::Named,
                        format!("nobody here takes mail for {to}"),
                    ));
                }
            };
            let destination = Destination::new(address.domain());
            (Some(to), destination, done)
        }
        (None, Some(via)) => {
            let via = domain(&via)?;
            if directory.is_ours(&via).await.map_err(away)? {
                let text =
                    format!("--via {via}: that is one of our own domains; give --to ADDRESS");
                return Err(Failure::usage(text));
            }
            let done = format!("will go by way of {via}");
            (None, Destination::new(&via), done)
        }
        (None, None) => return Err(Failure::usage("give --to ADDRESS or --via DOMAIN")),
    };
    change(place, &args.meant, &Action::Redirect { recipient, destination }, &done).await
}

fn away(error: DirectoryError) -> Failure {
    Failure::failed(error.to_string())
}

/// `queue flush`.
///
/// # Errors
/// As [`change`].
pub async fn flush(place: &Where, args: Flush) -> Outcome {
    let domain = domain(&args.domain)?;
    let (config, store) = place.store().await?;
    let opened = outbound::reopen(&config, &store, &domain).await;
    if let Err(error) = &opened {
        note(&format!("whether its servers are left alone for a while is unknown: {error}"));
    }
    let filters = Filters { domain: Some(domain), ..Filters::default() };
    let mut recipients = 0;
    for state in [QueueState::Waiting, QueueState::Due] {
        let select = Select { state: Some(state), ..filters.select()? };
        recipients += apply(&config, &store, &select, &Action::Retry).await?;
    }
    let shown = json!({ "recipients": recipients, "reopened": opened.is_ok_and(|opened| opened) });
    place.output().show(&shown, || counted(recipients, "will be tried now"))
}

/// `queue pause`.
///
/// # Errors
/// PostgreSQL is away.
pub async fn pause(place: &Where, args: Pause) -> Outcome {
    let destination = destination(args.domain.as_deref())?;
    let (_, store) = place.store().await?;
    queue_pause(&store, destination.as_ref(), &args.reason).await?;
    let what = destination.as_ref().map_or("*", Destination::domain);
    let shown = json!({ "paused": what, "reason": args.reason });
    place.output().show(&shown, || match &destination {
        Some(domain) => {
            format!("nothing leaves for {domain} until `queue resume --domain {domain}`")
        }
        None => "nothing leaves until `queue resume --all`".into(),
    })
}

/// `queue resume`.
///
/// # Errors
/// PostgreSQL is away.
pub async fn resume(place: &Where, args: Resume) -> Outcome {
    let destination = destination(args.domain.as_deref())?;
    let (config, store) = place.store().await?;
    let was = queue_resume(&store, destination.as_ref()).await?;
    ring(&config, destination.clone().into_iter().collect()).await;
    let what = destination.as_ref().map_or("*", Destination::domain);
    place.output().show(&json!({ "resumed": what, "was_paused": was }), || match (was, what) {
        (true, "*") => "mail leaves again, except where a domain has a pause of its own".into(),
        (true, domain) => format!("mail for {domain} leaves again"),
        (false, _) => "there was no such pause".into(),
    })
}

fn destination(name: Option<&str>) -> Outcome<Option<Destination>> {
    name.map(|name| Ok(Destination::new(&domain(name)?))).transpose()
}

/// Who did it, for the journal.
fn operator() -> String {
    let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER"));
    format!("{}@{}", user.unwrap_or_else(|_| "operator".into()), crate::config::hostname())
}

/// Wakes the nodes. Without it they find the work by themselves within seconds.
async fn ring(config: &Config, destinations: Vec<Destination>) {
    if destinations.is_empty() || config.coordinator.kind == CoordinatorKind::Local {
        return;
    }
    let Ok(coordinator) = connect::coordinator(config) else { return };
    let Some(work) = coordinator.work() else { return };
    let bells: Vec<_> = destinations.into_iter().map(|one| (one, Bell::Now)).collect();
    // The connection is made in the background: the first calls may come before it is there.
    for _ in 0..5 {
        if work.ring(&bells).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    note(
        "the coordinator does not answer; the nodes will find the work by themselves within seconds",
    );
}
