//! Redis with throwaway data.

use crate::process::{Daemon, folder, free_port};
use crate::until;
use anyhow::{Context, Result, ensure};
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The server.
pub struct Redis {
    folder: TempDir,
    port: u16,
    daemon: Option<Daemon>,
}

impl Redis {
    /// Starts one, empty.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start() -> Result<Self> {
        let mut redis = Self { folder: folder()?, port: free_port()?, daemon: None };
        redis.up().await?;
        Ok(redis)
    }

    /// Starts it (again), empty, on the same port.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn up(&mut self) -> Result<()> {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.args(["--port", &self.port.to_string()]).arg("--dir").arg(self.folder.path());
        let log = self.folder.path().join("redis.log");
        let mut daemon = Daemon::start("Redis", &mut command, &log, false)?;
        until("Redis answers", async || {
            (daemon.ended().is_some() || self.command("PING").await.is_ok()).then_some(())
        })
        .await?;
        daemon.check()?;
        self.daemon = Some(daemon);
        Ok(())
    }

    /// Sends an inline command and gives the first line of the answer.
    ///
    /// # Errors
    /// When Redis does not answer, or with an error.
    pub async fn command(&self, command: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.address()).await?;
        stream.write_all(format!("{command}\r\n").as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n") {
            ensure!(stream.read_buf(&mut answer).await? > 0, "Redis closed the connection");
        }
        ensure!(answer.first() != Some(&b'-'), "{}", String::from_utf8_lossy(&answer));
        let line = answer.split(|b| *b == b'\r').next().unwrap_or_default();
        Ok(String::from_utf8_lossy(line).into_owned())
    }

    /// The process, for signals and figures.
    ///
    /// # Errors
    /// When it was killed.
    pub fn daemon(&mut self) -> Result<&mut Daemon> {
        self.daemon.as_mut().context("Redis is not running")
    }

    /// SIGKILL; [`Redis::up`] starts it again with nothing of what it had.
    pub fn kill(&mut self) {
        self.daemon = None;
    }

    /// Is lost, and a replica takes its place and port that lacks the writes of so long.
    ///
    /// # Errors
    /// When the replica does not come up or does not get what there is.
    pub async fn fail_over(&mut self, lacks: Duration) -> Result<()> {
        let mut replica = Self::start().await?;
        replica.command(&format!("REPLICAOF {} {}", self.address().ip(), self.port)).await?;
        until("the replica has everything", async || {
            let acknowledged = self.command("WAIT 1 1000").await.ok()?;
            (acknowledged == ":1").then_some(())
        })
        .await?;
        replica.command("REPLICAOF NO ONE").await?;
        tokio::time::sleep(lacks).await;
        self.kill();
        until("the replica has the port", async || {
            replica.command(&format!("CONFIG SET port {}", self.port)).await.ok()
        })
        .await?;
        replica.port = self.port;
        *self = replica;
        Ok(())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// How a node reaches it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }
}
