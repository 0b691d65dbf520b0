//! Who carries messages to one site, one after the other, over at most one connection at a time.

use crate::attempt::Attempt;
use crate::connection::Connection;
use crate::idle::Parked;
use crate::job::{Mailing, Report, Watch};
use crate::plan::Plan;
use crate::{Delivery, Inner};
use smtp::client::State;
use std::sync::Arc;
use std::time::Duration;

/// The caller's leave to have a connection to the site. Given back, by being dropped, when there is none any
/// more.
pub type Permit = Box<dyn std::any::Any + Send>;

/// Carries messages to one site.
pub struct Courier {
    inner: Arc<Inner>,
    plan: Plan,
    connection: Option<Connection>,
    permit: Option<Permit>,
}

impl Courier {
    pub(crate) fn new(inner: Arc<Inner>, plan: Plan, permit: Option<Permit>) -> Self {
        Self { inner, plan, connection: None, permit }
    }

    pub(crate) fn resume(inner: Arc<Inner>, plan: Plan, parked: Parked) -> Self {
        let Parked { connection, permit } = parked;
        Self { inner, plan, connection: Some(connection), permit }
    }

    /// Whether a connection is up. It may turn out to be dead when it is used.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// One attempt to bring a message to its recipients; the connection stays up for the next one where it
    /// can. To stop it from outside let [`Watch::fence`] say no: a future that is dropped after the end of
    /// the message went out takes the answer with it.
    pub async fn carry(&mut self, mailing: &Mailing, watch: &dyn Watch) -> Report {
        Attempt::new(&self.inner, &self.plan, mailing, watch, &mut self.connection).run().await
    }

    /// Carries for another domain of the same site from now on. `false`: it is another site.
    pub fn turn_to(&mut self, plan: &Plan) -> bool {
        let same = self.plan.key() == plan.key();
        if same {
            self.plan = plan.clone();
        }
        same
    }

    /// Lets the connection wait for more mail, together with the permit.
    pub fn park(mut self) {
        let Some(connection) = self.connection.take() else { return };
        let is_good = connection.client.state() == State::Ready && !connection.peer.lenient;
        if !is_good || connection.is_spent(&self.inner) {
            tokio::spawn(connection.close());
            return;
        }
        let permit = self.permit.take();
        self.inner.idle.park(self.plan.key(), Parked { connection, permit });
    }

    /// Says goodbye. The permit is given back when the connection is gone.
    pub async fn close(mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
    }

    /// The delivery it belongs to.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        Delivery { inner: Arc::clone(&self.inner) }
    }
}

impl Connection {
    /// Whether it has carried enough, by our measure or the server's (RFC 9422).
    pub(crate) fn is_spent(&self, inner: &Inner) -> bool {
        let most =
            inner.config.max_messages.min(self.client.server().most_messages.unwrap_or(u32::MAX));
        let age = Duration::from_millis(inner.config.max_connection_age_ms);
        self.client.messages() >= most || self.age() >= age
    }
}
