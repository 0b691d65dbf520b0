//! An SMTP and LMTP client that does as little as possible: the server is what is measured.

use crate::mix::Message;
use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Longest wait for one reply: a stuck server fails the run instead of holding it.
const PATIENCE: Duration = Duration::from_secs(60);

/// One connection after EHLO (or LHLO).
pub struct Smtp {
    stream: BufReader<TcpStream>,
    line: String,
}

impl Smtp {
    /// Connects and greets.
    ///
    /// # Errors
    /// When the server does not answer as it should.
    pub async fn connect(address: SocketAddr, greeting: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut client = Self { stream: BufReader::new(stream), line: String::new() };
        client.expect('2').await.context("greeting")?;
        client.send(&[format!("{greeting} load.example\r\n").as_bytes()]).await?;
        client.expect('2').await.context("EHLO")?;
        Ok(client)
    }

    /// One message to some recipients, pipelined (RFC 2920). Returns when the server has answered for the
    /// message: the time from the first command to then, and when that was.
    ///
    /// # Errors
    /// When anything but success is answered.
    pub async fn deliver(&mut self, message: &Message, to: &[&str]) -> Result<(Duration, Instant)> {
        let begun = Instant::now();
        let mut envelope =
            format!("MAIL FROM:<sender@load.example> SIZE={} BODY=8BITMIME\r\n", message.len());
        for recipient in to {
            envelope += &format!("RCPT TO:<{recipient}>\r\n");
        }
        envelope += "DATA\r\n";
        self.send(&[envelope.as_bytes()]).await?;
        for _ in 0..=to.len() {
            self.expect('2').await.context("envelope")?;
        }
        self.expect('3').await.context("DATA")?;
        self.send(&[&message.header, &message.body, b".\r\n"]).await?;
        self.expect('2').await.context("end of data")?;
        let answered = Instant::now();
        Ok((answered - begun, answered))
    }

    /// Says goodbye.
    ///
    /// # Errors
    /// When the connection is lost before the answer.
    pub async fn quit(mut self) -> Result<()> {
        self.send(&[b"QUIT\r\n"]).await?;
        self.expect('2').await
    }

    async fn send(&mut self, pieces: &[&[u8]]) -> Result<()> {
        let stream = self.stream.get_mut();
        let work = async {
            if let [piece] = pieces {
                return stream.write_all(piece).await;
            }
            stream.write_all(&pieces.concat()).await
        };
        tokio::time::timeout(PATIENCE, work).await.context("the server takes nothing")??;
        Ok(())
    }

    async fn expect(&mut self, class: char) -> Result<()> {
        loop {
            self.line.clear();
            let read = tokio::time::timeout(PATIENCE, self.stream.read_line(&mut self.line));
            if read.await.context("no reply in time")?? == 0 {
                bail!("the server closed the connection");
            }
            if self.line.as_bytes().get(3) == Some(&b'-') {
                continue;
            }
            if !self.line.starts_with(class) {
                bail!("answered {}", self.line.trim_end());
            }
            return Ok(());
        }
    }
}
