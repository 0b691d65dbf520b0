//! All SQL, and the one function that writes account data.
//!
//! PostgreSQL says what is true. Nothing outside this crate speaks SQL; inside it there is one function
//! per query, noun first, and [`account::commit`](account) is the only writer of mailboxes, messages and
//! the change log. No row lock is ever held across I/O other than PostgreSQL's own.
//!
//! Works through a transaction-pooling PgBouncer: no LISTEN, no session locks (except while migrating),
//! no plain SET. A setting sends unnamed statements for poolers that know no prepared ones.

pub mod account;
pub mod acl;
pub mod changes;
mod config;
pub mod directory;
mod error;
pub mod lease;
pub mod mailbox;
pub mod maildrop;
pub mod message;
pub mod metadata;
pub mod migrate;
pub mod mta_sts;
mod pool;
pub mod queue;
pub mod search;
pub mod search_page;
pub mod sql;
pub mod url_key;

pub use config::PostgresConfig;
pub use error::StoreError;
pub use pool::{Session, Store};
