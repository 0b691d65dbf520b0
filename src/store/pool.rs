//! Connections: few, with a bounded wait and a deadline on every statement.

use crate::config::PostgresConfig;
use crate::error::{StoreError, describe};
use crate::sql::Sql;
use deadpool_postgres::{
    Hook, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use futures::{StreamExt, pin_mut};
use secrecy::ExposeSecret;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::types::ToSql;
use tokio_postgres_rustls::MakeRustlsConnect;

/// The store: a pool of connections. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    deadline: Duration,
    prepared: bool,
    pub(crate) deliveries: Arc<crate::account::Lineup>,
}

/// One connection, lent for as long as this value lives.
pub struct Session {
    object: Option<Object>,
    overran: AtomicBool,
    deadline: Duration,
    prepared: bool,
}

/// A connection whose statement overran its deadline may still be busy: it is closed, not reused.
impl Drop for Session {
    fn drop(&mut self) {
        if self.overran.load(Ordering::Relaxed)
            && let Some(object) = self.object.take()
        {
            drop(Object::take(object));
        }
    }
}

/// A statement's parameters.
pub type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Store {
    /// Reads the settings. Connects on first use, so a node starts while PostgreSQL is away.
    ///
    /// # Errors
    /// [`StoreError::Bug`] with one line when the URL or a certificate file is unusable.
    pub fn new(config: &PostgresConfig) -> Result<Self, StoreError> {
        let mut target = target(config)?;
        target.application_name("postrider");
        target.connect_timeout(config.pool_wait());
        target.tcp_user_timeout(config.query_timeout());
        target.keepalives_idle(Duration::from_secs(30));
        let manager = Manager::from_config(
            target,
            tls(config)?,
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let wait = Some(config.pool_wait());
        let pool = Pool::builder(manager)
            .max_size(config.pool_size)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts { wait, create: wait, recycle: wait })
            .post_create(Hook::sync_fn(|_, _| {
                metrics::counter!("postrider_postgres_connections_total").increment(1);
                Ok(())
            }))
            .build()
            .map_err(|error| StoreError::Bug(error.to_string()))?;
        Ok(Self {
            pool,
            deadline: config.query_timeout(),
            prepared: config.prepared_statements,
            deliveries: Arc::new(crate::account::Lineup::new(config.pool_size)),
        })
    }

    /// Batches of mail that only goes elsewhere begin so far apart from now on, unless they are full: a message that
    /// comes alone waits for nothing, and among many each node asks PostgreSQL less often.
    pub fn space_batches(&self, spacing: Duration) {
        self.deliveries.space(spacing);
    }

    /// A connection of one's own.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when none came free in time, [`StoreError::Unavailable`] when PostgreSQL
    /// cannot be reached.
    pub async fn session(&self) -> Result<Session, StoreError> {
        let object = self.pool.get().await.map_err(|error| match error {
            PoolError::Timeout(deadpool_postgres::TimeoutType::Wait) => {
                StoreError::Busy("no free database connection")
            }
            PoolError::Timeout(_) => StoreError::Unavailable("connecting took too long".into()),
            PoolError::Backend(error) => StoreError::Unavailable(describe(&error)),
            other => StoreError::Unavailable(other.to_string()),
        })?;
        Ok(Session {
            object: Some(object),
            overran: AtomicBool::new(false),
            deadline: self.deadline,
            prepared: self.prepared,
        })
    }

    /// A round trip that touches no table.
    ///
    /// # Errors
    /// As [`Store::session`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        static PING: Sql = Sql::new("SELECT 1", &[]);
        self.session().await?.read(&PING, &[]).await.map(|_| ())
    }
}

impl Session {
    /// Runs a query that changes nothing.
    ///
    /// # Errors
    /// Never [`StoreError::MaybeHappened`].
    pub async fn read(
        self: &Session,
        sql: &Sql,
        params: Params<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        self.run(sql, params).await.map_err(StoreError::for_read)
    }

    /// As [`Session::read`] for at most one row.
    ///
    /// # Errors
    /// As [`Session::read`].
    pub async fn read_opt(&self, sql: &Sql, params: Params<'_>) -> Result<Option<Row>, StoreError> {
        Ok(self.read(sql, params).await?.into_iter().next())
    }

    /// Runs one statement, a transaction of its own, that writes.
    ///
    /// # Errors
    /// [`StoreError::MaybeHappened`] when the connection broke or the deadline passed.
    pub async fn write(&self, sql: &Sql, params: Params<'_>) -> Result<Vec<Row>, StoreError> {
        self.run(sql, params).await
    }

    async fn run(&self, sql: &Sql, params: Params<'_>) -> Result<Vec<Row>, StoreError> {
        metrics::counter!("postrider_postgres_statements_total").increment(1);
        let client = self.client()?;
        self.within_deadline(async {
            if self.prepared {
                let statement = client.prepare_typed_cached(sql.text(), sql.types()).await?;
                client.query(&statement, params).await
            } else {
                let typed =
                    params.iter().zip(sql.types()).map(|(value, kind)| (*value, kind.clone()));
                let rows = client.query_typed_raw(sql.text(), typed).await?;
                pin_mut!(rows);
                let mut out = Vec::new();
                while let Some(row) = rows.next().await {
                    out.push(row?);
                }
                Ok(out)
            }
        })
        .await
    }

    /// Runs several statements without parameters (migrations, settings of tests).
    ///
    /// # Errors
    /// As [`Session::write`].
    pub async fn batch(&self, text: &str) -> Result<(), StoreError> {
        self.within_deadline(self.client()?.batch_execute(text)).await
    }

    fn client(&self) -> Result<&Object, StoreError> {
        self.object.as_ref().ok_or_else(|| StoreError::Bug("the session was closed".into()))
    }

    /// A statement that overruns loses its connection; the role's statement_timeout ends it on the server.
    async fn within_deadline<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(self.deadline, work).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(StoreError::from_postgres(&error)),
            Err(_) => {
                metrics::counter!("postrider_postgres_deadlines_total").increment(1);
                self.overran.store(true, Ordering::Relaxed);
                Err(StoreError::MaybeHappened("no answer within the deadline".into()))
            }
        }
    }
}

pub(crate) fn target(config: &PostgresConfig) -> Result<tokio_postgres::Config, StoreError> {
    let mut target: tokio_postgres::Config = config
        .url
        .expose_secret()
        .parse()
        .map_err(|error| StoreError::Bug(format!("postgres.url: {}", describe(&error))))?;
    let unix = |host: &Host| matches!(host, Host::Unix(_));
    if target.get_hosts().iter().all(unix) {
        target.ssl_mode(SslMode::Disable);
    }
    Ok(target)
}

/// TLS for those hosts that have a name. As with libpq, a Unix socket is spoken to in the clear; it is given
/// a name all the same, because without one the library fails before it learns that none is wanted.
#[derive(Clone)]
pub(crate) struct Tls(MakeRustlsConnect);

impl<S> MakeTlsConnect<S> for Tls
where
    MakeRustlsConnect: MakeTlsConnect<S>,
{
    type Stream = <MakeRustlsConnect as MakeTlsConnect<S>>::Stream;
    type TlsConnect = <MakeRustlsConnect as MakeTlsConnect<S>>::TlsConnect;
    type Error = <MakeRustlsConnect as MakeTlsConnect<S>>::Error;

    fn make_tls_connect(&mut self, host: &str) -> Result<Self::TlsConnect, Self::Error> {
        let name = if host.is_empty() { "localhost" } else { host };
        <MakeRustlsConnect as MakeTlsConnect<S>>::make_tls_connect(&mut self.0, name)
    }
}

pub(crate) fn tls(config: &PostgresConfig) -> Result<Tls, StoreError> {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(path) = &config.ca_file {
        use rustls::pki_types::{CertificateDer, pem::PemObject};
        let broken = |error: &dyn std::fmt::Display| {
            StoreError::Bug(format!("postgres.ca_file {}: {error}", path.display()))
        };
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| broken(&error))? {
            let certificate = certificate.map_err(|error| broken(&error))?;
            roots.add(certificate).map_err(|error| broken(&error))?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StoreError::Bug(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Tls(MakeRustlsConnect::new(client)))
}
