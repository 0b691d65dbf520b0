//! What header fields of large mailboxes hold, by pages of UIDs (`migrations/V13__search_pages.sql`).
//!
//! A page is written once; whoever writes it again says the same, so every statement is safe to repeat.

use crate::sql::Sql;
use crate::{Store, StoreError};
use tokio_postgres::types::Type;
use types::{AccountId, MailboxId};

/// UIDs of a page.
pub const PAGE_UIDS: u32 = 1_024;
/// Octets of a slice: a bit for each of them.
pub const SLICE_OCTETS: usize = PAGE_UIDS as usize / 8;

/// Slices of one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slices {
    /// Which page.
    pub page: u32,
    /// One after the other, in the order asked for.
    pub octets: Vec<u8>,
}

/// Which of the pages `from..=to` of a mailbox are there, and these slices of each, at most 64.
///
/// # Errors
/// As [`Store::session`].
pub async fn search_page_slices(
    store: &Store,
    account: AccountId,
    mailbox: MailboxId,
    (from, to): (u32, u32),
    format: i16,
    slices: &[u16],
) -> Result<Vec<Slices>, StoreError> {
    static SLICES: Sql = Sql::new(
        "SELECT p.page, (SELECT string_agg(substring(p.slices FROM s.at * 128 + 1 FOR 128), NULL ORDER BY s.nth) \
                           FROM unnest($6::int[]) WITH ORDINALITY AS s(at, nth)) \
         FROM search_page p \
         WHERE p.account_id = $1 AND p.mailbox_id = $2 AND p.page BETWEEN $3 AND $4 AND p.format = $5 \
         ORDER BY p.page LIMIT 64",
        &[Type::INT4, Type::UUID, Type::INT4, Type::INT4, Type::INT2, Type::INT4_ARRAY],
    );
    let slices: Vec<i32> = slices.iter().map(|slice| i32::from(*slice)).collect();
    let session = store.session().await?;
    let params: crate::pool::Params<'_> =
        &[&account.0, &mailbox.0, &(from as i32), &(to as i32), &format, &slices];
    let rows = session.read(&SLICES, params).await?;
    Ok(rows
        .iter()
        .map(|row| Slices {
            page: row.get::<_, i32>(0) as u32,
            octets: row.get::<_, Option<Vec<u8>>>(1).unwrap_or_default(),
        })
        .collect())
}

/// Writes a page. Of a mailbox that is gone nothing is kept.
///
/// # Errors
/// As [`Store::session`].
pub async fn search_page_write(
    store: &Store,
    account: AccountId,
    mailbox: MailboxId,
    page: u32,
    format: i16,
    slices: &[u8],
) -> Result<(), StoreError> {
    static WRITE: Sql = Sql::new(
        "INSERT INTO search_page (account_id, mailbox_id, page, format, slices) \
         SELECT m.account_id, m.id, $3, $4, $5 FROM mailbox m \
          WHERE m.account_id = $1 AND m.id = $2 AND m.uidnext >= ($3 + 1) * 1024 FOR KEY SHARE \
         ON CONFLICT (account_id, mailbox_id, page) DO UPDATE \
            SET format = EXCLUDED.format, slices = EXCLUDED.slices \
          WHERE search_page.format <> EXCLUDED.format",
        &[Type::INT4, Type::UUID, Type::INT4, Type::INT2, Type::BYTEA],
    );
    let params: crate::pool::Params<'_> =
        &[&account.0, &mailbox.0, &(page as i32), &format, &slices];
    store.session().await?.write(&WRITE, params).await.map(|_| ())
}
