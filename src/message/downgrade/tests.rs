use super::*;
use mail_parser::{MessageParser, PartType};
use proptest::prelude::*;

fn seven(message: &str) -> Result<String, CannotDowngrade> {
    downgrade(message.as_bytes(), Target::SevenBit).map(|out| String::from_utf8(out).unwrap())
}

/// The decoded leaves, as any reader sees them.
fn leaves(message: &[u8]) -> Vec<Vec<u8>> {
    let message = MessageParser::new().parse(message).unwrap();
    let leaf = |part: &mail_parser::MessagePart<'_>| match &part.body {
        PartType::Text(text) | PartType::Html(text) => Some(text.as_bytes().to_vec()),
        PartType::Binary(bytes) | PartType::InlineBinary(bytes) => Some(bytes.to_vec()),
        PartType::Message(inner) => Some(leaves(inner.raw_message()).concat()),
        PartType::Multipart(_) => None,
    };
    message.parts.iter().filter_map(leaf).collect()
}

#[test]
fn what_passes_is_not_touched() {
    let plain = "Subject: x\r\nContent-Transfer-Encoding: 8bit\r\n\r\nplain\r\n";
    assert_eq!(seven(plain).as_deref(), Ok(plain));
    let wide = "Subject: x\r\n\r\nf\u{fc}r\r\n";
    assert_eq!(downgrade(wide.as_bytes(), Target::EightBit).unwrap(), wide.as_bytes());
}

#[test]
fn one_text() {
    let message = "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain;\r\n charset=utf-8\r\n\
                   Content-Transfer-Encoding:\r\n 8bit\r\nX: y\r\n\r\nf\u{fc}r\r\n.\r\n";
    assert_eq!(
        seven(message).unwrap(),
        "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain;\r\n charset=utf-8\r\nX: y\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\r\nf=C3=BCr\r\n=2E\r\n"
    );
    assert_eq!(
        seven("Subject: x\r\n\r\nf\u{fc}r").unwrap(),
        "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\r\nf=C3=BCr"
    );
}

const MIXED: &str = "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\
    Content-Transfer-Encoding: 8bit\r\n\r\npr\u{e9}ambule\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Transfer-Encoding: 8bit\r\n\r\nf\u{fc}r\r\n--b\r\n\r\nplain\r\n--b\r\n\
    Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\u{89}PNG\n\u{0}x\r\n--b\r\n\
    Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: inner\r\n\
    Content-Type: text/html; charset=utf-8\r\n\r\n<p>\u{fc}</p>\r\n--b--\r\n";

#[test]
fn parts_are_encoded_one_by_one() {
    let out = seven(MIXED).unwrap();
    assert!(out.is_ascii() && is_lines(out.as_bytes()), "{out}");
    assert_eq!(leaves(out.as_bytes()), leaves(MIXED.as_bytes()));
    assert!(out.starts_with("Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 7bit\r\n\r\npr??ambule\r\n--b\r\n"));
    assert!(out.contains("--b\r\n\r\nplain\r\n--b\r\n"));
    assert!(out.contains(
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\nSubject: inner\r\n"
    ));
    // A server with 8BITMIME gets only the binary part changed.
    let eight = String::from_utf8(downgrade(MIXED.as_bytes(), Target::EightBit).unwrap()).unwrap();
    assert!(is_lines(eight.as_bytes()) && eight.contains("f\u{fc}r\r\n"));
    assert!(eight.contains("Content-Transfer-Encoding: base64\r\n\r\nwolQTkcKAHg=\r\n--b\r\n"));
    assert_eq!(leaves(eight.as_bytes()), leaves(MIXED.as_bytes()));
}

#[test]
fn what_must_not_change() {
    use CannotDowngrade::{Header, Opaque, Signed};
    let signed = MIXED.replace("multipart/mixed", "multipart/signed");
    for (message, error) in [
        ("Subject: f\u{fc}r\r\n\r\nf\u{fc}r\r\n", Header),
        (signed.as_str(), Signed),
        (&MIXED.replace("Subject: inner", "Subject: inn\u{e9}r"), Header),
        ("Content-Transfer-Encoding: base64\r\n\r\nf\u{fc}r\r\n", Opaque),
        ("Content-Type: multipart/mixed\r\n\r\nf\u{fc}r\r\n", Opaque),
        ("Content-Type: message/partial\r\n\r\nf\u{fc}r\r\n", Opaque),
        ("A: b\nC: d\n\nf\u{fc}r\n", Header),
        (&MIXED.replace("pr\u{e9}ambule\r\n", "pr\u{e9}\nambule\r\n"), Opaque),
    ] {
        assert_eq!(seven(message), Err(error), "{message}");
    }
    // RFC 6532 §3.7: an internationalized message may be encoded as a whole.
    let global = "MIME-Version: 1.0\r\nContent-Type: message/global\r\n\r\nSubject: \u{fc}\r\n\r\n\u{fc}\r\n";
    assert!(seven(global).unwrap().contains("Content-Transfer-Encoding: base64\r\n\r\n"));
}

proptest! {
    #[test]
    fn any_octets_pass_or_are_refused(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "A: b\r\n", "Content-Type: multipart/mixed; boundary=b\r\n", "Content-Type: image/x\r\n", "\r\n", "--b\r\n",
            "--b--\r\n", "x", "\u{fc}", "\n", "Content-Transfer-Encoding: 8bit\r\n", "Content-Type: message/rfc822\r\n",
        ]), 0..30),
    ) {
        let message = pieces.concat();
        for target in [Target::SevenBit, Target::EightBit] {
            if let Ok(out) = downgrade(message.as_bytes(), target) {
                prop_assert!(target.takes(&out), "{:?}", String::from_utf8_lossy(&out));
                // Once is enough.
                prop_assert_eq!(downgrade(&out, target), Ok(out.clone()));
            }
        }
    }
}
