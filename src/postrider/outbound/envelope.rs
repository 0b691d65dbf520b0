//! The envelope as it leaves, out of what the queue keeps of it.

use serde_json::Value;
use smtp::client::{Envelope, Recipient};
use smtp::{Body, ForwardPath, Notify, Path, Ret};
use store::queue::Claimed;
use types::EmailAddress;

/// For these recipients of one message; at least one.
pub fn envelope<'a>(
    message: &Claimed,
    recipients: impl Iterator<Item = &'a Claimed>,
    size: u64,
) -> Envelope {
    let mail = &message.mail_parameters;
    Envelope {
        reverse_path: reverse_path(&message.reverse_path),
        size,
        body: match text(mail, "body") {
            Some("8bitmime") => Body::EightBitMime,
            Some("binarymime") => Body::BinaryMime,
            _ => Body::SevenBit,
        },
        utf8: is_set(mail, "smtputf8"),
        ret: match text(mail, "ret") {
            Some("full") => Some(Ret::Full),
            Some("hdrs") => Some(Ret::Hdrs),
            _ => None,
        },
        envelope_id: text(mail, "envid").map(str::to_owned),
        require_tls: is_set(mail, "requiretls"),
        recipients: recipients.map(recipient).collect(),
    }
}

fn recipient(claimed: &Claimed) -> Recipient {
    let rcpt = &claimed.recipient_parameters;
    Recipient {
        path: forward_path(&claimed.recipient),
        notify: notify(rcpt),
        original: original(rcpt),
    }
}

/// NOTIFY as it was given.
pub fn notify(rcpt: &Value) -> Option<Notify> {
    let words = rcpt.get("notify")?.as_array()?;
    let says = |word: &str| words.iter().any(|one| one == word);
    Some(Notify {
        never: says("never"),
        success: says("success"),
        failure: says("failure"),
        delay: says("delay"),
    })
}

/// ORCPT as it was given: address type and address.
pub fn original(rcpt: &Value) -> Option<(String, String)> {
    let pair = rcpt.get("orcpt")?.as_array()?;
    match pair.as_slice() {
        [kind, address] => Some((kind.as_str()?.to_owned(), address.as_str()?.to_owned())),
        _ => None,
    }
}

/// A text of an object.
pub fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

/// A yes of an object.
pub fn is_set(object: &Value, name: &str) -> bool {
    object.get(name).and_then(Value::as_bool).unwrap_or(false)
}

fn reverse_path(text: &str) -> Option<Path> {
    (!text.is_empty()).then(|| path(text))
}

fn forward_path(text: &str) -> ForwardPath {
    if text.contains('@') { ForwardPath::Path(path(text)) } else { ForwardPath::Postmaster }
}

/// Reads what [`Path`] writes; the domain in A-labels.
fn path(text: &str) -> Path {
    let (local, domain) = text.rsplit_once('@').unwrap_or((text, ""));
    let literal = domain.starts_with('[');
    let a_labels = (!literal).then(|| EmailAddress::normalise_domain(domain).ok()).flatten();
    Path { local_part: unquoted(local), domain: a_labels.unwrap_or_else(|| domain.to_owned()) }
}

fn unquoted(local: &str) -> String {
    let inner = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let Some(inner) = inner else { return local.to_owned() };
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_come_back_as_they_were() {
        for (local, domain) in
            [("a", "b.org"), ("odd \"name\\", "b.org"), ("x@y", "[192.0.2.1]"), ("jörg", "b.org")]
        {
            let there = Path { local_part: local.into(), domain: domain.into() };
            assert_eq!(path(&there.to_string()), there);
        }
        assert_eq!(path("a@Bücher.example").domain, "xn--bcher-kva.example");
        assert_eq!(forward_path("postmaster"), ForwardPath::Postmaster);
        assert_eq!(reverse_path(""), None);
    }

    #[test]
    fn parameters_come_back() {
        let rcpt = json!({"notify": ["success", "delay"], "orcpt": ["rfc822", "a@b"]});
        let wanted = Notify { success: true, delay: true, ..Notify::default() };
        assert_eq!(notify(&rcpt), Some(wanted));
        assert_eq!(original(&rcpt), Some(("rfc822".into(), "a@b".into())));
        assert_eq!((notify(&json!({})), original(&json!({"orcpt": ["x"]}))), (None, None));
        assert!(is_set(&json!({"requiretls": true}), "requiretls") && !is_set(&json!(null), "x"));
    }
}
