//! Everything that can go wrong.

use super::check::Trouble;
use super::postgres;
use super::world::{Happening, Sim, TROUBLE_MS};
use crate::Event;
use rand::Rng;

/// Leniency with limits after a coordinator was away or forgot: one lease, and what was under way.
const LENIENT_MS: u64 = 16_000;

/// Something goes wrong, or right again.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    Kill(usize),
    Start(usize),
    Drain(usize),
    Pause(usize, u64),
    CutFromPostgres(usize, u64),
    JoinToPostgres(usize),
    CutFromRedis(usize, u64),
    JoinToRedis(usize),
    PostgresDown(u64),
    PostgresUp,
    PostgresFailover(usize, u64),
    RedisDown(u64),
    RedisUp,
    RedisFlush,
    RedisFailover(usize),
    DestinationDown(usize, u64),
}

impl Sim {
    /// Some seeds know one kind of fault only, most know several.
    pub(super) fn plan_trouble(&mut self) {
        let kinds: Vec<u32> = match self.rng.random_range(0..4) {
            0 => vec![self.rng.random_range(0..11)],
            1 => (0..3).map(|_| self.rng.random_range(0..11)).collect(),
            _ => (0..11).collect(),
        };
        for _ in 0..self.rng.random_range(1..12) {
            let at = self.rng.random_range(0..TROUBLE_MS - 60_000);
            let kind = kinds[self.rng.random_range(0..kinds.len())];
            let fault = self.fault(kind);
            self.at(at, Happening::Fault(fault));
        }
    }

    fn fault(&mut self, kind: u32) -> Fault {
        let node = self.rng.random_range(0..self.nodes.len());
        let long = self.rng.random_range(100..60_000);
        let few = self.rng.random_range(1..=postgres::FORGETS);
        match kind {
            0 => Fault::Kill(node),
            1 => Fault::Drain(node),
            2 => Fault::Pause(node, long),
            3 => Fault::CutFromPostgres(node, long),
            4 => Fault::CutFromRedis(node, long),
            5 => Fault::PostgresDown(long),
            6 => Fault::PostgresFailover(few, long),
            7 => Fault::RedisDown(long),
            8 => Fault::RedisFlush,
            9 => Fault::RedisFailover(few),
            _ => Fault::DestinationDown(self.rng.random_range(0..self.destinations.len()), long),
        }
    }

    pub(super) fn strike(&mut self, fault: Fault) -> Result<(), String> {
        self.tell(|| format!("-- {fault:?}"));
        match fault {
            Fault::Kill(_) | Fault::Start(_) | Fault::Drain(_) | Fault::Pause(..) => {
                self.strike_node(fault);
            }
            Fault::CutFromPostgres(..)
            | Fault::JoinToPostgres(_)
            | Fault::CutFromRedis(..)
            | Fault::JoinToRedis(_) => self.strike_link(fault),
            Fault::PostgresDown(..) | Fault::PostgresUp | Fault::PostgresFailover(..) => {
                return self.strike_postgres(fault);
            }
            Fault::RedisDown(_) | Fault::RedisUp | Fault::RedisFlush | Fault::RedisFailover(_) => {
                self.strike_redis(fault);
            }
            Fault::DestinationDown(n, long) => {
                self.down.insert(self.destinations[n].clone(), self.now + long);
            }
        }
        Ok(())
    }

    fn strike_node(&mut self, fault: Fault) {
        match fault {
            Fault::Kill(node) => {
                self.die(node, true);
                self.soon(100, 30_000, Happening::Fault(Fault::Start(node)));
            }
            Fault::Start(node) if self.nodes[node].engine.is_none() => self.start(node),
            Fault::Drain(node) if self.nodes[node].is_well(self.now) => {
                self.nodes[node].draining = true;
                self.feed(node, Event::Drain);
            }
            Fault::Pause(node, long) if self.nodes[node].is_well(self.now) => {
                let until = self.now + long;
                self.nodes[node].paused_until = until;
                let who = self.nodes[node].who(node);
                self.books.trouble(who, Trouble::Away(self.now, until));
                self.leniency(until + LENIENT_MS);
            }
            _ => {}
        }
    }

    fn strike_link(&mut self, fault: Fault) {
        match fault {
            Fault::CutFromPostgres(node, long) if !self.nodes[node].cut_from_postgres => {
                let until = self.now + long;
                self.nodes[node].cut_from_postgres = true;
                let who = self.nodes[node].who(node);
                // Answers wait for their deadline a little longer than the cut lasts.
                self.books.trouble(who, Trouble::Away(self.now, until + 5_000));
                self.at(until, Happening::Fault(Fault::JoinToPostgres(node)));
            }
            Fault::JoinToPostgres(node) => self.nodes[node].cut_from_postgres = false,
            Fault::CutFromRedis(node, long) if !self.nodes[node].cut_from_redis => {
                let until = self.now + long;
                self.nodes[node].cut_from_redis = true;
                self.leniency(until + LENIENT_MS);
                self.at(until, Happening::Fault(Fault::JoinToRedis(node)));
            }
            Fault::JoinToRedis(node) => self.nodes[node].cut_from_redis = false,
            _ => {}
        }
    }

    fn strike_postgres(&mut self, fault: Fault) -> Result<(), String> {
        match fault {
            Fault::PostgresDown(long) if self.postgres.up => {
                self.postgres.up = false;
                self.at(self.now + long, Happening::Fault(Fault::PostgresUp));
            }
            // What it had been sent before its pause it does now.
            Fault::PostgresUp if !self.postgres.up => {
                self.postgres.up = true;
                for (who, asked, what) in std::mem::take(&mut self.late) {
                    self.execute(who, asked, &what)?;
                }
            }
            Fault::PostgresFailover(count, long) if self.postgres.up => {
                let last = self.postgres.forget(count);
                self.books.failover(self.now, last);
                self.late.clear();
                // The new primary's clock is another one.
                let skew = self.rng.random_range(0..120_000_u64);
                self.postgres.skew = self.postgres.skew + skew - 60_000;
                self.postgres.up = false;
                self.at(self.now + long / 4, Happening::Fault(Fault::PostgresUp));
            }
            _ => {}
        }
        Ok(())
    }

    fn strike_redis(&mut self, fault: Fault) {
        match fault {
            Fault::RedisDown(long) if self.redis.up => {
                self.redis.up = false;
                self.leniency(self.now + long + LENIENT_MS);
                self.at(self.now + long, Happening::Fault(Fault::RedisUp));
            }
            Fault::RedisUp => self.redis.up = true,
            Fault::RedisFlush => {
                self.redis.flush();
                self.leniency(self.now + LENIENT_MS);
            }
            Fault::RedisFailover(count) => {
                self.redis.forget(count);
                self.leniency(self.now + LENIENT_MS);
            }
            _ => {}
        }
    }

    fn leniency(&mut self, until: u64) {
        self.books.lenient_until = self.books.lenient_until.max(until);
    }
}
