//! [`Work`] and [`Limits`] within one process: the boards, behind a lock.

use crate::CoordinatorError;
use crate::limits::permits::Permits;
use crate::limits::{Acquired, Allowed, Limit, Limits, PERMIT_IDLE, Permit, Rate, Told};
use crate::work::board::Board;
use crate::work::{Bell, Give, Given, TOKEN_IDLE, Token, TokenId, Work};
use async_trait::async_trait;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use types::{Destination, Incarnation};

/// Milliseconds since some moment, never near zero.
fn now() -> u64 {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    1_000_000_000 + u64::try_from(BEGUN.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Doorbells and tokens.
#[derive(Debug, Default)]
pub(super) struct LocalWork {
    board: Mutex<Board>,
    ready: Notify,
}

impl LocalWork {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Work for LocalWork {
    async fn ring(&self, bells: &[(Destination, Bell)]) -> Result<(), CoordinatorError> {
        let mut board = self.board();
        for (destination, bell) in bells {
            board.ring(now(), destination, *bell);
        }
        drop(board);
        self.ready.notify_one();
        Ok(())
    }

    async fn take(&self, me: Incarnation, most: usize) -> Result<Vec<Token>, CoordinatorError> {
        let mut board = self.board();
        let tokens = board.take(now(), me, most, TOKEN_IDLE);
        let more = board.waiting() > 0;
        drop(board);
        if more {
            self.ready.notify_one();
        }
        Ok(tokens)
    }

    async fn woken(&self) {
        let due = self.board().next_due().filter(|due| *due > now());
        let rung = self.ready.notified();
        match due {
            None => rung.await,
            Some(due) => {
                let wait = Duration::from_millis(due.saturating_sub(now()));
                let _ = tokio::time::timeout(wait, rung).await;
            }
        }
    }

    async fn beat(
        &self,
        me: Incarnation,
        held: &[Token],
    ) -> Result<Vec<TokenId>, CoordinatorError> {
        let ids: Vec<TokenId> = held.iter().map(|token| token.id).collect();
        Ok(self.board().beat(now(), me, &ids))
    }

    async fn give(
        &self,
        me: Incarnation,
        token: &Token,
        how: Give,
    ) -> Result<Given, CoordinatorError> {
        let given = self.board().give(now(), me, token.id, how);
        self.ready.notify_one();
        Ok(given)
    }
}

/// Permits, rates and tales.
#[derive(Debug, Default)]
pub(super) struct LocalLimits {
    permits: Mutex<Permits>,
    freed: Notify,
    last: std::sync::atomic::AtomicU64,
}

impl LocalLimits {
    fn permits(&self) -> MutexGuard<'_, Permits> {
        self.permits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Limits for LocalLimits {
    async fn acquire(
        &self,
        _me: Incarnation,
        limits: &[Limit],
    ) -> Result<Acquired, CoordinatorError> {
        let id = self.last.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        Ok(self.permits().acquire(now(), id.into(), limits, PERMIT_IDLE))
    }

    async fn freed(&self, _key: &str) {
        self.freed.notified().await;
    }

    async fn renew(
        &self,
        _me: Incarnation,
        permits: &[Permit],
    ) -> Result<Vec<u128>, CoordinatorError> {
        Ok(self.permits().renew(now(), permits, PERMIT_IDLE))
    }

    async fn release(&self, permit: &Permit) -> Result<(), CoordinatorError> {
        self.permits().release(permit);
        self.freed.notify_waiters();
        Ok(())
    }

    async fn allow(&self, rate: &Rate, wanted: u32) -> Result<Allowed, CoordinatorError> {
        Ok(self.permits().allow(now(), rate, wanted))
    }

    async fn told(&self, site: &str) -> Result<Told, CoordinatorError> {
        Ok(self.permits().told(now(), site))
    }

    async fn tell(
        &self,
        site: &str,
        seen: u64,
        value: u64,
        keep: Duration,
    ) -> Result<bool, CoordinatorError> {
        Ok(self.permits().tell(now(), site, seen, value, keep))
    }
}
