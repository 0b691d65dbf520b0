//! `postrider migrate`: the database schema.

use crate::cmd::operator::Where;
use crate::connect;
use crate::exit::Outcome;
use crate::output::{note, table};
use clap::Subcommand;
use store::migrate;

/// The database schema. Migrations are part of this binary; old and new binaries run side by side.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  postrider migrate status
  postrider migrate up          # before the first start, and before each upgrade
  postrider migrate check && postrider serve

`up` needs a direct connection to PostgreSQL, not one through a transaction
pooler. It may be started on ten nodes at once; they take turns.")]
pub struct Args {
    #[command(flatten)]
    place: Where,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Apply what is missing
    Up,
    /// Show what is applied and what is not
    Status,
    /// Say, by the exit code too, whether this binary works with the schema
    Check,
}

/// Runs the command.
///
/// # Errors
/// PostgreSQL is away, a migration fails, or (`check`) the schema is not one of ours.
pub async fn run(args: Args) -> Outcome {
    match args.action {
        Action::Up => up(&args.place).await,
        Action::Status => status(&args.place).await,
        Action::Check => check(&args.place).await,
    }
}

async fn up(place: &Where) -> Outcome {
    let config = place.load()?;
    let store = connect::store(&config)?;
    let before = migrate::status(&store).await.map_err(|error| place.explain(error))?;
    if before.applied < before.newest {
        note(&format!("migrating from schema version {} to {} …", before.applied, before.newest));
    }
    let applied = migrate::up(&config.postgres).await.map_err(|error| place.explain(error))?;
    place.output().show(&applied, || {
        if applied.is_empty() {
            return "nothing to do: the schema is up to date".into();
        }
        let done = |m: &migrate::Migration| format!("applied {} {}\n", m.version, m.name);
        applied.iter().map(done).collect()
    })
}

async fn status(place: &Where) -> Outcome {
    let config = place.load()?;
    let store = connect::store(&config)?;
    let status = migrate::status(&store).await.map_err(|error| place.explain(error))?;
    place.output().show(&status, || {
        let rows: Vec<_> = status
            .migrations
            .iter()
            .map(|m| {
                let state = if m.applied { "applied" } else { "pending" };
                [m.version.to_string(), m.name.clone(), state.into()]
            })
            .collect();
        let mut text = table(["VERSION", "NAME", "STATE"], &rows);
        if status.applied > status.newest {
            text.push_str(&format!(
                "the database is at version {}, newer than this binary knows\n",
                status.applied
            ));
        }
        text
    })
}

async fn check(place: &Where) -> Outcome {
    let config = place.load()?;
    let store = connect::store(&config)?;
    let status = migrate::check(&store).await.map_err(|error| place.explain(error))?;
    if status.applied < status.newest {
        note(
            "this binary works with the schema, but knows newer migrations: `postrider migrate up`",
        );
    }
    place.output().show(&status, || {
        let (applied, newest) = (status.applied, status.newest);
        format!("fine: the schema is at version {applied}, this binary knows {newest}")
    })
}
