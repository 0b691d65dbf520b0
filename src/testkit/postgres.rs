//! PostgreSQL with throwaway data, reached through a Unix socket.

use crate::process::{Daemon, as_user, folder, give_to};
use crate::{consistency, until};
use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use store::{PostgresConfig, Store};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};

/// The name of the socket file; the port means nothing else here.
const PORT: u16 = 5432;
/// The database that others are copied from.
const TEMPLATE: &str = "migrated";

/// How a PostgreSQL is to run.
#[derive(Debug, Clone, Default)]
pub struct PostgresOptions {
    /// fsync and full-page writes, for figures. Tests do without: none of them cuts the power.
    pub durable: bool,
    /// Further settings, `name=value`.
    pub settings: Vec<String>,
}

/// One PostgreSQL instance.
pub struct Postgres {
    folder: TempDir,
    options: PostgresOptions,
    daemon: std::sync::Mutex<Option<Daemon>>,
    template: OnceCell<()>,
    databases: AtomicU32,
}

/// Where the newest PostgreSQL's programs are.
fn programs() -> Result<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            let bin = entry.path().join("bin");
            bin.join("postgres").is_file().then_some((version, bin))
        })
        .collect();
    found.sort();
    let (_, bin) = found.pop().context("PostgreSQL is not installed (make test installs it)")?;
    Ok(bin)
}

/// A data folder as initdb leaves it: made once per process, copied for each instance.
fn pristine() -> Result<&'static Path> {
    static PRISTINE: OnceLock<Result<TempDir, String>> = OnceLock::new();
    let made = PRISTINE.get_or_init(|| initdb().map_err(|error| format!("{error:#}")));
    match made {
        Ok(folder) => Ok(folder.path()),
        Err(error) => bail!("{error}"),
    }
}

fn initdb() -> Result<TempDir> {
    let folder = folder()?;
    give_to("postgres", folder.path())?;
    let output = as_user("postgres", programs()?.join("initdb"))
        .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N", "-D"])
        .arg(folder.path().join("data"))
        .current_dir(folder.path())
        .output()?;
    ensure!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
    Ok(folder)
}

impl Postgres {
    /// The instance that the tests of this process share; it lasts as long as the process does.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn shared() -> Result<Arc<Self>> {
        static SHARED: OnceCell<Arc<Postgres>> = OnceCell::const_new();
        let start = async || Self::start(PostgresOptions::default()).await.map(Arc::new);
        SHARED.get_or_try_init(start).await.cloned()
    }

    /// A new instance, up.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(options: PostgresOptions) -> Result<Self> {
        let folder = folder()?;
        give_to("postgres", folder.path())?;
        let copied = as_user("postgres", "cp")
            .args(["-a", "--reflink=auto"])
            .arg(pristine()?.join("data"))
            .arg(folder.path().join("data"))
            .current_dir(folder.path())
            .status()?;
        ensure!(copied.success(), "copying the data folder failed");
        let postgres = Self {
            folder,
            options,
            daemon: std::sync::Mutex::new(None),
            template: OnceCell::new(),
            databases: AtomicU32::new(0),
        };
        postgres.up().await?;
        Ok(postgres)
    }

    /// Starts it (again) on the same data.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn up(&self) -> Result<()> {
        let mut command = as_user("postgres", programs()?.join("postgres"));
        command.current_dir(self.folder.path());
        command.arg("-D").arg(self.folder.path().join("data"));
        command.arg("-k").arg(self.folder.path());
        let port = format!("port={PORT}");
        let mut settings = vec![
            "listen_addresses=",
            &port,
            "max_connections=300",
            "shared_buffers=128MB",
            "max_wal_size=2GB",
            "log_lock_waits=on",
            "jit=off",
            // Files in the data folder instead of /dev/shm, where a crash would leave them.
            "dynamic_shared_memory_type=mmap",
        ];
        if !self.options.durable {
            settings.extend(["fsync=off", "full_page_writes=off"]);
        }
        settings.extend(self.options.settings.iter().map(String::as_str));
        for setting in settings {
            command.args(["-c", setting]);
        }
        let log = self.folder.path().join("postgres.log");
        let daemon = Daemon::start("PostgreSQL", &mut command, &log, false)?;
        *self.daemon() = Some(daemon);
        until("PostgreSQL answers", async || {
            let dead = self.daemon().as_mut().is_none_or(|daemon| daemon.ended().is_some());
            (dead || self.client("postgres").await.is_ok()).then_some(())
        })
        .await?;
        self.with(|daemon| daemon.check())
    }

    fn daemon(&self) -> std::sync::MutexGuard<'_, Option<Daemon>> {
        self.daemon.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Daemon) -> Result<T>) -> Result<T> {
        work(self.daemon().as_mut().context("PostgreSQL is not running")?)
    }

    /// The process id of the postmaster.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pid(&self) -> Result<u32> {
        self.with(|daemon| Ok(daemon.pid()))
    }

    /// SIGSTOP to the postmaster and every backend there is now.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pause(&self) -> Result<()> {
        self.signal_all(Signal::STOP)?.into_iter().for_each(crate::process::keep);
        Ok(())
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// When it does not run.
    pub fn resume(&self) -> Result<()> {
        self.signal_all(Signal::CONT)?.into_iter().for_each(crate::process::forget);
        Ok(())
    }

    /// Each backend is the head of a process group of its own, so the postmaster's group is not enough. Tells
    /// which there were.
    fn signal_all(&self, signal: Signal) -> Result<Vec<u32>> {
        let postmaster = self.pid()?;
        // The postmaster first: nobody is born after this.
        self.with(|daemon| {
            daemon.signal(signal);
            Ok(())
        })?;
        let backends = crate::process::children(postmaster);
        for pid in &backends {
            if let Some(pid) = crate::process::as_pid(*pid) {
                let _ = rustix::process::kill_process(pid, signal);
            }
        }
        Ok(backends)
    }

    /// SIGKILL to the postmaster and every backend: a crash.
    pub fn kill(&self) {
        // Stopped first, so that none is born meanwhile. The postmaster last: without it nobody knows the others,
        // and while one of them lives, no other postmaster starts.
        for backend in self.signal_all(Signal::STOP).unwrap_or_default() {
            if let Some(pid) = crate::process::as_pid(backend) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
        *self.daemon() = None;
    }

    /// A fast shutdown: sessions are ended, data is written.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn stop(&self) -> Result<()> {
        let daemon = self.daemon().take();
        daemon.context("PostgreSQL is not running")?.stop(Signal::INT).map(|_| ())
    }

    /// A fast shutdown and a new start.
    ///
    /// # Errors
    /// When one of them fails.
    pub async fn restart(&self) -> Result<()> {
        self.stop()?;
        self.up().await
    }

    /// The folder its socket is in.
    #[must_use]
    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join(format!(".s.PGSQL.{PORT}"))
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("postgres.log")).unwrap_or_default()
    }

    /// How to connect to one of its databases.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder.path().display();
        format!("host={folder} port={PORT} user=postgres dbname={database}")
    }

    /// A connection of one's own to one of its databases.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn client(&self, database: &str) -> Result<Client> {
        connect(&self.url(database)).await
    }

    /// An empty database.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn empty_database(self: &Arc<Self>) -> Result<Database> {
        self.make_database("template0").await
    }

    /// A database with the newest schema.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn database(self: &Arc<Self>) -> Result<Database> {
        self.template.get_or_try_init(|| self.migrate_template()).await?;
        self.make_database(TEMPLATE).await
    }

    async fn migrate_template(&self) -> Result<()> {
        let admin = self.client("postgres").await?;
        admin.batch_execute(&format!("CREATE DATABASE {TEMPLATE}")).await?;
        store::migrate::up(&PostgresConfig::new(self.url(TEMPLATE))).await?;
        // The migration's connection ends a moment later; a template must have none.
        until("the template is free", async || {
            let sql = "SELECT 1 FROM pg_stat_activity WHERE datname = $1";
            admin.query(sql, &[&TEMPLATE]).await.is_ok_and(|rows| rows.is_empty()).then_some(())
        })
        .await?;
        admin
            .batch_execute(&format!("ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false"))
            .await
            .context("closing the template")
    }

    async fn make_database(self: &Arc<Self>, template: &str) -> Result<Database> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let admin = self.client("postgres").await?;
        admin.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await?;
        Ok(Database { postgres: Arc::clone(self), name })
    }
}

/// An immediate shutdown gives the shared memory back; what is paused dies too.
impl Drop for Postgres {
    fn drop(&mut self) {
        if self.daemon().is_none() {
            return;
        }
        let backends = self.signal_all(Signal::QUIT).unwrap_or_default();
        let _ = self.signal_all(Signal::CONT);
        if let Some(mut daemon) = self.daemon().take() {
            let _ = daemon.stop(Signal::QUIT);
        }
        backends.into_iter().for_each(crate::process::forget);
    }
}

/// Connects; the connection is served in the background for as long as the client lives.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub(crate) async fn connect(url: &str) -> Result<Client> {
    let mut config: tokio_postgres::Config = url.parse()?;
    config.connect_timeout(Duration::from_secs(5));
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(client)
}

/// One database of one test.
pub struct Database {
    postgres: Arc<Postgres>,
    name: String,
}

impl Database {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server it is on.
    #[must_use]
    pub fn postgres(&self) -> &Arc<Postgres> {
        &self.postgres
    }

    /// How to connect to it.
    #[must_use]
    pub fn url(&self) -> String {
        self.postgres.url(&self.name)
    }

    /// The settings of a store on it.
    #[must_use]
    pub fn config(&self) -> PostgresConfig {
        PostgresConfig::new(self.url())
    }

    /// A store on it.
    ///
    /// # Errors
    /// When the settings are wrong.
    pub fn store(&self) -> Result<Store> {
        Ok(Store::new(&self.config())?)
    }

    /// A connection of one's own.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn client(&self) -> Result<Client> {
        self.postgres.client(&self.name).await
    }

    /// Fails if anything in it contradicts anything else, or the blobs.
    ///
    /// # Errors
    /// Names every invariant that does not hold, with examples.
    pub async fn check(&self, blobs: Option<&dyn blob::BlobStore>) -> Result<()> {
        consistency::check(&self.client().await?, blobs).await
    }

    /// Deadlocks that PostgreSQL had to break in it so far.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn deadlocks(&self) -> Result<i64> {
        let admin = self.postgres.client("postgres").await?;
        let sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = $1";
        Ok(admin.query_one(sql, &[&self.name]).await?.get(0))
    }

    /// Drops it, whoever is still connected.
    ///
    /// # Errors
    /// When PostgreSQL cannot be reached.
    pub async fn discard(self) -> Result<()> {
        let admin = self.postgres.client("postgres").await?;
        Ok(admin.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).await?)
    }
}
