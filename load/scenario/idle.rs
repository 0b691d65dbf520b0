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
/// Time to give back what only logging in needed.
const SETTLE: Duration = Duration::from_secs(5);

/// Sessions that are open before anything is measured: they warm up what is there once.
const WARM: usize = 200;

/// Sessions in IDLE, `plan.count` of them, over TLS or not: memory of each, and CPU of all servers per second while
/// nothing happens.
///
/// # Errors
/// When the server refuses, or when a session did not survive.
pub async fn idle(target: &Arc<Target>, plan: &Plan, tls: bool) -> Result<Row> {
    let sessions = plan.count as usize;
    let mut held = open(target, plan, 0..WARM, tls).await?;
    tokio::time::sleep(SETTLE).await;
    let before = memory(target);
    held.append(&mut open(target, plan, WARM..WARM + sessions, tls).await?);
    let meter = Meter::start(target).await?;
    tokio::time::sleep(SETTLE).await;
    let added = memory(target).saturating_sub(before) as f64;
    tokio::time::sleep(QUIET).await;
    let with = if tls { " with TLS" } else { "" };
    let name = format!("{sessions} idle sessions{with}, per second");
    let seconds = (QUIET + SETTLE).as_secs();
    let mut row = meter.finish(name, seconds, vec![]).await?;
    row.more.clear();
    row.more.insert("KiB per session".into(), added / sessions as f64);
    for mut imap in held {
        imap.done().await?;
        ensure!(imap.logout().await.is_ok(), "a session was lost");
    }
    row.proof = "every session ended IDLE and logged out when asked".into();
    Ok(row)
}

async fn open(
    target: &Arc<Target>,
    plan: &Plan,
    which: Range<usize>,
    tls: bool,
) -> Result<Vec<Imap>> {
    let tickets = Tickets::new(which.len() as u64);
    at_once(plan.connections, |_| {
        let (target, tickets) = (Arc::clone(target), tickets.clone());
        let (accounts, first) = (plan.accounts, which.start);
        async move {
            let mut held = Vec::new();
            while let Some(nth) = tickets.take() {
                let nth = first + nth as usize;
                let mut imap = match tls {
                    true => target.login_tls(nth % accounts, nth).await?,
                    false => target.login(nth % accounts, nth).await?,
                };
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
