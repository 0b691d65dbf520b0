//! Messages and the change log as they are read. Lists are paged by UID in short statements.
//!
//! Rows of given UIDs or ids are looked up one by one within a statement (LATERAL, OFFSET 0). With `= ANY` the
//! planner may read the whole mailbox instead, and does so while a partition has no statistics yet.

mod columns;

pub use columns::{Columns, uid_columns};

use crate::sql::{Sharded, Sql};
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use std::ops::RangeInclusive;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use types::{AccountId, BlobId, Flags, MailboxId, MessageId, ModSeq, ThreadId, Uid};

/// All that a flag or size list needs of one copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UidRow {
    /// In its mailbox.
    pub uid: Uid,
    /// System flags.
    pub flags: Flags,
    /// Flags without a bit.
    pub keywords: Vec<String>,
    /// Last change.
    pub modseq: ModSeq,
    /// EMAILID.
    pub message: MessageId,
    /// THREADID.
    pub thread: ThreadId,
    /// INTERNALDATE.
    pub received_at: DateTime<Utc>,
    /// SAVEDATE.
    pub saved_at: DateTime<Utc>,
    /// RFC822.SIZE.
    pub size: u32,
}

fn uid_row(row: &Row) -> UidRow {
    UidRow {
        uid: Uid(row.get::<_, i32>(0) as u32),
        flags: Flags(row.get::<_, i32>(1) as u32),
        keywords: row.get::<_, Option<Vec<String>>>(2).unwrap_or_default(),
        modseq: ModSeq(row.get::<_, i64>(3) as u64),
        message: MessageId(row.get(4)),
        thread: ThreadId(row.get(5)),
        received_at: row.get(6),
        saved_at: row.get(7),
        size: row.get::<_, i32>(8) as u32,
    }
}

/// The next copies of one run of UIDs, ascending, at most `limit`. Fewer than `limit`: the run is done.
///
/// # Errors
/// As [`Store::session`].
pub async fn uid_rows(
    store: &Store,
    account: AccountId,
    mailbox: MailboxId,
    run: RangeInclusive<u32>,
    limit: u32,
) -> Result<Vec<UidRow>, StoreError> {
    static ROWS: Sharded = Sharded::new(
        "SELECT uid, flags, keywords, modseq, message_id, thread_id, received_at, saved_at, size \
         FROM mailbox_message_{p} WHERE account_id = $1 AND mailbox_id = $2 AND uid BETWEEN $3 AND $4 \
         ORDER BY uid LIMIT $5",
        &[Type::INT4, Type::UUID, Type::INT4, Type::INT4, Type::INT8],
    );
    let (from, to) = (clamp(*run.start()), clamp(*run.end()));
    let session = store.session().await?;
    let rows = session
        .read(ROWS.of(account), &[&account.0, &mailbox.0, &from, &to, &i64::from(limit)])
        .await?;
    Ok(rows.iter().map(uid_row).collect())
}

/// The copies with exactly these UIDs, in their order; missing ones are left out.
///
/// # Errors
/// As [`Store::session`].
pub async fn uid_rows_of(
    store: &Store,
    account: AccountId,
    mailbox: MailboxId,
    uids: &[Uid],
) -> Result<Vec<UidRow>, StoreError> {
    static ROWS: Sharded = Sharded::new(
        "SELECT t.* FROM unnest($3::int[]) AS wanted(uid) CROSS JOIN LATERAL ( \
             SELECT uid, flags, keywords, modseq, message_id, thread_id, received_at, saved_at, size \
             FROM mailbox_message_{p} \
             WHERE account_id = $1 AND mailbox_id = $2 AND uid = wanted.uid OFFSET 0) t",
        &[Type::INT4, Type::UUID, Type::INT4_ARRAY],
    );
    let uids: Vec<i32> = uids.iter().map(|uid| uid.0 as i32).collect();
    let rows =
        store.session().await?.read(ROWS.of(account), &[&account.0, &mailbox.0, &uids]).await?;
    Ok(rows.iter().map(uid_row).collect())
}

/// UIDs are below 2^31 (the column is an `int4`); whatever a client asks for beyond does not exist.
fn clamp(uid: u32) -> i32 {
    i32::try_from(uid).unwrap_or(i32::MAX)
}

/// All UIDs of a mailbox as ascending runs, so that a mailbox without gaps is one row on the wire. Where the counters
/// say that there are none, no other row is read.
///
/// # Errors
/// As [`Store::session`].
pub async fn uid_runs(
    store: &Store,
    account: AccountId,
    mailbox: MailboxId,
) -> Result<Vec<RangeInclusive<u32>>, StoreError> {
    // Each row ends a run and begins the next one; the last has no next one.
    static BREAKS: Sharded = Sharded::new(
        "WITH ends AS MATERIALIZED ( \
             SELECT (SELECT min(uid) FROM mailbox_message_{p} WHERE account_id = $1 AND mailbox_id = $2) AS first, \
                    (SELECT max(uid) FROM mailbox_message_{p} WHERE account_id = $1 AND mailbox_id = $2) AS last, \
                    (SELECT total FROM mailbox WHERE account_id = $1 AND id = $2) AS total) \
         SELECT NULL::int, first FROM ends WHERE first IS NOT NULL \
         UNION ALL \
         SELECT before, uid FROM (SELECT uid, lag(uid) OVER (ORDER BY uid) AS before \
                                    FROM mailbox_message_{p} WHERE account_id = $1 AND mailbox_id = $2) u \
          WHERE uid > before + 1 AND (SELECT last - first + 1 IS DISTINCT FROM total FROM ends) \
         UNION ALL \
         SELECT last, NULL FROM ends WHERE last IS NOT NULL \
         ORDER BY 2",
        &[Type::INT4, Type::UUID],
    );
    let rows = store.session().await?.read(BREAKS.of(account), &[&account.0, &mailbox.0]).await?;
    let begins = rows.iter().filter_map(|row| row.get::<_, Option<i32>>(1));
    let ends = rows.iter().filter_map(|row| row.get::<_, Option<i32>>(0));
    Ok(begins.zip(ends).map(|(first, last)| first as u32..=last as u32).collect())
}

/// The lowest UID without `\Seen`.
///
/// # Errors
/// As [`Store::session`].
pub async fn first_unseen(
    store: &Store,
    account: AccountId,
    mailbox: MailboxId,
) -> Result<Option<Uid>, StoreError> {
    static UNSEEN: Sharded = Sharded::new(
        "SELECT uid FROM mailbox_message_{p} \
         WHERE account_id = $1 AND mailbox_id = $2 AND flags & 1 = 0 ORDER BY uid LIMIT 1",
        &[Type::INT4, Type::UUID],
    );
    let row =
        store.session().await?.read_opt(UNSEEN.of(account), &[&account.0, &mailbox.0]).await?;
    Ok(row.map(|row| Uid(row.get::<_, i32>(0) as u32)))
}

/// Distinct keywords in use in a mailbox, at most 100.
///
/// # Errors
/// As [`Store::session`].
pub async fn keywords_in_use(
    store: &Store,
    account: AccountId,
    mailbox: MailboxId,
) -> Result<Vec<String>, StoreError> {
    static KEYWORDS: Sharded = Sharded::new(
        "SELECT DISTINCT unnest(keywords) FROM mailbox_message_{p} \
         WHERE account_id = $1 AND mailbox_id = $2 AND keywords IS NOT NULL ORDER BY 1 LIMIT 100",
        &[Type::INT4, Type::UUID],
    );
    let rows = store.session().await?.read(KEYWORDS.of(account), &[&account.0, &mailbox.0]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// What never changes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// EMAILID.
    pub id: MessageId,
    /// The bytes.
    pub blob: BlobId,
    /// Octets.
    pub size: u32,
    /// `message::Structure`, encoded.
    pub structure: Vec<u8>,
    /// RFC 8970.
    pub preview: String,
}

/// The immutable part of these messages, in their order; missing ones are left out.
///
/// # Errors
/// As [`Store::session`].
pub async fn message_rows(
    store: &Store,
    account: AccountId,
    messages: &[MessageId],
) -> Result<Vec<MessageRow>, StoreError> {
    static ROWS: Sharded = Sharded::new(
        "SELECT t.* FROM unnest($2::uuid[]) AS wanted(id) CROSS JOIN LATERAL ( \
             SELECT id, blob_id, size, structure, preview FROM message_{p} \
             WHERE account_id = $1 AND id = wanted.id OFFSET 0) t",
        &[Type::INT4, Type::UUID_ARRAY],
    );
    let ids: Vec<uuid::Uuid> = messages.iter().map(|id| id.0).collect();
    let rows = store.session().await?.read(ROWS.of(account), &[&account.0, &ids]).await?;
    Ok(rows.iter().map(message_row).collect())
}

fn message_row(row: &Row) -> MessageRow {
    MessageRow {
        id: MessageId(row.get(0)),
        blob: BlobId(row.get(1)),
        size: row.get::<_, i32>(2) as u32,
        structure: row.get(3),
        preview: row.get(4),
    }
}

/// As [`message_rows`], and where their bytes are; `None`: the blob was deleted.
///
/// # Errors
/// As [`Store::session`].
pub async fn message_rows_placed(
    store: &Store,
    account: AccountId,
    messages: &[MessageId],
) -> Result<Vec<(MessageRow, Option<BlobRow>)>, StoreError> {
    static ROWS: Sharded = Sharded::new(
        "SELECT t.*, b.* FROM unnest($2::uuid[]) AS wanted(id) CROSS JOIN LATERAL ( \
             SELECT id, blob_id, size, structure, preview FROM message_{p} \
             WHERE account_id = $1 AND id = wanted.id OFFSET 0) t \
         LEFT JOIN LATERAL (SELECT object_key, \"offset\", length FROM blob \
                             WHERE blob.id = t.blob_id AND state = 0 OFFSET 0) b ON true",
        &[Type::INT4, Type::UUID_ARRAY],
    );
    let ids: Vec<uuid::Uuid> = messages.iter().map(|id| id.0).collect();
    let rows = store.session().await?.read(ROWS.of(account), &[&account.0, &ids]).await?;
    let place = |row: &Row| row.get::<_, Option<String>>(5).map(|_| blob_place(row, 5));
    Ok(rows.iter().map(|row| (message_row(row), place(row))).collect())
}

/// Where a blob's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobRow {
    /// Key in the blob store.
    pub object_key: String,
    /// First octet within the object.
    pub offset: u64,
    /// Stored octets.
    pub length: u64,
}

/// Finds a live blob. `None`: it was deleted.
///
/// # Errors
/// As [`Store::session`].
pub async fn blob_row(store: &Store, blob: BlobId) -> Result<Option<BlobRow>, StoreError> {
    static ROW: Sql = Sql::new(
        "SELECT object_key, \"offset\", length FROM blob WHERE id = $1 AND state = 0",
        &[Type::UUID],
    );
    let row = store.session().await?.read_opt(&ROW, &[&blob.0]).await?;
    Ok(row.map(|row| blob_place(&row, 0)))
}

fn blob_place(row: &Row, at: usize) -> BlobRow {
    BlobRow {
        object_key: row.get(at),
        offset: row.get::<_, i64>(at + 1) as u64,
        length: row.get::<_, i64>(at + 2) as u64,
    }
}

/// As [`blob_row`] for many; deleted ones are left out.
///
/// # Errors
/// As [`Store::session`].
pub async fn blob_rows(
    store: &Store,
    blobs: &[BlobId],
) -> Result<Vec<(BlobId, BlobRow)>, StoreError> {
    static ROWS: Sql = Sql::new(
        "SELECT id, object_key, \"offset\", length FROM blob WHERE id = ANY ($1) AND state = 0",
        &[Type::UUID_ARRAY],
    );
    let ids: Vec<uuid::Uuid> = blobs.iter().map(|id| id.0).collect();
    let rows = store.session().await?.read(&ROWS, &[&ids]).await?;
    Ok(rows.iter().map(|row| (BlobId(row.get(0)), blob_place(row, 1))).collect())
}

/// The next UIDs with `\Deleted` above `after`, ascending, at most `limit`. Fewer: that was all.
///
/// # Errors
/// As [`Store::session`].
pub async fn uids_deleted(
    store: &Store,
    account: AccountId,
    mailbox: MailboxId,
    after: u32,
    limit: u32,
) -> Result<Vec<Uid>, StoreError> {
    static DELETED: Sharded = Sharded::new(
        "SELECT uid FROM mailbox_message_{p} \
         WHERE account_id = $1 AND mailbox_id = $2 AND uid > $3 AND flags & 8 <> 0 ORDER BY uid LIMIT $4",
        &[Type::INT4, Type::UUID, Type::INT4, Type::INT8],
    );
    let params: crate::pool::Params<'_> =
        &[&account.0, &mailbox.0, &clamp(after), &i64::from(limit)];
    let rows = store.session().await?.read(DELETED.of(account), params).await?;
    Ok(rows.iter().map(|row| Uid(row.get::<_, i32>(0) as u32)).collect())
}

/// The highest mod-sequence of the copies in these runs of UIDs. `None`: there are no copies.
///
/// # Errors
/// As [`Store::session`].
pub async fn highest_modseq(
    store: &Store,
    account: AccountId,
    mailbox: MailboxId,
    runs: &[RangeInclusive<u32>],
) -> Result<Option<ModSeq>, StoreError> {
    static HIGHEST: Sharded = Sharded::new(
        "SELECT max(x.modseq) FROM unnest($3, $4) AS r(first, last) \
         CROSS JOIN LATERAL (SELECT max(t.modseq) AS modseq FROM mailbox_message_{p} t \
              WHERE t.account_id = $1 AND t.mailbox_id = $2 AND t.uid BETWEEN r.first AND r.last) x",
        &[Type::INT4, Type::UUID, Type::INT4_ARRAY, Type::INT4_ARRAY],
    );
    let firsts: Vec<i32> = runs.iter().map(|run| clamp(*run.start())).collect();
    let lasts: Vec<i32> = runs.iter().map(|run| clamp(*run.end())).collect();
    let params: crate::pool::Params<'_> = &[&account.0, &mailbox.0, &firsts, &lasts];
    let row = store.session().await?.read_opt(HIGHEST.of(account), params).await?;
    Ok(row.and_then(|row| row.get::<_, Option<i64>>(0)).map(|modseq| ModSeq(modseq as u64)))
}

/// Octets of the copies with `\Deleted`. Reads every row of the mailbox.
///
/// # Errors
/// As [`Store::session`].
pub async fn deleted_bytes(
    store: &Store,
    account: AccountId,
    mailbox: MailboxId,
) -> Result<u64, StoreError> {
    static DELETED: Sharded = Sharded::new(
        "SELECT COALESCE(sum(size), 0)::bigint FROM mailbox_message_{p} \
         WHERE account_id = $1 AND mailbox_id = $2 AND flags & 8 <> 0",
        &[Type::INT4, Type::UUID],
    );
    let session = store.session().await?;
    let row = session.read_opt(DELETED.of(account), &[&account.0, &mailbox.0]).await?;
    Ok(row.map_or(0, |row| row.get::<_, i64>(0) as u64))
}

/// One row of the change log, messages only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRow {
    /// When.
    pub modseq: ModSeq,
    /// 1 created, 2 updated, 3 destroyed.
    pub op: i16,
    /// Ascending.
    pub uids: Vec<u32>,
}

/// Where an account and one of its mailboxes stand, and what happened in the mailbox since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeLog {
    /// The modseq that this answer is complete up to: the account's, unless the limit cut it short.
    pub modseq: ModSeq,
    /// Changes at or below this are no longer logged.
    pub floor: ModSeq,
    /// The mailbox is live.
    pub live: bool,
    /// The mailbox's own highest modseq, whatever the limit cut off.
    pub highest: ModSeq,
    /// Nothing was left out by the limit.
    pub complete: bool,
    /// Ascending by modseq and position.
    pub changes: Vec<ChangeRow>,
}

/// The change log of one mailbox after `since`, at most `limit` (2 or more) rows. `None`: no such account.
///
/// One statement, so one snapshot: every change up to the returned modseq is in it (a modseq becomes visible
/// together with its rows).
///
/// # Errors
/// As [`Store::session`].
pub async fn change_log(
    store: &Store,
    account: AccountId,
    mailbox: MailboxId,
    since: ModSeq,
    limit: u32,
) -> Result<Option<ChangeLog>, StoreError> {
    static LOG: Sql = Sql::new(
        "SELECT s.modseq, s.change_floor, \
                (SELECT m.highest_modseq FROM mailbox m \
                  WHERE m.account_id = $1 AND m.id = $2 AND m.state = 0), \
                c.modseq, c.op, c.uids \
         FROM account_state s \
         LEFT JOIN change c ON c.account_id = s.account_id AND c.modseq > $3 AND c.mailbox_id = $2 \
              AND c.kind = 1 \
         WHERE s.account_id = $1 ORDER BY c.modseq, c.position LIMIT $4",
        &[Type::INT4, Type::UUID, Type::INT8, Type::INT8],
    );
    let session = store.session().await?;
    let params: crate::pool::Params<'_> =
        &[&account.0, &mailbox.0, &(since.0 as i64), &i64::from(limit)];
    let rows = session.read(&LOG, params).await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let highest: Option<i64> = first.get(2);
    let mut log = ChangeLog {
        modseq: ModSeq(first.get::<_, i64>(0) as u64),
        floor: ModSeq(first.get::<_, i64>(1) as u64),
        live: highest.is_some(),
        highest: ModSeq(highest.unwrap_or(0) as u64),
        complete: true,
        changes: rows.iter().filter_map(change_row).collect(),
    };
    if log.changes.len() >= limit as usize {
        log.cut_short();
    }
    Ok(Some(log))
}

impl ChangeLog {
    /// The limit may have cut the last modseq in two: it is left for the next time, unless it is the only
    /// one (a change has at most two rows in one mailbox, so then it is whole).
    fn cut_short(&mut self) {
        self.complete = false;
        let Some(last) = self.changes.last().map(|row| row.modseq) else { return };
        if self.changes.first().is_some_and(|row| row.modseq < last) {
            self.changes.retain(|row| row.modseq < last);
        }
        self.modseq = self.changes.last().map_or(self.modseq, |row| row.modseq);
    }
}

fn change_row(row: &Row) -> Option<ChangeRow> {
    let modseq: Option<i64> = row.get(3);
    let uids: Option<Vec<i32>> = row.get(5);
    Some(ChangeRow {
        modseq: ModSeq(modseq? as u64),
        op: row.get(4),
        uids: uids.unwrap_or_default().into_iter().map(|uid| uid as u32).collect(),
    })
}
