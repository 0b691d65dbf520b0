//! One authentication exchange.
//!
//! ```text
//! PLAIN   start ──(response)──▶ Password
//! LOGIN   start ──▶ user name ──▶ password ──▶ Password
//! SCRAM   start ──▶ client-first ──▶ Verifier ──provide()──▶ server-first ──▶ client-final ──▶ Success
//! ```

use crate::MAX_CLIENT_MESSAGE;
use crate::scram::{self, Verifier};

/// A mechanism of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616
    Plain,
    /// The old two-question login, for clients that know nothing else.
    Login,
    /// RFC 7677, without channel binding.
    ScramSha256,
}

impl Mechanism {
    /// By name, without regard to case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [("PLAIN", Self::Plain), ("LOGIN", Self::Login), ("SCRAM-SHA-256", Self::ScramSha256)]
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, mechanism)| mechanism)
    }
}

/// Why an exchange failed before any secret was checked, or with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The client's message is malformed or too long.
    #[error("malformed authentication message")]
    Malformed,
    /// The client asked to act as somebody else.
    #[error("acting for another user is not supported")]
    Authorization,
    /// The client wants channel binding, which was not offered.
    #[error("channel binding is not supported")]
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
            Self::Failed(_) => "Failed",
        })
    }
}

enum State {
    Plain,
    LoginName,
    LoginPassword { login: String },
    ScramFirst { nonce: String },
    ScramVerifier { first: scram::ClientFirst, nonce: String },
    ScramFinal { login: String, pending: Box<scram::Pending> },
    Over,
}

/// An exchange under way.
pub struct Exchange {
    state: State,
}

impl Exchange {
    /// Starts one. `nonce` is fresh printable randomness (18 octets or more of entropy) without commas,
    /// used by SCRAM.
    #[must_use]
    pub fn start(mechanism: Mechanism, initial: Option<&[u8]>, nonce: String) -> (Self, Step) {
        let (state, question) = match mechanism {
            Mechanism::Plain => (State::Plain, &b""[..]),
            Mechanism::Login => (State::LoginName, &b"Username:"[..]),
            Mechanism::ScramSha256 => (State::ScramFirst { nonce }, &b""[..]),
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
            State::ScramFirst { nonce } => match scram::ClientFirst::parse(text) {
                Ok(first) => {
                    let login = first.login.clone();
                    self.state = State::ScramVerifier { first, nonce };
                    Step::Verifier { login }
                }
                Err(failure) => Step::Failed(failure),
            },
            State::ScramFinal { login, pending } => match pending.finish(text) {
                Ok(last) => Step::Success { login, last },
                Err(failure) => Step::Failed(failure),
            },
            State::ScramVerifier { .. } | State::Over => Step::Failed(Failure::Malformed),
        }
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

    fn start(mechanism: Mechanism, initial: Option<&[u8]>) -> (Exchange, Step) {
        Exchange::start(mechanism, initial, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".into())
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
        ]);
        let sensible =
            prop::collection::vec(words, 0..8).prop_map(|words| words.concat().into_bytes());
        prop_oneof![sensible, prop::collection::vec(any::<u8>(), 0..80)]
    }

    proptest! {
        /// Whatever comes, an exchange ends; only the right secret opens.
        #[test]
        fn any_octets_are_survived(
            mechanism in prop::sample::select(vec![Mechanism::Plain, Mechanism::Login, Mechanism::ScramSha256]),
            messages in prop::collection::vec(any_message(), 1..6),
        ) {
            let (mut exchange, mut step) = Exchange::start(mechanism, None, "N".into());
            for message in &messages {
                if let Step::Verifier { .. } = step {
                    step = exchange.provide(Verifier::fake(&[7; 32], "user", 4096));
                }
                let let_in = matches!(step, Step::Success { .. });
                prop_assert!(!let_in);
                let over = matches!(step, Step::Failed(_) | Step::Password { .. });
                step = exchange.respond(message);
                if over {
                    prop_assert_eq!(&step, &Step::Failed(Failure::Malformed));
                }
            }
        }
    }
}
