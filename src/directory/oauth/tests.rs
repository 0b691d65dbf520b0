use super::*;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

const ISSUER: &str = "https://idp.test";

/// The issuer's key pair: an Ed25519 key in PKCS #8 (RFC 8410 §10.3) and the public half of it.
struct Issuer {
    secret: Vec<u8>,
    public: String,
}

impl Issuer {
    fn new() -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let public = BASE64_URL_SAFE_NO_PAD.encode(pair.public_key_raw());
        Self { secret: pair.serialize_der(), public }
    }

    fn jwk(&self, kid: &str) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "x": self.public, "kid": kid, "use": "sig", "alg": "EdDSA"})
    }

    fn sign(&self, kid: &str, claims: &Value) -> String {
        let header = Header { kid: Some(kid.into()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, claims, &EncodingKey::from_ed_der(&self.secret)).unwrap()
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": ["mail", "other"], "exp": now() + 600, "sub": "42",
        "email": "anna@example.test", "email_verified": true, "scope": "openid imap",
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn config(jwks: &Path) -> OAuthConfig {
    OAuthConfig {
        issuer: ISSUER.into(),
        audience: vec!["mail".into()],
        jwks: Some(jwks.display().to_string()),
        scope: Some("imap".into()),
        ..OAuthConfig::default()
    }
}

fn publish(path: &Path, keys: &[Value]) {
    std::fs::write(path, json!({"keys": keys}).to_string()).unwrap();
}

struct Bench {
    _folder: tempfile::TempDir,
    file: std::path::PathBuf,
    issuer: Issuer,
    oauth: OAuth,
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    let issuer = Issuer::new();
    publish(&file, &[json!({"kty": "new"}), json!({"kty": "oct", "k": "AAAA"}), issuer.jwk("one")]);
    let oauth = OAuth::new(config(&file)).unwrap();
    Bench { _folder: folder, file, issuer, oauth }
}

#[tokio::test]
async fn only_a_token_of_which_all_fits_is_good() {
    let Bench { issuer, oauth, _folder, .. } = bench();
    let user = async |claims: &Value| oauth.user(&issuer.sign("one", claims)).await;
    assert_eq!(user(&claims()).await, Ok("anna@example.test".into()));
    assert_eq!(user(&with("aud", json!("mail"))).await, Ok("anna@example.test".into()));
    assert_eq!(user(&with("exp", json!(now() - 30))).await, Ok("anna@example.test".into()));
    for bad in [
        with("exp", json!(now() - 120)),
        without("exp"),
        with("exp", json!("never")),
        with("nbf", json!(now() + 120)),
        with("iss", json!("https://evil.test")),
        without("iss"),
        with("aud", json!("calendar")),
        without("aud"),
        without("email"),
        with("email", json!("")),
        with("email", json!(["anna@example.test"])),
        with("email_verified", json!(false)),
    ] {
        assert_eq!(user(&bad).await, Err(Refused::Invalid), "{bad}");
    }
    for bad in [with("scope", json!("openid imapx")), without("scope")] {
        assert_eq!(user(&bad).await, Err(Refused::Scope), "{bad}");
    }
    let list = with("scope", json!(["imap"]));
    assert_eq!(user(&list).await, Ok("anna@example.test".into()));
}

#[tokio::test]
async fn nobody_signs_for_the_issuer() {
    let Bench { issuer, oauth, _folder, .. } = bench();
    let refused = async |token: &str| {
        assert_eq!(oauth.user(token).await, Err(Refused::Invalid), "{token}");
    };
    // Another key under the same name.
    refused(&Issuer::new().sign("one", &claims())).await;
    refused(&issuer.sign("two", &claims())).await;
    // No signature at all (RFC 8725 §2.1).
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    for alg in ["none", "None", "NONE"] {
        refused(&format!("{}.{}.", part(&json!({"alg": alg, "kid": "one"})), part(&claims())))
            .await;
    }
    // The public key as a secret (RFC 8725 §2.1), and the symmetric key that stands in the set.
    let raw = BASE64_URL_SAFE_NO_PAD.decode(&issuer.public).unwrap();
    for secret in [raw.as_slice(), issuer.public.as_bytes(), &[0; 3]] {
        for kid in [Some("one".to_owned()), None] {
            let header = Header { kid, ..Header::new(Algorithm::HS256) };
            refused(&encode(&header, &claims(), &EncodingKey::from_secret(secret)).unwrap()).await;
        }
    }
    // Changed after it was signed.
    let token = issuer.sign("one", &claims());
    let mut parts = token.split('.');
    let (header, signature) = (parts.next().unwrap(), parts.nth(1).unwrap());
    refused(&format!("{header}.{}.{signature}", part(&with("email", json!("bert@x"))))).await;
    // A token of another kind.
    let header = Header { typ: Some("logout+jwt".into()), ..Header::new(Algorithm::EdDSA) };
    let key = EncodingKey::from_ed_der(&issuer.secret);
    refused(&encode(&header, &claims(), &key).unwrap()).await;
    for nonsense in ["", "x", "a.b.c", "....", &"x".repeat(8_000)] {
        refused(nonsense).await;
    }
}

#[tokio::test]
async fn keys_are_changed_while_we_run() {
    let Bench { issuer, oauth, file, _folder } = bench();
    assert!(oauth.user(&issuer.sign("one", &claims())).await.is_ok());
    let next = Issuer::new();
    publish(&file, &[issuer.jwk("one"), next.jwk("two")]);
    assert!(oauth.user(&next.sign("two", &claims())).await.is_ok());
    publish(&file, &[next.jwk("two")]);
    assert_eq!(oauth.user(&issuer.sign("one", &claims())).await, Err(Refused::Invalid));
    // Broken for a moment: what was known stays.
    std::fs::write(&file, "half a fi").unwrap();
    assert!(oauth.user(&next.sign("two", &claims())).await.is_ok());
    // Not for signatures.
    let mut other = next.jwk("two");
    other["use"] = json!("enc");
    publish(&file, &[other]);
    assert_eq!(oauth.user(&next.sign("two", &claims())).await, Err(Refused::Invalid));
}

#[test]
fn settings_that_would_let_anybody_in() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    publish(&file, &[]);
    let good = config(&file);
    assert!(OAuth::new(good.clone()).is_ok());
    for (bad, said) in [
        (OAuthConfig { issuer: String::new(), ..good.clone() }, "issuer"),
        (OAuthConfig { audience: vec![], ..good.clone() }, "audience"),
        (OAuthConfig { algorithms: vec!["HS256".into()], ..good.clone() }, "HS256"),
        (OAuthConfig { algorithms: vec!["none".into()], ..good.clone() }, "none"),
        (OAuthConfig { algorithms: vec![], ..good.clone() }, "algorithms"),
        (OAuthConfig { jwks: None, ..good.clone() }, "jwks"),
        (OAuthConfig { jwks: Some("http://idp.test/jwks".into()), ..good.clone() }, "https"),
        (OAuthConfig { jwks: Some("/nowhere".into()), ..good.clone() }, "/nowhere"),
        (OAuthConfig { introspection: Some("http://idp.test".into()), ..good.clone() }, "https"),
        (OAuthConfig { client_id: Some("me".into()), ..good.clone() }, "client_secret_file"),
    ] {
        let error = OAuth::new(bad).err().unwrap();
        assert!(error.contains(said), "{error}");
    }
}

mod over_http {
    use super::*;
    use std::sync::Arc;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// An issuer's server: answers with what is set now and keeps the last request.
    #[derive(Clone, Default)]
    struct Server {
        answer: Arc<Mutex<Option<String>>>,
        asked: Arc<AtomicUsize>,
        request: Arc<Mutex<String>>,
    }

    impl Server {
        async fn start(&self) -> String {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/", listener.local_addr().unwrap());
            let server = self.clone();
            tokio::spawn(async move {
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let mut request = vec![0; 16_384];
                    let read = stream.read(&mut request).await.unwrap();
                    *server.request.lock().unwrap() =
                        String::from_utf8_lossy(&request[..read]).into_owned();
                    server.asked.fetch_add(1, Ordering::Relaxed);
                    let answer = server.answer.lock().unwrap().clone();
                    let text = match answer {
                        Some(body) => format!(
                            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                            body.len()
                        ),
                        None => "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_owned(),
                    };
                    let _ = stream.write_all(text.as_bytes()).await;
                }
            });
            url
        }

        fn say(&self, answer: Option<&Value>) {
            *self.answer.lock().unwrap() = answer.map(Value::to_string);
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::Relaxed)
        }
    }

    fn config(jwks: Option<String>, introspection: Option<String>) -> OAuthConfig {
        OAuthConfig {
            issuer: ISSUER.into(),
            audience: vec!["mail".into()],
            jwks,
            introspection,
            ..OAuthConfig::default()
        }
    }

    async fn pass(seconds: u64) {
        tokio::time::pause();
        tokio::time::advance(std::time::Duration::from_secs(seconds)).await;
        tokio::time::resume();
    }

    #[tokio::test]
    async fn keys_from_a_url_are_asked_for_rarely() {
        let (server, one, two) = (Server::default(), Issuer::new(), Issuer::new());
        let oauth = OAuth::new(config(Some(server.start().await), None)).unwrap();
        let token = one.sign("one", &claims());
        // Not there yet: that is nobody's fault.
        assert!(matches!(oauth.user(&token).await, Err(Refused::Unavailable(_))));
        server.say(Some(&json!({"keys": [one.jwk("one")]})));
        assert!(matches!(oauth.user(&token).await, Err(Refused::Unavailable(_))));
        assert_eq!(server.asked(), 1, "asked again too soon");
        pass(31).await;
        assert!(oauth.user(&token).await.is_ok());
        for _ in 0..5 {
            assert!(oauth.user(&token).await.is_ok());
            // Whoever makes up names of keys does not make us ask.
            assert!(oauth.user(&two.sign("unknown", &claims())).await.is_err());
        }
        assert_eq!(server.asked(), 2);
        // A new key is learned at once, half a minute after the last question.
        server.say(Some(&json!({"keys": [one.jwk("one"), two.jwk("two")]})));
        pass(31).await;
        assert!(oauth.user(&two.sign("two", &claims())).await.is_ok());
        assert_eq!(server.asked(), 3);
        // The issuer is away for hours: what was learned counts.
        server.say(None);
        pass(3 * 3_600).await;
        assert!(oauth.user(&token).await.is_ok());
        assert_eq!(server.asked(), 4);
        pass(24 * 3_600).await;
        assert!(matches!(oauth.user(&token).await, Err(Refused::Unavailable(_))));
    }

    #[tokio::test]
    async fn the_issuer_is_asked_about_opaque_tokens() {
        let server = Server::default();
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "s3cret:\n").unwrap();
        let oauth = OAuth::new(OAuthConfig {
            client_id: Some("postrider".into()),
            client_secret_file: Some(secret),
            ..config(None, Some(server.start().await))
        })
        .unwrap();
        assert!(matches!(oauth.user("opaque+1").await, Err(Refused::Unavailable(_))));
        let mut good = claims();
        good["active"] = json!(true);
        server.say(Some(&good));
        assert_eq!(oauth.user("opaque+1").await, Ok("anna@example.test".into()));
        let request = server.request.lock().unwrap().clone().to_lowercase();
        assert!(request.contains("authorization: basic cg9zdhjpzgvyonmzy3jldcuzqq=="), "{request}");
        assert!(request.ends_with("token=opaque%2b1&token_type_hint=access_token"), "{request}");
        for (name, value) in [
            ("active", json!(false)),
            ("active", json!("true")),
            ("aud", json!("calendar")),
            ("aud", Value::Null),
            ("iss", json!("https://evil.test")),
            ("exp", json!(now() - 120)),
        ] {
            let mut bad = good.clone();
            bad[name] = value;
            server.say(Some(&bad));
            assert_eq!(oauth.user("opaque").await, Err(Refused::Invalid), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_revoked_token_is_refused_although_it_is_signed() {
        let (keys, state, issuer) = (Server::default(), Server::default(), Issuer::new());
        keys.say(Some(&json!({"keys": [issuer.jwk("one")]})));
        let urls = (Some(keys.start().await), Some(state.start().await));
        let oauth = OAuth::new(config(urls.0, urls.1)).unwrap();
        let token = issuer.sign("one", &claims());
        state.say(Some(&json!({"active": true})));
        assert!(oauth.user(&token).await.is_ok());
        state.say(Some(&json!({"active": false})));
        assert_eq!(oauth.user(&token).await, Err(Refused::Invalid));
    }
}
