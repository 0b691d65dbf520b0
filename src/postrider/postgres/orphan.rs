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

/// Stops whatever still runs on this data folder and removes a pid file that points to a stranger.
///
/// # Errors
/// It does not end.
pub fn stop(data: &Path) -> Outcome {
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
    forget_stranger(data);
    Ok(())
}

/// The postmaster of this folder, if it runs.
fn postmaster(data: &Path) -> Option<Pid> {
    let pid = pid_file(data)?;
    is_ours(pid, data).then_some(pid)
}

/// The first line; a standalone backend writes its number negative.
fn pid_file(data: &Path) -> Option<Pid> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
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

/// PostgreSQL removes the pid file of a dead process itself; but a number that somebody else got since (after a
/// restart of the machine) would keep it from starting.
fn forget_stranger(data: &Path) {
    let Some(pid) = pid_file(data) else { return };
    let alive = Path::new("/proc").join(pid.as_raw_nonzero().to_string()).exists();
    if alive && !is_ours(pid, data) {
        tracing::info!(pid = pid.as_raw_nonzero(), "removing the pid file of an earlier run");
        let _ = fs::remove_file(data.join("postmaster.pid"));
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
        let file = data.join("postmaster.pid");
        fs::write(&file, format!("{}\n{}\n", stranger.id(), data.display())).unwrap();
        assert_eq!(postmaster(&data), None);
        stop(&data).unwrap();
        assert!(!file.exists(), "the pid file pointed to a stranger");
        assert!(stranger.try_wait().unwrap().is_none(), "the stranger lives");
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }

    #[test]
    fn a_dead_number_is_postgres_own_business() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("postmaster.pid");
        fs::write(&file, "2147483646\n").unwrap();
        stop(dir.path()).unwrap();
        assert!(file.exists());
        fs::write(&file, "nonsense").unwrap();
        stop(dir.path()).unwrap();
    }
}
