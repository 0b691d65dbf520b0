//! A standalone's folder.

use crate::cmd::operator::STANDALONE_CONFIG;
use crate::exit::{Failure, Outcome};
use net::CertificateFiles;
use rustix::fs::{FlockOperation, flock};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file of [`Folder::secret_key`].
const SECRET_KEY: &str = "secret.key";

fn random() -> u128 {
    rand::random()
}

/// The folder, ours alone for as long as this lives.
pub struct Folder {
    path: PathBuf,
    _lock: fs::File,
}

impl Folder {
    /// Makes it if it is not there, and keeps every other standalone out of it.
    ///
    /// # Errors
    /// Another one is in it, or it cannot be written.
    pub fn open(path: &Path) -> Outcome<Self> {
        // PostgreSQL's user has to get through when that is another one than ours; what lies in here is closed
        // to others by itself.
        let mode = if rustix::process::geteuid().is_root() { 0o711 } else { 0o700 };
        let failed = |path: &Path, error: std::io::Error| {
            Failure::failed(format!("{}: {error}", path.display()))
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(path)
            .map_err(|error| failed(path, error))?;
        let path = fs::canonicalize(path).map_err(|error| failed(path, error))?;
        let lock = lock(&path)?;
        for inner in ["blobs", "tls"] {
            let inner = path.join(inner);
            match fs::DirBuilder::new().mode(0o700).create(&inner) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    return Err(failed(&inner, error));
                }
                _ => {}
            }
        }
        let folder = Self { path, _lock: lock };
        if folder.read(SECRET_KEY)?.is_none() {
            folder.write(SECRET_KEY, &format!("{:032x}{:032x}\n", random(), random()))?;
        }
        Ok(folder)
    }

    /// The file with what seals the secrets of others; made at the first start.
    pub fn secret_key(&self) -> PathBuf {
        self.path.join(SECRET_KEY)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The certificate, made at the first start.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn certificate(&self, listen: IpAddr) -> Outcome<CertificateFiles> {
        let mut names = vec![super::base::mail_name(), "localhost".into(), "127.0.0.1".into()];
        if !listen.is_unspecified() {
            names.push(listen.to_string());
        }
        names.dedup();
        Ok(net::self_signed(&self.path.join("tls"), &names)?)
    }

    /// Lets operator commands find us.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_operator_config(&self, text: &str) -> Outcome {
        self.write(STANDALONE_CONFIG, text)
    }

    /// A file of ours, for our eyes only, whole or not at all.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Outcome {
        let (path, new) = (self.path.join(name), self.path.join(format!("{name}.new")));
        let write = || {
            let mut open = fs::OpenOptions::new();
            let mut file = open.create(true).truncate(true).write(true).mode(0o600).open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            fs::File::open(&self.path)?.sync_all()
        };
        write().map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
    }

    /// A file of ours; `None`: there is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self, name: &str) -> Outcome<Option<String>> {
        let path = self.path.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::failed(format!("{}: {error}", path.display()))),
        }
    }
}

/// The kernel drops the lock with the process, however that ends.
fn lock(path: &Path) -> Outcome<fs::File> {
    let name = path.join("lock");
    let failed = |error: std::io::Error| Failure::failed(format!("{}: {error}", name.display()));
    let mut open = fs::OpenOptions::new();
    let open = open.create(true).truncate(false).read(true).write(true).mode(0o600);
    let mut file = open.open(&name).map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut pid = String::new();
            let _ = file.read_to_string(&mut pid);
            return Err(Failure::failed(format!(
                "another postrider works in {} (process {}): stop it, or choose another --data",
                path.display(),
                pid.trim()
            )));
        }
        Err(error) => return Err(failed(error.into())),
    }
    let note = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    note.map_err(failed)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/data");
        let folder = Folder::open(&path).unwrap();
        let text = Folder::open(&path).err().unwrap().to_string();
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        drop(folder);
        Folder::open(&path).unwrap();
    }

    #[test]
    fn what_is_written_is_for_our_eyes_only() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        assert_eq!(folder.read("x").unwrap(), None);
        folder.write("x", "1").unwrap();
        folder.write("x", "2").unwrap();
        assert_eq!(folder.read("x").unwrap().as_deref(), Some("2"));
        let mode = fs::metadata(folder.path().join("x")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
