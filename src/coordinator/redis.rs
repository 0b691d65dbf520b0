//! The coordinator of a cluster: Redis 7 or Valkey.
//!
//! Sharded publish/subscribe, one channel per watched account: `<cluster>:{<shard>}:<account>`. One task
//! sends, one task reads into the coalescing inbox, one task pings: a Redis that is stopped, paused or cut
//! off is noticed within seconds, and everything is subscribed again when it is back. Nothing waits for it.

mod limits;
mod script;
mod work;

use crate::limits::SharedLimits;
use crate::work::SharedWork;
use crate::{Coordinator, CoordinatorError, Hint, Inbox, NodeInfo, PRESENCE_SECONDS};
use async_trait::async_trait;
use fred::clients::{Client, SubscriberClient};
use fred::prelude::*;
use fred::types::config::UnresponsiveConfig;
use futures::future::join_all;
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, broadcast};
use types::{AccountId, ModSeq};

/// Channels hash into this many slots, so that a Redis Cluster spreads them.
const SHARDS: u32 = 64;
/// Longest wait for any answer of Redis.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the connection is checked.
const PING_EVERY: Duration = Duration::from_secs(1);
/// Most news of freed permits that wait for a slow reader, which then takes it that anything may be free.
const FREED: usize = 256;
/// Version of the hint's wire form; what begins otherwise is ignored.
const WIRE_VERSION: &str = "1";

/// A connection to Redis.
pub struct Redis {
    shared: Arc<Shared>,
}

struct Shared {
    cluster: String,
    client: Client,
    subscriber: SubscriberClient,
    inbox: Arc<Inbox>,
    outbox: Mutex<HashMap<AccountId, ModSeq>>,
    outbox_ready: Notify,
    watched: Mutex<HashSet<AccountId>>,
    watch_changed: Notify,
    rung: work::Rung,
    freed: broadcast::Sender<String>,
}

impl Redis {
    /// Starts the tasks and returns at once; Redis may be away and come later. `cluster` begins every name.
    ///
    /// # Errors
    /// [`CoordinatorError::Config`] when the URL is unusable.
    pub fn start(url: &str, cluster: &str) -> Result<Self, CoordinatorError> {
        let config = Config::from_url(url).map_err(|error| {
            CoordinatorError::Config(format!("coordinator.url: {}", error.details()))
        })?;
        let mut builder = Builder::from_config(config);
        builder
            .set_policy(ReconnectPolicy::new_exponential(0, 100, 2_000, 2))
            .with_performance_config(|performance| performance.default_command_timeout = PATIENCE)
            .with_connection_config(|connection| {
                connection.connection_timeout = PATIENCE;
                connection.unresponsive =
                    UnresponsiveConfig { max_timeout: Some(PATIENCE * 2), interval: PATIENCE };
            });
        let broken = |error: Error| CoordinatorError::Config(error.to_string());
        let shared = Arc::new(Shared {
            cluster: cluster.to_owned(),
            client: builder.build().map_err(broken)?,
            subscriber: builder.build_subscriber_client().map_err(broken)?,
            inbox: Arc::default(),
            outbox: Mutex::default(),
            outbox_ready: Notify::new(),
            watched: Mutex::default(),
            watch_changed: Notify::new(),
            rung: work::Rung::default(),
            freed: broadcast::Sender::new(FREED),
        });
        tokio::spawn(connect(shared.client.clone()));
        tokio::spawn(connect(shared.subscriber.clone()));
        for task in [Task::Send, Task::Receive, Task::Subscribe] {
            let weak = Arc::downgrade(&shared);
            tokio::spawn(async move {
                if let Some(shared) = weak.upgrade() {
                    match task {
                        Task::Send => shared.send_for_ever().await,
                        Task::Receive => shared.receive_for_ever().await,
                        Task::Subscribe => shared.subscribe_for_ever().await,
                    }
                }
            });
        }
        Ok(Self { shared })
    }
}

/// Makes the first connection, for as long as that takes; the reconnect policy keeps it from there.
async fn connect(client: impl ClientLike) {
    while patiently(client.init()).await.is_err() {
        tokio::time::sleep(PING_EVERY / 2).await;
    }
}

enum Task {
    Send,
    Receive,
    Subscribe,
}

/// An answer within [`PATIENCE`], or "unavailable".
async fn patiently<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, CoordinatorError> {
    match tokio::time::timeout(PATIENCE, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(CoordinatorError::Unavailable(error.to_string())),
        Err(_) => Err(CoordinatorError::Unavailable("no answer in time".into())),
    }
}

impl Shared {
    fn channel(&self, account: AccountId) -> String {
        let shard = account.0.unsigned_abs() % SHARDS;
        format!("{}:{{{shard}}}:{account}", self.cluster)
    }

    async fn send_for_ever(&self) {
        loop {
            self.outbox_ready.notified().await;
            let hints =
                std::mem::take(&mut *self.outbox.lock().unwrap_or_else(PoisonError::into_inner));
            // Sent as one pipeline.
            let calls = hints.into_iter().map(|(account, modseq)| {
                let message = format!("{WIRE_VERSION} {}", modseq.0);
                patiently(self.client.spublish::<i64, _, _>(self.channel(account), message))
            });
            for sent in join_all(calls).await {
                let outcome = if sent.is_ok() { "sent" } else { "dropped" };
                metrics::counter!("postrider_hints_total", "outcome" => outcome).increment(1);
            }
        }
    }

    async fn receive_for_ever(&self) {
        let mut messages = self.subscriber.message_rx();
        loop {
            match messages.recv().await {
                Ok(message) => {
                    if let Some(text) = message.value.as_string() {
                        self.received(&message.channel, text);
                    }
                }
                // Some were overwritten before we looked: as if the connection had been lost.
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    self.inbox.resubscribed();
                    self.rung.ring_all();
                }
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    fn received(&self, channel: &str, text: String) {
        if channel == self.rung_channel() {
            if let Ok(shard) = text.parse() {
                self.rung.ring(shard);
            }
        } else if channel == self.freed_channel() {
            // Nobody waits: nobody hears it.
            let _ = self.freed.send(text);
        } else if let Some(hint) = parse(channel, &text) {
            metrics::counter!("postrider_hints_total", "outcome" => "received").increment(1);
            self.inbox.hint(hint);
        }
    }

    /// Keeps the subscriptions as `watched` wants them, over any number of reconnects.
    async fn subscribe_for_ever(&self) {
        let mut subscribed: HashSet<AccountId> = HashSet::new();
        let mut connected = false;
        let mut reconnects = self.subscriber.reconnect_rx();
        let mut errors = self.subscriber.error_rx();
        loop {
            let healthy = patiently(self.subscriber.ping::<()>(None)).await.is_ok();
            let fresh = !matches!(
                reconnects.try_recv(),
                Err(tokio::sync::broadcast::error::TryRecvError::Empty)
            );
            if connected && (!healthy || fresh) {
                tracing::warn!("the coordinator's connection was lost");
                self.inbox.lost();
            }
            let begin = healthy && (fresh || !connected);
            if begin {
                subscribed.clear();
                // What went wrong before this connection says nothing of it.
                errors = self.subscriber.error_rx();
            }
            connected = healthy
                && (!begin || self.follow_queue().await.is_ok())
                && self.follow(&mut subscribed).await.is_ok();
            if connected && begin {
                tracing::info!("the coordinator is connected");
                self.inbox.resubscribed();
                self.rung.ring_all();
            }
            tokio::select! {
                () = self.watch_changed.notified() => {}
                () = tokio::time::sleep(PING_EVERY) => {}
                // A broken connection need not wait for a ping that is not answered.
                Ok(_) = errors.recv(), if connected => {
                    self.inbox.lost();
                    tracing::warn!("the coordinator's connection broke");
                    connected = false;
                }
            }
        }
    }

    /// Subscribes and unsubscribes until the server's list equals ours.
    async fn follow(&self, subscribed: &mut HashSet<AccountId>) -> Result<(), CoordinatorError> {
        let wanted = self.watched.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (new, old): (Vec<_>, Vec<_>) = (
            wanted.difference(subscribed).copied().collect(),
            subscribed.difference(&wanted).copied().collect(),
        );
        for account in new {
            patiently(self.subscriber.ssubscribe(self.channel(account))).await?;
            subscribed.insert(account);
            // A change between the session's last look and this moment would have been missed.
            self.inbox.hint(Hint { account, modseq: ModSeq(u64::MAX) });
        }
        for account in old {
            patiently(self.subscriber.sunsubscribe(self.channel(account))).await?;
            subscribed.remove(&account);
        }
        Ok(())
    }

    /// Wake-ups of the queue. Rare enough for plain channels, which scripts may publish to from any slot.
    async fn follow_queue(&self) -> Result<(), CoordinatorError> {
        let channels = vec![self.rung_channel(), self.freed_channel()];
        patiently(self.subscriber.subscribe(channels)).await
    }

    fn rung_channel(&self) -> String {
        format!("{}:rung", self.cluster)
    }

    fn freed_channel(&self) -> String {
        format!("{}:freed", self.cluster)
    }

    fn node_key(&self, incarnation: &str) -> String {
        format!("{}:node:{incarnation}", self.cluster)
    }

    fn nodes_key(&self) -> String {
        format!("{}:nodes", self.cluster)
    }
}

fn parse(channel: &str, text: &str) -> Option<Hint> {
    let account = channel.rsplit(':').next()?.parse().ok()?;
    let mut words = text.split(' ');
    if words.next()? != WIRE_VERSION {
        return None;
    }
    Some(Hint { account: AccountId(account), modseq: ModSeq(words.next()?.parse().ok()?) })
}

#[async_trait]
impl Coordinator for Redis {
    fn publish(&self, hint: Hint) {
        {
            let mut outbox = self.shared.outbox.lock().unwrap_or_else(PoisonError::into_inner);
            let modseq = outbox.entry(hint.account).or_insert(hint.modseq);
            *modseq = hint.modseq.max(*modseq);
        }
        self.shared.outbox_ready.notify_one();
    }

    fn watch(&self, account: AccountId) {
        self.shared.watched.lock().unwrap_or_else(PoisonError::into_inner).insert(account);
        self.shared.watch_changed.notify_one();
    }

    fn unwatch(&self, account: AccountId) {
        self.shared.watched.lock().unwrap_or_else(PoisonError::into_inner).remove(&account);
        self.shared.watch_changed.notify_one();
    }

    fn inbox(&self) -> Arc<Inbox> {
        Arc::clone(&self.shared.inbox)
    }

    async fn announce(&self, node: &NodeInfo) -> Result<(), CoordinatorError> {
        let text = serde_json::to_string(node)
            .map_err(|error| CoordinatorError::Unavailable(error.to_string()))?;
        let client = &self.shared.client;
        let expiry = Some(Expiration::EX(PRESENCE_SECONDS as i64));
        let key = self.shared.node_key(&node.incarnation);
        patiently(client.set::<(), _, _>(key, text, expiry, None, false)).await?;
        patiently(client.sadd::<i64, _, _>(self.shared.nodes_key(), node.incarnation.clone()))
            .await
            .map(|_| ())
    }

    async fn withdraw(&self, incarnation: &str) -> Result<(), CoordinatorError> {
        let client = &self.shared.client;
        patiently(client.del::<i64, _>(self.shared.node_key(incarnation))).await?;
        patiently(client.srem::<i64, _, _>(self.shared.nodes_key(), incarnation.to_owned()))
            .await
            .map(|_| ())
    }

    async fn nodes(&self) -> Result<Vec<NodeInfo>, CoordinatorError> {
        let client = &self.shared.client;
        let names: Vec<String> = patiently(client.smembers(self.shared.nodes_key())).await?;
        let mut nodes = Vec::with_capacity(names.len());
        for name in names {
            let text: Option<String> = patiently(client.get(self.shared.node_key(&name))).await?;
            match text.and_then(|text| serde_json::from_str(&text).ok()) {
                Some(node) => nodes.push(node),
                // Its key ran out: whoever notices takes the name off the list.
                None => {
                    patiently(client.srem::<i64, _, _>(self.shared.nodes_key(), name)).await?;
                }
            }
        }
        nodes.sort_by(|a: &NodeInfo, b| {
            (a.started_at, &a.incarnation).cmp(&(b.started_at, &b.incarnation))
        });
        Ok(nodes)
    }

    fn work(&self) -> Option<SharedWork> {
        Some(Arc::new(work::RedisWork(Arc::clone(&self.shared))))
    }

    fn limits(&self) -> Option<SharedLimits> {
        Some(Arc::new(limits::RedisLimits(Arc::clone(&self.shared))))
    }

    async fn ping(&self) -> Result<(), CoordinatorError> {
        patiently(self.shared.client.ping::<()>(None)).await
    }
}
