//! The queue's rows: what waits to be delivered, here and elsewhere.
//!
//! Recipients of this cluster that could not be delivered inline ([`queue_local_due`]) have no owner: delivering one
//! is one transaction that also removes its row. Recipients elsewhere are claimed ([`queue_claim`]), carried, and
//! recorded ([`queue_record`]). `queue::model` states the rules that the SQL functions
//! (`migrations/V3__queue.sql`) follow; every function here is one round trip.

mod claim;
mod ends;
mod local;
mod record;
mod report;
mod select;
mod settings;
mod watch;

pub use claim::{Claimed, Claims, queue_claim};
pub use ends::{
    Astray, Elder, queue_astray, queue_elders, queue_expire, queue_give_up, queue_home,
};
pub use local::{DueRecipient, Postponed, queue_local_due, queue_local_end, queue_postpone};
pub(crate) use record::storable;
pub use record::{Note, RecordRow, Recorded, Written, queue_record};
pub use report::{
    OwedRecipient, OwedReport, report_delayed, report_due, report_postpone, report_waive,
};
pub use select::{
    Action, Changed, EventRow, Journey, Listed, QueueState, Select, Stats, queue_change,
    queue_depth, queue_events_prune, queue_list, queue_show, queue_stats,
};
pub use settings::{
    LimitRow, LimitScope, Pause, RouteRetry, RouteRow, RouteTls, Settings, limit_list, limit_put,
    limit_remove, queue_pause, queue_pauses, queue_resume, route_list, route_put, route_remove,
    settings_load,
};
pub use watch::{
    Due, Sighting, queue_look, queue_reconcile, queue_release, queue_sweep, queue_take_over,
};
