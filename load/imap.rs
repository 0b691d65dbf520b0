//! An IMAP client that does as little as possible. A response is handed out whole, literals included.

use anyhow::{Context, Result, bail};
use bytes::{Buf, Bytes, BytesMut};
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest wait for more octets.
const PATIENCE: Duration = Duration::from_secs(60);
/// Largest response taken.
const LARGEST: usize = 256 << 20;

/// What octets go over, plain or not.
trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// One connection.
pub struct Imap {
    stream: Box<dyn Socket>,
    buffer: BytesMut,
    tag: u32,
}

impl Imap {
    /// Connects and reads the greeting.
    ///
    /// # Errors
    /// When the server does not greet.
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        Self::greeted(Box::new(tcp(address).await?)).await
    }

    /// Connects with TLS from the first octet, and reads the greeting.
    ///
    /// # Errors
    /// When the server does not greet.
    pub async fn connect_tls(address: SocketAddr) -> Result<Self> {
        let name = ServerName::try_from("localhost").context("a name")?;
        let tls = testkit::trusting_tls()?.connect(name, tcp(address).await?);
        Self::greeted(Box::new(tokio::time::timeout(PATIENCE, tls).await.context("TLS")??)).await
    }

    async fn greeted(stream: Box<dyn Socket>) -> Result<Self> {
        let mut client = Self { stream, buffer: BytesMut::with_capacity(64 << 10), tag: 0 };
        let greeting = client.next().await?;
        if !greeting.starts_with(b"* OK") {
            bail!("greeted with {}", show(&greeting));
        }
        Ok(client)
    }

    /// Connects and logs in.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn login(address: SocketAddr, user: &str, password: &str) -> Result<Self> {
        Self::connect(address).await?.logged_in(user, password).await
    }

    /// The same connection, logged in.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn logged_in(mut self, user: &str, password: &str) -> Result<Self> {
        self.command(&format!("LOGIN \"{user}\" \"{password}\"")).await?;
        Ok(self)
    }

    /// Selects a mailbox and tells how many messages it has.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn select(&mut self, mailbox: &str) -> Result<u32> {
        let answers = self.command(&format!("SELECT {mailbox}")).await?;
        answers.iter().find_map(|answer| number_before(answer, b" EXISTS")).context("no EXISTS")
    }

    /// How many messages a mailbox has.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn count(&mut self, mailbox: &str) -> Result<u32> {
        let answers = self.command(&format!("STATUS {mailbox} (MESSAGES)")).await?;
        let answer = answers.first().context("no STATUS")?;
        let at = memchr::memmem::find(answer, b"(MESSAGES ").context("no MESSAGES")? + 10;
        let digits = answer[at..].split(|c| !c.is_ascii_digit()).next().unwrap_or_default();
        Ok(std::str::from_utf8(digits)?.parse()?)
    }

    /// Sends a command and keeps its untagged responses.
    ///
    /// # Errors
    /// When it is not answered with OK.
    pub async fn command(&mut self, command: &str) -> Result<Vec<Bytes>> {
        let mut answers = Vec::new();
        self.command_with(command, |answer| answers.push(answer)).await?;
        Ok(answers)
    }

    /// Sends a command and hands out its untagged responses as they come.
    ///
    /// # Errors
    /// When it is not answered with OK.
    pub async fn command_with(&mut self, command: &str, mut each: impl FnMut(Bytes)) -> Result<()> {
        let tag = self.send(command).await?;
        loop {
            let answer = self.next().await?;
            if answer.starts_with(b"* ") {
                each(answer);
            } else {
                return tagged(&answer, &tag)
                    .with_context(|| command.chars().take(60).collect::<String>());
            }
        }
    }

    /// APPEND with a non-synchronising literal (RFC 7888).
    ///
    /// # Errors
    /// When it is not answered with OK.
    pub async fn append(&mut self, mailbox: &str, header: &[u8], body: &[u8]) -> Result<()> {
        self.tag += 1;
        let tag = format!("a{}", self.tag);
        let size = header.len() + body.len();
        let command = format!("{tag} APPEND {mailbox} {{{size}+}}\r\n");
        self.write(&[command.as_bytes(), header, body, b"\r\n"].concat()).await?;
        loop {
            let answer = self.next().await?;
            if !answer.starts_with(b"* ") {
                return tagged(&answer, &tag).context("APPEND");
            }
        }
    }

    /// Begins IDLE (RFC 2177); [`Imap::next`] then gives the notices.
    ///
    /// # Errors
    /// When the server does not go along.
    pub async fn idle(&mut self) -> Result<()> {
        self.send("IDLE").await?;
        let answer = self.next().await?;
        if answer.starts_with(b"+") { Ok(()) } else { bail!("IDLE: {}", show(&answer)) }
    }

    /// Ends IDLE.
    ///
    /// # Errors
    /// When the server does not say OK.
    pub async fn done(&mut self) -> Result<()> {
        self.write(b"DONE\r\n").await?;
        let tag = format!("a{}", self.tag);
        loop {
            let answer = self.next().await?;
            if !answer.starts_with(b"* ") {
                return tagged(&answer, &tag).context("DONE");
            }
        }
    }

    /// Says goodbye and waits for the answer.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn logout(mut self) -> Result<()> {
        self.command("LOGOUT").await.map(|_| ())
    }

    /// Sends a command without waiting for an answer and returns its tag.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn send(&mut self, command: &str) -> Result<String> {
        self.tag += 1;
        let tag = format!("a{}", self.tag);
        self.write(format!("{tag} {command}\r\n").as_bytes()).await?;
        Ok(tag)
    }

    async fn write(&mut self, octets: &[u8]) -> Result<()> {
        let work = self.stream.write_all(octets);
        tokio::time::timeout(PATIENCE, work).await.context("the server takes nothing")??;
        Ok(())
    }

    /// The next response.
    ///
    /// # Errors
    /// When none comes in time.
    pub async fn next(&mut self) -> Result<Bytes> {
        self.next_for(PATIENCE).await
    }

    /// The next response, waiting for as long as given.
    ///
    /// # Errors
    /// When none comes in time.
    pub async fn next_for(&mut self, patience: Duration) -> Result<Bytes> {
        let mut progress = Progress::default();
        loop {
            if let Some(length) = progress.response(&self.buffer) {
                let answer = self.buffer.split_to(length - 2).freeze();
                self.buffer.advance(2);
                return Ok(answer);
            }
            if self.buffer.len() > LARGEST {
                bail!("a response of more than {LARGEST} octets");
            }
            self.buffer.reserve(64 << 10);
            let read = tokio::time::timeout(patience, self.stream.read_buf(&mut self.buffer));
            if read.await.context("no answer in time")?? == 0 {
                bail!("the server closed the connection");
            }
        }
    }
}

async fn tcp(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// How far a response has been looked at.
#[derive(Default)]
struct Progress {
    /// Where the current line begins (after the last literal).
    line: usize,
    /// Nothing before this is a line end.
    searched: usize,
}

impl Progress {
    /// Octets of the first response in `buffer`, when it is complete.
    fn response(&mut self, buffer: &[u8]) -> Option<usize> {
        while self.searched < buffer.len() {
            let Some(at) = memchr::memchr(b'\n', &buffer[self.searched..]) else {
                self.searched = buffer.len();
                return None;
            };
            let end = self.searched + at + 1;
            let Some(octets) = literal_size(&buffer[self.line..end]) else { return Some(end) };
            self.line = end + octets;
            self.searched = self.line;
        }
        None
    }
}

/// The size of the literal that a line announces.
fn literal_size(line: &[u8]) -> Option<usize> {
    let digits = line.strip_suffix(b"}\r\n")?;
    let open = memchr::memrchr(b'{', digits)?;
    std::str::from_utf8(&digits[open + 1..]).ok()?.parse().ok()
}

/// The first literal of a response.
#[must_use]
pub fn literal(answer: &Bytes) -> Option<Bytes> {
    let end = memchr::memmem::find(answer, b"}\r\n")? + 3;
    let size = literal_size(&answer[..end])?;
    (answer.len() >= end + size).then(|| answer.slice(end..end + size))
}

/// The number in `* <number><word>`.
#[must_use]
pub fn number_before(answer: &[u8], word: &[u8]) -> Option<u32> {
    std::str::from_utf8(answer.strip_prefix(b"* ")?.strip_suffix(word)?).ok()?.parse().ok()
}

fn tagged(answer: &[u8], tag: &str) -> Result<()> {
    let rest = answer.strip_prefix(tag.as_bytes()).unwrap_or(b"");
    if rest.starts_with(b" OK") { Ok(()) } else { bail!("answered {}", show(answer)) }
}

fn show(answer: &[u8]) -> String {
    String::from_utf8_lossy(&answer[..answer.len().min(200)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_end_where_they_end() {
        let whole = b"* 1 FETCH (BODY[] {5}\r\na\nb\r\n UID 7)\r\n* 2 EXISTS\r\n";
        for cut in 0..whole.len() {
            let mut progress = Progress::default();
            let early = progress.response(&whole[..cut]);
            assert_eq!(early, (cut >= 37).then_some(37));
            assert_eq!(early.or_else(|| progress.response(whole)), Some(37));
        }
        let answer = Bytes::from_static(&whole[..35]);
        assert_eq!(literal(&answer).unwrap(), "a\nb\r\n");
        assert_eq!(number_before(b"* 2 EXISTS", b" EXISTS"), Some(2));
    }
}
