//! Whether the coordinator is worth asking. One that hangs answers nobody for as long as a call may take; so when it
//! has not answered somebody, only one asks now and then, and all others do without at once.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Between two that ask a coordinator that does not answer.
pub(super) const ASK_EVERY: Duration = Duration::from_secs(3);

/// What is known of the coordinator's hearing.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    /// `None`: it answers. Otherwise when the next one may ask.
    ask_at: Mutex<Option<Instant>>,
}

impl Hearing {
    /// Whether to ask. Who is told so while the coordinator is silent is the only one for a while.
    pub(super) fn is_worth_asking(&self) -> bool {
        let mut ask_at = self.lock();
        let now = Instant::now();
        match *ask_at {
            None => true,
            Some(at) if now < at => false,
            Some(_) => {
                *ask_at = Some(now + ASK_EVERY);
                true
            }
        }
    }

    /// It answered, or it did not.
    pub(super) fn heard(&self, answered: bool) {
        *self.lock() = (!answered).then(|| Instant::now() + ASK_EVERY);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.ask_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_asks_now_and_then() {
        let hearing = Hearing::default();
        assert!(hearing.is_worth_asking() && hearing.is_worth_asking());
        hearing.heard(false);
        assert!(!hearing.is_worth_asking());
        tokio::time::sleep(ASK_EVERY).await;
        assert!(hearing.is_worth_asking() && !hearing.is_worth_asking());
        hearing.heard(true);
        assert!(hearing.is_worth_asking() && hearing.is_worth_asking());
    }
}
