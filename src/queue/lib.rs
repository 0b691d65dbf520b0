//! When, where and by whom queued mail is sent: the rules.
//!
//! PostgreSQL's rows are the queue; the coordinator's bells and tokens only say where to look; nodes come and go.
//! [`Engine`] is one node's part in that. It does no I/O and has no clock: [events](Event) and times go in,
//! [things to do](Do) come out, and the seeded simulation beside it drives several of them through everything
//! that can go wrong.
//!
//! # What holds
//!
//! * **Nothing accepted is lost.** A recipient's row stays until its end is known.
//! * **A remote 250 is a fact** and is written whoever owns the row by then. Failures and reschedules count only
//!   from the owner of that very attempt ([`Fence`]).
//! * **A duplicate needs a kill, a pause or a cut** between the final dot and the commit (RFC 1047).
//!   [`Lease::may_finish`] is asked right before the dot; [`Peers`] lets nobody take over from a node that it has
//!   not itself watched, with PostgreSQL at hand, for a whole lease without a renewal.
//! * **No wedge.** What is due is found by its bell, or else by the sweep. A token, a row, a permit of a node
//!   that is gone becomes free by itself.
//! * Limits hold but for one lease after the coordinator forgot everything.
//!
//! # How a worker uses it
//!
//! ```text
//! token ──▶ prepare (hosts, permits) ──▶ claim a batch ──▶ carry, each result recorded at once ─┐
//!              ▲  not now: put off          none: give the token back, unless a bell rang       │
//!              └────────────────────────────────────────────────────────────────────────────────┘
//! ```

mod clock;
mod doorbell;
mod engine;
pub mod gate;
mod judge;
mod lease;
pub mod model;
mod pace;
mod peers;
mod reception;
mod recorder;
mod rows;
mod schedule;
pub mod worker;

pub use clock::Mono;
pub use doorbell::Doorbell;
pub use engine::{
    Away, Claim, Claims, Do, Due, Engine, EngineConfig, Event, ORPHAN_AGE, Prepared, RunId,
};
pub use judge::{Again, Fate, Reports, RetryPolicy, Ruling, Standing, judge};
pub use lease::{LEASE, Lease, RENEW_EVERY};
pub use pace::{Pace, Signal};
pub use peers::{Peers, Sighting};
pub use reception::{Born, Place, Reception};
pub use recorder::Record;
pub use rows::{StoreRows, claim_of};
pub use schedule::{BUSY, OVER_QUOTA, REMOTE, Schedule};

#[cfg(test)]
mod sim;
