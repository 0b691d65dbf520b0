//! SCRAM-SHA-256 (RFC 5802, RFC 7677): the stored verifier and the server's half of the messages.

use crate::binding::Bindings;
use crate::exchange::Failure;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What the server keeps instead of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    iterations: u32,
    salt: Vec<u8>,
    stored_key: [u8; 32],
    server_key: [u8; 32],
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Verifier({} iterations)", self.iterations)
    }
}

impl Verifier {
    /// From a password. RFC 7677 §4 asks for at least 4,096 iterations. `None` when SASLprep (RFC 4013)
    /// forbids the password.
    #[must_use]
    pub fn derive(password: &str, salt: &[u8], iterations: u32) -> Option<Self> {
        let password = stringprep::saslprep(password).ok()?;
        let salted = salted_password(password.as_bytes(), salt, iterations);
        let client_key = hmac(&salted, b"Client Key");
        Some(Self {
            iterations,
            salt: salt.to_vec(),
            stored_key: Sha256::digest(client_key).into(),
            server_key: hmac(&salted, b"Server Key"),
        })
    }

    /// A verifier that no password fits, always the same for a login, so that unknown users look like
    /// known ones.
    #[must_use]
    pub fn fake(secret: &[u8; 32], login: &str, iterations: u32) -> Self {
        let part = |label: &str| hmac(secret, format!("{label}\0{login}").as_bytes());
        Self {
            iterations,
            salt: part("salt")[..16].to_vec(),
            stored_key: part("stored"),
            server_key: part("server"),
        }
    }

    /// As text: `$scram-sha-256$<iterations>$<salt>$<stored key>$<server key>`.
    #[must_use]
    pub fn encode(&self) -> String {
        let text = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
        format!(
            "$scram-sha-256${}${}${}${}",
            self.iterations,
            text(&self.salt),
            text(&self.stored_key),
            text(&self.server_key)
        )
    }

    /// Reads [`Verifier::encode`]'s text.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix("$scram-sha-256$")?.split('$');
        let iterations = parts.next()?.parse().ok()?;
        let mut bytes = || BASE64_STANDARD.decode(parts.next()?).ok();
        let (salt, stored, server) = (bytes()?, bytes()?, bytes()?);
        Some(Self {
            iterations,
            salt,
            stored_key: stored.try_into().ok()?,
            server_key: server.try_into().ok()?,
        })
    }
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    // HMAC takes keys of any length.
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mut mac) => {
            mac.update(message);
            mac.finalize().into_bytes().into()
        }
        Err(_) => [0; 32],
    }
}

/// RFC 5802 §2.2 Hi(): PBKDF2 with one block.
fn salted_password(password: &[u8], salt: &[u8], iterations: u32) -> [u8; 32] {
    let mut out = [0u8; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut out);
    out
}

/// `client-first-message`.
pub(crate) struct ClientFirst {
    pub(crate) login: String,
    nonce: String,
    bare: String,
    /// What the client has to repeat: `gs2-header` and the channel's own octets.
    bound: Vec<u8>,
}

impl ClientFirst {
    /// `plus`: the mechanism is the one with channel binding. `bindings` are those that were offered, if any.
    pub(crate) fn parse(text: &str, plus: bool, bindings: &Bindings) -> Result<Self, Failure> {
        let mut parts = text.splitn(3, ',');
        let (flag, authzid, bare) = (parts.next(), parts.next(), parts.next());
        let (Some(flag), Some(authzid), Some(bare)) = (flag, authzid, bare) else {
            return Err(Failure::Malformed);
        };
        let binding = channel(flag, plus, bindings)?;
        let mut attributes = bare.split(',');
        // A mandatory extension ("m=") would stand first; none is known.
        let login = attributes.next().and_then(|a| a.strip_prefix("n=")).and_then(unescape_name);
        let nonce = attributes.next().and_then(|a| a.strip_prefix("r="));
        let (Some(login), Some(nonce)) = (login, nonce) else { return Err(Failure::Malformed) };
        if nonce.is_empty() || login.is_empty() {
            return Err(Failure::Malformed);
        }
        if let Some(name) = authzid.strip_prefix("a=") {
            let same = unescape_name(name).is_some_and(|name| name.eq_ignore_ascii_case(&login));
            if !same {
                return Err(Failure::Authorization);
            }
        } else if !authzid.is_empty() {
            return Err(Failure::Malformed);
        }
        Ok(Self {
            nonce: nonce.to_owned(),
            bare: bare.to_owned(),
            bound: [format!("{flag},{authzid},").as_bytes(), binding].concat(),
            login,
        })
    }
}

/// RFC 5802 §6: the octets that the client's choice of channel binding stands for.
fn channel<'a>(flag: &str, plus: bool, bindings: &'a Bindings) -> Result<&'a [u8], Failure> {
    match flag.strip_prefix("p=") {
        Some(name) if plus => bindings.get(name).ok_or(Failure::ChannelBinding),
        Some(_) => Err(Failure::ChannelBinding),
        None if plus => Err(Failure::ChannelBinding),
        None if flag == "n" => Ok(b""),
        // "If the flag is set to "y" and the server supports channel binding, the server MUST fail
        // authentication": somebody in the middle took the mechanism off the list.
        None if flag == "y" && bindings.any() => Err(Failure::ChannelBinding),
        None if flag == "y" => Ok(b""),
        None => Err(Failure::Malformed),
    }
}

/// RFC 5802 §5.1: `=2C` is a comma, `=3D` an equals sign, any other `=` is an error.
pub(crate) fn unescape_name(name: &str) -> Option<String> {
    let mut out = String::new();
    let mut pieces = name.split('=');
    out.push_str(pieces.next()?);
    for piece in pieces {
        let rest = if let Some(rest) = piece.strip_prefix("2C") {
            out.push(',');
            rest
        } else if let Some(rest) = piece.strip_prefix("3D") {
            out.push('=');
            rest
        } else {
            return None;
        };
        out.push_str(rest);
    }
    Some(out)
}

/// After `server-first-message`: waiting for the client's proof.
pub(crate) struct Pending {
    verifier: Verifier,
    nonce: String,
    bound: Vec<u8>,
    auth_prefix: String,
}

impl Pending {
    pub(crate) fn new(
        first: ClientFirst,
        server_nonce: &str,
        verifier: Verifier,
    ) -> (Self, String) {
        let nonce = format!("{}{server_nonce}", first.nonce);
        let salt = BASE64_STANDARD.encode(&verifier.salt);
        let challenge = format!("r={nonce},s={salt},i={}", verifier.iterations);
        let auth_prefix = format!("{},{challenge}", first.bare);
        (Self { verifier, nonce, bound: first.bound, auth_prefix }, challenge)
    }

    /// Checks `client-final-message`; gives `server-final-message`.
    pub(crate) fn finish(&self, text: &str) -> Result<Vec<u8>, Failure> {
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(Failure::Malformed)?;
        let mut attributes = without_proof.split(',');
        let binding =
            attributes.next().and_then(|a| a.strip_prefix("c=")).ok_or(Failure::Malformed)?;
        let nonce =
            attributes.next().and_then(|a| a.strip_prefix("r=")).ok_or(Failure::Malformed)?;
        if nonce != self.nonce {
            return Err(Failure::Malformed);
        }
        let binding = BASE64_STANDARD.decode(binding).map_err(|_| Failure::Malformed)?;
        if !bool::from(binding.ct_eq(&self.bound)) {
            return Err(Failure::ChannelBinding);
        }
        let proof: [u8; 32] = BASE64_STANDARD
            .decode(proof)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(Failure::Malformed)?;
        let auth_message = format!("{},{without_proof}", self.auth_prefix);
        let signature = hmac(&self.verifier.stored_key, auth_message.as_bytes());
        let mut client_key = proof;
        client_key.iter_mut().zip(signature).for_each(|(key, mask)| *key ^= mask);
        let fits: [u8; 32] = Sha256::digest(client_key).into();
        if !bool::from(fits.ct_eq(&self.verifier.stored_key)) {
            return Err(Failure::Credentials);
        }
        let signature = hmac(&self.verifier.server_key, auth_message.as_bytes());
        Ok(format!("v={}", BASE64_STANDARD.encode(signature)).into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_text_round_trips() {
        let verifier = Verifier::derive("geheim", b"salt", 4096).unwrap();
        assert_eq!(Verifier::decode(&verifier.encode()), Some(verifier.clone()));
        assert!(!format!("{verifier:?}").contains("salt"));
        for text in
            ["", "$scram-sha-256$", "$scram-sha-256$x$a$b$c", "$scram-sha-256$1$AA==$AA==$AA=="]
        {
            assert_eq!(Verifier::decode(text), None, "{text}");
        }
    }

    #[test]
    fn unknown_users_always_look_the_same() {
        let key = [7; 32];
        assert_eq!(Verifier::fake(&key, "x", 4096), Verifier::fake(&key, "x", 4096));
        assert_ne!(Verifier::fake(&key, "x", 4096), Verifier::fake(&key, "y", 4096));
    }
}
