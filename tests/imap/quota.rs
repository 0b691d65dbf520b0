//! QUOTA (RFC 9208) with limits, and what they mean for APPEND, MULTIAPPEND and REPLACE.

use anyhow::{Result, ensure};
use testkit::{Cluster, ClusterOptions, ImapClient, PASSWORD};

/// All that a command is answered, the tagged end without its tag.
pub(super) async fn told(client: &mut ImapClient, command: &str) -> Result<String> {
    let (answers, end) = client.try_command(command).await?;
    let answers = answers.iter().map(|answer| String::from_utf8_lossy(answer).into_owned());
    Ok(answers.chain([end]).collect::<Vec<_>>().join("\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_kept_all_or_none() -> Result<()> {
    let cluster = Cluster::start_with(1, ClusterOptions::default()).await?;
    let anna = cluster.account("anna")?;
    let limits = "UPDATE account_state SET quota_bytes = 4096, quota_messages = 3";
    cluster.database.client().await?.batch_execute(limits).await?;
    let mut client = ImapClient::login(cluster.nodes[0].imap()?, &anna, PASSWORD).await?;
    let text = "x".repeat(1_500);
    let answer = told(&mut client, &format!("APPEND INBOX {{1500+}}\r\n{text}")).await?;
    ensure!(answer.starts_with("OK [APPENDUID"), "{answer}");
    let answer = told(&mut client, "GETQUOTAROOT INBOX").await?;
    ensure!(
        answer.starts_with("* QUOTAROOT INBOX \"\"\n* QUOTA \"\" (STORAGE 2 4 MESSAGE 1 3)\nOK"),
        "{answer}"
    );
    // The second of two does not fit: then the first does not come either.
    let both = format!("APPEND INBOX {{1500+}}\r\n{text} {{1500+}}\r\n{text}");
    let answer = told(&mut client, &both).await?;
    ensure!(answer.starts_with("NO [OVERQUOTA]"), "{answer}");
    let many = "APPEND INBOX {1+}\r\na {1+}\r\nb {1+}\r\nc";
    let answer = told(&mut client, many).await?;
    ensure!(answer.starts_with("NO [OVERQUOTA]"), "{answer}");
    let answer = told(&mut client, "STATUS INBOX (MESSAGES UIDNEXT)").await?;
    ensure!(answer.contains("(MESSAGES 1 UIDNEXT 2)"), "{answer}");
    // "only the net quota consumption is considered" (RFC 8508 §3.4)
    client.select("INBOX").await?;
    let text = "y".repeat(4_000);
    let answer = told(&mut client, &format!("APPEND INBOX {{4000+}}\r\n{text}")).await?;
    ensure!(answer.contains("NO [OVERQUOTA]"), "{answer}");
    let answer = told(&mut client, &format!("REPLACE 1 INBOX {{4000+}}\r\n{text}")).await?;
    ensure!(answer.contains("OK [APPENDUID") && answer.contains("* 1 EXPUNGE"), "{answer}");
    // What does not fit even so leaves everything as it was.
    let text = "z".repeat(5_000);
    let answer = told(&mut client, &format!("REPLACE 1 INBOX {{5000+}}\r\n{text}")).await?;
    ensure!(answer.starts_with("NO [OVERQUOTA]"), "{answer}");
    let answer = told(&mut client, "FETCH 1:* (UID RFC822.SIZE)").await?;
    ensure!(answer.starts_with("* 1 FETCH (UID 2 RFC822.SIZE 4000)\nOK"), "{answer}");
    cluster.check().await
}
