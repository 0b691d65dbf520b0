//! Who may stay logged in, and the secret behind unknown users' challenges.

use crate::sql::Sql;
use crate::{Store, StoreError};
use tokio_postgres::types::Type;
use types::AccountId;

/// What accounts' access rose to within the last `seconds`.
///
/// # Errors
/// As [`Store::session`].
pub async fn access_recent(
    store: &Store,
    seconds: f64,
) -> Result<Vec<(AccountId, i64)>, StoreError> {
    static RECENT: Sql = Sql::new(include_str!("access_recent.sql"), &[Type::FLOAT8]);
    let rows = store.session().await?.read(&RECENT, &[&seconds]).await?;
    Ok(rows.iter().map(|row| (AccountId(row.get(0)), row.get(1))).collect())
}

/// What SCRAM needs beside the accounts' own verifiers.
#[derive(Clone, Copy)]
pub struct ScramSetting {
    /// Makes up the salts of unknown users.
    pub secret: [u8; 32],
    /// Of every verifier, made up or not.
    pub iterations: u32,
}

/// The cluster's setting; where there is none yet, it becomes this one. Safe to repeat, and several may at once:
/// one of them wins.
///
/// # Errors
/// As [`Store::session`]; [`StoreError::MaybeHappened`].
pub async fn scram_setting(
    store: &Store,
    proposal: &ScramSetting,
) -> Result<ScramSetting, StoreError> {
    static READ: Sql = Sql::new("SELECT secret, iterations FROM scram_setting", &[]);
    static MAKE: Sql = Sql::new(
        "INSERT INTO scram_setting (secret, iterations) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        &[Type::BYTEA, Type::INT4],
    );
    let session = store.session().await?;
    for _ in 0..2 {
        if let Some(row) = session.read_opt(&READ, &[]).await? {
            let secret: Vec<u8> = row.get(0);
            let wrong = |_| StoreError::Bug("the secret of scram_setting has a wrong size".into());
            return Ok(ScramSetting {
                secret: secret.try_into().map_err(wrong)?,
                iterations: row.get::<_, i32>(1).unsigned_abs(),
            });
        }
        let iterations = i32::try_from(proposal.iterations).unwrap_or(i32::MAX);
        session.write(&MAKE, &[&proposal.secret.as_slice(), &iterations]).await?;
    }
    Err(StoreError::Bug("scram_setting is empty after it was made".into()))
}
