//! MTA-STS policies as all nodes know them.

use async_trait::async_trait;
use delivery::{CacheAway, PolicyCache};
use policy::mta_sts::{Known, Mode, Policy};
use store::Store;
use store::mta_sts::{StsRow, sts_load, sts_save};

/// Policies in PostgreSQL.
pub struct Policies(pub Store);

#[async_trait]
impl PolicyCache for Policies {
    async fn load(&self, domain: &str) -> Result<Option<Known>, CacheAway> {
        match sts_load(&self.0, domain).await {
            Ok(row) => Ok(row.and_then(known)),
            Err(error) => {
                tracing::debug!(%error, "MTA-STS policies cannot be looked up");
                Err(CacheAway)
            }
        }
    }

    async fn save(&self, domain: &str, id: &str, policy: &Policy) {
        let row = StsRow {
            id: id.to_owned(),
            mode: policy.mode.name().to_owned(),
            mx: policy.mx.clone(),
            max_age: policy.max_age,
            age: std::time::Duration::ZERO,
        };
        if let Err(error) = sts_save(&self.0, domain, &row).await {
            tracing::debug!(%error, "an MTA-STS policy could not be remembered");
        }
    }
}

/// A mode that a newer version wrote is not known, and the policy is fetched again.
fn known(row: StsRow) -> Option<Known> {
    let mode = Mode::parse(&row.mode)?;
    let policy = Policy { mode, mx: row.mx, max_age: row.max_age };
    Some(Known { id: row.id, policy, age: row.age })
}
