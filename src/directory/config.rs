//! Settings.

use crate::{CertificateName, OAuthConfig};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use types::EmailAddress;

/// Settings of the directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DirectoryConfig {
    /// How long a node believes where an address leads, in seconds. A change is in force everywhere after that.
    pub cache_seconds: u32,
    /// How long a node believes that an address leads nowhere, in seconds; short, since the sender of a first
    /// mail to a new account should not hear "no such user".
    pub cache_unknown_seconds: u32,
    /// Most addresses remembered.
    pub cache_addresses: u64,
    /// Who gets mail to `<postmaster>` and to `postmaster@` any domain of ours that has none of its own
    /// (RFC 5321 §4.5.1).
    pub postmaster: Option<EmailAddress>,
    /// Threads that hash passwords; 0 means one per core. More only make each slower.
    pub hash_threads: usize,
    /// Most logins that wait for such a thread; whoever comes then is told to try again.
    pub hash_waiting: usize,
    /// Longest wait for such a thread, in milliseconds.
    pub hash_wait_ms: u64,
    /// Memory of one hash in KiB (argon2id m). Protects stolen hashes; costs this much per hashing thread.
    pub argon2_memory_kib: u32,
    /// Passes of one hash (argon2id t).
    pub argon2_passes: u32,
    /// PBKDF2 iterations of SCRAM-SHA-256 verifiers (RFC 7677 §4: at least 4096). The client computes them at
    /// every login, a phone included. Of a new cluster: what the first node or command found here stays for all,
    /// or a stranger could tell by the number who is unknown.
    pub scram_iterations: u32,
    /// How long a node remembers that a password was right, in seconds; 0 for not at all.
    pub login_memory_seconds: u32,
    /// Which name of a TLS client certificate is an account's address (EXTERNAL).
    pub certificate_name: CertificateName,
    /// Whose tokens let people in (OAUTHBEARER, XOAUTH2); without it neither is offered.
    pub oauth: Option<OAuthConfig>,
}

impl Default for DirectoryConfig {
    fn default() -> Self {
        Self {
            cache_seconds: 5,
            cache_unknown_seconds: 1,
            cache_addresses: 50_000,
            postmaster: None,
            hash_threads: 0,
            hash_waiting: 256,
            hash_wait_ms: 10_000,
            argon2_memory_kib: 19 * 1024,
            argon2_passes: 2,
            scram_iterations: 10_000,
            login_memory_seconds: 60,
            certificate_name: CertificateName::Email,
            oauth: None,
        }
    }
}

impl DirectoryConfig {
    /// What can be found wrong without asking anybody.
    ///
    /// # Errors
    /// One line.
    pub fn check(&self) -> Result<(), String> {
        let oauth = self.oauth.as_ref();
        oauth.map_or(Ok(()), |oauth| crate::oauth::OAuth::new(oauth.clone()).map(|_| ()))
    }

    pub(crate) fn login_memory(&self) -> Duration {
        Duration::from_secs(self.login_memory_seconds.into())
    }
}
