//! The queue's rows: what waits to be delivered, here and elsewhere.
//!
//! Recipients of this cluster that could not be delivered inline ([`queue_local_due`]) have no owner: delivering one
//! is one transaction that also removes its row. Recipients elsewhere are claimed ([`queue_claim`]), carried, and
//! recorded ([`queue_record`]). `queue::model` states the rules that the SQL functions
//! (`migrations/V3__queue.sql`) follow; every function here is one round trip.

mod claim;
mod local;
mod record;
mod watch;

pub use claim::{Claimed, queue_claim};
pub use local::{DueRecipient, queue_local_due, queue_postpone, queue_settle};
pub(crate) use record::storable;
pub use record::{Note, RecordRow, Recorded, Written, queue_record};
pub use watch::{
    Due, Sighting, queue_look, queue_reconcile, queue_release, queue_sweep, queue_take_over,
};
