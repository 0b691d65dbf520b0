//! Finding PostgreSQL's server programs.

use crate::exit::{Failure, Outcome};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest version whose SQL we speak.
pub const OLDEST: u32 = 15;

/// Server programs of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// The folder with `postgres` and `initdb`.
    pub folder: PathBuf,
    /// Major version.
    pub major: u32,
}

/// The newest there are, or those of the version that made the data. `only`: look nowhere else.
///
/// # Errors
/// One line that names the package to install.
pub fn find(only: Option<&Path>, made_by: Option<u32>) -> Outcome<Binaries> {
    let folders = match only {
        Some(folder) => vec![folder.to_path_buf()],
        None => usual_folders(),
    };
    choose(folders.iter().filter_map(|folder| look(folder)), only, made_by)
}

fn choose(
    found: impl Iterator<Item = Binaries>,
    only: Option<&Path>,
    made_by: Option<u32>,
) -> Outcome<Binaries> {
    // The first folder of each version: the PATH goes before the usual places.
    let mut by_version = BTreeMap::new();
    for binaries in found {
        by_version.entry(binaries.major).or_insert(binaries);
    }
    let newest = by_version.last_key_value().map(|(major, _)| *major);
    let wanted = made_by.or(newest);
    match wanted.and_then(|major| by_version.remove(&major)) {
        Some(binaries) if binaries.major >= OLDEST => Ok(binaries),
        Some(old) => Err(Failure::failed(format!(
            "PostgreSQL {OLDEST} or newer is needed, {} is {}: apt install postgresql-{OLDEST}",
            old.folder.display(),
            old.major
        ))),
        None => Err(missing(only, made_by)),
    }
}

fn missing(only: Option<&Path>, made_by: Option<u32>) -> Failure {
    let place = match only {
        Some(folder) => format!("in {}", folder.display()),
        None => "on this machine".into(),
    };
    Failure::failed(match made_by {
        Some(major) => format!(
            "this data was made by PostgreSQL {major}, which was not found {place}: \
             apt install postgresql-{major} (or name its folder with --postgres-bin)"
        ),
        None => format!(
            "PostgreSQL's server programs were not found {place}: apt install postgresql \
             (Debian, Ubuntu; {OLDEST} or newer), or name their folder with --postgres-bin"
        ),
    })
}

fn usual_folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    for parent in ["/usr/lib/postgresql", "/usr"] {
        let Ok(entries) = std::fs::read_dir(parent) else { continue };
        let versions = entries.flatten().map(|entry| entry.path()).filter(|folder| {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            parent != "/usr" || name.starts_with("pgsql-")
        });
        folders.extend(versions.map(|folder| folder.join("bin")));
    }
    folders.push("/usr/local/pgsql/bin".into());
    folders.extend(told_by_pg_config());
    folders
}

fn told_by_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(text.trim()))
}

/// The programs in this folder, or where its links lead.
fn look(folder: &Path) -> Option<Binaries> {
    let postgres = std::fs::canonicalize(folder.join("postgres")).ok()?;
    let folder = postgres.parent()?.to_path_buf();
    if !folder.join("initdb").exists() {
        return None;
    }
    let output = Command::new(&postgres).arg("--version").output().ok()?;
    let major = major(&String::from_utf8(output.stdout).ok()?)?;
    Some(Binaries { folder, major })
}

/// Of `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)` or `… 18beta1`.
fn major(version: &str) -> Option<u32> {
    let (_, rest) = version.split_once("(PostgreSQL) ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(major: u32) -> Binaries {
        Binaries { folder: format!("/pg/{major}").into(), major }
    }

    #[test]
    fn versions_are_read() {
        assert_eq!(major("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major("psql 15"), None);
    }

    #[test]
    fn the_newest_serves_unless_the_data_wants_another() {
        let all = || [at(14), at(17), at(15)].into_iter();
        assert_eq!(choose(all(), None, None).unwrap().major, 17);
        assert_eq!(choose(all(), None, Some(15)).unwrap().major, 15);
    }

    #[test]
    fn what_is_missing_is_named() {
        let text = |found: &[u32], made_by| {
            choose(found.iter().map(|v| at(*v)), None, made_by).unwrap_err().to_string()
        };
        assert!(text(&[], None).contains("apt install postgresql "));
        assert!(text(&[17], Some(15)).contains("apt install postgresql-15"));
        assert!(text(&[13], None).contains("15 or newer is needed"));
        let dir = tempfile::tempdir().unwrap();
        assert!(find(Some(dir.path()), None).unwrap_err().to_string().contains("--postgres-bin"));
    }
}
