//! Sections of the configuration.

use super::ConfigError;
use ipnet::IpNet;
use secrecy::SecretString;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// `[listen.<name>]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenConfig {
    /// Addresses with ports; port 0 is any free one.
    #[serde(deserialize_with = "several")]
    pub addresses: Vec<SocketAddr>,
    /// Balancers that send a PROXY header (v1 or v2). From them one is required.
    #[serde(default, deserialize_with = "several")]
    pub proxy_from: Vec<IpNet>,
}

/// A list, or one text with commas: what an environment variable can hold.
fn several<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    struct Several<T>(PhantomData<T>);
    impl<'de, T: FromStr<Err: fmt::Display>> Visitor<'de> for Several<T> {
        type Value = Vec<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<T>, E> {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            parts.map(one).collect()
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let mut all = Vec::new();
            while let Some(text) = seq.next_element::<String>()? {
                all.push(one(&text)?);
            }
            Ok(all)
        }
    }
    deserializer.deserialize_any(Several(PhantomData))
}

fn one<T: FromStr<Err: fmt::Display>, E: serde::de::Error>(text: &str) -> Result<T, E> {
    text.parse().map_err(|error| E::custom(format_args!("{text:?}: {error}")))
}

/// A certificate chain and its key, PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// Chain, leaf first.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// `[limits]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Most open mail connections.
    pub connections: usize,
    /// Most of them from one client address (IPv6: one /64).
    pub per_ip: usize,
    /// What DATA, literals and fetch buffers may hold together.
    pub memory_mib: u64,
    /// Over how long the goodbyes are spread when the node goes down.
    pub drain_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 10_000, per_ip: 500, memory_mib: 512, drain_seconds: 20 }
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |text: &str| Err(ConfigError(text.into()));
        match self {
            Self { connections: 0, .. } => wrong("limits.connections: at least 1"),
            Self { per_ip: 0, .. } => wrong("limits.per_ip: at least 1"),
            Self { memory_mib: ..16, .. } => wrong("limits.memory_mib: at least 16"),
            Self { drain_seconds: 3601.., .. } => wrong("limits.drain_seconds: at most 3600"),
            _ => Ok(()),
        }
    }
}

/// Which kind of coordinator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum CoordinatorKind {
    /// Within one process: a cluster of one node.
    #[default]
    Local,
    /// Redis or Valkey.
    Redis,
}

impl TryFrom<String> for CoordinatorKind {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        one_of(&text, &[("local", Self::Local), ("redis", Self::Redis)])
    }
}

/// A word of a short list. (What serde derives for this speaks of variants and constructors.)
///
/// # Errors
/// The whole list.
pub fn one_of<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let all: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        format!("{text:?} is not one of {}", all.join(", "))
    })
}

/// `[coordinator]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CoordinatorConfig {
    /// Which.
    pub kind: CoordinatorKind,
    /// `redis://…`, `rediss://…`, `redis-sentinel://…` or `redis-cluster://…`.
    pub url: Option<SecretString>,
}

impl CoordinatorConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match (self.kind, &self.url) {
            (CoordinatorKind::Redis, None) => {
                Err(ConfigError("coordinator.url is missing (kind = \"redis\" needs it)".into()))
            }
            (CoordinatorKind::Local, Some(_)) => Err(ConfigError(
                "coordinator.url is given, but coordinator.kind is \"local\": did you mean \"redis\"?".into(),
            )),
            _ => Ok(()),
        }
    }
}

/// Which kind of blob store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum BlobKind {
    /// A folder on this machine.
    Folder,
    /// A bucket.
    S3,
}

impl TryFrom<String> for BlobKind {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        one_of(&text, &[("folder", Self::Folder), ("s3", Self::S3)])
    }
}

/// `[blob]`. Flat, so that the environment can set each key; [`BlobConfig::checked`] takes it apart.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BlobConfig {
    /// Which.
    pub kind: Option<BlobKind>,
    /// Of the read cache; 0 for none.
    pub cache_mib: Option<u64>,
    /// The folder.
    pub path: Option<PathBuf>,
    /// The bucket; it must exist.
    pub bucket: Option<String>,
    /// `http(s)://host:port` of anything but AWS itself.
    pub endpoint: Option<String>,
    /// Region name.
    pub region: Option<String>,
    /// Access key; without one the environment's usual credentials are used.
    pub access_key: Option<SecretString>,
    /// Secret key.
    pub secret_key: Option<SecretString>,
    /// `http://host/bucket/key` instead of `http://bucket.host/key`.
    pub path_style: Option<bool>,
    /// Send checksums only where S3 demands them, for older clones.
    pub checksums_when_required: Option<bool>,
    /// Limit of one request including its retries.
    pub timeout_ms: Option<u64>,
}

/// A blob store that can be opened.
#[derive(Debug, Clone)]
pub enum Blob {
    /// A folder.
    Folder(PathBuf),
    /// A bucket.
    S3(blob::S3Config),
}

impl BlobConfig {
    /// Octets of the read cache.
    pub fn cache_bytes(&self) -> u64 {
        self.cache_mib.unwrap_or(64) * 1024 * 1024
    }

    /// What kind it is, with all that this kind needs and nothing else.
    ///
    /// # Errors
    /// [`ConfigError`] names the key.
    pub fn checked(self) -> Result<Blob, ConfigError> {
        match self.kind {
            None => Err(ConfigError("blob.kind is missing: \"folder\" or \"s3\"".into())),
            Some(BlobKind::Folder) => self.folder(),
            Some(BlobKind::S3) => self.s3(),
        }
    }

    fn folder(self) -> Result<Blob, ConfigError> {
        let strange = [
            ("bucket", self.bucket.is_some()),
            ("endpoint", self.endpoint.is_some()),
            ("region", self.region.is_some()),
            ("access_key", self.access_key.is_some()),
            ("secret_key", self.secret_key.is_some()),
        ];
        if let Some((key, _)) = strange.iter().find(|(_, given)| *given) {
            return Err(ConfigError(format!("blob.{key} is given, but blob.kind is \"folder\"")));
        }
        let path = self.path.ok_or_else(|| {
            ConfigError("blob.path is missing (kind = \"folder\" needs it)".into())
        })?;
        Ok(Blob::Folder(path))
    }

    fn s3(self) -> Result<Blob, ConfigError> {
        use secrecy::ExposeSecret;
        if self.path.is_some() {
            return Err(ConfigError("blob.path is given, but blob.kind is \"s3\"".into()));
        }
        if self.access_key.is_some() != self.secret_key.is_some() {
            return Err(ConfigError(
                "blob.access_key and blob.secret_key: give both or none".into(),
            ));
        }
        let bucket = self
            .bucket
            .ok_or_else(|| ConfigError("blob.bucket is missing (kind = \"s3\" needs it)".into()))?;
        Ok(Blob::S3(blob::S3Config {
            bucket,
            endpoint: self.endpoint,
            region: self.region.unwrap_or_else(|| "us-east-1".into()),
            access_key: self.access_key.map(|key| key.expose_secret().to_owned()),
            secret_key: self.secret_key,
            path_style: self.path_style.unwrap_or(false),
            checksums_when_required: self.checksums_when_required.unwrap_or(false),
            timeout_ms: self.timeout_ms.unwrap_or(15_000),
        }))
    }
}

/// `[secrets]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecretsConfig {
    /// What seals the secrets of others, relays' passwords, in PostgreSQL: 32 octets in hex, the same on all nodes.
    pub key: Option<SecretString>,
}
