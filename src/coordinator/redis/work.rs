//! [`Work`] over Redis: streams in hash-tagged shards, a consumer group, a sorted set of the near future, and
//! scripts that do each step as a whole (`lua/`, which follow `work/board.rs`).

use super::script::{self, call};
use super::{SHARDS, Shared};
use crate::CoordinatorError;
use crate::work::{Bell, Give, Given, TOKEN_IDLE, Token, TokenId, Work};
use async_trait::async_trait;
use fred::types::scripts::Script;
use futures::future::{join_all, try_join_all};
use rand::Rng;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use types::{Destination, Incarnation};

/// A shard that nobody called is looked at this often: its wake-up may have been lost.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Shards asked at once.
const AT_ONCE: usize = 16;
/// One look in so many also forgets consumers that are long gone.
const TIDY: u32 = 100;

/// What is known of the shards: filled by the task that receives, read by the one that takes.
#[derive(Debug)]
pub(super) struct Rung {
    shards: Mutex<Vec<Shard>>,
    ready: Notify,
}

#[derive(Debug, Clone, Copy)]
struct Shard {
    /// A token came to wait here since the last look.
    rung: bool,
    look_at: Instant,
}

impl Default for Rung {
    fn default() -> Self {
        let shard = Shard { rung: true, look_at: Instant::now() };
        Self { shards: Mutex::new(vec![shard; SHARDS as usize]), ready: Notify::new() }
    }
}

impl Rung {
    /// A token waits in this shard.
    pub(super) fn ring(&self, shard: usize) {
        if let Some(shard) = self.shards().get_mut(shard) {
            shard.rung = true;
        }
        self.ready.notify_one();
    }

    /// There may be tokens anywhere: wake-ups may have been missed.
    pub(super) fn ring_all(&self) {
        self.shards().iter_mut().for_each(|shard| shard.rung = true);
        self.ready.notify_one();
    }

    fn shards(&self) -> MutexGuard<'_, Vec<Shard>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shards to look at, beginning anywhere.
    fn due(&self, now: Instant) -> Vec<u32> {
        let begin = rand::rng().random_range(0..SHARDS);
        let shards = self.shards();
        let turn = (0..SHARDS).map(|n| (begin + n) % SHARDS);
        turn.filter(|n| shards[*n as usize].rung || shards[*n as usize].look_at <= now).collect()
    }

    fn looking(&self, shard: u32) {
        let spread = rand::rng().random_range(0.5..1.5);
        let look_at = Instant::now() + LOOK_EVERY.mul_f64(spread);
        self.shards()[shard as usize] = Shard { rung: false, look_at };
    }

    /// The near future of a shard begins in a while.
    fn later(&self, shard: u32, wait: Duration) {
        let shard = &mut self.shards()[shard as usize];
        shard.look_at = shard.look_at.min(Instant::now() + wait);
    }

    fn next_look(&self) -> Option<Instant> {
        let now = Instant::now();
        self.shards().iter().map(|shard| shard.look_at).filter(|at| *at > now).min()
    }
}

/// Doorbells and tokens.
pub(super) struct RedisWork(pub(super) Arc<Shared>);

impl RedisWork {
    async fn call<R: fred::types::FromValue>(
        &self,
        shard: u32,
        script: &Script,
        args: Vec<String>,
    ) -> Result<R, CoordinatorError> {
        let cluster = &self.0.cluster;
        let key = |name: &str| format!("{cluster}:{{q{shard}}}:{name}");
        let keys = ["work", "generations", "tokens", "later"].map(key).to_vec();
        let mut all = vec![self.0.rung_channel(), shard.to_string()];
        all.extend(args);
        call(&self.0.client, script, keys, all).await
    }

    async fn take_from(
        &self,
        shard: u32,
        me: Incarnation,
        most: usize,
    ) -> Result<Vec<Token>, CoordinatorError> {
        self.0.rung.looking(shard);
        let tidy = u8::from(rand::rng().random_ratio(1, TIDY));
        let idle = TOKEN_IDLE.as_millis().to_string();
        let args = vec![me.to_string(), most.to_string(), idle, tidy.to_string()];
        let taken: Vec<String> = match self.call(shard, &script::TAKE, args).await {
            Ok(taken) => taken,
            Err(error) => {
                self.0.rung.shards()[shard as usize].rung = true;
                return Err(error);
            }
        };
        let mut taken = taken.into_iter();
        if let Some(wait) = taken.next().and_then(|text| text.parse().ok()) {
            self.0.rung.later(shard, Duration::from_micros(wait));
        }
        let mut tokens = Vec::new();
        while let (Some(id), Some(domain), Some(generation)) =
            (taken.next(), taken.next(), taken.next())
        {
            let (Some(id), Ok(generation)) = (parse(&id), generation.parse()) else { continue };
            tokens.push(Token { id, destination: Destination::new(&domain), generation });
        }
        if tokens.len() >= most {
            self.0.rung.shards()[shard as usize].rung = true;
        }
        Ok(tokens)
    }
}

fn parse(id: &str) -> Option<TokenId> {
    let (time, number) = id.split_once('-')?;
    Some(TokenId(time.parse().ok()?, number.parse().ok()?))
}

fn text(id: TokenId) -> String {
    format!("{}-{}", id.0, id.1)
}

fn micros(wait: Duration) -> String {
    wait.as_micros().min(1 << 50).to_string()
}

#[async_trait]
impl Work for RedisWork {
    async fn ring(&self, bells: &[(Destination, Bell)]) -> Result<(), CoordinatorError> {
        let mut shards: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for (destination, bell) in bells {
            let args = shards.entry(destination.shard(SHARDS)).or_default();
            let (bell, number) = match bell {
                Bell::Now => ("now", "0".to_owned()),
                Bell::More(most) => ("more", most.to_string()),
                Bell::In(wait) => ("in", micros(*wait)),
            };
            args.extend([destination.domain().to_owned(), bell.to_owned(), number]);
        }
        let calls = shards
            .into_iter()
            .map(|(shard, args)| async move { self.call::<()>(shard, &script::RING, args).await });
        join_all(calls).await.into_iter().collect()
    }

    async fn take(&self, me: Incarnation, most: usize) -> Result<Vec<Token>, CoordinatorError> {
        let due = self.0.rung.due(Instant::now());
        let mut tokens = Vec::new();
        let mut due = due.as_slice();
        while !due.is_empty() && tokens.len() < most {
            let left = most - tokens.len();
            let (now, then) = due.split_at(due.len().min(left).min(AT_ONCE));
            let calls = now.iter().map(|shard| self.take_from(*shard, me, left / now.len()));
            // What one shard gave is ours, whatever became of the others.
            let answers = join_all(calls).await;
            let failed = answers.iter().find_map(|answer| answer.as_ref().err().cloned());
            tokens.extend(answers.into_iter().flatten().flatten());
            match failed {
                Some(error) if tokens.is_empty() => return Err(error),
                Some(_) => break,
                None => due = then,
            }
        }
        if tokens.len() >= most {
            self.0.rung.ready.notify_one();
        }
        Ok(tokens)
    }

    async fn woken(&self) {
        let rung = self.0.rung.ready.notified();
        match self.0.rung.next_look() {
            Some(at) => {
                let _ = tokio::time::timeout_at(at, rung).await;
            }
            None => rung.await,
        }
    }

    async fn beat(
        &self,
        me: Incarnation,
        held: &[Token],
    ) -> Result<Vec<TokenId>, CoordinatorError> {
        let mut shards: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for token in held {
            let args = shards.entry(token.destination.shard(SHARDS)).or_default();
            if args.is_empty() {
                args.push(me.to_string());
            }
            args.push(text(token.id));
        }
        let calls = shards.into_iter().map(|(shard, args)| async move {
            self.call::<Vec<String>>(shard, &script::BEAT, args).await
        });
        let lost = try_join_all(calls).await?;
        Ok(lost.iter().flatten().filter_map(|id| parse(id)).collect())
    }

    async fn give(
        &self,
        me: Incarnation,
        token: &Token,
        how: Give,
    ) -> Result<Given, CoordinatorError> {
        let (how, number) = match how {
            Give::Done { generation } => ("done", generation.to_string()),
            Give::Later(wait) => ("later", micros(wait)),
            Give::Back => ("back", "0".into()),
        };
        let domain = token.destination.domain().to_owned();
        let args = vec![me.to_string(), text(token.id), domain, how.to_owned(), number];
        let shard = token.destination.shard(SHARDS);
        let answer: String = self.call(shard, &script::GIVE, args).await?;
        Ok(match answer.as_str() {
            "gone" => Given::Gone,
            "lost" => Given::Lost,
            generation => Given::Again { generation: generation.parse().unwrap_or(0) },
        })
    }
}
