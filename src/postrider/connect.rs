//! The three places state lives in, opened as the configuration says. None is asked anything yet.

use crate::config::{Blob, Config, CoordinatorKind};
use crate::exit::{Failure, Outcome};
use blob::{Folder, Guarded, S3, SharedBlobStore};
use coordinator::{Local, Redis, SharedCoordinator};
use secrecy::ExposeSecret;
use std::sync::Arc;
use store::Store;

/// The blob store with and without what stands before it.
#[derive(Clone)]
pub struct Blobs {
    /// With breaker, counters and cache: for everybody.
    pub guarded: SharedBlobStore,
    /// As it is: to see whether it answers.
    pub bare: SharedBlobStore,
}

/// PostgreSQL.
///
/// # Errors
/// When the URL or the certificate authority is unusable.
pub fn store(config: &Config) -> Outcome<Store> {
    Store::new(&config.postgres).map_err(|error| match error {
        store::StoreError::Bug(line) => Failure::usage(line),
        other => other.into(),
    })
}

/// The blob store.
///
/// # Errors
/// When the folder cannot be made.
pub async fn blobs(config: &Config) -> Outcome<Blobs> {
    let bare: SharedBlobStore = match config.blob.clone().checked()? {
        Blob::Folder(path) => Arc::new(Folder::open(path)?),
        Blob::S3(s3) => Arc::new(S3::connect(&s3).await),
    };
    let guarded = Guarded::new(Arc::clone(&bare), config.blob.cache_bytes()).into();
    Ok(Blobs { guarded, bare })
}

/// The coordinator.
///
/// # Errors
/// When the URL is unusable.
pub fn coordinator(config: &Config) -> Outcome<SharedCoordinator> {
    let coordinator = &config.coordinator;
    Ok(match (coordinator.kind, &coordinator.url) {
        (CoordinatorKind::Redis, Some(url)) => {
            Arc::new(Redis::start(url.expose_secret(), &config.cluster)?)
        }
        _ => Arc::new(Local::default()),
    })
}
