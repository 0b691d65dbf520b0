//! A maildrop of a hundred thousand messages, and a message far larger than what a node may hold.

use crate::nodes::{login, message, send, with_cluster};
use anyhow::{Context, Result, ensure};
use store::account::{CopyMessages, commit};
use testkit::{Cluster, ClusterOptions, PASSWORD, Pop3Client, SmtpClient};
use types::Uid;

const MESSAGES: u32 = 100_000;

/// Fills the INBOX with copies of its first message.
async fn fill(cluster: &Cluster, address: &str) -> Result<()> {
    let store = cluster.database.store()?;
    let client = cluster.database.client().await?;
    let account: i32 =
        client.query_one("SELECT id FROM account WHERE address = $1", &[&address]).await?.get(0);
    let account = types::AccountId(account);
    let inbox = store::mailbox::mailbox_by_name(&store, account, "INBOX").await?;
    let inbox = inbox.context("no INBOX")?.id;
    let mut there = 1;
    while there < MESSAGES {
        let uids: Vec<Uid> = (1..=there.min(MESSAGES - there).min(10_000)).map(Uid).collect();
        let change = CopyMessages { account, from: inbox, uids: &uids, to: inbox, remove: false };
        there += commit(&store, &change).await?.pairs.len() as u32;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_messages() -> Result<()> {
    with_cluster(2, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        send(&cluster.nodes[0], &anna, "one").await?;
        fill(cluster, &anna).await?;
        // The first login of a node leaves the memory behind that hashing passwords takes.
        let bert = cluster.account("bert")?;
        Pop3Client::login(cluster.nodes[0].pop3s()?, &bert, PASSWORD).await?.quit().await?;
        let before = cluster.nodes[0].daemon().resident_kib();
        let begun = std::time::Instant::now();
        let mut pop = Pop3Client::login(cluster.nodes[0].pop3s()?, &anna, PASSWORD).await?;
        let opened = begun.elapsed();
        ensure!(pop.ok("STAT").await?.starts_with("100000 "));
        let held = cluster.nodes[0].daemon().resident_kib();
        // Nobody reads for a while: what is unsent stays small.
        pop.stream.send(b"LIST\r\nUIDL\r\nLIST\r\nUIDL\r\n").await?;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        let listing = cluster.nodes[0].daemon().resident_kib();
        for _ in 0..4 {
            let first = pop.line().await?;
            ensure!(first.starts_with("+OK 100000 messages"), "{first}");
            let mut number = 0;
            loop {
                let line = pop.line().await?;
                if line == "." {
                    break;
                }
                number += 1;
                ensure!(line.starts_with(&format!("{number} ")), "{line}");
            }
            ensure!(number == MESSAGES, "{number}");
        }
        println!("100,000 messages: open in {opened:.1?}; {before} KiB before, {held} KiB open, {listing} KiB while listing");
        ensure!(held < before + 8 * 1024, "{before} KiB before, {held} KiB open");
        ensure!(listing < held + 8 * 1024, "{held} KiB open, {listing} KiB while listing");
        // All but the last are removed.
        let all: String = (1..MESSAGES).map(|number| format!("DELE {number}\r\n")).collect();
        let (sent, answered) = {
            let mut answered = 0;
            for some in all.as_bytes().chunks(60_000) {
                pop.stream.send(some).await?;
                let lines = some.iter().filter(|octet| **octet == b'\n').count();
                for _ in 0..lines {
                    let line = pop.line().await?;
                    ensure!(line.starts_with("+OK"), "{line}");
                    answered += 1;
                }
            }
            (MESSAGES - 1, answered)
        };
        ensure!(answered == sent, "{answered} of {sent}");
        let mut imap = login(&cluster.nodes[1], &anna).await?;
        ensure!(imap.select("INBOX").await? == MESSAGES);
        let begun = std::time::Instant::now();
        pop.quit().await?;
        println!("QUIT that removes 99,999 messages: {:.1?}", begun.elapsed());
        ensure!(imap.select("INBOX").await? == 1);
        Ok(())
    })
    .await
}

/// 60 MiB through a node whose budget is 32 MiB, to a client that reads slowly at first; TOP reads its beginning only.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_message_streams() -> Result<()> {
    let options = ClusterOptions {
        settings: vec![
            ("limits.memory_mib".into(), 32.into()),
            ("smtp.max_message_mib".into(), 80.into()),
        ],
        ..Default::default()
    };
    with_cluster(1, options, async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let mail = message("large", 60 << 20);
        let mut smtp = SmtpClient::connect(cluster.nodes[0].smtp()?).await?;
        smtp.ehlo().await?;
        let reply = smtp.send_mail("a@elsewhere.test", &[&anna], &mail).await?;
        ensure!(reply.code == 250, "{}", reply.text());
        let mut pop = Pop3Client::login(cluster.nodes[0].pop3s()?, &anna, PASSWORD).await?;
        let before = cluster.nodes[0].daemon().resident_kib();
        let begun = std::time::Instant::now();
        let top = pop.lines("TOP 1 3").await?;
        ensure!(top.len() < 30 && top.contains(&"Subject: large".to_owned()), "{top:?}");
        println!("TOP of 60 MiB: {:.1?}", begun.elapsed());
        pop.stream.send(b"RETR 1\r\n").await?;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        let mut most = cluster.nodes[0].daemon().resident_kib();
        let (mut octets, mut lines) = (0u64, 0u32);
        ensure!(pop.line().await?.starts_with("+OK"));
        loop {
            let line = pop.stream.line().await?.context("closed")?;
            if *line == *b"." {
                break;
            }
            octets += line.len() as u64 + 2;
            lines += 1;
            if lines % 100_000 == 0 {
                most = most.max(cluster.nodes[0].daemon().resident_kib());
            }
        }
        println!("RETR of 60 MiB: {before} KiB before, {most} KiB at most");
        let listed = pop.ok("LIST 1").await?;
        ensure!(listed == format!("1 {octets}"), "{listed}, {octets} octets came");
        ensure!(most < before + 16 * 1024, "{before} KiB before, {most} KiB at most");
        pop.quit().await
    })
    .await
}
