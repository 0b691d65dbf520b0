//! The folder of a private PostgreSQL: made once, configured at every start.
//!
//! `DIR/postgres/data` is PostgreSQL's own folder, `DIR/postgres/run` holds its socket. Settings of one's own
//! go into `DIR/postgres/data/custom.conf`; all other files are ours.

use super::binaries::{self, Binaries};
use super::identity::{self, User};
use crate::exit::{Failure, Outcome};
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The socket's number; no TCP port is opened.
const PORT: u16 = 5432;
/// `sun_path` of unix(7), less its end.
const LONGEST_SOCKET: usize = 107;
/// Role and database.
const NAME: &str = "postrider";

/// A private PostgreSQL that is not running yet.
#[derive(Debug, Clone)]
pub struct Cluster {
    binaries: Binaries,
    user: Option<User>,
    home: PathBuf,
    socket_folder: PathBuf,
}

impl Cluster {
    /// Finds the binaries and the user for `dir/postgres`. Makes nothing yet.
    ///
    /// # Errors
    /// PostgreSQL is not installed, or its user cannot get to the folder.
    pub fn locate(dir: &Path, only: Option<&Path>) -> Outcome<Self> {
        let home = dir.join("postgres");
        let made_by = read_version(&home.join("data"))?;
        let binaries = binaries::find(only, made_by)?;
        let user = identity::unprivileged()?;
        if let Some(user) = &user {
            identity::check_way(user, dir)?;
        }
        let socket_folder = socket_folder(&home);
        Ok(Self { binaries, user, home, socket_folder })
    }

    /// PostgreSQL's own folder.
    pub fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// What PostgreSQL puts beside its socket.
    pub(super) fn socket_lock(&self) -> PathBuf {
        self.socket_folder.join(format!(".s.PGSQL.{PORT}.lock"))
    }

    /// Whether this is the first start.
    pub fn is_new(&self) -> bool {
        !self.data().exists()
    }

    /// How to connect. `statement_seconds`: the server ends statements after this long; 0 for never.
    pub fn url(&self, statement_seconds: u32) -> String {
        let host = self.socket_folder.display().to_string();
        let host = host.replace('\\', "\\\\").replace('\'', "\\'");
        let mut url = format!("host='{host}' port={PORT} user={NAME} dbname={NAME}");
        if statement_seconds > 0 {
            url.push_str(&format!(" options='-c statement_timeout={statement_seconds}s'"));
        }
        url
    }

    /// Makes the folders and the data if they are not there, and writes the configuration.
    ///
    /// # Errors
    /// The disk, or what `initdb` says.
    pub fn prepare(&self) -> Outcome {
        self.private_folder(&self.home)?;
        self.private_folder(&self.socket_folder)?;
        if self.is_new() {
            self.make_data()?;
        }
        self.configure()
    }

    /// A folder that only PostgreSQL's user may enter.
    fn private_folder(&self, path: &Path) -> Outcome {
        let failed = |error| failed(path, &error);
        match fs::DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
        // In a folder that everybody may write to, somebody else may have been there first.
        let meta = fs::symlink_metadata(path).map_err(failed)?;
        let mine = [rustix::process::geteuid().as_raw(), self.uid()].contains(&meta.uid());
        if !meta.is_dir() || !mine {
            return Err(Failure::failed(format!("{} belongs to somebody else", path.display())));
        }
        self.own(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(failed)
    }

    fn uid(&self) -> u32 {
        self.user.as_ref().map_or_else(|| rustix::process::geteuid().as_raw(), |user| user.uid)
    }

    fn own(&self, path: &Path) -> Outcome {
        let Some(user) = &self.user else { return Ok(()) };
        chown(path, Some(user.uid), Some(user.gid)).map_err(|error| failed(path, &error))
    }

    /// Under another name until it is whole, so that an interrupted first start begins anew.
    fn make_data(&self) -> Outcome {
        let unfinished = self.home.join("data.new");
        match fs::remove_dir_all(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(failed(&unfinished, &error));
            }
            _ => {}
        }
        let mut initdb = self.program("initdb");
        initdb.arg("-D").arg(&unfinished).args(["-U", NAME, "-E", "UTF8", "--no-locale"]);
        initdb.args(["--data-checksums", "--auth-local=peer", "--auth-host=reject"]);
        run(initdb, "initdb", "")?;
        let mut single = self.program("postgres");
        single.args(["--single", "-D"]).arg(&unfinished).arg("postgres");
        run(single, "postgres --single", &format!("CREATE DATABASE {NAME};\n"))?;
        let data = self.data();
        fs::rename(&unfinished, &data).map_err(|error| failed(&data, &error))?;
        let synced = fs::File::open(&self.home).and_then(|folder| folder.sync_all());
        synced.map_err(|error| failed(&self.home, &error))
    }

    /// One of PostgreSQL's programs, as the right user, and with nothing of our environment that it would
    /// believe (`PGDATA`, `PGHOST`, …).
    pub(super) fn program(&self, name: &str) -> Command {
        self.as_user(Command::new(self.binaries.folder.join(name)))
    }

    /// The server itself.
    pub(super) fn server(&self) -> Command {
        let postgres = self.binaries.folder.join("postgres");
        let mut command = if dies_with_parent() {
            // Should this process be killed, the kernel tells PostgreSQL to shut down. The signal comes when
            // the starting *thread* ends, which is the supervisor's own (see there).
            let mut setpriv = Command::new("setpriv");
            setpriv.args(["--pdeathsig", "INT", "--"]).arg(postgres);
            setpriv
        } else {
            Command::new(postgres)
        };
        command.arg("-D").arg(self.data());
        let mut command = self.as_user(command);
        // Ctrl-C at the terminal is for us; PostgreSQL hears of it when the sessions are over.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    fn as_user(&self, mut command: Command) -> Command {
        let path =
            std::env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into());
        command.env_clear().env("PATH", path).env("LC_ALL", "C").current_dir(&self.home);
        if let Some(user) = &self.user {
            // Stepping down from root this way also drops root's groups.
            command.uid(user.uid).gid(user.gid);
        }
        command
    }

    fn configure(&self) -> Outcome {
        let names = [Some(identity::own_name()?), self.user.as_ref().map(|u| u.name.clone())];
        let map: String =
            names.iter().flatten().map(|name| format!("postrider \"{name}\" {NAME}\n")).collect();
        self.write("postgresql.conf", &settings(&self.socket_folder))?;
        self.write("pg_hba.conf", &format!("{OURS}local all {NAME} peer map=postrider\n"))?;
        self.write("pg_ident.conf", &format!("{OURS}{map}"))
    }

    fn write(&self, name: &str, text: &str) -> Outcome {
        let path = self.data().join(name);
        let new = path.with_extension("new");
        let write = || {
            let mut open = fs::OpenOptions::new();
            let mut file = open.create(true).truncate(true).write(true).mode(0o600).open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().map_err(|error| failed(&new, &error))?;
        self.own(&new)?;
        fs::rename(&new, &path).map_err(|error| failed(&path, &error))
    }
}

const OURS: &str = "# Written by postrider at every start.\n";

fn settings(socket_folder: &Path) -> String {
    let folder = socket_folder.display().to_string().replace('\'', "''");
    let shared = shared_buffers_mib(&fs::read_to_string("/proc/meminfo").unwrap_or_default());
    format!(
        "{OURS}# Settings of your own go into custom.conf beside this file.
listen_addresses = ''
unix_socket_directories = '{folder}'
unix_socket_permissions = 0700
port = {PORT}
max_connections = 60
shared_buffers = {shared}MB
# What was answered 250 stays.
fsync = on
synchronous_commit = on
full_page_writes = on
max_wal_size = 2GB
checkpoint_timeout = 15min
checkpoint_completion_target = 0.9
jit = off
random_page_cost = 1.1
max_parallel_workers_per_gather = 0
idle_in_transaction_session_timeout = 60s
# The log goes to stderr, where postrider reads it; statements that fail are postrider's to report.
logging_collector = off
log_min_messages = log
log_line_prefix = ''
log_checkpoints = off
include_if_exists 'custom.conf'
"
    )
}

/// A sixteenth of the memory, 64 to 512 MiB: the mail's bytes are not in here.
fn shared_buffers_mib(meminfo: &str) -> u64 {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|rest| rest.trim().trim_end_matches(" kB").trim().parse().ok());
    (kib.unwrap_or(2 * 1024 * 1024_u64) / 1024 / 16).clamp(64, 512)
}

/// Beside the data, unless that makes the socket's name too long for the kernel.
fn socket_folder(home: &Path) -> PathBuf {
    let beside = home.join("run");
    let socket = beside.join(format!(".s.PGSQL.{PORT}"));
    if socket.as_os_str().len() <= LONGEST_SOCKET {
        return beside;
    }
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    home.hash(&mut hasher);
    PathBuf::from(format!("/tmp/postrider-{:016x}", hasher.finish()))
}

/// The version that made the data; `None` without data.
fn read_version(data: &Path) -> Outcome<Option<u32>> {
    let path = data.join("PG_VERSION");
    match fs::read_to_string(&path) {
        Ok(text) => {
            let major = text.trim().parse().ok();
            let strange = || Failure::failed(format!("{} holds no version", path.display()));
            major.map(Some).ok_or_else(strange)
        }
        Err(error) if error.kind() == ErrorKind::NotFound && !data.exists() => Ok(None),
        Err(error) => Err(failed(&path, &error)),
    }
}

/// Whether util-linux' `setpriv` is here and can do it.
fn dies_with_parent() -> bool {
    let probe = Command::new("setpriv")
        .args(["--pdeathsig", "keep", "--", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    probe.is_ok_and(|status| status.success())
}

/// Runs a program to its end; its last words are the error.
fn run(mut command: Command, name: &str, input: &str) -> Outcome {
    let wrong = |why: &dyn std::fmt::Display| Failure::failed(format!("{name}: {why}"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| wrong(&error))?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ended already says why below.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| wrong(&error))?;
    // A single-user server ends well even when its statement failed.
    let words = String::from_utf8_lossy(&output.stderr);
    let error = words.lines().rfind(|l| l.contains("ERROR:") || l.contains("FATAL:"));
    match (output.status.success(), error) {
        (true, None) => Ok(()),
        (_, Some(line)) => Err(wrong(&line)),
        (false, None) => Err(wrong(&words.lines().last().unwrap_or("failed"))),
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_taken_modestly() {
        assert_eq!(shared_buffers_mib("MemTotal:       24576000 kB\nMemFree: 1 kB\n"), 512);
        assert_eq!(shared_buffers_mib("MemTotal:        2097152 kB\n"), 128);
        assert_eq!(shared_buffers_mib("MemTotal:         131072 kB\n"), 64);
        assert_eq!(shared_buffers_mib("nonsense"), 128);
    }

    #[test]
    fn a_long_path_does_not_break_the_socket() {
        assert_eq!(socket_folder(Path::new("/d/postgres")), Path::new("/d/postgres/run"));
        let long = PathBuf::from(format!("/{}/postgres", "x".repeat(100)));
        let folder = socket_folder(&long);
        assert!(folder.starts_with("/tmp"), "{folder:?}");
        assert_eq!(folder, socket_folder(&long), "the same at the next start");
    }

    #[test]
    fn what_a_program_says_last_is_the_error() {
        let sh = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            run(command, "it", "").map_err(|failure| failure.to_string())
        };
        assert_eq!(sh("true"), Ok(()));
        assert_eq!(sh("echo first >&2; echo last >&2; false"), Err("it: last".into()));
        assert_eq!(sh("echo 'ERROR:  no' >&2; echo after >&2"), Err("it: ERROR:  no".into()));
    }
}
