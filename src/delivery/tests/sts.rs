//! MTA-STS (RFC 8461): policies over HTTPS, kept to by attempts.

use super::*;
use ::policy::mta_sts::{Known, Policy};
use Fate::{Deferred, Delivered, Untried};
use async_trait::async_trait;
use resolve::{ResolveError, Tlsa};
use smtp::client::Enhanced;
use std::collections::HashMap;
use testkit::https::{Authority, Https};

/// The memory that nodes share.
#[derive(Default)]
struct Shared {
    known: Mutex<HashMap<String, Known>>,
    away: AtomicBool,
}

#[async_trait]
impl PolicyCache for Shared {
    async fn load(&self, domain: &str) -> Result<Option<Known>, CacheAway> {
        if self.away.load(Ordering::SeqCst) {
            return Err(CacheAway);
        }
        Ok(self.known.lock().unwrap().get(domain).cloned())
    }

    async fn save(&self, domain: &str, id: &str, policy: &Policy) {
        let known = Known { id: id.into(), policy: policy.clone(), age: Duration::ZERO };
        self.known.lock().unwrap().insert(domain.into(), known);
    }
}

/// `a.test` with the host `mx.a.test`, an authority that everybody here trusts, and a policy host.
struct Place {
    authority: Authority,
    ca: tempfile::NamedTempFile,
    https: Https,
    cache: Arc<Shared>,
}

const POLICY: &str = "version: STSv1\nmode: enforce\nmx: mx.a.test\nmax_age: 86400\n";

impl Place {
    async fn new() -> Self {
        Self::of("mta-sts.a.test").await
    }

    /// The policy host's certificate is for this name.
    async fn of(name: &str) -> Self {
        let authority = Authority::new().unwrap();
        let ca = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), authority.pem()).unwrap();
        let https = Https::start(authority.acceptor(&[name]).unwrap()).await.unwrap();
        https.text(POLICY);
        Self { authority, ca, https, cache: Arc::default() }
    }

    /// A node, as it sees `a.test` with its mail at this sink; no DNSSEC.
    fn node(&self, sink: &Sink) -> World {
        let zone = Zone::new();
        zone.insecure();
        self.over(zone, sink)
    }

    /// The same with DNSSEC.
    fn secure_node(&self, sink: &Sink) -> World {
        self.over(Zone::new(), sink)
    }

    fn over(&self, zone: Zone, sink: &Sink) -> World {
        let config = DeliveryConfig {
            ca_file: Some(self.ca.path().to_owned()),
            mta_sts_port: self.https.address().port(),
            ..config()
        };
        zone.mx("a.test", &[(10, "mx.a.test")]);
        zone.host("mx.a.test", &[sink.address()]);
        zone.host("mta-sts.a.test", &[self.https.address()]);
        zone.texts("_mta-sts.a.test", Ok(vec!["v=STSv1; id=1;".into()]));
        let (zone, cache) = (Arc::new(zone), Arc::clone(&self.cache));
        let delivery = Delivery::with_policies(config, zone.clone(), cache).unwrap();
        World { zone, delivery }
    }

    async fn sink(&self, name: &str) -> Sink {
        let acceptor = self.authority.acceptor(&[name]).unwrap();
        sink_with(|options| {
            options.tls = Some(acceptor);
            options.keywords.push("REQUIRETLS".into());
        })
        .await
    }
}

/// The fate, and whether the certificate was verified.
async fn sent(world: &World) -> (Fate, Option<bool>, Enhanced) {
    let report = world.send(&mailing("1", &["x@a.test"]), "a.test").await;
    let outcome = &report.outcomes[0];
    (outcome.fate, outcome.tls.as_ref().map(|tls| tls.verified), outcome.status)
}

const ARRIVED: Enhanced = Enhanced(2, 0, 0);

/// What the policy says times what the host is.
#[tokio::test]
async fn a_policy_is_kept_to() {
    let place = Place::new().await;
    let (good, other) = (place.sink("mx.a.test").await, place.sink("other.test").await);
    let plain = sink().await;
    let policy = |from: &str, to: &str| POLICY.replace(from, to);
    for (policy, at, wanted) in [
        (POLICY.to_owned(), &good, (Delivered, Some(true), ARRIVED)),
        (policy("mx.a", "*.a"), &good, (Delivered, Some(true), ARRIVED)),
        (POLICY.to_owned(), &other, (Deferred, None, Enhanced(4, 7, 5))),
        (POLICY.to_owned(), &plain, (Deferred, None, Enhanced(4, 7, 10))),
        (policy("mx.a", "mx.b"), &good, (Deferred, None, Enhanced(4, 7, 5))),
        (policy("enforce", "testing"), &other, (Delivered, Some(false), ARRIVED)),
        (policy("enforce", "testing"), &plain, (Delivered, None, ARRIVED)),
        (
            policy("mx.a", "mx.b").replace("enforce", "testing"),
            &good,
            (Delivered, Some(false), ARRIVED),
        ),
        (policy("enforce", "none"), &plain, (Delivered, None, ARRIVED)),
    ] {
        place.https.text(&policy);
        place.cache.known.lock().unwrap().clear();
        let before = at.count();
        assert_eq!(sent(&place.node(at)).await, wanted, "{policy}");
        assert_eq!(at.count() - before, usize::from(wanted.0 == Delivered), "{policy}");
    }
    let port = place.https.address().port();
    assert_eq!(place.https.asked()[0], format!("/.well-known/mta-sts.txt mta-sts.a.test:{port}"));
}

/// "HTTP 3xx redirects MUST NOT be followed", and so on: then there is no policy, and mail flows as without (§3.3, §5.1).
#[tokio::test]
async fn what_cannot_be_fetched_is_no_policy() {
    let long = format!("{POLICY}x: {}\n", "y".repeat(70_000));
    let text = |text: &str| format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n{text}");
    let place = Place::new().await;
    let plain = sink().await;
    for answer in [
        "HTTP/1.1 404 Not Found\r\n\r\n".to_owned(),
        "HTTP/1.1 301 Moved\r\nLocation: /other\r\nContent-Type: text/plain\r\n\r\n".to_owned()
            + POLICY,
        text(POLICY).replace("text/plain", "text/html"),
        text(POLICY).replace("Content-Type: text/plain\r\n", ""),
        text(&long),
        text("<html>"),
        "nonsense\r\n\r\n".to_owned(),
        String::new(),
    ] {
        place.https.answer(answer.clone());
        assert_eq!(sent(&place.node(&plain)).await.0, Delivered, "{answer:.80}");
        assert!(place.cache.known.lock().unwrap().is_empty(), "{answer:.80}");
    }
    // The same once more, and it is one: the certificate of the policy host is what differs next.
    place.https.answer(text(POLICY));
    assert_eq!(sent(&place.node(&plain)).await.0, Deferred);
    let place = Place::of("elsewhere.a.test").await;
    assert_eq!(sent(&place.node(&plain)).await.0, Delivered);
    assert!(place.https.asked().is_empty(), "no request without the right certificate");
    // After a failure it is not asked for again and again.
    let place = Place::new().await;
    place.https.answer("HTTP/1.1 500 x\r\n\r\n");
    let node = place.node(&plain);
    for _ in 0..3 {
        assert_eq!(sent(&node).await.0, Delivered);
    }
    assert_eq!(place.https.asked().len(), 1);
}

/// What one node has found counts on another, whatever becomes of the record and the policy host (§10.2).
#[tokio::test]
async fn a_lost_answer_makes_nothing_weaker() {
    let place = Place::new().await;
    let (good, plain) = (place.sink("mx.a.test").await, sink().await);
    assert_eq!(sent(&place.node(&good)).await.0, Delivered);
    assert_eq!(place.https.asked().len(), 1);
    place.https.answer("HTTP/1.1 500 x\r\n\r\n");
    let lost = ResolveError::Unavailable("lost".into());
    for record in [Err(lost), Err(ResolveError::NoDomain), Ok(vec!["v=STSv1; id=2;".into()])] {
        let node = place.node(&plain);
        node.zone.texts("_mta-sts.a.test", record.clone());
        assert_eq!(sent(&node).await.0, Deferred, "{record:?}");
    }
    // A new policy counts when it can be fetched.
    place.https.text(&POLICY.replace("enforce", "none"));
    let node = place.node(&plain);
    node.zone.texts("_mta-sts.a.test", Ok(vec!["v=STSv1; id=3;".into()]));
    assert_eq!(sent(&node).await.0, Delivered);
    // Out of force, and nothing announces another.
    let asked = place.https.asked().len();
    place.cache.known.lock().unwrap().get_mut("a.test").unwrap().age = Duration::from_secs(90_000);
    let node = place.node(&plain);
    node.zone.texts("_mta-sts.a.test", Err(ResolveError::NoDomain));
    assert_eq!(sent(&node).await.0, Delivered);
    assert_eq!(place.https.asked().len(), asked);
    // Nobody can tell: mail waits, and no attempt is used up.
    place.cache.away.store(true, Ordering::SeqCst);
    let planned = place.node(&plain).delivery.plan("a.test", &Arc::new(Route::default())).await;
    assert_eq!(planned.unwrap_err().fate, Untried);
}

#[tokio::test]
async fn the_host_that_is_meant_is_tried() {
    let place = Place::new().await;
    let (good, not_meant) = (place.sink("mx.a.test").await, place.sink("mx.a.test").await);
    let node = place.node(&good);
    node.zone.mx("a.test", &[(5, "spare.b.test"), (10, "mx.a.test")]);
    node.zone.host("spare.b.test", &[not_meant.address()]);
    let report = node.send(&mailing("1", &["x@a.test"]), "a.test").await;
    assert_eq!(report.outcomes[0].host.as_deref(), Some("mx.a.test"));
    assert_eq!(report.tries[0].host, "spare.b.test");
    assert_eq!(not_meant.connections(not_meant.address()).total, 0);
}

/// "MUST NOT allow MTA-STS Policy validation to override a failing DANE validation" (§2), and where DANE can decide, it
/// does.
#[tokio::test]
async fn dane_goes_before() {
    use sha2::{Digest, Sha256};
    let place = Place::new().await;
    let good = place.sink("mx.a.test").await;
    let made = rcgen::generate_simple_self_signed(["mx.a.test".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    let own = sink_with(|o| o.tls = Some(Arc::new(tls).into())).await;
    let tlsa = |data: &[u8]| Tlsa { usage: 3, selector: 0, matching: 1, data: data.to_vec() };
    let right = tlsa(&Sha256::digest(made.cert.der()));
    for (at, record, wanted) in [
        // Signed by nobody, and named by DNS.
        (&own, right.clone(), (Delivered, Some(true))),
        // Right by the policy, wrong by DNS.
        (&good, tlsa(&[0; 32]), (Deferred, None)),
        // Records that are of no use leave it to the policy.
        (&good, Tlsa { usage: 1, ..right.clone() }, (Delivered, Some(true))),
        (&own, Tlsa { usage: 1, ..right.clone() }, (Deferred, None)),
    ] {
        let world = place.secure_node(at);
        world.zone.tlsa("mx.a.test", Ok(vec![record.clone()]));
        let (fate, verified, _) = sent(&world).await;
        assert_eq!((fate, verified), wanted, "{record:?}");
    }
}

/// RFC 8689 §4.2.1: a policy names hosts as well as DNSSEC does. And an operator's word does not weaken a policy.
#[tokio::test]
async fn requiretls_and_routes_beside_a_policy() {
    let place = Place::new().await;
    let (good, other) = (place.sink("mx.a.test").await, place.sink("other.test").await);
    let mut must = mailing("1", &["x@a.test"]);
    must.envelope.require_tls = true;
    let report = place.node(&good).send(&must, "a.test").await;
    assert_eq!(fates(&report), [Delivered]);
    let node = place.node(&good);
    place.cache.known.lock().unwrap().clear();
    node.zone.texts("_mta-sts.a.test", Err(ResolveError::NoDomain));
    assert_eq!(
        fates(&node.send(&must, "a.test").await),
        [Fate::Failed],
        "nothing vouches for the host"
    );
    for (tls, fate) in [
        (TlsPolicy::Opportunistic, Deferred),
        (TlsPolicy::StartTls { verify: false }, Deferred),
        (TlsPolicy::StartTls { verify: true }, Deferred),
        (TlsPolicy::Never, Delivered),
    ] {
        let node = place.node(&other);
        let route = Arc::new(Route { tls, ..Route::default() });
        let plan = node.delivery.plan("a.test", &route).await.unwrap();
        let mut courier = node.delivery.courier(&plan, None);
        let report = courier.carry(&mailing("1", &["x@a.test"]), &Watcher::default()).await;
        assert_eq!(fates(&report), [fate], "{tls:?}");
    }
}

/// A connection that nobody verified does not carry mail for which somebody must be verified.
#[tokio::test]
async fn connections_are_shared_only_under_the_same_policy() {
    let place = Place::new().await;
    let good = place.sink("mx.a.test").await;
    let node = place.node(&good);
    node.zone.mx("free.test", &[(10, "mx.a.test")]);
    let free = node.plan("free.test").await;
    let mut courier = node.delivery.courier(&free, None);
    let report = courier.carry(&mailing("1", &["x@free.test"]), &Watcher::default()).await;
    assert_eq!(fates(&report), [Delivered]);
    courier.park();
    let bound = node.plan("a.test").await;
    assert_eq!(free.site(), bound.site(), "the limits are the same");
    assert!(node.delivery.idle_courier(&bound).is_none());
    assert!(node.delivery.idle_courier(&free).is_some());
}

/// A host that the policy does not name is not even looked up: a forged one that does not exist fails nothing for ever
/// (§5.1, §8.4).
#[tokio::test]
async fn a_forged_host_fails_nothing_for_ever() {
    let place = Place::new().await;
    let good = place.sink("mx.a.test").await;
    let node = place.node(&good);
    node.zone.mx("a.test", &[(5, "nowhere.evil.test")]);
    assert_eq!(sent(&node).await, (Deferred, None, Enhanced(4, 7, 5)));
    assert_eq!(node.zone.asked("nowhere.evil.test"), 0);
}

/// "compliant senders MUST treat the smart host domain as the Policy Domain" (§3.4).
#[tokio::test]
async fn a_relay_has_a_policy_of_its_own() {
    let place = Place::of("mta-sts.relay.test").await;
    place.https.text(&POLICY.replace("mx.a.test", "relay.test"));
    let good = place.sink("relay.test").await;
    let (other, plain) = (place.sink("other.test").await, sink().await);
    let by = async |sink: &Sink, host: &str, tls: TlsPolicy| {
        let node = place.node(sink);
        node.zone.host("relay.test", &[sink.address()]);
        node.zone.host("mta-sts.relay.test", &[place.https.address()]);
        node.zone.texts("_mta-sts.relay.test", Ok(vec!["v=STSv1; id=1;".into()]));
        // The recipient's domain has nothing to say.
        node.zone.texts("_mta-sts.x.test", Ok(vec!["v=STSv1; id=1;".into()]));
        let hop = Hop::Relay { host: host.into(), port: sink.address().port() };
        let route = Route { hop, tls, ..Route::default() };
        let report = node.send_by(&mailing("1", &["x@x.test"]), route).await;
        assert_eq!(node.zone.asked("_mta-sts.x.test"), 0);
        let tls = report.outcomes[0].tls.as_ref();
        (report.outcomes[0].fate, tls.map(|tls| tls.verified))
    };
    use TlsPolicy::{Never, Opportunistic};
    let lax = TlsPolicy::StartTls { verify: false };
    for (at, tls, wanted) in [
        (&good, Opportunistic, (Delivered, Some(true))),
        (&other, Opportunistic, (Deferred, None)),
        (&plain, Opportunistic, (Deferred, None)),
        (&other, lax, (Deferred, None)),
        (&good, lax, (Delivered, Some(true))),
        (&plain, Never, (Delivered, None)),
    ] {
        assert_eq!(by(at, "relay.test", tls).await, wanted, "{tls:?}");
    }
    // What has no domain has no policy.
    assert_eq!(by(&plain, "127.0.0.1", Opportunistic).await, (Delivered, None));
    place.https.text(&POLICY.replace("mx.a.test", "other.test"));
    place.cache.known.lock().unwrap().clear();
    assert_eq!(by(&good, "relay.test", Opportunistic).await, (Deferred, None), "not named");
}

/// RFC 8689 §3: "TLS-Required: No" is about policies too.
#[tokio::test]
async fn who_rather_arrives_needs_no_policy() {
    let place = Place::new().await;
    let plain = sink().await;
    let node = place.node(&plain);
    let mut rather = mailing("1", &["x@a.test"]);
    rather.tls_optional = true;
    assert_eq!(fates(&node.send(&rather, "a.test").await), [Delivered]);
    assert_eq!(sent(&node).await.0, Deferred);
    // An operator's demand is no policy of the recipient's.
    let route = Arc::new(Route { tls: TlsPolicy::StartTls { verify: true }, ..Route::default() });
    let plan = node.delivery.plan("a.test", &route).await.unwrap();
    let report = node.delivery.courier(&plan, None).carry(&rather, &Watcher::default()).await;
    assert_eq!(fates(&report), [Deferred]);
}

/// "2 mx patterns" is usual, thousands are legal: what is kept of them is bounded by their number.
#[tokio::test]
async fn a_policy_may_name_thousands() {
    let place = Place::new().await;
    let good = place.sink("mx.a.test").await;
    place.https.text(&format!("{POLICY}{}", "mx: b.test\n".repeat(5_000)));
    assert_eq!(sent(&place.node(&good)).await.0, Delivered);
    assert_eq!(place.cache.known.lock().unwrap()["a.test"].policy.mx.len(), 5_001);
}

/// "a suggested refresh frequency is once per day" (§3.3), mail or no mail; and whatever becomes of it, the policy stays.
#[tokio::test]
async fn what_is_used_is_kept_fresh() {
    let place = Place::new().await;
    let good = place.sink("mx.a.test").await;
    let node = place.node(&good);
    assert_eq!(sent(&node).await.0, Delivered);
    let grow_old = |hours: u64| {
        let mut known = place.cache.known.lock().unwrap();
        known.get_mut("a.test").unwrap().age = Duration::from_secs(hours * 3_600);
    };
    let age = || place.cache.known.lock().unwrap()["a.test"].age;
    node.delivery.refresh_policies().await;
    assert_eq!(place.https.asked().len(), 1, "it is young");
    // The policy lasts a day, so half of that.
    grow_old(13);
    place.https.text(&POLICY.replace("86400", "172800"));
    node.zone.texts("_mta-sts.a.test", Err(ResolveError::NoDomain));
    node.delivery.refresh_policies().await;
    assert_eq!((place.https.asked().len(), age()), (2, Duration::ZERO));
    let max_age = || place.cache.known.lock().unwrap()["a.test"].policy.max_age;
    assert_eq!(max_age(), Duration::from_secs(172_800));
    grow_old(30);
    place.https.answer("HTTP/1.1 500 x\r\n\r\n");
    node.delivery.refresh_policies().await;
    assert_eq!((place.https.asked().len(), age()), (3, Duration::from_secs(30 * 3_600)));
    // Who never used it leaves it alone, and so does everybody once it is out of force.
    place.node(&good).delivery.refresh_policies().await;
    grow_old(49);
    node.delivery.refresh_policies().await;
    assert_eq!(place.https.asked().len(), 3);
}
