//! Sessions that do nothing: what they hold, and what that costs.

use super::{Imap, Plan, Tickets, at_once};
use crate::cpu::memory_kib;
use crate::report::Row;
use crate::target::{Meter, Target};
use anyhow::{Result, ensure};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// How long nothing is done.
const QUIET: Duration = Duration::from_secs(10);

/// Sessions in IDLE: memory of each, and CPU of all servers per second while nothing happens.
///
/// # Errors
/// When the server refuses, or when a session did not survive.
pub async fn idle(target: &Arc<Target>, plan: &Plan) -> Result<Row> {
    let sessions = plan.count as usize / 2 * 2;
    // The first half warms everything up that is there once; what the second adds is theirs alone.
    let mut held = open(target, plan, 0..sessions / 2).await?;
    let half = memory(target);
    held.append(&mut open(target, plan, sessions / 2..sessions).await?);
    let meter = Meter::start(target).await?;
    let with_sessions = memory(target);
    tokio::time::sleep(QUIET).await;
    let mut row = meter.finish(format!("{sessions} idle sessions, per second"), 10, vec![]).await?;
    row.more.clear();
    let added = with_sessions.saturating_sub(half) as f64;
    row.more.insert("KiB per session".into(), added / (sessions / 2) as f64);
    for mut imap in held {
        imap.done().await?;
        ensure!(imap.logout().await.is_ok(), "a session was lost");
    }
    row.proof = "every session ended IDLE and logged out when asked".into();
    Ok(row)
}

async fn open(target: &Arc<Target>, plan: &Plan, which: Range<usize>) -> Result<Vec<Imap>> {
    let tickets = Tickets::new(which.len() as u64);
    at_once(plan.connections, |_| {
        let (target, tickets) = (Arc::clone(target), tickets.clone());
        let (accounts, first) = (plan.accounts, which.start);
        async move {
            let mut held = Vec::new();
            while let Some(nth) = tickets.take() {
                let nth = first + nth as usize;
                let mut imap = target.login(nth % accounts, nth).await?;
                imap.select("INBOX").await?;
                imap.idle().await?;
                held.push(imap);
            }
            Ok(held)
        }
    })
    .await
}

/// PSS of everything that holds sessions.
fn memory(target: &Target) -> u64 {
    let holders = target
        .groups
        .0
        .iter()
        .filter(|(name, _)| ["postrider", "Dovecot"].contains(&name.as_str()));
    holders.flat_map(|(_, pids)| pids).map(|pid| memory_kib(*pid)).sum()
}
