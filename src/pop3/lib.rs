//! POP3 (RFC 1939, RFC 2449): the server's half as a machine without I/O.
//!
//! Octets go in ([`Session::feed`], [`Session::input`]), [`Event`]s and response octets come out. Commands are
//! carried out one at a time in their order, so pipelined ones wait in the input. The machine keeps the
//! maildrop as it was at login (UIDs and sizes, eight octets a message) and what is marked as deleted; it
//! answers everything but messages, logins and the removal at QUIT, which the driver does. Long listings come
//! in pieces: [`Event::Output`] says when to send. No clock, no store.

mod command;
mod config;
mod content;
mod language;
mod maildrop;
mod reader;
mod reply;
mod secret;
mod session;
mod surrogate;

pub use command::{COMMANDS, CommandSpec, State};
pub use config::Config;
pub use maildrop::Maildrop;
pub use secret::Secret;
pub use session::{Event, LoginFailure, RemoveFailure, Retrieve, RetrieveFailure, Session};
