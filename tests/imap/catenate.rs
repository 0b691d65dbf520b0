//! CATENATE (RFC 4469) of large pieces, and what 8-bit header fields come to (RFC 6855) where an operator says so.

use super::quota::told;
use anyhow::{Result, ensure};
use testkit::{Cluster, ClusterOptions, ImapClient, PASSWORD};

/// Above what a node has when it is at rest: less than what is put together.
const ROOM_KIB: u64 = 24 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn large_pieces_stream() -> Result<()> {
    let options = ClusterOptions {
        settings: vec![("imap.max_message_bytes".into(), (24 << 20).into())],
        ..Default::default()
    };
    let mut cluster = Cluster::start_with(1, options).await?;
    let anna = cluster.account("anna")?;
    let node = &mut cluster.nodes[0];
    let mut client = ImapClient::login(node.imap()?, &anna, PASSWORD).await?;
    let line = "0123456789abcdef".repeat(4);
    let body: String = (0..80_000).map(|n| format!("{n:07}{line}\r\n")).collect();
    let message = format!("Subject: large\r\n\r\n{body}");
    let answer = client.append("INBOX", "", message.as_bytes()).await?;
    ensure!(answer.starts_with("OK"), "{answer}");
    let before = node.daemon().resident_kib();
    // Three times the body of 5.8 MB
    let text = "URL /INBOX/;UID=1/;SECTION=TEXT";
    let command = format!(
        "APPEND INBOX CATENATE (TEXT {{22+}}\r\nSubject: assembled\r\n\r\n {text} {text} {text})"
    );
    let answer = told(&mut client, &command).await?;
    ensure!(answer.starts_with("OK [APPENDUID"), "{answer}");
    let most = node.daemon().resident_kib();
    client.select("INBOX").await?;
    let size = 22 + 3 * body.len();
    let answer = told(&mut client, "UID FETCH 2 (RFC822.SIZE)").await?;
    ensure!(answer.contains(&format!("RFC822.SIZE {size})")), "{answer}");
    for part in 0..3 {
        let start = 22 + part * body.len();
        let answer =
            told(&mut client, &format!("UID FETCH 2 BODY.PEEK[]<{start}.{}>", body.len())).await?;
        ensure!(answer.contains(&body), "part {part} is what it was");
    }
    ensure!(most < before + ROOM_KIB, "{before} KiB before, {most} KiB after");
    // Five times is more than a message may have: nothing is stored, and the session goes on.
    let command = format!("APPEND INBOX CATENATE ({text} {text} {text} {text} {text})");
    let answer = told(&mut client, &command).await?;
    ensure!(answer.starts_with("NO [TOOBIG]"), "{answer}");
    let answer = told(&mut client, "STATUS INBOX (MESSAGES UIDNEXT)").await?;
    ensure!(answer.contains("(MESSAGES 2 UIDNEXT 3)"), "{answer}");
    // As many parts as one message may have, and one more.
    let parts = vec!["URL /INBOX/;UID=1/;SECTION=HEADER"; 257].join(" ");
    let answer = told(&mut client, &format!("APPEND INBOX CATENATE ({parts})")).await?;
    ensure!(answer.starts_with("NO [LIMIT]"), "{answer}");
    cluster.check().await
}

#[tokio::test(flavor = "multi_thread")]
async fn old_mail_can_be_moved_here() -> Result<()> {
    let options = ClusterOptions {
        settings: vec![("imap.utf8_accept".into(), false.into())],
        ..Default::default()
    };
    let cluster = Cluster::start_with(1, options).await?;
    let anna = cluster.account("anna")?;
    let mut client = ImapClient::login(cluster.nodes[0].imap()?, &anna, PASSWORD).await?;
    let answer = told(&mut client, "CAPABILITY").await?;
    ensure!(!answer.contains("UTF8"), "{answer}");
    let answer = client.append("INBOX", "", b"Subject: Gr\xfc\xdfe\r\n\r\nx").await?;
    ensure!(answer.starts_with("OK"), "{answer}");
    let answer = told(&mut client, "ENABLE UTF8=ACCEPT").await?;
    ensure!(answer.starts_with("* ENABLED\nOK"), "{answer}");
    cluster.check().await
}
