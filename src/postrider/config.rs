//! The configuration: defaults, TOML files, `POSTRIDER__…` environment, flags; the later goes before.
//!
//! Every key that is not known is an error that names it: a limit that was misspelt is no limit.

mod layers;
mod parts;
mod redact;
mod secrets;
mod show;

pub use layers::{Layers, load};
pub use parts::{
    Blob, BlobConfig, CoordinatorConfig, CoordinatorKind, Limits, ListenConfig, Pair,
    SecretsConfig, one_of,
};
pub use redact::redact_url;
pub use show::show;

use crate::log::LogConfig;
use crate::outbound::QueueConfig;
use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;
use store::PostgresConfig;

/// Why a configuration is unusable: one line that names the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All settings of a node.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Begins every name in the coordinator, so that clusters can share one.
    #[serde(default = "cluster")]
    pub cluster: String,
    /// What the node calls itself in greetings and trace headers.
    #[serde(default = "hostname")]
    pub hostname: String,
    /// The truth.
    pub postgres: PostgresConfig,
    /// The bytes.
    #[serde(default)]
    pub blob: BlobConfig,
    /// The wake-ups.
    #[serde(default)]
    pub coordinator: CoordinatorConfig,
    /// What is never shown.
    #[serde(default)]
    pub secrets: SecretsConfig,
    /// Certificates.
    #[serde(default)]
    pub tls: TlsConfig,
    /// Listeners by name.
    #[serde(default)]
    pub listen: Listen,
    /// What protects memory and time.
    #[serde(default)]
    pub limits: Limits,
    /// The log.
    #[serde(default)]
    pub log: LogConfig,
    /// SMTP, submission and LMTP.
    #[serde(default)]
    pub smtp: smtpd::SmtpdConfig,
    /// IMAP.
    #[serde(default)]
    pub imap: imapd::ImapdConfig,
    /// POP3.
    #[serde(default)]
    pub pop3: pop3d::Pop3dConfig,
    /// The way in.
    #[serde(default)]
    pub ingest: ingest::IngestConfig,
    /// Recipients and logins.
    #[serde(default)]
    pub directory: directory::DirectoryConfig,
    /// Who wakes sessions.
    #[serde(default)]
    pub hub: mail::HubConfig,
    /// Mail that leaves: when, and by whom.
    #[serde(default)]
    pub queue: QueueConfig,
    /// Mail that leaves: how.
    #[serde(default)]
    pub delivery: delivery::DeliveryConfig,
    /// DNS.
    #[serde(default)]
    pub resolve: resolve::ResolveConfig,
}

/// `[tls]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// Chains and keys (PEM); the first serves clients that name no server.
    pub certificates: Vec<Pair>,
    /// Authorities (PEM) whose client certificates people may log in with (EXTERNAL); none if empty.
    pub client_authorities: Vec<PathBuf>,
    /// What these authorities revoked (PEM). If given, it must cover every certificate of them.
    pub client_revocations: Vec<PathBuf>,
}

impl TlsConfig {
    /// Whose certificates clients may show.
    pub fn clients(&self) -> Option<net::ClientAuthorities> {
        let wanted = !self.client_authorities.is_empty();
        wanted.then(|| net::ClientAuthorities {
            certificates: self.client_authorities.clone(),
            revocations: self.client_revocations.clone(),
        })
    }
}

/// `[listen]`: what is absent is not started.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// Mail from other servers, port 25.
    pub smtp: Option<ListenConfig>,
    /// Submission with STARTTLS, port 587.
    pub submission: Option<ListenConfig>,
    /// Submission with implicit TLS, port 465.
    pub submissions: Option<ListenConfig>,
    /// Local delivery for a trusted relay, port 24.
    pub lmtp: Option<ListenConfig>,
    /// IMAP with STARTTLS, port 143.
    pub imap: Option<ListenConfig>,
    /// IMAP with implicit TLS, port 993.
    pub imaps: Option<ListenConfig>,
    /// POP3 with STLS, port 110.
    pub pop3: Option<ListenConfig>,
    /// POP3 with implicit TLS, port 995.
    pub pop3s: Option<ListenConfig>,
    /// Health and metrics.
    pub http: Option<ListenConfig>,
}

impl Listen {
    /// All that are wanted, with their names.
    pub fn wanted(&self) -> Vec<(&'static str, &ListenConfig)> {
        let all = [
            ("smtp", &self.smtp),
            ("submission", &self.submission),
            ("submissions", &self.submissions),
            ("lmtp", &self.lmtp),
            ("imap", &self.imap),
            ("imaps", &self.imaps),
            ("pop3", &self.pop3),
            ("pop3s", &self.pop3s),
            ("http", &self.http),
        ];
        all.into_iter().filter_map(|(name, config)| Some((name, config.as_ref()?))).collect()
    }
}

fn cluster() -> String {
    "postrider".into()
}

/// The machine's name.
pub fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() || name == "(none)" { "localhost".into() } else { name.to_owned() }
}

impl Config {
    /// `[smtp]`, under the node's name unless it has one of its own.
    pub fn smtpd(&self) -> smtpd::SmtpdConfig {
        let mut smtp = self.smtp.clone();
        if smtp.hostname.is_empty() {
            smtp.hostname.clone_from(&self.hostname);
        }
        smtp
    }

    /// `[imap]`, likewise.
    pub fn imapd(&self) -> imapd::ImapdConfig {
        let mut imap = self.imap.clone();
        if imap.hostname.is_empty() {
            imap.hostname.clone_from(&self.hostname);
        }
        imap
    }

    /// `[pop3]`, likewise.
    pub fn pop3d(&self) -> pop3d::Pop3dConfig {
        let mut pop3 = self.pop3.clone();
        if pop3.hostname.is_empty() {
            pop3.hostname.clone_from(&self.hostname);
        }
        pop3
    }

    /// `[ingest]`, with the times of `[queue]`.
    pub fn ingest(&self) -> ingest::IngestConfig {
        let (expire, delay_report) = (self.queue.expire(), self.queue.delay_report());
        ingest::IngestConfig { expire, delay_report, ..self.ingest.clone() }
    }

    /// `[delivery]`, under the node's name as well.
    pub fn delivery(&self) -> delivery::DeliveryConfig {
        let mut delivery = self.delivery.clone();
        if delivery.hostname == delivery::DeliveryConfig::default().hostname {
            delivery.hostname.clone_from(&self.hostname);
        } else {
            // What its listeners call themselves is this server too.
            delivery.other_names.push(self.hostname.clone());
        }
        delivery
    }

    /// What can be found wrong without asking anybody.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |text: String| Err(ConfigError(text));
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.cluster.is_empty() || self.cluster.len() > 64 || !self.cluster.chars().all(fits) {
            return wrong("cluster: 1 to 64 letters, digits, - _ or .".into());
        }
        if types::EmailAddress::normalise_domain(&self.hostname).is_err() {
            return wrong(format!("hostname: {:?} is not a host name", self.hostname));
        }
        if self.postgres.pool_size == 0 {
            return wrong("postgres.pool_size: at least 1".into());
        }
        self.blob.clone().checked()?;
        self.coordinator.check()?;
        self.limits.check()?;
        self.queue.check()?;
        self.delivery().check().map_err(ConfigError)?;
        self.resolve.check().map_err(ConfigError)?;
        crate::seal::Seal::of(&self.secrets)?;
        self.log.check().map_err(ConfigError)?;
        self.directory.check().map_err(ConfigError)?;
        if self.tls.client_authorities.is_empty() && !self.tls.client_revocations.is_empty() {
            return wrong("tls.client_revocations needs tls.client_authorities".into());
        }
        for (name, listen) in self.listen.wanted() {
            if listen.addresses.is_empty() {
                return wrong(format!("listen.{name}.addresses: at least one address"));
            }
            if name.ends_with('s') && self.tls.certificates.is_empty() {
                return wrong(format!("listen.{name} needs a certificate in tls.certificates"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
