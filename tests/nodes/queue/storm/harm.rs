//! What befalls nodes, and what befalls the parts they share.

use super::*;
use rand::Rng;
use rand::seq::SliceRandom;
use std::time::SystemTime;
use testkit::{Database, Redis, S3};

/// A node that is stopped for so long loses its lease.
const LONG: Duration = Duration::from_secs(18);

/// What befalls a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// SIGKILL, and another node in its place.
    Kill,
    /// SIGSTOP for longer than a lease, and SIGCONT.
    LongPause,
    /// The same for a moment.
    ShortPause,
    /// SIGTERM, and another node in its place.
    Restart,
}

/// What befell a node.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Its place.
    pub slot: usize,
    /// Which it was.
    pub node: Uuid,
    /// What.
    pub kind: Kind,
    /// From when.
    pub from: SystemTime,
    /// Until when.
    pub until: SystemTime,
}

/// What befalls what nodes share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Nothing.
    Nothing,
    /// Redis forgets everything, again and again.
    RedisFlushed,
    /// Redis is gone for a while and has forgotten everything.
    RedisStopped,
    /// Redis is there and does not answer.
    RedisPaused,
    /// A replica without the last writes takes its place.
    RedisFailedOver,
    /// PostgreSQL is restarted.
    PostgresRestarted,
    /// S3 is gone for a while.
    S3Gone,
    /// All of it, one after the other.
    All,
}

/// How long a part is gone.
fn outage() -> Duration {
    Duration::from_secs(sized(4, 30) as u64)
}

async fn moment(from: f64, to: f64) {
    let seconds = rand::rng().random_range(from..to);
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

impl Storm {
    /// Does everything to every node, each in an order of its own; once, or in full until it is enough.
    pub async fn harm_nodes(
        &self,
        config: &NodeConfig,
        nodes: &mut [Node],
        enough: &AtomicBool,
    ) -> Result<()> {
        let harming = nodes.iter_mut().enumerate().map(async |(slot, node)| {
            let mut kinds = [Kind::Kill, Kind::LongPause, Kind::ShortPause, Kind::Restart];
            loop {
                kinds.shuffle(&mut rand::rng());
                for kind in kinds {
                    moment(1.0, sized(4, 20) as f64).await;
                    self.harm_node(config, node, slot, kind).await?;
                }
                if !is_full() || enough.load(Ordering::SeqCst) {
                    return Ok(());
                }
            }
        });
        futures::future::try_join_all(harming).await.map(|_: Vec<()>| ())
    }

    /// Does it to one node, and puts another in its place if it ended.
    async fn harm_node(
        &self,
        config: &NodeConfig,
        node: &mut Node,
        slot: usize,
        kind: Kind,
    ) -> Result<()> {
        let (door, from) = (self.load.door(slot), self.strike(node, slot, kind)?);
        match kind {
            Kind::LongPause | Kind::ShortPause => {
                let time = if kind == Kind::LongPause { LONG } else { Duration::from_secs(2) };
                tokio::time::sleep(time).await;
                node.daemon().resume();
                let mut faults = lock(&self.faults);
                let fault =
                    faults.iter_mut().find(|fault| (fault.slot, fault.from) == (slot, from));
                fault.context("just noted")?.until = SystemTime::now();
                self.load.open_door(slot, door);
                Ok(())
            }
            Kind::Kill => {
                moment(0.1, 3.0).await;
                self.replace(config, node, slot).await
            }
            Kind::Restart => self.replace(config, node, slot).await,
        }
    }

    /// Begins to do it to a node; gives when.
    pub fn strike(&self, node: &mut Node, slot: usize, kind: Kind) -> Result<SystemTime> {
        self.load.open_door(slot, None);
        let (id, from) = (Incarnation::parse(&node.ready.node)?.0, SystemTime::now());
        match kind {
            Kind::Kill => node.kill(),
            Kind::Restart => node.ask_to_end(),
            Kind::LongPause | Kind::ShortPause => node.daemon().pause(),
        }
        lock(&self.faults).push(Fault { slot, node: id, kind, from, until: SystemTime::now() });
        Ok(from)
    }

    /// Starts another node in the place of one that ends; again and again, as a supervisor does, if a part is not
    /// there that it needs.
    pub async fn replace(&self, config: &NodeConfig, node: &mut Node, slot: usize) -> Result<()> {
        until("it has drained", async || node.daemon().ended().map(drop)).await?;
        let begun = Instant::now();
        let new = loop {
            match self.start(config.clone(), slot).await {
                Ok(new) => break new,
                Err(error) if begun.elapsed() > testkit::PATIENCE => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(500)).await,
            }
        };
        let mut old = std::mem::replace(node, new);
        lock(&self.gone).push(Gone { slot, log: old.daemon().log() });
        Ok(())
    }

    /// Does it to a part that nodes share.
    pub async fn harm_part(
        &self,
        part: Part,
        redis: &mut Redis,
        database: &Database,
        s3: &mut S3,
        submitted: &AtomicBool,
    ) -> Result<()> {
        let pause = async || tokio::time::sleep(Duration::from_secs(2)).await;
        match part {
            Part::Nothing => {}
            Part::RedisFlushed => {
                for n in 0.. {
                    if n >= 3 && (!is_full() || submitted.load(Ordering::SeqCst)) {
                        break;
                    }
                    moment(1.5, 4.0).await;
                    redis.command("FLUSHALL").await?;
                }
            }
            Part::RedisStopped => {
                pause().await;
                redis.kill();
                tokio::time::sleep(outage()).await;
                redis.up().await?;
            }
            Part::RedisPaused => {
                pause().await;
                redis.daemon()?.pause();
                tokio::time::sleep(outage()).await;
                redis.daemon()?.resume();
            }
            Part::RedisFailedOver => {
                for _ in 0..sized(1, 4) {
                    pause().await;
                    redis.fail_over(Duration::from_secs(2)).await?;
                }
            }
            Part::PostgresRestarted => {
                for _ in 0..sized(1, 4) {
                    pause().await;
                    database.postgres().restart().await?;
                    moment(0.0, sized(1, 15) as f64).await;
                }
            }
            Part::S3Gone => {
                pause().await;
                s3.kill();
                tokio::time::sleep(outage()).await;
                s3.up()?;
            }
            Part::All => {
                // Each in its turn, while there still is mail.
                let submitted = &AtomicBool::new(true);
                for part in [
                    Part::RedisFlushed,
                    Part::RedisStopped,
                    Part::RedisPaused,
                    Part::RedisFailedOver,
                    Part::PostgresRestarted,
                    Part::S3Gone,
                ] {
                    Box::pin(self.harm_part(part, redis, database, s3, submitted)).await?;
                }
            }
        }
        Ok(())
    }
}
