//! Going down in order: nobody new comes in, and the goodbyes are spread over a window so that the clients
//! do not all come back to the other nodes in the same second.

use rand::Rng;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Shared by all listeners and sessions of a node.
#[derive(Debug, Clone)]
pub struct Drain {
    begun: CancellationToken,
    sessions: TaskTracker,
    window: Duration,
}

/// One session's moment to say goodbye.
#[derive(Debug, Clone)]
pub struct Goodbye {
    begun: CancellationToken,
    delay: Duration,
}

impl Drain {
    /// Goodbyes are spread over `window`.
    #[must_use]
    pub fn new(window: Duration) -> Self {
        Self { begun: CancellationToken::new(), sessions: TaskTracker::new(), window }
    }

    /// Starts going down.
    pub fn begin(&self) {
        self.begun.cancel();
        self.sessions.close();
    }

    /// Whether it has started.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.begun.is_cancelled()
    }

    /// Resolves when it starts.
    pub async fn begun(&self) {
        self.begun.cancelled().await;
    }

    /// A session's own moment within the window.
    #[must_use]
    pub fn goodbye(&self) -> Goodbye {
        let delay = rand::rng().random_range(Duration::ZERO..=self.window);
        Goodbye { begun: self.begun.clone(), delay }
    }

    /// Where session tasks are counted.
    pub(crate) fn sessions(&self) -> &TaskTracker {
        &self.sessions
    }

    /// How many sessions are open.
    #[must_use]
    pub fn open_sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Waits until all sessions are over, at most so long. `true`: they are.
    pub async fn wait(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.sessions.wait()).await.is_ok()
    }
}

impl Goodbye {
    /// Resolves when this session should end. Cancel-safe only before the drain begins; poll it pinned.
    pub async fn come(&self) {
        self.begun.cancelled().await;
        tokio::time::sleep(self.delay).await;
    }
}
