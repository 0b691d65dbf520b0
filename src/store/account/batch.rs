//! A batch of deliveries as one call of `deliver_v1`, or of `deliver_v3` when some of it goes elsewhere.

use super::deliver::{Delivery, DeliverySet, Done, Outcome, Placed};
use super::{Change, born, outbound, threads};
use crate::sql::{Sql, shard};
use crate::{Session, StoreError};
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use types::{AccountId, MailboxId, ModSeq, ThreadId, Uid, UidValidity};
use uuid::Uuid;

static DELIVER: Sql = Sql::new(
    "SELECT outcome, mailbox_id, uidvalidity, uid, modseq, thread_id \
     FROM deliver_v1($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23,$24,\
     $25,$26,$27,$28)",
    &[
        Type::UUID_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT8_ARRAY,
        Type::BYTEA_ARRAY,
        Type::BYTEA_ARRAY,
        Type::TEXT_ARRAY,
        Type::TIMESTAMPTZ_ARRAY,
        Type::BOOL_ARRAY,
        Type::UUID_ARRAY,
        Type::INT4_ARRAY,
        Type::TEXT_ARRAY,
        Type::JSONB_ARRAY,
        Type::INT4_ARRAY,
        Type::INT4_ARRAY,
        Type::UUID_ARRAY,
        Type::BOOL_ARRAY,
        Type::UUID_ARRAY,
        Type::INT4_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT4_ARRAY,
        Type::INT8_ARRAY,
        Type::BOOL_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT4_ARRAY,
        Type::UUID_ARRAY,
        Type::INT4_ARRAY,
        Type::INT8_ARRAY,
        Type::BOOL,
    ],
);

static DELIVER_AND_QUEUE: Sql = Sql::new(
    "SELECT outcome, mailbox_id, uidvalidity, uid, modseq, thread_id, recipient_id \
     FROM deliver_v3($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23,$24,\
     $25,$26,$27,$28,$29,$30,$31,$32,$33,$34,$35,$36,$37,$38,$39,$40,$41,$42,$43,$44,$45,$46,$47,$48,$49)",
    &[
        Type::UUID_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT8_ARRAY,
        Type::BYTEA_ARRAY,
        Type::BYTEA_ARRAY,
        Type::TEXT_ARRAY,
        Type::TIMESTAMPTZ_ARRAY,
        Type::BOOL_ARRAY,
        Type::UUID_ARRAY,
        Type::INT4_ARRAY,
        Type::TEXT_ARRAY,
        Type::JSONB_ARRAY,
        Type::INT4_ARRAY,
        Type::INT4_ARRAY,
        Type::UUID_ARRAY,
        Type::BOOL_ARRAY,
        Type::UUID_ARRAY,
        Type::INT4_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT4_ARRAY,
        Type::INT8_ARRAY,
        Type::BOOL_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT4_ARRAY,
        Type::UUID_ARRAY,
        Type::INT4_ARRAY,
        Type::INT8_ARRAY,
        Type::BOOL,
        Type::INT4_ARRAY,
        Type::FLOAT8_ARRAY,
        Type::INT4_ARRAY,
        Type::INT8_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT4_ARRAY,
        Type::INT2_ARRAY,
        Type::TEXT_ARRAY,
        Type::JSONB_ARRAY,
        Type::FLOAT8_ARRAY,
        Type::FLOAT8_ARRAY,
        Type::JSONB_ARRAY,
        Type::INT4_ARRAY,
        Type::BOOL_ARRAY,
        Type::UUID,
        Type::UUID,
        Type::INT4_ARRAY,
        Type::INT8_ARRAY,
        Type::INT4_ARRAY,
        Type::UUID_ARRAY,
        Type::INT4_ARRAY,
    ],
);

/// Several sets in one transaction.
pub(super) struct Batch<'a> {
    pub sets: &'a [DeliverySet],
    /// Do not wait for locks: whoever is locked now is reported busy.
    pub skip_busy: bool,
}

impl Change for Batch<'_> {
    /// Per set.
    type Output = Vec<Done>;

    async fn apply(&self, session: &Session) -> Result<Self::Output, StoreError> {
        let rows = self.send(session).await?;
        let deliveries = self.sets.iter().map(|set| set.deliveries.len()).sum();
        let Some((placed, born)) = rows.split_at_checked(deliveries) else {
            return Err(StoreError::Bug("deliver_v1 answered for other deliveries".into()));
        };
        let (mut placed, mut born) = (placed.iter(), born::ids(self.sets, born));
        let done = |set: &DeliverySet| Done {
            outcomes: placed.by_ref().take(set.deliveries.len()).map(outcome).collect(),
            born: born.next().unwrap_or_default(),
        };
        Ok(self.sets.iter().map(done).collect())
    }
}

/// Messages for one mailbox of one account, all or none; `replaces` goes in the same transaction.
pub(super) struct AllOrNone<'a> {
    pub account: AccountId,
    pub sets: &'a [DeliverySet],
    pub replaces: Option<(AccountId, MailboxId, Uid)>,
}

static APPEND: Sql = Sql::new(
    "SELECT outcome, mailbox_id, uidvalidity, uid, modseq, thread_id \
     FROM append_v1($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23,$24,\
     $25,$26,$27,$28,$29,$30,$31)",
    &[
        Type::UUID_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT8_ARRAY,
        Type::BYTEA_ARRAY,
        Type::BYTEA_ARRAY,
        Type::TEXT_ARRAY,
        Type::TIMESTAMPTZ_ARRAY,
        Type::BOOL_ARRAY,
        Type::UUID_ARRAY,
        Type::INT4_ARRAY,
        Type::TEXT_ARRAY,
        Type::JSONB_ARRAY,
        Type::INT4_ARRAY,
        Type::INT4_ARRAY,
        Type::UUID_ARRAY,
        Type::BOOL_ARRAY,
        Type::UUID_ARRAY,
        Type::INT4_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT4_ARRAY,
        Type::INT8_ARRAY,
        Type::BOOL_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT4_ARRAY,
        Type::UUID_ARRAY,
        Type::INT4_ARRAY,
        Type::INT8_ARRAY,
        Type::BOOL,
        Type::INT4,
        Type::UUID,
        Type::INT4,
    ],
);

/// The same where the message that goes is another account's.
static APPEND_ACROSS: Sql = Sql::new(
    "SELECT outcome, mailbox_id, uidvalidity, uid, modseq, thread_id \
     FROM append_across_v1($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23,$24,\
     $25,$26,$27,$28,$29,$30,$31,$32)",
    &[
        Type::UUID_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT8_ARRAY,
        Type::BYTEA_ARRAY,
        Type::BYTEA_ARRAY,
        Type::TEXT_ARRAY,
        Type::TIMESTAMPTZ_ARRAY,
        Type::BOOL_ARRAY,
        Type::UUID_ARRAY,
        Type::INT4_ARRAY,
        Type::TEXT_ARRAY,
        Type::JSONB_ARRAY,
        Type::INT4_ARRAY,
        Type::INT4_ARRAY,
        Type::UUID_ARRAY,
        Type::BOOL_ARRAY,
        Type::UUID_ARRAY,
        Type::INT4_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT4_ARRAY,
        Type::INT8_ARRAY,
        Type::BOOL_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT4_ARRAY,
        Type::UUID_ARRAY,
        Type::INT4_ARRAY,
        Type::INT8_ARRAY,
        Type::BOOL,
        Type::INT4,
        Type::UUID,
        Type::INT4,
        Type::INT4,
    ],
);

impl Change for AllOrNone<'_> {
    type Output = Vec<Placed>;

    async fn apply(&self, session: &Session) -> Result<Vec<Placed>, StoreError> {
        let batch = Batch { sets: self.sets, skip_busy: false };
        let (of, mailbox, uid) = match self.replaces {
            Some((of, mailbox, uid)) => (of, Some(mailbox.0), Some(uid.0 as i32)),
            None => (self.account, None, None),
        };
        let shard = shard(of) as i32;
        let replaced: [&(dyn ToSql + Sync); 4] = [&shard, &mailbox, &uid, &of.0];
        let rows = match of == self.account {
            true => batch.send_as(session, &APPEND, &replaced[..3]).await?,
            false => batch.send_as(session, &APPEND_ACROSS, &replaced).await?,
        };
        if rows.len() != self.sets.len() {
            return Err(StoreError::Bug("append_v1 answered for other messages".into()));
        }
        Ok(rows.iter().map(|row| placed(row, 1)).collect())
    }
}

impl Batch<'_> {
    /// The columns of `deliver_v1`, and whatever more this function takes.
    async fn send_as(
        &self,
        session: &Session,
        function: &'static Sql,
        more: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let b = Blobs::of(self.sets);
        let d = Deliveries::of(self.sets);
        let groups = threads::group(self.sets.iter().flat_map(|set| {
            let (id, refs) = (set.blob.id.0, set.blob.references.as_slice());
            set.deliveries.iter().map(move |delivery| (delivery.account, id, refs))
        }));
        let local: [&(dyn ToSql + Sync); 28] = [
            &b.id,
            &b.key,
            &b.size,
            &b.blake3,
            &b.structure,
            &b.preview,
            &b.received,
            &b.newborn,
            &b.queue,
            &b.tenant,
            &b.reverse_path,
            &b.parameters,
            &d.blob,
            &d.account,
            &d.mailbox,
            &d.strict,
            &d.message,
            &d.flags,
            &d.keywords,
            &groups.of_delivery,
            &d.queued,
            &d.deferred,
            &d.recipient,
            &groups.account,
            &groups.fallback,
            &groups.hash_group,
            &groups.hash,
            &self.skip_busy,
        ];
        session.write(function, &[&local[..], more].concat()).await
    }

    async fn send(&self, session: &Session) -> Result<Vec<Row>, StoreError> {
        if self.sets.iter().all(|set| set.outbound.is_none()) {
            return self.send_as(session, &DELIVER, &[]).await;
        }
        let q = outbound::Columns::of(self.sets);
        let elsewhere: [&(dyn ToSql + Sync); 21] = [
            &q.offset,
            &q.delay,
            &q.blob,
            &q.key,
            &q.destination,
            &q.tenant,
            &q.rank,
            &q.recipient,
            &q.parameters,
            &q.wait,
            &q.expire,
            &q.result,
            &q.delivery,
            &q.mine,
            &q.owner,
            &q.node,
            &q.settled_blob,
            &q.settled,
            &q.delayed_blob,
            &q.delayed,
            &q.tells,
        ];
        self.send_as(session, &DELIVER_AND_QUEUE, &elsewhere).await
    }
}

#[derive(Default)]
struct Blobs<'a> {
    id: Vec<Uuid>,
    key: Vec<&'a str>,
    size: Vec<i64>,
    blake3: Vec<&'a [u8]>,
    structure: Vec<&'a [u8]>,
    preview: Vec<&'a str>,
    received: Vec<chrono::DateTime<chrono::Utc>>,
    newborn: Vec<bool>,
    queue: Vec<Option<Uuid>>,
    tenant: Vec<Option<i32>>,
    reverse_path: Vec<Option<&'a str>>,
    parameters: Vec<Option<&'a Value>>,
}

impl<'a> Blobs<'a> {
    fn of(sets: &'a [DeliverySet]) -> Self {
        let mut all = Self::default();
        for DeliverySet { blob, newborn, envelope, .. } in sets {
            all.id.push(blob.id.0);
            all.key.push(&blob.object_key);
            all.size.push(blob.size as i64);
            all.blake3.push(&blob.blake3);
            all.structure.push(&blob.structure);
            all.preview.push(&blob.preview);
            all.received.push(blob.received_at);
            all.newborn.push(*newborn);
            all.queue.push(envelope.as_ref().map(|e| e.queue.0));
            all.tenant.push(envelope.as_ref().map(|e| e.tenant.0));
            all.reverse_path.push(envelope.as_ref().map(|e| e.reverse_path.as_str()));
            all.parameters.push(envelope.as_ref().map(|e| &e.parameters));
        }
        all
    }
}

#[derive(Default)]
struct Deliveries<'a> {
    blob: Vec<i32>,
    account: Vec<i32>,
    mailbox: Vec<Option<Uuid>>,
    strict: Vec<bool>,
    message: Vec<Uuid>,
    flags: Vec<i32>,
    keywords: Vec<Option<String>>,
    queued: Vec<Option<i64>>,
    deferred: Vec<bool>,
    recipient: Vec<&'a str>,
}

impl<'a> Deliveries<'a> {
    fn of(sets: &'a [DeliverySet]) -> Self {
        let mut all = Self::default();
        for (index, set) in sets.iter().enumerate() {
            for delivery in &set.deliveries {
                all.push(index as i32 + 1, set.blob.id.0, delivery);
            }
        }
        all
    }

    fn push(&mut self, blob: i32, message: Uuid, delivery: &'a Delivery) {
        self.blob.push(blob);
        self.account.push(delivery.account.0);
        self.mailbox.push(delivery.mailbox.map(|id| id.0));
        self.strict.push(delivery.strict);
        self.message.push(message);
        self.flags.push(delivery.flags.0 as i32);
        // Keywords are atoms, so a space separates them safely (an array of arrays would have to be square).
        self.keywords.push((!delivery.keywords.is_empty()).then(|| delivery.keywords.join(" ")));
        self.queued.push(delivery.queued);
        self.deferred.push(delivery.deferred);
        self.recipient.push(&delivery.recipient);
    }
}

fn outcome(row: &Row) -> Outcome {
    match row.get::<_, i16>(0) {
        0 => Outcome::Delivered(placed(row, 1)),
        1 => Outcome::Busy,
        2 => Outcome::NoAccount,
        3 => Outcome::OverQuota,
        4 => Outcome::NoMailbox,
        5 => Outcome::Deferred,
        _ => Outcome::NoLongerQueued,
    }
}

/// Reads mailbox_id, uidvalidity, uid, modseq, thread_id from column `at` on.
pub(super) fn placed(row: &Row, at: usize) -> Placed {
    Placed {
        mailbox: MailboxId(row.get(at)),
        uidvalidity: UidValidity(row.get::<_, i32>(at + 1) as u32),
        uid: Uid(row.get::<_, i32>(at + 2) as u32),
        modseq: ModSeq(row.get::<_, i64>(at + 3) as u64),
        thread: ThreadId(row.get(at + 4)),
    }
}
