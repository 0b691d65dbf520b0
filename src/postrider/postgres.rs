//! Standalone's own PostgreSQL: the system's binaries over a folder of ours, reachable by one Unix socket.
//!
//! No other PostgreSQL is ever touched: a process is signalled only when its working directory is our data
//! folder. Root never runs it; the socket lies in a folder that only its user (and root) may enter, and the
//! socket's peer must be one of the two. Its log becomes ours.
//!
//! ```text
//! no data ─initdb─▶ data ─▶ orphan of an earlier run? stop it ─▶ running ──exit──▶ wait ─▶ running
//!                                                                └──told to stop──▶ SIGINT ─▶ stopped
//! ```

mod binaries;
mod cluster;
mod identity;
mod log;
mod orphan;
mod supervisor;

pub use cluster::Cluster;
pub use supervisor::{State, Supervisor};
