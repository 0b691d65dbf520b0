//! Messages out: lists and bodies.

use super::{Filled, Plan, at_once, fill, uid};
use crate::imap::{Imap, literal};
use crate::report::Row;
use crate::target::{Meter, Target};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use std::sync::{Arc, Mutex};
use std::time::Instant;

const LIST: &str = "FETCH 1:* (FLAGS UID INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)";
/// How often everything is read again.
const ROUNDS: u64 = 5;

/// What a mail client asks for when it opens a mailbox: for the first time, and again. Per message.
///
/// # Errors
/// When the server refuses, or when the proof fails.
pub async fn fetch_list(target: &Arc<Target>, plan: &Plan) -> Result<Vec<Row>> {
    let filled = Arc::new(fill(target, plan, "list").await?);
    let mut rows = Vec::new();
    for (name, rounds) in [("fetch-list first", 1), ("fetch-list repeated", ROUNDS)] {
        let sessions = open(target, &filled, "list").await?;
        let meter = Meter::start(target).await?;
        let waits = at_once(plan.connections, |_| {
            let (filled, sessions) = (Arc::clone(&filled), Arc::clone(&sessions));
            async move {
                let mut waits = Vec::new();
                while let Some((account, mut imap)) = next(&sessions) {
                    for _ in 0..rounds {
                        let begun = Instant::now();
                        let answers = imap.command(LIST).await?;
                        waits.push(begun.elapsed());
                        check_list(&filled, account, &answers)?;
                    }
                    imap.logout().await?;
                }
                Ok(waits)
            }
        })
        .await?;
        let messages = plan.accounts as u64 * filled.each;
        let mut row = meter.finish(name, messages * rounds, waits).await?;
        row.more.insert("messages per list".into(), filled.each as f64);
        row.proof = "every list had every UID once, with its own Message-ID in the ENVELOPE".into();
        rows.push(row);
    }
    Ok(rows)
}

fn check_list(filled: &Filled, account: usize, answers: &[Bytes]) -> Result<()> {
    let lists = answers.iter().filter(|answer| memchr::memmem::find(answer, b" FETCH ").is_some());
    let mut found = 0;
    for (position, answer) in lists.enumerate() {
        let wanted = filled.uids[account].get(position).context("more than was asked for")?;
        ensure!(uid(answer) == Some(*wanted), "UID {wanted} is missing");
        let id = filled.mail.id(filled.nth(account, position));
        ensure!(memchr::memmem::find(answer, id.as_bytes()).is_some(), "{id} is missing");
        ensure!(memchr::memmem::find(answer, b"BODYSTRUCTURE (").is_some(), "no BODYSTRUCTURE");
        found += 1;
    }
    ensure!(
        found == filled.uids[account].len(),
        "{found} of {} listed",
        filled.uids[account].len()
    );
    Ok(())
}

/// Bodies one by one in random order, and all of a mailbox with one command; then both again.
///
/// # Errors
/// When the server refuses, or when the proof fails.
pub async fn fetch_bodies(target: &Arc<Target>, plan: &Plan) -> Result<Vec<Row>> {
    let filled = Arc::new(fill(target, plan, "bodies").await?);
    let mut rows = Vec::new();
    for again in ["first", "repeated"] {
        rows.push(one_by_one(target, plan, &filled, again).await?);
    }
    for again in ["first", "repeated"] {
        rows.push(all_at_once(target, plan, &filled, again).await?);
    }
    Ok(rows)
}

async fn one_by_one(
    target: &Arc<Target>,
    plan: &Plan,
    filled: &Arc<Filled>,
    again: &str,
) -> Result<Row> {
    let sessions = open(target, filled, "bodies").await?;
    let meter = Meter::start(target).await?;
    let seed = plan.seed;
    let waits = at_once(plan.connections, |_| {
        let (target, filled, sessions) =
            (Arc::clone(target), Arc::clone(filled), Arc::clone(&sessions));
        async move {
            let mut waits = Vec::new();
            while let Some((account, mut imap)) = next(&sessions) {
                let mut order: Vec<usize> = (0..filled.uids[account].len()).collect();
                order.shuffle(&mut SmallRng::seed_from_u64(seed + account as u64));
                for position in order {
                    let command =
                        format!("UID FETCH {} (BODY.PEEK[])", filled.uids[account][position]);
                    let begun = Instant::now();
                    let answers = imap.command(&command).await?;
                    waits.push(begun.elapsed());
                    ensure!(answers.len() == 1, "{} answers", answers.len());
                    check_body(&target, &filled, account, position, &answers[0])?;
                }
                imap.logout().await?;
            }
            Ok(waits)
        }
    })
    .await?;
    let name = format!("fetch-bodies one, {again}");
    let mut row = meter.finish(name, waits_of(filled), waits).await?;
    row.proof = "every body compared octet by octet".into();
    Ok(row)
}

async fn all_at_once(
    target: &Arc<Target>,
    plan: &Plan,
    filled: &Arc<Filled>,
    again: &str,
) -> Result<Row> {
    let sessions = open(target, filled, "bodies").await?;
    let meter = Meter::start(target).await?;
    let waits = at_once(plan.connections, |_| {
        let (target, filled, sessions) =
            (Arc::clone(target), Arc::clone(filled), Arc::clone(&sessions));
        async move {
            let mut waits = Vec::new();
            while let Some((account, mut imap)) = next(&sessions) {
                let begun = Instant::now();
                let (mut position, mut wrong) = (0, None);
                imap.command_with("FETCH 1:* (BODY.PEEK[])", |answer| {
                    let checked = check_body(&target, &filled, account, position, &answer);
                    wrong = wrong.take().or(checked.err());
                    position += 1;
                })
                .await?;
                waits.push(begun.elapsed());
                wrong.map_or(Ok(()), Err)?;
                ensure!(position == filled.uids[account].len(), "{position} bodies");
                imap.logout().await?;
            }
            Ok(waits)
        }
    })
    .await?;
    let name = format!("fetch-bodies all, {again}");
    let mut row = meter.finish(name, waits_of(filled), waits).await?;
    row.more.insert("messages per FETCH".into(), filled.each as f64);
    row.proof = "every body compared octet by octet".into();
    Ok(row)
}

fn waits_of(filled: &Filled) -> u64 {
    filled.each * filled.uids.len() as u64
}

fn check_body(
    target: &Target,
    filled: &Filled,
    account: usize,
    position: usize,
    answer: &Bytes,
) -> Result<()> {
    let sent = filled.mail.message(filled.nth(account, position), &target.accounts[account]);
    let got = literal(answer).context("no body")?;
    ensure!(got.len() == sent.len() && sent.is_kept_in(&got), "message {position} was changed");
    Ok(())
}

type Sessions = Arc<Mutex<Vec<(usize, Imap)>>>;

/// A session with the mailbox open for every account.
async fn open(target: &Target, filled: &Filled, mailbox: &str) -> Result<Sessions> {
    let mut sessions = Vec::new();
    for account in 0..filled.uids.len() {
        let mut imap = target.login(account, account).await?;
        imap.select(mailbox).await?;
        sessions.push((account, imap));
    }
    // Not in the order in which they were filled.
    sessions.shuffle(&mut SmallRng::seed_from_u64(rand::rng().random()));
    Ok(Arc::new(Mutex::new(sessions)))
}

fn next(sessions: &Sessions) -> Option<(usize, Imap)> {
    sessions.lock().ok()?.pop()
}
