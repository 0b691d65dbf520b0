//! OAUTHBEARER (RFC 7628) and XOAUTH2: a token instead of a password. Whether it is good is for others to say.

use crate::exchange::Failure;

/// Between the parts of a message, and as a whole message: "I heard that it failed" (RFC 7628 §3.2.3).
const SEPARATOR: char = '\u{1}';

/// A client's message.
#[derive(PartialEq, Eq)]
pub(crate) struct Bearer {
    /// Whom the client wants to be; for OAUTHBEARER it may leave that to the token.
    pub(crate) login: Option<String>,
    /// Empty: the client only asks what it would need (RFC 7628 §4.3).
    pub(crate) token: String,
}

/// Why a token was refused, as the client is told in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenRefusal<'a> {
    /// RFC 6750 §3.1: `invalid_token` or `insufficient_scope`.
    pub status: &'a str,
    /// What a token needs.
    pub scope: Option<&'a str>,
    /// Where the issuer describes itself (RFC 7628 §3.2.2).
    pub openid_configuration: Option<&'a str>,
}

/// RFC 7628 §3.1: `client-resp = (gs2-header kvsep *kvpair kvsep) / kvsep`
pub(crate) fn oauthbearer(text: &str) -> Result<Bearer, Failure> {
    let (header, pairs) = text.split_once(SEPARATOR).ok_or(Failure::Malformed)?;
    let mut parts = header.split(',');
    let (flag, authzid) = (parts.next(), parts.next());
    if parts.next() != Some("") || parts.next().is_some() {
        return Err(Failure::Malformed);
    }
    match flag {
        Some("n" | "y") => {}
        // "The server MUST fail … if it does not support channel binding": there is no OAUTHBEARER-PLUS.
        Some(flag) if flag.starts_with("p=") => return Err(Failure::ChannelBinding),
        _ => return Err(Failure::Malformed),
    }
    let login = match authzid {
        Some("") | None => None,
        Some(authzid) => {
            let name = authzid.strip_prefix("a=").ok_or(Failure::Malformed)?;
            Some(crate::scram::unescape_name(name).ok_or(Failure::Malformed)?)
        }
    };
    Ok(Bearer { login, token: token(pairs)? })
}

/// `user=` name, `auth=Bearer` token, each followed by a separator, and one more at the end.
pub(crate) fn xoauth2(text: &str) -> Result<Bearer, Failure> {
    let (user, pairs) = text.split_once(SEPARATOR).ok_or(Failure::Malformed)?;
    let login = user.strip_prefix("user=").filter(|login| !login.is_empty());
    let login = login.ok_or(Failure::Malformed)?.to_owned();
    Ok(Bearer { login: Some(login), token: token(pairs)? })
}

/// The value of `auth`; all other pairs are the client's own matter (RFC 7628 §3.1: "… MUST be ignored").
fn token(pairs: &str) -> Result<String, Failure> {
    let pairs = pairs.strip_suffix(SEPARATOR).ok_or(Failure::Malformed)?;
    let mut token = None;
    for pair in pairs.split_terminator(SEPARATOR) {
        let (key, value) = pair.split_once('=').ok_or(Failure::Malformed)?;
        if key.is_empty() || !key.bytes().all(|octet| octet.is_ascii_alphabetic()) {
            return Err(Failure::Malformed);
        }
        if key == "auth" && token.replace(value).is_some() {
            return Err(Failure::Malformed);
        }
    }
    let Some(value) = token.map(str::trim).filter(|value| !value.is_empty()) else {
        return Ok(String::new());
    };
    // RFC 6750 §2.1: `credentials = "Bearer" 1*SP b64token`; schemes are compared without regard to case.
    let (scheme, token) = value.split_once(' ').ok_or(Failure::Malformed)?;
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~+/=".contains(&octet);
    let token = token.trim_start();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || !token.bytes().all(fits) {
        return Err(Failure::Malformed);
    }
    Ok(token.to_owned())
}

impl TokenRefusal<'_> {
    /// RFC 7628 §3.2.2
    pub(crate) fn oauthbearer(&self) -> String {
        object(&[
            ("status", Some(self.status)),
            ("scope", self.scope),
            ("openid-configuration", self.openid_configuration),
        ])
    }

    /// As the clients of XOAUTH2 know it.
    pub(crate) fn xoauth2(&self) -> String {
        let status = if self.status == "insufficient_scope" { "403" } else { "401" };
        object(&[("status", Some(status)), ("schemes", Some("bearer")), ("scope", self.scope)])
    }
}

/// A JSON object of texts.
fn object(members: &[(&str, Option<&str>)]) -> String {
    let mut out = String::from("{");
    for (name, value) in members {
        let Some(value) = value else { continue };
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(&format!("\"{name}\":\""));
        for c in value.chars() {
            match c {
                '"' | '\\' => out.extend(['\\', c]),
                c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => out.push(c),
            }
        }
        out.push('"');
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";

    /// RFC 7628 §4.1
    #[test]
    fn oauthbearer_as_in_rfc_7628() {
        let text = format!(
            "n,a=user@example.com,\u{1}host=server.example.com\u{1}port=143\u{1}auth=Bearer {TOKEN}\u{1}\u{1}"
        );
        let bearer = oauthbearer(&text).ok().unwrap();
        assert_eq!(bearer.login.as_deref(), Some("user@example.com"));
        assert_eq!(bearer.token, TOKEN);
        // §4.3, "Failed Exchange" for discovery: no token.
        let bearer = oauthbearer("n,a=user@example.com,\u{1}auth=\u{1}\u{1}").ok().unwrap();
        assert_eq!(bearer.token, "");
        let bearer = oauthbearer("n,,\u{1}auth=Bearer abc\u{1}\u{1}").ok().unwrap();
        assert_eq!(bearer.login, None);
    }

    #[test]
    fn xoauth2_as_clients_send_it() {
        let text = format!("user=someuser@example.com\u{1}auth=Bearer {TOKEN}\u{1}\u{1}");
        let bearer = xoauth2(&text).ok().unwrap();
        assert_eq!(bearer.login.as_deref(), Some("someuser@example.com"));
        assert_eq!(bearer.token, TOKEN);
    }

    #[test]
    fn what_makes_no_sense() {
        for bad in [
            "",
            "\u{1}",
            "n,,",
            "n\u{1}auth=Bearer x\u{1}\u{1}",
            "n,a=x\u{1}auth=Bearer x\u{1}\u{1}",
            "x,,\u{1}auth=Bearer x\u{1}\u{1}",
            "n,b=x,\u{1}auth=Bearer x\u{1}\u{1}",
            "n,a=x=,\u{1}auth=Bearer x\u{1}\u{1}",
            "n,,\u{1}auth=Basic x\u{1}\u{1}",
            "n,,\u{1}auth=Bearer\u{1}\u{1}",
            "n,,\u{1}auth=Bearer a b\u{1}\u{1}",
            "n,,\u{1}auth=Bearer x\u{1}auth=Bearer y\u{1}\u{1}",
            "n,,\u{1}auth=Bearer x",
            "n,,\u{1}nothing\u{1}\u{1}",
        ] {
            assert_eq!(oauthbearer(bad).err(), Some(Failure::Malformed), "{bad:?}");
        }
        let bound = "p=tls-exporter,,\u{1}auth=Bearer x\u{1}\u{1}";
        assert_eq!(oauthbearer(bound).err(), Some(Failure::ChannelBinding));
        for bad in ["", "user=x", "user=\u{1}auth=Bearer x\u{1}\u{1}", "auth=Bearer x\u{1}\u{1}"] {
            assert_eq!(xoauth2(bad).err(), Some(Failure::Malformed), "{bad:?}");
        }
    }

    #[test]
    fn refusals_are_json() {
        let refusal = TokenRefusal {
            status: "invalid_token",
            scope: Some("mail \"all\""),
            openid_configuration: Some("https://example.com/.well-known/openid-configuration"),
        };
        assert_eq!(
            refusal.oauthbearer(),
            "{\"status\":\"invalid_token\",\"scope\":\"mail \\\"all\\\"\",\"openid-configuration\":\
             \"https://example.com/.well-known/openid-configuration\"}"
        );
        let bare = TokenRefusal { status: "invalid_token", ..TokenRefusal::default() };
        assert_eq!(bare.xoauth2(), "{\"status\":\"401\",\"schemes\":\"bearer\"}");
    }
}
