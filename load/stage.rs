//! A whole Postrider on this machine: PostgreSQL with fsync, Redis, a place for blobs, and nodes.

use crate::cpu::Groups;
use crate::target::Target;
use anyhow::{Context, Result, ensure};
use blob::SharedBlobStore;
use directory::{Directory, DirectoryConfig};
use std::path::Path;
use std::sync::Arc;
use store::directory::{AccountAdded, NewAccount, account_add, credential_read};
use tempfile::TempDir;
use testkit::{Cluster, ClusterOptions, Node, PASSWORD, PostgresOptions};
use types::AccountId;

/// Where message bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Blobs {
    /// Files in a folder, fsynced.
    Folder,
    /// Objects of an S3 service on this machine.
    S3,
}

/// What the nodes tell each other through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Coordinator {
    /// Redis.
    Redis,
    /// Within the process: one node.
    Local,
}

/// What is put up.
#[derive(Debug, Clone)]
pub struct StageOptions {
    /// How many nodes.
    pub nodes: usize,
    /// Where message bytes go.
    pub blobs: Blobs,
    /// What the nodes tell each other through.
    pub coordinator: Coordinator,
    /// How many accounts, `user0@example.test` and so on.
    pub accounts: usize,
    /// Further settings of the nodes, dotted path and value.
    pub settings: Vec<(String, toml::Value)>,
}

/// A cluster while it runs.
pub struct Stage {
    /// What is put under load.
    pub target: Arc<Target>,
    /// The accounts' numbers, for what goes past the nodes.
    pub accounts: Vec<AccountId>,
    /// Its parts.
    pub cluster: Cluster,
    folder: TempDir,
    blobs: Blobs,
}

impl Stage {
    /// Puts everything up.
    ///
    /// # Errors
    /// When a part does not come up.
    pub async fn up(options: &StageOptions) -> Result<Self> {
        let folder = testkit::process::folder()?;
        let mut settings = vec![
            // The peers are measured without TLS as well.
            ("imap.plaintext_login".to_owned(), true.into()),
            ("limits.per_ip".to_owned(), 100_000.into()),
        ];
        if options.blobs == Blobs::Folder {
            let path = folder.path().join("blobs").display().to_string();
            settings.push(("blob".into(), toml::toml! { kind = "folder" }.into()));
            settings.push(("blob.path".into(), path.into()));
        }
        if options.coordinator == Coordinator::Local {
            settings.push(("coordinator".into(), toml::toml! { kind = "local" }.into()));
        }
        let tls = net::self_signed(&folder.path().join("tls"), &["mx.test".to_owned()])?;
        let path = |path: &Path| toml::Value::from(path.display().to_string());
        let pair = [("certificate", path(&tls.certificate)), ("key", path(&tls.key))];
        let pair: toml::Table =
            pair.map(|(name, path)| (name.to_owned(), path)).into_iter().collect();
        settings.push(("tls.certificates".into(), vec![pair].into()));
        settings.extend(options.settings.iter().cloned());
        let postgres =
            ["max_wal_size=4GB", "shared_buffers=512MB", "jit=off", "max_connections=200"];
        let postgres =
            PostgresOptions { durable: true, settings: postgres.map(str::to_owned).to_vec() };
        let cluster_options = ClusterOptions { own_postgres: Some(postgres), settings };
        let mut cluster = Cluster::start_with(options.nodes, cluster_options).await?;
        let fsync = cluster.database.client().await?.query_one("SHOW fsync", &[]).await?;
        ensure!(fsync.get::<_, String>(0) == "on", "figures without fsync are worth nothing");
        let (addresses, accounts) = make_accounts(&cluster, options.accounts).await?;
        let target = target(&mut cluster, options, addresses).await?;
        Ok(Self { target: Arc::new(target), accounts, cluster, folder, blobs: options.blobs })
    }

    /// Fails if anything that the scenarios left behind contradicts anything else.
    ///
    /// # Errors
    /// Names every invariant that does not hold.
    pub async fn check(&self) -> Result<()> {
        // So much came in a moment that autovacuum has not seen yet what the planner should know.
        self.cluster.database.client().await?.batch_execute("ANALYZE").await?;
        let blobs = self.blob_store().await?;
        self.cluster.database.check(Some(blobs.as_ref())).await
    }

    /// Its bytes, as a node sees them.
    ///
    /// # Errors
    /// When there is no such folder.
    pub async fn blob_store(&self) -> Result<SharedBlobStore> {
        Ok(match self.blobs {
            Blobs::Folder => Arc::new(blob::Folder::open(self.folder.path().join("blobs"))?),
            Blobs::S3 => self.cluster.blobs().await,
        })
    }
}

async fn target(
    cluster: &mut Cluster,
    options: &StageOptions,
    accounts: Vec<String>,
) -> Result<Target> {
    let pids = cluster.nodes.iter_mut().map(|node| node.daemon().pid()).collect();
    let mut groups = Groups::default()
        .with("postrider", pids)
        .with("PostgreSQL", vec![cluster.database.postgres().pid()?]);
    let mut kind = match options.blobs {
        Blobs::Folder => "folder",
        Blobs::S3 => "S3",
    }
    .to_owned();
    if options.coordinator == Coordinator::Redis {
        groups = groups.with("Redis", vec![cluster.redis.daemon()?.pid()]);
        kind += ", Redis";
    }
    if options.blobs == Blobs::S3 {
        groups = groups.with("S3", vec![cluster.s3.daemon()?.pid()]);
    }
    let of = |address: fn(&Node) -> Result<std::net::SocketAddr>| -> Result<Vec<_>> {
        cluster.nodes.iter().map(address).collect()
    };
    Ok(Target {
        name: format!("Postrider {kind}, {} node(s)", cluster.nodes.len()),
        smtp: of(Node::smtp)?,
        greeting: "EHLO",
        imap: of(Node::imap)?,
        imaps: of(Node::imaps)?,
        http: of(Node::http)?,
        groups,
        accounts,
        password: PASSWORD.into(),
        database: Some(cluster.database.client().await?),
        queues: Vec::new(),
    })
}

/// The first account is made as the operator's command does, the others share its secrets: hashing a
/// password for each would take longer than the measurements.
async fn make_accounts(cluster: &Cluster, count: usize) -> Result<(Vec<String>, Vec<AccountId>)> {
    let store = cluster.database.store()?;
    let first = "user0@example.test".to_owned();
    Directory::new(store.clone(), DirectoryConfig::default())
        .account_add(&first, &PASSWORD.into(), "", None)
        .await?;
    let secrets = credential_read(&store, &first).await?.context("the first account")?;
    let (mut addresses, mut ids) = (vec![first], vec![secrets.account]);
    let scram = secrets.scram_sha_256.as_deref().unwrap_or_default();
    for nth in 1..count {
        let address = format!("user{nth}@example.test");
        let new = NewAccount {
            address: &address,
            domain: "example.test",
            display_name: "",
            argon2id: &secrets.argon2id,
            scram_sha_256: scram,
            quota_bytes: None,
        };
        let made = account_add(&store, &new).await?;
        ensure!(matches!(made, AccountAdded::Made(_)), "{address}: {made:?}");
        if let AccountAdded::Made(id) = made {
            ids.push(id);
        }
        addresses.push(address);
    }
    Ok((addresses, ids))
}
