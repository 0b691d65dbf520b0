//! The body on its way out: dots doubled for DATA, counted for BDAT. Either way the end of the message is
//! held back until the driver confirms that it may be sent.

use bytes::BytesMut;

/// Octets of a chunk that are held back. The message is not complete without them.
const HELD: u64 = 2;

/// How the body is written.
#[derive(Debug)]
pub(crate) enum BodyWriter {
    /// After DATA.
    Dots(DotWriter),
    /// One `BDAT n LAST`.
    Chunk(ChunkWriter),
}

impl BodyWriter {
    /// Takes a piece. `false`: more octets than were announced.
    pub(crate) fn write(&mut self, piece: &[u8], out: &mut BytesMut) -> bool {
        match self {
            Self::Dots(dots) => {
                dots.write(piece, out);
                true
            }
            Self::Chunk(chunk) => chunk.write(piece, out),
        }
    }

    /// All pieces are there: everything but the end is written. `false`: octets are missing.
    pub(crate) fn finish(&mut self, out: &mut BytesMut) -> bool {
        match self {
            Self::Dots(dots) => {
                dots.finish(out);
                true
            }
            Self::Chunk(chunk) => chunk.left == 0,
        }
    }

    /// Writes the end.
    pub(crate) fn end(&mut self, out: &mut BytesMut) {
        match self {
            Self::Dots(_) => out.extend_from_slice(b".\r\n"),
            Self::Chunk(chunk) => out.unsplit(std::mem::take(&mut chunk.held)),
        }
    }
}

/// Dot-stuffing (RFC 5321 §4.5.2) over pieces of any size. A CR or LF on its own goes out as CRLF: "SMTP
/// client implementations MUST NOT transmit these characters except when they are intended as line
/// terminators and then MUST, as indicated above, transmit them only as a <CRLF> sequence" (§2.3.8).
#[derive(Debug)]
pub(crate) struct DotWriter {
    line_start: bool,
    cr: bool,
}

impl DotWriter {
    pub(crate) fn new() -> Self {
        Self { line_start: true, cr: false }
    }

    fn write(&mut self, piece: &[u8], out: &mut BytesMut) {
        out.reserve(piece.len() + 64);
        let mut rest = piece;
        while !rest.is_empty() {
            rest = self.step(rest, out);
        }
    }

    /// Takes up to one line, or many lines at once when none of them needs a change.
    fn step<'a>(&mut self, rest: &'a [u8], out: &mut BytesMut) -> &'a [u8] {
        if self.cr {
            // The CR came with the piece before; it is a line end whatever follows.
            self.cr = false;
            self.line_end(out);
            return rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        if self.line_start && rest[0] == b'.' {
            out.extend_from_slice(b".");
        }
        let clean = clean_run(rest);
        out.extend_from_slice(&rest[..clean]);
        if clean > 0 {
            self.line_start = rest[..clean].ends_with(b"\n");
        }
        match rest[clean..] {
            [b'\r', ..] => self.cr = true,
            [b'\n', ..] => self.line_end(out),
            // A dot at a line's start, or the end of the piece.
            _ => return &rest[clean..],
        }
        &rest[clean + 1..]
    }

    fn line_end(&mut self, out: &mut BytesMut) {
        out.extend_from_slice(b"\r\n");
        self.line_start = true;
    }

    /// The last line ends.
    fn finish(&mut self, out: &mut BytesMut) {
        if std::mem::take(&mut self.cr) || !self.line_start {
            self.line_end(out);
        }
    }
}

/// How many octets can go out as they are: whole CRLF lines of which none but the first begins with a dot,
/// and what is left before the next CR or LF.
fn clean_run(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b'\r', b'\n', &text[at..]) {
        let end = at + found;
        if text[end] != b'\r' || text.get(end + 1) != Some(&b'\n') {
            return end;
        }
        at = end + 2;
        if text.get(at) == Some(&b'.') {
            return at;
        }
    }
    text.len()
}

/// The whole message as one chunk (RFC 3030 §2: "the BDAT verb … takes two arguments: chunk-size … and an
/// optional end marker"). The last octets wait, so that the fence stands as close to the end as the dot's.
#[derive(Debug)]
pub(crate) struct ChunkWriter {
    left: u64,
    held: BytesMut,
}

impl ChunkWriter {
    /// Writes the command; that of an empty message is held back itself.
    pub(crate) fn new(size: u64, out: &mut BytesMut) -> Self {
        let command = format!("BDAT {size} LAST\r\n");
        let mut held = BytesMut::new();
        let to = if size == 0 { &mut held } else { out };
        to.extend_from_slice(command.as_bytes());
        Self { left: size, held }
    }

    fn write(&mut self, piece: &[u8], out: &mut BytesMut) -> bool {
        let length = piece.len() as u64;
        if length > self.left {
            return false;
        }
        let before_held = self.left.saturating_sub(HELD).min(length);
        let (now, later) = piece.split_at(usize::try_from(before_held).unwrap_or(piece.len()));
        out.extend_from_slice(now);
        self.held.extend_from_slice(later);
        self.left -= length;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{DotReader, Piece};
    use proptest::prelude::*;

    fn stuff(input: &[u8], size: usize) -> Vec<u8> {
        let mut writer = BodyWriter::Dots(DotWriter::new());
        let mut out = BytesMut::new();
        input.chunks(size).for_each(|piece| assert!(writer.write(piece, &mut out)));
        assert!(writer.finish(&mut out));
        writer.end(&mut out);
        out.to_vec()
    }

    #[test]
    fn dots_are_doubled_and_lines_end() {
        for size in [1, 2, 3, 100] {
            assert_eq!(stuff(b"a\r\n.b\r\n..\r\nc.\r\n", size), b"a\r\n..b\r\n...\r\nc.\r\n.\r\n");
            assert_eq!(stuff(b".", size), b"..\r\n.\r\n");
            assert_eq!(stuff(b"", size), b".\r\n");
            assert_eq!(stuff(b"a", size), b"a\r\n.\r\n");
            assert_eq!(stuff(b"a\r", size), b"a\r\n.\r\n");
        }
    }

    /// What a peer could take for the end of the message never leaves.
    #[test]
    fn bare_line_ends_cannot_smuggle() {
        for size in [1, 2, 3, 100] {
            assert_eq!(stuff(b"x\n.\nMAIL", size), b"x\r\n..\r\nMAIL\r\n.\r\n");
            assert_eq!(stuff(b"x\r.\rMAIL", size), b"x\r\n..\r\nMAIL\r\n.\r\n");
            assert_eq!(stuff(b"x\n.\r\nMAIL\r\n", size), b"x\r\n..\r\nMAIL\r\n.\r\n");
            assert_eq!(stuff(b"\r\r\n\n", size), b"\r\n\r\n\r\n.\r\n");
        }
    }

    fn chunk(input: &[u8], size: usize) -> (Vec<u8>, Vec<u8>) {
        let mut out = BytesMut::new();
        let mut writer = BodyWriter::Chunk(ChunkWriter::new(input.len() as u64, &mut out));
        input.chunks(size).for_each(|piece| assert!(writer.write(piece, &mut out)));
        assert!(writer.finish(&mut out));
        let before = out.to_vec();
        writer.end(&mut out);
        (before, out.to_vec())
    }

    #[test]
    fn the_end_of_a_chunk_is_held_back() {
        for size in [1, 2, 3, 100] {
            let (before, whole) = chunk(b"ab\n.c", size);
            assert_eq!(before, b"BDAT 5 LAST\r\nab\n");
            assert_eq!(whole, b"BDAT 5 LAST\r\nab\n.c");
        }
        assert_eq!(chunk(b"a", 1), (b"BDAT 1 LAST\r\n".to_vec(), b"BDAT 1 LAST\r\na".to_vec()));
        assert_eq!(chunk(b"", 1), (Vec::new(), b"BDAT 0 LAST\r\n".to_vec()));
    }

    #[test]
    fn a_wrong_length_is_noticed() {
        let mut out = BytesMut::new();
        let mut writer = BodyWriter::Chunk(ChunkWriter::new(3, &mut out));
        assert!(writer.write(b"ab", &mut out));
        assert!(!writer.finish(&mut out));
        assert!(!writer.write(b"cd", &mut out));
        assert!(writer.write(b"c", &mut out) && writer.finish(&mut out));
    }

    proptest! {
        /// Our own server's reader undoes it.
        #[test]
        fn the_reader_gets_it_back(
            lines in prop::collection::vec("[.a ]{0,4}", 0..12),
            size in 1usize..6,
        ) {
            let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let mut wire = BytesMut::from(&stuff(text.as_bytes(), size)[..]);
            let (mut reader, mut back) = (DotReader::new(), Vec::new());
            loop {
                match reader.read(&mut wire) {
                    Piece::Content(bytes) => back.extend_from_slice(&bytes),
                    Piece::NeedInput => prop_assert!(false, "no end"),
                    Piece::End => break,
                }
            }
            prop_assert!(wire.is_empty() && !reader.saw_bare_line_end());
            prop_assert_eq!(back, text.into_bytes());
        }

        #[test]
        fn pieces_equal_the_whole(
            input in prop::collection::vec(prop::sample::select(b".\r\nab".to_vec()), 0..60),
            size in 1usize..5,
        ) {
            let whole = stuff(&input, 100);
            prop_assert_eq!(stuff(&input, size), whole.clone());
            let mut wire = BytesMut::from(&whole[..]);
            let mut reader = DotReader::new();
            while !matches!(reader.read(&mut wire), Piece::End) {}
            prop_assert!(wire.is_empty() && !reader.saw_bare_line_end());
        }
    }
}
