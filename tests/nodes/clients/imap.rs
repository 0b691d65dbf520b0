//! Programs that keep a mailbox and a copy of it alike, with changes on both sides, and libraries that programs are
//! made of.

use super::{port, run, run_for, secret, trust};
use crate::nodes::{login, message, send, with_cluster, with_cluster_for};
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use testkit::{Cluster, ClusterOptions, Node, PASSWORD, SmtpClient};

/// Subjects and flags, as letters of Maildir.
type Mails = BTreeMap<String, String>;

/// Python with the packages that `.ci/need test` installs.
fn python() -> Result<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/mail-clients/bin/python");
    ensure!(Path::new(path).exists(), "{path} is not there (make test makes it)");
    Ok(path.to_owned())
}

async fn library(name: &str, script: &str) -> Result<()> {
    with_cluster(2, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let home = testkit::process::folder()?;
        std::fs::write(home.path().join(name), script)?;
        let ports = [port(cluster.nodes[0].imap()?), port(cluster.nodes[1].imaps()?)];
        let arguments = [name, &anna, PASSWORD, &ports[0], &ports[1]];
        let said = run(&python()?, &arguments, home.path(), "").await?;
        ensure!(said.trim() == "done", "{said}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn imapclient() -> Result<()> {
    library("imapclient_session.py", include_str!("imapclient_session.py")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn imap_tools() -> Result<()> {
    library("imap_tools_session.py", include_str!("imap_tools_session.py")).await
}

/// Delivers many messages over a few connections, to both nodes.
async fn deliver(cluster: &Cluster, account: &str, prefix: &str, count: usize) -> Result<()> {
    let one = async |from: usize| {
        let mut smtp = SmtpClient::connect(cluster.nodes[from % 2].smtp()?).await?;
        smtp.ehlo().await?;
        for n in (from..count).step_by(8) {
            let mail = message(&format!("{prefix}{n}"), 600);
            let reply = smtp.send_mail("sender@elsewhere.test", &[account], &mail).await?;
            ensure!(reply.code == 250, "{}", reply.text());
        }
        smtp.quit().await
    };
    let all = futures::future::join_all((0..8).map(one)).await;
    all.into_iter().collect()
}

/// The INBOX as IMAP tells it.
async fn far(node: &Node, account: &str) -> Result<Mails> {
    let mut imap = login(node, account).await?;
    if imap.select("INBOX").await? == 0 {
        return Ok(Mails::new());
    }
    let fetch = "FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])";
    let mut mails = Mails::new();
    for answer in imap.command(fetch).await? {
        let text = String::from_utf8_lossy(&answer).into_owned();
        let Some((_, flags)) = text.split_once("FLAGS (") else { continue };
        let flags = flags.split(')').next().unwrap_or_default();
        let letters: BTreeSet<char> = flags.split(' ').filter_map(letter).collect();
        let subject = subject_in(&text)?;
        let twice = mails.insert(subject.clone(), letters.into_iter().collect());
        ensure!(twice.is_none(), "{subject} is there twice");
    }
    Ok(mails)
}

/// The subject in what FETCH answers.
fn subject_in(text: &str) -> Result<String> {
    let (_, subject) = text.split_once("Subject: ").context("no subject")?;
    Ok(subject.lines().next().unwrap_or_default().to_owned())
}

fn letter(flag: &str) -> Option<char> {
    match flag {
        "\\Seen" => Some('S'),
        "\\Answered" => Some('R'),
        "\\Flagged" => Some('F'),
        "\\Draft" => Some('D'),
        "\\Deleted" => Some('T'),
        _ => None,
    }
}

/// The files of a Maildir by subject.
fn files(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut all = BTreeMap::new();
    for part in ["cur", "new"] {
        for entry in std::fs::read_dir(folder.join(part))? {
            let path = entry?.path();
            let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
            let subject = text.lines().find_map(|line| line.strip_prefix("Subject: "));
            let subject = subject.context("no subject")?.to_owned();
            let twice = all.insert(subject.clone(), path);
            ensure!(twice.is_none(), "{subject} is there twice");
        }
    }
    Ok(all)
}

fn flags_of(path: &Path) -> String {
    let name = path.to_string_lossy();
    let letters = name.rsplit_once(":2,").map_or("", |(_, letters)| letters);
    let letters: BTreeSet<char> = letters.chars().filter(char::is_ascii_uppercase).collect();
    letters.into_iter().collect()
}

fn near(folder: &Path) -> Result<Mails> {
    Ok(files(folder)?.into_iter().map(|(subject, path)| (subject, flags_of(&path))).collect())
}

/// Marks a file as read and flagged.
fn flag(path: &Path) -> Result<()> {
    let name = path.file_name().context("a name")?.to_string_lossy().into_owned();
    let base = name.split(":2,").next().unwrap_or_default();
    let cur = path.parent().and_then(Path::parent).context("a folder")?.join("cur");
    Ok(std::fs::rename(path, cur.join(format!("{base}:2,FS")))?)
}

/// Fills a mailbox, copies it to a Maildir, changes both sides, and both have to be alike again: what each side did,
/// and nothing else.
async fn two_ways(
    cluster: &Cluster,
    account: &str,
    count: usize,
    inbox: &Path,
    sync: impl AsyncFn(usize) -> Result<()>,
) -> Result<()> {
    deliver(cluster, account, "m", count).await?;
    let begun = std::time::Instant::now();
    sync(0).await?;
    println!("{count} messages copied in {:.1?}", begun.elapsed());
    let before = far(&cluster.nodes[1], account).await?;
    ensure!(before.len() == count && near(inbox)? == before, "the copy differs");

    let mut expected = before;
    let (mut starred, mut gone, mut answered, mut removed) = (0, 0, Vec::new(), Vec::new());
    let here = files(inbox)?;
    for n in 0..count {
        let subject = format!("m{n}");
        match n % 10 {
            1 => {
                flag(&here[&subject])?;
                expected.insert(subject, "FS".into());
                starred += 1;
            }
            3 => {
                std::fs::remove_file(&here[&subject])?;
                expected.remove(&subject);
                gone += 1;
            }
            5 => answered.push(subject),
            7 => removed.push(subject),
            _ => {}
        }
    }
    for n in 0..count / 20 {
        let subject = format!("local{n}");
        let name = format!("cur/{}.{n}.local:2,S", 1_700_000_000 + n);
        std::fs::write(inbox.join(name), message(&subject, 400))?;
        expected.insert(subject, "S".into());
    }
    let mut imap = login(&cluster.nodes[1], account).await?;
    imap.select("INBOX").await?;
    let mut numbers = BTreeMap::new();
    for answer in imap.command("FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]").await? {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if let Some((number, data)) = text.trim_start_matches("* ").split_once(" FETCH ") {
            numbers.insert(subject_in(data)?, number.to_owned());
        }
    }
    for (subjects, flag) in [(&answered, "\\Answered"), (&removed, "\\Deleted")] {
        for some in subjects.chunks(500) {
            let set: Vec<&str> = some.iter().map(|subject| numbers[subject].as_str()).collect();
            imap.command(&format!("STORE {} +FLAGS.SILENT ({flag})", set.join(","))).await?;
        }
    }
    imap.command("EXPUNGE").await?;
    imap.logout().await?;
    for subject in answered {
        expected.insert(subject, "R".into());
    }
    for subject in &removed {
        expected.remove(subject);
    }
    deliver(cluster, account, "late", count / 20).await?;
    expected.extend((0..count / 20).map(|n| (format!("late{n}"), String::new())));

    let begun = std::time::Instant::now();
    sync(1).await?;
    sync(0).await?;
    println!(
        "here {starred} flagged, {gone} removed, {0} written, there as many: alike in {1:.1?}",
        count / 20,
        begun.elapsed()
    );
    let (there, here) = (far(&cluster.nodes[1], account).await?, near(inbox)?);
    ensure!(there == expected, "there: {}", differences(&there, &expected));
    ensure!(here == expected, "here: {}", differences(&here, &expected));
    // Once more: nothing is left to do.
    let before = files(inbox)?;
    sync(1).await?;
    ensure!(files(inbox)? == before && far(&cluster.nodes[0], account).await? == expected);
    Ok(())
}

fn differences(a: &Mails, b: &Mails) -> String {
    let subjects: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let differ = subjects.into_iter().filter(|subject| a.get(*subject) != b.get(*subject));
    differ.take(10).map(|s| format!("{s}: {:?} for {:?}; ", a.get(s), b.get(s))).collect()
}

/// `MBSYNC_MESSAGES=10000` for the full size.
#[tokio::test(flavor = "multi_thread")]
async fn mbsync_both_ways() -> Result<()> {
    let count = std::env::var("MBSYNC_MESSAGES").ok().and_then(|count| count.parse().ok());
    let count = count.unwrap_or(500);
    let limit = Duration::from_secs(240 + count as u64 / 10);
    with_cluster_for(limit, 2, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let home = testkit::process::folder()?;
        std::fs::create_dir(home.path().join("mail"))?;
        trust(cluster, home.path()).await?;
        let sync = async |node: usize| {
            let settings = format!(
                "IMAPStore far\nHost 127.0.0.1\nPort {}\nUser {anna}\nPass \"{PASSWORD}\"\nSSLType IMAPS\n\
                 CertificateFile certificate.pem\n\n\
                 MaildirStore near\nPath mail/\nInbox mail/INBOX\nSubFolders Verbatim\n\n\
                 Channel all\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Both\nExpunge Both\nSync All\nSyncState *\n",
                port(cluster.nodes[node].imaps()?)
            );
            std::fs::write(home.path().join("mbsyncrc"), settings)?;
            run_for(limit, "mbsync", &["-c", "mbsyncrc", "--all"], home.path(), "").await.map(drop)
        };
        two_ways(cluster, &anna, count, &home.path().join("mail/INBOX"), sync).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn offlineimap() -> Result<()> {
    with_cluster(2, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let home = testkit::process::folder()?;
        let here = home.path().display().to_string();
        trust(cluster, home.path()).await?;
        let sync = async |node: usize| {
            let settings = format!(
                "[general]\naccounts = a\nmetadata = {here}/metadata\nui = basic\n\
                 [Account a]\nlocalrepository = near\nremoterepository = far\n\
                 [Repository near]\ntype = Maildir\nlocalfolders = {here}/mail\n\
                 [Repository far]\ntype = IMAP\nremotehost = localhost\nremoteport = {}\nremoteuser = {anna}\n\
                 remotepass = {PASSWORD}\nssl = yes\nsslcacertfile = {here}/certificate.pem\nmaxconnections = 2\n\
                 folderfilter = lambda folder: folder == 'INBOX'\n",
                port(cluster.nodes[node].imaps()?)
            );
            secret(home.path(), "offlineimaprc", &settings)?;
            run("offlineimap", &["-o", "-c", "offlineimaprc"], home.path(), "").await.map(drop)
        };
        two_ways(cluster, &anna, 40, &home.path().join("mail/INBOX"), sync).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn fetchmail() -> Result<()> {
    with_cluster(2, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        deliver(cluster, &anna, "m", 5).await?;
        let home = testkit::process::folder()?;
        let fetch = async |port: &str, tls: &str, how: &str| {
            let settings = format!(
                "poll 127.0.0.1 proto IMAP service {port} timeout 60\n\
                 user \"{anna}\" password \"{PASSWORD}\" {tls} no sslcertck {how}\nmda \"cat >> mbox\"\n"
            );
            secret(home.path(), "fetchmailrc", &settings)?;
            let how = ["-f", "fetchmailrc", "--pidfile", "pid", "--nosyslog", "--nodetach"];
            run("fetchmail", &how, home.path(), "").await?;
            let text = std::fs::read_to_string(home.path().join("mbox"))?;
            anyhow::Ok(text.lines().filter(|line| line.starts_with("Subject: ")).count())
        };
        let [first, second] = &cluster.nodes[..] else { unreachable!() };
        // Kept and marked as read: the second time only what is new comes.
        ensure!(fetch(&port(first.imaps()?), "ssl", "keep").await? == 5);
        ensure!(far(second, &anna).await?.values().all(|flags| flags == "S"));
        send(first, &anna, "new").await?;
        ensure!(fetch(&port(second.imaps()?), "ssl", "keep").await? == 6);
        // With STARTTLS, and removed.
        ensure!(fetch(&port(first.imap()?), "sslproto \"tls1.2+\"", "fetchall no keep").await? == 12);
        ensure!(far(second, &anna).await?.is_empty());
        Ok(())
    })
    .await
}
