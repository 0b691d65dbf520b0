//! A node: a real `postrider serve` process.

use crate::process::{Daemon, folder, program};
use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use serde::Deserialize;
use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What a node says when all its listeners accept (`--ready-json`).
#[derive(Debug, Clone, Deserialize)]
pub struct Ready {
    /// Its incarnation.
    pub node: String,
    /// SMTP.
    pub smtp: Option<SocketAddr>,
    /// Submission with STARTTLS.
    pub submission: Option<SocketAddr>,
    /// Submission with implicit TLS.
    pub submissions: Option<SocketAddr>,
    /// LMTP.
    pub lmtp: Option<SocketAddr>,
    /// IMAP with STARTTLS.
    pub imap: Option<SocketAddr>,
    /// IMAP with implicit TLS.
    pub imaps: Option<SocketAddr>,
    /// POP3 with STLS.
    pub pop3: Option<SocketAddr>,
    /// POP3 with implicit TLS.
    pub pop3s: Option<SocketAddr>,
    /// Health and metrics.
    pub http: Option<SocketAddr>,
    /// Standalone: the account that was made.
    pub account: Option<String>,
    /// Standalone: its password.
    pub password: Option<String>,
}

/// A node's configuration, as the TOML it will be.
#[derive(Debug, Clone)]
pub struct NodeConfig(pub toml::Table);

impl NodeConfig {
    /// Every listener on a port of its own on 127.0.0.1, a certificate, a PostgreSQL; nothing else yet.
    ///
    /// # Errors
    /// When no certificate can be made.
    pub fn new(postgres_url: &str) -> Result<Self> {
        let mut config = Self(toml::toml! {
            cluster = "test"
            hostname = "mx.test"
            [coordinator]
            kind = "local"
        });
        config.set("postgres.url", postgres_url);
        config.set("tls.certificates", vec![certificate()?]);
        let ports =
            ["smtp", "submission", "submissions", "lmtp", "imap", "imaps", "pop3", "pop3s", "http"];
        for listener in ports {
            config.set(&format!("listen.{listener}.addresses"), vec!["127.0.0.1:0"]);
        }
        Ok(config)
    }

    /// Sets one value by its dotted path.
    pub fn set(&mut self, path: &str, value: impl Into<toml::Value>) {
        let mut table = &mut self.0;
        let mut parts: Vec<&str> = path.split('.').collect();
        let last = parts.pop().unwrap_or_default();
        for part in parts {
            let entry = table.entry(part).or_insert_with(|| toml::Table::new().into());
            if !entry.is_table() {
                *entry = toml::Table::new().into();
            }
            let toml::Value::Table(inner) = entry else { return };
            table = inner;
        }
        table.insert(last.to_owned(), value.into());
    }

    /// The same, for building in one expression.
    #[must_use]
    pub fn with(mut self, path: &str, value: impl Into<toml::Value>) -> Self {
        self.set(path, value);
        self
    }
}

/// One of `tls.certificates`: made once per process, for `mx.test` and `localhost`.
fn certificate() -> Result<toml::Table> {
    static MADE: OnceLock<Result<(TempDir, net::CertificateFiles), String>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let folder = folder().map_err(|error| error.to_string())?;
        let names = ["mx.test".to_owned(), "localhost".to_owned()];
        let files = net::self_signed(folder.path(), &names).map_err(|error| error.to_string())?;
        Ok((folder, files))
    });
    let (_, files) = made.as_ref().map_err(|error| anyhow::anyhow!("a certificate: {error}"))?;
    let path = |path: &Path| toml::Value::from(path.display().to_string());
    Ok([("certificate".to_owned(), path(&files.certificate)), ("key".to_owned(), path(&files.key))]
        .into_iter()
        .collect())
}

/// A running node.
pub struct Node {
    /// What it said of itself.
    pub ready: Ready,
    folder: TempDir,
    daemon: Daemon,
}

impl Node {
    /// Starts a node and waits until it is ready.
    ///
    /// # Errors
    /// When it ends instead, with what it said.
    pub fn start(config: &NodeConfig) -> Result<Self> {
        let folder = folder()?;
        let file = folder.path().join("postrider.toml");
        std::fs::write(&file, toml::to_string(&config.0)?)?;
        let mut command = Command::new(program("postrider")?);
        command.arg("serve").arg("--config").arg(&file).arg("--ready-json");
        Self::spawn(folder, command)
    }

    /// Starts `postrider standalone` on a data folder, ports of its own on 127.0.0.1.
    ///
    /// # Errors
    /// When it ends instead of becoming ready, with what it said.
    pub fn standalone(data: &Path) -> Result<Self> {
        let mut command = Command::new(program("postrider")?);
        command.arg("standalone").arg("--data").arg(data);
        command.args(["--listen", "127.0.0.1", "--ephemeral-ports", "--ready-json"]);
        Self::spawn(folder()?, command)
    }

    /// Starts any command that becomes a node and tells of it in one line.
    ///
    /// # Errors
    /// When it ends instead, with what it said.
    pub fn spawn(folder: TempDir, mut command: Command) -> Result<Self> {
        let log = folder.path().join("node.log");
        if std::env::var_os("RUST_LOG").is_none() {
            command.env("RUST_LOG", "info");
        }
        let mut daemon = Daemon::start("the node", &mut command, &log, true)?;
        let mut stdout = std::io::BufReader::new(daemon.stdout().context("no output")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let Ok(ready) = serde_json::from_str(&line) else {
            std::thread::sleep(Duration::from_millis(100));
            daemon.check()?;
            bail!("the node said {line:?} instead of being ready:\n{}", daemon.log_tail());
        };
        // Nobody may ever wait for us to read what else it prints.
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        Ok(Self { ready, folder, daemon })
    }

    /// The process, for signals and figures.
    pub fn daemon(&mut self) -> &mut Daemon {
        &mut self.daemon
    }

    /// Its configuration file (not of a standalone).
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("postrider.toml")
    }

    /// Where it takes mail.
    ///
    /// # Errors
    /// When it has no such listener.
    pub fn smtp(&self) -> Result<SocketAddr> {
        self.ready.smtp.context("no smtp listener")
    }

    /// Where it takes submissions with STARTTLS.
    ///
    /// # Errors
    /// When it has no such listener.
    pub fn submission(&self) -> Result<SocketAddr> {
        self.ready.submission.context("no submission listener")
    }

    /// Where it speaks IMAP with STARTTLS.
    ///
    /// # Errors
    /// When it has no such listener.
    pub fn imap(&self) -> Result<SocketAddr> {
        self.ready.imap.context("no imap listener")
    }

    /// Where it speaks IMAP over TLS.
    ///
    /// # Errors
    /// When it has no such listener.
    pub fn imaps(&self) -> Result<SocketAddr> {
        self.ready.imaps.context("no imaps listener")
    }

    /// Where it speaks POP3 with STLS.
    ///
    /// # Errors
    /// When it has no such listener.
    pub fn pop3(&self) -> Result<SocketAddr> {
        self.ready.pop3.context("no pop3 listener")
    }

    /// Where it speaks POP3 over TLS.
    ///
    /// # Errors
    /// When it has no such listener.
    pub fn pop3s(&self) -> Result<SocketAddr> {
        self.ready.pop3s.context("no pop3s listener")
    }

    /// Where it tells of its health.
    ///
    /// # Errors
    /// When it has no such listener.
    pub fn http(&self) -> Result<SocketAddr> {
        self.ready.http.context("no http listener")
    }

    /// A GET of its HTTP listener: status and body.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        let mut stream = crate::Stream::connect(self.http()?).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.send(request.as_bytes()).await?;
        while stream.more().await? {}
        let text = String::from_utf8_lossy(stream.buffer()).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").context("no HTTP response")?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((status.with_context(|| head.to_owned())?, body.to_owned()))
    }

    /// One of its metrics, summed over the series whose labels contain `label`.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn metric(&self, name: &str, label: &str) -> Result<f64> {
        let (status, text) = self.get("/metrics").await?;
        ensure!(status == 200, "/metrics: {status}");
        let values = text.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (found, labels) = series.split_once('{').unwrap_or((series, ""));
            (found == name && labels.contains(label)).then(|| value.parse::<f64>().ok())?
        });
        Ok(values.sum())
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// SIGTERM; does not wait.
    pub fn ask_to_end(&mut self) {
        self.daemon.signal(Signal::TERM);
    }

    /// SIGTERM, and waits until it has drained and ended.
    ///
    /// # Errors
    /// When it does not end.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        self.daemon.stop(Signal::TERM)
    }
}

/// Runs a `postrider` command to its end with this on its standard input; gives its standard output.
///
/// # Errors
/// When it fails, with what it said.
pub fn postrider(arguments: &[&str], input: &str) -> Result<String> {
    let (status, out, err) = postrider_raw(arguments, input)?;
    ensure!(status.success(), "postrider {}: {status}\n{out}{err}", arguments.join(" "));
    Ok(out)
}

/// As [`postrider`], however it ends: status, standard output, standard error.
///
/// # Errors
/// When it cannot be run, or does not end in time.
pub fn postrider_raw(arguments: &[&str], input: &str) -> Result<(ExitStatus, String, String)> {
    let mut child = Command::new(program("postrider")?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // It may end without reading.
    let _ = child.stdin.take().context("no input")?.write_all(input.as_bytes());
    let end = Instant::now() + crate::PATIENCE;
    while child.try_wait()?.is_none() {
        if Instant::now() > end {
            child.kill()?;
            bail!("postrider {} does not end", arguments.join(" "));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output()?;
    let text = |octets: Vec<u8>| String::from_utf8_lossy(&octets).into_owned();
    Ok((output.status, text(output.stdout), text(output.stderr)))
}
