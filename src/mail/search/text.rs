//! The text of a message as it is searched: header fields line by line, parts in pieces, all folded. The scan and the
//! index read the same text through here, so what one finds the other cannot miss.

use crate::collate::fold;
use crate::decoded::Windows;
use crate::fetch::Message;
use crate::{Mail, MailError};
use message::{Kind, Part, charset_to_text, decode_body, decode_header_text, iter_fields, unfold};
use std::sync::Arc;

/// Octets of text decoded at a time.
pub(super) const WINDOW: usize = 256 * 1024;
/// Octets of a header that are looked at.
const MAX_HEADER: u64 = 1024 * 1024;
/// Messages up to this are read with one request, larger ones part by part.
const WHOLE: u64 = 256 * 1024;

/// Who looks at a message's text.
pub(super) trait Reader {
    /// The next field of the message's own header.
    fn field(&mut self, name: &str, value: &[u8]);
    /// The next piece of a part's text, folded; `first`: the first of its part.
    fn text(&mut self, piece: &str, first: bool);
    /// Whether bodies are to be read, or read on.
    fn wants_body(&self) -> bool;
}

/// Shows a reader the text of a message. Between windows others have their turn: bytes that are in the cache come
/// without a wait, and a search of many would keep a thread of the runtime to itself.
pub(super) async fn read(
    mail: &Mail,
    message: &Arc<Message>,
    reader: &mut (impl Reader + Send),
) -> Result<(), MailError> {
    let root = &message.structure.root;
    let size = message.structure.size;
    if size <= WHOLE && reader.wants_body() {
        let bytes = mail.read(message, 0..size).await?.collect().await?;
        read_whole(root, &bytes, reader);
        return Ok(());
    }
    let end = root.body_start.min(root.header_start + MAX_HEADER);
    let header = mail.read(message, root.header_start..end).await?.collect().await?;
    iter_fields(&header).for_each(|(name, value)| reader.field(name, value));
    for part in text_parts(root) {
        if !reader.wants_body() {
            break;
        }
        let mut text = PartText::new(part);
        let mut body = mail.read(message, part.body_start..part.body_end).await?;
        while reader.wants_body()
            && let Some(piece) = body.next().await?
        {
            text.push(&piece, reader);
            tokio::task::yield_now().await;
        }
        text.finish(reader);
    }
    Ok(())
}

/// As [`read`], over the bytes of a whole message.
pub(super) fn read_whole(root: &Part, bytes: &[u8], reader: &mut impl Reader) {
    let slice = |from: u64, to: u64| {
        bytes.get(from as usize..to.min(bytes.len() as u64) as usize).unwrap_or_default()
    };
    let header = slice(root.header_start, root.body_start);
    iter_fields(header).for_each(|(name, value)| reader.field(name, value));
    for part in text_parts(root) {
        let mut text = PartText::new(part);
        text.push(slice(part.body_start, part.body_end), reader);
        text.finish(reader);
    }
}

/// The value of a field as it is searched, before it is folded.
pub(super) fn field_text(value: &[u8]) -> String {
    decode_header_text(&unfold(value)).into_owned()
}

/// A field as a line of text, folded.
pub(super) fn field_line(name: &str, value: &[u8]) -> String {
    format!("{}: {}", fold(name), fold(&field_text(value)))
}

/// The parts that hold text, and the headers of attached messages, which are text to their reader.
fn text_parts(root: &Part) -> Vec<&Part> {
    let mut found = Vec::new();
    let mut open = vec![root];
    while let Some(part) = open.pop() {
        match &part.kind {
            Kind::Multipart(parts) => open.extend(parts.iter().rev()),
            Kind::Message(inner) => open.push(&inner.1),
            Kind::Leaf if part.media_type.eq_ignore_ascii_case("text") => found.push(part),
            Kind::Leaf => {}
        }
    }
    found
}

/// A part's text as it streams by.
pub(super) struct PartText<'a> {
    part: &'a Part,
    windows: Windows,
    decoded: Decoded<'a>,
}

impl<'a> PartText<'a> {
    pub(super) fn new(part: &'a Part) -> Self {
        let charset = part.param("charset");
        let decoded = Decoded { charset, begun: Vec::new(), order: None, first: true };
        Self { part, windows: Windows::new(&part.encoding), decoded }
    }

    pub(super) fn push(&mut self, piece: &[u8], reader: &mut impl Reader) {
        let Self { part, windows, decoded } = self;
        windows.push(WINDOW, piece, |raw| {
            decoded.push(&decode_body(&part.encoding, &raw), reader);
        });
    }

    pub(super) fn finish(mut self, reader: &mut impl Reader) {
        let rest = self.windows.finish();
        self.decoded.begun.extend_from_slice(&decode_body(&self.part.encoding, &rest));
        self.decoded.tell(self.decoded.begun.len(), reader);
    }
}

/// Octets in a charset that become text.
struct Decoded<'a> {
    charset: Option<&'a str>,
    /// Octets of a line or character that is not all there yet.
    begun: Vec<u8>,
    /// The byte order mark with which UTF-16 began.
    order: Option<[u8; 2]>,
    first: bool,
}

impl Decoded<'_> {
    fn push(&mut self, octets: &[u8], reader: &mut impl Reader) {
        self.begun.extend_from_slice(octets);
        self.tell(self.whole(), reader);
    }

    /// How many octets can be read as text without those that follow: base64 is cut anywhere. Charsets of more octets
    /// than one to a character, those with shifts, and characters in several pieces are themselves again at a line's
    /// end. A line as long as a window is cut between characters of UTF-8, else anywhere.
    fn whole(&self) -> usize {
        let octets = &self.begun;
        if self.is_wide() {
            let newline = |pair: &[u8]| pair == [0, b'\n'] || pair == [b'\n', 0];
            let pairs = octets.len() / 2;
            return octets
                .chunks_exact(2)
                .rposition(newline)
                .map_or(pairs / 2 * 4, |at| (at + 1) * 2);
        }
        if let Some(at) = octets.iter().rposition(|byte| *byte == b'\n') {
            return at + 1;
        }
        let started = octets.iter().rev().take(3).position(|byte| *byte >= 0xC0);
        let begun = started.map(|back| back + 1).filter(|back| {
            let lead = octets[octets.len() - back];
            *back < 2 + usize::from(lead >= 0xE0) + usize::from(lead >= 0xF0)
        });
        octets.len() - begun.unwrap_or(0)
    }

    fn is_wide(&self) -> bool {
        let head = self.charset.and_then(|name| name.get(..6));
        head.is_some_and(|head| head.eq_ignore_ascii_case("utf-16"))
    }

    /// Tells the reader of the first octets that began.
    fn tell(&mut self, whole: usize, reader: &mut impl Reader) {
        let rest = self.begun.split_off(whole);
        let mut octets = std::mem::replace(&mut self.begun, rest);
        if octets.is_empty() {
            return;
        }
        match self.order {
            Some(order) => drop(octets.splice(..0, order)),
            None if self.is_wide() && self.first => {
                let mark = octets.first_chunk().copied();
                self.order = mark.filter(|mark| matches!(mark, [0xFE, 0xFF] | [0xFF, 0xFE]));
            }
            None => {}
        }
        reader.text(&fold(&charset_to_text(self.charset, &octets)), self.first);
        self.first = false;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use message::Scanner;

    pub(in crate::search) fn leaf(encoding: &str, charset: &str) -> Part {
        let mut scanner = Scanner::new();
        let kind = format!("Content-Type: text/plain; charset={charset}\r\n");
        let header = format!("{kind}Content-Transfer-Encoding: {encoding}\r\n\r\n");
        scanner.feed(header.as_bytes());
        scanner.finish().structure.root
    }

    pub(in crate::search) fn base64_by_hand(bytes: &[u8], line: usize) -> Vec<u8> {
        const ALPHABET: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut out = Vec::new();
        for group in bytes.chunks(3) {
            let word = group.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte))
                << (8 * (3 - group.len()));
            for at in 0..4 {
                let digit = ALPHABET[(word >> (18 - 6 * at) & 63) as usize];
                out.push(if at <= group.len() { digit } else { b'=' });
            }
        }
        out.chunks(line).flat_map(|line| [line, b"\r\n"].concat()).collect()
    }

    #[derive(Default)]
    struct All(String);

    impl Reader for All {
        fn field(&mut self, _: &str, _: &[u8]) {}
        fn text(&mut self, piece: &str, first: bool) {
            assert_eq!(first, self.0.is_empty());
            self.0.push_str(piece);
        }
        fn wants_body(&self) -> bool {
            true
        }
    }

    fn read(part: &Part, body: &[u8], piece: usize) -> String {
        let (mut all, mut text) = (All::default(), PartText::new(part));
        body.chunks(piece).for_each(|piece| text.push(piece, &mut all));
        text.finish(&mut all);
        all.0
    }

    #[test]
    fn windows_end_within_characters() {
        let text = "x".to_owned() + &"ä€😀o\u{308}\u{323}".repeat(60_000);
        let lines = "x\n".to_owned() + &"ä€😀o\u{308}\u{323}\n".repeat(60_000);
        for text in [text, lines] {
            let encoded = base64_by_hand(text.as_bytes(), 76);
            for piece in [4_001, usize::MAX >> 1] {
                let got = read(&leaf("base64", "utf-8"), &encoded, piece);
                assert!(!got.contains('\u{FFFD}'));
                assert_eq!(got.matches("😀").count(), 60_000);
                if text.contains('\n') {
                    assert_eq!(got, fold(&text));
                }
            }
        }
        let broken = read(&leaf("base64", "utf-8"), &base64_by_hand(b"x\xE2\x82", 76), 9);
        assert_eq!(broken, "X\u{FFFD}", "what never becomes a character is replaced");
    }

    #[test]
    fn charsets_of_several_octets_are_cut_at_lines() {
        let text = "\u{FEFF}".to_owned() + &"aä😀\n".repeat(90_000);
        for (big, charset) in [(true, "utf-16"), (false, "UTF-16"), (true, "utf-16be")] {
            let unit = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
            let octets: Vec<u8> = text.encode_utf16().flat_map(unit).collect();
            let got = read(&leaf("base64", charset), &base64_by_hand(&octets, 76), 5_000);
            assert_eq!(got.matches(&fold("aä😀\n")).count(), 90_000, "{charset}");
        }
        // ISO-2022-JP: in and out of JIS X 0208 on every line.
        let line = b"\x1b$B$3$s$K$A$O\x1b(B\n".repeat(20_000);
        let got = read(&leaf("7bit", "iso-2022-jp"), &line, 1_000);
        assert_eq!(got.matches(&fold("こんにちは\n")).count(), 20_000);
    }
}
