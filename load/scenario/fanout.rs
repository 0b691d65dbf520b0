//! Mail to people who watch: how soon do they hear of it?

use super::{Plan, Smtp, exists};
use crate::cpu::memory_kib;
use crate::imap::Imap;
use crate::report::Row;
use crate::target::{Meter, Target};
use anyhow::{Context, Result, ensure};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

/// Sessions that watch each mailbox, on different nodes where there are several.
const WATCHERS: usize = 2;
/// Pause between messages: what is measured is the notice, not a queue before it.
const PACE: Duration = Duration::from_millis(20);
/// A notice that comes later than this counts as lost.
const LOST: Duration = Duration::from_secs(30);

/// What a watcher was told.
struct Notice {
    account: usize,
    watcher: usize,
    messages: u32,
    at: Instant,
}

/// Idlers on every mailbox, messages one after another. The wait is from the 250 (or before it) to EXISTS.
///
/// # Errors
/// When the server refuses, or when a watcher never hears of a message.
pub async fn idle_fanout(target: &Arc<Target>, plan: &Plan) -> Result<Row> {
    let (accounts, mail) = (plan.accounts, plan.mail());
    let nodes = target.imap.len();
    let base = target.counts(accounts).await?;
    let memory = nodes_memory(target);
    let (notices, mut heard) = unbounded_channel();
    let mut watchers = watch(target, accounts, &notices).await?;
    let memory = nodes_memory(target).saturating_sub(memory) as f64;
    let meter = Meter::start(target).await?;
    let mut sent: Vec<Vec<(Instant, usize)>> = vec![Vec::new(); accounts];
    let mut connections = Vec::new();
    for server in &target.smtp {
        connections.push(Smtp::connect(*server, target.greeting).await?);
    }
    let mut ticker = tokio::time::interval(PACE);
    for nth in 0..plan.count {
        ticker.tick().await;
        let account = (nth % accounts as u64) as usize;
        let node = (nth % connections.len() as u64) as usize;
        let to = &target.accounts[account];
        let (_, answered) = connections[node].deliver(&mail.message(nth, to), &[to]).await?;
        sent[account].push((answered, node));
    }
    let waits = gather(&mut heard, &base, &sent, &mut watchers).await?;
    let all: Vec<Duration> = waits.iter().map(|wait| wait.0).collect();
    let elsewhere = |watcher: usize, sender: usize| nodes > 1 && watcher % nodes != sender;
    let across = waits.iter().filter(|(_, watcher, sender)| elsewhere(*watcher, *sender));
    let across = across.map(|wait| wait.0).collect();
    let mut row = meter.finish("idle-fanout", plan.count, all).await?;
    if let Some(points) = crate::report::Percentiles::of(across) {
        row.more.insert("p50 ms to another node".into(), points.p50);
        row.more.insert("p99 ms to another node".into(), points.p99);
    }
    row.more.insert("nodes".into(), nodes as f64);
    row.more.insert("watchers".into(), (accounts * WATCHERS) as f64);
    row.more.insert("KiB per watcher".into(), memory / (accounts * WATCHERS) as f64);
    row.proof = format!("all {} notices came, with the right number of messages", waits.len());
    watchers.shutdown().await;
    Ok(row)
}

fn nodes_memory(target: &Target) -> u64 {
    target.groups.0.get("postrider").into_iter().flatten().map(|pid| memory_kib(*pid)).sum()
}

/// Opens all sessions and leaves each in IDLE with a task that reports what it hears.
async fn watch(
    target: &Arc<Target>,
    accounts: usize,
    notices: &UnboundedSender<Notice>,
) -> Result<JoinSet<Result<()>>> {
    let mut tasks = JoinSet::new();
    for account in 0..accounts {
        for watcher in 0..WATCHERS {
            let watcher = account + watcher;
            let mut imap = target.login(account, watcher).await?;
            imap.select("INBOX").await?;
            imap.idle().await?;
            tasks.spawn(listen(imap, account, watcher, notices.clone()));
        }
    }
    Ok(tasks)
}

async fn listen(
    mut imap: Imap,
    account: usize,
    watcher: usize,
    notices: UnboundedSender<Notice>,
) -> Result<()> {
    loop {
        let answer = imap.next_for(Duration::from_secs(600)).await?;
        if let Some(messages) = exists(&answer) {
            let notice = Notice { account, watcher, messages, at: Instant::now() };
            notices.send(notice).map_err(|_| anyhow::anyhow!("nobody listens"))?;
        }
    }
}

/// Per message and watcher: the wait, the watcher and the node that took the message.
async fn gather(
    heard: &mut UnboundedReceiver<Notice>,
    base: &[u32],
    sent: &[Vec<(Instant, usize)>],
    watchers: &mut JoinSet<Result<()>>,
) -> Result<Vec<(Duration, usize, usize)>> {
    let mut known: Vec<[u32; WATCHERS]> = base.iter().map(|count| [*count; WATCHERS]).collect();
    let wanted = sent.iter().map(Vec::len).sum::<usize>() * WATCHERS;
    let mut waits = Vec::with_capacity(wanted);
    while waits.len() < wanted {
        let notice = tokio::select! {
            notice = tokio::time::timeout(LOST, heard.recv()) => notice,
            ended = watchers.join_next() => {
                ended.context("no watcher")???;
                continue;
            }
        };
        let notice = notice
            .with_context(|| format!("{} notices of {wanted} never came", wanted - waits.len()))?;
        let notice = notice.context("no watcher is left")?;
        let account = notice.account;
        let seen = &mut known[account][notice.watcher - account];
        let arrived = base[account] + sent[account].len() as u32;
        ensure!(notice.messages <= arrived, "EXISTS {} but {arrived} were sent", notice.messages);
        for position in *seen..notice.messages {
            let (answered, node) = sent[account][(position - base[account]) as usize];
            waits.push((notice.at.saturating_duration_since(answered), notice.watcher, node));
        }
        *seen = (*seen).max(notice.messages);
    }
    Ok(waits)
}
