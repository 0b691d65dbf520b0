//! `postrider doctor`: asks everything a node stands on, and says in words what is wrong.

use crate::cmd::operator::Where;
use crate::config::{Config, CoordinatorKind};
use crate::connect;
use crate::exit::{Code, Failure, Outcome};
use crate::outbound::settings::credentials;
use crate::output::table;
use crate::seal::Seal;
use blob::{BlobError, BlobStore, ObjectKey};
use bytes::Bytes;
use coordinator::{Coordinator, Hint};
use serde::Serialize;
use std::future::Future;
use std::time::{Duration, Instant};
use store::{Store, StoreError};
use types::{AccountId, ModSeq};

/// Asks PostgreSQL, the blob store and the coordinator, takes the time, and says what is wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  postrider doctor
  postrider doctor --json | jq -e .healthy

It writes one small object into the blob store and removes it, and publishes
one hint that no node listens to. Exit code 4 when something is away, 1 when
something is wrong, 0 when all is well.")]
pub struct Args {
    #[command(flatten)]
    place: Where,
}

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Round trips of which the median is shown.
const ROUNDS: usize = 5;
/// Slower than this is worth a word: each message costs several round trips.
const SLOW_DATABASE: Duration = Duration::from_millis(10);
/// The same for the blob store: each message costs one PUT.
const SLOW_BLOB: Duration = Duration::from_secs(1);

#[derive(Debug, Serialize)]
struct Report {
    healthy: bool,
    checks: Vec<Check>,
}

/// One question and its answer.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    milliseconds: Option<f64>,
    /// What is wrong and what to do, or what was seen.
    detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    /// Works, but.
    Warning,
    Wrong,
    Away,
}

impl Check {
    fn new(name: &'static str, verdict: Verdict, detail: impl Into<String>) -> Self {
        Self { name, verdict, milliseconds: None, detail: detail.into() }
    }

    fn timed(name: &'static str, took: Duration, slow: Duration, what: &str) -> Self {
        let milliseconds = Some(took.as_secs_f64() * 1e3);
        let (verdict, detail) = if took > slow {
            (Verdict::Warning, format!("{what}, slow: more than {} ms", slow.as_millis()))
        } else {
            (Verdict::Ok, what.to_owned())
        };
        Self { name, verdict, milliseconds, detail }
    }
}

/// Runs the command.
///
/// # Errors
/// Something is away or wrong; the report says what.
pub async fn run(args: Args) -> Outcome {
    let config = args.place.load()?;
    let store = connect::store(&config)?;
    let mut checks = vec![postgres(&store, &args.place).await];
    if checks.iter().all(|check| check.verdict != Verdict::Away) {
        checks.push(schema(&store).await);
        checks.push(durability(&store).await);
        checks.push(secrets(&config, &store).await);
    }
    checks.push(blob_store(&config).await);
    checks.push(coordinator(&config).await);
    let worst = |verdict| checks.iter().any(|check: &Check| check.verdict == verdict);
    let outcome = match (worst(Verdict::Away), worst(Verdict::Wrong)) {
        (true, _) => Err(Failure::new(Code::Unavailable, "something a node needs is away")),
        (_, true) => Err(Failure::failed("something is wrong")),
        _ => Ok(()),
    };
    let report = Report { healthy: outcome.is_ok(), checks };
    args.place.output().show(&report, || text(&report))?;
    outcome
}

fn text(report: &Report) -> String {
    let row = |check: &Check| {
        let verdict = match check.verdict {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Wrong => "WRONG",
            Verdict::Away => "AWAY",
        };
        let took = check.milliseconds.map_or_else(|| "-".into(), |ms| format!("{ms:.2} ms"));
        [check.name.to_owned(), verdict.to_owned(), took, check.detail.clone()]
    };
    let rows: Vec<_> = report.checks.iter().map(row).collect();
    table(["WHAT", "VERDICT", "TIME", "IN WORDS"], &rows)
}

/// The median of several, or the first failure.
async fn median<E, F>(call: impl Fn() -> F) -> Result<Duration, E>
where
    F: Future<Output = Result<(), E>>,
{
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        call().await?;
        times.push(begun.elapsed());
    }
    times.sort();
    Ok(times[ROUNDS / 2])
}

async fn postgres(store: &Store, place: &Where) -> Check {
    let name = "postgres";
    // The connection is made first, so that its cost is not counted as a round trip.
    let rounds = async {
        store.ping().await?;
        median(|| store.ping()).await
    };
    match tokio::time::timeout(PATIENCE, rounds).await {
        Ok(Ok(took)) => Check::timed(name, took, SLOW_DATABASE, "a round trip"),
        Ok(Err(error)) => Check::new(name, Verdict::Away, place.explain(error).to_string()),
        Err(_) => Check::new(name, Verdict::Away, "no answer: is postgres.url right?"),
    }
}

async fn schema(store: &Store) -> Check {
    let name = "schema";
    match store::migrate::check(store).await {
        Ok(status) if status.applied < status.newest => Check::new(
            name,
            Verdict::Warning,
            format!("at version {}, run `postrider migrate up`", status.applied),
        ),
        Ok(status) => Check::new(name, Verdict::Ok, format!("at version {}", status.applied)),
        Err(error @ StoreError::Schema(_)) => Check::new(name, Verdict::Wrong, error.to_string()),
        Err(error) => Check::new(name, Verdict::Away, error.to_string()),
    }
}

async fn durability(store: &Store) -> Check {
    let name = "durability";
    match store::directory::durability_read(store).await {
        Ok(durability) => match durability.complaint() {
            Some(complaint) => Check::new(name, Verdict::Wrong, complaint),
            None if durability.standbys == 0 => {
                let version = durability.server_version;
                let text = format!("PostgreSQL {version}, COMMIT reaches the disk; no standby");
                Check::new(name, Verdict::Ok, text)
            }
            None => {
                let (version, count) = (durability.server_version, durability.standbys);
                let text = format!("PostgreSQL {version}, COMMIT waits for a standby ({count})");
                Check::new(name, Verdict::Ok, text)
            }
        },
        Err(error) => Check::new(name, Verdict::Away, error.to_string()),
    }
}

/// Whether this node can read what is sealed.
async fn secrets(config: &Config, store: &Store) -> Check {
    let name = "secrets";
    let seal = match Seal::of(&config.secrets) {
        Ok(seal) => seal,
        Err(error) => return Check::new(name, Verdict::Wrong, error.to_string()),
    };
    let routes = match store::queue::route_list(store).await {
        Ok(routes) => routes,
        Err(error) => return Check::new(name, Verdict::Away, error.to_string()),
    };
    for route in &routes {
        if let Err(closed) = credentials(route, seal.as_ref()) {
            let text = format!("the password of the route {}: {closed}", route.pattern);
            return Check::new(name, Verdict::Wrong, text);
        }
    }
    let sealed = routes.iter().filter(|route| route.auth_secret.is_some()).count();
    let key = if seal.is_some() { "there is a key" } else { "no key, and none is needed" };
    Check::new(name, Verdict::Ok, format!("{key}; passwords of routes: {sealed}"))
}

async fn blob_store(config: &Config) -> Check {
    let name = "blob store";
    let store = match connect::blobs(config).await {
        Ok(blobs) => blobs.bare,
        Err(failure) => return Check::new(name, Verdict::Wrong, failure.to_string()),
    };
    match tokio::time::timeout(PATIENCE, put_get_delete(store.as_ref())).await {
        Ok(Ok(took)) => Check::timed(name, took, SLOW_BLOB, "a put; get and delete worked too"),
        Ok(Err(error @ BlobError::Unavailable(_))) => {
            Check::new(name, Verdict::Away, error.to_string())
        }
        Ok(Err(error)) => Check::new(name, Verdict::Wrong, error.to_string()),
        Err(_) => Check::new(name, Verdict::Away, "no answer: is blob.endpoint right?"),
    }
}

/// Writes an object, reads it back, deletes it, and sees it gone. Gives how long the write took.
async fn put_get_delete(store: &dyn BlobStore) -> Result<Duration, BlobError> {
    let day = chrono::Utc::now().format("%Y%m%d").to_string().parse().unwrap_or(19_700_101);
    let key = ObjectKey::new(day);
    let body = Bytes::from_static(b"postrider doctor\n");
    let begun = Instant::now();
    store.put(&key, vec![body.clone()]).await?;
    let took = begun.elapsed();
    let read = blob::get_bytes(store, &key, 0..body.len() as u64).await;
    store.delete(&key).await?;
    if read? != body {
        return Err(BlobError::Corrupt(format!("{key}: other octets came back")));
    }
    match blob::get_bytes(store, &key, 0..1).await {
        Err(BlobError::NotFound(_)) => Ok(took),
        Ok(_) => Err(BlobError::Corrupt(format!("{key} was deleted and is still there"))),
        Err(error) => Err(error),
    }
}

async fn coordinator(config: &Config) -> Check {
    let name = "coordinator";
    if config.coordinator.kind == CoordinatorKind::Local {
        return Check::new(name, Verdict::Ok, "local: within the one node, nothing to ask");
    }
    let coordinator = match connect::coordinator(config) {
        Ok(coordinator) => coordinator,
        Err(failure) => return Check::new(name, Verdict::Wrong, failure.to_string()),
    };
    match tokio::time::timeout(PATIENCE / 2, hint_round_trip(coordinator.as_ref())).await {
        Ok(took) => {
            let slow = Duration::from_millis(50);
            Check::timed(name, took, slow, "from publishing a hint to its coming back")
        }
        Err(_) => {
            let detail = match coordinator.ping().await {
                Ok(()) => "answers, but a published hint did not come back: are sharded \
                           publish/subscribe commands allowed (Redis 7)?"
                    .into(),
                Err(error) => format!("{error}; mail flows, but slower: is coordinator.url right?"),
            };
            Check::new(name, Verdict::Away, detail)
        }
    }
}

/// Publishes hints on a channel that no account has until one comes back.
async fn hint_round_trip(coordinator: &dyn Coordinator) -> Duration {
    // Accounts are numbered from 1; two doctors at once do not meet.
    let account = AccountId(-(rand::random_range(1..i32::MAX)));
    coordinator.watch(account);
    let inbox = coordinator.inbox();
    for modseq in 1.. {
        let begun = Instant::now();
        coordinator.publish(Hint { account, modseq: ModSeq(modseq) });
        let came_back = async {
            // What says "something may have been missed" is no hint of ours.
            while inbox.receive().await.hints.get(&account) != Some(&ModSeq(modseq)) {}
        };
        if tokio::time::timeout(Duration::from_millis(500), came_back).await.is_ok() {
            coordinator.unwatch(account);
            return begun.elapsed();
        }
    }
    PATIENCE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_is_sound_and_left_empty() {
        let dir = tempfile::tempdir().unwrap();
        let folder = blob::Folder::open(dir.path()).unwrap();
        put_get_delete(&folder).await.unwrap();
        let mut left = vec![dir.path().to_path_buf()];
        while let Some(path) = left.pop() {
            for entry in std::fs::read_dir(path).unwrap() {
                let entry = entry.unwrap();
                assert!(entry.file_type().unwrap().is_dir(), "{:?} was left", entry.path());
                left.push(entry.path());
            }
        }
    }

    #[tokio::test]
    async fn a_hint_comes_back() {
        let local = coordinator::Local::default();
        assert!(hint_round_trip(&local).await < Duration::from_secs(1));
    }

    #[test]
    fn slow_is_said() {
        let check = Check::timed("x", Duration::from_secs(2), SLOW_DATABASE, "a round trip");
        assert_eq!(check.verdict, Verdict::Warning);
        assert!(check.detail.contains("slow"), "{}", check.detail);
    }
}
