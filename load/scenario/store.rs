//! Flags.

use super::{Plan, at_once, fill, uid};
use crate::report::Row;
use crate::target::{Meter, Target};
use anyhow::{Context, Result, ensure};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use std::time::Instant;

/// STORE of one flag on one random message, every connection to an account of its own.
///
/// # Errors
/// When the server refuses, or when the proof fails.
pub async fn store(target: &Arc<Target>, plan: &Plan) -> Result<Row> {
    let accounts = plan.connections.min(plan.accounts);
    let size = 200 * accounts as u64;
    let filled =
        Arc::new(fill(target, &Plan { count: size, accounts, ..plan.clone() }, "flags").await?);
    let each = plan.count / accounts as u64;
    let meter = Meter::start(target).await?;
    let waits = at_once(accounts, |account| {
        let (target, filled, seed) = (Arc::clone(target), Arc::clone(&filled), plan.seed);
        async move {
            let uids = &filled.uids[account];
            let mut imap = target.login(account, account).await?;
            imap.select("flags").await?;
            let mut rng = SmallRng::seed_from_u64(seed + account as u64);
            let mut flagged = vec![false; uids.len()];
            let mut waits = Vec::new();
            for _ in 0..each {
                let position = rng.random_range(0..uids.len());
                flagged[position] = !flagged[position];
                let sign = if flagged[position] { '+' } else { '-' };
                let command = format!("UID STORE {} {sign}FLAGS (\\Flagged)", uids[position]);
                let begun = Instant::now();
                let answers = imap.command(&command).await?;
                waits.push(begun.elapsed());
                let answer = answers.iter().find(|answer| uid(answer) == Some(uids[position]));
                let answer = answer.with_context(|| format!("{command}: no FETCH"))?;
                ensure!(is_flagged(answer) == flagged[position], "{command}: not done");
            }
            imap.logout().await?;
            // By another session, on another node where there is one.
            let mut imap = target.login(account, account + 1).await?;
            imap.select("flags").await?;
            let answers = imap.command("FETCH 1:* (UID FLAGS)").await?;
            let stored: Vec<bool> = answers.iter().map(|answer| is_flagged(answer)).collect();
            ensure!(stored == flagged, "the flags read back differ");
            imap.logout().await?;
            Ok(waits)
        }
    })
    .await?;
    let mut row = meter.finish("store one flag", each * accounts as u64, waits).await?;
    row.proof = "the answers, and all flags read back by another session".into();
    Ok(row)
}

fn is_flagged(answer: &[u8]) -> bool {
    memchr::memmem::find(answer, b"\\Flagged").is_some()
}
