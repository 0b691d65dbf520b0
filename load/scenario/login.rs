//! Connections that come and go.

use super::{Plan, Tickets, at_once};
use crate::imap::Imap;
use crate::report::Row;
use crate::target::{Meter, Target};
use anyhow::{Result, ensure};
use std::sync::Arc;
use std::time::Instant;

/// Connect, LOGIN, SELECT, LOGOUT. Everybody has logged in once before: what is measured is a success that
/// a server may remember.
///
/// # Errors
/// When the server refuses, or when the proof fails.
pub async fn login(target: &Arc<Target>, plan: &Plan) -> Result<Row> {
    // Once on every node, as each remembers for itself.
    let mut counts = Vec::new();
    for _ in 0..target.imap.len() {
        counts = target.counts(plan.accounts).await?;
        ensure!(!counts.is_empty(), "no accounts");
    }
    let counts = Arc::new(counts);
    let tickets = Tickets::new(plan.count);
    let meter = Meter::start(target).await?;
    let waits = at_once(plan.connections, |_| {
        let (target, counts, tickets) = (Arc::clone(target), Arc::clone(&counts), tickets.clone());
        async move {
            let mut waits = Vec::new();
            while let Some(nth) = tickets.take() {
                let account = (nth % counts.len() as u64) as usize;
                // The node that this account's first login went to.
                let server = target.imap[account % target.imap.len()];
                let begun = Instant::now();
                let name = &target.accounts[account];
                let mut imap = Imap::login(server, name, &target.password).await?;
                let found = imap.select("INBOX").await?;
                imap.logout().await?;
                waits.push(begun.elapsed());
                ensure!(
                    found == counts[account],
                    "{found} messages instead of {}",
                    counts[account]
                );
            }
            Ok(waits)
        }
    })
    .await?;
    let mut row = meter.finish("login", plan.count, waits).await?;
    row.proof = "every SELECT told the right number of messages".into();
    Ok(row)
}
