//! Message text after DATA: finding the end, removing the dots, refusing what could smuggle.
//!
//! Only `<CRLF>.<CRLF>` ends a message (RFC 5321 §4.1.1.4). A CR or LF on its own never does and never
//! starts a line, and a message that holds one is refused as a whole: "SMTP client implementations MUST NOT
//! transmit these characters except when they are intended as line terminators" (§2.3.8).

use bytes::{Buf, Bytes, BytesMut};

/// The state between pieces.
#[derive(Debug)]
pub(crate) struct DotReader {
    line_start: bool,
    bare: bool,
}

/// What a piece gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Content, dots removed.
    Content(Bytes),
    /// More input is needed.
    NeedInput,
    /// The end was read.
    End,
}

impl DotReader {
    pub(crate) fn new() -> Self {
        Self { line_start: true, bare: false }
    }

    /// Whether a CR or LF stood alone.
    pub(crate) fn saw_bare_line_end(&self) -> bool {
        self.bare
    }

    /// Takes what it can from the input. Content comes out without copying.
    pub(crate) fn read(&mut self, input: &mut BytesMut) -> Piece {
        if self.line_start && input.first() == Some(&b'.') {
            match (input.get(1), input.get(2)) {
                (Some(b'\r'), Some(b'\n')) => {
                    input.advance(3);
                    return Piece::End;
                }
                (None, _) | (Some(b'\r'), None) => return Piece::NeedInput,
                _ => {
                    // "If the first character is a period and there are other characters on the line, the
                    // first character is deleted" (§4.5.2).
                    input.advance(1);
                    self.line_start = false;
                }
            }
        }
        let taken = self.run(input);
        if taken == 0 { Piece::NeedInput } else { Piece::Content(input.split_to(taken).freeze()) }
    }

    /// How many octets are content up to the next line that begins with a dot.
    fn run(&mut self, input: &[u8]) -> usize {
        let mut at = 0;
        loop {
            if self.line_start && input.get(at) == Some(&b'.') {
                return at;
            }
            let Some(found) = memchr::memchr2(b'\r', b'\n', &input[at..]) else {
                self.line_start &= at == input.len();
                return input.len();
            };
            let end = at + found;
            match (input[end], input.get(end + 1)) {
                (b'\r', Some(b'\n')) => {
                    at = end + 2;
                    self.line_start = true;
                }
                (b'\r', None) => {
                    self.line_start &= end == at;
                    return end;
                }
                _ => {
                    self.bare = true;
                    at = end + 1;
                    self.line_start = false;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(input: &[u8], size: usize) -> (Vec<u8>, bool, bool) {
        let mut reader = DotReader::new();
        let mut buffer = BytesMut::new();
        let mut out = Vec::new();
        for piece in input.chunks(size) {
            buffer.extend_from_slice(piece);
            loop {
                match reader.read(&mut buffer) {
                    Piece::Content(bytes) => out.extend_from_slice(&bytes),
                    Piece::NeedInput => break,
                    Piece::End => return (out, true, reader.saw_bare_line_end()),
                }
            }
        }
        (out, false, reader.saw_bare_line_end())
    }

    #[test]
    fn dots_are_removed_and_the_end_is_found() {
        let (text, end, bare) = read(b"a\r\n..b\r\n.c\r\n\r\n.\r\n", 100);
        assert_eq!((text.as_slice(), end, bare), (&b"a\r\n.b\r\nc\r\n\r\n"[..], true, false));
        assert_eq!(read(b".\r\n", 1), (Vec::new(), true, false));
    }

    /// The sequences of the 2023 smuggling attacks: none ends a message, each spoils it.
    #[test]
    fn nothing_else_ends_a_message() {
        for inner in [
            "\n.\n",
            "\n.\r\n",
            "\r.\r",
            "\r.\r\n",
            "\r\n.\n",
            "\r\n.\r",
            "\n\n.\r\n",
            "\r\n\0.\r\n",
        ] {
            let message = format!("x{inner}MAIL FROM:<evil@x>\r\n.\r\n");
            for size in [1, 2, 3, 100] {
                let (text, end, bare) = read(message.as_bytes(), size);
                assert!(end && text.ends_with(b"MAIL FROM:<evil@x>\r\n"), "{inner:?}");
                assert!(bare || inner.contains('\0'), "{inner:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn pieces_equal_the_whole(
            input in prop::collection::vec(prop::sample::select(vec![b'.', b'\r', b'\n', b'a', b'b']), 0..60),
            size in 1usize..5,
        ) {
            prop_assert_eq!(read(&input, size), read(&input, 100));
        }
    }
}
