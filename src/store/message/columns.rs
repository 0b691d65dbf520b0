//! Many copies at once, as columns: a page is one row on the wire, whose arrays hold what was asked for and nothing else.
//! To go through a mailbox for one property of its messages costs a tenth of what it costs row by row.

use super::{UidRow, clamp};
use crate::sql::Sharded;
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use std::ops::RangeInclusive;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSqlOwned, Type};
use types::{AccountId, Flags, MailboxId, MessageId, ModSeq, ThreadId, Uid};
use uuid::Uuid;

/// What is wanted of each copy, beside its UID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Columns(u8);

impl Columns {
    /// The UID alone.
    pub const NONE: Columns = Columns(0);
    /// System flags and keywords.
    pub const FLAGS: Columns = Columns(1);
    /// Its last change.
    pub const MODSEQ: Columns = Columns(1 << 1);
    /// EMAILID.
    pub const MESSAGE: Columns = Columns(1 << 2);
    /// THREADID.
    pub const THREAD: Columns = Columns(1 << 3);
    /// INTERNALDATE.
    pub const RECEIVED: Columns = Columns(1 << 4);
    /// SAVEDATE.
    pub const SAVED: Columns = Columns(1 << 5);
    /// RFC822.SIZE.
    pub const SIZE: Columns = Columns(1 << 6);
    /// Everything.
    pub const ALL: Columns = Columns((1 << 7) - 1);

    /// These and those.
    #[must_use]
    pub const fn with(self, other: Columns) -> Columns {
        Columns(self.0 | other.0)
    }

    /// Whether all of those are among these.
    #[must_use]
    pub const fn has(self, other: Columns) -> bool {
        self.0 & other.0 == other.0
    }
}

/// As [`super::uid_rows`]; what is not among the columns has a default.
///
/// # Errors
/// As [`Store::session`].
pub async fn uid_columns(
    store: &Store,
    account: AccountId,
    mailbox: MailboxId,
    run: RangeInclusive<u32>,
    limit: u32,
    columns: Columns,
) -> Result<Vec<UidRow>, StoreError> {
    static PAGE: Sharded = Sharded::new(
        "SELECT array_agg(t.uid), \
                array_agg(t.flags) FILTER (WHERE $6), \
                array_agg(array_to_string(t.keywords, ' ')) FILTER (WHERE $6), \
                array_agg(t.modseq) FILTER (WHERE $7), \
                array_agg(t.message_id) FILTER (WHERE $8), \
                array_agg(t.thread_id) FILTER (WHERE $9), \
                array_agg(t.received_at) FILTER (WHERE $10), \
                array_agg(t.saved_at) FILTER (WHERE $11), \
                array_agg(t.size) FILTER (WHERE $12) \
         FROM (SELECT * FROM mailbox_message_{p} \
                WHERE account_id = $1 AND mailbox_id = $2 AND uid BETWEEN $3 AND $4 ORDER BY uid LIMIT $5) t",
        &[
            Type::INT4,
            Type::UUID,
            Type::INT4,
            Type::INT4,
            Type::INT8,
            Type::BOOL,
            Type::BOOL,
            Type::BOOL,
            Type::BOOL,
            Type::BOOL,
            Type::BOOL,
            Type::BOOL,
        ],
    );
    let (from, to, limit) = (clamp(*run.start()), clamp(*run.end()), i64::from(limit));
    let wanted = [0, 1, 2, 3, 4, 5, 6].map(|bit| columns.0 >> bit & 1 == 1);
    let [flags, modseq, message, thread, received, saved, size] = &wanted;
    let params: crate::pool::Params<'_> = &[
        &account.0, &mailbox.0, &from, &to, &limit, flags, modseq, message, thread, received,
        saved, size,
    ];
    let row = store.session().await?.read_opt(PAGE.of(account), params).await?;
    Ok(row.map(|row| copies(&row)).unwrap_or_default())
}

fn copies(row: &Row) -> Vec<UidRow> {
    let uids: Vec<i32> = column(row, 0);
    let mut rows: Vec<UidRow> = uids.into_iter().map(blank).collect();
    let of = &mut rows;
    fill(of, column(row, 1), |row, flags: i32| row.flags = Flags(flags as u32));
    fill(of, column(row, 2), |row, words: Option<String>| row.keywords = keywords(words));
    fill(of, column(row, 3), |row, modseq: i64| row.modseq = ModSeq(modseq as u64));
    fill(of, column(row, 4), |row, id: Uuid| row.message = MessageId(id));
    fill(of, column(row, 5), |row, id: Uuid| row.thread = ThreadId(id));
    fill(of, column(row, 6), |row, at: DateTime<Utc>| row.received_at = at);
    fill(of, column(row, 7), |row, at: DateTime<Utc>| row.saved_at = at);
    fill(of, column(row, 8), |row, size: i32| row.size = size as u32);
    rows
}

/// An array that is NULL was not asked for, or is of no row.
fn column<T: FromSqlOwned>(row: &Row, at: usize) -> Vec<T>
where
    Vec<T>: FromSqlOwned,
{
    row.get::<_, Option<Vec<T>>>(at).unwrap_or_default()
}

fn fill<T>(rows: &mut [UidRow], values: Vec<T>, set: impl Fn(&mut UidRow, T)) {
    rows.iter_mut().zip(values).for_each(|(row, value)| set(row, value));
}

/// Keywords are atoms: none has a space.
fn keywords(words: Option<String>) -> Vec<String> {
    words.map_or_else(Vec::new, |words| words.split(' ').map(str::to_owned).collect())
}

fn blank(uid: i32) -> UidRow {
    UidRow {
        uid: Uid(uid as u32),
        flags: Flags::default(),
        keywords: Vec::new(),
        modseq: ModSeq(0),
        message: MessageId(Uuid::nil()),
        thread: ThreadId(Uuid::nil()),
        received_at: DateTime::UNIX_EPOCH,
        saved_at: DateTime::UNIX_EPOCH,
        size: 0,
    }
}
