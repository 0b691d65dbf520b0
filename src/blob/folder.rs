//! Blobs as files in a folder: for one machine.
//!
//! A file is written under its key, then it and the folder it lies in are synced. There is no temporary name:
//! nothing refers to a key before its object is durable, so what a power cut leaves half written is an orphan
//! like any other, and a rename would cost as much again as the rest.

use crate::{BlobError, BlobStore, BlobWriter, ByteStream, ObjectKey};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Octets read at a time.
const READ: usize = 256 * 1024;

/// A folder.
#[derive(Clone)]
pub struct Folder {
    inner: Arc<Inner>,
}

struct Inner {
    root: PathBuf,
    /// Directories known to exist and to be durable.
    known: Mutex<HashSet<PathBuf>>,
}

impl Folder {
    /// Opens or creates the folder.
    ///
    /// # Errors
    /// [`BlobError::Config`] when it cannot be created or written.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, BlobError> {
        let root = root.into();
        fs::create_dir_all(&root).map_err(|error| {
            BlobError::Config(format!("blob folder {}: {error}", root.display()))
        })?;
        Ok(Self { inner: Arc::new(Inner { root, known: Mutex::default() }) })
    }
}

impl Inner {
    fn path(&self, key: &ObjectKey) -> PathBuf {
        self.root.join(key.as_str())
    }

    /// Makes sure that a key's directory exists and will still exist after a power cut.
    fn prepare(&self, path: &Path) -> std::io::Result<PathBuf> {
        let parent = path.parent().unwrap_or(&self.root).to_path_buf();
        if self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(&parent) {
            return Ok(parent);
        }
        fs::create_dir_all(&parent)?;
        for dir in parent.ancestors().skip(1).take_while(|dir| dir.starts_with(&self.root)) {
            File::open(dir)?.sync_all()?;
        }
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(parent.clone());
        Ok(parent)
    }

    fn put(&self, key: &ObjectKey, pieces: &[Bytes]) -> std::io::Result<()> {
        let path = self.path(key);
        let parent = self.prepare(&path)?;
        let mut file = File::create_new(&path)?;
        let mut write = || {
            pieces.iter().try_for_each(|piece| file.write_all(piece))?;
            sync(&file, &parent)
        };
        write().inspect_err(|_| drop(fs::remove_file(&path)))
    }
}

fn sync(file: &File, parent: &Path) -> std::io::Result<()> {
    file.sync_data()?;
    File::open(parent)?.sync_all()
}

fn failed(key: &ObjectKey, error: &std::io::Error) -> BlobError {
    match error.kind() {
        ErrorKind::NotFound => BlobError::NotFound(key.to_string()),
        _ => BlobError::Unavailable(error.to_string()),
    }
}

/// Runs file work on the blocking pool.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(BlobError::Unavailable(error.to_string())),
    }
}

#[async_trait]
impl BlobStore for Folder {
    async fn put(&self, key: &ObjectKey, pieces: Vec<Bytes>) -> Result<(), BlobError> {
        let (inner, key) = (Arc::clone(&self.inner), key.clone());
        blocking(move || {
            // A write never means "not found", whatever the file system calls it.
            inner.put(&key, &pieces).map_err(|error| BlobError::Unavailable(error.to_string()))
        })
        .await
    }

    async fn writer(&self, key: &ObjectKey) -> Result<Box<dyn BlobWriter>, BlobError> {
        let (inner, key) = (Arc::clone(&self.inner), key.clone());
        blocking(move || {
            let path = inner.path(&key);
            let open = || {
                let parent = inner.prepare(&path)?;
                let file = File::create_new(&path)?;
                Ok(FileWriter { file: Some(file), path: path.clone(), parent, done: false })
            };
            let writer = open()
                .map_err(|error: std::io::Error| BlobError::Unavailable(error.to_string()))?;
            Ok(Box::new(writer) as Box<dyn BlobWriter>)
        })
        .await
    }

    async fn get(&self, key: &ObjectKey, range: Range<u64>) -> Result<ByteStream, BlobError> {
        let (path, key) = (self.inner.path(key), key.clone());
        let start = range.start;
        let (file, first) = {
            let key = key.clone();
            blocking(move || {
                let open = || {
                    let mut file = File::open(&path)?;
                    file.seek(SeekFrom::Start(start))?;
                    let first = read_some(&mut file, range.end - range.start)?;
                    Ok((file, first))
                };
                open().map_err(|error| failed(&key, &error))
            })
            .await?
        };
        let left = range.end - start - first.len() as u64;
        let ended = first.is_empty();
        let rest =
            futures::stream::try_unfold((file, left, key), |(mut file, left, key)| async move {
                if left == 0 {
                    return Ok(None);
                }
                blocking(move || {
                    let piece = read_some(&mut file, left).map_err(|error| failed(&key, &error))?;
                    if piece.is_empty() {
                        return Err(BlobError::Corrupt(key.to_string()));
                    }
                    let left = left - piece.len() as u64;
                    Ok(Some((piece, (file, left, key))))
                })
                .await
            });
        use futures::StreamExt;
        let head = futures::stream::iter((!ended).then_some(Ok(first)));
        Ok(head.chain(rest).boxed())
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), BlobError> {
        let path = self.inner.path(key);
        blocking(move || match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(BlobError::Unavailable(error.to_string()))
            }
            _ => Ok(()),
        })
        .await
    }
}

fn read_some(file: &mut File, left: u64) -> std::io::Result<Bytes> {
    let want = left.min(READ as u64);
    let mut piece = Vec::with_capacity(want as usize);
    file.take(want).read_to_end(&mut piece)?;
    Ok(piece.into())
}

struct FileWriter {
    file: Option<File>,
    path: PathBuf,
    parent: PathBuf,
    done: bool,
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        if !self.done {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[async_trait]
impl BlobWriter for FileWriter {
    async fn write(&mut self, piece: Bytes) -> Result<(), BlobError> {
        let Some(mut file) = self.file.take() else {
            return Err(BlobError::Unavailable("an earlier write failed".into()));
        };
        let file = blocking(move || {
            file.write_all(&piece).map_err(|error| BlobError::Unavailable(error.to_string()))?;
            Ok(file)
        })
        .await?;
        self.file = Some(file);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), BlobError> {
        let Some(file) = self.file.take() else {
            return Err(BlobError::Unavailable("an earlier write failed".into()));
        };
        blocking(move || {
            sync(&file, &self.parent).map_err(|error| BlobError::Unavailable(error.to_string()))?;
            self.done = true;
            Ok(())
        })
        .await
    }

    async fn abort(self: Box<Self>) {
        // Dropping removes the file.
    }
}
