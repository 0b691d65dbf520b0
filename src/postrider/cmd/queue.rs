//! `postrider queue`: mail that waits, and what can be done about it.

mod act;
mod list;
mod select;
mod show;
mod stats;

use crate::cmd::operator::Where;
use crate::exit::Outcome;
use clap::Subcommand;
pub(super) use select::{domain, time};

/// Mail that waits to be delivered. Works the same from every machine that has the configuration.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  postrider queue list --domain example.com --state waiting
  postrider queue show Bah2v4…          # a message's whole journey, also after it has left
  postrider queue retry --sender @example.org
  postrider queue hold --recipient spam@example.com
  postrider queue redirect 4711 --to other@example.net
  postrider queue flush --domain example.com   # try all of it now, whatever happened before
  postrider queue pause --domain example.com --reason 'their disk is full'
  postrider queue stats --json

A message's id is the one that the client was told (\"250 2.0.0 Ok, id B…\") and
that every log line has; a recipient's number is the first column of `list`.")]
pub struct Args {
    #[command(flatten)]
    place: Where,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show who waits, the longest waiting first
    List(list::Args),
    /// Show everything that happened to a message, on whatever node
    Show(show::Args),
    /// Try again now
    Retry(select::Meant),
    /// Do not try any more until released
    Hold(select::Meant),
    /// Undo `hold`
    Release(select::Meant),
    /// Drop from the queue
    Cancel(act::Cancel),
    /// Send elsewhere
    Redirect(act::Redirect),
    /// Try all mail for a domain now, even if its servers were left alone for a while
    Flush(act::Flush),
    /// Count what is in the queue
    Stats(stats::Args),
    /// Let nothing leave for a domain, or at all; what is under way goes on
    Pause(act::Pause),
    /// Undo `pause`
    Resume(act::Resume),
}

/// Runs the command.
///
/// # Errors
/// As its action.
pub async fn run(args: Args) -> Outcome {
    use store::queue::Action as Change;
    let place = args.place;
    match args.action {
        Action::List(args) => list::run(&place, args).await,
        Action::Show(args) => show::run(&place, args).await,
        Action::Retry(meant) => {
            act::change(&place, &meant, &Change::Retry, "will be tried now").await
        }
        Action::Hold(meant) => act::change(&place, &meant, &Change::Hold, "held").await,
        Action::Release(meant) => act::change(&place, &meant, &Change::Release, "released").await,
        Action::Cancel(args) => act::cancel(&place, args).await,
        Action::Redirect(args) => act::redirect(&place, args).await,
        Action::Flush(args) => act::flush(&place, args).await,
        Action::Stats(args) => stats::run(&place, args).await,
        Action::Pause(args) => act::pause(&place, args).await,
        Action::Resume(args) => act::resume(&place, args).await,
    }
}
