//! SMTP, submission and LMTP: the server's half as a machine without I/O.
//!
//! Bytes go in ([`Session::feed`]), [`Event`]s and reply bytes come out. Every event that asks something is
//! answered by one method before [`Session::next`] is called again; replies to pipelined commands gather in
//! the output buffer and leave in one write. No clock, no store, no policy: the driver decides, the machine
//! keeps the order, the limits and the wording.

pub mod client;
mod command;
mod config;
mod content;
mod path;
mod reply;
mod session;
mod trace;

pub use command::{COMMANDS, CommandSpec, Stage};
pub use config::{Config, Role};
pub use path::{Body, ForwardPath, Mail, Notify, Path, Rcpt, Ret};
pub use reply::{AuthVerdict, ContentVerdict, DataVerdict, MailVerdict, RcptVerdict};
pub use session::{Event, Session};
pub use trace::{Received, received, return_path};
