//! The coordinator of one process: for `postrider standalone`.

mod queue;

use crate::limits::SharedLimits;
use crate::work::SharedWork;
use crate::{Coordinator, CoordinatorError, Hint, Inbox, NodeInfo};
use async_trait::async_trait;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use types::AccountId;

/// Hints go straight into the own inbox.
#[derive(Debug, Default)]
pub struct Local {
    inbox: Arc<Inbox>,
    watched: Mutex<HashSet<AccountId>>,
    nodes: Mutex<Vec<NodeInfo>>,
    work: Arc<queue::LocalWork>,
    limits: Arc<queue::LocalLimits>,
}

#[async_trait]
impl Coordinator for Local {
    fn publish(&self, hint: Hint) {
        if self.watched.lock().unwrap_or_else(PoisonError::into_inner).contains(&hint.account) {
            self.inbox.hint(hint);
        }
    }

    fn watch(&self, account: AccountId) {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).insert(account);
    }

    fn unwatch(&self, account: AccountId) {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).remove(&account);
    }

    fn inbox(&self) -> Arc<Inbox> {
        Arc::clone(&self.inbox)
    }

    async fn announce(&self, node: &NodeInfo) -> Result<(), CoordinatorError> {
        *self.nodes.lock().unwrap_or_else(PoisonError::into_inner) = vec![node.clone()];
        Ok(())
    }

    async fn withdraw(&self, _incarnation: &str) -> Result<(), CoordinatorError> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }

    async fn nodes(&self) -> Result<Vec<NodeInfo>, CoordinatorError> {
        Ok(self.nodes.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn work(&self) -> Option<SharedWork> {
        Some(Arc::clone(&self.work) as SharedWork)
    }

    fn limits(&self) -> Option<SharedLimits> {
        Some(Arc::clone(&self.limits) as SharedLimits)
    }

    async fn ping(&self) -> Result<(), CoordinatorError> {
        Ok(())
    }
}
