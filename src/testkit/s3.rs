//! An S3 server over HTTP with throwaway data: the binary `testkit-s3`.

use crate::process::{Daemon, folder, program};
use anyhow::{Context, Result};
use blob::S3Config;
use std::io::BufRead;
use std::net::SocketAddr;
use std::process::Command;
use tempfile::TempDir;

/// The bucket that is there from the start.
const BUCKET: &str = "mail";
const ACCESS_KEY: &str = "postrider";
const SECRET_KEY: &str = "postrider-secret";

/// The server.
pub struct S3 {
    folder: TempDir,
    address: SocketAddr,
    daemon: Option<Daemon>,
}

impl S3 {
    /// Starts one with an empty bucket.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start() -> Result<Self> {
        let folder = folder()?;
        std::fs::create_dir_all(folder.path().join("data").join(BUCKET))?;
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut s3 = Self { folder, address, daemon: None };
        s3.up()?;
        Ok(s3)
    }

    /// Starts it (again) on the same data and address.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn up(&mut self) -> Result<()> {
        let mut command = Command::new(program("testkit-s3")?);
        command.arg(self.folder.path().join("data"));
        command.args([&self.address.to_string(), ACCESS_KEY, SECRET_KEY]);
        let mut daemon =
            Daemon::start("S3", &mut command, &self.folder.path().join("s3.log"), true)?;
        let mut line = String::new();
        std::io::BufReader::new(daemon.stdout().context("no output")?).read_line(&mut line)?;
        let address = line.trim().parse();
        self.address = address.with_context(|| format!("S3 said:\n{}", daemon.log_tail()))?;
        self.daemon = Some(daemon);
        Ok(())
    }

    /// The process, for signals and figures.
    ///
    /// # Errors
    /// When it was killed.
    pub fn daemon(&mut self) -> Result<&mut Daemon> {
        self.daemon.as_mut().context("S3 is not running")
    }

    /// SIGKILL; [`S3::up`] starts it again with all it had.
    pub fn kill(&mut self) {
        self.daemon = None;
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How a node reaches it.
    #[must_use]
    pub fn config(&self) -> S3Config {
        self.config_at(self.address)
    }

    /// As [`S3::config`], through a proxy.
    #[must_use]
    pub fn config_at(&self, address: SocketAddr) -> S3Config {
        S3Config {
            bucket: BUCKET.into(),
            endpoint: Some(format!("http://{address}")),
            region: "us-east-1".into(),
            access_key: Some(ACCESS_KEY.into()),
            secret_key: Some(SECRET_KEY.to_owned().into()),
            path_style: true,
            checksums_when_required: false,
            timeout_ms: 15_000,
        }
    }

    /// The same as a TOML table, `[blob]` of a node's configuration.
    #[must_use]
    pub fn toml(&self) -> toml::Table {
        self.toml_at(self.address)
    }

    /// As [`S3::toml`], through a proxy.
    #[must_use]
    pub fn toml_at(&self, address: SocketAddr) -> toml::Table {
        toml::toml! {
            kind = "s3"
            bucket = "mail"
            region = "us-east-1"
            access_key = "postrider"
            secret_key = "postrider-secret"
            path_style = true
        }
        .into_iter()
        .chain([("endpoint".to_owned(), format!("http://{address}").into())])
        .collect()
    }
}
