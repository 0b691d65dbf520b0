//! Messages put into mailboxes past the nodes, row by row as deliveries would have left them.
//!
//! Every message has a header of its own, so its row has all that lists and searches look at. The bytes are those of a
//! few: whoever asks for one gets another of the same size.

use crate::stage::Stage;
use anyhow::{Context, Result, ensure};
use blob::ObjectKey;
use chrono::{DateTime, TimeDelta, Utc};
use message::Scanner;
use tokio_postgres::Client;
use types::{BlobId, Flags, MessageId};
use uuid::Uuid;

/// One message in so many is large: of more octets than this.
pub(super) const LARGE: usize = 16 << 10;
/// One UID in so many was expunged long ago.
const GAP: u64 = 97;
/// Messages written at a time.
const CHUNK: usize = 5_000;
const DAY: u32 = 20_261_124;

/// A mailbox to be made and filled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mailbox {
    pub(super) account: usize,
    pub(super) name: &'static str,
    pub(super) messages: u64,
}

/// The message at this place of its mailbox, from 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample(pub(super) u64);

impl Sample {
    pub(super) fn uid(&self) -> u32 {
        u32::try_from(self.0 + self.0 / (GAP - 1) + 1).unwrap_or(u32::MAX)
    }

    pub(super) fn is_seen(&self) -> bool {
        !self.0.is_multiple_of(10)
    }

    pub(super) fn is_flagged(&self) -> bool {
        self.0 % 10_000 == 3
    }

    pub(super) fn is_later(&self) -> bool {
        self.0 % 5_000 == 8
    }

    pub(super) fn is_large(&self) -> bool {
        self.0 % 1_000 == 7
    }

    pub(super) fn id(&self) -> String {
        format!("<{:07}.letter@big.example>", self.0)
    }

    pub(super) fn subject(&self) -> String {
        format!("Report {:07} about the harvest", self.0)
    }

    /// A message every 90 seconds: a million in three years.
    pub(super) fn received(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(1_672_531_200 + 90 * self.0 as i64)
    }

    fn flags(&self) -> i32 {
        let seen = if self.is_seen() { Flags::SEEN } else { Flags::default() };
        let flags = if self.is_flagged() { seen.with(Flags::FLAGGED) } else { seen };
        flags.0 as i32
    }

    /// As long as any other of its kind.
    fn text(&self) -> String {
        let mut text = format!(
            "From: =?utf-8?q?Andr=C3=A9_Sender?= <sender{:02}@big.example>\r\nTo: <user@example.test>\r\n\
             Subject: {}\r\nDate: {}\r\nMessage-ID: {}\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
            self.0 % 50,
            self.subject(),
            self.received().format("%a, %d %b %Y %H:%M:%S +0000"),
            self.id(),
        );
        let size = if self.is_large() { LARGE } else { 1 << 10 };
        while text.len() <= size {
            text.push_str("the rider carried letters over hills and through the market\r\n");
        }
        text
    }
}

/// Where the rows of a mailbox belong.
struct Place {
    account: i32,
    mailbox: Uuid,
    /// The account's modseq before its first message.
    modseq: i64,
}

/// The bytes of all small messages, and of all large ones.
struct Blobs([Uuid; 2]);

/// Makes these mailboxes and fills them in turns: a message for each, then the next for each.
///
/// # Errors
/// When the server or PostgreSQL refuses.
pub(super) async fn fill(stage: &Stage, mailboxes: &[Mailbox]) -> Result<()> {
    let client = stage.cluster.database.client().await?;
    let mut places = Vec::new();
    for mailbox in mailboxes {
        places.push(made(stage, &client, mailbox).await?);
    }
    let blobs = blobs(stage, &client, mailboxes).await?;
    let longest = mailboxes.iter().map(|mailbox| mailbox.messages).max().unwrap_or(0);
    let mut rows = Rows::default();
    for nth in 0..longest {
        for (mailbox, place) in mailboxes.iter().zip(&places) {
            if nth < mailbox.messages {
                rows.push(place, &blobs, Sample(nth));
            }
        }
        if rows.0.len() >= CHUNK {
            std::mem::take(&mut rows).write(&client).await?;
        }
    }
    rows.write(&client).await?;
    count(&client, &places).await?;
    // What autovacuum would do in a while.
    Ok(client.batch_execute("VACUUM ANALYZE").await?)
}

/// Makes a mailbox as its owner would.
async fn made(stage: &Stage, client: &Client, mailbox: &Mailbox) -> Result<Place> {
    let mut imap = stage.target.login(mailbox.account, 0).await?;
    imap.command(&format!("CREATE {}", mailbox.name)).await?;
    imap.logout().await?;
    let account = stage.accounts[mailbox.account].0;
    let sql = "SELECT m.id, s.modseq FROM mailbox m JOIN account_state s USING (account_id) \
               WHERE m.account_id = $1 AND m.name = $2 AND m.state = 0";
    let row = client.query_one(sql, &[&account, &mailbox.name]).await.context("the mailbox")?;
    Ok(Place { account, mailbox: row.get(0), modseq: row.get(1) })
}

async fn blobs(stage: &Stage, client: &Client, mailboxes: &[Mailbox]) -> Result<Blobs> {
    let store = stage.blob_store().await?;
    let mut ids = [Uuid::nil(); 2];
    for (id, sample) in ids.iter_mut().zip([Sample(0), Sample(7)]) {
        let (key, text) = (ObjectKey::new(DAY), sample.text());
        let refs = mailboxes.iter().flat_map(|mailbox| 0..mailbox.messages);
        let refs = refs.filter(|nth| Sample(*nth).is_large() == sample.is_large()).count();
        let (size, refs) = (text.len() as i64, i32::try_from(refs)?);
        let hash = blake3::hash(text.as_bytes()).as_bytes().to_vec();
        store.put(&key, vec![text.into()]).await?;
        *id = BlobId::new().0;
        let sql = "INSERT INTO blob (id, object_key, length, size, blake3, refs) VALUES ($1, $2, $3, $3, $4, $5)";
        client.execute(sql, &[id, &key.as_str(), &size, &hash, &refs]).await?;
    }
    Ok(Blobs(ids))
}

/// Rows of messages, of their copies and of the change log.
#[derive(Default)]
struct Rows(Vec<One>);

struct One {
    account: i32,
    mailbox: Uuid,
    uid: i32,
    modseq: i64,
    id: Uuid,
    blob: Uuid,
    size: i32,
    flags: i32,
    keyword: Option<&'static str>,
    received: DateTime<Utc>,
    structure: Vec<u8>,
    preview: String,
}

impl Rows {
    fn push(&mut self, place: &Place, blobs: &Blobs, sample: Sample) {
        let text = sample.text();
        let mut scanner = Scanner::new();
        scanner.feed(text.as_bytes());
        let scanned = scanner.finish();
        self.0.push(One {
            account: place.account,
            mailbox: place.mailbox,
            uid: sample.uid() as i32,
            modseq: place.modseq + 1 + sample.0 as i64,
            id: MessageId::new().0,
            blob: blobs.0[usize::from(sample.is_large())],
            size: text.len() as i32,
            flags: sample.flags(),
            keyword: sample.is_later().then_some("$Later"),
            received: sample.received(),
            structure: scanned.structure.encode(),
            preview: scanned.preview,
        });
    }

    async fn write(self, client: &Client) -> Result<()> {
        fn all<T>(rows: &[One], of: impl Fn(&One) -> T) -> Vec<T> {
            rows.iter().map(of).collect()
        }
        let rows = &self.0;
        let (account, mailbox) = (all(rows, |row| row.account), all(rows, |row| row.mailbox));
        let (uid, modseq) = (all(rows, |row| row.uid), all(rows, |row| row.modseq));
        let (id, size) = (all(rows, |row| row.id), all(rows, |row| row.size));
        let received = all(rows, |row| row.received);
        let sql = "INSERT INTO message (account_id, id, blob_id, size, received_at, structure, preview)
            SELECT * FROM unnest($1::int[], $2::uuid[], $3::uuid[], $4::int[], $5::timestamptz[], $6::bytea[], $7::text[])";
        let blob = all(rows, |row| row.blob);
        let structure: Vec<&[u8]> = rows.iter().map(|row| row.structure.as_slice()).collect();
        let preview: Vec<&str> = rows.iter().map(|row| row.preview.as_str()).collect();
        client
            .execute(sql, &[&account, &id, &blob, &size, &received, &structure, &preview])
            .await
            .context("messages")?;
        let sql = "INSERT INTO mailbox_message (account_id, mailbox_id, uid, flags, modseq, message_id, thread_id,
                                                received_at, saved_at, size, keywords)
            SELECT account, mailbox, uid, flags, modseq, id, id, received, received, size,
                   CASE WHEN keyword IS NOT NULL THEN ARRAY[keyword] END
              FROM unnest($1::int[], $2::uuid[], $3::int[], $4::int[], $5::int8[], $6::uuid[], $7::timestamptz[],
                          $8::int[], $9::text[])
                AS row(account, mailbox, uid, flags, modseq, id, received, size, keyword)";
        let (flags, keyword) = (all(rows, |row| row.flags), all(rows, |row| row.keyword));
        client
            .execute(
                sql,
                &[&account, &mailbox, &uid, &flags, &modseq, &id, &received, &size, &keyword],
            )
            .await
            .context("copies")?;
        let sql = "INSERT INTO change (account_id, modseq, position, kind, op, mailbox_id, uids, object_ids)
            SELECT account, modseq, 0, 1, 1, mailbox, ARRAY[uid], ARRAY[id]
              FROM unnest($1::int[], $2::int8[], $3::uuid[], $4::int[], $5::uuid[])
                AS row(account, modseq, mailbox, uid, id)";
        client.execute(sql, &[&account, &modseq, &mailbox, &uid, &id]).await.context("changes")?;
        Ok(())
    }
}

/// What deliveries would have counted.
async fn count(client: &Client, places: &[Place]) -> Result<()> {
    for place in places {
        let sql = "UPDATE mailbox m SET uidnext = x.uidnext, total = x.total, unseen = x.unseen, size = x.size,
                          highest_modseq = x.modseq
                     FROM (SELECT max(uid) + 1 AS uidnext, count(*)::int AS total, sum(size)::int8 AS size,
                                  (count(*) FILTER (WHERE flags & 1 = 0))::int AS unseen, max(modseq) AS modseq
                             FROM mailbox_message WHERE account_id = $1 AND mailbox_id = $2) x
                    WHERE m.account_id = $1 AND m.id = $2";
        client.execute(sql, &[&place.account, &place.mailbox]).await.context("the mailbox")?;
        let sql = "UPDATE account_state s SET modseq = x.modseq, used_bytes = s.used_bytes + x.bytes,
                          used_messages = s.used_messages + x.messages
                     FROM (SELECT max(modseq) AS modseq, sum(size)::int8 AS bytes, count(*) AS messages
                             FROM mailbox_message WHERE account_id = $1 AND mailbox_id = $2) x
                    WHERE s.account_id = $1";
        let done = client.execute(sql, &[&place.account, &place.mailbox]).await?;
        ensure!(done == 1, "no such account");
    }
    Ok(())
}
