//! quoted-printable and base64 (RFC 2045 §6.7, §6.8), written.

/// Longest line.
const WIDTH: usize = 76;
/// Octets of a full line of base64.
pub(crate) const LINE_OCTETS: usize = WIDTH / 4 * 3;

/// Whether every CR and LF is part of a CRLF, so that the octets are text.
pub(super) fn has_lines(body: &[u8]) -> bool {
    let bare = |at: usize, octet: u8| match octet {
        b'\r' => body.get(at + 1) != Some(&b'\n'),
        b'\n' => at == 0 || body[at - 1] != b'\r',
        0 => true,
        _ => false,
    };
    !body.iter().enumerate().any(|(at, octet)| bare(at, *octet))
}

/// Text with CRLF line ends.
pub(super) fn quoted_printable(body: &[u8], out: &mut Vec<u8>) {
    for line in body.split_inclusive(|octet| *octet == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(text) => {
                quoted_line(text, out);
                out.extend_from_slice(b"\r\n");
            }
            None => quoted_line(line, out),
        }
    }
}

fn quoted_line(text: &[u8], out: &mut Vec<u8>) {
    let mut column = 0;
    for (at, octet) in text.iter().enumerate() {
        let last = at + 1 == text.len();
        let as_is = is_safe(*octet, column, last);
        let width = if as_is { 1 } else { 3 };
        // One place is kept for the "=" of a soft line break.
        if column + width > WIDTH - 1 {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        let as_is = is_safe(*octet, column, last);
        if as_is {
            out.push(*octet);
            column += 1;
        } else {
            out.extend_from_slice(&[b'=', hex(octet >> 4), hex(octet & 15)]);
            column += 3;
        }
    }
}

/// A dash, dot or "From " at a line's start could be taken for a boundary, the end of the message or of a
/// mailbox file's entry, once a soft line break has put it there.
fn is_safe(octet: u8, column: usize, last: bool) -> bool {
    match octet {
        b'=' => false,
        b' ' | b'\t' => !last,
        b'-' | b'.' | b'F' => column > 0,
        _ => octet.is_ascii_graphic(),
    }
}

fn hex(digit: u8) -> u8 {
    b"0123456789ABCDEF"[usize::from(digit & 15)]
}

/// Anything.
pub(crate) fn base64(body: &[u8], out: &mut Vec<u8>) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for line in body.chunks(LINE_OCTETS) {
        for group in line.chunks(3) {
            let octet = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
            let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
            for at in 0..4 {
                let sextet = (bits >> (18 - 6 * at)) & 63;
                out.push(if at <= group.len() { ALPHABET[sextet as usize] } else { b'=' });
            }
        }
        out.extend_from_slice(b"\r\n");
    }
    // The line end before a boundary is the boundary's.
    if !body.is_empty() {
        out.truncate(out.len() - 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail_parser::decoders::base64::base64_decode;
    use mail_parser::decoders::quoted_printable::quoted_printable_decode;
    use proptest::prelude::*;

    fn quoted(body: &[u8]) -> String {
        let mut out = Vec::new();
        quoted_printable(body, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn examples() {
        assert_eq!(
            quoted("f\u{fc}r = \r\n-- x\r\n.\r\n".as_bytes()),
            "f=C3=BCr =3D=20\r\n=2D- x\r\n=2E\r\n"
        );
        assert_eq!(quoted(b""), "");
        assert_eq!(quoted(b"a"), "a");
        let long = quoted(&[&[b'x'; 75][..], b"--boundary"].concat());
        assert_eq!(long, format!("{}=\r\n=2D-boundary", "x".repeat(75)));
    }

    proptest! {
        #[test]
        fn text_comes_back(lines in prop::collection::vec("[ -~\u{e4}\t=.]{0,120}", 0..6)) {
            let text = lines.join("\r\n");
            let out = quoted(text.as_bytes());
            prop_assert!(out.is_ascii() && out.lines().all(|line| line.len() <= WIDTH));
            prop_assert_eq!(quoted_printable_decode(out.as_bytes()).unwrap(), text.into_bytes());
        }

        #[test]
        fn octets_come_back(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut out = Vec::new();
            base64(&body, &mut out);
            let text = String::from_utf8(out).unwrap();
            prop_assert!(text.lines().all(|line| line.len() <= WIDTH));
            prop_assert_eq!(base64_decode(text.replace("\r\n", "").as_bytes()).unwrap_or_default(), body);
        }
    }
}
