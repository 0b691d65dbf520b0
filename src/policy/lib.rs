//! What domains publish about mail, as decisions over answers that somebody else fetched: MTA-STS (RFC 8461).
//!
//! No I/O, no clock. Whatever a stranger can publish is bounded by who fetches it, and nothing here panics on it.

pub mod mta_sts;
