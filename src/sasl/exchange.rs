//! One authentication exchange.
//!
//! ```text
//! PLAIN   start ──(response)──▶ Password
//! LOGIN   start ──▶ user name ──▶ password ──▶ Password
//! SCRAM   start ──▶ client-first ──▶ Verifier ──provide()──▶ server-first ──▶ client-final ──▶ Success
//! EXTERNAL       start ──(response)──▶ Certificate
//! OAUTHBEARER,   start ──(response)──▶ Token ──refuse()──▶ why ──▶ (dummy response) ──▶ Failed
//! XOAUTH2
//! ```

use crate::bearer::{self, Bearer};
use crate::scram::{self, Verifier};
use crate::{Bindings, MAX_CLIENT_MESSAGE, Mechanism, TokenRefusal};

/// Why an exchange failed before any secret was checked, or with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The client's message is malformed or too long.
    #[error("malformed authentication message")]
    Malformed,
    /// The client asked to act as somebody else.
    #[error("acting for another user is not supported")]
    Authorization,
    /// The client's channel binding is none that was offered, or not that of this connection.
    #[error("the channel binding does not fit")]
    ChannelBinding,
    /// The proof does not fit the password.
    #[error("wrong user name or password")]
    Credentials,
}

/// What has to happen next.
#[derive(PartialEq, Eq)]
pub enum Step {
    /// Send this (before base64) and give the answer to [`Exchange::respond`].
    Challenge(Vec<u8>),
    /// Check this password.
    Password {
        /// Who wants in.
        login: String,
        /// What they say.
        password: String,
    },
    /// Look up this user's SCRAM verifier (or make up one) and give it to [`Exchange::provide`].
    Verifier {
        /// Who wants in.
        login: String,
    },
    /// The client has proved that it knows the password. Send `last` with the success, or as a last challenge.
    Success {
        /// Who is in.
        login: String,
        /// The server's own proof.
        last: Vec<u8>,
    },
    /// Take the user from the client's certificate.
    Certificate {
        /// Whom the client wants to be; `None`: whom the certificate says.
        wanted: Option<String>,
    },
    /// Check this bearer token; if it is no good, call [`Exchange::refuse`].
    Token {
        /// Whom the client wants to be; `None`: whom the token says.
        wanted: Option<String>,
        /// Empty: the client only wants to know what it needs.
        token: String,
    },
    /// It is over.
    Failed(Failure),
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Challenge(_) => "Challenge",
            Self::Password { .. } => "Password(…)",
            Self::Verifier { .. } => "Verifier",
            Self::Success { .. } => "Success",
            Self::Certificate { .. } => "Certificate",
            Self::Token { .. } => "Token(…)",
            Self::Failed(_) => "Failed",
        })
    }
}

enum State {
    Plain,
    LoginName,
    LoginPassword {
        login: String,
    },
    ScramFirst {
        nonce: String,
        plus: bool,
        bindings: Bindings,
    },
    ScramVerifier {
        first: scram::ClientFirst,
        nonce: String,
    },
    ScramFinal {
        login: String,
        pending: Box<scram::Pending>,
    },
    External,
    Bearer {
        old: bool,
    },
    /// A token was named; it may be refused.
    Token {
        old: bool,
    },
    /// It was refused; the client's dummy response is to come.
    Refused,
    Over,
}

/// An exchange under way.
pub struct Exchange {
    state: State,
}

impl Exchange {
    /// Starts one. `nonce` is fresh printable randomness (18 octets or more of entropy) without commas,
    /// used by SCRAM. `bindings` are the connection's, if SCRAM-SHA-256-PLUS was announced on it.
    #[must_use]
    pub fn start(
        mechanism: Mechanism,
        initial: Option<&[u8]>,
        nonce: String,
        bindings: Bindings,
    ) -> (Self, Step) {
        let (state, question) = match mechanism {
            Mechanism::Plain => (State::Plain, &b""[..]),
            Mechanism::Login => (State::LoginName, &b"Username:"[..]),
            Mechanism::ScramSha256 => {
                (State::ScramFirst { nonce, plus: false, bindings }, &b""[..])
            }
            Mechanism::ScramSha256Plus => {
                (State::ScramFirst { nonce, plus: true, bindings }, &b""[..])
            }
            Mechanism::External => (State::External, &b""[..]),
            Mechanism::OAuthBearer => (State::Bearer { old: false }, &b""[..]),
            Mechanism::XOAuth2 => (State::Bearer { old: true }, &b""[..]),
        };
        let mut exchange = Self { state };
        let step = match initial {
            Some(response) => exchange.respond(response),
            None => Step::Challenge(question.to_vec()),
        };
        (exchange, step)
    }

    /// The client's answer, base64 undone.
    pub fn respond(&mut self, response: &[u8]) -> Step {
        let state = std::mem::replace(&mut self.state, State::Over);
        let Some(text) = (response.len() <= MAX_CLIENT_MESSAGE).then_some(response) else {
            return Step::Failed(Failure::Malformed);
        };
        let Ok(text) = std::str::from_utf8(text) else { return Step::Failed(Failure::Malformed) };
        match state {
            State::Plain => plain(text),
            State::LoginName => {
                self.state = State::LoginPassword { login: text.to_owned() };
                Step::Challenge(b"Password:".to_vec())
            }
            State::LoginPassword { login } if login.is_empty() || text.is_empty() => {
                Step::Failed(Failure::Malformed)
            }
            State::LoginPassword { login } => Step::Password { login, password: text.to_owned() },
            State::ScramFirst { nonce, plus, bindings } => {
                match scram::ClientFirst::parse(text, plus, &bindings) {
                    Ok(first) => {
                        let login = first.login.clone();
                        self.state = State::ScramVerifier { first, nonce };
                        Step::Verifier { login }
                    }
                    Err(failure) => Step::Failed(failure),
                }
            }
            State::ScramFinal { login, pending } => match pending.finish(text) {
                Ok(last) => Step::Success { login, last },
                Err(failure) => Step::Failed(failure),
            },
            State::External => external(text),
            State::Bearer { old } => self.bearer(text, old),
            // RFC 7628 §3.2.3: whatever it is, the exchange has failed.
            State::Refused => Step::Failed(Failure::Credentials),
            State::ScramVerifier { .. } | State::Token { .. } | State::Over => {
                Step::Failed(Failure::Malformed)
            }
        }
    }

    fn bearer(&mut self, text: &str, old: bool) -> Step {
        let read = if old { bearer::xoauth2(text) } else { bearer::oauthbearer(text) };
        match read {
            Ok(Bearer { login, token }) => {
                self.state = State::Token { old };
                Step::Token { wanted: login, token }
            }
            Err(failure) => Step::Failed(failure),
        }
    }

    /// The token that [`Step::Token`] named is no good: the client is told why, and has to answer before it is
    /// over.
    pub fn refuse(&mut self, refusal: &TokenRefusal<'_>) -> Step {
        let State::Token { old } = self.state else { return Step::Failed(Failure::Malformed) };
        self.state = State::Refused;
        let text = if old { refusal.xoauth2() } else { refusal.oauthbearer() };
        Step::Challenge(text.into_bytes())
    }

    /// The verifier that [`Step::Verifier`] asked for.
    pub fn provide(&mut self, verifier: Verifier) -> Step {
        let State::ScramVerifier { first, nonce } = std::mem::replace(&mut self.state, State::Over)
        else {
            return Step::Failed(Failure::Malformed);
        };
        let login = first.login.clone();
        let (pending, challenge) = scram::Pending::new(first, &nonce, verifier);
        self.state = State::ScramFinal { login, pending: Box::new(pending) };
        Step::Challenge(challenge.into_bytes())
    }
}

/// RFC 4422 appendix A.1: `initial-response = *( UTF8-char-no-nul )`, an authorization identity or nothing.
fn external(text: &str) -> Step {
    if text.contains('\0') {
        return Step::Failed(Failure::Malformed);
    }
    Step::Certificate { wanted: Some(text.to_owned()).filter(|text| !text.is_empty()) }
}

/// RFC 4616 §2: `message = [authzid] UTF8NUL authcid UTF8NUL passwd`
fn plain(text: &str) -> Step {
    let mut parts = text.split('\0');
    let (Some(authzid), Some(login), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Step::Failed(Failure::Malformed);
    };
    if login.is_empty() || password.is_empty() {
        return Step::Failed(Failure::Malformed);
    }
    if !authzid.is_empty() && !authzid.eq_ignore_ascii_case(login) {
        return Step::Failed(Failure::Authorization);
    }
    Step::Password { login: login.to_owned(), password: password.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

    fn start(mechanism: Mechanism, initial: Option<&[u8]>) -> (Exchange, Step) {
        Exchange::start(mechanism, initial, NONCE.into(), Bindings::default())
    }

    fn bound(mechanism: Mechanism, first: &str) -> (Exchange, Step) {
        let bindings =
            Bindings { exporter: Some(vec![7; 32]), end_point: Some(b"\xffcertificate".to_vec()) };
        Exchange::start(mechanism, Some(first.as_bytes()), NONCE.into(), bindings)
    }

    /// The client's half of RFC 5802 §3 over this channel binding.
    fn client_final(first_bare: &str, server_first: &str, channel: &[u8]) -> String {
        use hmac::{Hmac, Mac};
        use sha2::{Digest, Sha256};
        let encode =
            |octets: &[u8]| base64::Engine::encode(&base64::prelude::BASE64_STANDARD, octets);
        let mac = |key: &[u8], text: &[u8]| -> [u8; 32] {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
            mac.update(text);
            mac.finalize().into_bytes().into()
        };
        let mut parts = server_first.split(',');
        let nonce = parts.next().unwrap();
        let salt = parts.next().unwrap().strip_prefix("s=").unwrap();
        let salt = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, salt).unwrap();
        let mut salted = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(b"pencil", &salt, 4096, &mut salted);
        let client_key = mac(&salted, b"Client Key");
        let bare = format!("c={},{nonce}", encode(channel));
        let stored: [u8; 32] = Sha256::digest(client_key).into();
        let signature = mac(&stored, format!("{first_bare},{server_first},{bare}").as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        format!("{bare},p={}", encode(&proof))
    }

    /// RFC 5802 §6 with both bindings that TLS has.
    #[test]
    fn scram_plus_is_bound_to_its_connection() {
        let run = |name: &str, channel: &[u8]| {
            let first = format!("p={name},,n=user,r=abc");
            let (mut exchange, step) = bound(Mechanism::ScramSha256Plus, &first);
            assert_eq!(step, Step::Verifier { login: "user".into() });
            let verifier = Verifier::derive("pencil", b"0123456789abcdef", 4096).unwrap();
            let Step::Challenge(challenge) = exchange.provide(verifier) else { panic!() };
            let text = String::from_utf8(challenge).unwrap();
            let channel = [format!("p={name},,").as_bytes(), channel].concat();
            exchange.respond(client_final("n=user,r=abc", &text, &channel).as_bytes())
        };
        assert!(matches!(run("tls-exporter", &[7; 32]), Step::Success { .. }));
        assert!(matches!(run("tls-server-end-point", b"\xffcertificate"), Step::Success { .. }));
        let another = Step::Failed(Failure::ChannelBinding);
        assert_eq!(run("tls-exporter", &[8; 32]), another);
        assert_eq!(run("tls-exporter", b""), another);
        assert_eq!(run("tls-server-end-point", &[7; 32]), another);
    }

    #[test]
    fn nobody_talks_a_client_out_of_channel_binding() {
        let refused = Step::Failed(Failure::ChannelBinding);
        // The client would have bound itself, but was told that it cannot.
        assert_eq!(bound(Mechanism::ScramSha256, "y,,n=user,r=abc").1, refused);
        // It cannot itself: nothing to lose.
        let asked = Step::Verifier { login: "user".into() };
        assert_eq!(bound(Mechanism::ScramSha256, "n,,n=user,r=abc").1, asked);
        // On a connection that offers none, it is right.
        assert_eq!(start(Mechanism::ScramSha256, Some(b"y,,n=user,r=abc")).1, asked);
        for first in ["n,,n=user,r=abc", "y,,n=user,r=abc", "p=tls-unique,,n=user,r=abc"] {
            assert_eq!(bound(Mechanism::ScramSha256Plus, first).1, refused, "{first}");
        }
        assert_eq!(bound(Mechanism::ScramSha256, "p=tls-exporter,,n=user,r=abc").1, refused);
    }

    /// RFC 4422 appendix A
    #[test]
    fn external_names_somebody_or_nobody() {
        assert_eq!(start(Mechanism::External, Some(b"")).1, Step::Certificate { wanted: None });
        let (mut exchange, step) = start(Mechanism::External, None);
        assert_eq!(step, Step::Challenge(Vec::new()));
        let wanted = Some("fred@example.com".into());
        assert_eq!(exchange.respond(b"fred@example.com"), Step::Certificate { wanted });
        assert_eq!(start(Mechanism::External, Some(b"a\0b")).1, Step::Failed(Failure::Malformed));
    }

    /// RFC 7628 §4.3: a refusal, the dummy response, the end.
    #[test]
    fn a_refused_token_is_explained_first() {
        let refusal = TokenRefusal { status: "invalid_token", ..TokenRefusal::default() };
        for (mechanism, first, dummy, json) in [
            (
                Mechanism::OAuthBearer,
                "n,,\u{1}auth=Bearer x\u{1}\u{1}",
                &b"\x01"[..],
                "{\"status\":\"invalid_token\"}",
            ),
            (
                Mechanism::XOAuth2,
                "user=anna\u{1}auth=Bearer x\u{1}\u{1}",
                b"",
                "{\"status\":\"401\",\"schemes\":\"bearer\"}",
            ),
        ] {
            let (mut exchange, step) = start(mechanism, Some(first.as_bytes()));
            assert!(matches!(&step, Step::Token { token, .. } if token == "x"), "{step:?}");
            assert!(!format!("{step:?}").contains('x'));
            assert_eq!(exchange.refuse(&refusal), Step::Challenge(json.into()));
            assert_eq!(exchange.respond(dummy), Step::Failed(Failure::Credentials));
            assert_eq!(exchange.refuse(&refusal), Step::Failed(Failure::Malformed));
        }
    }

    #[test]
    fn plain_with_and_without_initial_response() {
        let wanted = Step::Password { login: "tim".into(), password: "tanstaaftanstaaf".into() };
        assert_eq!(start(Mechanism::Plain, Some(b"\0tim\0tanstaaftanstaaf")).1, wanted);
        let (mut exchange, step) = start(Mechanism::Plain, None);
        assert_eq!(step, Step::Challenge(Vec::new()));
        assert_eq!(exchange.respond(b"tim\0tim\0tanstaaftanstaaf"), wanted);
        assert_eq!(
            start(Mechanism::Plain, Some(b"Ursel\0Kurt\0xipj3plmq")).1,
            Step::Failed(Failure::Authorization)
        );
        for bad in [&b""[..], b"a", b"\0a", b"\0\0b", b"\0a\0", b"\0a\0b\0c", b"\0\xff\0x"] {
            assert_eq!(
                start(Mechanism::Plain, Some(bad)).1,
                Step::Failed(Failure::Malformed),
                "{bad:?}"
            );
        }
        let long = vec![b'x'; MAX_CLIENT_MESSAGE + 1];
        assert_eq!(start(Mechanism::Plain, Some(&long)).1, Step::Failed(Failure::Malformed));
    }

    #[test]
    fn login_asks_twice() {
        let (mut exchange, step) = start(Mechanism::Login, None);
        assert_eq!(step, Step::Challenge(b"Username:".to_vec()));
        assert_eq!(exchange.respond(b"anna"), Step::Challenge(b"Password:".to_vec()));
        let wanted = Step::Password { login: "anna".into(), password: "geheim".into() };
        assert_eq!(exchange.respond(b"geheim"), wanted);
        assert_eq!(exchange.respond(b"again"), Step::Failed(Failure::Malformed));
    }

    /// RFC 7677 §3, the whole exchange.
    #[test]
    fn scram_as_in_rfc_7677() {
        let salt =
            base64::Engine::decode(&base64::prelude::BASE64_STANDARD, "W22ZaJ0SNY7soEsUEjb6gQ==");
        let verifier = Verifier::derive("pencil", &salt.unwrap(), 4096).unwrap();
        let (mut exchange, step) =
            start(Mechanism::ScramSha256, Some(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"));
        assert_eq!(step, Step::Verifier { login: "user".into() });
        let first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        assert_eq!(exchange.provide(verifier), Step::Challenge(first.into()));
        let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let proof = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=".to_vec();
        assert_eq!(
            exchange.respond(last.as_bytes()),
            Step::Success { login: "user".into(), last: proof }
        );
    }

    #[test]
    fn scram_refuses_what_does_not_fit() {
        let run = |first: &str, last: &str| {
            let (mut exchange, step) = start(Mechanism::ScramSha256, Some(first.as_bytes()));
            if let Step::Failed(failure) = step {
                return failure;
            }
            let _ =
                exchange.provide(Verifier::derive("pencil", b"0123456789abcdef", 4096).unwrap());
            match exchange.respond(last.as_bytes()) {
                Step::Failed(failure) => failure,
                other => panic!("{other:?}"),
            }
        };
        let wrong = format!("c=biws,r=abc%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p={}=", "A".repeat(43));
        assert_eq!(run("n,,n=user,r=abc", &wrong), Failure::Credentials);
        assert_eq!(run("n,,n=user,r=abc", "c=biws,r=other,p=AAAA"), Failure::Malformed);
        assert_eq!(
            run("n,,n=user,r=abc", "c=eSws,r=abc%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=AAAA"),
            Failure::ChannelBinding
        );
        assert_eq!(run("p=tls-unique,,n=user,r=abc", ""), Failure::ChannelBinding);
        assert_eq!(run("n,a=other,n=user,r=abc", ""), Failure::Authorization);
        for bad in [
            "",
            "n",
            "n,,",
            "n,,n=user",
            "n,,r=abc",
            "n,,m=x,n=user,r=abc",
            "n,,n=,r=abc",
            "n,,n=us=er,r=x",
        ] {
            assert_eq!(run(bad, ""), Failure::Malformed, "{bad}");
        }
    }

    fn any_message() -> impl Strategy<Value = Vec<u8>> {
        let words = prop::sample::select(vec![
            "n,,",
            "y,,",
            "p=x,,",
            "n=user",
            "n=us=2Cer",
            "=3D",
            "r=abc",
            ",",
            "\0",
            "a=user,",
            "c=biws,",
            "c=eSws,",
            "r=abcN",
            ",p=AAAA",
            "p=",
            "\u{e4}",
            "user",
            "pw",
            "p=tls-exporter,,",
            "\u{1}",
            "auth=Bearer x",
            "user=",
            "n,a=user,",
        ]);
        let sensible =
            prop::collection::vec(words, 0..8).prop_map(|words| words.concat().into_bytes());
        prop_oneof![sensible, prop::collection::vec(any::<u8>(), 0..80)]
    }

    proptest! {
        /// Whatever comes, an exchange ends; only the right secret opens.
        #[test]
        fn any_octets_are_survived(
            mechanism in prop::sample::select(vec![
                Mechanism::Plain,
                Mechanism::Login,
                Mechanism::ScramSha256,
                Mechanism::ScramSha256Plus,
                Mechanism::External,
                Mechanism::OAuthBearer,
                Mechanism::XOAuth2,
            ]),
            messages in prop::collection::vec(any_message(), 1..6),
        ) {
            let bindings = Bindings { exporter: Some(vec![7; 32]), end_point: None };
            let (mut exchange, mut step) = Exchange::start(mechanism, None, "N".into(), bindings);
            for message in &messages {
                if let Step::Verifier { .. } = step {
                    step = exchange.provide(Verifier::fake(&[7; 32], "user", 4096));
                }
                let let_in = matches!(step, Step::Success { .. });
                prop_assert!(!let_in);
                if let Step::Token { .. } = step {
                    step = exchange.refuse(&TokenRefusal::default());
                }
                let over = matches!(
                    step,
                    Step::Failed(_) | Step::Password { .. } | Step::Certificate { .. }
                );
                step = exchange.respond(message);
                if over {
                    prop_assert_eq!(&step, &Step::Failed(Failure::Malformed));
                }
            }
        }
    }
}
