//! Measures what mail costs: CPU of every process involved, latencies, statements and object writes per
//! message, for Postrider and for peers on the same machine in the same run.
//!
//! Every scenario proves by reading back that the work was really done, and fails otherwise. Everything is
//! bounded: counts are given, waits have limits, and servers live in a throwaway folder.

pub mod big;
pub mod cpu;
pub mod floor;
pub mod imap;
pub mod metrics;
pub mod mix;
pub mod parsers;
pub mod peer;
pub mod report;
pub mod scenario;
pub mod smtp;
pub mod stage;
pub mod submission;
pub mod target;
pub mod waiting;
