//! A message on its way to the client: lines that end in CRLF, byte-stuffed, as many as are wanted.
//!
//! "After sending the first line of the response and a CRLF, any additional lines are sent, each terminated by a
//! CRLF pair" (RFC 1939 §3). A bare CR or LF, which only APPEND or BINARYMIME can have brought in, ends a line too:
//! passed on as it is, it could make a client see the end of the response within the message. Pieces may be cut
//! anywhere. For a client without UTF8 the header is made ASCII, field by field.

use crate::surrogate;
use bytes::BytesMut;

/// Most octets of a header field that are held to be looked at whole.
const MAX_FIELD: usize = 64 * 1024;

/// Writes one message.
#[derive(Debug)]
pub(crate) struct Content {
    /// Lines of the body that are still wanted; `None`: all.
    lines: Option<u64>,
    /// All that was wanted has come.
    done: bool,
    in_header: bool,
    /// A CR came last, and is not judged yet.
    cr: bool,
    /// Nothing of the line has been written yet.
    fresh: bool,
    /// The header has to become ASCII.
    ascii: bool,
    /// The header field that is coming, for `ascii`.
    field: Vec<u8>,
    /// Nothing of the field's present line has come yet.
    field_fresh: bool,
    /// The field is too long to be looked at whole: what is not ASCII is masked.
    masking: bool,
}

impl Content {
    /// The whole message, or its header and so many lines of its body.
    pub(crate) fn new(lines: Option<u64>, utf8: bool) -> Self {
        Self {
            lines,
            done: false,
            in_header: true,
            cr: false,
            fresh: true,
            ascii: !utf8,
            field: Vec::new(),
            field_fresh: true,
            masking: false,
        }
    }

    /// Takes a piece of the message. `false`: no more is wanted.
    pub(crate) fn take(&mut self, octets: &[u8], out: &mut BytesMut) -> bool {
        let mut rest = octets;
        while !rest.is_empty() && !self.done {
            let (text, ends, after) = self.split(rest);
            if self.in_header && self.ascii {
                self.header(text, ends, out);
            } else {
                self.write(text, ends, out);
            }
            rest = after;
        }
        !self.done
    }

    /// The message is over, or no more of it is wanted.
    pub(crate) fn end(mut self, out: &mut BytesMut) {
        if !self.done && (self.cr || !self.fresh || !self.field_fresh) {
            self.cr = false;
            if self.in_header && self.ascii {
                self.header(&[], true, out);
            } else {
                self.write(&[], true, out);
            }
        }
        self.end_field(out);
        out.extend_from_slice(b".\r\n");
    }

    /// Text without a line end, whether a line end follows, and the rest.
    fn split<'a>(&mut self, octets: &'a [u8]) -> (&'a [u8], bool, &'a [u8]) {
        if std::mem::take(&mut self.cr) {
            return (&[], true, octets.strip_prefix(b"\n").unwrap_or(octets));
        }
        match memchr::memchr2(b'\r', b'\n', octets) {
            None => (octets, false, &[]),
            Some(at) => {
                self.cr = octets[at] == b'\r';
                (&octets[..at], !self.cr, &octets[at + 1..])
            }
        }
    }

    fn write(&mut self, text: &[u8], ends: bool, out: &mut BytesMut) {
        if !text.is_empty() {
            if self.fresh && text[0] == b'.' {
                out.extend_from_slice(b".");
            }
            out.extend_from_slice(text);
            self.fresh = false;
        }
        if ends {
            out.extend_from_slice(b"\r\n");
            self.line_written();
        }
    }

    fn line_written(&mut self) {
        if self.in_header {
            // "The headers of the message, the blank line separating the headers from the body, and then the number
            // of lines of the indicated message's body."
            self.in_header = !self.fresh;
            self.done = !self.in_header && self.lines == Some(0);
        } else if let Some(lines) = &mut self.lines {
            *lines -= 1;
            self.done = *lines == 0;
        }
        self.fresh = true;
    }

    /// A piece of the header, for a client that takes ASCII.
    fn header(&mut self, text: &[u8], ends: bool, out: &mut BytesMut) {
        let continues = matches!(text.first(), None | Some(b' ' | b'\t'));
        if self.field_fresh && !text.is_empty() && !continues {
            self.end_field(out);
        }
        if self.field_fresh && text.is_empty() && ends {
            self.end_field(out);
            self.write(&[], true, out);
            return;
        }
        self.field_fresh &= text.is_empty();
        self.gather(text, out);
        if ends {
            self.gather(b"\r\n", out);
            self.field_fresh = true;
        }
    }

    fn gather(&mut self, octets: &[u8], out: &mut BytesMut) {
        self.field.extend_from_slice(octets);
        if self.masking || self.field.len() > MAX_FIELD {
            self.masking = true;
            let mut field = std::mem::take(&mut self.field);
            field.iter_mut().filter(|octet| !octet.is_ascii()).for_each(|octet| *octet = b'?');
            self.write_lines(&field, out);
        }
    }

    fn end_field(&mut self, out: &mut BytesMut) {
        self.masking = false;
        let field = std::mem::take(&mut self.field);
        if field.is_ascii() {
            self.write_lines(&field, out);
        } else {
            self.write_lines(&surrogate::field(&field), out);
        }
    }

    /// Text whose lines end in CRLF.
    fn write_lines(&mut self, text: &[u8], out: &mut BytesMut) {
        let mut rest = text;
        while let Some(at) = memchr::memmem::find(rest, b"\r\n") {
            self.write(&rest[..at], true, out);
            rest = &rest[at + 2..];
        }
        self.write(rest, false, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn send(message: &[u8], lines: Option<u64>, utf8: bool, piece: usize) -> Vec<u8> {
        let mut content = Content::new(lines, utf8);
        let mut out = BytesMut::new();
        for octets in message.chunks(piece) {
            if !content.take(octets, &mut out) {
                break;
            }
        }
        content.end(&mut out);
        out.to_vec()
    }

    /// What a client makes of it (RFC 1939 §3).
    fn unstuff(sent: &[u8]) -> Vec<u8> {
        let mut message = Vec::new();
        let mut rest = sent;
        loop {
            let at = memchr::memmem::find(rest, b"\r\n").expect("a line");
            let (line, after) = (&rest[..at], &rest[at + 2..]);
            if line == b"." {
                assert_eq!(after, b"", "something behind the end");
                return message;
            }
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
            message.extend_from_slice(b"\r\n");
            rest = after;
        }
    }

    #[test]
    fn dots_and_ends() {
        let text = |message: &str, lines| {
            String::from_utf8(send(message.as_bytes(), lines, true, 3)).unwrap()
        };
        assert_eq!(
            text("a: b\r\n\r\n.\r\n..\r\nx.\r\n", None),
            "a: b\r\n\r\n..\r\n...\r\nx.\r\n.\r\n"
        );
        assert_eq!(text("a: b\r\n\r\nno end", None), "a: b\r\n\r\nno end\r\n.\r\n");
        assert_eq!(
            text("a: b\r\n\r\nx\n.\ny\rz\r", None),
            "a: b\r\n\r\nx\r\n..\r\ny\r\nz\r\n.\r\n"
        );
        assert_eq!(text("", None), ".\r\n");
        assert_eq!(text(".a: b", None), "..a: b\r\n.\r\n");
    }

    #[test]
    fn top_is_the_header_and_so_many_lines() {
        let message = "a: b\r\nc: d\r\n\r\n1\r\n2\r\n3\r\n";
        for (lines, wanted) in [
            (0, "a: b\r\nc: d\r\n\r\n.\r\n"),
            (2, "a: b\r\nc: d\r\n\r\n1\r\n2\r\n.\r\n"),
            (3, "a: b\r\nc: d\r\n\r\n1\r\n2\r\n3\r\n.\r\n"),
            (u64::MAX, "a: b\r\nc: d\r\n\r\n1\r\n2\r\n3\r\n.\r\n"),
        ] {
            for utf8 in [false, true] {
                let sent = send(message.as_bytes(), Some(lines), utf8, 1);
                assert_eq!(String::from_utf8(sent).unwrap(), wanted, "{lines}");
            }
        }
        assert_eq!(send(b"a: b\r\n", Some(0), false, 1), b"a: b\r\n.\r\n");
    }

    #[test]
    fn without_utf8_the_header_is_ascii() {
        let message = "Subject: ü\r\n 2\r\nTo: a@x.test\r\nX: ö\r\n\r\nä\r\n";
        let plain = send(message.as_bytes(), None, false, 2);
        let plain = String::from_utf8(plain).unwrap();
        assert_eq!(plain, "Subject: =?utf-8?B?w7wgMg==?=\r\nTo: a@x.test\r\n\r\nä\r\n.\r\n");
        assert_eq!(unstuff(&send(message.as_bytes(), None, true, 2)), message.as_bytes());
        let long = format!("Subject: ü{}ü\r\nTo: b\r\n\r\n", "x".repeat(2 * MAX_FIELD));
        let plain = send(long.as_bytes(), None, false, 1000);
        assert!(
            plain.is_ascii()
                && plain.starts_with(b"Subject: ??xxx")
                && plain.ends_with(b"??\r\nTo: b\r\n\r\n.\r\n")
        );
    }

    fn messages() -> impl Strategy<Value = Vec<u8>> {
        let words = prop::sample::select(vec![
            "a: b",
            "\r\n",
            "\r\n",
            "\r\n\r\n",
            ".",
            "\r",
            "\n",
            "Subject: ü",
            "From: ö@x",
            " ",
            "x",
            "\u{0}",
            "..",
        ]);
        prop::collection::vec(words, 0..40).prop_map(|words| words.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(message in messages(), lines in prop::option::of(0u64..5), utf8: bool, piece in 1usize..20) {
            prop_assert_eq!(send(&message, lines, utf8, usize::MAX), send(&message, lines, utf8, piece));
        }

        /// What comes out is the message, its line ends mended, and nothing can end it early.
        #[test]
        fn nothing_is_lost(message in messages()) {
            let mut mended = String::from_utf8(message.clone()).unwrap();
            mended = mended.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
            if !mended.is_empty() && !mended.ends_with("\r\n") {
                mended += "\r\n";
            }
            prop_assert_eq!(unstuff(&send(&message, None, true, 7)), mended.as_bytes());
            let plain = unstuff(&send(&message, None, false, 7));
            if message.is_ascii() {
                prop_assert_eq!(plain, mended.as_bytes());
            } else {
                let lines = plain.split(|octet| *octet == b'\n');
                for line in lines.take_while(|line| !line.trim_ascii_end().is_empty()) {
                    prop_assert!(line.is_ascii());
                }
            }
        }
    }
}
