//! One mailbox, two users, two nodes: rights that are taken away are gone at once everywhere, and whatever both do at
//! random, all sessions end up believing the same.

use super::sessions::{Users, at_once, in_turns, seeds};
use anyhow::{Context, Result, ensure};
use std::time::Duration;
use testkit::{Cluster, ClusterOptions, ImapClient, PASSWORD};
use tokio::time::Instant;

async fn share(cluster: &Cluster, owner: &str, guest: &str, rights: &str) -> Result<()> {
    let mut client = ImapClient::login(cluster.nodes[0].imap()?, owner, PASSWORD).await?;
    client.command(&format!("SETACL INBOX {guest} {rights}")).await?;
    client.logout().await
}

#[tokio::test(flavor = "multi_thread")]
async fn random_sessions_of_two_users_end_in_identical_views() -> Result<()> {
    let cluster = Cluster::start_with(2, ClusterOptions::default()).await?;
    for seed in seeds() {
        let (owner, guest) =
            (cluster.account(&format!("owner{seed}"))?, cluster.account(&format!("guest{seed}"))?);
        share(&cluster, &owner, &guest, "lrswite").await?;
        let users = Users { owner: &owner, guest: Some(&guest) };
        let work = in_turns(&cluster, users, seed, 200);
        tokio::time::timeout(Duration::from_secs(300), work)
            .await
            .context("it hangs")?
            .with_context(|| format!("in turns, SEED={seed}"))?;
        at_once(&cluster, users, seed, Duration::from_secs(8))
            .await
            .with_context(|| format!("at once, SEED={seed}"))?;
    }
    cluster.check().await
}

/// A session that neither idles nor was told anything loses each right within a second or so.
#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_taken_away_is_gone_on_every_node() -> Result<()> {
    let cluster = Cluster::start_with(2, ClusterOptions::default()).await?;
    let (owner, guest) = (cluster.account("anna")?, cluster.account("bert")?);
    let mut anna = ImapClient::login(cluster.nodes[0].imap()?, &owner, PASSWORD).await?;
    let mut bert = ImapClient::login(cluster.nodes[1].imap()?, &guest, PASSWORD).await?;
    ensure!(anna.append("INBOX", "", b"Subject: x\r\n\r\ny").await?.starts_with("OK"));
    anna.command(&format!("SETACL INBOX {guest} lrswite")).await?;
    bert.select(&format!("Other Users/{owner}/INBOX")).await?;
    for (right, command) in [
        ("w", "STORE 1 +FLAGS (\\Flagged)"),
        ("s", "STORE 1 +FLAGS (\\Seen)"),
        ("t", "STORE 1 -FLAGS (\\Deleted)"),
        ("i", &format!("COPY 1 \"Other Users/{owner}/INBOX\"")),
        ("e", "UID EXPUNGE 1"),
    ] {
        bert.command(command).await?;
        anna.command(&format!("SETACL INBOX {guest} -{right}")).await?;
        // What is written asks for the right there is now.
        let (_, end) = bert.try_command(command).await?;
        ensure!(end.starts_with("NO [NOPERM]"), "{command}: {end}");
    }
    bert.command("FETCH 1 FLAGS").await?;
    anna.command(&format!("DELETEACL INBOX {guest}")).await?;
    let gone = Instant::now();
    loop {
        match bert.try_command("FETCH 1 FLAGS").await {
            Ok((_, end)) => ensure!(end.starts_with("OK"), "{end}"),
            // BYE, and the connection is closed.
            Err(_) => break,
        }
        ensure!(gone.elapsed() < Duration::from_secs(5), "it can still be read");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ensure!(gone.elapsed() < Duration::from_millis(2_500), "after {:?}", gone.elapsed());
    println!("unreadable after {:?}", gone.elapsed());
    cluster.check().await
}

/// Whoever is removed takes along what they were granted, and what they had granted.
#[tokio::test(flavor = "multi_thread")]
async fn a_removed_account_takes_its_acls_along() -> Result<()> {
    let cluster = Cluster::start_with(1, ClusterOptions::default()).await?;
    let (owner, guest) = (cluster.account("anna")?, cluster.account("bert")?);
    share(&cluster, &owner, &guest, "lr").await?;
    share(&cluster, &guest, &owner, "lr").await?;
    let file = cluster.config_file()?;
    testkit::postrider(&["account", "remove", "--config", &file, "--yes", &guest], "")?;
    let again = cluster.account("bert")?;
    ensure!(again == guest);
    let node = cluster.nodes[0].imap()?;
    for user in [&owner, &guest] {
        let mut client = ImapClient::login(node, user, PASSWORD).await?;
        let answers = client.command("LIST \"\" \"Other Users/*\"").await?;
        ensure!(answers.is_empty(), "{answers:?}");
        let answers = client.command("GETACL INBOX").await?;
        let told = String::from_utf8_lossy(&answers[0]).into_owned();
        ensure!(told == format!("* ACL INBOX {user} lrswipkxteacd"), "{told}");
    }
    cluster.check().await
}
