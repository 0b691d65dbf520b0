//! `queue stats`.

use crate::cmd::operator::Where;
use crate::exit::Outcome;
use crate::output::{ago, pairs, table};
use serde::Serialize;
use store::queue::{Pause, Stats, queue_pauses, queue_stats};

/// What `queue stats` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Destinations shown, the fullest first
    #[arg(long, default_value_t = 10)]
    top: u32,
}

#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    stats: Stats,
    oldest_due_seconds: f64,
    pauses: Vec<Pause>,
}

/// Runs it.
///
/// # Errors
/// PostgreSQL is away.
pub async fn run(place: &Where, args: Args) -> Outcome {
    let (_, store) = place.store().await?;
    let stats = queue_stats(&store, args.top).await?;
    let oldest_due_seconds = stats.oldest_due.as_secs_f64();
    let shown = Shown { stats, oldest_due_seconds, pauses: queue_pauses(&store).await? };
    place.output().show(&shown, || text(&shown))
}

fn text(shown: &Shown) -> String {
    let Stats { waiting, due, sending, reports, held, local, oldest_due, destinations } =
        &shown.stats;
    let mut out = pairs(&[
        ("waiting for their time", waiting.to_string()),
        ("due", due.to_string()),
        ("oldest due for", if *due > 0 { ago(*oldest_due) } else { "-".into() }),
        ("being sent", sending.to_string()),
        ("reports to be written", reports.to_string()),
        ("held", held.to_string()),
        ("for mailboxes here", local.to_string()),
    ]);
    let rows: Vec<_> = destinations
        .iter()
        .map(|(domain, all, due)| [domain.clone(), all.to_string(), due.to_string()])
        .collect();
    if !rows.is_empty() {
        out.push('\n');
        out.push_str(&table(["DESTINATION", "RECIPIENTS", "DUE"], &rows));
    }
    let pauses: Vec<_> = shown.pauses.iter().map(pause).collect();
    if !pauses.is_empty() {
        out.push('\n');
        out.push_str(&table(["PAUSED", "SINCE", "WHY"], &pauses));
    }
    out
}

fn pause(pause: &Pause) -> [String; 3] {
    let since = pause.since.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    let what = if pause.destination == "*" { "everything" } else { &pause.destination };
    [what.to_owned(), since, pause.reason.clone()]
}
