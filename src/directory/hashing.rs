//! argon2id (RFC 9106) on a bounded number of threads.
//!
//! A hash costs tens of milliseconds and megabytes by design, so strangers must not decide how many run: one
//! per core, a bounded line before them, and whoever finds the line full hears "busy" at once.

use crate::DirectoryConfig;
use argon2::password_hash::{Output, ParamsString, PasswordHash, SaltString};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

/// The line before the threads was full or too slow, or hashing itself failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overload;

pub(crate) struct Hashing {
    threads: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
    patience: Duration,
    params: Params,
    memory: Memory,
    /// What passwords of unknown users are compared with: the same work, and nothing fits.
    dummy: Arc<str>,
}

impl Hashing {
    pub(crate) fn new(config: &DirectoryConfig) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if config.hash_threads == 0 { cores } else { config.hash_threads };
        let params = Params::new(config.argon2_memory_kib, config.argon2_passes, 1, None)
            .unwrap_or_default();
        Self {
            threads: Arc::new(Semaphore::new(threads)),
            waiting: AtomicUsize::new(0),
            most_waiting: config.hash_waiting,
            patience: Duration::from_millis(config.hash_wait_ms),
            dummy: dummy(&params).into(),
            memory: Memory::default(),
            params,
        }
    }

    /// The PHC string of a password with a fresh salt.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Overload> {
        let (params, memory) = (self.params.clone(), self.memory.clone());
        self.run(move || {
            let salt: [u8; 16] = rand::random();
            let output = memory.argon2id(&params, password.as_bytes(), &salt, 32)?;
            phc(&params, &salt, &output)
        })
        .await?
        .ok_or(Overload)
    }

    /// Whether the password fits the PHC string; `None` takes as long and never fits.
    pub(crate) async fn verify(
        &self,
        password: String,
        stored: Option<String>,
    ) -> Result<bool, Overload> {
        let (dummy, memory) = (Arc::clone(&self.dummy), self.memory.clone());
        self.run(move || {
            let text = stored.as_deref().unwrap_or(&dummy);
            memory.fits(password.as_bytes(), text) && stored.is_some()
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Overload> {
        let place = Place::take(&self.waiting, self.most_waiting).ok_or(Overload)?;
        let turn = tokio::time::timeout(self.patience, Arc::clone(&self.threads).acquire_owned());
        let permit = turn.await.map_err(|_| Overload)?.map_err(|_| Overload)?;
        drop(place);
        let started = std::time::Instant::now();
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            // Held by the thread, not by the caller: one that gives up does not make room for another.
            drop(permit);
            result
        });
        let result = done.await.map_err(|_| Overload);
        metrics::histogram!("postrider_password_hash_seconds").record(started.elapsed());
        result
    }
}

/// A well-formed hash with these parameters that nobody knows a password for.
fn dummy(params: &Params) -> String {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD_NO_PAD;
    let (salt, hash): ([u8; 16], [u8; 32]) = (rand::random(), rand::random());
    format!(
        "$argon2id$v=19$m={},t={},p={}${}${}",
        params.m_cost(),
        params.t_cost(),
        params.p_cost(),
        BASE64_STANDARD_NO_PAD.encode(salt),
        BASE64_STANDARD_NO_PAD.encode(hash)
    )
}

/// The PHC string.
fn phc(params: &Params, salt: &[u8], output: &Output) -> Option<String> {
    let salt = SaltString::encode_b64(salt).ok()?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).ok()?,
        salt: Some(salt.as_salt()),
        hash: Some(*output),
    };
    Some(hash.to_string())
}

/// The large blocks that hashes work in, as many as threads hash at once. Kept and used again: allocated anew
/// each time, the allocator would keep as much in the heap of every thread that ever hashed.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<Vec<Block>>>>);

impl Memory {
    fn argon2id(
        &self,
        params: &Params,
        password: &[u8],
        salt: &[u8],
        length: usize,
    ) -> Option<Output> {
        let mut blocks = self.pool().pop().unwrap_or_default();
        let wanted = params.block_count();
        if blocks.len() < wanted {
            blocks.resize(wanted, Block::default());
        }
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let output = Output::init_with(length, |out| {
            Ok(argon2.hash_password_into_with_memory(password, salt, out, &mut blocks[..wanted])?)
        });
        self.pool().push(blocks);
        output.ok()
    }

    /// Whether a password fits a PHC string. Its own parameters count, not today's.
    fn fits(&self, password: &[u8], text: &str) -> bool {
        let check = || {
            let stored = PasswordHash::new(text).ok()?;
            if stored.algorithm != Algorithm::Argon2id.ident() {
                return None;
            }
            let params = Params::try_from(&stored).ok()?;
            let mut buffer = [0; 64];
            let salt = stored.salt?.decode_b64(&mut buffer).ok()?;
            let wanted = stored.hash?;
            let output = self.argon2id(&params, password, salt, wanted.len())?;
            Some(bool::from(output.as_bytes().ct_eq(wanted.as_bytes())))
        };
        check().unwrap_or(false)
    }

    fn pool(&self) -> std::sync::MutexGuard<'_, Vec<Vec<Block>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the line, given back on drop.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let more = |n: usize| (n < most).then_some(n + 1);
        waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Self(waiting))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(threads: usize, waiting: usize) -> Hashing {
        Hashing::new(&DirectoryConfig {
            hash_threads: threads,
            hash_waiting: waiting,
            hash_wait_ms: 60_000,
            argon2_memory_kib: 8,
            argon2_passes: 1,
            ..Default::default()
        })
    }

    #[tokio::test]
    async fn only_the_right_password_fits() {
        let hashing = small(1, 9);
        let stored = hashing.hash("geheim".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{stored}");
        assert_ne!(stored, hashing.hash("geheim".into()).await.unwrap(), "salted");
        assert_eq!(hashing.verify("geheim".into(), Some(stored.clone())).await, Ok(true));
        assert_eq!(hashing.verify("Geheim".into(), Some(stored)).await, Ok(false));
        assert_eq!(hashing.verify("geheim".into(), Some("nonsense".into())).await, Ok(false));
        assert_eq!(hashing.verify("geheim".into(), None).await, Ok(false));
    }

    /// A string made by another implementation of RFC 9106 (the reference one's `argon2` command:
    /// `echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -e`), parameters of its own.
    #[test]
    fn hashes_of_others_are_read() {
        let text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let memory = Memory::default();
        assert!(memory.fits(b"password", text));
        assert!(!memory.fits(b"Password", text));
        assert!(!memory.fits(b"password", &text.replace("argon2id", "argon2i")));
        assert_eq!(memory.pool().len(), 1, "one at a time needs one");
    }

    #[test]
    fn the_dummy_costs_what_a_real_hash_costs() {
        let params = Params::new(16, 3, 1, None).unwrap();
        let text = dummy(&params);
        let parsed = PasswordHash::new(&text).unwrap();
        let read = Params::try_from(&parsed).unwrap();
        assert_eq!((read.m_cost(), read.t_cost(), read.p_cost()), (16, 3, 1));
        assert_eq!(parsed.hash.unwrap().len(), 32);
    }

    #[tokio::test]
    async fn a_full_line_is_busy_at_once() {
        let hashing = Arc::new(small(1, 1));
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let (started, running) = tokio::sync::oneshot::channel();
        let first = {
            let hashing = Arc::clone(&hashing);
            tokio::spawn(async move {
                hashing
                    .run(move || {
                        let _ = started.send(());
                        let _ = held.recv();
                    })
                    .await
            })
        };
        running.await.unwrap();
        let second = {
            let hashing = Arc::clone(&hashing);
            tokio::spawn(async move { hashing.run(|| ()).await })
        };
        while hashing.waiting.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(hashing.run(|| ()).await, Err(Overload));
        drop(hold);
        assert_eq!(first.await.unwrap(), Ok(()));
        assert_eq!(second.await.unwrap(), Ok(()));
        assert_eq!(hashing.run(|| ()).await, Ok(()));
    }
}
