//! `queue list`.

use super::select::Filters;
use crate::cmd::operator::Where;
use crate::exit::Outcome;
use crate::output::{ago, table};
use chrono::{DateTime, Utc};
use store::queue::{Listed, QueueState, queue_list};
use types::BlobId;

/// Rows per statement.
const PAGE: u32 = 500;

/// What `queue list` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    filters: Filters,
    /// At most so many
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

/// Runs it.
///
/// # Errors
/// PostgreSQL is away.
pub async fn run(place: &Where, args: Args) -> Outcome {
    let select = args.filters.select()?;
    let (_, store) = place.store().await?;
    let (mut all, mut after) = (Vec::<Listed>::new(), 0);
    while all.len() <= args.limit {
        let page = queue_list(&store, &select, after, PAGE).await?;
        let (short, last) = (page.len() < PAGE as usize, page.last().map(|row| row.id));
        all.extend(page);
        match last {
            Some(last) if !short => after = last,
            _ => break,
        }
    }
    let more = all.len() > args.limit;
    all.truncate(args.limit);
    place.output().show(&all, || text(&all, more))
}

fn text(all: &[Listed], more: bool) -> String {
    if all.is_empty() {
        return "nothing is queued\n".into();
    }
    let now = Utc::now();
    let rows: Vec<_> = all.iter().map(|one| row(one, now)).collect();
    let mut out =
        table(["NUMBER", "MESSAGE", "STATE", "AGE", "NEXT", "TRIES", "FROM", "TO", "LAST"], &rows);
    if more {
        out.push_str("… and more: see --limit\n");
    }
    out
}

fn row(one: &Listed, now: DateTime<Utc>) -> [String; 9] {
    let since = |at: DateTime<Utc>| ago((now - at).to_std().unwrap_or_default());
    let next = match one.state {
        QueueState::Sending => format!("now, for {}", since(one.due)),
        QueueState::Held => "-".into(),
        _ => match (one.due - now).to_std() {
            Ok(wait) => format!("in {}", ago(wait)),
            Err(_) => "now".into(),
        },
    };
    [
        one.id.to_string(),
        BlobId(one.queue.0).to_string(),
        one.state.name().into(),
        since(one.received_at),
        next,
        one.attempts.to_string(),
        if one.sender.is_empty() { "<>".into() } else { one.sender.clone() },
        one.recipient.clone(),
        one.last.chars().take(60).collect(),
    ]
}
