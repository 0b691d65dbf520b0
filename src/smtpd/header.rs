//! A look at a message's header while it streams by: how often it was received, what it lacks, and whether it says
//! "TLS-Required: No".

/// Octets of a line that are enough to know its field.
const PREFIX: usize = 24;

/// What has been seen so far.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct HeaderWatch {
    /// Received fields.
    pub(crate) received: usize,
    /// A Date field.
    pub(crate) date: bool,
    /// A Message-ID field.
    pub(crate) message_id: bool,
    /// TLS-Required fields (RFC 8689 §3).
    tls_required: usize,
    /// One of them says "No".
    tls_no: bool,
    /// Its value may stand on the next line.
    tls_open: bool,
    /// The blank line came.
    pub(crate) ended: bool,
    line: Vec<u8>,
    overlong: bool,
}

impl HeaderWatch {
    /// Takes the next octets; gives how many of them still belong to the header.
    pub(crate) fn feed(&mut self, piece: &[u8]) -> usize {
        let mut at = 0;
        while !self.ended && at < piece.len() {
            let rest = &piece[at..];
            let Some(end) = memchr::memchr(b'\n', rest) else {
                self.hold(rest);
                return piece.len();
            };
            self.hold(&rest[..end]);
            self.line_ended();
            at += end + 1;
        }
        at
    }

    /// "More than one instance of the TLS-Required header field MUST NOT appear" (RFC 8689 §3): two say nothing.
    pub(crate) fn tls_is_optional(&self) -> bool {
        self.tls_required == 1 && self.tls_no
    }

    fn hold(&mut self, text: &[u8]) {
        let room = PREFIX - self.line.len();
        self.line.extend_from_slice(&text[..text.len().min(room)]);
        self.overlong |= text.len() > room;
    }

    fn line_ended(&mut self) {
        let line = std::mem::take(&mut self.line);
        let overlong = std::mem::take(&mut self.overlong);
        let open = std::mem::take(&mut self.tls_open);
        if !overlong && matches!(line.as_slice(), b"" | b"\r") {
            self.ended = true;
        } else if matches!(line.first(), Some(b' ' | b'\t')) {
            // The field before goes on.
            self.tls_no = if open {
                is_no(&line, overlong)
            } else {
                self.tls_no && line.trim_ascii().is_empty()
            };
        } else if let Some(colon) = memchr::memchr(b':', &line) {
            let name = line[..colon].trim_ascii_end();
            if name.eq_ignore_ascii_case(b"Received") {
                self.received += 1;
            } else if name.eq_ignore_ascii_case(b"Date") {
                self.date = true;
            } else if name.eq_ignore_ascii_case(b"Message-ID") {
                self.message_id = true;
            } else if name.eq_ignore_ascii_case(b"TLS-Required") {
                let value = &line[colon + 1..];
                self.tls_required += 1;
                self.tls_no = is_no(value, overlong);
                self.tls_open = value.trim_ascii().is_empty();
            }
        }
        self.line = line;
        self.line.clear();
    }
}

/// `[FWS] "No"`
fn is_no(value: &[u8], overlong: bool) -> bool {
    !overlong && value.trim_ascii().eq_ignore_ascii_case(b"No")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn watch(text: &[u8], size: usize) -> (HeaderWatch, usize) {
        let mut watch = HeaderWatch::default();
        let mut header = 0;
        for piece in text.chunks(size) {
            header += watch.feed(piece);
        }
        (watch, header)
    }

    #[test]
    fn fields_of_the_header_count_and_only_those() {
        let text = b"Received: a\r\n\tDate: folded\r\nRECEIVED : b\r\nmessage-id: <x>\r\n\r\nDate: body\r\n";
        for size in [1, 2, 5, 100] {
            let (watch, header) = watch(text, size);
            assert_eq!((watch.received, watch.date, watch.message_id), (2, false, true));
            assert!(watch.ended);
            assert_eq!(&text[header..], b"Date: body\r\n");
        }
    }

    #[test]
    fn a_message_may_have_no_header_or_no_end() {
        assert_eq!(watch(b"\r\nDate: x\r\n", 3).1, 2);
        let (open, header) = watch(b"Date: x", 3);
        assert!(!open.ended && !open.date);
        assert_eq!(header, 7);
        let (long, _) = watch(&[&[b'x'; 5_000][..], b"\r\n\r\n"].concat(), 7);
        assert!(long.ended && long.line.capacity() <= 2 * PREFIX);
    }

    /// RFC 8689 §3: `"TLS-Required:" [FWS] "No" CRLF`, once.
    #[test]
    fn tls_may_be_optional() {
        for (text, optional) in [
            ("TLS-Required: No\r\n\r\n", true),
            ("Subject: x\r\ntls-required:no\r\nTo: y\r\n\r\n", true),
            ("TLS-Required:\r\n No\r\n\r\n", true),
            ("TLS-Required: Yes\r\n\r\n", false),
            ("TLS-Required: No, really\r\n\r\n", false),
            ("TLS-Required: No\r\n really\r\n\r\n", false),
            ("TLS-Required: No                             x\r\n\r\n", false),
            ("TLS-Required: No\r\nTLS-Required: No\r\n\r\n", false),
            ("Subject: x\r\n TLS-Required: No\r\n\r\n", false),
            ("Subject: x\r\n\r\nTLS-Required: No\r\n", false),
        ] {
            for size in [1, 3, 100] {
                let watch = watch(text.as_bytes(), size).0;
                assert_eq!(watch.tls_is_optional(), optional, "{text:?} {size}");
            }
        }
    }

    proptest! {
        #[test]
        fn pieces_equal_the_whole(
            words in prop::collection::vec(prop::sample::select(vec![
                "TLS-Required: No", "No", "Received: x", "Date:", "Message-ID:", "\r\n", "\n", "\r", " ", "x", ":", "a very long line of words",
            ]), 0..30),
            size in 1usize..6,
        ) {
            let text = words.concat();
            prop_assert_eq!(watch(text.as_bytes(), size), watch(text.as_bytes(), 10_000));
        }
    }
}
