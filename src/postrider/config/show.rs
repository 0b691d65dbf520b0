//! The configuration as it would be used, for `config check`: secrets hidden.

use super::{Blob, Config, ConfigError, redact_url};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

/// All settings, those nobody set included.
///
/// # Errors
/// As [`Config::check`].
pub fn show(config: &Config) -> Result<Value, ConfigError> {
    let listen: Map<String, Value> =
        config.listen.wanted().into_iter().map(|(name, l)| (name.to_owned(), json!(l))).collect();
    Ok(json!({
        "cluster": config.cluster,
        "hostname": config.hostname,
        "postgres": postgres(config),
        "blob": blob(config)?,
        "coordinator": {
            "kind": config.coordinator.kind,
            "url": config.coordinator.url.as_ref().map(|url| redact_url(url.expose_secret())),
        },
        "secrets": { "key": config.secrets.key.as_ref().map(|_| "***") },
        "tls": {
            "certificates": config.tls.certificates,
            "client_authorities": config.tls.client_authorities,
            "client_revocations": config.tls.client_revocations,
        },
        "listen": listen,
        "limits": config.limits,
        "log": config.log,
        "smtp": config.smtpd(),
        "imap": config.imapd(),
        "pop3": config.pop3d(),
        "ingest": config.ingest,
        "directory": config.directory,
        "hub": config.hub,
        "queue": config.queue,
        "delivery": config.delivery(),
        "resolve": config.resolve,
    }))
}

fn postgres(config: &Config) -> Value {
    let postgres = &config.postgres;
    json!({
        "url": redact_url(postgres.url.expose_secret()),
        "pool_size": postgres.pool_size,
        "pool_wait_ms": postgres.pool_wait_ms,
        "query_timeout_ms": postgres.query_timeout_ms,
        "prepared_statements": postgres.prepared_statements,
        "ca_file": postgres.ca_file,
    })
}

fn blob(config: &Config) -> Result<Value, ConfigError> {
    let cache_mib = config.blob.cache_bytes() / (1024 * 1024);
    Ok(match config.blob.clone().checked()? {
        Blob::Folder(path) => json!({ "kind": "folder", "path": path, "cache_mib": cache_mib }),
        Blob::S3(s3) => json!({
            "kind": "s3",
            "bucket": s3.bucket,
            "endpoint": s3.endpoint,
            "region": s3.region,
            "access_key": s3.access_key.as_ref().map(|_| "***"),
            "secret_key": s3.secret_key.as_ref().map(|_| "***"),
            "path_style": s3.path_style,
            "checksums_when_required": s3.checksums_when_required,
            "timeout_ms": s3.timeout_ms,
            "cache_mib": cache_mib,
        }),
    })
}
