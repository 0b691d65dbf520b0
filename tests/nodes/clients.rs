//! Programs that people use, from Debian, unmodified: swaks, curl, mbsync, mutt, Python's imaplib and smtplib; for POP3
//! fetchmail, mpop, curl and Python's poplib; IMAPClient and imap-tools from PyPI.

mod imap;
mod pop3;

use super::{login, send, subjects, with_cluster};
use anyhow::{Context, Result, ensure};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use testkit::{Cluster, ClusterOptions, PASSWORD};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Runs a program to its end and gives what it printed.
pub async fn run(program: &str, arguments: &[&str], home: &Path, input: &str) -> Result<String> {
    run_for(Duration::from_secs(90), program, arguments, home, input).await
}

/// As [`run`], for what may take longer.
async fn run_for(
    limit: Duration,
    program: &str,
    arguments: &[&str],
    home: &Path,
    input: &str,
) -> Result<String> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(home).env("HOME", home).env("LC_ALL", "C.UTF-8");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command
        .spawn()
        .with_context(|| format!("{program} is not installed (make test installs it)"))?;
    child.stdin.take().context("no input")?.write_all(input.as_bytes()).await?;
    let output = tokio::time::timeout(limit, child.wait_with_output()).await;
    let output = output.with_context(|| format!("{program} hangs"))??;
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{program} {arguments:?}: {}\n{out}{err}", output.status);
    Ok(out + &err)
}

/// Programs refuse to read passwords that others could read.
fn secret(home: &Path, name: &str, text: &str) -> Result<()> {
    let path = home.join(name);
    std::fs::write(&path, text)?;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?)
}

fn port(address: SocketAddr) -> String {
    address.port().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn swaks() -> Result<()> {
    with_cluster(1, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let (anna, bert) = (cluster.account("anna")?, cluster.account("bert")?);
        let home = testkit::process::folder()?;
        let ready = cluster.nodes[0].ready.clone();
        let smtp = port(cluster.nodes[0].smtp()?);
        let subject = |text: &str| format!("Subject: {text}");
        let swaks = async |port: &str, more: &[&str]| {
            let mut all = vec!["--server", "127.0.0.1", "--port", port, "--timeout", "60"];
            all.extend(more);
            run("swaks", &all, home.path(), "").await
        };
        let from = ["--from", "sender@elsewhere.test"];
        let base = [&from[..], &["--to", &anna, "--header"]].concat();
        swaks(&smtp, &[&base[..], &[&subject("plain")]].concat()).await?;
        swaks(&smtp, &[&base[..], &[&subject("starttls"), "-tls"]].concat()).await?;
        swaks(&smtp, &[&base[..], &[&subject("pipelined"), "--pipeline"]].concat()).await?;
        let both = format!("{anna},{bert}");
        swaks(&smtp, &[&from[..], &["--to", &both, "--header", &subject("two")]].concat()).await?;
        let lmtp = port(ready.lmtp.context("no lmtp")?);
        swaks(&lmtp, &[&base[..], &[&subject("lmtp"), "--protocol", "LMTP"]].concat()).await?;

        // Submission: over TLS, by each mechanism.
        let auth = ["--auth-user", &anna, "--auth-password", PASSWORD];
        for (listener, tls) in [(ready.submission, "-tls"), (ready.submissions, "--tls-on-connect")]
        {
            let port = port(listener.context("no listener")?);
            for mechanism in ["PLAIN", "LOGIN"] {
                let text = subject(&format!("{mechanism}{tls}"));
                let more =
                    [tls, "--auth", mechanism, "--from", &anna, "--to", &bert, "--header", &text];
                swaks(&port, &[&auth[..], &more].concat()).await?;
            }
        }
        // What must fail fails: nobody unknown, no relay, no password in the clear.
        let submission = port(ready.submission.context("no submission")?);
        for (port, more, code) in [
            (&smtp, &["--to", "nobody@example.test"][..], "550 5.1.1"),
            (&smtp, &["--to", "somebody@elsewhere.test"], "550 5.7"),
            (&submission, &["--to", &bert], "530"),
            (&submission, &[&["--to", &bert, "--auth", "PLAIN"], &auth[..]].concat(), ""),
        ] {
            let refused = swaks(port, &[&from[..], more].concat()).await;
            let text = format!("{:#}", refused.err().context("it must be refused")?);
            ensure!(text.contains(code), "{code} in {text}");
        }
        let mut there = subjects(&cluster.nodes[0], &anna).await?;
        there.sort();
        assert_eq!(there, ["lmtp", "pipelined", "plain", "starttls", "two"]);
        let mut there = subjects(&cluster.nodes[0], &bert).await?;
        there.sort();
        let submitted =
            ["LOGIN--tls-on-connect", "LOGIN-tls", "PLAIN--tls-on-connect", "PLAIN-tls", "two"];
        assert_eq!(there, submitted);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn curl() -> Result<()> {
    with_cluster(1, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let (anna, bert) = (cluster.account("anna")?, cluster.account("bert")?);
        let home = testkit::process::folder()?;
        let ready = cluster.nodes[0].ready.clone();
        let user = format!("{anna}:{PASSWORD}");
        let curl = async |url: &str, more: &[&str]| {
            let mut all = vec![
                "--silent",
                "--show-error",
                "--insecure",
                "--max-time",
                "60",
                "--user",
                &user,
                "--url",
                url,
            ];
            all.extend(more);
            run("curl", &all, home.path(), "").await
        };
        let mail =
            "From: a@example.test\r\nTo: b@example.test\r\nSubject: from curl\r\n\r\nHello.\r\n";
        std::fs::write(home.path().join("mail"), mail)?;
        let submissions = format!("smtps://{}", ready.submissions.context("no submissions")?);
        let send = [
            "--mail-from",
            &anna,
            "--mail-rcpt",
            &anna,
            "--mail-rcpt",
            &bert,
            "--upload-file",
            "mail",
        ];
        curl(&submissions, &send).await?;
        let submission = format!("smtp://{}", ready.submission.context("no submission")?);
        curl(&submission, &[&send[..], &["--ssl-reqd"]].concat()).await?;
        let imaps = format!("imaps://{}", cluster.nodes[0].imaps()?);
        let boxes = curl(&imaps, &[]).await?;
        ensure!(boxes.contains("INBOX") && boxes.contains("\\Trash"), "{boxes}");
        let first = curl(&format!("{imaps}/INBOX;MAILINDEX=1"), &[]).await?;
        ensure!(
            first.ends_with("Hello.\r\n") && first.contains("Return-Path: <anna@example.test>"),
            "{first}"
        );
        let header =
            curl(&format!("{imaps}/INBOX;UID=2;SECTION=HEADER.FIELDS%20(SUBJECT)"), &[]).await?;
        ensure!(header.contains("Subject: from curl"), "{header}");
        let found = curl(&format!("{imaps}/INBOX?SUBJECT%20curl"), &[]).await?;
        ensure!(found.contains("* SEARCH 1 2"), "{found}");
        let appended = curl(&format!("{imaps}/Drafts"), &["--upload-file", "mail"]).await;
        appended.context("APPEND")?;
        let imap = format!("imap://{}", cluster.nodes[0].imap()?);
        let status = curl(&imap, &["--ssl-reqd", "--request", "STATUS Drafts (MESSAGES)"]).await?;
        ensure!(status.contains("MESSAGES 1"), "{status}");
        // Health, too, is for curl.
        let http = cluster.nodes[0].http()?;
        let ready = curl(&format!("http://{http}/readyz"), &["--fail"]).await?;
        ensure!(ready.contains("\"ready\":true") || ready.contains("\"ready\": true"), "{ready}");
        Ok(())
    })
    .await
}

/// A mailbox is copied to a Maildir, both sides change, and both are alike again.
#[tokio::test(flavor = "multi_thread")]
async fn mbsync() -> Result<()> {
    with_cluster(2, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let home = testkit::process::folder()?;
        for n in 0..25 {
            send(&cluster.nodes[n % 2], &anna, &format!("m{n}")).await?;
        }
        let settings = |port: &str| {
            format!(
                "IMAPStore far\nHost 127.0.0.1\nPort {port}\nUser {anna}\nPass \"{PASSWORD}\"\nSSLType IMAPS\n\
                 CertificateFile certificate.pem\n\n\
                 MaildirStore near\nPath mail/\nInbox mail/INBOX\nSubFolders Verbatim\n\n\
                 Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nRemove Both\nSync All\n\
                 SyncState *\n"
            )
        };
        std::fs::create_dir(home.path().join("mail"))?;
        trust(cluster, home.path()).await?;
        let sync = async |cluster: &Cluster, node: usize| {
            let address = cluster.nodes[node].imaps()?;
            std::fs::write(home.path().join("mbsyncrc"), settings(&port(address)))?;
            run("mbsync", &["-c", "mbsyncrc", "--all"], home.path(), "").await
        };
        sync(cluster, 0).await?;
        let files = |folder: &str| -> Result<Vec<std::path::PathBuf>> {
            let mut all = Vec::new();
            for part in ["cur", "new"] {
                for entry in std::fs::read_dir(home.path().join("mail").join(folder).join(part))? {
                    all.push(entry?.path());
                }
            }
            Ok(all)
        };
        assert_eq!(files("INBOX")?.len(), 25);
        for folder in ["Sent", "Drafts", "Trash", "Junk", "Archive"] {
            assert!(files(folder)?.is_empty(), "{folder}");
        }
        // Here: one is read and flagged, one is deleted, one is moved to a new folder, one is written.
        // By UID, highest last: the first two are changed on the other side.
        let mut mails = files("INBOX")?;
        mails.sort_by_key(|path| uid_in_name(path));
        let marked = |path: &Path, flags: &str| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let base = name.split(":2,").next().unwrap_or_default().to_owned();
            home.path().join("mail/INBOX/cur").join(format!("{base}:2,{flags}"))
        };
        let seen = mails.pop().context("a mail")?;
        std::fs::rename(&seen, marked(&seen, "FS"))?;
        let gone = mails.pop().context("a mail")?;
        std::fs::rename(&gone, marked(&gone, "T"))?;
        std::fs::write(home.path().join("mail/Drafts/cur/1.local:2,D"), super::message("written here", 300))?;
        for part in ["cur", "new", "tmp"] {
            std::fs::create_dir_all(home.path().join("mail/Projects").join(part))?;
        }
        // There: another is deleted, another flagged, one more arrives.
        let mut imap = login(&cluster.nodes[1], &anna).await?;
        imap.select("INBOX").await?;
        imap.command("STORE 1 +FLAGS (\\Deleted)").await?;
        imap.command("EXPUNGE").await?;
        imap.command("STORE 1 +FLAGS (\\Answered)").await?;
        send(&cluster.nodes[0], &anna, "late").await?;
        sync(cluster, 1).await?;
        sync(cluster, 0).await?;

        assert_eq!(files("INBOX")?.len(), 24);
        assert_eq!(imap.select("INBOX").await?, 24);
        let found = imap.command("SEARCH FLAGGED SEEN").await?;
        ensure!(found.iter().any(|line| line.split(|b| *b == b' ').count() == 3), "{found:?}");
        assert_eq!(imap.select("Drafts").await?, 1);
        assert_eq!(imap.select("Projects").await?, 0);
        let answered = files("INBOX")?.iter().filter(|path| path.to_string_lossy().ends_with(":2,R")).count();
        assert_eq!(answered, 1);
        // Once more: nothing is left to do.
        let before = files("INBOX")?;
        sync(cluster, 0).await?;
        let (mut before, mut after) = (before, files("INBOX")?);
        before.sort();
        after.sort();
        assert_eq!(before, after);
        Ok(())
    })
    .await
}

/// The UID that mbsync puts into a file's name.
fn uid_in_name(path: &Path) -> u32 {
    let name = path.to_string_lossy();
    let digits = name.rsplit(",U=").next().unwrap_or_default();
    digits.split(':').next().and_then(|uid| uid.parse().ok()).unwrap_or_default()
}

/// Puts the cluster's certificate where a client is told to find it.
pub async fn trust(cluster: &Cluster, home: &Path) -> Result<()> {
    let pair =
        cluster.config.0["tls"]["certificates"][0]["certificate"].as_str().context("no path")?;
    std::fs::copy(pair, home.join("certificate.pem"))?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn python() -> Result<()> {
    with_cluster(2, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let home = testkit::process::folder()?;
        std::fs::write(home.path().join("session.py"), include_str!("clients/session.py"))?;
        let [a, b] = &cluster.nodes[..] else { unreachable!() };
        let ports = [port(a.submission()?), port(b.imap()?), port(b.imaps()?)];
        let arguments = ["session.py", &anna, PASSWORD, &ports[0], &ports[1], &ports[2]];
        let said = run("python3", &arguments, home.path(), "").await?;
        ensure!(said.trim() == "done", "{said}");
        Ok(())
    })
    .await
}

/// Batch mode: mutt opens a mailbox, tags all, saves them elsewhere and leaves.
#[tokio::test(flavor = "multi_thread")]
async fn mutt() -> Result<()> {
    with_cluster(1, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let home = testkit::process::folder()?;
        trust(cluster, home.path()).await?;
        for n in 0..3 {
            send(&cluster.nodes[0], &anna, &format!("m{n}")).await?;
        }
        let address = cluster.nodes[0].imaps()?;
        let settings = format!(
            "set folder=\"imaps://{address}/\"\nset imap_user=\"{anna}\"\nset imap_pass=\"{PASSWORD}\"\n\
             set certificate_file=certificate.pem\nset ssl_verify_host=no\nset ssl_verify_dates=no\n\
             set ssl_usesystemcerts=no\nset delete=yes\nset confirmcreate=no\nset confirmappend=no\nset move=no\n\
             set mail_check=0\nset header_cache=\"\"\nset crypt_use_gpgme=no\n\
             push \"<tag-pattern>~A<enter><tag-prefix><save-message>=Archive<enter><sync-mailbox><quit>\"\n"
        );
        std::fs::write(home.path().join("muttrc"), settings)?;
        // mutt wants a terminal.
        let command = "TERM=vt100 mutt -n -F muttrc -f =INBOX";
        run("script", &["-q", "-e", "-c", command, "typescript"], home.path(), "").await?;
        let mut imap = login(&cluster.nodes[0], &anna).await?;
        let screen = std::fs::read_to_string(home.path().join("typescript")).unwrap_or_default();
        assert_eq!((imap.select("INBOX").await?, imap.select("Archive").await?), (0, 3), "{screen}");
        Ok(())
    })
    .await
}
