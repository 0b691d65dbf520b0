//! Messages in: by SMTP, by APPEND.

use super::{Plan, Tickets, at_once, prove_arrival};
use crate::report::Row;
use crate::smtp::Smtp;
use crate::target::{Meter, Target};
use anyhow::{Context, Result};
use std::sync::Arc;
use std::time::Instant;

/// A stride that is prime to any number of accounts in use: neighbours go to different people.
fn account_of(nth: u64, accounts: usize) -> usize {
    (nth * 7 % accounts as u64) as usize
}

/// SMTP (LMTP), one recipient each, durable and in the mailbox. The wait is from MAIL to the answer after
/// the final dot.
///
/// # Errors
/// When the server refuses, or when the proof fails.
pub async fn smtp_ingest(target: &Arc<Target>, plan: &Plan) -> Result<Row> {
    let mail = plan.mail();
    let before = target.counts(plan.accounts).await?;
    let tickets = Tickets::new(plan.count);
    let meter = Meter::start(target).await?;
    let waits = at_once(plan.connections, |connection| {
        let (target, mail, tickets) = (Arc::clone(target), Arc::clone(&mail), tickets.clone());
        let (per_connection, accounts) = (plan.per_connection, plan.accounts);
        async move {
            let mut waits = Vec::new();
            let server = target.smtp[connection % target.smtp.len()];
            while let Some(first) = tickets.take() {
                let mut smtp = Smtp::connect(server, target.greeting).await?;
                let mut next = Some(first);
                for _ in 0..per_connection {
                    let Some(nth) = next.take().or_else(|| tickets.take()) else { break };
                    let to = &target.accounts[account_of(nth, accounts)];
                    let wait = smtp.deliver(&mail.message(nth, to), &[to]).await;
                    waits.push(wait.with_context(|| format!("message {nth}"))?.0);
                }
                smtp.quit().await?;
            }
            Ok(waits)
        }
    })
    .await?;
    let name = format!("smtp-ingest {}", plan.mix.name());
    let mut row = meter.finish(name, plan.count, waits).await?;
    let accounts = plan.accounts;
    row.proof =
        prove_arrival(target, plan, &mail, |nth| account_of(nth, accounts), &before).await?;
    Ok(row)
}

/// APPEND to the INBOX, every connection to an account of its own.
///
/// # Errors
/// When the server refuses, or when the proof fails.
pub async fn append(target: &Arc<Target>, plan: &Plan) -> Result<Row> {
    let mail = plan.mail();
    let connections = plan.connections.min(plan.accounts);
    let plan = &Plan { count: plan.count - plan.count % connections as u64, ..plan.clone() };
    let before = target.counts(plan.accounts).await?;
    let mut sessions = Vec::new();
    for account in 0..connections {
        sessions.push(Some(target.login(account, account).await?));
    }
    let sessions = std::sync::Mutex::new(sessions);
    let meter = Meter::start(target).await?;
    let waits = at_once(connections, |account| {
        let (target, mail, count) = (Arc::clone(target), Arc::clone(&mail), plan.count);
        let session = sessions.lock().ok().and_then(|mut all| all[account].take());
        async move {
            let mut imap = session.context("session")?;
            let mut waits = Vec::new();
            for nth in (account as u64..count).step_by(connections) {
                let message = mail.message(nth, &target.accounts[account]);
                let begun = Instant::now();
                imap.append("INBOX", &message.header, &message.body).await?;
                waits.push(begun.elapsed());
            }
            imap.logout().await?;
            Ok(waits)
        }
    })
    .await?;
    let mut row = meter.finish(format!("append {}", plan.mix.name()), plan.count, waits).await?;
    let account_of = |nth: u64| (nth % connections as u64) as usize;
    row.proof = prove_arrival(target, plan, &mail, account_of, &before).await?;
    Ok(row)
}
