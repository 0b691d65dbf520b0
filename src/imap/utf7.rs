//! Modified UTF-7 (RFC 3501 §5.1.3): how IMAP4rev1 spells mailbox names.

use base64::Engine;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &IMAP_MUTF7,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone),
);

/// Whether a name is spelled the same in both.
pub(crate) fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| matches!(byte, 0x20..=0x7e) && byte != b'&')
}

/// A name as IMAP4rev1 spells it.
pub(crate) fn encode(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 8);
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        if c == '&' {
            out.push_str("&-");
            rest = &rest[1..];
        } else if matches!(c, ' '..='~') {
            out.push(c);
            rest = &rest[1..];
        } else {
            let end = rest.find(|c| matches!(c, ' '..='~')).unwrap_or(rest.len());
            let units: Vec<u8> = rest[..end].encode_utf16().flat_map(u16::to_be_bytes).collect();
            out.push('&');
            out.push_str(&ENGINE.encode(units));
            out.push('-');
            rest = &rest[end..];
        }
    }
    out
}

/// A name from IMAP4rev1's spelling; `None` when it is none. Only the one canonical spelling of a name is
/// taken: "a modified BASE64 ... MUST NOT be used to represent any printing US-ASCII character which can
/// represent itself", and no shift may follow a shift directly.
pub(crate) fn decode(name: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(name).ok()?;
    if !text.bytes().all(|byte| matches!(byte, 0x20..=0x7e)) {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let (shifted, tail) = rest[at + 1..].split_once('-')?;
        rest = tail;
        if shifted.is_empty() {
            out.push('&');
            continue;
        }
        let bytes = ENGINE.decode(shifted).ok()?;
        if bytes.len() % 2 != 0 {
            return None;
        }
        let units = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        for unit in char::decode_utf16(units) {
            match unit.ok()? {
                ' '..='~' => return None,
                other => out.push(other),
            }
        }
        if rest.starts_with('&') && !rest.starts_with("&-") {
            return None;
        }
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_names() {
        // RFC 3501 §5.1.3
        let pairs = [
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("Hi Mom -☺!", "Hi Mom -&Jjo-!"),
            ("A&B", "A&-B"),
            ("Gelöscht", "Gel&APY-scht"),
            ("😀", "&2D3eAA-"),
            ("INBOX", "INBOX"),
        ];
        for (utf8, utf7) in pairs {
            assert_eq!(encode(utf8), utf7);
            assert_eq!(decode(utf7.as_bytes()).as_deref(), Some(utf8));
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for bad in [
            "&",
            "&A",
            "&APY",
            "a&b",
            "&AGEAYg-",
            "&APY-&APY-",
            "&2D0-",
            "&A-",
            "&====-",
            "ö",
            "\u{7f}",
            "&APYA-",
            "&APZ-",
        ] {
            assert_eq!(decode(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(decode(b"\xff"), None);
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name in "\\PC{0,40}") {
            let spelled = encode(&name);
            prop_assert!(spelled.is_ascii());
            let plain = is_plain(&name);
            prop_assert_eq!(plain, spelled == name);
            prop_assert_eq!(decode(spelled.as_bytes()), Some(name));
        }

        #[test]
        fn one_name_has_one_spelling(spelled in "[&A-Za-c0-2,+-]{0,24}") {
            if let Some(name) = decode(spelled.as_bytes()) {
                prop_assert_eq!(encode(&name), spelled);
            }
        }
    }
}
