//! A signed zone, its key as the trust anchor.

use super::*;
use base64::Engine;
use hickory_resolver::proto::dnssec::crypto::Ed25519SigningKey;
use hickory_resolver::proto::dnssec::rdata::{DNSKEY, DNSSECRData, RRSIG};
use hickory_resolver::proto::dnssec::{DnssecSigner, PublicKey, SigningKey};
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::rdata::tlsa::{CertUsage, Matching, Selector};
use hickory_resolver::proto::rr::rdata::{A, MX, TLSA};
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
            let found = records.iter().filter(|r| fits(r, question.name(), question.query_type()));
            reply.add_answers(found.cloned());
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
    assert!(found.secure);
    assert_eq!(found.list, ["192.0.2.1:25".parse().unwrap()]);
    let tlsa = resolver.tlsa("mx.signed.test", 25).await.unwrap();
    assert_eq!(tlsa, [Tlsa { usage: 3, selector: 1, matching: 1, data: vec![7; 32] }]);
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
    assert!(!resolver.addresses("mx.signed.test", 25).await.unwrap().secure);
    assert_eq!(resolver.tlsa("mx.signed.test", 25).await, Ok(Vec::new()));
}
