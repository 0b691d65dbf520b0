use super::*;
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, MX, SOA};
use hickory_resolver::proto::rr::{Name, Record};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::UdpSocket;

enum Answer {
    Records(Vec<RData>),
    Code(ResponseCode),
    Silence,
}

type Table = HashMap<(&'static str, RecordType), Answer>;

/// A DNS server on loopback that answers from a table; what is not in it does not exist.
async fn server(table: Table) -> (Hickory, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            count.fetch_add(1, Ordering::Relaxed);
            let query = Message::from_vec(&buffer[..length]).unwrap();
            if let Some(reply) = answer(&table, &query) {
                socket.send_to(&reply.to_vec().unwrap(), from).await.unwrap();
            }
        }
    });
    let config = ResolveConfig {
        servers: vec![crate::ServerAddress(address)],
        timeout_ms: 200,
        ..ResolveConfig::default()
    };
    (Hickory::new(&config).unwrap(), asked)
}

fn answer(table: &Table, query: &Message) -> Option<Message> {
    let question = query.queries[0].clone();
    let name = question.name().to_ascii().to_ascii_lowercase();
    let mut reply = Message::response(query.id, query.op_code);
    reply.add_query(question.clone());
    let known = table.keys().any(|(known, _)| *known == name);
    let kind = question.query_type();
    match table.iter().find(|((known, of), _)| *known == name && *of == kind) {
        Some((_, Answer::Silence)) => return None,
        Some((_, Answer::Code(code))) => reply.metadata.response_code = *code,
        Some((_, Answer::Records(records))) => {
            for data in records {
                reply.add_answer(Record::from_rdata(question.name().clone(), 60, data.clone()));
            }
        }
        None => {
            let code = if known { ResponseCode::NoError } else { ResponseCode::NXDomain };
            reply.metadata.response_code = code;
            let root = Name::root();
            let soa = SOA::new(root.clone(), root.clone(), 1, 60, 60, 60, 60);
            reply.add_authority(Record::from_rdata(root, 60, RData::SOA(soa)));
        }
    }
    Some(reply)
}

fn mx(preference: u16, host: &str) -> RData {
    RData::MX(MX::new(preference, Name::from_ascii(host).unwrap()))
}

fn a(last: u8) -> RData {
    RData::A(A::new(192, 0, 2, last))
}

fn aaaa(last: u16) -> RData {
    RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last))
}

#[tokio::test]
async fn mail_hosts_and_their_addresses() {
    let table = Table::from([
        (
            ("example.org.", RecordType::MX),
            Answer::Records(vec![mx(20, "Backup.example.org."), mx(10, "mx.example.org.")]),
        ),
        (("mx.example.org.", RecordType::A), Answer::Records(vec![a(1), a(2)])),
        (("mx.example.org.", RecordType::AAAA), Answer::Records(vec![aaaa(1)])),
        (("backup.example.org.", RecordType::A), Answer::Records(vec![a(3)])),
    ]);
    let (resolver, asked) = server(table).await;
    let hosts = resolver.mail_hosts("example.org").await.unwrap();
    assert_eq!(hosts.site().as_str(), "backup.example.org,mx.example.org");
    assert_eq!(hosts.exchanges()[0].host, "mx.example.org");
    assert!(!hosts.is_secure());
    let found = resolver.addresses("mx.example.org", 25).await.unwrap();
    let list: Vec<String> = found.list.iter().map(ToString::to_string).collect();
    assert_eq!(list, ["[2001:db8::1]:25", "192.0.2.1:25", "192.0.2.2:25"]);
    // No AAAA is no failure.
    assert_eq!(resolver.addresses("backup.example.org", 25).await.unwrap().list.len(), 1);
    // Without validation no TLSA record counts, so none is asked for.
    assert_eq!(resolver.tlsa("mx.example.org", 25).await, Ok(Vec::new()));
    // Answers are kept.
    let before = asked.load(Ordering::Relaxed);
    resolver.mail_hosts("example.org").await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), before);
}

/// RFC 5321 §5.1 and RFC 7505.
#[tokio::test]
async fn domains_without_mx() {
    let table = Table::from([
        (("bare.example.", RecordType::A), Answer::Records(vec![a(9)])),
        (("web.example.", RecordType::TXT), Answer::Records(vec![a(9)])),
        (("null.example.", RecordType::MX), Answer::Records(vec![mx(0, ".")])),
        (("null.example.", RecordType::A), Answer::Records(vec![a(9)])),
        (
            ("odd.example.", RecordType::MX),
            Answer::Records(vec![mx(0, "."), mx(5, "mx.odd.example.")]),
        ),
    ]);
    let (resolver, _) = server(table).await;
    let bare = resolver.mail_hosts("bare.example").await.unwrap();
    assert_eq!(bare.exchanges(), MailHosts::single("bare.example").exchanges());
    assert_eq!(resolver.mail_hosts("web.example").await, Err(ResolveError::NoAddress));
    assert_eq!(resolver.mail_hosts("null.example").await, Err(ResolveError::NoMail));
    assert_eq!(resolver.mail_hosts("nowhere.example").await, Err(ResolveError::NoDomain));
    assert_eq!(resolver.addresses("nowhere.example", 25).await, Err(ResolveError::NoDomain));
    assert_eq!(resolver.mail_hosts("odd.example").await.unwrap().site().as_str(), "mx.odd.example");
}

#[tokio::test]
async fn who_cannot_tell_is_asked_again() {
    let table = Table::from([
        (("broken.example.", RecordType::MX), Answer::Code(ResponseCode::ServFail)),
        (("broken.example.", RecordType::A), Answer::Records(vec![a(9)])),
        (("silent.example.", RecordType::MX), Answer::Silence),
        (("half.example.", RecordType::AAAA), Answer::Code(ResponseCode::ServFail)),
        (("other.example.", RecordType::AAAA), Answer::Code(ResponseCode::ServFail)),
        (("other.example.", RecordType::A), Answer::Records(vec![a(9)])),
    ]);
    let (resolver, _) = server(table).await;
    for domain in ["broken.example", "silent.example"] {
        let error = resolver.mail_hosts(domain).await.unwrap_err();
        assert!(matches!(error, ResolveError::Unavailable(_)), "{domain} {error:?}");
    }
    // No A, and nobody knows about AAAA: there may be an address.
    assert!(resolver.addresses("half.example", 25).await.unwrap_err().is_temporary());
    assert_eq!(resolver.addresses("other.example", 25).await.unwrap().list.len(), 1);
}

#[tokio::test]
async fn literals_and_nonsense_ask_nobody() {
    let (resolver, asked) = server(Table::new()).await;
    assert_eq!(resolver.mail_hosts("[192.0.2.7]").await.unwrap().site().as_str(), "[192.0.2.7]");
    let found = resolver.addresses("[IPv6:2001:db8::7]", 24).await.unwrap();
    assert_eq!(found.list, ["[2001:db8::7]:24".parse().unwrap()]);
    assert_eq!(resolver.addresses("127.0.0.1", 24).await.unwrap().list.len(), 1);
    for bad in ["[nonsense]", "a..b", &"x".repeat(70), &"x.".repeat(200)] {
        assert_eq!(resolver.mail_hosts(bad).await, Err(ResolveError::BadName), "{bad}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn the_table_double_tells_the_truth_and_lies() {
    let zone = crate::double::Zone::new();
    zone.mx("a.test", &[(10, "mx.a.test")]);
    zone.host("mx.a.test", &["127.0.0.1:2525".parse().unwrap()]);
    zone.mx_fails("b.test", ResolveError::Unavailable("lie".into()));
    assert_eq!(zone.mail_hosts("a.test").await.unwrap().site().as_str(), "mx.a.test");
    assert_eq!(zone.addresses("mx.a.test", 25).await.unwrap().list[0].port(), 2525);
    assert!(zone.mail_hosts("b.test").await.unwrap_err().is_temporary());
    assert_eq!(zone.mail_hosts("c.test").await, Err(ResolveError::NoDomain));
    zone.everything_at("127.0.0.1:9".parse().unwrap());
    assert_eq!(zone.mail_hosts("c.test").await.unwrap().site().as_str(), "c.test");
    assert_eq!(zone.asked("c.test"), 2);
}
