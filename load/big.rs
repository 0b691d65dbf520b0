//! A mailbox of a million messages: what it takes to open it, list it, search it, and to come back to it.
//!
//! And a cluster whose accounts got their mail in turns: how many pages of PostgreSQL a list of one of them touches
//! when nothing is in memory.

mod fill;

use crate::cpu::resident_kib;
use crate::imap::Imap;
use crate::report::{Report, Row};
use crate::scenario::Plan;
use crate::stage::Stage;
use crate::target::Meter;
use anyhow::{Context, Result, ensure};
use fill::{Mailbox, Sample};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Messages of one list whose pages are counted.
const LISTED: u32 = 1_000;
/// Accounts whose mail came in turns.
const CROWD: usize = 100;
/// How often what is quick is repeated.
const ROUNDS: u64 = 20;
const STORES: u64 = 1_000;
/// Between two looks at the nodes' memory.
const LOOK_EVERY: Duration = Duration::from_millis(10);
const LIST: &str = "(FLAGS UID INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)";

/// A search, and how many messages it finds among the first `n`.
type Search = (&'static str, String, fn(&Sample) -> bool);

/// Fills a mailbox of the first account past the nodes, measures, and leaves a database in which all invariants hold.
///
/// # Errors
/// When the server refuses, or tells anything but what is there.
pub async fn big(stage: &mut Stage, plan: &Plan, messages: u64, report: &mut Report) -> Result<()> {
    // What bodies hold is not searched here, and a million of them would take minutes.
    crate::scenario::hold_index(&stage.target, true).await?;
    let big = Mailbox { account: 0, name: "big", messages };
    fill::fill(stage, &[big]).await?;
    for (name, rounds) in [("select, first", 1), ("select, again", ROUNDS)] {
        report.add(select(stage, name, messages, rounds).await?);
    }
    report.add(flags(stage, messages).await?);
    for search in searches(messages) {
        report.add(searched(stage, messages, search).await?);
    }
    report.add(store(stage, messages).await?);
    report.add(resync(stage, messages).await?);
    let crowd: Vec<Mailbox> = (0..plan.accounts.min(CROWD))
        .map(|account| Mailbox { account, name: "crowd", messages: LISTED.into() })
        .collect();
    fill::fill(stage, &crowd).await?;
    cold(stage, messages, crowd.len(), report).await
}

fn named(name: &str, messages: u64) -> String {
    format!("{messages} messages: {name}")
}

async fn select(stage: &Stage, name: &str, messages: u64, rounds: u64) -> Result<Row> {
    let target = &stage.target;
    let mut imap = target.login(0, 0).await?;
    let meter = Meter::start(target).await?;
    let mut waits = Vec::new();
    for _ in 0..rounds {
        let begun = Instant::now();
        let found = imap.select("big").await?;
        waits.push(begun.elapsed());
        ensure!(u64::from(found) == messages, "{found} messages");
    }
    let mut row = meter.finish(named(name, messages), rounds, waits).await?;
    row.proof = "EXISTS told all of them".into();
    imap.logout().await?;
    Ok(row)
}

/// A session with the mailbox open.
async fn opened(stage: &Stage) -> Result<Imap> {
    let mut imap = stage.target.login(0, 0).await?;
    imap.select("big").await?;
    Ok(imap)
}

async fn flags(stage: &Stage, messages: u64) -> Result<Row> {
    let mut imap = opened(stage).await?;
    let meter = Meter::start(&stage.target).await?;
    let memory = Memory::watch(stage);
    let begun = Instant::now();
    let (mut told, mut seen) = (0, 0);
    imap.command_with("FETCH 1:* (FLAGS)", |answer| {
        if memchr::memmem::find(&answer, b" FETCH (FLAGS ").is_some() {
            told += 1;
            seen += u64::from(memchr::memmem::find(&answer, b"\\Seen").is_some());
        }
    })
    .await?;
    let wait = begun.elapsed();
    let peak = memory.peak().await?;
    let mut row = meter.finish(named("FETCH 1:* (FLAGS)", messages), 1, vec![wait]).await?;
    row.more.insert("node's KiB above rest".into(), peak);
    let wanted = (0..messages).filter(|nth| Sample(*nth).is_seen()).count() as u64;
    ensure!((told, seen) == (messages, wanted), "{told} told, {seen} of {wanted} seen");
    row.proof = "every message was told once, and as many seen as there are".into();
    imap.logout().await?;
    Ok(row)
}

fn searches(messages: u64) -> Vec<Search> {
    let last = Sample(messages - 1).received().format("%d-%b-%Y");
    let one = Sample(messages / 3);
    vec![
        ("SEARCH UNSEEN", "UNSEEN".into(), |message| !message.is_seen()),
        ("SEARCH FLAGGED", "FLAGGED".into(), Sample::is_flagged),
        ("SEARCH KEYWORD", "KEYWORD $Later".into(), Sample::is_later),
        ("SEARCH SINCE", format!("SINCE {last}"), |_| false),
        ("SEARCH LARGER", format!("LARGER {}", fill::LARGE), Sample::is_large),
        ("SEARCH FROM", "FROM sender07@big.example".into(), |message| message.0 % 50 == 7),
        ("SEARCH SUBJECT", format!("SUBJECT \"{}\"", one.subject()), |_| false),
        ("SEARCH HEADER", format!("HEADER Message-ID \"{}\"", one.id()), |_| false),
    ]
}

async fn searched(stage: &Stage, messages: u64, (name, key, fits): Search) -> Result<Row> {
    let mut imap = opened(stage).await?;
    let wanted: Vec<u64> = match key.split_once(' ') {
        Some(("SUBJECT" | "HEADER", _)) => vec![messages / 3 + 1],
        Some(("SINCE", _)) => since(messages).map(|nth| nth + 1).collect(),
        _ => (0..messages).filter(|nth| fits(&Sample(*nth))).map(|nth| nth + 1).collect(),
    };
    let meter = Meter::start(&stage.target).await?;
    let memory = Memory::watch(stage);
    let begun = Instant::now();
    let answers = imap.command(&format!("SEARCH {key}")).await?;
    let wait = begun.elapsed();
    let peak = memory.peak().await?;
    let mut row = meter.finish(named(name, messages), 1, vec![wait]).await?;
    let found = crate::scenario::found(&answers)?;
    ensure!(found == wanted, "{key}: {} found, not {}", found.len(), wanted.len());
    row.more.insert("found".into(), found.len() as f64);
    row.more.insert("node's KiB above rest".into(), peak);
    row.proof = "the answer named the messages that fit, and no others".into();
    imap.logout().await?;
    Ok(row)
}

/// The messages of the last day.
fn since(messages: u64) -> Range<u64> {
    let day = Sample(messages - 1).received().date_naive();
    let first = (0..messages).rev().find(|nth| Sample(*nth).received().date_naive() < day);
    first.map_or(0, |nth| nth + 1)..messages
}

async fn store(stage: &Stage, messages: u64) -> Result<Row> {
    let mut imap = opened(stage).await?;
    let meter = Meter::start(&stage.target).await?;
    let mut waits = Vec::new();
    for round in 0..STORES {
        let uid = Sample(round * 7_919 % messages).uid();
        let begun = Instant::now();
        let answers = imap.command(&format!("UID STORE {uid} +FLAGS (\\Answered)")).await?;
        waits.push(begun.elapsed());
        ensure!(answers.len() == 1, "{} answers", answers.len());
    }
    let mut row = meter.finish(named("STORE", messages), STORES, waits).await?;
    row.proof = "each was answered with the flags".into();
    imap.logout().await?;
    Ok(row)
}

/// Somebody changes five messages; who was away meanwhile asks what is new.
async fn resync(stage: &Stage, messages: u64) -> Result<Row> {
    let mut imap = stage.target.login(0, 1).await?;
    imap.command("ENABLE QRESYNC").await?;
    let answers = imap.command("SELECT big").await?;
    let (validity, known) = (code(&answers, "UIDVALIDITY")?, code(&answers, "HIGHESTMODSEQ")?);
    imap.command("UNSELECT").await?;
    let changed = (0..5).map(|nth| Sample(nth * 1_009 % messages).uid().to_string());
    let changed = changed.collect::<Vec<_>>().join(",");
    let mut other = opened(stage).await?;
    other.command(&format!("UID STORE {changed} +FLAGS ($Changed)")).await?;
    other.logout().await?;
    let meter = Meter::start(&stage.target).await?;
    let mut waits = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let answers = imap.command(&format!("SELECT big (QRESYNC ({validity} {known}))")).await?;
        waits.push(begun.elapsed());
        let told = answers.iter().filter(|a| memchr::memmem::find(a, b"$Changed").is_some());
        let told = told.filter(|answer| memchr::memmem::find(answer, b" FETCH (").is_some());
        ensure!(told.count() == 5, "{answers:?}");
    }
    let mut row = meter.finish(named("QRESYNC of 5 changes", messages), ROUNDS, waits).await?;
    row.proof = "the five were told each time".into();
    imap.logout().await?;
    Ok(row)
}

/// The number in `[NAME number]`.
fn code(answers: &[bytes::Bytes], name: &str) -> Result<u64> {
    let code = format!("[{name} ");
    let after = answers.iter().find_map(|answer| {
        let at = memchr::memmem::find(answer, code.as_bytes())?;
        std::str::from_utf8(&answer[at + code.len()..]).ok()
    });
    let digits = after.and_then(|text| text.split(']').next()).context("no response code")?;
    Ok(digits.parse()?)
}

/// Lists of a thousand messages by a node that remembers nothing, from a PostgreSQL that has just started.
async fn cold(stage: &mut Stage, messages: u64, crowd: usize, report: &mut Report) -> Result<()> {
    stage.cluster.database.postgres().restart().await?;
    let address = stage.cluster.add_node()?.imap()?;
    let target = Arc::clone(&stage.target);
    let middle = u32::try_from(messages / 2)?;
    let lists =
        [("of the large one", "big", 1, middle), ("of one of many", "crowd", crowd.min(20), 0)];
    for (name, mailbox, accounts, before) in lists {
        let mut sessions = Vec::new();
        for name in &target.accounts[..accounts] {
            let mut imap = Imap::login(address, name, &target.password).await?;
            imap.select(mailbox).await?;
            sessions.push(imap);
        }
        let earlier = Pages::now(stage).await?;
        let mut waits = Vec::new();
        for imap in &mut sessions {
            let begun = Instant::now();
            let set = format!("{}:{}", before + 1, before + LISTED);
            let answers = imap.command(&format!("FETCH {set} {LIST}")).await?;
            waits.push(begun.elapsed());
            let listed = answers.iter().filter(|a| memchr::memmem::find(a, b" FETCH (").is_some());
            ensure!(listed.count() == LISTED as usize, "{} answers", answers.len());
        }
        let touched = Pages::now(stage).await?.since(&earlier);
        let lists = waits.len() as f64;
        let mut row = Row {
            scenario: format!("{LISTED} listed cold, {name}"),
            server: target.name.clone(),
            operations: waits.len() as u64,
            seconds: waits.iter().sum::<Duration>().as_secs_f64(),
            latency_ms: crate::report::Percentiles::of(waits),
            ..Row::default()
        };
        row.more.insert("pages read".into(), touched.read / lists);
        row.more.insert("pages looked at".into(), touched.looked_at / lists);
        row.proof = "every list had as many lines; PostgreSQL counted the pages".into();
        report.add(row);
    }
    Ok(())
}

/// Pages of messages, their copies and the indexes of both, as PostgreSQL counts them.
#[derive(Debug, Default)]
struct Pages {
    read: f64,
    looked_at: f64,
}

impl Pages {
    async fn now(stage: &Stage) -> Result<Self> {
        let sql = "SELECT sum(COALESCE(heap_blks_read, 0) + COALESCE(idx_blks_read, 0))::float8,
                          sum(COALESCE(heap_blks_hit, 0) + COALESCE(idx_blks_hit, 0))::float8
                     FROM pg_statio_user_tables WHERE relname ~ '^(message|mailbox_message)_'";
        // A backend with nothing to do tells its counts within ten seconds.
        tokio::time::sleep(Duration::from_secs(11)).await;
        let row = stage.cluster.database.client().await?.query_one(sql, &[]).await?;
        let read: f64 = row.get(0);
        Ok(Self { read, looked_at: read + row.get::<_, f64>(1) })
    }

    fn since(&self, earlier: &Self) -> Self {
        Self { read: self.read - earlier.read, looked_at: self.looked_at - earlier.looked_at }
    }
}

/// Looks at the nodes' memory until it is asked.
struct Memory {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<u64>,
}

impl Memory {
    fn watch(stage: &Stage) -> Self {
        let nodes: Vec<u32> =
            stage.target.groups.0.get("postrider").into_iter().flatten().copied().collect();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let memory = || nodes.iter().map(|pid| resident_kib(*pid)).sum::<u64>();
            let rest = memory();
            let mut peak = rest;
            while !stopped.load(Ordering::Relaxed) {
                tokio::time::sleep(LOOK_EVERY).await;
                peak = peak.max(memory());
            }
            peak - rest
        });
        Self { stop, task }
    }

    /// KiB above what there was at first.
    async fn peak(self) -> Result<f64> {
        self.stop.store(true, Ordering::Relaxed);
        Ok(self.task.await? as f64)
    }
}
