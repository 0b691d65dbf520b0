//! `postrider standalone`: one command, one folder.

use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::{Command, Stdio};
use testkit::{ImapClient, Node, SmtpClient};

async fn send(node: &Node, to: &str, id: &str) -> Result<()> {
    let mut smtp = SmtpClient::connect(node.smtp()?).await?;
    smtp.ehlo().await?;
    let reply = smtp.send_mail("sender@elsewhere.test", &[to], &super::message(id, 600)).await?;
    ensure!(reply.code == 250, "{}", reply.text());
    smtp.quit().await
}

async fn count(node: &Node, account: &str, password: &str) -> Result<u32> {
    let mut imap = ImapClient::login(node.imap()?, account, password).await?;
    let count = imap.select("INBOX").await?;
    let bodies = imap.command("FETCH 1:* BODY.PEEK[]").await?;
    ensure!(bodies.len() == count as usize, "every body is there");
    imap.logout().await?;
    Ok(count)
}

fn processes_of(data: &Path) -> usize {
    let name = data.display().to_string();
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let command = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).ok();
    all.filter_map(command).filter(|line| String::from_utf8_lossy(line).contains(&name)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_keeps_mail_and_recovers() -> Result<()> {
    let folder = testkit::process::folder()?;
    let data = folder.path().join("data");
    let mut node = Node::standalone(&data)?;
    let account = node.ready.account.clone().context("no account")?;
    let password = node.ready.password.clone().context("no password")?;
    send(&node, &account, "first").await?;
    assert_eq!(count(&node, &account, &password).await?, 1);
    let status = node.terminate()?;
    ensure!(status.success(), "SIGTERM: {status}");
    assert_eq!(processes_of(&data), 0, "its PostgreSQL ended with it");
    drop(node);

    // A second start knows the account and its mail.
    let mut node = Node::standalone(&data)?;
    if let Some(again) = &node.ready.account {
        assert_eq!(again, &account);
    }
    send(&node, &account, "second").await?;
    assert_eq!(count(&node, &account, &password).await?, 2);
    // Only one at a time may use the folder.
    let second =
        Node::standalone(&data).err().map(|error| format!("{error:#}")).unwrap_or_default();
    ensure!(second.contains("data"), "{second}");
    assert_eq!(count(&node, &account, &password).await?, 2);

    // kill -9 of the server alone: its PostgreSQL is found again or taken over, and nothing is lost.
    let pid = node.daemon().pid();
    let killed = Command::new("kill").args(["-KILL", &pid.to_string()]).status()?;
    ensure!(killed.success());
    testkit::until("it is dead", async || node.daemon().ended()).await?;
    std::mem::forget(node);
    let mut node = Node::standalone(&data)?;
    assert_eq!(count(&node, &account, &password).await?, 2);
    send(&node, &account, "third").await?;
    assert_eq!(count(&node, &account, &password).await?, 3);

    // kill -9 of its PostgreSQL under it: it is started again.
    let children = testkit::process::children(node.daemon().pid());
    ensure!(!children.is_empty(), "PostgreSQL is a child");
    for child in children {
        Command::new("kill").args(["-KILL", &child.to_string()]).status()?;
    }
    testkit::until("mail is taken again", async || send(&node, &account, "fourth").await.ok())
        .await?;
    // A backend may outlive its postmaster for a moment, and take that message; so the outage may follow it.
    let read = async || count(&node, &account, &password).await.ok();
    assert!(testkit::until("mail is read again", read).await? >= 4);
    ensure!(node.terminate()?.success());
    assert_eq!(processes_of(&data), 0);
    Ok(())
}

/// A missing `postgres` is one clear line that names the package.
#[test]
fn without_postgresql_it_says_what_to_install() -> Result<()> {
    let folder = testkit::process::folder()?;
    // An empty file system over the place where the programs are, seen by this process alone.
    let output = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c"])
        .arg("mount -t tmpfs none /usr/lib/postgresql && PATH=/usr/sbin:/sbin exec \"$0\" \"$@\"")
        .arg(testkit::program("postrider")?)
        .args(["standalone", "--listen", "127.0.0.1", "--ephemeral-ports", "--data"])
        .arg(folder.path().join("data"))
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.contains("unshare:") || said.contains("mount:") {
        println!("no mount namespaces here: {said}");
        return Ok(());
    }
    ensure!(!output.status.success());
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("postgresql")).collect();
    ensure!(lines.len() == 1, "one line that names the package: {said}");
    Ok(())
}
