//! What operators say about mail that leaves: pauses, routes, limits. Rows, so that every node obeys within seconds.

use crate::sql::Sql;
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use types::Destination;

/// A destination that nothing leaves for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pause {
    /// The domain; `*` for all.
    pub destination: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Why.
    pub reason: String,
}

/// Nothing is claimed any more for a destination, or for all. What is being sent goes on. Safe to repeat.
///
/// # Errors
/// As [`Store::session`].
pub async fn queue_pause(
    store: &Store,
    destination: Option<&Destination>,
    reason: &str,
) -> Result<(), StoreError> {
    static PAUSE: Sql = Sql::new(
        "INSERT INTO queue_pause (destination, reason) VALUES ($1, $2) \
         ON CONFLICT (destination) DO UPDATE SET reason = EXCLUDED.reason",
        &[Type::TEXT, Type::TEXT],
    );
    let domain = destination.map_or("*", Destination::domain);
    store.session().await?.write(&PAUSE, &[&domain, &reason]).await.map(|_| ())
}

/// Ends a pause. `false`: there was none. Due mail is found by the sweep, or by a bell that the caller rings.
///
/// # Errors
/// As [`Store::session`].
pub async fn queue_resume(
    store: &Store,
    destination: Option<&Destination>,
) -> Result<bool, StoreError> {
    static RESUME: Sql =
        Sql::new("DELETE FROM queue_pause WHERE destination = $1 RETURNING 1", &[Type::TEXT]);
    let domain = destination.map_or("*", Destination::domain);
    Ok(!store.session().await?.write(&RESUME, &[&domain]).await?.is_empty())
}

/// All pauses.
///
/// # Errors
/// As [`Store::session`].
pub async fn queue_pauses(store: &Store) -> Result<Vec<Pause>, StoreError> {
    static PAUSES: Sql =
        Sql::new("SELECT destination, since, reason FROM queue_pause ORDER BY destination", &[]);
    let rows = store.session().await?.read(&PAUSES, &[]).await?;
    let pause =
        |row: &Row| Pause { destination: row.get(0), since: row.get(1), reason: row.get(2) };
    Ok(rows.iter().map(pause).collect())
}

/// What a route wants of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteTls {
    /// In the clear.
    None,
    /// If it can be had.
    Opportunistic,
    /// STARTTLS or not at all.
    StartTls,
    /// From the first octet.
    Implicit,
}

impl RouteTls {
    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Opportunistic => "opportunistic",
            Self::StartTls => "starttls",
            Self::Implicit => "implicit",
        }
    }

    /// Reads its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let all = [Self::None, Self::Opportunistic, Self::StartTls, Self::Implicit];
        all.into_iter().find(|tls| tls.name() == word)
    }
}

/// A route's own times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RouteRetry {
    /// Wait after the first failure.
    pub first: Duration,
    /// Longest wait.
    pub longest: Duration,
    /// Given up after so long.
    pub expire: Duration,
}

/// How mail for some destinations leaves.
#[derive(Debug, Clone, Serialize)]
pub struct RouteRow {
    /// A domain in A-labels, `*.domain` for what is below it, `*` for all.
    pub pattern: String,
    /// This host and port instead of what DNS says.
    pub relay: Option<(String, u16)>,
    /// LMTP instead of SMTP.
    pub lmtp: bool,
    /// TLS.
    pub tls: RouteTls,
    /// Whether the certificate must be the host's.
    pub tls_verify: bool,
    /// Who we are there.
    pub auth_user: Option<String>,
    /// And how we prove it.
    #[serde(skip)]
    pub auth_secret: Option<SecretString>,
    /// Its own times.
    pub retry: Option<RouteRetry>,
}

/// Adds a route, or replaces the one with this pattern. Safe to repeat.
///
/// # Errors
/// As [`Store::session`].
pub async fn route_put(store: &Store, route: &RouteRow) -> Result<(), StoreError> {
    static PUT: Sql = Sql::new(
        "INSERT INTO route (pattern, relay_host, relay_port, protocol, tls, tls_verify, auth_user, auth_secret, retry) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (pattern) DO UPDATE SET relay_host = EXCLUDED.relay_host, relay_port = EXCLUDED.relay_port, \
             protocol = EXCLUDED.protocol, tls = EXCLUDED.tls, tls_verify = EXCLUDED.tls_verify, \
             auth_user = EXCLUDED.auth_user, auth_secret = EXCLUDED.auth_secret, retry = EXCLUDED.retry, \
             changed_at = now()",
        &[
            Type::TEXT,
            Type::TEXT,
            Type::INT4,
            Type::TEXT,
            Type::TEXT,
            Type::BOOL,
            Type::TEXT,
            Type::TEXT,
            Type::JSONB,
        ],
    );
    let (host, port) = route.relay.clone().unzip();
    let secret = route.auth_secret.as_ref().map(|secret| secret.expose_secret().to_owned());
    let retry = route.retry.map(|retry| {
        json!({
            "first": retry.first.as_secs(),
            "longest": retry.longest.as_secs(),
            "expire": retry.expire.as_secs(),
        })
    });
    let params: crate::pool::Params<'_> = &[
        &route.pattern.to_ascii_lowercase(),
        &host,
        &port.map(i32::from),
        &(if route.lmtp { "lmtp" } else { "smtp" }),
        &route.tls.name(),
        &route.tls_verify,
        &route.auth_user,
        &secret,
        &retry,
    ];
    store.session().await?.write(&PUT, params).await.map(|_| ())
}

/// Removes a route. `false`: there was none.
///
/// # Errors
/// As [`Store::session`].
pub async fn route_remove(store: &Store, pattern: &str) -> Result<bool, StoreError> {
    static REMOVE: Sql =
        Sql::new("DELETE FROM route WHERE pattern = $1 RETURNING 1", &[Type::TEXT]);
    let pattern = pattern.to_ascii_lowercase();
    Ok(!store.session().await?.write(&REMOVE, &[&pattern]).await?.is_empty())
}

/// All routes.
///
/// # Errors
/// As [`Store::session`].
pub async fn route_list(store: &Store) -> Result<Vec<RouteRow>, StoreError> {
    static LIST: Sql = Sql::new(
        "SELECT pattern, relay_host, relay_port, protocol, tls, tls_verify, auth_user, auth_secret, retry \
         FROM route ORDER BY pattern",
        &[],
    );
    let rows = store.session().await?.read(&LIST, &[]).await?;
    Ok(rows.iter().map(route).collect())
}

fn route(row: &Row) -> RouteRow {
    let host: Option<String> = row.get("relay_host");
    let port = row.get::<_, Option<i32>>("relay_port").and_then(|port| u16::try_from(port).ok());
    RouteRow {
        pattern: row.get("pattern"),
        relay: host.zip(port),
        lmtp: row.get::<_, &str>("protocol") == "lmtp",
        tls: RouteTls::parse(row.get("tls")).unwrap_or(RouteTls::StartTls),
        tls_verify: row.get("tls_verify"),
        auth_user: row.get("auth_user"),
        auth_secret: row.get::<_, Option<String>>("auth_secret").map(SecretString::from),
        retry: row.get::<_, Option<Value>>("retry").as_ref().and_then(retry),
    }
}

fn retry(value: &Value) -> Option<RouteRetry> {
    let seconds = |name: &str| value.get(name).and_then(Value::as_u64).map(Duration::from_secs);
    Some(RouteRetry {
        first: seconds("first")?,
        longest: seconds("longest")?,
        expire: seconds("expire")?,
    })
}

/// Whose mail a limit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitScope {
    /// To a site: its name, or a pattern as of routes for the domains there.
    Site,
    /// Of a tenant: its number.
    Tenant,
    /// Of a sender: a reverse-path, or `@domain`.
    Sender,
}

impl LimitScope {
    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Tenant => "tenant",
            Self::Sender => "sender",
        }
    }

    /// Reads its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Site, Self::Tenant, Self::Sender].into_iter().find(|scope| scope.name() == word)
    }
}

/// How much may leave at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LimitRow {
    /// Whose mail.
    pub scope: LimitScope,
    /// Which of them; `*`: each one that has no limit of its own.
    pub pattern: String,
    /// Connections at once.
    pub connections: Option<u32>,
    /// Messages per [`LimitRow::per`].
    pub messages: Option<u32>,
    /// In so long.
    pub per: Duration,
}

/// Adds a limit, or replaces the one of this scope and pattern. Safe to repeat.
///
/// # Errors
/// As [`Store::session`].
pub async fn limit_put(store: &Store, limit: &LimitRow) -> Result<(), StoreError> {
    static PUT: Sql = Sql::new(
        "INSERT INTO queue_limit (scope, pattern, connections, messages, per_seconds) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (scope, pattern) DO UPDATE SET connections = EXCLUDED.connections, \
             messages = EXCLUDED.messages, per_seconds = EXCLUDED.per_seconds, changed_at = now()",
        &[Type::TEXT, Type::TEXT, Type::INT4, Type::INT4, Type::INT4],
    );
    let int = |n: u64| i32::try_from(n).unwrap_or(i32::MAX);
    let params: crate::pool::Params<'_> = &[
        &limit.scope.name(),
        &limit.pattern.to_ascii_lowercase(),
        &limit.connections.map(|n| int(n.into())),
        &limit.messages.map(|n| int(n.into())),
        &int(limit.per.as_secs().max(1)),
    ];
    store.session().await?.write(&PUT, params).await.map(|_| ())
}

/// Removes a limit. `false`: there was none.
///
/// # Errors
/// As [`Store::session`].
pub async fn limit_remove(
    store: &Store,
    scope: LimitScope,
    pattern: &str,
) -> Result<bool, StoreError> {
    static REMOVE: Sql = Sql::new(
        "DELETE FROM queue_limit WHERE scope = $1 AND pattern = $2 RETURNING 1",
        &[Type::TEXT, Type::TEXT],
    );
    let params: crate::pool::Params<'_> = &[&scope.name(), &pattern.to_ascii_lowercase()];
    Ok(!store.session().await?.write(&REMOVE, params).await?.is_empty())
}

/// All limits.
///
/// # Errors
/// As [`Store::session`].
pub async fn limit_list(store: &Store) -> Result<Vec<LimitRow>, StoreError> {
    static LIST: Sql = Sql::new(
        "SELECT scope, pattern, connections, messages, per_seconds FROM queue_limit ORDER BY scope, pattern",
        &[],
    );
    let rows = store.session().await?.read(&LIST, &[]).await?;
    let count = |row: &Row, at: usize| row.get::<_, Option<i32>>(at).map(|n| n as u32);
    let limit = |row: &Row| {
        Some(LimitRow {
            scope: LimitScope::parse(row.get(0))?,
            pattern: row.get(1),
            connections: count(row, 2),
            messages: count(row, 3),
            per: Duration::from_secs(row.get::<_, i32>(4) as u64),
        })
    };
    Ok(rows.iter().filter_map(limit).collect())
}

/// What all nodes obey.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Changes with every change.
    pub version: i64,
    /// Routes.
    pub routes: Vec<RouteRow>,
    /// Limits.
    pub limits: Vec<LimitRow>,
}

/// Routes and limits if they are others than those of version `known`. One short statement while nothing changes.
///
/// # Errors
/// As [`Store::session`].
pub async fn settings_load(
    store: &Store,
    known: Option<i64>,
) -> Result<Option<Settings>, StoreError> {
    static VERSION: Sql = Sql::new(
        "SELECT COALESCE(sum(version), 0)::bigint FROM setting_version WHERE name IN ('route', 'queue_limit')",
        &[],
    );
    // Read before the rows: what changes in between is loaded again next time.
    let row = store.session().await?.read_opt(&VERSION, &[]).await?;
    let version: i64 = row.map_or(0, |row| row.get(0));
    if known == Some(version) {
        return Ok(None);
    }
    let (routes, limits) = (route_list(store).await?, limit_list(store).await?);
    Ok(Some(Settings { version, routes, limits }))
}
