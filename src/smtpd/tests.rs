//! The driver over real sockets, with a folder for blobs and no PostgreSQL where one is looked for.

use crate::transaction::Client as Sender;
use crate::{REFUSAL, Role, Smtpd, SmtpdConfig};
use directory::{Directory, DirectoryConfig};
use ingest::{Ingest, IngestConfig};
use net::{Caps, Drain, Listener, ListenerConfig, MemoryBudget, Tls, self_signed};
use smtp::{Body, DataVerdict, Mail};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use store::{PostgresConfig, Store};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Node {
    _dir: TempDir,
    address: SocketAddr,
    drain: Drain,
    budget: MemoryBudget,
}

const BUDGET: u64 = 4 * 1024 * 1024;

fn smtpd(dir: &TempDir, budget: &MemoryBudget, config: SmtpdConfig) -> Smtpd {
    let url = format!("host={} user=nobody dbname=none", dir.path().display());
    let store = Store::new(&PostgresConfig::new(url)).unwrap();
    let blob = Arc::new(blob::Folder::open(dir.path().join("blobs")).unwrap());
    let coordinator: coordinator::SharedCoordinator = Arc::new(coordinator::Local::default());
    let hub = mail::Hub::start(store.clone(), coordinator, mail::HubConfig::default());
    let directory = Directory::new(store.clone(), DirectoryConfig::default());
    let ingest = Ingest::new(store, blob, hub, budget.clone(), IngestConfig::default());
    let files = self_signed(&dir.path().join("tls"), &["mx.test".into()]).unwrap();
    let tls = Tls::load(vec![files]).unwrap();
    let config = SmtpdConfig { hostname: "mx.test".into(), ..config };
    Smtpd::new(config, directory, ingest, Some(tls))
}

async fn node(config: SmtpdConfig, role: Role, implicit_tls: bool) -> Node {
    let dir = tempfile::tempdir().unwrap();
    let budget = MemoryBudget::new(BUDGET);
    let smtpd = smtpd(&dir, &budget, config);
    let listen = ListenerConfig { refusal: REFUSAL, ..Default::default() };
    let listener = Listener::bind(&["127.0.0.1:0".parse().unwrap()], listen).await.unwrap();
    let address = listener.addresses()[0];
    let drain = Drain::new(Duration::ZERO);
    smtpd.serve(listener, role, implicit_tls, &Caps::new(100, 100), &drain);
    Node { _dir: dir, address, drain, budget }
}

struct Client(TcpStream);

impl Client {
    async fn new(node: &Node) -> Self {
        let mut client = Self(TcpStream::connect(node.address).await.unwrap());
        assert!(client.reply().await.starts_with("220 mx.test "));
        client
    }

    /// One whole reply; what there was when the connection ended.
    async fn reply(&mut self) -> String {
        let mut text = Vec::new();
        while let Ok(octet) = self.0.read_u8().await {
            text.push(octet);
            let last = text.strip_suffix(b"\r\n").map(|lines| {
                let line = lines.rsplit(|octet| *octet == b'\n').next().unwrap_or(lines);
                line.get(3) == Some(&b' ')
            });
            if last == Some(true) {
                break;
            }
        }
        String::from_utf8(text).unwrap()
    }

    async fn send(&mut self, octets: &[u8]) -> String {
        // A server that has closed already is read, not written.
        let _ = self.0.write_all(octets).await;
        self.reply().await
    }

    async fn closed(&mut self) -> bool {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest).await;
        rest.is_empty()
    }
}

async fn smtp() -> Node {
    node(SmtpdConfig::default(), Role::Smtp, false).await
}

#[tokio::test]
async fn bad_input_has_an_answer_and_the_node_lives_on() {
    let node = smtp().await;
    for (input, code, closes) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], "554 ", true),
        (b"GET / HTTP/1.1\r\n", "554 ", true),
        (b"NOOP\0\r\n", "500 ", false),
        (b"NOOP \xff\r\n", "500 ", false),
        (b"NO\rOP\r\n", "500 ", false),
        (b"NOOP\n", "500 ", false),
        (b"BDAT x\r\n", "501 ", true),
        (b"BDAT 18446744073709551615 LAST\r\n", "501 ", true),
        (b"BDAT 9223372036854775807 LAST\r\n", "552 ", true),
    ] {
        let mut client = Client::new(&node).await;
        let reply = client.send(input).await;
        assert!(reply.starts_with(code), "{input:?} {reply}");
        assert!(if closes {
            client.closed().await
        } else {
            client.send(b"NOOP\r\n").await.starts_with("250 ")
        });
    }
    let mut client = Client::new(&node).await;
    let line = [b"NOOP ".as_slice(), &vec![b'x'; 1_000_000], b"\r\n"].concat();
    assert!(client.send(&line).await.starts_with("500 5.5.2 Line too long"));
    assert!(client.send(b"QUIT\r\n").await.starts_with("221 "));
    assert!(client.closed().await);
}

/// Without PostgreSQL nobody knows who lives here: 451, never 550, and the session goes on.
#[tokio::test]
async fn an_outage_is_temporary() {
    let node = smtp().await;
    let mut client = Client::new(&node).await;
    client.send(b"EHLO client.test\r\n").await;
    assert!(client.send(b"MAIL FROM:<a@b.test>\r\n").await.starts_with("250 "));
    for path in ["anna@x.test", "postmaster"] {
        let reply = client.send(format!("RCPT TO:<{path}>\r\n").as_bytes()).await;
        assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    }
    assert!(client.send(b"RCPT TO:<anna@[127.0.0.1]>\r\n").await.starts_with("550 5.7.1 "));
    assert!(client.send(b"DATA\r\n").await.starts_with("554 5.5.1 "));
}

#[tokio::test]
async fn over_budget_is_said_at_mail() {
    let node = smtp().await;
    let mut client = Client::new(&node).await;
    client.send(b"EHLO client.test\r\n").await;
    let held = node.budget.try_reserve(BUDGET).unwrap();
    assert!(client.send(b"MAIL FROM:<a@b.test>\r\n").await.starts_with("452 4.3.1 "));
    drop(held);
    assert!(client.send(b"MAIL FROM:<a@b.test>\r\n").await.starts_with("250 "));
}

/// One octet now and then does not keep a session.
#[tokio::test]
async fn a_command_may_take_only_so_long() {
    let config = SmtpdConfig { command_timeout_seconds: 1, ..Default::default() };
    let node = node(config, Role::Smtp, false).await;
    let mut client = Client::new(&node).await;
    let (mut read, mut write) = client.0.split();
    let drip = async {
        while write.write_all(b"N").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let mut text = String::new();
    tokio::select! {
        () = drip => {}
        end = tokio::time::timeout(Duration::from_secs(30), read.read_to_string(&mut text)) => {
            assert!(end.is_ok(), "still open");
        }
    }
    assert!(text.starts_with("421 4.4.2 "), "{text}");
}

#[tokio::test]
async fn the_drain_says_goodbye() {
    let node = smtp().await;
    let mut idle = Client::new(&node).await;
    let mut greeted = Client::new(&node).await;
    greeted.send(b"EHLO client.test\r\n").await;
    node.drain.begin();
    assert!(idle.reply().await.starts_with("421 4.3.2 "));
    assert!(greeted.reply().await.starts_with("421 4.3.2 "));
    assert!(idle.closed().await && greeted.closed().await);
    assert!(node.drain.wait(Duration::from_secs(10)).await);
}

/// What waited in the socket before the handshake is not taken for commands after it.
#[tokio::test]
async fn octets_before_the_handshake_never_count() {
    let node = node(SmtpdConfig::default(), Role::Submission, false).await;
    let mut client = Client::new(&node).await;
    client.send(b"EHLO client.test\r\n").await;
    assert!(client.send(b"MAIL FROM:<a@b.test>\r\n").await.starts_with("530 "));
    let reply = client.send(b"STARTTLS\r\nMAIL FROM:<evil@x.test>\r\n").await;
    assert!(reply.starts_with("554 5.5.0 "), "{reply}");
    assert!(client.closed().await);
    // In a segment of their own they are no handshake.
    let mut client = Client::new(&node).await;
    client.send(b"EHLO client.test\r\n").await;
    assert!(client.send(b"STARTTLS\r\n").await.starts_with("220 "));
    client.0.write_all(b"MAIL FROM:<evil@x.test>\r\n").await.unwrap();
    let mut alert = Vec::new();
    let _ = client.0.read_to_end(&mut alert).await;
    assert!(!alert.windows(3).any(|octets| octets == b"250"), "{alert:?}");
}

#[tokio::test]
async fn plain_text_on_a_tls_port_ends() {
    let node = node(SmtpdConfig::default(), Role::Submission, true).await;
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    stream.write_all(b"EHLO client.test\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"2"), "{answer:?}");
}

/// One stranger's large messages must not hold the memory that is there for all.
#[tokio::test]
async fn one_address_has_only_so_many_large_messages_under_way() {
    let (dir, budget) = (tempfile::tempdir().unwrap(), MemoryBudget::new(BUDGET));
    let config = SmtpdConfig { max_large_per_ip: 1, ..SmtpdConfig::default() };
    let shared = smtpd(&dir, &budget, config).shared;
    let mail = Mail {
        reverse_path: None,
        size: None,
        body: Body::SevenBit,
        smtputf8: false,
        ret: None,
        envelope_id: None,
        require_tls: false,
    };
    let begin = async |role, peer: &str, octets: usize| {
        let peer = peer.parse().unwrap();
        let client = Sender { role, peer, tls: None, login: None, helo: "x", extended: true };
        let mut transaction = shared.mail(mail.clone(), &client).await.unwrap();
        assert_eq!(shared.data(&mut transaction, &client).await, DataVerdict::Go);
        for _ in 0..octets / 1_000 {
            shared.content(&mut transaction, vec![b'x'; 1_000].into()).await;
        }
        let fits = !transaction.has_failed();
        (transaction, fits)
    };
    let (first, fits) = begin(Role::Smtp, "192.0.2.1", 400_000).await;
    assert!(fits);
    assert!(!begin(Role::Smtp, "192.0.2.1", 400_000).await.1);
    assert!(begin(Role::Smtp, "192.0.2.1", 200_000).await.1, "a small one");
    assert!(begin(Role::Smtp, "192.0.2.2", 400_000).await.1, "somebody else");
    assert!(begin(Role::Lmtp, "192.0.2.1", 400_000).await.1, "one of our own");
    drop(first);
    assert!(begin(Role::Smtp, "192.0.2.1", 400_000).await.1);
    assert_eq!(shared.large.clients(), 0);
}
