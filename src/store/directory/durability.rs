//! What the database server promises about a COMMIT.

use crate::sql::Sql;
use crate::{Store, StoreError};
use serde::Serialize;

/// Settings that decide whether a committed mail survives the loss of the database's machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Durability {
    /// `synchronous_commit` as this program's role has it.
    pub synchronous_commit: String,
    /// `synchronous_standby_names`.
    pub synchronous_standby_names: String,
    /// Standbys connected now.
    pub standbys: i64,
    /// Whether we talk to a standby.
    pub in_recovery: bool,
    /// PostgreSQL's version.
    pub server_version: String,
    /// `fsync`.
    pub fsync: bool,
}

/// Reads them.
///
/// # Errors
/// As [`Store::session`].
pub async fn durability_read(store: &Store) -> Result<Durability, StoreError> {
    static READ: Sql = Sql::new(include_str!("durability.sql"), &[]);
    let row = store.session().await?.read_opt(&READ, &[]).await?;
    let row = row.ok_or_else(|| StoreError::Bug("durability gave no row".into()))?;
    Ok(Durability {
        synchronous_commit: row.get(0),
        synchronous_standby_names: row.get(1),
        standbys: row.get(2),
        in_recovery: row.get(3),
        server_version: row.get(4),
        fsync: row.get::<_, &str>(5) == "on",
    })
}

impl Durability {
    /// What is wrong, in words; `None` when a COMMIT is as durable as invariant 1 asks.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        if self.in_recovery {
            return Some("this is a standby: point postgres.url at the primary".into());
        }
        if !self.fsync {
            return Some("fsync is off: a power cut loses accepted mail".into());
        }
        if self.synchronous_commit == "off"
            || (self.synchronous_commit == "local" && self.standbys > 0)
        {
            let value = &self.synchronous_commit;
            return Some(format!("synchronous_commit is {value}: set it to on"));
        }
        if self.standbys > 0 && self.synchronous_standby_names.is_empty() {
            return Some(format!(
                "{} standby connected but synchronous_standby_names is empty: a failover loses accepted mail",
                self.standbys
            ));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Durability {
        Durability {
            synchronous_commit: "on".into(),
            synchronous_standby_names: String::new(),
            standbys: 0,
            in_recovery: false,
            server_version: "15.1".into(),
            fsync: true,
        }
    }

    #[test]
    fn complains_about_what_loses_mail() {
        assert_eq!(sound().complaint(), None);
        let named = Durability { standbys: 1, synchronous_standby_names: "a".into(), ..sound() };
        assert_eq!(named.complaint(), None);
        for (broken, word) in [
            (Durability { standbys: 1, ..sound() }, "synchronous_standby_names"),
            (Durability { synchronous_commit: "off".into(), ..sound() }, "synchronous_commit"),
            (Durability { synchronous_commit: "local".into(), ..named }, "synchronous_commit"),
            (Durability { fsync: false, ..sound() }, "fsync"),
            (Durability { in_recovery: true, ..sound() }, "standby"),
        ] {
            assert!(broken.complaint().is_some_and(|text| text.contains(word)), "{broken:?}");
        }
    }
}
