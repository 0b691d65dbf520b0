use super::*;
use Fate::{Deferred, Delivered, Failed};
use resolve::Tlsa;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};
use smtp::client::{Credentials, Enhanced};
use tokio_rustls::TlsAcceptor;

/// A certificate for `mx.test`, and a sink that has it.
async fn secure(change: impl FnOnce(&mut SinkOptions)) -> (Sink, String, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(["mx.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let acceptor = acceptor(vec![made.cert.der().clone()], key);
    let sink = sink_with(|options| {
        options.tls = Some(acceptor);
        change(options);
    });
    (sink.await, made.cert.pem(), made.cert.der().to_vec())
}

fn acceptor(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> TlsAcceptor {
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn trusting(pem: &str) -> (World, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pem).unwrap();
    let world = World::with(|config| config.ca_file = Some(file.path().to_owned()));
    (world, file)
}

fn relay(sink: &Sink, host: &str, tls: TlsPolicy) -> Route {
    let hop = Hop::Relay { host: host.into(), port: sink.address().port() };
    Route { hop, tls, ..Route::default() }
}

#[tokio::test]
async fn opportunistic_takes_any_certificate() {
    let (sink, _, _) = secure(|_| {}).await;
    let world = World::new();
    world.domain("a.test", &sink);
    let report = world.send(&mailing("1", &["x@a.test"]), "a.test").await;
    assert_eq!(fates(&report), [Delivered]);
    let tls = report.outcomes[0].tls.clone().unwrap();
    assert_eq!((tls.version.as_str(), tls.verified), ("TLSv1.3", false));
    assert!(sink.arrivals()[0].tls);
}

/// TLS that does not work is worse than none only for those who demand it.
#[tokio::test]
async fn broken_tls_is_done_without_unless_required() {
    let world = World::new();
    // Offers STARTTLS, and closes when it is used.
    let broken = sink_with(|o| o.keywords.push("STARTTLS".into())).await;
    world.domain("a.test", &broken);
    let report = world.send(&mailing("1", &["x@a.test"]), "a.test").await;
    assert_eq!((fates(&report), report.outcomes[0].tls.clone()), (vec![Delivered], None));
    let garbage = garbage_tls().await;
    world.zone.domain("b.test", garbage);
    let report = world.send(&mailing("1", &["x@b.test"]), "b.test").await;
    assert_eq!((fates(&report), report.connections), (vec![Delivered], 2));
    for tls in [TlsPolicy::StartTls { verify: false }, TlsPolicy::Implicit { verify: false }] {
        let report =
            world.send_by(&mailing("1", &["x@a.test"]), relay(&broken, "127.0.0.1", tls)).await;
        assert_eq!(fates(&report), [Deferred], "{tls:?}");
    }
    let none = sink().await;
    let route = relay(&none, "127.0.0.1", TlsPolicy::StartTls { verify: false });
    let report = world.send_by(&mailing("1", &["x@a.test"]), route).await;
    assert_eq!((fates(&report), report.outcomes[0].status), (vec![Deferred], Enhanced(4, 7, 10)));
}

/// A server that says yes to STARTTLS and then speaks no TLS; in the clear it takes everything.
async fn garbage_tls() -> SocketAddr {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut wire = BufReader::new(stream);
                let _ = wire.write_all(b"220 hi\r\n").await;
                let mut line = String::new();
                while matches!(wire.read_line(&mut line).await, Ok(1..)) {
                    let reply = match line.get(..4) {
                        Some("EHLO") => "250-x\r\n250 STARTTLS\r\n",
                        Some("STAR") => "220 go\r\nthis is no TLS record\r\n",
                        Some("DATA") => "354 go\r\n",
                        Some(".\r\n") | None if line != ".\r\n" => "",
                        _ if line.starts_with(['M', 'R', 'Q', '.']) => "250 ok\r\n",
                        _ => "",
                    };
                    let _ = wire.write_all(reply.as_bytes()).await;
                    line.clear();
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_verified_relay_has_the_right_name() {
    for implicit in [false, true] {
        let (sink, pem, _) = secure(|o| o.implicit_tls = implicit).await;
        let (world, _file) = trusting(&pem);
        world.zone.host("mx.test", &[sink.address()]);
        world.zone.host("other.test", &[sink.address()]);
        let policy = |verify| match implicit {
            true => TlsPolicy::Implicit { verify },
            false => TlsPolicy::StartTls { verify },
        };
        for (host, verify, fate) in [
            ("mx.test", true, Delivered),
            ("other.test", true, Deferred),
            ("other.test", false, Delivered),
        ] {
            let report = world
                .send_by(&mailing("1", &["x@a.test"]), relay(&sink, host, policy(verify)))
                .await;
            assert_eq!(fates(&report), [fate], "{host} {verify} {implicit}");
            let verified = report.outcomes[0].tls.as_ref().map(|tls| tls.verified);
            assert_eq!(verified, (fate == Delivered).then_some(verify));
        }
        // Nobody vouches for it.
        let strange = World::new();
        strange.zone.host("mx.test", &[sink.address()]);
        let report = strange
            .send_by(&mailing("1", &["x@a.test"]), relay(&sink, "mx.test", policy(true)))
            .await;
        assert_eq!(
            (fates(&report), report.outcomes[0].status),
            (vec![Deferred], Enhanced(4, 7, 5))
        );
    }
}

#[tokio::test]
async fn a_password_only_under_tls() {
    let login = |o: &mut SinkOptions| o.login = Some(("u".into(), "secret".into()));
    let (sink, pem, _) = secure(login).await;
    let (world, _file) = trusting(&pem);
    world.zone.host("mx.test", &[sink.address()]);
    let route = |password: &str, tls| Route {
        credentials: Some(Credentials { user: "u".into(), password: password.into() }),
        ..relay(&sink, "mx.test", tls)
    };
    let tls = TlsPolicy::StartTls { verify: true };
    let report = world.send_by(&mailing("1", &["x@a.test"]), route("secret", tls)).await;
    assert_eq!(fates(&report), [Delivered]);
    let report = world.send_by(&mailing("1", &["x@a.test"]), route("wrong", tls)).await;
    assert_eq!((fates(&report), report.signal), (vec![Deferred], Signal::Ours));
    assert_eq!(report.outcomes[0].status, Enhanced(4, 7, 8));
    let report =
        world.send_by(&mailing("1", &["x@a.test"]), route("secret", TlsPolicy::Never)).await;
    assert_eq!((fates(&report), report.signal), (vec![Deferred], Signal::Ours));
    // Without credentials the relay's 530 is the operator's to repair, not the sender's.
    let report = world.send_by(&mailing("1", &["x@a.test"]), relay(&sink, "mx.test", tls)).await;
    assert_eq!((fates(&report), report.signal), (vec![Deferred], Signal::Ours));
}

/// RFC 7672: TLSA records raise what is demanded.
#[tokio::test]
async fn dane_decides_where_dns_can_be_trusted() {
    let record = |usage, data: &[u8]| Tlsa { usage, selector: 0, matching: 1, data: data.to_vec() };
    let (sink, _, der) = secure(|_| {}).await;
    let plain = sink_with(|_| {}).await;
    let right = record(3, &Sha256::digest(&der));
    let wrong = record(3, &[0; 32]);
    let unusable = record(1, &[0; 32]);
    for (at, records, fate, verified) in [
        (&sink, Ok(vec![right.clone()]), Delivered, Some(true)),
        (&sink, Ok(vec![wrong.clone(), right.clone()]), Delivered, Some(true)),
        (&sink, Ok(vec![wrong.clone()]), Deferred, None),
        (&sink, Ok(vec![unusable.clone()]), Delivered, Some(false)),
        (&sink, Ok(Vec::new()), Delivered, Some(false)),
        (&sink, Err(resolve::ResolveError::Bogus), Deferred, None),
        (&plain, Ok(vec![right.clone()]), Deferred, None),
        (&plain, Ok(vec![unusable]), Deferred, None),
        (&plain, Ok(Vec::new()), Delivered, None),
    ] {
        let world = World::new();
        world.domain("a.test", at);
        world.zone.tlsa("a.test", records.clone());
        let report = world.send(&mailing("1", &["x@a.test"]), "a.test").await;
        assert_eq!(fates(&report), [fate], "{records:?}");
        assert_eq!(
            report.outcomes[0].tls.as_ref().map(|tls| tls.verified),
            verified,
            "{records:?}"
        );
    }
}

/// RFC 8689: to a verified host that promises the same, or back to the sender at once.
#[tokio::test]
async fn requiretls_is_kept_or_refused() {
    let promise = |o: &mut SinkOptions| o.keywords.push("REQUIRETLS".into());
    let (good, _, der) = secure(promise).await;
    let (silent, _, silent_der) = secure(|_| {}).await;
    let plain = sink_with(promise).await;
    let record = |der: &[u8]| {
        vec![Tlsa { usage: 3, selector: 0, matching: 1, data: Sha256::digest(der).to_vec() }]
    };
    for (at, records, fate, status) in [
        (&good, record(&der), Delivered, Enhanced(2, 0, 0)),
        (&silent, record(&silent_der), Failed, Enhanced(5, 7, 30)),
        (&good, Vec::new(), Failed, Enhanced(5, 7, 10)),
        (&plain, Vec::new(), Failed, Enhanced(5, 7, 10)),
    ] {
        let world = World::new();
        world.domain("a.test", at);
        world.zone.tlsa("a.test", Ok(records));
        let mut mailing = mailing("1", &["x@a.test"]);
        mailing.envelope.require_tls = true;
        let report = world.send(&mailing, "a.test").await;
        assert_eq!((fates(&report), report.outcomes[0].status), (vec![fate], status));
    }
    assert!(good.arrivals()[0].commands[0].contains(" REQUIRETLS"));
    // A report about such a message goes anyway; and asks others for what it had itself, where it had it.
    for (at, records, asks) in [
        (&plain, Vec::new(), false),
        (&good, Vec::new(), false),
        (&good, record(&der), true),
        (&silent, record(&silent_der), false),
    ] {
        let world = World::new();
        world.domain("a.test", at);
        world.zone.tlsa("a.test", Ok(records));
        let mut report = mailing("1", &["x@a.test"]);
        report.envelope.require_tls = true;
        report.envelope.reverse_path = None;
        assert_eq!(fates(&world.send(&report, "a.test").await), [Delivered]);
        let arrivals = at.arrivals();
        let command = &arrivals.last().unwrap().commands[0];
        assert_eq!(command.contains(" REQUIRETLS"), asks, "{command}");
    }
    // Without MX records there is no record to vouch for (§4.2.1): the certificate is for the domain.
    let (own, pem, _) = secure(promise).await;
    let (world, _file) = trusting(&pem);
    world.zone.insecure();
    world.zone.without_mx("mx.test", own.address());
    let mut must = mailing("1", &["x@mx.test"]);
    must.envelope.require_tls = true;
    assert_eq!(fates(&world.send(&must, "mx.test").await), [Delivered]);
    // With one that nobody vouches for there is.
    world.zone.mx("b.test", &[(10, "mx.test")]);
    let report = world.send(&must, "b.test").await;
    assert_eq!((fates(&report), report.outcomes[0].status), (vec![Failed], Enhanced(5, 7, 30)));
}

/// RFC 7671 §9: what is weaker than another record of its kind does not count, and what is no digest counts for nothing.
#[test]
fn the_strongest_digest_counts() {
    use crate::tls::{DaneDemand, demand};
    let record = |usage, selector, matching, length| Tlsa {
        usage,
        selector,
        matching,
        data: vec![7; length],
    };
    let (full, weak, strong) = (record(3, 1, 0, 99), record(3, 1, 1, 32), record(3, 1, 2, 64));
    let (other, anchor) = (record(3, 0, 1, 32), record(2, 1, 1, 32));
    let all = vec![full.clone(), weak.clone(), strong.clone(), other.clone(), anchor.clone()];
    assert_eq!(demand(all), DaneDemand::Match(vec![full, strong, other, anchor]));
    assert_eq!(demand(vec![weak.clone()]), DaneDemand::Match(vec![weak.clone()]));
    // A digest of the wrong length is no stronger one.
    let broken = record(3, 1, 2, 63);
    assert_eq!(demand(vec![weak.clone(), broken.clone()]), DaneDemand::Match(vec![weak]));
    assert_eq!(
        demand(vec![broken, record(1, 1, 1, 32), record(3, 2, 1, 32)]),
        DaneDemand::Encryption
    );
    assert_eq!(demand(Vec::new()), DaneDemand::Nothing);
}

/// RFC 7672 §2.2.2: a domain without MX records, and a relay, have TLSA records as MX hosts do; §2.2.3: of an alias those
/// of what it stands for go first.
#[tokio::test]
async fn dane_without_mx_at_relays_and_aliases() {
    let record = |data: &[u8]| Tlsa { usage: 3, selector: 0, matching: 1, data: data.to_vec() };
    let (sink, _, der) = secure(|_| {}).await;
    let (right, wrong) = (record(&Sha256::digest(&der)), record(&[0; 32]));
    for (records, fate) in [(right.clone(), Delivered), (wrong.clone(), Deferred)] {
        let world = World::new();
        world.zone.without_mx("a.test", sink.address());
        world.zone.tlsa("a.test", Ok(vec![records.clone()]));
        let report = world.send(&mailing("1", &["x@a.test"]), "a.test").await;
        assert_eq!(fates(&report), [fate], "without MX");

        world.zone.host("relay.test", &[sink.address()]);
        world.zone.tlsa("relay.test", Ok(vec![records.clone()]));
        for tls in [TlsPolicy::Opportunistic, TlsPolicy::StartTls { verify: false }] {
            let route = relay(&sink, "relay.test", tls);
            let report = world.send_by(&mailing("1", &["x@a.test"]), route).await;
            assert_eq!(fates(&report), [fate], "a relay, {tls:?}");
        }
        let route = relay(&sink, "relay.test", TlsPolicy::Never);
        let report = world.send_by(&mailing("1", &["x@a.test"]), route).await;
        assert_eq!(fates(&report), [Delivered], "an operator's word");

        // The alias has a record that does not fit, what it stands for has one that does, or the other way round.
        let other = if fate == Delivered { wrong.clone() } else { right.clone() };
        world.zone.mx("b.test", &[(10, "alias.test")]);
        world.zone.alias("alias.test", "real.test", &[sink.address()]);
        world.zone.tlsa("real.test", Ok(vec![records.clone()]));
        world.zone.tlsa("alias.test", Ok(vec![other]));
        let report = world.send(&mailing("1", &["x@b.test"]), "b.test").await;
        assert_eq!(fates(&report), [fate], "an alias");
        world.zone.tlsa("real.test", Ok(Vec::new()));
        world.zone.tlsa("alias.test", Ok(vec![records]));
        let report = world.send(&mailing("1", &["x@b.test"]), "b.test").await;
        assert_eq!(fates(&report), [fate], "an alias with records of its own");
    }
}

/// RFC 7672 §3.2.2: below a trust anchor the certificate may be for the domain; then the connection is that domain's.
#[tokio::test]
async fn a_certificate_for_one_domain_serves_no_other() {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).unwrap();
    let issuer = rcgen::Issuer::from_params(&params, &ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    let chain = vec![leaf.der().clone(), ca.der().clone()];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let sink = sink_with(|o| o.tls = Some(acceptor(chain, key))).await;
    let digest = Sha256::digest(ca.der()).to_vec();
    let anchor = Tlsa { usage: 2, selector: 0, matching: 1, data: digest };
    let world = World::new();
    for domain in ["a.test", "b.test"] {
        world.zone.mx(domain, &[(10, "mx.test")]);
    }
    world.zone.host("mx.test", &[sink.address()]);
    world.zone.tlsa("mx.test", Ok(vec![anchor]));
    let mut courier = world.courier("a.test").await;
    let report = courier.carry(&mailing("1", &["x@a.test"]), &Watcher::default()).await;
    assert_eq!(fates(&report), [Delivered], "{report:?}");
    assert!(courier.turn_to(&world.plan("b.test").await), "the same site");
    let report = courier.carry(&mailing("2", &["x@b.test"]), &Watcher::default()).await;
    assert_eq!(fates(&report), [Deferred], "{report:?}");
    assert_eq!(sink.count(), 1);
}

/// RFC 8689 §4.2.2: "TLS-Required: No" arrives where DANE would keep it back; and over its connection nothing else does.
#[tokio::test]
async fn mail_that_rather_arrives() {
    let (sink, _, _) = secure(|_| {}).await;
    let wrong = Tlsa { usage: 3, selector: 0, matching: 1, data: vec![0; 32] };
    let world = World::new();
    world.domain("a.test", &sink);
    world.zone.tlsa("a.test", Ok(vec![wrong]));
    let mut rather = mailing("1", &["x@a.test"]);
    rather.tls_optional = true;
    let mut courier = world.courier("a.test").await;
    let report = courier.carry(&rather, &Watcher::default()).await;
    assert_eq!(fates(&report), [Delivered]);
    let verified = report.outcomes[0].tls.as_ref().map(|tls| tls.verified);
    assert_eq!(verified, Some(false), "TLS all the same");
    let report = courier.carry(&mailing("2", &["x@a.test"]), &Watcher::default()).await;
    assert_eq!(fates(&report), [Deferred]);
    let report = courier.carry(&rather, &Watcher::default()).await;
    assert_eq!(fates(&report), [Delivered]);
    courier.park();
    assert_eq!(world.delivery.idle_connections(), 0);
    assert_eq!(sink.count(), 2);
}

/// A stranger who speaks before the certificate was seen fails nothing for ever, not by "no mail here" either (RFC 7504).
#[tokio::test]
async fn nobody_fails_mail_before_who_it_is_was_seen() {
    let record = |der: &[u8]| Tlsa {
        usage: 3,
        selector: 0,
        matching: 1,
        data: Sha256::digest(der).to_vec(),
    };
    let (sink, _, der) = secure(|_| {}).await;
    sink.rule(reply(Moment::Connect, "*", "521 5.3.2 no mail here"));
    for (records, fate) in [(vec![record(&der)], Deferred), (Vec::new(), Failed)] {
        let world = World::new();
        world.domain("a.test", &sink);
        world.zone.tlsa("a.test", Ok(records));
        let report = world.send(&mailing("1", &["x@a.test"]), "a.test").await;
        assert_eq!(fates(&report), [fate], "{report:?}");
    }
}
