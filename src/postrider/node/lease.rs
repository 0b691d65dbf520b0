//! The node's lease (invariant 6): one row, renewed every 3 s, 15 s long, by the database's clock.
//!
//! Losing it harms nobody here: what is renewed again is valid again. Only whoever acts on what this node owns
//! has to look whether the renewal is fresh.

use super::VERSION;
use super::checks::Complaints;
use super::jobs::Stoppable;
use crate::exit::Outcome;
use crate::signals::Stop;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::lease::{NODE_LEASE_SECONDS, NODE_RENEW_SECONDS, node_lease_delete, node_lease_renew};
use store::{Store, StoreError};
use types::Incarnation;

/// The lease of this run of this node.
#[derive(Clone)]
pub struct Lease {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    incarnation: Incarnation,
    roles: String,
    /// Before the last renewal that is known to have happened was sent.
    renewed: Mutex<Instant>,
    complaints: Mutex<Complaints>,
}

impl Lease {
    /// Not taken yet.
    pub fn new(store: Store, incarnation: Incarnation, roles: String) -> Self {
        let shared = Shared {
            store,
            incarnation,
            roles,
            renewed: Mutex::new(Instant::now()),
            complaints: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Takes it, for as long as that takes. `None`: told to stop meanwhile.
    ///
    /// # Errors
    /// What waiting does not heal.
    pub async fn take(&self, stop: &Stop) -> Outcome<Option<()>> {
        loop {
            match self.shared.renew().await {
                Ok(()) => return Ok(Some(())),
                Err(error @ (StoreError::Schema(_) | StoreError::Bug(_))) => {
                    return Err(error.into());
                }
                Err(error) => self.shared.complain(&error),
            }
            tokio::select! {
                () = stop.asked() => return Ok(None),
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        }
    }

    /// Renews it until stopped.
    pub fn keep(&self) -> Stoppable {
        let shared = Arc::clone(&self.shared);
        Stoppable::every(Duration::from_secs(NODE_RENEW_SECONDS), move || {
            let shared = Arc::clone(&shared);
            async move { shared.step().await }
        })
    }

    /// Gives it back, so that others may take over at once. Only after [`Lease::keep`] was stopped.
    pub async fn give_back(&self) {
        if let Err(error) = node_lease_delete(&self.shared.store, self.shared.incarnation).await {
            tracing::info!(%error, "the node's lease could not be given back and will run out");
        }
    }
}

impl Shared {
    async fn renew(&self) -> Result<(), StoreError> {
        let begun = Instant::now();
        let schema = store::migrate::newest();
        node_lease_renew(&self.store, self.incarnation, VERSION, schema, &self.roles).await?;
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = begun;
        Ok(())
    }

    async fn step(&self) {
        let result = self.renew().await;
        let age = self.renewed.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
        metrics::gauge!("postrider_node_lease_age_seconds").set(age.as_secs_f64());
        match result {
            Ok(()) => self.with_complaints(|complaints| complaints.healed("the lease is renewed")),
            Err(error) => {
                self.complain(&error);
                if age > Duration::from_secs(NODE_LEASE_SECONDS.unsigned_abs().into()) {
                    tracing::debug!(age_seconds = age.as_secs(), "the node's lease has run out");
                }
            }
        }
    }

    fn complain(&self, error: &StoreError) {
        self.with_complaints(|complaints| {
            complaints.complain(error, "the node's lease cannot be renewed");
        });
    }

    fn with_complaints(&self, act: impl FnOnce(&mut Complaints)) {
        act(&mut self.complaints.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
