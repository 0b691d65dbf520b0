//! Replies (RFC 5321 §4.2): strict in form, bounded in size, put together from as many lines as come.

use bytes::BytesMut;
use std::fmt;

/// Longest reply line that is read. RFC 5321 §4.5.3.1.5 allows 512; some servers explain themselves.
const MAX_LINE: usize = 4_096;
/// Longest reply; protects memory from a server that never ends.
const MAX_REPLY: usize = 64 * 1024;
/// Most lines of a reply.
const MAX_LINES: usize = 200;
/// Most characters kept of a line.
const KEEP_LINE: usize = 512;
/// Most characters of a whole reply in logs, rows and reports.
const KEEP_TEXT: usize = 1_000;

/// An enhanced status code (RFC 3463).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Enhanced(pub u8, pub u16, pub u16);

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl Enhanced {
    /// Reads the code that begins a reply's text. RFC 2034 §4: its class must fit the reply code.
    fn parse(code: u16, text: &str) -> Option<Self> {
        let word = text.split([' ', '\t']).next()?;
        let mut numbers = word.split('.');
        let mut number = |most: usize| {
            let digits = numbers.next()?;
            let fits =
                (1..=most).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
            fits.then(|| digits.parse::<u16>().ok()).flatten()
        };
        let (class, subject, detail) = (number(1)?, number(3)?, number(3)?);
        let whole = numbers.next().is_none() && class == code / 100;
        whole.then(|| Self(u8::try_from(class).unwrap_or_default(), subject, detail))
    }
}

/// A complete reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The three digits.
    pub code: u16,
    /// The enhanced status code, when the text begins with one that fits.
    pub enhanced: Option<Enhanced>,
    /// Text of each line, control characters replaced.
    pub lines: Vec<String>,
}

impl Reply {
    /// 2yz
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// 4yz
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.code / 100 == 4
    }

    /// 5yz
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }
}

/// One line, at most a thousand characters: `550 5.1.1 No such user`. The enhanced code that some servers
/// repeat on every line is shown once.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.code.to_string();
        let repeated = self.enhanced.map(|code| format!("{code} "));
        for (at, line) in self.lines.iter().enumerate() {
            let again = repeated.as_deref().filter(|_| at > 0);
            let line = again.and_then(|code| line.strip_prefix(code)).unwrap_or(line).trim();
            if !line.is_empty() {
                text.push(' ');
                text.push_str(line);
            }
        }
        text.chars().take(KEEP_TEXT).try_for_each(|c| fmt::Write::write_char(f, c))
    }
}

/// Why octets are no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadReply {
    /// Not three digits of the legal ranges and a separator.
    #[error("not an SMTP reply")]
    Form,
    /// The lines of one reply have different codes.
    #[error("the lines of a reply have different codes")]
    CodesDiffer,
    /// Longer than is ever needed.
    #[error("a reply too long")]
    TooLong,
    /// A good reply that no command of ours can have.
    #[error("a reply that makes no sense here")]
    OutOfPlace,
    /// Octets before the TLS handshake that were no part of it (CVE-2011-0411).
    #[error("plain text injected before TLS")]
    BeforeTls,
}

/// Puts lines together.
#[derive(Debug, Default)]
pub(crate) struct ReplyReader {
    code: Option<u16>,
    lines: Vec<String>,
    octets: usize,
}

impl ReplyReader {
    /// Takes a reply from the input if one is complete.
    pub(crate) fn read(&mut self, input: &mut BytesMut) -> Result<Option<Reply>, BadReply> {
        loop {
            let Some(end) = memchr::memchr(b'\n', input) else {
                return if input.len() > MAX_LINE { Err(BadReply::TooLong) } else { Ok(None) };
            };
            let line = input.split_to(end + 1);
            self.octets += line.len();
            if line.len() > MAX_LINE || self.octets > MAX_REPLY || self.lines.len() >= MAX_LINES {
                return Err(BadReply::TooLong);
            }
            if self.line(&line)? {
                return Ok(Some(self.finish()));
            }
        }
    }

    /// Whether nothing of a reply has been read.
    pub(crate) fn is_between(&self) -> bool {
        self.code.is_none()
    }

    /// Takes a line; `true`: it was the last. A bare LF ends a line too: a reply cannot smuggle anything.
    fn line(&mut self, line: &[u8]) -> Result<bool, BadReply> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let code = code(line).ok_or(BadReply::Form)?;
        if *self.code.get_or_insert(code) != code {
            return Err(BadReply::CodesDiffer);
        }
        // "In the absence of extensions … an SMTP client that receives a reply without text and without the
        // space SHOULD process it" (§4.2).
        let last = match line.get(3) {
            None | Some(b' ') => true,
            Some(b'-') => false,
            Some(_) => return Err(BadReply::Form),
        };
        self.lines.push(printable(line.get(4..).unwrap_or_default()));
        Ok(last)
    }

    fn finish(&mut self) -> Reply {
        let Self { code, lines, .. } = std::mem::take(self);
        let code = code.unwrap_or_default();
        let enhanced = lines.first().and_then(|text| Enhanced::parse(code, text));
        Reply { code, enhanced, lines }
    }
}

/// "Reply-code = %x32-35 %x30-35 %x30-39" (§4.2).
fn code(line: &[u8]) -> Option<u16> {
    let &[a @ b'2'..=b'5', b @ b'0'..=b'5', c @ b'0'..=b'9', ..] = line else { return None };
    Some([a, b, c].iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0')))
}

fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.chars().take(KEEP_LINE).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(input: &[u8], size: usize) -> Result<Vec<Reply>, BadReply> {
        let mut reader = ReplyReader::default();
        let mut buffer = BytesMut::new();
        let mut out = Vec::new();
        for piece in input.chunks(size) {
            buffer.extend_from_slice(piece);
            while let Some(reply) = reader.read(&mut buffer)? {
                out.push(reply);
            }
        }
        Ok(out)
    }

    #[test]
    fn one_line_and_many() {
        for size in [1, 2, 1000] {
            let replies = read(b"250-a b\r\n250-\r\n250 c\r\n354\r\n550 5.1.1 No\n", size).unwrap();
            assert_eq!(replies[0].lines, ["a b", "", "c"]);
            assert_eq!((replies[1].code, replies[1].lines.len()), (354, 1));
            assert_eq!(replies[2].enhanced, Some(Enhanced(5, 1, 1)));
            assert_eq!(replies[2].to_string(), "550 5.1.1 No");
        }
    }

    #[test]
    fn the_text_is_one_clean_line() {
        let replies =
            read(b"550-5.7.1 Blocked\x07,\r\n550-5.7.1 see\r\n550 5.7.1 \xff\r\n", 9).unwrap();
        assert_eq!(replies[0].to_string(), "550 5.7.1 Blocked?, see \u{fffd}");
    }

    #[test]
    fn enhanced_codes_must_fit() {
        for (line, fits) in [
            ("550 5.1.1 x", true),
            ("550 5.1.1", true),
            ("550 4.1.1 x", false),
            ("550 5.1 x", false),
            ("550 5.1.1.1 x", false),
            ("550 5.1.1000 x", false),
            ("550 5.+1.1 x", false),
            ("550 5.1.1: x", false),
        ] {
            let replies = read(format!("{line}\r\n").as_bytes(), 99).unwrap();
            assert_eq!(replies[0].enhanced.is_some(), fits, "{line}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for (input, error) in [
            ("hello\r\n", BadReply::Form),
            ("\r\n", BadReply::Form),
            ("25\r\n", BadReply::Form),
            ("150 x\r\n", BadReply::Form),
            ("260 x\r\n", BadReply::Form),
            ("650 x\r\n", BadReply::Form),
            ("2500 x\r\n", BadReply::Form),
            ("250_x\r\n", BadReply::Form),
            ("250-x\r\n251 y\r\n", BadReply::CodesDiffer),
        ] {
            assert_eq!(read(input.as_bytes(), 3), Err(error), "{input:?}");
        }
        assert_eq!(read(&[b'2'; 5_000], 100), Err(BadReply::TooLong));
        assert_eq!(read("250-x\r\n".repeat(300).as_bytes(), 100), Err(BadReply::TooLong));
        let long = format!("250-{}\r\n", "x".repeat(4_000)).repeat(30);
        assert_eq!(read(long.as_bytes(), 100), Err(BadReply::TooLong));
    }

    proptest! {
        #[test]
        fn pieces_equal_the_whole(input in prop::collection::vec(prop::sample::select(b"25 0-\r\nx.".to_vec()), 0..80)) {
            prop_assert_eq!(read(&input, 1), read(&input, 1000));
        }
        #[test]
        fn any_octets_are_survived(input in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&input, 7);
        }
    }
}
