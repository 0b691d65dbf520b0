//! Lines out of the client's octets, whatever pieces they come in.

use bytes::BytesMut;

/// How much of an over-long line is thrown away before the session ends.
const MAX_SKIPPED: usize = 64 * 1024;

/// The input and how far it was looked at.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pub input: BytesMut,
    /// No line end up to here.
    scanned: usize,
    /// Octets of an over-long line that are gone.
    skipped: usize,
}

/// A line, without its end.
#[derive(Debug)]
pub(crate) enum Line {
    /// It ended in CRLF and holds neither NUL nor CR.
    Good(BytesMut),
    /// It ended in a bare LF, or holds NUL or CR.
    Broken,
    /// Over-long, and thrown away.
    TooLong,
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
            return if self.skipped > 0 || self.scanned > limit { self.skip() } else { None };
        };
        self.scanned = 0;
        let mut line = self.input.split_to(at + 1);
        let octets = std::mem::take(&mut self.skipped) + line.len();
        if octets > MAX_SKIPPED {
            return Some(Line::Endless);
        }
        if octets > limit {
            return Some(Line::TooLong);
        }
        let good = line.ends_with(b"\r\n");
        line.truncate(line.len() - if good { 2 } else { 1 });
        let clean = memchr::memchr2(0, b'\r', &line).is_none();
        Some(if good && clean { Line::Good(line) } else { Line::Broken })
    }

    /// Throws away what has come of an over-long line.
    fn skip(&mut self) -> Option<Line> {
        self.skipped += self.input.len();
        self.input.clear();
        self.scanned = 0;
        if self.skipped <= MAX_SKIPPED {
            return None;
        }
        self.skipped = 0;
        Some(Line::Endless)
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<Line> {
        let mut reader = Reader::default();
        let mut all = Vec::new();
        for piece in pieces {
            reader.input.extend_from_slice(piece);
            while let Some(line) = reader.line(100) {
                all.push(line);
            }
            assert!(reader.input.len() <= 100);
        }
        all
    }

    #[test]
    fn a_long_line_is_thrown_away_and_the_next_is_read() {
        let read = lines(&[b"PASS ", &[b'x'; 500], &[b'y'; 500], b"z\r\nNOOP\r\n"]);
        let [Line::TooLong, Line::Good(line)] = &read[..] else { panic!("{read:?}") };
        assert_eq!(**line, *b"NOOP");
    }

    #[test]
    fn an_endless_line_ends_the_matter() {
        let piece = [b'x'; 1_000];
        assert!(matches!(lines(&[&piece[..]; 100])[0], Line::Endless));
    }

    #[test]
    fn only_crlf_ends_a_good_line() {
        let read = lines(&[b"a\r\nb\nc\rd\r\ne\0\r\n\r\n"]);
        let good: Vec<bool> = read.iter().map(|line| matches!(line, Line::Good(_))).collect();
        assert_eq!(good, [true, false, false, false, true]);
    }
}
