//! What operators set for all nodes: routes and limits, kept in memory and looked at again every few seconds.

use super::way::{SiteLimits, Way};
use coordinator::limits::Rate;
use delivery::{Plan, Route};
use std::sync::Arc;
use store::queue::Claimed;

/// Routes and limits in force.
pub struct Settings {
    connections: u32,
    default: Arc<Route>,
}

impl Settings {
    /// `connections`: of a site without a limit of its own.
    pub fn new(connections: u32) -> Self {
        Self { connections, default: Arc::default() }
    }

    /// How mail for a domain leaves.
    pub fn way(&self, _domain: &str) -> Way {
        Way { route: Arc::clone(&self.default), policy: None }
    }

    /// The limits of a site.
    pub fn site(&self, _plan: &Plan) -> SiteLimits {
        SiteLimits { connections: self.connections, rate: None }
    }

    /// Rates that hold for a message there.
    pub fn rates(&self, plan: &Plan, _message: &Claimed) -> Vec<Rate> {
        self.site(plan).rate.into_iter().collect()
    }
}
