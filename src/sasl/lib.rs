//! SASL mechanisms of the server side: PLAIN (RFC 4616), LOGIN and SCRAM-SHA-256 (RFC 5802, RFC 7677).
//!
//! No I/O, no clock; randomness is handed in. Framing (base64, `*`, continuation lines) belongs to the
//! protocols, looking up and checking secrets to the directory: [`Exchange`] only says what is needed
//! next. Secrets never appear in `Debug`.

mod exchange;
pub mod scram;

pub use exchange::{Exchange, Failure, Mechanism, Step};

/// Longest message of a client that is looked at: names and passwords are short, and everything is held in
/// memory before anybody is known.
pub const MAX_CLIENT_MESSAGE: usize = 4_096;
