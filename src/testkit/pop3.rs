//! A POP3 client that says what it is told.

use crate::Stream;
use anyhow::{Context, Result, ensure};
use std::net::SocketAddr;

/// One connection.
pub struct Pop3Client {
    /// The connection, for what no command does.
    pub stream: Stream,
}

impl Pop3Client {
    /// Connects with TLS from the first octet and reads the greeting.
    ///
    /// # Errors
    /// When the server does not greet with +OK.
    pub async fn connect_tls(address: SocketAddr) -> Result<Self> {
        let mut client = Self { stream: Stream::connect_tls(address).await? };
        let greeting = client.line().await?;
        ensure!(greeting.starts_with("+OK "), "greeted with {greeting}");
        Ok(client)
    }

    /// Connects with TLS and logs in with USER and PASS.
    ///
    /// # Errors
    /// When it is refused; the answer is the error's text.
    pub async fn login(address: SocketAddr, user: &str, password: &str) -> Result<Self> {
        let mut client = Self::connect_tls(address).await?;
        client.ok(&format!("USER {user}")).await?;
        client.ok(&format!("PASS {password}")).await?;
        Ok(client)
    }

    /// The next line.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn line(&mut self) -> Result<String> {
        let line = self.stream.line().await?.context("the server closed the connection")?;
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// Sends a command and gives the first line of the answer.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn command(&mut self, command: &str) -> Result<String> {
        self.stream.send(format!("{command}\r\n").as_bytes()).await?;
        self.line().await
    }

    /// As [`Pop3Client::command`]; what stands behind +OK.
    ///
    /// # Errors
    /// When it is not +OK; the answer is the error's text.
    pub async fn ok(&mut self, command: &str) -> Result<String> {
        let answer = self.command(command).await?;
        let text = answer.strip_prefix("+OK").map(|text| text.trim_start().to_owned());
        text.with_context(|| answer)
    }

    /// Sends a command whose answer has more lines, and gives them, dots removed.
    ///
    /// # Errors
    /// As [`Pop3Client::ok`].
    pub async fn lines(&mut self, command: &str) -> Result<Vec<String>> {
        self.ok(command).await?;
        let mut lines = Vec::new();
        loop {
            let line = self.line().await?;
            if line == "." {
                return Ok(lines);
            }
            lines.push(line.strip_prefix('.').unwrap_or(&line).to_owned());
        }
    }

    /// QUIT: +OK, and the end of the connection.
    ///
    /// # Errors
    /// When it is anything else.
    pub async fn quit(mut self) -> Result<()> {
        self.ok("QUIT").await?;
        self.stream.expect_close().await
    }
}
