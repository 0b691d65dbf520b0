//! A database of one's own, accounts and messages to put into it, and the check that ends every test.

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use blob::{BlobError, BlobStore, BlobWriter, ByteStream, ObjectKey};
use bytes::Bytes;
use chrono::Utc;
use futures::StreamExt;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::account::{
    Delivery, DeliverySet, Envelope, NewBlob, Outbound, Outcome, Placed, deliver,
};
use store::directory::{AccountAdded, NewAccount};
use store::mailbox::MailboxRow;
use store::{PostgresConfig, Store};
use testkit::{Database, PgBouncer, Postgres};
use tokio::sync::OnceCell;
use tokio_postgres::types::ToSql;
use types::{AccountId, BlobId, Flags, MailboxId, QueueId, TenantId};

/// How the store reaches PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Straight, with prepared statements.
    Direct,
    /// Through PgBouncer in transaction mode, with unnamed statements.
    PgBouncer,
}

/// What a test of the store stands on.
pub struct Bench {
    pub database: Database,
    pub store: Store,
    pub config: PostgresConfig,
    pub blobs: Arc<Memory>,
}

/// Runs a test on a fresh database and checks everything in it afterwards.
pub async fn with_bench(way: Way, test: impl AsyncFnOnce(&Bench) -> Result<()>) -> Result<()> {
    on(Postgres::shared().await?, way, test).await
}

/// As [`with_bench`] on a PostgreSQL of the test's own.
pub async fn on(
    postgres: Arc<Postgres>,
    way: Way,
    test: impl AsyncFnOnce(&Bench) -> Result<()>,
) -> Result<()> {
    let database = postgres.database().await?;
    let config = match way {
        Way::Direct => database.config(),
        Way::PgBouncer => shared_bouncer().await?.config(database.name()),
    };
    let bench = Bench { store: Store::new(&config)?, database, config, blobs: Arc::default() };
    store::directory::domain_add(&bench.store, "example.test").await?;
    tokio::time::timeout(Duration::from_secs(180), test(&bench)).await.context("it hangs")??;
    bench.check().await?;
    bench.database.discard().await
}

async fn shared_bouncer() -> Result<&'static PgBouncer> {
    static SHARED: OnceCell<PgBouncer> = OnceCell::const_new();
    let start = async || PgBouncer::start(&Postgres::shared().await?).await;
    SHARED.get_or_try_init(start).await
}

impl Bench {
    pub async fn check(&self) -> Result<()> {
        self.database.check(Some(self.blobs.as_ref())).await
    }

    /// The one number that a query gives.
    pub async fn count(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<i64> {
        Ok(self.database.client().await?.query_one(sql, params).await?.get(0))
    }

    /// A second node: a pool of its own.
    pub fn another_store(&self) -> Result<Store> {
        Ok(Store::new(&self.config)?)
    }

    pub async fn account(&self, name: &str) -> Result<AccountId> {
        self.account_with_quota(name, None).await
    }

    pub async fn account_with_quota(&self, name: &str, bytes: Option<i64>) -> Result<AccountId> {
        let new = NewAccount {
            address: &format!("{name}@example.test"),
            domain: "example.test",
            display_name: name,
            argon2id: "$argon2id$none",
            scram_sha_256: "none",
            quota_bytes: bytes,
        };
        match store::directory::account_add(&self.store, &new).await? {
            AccountAdded::Made(account) => Ok(account),
            other => bail!("{other:?}"),
        }
    }

    pub async fn mailbox(&self, account: AccountId, name: &str) -> Result<MailboxRow> {
        let found = store::mailbox::mailbox_by_name(&self.store, account, name).await?;
        found.with_context(|| format!("no mailbox {name}"))
    }

    pub async fn inbox(&self, account: AccountId) -> Result<MailboxId> {
        Ok(self.mailbox(account, "INBOX").await?.id)
    }

    /// Stores some bytes and describes them; `references` are Message-ID hashes.
    pub fn blob(&self, size: usize, references: &[i64]) -> NewBlob {
        let bytes: Bytes = rand::random_iter::<u8>().take(size).collect();
        let key = ObjectKey::new(20_261_124);
        let blake3 = *blake3::hash(&bytes).as_bytes();
        self.blobs.objects().insert(key.as_str().to_owned(), bytes);
        NewBlob {
            id: BlobId::new(),
            object_key: key.as_str().to_owned(),
            size: size as u64,
            blake3,
            structure: vec![1, 2, 3],
            preview: "a preview".into(),
            received_at: Utc::now(),
            references: references.to_vec(),
        }
    }

    /// One new message to these accounts' INBOXes.
    pub fn set(&self, to: &[AccountId]) -> DeliverySet {
        DeliverySet {
            blob: self.blob(100, &[rand::random()]),
            newborn: true,
            envelope: Some(envelope()),
            deliveries: to.iter().map(|account| to_inbox(*account)).collect(),
            outbound: Outbound::default(),
        }
    }

    /// Delivers one message and says where it lies.
    pub async fn deliver(&self, account: AccountId) -> Result<Placed> {
        placed(&deliver(&self.store, self.set(&[account])).await?)
    }

    /// Fills an account's INBOX up to `count` copies: a hundred messages, then copies of copies.
    pub async fn fill(&self, account: AccountId, count: u32) -> Result<MailboxId> {
        use store::account::{CopyMessages, commit};
        let inbox = self.inbox(account).await?;
        let there = self.mailbox(account, "INBOX").await?.total;
        let first = count.min(100).max(there);
        let deliveries = (there..first).map(|_| self.deliver(account));
        for done in futures::future::join_all(deliveries).await {
            done?;
        }
        let mut there = first;
        while there < count {
            let more = there.min(count - there);
            let uids: Vec<_> = (1..=more).map(types::Uid).collect();
            let copy = CopyMessages { account, from: inbox, uids: &uids, to: inbox, remove: false };
            there += commit(&self.store, &copy).await?.pairs.len() as u32;
        }
        Ok(inbox)
    }
}

pub fn envelope() -> Envelope {
    Envelope {
        queue: QueueId::new(),
        tenant: TenantId(1),
        reverse_path: "sender@elsewhere.test".into(),
        parameters: serde_json::json!({}),
    }
}

pub fn to_inbox(account: AccountId) -> Delivery {
    Delivery {
        account,
        mailbox: None,
        strict: false,
        flags: Flags::default(),
        keywords: Vec::new(),
        recipient: format!("account-{account}@example.test"),
        queued: None,
        deferred: false,
    }
}

/// The only outcome, which must be a delivery.
pub fn placed(outcomes: &[Outcome]) -> Result<Placed> {
    match outcomes {
        [Outcome::Delivered(placed)] => Ok(*placed),
        other => bail!("not delivered: {other:?}"),
    }
}

/// Blobs in memory, so that a test of the store costs no disk.
#[derive(Default)]
pub struct Memory {
    objects: Mutex<HashMap<String, Bytes>>,
}

impl Memory {
    fn objects(&self) -> MutexGuard<'_, HashMap<String, Bytes>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl BlobStore for Memory {
    async fn put(&self, key: &ObjectKey, pieces: Vec<Bytes>) -> Result<(), BlobError> {
        self.objects().insert(key.as_str().to_owned(), pieces.concat().into());
        Ok(())
    }

    async fn writer(&self, _: &ObjectKey) -> Result<Box<dyn BlobWriter>, BlobError> {
        Err(BlobError::Unavailable("only small objects here".into()))
    }

    async fn get(&self, key: &ObjectKey, range: Range<u64>) -> Result<ByteStream, BlobError> {
        let objects = self.objects();
        let bytes = objects.get(key.as_str()).ok_or(BlobError::NotFound(key.to_string()))?;
        let end = range.end.min(bytes.len() as u64) as usize;
        let piece = bytes.slice((range.start as usize).min(end)..end);
        Ok(futures::stream::iter([Ok(piece)]).boxed())
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), BlobError> {
        self.objects().remove(key.as_str());
        Ok(())
    }
}
