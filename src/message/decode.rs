//! Transfer encodings, charsets and encoded-words, for search, preview and BINARY. mail-parser does the
//! decoding; nothing here fails, broken input decodes as far as it goes.

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use std::borrow::Cow;

/// A body without its Content-Transfer-Encoding (RFC 2045 §6).
#[must_use]
pub fn decode_body<'a>(encoding: &str, body: &'a [u8]) -> Cow<'a, [u8]> {
    if encoding.eq_ignore_ascii_case("base64") {
        Cow::Owned(base64_prefix(body))
    } else if encoding.eq_ignore_ascii_case("quoted-printable") {
        quoted_printable_decode(body).map_or(Cow::Borrowed(body), Cow::Owned)
    } else {
        Cow::Borrowed(body)
    }
}

/// Base64 that may be cut anywhere: whole groups of four.
fn base64_prefix(body: &[u8]) -> Vec<u8> {
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let mut clean: Vec<u8> = body.iter().copied().filter(legal).collect();
    clean.truncate(clean.len() / 4 * 4);
    base64_decode(&clean).unwrap_or_default()
}

/// Octets of a charset as text; an unknown charset is read as UTF-8 with replacement.
#[must_use]
pub fn charset_to_text(charset: Option<&str>, bytes: &[u8]) -> String {
    match charset {
        Some(name)
            if !name.eq_ignore_ascii_case("utf-8") && !name.eq_ignore_ascii_case("us-ascii") =>
        {
            match charset_decoder(name.as_bytes()) {
                Some(decode) => decode(bytes),
                None => String::from_utf8_lossy(bytes).into_owned(),
            }
        }
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// A header text with its encoded-words (RFC 2047) decoded.
#[must_use]
pub fn decode_header_text(text: &str) -> Cow<'_, str> {
    if !text.contains("=?") {
        return Cow::Borrowed(text);
    }
    let block = format!("Subject: {text}\r\n\r\n");
    let decoded = mail_parser::MessageParser::new()
        .header_text(mail_parser::HeaderName::Subject)
        .parse_headers(block.as_bytes())
        .and_then(|message| message.subject().map(str::to_owned));
    decoded.map_or(Cow::Borrowed(text), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_undone() {
        assert_eq!(&*decode_body("BASE64", b"SGVs\r\nbG8="), b"Hello");
        assert_eq!(&*decode_body("base64", b"SGVsbG8"), b"Hel");
        assert_eq!(&*decode_body("Quoted-Printable", b"a=20b=\r\nc"), b"a bc");
        assert_eq!(&*decode_body("8BIT", b"x"), b"x");
    }

    #[test]
    fn header_texts_are_decoded() {
        assert_eq!(decode_header_text("=?utf-8?q?Gr=C3=BC=C3=9Fe?= x"), "Grüße x");
        assert_eq!(decode_header_text("plain"), "plain");
    }
}
