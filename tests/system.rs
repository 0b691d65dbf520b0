//! The system tests: everything that needs real servers, in one binary, so that linking is paid once.
//!
//! `store_*`: the store against PostgreSQL, directly and through PgBouncer. `parts_*`: coordinator and blob
//! store against Redis and S3. `node_*`: real `postrider` processes; `imap_*`: their IMAP, `pop3_*`: their POP3. The rest needs no server.

// Helpers here are tests too, which clippy does not see.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bench;
mod dependency_rules;
mod imap;
mod licences;
mod nodes;
mod parts;
mod pop3;
mod schema;
mod store_suite;
