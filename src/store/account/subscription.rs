//! SUBSCRIBE and UNSUBSCRIBE.

use super::Change;
use crate::sql::Sql;
use crate::{Session, StoreError};
use tokio_postgres::types::Type;
use types::{AccountId, ModSeq};

/// Subscribes to a name, or no longer; a name need not exist. Safe to repeat. Gives the account's modseq afterwards.
#[derive(Debug)]
pub struct SubscriptionSet<'a> {
    /// Whose.
    pub account: AccountId,
    /// Full path, already checked.
    pub name: &'a str,
    /// Whether it is to be subscribed.
    pub on: bool,
}

impl Change for SubscriptionSet<'_> {
    type Output = ModSeq;

    async fn apply(&self, session: &Session) -> Result<ModSeq, StoreError> {
        static SET: Sql = Sql::new(
            "SELECT modseq FROM subscription_set_v1($1, $2, $3)",
            &[Type::INT4, Type::TEXT, Type::BOOL],
        );
        let rows = session.write(&SET, &[&self.account.0, &self.name, &self.on]).await?;
        let row = rows.first();
        let row = row.ok_or_else(|| StoreError::Bug("subscription_set_v1 gave no row".into()))?;
        Ok(ModSeq(row.get::<_, i64>(0) as u64))
    }
}
