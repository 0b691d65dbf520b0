//! SASL mechanisms of the server side: PLAIN (RFC 4616), LOGIN, SCRAM-SHA-256 with and without channel binding
//! (RFC 5802, RFC 7677, RFC 9266), EXTERNAL (RFC 4422 appendix A), OAUTHBEARER (RFC 7628) and XOAUTH2.
//!
//! No I/O, no clock; randomness is handed in. Framing (base64, `*`, continuation lines) belongs to the
//! protocols, looking up and checking secrets to the directory: [`Exchange`] only says what is needed
//! next. Secrets never appear in `Debug`.

mod bearer;
mod binding;
mod exchange;
mod mechanism;
pub mod scram;

pub use bearer::TokenRefusal;
pub use binding::Bindings;
pub use exchange::{Exchange, Failure, Step};
pub use mechanism::{Mechanism, Mechanisms};

/// Longest message of a client that is looked at: names and passwords are short, tokens some kilobytes, and
/// everything is held in memory before anybody is known.
pub const MAX_CLIENT_MESSAGE: usize = 8_192;
