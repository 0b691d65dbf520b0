//! An IMAP client that says what it is told. A response is handed out whole, literals included.

use crate::Stream;
use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use std::net::SocketAddr;
use std::time::Duration;

/// Largest response taken.
const LARGEST: usize = 256 << 20;

/// One connection.
pub struct ImapClient {
    /// The connection, for what no command does.
    pub stream: Stream,
    tag: u32,
}

impl ImapClient {
    /// Connects and reads the greeting.
    ///
    /// # Errors
    /// When the server does not greet with OK.
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        Self::greeted(Stream::connect(address).await?).await
    }

    /// As [`ImapClient::connect`] with TLS from the first octet.
    ///
    /// # Errors
    /// When the server does not greet with OK.
    pub async fn connect_tls(address: SocketAddr) -> Result<Self> {
        Self::greeted(Stream::connect_tls(address).await?).await
    }

    /// On a connection that stands already: reads the greeting.
    ///
    /// # Errors
    /// When the server does not greet with OK.
    pub async fn greeted(stream: Stream) -> Result<Self> {
        let mut client = Self { stream, tag: 0 };
        let greeting = client.response().await?;
        ensure!(greeting.starts_with(b"* OK"), "greeted with {}", show(&greeting));
        Ok(client)
    }

    /// Connects, begins TLS with STARTTLS and logs in.
    ///
    /// # Errors
    /// When any of it is refused.
    pub async fn login(address: SocketAddr, user: &str, password: &str) -> Result<Self> {
        let mut client = Self::connect(address).await?;
        client.command("STARTTLS").await?;
        client.stream.start_tls().await?;
        client.command(&format!("LOGIN \"{user}\" \"{password}\"")).await?;
        Ok(client)
    }

    /// Selects a mailbox and tells how many messages it has.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn select(&mut self, mailbox: &str) -> Result<u32> {
        let answers = self.command(&format!("SELECT \"{mailbox}\"")).await?;
        answers.iter().find_map(|answer| number_before(answer, b" EXISTS")).context("no EXISTS")
    }

    /// Sends a command and keeps its untagged responses.
    ///
    /// # Errors
    /// When it is not answered with OK; the answer is the error's text.
    pub async fn command(&mut self, command: &str) -> Result<Vec<Bytes>> {
        let (answers, end) = self.try_command(command).await?;
        ensure!(end.starts_with("OK"), "{}: {end}", command.chars().take(60).collect::<String>());
        Ok(answers)
    }

    /// Sends a command; gives its untagged responses and its tagged one without the tag (`NO [LIMIT] …`).
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn try_command(&mut self, command: &str) -> Result<(Vec<Bytes>, String)> {
        let tag = self.send(command).await?;
        self.finish(&tag).await
    }

    /// Collects responses until the tagged one.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn finish(&mut self, tag: &str) -> Result<(Vec<Bytes>, String)> {
        let mut answers = Vec::new();
        loop {
            let answer = self.response().await?;
            let Some(end) =
                answer.strip_prefix(tag.as_bytes()).and_then(|rest| rest.strip_prefix(b" "))
            else {
                answers.push(answer);
                continue;
            };
            return Ok((answers, String::from_utf8_lossy(end).into_owned()));
        }
    }

    /// APPEND with a synchronising literal. Gives the tagged response without the tag.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn append(
        &mut self,
        mailbox: &str,
        arguments: &str,
        message: &[u8],
    ) -> Result<String> {
        let tag =
            self.send(&format!("APPEND \"{mailbox}\" {arguments}{{{}}}", message.len())).await?;
        let answer = self.response().await?;
        if !answer.starts_with(b"+") {
            let text = String::from_utf8_lossy(&answer).into_owned();
            return Ok(text.strip_prefix(&format!("{tag} ")).unwrap_or(&text).to_owned());
        }
        self.stream.send(message).await?;
        self.stream.send(b"\r\n").await?;
        Ok(self.finish(&tag).await?.1)
    }

    /// Begins IDLE (RFC 2177); [`ImapClient::response`] then gives the notices. The tag is for the end.
    ///
    /// # Errors
    /// When the server does not go along.
    pub async fn idle(&mut self) -> Result<String> {
        let tag = self.send("IDLE").await?;
        let answer = self.response().await?;
        ensure!(answer.starts_with(b"+"), "IDLE: {}", show(&answer));
        Ok(tag)
    }

    /// Ends IDLE and gives what came meanwhile.
    ///
    /// # Errors
    /// When it does not end with OK.
    pub async fn done(&mut self, tag: &str) -> Result<Vec<Bytes>> {
        self.stream.send(b"DONE\r\n").await?;
        let (answers, end) = self.finish(tag).await?;
        ensure!(end.starts_with("OK"), "IDLE ended with {end}");
        Ok(answers)
    }

    /// Within IDLE: waits for a response that satisfies `wanted`, for at most so long.
    ///
    /// # Errors
    /// When none comes.
    pub async fn notice(
        &mut self,
        patience: Duration,
        mut wanted: impl FnMut(&[u8]) -> bool,
    ) -> Result<Bytes> {
        let wait = async {
            loop {
                let answer = self.response().await?;
                if wanted(&answer) {
                    return Ok(answer);
                }
            }
        };
        tokio::time::timeout(patience, wait).await.context("no such notice in time")?
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
        let tag = format!("t{}", self.tag);
        self.stream.send(format!("{tag} {command}\r\n").as_bytes()).await?;
        Ok(tag)
    }

    /// The next response, without its last CRLF. Cancel-safe.
    ///
    /// # Errors
    /// When none comes, or the server closes.
    pub async fn response(&mut self) -> Result<Bytes> {
        let mut progress = Progress::default();
        loop {
            if let Some(length) = progress.response(self.stream.buffer()) {
                let mut answer = self.stream.take(length);
                answer.truncate(length - 2);
                return Ok(answer);
            }
            ensure!(self.stream.buffer().len() <= LARGEST, "a response of over {LARGEST} octets");
            if !self.stream.more().await? {
                bail!("the server closed the connection after {:?}", show(self.stream.buffer()));
            }
        }
    }
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
