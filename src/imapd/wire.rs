//! The socket's side: output leaves in pieces, no write takes for ever.

mod deflate;

use bytes::{Buf, BytesMut};
use deflate::Deflate;
use directory::Channel;
use net::{Presence, Stream, Tls};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Output is sent when it has grown to this; half of what a session may hold unsent.
const SEND_AT: usize = 32 * 1024;
/// Octets read at a time from a client that sends much.
const READ: usize = 16 * 1024;
/// What a waiting session holds to read into; a buffer larger than this is given back when it is empty.
const KEEP: usize = 1024;

/// A compressed connection over which nothing comes for so long gives its compressor back.
const COOL_AFTER: Duration = Duration::from_secs(1);

/// A client's connection.
pub(crate) struct Wire {
    /// `None` only after a failed handshake.
    stream: Option<Stream>,
    patience: Duration,
    /// The last read filled its room: more is likely to follow.
    much: bool,
    /// The client asked for COMPRESS.
    deflate: Option<Box<Deflate>>,
}

fn over() -> io::Error {
    io::Error::from(io::ErrorKind::NotConnected)
}

impl Wire {
    pub(crate) fn new(stream: Stream, patience: Duration) -> Self {
        Self { stream: Some(stream), patience, much: false, deflate: None }
    }

    /// Where the client comes from, and what its connection proves.
    pub(crate) fn channel(&self) -> io::Result<Channel> {
        self.stream.as_ref().map(Channel::of).ok_or_else(over)
    }

    /// Whether the client is still there, as far as the socket has heard.
    pub(crate) fn presence(&self) -> Presence {
        self.stream.as_ref().map_or(Presence::Gone, Stream::presence)
    }

    /// Sends all of the output. Each write that makes no progress has the whole patience.
    pub(crate) async fn send(&mut self, out: &mut BytesMut) -> io::Result<()> {
        let patience = self.patience;
        let stream = self.stream.as_mut().ok_or_else(over)?;
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        let out = match &mut self.deflate {
            Some(deflate) if !out.is_empty() => {
                deflate.compress(out)?;
                &mut deflate.ready
            }
            _ => out,
        };
        while !out.is_empty() {
            let sent = tokio::time::timeout(patience, stream.write(out)).await.map_err(late)??;
            if sent == 0 {
                return Err(io::Error::from(io::ErrorKind::WriteZero));
            }
            out.advance(sent);
        }
        tokio::time::timeout(patience, stream.flush()).await.map_err(late)??;
        Ok(())
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
        if self.deflate.is_some() {
            return Box::pin(self.receive_compressed(input)).await;
        }
        let room = if self.much { READ.saturating_sub(input.len()).max(KEEP) } else { KEEP };
        let stream = self.stream.as_mut().ok_or_else(over)?;
        let read = read_lightly(stream, input, room).await?;
        self.much = input.len() == input.capacity();
        Ok(read)
    }

    async fn receive_compressed(&mut self, input: &mut BytesMut) -> io::Result<usize> {
        let stream = self.stream.as_mut().ok_or_else(over)?;
        let deflate = self.deflate.as_mut().ok_or_else(over)?;
        loop {
            while !deflate.is_hungry() {
                match deflate.expand(input)? {
                    None => return Ok(0),
                    Some(0) => {}
                    Some(made) => return Ok(made),
                }
            }
            deflate.raw.reserve(KEEP);
            let warm = deflate.is_warm();
            let read = stream.read_buf(&mut deflate.raw);
            let read = if warm {
                match tokio::time::timeout(COOL_AFTER, read).await {
                    Ok(read) => read?,
                    Err(_) => {
                        deflate.cool();
                        continue;
                    }
                }
            } else {
                read.await?
            };
            if read == 0 {
                return Ok(0);
            }
        }
    }

    /// From now on everything is compressed, what is in the input already included.
    pub(crate) fn start_compression(&mut self, input: &mut BytesMut) {
        self.deflate = Some(Box::new(Deflate::new(input.split())));
    }

    pub(crate) async fn start_tls(&mut self, tls: &Tls) -> io::Result<()> {
        let stream = self.stream.take().ok_or_else(over)?;
        self.stream = Some(stream.start_tls(tls).await?);
        Ok(())
    }

    pub(crate) async fn close(&mut self) {
        if let Some(mut stream) = self.stream.take() {
            let _ = tokio::time::timeout(Duration::from_secs(5), stream.shutdown()).await;
        }
    }
}

/// Reads with this much room, which is there only while something is read: who waits holds none.
async fn read_lightly(stream: &mut Stream, into: &mut BytesMut, room: usize) -> io::Result<usize> {
    poll_fn(|context| {
        into.reserve(room);
        let polled = pin!(stream.read_buf(into)).poll(context);
        if polled.is_pending() && into.is_empty() {
            *into = BytesMut::new();
        }
        polled
    })
    .await
}
