//! The search index: signatures of messages, and how far each account's change log has been read for them.
//!
//! Every statement is safe to repeat: a signature is written once and says the same whoever writes it.

use crate::message::MessageRow;
use crate::sql::{Sharded, Sql};
use crate::{Store, StoreError};
use tokio_postgres::types::Type;
use types::{AccountId, BlobId, MessageId, ModSeq};
use uuid::Uuid;

/// Bits that a text is looked for by; fewer are repeated.
pub const PROBES: usize = 8;

/// An account whose messages may not all be indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind {
    /// Whose.
    pub account: AccountId,
    /// Up to where its log has been read.
    pub indexed: ModSeq,
    /// Up to where there is a log.
    pub modseq: ModSeq,
    /// Changes at or below this are no longer in the log.
    pub floor: ModSeq,
}

/// The next accounts after `after` whose log goes on, ascending, at most `limit`. Reads one small row of every account.
///
/// # Errors
/// As [`Store::session`].
pub async fn search_behind(
    store: &Store,
    after: AccountId,
    limit: u32,
) -> Result<Vec<Behind>, StoreError> {
    static BEHIND: Sql = Sql::new(
        "SELECT s.account_id, COALESCE(i.modseq, 0), s.modseq, s.change_floor FROM account_state s \
         LEFT JOIN search_state i USING (account_id) \
         WHERE s.account_id > $1 AND s.modseq > COALESCE(i.modseq, 0) ORDER BY s.account_id LIMIT $2",
        &[Type::INT4, Type::INT8],
    );
    let rows = store.session().await?.read(&BEHIND, &[&after.0, &i64::from(limit)]).await?;
    let modseq = |row: &tokio_postgres::Row, at| ModSeq(row.get::<_, i64>(at) as u64);
    Ok(rows
        .iter()
        .map(|row| Behind {
            account: AccountId(row.get(0)),
            indexed: modseq(row, 1),
            modseq: modseq(row, 2),
            floor: modseq(row, 3),
        })
        .collect())
}

/// How many accounts are behind, and by how many changes in all.
///
/// # Errors
/// As [`Store::session`].
pub async fn search_backlog(store: &Store) -> Result<(u64, u64), StoreError> {
    static BACKLOG: Sql = Sql::new(
        "SELECT count(*), COALESCE(sum(s.modseq - COALESCE(i.modseq, 0)), 0)::bigint \
         FROM account_state s LEFT JOIN search_state i USING (account_id) \
         WHERE s.modseq > COALESCE(i.modseq, 0)",
        &[],
    );
    let row = store.session().await?.read_opt(&BACKLOG, &[]).await?;
    Ok(row.map_or((0, 0), |row| (row.get::<_, i64>(0) as u64, row.get::<_, i64>(1) as u64)))
}

/// Messages that came into an account's mailboxes after `since`, a piece of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// In the order of the log, some maybe more than once.
    pub messages: Vec<MessageId>,
    /// Everything up to here is among them.
    pub up_to: ModSeq,
}

/// The next rows of an account's log, at most `limit` (some more where one change has several).
///
/// # Errors
/// As [`Store::session`].
pub async fn search_arrived(
    store: &Store,
    behind: &Behind,
    limit: u32,
) -> Result<Arrived, StoreError> {
    static ARRIVED: Sql = Sql::new(
        "SELECT c.modseq, c.object_ids FROM change c \
         WHERE c.account_id = $1 AND c.modseq > $2 AND c.modseq <= $3 AND c.kind = 1 AND c.op = 1 \
         ORDER BY c.modseq, c.position FETCH FIRST $4 ROWS WITH TIES",
        &[Type::INT4, Type::INT8, Type::INT8, Type::INT8],
    );
    let (from, to) = (behind.indexed.0 as i64, behind.modseq.0 as i64);
    let session = store.session().await?;
    let rows = session.read(&ARRIVED, &[&behind.account.0, &from, &to, &i64::from(limit)]).await?;
    let cut = rows.len() >= limit as usize;
    let last = rows.last().map(|row| ModSeq(row.get::<_, i64>(0) as u64));
    let ids = rows.iter().flat_map(|row| row.get::<_, Option<Vec<Uuid>>>(1).unwrap_or_default());
    Ok(Arrived {
        messages: ids.map(MessageId).collect(),
        up_to: last.filter(|_| cut).unwrap_or(behind.modseq),
    })
}

/// The next messages of an account after `after`, in the order of their ids.
///
/// # Errors
/// As [`Store::session`].
pub async fn search_all(
    store: &Store,
    account: AccountId,
    after: MessageId,
    limit: u32,
) -> Result<Vec<MessageId>, StoreError> {
    static ALL: Sharded = Sharded::new(
        "SELECT id FROM message_{p} WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3",
        &[Type::INT4, Type::UUID, Type::INT8],
    );
    let session = store.session().await?;
    let rows = session.read(ALL.of(account), &[&account.0, &after.0, &i64::from(limit)]).await?;
    Ok(rows.iter().map(|row| MessageId(row.get(0))).collect())
}

/// Those of these messages that are there and have no signature of this format.
///
/// # Errors
/// As [`Store::session`].
pub async fn search_unsigned(
    store: &Store,
    account: AccountId,
    messages: &[MessageId],
    format: i16,
) -> Result<Vec<MessageRow>, StoreError> {
    static ROWS: Sharded = Sharded::new(
        "SELECT t.* FROM (SELECT DISTINCT unnest($2::uuid[]) AS id) wanted CROSS JOIN LATERAL ( \
             SELECT m.id, m.blob_id, m.size, m.structure FROM message_{p} m \
             WHERE m.account_id = $1 AND m.id = wanted.id \
               AND (SELECT 1 FROM search_signature_{p} s \
                     WHERE s.account_id = $1 AND s.message_id = m.id AND s.format = $3 LIMIT 1) IS NULL \
             OFFSET 0) t",
        &[Type::INT4, Type::UUID_ARRAY, Type::INT2],
    );
    let ids: Vec<Uuid> = messages.iter().map(|id| id.0).collect();
    let session = store.session().await?;
    let rows = session.read(ROWS.of(account), &[&account.0, &ids, &format]).await?;
    Ok(rows
        .iter()
        .map(|row| MessageRow {
            id: MessageId(row.get(0)),
            blob: BlobId(row.get(1)),
            size: row.get::<_, i32>(2) as u32,
            structure: row.get(3),
            preview: String::new(),
        })
        .collect())
}

/// A message's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Of which message.
    pub message: MessageId,
    /// Whether the whole text is in it.
    pub complete: bool,
    /// The bits.
    pub signature: Vec<u8>,
}

/// Writes signatures of one account. Messages that are gone are left out: their rows are locked for the moment, so that
/// none goes while its signature comes.
///
/// # Errors
/// As [`Store::session`].
pub async fn search_sign(
    store: &Store,
    account: AccountId,
    format: i16,
    signed: &[Signed],
) -> Result<(), StoreError> {
    static SIGN: Sharded = Sharded::new(
        "INSERT INTO search_signature_{p} (account_id, format, complete, message_id, signature) \
         SELECT $1, $2, x.complete, x.id, x.signature \
         FROM unnest($3::uuid[], $4::boolean[], $5::bytea[]) AS x(id, complete, signature) \
         CROSS JOIN LATERAL (SELECT 1 FROM message_{p} m WHERE m.account_id = $1 AND m.id = x.id \
                             FOR KEY SHARE) m \
         ON CONFLICT (account_id, message_id) DO UPDATE \
            SET format = EXCLUDED.format, complete = EXCLUDED.complete, signature = EXCLUDED.signature \
          WHERE search_signature_{p}.format <> EXCLUDED.format",
        &[Type::INT4, Type::INT2, Type::UUID_ARRAY, Type::BOOL_ARRAY, Type::BYTEA_ARRAY],
    );
    let ids: Vec<Uuid> = signed.iter().map(|signed| signed.message.0).collect();
    let complete: Vec<bool> = signed.iter().map(|signed| signed.complete).collect();
    let signatures: Vec<&[u8]> = signed.iter().map(|signed| signed.signature.as_slice()).collect();
    let session = store.session().await?;
    let params: crate::pool::Params<'_> = &[&account.0, &format, &ids, &complete, &signatures];
    session.write(SIGN.of(account), params).await.map(|_| ())
}

/// An account's log has been read up to here. Of an account that is gone nothing is kept.
///
/// # Errors
/// As [`Store::session`].
pub async fn search_read(
    store: &Store,
    account: AccountId,
    up_to: ModSeq,
) -> Result<(), StoreError> {
    static READ: Sql = Sql::new(
        "INSERT INTO search_state (account_id, modseq) \
         SELECT a.id, $2 FROM account a WHERE a.id = $1 FOR KEY SHARE \
         ON CONFLICT (account_id) DO UPDATE SET modseq = GREATEST(search_state.modseq, EXCLUDED.modseq)",
        &[Type::INT4, Type::INT8],
    );
    let session = store.session().await?;
    session.write(&READ, &[&account.0, &(up_to.0 as i64)]).await.map(|_| ())
}

/// Which of these messages may hold a text, as places in the list: those whose signatures have all the bits, and those
/// whose signatures do not tell.
///
/// # Errors
/// As [`Store::session`].
pub async fn search_candidates(
    store: &Store,
    account: AccountId,
    format: i16,
    messages: &[MessageId],
    probes: &[i32; PROBES],
) -> Result<Vec<usize>, StoreError> {
    static CANDIDATES: Sharded = Sharded::new(
        "SELECT w.at::int FROM unnest($2::uuid[]) WITH ORDINALITY AS w(id, at) \
         LEFT JOIN LATERAL (SELECT t.signature, 8 * octet_length(t.signature) AS bits \
                              FROM search_signature_{p} t \
                             WHERE t.account_id = $1 AND t.message_id = w.id AND t.format = $3 AND t.complete \
                             OFFSET 0) s ON true \
         WHERE s.bits IS NULL \
            OR get_bit(s.signature, $4 % s.bits) = 1 AND get_bit(s.signature, $5 % s.bits) = 1 \
           AND get_bit(s.signature, $6 % s.bits) = 1 AND get_bit(s.signature, $7 % s.bits) = 1 \
           AND get_bit(s.signature, $8 % s.bits) = 1 AND get_bit(s.signature, $9 % s.bits) = 1 \
           AND get_bit(s.signature, $10 % s.bits) = 1 AND get_bit(s.signature, $11 % s.bits) = 1",
        &[
            Type::INT4,
            Type::UUID_ARRAY,
            Type::INT2,
            Type::INT4,
            Type::INT4,
            Type::INT4,
            Type::INT4,
            Type::INT4,
            Type::INT4,
            Type::INT4,
            Type::INT4,
        ],
    );
    let ids: Vec<Uuid> = messages.iter().map(|id| id.0).collect();
    let [a, b, c, d, e, f, g, h] = probes;
    let params: crate::pool::Params<'_> = &[&account.0, &ids, &format, a, b, c, d, e, f, g, h];
    let rows = store.session().await?.read(CANDIDATES.of(account), params).await?;
    Ok(rows.iter().map(|row| row.get::<_, i32>(0) as usize - 1).collect())
}

/// Which of these messages may hold at least `least` of these bits, as [`search_candidates`].
///
/// # Errors
/// As [`Store::session`].
pub async fn search_candidates_near(
    store: &Store,
    account: AccountId,
    format: i16,
    messages: &[MessageId],
    probes: &[i32],
    least: u32,
) -> Result<Vec<usize>, StoreError> {
    static NEAR: Sharded = Sharded::new(
        "SELECT w.at::int FROM unnest($2::uuid[]) WITH ORDINALITY AS w(id, at) \
         LEFT JOIN LATERAL (SELECT t.signature, 8 * octet_length(t.signature) AS bits \
                              FROM search_signature_{p} t \
                             WHERE t.account_id = $1 AND t.message_id = w.id AND t.format = $3 AND t.complete \
                             OFFSET 0) s ON true \
         WHERE s.bits IS NULL \
            OR (SELECT count(*) FROM unnest($4::int[]) AS p(bit) \
                 WHERE get_bit(s.signature, p.bit % s.bits) = 1) >= $5",
        &[Type::INT4, Type::UUID_ARRAY, Type::INT2, Type::INT4_ARRAY, Type::INT8],
    );
    let ids: Vec<Uuid> = messages.iter().map(|id| id.0).collect();
    let params: crate::pool::Params<'_> = &[&account.0, &ids, &format, &probes, &i64::from(least)];
    let rows = store.session().await?.read(NEAR.of(account), params).await?;
    Ok(rows.iter().map(|row| row.get::<_, i32>(0) as usize - 1).collect())
}
