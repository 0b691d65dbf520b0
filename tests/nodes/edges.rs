//! Balancers before, poolers behind, and addresses that meet.

use super::{exists, idle, login, message, send, with_cluster};
use anyhow::{Context, Result, ensure};
use testkit::{
    Cluster, ClusterOptions, ImapClient, Node, PASSWORD, PgBouncer, SmtpClient, Stream, postrider,
};

/// PROXY protocol, version 1 and 2: the client's own address counts, and without a header nobody is served.
#[tokio::test(flavor = "multi_thread")]
async fn behind_a_balancer() -> Result<()> {
    let mut settings = Vec::new();
    for listener in ["smtp", "imap", "imaps"] {
        let from: Vec<toml::Value> = vec!["127.0.0.0/8".into()];
        settings.push((format!("listen.{listener}.proxy_from"), from.into()));
    }
    with_cluster(
        1,
        ClusterOptions { settings, ..Default::default() },
        async |cluster: &mut Cluster| {
            let anna = cluster.account("anna")?;
            let node = &cluster.nodes[0];
            let v1 = b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 25\r\n".to_vec();
            let mut v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24".to_vec();
            let v6: std::net::Ipv6Addr = "2001:db8::7".parse()?;
            v2.extend_from_slice(&v6.octets());
            v2.extend_from_slice(&v6.octets());
            v2.extend_from_slice(&[0x9c, 0x40, 0, 25]);
            for (header, address) in [(&v1, "192.0.2.7"), (&v2, "2001:db8::7")] {
                let mut stream = Stream::connect(node.smtp()?).await?;
                stream.send(header).await?;
                let mut smtp = SmtpClient { stream };
                smtp.reply().await?;
                smtp.ehlo().await?;
                let reply =
                    smtp.send_mail("a@elsewhere.test", &[&anna], &message(address, 200)).await?;
                ensure!(reply.code == 250, "{}", reply.text());
            }
            // TLS after the header.
            let mut stream = Stream::connect(node.imaps()?).await?;
            stream.send(&v1).await?;
            stream.start_tls().await?;
            let mut imap = ImapClient::greeted(stream).await?;
            imap.command(&format!("LOGIN {anna} \"{PASSWORD}\"")).await?;
            assert_eq!(imap.select("INBOX").await?, 2);
            for (n, address) in [(1, "192.0.2.7"), (2, "2001:db8::7")] {
                let header =
                    imap.command(&format!("FETCH {n} BODY[HEADER.FIELDS (RECEIVED)]")).await?;
                let text = String::from_utf8_lossy(&header[0]).into_owned();
                ensure!(text.contains(address), "{address}: {text}");
            }
            // Somebody who only claims to be a balancer's client, or forgets to: no service.
            for octets in [
                &b"EHLO x\r\n"[..],
                b"PROXY TCP4 nonsense\r\n",
                b"\r\n\r\n\0\r\nQUIT\n\xff\xff\xff\xff",
            ] {
                let mut stream = Stream::connect(node.smtp()?).await?;
                stream.send(octets).await?;
                let said = stream.rest().await?;
                ensure!(!said.starts_with(b"220"), "{said:?}");
            }
            Ok(())
        },
    )
    .await
}

/// All of a node through PgBouncer 1.18 in transaction mode.
#[tokio::test(flavor = "multi_thread")]
async fn behind_pgbouncer() -> Result<()> {
    let shared = testkit::Postgres::shared().await?;
    let bouncer = PgBouncer::start(&shared).await?;
    let settings = vec![("postgres.prepared_statements".to_owned(), false.into())];
    with_cluster(
        0,
        ClusterOptions { settings, ..Default::default() },
        async |cluster: &mut Cluster| {
            cluster.config.set("postgres.url", bouncer.url(cluster.database.name()));
            cluster.add_node()?;
            cluster.add_node()?;
            let anna = cluster.account("anna")?;
            let (mut imap, tag, _) = idle(&cluster.nodes[0], &anna).await?;
            for n in 1..=5 {
                send(&cluster.nodes[1], &anna, &format!("m{n}")).await?;
                exists(&mut imap, n).await?;
            }
            imap.done(&tag).await?;
            imap.command("STORE 1:3 +FLAGS (\\Deleted $Label)").await?;
            imap.command("COPY 4:5 Archive").await?;
            imap.command("EXPUNGE").await?;
            imap.command("FETCH 1:* (FLAGS ENVELOPE BODY[])").await?;
            assert_eq!(imap.select("Archive").await?, 2);
            imap.logout().await
        },
    )
    .await
}

/// Several addresses of one message that lead to one account: one copy (RFC 5321 section 3.9 lets a server
/// "eliminate duplicates").
#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_meet_get_one_copy() -> Result<()> {
    with_cluster(1, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let (anna, bert) = (cluster.account("anna")?, cluster.account("bert")?);
        let file = cluster.config_file()?;
        for account in [&anna, &bert] {
            postrider(&["alias", "add", "--config", &file, "team@example.test", account], "")?;
        }
        let node = &cluster.nodes[0];
        let mut smtp = SmtpClient::connect(node.smtp()?).await?;
        smtp.ehlo().await?;
        let to =
            [anna.as_str(), "team@example.test", "ANNA@Example.Test", "anna+x@example.test", &anna];
        let reply = smtp.send_mail("a@elsewhere.test", &to, &message("once", 300)).await?;
        ensure!(reply.code == 250, "{}", reply.text());
        for account in [&anna, &bert] {
            assert_eq!(login(node, account).await?.select("INBOX").await?, 1, "{account}");
        }
        Ok(())
    })
    .await
}

/// More recipients than are delivered inline: the rest come out of the queue a moment later, all of them once.
#[tokio::test(flavor = "multi_thread")]
async fn many_recipients() -> Result<()> {
    with_cluster(2, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let names: Vec<String> = (0..100).map(|n| format!("user{n}")).collect();
        // Made straight in the database: hashing a hundred passwords is another test's.
        let store = cluster.database.store()?;
        for name in &names {
            let new = store::directory::NewAccount {
                address: &format!("{name}@example.test"),
                domain: "example.test",
                display_name: "",
                argon2id: "",
                scram_sha_256: "",
                quota_bytes: None,
            };
            store::directory::account_add(&store, &new).await?;
        }
        let mut smtp = SmtpClient::connect(cluster.nodes[0].smtp()?).await?;
        smtp.ehlo().await?;
        let to: Vec<String> = names.iter().map(|name| format!("{name}@example.test")).collect();
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        for n in 0..3 {
            let reply = smtp.send_mail("a@elsewhere.test", &to, &message(&format!("m{n}"), 300)).await?;
            ensure!(reply.code == 250, "{}", reply.text());
        }
        let client = cluster.database.client().await?;
        testkit::until("the queue is empty", async || {
            let left = client.query_one("SELECT count(*) FROM queue_recipient", &[]).await.ok()?;
            (left.get::<_, i64>(0) == 0).then_some(())
        })
        .await?;
        let sql = "SELECT count(*), count(DISTINCT (account_id, message_id)), (SELECT count(*) FROM blob WHERE state = 0)
                     FROM mailbox_message";
        let row = client.query_one(sql, &[]).await?;
        assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)), (300, 300, 3));
        Ok(())
    })
    .await
}

/// New certificates are used without a restart, and sessions that stand go on.
#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_reloaded() -> Result<()> {
    with_cluster(0, ClusterOptions::default(), async |cluster: &mut Cluster| {
        // Files of this node's own.
        let folder = testkit::process::folder()?;
        let pair = cluster.config.0["tls"]["certificates"][0].clone();
        let mut own = toml::Table::new();
        for name in ["certificate", "key"] {
            let to = folder.path().join(name);
            std::fs::copy(pair[name].as_str().context("a path")?, &to)?;
            own.insert(name.into(), to.display().to_string().into());
        }
        cluster.config.set("tls.certificates", vec![own]);
        cluster.add_node()?;
        let anna = cluster.account("anna")?;
        let node: &Node = &cluster.nodes[0];
        let first = peer_certificate(node).await?;
        let mut session = login(node, &anna).await?;
        let new = testkit::process::folder()?;
        let files = net::self_signed(new.path(), &["mx.test".to_owned()])?;
        std::fs::copy(files.certificate, folder.path().join("certificate"))?;
        std::fs::copy(files.key, folder.path().join("key"))?;
        testkit::until("another certificate", async || {
            (peer_certificate(node).await.ok()? != first).then_some(())
        })
        .await?;
        session.command("NOOP").await?;
        // A broken file changes nothing.
        let second = peer_certificate(node).await?;
        std::fs::write(folder.path().join("certificate"), "nonsense")?;
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        assert!(peer_certificate(node).await? == second);
        session.logout().await
    })
    .await
}

async fn peer_certificate(node: &Node) -> Result<Vec<u8>> {
    let stream = Stream::connect_tls(node.imaps()?).await?;
    stream.peer_certificate().context("no certificate")
}
