//! A signed zone, its key as the trust anchor.

use super::*;
use base64::Engine;
use hickory_resolver::proto::dnssec::crypto::Ed25519SigningKey;
use hickory_resolver::proto::dnssec::rdata::{DNSKEY, DNSSECRData, NSEC, RRSIG};
use hickory_resolver::proto::dnssec::{DnssecSigner, PublicKey, SigningKey};
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::rdata::tlsa::{CertUsage, Matching, Selector};
use hickory_resolver::proto::rr::rdata::{A, CNAME, MX, SOA, TLSA};
use hickory_resolver::proto::rr::{DNSClass, Record, RecordSet};
use std::io::Write;
use tokio::net::UdpSocket;

const ZONE: &str = "signed.test.";

struct Signer(DnssecSigner);

impl Signer {
    fn new() -> Self {
        let key = Ed25519SigningKey::generate_pkcs8().unwrap();
        let key = Ed25519SigningKey::from_pkcs8(&key).unwrap();
        let dnskey = DNSKEY::from_key(&key.to_public_key().unwrap());
        let zone = Name::from_ascii(ZONE).unwrap();
        Self(DnssecSigner::new(dnskey, Box::new(key), zone, Duration::from_secs(3_600)))
    }

    /// The key as a line of a zone file.
    fn anchor(&self) -> String {
        let key = self.0.key().to_public_key().unwrap();
        let text = base64::prelude::BASE64_STANDARD.encode(key.public_bytes());
        format!("{ZONE} 3600 IN DNSKEY 257 3 15 {text}\n")
    }

    /// Records with their signature. `forged`: the signature is of other ones.
    fn sign(&self, name: &str, records: &[RData], forged: Option<RData>) -> Vec<Record> {
        let name = Name::from_ascii(name).unwrap();
        let record = |data: &RData| Record::from_rdata(name.clone(), 60, data.clone());
        let signed: Vec<RData> = forged.map_or_else(|| records.to_vec(), |data| vec![data]);
        let mut set = RecordSet::new(name.clone(), records[0].record_type(), 0);
        signed.iter().for_each(|data| assert!(set.insert(record(data), 0)));
        let begin = time::OffsetDateTime::now_utc() - Duration::from_secs(60);
        let signature = RRSIG::from_rrset(&set, DNSClass::IN, begin, &self.0).unwrap();
        let signature = RData::DNSSEC(DNSSECRData::RRSIG(signature));
        records.iter().map(record).chain([record(&signature)]).collect()
    }
}

fn zone(signer: &Signer, forged: bool) -> Vec<Record> {
    let host = Name::from_ascii("mx.signed.test.").unwrap();
    let key = RData::DNSSEC(DNSSECRData::DNSKEY(signer.0.to_dnskey()));
    let tlsa = TLSA::new(CertUsage::DaneEe, Selector::Spki, Matching::Sha256, vec![7; 32]);
    let a = |last| RData::A(A::new(192, 0, 2, last));
    let mut out = signer.sign(ZONE, &[key], None);
    out.extend(signer.sign(ZONE, &[RData::MX(MX::new(10, host))], None));
    out.extend(signer.sign("mx.signed.test.", &[a(1)], forged.then(|| a(2))));
    out.extend(signer.sign("_25._tcp.mx.signed.test.", &[RData::TLSA(tlsa)], None));
    // That this host has an address and nothing else.
    let next = Name::from_ascii("other.signed.test.").unwrap();
    let nsec = NSEC::new(next, [RecordType::A, RecordType::RRSIG, RecordType::NSEC]);
    out.extend(signer.sign("mx.signed.test.", &[RData::DNSSEC(DNSSECRData::NSEC(nsec))], None));
    let root = Name::root();
    let soa = SOA::new(root.clone(), root, 1, 60, 60, 60, 60);
    out.extend(signer.sign(ZONE, &[RData::SOA(soa)], None));
    let alias = |to: &str| RData::CNAME(CNAME(Name::from_ascii(to).unwrap()));
    out.extend(signer.sign("alias.signed.test.", &[alias("mx.signed.test.")], None));
    out.extend(signer.sign("other.signed.test.", &[alias(ZONE)], None));
    out
}

fn fits(record: &Record, name: &Name, kind: RecordType) -> bool {
    let covered = match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => signature.input().type_covered,
        other => other.record_type(),
    };
    record.name == *name && covered == kind
}

async fn resolver(forged: bool, dnssec: bool) -> (Hickory, tempfile::NamedTempFile) {
    let signer = Signer::new();
    let records = zone(&signer, forged);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let query = Message::from_vec(&buffer[..length]).unwrap();
            let question = query.queries[0].clone();
            let mut reply = Message::response(query.id, query.op_code);
            reply.add_query(question.clone());
            let kind = question.query_type();
            let mut name = question.name().clone();
            let alias = |at: &Name| {
                let alias = records.iter().filter(|r| fits(r, at, RecordType::CNAME));
                alias.cloned().collect::<Vec<Record>>()
            };
            let follow = alias(&name);
            if let Some(RData::CNAME(to)) = follow.first().map(|record| record.data.clone()) {
                name = to.0;
            }
            reply.add_answers(follow);
            let found: Vec<Record> =
                records.iter().filter(|r| fits(r, &name, kind)).cloned().collect();
            if found.is_empty() {
                let zone = Name::from_ascii(ZONE).unwrap();
                let of = |r: &&Record| {
                    fits(r, &name, RecordType::NSEC) || fits(r, &zone, RecordType::SOA)
                };
                reply.add_authorities(records.iter().filter(of).cloned());
            }
            reply.add_answers(found);
            socket.send_to(&reply.to_vec().unwrap(), from).await.unwrap();
        }
    });
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(signer.anchor().as_bytes()).unwrap();
    let config = ResolveConfig {
        servers: vec![crate::ServerAddress(address)],
        dnssec,
        trust_anchor: Some(file.path().to_owned()),
        ipv6: false,
        timeout_ms: 500,
        ..ResolveConfig::default()
    };
    (Hickory::new(&config).unwrap(), file)
}

#[tokio::test]
async fn a_signed_zone_is_vouched_for() {
    let (resolver, _file) = resolver(false, true).await;
    assert!(resolver.mail_hosts("signed.test").await.unwrap().is_secure());
    let found = resolver.addresses("mx.signed.test", 25).await.unwrap();
    assert_eq!(found.bases, ["mx.signed.test"]);
    assert_eq!(found.list, ["192.0.2.1:25".parse().unwrap()]);
    let tlsa = resolver.tlsa("mx.signed.test", 25).await.unwrap();
    assert_eq!(tlsa, [Tlsa { usage: 3, selector: 1, matching: 1, data: vec![7; 32] }]);
}

/// RFC 7672 §2.2.2: "Two candidate TLSA base domains are tried: the fully CNAME-expanded initial name and, failing that,
/// the initial name itself"; §3.2.2: what a next-hop domain stands for is a name of it too.
#[tokio::test]
async fn aliases_have_two_names() {
    let (resolver, _file) = resolver(false, true).await;
    let found = resolver.addresses("Alias.signed.test.", 25).await.unwrap();
    assert_eq!(found.bases, ["mx.signed.test", "alias.signed.test"]);
    let hosts = resolver.mail_hosts("other.signed.test").await.unwrap();
    assert!(hosts.is_secure());
    assert_eq!(hosts.other_name(), Some("signed.test"));
    assert_eq!(resolver.mail_hosts("signed.test").await.unwrap().other_name(), None);
    // Without MX records the name is its own host, and no less secure.
    let hosts = resolver.mail_hosts("mx.signed.test").await.unwrap();
    assert!(hosts.is_secure() && hosts.exchanges()[0].host == "mx.signed.test");
}

#[tokio::test]
async fn a_forged_record_is_no_answer() {
    let (resolver, _file) = resolver(true, true).await;
    let error = resolver.addresses("mx.signed.test", 25).await.unwrap_err();
    assert!(error.is_temporary(), "{error:?}");
    assert!(resolver.mail_hosts("signed.test").await.is_ok());
}

#[tokio::test]
async fn without_validation_nothing_is_vouched_for() {
    let (resolver, _file) = resolver(true, false).await;
    assert!(!resolver.mail_hosts("signed.test").await.unwrap().is_secure());
    assert!(resolver.addresses("mx.signed.test", 25).await.unwrap().bases.is_empty());
    assert_eq!(resolver.tlsa("mx.signed.test", 25).await, Ok(Vec::new()));
}
