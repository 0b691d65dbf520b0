//! Child processes that do not outlive us.
//!
//! Each server is the head of a process group of its own, so that it is paused and killed with all its
//! children. A *keeper*, one small shell per test process, learns of every group and every folder through its
//! standard input. When we end, even by SIGKILL, that input ends, and the keeper kills the groups that are
//! left and removes the folders. It only ever acts on what this process told it. SIGQUIT goes first, because
//! PostgreSQL then gives its shared memory back.

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

const KEEPER: &str = r#"
groups=' '; folders=
while read -r word value; do
    case $word in
        group) groups="$groups$value " ;;
        ended) case $groups in *" $value "*) groups="${groups%% $value *} ${groups#* $value }" ;; esac ;;
        folder) folders="$folders $value" ;;
    esac
done
for group in $groups; do kill -s QUIT -- "-$group" 2>/dev/null; done
[ "$groups" = ' ' ] || sleep 0.5
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
for folder in $folders; do
    case $folder in */postrider-test-*) rm -rf -- "$folder" ;; esac
done
"#;

/// Tells the keeper that this process and its group must not outlive us.
pub(crate) fn keep(pid: u32) {
    keeper(&format!("group {pid}"));
}

/// Tells the keeper that this process is no longer its business.
pub(crate) fn forget(pid: u32) {
    keeper(&format!("ended {pid}"));
}

fn keeper(line: &str) {
    static KEEPER_INPUT: OnceLock<Mutex<Option<ChildStdin>>> = OnceLock::new();
    let input = KEEPER_INPUT.get_or_init(|| {
        let keeper = Command::new("sh")
            .args(["-c", KEEPER])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        Mutex::new(keeper.ok().and_then(|mut keeper| keeper.stdin.take()))
    });
    if let Some(input) = input.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        let _ = writeln!(input, "{line}");
    }
}

pub(crate) fn as_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// A folder of our own that anybody may enter (servers run as other users) and that is gone with us. Its
/// path is short enough for sockets in it.
///
/// # Errors
/// When it cannot be made.
pub fn folder() -> Result<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::Builder::new().prefix("postrider-test-").tempdir()?;
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755))?;
    keeper(&format!("folder {}", folder.path().display()));
    Ok(folder)
}

/// A TCP port of 127.0.0.1 that nobody has at this moment. For servers that cannot choose one themselves.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A program that Cargo built beside this test or tool: `target/<profile>/<name>`.
///
/// # Errors
/// When it is not there; says how to build it.
pub fn program(name: &str) -> Result<PathBuf> {
    let me = std::env::current_exe()?;
    let place = me.ancestors().skip(1).take(2).map(|folder| folder.join(name));
    place.into_iter().find(|path| path.is_file()).with_context(|| {
        format!("{name} is not built; `cargo build --workspace --bins` (or `make test`) does that")
    })
}

/// A running server.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Daemon {
    /// Starts `command` as the head of a process group. What it says goes to the end of `log`, standard
    /// output too unless the caller asked for a pipe (`piped`).
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(name: &str, command: &mut Command, log: &Path, piped: bool) -> Result<Self> {
        let out = append_to(log)?;
        let stdout = if piped { Stdio::piped() } else { Stdio::from(out.try_clone()?) };
        let child = command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(out)
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {name} ({:?})", command.get_program()))?;
        keep(child.id());
        Ok(Self { name: name.to_owned(), child, log: log.to_owned(), ended: None })
    }

    /// The process id, which is also that of its group.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its standard output, once, when `start` was asked to pipe it.
    pub fn stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
            if self.ended.is_some() {
                forget(self.pid());
            }
        }
        self.ended
    }

    /// Sends a signal to the process and all its children.
    pub fn signal(&mut self, signal: Signal) {
        if self.ended().is_none()
            && let Some(group) = as_pid(self.child.id())
        {
            let _ = kill_process_group(group, signal);
        }
    }

    /// SIGSTOP: it is there, and answers nothing.
    pub fn pause(&mut self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn resume(&mut self) {
        self.signal(Signal::CONT);
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
        let _ = self.ended();
    }

    /// Sends `signal` and waits for the end it leads to.
    ///
    /// # Errors
    /// When it does not end in time; it is killed then.
    pub fn stop(&mut self, signal: Signal) -> Result<ExitStatus> {
        self.signal(signal);
        let end = Instant::now() + crate::PATIENCE;
        loop {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            if Instant::now() > end {
                self.kill();
                bail!("{} did not end:\n{}", self.name, self.log_tail());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Fails if it has ended, with the last it said.
    ///
    /// # Errors
    /// When it has ended.
    pub fn check(&mut self) -> Result<()> {
        match self.ended() {
            None => Ok(()),
            Some(status) => bail!("{} ended ({status}):\n{}", self.name, self.log_tail()),
        }
    }

    /// All it has said.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The last it has said.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let text = self.log();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// Resident memory of the process alone, in KiB.
    #[must_use]
    pub fn resident_kib(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let text = text.unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse().ok()).unwrap_or(0)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- {} said last:\n{}", self.name, self.log_tail());
        }
    }
}

fn append_to(log: &Path) -> Result<File> {
    Ok(OpenOptions::new().create(true).append(true).open(log)?)
}

/// The living children of a process.
#[must_use]
pub fn children(parent: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| parent_of(*pid) == Some(parent)).collect()
}

/// proc(5): after the command's name in parentheses come the state and the parent.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// A command that runs as `user` where we are root, and as ourselves otherwise.
#[must_use]
pub fn as_user(user: &str, program: impl AsRef<OsStr>) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups"]);
    command.arg(program);
    command
}

/// Gives a folder to a user, where we are root.
///
/// # Errors
/// When there is no such user.
pub fn give_to(user: &str, folder: &Path) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let users = std::fs::read_to_string("/etc/passwd")?;
    let fields: Vec<&str> = users
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.first() == Some(&user))
        .with_context(|| format!("there is no user {user}"))?;
    let (uid, gid) = (fields[2].parse()?, fields[3].parse()?);
    std::os::unix::fs::chown(folder, Some(uid), Some(gid)).context("chown")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alive(pid: u32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    }

    #[test]
    fn a_daemon_dies_with_its_children() {
        let folder = folder().unwrap();
        let log = folder.path().join("log");
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 & echo $!; wait"]);
        let mut daemon = Daemon::start("sh", &mut command, &log, false).unwrap();
        let child = loop {
            if let Ok(pid) = daemon.log().trim().parse::<u32>() {
                break pid;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        assert!(alive(child));
        daemon.pause();
        daemon.kill();
        drop(daemon);
        let end = Instant::now() + crate::PATIENCE;
        while alive(child) {
            assert!(Instant::now() < end);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The keeper's script, fed by hand: it kills what was named and did not end, and nothing else.
    #[test]
    fn the_keeper_kills_what_is_left() {
        let sleeper = || Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
        let (mut left, mut ended) = (sleeper(), sleeper());
        let input = format!("group {}\ngroup {}\nended {}\n", ended.id(), left.id(), ended.id());
        let mut keeper =
            Command::new("sh").args(["-c", KEEPER]).stdin(Stdio::piped()).spawn().unwrap();
        keeper.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        keeper.wait().unwrap();
        assert!(!left.wait().unwrap().success());
        assert!(ended.try_wait().unwrap().is_none(), "what had ended may be somebody else by now");
        ended.kill().unwrap();
        ended.wait().unwrap();
    }
}
