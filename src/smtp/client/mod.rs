//! SMTP and LMTP: the client's half as a machine without I/O.
//!
//! Bytes go in ([`Client::feed`]), [`Action`]s and command bytes come out. One connection carries many
//! messages: after [`Action::Ready`] the driver hands one over with [`Client::begin`], gives its body when
//! asked, confirms the fence, hears of every recipient as soon as its fate is known, and is asked again.
//!
//! ```text
//!            220          250           220            250 (TLS)
//! Greeting ──────▶ Ehlo ────────▶ StartTls ─▶ Handshake ──▶ Ehlo ──▶ Auth ──▶ Ready
//!                   │ 5yz                                                    ▲  │ begin
//!                   └──▶ Helo                                                │  ▼
//!  Closed ◀── Quit ◀── Ready ◀── Rset ◀── (refused) ── Envelope: MAIL RCPT … DATA
//!                        ▲                                 │ 354, or BDAT
//!                        └── FinalDot ◀── Fence ◀──────── Body
//! ```
//!
//! Limits: a reply has at most 64 KiB and 200 lines, a kept line 512 characters. Never sends a password
//! without TLS, never a bare CR or LF in DATA, never the end of a message before [`Client::confirm`]. No
//! clock: [`Client::timeout`] says how long to wait (RFC 5321 §4.5.3.2) and [`Client::lost`] is told.

mod body;
mod capabilities;
mod config;
mod envelope;
mod machine;
mod reply;
mod setup;
mod transaction;

pub use capabilities::Capabilities;
pub use config::{Config, Credentials, Protocol, Timeouts, TlsWish};
pub use envelope::{CannotSend, Envelope, Recipient};
pub use machine::{Action, Client, Ended, Lost, Phase, State, Verdict};
pub use reply::{BadReply, Enhanced, Reply};

#[cfg(test)]
mod tests;
