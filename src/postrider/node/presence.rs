//! The node shows itself in the coordinator, for `cluster status`. Never needed for anything else.

use super::jobs::Stoppable;
use super::listeners::Bound;
use super::{Node, VERSION};
use coordinator::{NodeInfo, PRESENCE_SECONDS, SharedCoordinator};
use std::time::Duration;

/// What is shown.
#[derive(Clone)]
pub struct Presence {
    coordinator: SharedCoordinator,
    info: NodeInfo,
}

impl Presence {
    pub(super) fn new(node: &Node, roles: Vec<String>, bound: &Bound) -> Self {
        let info = NodeInfo {
            incarnation: node.incarnation.to_string(),
            version: VERSION.into(),
            roles,
            started_at: chrono::Utc::now().timestamp(),
            listeners: bound.places(),
        };
        Self { coordinator: node.coordinator.clone(), info }
    }

    /// Shows it until stopped.
    pub fn keep(&self) -> Stoppable {
        let presence = self.clone();
        Stoppable::every(Duration::from_secs(PRESENCE_SECONDS / 3), move || {
            let presence = presence.clone();
            async move {
                if let Err(error) = presence.coordinator.announce(&presence.info).await {
                    tracing::debug!(%error, "the node could not show itself");
                }
            }
        })
    }

    /// Takes it off the list. Only after [`Presence::keep`] was stopped.
    pub async fn withdraw(&self) {
        if let Err(error) = self.coordinator.withdraw(&self.info.incarnation).await {
            tracing::debug!(%error, "the node could not take itself off the list");
        }
    }
}
