//! What an earlier run left behind: a server that still runs, or a pid file that lies.
//!
//! A process is ours exactly when its program is `postgres` and its working directory is our data folder;
//! nothing else is ever signalled.

use crate::exit::{Failure, Outcome};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// A fast shutdown writes a checkpoint.
const FAST: Duration = Duration::from_secs(60);
/// An immediate one does not.
const IMMEDIATE: Duration = Duration::from_secs(10);

/// Stops whatever still runs on this data folder, and removes lock files that would keep the next one from
/// starting although nobody holds them. `socket_lock` is the one beside the socket.
///
/// # Errors
/// It does not end.
pub fn stop(data: &Path, socket_lock: &Path) -> Outcome {
    for (signal, patience) in
        [(Signal::INT, FAST), (Signal::QUIT, IMMEDIATE), (Signal::KILL, IMMEDIATE)]
    {
        let Some(pid) = postmaster(data) else { break };
        tracing::warn!(
            pid = pid.as_raw_nonzero(),
            ?signal,
            "stopping PostgreSQL of an earlier run"
        );
        let _ = kill_process(pid, signal);
        if wait(patience, || postmaster(data) != Some(pid)) {
            break;
        }
    }
    // Backends notice by themselves that their postmaster is gone.
    if !wait(IMMEDIATE, || ours(data).is_empty()) {
        return Err(Failure::failed(format!(
            "PostgreSQL of an earlier run still works on {} and does not end: processes {:?}",
            data.display(),
            ours(data).iter().map(|pid| pid.as_raw_nonzero()).collect::<Vec<_>>()
        )));
    }
    forget(&data.join("postmaster.pid"));
    forget(socket_lock);
    Ok(())
}

/// The postmaster of this folder, if it runs.
fn postmaster(data: &Path) -> Option<Pid> {
    let pid = written_in(&data.join("postmaster.pid"))?;
    is_ours(pid, data).then_some(pid)
}

/// The first line; a server without a postmaster writes its number negative.
fn written_in(lock: &Path) -> Option<Pid> {
    let text = fs::read_to_string(lock).ok()?;
    let number: i32 = text.lines().next()?.trim().parse().ok()?;
    Pid::from_raw(number.checked_abs()?)
}

fn is_ours(pid: Pid, data: &Path) -> bool {
    let proc = Path::new("/proc").join(pid.as_raw_nonzero().to_string());
    let (Ok(cwd), Ok(exe)) = (fs::read_link(proc.join("cwd")), fs::read_link(proc.join("exe")))
    else {
        return false;
    };
    // A binary that was upgraded under the running server shows as "… (deleted)".
    let program = exe.file_name().unwrap_or_default().to_string_lossy().into_owned();
    cwd == data && program.split(' ').next() == Some("postgres")
}

/// Every process of this folder's server, backends included.
fn ours(data: &Path) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pid = |entry: fs::DirEntry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?);
    entries.flatten().filter_map(pid).filter(|pid| is_ours(*pid, data)).collect()
}

/// PostgreSQL removes the lock file of a dead process itself, after a look at its shared memory. But a number
/// that somebody else has since (after a restart of the machine, or that waits to be taken off the list) keeps it
/// from starting. None of our processes is left when this is called.
fn forget(lock: &Path) {
    let Some(pid) = written_in(lock) else { return };
    if Path::new("/proc").join(pid.as_raw_nonzero().to_string()).exists() {
        tracing::info!(file = %lock.display(), "removing a lock that nobody holds");
        let _ = fs::remove_file(lock);
    }
}

fn wait(limit: Duration, done: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if done() {
            return true;
        }
        if begun.elapsed() > limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn strangers_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let data = fs::canonicalize(dir.path()).unwrap();
        // In our folder, but no postgres; its number stands in the pid file.
        let mut stranger = Command::new("sleep").arg("60").current_dir(&data).spawn().unwrap();
        let (file, lock) = (data.join("postmaster.pid"), data.join("socket.lock"));
        for file in [&file, &lock] {
            fs::write(file, format!("{}\n{}\n", stranger.id(), data.display())).unwrap();
        }
        assert_eq!(postmaster(&data), None);
        stop(&data, &lock).unwrap();
        assert!(!file.exists() && !lock.exists(), "they pointed to a stranger");
        assert!(stranger.try_wait().unwrap().is_none(), "the stranger lives");
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }

    #[test]
    fn a_dead_number_is_postgres_own_business() {
        let dir = tempfile::tempdir().unwrap();
        let (file, none) = (dir.path().join("postmaster.pid"), dir.path().join("none"));
        for text in ["2147483646\n", "nonsense", ""] {
            fs::write(&file, text).unwrap();
            stop(dir.path(), &none).unwrap();
            assert!(file.exists());
        }
    }
}
