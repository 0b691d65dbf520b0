//! What a stranger may send. Each gets a clear protocol error or a clean close, the node lives on, and its memory
//! stays bounded.

use super::{login, message, send, subjects, with_cluster};
use anyhow::{Context, Result, ensure};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use testkit::{Cluster, ClusterOptions, ImapClient, Node, PASSWORD, SmtpClient, Stream};

/// Above what a node of this test has when it is at rest.
const ROOM_KIB: u64 = 64 * 1024;

/// Says something and collects what the server says until it closes, or until it has said nothing more for a
/// moment. The connection is then closed.
async fn provoke(address: SocketAddr, octets: &[u8]) -> Result<String> {
    let mut stream = Stream::connect(address).await?;
    // It may close before it has read all of it.
    let _ = stream.send(octets).await;
    stream.set_patience(Duration::from_millis(300));
    while matches!(stream.more().await, Ok(true)) {}
    Ok(String::from_utf8_lossy(stream.buffer()).into_owned())
}

/// Plain listeners: SMTP, submission, LMTP, IMAP, POP3.
fn plain(node: &Node) -> Result<[(&'static str, SocketAddr); 5]> {
    Ok([
        ("smtp", node.smtp()?),
        ("submission", node.submission()?),
        ("lmtp", node.ready.lmtp.context("no lmtp")?),
        ("imap", node.imap()?),
        ("pop3", node.pop3()?),
    ])
}

async fn still_serves(node: &Node, account: &str) -> Result<()> {
    SmtpClient::connect(node.smtp()?).await?.quit().await?;
    login(node, account).await?.logout().await
}

#[tokio::test(flavor = "multi_thread")]
async fn strange_octets_are_answered_and_harm_nobody() -> Result<()> {
    with_cluster(1, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        send(&cluster.nodes[0], &anna, "good").await?;
        still_serves(&cluster.nodes[0], &anna).await?;
        let before = cluster.nodes[0].daemon().resident_kib();
        let node = &cluster.nodes[0];
        let hello = [
            0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13,
            14, 15,
        ];
        let mut long = b"EHLO ".to_vec();
        long.resize(9_000, b'x');
        long.extend_from_slice(b"\r\nNOOP\r\n");
        let mut endless = b"a LOGIN ".to_vec();
        endless.resize(3_000_000, b'x');
        endless.extend_from_slice(b"\r\n");
        for (name, address) in plain(node)? {
            let (no, bad) = match name {
                "imap" => ("BAD", "BAD"),
                "pop3" => ("-ERR", "-ERR"),
                _ => ("5", "\r\n5"),
            };
            let said = provoke(address, &hello).await?;
            ensure!(said.lines().count() <= 3, "{name}: TLS where none is: {said:?}");
            let said = provoke(address, &long).await?;
            ensure!(said.contains(bad), "{name}: a line of 9000 octets: {said:?}");
            let said = provoke(address, &endless).await?;
            let refused = said.contains(no) || said.contains("* BYE");
            ensure!(refused, "{name}: a line of 3 MB: {said:?}");
            let said = provoke(address, b"NO\0OP\r\n").await?;
            ensure!(said.contains(no), "{name}: a NUL: {said:?}");
            let said = provoke(address, b"\xff\xfe\xfd \xc3\x28\r\n").await?;
            ensure!(said.contains(no), "{name}: no UTF-8: {said:?}");
            let said = provoke(address, b"\r\n\r\n\r\n").await?;
            ensure!(said.contains(no), "{name}: nothing at all: {said:?}");
            still_serves(node, &anna).await.with_context(|| name)?;
        }
        // TLS listeners that are spoken to in the clear.
        for address in [node.ready.submissions, node.ready.imaps, node.ready.pop3s] {
            let said = provoke(address.context("no listener")?, b"EHLO x\r\n\r\n\r\n\r\n").await?;
            ensure!(!said.contains("250") && said.len() < 100, "{said:?}");
        }
        still_serves(node, &anna).await?;
        let after = cluster.nodes[0].daemon().resident_kib();
        ensure!(after < before + ROOM_KIB, "{before} KiB before, {after} KiB after");
        Ok(())
    })
    .await
}

/// RFC 5321 section 4.1.1.4 and the smuggling of 2023: only CRLF.CRLF ends a message, and a message that never
/// ends is never delivered.
#[tokio::test(flavor = "multi_thread")]
async fn only_a_whole_message_is_a_message() -> Result<()> {
    with_cluster(1, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let node = &cluster.nodes[0];
        let envelope = format!("MAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<{anna}>\r\nDATA\r\n");
        let open = async || -> Result<SmtpClient> {
            let mut smtp = SmtpClient::connect(node.smtp()?).await?;
            smtp.ehlo().await?;
            smtp.stream.send(envelope.as_bytes()).await?;
            for code in [250, 250, 354] {
                let reply = smtp.reply().await?;
                ensure!(reply.code == code, "{}", reply.text());
            }
            Ok(smtp)
        };
        // Truncated at every kind of place.
        for part in [&b""[..], b"Subject: x", b"Subject: x\r\n\r\nbody\r\n", b"Subject: x\r\n\r\nbody\r\n.", b"a\r\n.\r"] {
            let mut smtp = open().await?;
            smtp.stream.send(part).await?;
            drop(smtp);
        }
        let mut large = open().await?;
        for _ in 0..40 {
            large.stream.send(&message("truncated", 100_000)).await?;
        }
        drop(large);
        // Ends that are none: whatever a server makes of them, it must not find a second message behind.
        let smuggled = format!("MAIL FROM:<evil@elsewhere.test>\r\nRCPT TO:<{anna}>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n");
        for end in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\n\n.\n\n", "\r\n\0.\r\n"] {
            let mut smtp = open().await?;
            let text = format!("Subject: outer\r\n\r\nbody{end}{smuggled}");
            smtp.stream.send(text.as_bytes()).await?;
            let reply = smtp.reply().await?;
            ensure!(reply.code / 100 == 5 || reply.code == 250, "{end:?}: {}", reply.text());
            smtp.stream.set_patience(Duration::from_millis(200));
            if let Ok(more) = smtp.reply().await {
                ensure!(more.code != 250 && more.code != 354, "{end:?}: a second answer: {}", more.text());
            }
        }
        // A real second message behind a real end is one (pipelining, RFC 2920).
        let mut smtp = open().await?;
        let two = format!("Subject: one\r\n\r\n..\r\n.\r\n{envelope}");
        smtp.stream.send(two.as_bytes()).await?;
        for code in [250, 250, 250, 354] {
            let reply = smtp.reply().await?;
            ensure!(reply.code == code, "{}", reply.text());
        }
        smtp.stream.send(b"Subject: two\r\n\r\nx\r\n.\r\n").await?;
        ensure!(smtp.reply().await?.code == 250);
        let there = subjects(node, &anna).await?;
        ensure!(!there.iter().any(|subject| subject == "smuggled"), "{there:?}");
        ensure!(there.iter().filter(|subject| *subject != "outer").eq(["one", "two"]), "{there:?}");
        Ok(())
    })
    .await
}

/// "A 2 GiB literal announcement", before and after login, synchronising or not (RFC 7888).
#[tokio::test(flavor = "multi_thread")]
async fn large_announcements_are_refused_before_a_single_octet() -> Result<()> {
    with_cluster(1, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let before = {
            still_serves(&cluster.nodes[0], &anna).await?;
            cluster.nodes[0].daemon().resident_kib()
        };
        let node = &cluster.nodes[0];
        let imap = node.imap()?;
        for literal in [
            "{2147483648}",
            "{2147483648+}",
            "{4294967295}",
            "{18446744073709551616}",
            "{99999999999999999999+}",
        ] {
            let said = provoke(imap, format!("a LOGIN {literal}\r\n").as_bytes()).await?;
            ensure!(!said.contains("\r\n+ "), "{literal}: no continuation: {said:?}");
            ensure!(
                said.contains("a BAD") || said.contains("a NO") || said.contains("* BYE"),
                "{literal}: {said:?}"
            );
        }
        let mut session = login(node, &anna).await?;
        session.select("INBOX").await?;
        let tag = session.send("APPEND INBOX {2147483648}").await?;
        let answer = session.response().await?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        ensure!(answer.starts_with(&format!("{tag} NO")), "{answer}");
        ensure!(answer.contains("TOOBIG") || answer.contains("LIMIT"), "{answer}");
        session.command("NOOP").await?;
        // Non-synchronising: the octets would come anyway, so the server closes or swallows them; it does not
        // keep them.
        let mut other = login(node, &anna).await?;
        other.send("APPEND INBOX {2147483648+}").await?;
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..64 {
            if other.stream.send(&piece).await.is_err() {
                break;
            }
        }
        drop(other);
        // SIZE announced (RFC 1870): refused at MAIL.
        let mut smtp = SmtpClient::connect(node.smtp()?).await?;
        smtp.ehlo().await?;
        let reply = smtp.command("MAIL FROM:<a@elsewhere.test> SIZE=2147483648").await?;
        ensure!(reply.code == 552, "{}", reply.text());
        // BDAT announced (RFC 3030).
        smtp.command("MAIL FROM:<a@elsewhere.test>").await?;
        smtp.command(&format!("RCPT TO:<{anna}>")).await?;
        smtp.stream.send(b"BDAT 18446744073709551615\r\n").await?;
        let reply = smtp.reply().await?;
        ensure!(reply.code / 100 == 5, "{}", reply.text());
        still_serves(node, &anna).await?;
        let after = cluster.nodes[0].daemon().resident_kib();
        ensure!(after < before + ROOM_KIB, "{before} KiB before, {after} KiB after");
        Ok(())
    })
    .await
}

/// Sets, nesting and counts as large as a command can hold: each is answered soon, by its tag, and costs no memory.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_commands_are_answered_soon() -> Result<()> {
    with_cluster(1, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let node = &mut cluster.nodes[0];
        for subject in ["one", "two", "three"] {
            send(node, &anna, subject).await?;
        }
        let mut imap = login(node, &anna).await?;
        imap.select("INBOX").await?;
        let before = node.daemon().resident_kib();
        let sets = |range: &str, count: usize| vec![range; count].join(",");
        let repeat = |word: &str, count: usize| word.repeat(count);
        let limit = "[LIMIT]";
        let commands = [
            (format!("UID FETCH {} (UID)", sets("1:4294967295", 4_900)), "OK"),
            (format!("UID FETCH {} (UID)", sets("4294967295:1,*:1", 3_600)), "OK"),
            (format!("UID SEARCH UID {}", sets("1:4294967295", 4_900)), "OK"),
            (format!("UID STORE {} +FLAGS.SILENT (\\Seen)", sets("1:4294967295", 4_900)), "OK"),
            (format!("UID COPY {} Archive", sets("4294967295:1", 4_900)), "OK"),
            (format!("UID EXPUNGE {}", sets("1:4294967295", 4_900)), "OK"),
            (format!("FETCH {} (UID)", sets("1:4294967295", 10)), "BAD"),
            (format!("FETCH {} (UID)", sets("4294967296", 2)), "BAD"),
            (format!("FETCH 1{} (UID)", repeat(",1", 16_384)), limit),
            (format!("SEARCH {}", repeat("(", 60_000)), limit),
            (format!("SEARCH {}ALL", repeat("NOT ", 15_000)), limit),
            (format!("SEARCH {}ALL{}", repeat("(", 49), repeat(")", 49)), "OK"),
            (format!("SEARCH ALL{}", repeat(" ALL", 1_001)), limit),
            (format!("SEARCH {}", vec!["TEXT x"; 900].join(" ")), "OK"),
            (format!("FETCH 1 BODY[{}1]", repeat("1.", 100)), "BAD"),
            (format!("FETCH 1 BODY.PEEK[{}1]", repeat("1.", 60)), "OK"),
            (format!("FETCH 1 ({}UID)", repeat("UID ", 256)), limit),
            (format!("LIST \"\" {}", repeat("*a", 600)), limit),
            (format!("LIST \"\" {}", repeat("*%", 400)), "OK"),
            (format!("STATUS INBOX ({}UIDNEXT)", repeat("UIDNEXT ", 8_000)), "BAD"),
            (format!("URLFETCH{}", repeat(" /INBOX/;UID=1", 65)), limit),
            (format!("CREATE {}", vec!["a"; 2_000].join("/")), "NO"),
            (format!("NOOP {}", repeat("x", 70_000)), "BAD"),
        ];
        for (command, wanted) in commands {
            let name = &command[..command.len().min(40)];
            let started = std::time::Instant::now();
            let (_, end) = imap.try_command(&command).await.context(name.to_owned())?;
            ensure!(end.contains(wanted), "{name}: {end}");
            ensure!(started.elapsed() < Duration::from_secs(20), "{name}: {:?}", started.elapsed());
        }
        let after = node.daemon().resident_kib();
        ensure!(after < before + ROOM_KIB, "{before} KiB before, {after} KiB after");
        still_serves(node, &anna).await
    })
    .await
}

/// MIME nested deeper than anybody nests it, and with more parts: taken, described as far as it is looked into, and
/// fetched whole.
#[tokio::test(flavor = "multi_thread")]
async fn deep_and_wide_messages_are_described() -> Result<()> {
    with_cluster(1, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let node = &cluster.nodes[0];
        let mut imap = login(node, &anna).await?;
        imap.select("INBOX").await?;
        let multipart =
            |n: usize| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n");
        let deep: String = (0..2_000).map(multipart).collect();
        let letters = "Content-Type: message/rfc822\r\n\r\n".repeat(2_000);
        let wide = format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n",
            "--b\r\n\r\nx\r\n".repeat(50_000)
        );
        let long = format!("Subject: {}\r\n\r\nx", "x".repeat(2_000_000));
        let params = format!("Content-Type: text/plain{}\r\n\r\nx", "; a=b".repeat(100_000));
        for (uid, message) in [deep, letters, wide, long, params].iter().enumerate() {
            let uid = uid + 1;
            imap.stream
                .send(format!("a APPEND INBOX {{{}+}}\r\n", message.len()).as_bytes())
                .await?;
            imap.stream.send(message.as_bytes()).await?;
            imap.stream.send(b"\r\n").await?;
            loop {
                let line = imap.response().await?;
                if line.starts_with(b"a ") {
                    ensure!(line.starts_with(b"a OK"), "{}", String::from_utf8_lossy(&line));
                    break;
                }
            }
            let started = std::time::Instant::now();
            for item in ["BODYSTRUCTURE ENVELOPE", "BODY.PEEK[HEADER]", "BODY.PEEK[1]", "PREVIEW"] {
                let (_, end) = imap.try_command(&format!("UID FETCH {uid} ({item})")).await?;
                ensure!(end.starts_with("OK"), "{uid} {item}: {end}");
            }
            let (lines, end) = imap.try_command(&format!("UID FETCH {uid} BODY.PEEK[]")).await?;
            let whole: usize = lines.iter().map(|line| line.len()).sum();
            ensure!(
                end.starts_with("OK") && whole >= message.len(),
                "{uid}: {end}, {whole} octets"
            );
            ensure!(started.elapsed() < Duration::from_secs(30), "{uid}: {:?}", started.elapsed());
        }
        still_serves(node, &anna).await
    })
    .await
}

/// Messages of 40 MiB, many at once, with a budget of 32 MiB: they stream, or are told to come later.
#[tokio::test(flavor = "multi_thread")]
async fn memory_is_bounded_under_large_messages() -> Result<()> {
    let options = ClusterOptions {
        settings: vec![("limits.memory_mib".into(), 32.into())],
        ..Default::default()
    };
    with_cluster(1, options, async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        still_serves(&cluster.nodes[0], &anna).await?;
        let before = cluster.nodes[0].daemon().resident_kib();
        let mail = message("large", 20 << 20);
        let address = cluster.nodes[0].smtp()?;
        let senders = (0..12).map(|_| async {
            let mut smtp = SmtpClient::connect(address).await?;
            smtp.ehlo().await?;
            smtp.send_mail("a@elsewhere.test", &[&anna], &mail).await
        });
        let mut accepted = 0;
        let all = futures::future::join_all(senders);
        tokio::pin!(all);
        let mut most = before;
        let replies = loop {
            tokio::select! {
                replies = &mut all => break replies,
                () = tokio::time::sleep(Duration::from_millis(20)) => {
                    most = most.max(cluster.nodes[0].daemon().resident_kib());
                }
            }
        };
        for reply in replies {
            let reply = reply?;
            ensure!(matches!(reply.code, 250 | 451 | 452), "{}", reply.text());
            accepted += usize::from(reply.code == 250);
        }
        println!("12 messages of 20 MiB at once: {accepted} accepted, {before} KiB before, {most} KiB at most");
        ensure!(accepted > 0);
        ensure!(most < before + 160 * 1024, "{before} KiB before, {most} KiB at most");
        ensure!(subjects(&cluster.nodes[0], &anna).await?.len() == accepted);
        Ok(())
    })
    .await
}

/// A thousand wrong passwords from one address, over IMAP and submission: each is refused, others log in all the
/// while, and afterwards the owner does.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_wrong_passwords() -> Result<()> {
    with_cluster(1, ClusterOptions::default(), async |cluster: &mut Cluster| {
        let (anna, bert) = (cluster.account("anna")?, cluster.account("bert")?);
        still_serves(&cluster.nodes[0], &anna).await?;
        let before = cluster.nodes[0].daemon().resident_kib();
        let node = &cluster.nodes[0];
        let attacker: IpAddr = "127.0.0.9".parse()?;
        let (imap, submission) = (node.imap()?, node.submission()?);
        let begun = std::time::Instant::now();
        // Each failure costs its connection a growing wait, so the guesser takes many connections.
        let guess_twice = async |n: usize| {
            let mut stream = Stream::connect_from(attacker, imap).await?;
            stream.line().await?.context("no greeting")?;
            stream.send(b"s STARTTLS\r\n").await?;
            stream.line().await?.context("no answer")?;
            stream.start_tls().await?;
            for guess in 0..2 {
                stream.send(format!("g LOGIN {anna} guess{n}-{guess}\r\n").as_bytes()).await?;
                let line = stream.line().await?.context("closed")?;
                let line = String::from_utf8_lossy(&line).into_owned();
                let refused = ["g NO [AUTHENTICATIONFAILED]", "g NO [LIMIT]", "g NO [UNAVAILABLE]"];
                ensure!(refused.iter().any(|no| line.starts_with(no)), "{line}");
            }
            anyhow::Ok(())
        };
        let guess_often = async |n: usize| {
            let mut smtp = SmtpClient { stream: Stream::connect_from(attacker, submission).await? };
            smtp.reply().await?;
            smtp.ehlo().await?;
            smtp.start_tls().await?;
            let mut guesses = 0;
            while guesses < 10 {
                guesses += 1;
                let reply = smtp.auth_plain(&anna, &format!("guess{n}-{guesses}")).await?;
                ensure!(matches!(reply.code, 535 | 454 | 421), "{}", reply.text());
                if reply.code == 421 {
                    break;
                }
            }
            ensure!(guesses >= 5, "{guesses}");
            anyhow::Ok(())
        };
        let imap_guesses = futures::future::join_all((0..250).map(guess_twice));
        let smtp_guesses = futures::future::join_all((0..50).map(guess_often));
        let meanwhile = async {
            for _ in 0..10 {
                ImapClient::login(imap, &bert, PASSWORD).await?.logout().await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            anyhow::Ok(())
        };
        let (imap_guesses, smtp_guesses, others) =
            tokio::join!(imap_guesses, smtp_guesses, meanwhile);
        imap_guesses.into_iter().chain(smtp_guesses).collect::<Result<Vec<()>>>()?;
        others?;
        println!("1000 wrong passwords in {:.1?}", begun.elapsed());
        // From elsewhere the owner logs in at once: nobody can lock anybody out.
        login(node, &anna).await?.logout().await?;
        let after = cluster.nodes[0].daemon().resident_kib();
        ensure!(after < before + ROOM_KIB, "{before} KiB before, {after} KiB after");
        Ok(())
    })
    .await
}

/// Many who connect and say nothing, or stop in the middle: others are served.
#[tokio::test(flavor = "multi_thread")]
async fn idle_strangers_hold_up_nobody() -> Result<()> {
    let options = ClusterOptions {
        settings: vec![("limits.per_ip".into(), 100.into())],
        ..Default::default()
    };
    with_cluster(1, options, async |cluster: &mut Cluster| {
        let anna = cluster.account("anna")?;
        let node = &cluster.nodes[0];
        let stranger: IpAddr = "127.0.0.8".parse()?;
        let mut held = Vec::new();
        for n in 0..300 {
            let (_, address) = plain(node)?[n % 5];
            let mut stream = Stream::connect_from(stranger, address).await?;
            let _ = stream.send(b"EHL").await;
            held.push(stream);
        }
        let mut refused = 0;
        for stream in &mut held {
            stream.set_patience(Duration::from_secs(5));
            let first =
                stream.line().await?.map(|line| String::from_utf8_lossy(&line).into_owned());
            match first.as_deref() {
                Some(line) if ["220", "* OK", "+OK"].iter().any(|ok| line.starts_with(ok)) => {}
                None => refused += 1,
                Some(line) if ["421", "* BYE", "-ERR"].iter().any(|no| line.starts_with(no)) => {
                    refused += 1;
                }
                Some(line) => anyhow::bail!("{line}"),
            }
        }
        ensure!(refused == 200, "{refused} of 300 were refused, with a limit of 100 per address");
        still_serves(node, &anna).await
    })
    .await
}
