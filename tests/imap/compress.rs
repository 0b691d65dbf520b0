//! COMPRESS=DEFLATE (RFC 4978) over a socket: the client's side by hand.

use anyhow::{Context, Result, ensure};
use bytes::BytesMut;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use testkit::{Cluster, ClusterOptions, ImapClient, PASSWORD, Stream};

/// A connection on which both sides compress.
struct Compressed {
    stream: Stream,
    compress: Compress,
    expand: Decompress,
    heard: BytesMut,
}

impl Compressed {
    async fn begin(mut client: ImapClient) -> Result<Self> {
        client.command("COMPRESS DEFLATE").await?;
        let compress = Compress::new(Compression::best(), false);
        let expand = Decompress::new(false);
        Ok(Self { stream: client.stream, compress, expand, heard: BytesMut::new() })
    }

    async fn send(&mut self, text: &[u8]) -> Result<()> {
        let mut out = Vec::with_capacity(text.len() + 1_000);
        self.compress.compress_vec(text, &mut out, FlushCompress::Sync)?;
        self.stream.send(&out).await
    }

    /// Everything up to a line that begins so.
    async fn until(&mut self, start: &str) -> Result<String> {
        loop {
            let text = String::from_utf8_lossy(&self.heard).into_owned();
            if text
                .split_inclusive("\r\n")
                .any(|line| line.starts_with(start) && line.ends_with('\n'))
            {
                self.heard.clear();
                return Ok(text);
            }
            ensure!(self.stream.more().await?, "the server closed after {text}");
            let raw = self.stream.take(self.stream.buffer().len());
            let mut at = 0;
            while at < raw.len() {
                let mut out = Vec::with_capacity(64 * 1024);
                let before = self.expand.total_in();
                self.expand.decompress_vec(&raw[at..], &mut out, FlushDecompress::None)?;
                at += (self.expand.total_in() - before) as usize;
                self.heard.extend_from_slice(&out);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_both_ways() -> Result<()> {
    let cluster = Cluster::start_with(1, ClusterOptions::default()).await?;
    let anna = cluster.account("anna")?;
    let node = cluster.nodes[0].imap()?;
    let client = ImapClient::login(node, &anna, PASSWORD).await?;
    let mut client = Compressed::begin(client).await?;
    let body = "All work and no play makes Jack a dull boy.\r\n".repeat(20_000);
    let message = format!("Subject: long\r\n\r\n{body}");
    let append =
        format!("a APPEND INBOX {{{}+}}\r\n{message}\r\nb SELECT INBOX\r\n", message.len());
    client.send(append.as_bytes()).await?;
    let answer = client.until("b OK").await?;
    ensure!(answer.contains("* 1 EXISTS"), "{answer}");
    // Longer than a compressor is kept.
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    client.send(b"c FETCH 1 (UID BODY.PEEK[])\r\nd COMPRESS DEFLATE\r\n").await?;
    let answer = client.until("d NO [COMPRESSIONACTIVE]").await?;
    ensure!(answer.contains(&message), "the message comes back");
    // RFC 8437: UNAUTHENTICATE keeps the layers and forgets the rest.
    client.send(b"e ENABLE CONDSTORE\r\nf UNAUTHENTICATE\r\ng SELECT INBOX\r\n").await?;
    client.until("g BAD").await?;
    client.send(format!("h LOGIN {anna} \"{PASSWORD}\"\r\ni SELECT INBOX\r\n").as_bytes()).await?;
    client.until("i OK").await?;
    client.send(b"j FETCH 1 (FLAGS)\r\n").await?;
    let answer = client.until("j OK").await?;
    ensure!(!answer.contains("MODSEQ"), "CONDSTORE was forgotten: {answer}");
    cluster.check().await
}

/// Some 64 KiB that are 64 MiB: what they expand to is a line that is too long, and no more than a line of it is ever
/// in memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_is_a_long_line() -> Result<()> {
    let cluster = Cluster::start_with(1, ClusterOptions::default()).await?;
    let anna = cluster.account("anna")?;
    let client = ImapClient::login(cluster.nodes[0].imap()?, &anna, PASSWORD).await?;
    let mut client = Compressed::begin(client).await?;
    let mut bomb = Vec::with_capacity(1 << 20);
    client.compress.compress_vec(&vec![b'x'; 64 << 20], &mut bomb, FlushCompress::Sync)?;
    ensure!(bomb.len() < 100_000, "{}", bomb.len());
    client.stream.send(&bomb).await?;
    let answer = client.until("* BYE").await.context("a BYE")?;
    ensure!(answer.contains("* BYE A line without an end"), "{answer}");
    // What is no deflate at all ends the connection, and only that.
    let client = ImapClient::login(cluster.nodes[0].imap()?, &anna, PASSWORD).await?;
    let mut client = Compressed::begin(client).await?;
    client.stream.send(b"\xff\xff\xff\xff a NOOP\r\n").await?;
    while client.stream.more().await? {}
    ImapClient::login(cluster.nodes[0].imap()?, &anna, PASSWORD).await?.logout().await
}
