//! Background tasks of a node.

use std::future::Future;
use std::time::Duration;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// Tasks that run until the node ends; dropped, they are aborted. Each is safe to abort at any await.
#[derive(Default)]
pub struct Jobs {
    tasks: JoinSet<()>,
}

impl Jobs {
    /// One more.
    pub fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }
}

/// A task that is told to stop and waited for, because what comes next must come after it.
pub struct Stoppable {
    token: CancellationToken,
    task: JoinHandle<()>,
}

impl Stoppable {
    /// Runs `step` now and every so often, until told to stop. A step under way is finished, not cut.
    pub fn every<F, S>(period: Duration, step: F) -> Self
    where
        F: Fn() -> S + Send + 'static,
        S: Future<Output = ()> + Send,
    {
        let token = CancellationToken::new();
        let ended = token.clone();
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(period);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    biased;
                    () = ended.cancelled() => return,
                    _ = ticks.tick() => step().await,
                }
            }
        });
        Self { token, task }
    }

    /// Stops it. Waits for the step under way, but not for ever.
    pub async fn stop(self) {
        self.token.cancel();
        let mut task = self.task;
        if tokio::time::timeout(Duration::from_secs(3), &mut task).await.is_err() {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test(start_paused = true)]
    async fn nothing_happens_after_the_stop() {
        let count = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&count);
        let task = Stoppable::every(Duration::from_secs(3), move || {
            let counted = Arc::clone(&counted);
            async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        tokio::time::sleep(Duration::from_millis(6_500)).await;
        // The third step is under way.
        task.stop().await;
        assert_eq!(count.load(Ordering::Relaxed), 3);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(count.load(Ordering::Relaxed), 3);
    }
}
