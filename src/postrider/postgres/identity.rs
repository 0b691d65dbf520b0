//! Who PostgreSQL runs as: never root.

use crate::exit::{Failure, Outcome};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
}

/// Who runs PostgreSQL. `None`: whoever runs this program, as that is not root.
///
/// # Errors
/// Root, and there is nobody to step down to.
pub fn unprivileged() -> Outcome<Option<User>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let found = ["postgres", "nobody"].into_iter().find_map(user);
    found.map(Some).ok_or_else(|| {
        Failure::failed(
            "PostgreSQL does not run as root, and there is no user postgres or nobody: create one",
        )
    })
}

/// As the system's user database says, whatever it is made of.
fn user(name: &str) -> Option<User> {
    let id = |flag: &str| id(&[flag, name])?.parse().ok();
    Some(User { name: name.to_owned(), uid: id("-u")?, gid: id("-g")? })
}

/// Who runs this program.
///
/// # Errors
/// A user without a name, as containers may have: PostgreSQL insists on one.
pub fn own_name() -> Outcome<String> {
    id(&["-un"]).ok_or_else(|| {
        Failure::failed("this user has no name, and PostgreSQL wants one: add it to /etc/passwd")
    })
}

fn id(arguments: &[&str]) -> Option<String> {
    let output = Command::new("id").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Whether `user` can get to a folder.
///
/// # Errors
/// One line that names the folder in the way.
pub fn check_way(user: &User, folder: &Path) -> Outcome {
    for step in folder.ancestors() {
        let Ok(meta) = std::fs::metadata(step) else { continue };
        if !may_enter(user, &meta) {
            return Err(Failure::failed(format!(
                "PostgreSQL runs as the user {}, who may not enter {}: choose another --data, \
                 e.g. /var/lib/postrider",
                user.name,
                step.display()
            )));
        }
    }
    Ok(())
}

fn may_enter(user: &User, meta: &Metadata) -> bool {
    let bit = match (meta.uid() == user.uid, meta.gid() == user.gid) {
        (true, _) => 0o100,
        (_, true) => 0o010,
        _ => 0o001,
    };
    meta.mode() & bit != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_closed_folder_on_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let closed = dir.path().join("closed");
        let inner = closed.join("inner");
        std::fs::create_dir_all(&inner).unwrap();
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(dir.path(), 0o755);
        mode(&inner, 0o755);
        let stranger = User { name: "stranger".into(), uid: 4_000_000, gid: 4_000_000 };
        mode(&closed, 0o755);
        check_way(&stranger, &inner).unwrap();
        mode(&closed, 0o700);
        let text = check_way(&stranger, &inner).unwrap_err().to_string();
        assert!(text.contains(&closed.display().to_string()), "{text}");
        assert!(!text.contains("inner"), "{text}");
    }
}
