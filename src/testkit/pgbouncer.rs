//! PgBouncer in transaction mode before a [`Postgres`]. Debian 12 has 1.18, which knows no prepared statements.

use crate::Postgres;
use crate::process::{Daemon, as_user, folder, give_to};
use crate::until;
use anyhow::Result;
use std::sync::Arc;
use store::PostgresConfig;
use tempfile::TempDir;

/// The pooler.
pub struct PgBouncer {
    folder: TempDir,
    daemon: Daemon,
    _postgres: Arc<Postgres>,
}

impl PgBouncer {
    /// Starts one before `postgres`.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(postgres: &Arc<Postgres>) -> Result<Self> {
        let folder = folder()?;
        give_to("postgres", folder.path())?;
        let path = folder.path().display();
        let behind = postgres.socket_folder().display();
        let settings = format!(
            "[databases]\n* = host={behind} port=5432 user=postgres\n\
             [pgbouncer]\nlisten_addr =\nlisten_port = 6432\nunix_socket_dir = {path}\n\
             auth_type = any\npool_mode = transaction\ndefault_pool_size = 10\nmax_client_conn = 300\n\
             ignore_startup_parameters = extra_float_digits\nlog_connections = 0\nlog_disconnections = 0\n"
        );
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, settings)?;
        let mut command = as_user("postgres", "pgbouncer");
        command.arg(&file).current_dir(folder.path());
        let log = folder.path().join("pgbouncer.log");
        let daemon = Daemon::start("PgBouncer", &mut command, &log, false)?;
        let mut bouncer = Self { folder, daemon, _postgres: Arc::clone(postgres) };
        until("PgBouncer answers", async || {
            let dead = bouncer.daemon.ended().is_some();
            (dead || crate::postgres::connect(&bouncer.url("postgres")).await.is_ok()).then_some(())
        })
        .await?;
        bouncer.daemon.check()?;
        Ok(bouncer)
    }

    /// How to connect to a database through it.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder.path().display();
        format!("host={folder} port=6432 user=postgres dbname={database}")
    }

    /// The settings of a store behind it.
    #[must_use]
    pub fn config(&self, database: &str) -> PostgresConfig {
        PostgresConfig { prepared_statements: false, ..PostgresConfig::new(self.url(database)) }
    }

    /// The process.
    pub fn daemon(&mut self) -> &mut Daemon {
        &mut self.daemon
    }
}
