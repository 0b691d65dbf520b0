//! Who gets in, how, and when that is over.

use super::clients::run;
use super::{login, message, send, with_cluster};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::time::{Duration, Instant};
use testkit::{Cluster, ClusterOptions, ImapClient, Node, PASSWORD, Stream, postrider};

/// A session has to end within a second; the rest is for a busy machine.
const SOON: Duration = Duration::from_secs(10);

fn settings(home: &Path) -> Vec<(String, toml::Value)> {
    let file = |name: &str| home.join(name).display().to_string();
    let oauth = toml::toml! {
        issuer = "https://idp.test"
        audience = ["mail"]
        openid_configuration = "https://idp.test/.well-known/openid-configuration"
    };
    let mut oauth = oauth;
    oauth.insert("jwks".into(), file("jwks.json").into());
    vec![
        ("tls.client_authorities".into(), vec![file("authority.pem")].into()),
        ("directory.oauth".into(), oauth.into()),
    ]
}

/// SCRAM with channel binding, certificates, tokens: what is good gets in, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn every_mechanism() -> Result<()> {
    let home = testkit::process::folder()?;
    std::fs::write(home.path().join("logins.py"), include_str!("clients/logins.py"))?;
    run("python3", &["logins.py", "prepare"], home.path(), "").await?;
    let options = ClusterOptions { settings: settings(home.path()), ..Default::default() };
    with_cluster(2, options, async |cluster: &mut Cluster| {
        cluster.account("anna")?;
        cluster.account("bert")?;
        let [a, b] = &cluster.nodes[..] else { unreachable!() };
        let port = |address: std::net::SocketAddr| address.port().to_string();
        let submissions = a.ready.submissions.context("no submissions")?;
        let ports = [port(submissions), port(a.imap()?), port(a.imaps()?), port(b.imaps()?)];
        let arguments = ["logins.py", "run", &ports[0], &ports[1], &ports[2], &ports[3]];
        let said = run("python3", &arguments, home.path(), "").await?;
        ensure!(said.trim() == "done", "{said}");

        // curl speaks OAUTHBEARER and XOAUTH2 itself.
        let token = run("python3", &["logins.py", "token"], home.path(), "").await?;
        let (imaps, submissions) =
            (format!("imaps://{}/INBOX", a.imaps()?), format!("smtps://{submissions}"));
        std::fs::write(home.path().join("mail"), message("by token", 300))?;
        let send = ["--mail-from", "anna@example.test", "--mail-rcpt", "anna@example.test"];
        let send = [&send[..], &["--upload-file", "mail"]].concat();
        for mechanism in ["AUTH=OAUTHBEARER", "AUTH=XOAUTH2"] {
            for (url, more) in [(&imaps, &["--request", "NOOP"][..]), (&submissions, &send)] {
                let user = ["--user", "anna@example.test", "--oauth2-bearer", token.trim()];
                let how = ["--silent", "--show-error", "--insecure", "--max-time", "60", "--url"];
                let all = [&how[..], &[url], &user, &["--login-options", mechanism], more].concat();
                run("curl", &all, home.path(), "").await.context(mechanism)?;
            }
        }
        let counted = a.metric("postrider_logins_total", "throttled").await?;
        ensure!(counted >= 1.0, "{counted}");
        Ok(())
    })
    .await
}

/// A client of its own kind for SCRAM-SHA-256-PLUS, over the channel binding that it prefers (TLS 1.3: tls-exporter).
#[tokio::test(flavor = "multi_thread")]
async fn gsasl() -> Result<()> {
    with_cluster(1, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let home = testkit::process::folder()?;
        super::clients::trust(cluster, home.path()).await?;
        let ready = cluster.nodes[0].ready.clone();
        for (service, listener) in [("--imap", ready.imap), ("--smtp", ready.submission)] {
            let port = listener.context("no listener")?.port().to_string();
            let arguments = [
                service,
                "--starttls",
                "--mechanism=SCRAM-SHA-256-PLUS",
                "--x509-ca-file=certificate.pem",
                "--verbose",
                &format!("--authentication-id={anna}"),
                "--password",
                PASSWORD,
                "localhost",
                &port,
            ];
            let said = run("gsasl", &arguments, home.path(), "").await?;
            ensure!(said.contains("server trusted"), "{said}");
        }
        Ok(())
    })
    .await
}

/// Waits for `* BYE` and the end of the connection.
async fn ended(imap: &mut ImapClient, since: Instant) -> Result<()> {
    let bye = imap.notice(SOON, |answer| answer.starts_with(b"* BYE [EXPIRED]")).await;
    bye.with_context(|| format!("no BYE after {:?}", since.elapsed()))?;
    ensure!(!imap.stream.more().await?, "it says BYE and goes on");
    Ok(())
}

async fn submitter(node: &Node, user: &str) -> Result<Stream> {
    use base64::Engine;
    let mut stream = Stream::connect_tls(node.ready.submissions.context("no submissions")?).await?;
    let plain = base64::prelude::BASE64_STANDARD.encode(format!("\0{user}\0{PASSWORD}"));
    for (send, wanted) in [
        (String::new(), "220 "),
        ("EHLO x\r\n".into(), "250 "),
        (format!("AUTH PLAIN {plain}\r\n"), "235 "),
        (format!("MAIL FROM:<{user}>\r\n"), "250 "),
        (format!("RCPT TO:<{user}>\r\n"), "250 "),
        ("DATA\r\n".into(), "354 "),
        ("Subject: half\r\n".into(), ""),
    ] {
        stream.send(send.as_bytes()).await?;
        while !String::from_utf8_lossy(stream.buffer()).contains(wanted) {
            ensure!(stream.more().await?, "{send}: {:?}", stream.buffer());
        }
        if !wanted.is_empty() {
            let length = stream.buffer().len();
            stream.take(length);
        }
    }
    Ok(stream)
}

/// What an operator does to an account ends its sessions on every node, idle or in the middle of something.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_account_ends_its_sessions() -> Result<()> {
    with_cluster(2, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let file = cluster.config_file()?;
        let other = cluster.account("other")?;
        let mut undisturbed = login(&cluster.nodes[0], &other).await?;
        undisturbed.select("INBOX").await?;
        let undisturbed_tag = undisturbed.idle().await?;
        let changes: [(&str, &[&str], &str); 3] = [
            ("anna", &["passwd", "--password-stdin"], "another one 8\n"),
            ("bert", &["disable"], ""),
            ("carl", &["remove", "--yes"], ""),
        ];
        for (name, change, input) in changes {
            let user = cluster.account(name)?;
            let [a, b] = &cluster.nodes[..] else { unreachable!() };
            let (mut idle, ..) = super::idle(a, &user).await?;
            let mut quiet = login(b, &user).await?;
            let mut sending = login(b, &user).await?;
            let text = message("half", 2_000);
            sending.send(&format!("APPEND INBOX {{{}}}", text.len())).await?;
            ensure!(sending.response().await?.starts_with(b"+"));
            sending.stream.send(&text[..1_000]).await?;
            let mut submission = submitter(a, &user).await?;
            // Everything is awake and nothing happens.
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            quiet.command("NOOP").await?;

            let arguments =
                [&["account", change[0], "--config", &file, &user], &change[1..]].concat();
            postrider(&arguments, input)?;
            let since = Instant::now();
            for session in [&mut idle, &mut quiet, &mut sending] {
                ended(session, since).await.with_context(|| format!("{name}, {change:?}"))?;
            }
            submission.set_patience(SOON);
            while submission.more().await? {}
            let said = String::from_utf8_lossy(submission.buffer()).into_owned();
            ensure!(said.starts_with("421 4.7.0 "), "{name}: {said:?}");
            eprintln!("{change:?}: all sessions ended after {:?}", since.elapsed());
            ensure!(login(a, &user).await.is_err(), "{name} gets in with the old password");
        }
        // Who logs in with the new password stays.
        let anna = "anna@example.test";
        let mut imap = ImapClient::login(cluster.nodes[1].imap()?, anna, "another one 8").await?;
        imap.select("INBOX").await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        imap.command("NOOP").await?;
        undisturbed.done(&undisturbed_tag).await?;
        Ok(())
    })
    .await
}

/// Half-sent messages hold memory: an account has only so many, and each only so long.
#[tokio::test(flavor = "multi_thread")]
async fn half_sent_messages_are_bounded() -> Result<()> {
    let settings = vec![
        ("imap.uploads_per_account".into(), 3.into()),
        ("imap.upload_seconds".into(), 4.into()),
    ];
    let options = ClusterOptions { settings, ..Default::default() };
    with_cluster(1, options, async |cluster: &mut Cluster| {
        let (anna, bert) = (cluster.account("anna")?, cluster.account("bert")?);
        let node = &cluster.nodes[0];
        let mut open = Vec::new();
        let begun = Instant::now();
        for _ in 0..3 {
            let mut imap = login(node, &anna).await?;
            imap.send("APPEND INBOX {1000000}").await?;
            ensure!(imap.response().await?.starts_with(b"+"));
            open.push(imap);
        }
        let mut fourth = login(node, &anna).await?;
        let text = message("fourth", 400);
        let said = fourth.append("INBOX", "", &text).await?;
        ensure!(said.starts_with("NO [LIMIT]"), "{said}");
        let mut of_bert = login(node, &bert).await?;
        let said = of_bert.append("INBOX", "", &text).await?;
        ensure!(said.starts_with("OK"), "{said}");
        // An octet now and then does not help.
        for imap in &mut open {
            let dripping = async {
                while imap.stream.send(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    if begun.elapsed() > Duration::from_secs(30) {
                        anyhow::bail!("it drips for ever");
                    }
                }
                Ok(())
            };
            dripping.await?;
        }
        let said = fourth.append("INBOX", "", &text).await?;
        ensure!(said.starts_with("OK"), "{said}");
        Ok(())
    })
    .await
}

/// A search for a client that has left is given up; one for a client that only said all it has to say is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_ends_with_its_client() -> Result<()> {
    with_cluster(2, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        for n in 0..3 {
            send(&cluster.nodes[0], &anna, &format!("m{n}")).await?;
        }
        let mut clients = Vec::new();
        for _ in 0..2 {
            let mut imap = ImapClient::connect(cluster.nodes[1].imap()?).await?;
            imap.command("STARTTLS").await?;
            imap.stream.start_tls().await?;
            imap.command(&format!("LOGIN {anna} \"{PASSWORD}\"")).await?;
            imap.select("INBOX").await?;
            clients.push(imap);
        }
        // The bodies do not come.
        cluster.s3.daemon()?.pause();
        let mut leaves = clients.pop().context("a client")?;
        leaves.send("SEARCH BODY jack").await?;
        let mut listens = clients.pop().context("a client")?;
        let tag = listens.send("SEARCH BODY jack").await?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop(leaves);
        listens.stream.finish_sending().await?;
        let begun = Instant::now();
        let left = async || cluster.nodes[1].metric("postrider_imap_searches_left_total", "").await;
        while left().await? < 1.0 {
            ensure!(begun.elapsed() < Duration::from_secs(12), "the search goes on");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        cluster.s3.daemon()?.resume();
        let (answers, end) = listens.finish(&tag).await?;
        ensure!(end.starts_with("OK"), "{end}");
        ensure!(answers.iter().any(|answer| answer.starts_with(b"* SEARCH")), "{answers:?}");
        ensure!(left().await? == 1.0);
        Ok(())
    })
    .await
}
