//! The first words of a message (RFC 8970), from the beginning of its first text part.

use crate::decode::{charset_to_text, decode_body};
use crate::structure::Part;

/// Octets of the text part that are looked at.
const CAPTURE: usize = 2_048;
/// RFC 8970 §3.2: "at most 256 characters".
const PREVIEW_CHARS: usize = 256;

/// Collects the beginning of the first text/plain, or text/html while there is none.
#[derive(Debug, Default)]
pub(crate) struct Capture {
    bytes: Vec<u8>,
    encoding: String,
    charset: Option<String>,
    html: bool,
    found: bool,
}

impl Capture {
    /// Whether this part's body lines are wanted.
    pub(crate) fn wants(&mut self, part: &Part) -> bool {
        let plain = part.is("text", "plain");
        let attached =
            part.disposition.as_ref().is_some_and(|d| d.kind.eq_ignore_ascii_case("attachment"));
        let better = !self.found || (self.html && plain);
        if attached || !better || !(plain || part.is("text", "html")) {
            return false;
        }
        *self = Self {
            bytes: Vec::with_capacity(CAPTURE),
            encoding: part.encoding.clone(),
            charset: part.param("charset").map(str::to_owned),
            html: !plain,
            found: true,
        };
        true
    }

    /// Takes a line; `false` when there is enough.
    pub(crate) fn line(&mut self, line: &[u8]) -> bool {
        let room = CAPTURE.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&line[..line.len().min(room)]);
        self.bytes.len() < CAPTURE
    }

    /// The preview: decoded, white space collapsed, cut at a character.
    pub(crate) fn text(&self) -> String {
        let decoded = decode_body(&self.encoding, &self.bytes);
        let mut text = charset_to_text(self.charset.as_deref(), &decoded);
        if self.html {
            text = mail_parser::decoders::html::html_to_text(&text);
        }
        let mut out = String::with_capacity(PREVIEW_CHARS);
        let mut left = PREVIEW_CHARS;
        for word in
            text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty())
        {
            let space = usize::from(!out.is_empty());
            let length = word.chars().count();
            if length + space > left {
                if out.is_empty() {
                    out.extend(word.chars().take(left));
                }
                break;
            }
            if space == 1 {
                out.push(' ');
            }
            out.push_str(word);
            left -= length + space;
        }
        out
    }
}
