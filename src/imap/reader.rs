//! Lines out of the client's octets, whatever pieces they come in.

use crate::cursor::Literal;
use bytes::{Buf, Bytes, BytesMut};

/// How much of an over-long line is thrown away before the session ends.
const MAX_SKIPPED: usize = 1024 * 1024;
/// What is kept of an over-long line's beginning, for its tag, and of its end, for a literal.
const KEPT: usize = 64;

/// The input and how far it was looked at.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pub input: BytesMut,
    /// No line end up to here.
    scanned: usize,
    skipped: Option<Skipped>,
}

#[derive(Debug)]
struct Skipped {
    head: BytesMut,
    tail: BytesMut,
    octets: usize,
}

/// A line, without its end.
#[derive(Debug)]
pub(crate) enum Line {
    /// It ended in CRLF and holds neither NUL nor CR nor LF.
    Good(BytesMut),
    /// It ended in a bare LF, or holds NUL or CR.
    Broken(BytesMut),
    /// Over-long: its first octets, and the last with the line end.
    TooLong(BytesMut, BytesMut),
    /// Longer than anybody should wait for.
    Endless,
}

impl Reader {
    /// The next line; `None`: more input is needed.
    pub(crate) fn line(&mut self, limit: usize) -> Option<Line> {
        self.scanned = self.scanned.min(self.input.len());
        let found = memchr::memchr(b'\n', &self.input[self.scanned..]);
        let Some(at) = found.map(|at| at + self.scanned) else {
            self.scanned = self.input.len();
            return if self.scanned > limit { self.skip() } else { None };
        };
        self.scanned = 0;
        let mut line = self.input.split_to(at + 1);
        if self.skipped.is_some() || line.len() > limit {
            return Some(self.end_skip(line));
        }
        let good = line.ends_with(b"\r\n");
        line.truncate(line.len() - if good { 2 } else { 1 });
        let clean = memchr::memchr2(0, b'\r', &line).is_none();
        Some(if good && clean { Line::Good(line) } else { Line::Broken(line) })
    }

    /// Throws away what has come of an over-long line.
    fn skip(&mut self) -> Option<Line> {
        let piece = self.input.split();
        self.scanned = 0;
        let octets = self.note(&piece);
        (octets > MAX_SKIPPED).then_some(Line::Endless)
    }

    fn note(&mut self, piece: &[u8]) -> usize {
        let skipped = self.skipped.get_or_insert_with(|| Skipped {
            head: BytesMut::from(&piece[..piece.len().min(KEPT)]),
            tail: BytesMut::new(),
            octets: 0,
        });
        skipped.octets += piece.len();
        skipped.tail.extend_from_slice(&piece[piece.len().saturating_sub(KEPT)..]);
        let surplus = skipped.tail.len().saturating_sub(KEPT);
        skipped.tail.advance(surplus);
        skipped.octets
    }

    fn end_skip(&mut self, line: BytesMut) -> Line {
        let octets = self.note(&line);
        match self.skipped.take() {
            Some(skipped) if octets <= MAX_SKIPPED => Line::TooLong(skipped.head, skipped.tail),
            _ => Line::Endless,
        }
    }

    /// At most `most` octets of a literal.
    pub(crate) fn octets(&mut self, most: u64) -> Bytes {
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(self.input.len());
        self.scanned = 0;
        self.input.split_to(most).freeze()
    }

    /// Throws away at most `most` octets and says how many.
    pub(crate) fn discard(&mut self, most: u64) -> u64 {
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(self.input.len());
        self.scanned = 0;
        self.input.advance(most);
        most as u64
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// The literal that a line announces at its end.
pub(crate) fn announcement(line: &[u8]) -> Option<Literal> {
    let inner = line.strip_suffix(b"}")?;
    let (inner, sync) = match inner.strip_suffix(b"+") {
        Some(inner) => (inner, false),
        None => (inner, true),
    };
    let digits = inner.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (before, digits) = inner.split_at(inner.len() - digits);
    let before = before.strip_suffix(b"{")?;
    if digits.is_empty() {
        return None;
    }
    // What does not fit is far beyond every limit.
    let size = std::str::from_utf8(digits).ok()?.parse().unwrap_or(u64::MAX);
    Some(Literal { size, sync, binary: before.ends_with(b"~") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements() {
        let literal = |size, sync, binary| Some(Literal { size, sync, binary });
        assert_eq!(announcement(b"a LOGIN {12}"), literal(12, true, false));
        assert_eq!(announcement(b"{0+}"), literal(0, false, false));
        assert_eq!(announcement(b"a ~{5}"), literal(5, true, true));
        assert_eq!(announcement(b"{99999999999999999999999}"), literal(u64::MAX, true, false));
        for none in ["", "}", "{}", "{+}", "{1}x", "{1 }", "1}", "{-1}", "{1++}"] {
            assert_eq!(announcement(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn a_long_line_is_thrown_away_but_not_its_ends() {
        let mut reader = Reader::default();
        for piece in [b"a1 NOOP ".as_slice(), &[b'x'; 500], &[b'y'; 500], b" {7+}\r\n", b"next\r\n"]
        {
            reader.input.extend_from_slice(piece);
            match reader.line(100) {
                None => {}
                Some(Line::TooLong(head, tail)) => {
                    assert!(head.starts_with(b"a1 NOOP "));
                    assert!(tail.ends_with(b" {7+}\r\n") && tail.len() <= KEPT);
                    return;
                }
                other => panic!("{other:?}"),
            }
            assert!(reader.input.len() <= 100);
        }
        panic!("no line");
    }

    #[test]
    fn an_endless_line_ends_the_matter() {
        let mut reader = Reader::default();
        for _ in 0..3_000 {
            reader.input.extend_from_slice(&[b'x'; 1_000]);
            if matches!(reader.line(100), Some(Line::Endless)) {
                return;
            }
        }
        panic!("went on");
    }
}
