//! What became of a batch whose COMMIT was not answered.
//!
//! A batch is one transaction, so any blob born in it speaks for all of it. Blobs nobody wanted are not born,
//! so each is asked until one says yes; those that are not there are made impossible ([`happened`]).

use super::batch::placed;
use super::deliver::{Delivery, DeliverySet, Outcome, Placed};
use crate::sql::{Sharded, Sql};
use crate::{Session, Store, StoreError};
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use types::{MailboxId, ModSeq, ThreadId, Uid, UidValidity};

/// Whether it was committed. `false`: it was not, and never can be.
pub(super) async fn happened(store: &Store, sets: &[DeliverySet]) -> Result<bool, StoreError> {
    static RESOLVE: Sql = Sql::new("SELECT ingest_resolve_v1($1, $2)", &[Type::UUID, Type::TEXT]);
    let session = store.session().await?;
    for set in sets.iter().filter(|set| set.newborn) {
        let rows = session.write(&RESOLVE, &[&set.blob.id.0, &set.blob.object_key]).await?;
        if rows.first().is_some_and(|row| row.get(0)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The outcomes of a batch that is known to have been committed.
pub(super) async fn read_back(
    store: &Store,
    sets: &[DeliverySet],
) -> Result<Vec<Vec<Outcome>>, StoreError> {
    let session = store.session().await?;
    let mut all = Vec::with_capacity(sets.len());
    for set in sets {
        let mut outcomes = Vec::with_capacity(set.deliveries.len());
        for delivery in &set.deliveries {
            outcomes.push(read_one(&session, set, delivery).await?);
        }
        all.push(outcomes);
    }
    Ok(all)
}

/// In a mailbox, in the queue, or in a mailbox until its owner (or the queue's worker before) was quicker than
/// we are; otherwise it was not delivered.
async fn read_one(
    session: &Session,
    set: &DeliverySet,
    delivery: &Delivery,
) -> Result<Outcome, StoreError> {
    if let Some(placed) = in_mailbox(session, set, delivery).await? {
        return Ok(Outcome::Delivered(placed));
    }
    if in_queue(session, set, delivery).await? {
        return Ok(Outcome::Deferred);
    }
    if let Some(placed) = in_log(session, set, delivery).await? {
        return Ok(Outcome::Delivered(placed));
    }
    // With an envelope whoever exists got it or is queued; without one it was refused, and why will be said
    // again to whoever tries again.
    Ok(if set.envelope.is_some() { Outcome::NoAccount } else { Outcome::Busy })
}

async fn in_mailbox(
    session: &Session,
    set: &DeliverySet,
    delivery: &Delivery,
) -> Result<Option<Placed>, StoreError> {
    static PLACED: Sharded = Sharded::new(
        "SELECT t.mailbox_id, m.uidvalidity, t.uid, t.modseq, t.thread_id \
         FROM mailbox_message_{p} t JOIN mailbox m ON m.account_id = t.account_id AND m.id = t.mailbox_id \
         WHERE t.account_id = $1 AND t.message_id = $2 ORDER BY t.saved_at LIMIT 1",
        &[Type::INT4, Type::UUID],
    );
    let params: crate::pool::Params<'_> = &[&delivery.account.0, &set.blob.id.0];
    let row = session.read_opt(PLACED.of(delivery.account), params).await?;
    Ok(row.map(|row| placed(&row, 0)))
}

async fn in_queue(
    session: &Session,
    set: &DeliverySet,
    delivery: &Delivery,
) -> Result<bool, StoreError> {
    static QUEUED: Sql = Sql::new(
        "SELECT 1 FROM queue_recipient WHERE queue_id = $1 AND account_id = $2 LIMIT 1",
        &[Type::UUID, Type::INT4],
    );
    let Some(envelope) = &set.envelope else { return Ok(false) };
    let row = session.read_opt(&QUEUED, &[&envelope.queue.0, &delivery.account.0]).await?;
    Ok(row.is_some())
}

/// The log remembers a message that has been expunged since. Reads the account's log backwards, which may
/// take a while; a COMMIT is rarely lost, and rarer still is this.
async fn in_log(
    session: &Session,
    set: &DeliverySet,
    delivery: &Delivery,
) -> Result<Option<Placed>, StoreError> {
    static LOGGED: Sql = Sql::new(
        "SELECT c.mailbox_id, COALESCE(m.uidvalidity, 0), c.uids[array_position(c.object_ids, $2)], c.modseq \
         FROM change c LEFT JOIN mailbox m ON m.account_id = c.account_id AND m.id = c.mailbox_id \
         WHERE c.account_id = $1 AND c.kind = 1 AND c.op = 1 AND $2 = ANY (c.object_ids) \
         ORDER BY c.modseq DESC LIMIT 1",
        &[Type::INT4, Type::UUID],
    );
    let row = session.read_opt(&LOGGED, &[&delivery.account.0, &set.blob.id.0]).await?;
    Ok(row.map(|row| logged(&row, set)))
}

fn logged(row: &Row, set: &DeliverySet) -> Placed {
    Placed {
        mailbox: MailboxId(row.get(0)),
        uidvalidity: UidValidity(row.get::<_, i32>(1) as u32),
        uid: Uid(row.get::<_, i32>(2) as u32),
        modseq: ModSeq(row.get::<_, i64>(3) as u64),
        thread: ThreadId(set.blob.id.0),
    }
}
