//! The purge of deleted mailboxes and removed accounts: in the background, on one node, in short steps.

use rand::Rng;
use std::time::Duration;
use store::account::purge::{
    account_finish, account_log_purge, account_mailboxes_delete, accounts_to_purge,
};
use store::account::{MailboxPurge, commit};
use store::lease::job_lease_take;
use store::mailbox::mailbox_to_purge;
use store::{Store, StoreError};
use types::{AccountId, Incarnation};

/// The lease under which one node works.
const LEASE: &str = "mail.purge";
const LEASE_SECONDS: f64 = 60.0;
/// How often a node looks for work.
const LOOK_EVERY: Duration = Duration::from_secs(20);
/// Steps before the lease is renewed; each step is one statement that takes well under a second.
const STEPS: u32 = 50;
/// Breath between two steps: the purge must not be felt by whoever reads.
const PAUSE: Duration = Duration::from_millis(20);
/// Rows of the log removed in one step.
const LOG_ROWS: u32 = 5_000;
/// Removed accounts looked at in one round.
const ACCOUNTS: u32 = 20;

/// Purges for ever. Runs on every node; the lease lets one of them work.
pub async fn purge_jobs(store: Store, incarnation: Incarnation) {
    loop {
        let pause = LOOK_EVERY.mul_f64(rand::rng().random_range(0.75..=1.25));
        match round(&store, incarnation).await {
            // There is more, and the lease is ours.
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) if error.is_temporary() => tracing::debug!(%error, "the purge waits"),
            Err(error) => tracing::warn!(%error, "the purge failed and will try again"),
        }
        tokio::time::sleep(pause).await;
    }
}

/// As many steps as one lease covers. `true`: there is more to do.
pub(crate) async fn round(store: &Store, incarnation: Incarnation) -> Result<bool, StoreError> {
    if !job_lease_take(store, LEASE, incarnation, LEASE_SECONDS).await? {
        return Ok(false);
    }
    for _ in 0..STEPS {
        if !mailbox_step(store).await? {
            return accounts_round(store).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(true)
}

/// One chunk of one deleted mailbox. `false`: there is none.
async fn mailbox_step(store: &Store) -> Result<bool, StoreError> {
    let Some((account, mailbox)) = mailbox_to_purge(store).await? else { return Ok(false) };
    let left = commit(store, &MailboxPurge { account, mailbox }).await?;
    metrics::counter!("postrider_purge_steps_total").increment(1);
    if !left {
        tracing::debug!(%account, %mailbox, "a deleted mailbox is purged");
    }
    Ok(true)
}

/// Removed accounts, whose mailboxes (if any) become work for the next round.
async fn accounts_round(store: &Store) -> Result<bool, StoreError> {
    let mut more = false;
    for account in accounts_to_purge(store, ACCOUNTS).await? {
        more |= account_round(store, account).await?;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(more)
}

async fn account_round(store: &Store, account: AccountId) -> Result<bool, StoreError> {
    if account_mailboxes_delete(store, account).await? > 0 {
        return Ok(true);
    }
    if account_log_purge(store, account, LOG_ROWS).await? {
        return Ok(true);
    }
    if account_finish(store, account).await? {
        tracing::info!(%account, "a removed account is purged");
    }
    Ok(false)
}
