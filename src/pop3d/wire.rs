//! The socket's side: output leaves in pieces, no write takes for ever.

use bytes::{Buf, BytesMut};
use directory::Channel;
use net::{Stream, Tls};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Output is sent when it has grown to this; half of what a session may hold unsent.
const SEND_AT: usize = 32 * 1024;
/// What a session holds to read into: commands are short. A buffer larger than this is given back when it is empty.
const ROOM: usize = 1024;
/// Longest wait for the end of a connection that we closed.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// A client's connection.
pub(crate) struct Wire {
    /// `None` only after a failed handshake.
    stream: Option<Stream>,
    patience: Duration,
}

fn over() -> io::Error {
    io::Error::from(io::ErrorKind::NotConnected)
}

impl Wire {
    pub(crate) fn new(stream: Stream, patience: Duration) -> Self {
        Self { stream: Some(stream), patience }
    }

    /// Where the client comes from, and what its connection proves.
    pub(crate) fn channel(&self) -> io::Result<Channel> {
        self.stream.as_ref().map(Channel::of).ok_or_else(over)
    }

    /// Sends all of the output. Each write that makes no progress has the whole patience.
    pub(crate) async fn send(&mut self, out: &mut BytesMut) -> io::Result<()> {
        let stream = self.stream.as_mut().ok_or_else(over)?;
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        while !out.is_empty() {
            let sent =
                tokio::time::timeout(self.patience, stream.write(out)).await.map_err(late)??;
            if sent == 0 {
                return Err(io::Error::from(io::ErrorKind::WriteZero));
            }
            out.advance(sent);
        }
        tokio::time::timeout(self.patience, stream.flush()).await.map_err(late)?
    }

    /// Sends the output if it has grown enough.
    pub(crate) async fn send_some(&mut self, out: &mut BytesMut) -> io::Result<()> {
        if out.len() < SEND_AT {
            return Ok(());
        }
        self.send(out).await
    }

    /// Reads what has come; 0: the client is gone. Cancel-safe.
    pub(crate) async fn receive(&mut self, input: &mut BytesMut) -> io::Result<usize> {
        input.reserve(ROOM);
        self.stream.as_mut().ok_or_else(over)?.read_buf(input).await
    }

    pub(crate) async fn start_tls(&mut self, tls: &Tls) -> io::Result<()> {
        let stream = self.stream.take().ok_or_else(over)?;
        self.stream = Some(stream.start_tls(tls).await?);
        Ok(())
    }

    pub(crate) async fn close(&mut self) {
        if let Some(mut stream) = self.stream.take() {
            let _ = tokio::time::timeout(CLOSE_PATIENCE, stream.shutdown()).await;
        }
    }
}

/// Gives a buffer's memory back while there is nothing in it.
pub(crate) fn shrink(buffer: &mut BytesMut) {
    if buffer.is_empty() && buffer.capacity() > ROOM {
        *buffer = BytesMut::new();
    }
}
