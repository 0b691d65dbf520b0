//! What a listener allows. Every limit says what it protects.

use sasl::Mechanisms;
use std::time::Duration;

/// Settings of a session.
#[derive(Debug, Clone)]
pub struct Config {
    /// Our name in the greeting.
    pub hostname: String,
    /// Whether STLS can be offered.
    pub stls: bool,
    /// Whether passwords may cross an unencrypted connection (a listener on loopback, tests).
    pub plaintext_login: bool,
    /// Mechanisms offered where passwords may be sent, until a driver knows better
    /// ([`crate::Session::offer_mechanisms`]).
    pub mechanisms: Mechanisms,
    /// Longest line of a client. RFC 2449 §4 wants 255 octets; SASL messages and passwords are longer. Protects
    /// memory against strangers.
    pub max_line_bytes: usize,
    /// Errors in a row (before login: in all) after which the session ends.
    pub max_errors: u32,
    /// Commands before login after which the session ends; stops idle chatter of strangers.
    pub max_commands_early: u32,
    /// Wait for more before login. A driver bounds the whole time until login by it as well.
    pub login_timeout: Duration,
    /// Wait for a command after login: "Such a timer MUST be of at least 10 minutes' duration" (RFC 1939 §3).
    pub command_timeout: Duration,
}

impl Config {
    /// Sound values.
    #[must_use]
    pub fn new(hostname: impl Into<String>) -> Self {
        Self {
            hostname: hostname.into(),
            stls: false,
            plaintext_login: false,
            mechanisms: Mechanisms::USUAL,
            // A message of the largest size that sasl looks at, in base64.
            max_line_bytes: sasl::MAX_CLIENT_MESSAGE.div_ceil(3) * 4 + 64,
            max_errors: 20,
            max_commands_early: 50,
            login_timeout: Duration::from_secs(180),
            command_timeout: Duration::from_secs(600),
        }
    }
}
