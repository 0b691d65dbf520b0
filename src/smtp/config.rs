//! What a listener allows. Every limit says what it protects.

use std::time::Duration;

/// Which protocol a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Mail from other servers (port 25): no AUTH, only local recipients.
    Smtp,
    /// Mail from our own users (ports 587 and 465, RFC 6409): nothing before AUTH.
    Submission,
    /// Delivery behind another server (RFC 2033): one reply per recipient after the message.
    Lmtp,
}

/// Settings of a session.
#[derive(Debug, Clone)]
pub struct Config {
    /// The protocol.
    pub role: Role,
    /// Our name in greetings and replies.
    pub hostname: String,
    /// Whether STARTTLS can be offered.
    pub starttls: bool,
    /// Whether REQUIRETLS (RFC 8689) is honoured, and so offered once the connection is encrypted.
    pub require_tls: bool,
    /// Largest message in octets (RFC 1870); protects disk and memory.
    pub max_message_bytes: u64,
    /// Most recipients of one message; RFC 5321 §4.5.3.1.8 asks for at least 100.
    pub max_recipients: usize,
    /// Errors after which the session ends; stops guessing of addresses and passwords.
    pub max_errors: u32,
    /// Commands without a delivered message after which the session ends; stops idle chatter.
    pub max_idle_commands: u32,
    /// Wait for a command (RFC 5321 §4.5.3.2.7: 5 minutes).
    pub command_timeout: Duration,
    /// Wait for more of a message (RFC 5321 §4.5.3.2.5: 3 minutes).
    pub data_timeout: Duration,
}

impl Config {
    /// Sound values for a role.
    #[must_use]
    pub fn new(role: Role, hostname: impl Into<String>) -> Self {
        Self {
            role,
            hostname: hostname.into(),
            starttls: false,
            require_tls: false,
            max_message_bytes: 50 * 1024 * 1024,
            max_recipients: 1_000,
            max_errors: 10,
            max_idle_commands: 200,
            command_timeout: Duration::from_secs(300),
            data_timeout: Duration::from_secs(180),
        }
    }
}
