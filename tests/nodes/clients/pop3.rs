//! Programs that fetch mail with POP3.

use super::{port, run, secret, trust};
use crate::nodes::{login, message, send, with_cluster};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use testkit::{Cluster, ClusterOptions, Node, PASSWORD, SmtpClient};

/// How many messages are in an mbox file.
fn in_mbox(home: &Path, name: &str) -> usize {
    let text = std::fs::read_to_string(home.join(name)).unwrap_or_default();
    text.lines().filter(|line| line.starts_with("Subject: m")).count()
}

async fn left(node: &Node, account: &str) -> Result<u32> {
    let mut imap = login(node, account).await?;
    imap.select("INBOX").await
}

/// Three messages; the last one has lines that begin with dots.
async fn three(node: &Node, to: &str) -> Result<()> {
    send(node, to, "m1").await?;
    send(node, to, "m2").await?;
    let mut mail = message("m3", 300);
    mail.extend_from_slice(b".\r\n..two dots\r\nlast line\r\n");
    let at = mail.windows(4).position(|four| four == b"\r\n\r\n").context("no body")? + 4;
    let body = mail.split_off(at);
    let dots = body.windows(3).position(|three| three == b".\r\n").context("no dot")?;
    let (before, after) = body.split_at(dots);
    // The dots first, for TOP.
    let mail = [&mail[..], after, before].concat();
    let mut smtp = SmtpClient::connect(node.smtp()?).await?;
    smtp.ehlo().await?;
    let reply = smtp.send_mail("sender@elsewhere.test", &[to], &mail).await?;
    ensure!(reply.code == 250, "{}", reply.text());
    smtp.quit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn poplib() -> Result<()> {
    with_cluster(2, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        three(&cluster.nodes[0], &anna).await?;
        let home = testkit::process::folder()?;
        std::fs::write(home.path().join("pop3.py"), include_str!("pop3.py"))?;
        let ports = [port(cluster.nodes[0].pop3()?), port(cluster.nodes[1].pop3s()?)];
        let arguments = ["pop3.py", &anna, PASSWORD, &ports[0], &ports[1]];
        let said = run("python3", &arguments, home.path(), "").await?;
        ensure!(said.trim() == "done", "{said}");
        ensure!(left(&cluster.nodes[1], &anna).await? == 2);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn curl() -> Result<()> {
    with_cluster(1, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        three(&cluster.nodes[0], &anna).await?;
        let home = testkit::process::folder()?;
        let user = format!("{anna}:{PASSWORD}");
        let curl = async |url: &str, more: &[&str]| {
            let base =
                ["--silent", "--show-error", "--insecure", "--max-time", "60", "--user", &user];
            run("curl", &[&base[..], &["--url", url], more].concat(), home.path(), "").await
        };
        let pop3s = format!("pop3s://{}", cluster.nodes[0].pop3s()?);
        let list = curl(&pop3s, &[]).await?;
        ensure!(list.lines().count() == 3 && list.starts_with("1 "), "{list}");
        let third = curl(&format!("{pop3s}/3"), &[]).await?;
        ensure!(third.contains("\r\n\r\n.\r\n..two dots\r\nlast line\r\n"), "{third}");
        let pop3 = format!("pop3://{}", cluster.nodes[0].pop3()?);
        let unique = curl(&pop3, &["--ssl-reqd", "--request", "UIDL"]).await?;
        ensure!(unique.lines().count() == 3, "{unique}");
        let scram = curl(&format!("{pop3s}/1"), &["--login-options", "AUTH=SCRAM-SHA-256"]).await;
        let plain = curl(&format!("{pop3s}/1"), &["--login-options", "AUTH=PLAIN"]).await?;
        ensure!(plain.contains("Subject: m1"), "{plain}");
        // Not every build of curl has SCRAM.
        if let Ok(scram) = scram {
            ensure!(scram == plain, "{scram}");
        }
        curl(&format!("{pop3s}/2"), &["--request", "DELE", "--list-only"]).await?;
        ensure!(left(&cluster.nodes[0], &anna).await? == 2);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn fetchmail() -> Result<()> {
    with_cluster(2, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        three(&cluster.nodes[0], &anna).await?;
        let home = testkit::process::folder()?;
        let fetch = async |port: &str, tls: &str, how: &str| {
            let settings = format!(
                "poll 127.0.0.1 proto POP3 service {port} uidl timeout 60\n\
                 user \"{anna}\" password \"{PASSWORD}\" {tls} no sslcertck {how}\n\
                 mda \"cat >> mbox\"\n"
            );
            secret(home.path(), "fetchmailrc", &settings)?;
            let how = ["-f", "fetchmailrc", "--idfile", "ids", "--pidfile", "pid", "--nosyslog"];
            run("fetchmail", &[&how[..], &["--nodetach", "-v"]].concat(), home.path(), "").await
        };
        let [first, second] = &cluster.nodes[..] else { unreachable!() };
        // Kept on the server: the second time only what is new comes.
        fetch(&port(first.pop3s()?), "ssl", "keep").await?;
        ensure!(in_mbox(home.path(), "mbox") == 3);
        send(first, &anna, "m4").await?;
        fetch(&port(second.pop3s()?), "ssl", "keep").await?;
        ensure!(in_mbox(home.path(), "mbox") == 4);
        ensure!(left(first, &anna).await? == 4);
        // With STLS, and removed.
        fetch(&port(second.pop3()?), "sslproto \"tls1.2+\"", "fetchall no keep").await?;
        ensure!(in_mbox(home.path(), "mbox") == 8);
        ensure!(left(first, &anna).await? == 0);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn mpop() -> Result<()> {
    with_cluster(2, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        three(&cluster.nodes[0], &anna).await?;
        let home = testkit::process::folder()?;
        trust(cluster, home.path()).await?;
        let here = home.path().display().to_string();
        let fetch = async |port: &str, starttls: &str, auth: &str, keep: &str| {
            let settings = format!(
                "account a\nhost 127.0.0.1\nport {port}\nuser {anna}\npassword {PASSWORD}\nauth {auth}\ntls on\n\
                 tls_starttls {starttls}\ntls_trust_file certificate.pem\ntls_host_override mx.test\n\
                 keep {keep}\ndelivery mbox {here}/mbox\nuidls_file {here}/uidls\n"
            );
            secret(home.path(), "mpoprc", &settings)?;
            run("mpop", &["-C", "mpoprc", "--debug", "a"], home.path(), "").await
        };
        let [first, second] = &cluster.nodes[..] else { unreachable!() };
        fetch(&port(first.pop3s()?), "off", "scram-sha-256", "on").await?;
        ensure!(in_mbox(home.path(), "mbox") == 3);
        send(first, &anna, "m4").await?;
        // Removes what it has fetched before, too.
        fetch(&port(second.pop3()?), "on", "plain", "off").await?;
        ensure!(in_mbox(home.path(), "mbox") == 4);
        ensure!(left(first, &anna).await? == 0);
        Ok(())
    })
    .await
}
