//! Some nodes on one PostgreSQL, one S3 and one Redis.

use crate::node::postrider;
use crate::{Database, Node, NodeConfig, Postgres, PostgresOptions, Redis, S3};
use anyhow::Result;
use blob::SharedBlobStore;
use std::sync::Arc;

/// What a cluster is made of.
#[derive(Debug, Clone, Default)]
pub struct ClusterOptions {
    /// A PostgreSQL of its own, to be stopped, paused or measured; otherwise the one this process shares.
    pub own_postgres: Option<PostgresOptions>,
    /// Further settings of every node, dotted path and value.
    pub settings: Vec<(String, toml::Value)>,
}

/// The password of every account that [`Cluster::account`] makes.
pub const PASSWORD: &str = "correct horse 7";

/// A cluster with the domain `example.test`.
pub struct Cluster {
    /// Its nodes.
    pub nodes: Vec<Node>,
    /// Its database.
    pub database: Database,
    /// Its object store.
    pub s3: S3,
    /// Its coordinator.
    pub redis: Redis,
    /// The configuration each node is started with.
    pub config: NodeConfig,
}

impl Cluster {
    /// Starts `count` nodes.
    ///
    /// # Errors
    /// When a part does not come up.
    pub async fn start(count: usize) -> Result<Self> {
        Self::start_with(count, ClusterOptions::default()).await
    }

    /// As [`Cluster::start`], told how.
    ///
    /// # Errors
    /// When a part does not come up.
    pub async fn start_with(count: usize, options: ClusterOptions) -> Result<Self> {
        let postgres = match options.own_postgres {
            Some(options) => Arc::new(Postgres::start(options).await?),
            None => Postgres::shared().await?,
        };
        let database = postgres.database().await?;
        let (s3, redis) = (S3::start()?, Redis::start().await?);
        let mut config = NodeConfig::new(&database.url())?;
        config.set("blob", s3.toml());
        config.set("coordinator.kind", "redis");
        config.set("coordinator.url", redis.url());
        for (path, value) in options.settings {
            config.set(&path, value);
        }
        let mut cluster = Self { nodes: Vec::new(), database, s3, redis, config };
        for _ in 0..count {
            cluster.add_node()?;
        }
        store::directory::domain_add(&cluster.database.store()?, "example.test").await?;
        Ok(cluster)
    }

    /// Starts one more node.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn add_node(&mut self) -> Result<&mut Node> {
        self.nodes.push(Node::start(&self.config)?);
        let last = self.nodes.len() - 1;
        Ok(&mut self.nodes[last])
    }

    /// Makes the account `name@example.test` with the operator's command, and gives its address.
    ///
    /// # Errors
    /// When the command fails.
    pub fn account(&self, name: &str) -> Result<String> {
        let address = format!("{name}@example.test");
        let file = self.config_file()?;
        postrider(
            &["account", "add", "--config", &file, "--password-stdin", &address],
            &format!("{PASSWORD}\n"),
        )?;
        Ok(address)
    }

    /// Its configuration in a file, for operator commands.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn config_file(&self) -> Result<String> {
        let file = self.database.postgres().socket_folder();
        let file = file.join(format!("{}.toml", self.database.name()));
        std::fs::write(&file, toml::to_string(&self.config.0)?)?;
        Ok(file.display().to_string())
    }

    /// Its object store, as a node sees it.
    pub async fn blobs(&self) -> SharedBlobStore {
        Arc::new(blob::S3::connect(&self.s3.config()).await)
    }

    /// Fails if anything in the database contradicts anything else, or the object store.
    ///
    /// # Errors
    /// Names every invariant that does not hold.
    pub async fn check(&self) -> Result<()> {
        let blobs = self.blobs().await;
        self.database.check(Some(blobs.as_ref())).await
    }
}
