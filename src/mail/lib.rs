//! Mailboxes, messages and the change log as a reader's session needs them.

mod hub;

pub use hub::{Hub, HubConfig, Watch};
