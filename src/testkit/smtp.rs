//! An SMTP, submission and LMTP client that says what it is told.

use crate::Stream;
use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::net::SocketAddr;

/// A reply, all its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The three digits.
    pub code: u16,
    /// The text of each line.
    pub lines: Vec<String>,
}

impl Reply {
    /// Whether it is 2yz.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.code / 100 == 2
    }

    /// The whole as text, for messages.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{} {}", self.code, self.lines.join(" / "))
    }

    fn ok(self) -> Result<Self> {
        ensure!(self.is_ok() || self.code == 334 || self.code == 354, "{}", self.text());
        Ok(self)
    }
}

/// One connection.
pub struct SmtpClient {
    /// The connection, for what no command does.
    pub stream: Stream,
}

impl SmtpClient {
    /// Connects and reads the greeting.
    ///
    /// # Errors
    /// When the server does not greet with 220.
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        Self::greeted(Stream::connect(address).await?).await
    }

    /// As [`SmtpClient::connect`] with TLS from the first octet.
    ///
    /// # Errors
    /// When the server does not greet with 220.
    pub async fn connect_tls(address: SocketAddr) -> Result<Self> {
        Self::greeted(Stream::connect_tls(address).await?).await
    }

    async fn greeted(stream: Stream) -> Result<Self> {
        let mut client = Self { stream };
        client.reply().await?.ok().context("greeting")?;
        Ok(client)
    }

    /// The next reply.
    ///
    /// # Errors
    /// When none comes, or what comes is none.
    pub async fn reply(&mut self) -> Result<Reply> {
        let mut lines = Vec::new();
        loop {
            let line = self.stream.line().await?.context("the server closed the connection")?;
            let line = String::from_utf8_lossy(&line).into_owned();
            let code = line.get(..3).and_then(|code| code.parse().ok());
            let code = code.with_context(|| format!("no reply: {line:?}"))?;
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            match line.as_bytes().get(3) {
                Some(b'-') => {}
                Some(b' ') | None => return Ok(Reply { code, lines }),
                _ => bail!("no reply: {line:?}"),
            }
        }
    }

    /// Sends a line and reads its reply, whatever it is.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn command(&mut self, line: &str) -> Result<Reply> {
        self.stream.send(format!("{line}\r\n").as_bytes()).await?;
        self.reply().await
    }

    /// EHLO.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn ehlo(&mut self) -> Result<Reply> {
        self.command("EHLO client.test").await?.ok()
    }

    /// STARTTLS, the handshake, and EHLO again.
    ///
    /// # Errors
    /// When any of it is refused.
    pub async fn start_tls(&mut self) -> Result<Reply> {
        self.command("STARTTLS").await?.ok()?;
        self.stream.start_tls().await?;
        self.ehlo().await
    }

    /// AUTH PLAIN with an initial response (RFC 4954).
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn auth_plain(&mut self, user: &str, password: &str) -> Result<Reply> {
        let secret = STANDARD.encode(format!("\0{user}\0{password}"));
        self.command(&format!("AUTH PLAIN {secret}")).await
    }

    /// One message: MAIL, RCPT and DATA in one flight (RFC 2920), then the message. Gives the reply that
    /// decides: of MAIL or DATA when refused there, otherwise of the end of data.
    ///
    /// # Errors
    /// When the connection is lost: then nobody promised anything.
    pub async fn send_mail(&mut self, from: &str, to: &[&str], message: &[u8]) -> Result<Reply> {
        self.send_mail_with(from, "", to, message).await
    }

    /// As [`SmtpClient::send_mail`] with parameters of MAIL (` BODY=8BITMIME`).
    ///
    /// # Errors
    /// When the connection is lost: then nobody promised anything.
    pub async fn send_mail_with(
        &mut self,
        from: &str,
        parameters: &str,
        to: &[&str],
        message: &[u8],
    ) -> Result<Reply> {
        let mut flight = format!("MAIL FROM:<{from}>{parameters}\r\n");
        for to in to {
            flight += &format!("RCPT TO:<{to}>\r\n");
        }
        flight += "DATA\r\n";
        self.stream.send(flight.as_bytes()).await?;
        let mail = self.reply().await?;
        let mut refused = None;
        for _ in to {
            let reply = self.reply().await?;
            if !reply.is_ok() {
                refused = Some(reply);
            }
        }
        let data = self.reply().await?;
        if data.code != 354 {
            return Ok(if mail.is_ok() { refused.unwrap_or(data) } else { mail });
        }
        self.stream.send(&stuffed(message)).await?;
        self.reply().await
    }

    /// QUIT.
    ///
    /// # Errors
    /// When the server does not say goodbye.
    pub async fn quit(mut self) -> Result<()> {
        self.command("QUIT").await?.ok().map(|_| ())
    }
}

/// A message as it goes over the wire after DATA: dots doubled, the end marked (RFC 5321 section 4.5.2).
#[must_use]
pub fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(message.len() + 8);
    for line in message.split_inclusive(|b| *b == b'\n') {
        if line.first() == Some(&b'.') {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    if !wire.ends_with(b"\r\n") {
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_doubled() {
        assert_eq!(stuffed(b"a\r\n.\r\n..b\r\n"), b"a\r\n..\r\n...b\r\n.\r\n");
        assert_eq!(stuffed(b"no end"), b"no end\r\n.\r\n");
    }
}
