//! Sessions that do nothing: what they hold, and what that costs.

use super::{Plan, at_once};
use crate::cpu::memory_kib;
use crate::report::Row;
use crate::target::{Meter, Target};
use anyhow::{Result, ensure};
use std::sync::Arc;
use std::time::Duration;

/// How long nothing is done.
const QUIET: Duration = Duration::from_secs(10);

/// Sessions in IDLE: memory of each, and CPU of all servers per second while nothing happens.
///
/// # Errors
/// When the server refuses, or when a session did not survive.
pub async fn idle(target: &Arc<Target>, plan: &Plan) -> Result<Row> {
    let alone = memory(target);
    let sessions = plan.count as usize;
    let each = sessions.div_ceil(plan.connections);
    let held = at_once(plan.connections, |connection| {
        let (target, accounts) = (Arc::clone(target), plan.accounts);
        async move {
            let mut held = Vec::new();
            for nth in connection * each..((connection + 1) * each).min(sessions) {
                let mut imap = target.login(nth % accounts, nth).await?;
                imap.select("INBOX").await?;
                imap.idle().await?;
                held.push(imap);
            }
            Ok(held)
        }
    })
    .await?;
    let meter = Meter::start(target).await?;
    let with_sessions = memory(target);
    tokio::time::sleep(QUIET).await;
    let mut row = meter.finish(format!("{sessions} idle sessions, per second"), 10, vec![]).await?;
    row.more.clear();
    let per_session = with_sessions.saturating_sub(alone) as f64 / sessions as f64;
    row.more.insert("KiB per session".into(), per_session);
    row.more.insert("KiB without".into(), alone as f64);
    for mut imap in held {
        imap.done().await?;
        ensure!(imap.logout().await.is_ok(), "a session was lost");
    }
    row.proof = "every session ended IDLE and logged out when asked".into();
    Ok(row)
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
