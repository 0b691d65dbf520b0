//! Several messages into one mailbox, or one in the place of another: all or nothing (RFC 3502, RFC 8508).

use super::batch::AllOrNone;
use super::deliver::{Delivery, DeliverySet, NewBlob, Outcome, Placed};
use super::outbound::Outbound;
use super::{commit, outcome};
use crate::{Store, StoreError};
use std::time::Duration;
use types::{AccountId, Flags, MailboxId, Uid};

/// How often an unknown outcome is looked up, and the pause between.
const LOOKUPS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(500);

/// A message for [`append`].
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Its bytes.
    pub blob: NewBlob,
    /// System flags.
    pub flags: Flags,
    /// Keywords.
    pub keywords: Vec<String>,
}

/// Where they go, and what goes when they come.
#[derive(Debug, Clone, Copy)]
pub struct AppendTo {
    /// Whose.
    pub account: AccountId,
    /// Which mailbox.
    pub mailbox: MailboxId,
    /// The message that is removed in the same step, before the quota is judged; it may be another account's.
    pub replaces: Option<(AccountId, MailboxId, Uid)>,
}

/// Puts messages into a mailbox, all or none, in this order. `Ok` means durable; an unanswered COMMIT has been looked up.
///
/// # Errors
/// [`StoreError::Refused`] with "no such mailbox", "no such account", "no such message" (the replaced one) or "over
/// quota"; [`StoreError::Locked`]; [`StoreError::MaybeHappened`] only when the look-up failed as well.
pub async fn append(
    store: &Store,
    to: AppendTo,
    messages: &[NewMessage],
) -> Result<Vec<Placed>, StoreError> {
    let sets: Vec<DeliverySet> = messages.iter().map(|message| set(to, message)).collect();
    let change = AllOrNone { account: to.account, sets: &sets, replaces: to.replaces };
    match commit(store, &change).await {
        Err(StoreError::MaybeHappened(why)) => resolve(store, &sets, why).await,
        other => other,
    }
}

fn set(to: AppendTo, message: &NewMessage) -> DeliverySet {
    let delivery = Delivery {
        account: to.account,
        mailbox: Some(to.mailbox),
        strict: true,
        flags: message.flags,
        keywords: message.keywords.clone(),
        recipient: String::new(),
        queued: None,
        deferred: false,
    };
    DeliverySet {
        blob: message.blob.clone(),
        newborn: true,
        envelope: None,
        deliveries: vec![delivery],
        outbound: Outbound::default(),
    }
}

/// Looks up what became of it: all of it is there, or none of it can ever be.
async fn resolve(
    store: &Store,
    sets: &[DeliverySet],
    why: String,
) -> Result<Vec<Placed>, StoreError> {
    metrics::counter!("postrider_commit_unknown_total").increment(1);
    tracing::warn!(%why, messages = sets.len(), "an append's outcome is unknown, looking it up");
    for _ in 0..LOOKUPS {
        match outcome::happened(store, sets).await {
            Ok(true) => match outcome::read_back(store, sets).await {
                Ok(outcomes) => return placed(outcomes),
                Err(error) => tracing::warn!(%error, "reading an append back failed"),
            },
            Ok(false) => return Err(StoreError::Unavailable(why)),
            Err(error) => tracing::warn!(%error, "looking up an append failed"),
        }
        tokio::time::sleep(PAUSE).await;
    }
    metrics::counter!("postrider_commit_unresolved_total").increment(1);
    Err(StoreError::MaybeHappened(why))
}

fn placed(outcomes: Vec<Vec<Outcome>>) -> Result<Vec<Placed>, StoreError> {
    let one = |outcome: Outcome| match outcome {
        Outcome::Delivered(placed) => Ok(placed),
        other => Err(StoreError::Bug(format!("an append that happened is {other:?}"))),
    };
    outcomes.into_iter().flatten().map(one).collect()
}
