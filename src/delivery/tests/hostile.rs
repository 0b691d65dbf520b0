//! Servers that lie, stall, never end, or are ourselves.

use super::*;
use Fate::{Deferred, Delivered, Failed};
use smtp::client::Enhanced;
use std::future::Future;
use std::net::Ipv4Addr;
use std::time::Instant;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

type Wire = BufReader<TcpStream>;

/// A server whose every connection is treated like this.
async fn server<F>(talk: impl Fn(Wire) -> F + Send + Sync + 'static) -> SocketAddr
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(BufReader::new(stream)));
        }
    });
    address
}

/// Says these one after the other, each to a line of the client's; the first at once. Then hangs up.
async fn recite(mut wire: Wire, lines: &[&str]) -> std::io::Result<()> {
    for (at, line) in lines.iter().enumerate() {
        if at > 0 {
            wire.read_line(&mut String::new()).await?;
        }
        wire.write_all(line.as_bytes()).await?;
    }
    wire.shutdown().await
}

/// Says the same for ever.
async fn babble(mut wire: Wire, first: &str, piece: &str, pause: Duration) -> std::io::Result<()> {
    wire.write_all(first.as_bytes()).await?;
    loop {
        wire.write_all(piece.as_bytes()).await?;
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
}

async fn report_of(world: &World, at: SocketAddr) -> Report {
    world.zone.domain("a.test", at);
    world.send(&mailing("1", &["x@a.test"]), "a.test").await
}

/// What never ends is given up: by its length, or by the time that a whole reply may take, however steadily it drips.
#[tokio::test]
async fn endless_replies_end() {
    let drip = Duration::from_millis(20);
    for (first, piece, pause) in [
        ("", "220-more\r\n", Duration::ZERO),
        ("220 hi\r\n", "250-X\r\n", Duration::ZERO),
        ("220 hi\r\n", "250-X\r\n", drip),
        ("", "2", Duration::ZERO),
        ("220-", "x", drip),
        ("220 hi\r\n250-", "y", drip),
        ("220 hi\r\n", "\r\n", Duration::ZERO),
        ("", "\0", Duration::ZERO),
    ] {
        let world = World::with(|config| config.command_timeout_ms = Some(600));
        let at = server(move |wire| babble(wire, first, piece, pause)).await;
        let begun = Instant::now();
        let report = report_of(&world, at).await;
        assert_eq!(fates(&report), [Deferred], "{first:?} {piece:?}");
        assert_eq!(report.signal, Signal::Slow);
        assert!(begun.elapsed() < Duration::from_secs(5), "{first:?} {piece:?}");
        assert!(report.outcomes[0].text.len() < 1_100, "{}", report.outcomes[0].text.len());
    }
}

/// A reply counts only for what it is the reply to, and a message has arrived only when its end was answered.
#[tokio::test]
async fn yes_to_everything_is_no_delivery() {
    let world = World::new();
    for lines in [
        // 250 where 354 has to be.
        &["220 a\r\n", "250 b\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n"][..],
        // 250 before the end was sent, then nothing.
        &["220 a\r\n", "250 b\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n250 got it\r\n"],
        // Everything in advance.
        &["220 a\r\n", "250-b\r\n250 PIPELINING\r\n250 ok\r\n250 ok\r\n354 go\r\n250 got it\r\n"],
        &["220 a\r\n250 b\r\n250 ok\r\n250 ok\r\n354 go\r\n250 got it\r\n"],
        // 354 to MAIL, and to RCPT.
        &["220 a\r\n", "250 b\r\n", "354 go\r\n", "354 go\r\n", "250 ok\r\n"],
        &["220 a\r\n", "250 b\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n"],
        // Half a reply.
        &["220 a\r\n", "250 b\r\n", "250 ok\r\n", "250 ok\r\n", "25"],
    ] {
        let at = server(move |wire| recite(wire, lines)).await;
        let report = report_of(&world, at).await;
        assert_eq!(fates(&report), [Deferred], "{lines:?}");
    }
}

/// One that takes the message and says nothing more, or only half a reply: nobody knows.
#[tokio::test]
async fn half_an_answer_to_the_end_is_none() {
    for answer in ["", "25", "250-almost\r\n", "250-a\r\n550 b\r\n", "hello\r\n"] {
        let at = server(move |mut wire| async move {
            wire.write_all(b"220 a\r\n").await?;
            let mut line = String::new();
            let mut body = false;
            while wire.read_line(&mut line).await? > 0 {
                let reply = match line.as_str() {
                    ".\r\n" => {
                        wire.write_all(answer.as_bytes()).await?;
                        return wire.shutdown().await;
                    }
                    _ if body => "",
                    "DATA\r\n" => {
                        body = true;
                        "354 go\r\n"
                    }
                    _ => "250 ok\r\n",
                };
                wire.write_all(reply.as_bytes()).await?;
                line.clear();
            }
            Ok(())
        });
        let report = report_of(&World::new(), at.await).await;
        assert_eq!(fates(&report), [Fate::MayHaveHappened], "{answer:?}");
    }
}

/// CVE-2011-0411 from the other side: what came before the handshake is no part of what is believed after it.
#[tokio::test]
async fn nothing_is_believed_that_was_said_before_tls() {
    let lines = &["220 a\r\n", "250-b\r\n250 STARTTLS\r\n", "220 go\r\n250-b\r\n250 SIZE 1\r\n"];
    let at = server(move |wire| recite(wire, lines)).await;
    let world = World::new();
    for (tls, connections) in
        [(TlsPolicy::StartTls { verify: false }, 1), (TlsPolicy::Opportunistic, 2)]
    {
        let hop = Hop::Relay { host: "127.0.0.1".into(), port: at.port() };
        let route = Route { hop, tls, ..Route::default() };
        let report = world.send_by(&mailing("1", &["x@a.test"]), route).await;
        // In the clear it stops after EHLO just as well.
        assert_eq!((fates(&report), report.connections), (vec![Deferred], connections), "{tls:?}");
        let injected = "plain text injected before TLS";
        let seen = report.tries.iter().any(|one| one.text.contains(injected));
        assert!(seen, "{:?}", report.tries);
    }
}

/// A handshake that hangs costs its own wait; then it goes without, or elsewhere.
#[tokio::test]
async fn a_handshake_that_hangs_ends() {
    let lines = &["220 a\r\n", "250-b\r\n250 STARTTLS\r\n", "220 go\r\n"];
    let at = server(move |mut wire| async move {
        for (at, line) in lines.iter().enumerate() {
            if at > 0 {
                wire.read_line(&mut String::new()).await?;
            }
            wire.write_all(line.as_bytes()).await?;
        }
        tokio::io::copy(&mut wire, &mut tokio::io::sink()).await.map(|_| ())
    });
    let at = at.await;
    let world = World::with(|config| {
        config.handshake_timeout_ms = 200;
        config.command_timeout_ms = Some(400);
    });
    let begun = Instant::now();
    let hop = Hop::Relay { host: "127.0.0.1".into(), port: at.port() };
    let tls = TlsPolicy::StartTls { verify: false };
    let route = Route { hop, tls, ..Route::default() };
    let report = world.send_by(&mailing("1", &["x@a.test"]), route).await;
    assert_eq!(fates(&report), [Deferred]);
    assert!(begun.elapsed() < Duration::from_secs(3));
}

/// A server that does not read, or reads as slowly as it can, holds a message only so long.
#[tokio::test]
async fn a_server_that_does_not_read_is_left() {
    let slow = |pause: Option<Duration>| {
        move |mut wire: Wire| async move {
            wire.write_all(b"220 a\r\n").await?;
            for reply in ["250 b\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n"] {
                wire.read_line(&mut String::new()).await?;
                wire.write_all(reply.as_bytes()).await?;
            }
            let Some(pause) = pause else {
                std::future::pending::<()>().await;
                return Ok(());
            };
            let mut piece = vec![0; 64 * 1024];
            while wire.read(&mut piece).await? > 0 {
                tokio::time::sleep(pause).await;
            }
            Ok(())
        }
    };
    let large = || with_content("1", &["x@a.test"], "0123456789 abc\r\n".repeat(2_000_000).into());
    for pause in [None, Some(Duration::from_millis(100))] {
        let world = World::with(|config| {
            config.command_timeout_ms = Some(500);
            config.attempt_ms = 1_500;
        });
        world.zone.domain("a.test", server(slow(pause)).await);
        let begun = Instant::now();
        let report = world.send(&large(), "a.test").await;
        assert_eq!(fates(&report), [Deferred], "{pause:?}");
        assert!(begun.elapsed() < Duration::from_secs(6), "{pause:?} {:?}", begun.elapsed());
    }
}

/// A domain may name hundreds of hosts: an attempt ends after so many addresses.
#[tokio::test]
async fn hundreds_of_hosts_are_too_many() {
    let world = World::with(|config| config.connect_timeout_ms = 200);
    let names: Vec<String> = (0..300).map(|n| format!("mx{n:03}.a.test")).collect();
    let records: Vec<(u16, &str)> = names.iter().map(|name| (10, name.as_str())).collect();
    world.zone.mx("a.test", &records);
    let dead = nobody().await;
    for (n, name) in names.iter().enumerate() {
        // Each somewhere else.
        let ip = Ipv4Addr::new(
            127,
            9,
            u8::try_from(n / 200).unwrap(),
            u8::try_from(n % 200 + 1).unwrap(),
        );
        world.zone.host(name, &[SocketAddr::from((ip, dead.port()))]);
    }
    let report = world.send(&mailing("1", &["x@a.test"]), "a.test").await;
    assert_eq!(fates(&report), [Deferred]);
    assert_eq!(report.connections as usize, config().max_addresses);
    // None of them exists: as many are looked for as are kept of a domain.
    let gone: Vec<String> = (0..300).map(|n| format!("mx{n}.b.test")).collect();
    let records: Vec<(u16, &str)> = gone.iter().map(|name| (10, name.as_str())).collect();
    world.zone.mx("b.test", &records);
    let report = world.send(&mailing("1", &["x@b.test"]), "b.test").await;
    assert_eq!((fates(&report), report.connections), (vec![Failed], 0));
    assert_eq!(gone.iter().map(|name| world.zone.asked(name)).sum::<usize>(), resolve::MAX_HOSTS);
}

/// Hosts within: this machine, nobody, the link. None is connected to on a stranger's word.
#[tokio::test]
async fn hosts_that_are_no_mail_servers_of_others() {
    let sink = sink().await;
    let world = World::with(|config| config.allow_loopback = false);
    let port = sink.address().port();
    for host in ["127.0.0.1", "[127.0.0.1]", "inside.test", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let at: [SocketAddr; 3] = [
            sink.address(),
            SocketAddr::from(([169, 254, 169, 254], port)),
            SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, port)),
        ];
        world.zone.mx("a.test", &[(10, host)]);
        world.zone.host("inside.test", &at);
        let report = world.send(&mailing("1", &["x@a.test"]), "a.test").await;
        assert_eq!(fates(&report), [Failed], "{host}");
        assert_eq!(report.outcomes[0].status, Enhanced(5, 4, 4), "{host}");
    }
    // A literal in the address itself.
    for domain in ["[127.0.0.1]", "[IPv6:::1]", "[IPv6:::ffff:127.0.0.1]", "[169.254.169.254]"] {
        let report = world.send(&mailing("1", &["x@b.test"]), domain).await;
        assert_eq!(fates(&report), [Failed], "{domain}");
    }
    assert_eq!(sink.connections(sink.address()).total, 0);
}

/// A host that calls itself by our name is this server by another name: what goes there would come back (RFC 5321 §5.1).
#[tokio::test]
async fn we_know_ourselves_by_our_name() {
    let own = &["220 x\r\n", "250-ME.test at your service\r\n250 PIPELINING\r\n", "221 bye\r\n"];
    let own = server(move |wire| recite(wire, own)).await;
    let (better, worse) = (sink().await, sink().await);
    let world = World::new();
    let report = report_of(&world, own).await;
    assert_eq!((fates(&report), report.outcomes[0].status), (vec![Failed], Enhanced(5, 4, 6)));
    assert_eq!(report.signal, Signal::Fine);
    // "any MX records with … preference equal or greater than that of the local host are discarded".
    world.zone.mx("b.test", &[(10, "us.test"), (20, "worse.test")]);
    world.zone.host("us.test", &[own]);
    world.zone.host("worse.test", &[worse.address()]);
    let report = world.send(&mailing("1", &["x@b.test"]), "b.test").await;
    assert_eq!((fates(&report), worse.count()), (vec![Failed], 0));
    // A better one counts, and if it is down the mail waits for it.
    world.zone.mx("c.test", &[(5, "better.test"), (10, "us.test"), (20, "worse.test")]);
    world.zone.host("better.test", &[better.address()]);
    let report = world.send(&mailing("1", &["x@c.test"]), "c.test").await;
    assert_eq!((fates(&report), better.count()), (vec![Delivered], 1));
    world.zone.host("better.test", &[nobody().await]);
    for _ in 0..2 {
        // The second time it is known to have been down.
        let report = world.send(&mailing("2", &["x@c.test"]), "c.test").await;
        assert_eq!((fates(&report), worse.count()), (vec![Deferred], 0), "{report:?}");
    }
    // A relay is the operator's to repair.
    let hop = Hop::Relay { host: "127.0.0.1".into(), port: own.port() };
    let route = Route { hop, ..Route::default() };
    let report = world.send_by(&mailing("1", &["x@a.test"]), route).await;
    assert_eq!((fates(&report), report.outcomes[0].status), (vec![Deferred], Enhanced(4, 4, 6)));
    // Whoever calls itself localhost is anybody.
    let world = World::with(|config| config.hostname = "localhost".into());
    let lines =
        &["220 localhost\r\n", "250 localhost\r\n", "250 ok\r\n", "550 no\r\n", "250 ok\r\n"];
    let report = report_of(&world, server(move |wire| recite(wire, lines)).await).await;
    assert_eq!(report.outcomes[0].text, "550 no");
}

/// DNS that takes for ever is an answer too, after a while: for now.
#[tokio::test(start_paused = true)]
async fn names_that_nobody_answers_for_are_given_up() {
    let world = World::new();
    world.zone.slow(Duration::from_secs(3_600));
    let begun = tokio::time::Instant::now();
    let planned = world.delivery.plan("a.test", &Arc::new(Route::default())).await;
    let meaning = planned.unwrap_err();
    assert_eq!((meaning.fate, meaning.status), (Deferred, Enhanced(4, 4, 3)));
    assert!(begun.elapsed() <= Duration::from_secs(11), "{:?}", begun.elapsed());
}
