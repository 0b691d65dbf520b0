//! The last resort of a search: a message's bytes, read once, in windows. Between them others have their turn: bytes
//! that are in the cache come without a wait, and a search of many would keep a thread of the runtime to itself.

use super::{Needle, Place};
use crate::decoded::Windows;
use crate::fetch::Message;
use crate::{Mail, MailError};
use message::{Kind, Part, iter_fields, text_of_part};
use std::sync::Arc;

/// Octets of text decoded at a time.
const WINDOW: usize = 256 * 1024;
/// Octets of a header that are looked at.
const MAX_HEADER: u64 = 1024 * 1024;
/// Messages up to this are read with one request, larger ones part by part.
const WHOLE: u64 = 256 * 1024;

/// Which needles the bytes hold.
pub(super) async fn find(
    mail: &Mail,
    message: &Arc<Message>,
    needles: &[Needle],
) -> Result<Vec<bool>, MailError> {
    let mut search = Search { needles, found: vec![false; needles.len()] };
    let root = &message.structure.root;
    let size = message.structure.size;
    if size <= WHOLE && search.wants_body() {
        let bytes = mail.read(message, 0..size).await?.collect().await?;
        let slice = |from: u64, to: u64| {
            bytes.get(from as usize..to.min(bytes.len() as u64) as usize).unwrap_or_default()
        };
        search.header(slice(root.header_start, root.body_start));
        for part in text_parts(root) {
            let mut window = Window::new(part);
            window.push(slice(part.body_start, part.body_end), &mut search);
            window.finish(&mut search);
        }
        return Ok(search.found);
    }
    let end = root.body_start.min(root.header_start + MAX_HEADER);
    search.header(&mail.read(message, root.header_start..end).await?.collect().await?);
    for part in text_parts(root) {
        if !search.wants_body() {
            break;
        }
        let mut window = Window::new(part);
        let mut body = mail.read(message, part.body_start..part.body_end).await?;
        while let Some(piece) = body.next().await? {
            window.push(&piece, &mut search);
            tokio::task::yield_now().await;
        }
        window.finish(&mut search);
    }
    Ok(search.found)
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

struct Search<'a> {
    needles: &'a [Needle],
    found: Vec<bool>,
}

impl Search<'_> {
    fn wants_body(&self) -> bool {
        let wanting =
            |(needle, found): (&Needle, &bool)| !found && !matches!(needle.place, Place::Field(_));
        self.needles.iter().zip(&self.found).any(wanting)
    }

    fn header(&mut self, block: &[u8]) {
        for (name, value) in iter_fields(block) {
            for (needle, found) in self.needles.iter().zip(&mut self.found) {
                let here = matches!(needle.place, Place::Field(_) | Place::Anywhere);
                *found = *found || (here && needle.in_field(name, value));
            }
        }
    }

    fn text(&mut self, text: &str) {
        for (needle, found) in self.needles.iter().zip(&mut self.found) {
            let here = matches!(needle.place, Place::Body | Place::Anywhere);
            *found = *found || (here && text.contains(&needle.text));
        }
    }

    fn longest(&self) -> usize {
        self.needles.iter().map(|needle| needle.text.len()).max().unwrap_or(0)
    }
}

/// A part's text as it streams by.
struct Window<'a> {
    part: &'a Part,
    windows: Windows,
    /// The end of the text before, in which a needle may begin.
    tail: String,
}

impl<'a> Window<'a> {
    fn new(part: &'a Part) -> Self {
        Self { part, windows: Windows::new(&part.encoding), tail: String::new() }
    }

    fn push(&mut self, piece: &[u8], search: &mut Search<'_>) {
        let (part, tail) = (self.part, &mut self.tail);
        self.windows.push(WINDOW, piece, |raw| look(part, tail, &raw, search));
    }

    fn finish(mut self, search: &mut Search<'_>) {
        look(self.part, &mut self.tail, &self.windows.finish(), search);
    }
}

fn look(part: &Part, tail: &mut String, raw: &[u8], search: &mut Search<'_>) {
    let text = text_of_part(part, raw).to_lowercase();
    let joined = std::mem::take(tail) + &text;
    search.text(&joined);
    let mut from = joined.len().saturating_sub(search.longest());
    while !joined.is_char_boundary(from) {
        from -= 1;
    }
    *tail = joined[from..].to_owned();
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::Scanner;

    fn leaf(encoding: &str) -> Part {
        let mut scanner = Scanner::new();
        scanner.feed(format!("Content-Transfer-Encoding: {encoding}\r\n\r\n").as_bytes());
        scanner.finish().structure.root
    }

    fn finds(encoding: &str, body: &[u8], piece: usize, needle: &str) -> bool {
        let needles = [Needle { place: Place::Body, text: needle.to_lowercase() }];
        let mut search = Search { needles: &needles, found: vec![false] };
        let part = leaf(encoding);
        let mut window = Window::new(&part);
        body.chunks(piece).for_each(|chunk| window.push(chunk, &mut search));
        window.finish(&mut search);
        search.found[0]
    }

    #[test]
    fn texts_are_found_across_windows() {
        let mut plain = vec![b'x'; WINDOW - 3];
        plain.extend_from_slice(b"NeedlE and more");
        let mut lines = b"0123456789abcdefghijklmnopqrstuvwxyz-\r\n".repeat(WINDOW / 30);
        lines.splice(WINDOW - 5..WINDOW - 5, *b"needle");
        for piece in [1_000, 77_777, usize::MAX >> 1] {
            assert!(finds("7bit", &plain, piece, "needle"));
            assert!(finds("7bit", &lines, piece, "NEEDLE"));
            assert!(!finds("7bit", &lines, piece, "needless"));
        }
    }

    #[test]
    fn encodings_are_undone_across_windows() {
        use base64_by_hand as encode;
        let mut text = "Häuser ".repeat(60_000).into_bytes();
        text.extend_from_slice("das letzte Wort".as_bytes());
        // Lines of 75 characters are no multiple of four.
        let encoded = encode(&text, 75);
        for piece in [1_001, usize::MAX >> 1] {
            assert!(finds("base64", &encoded, piece, "LETZTE wort"));
            assert!(finds("base64", &encoded, piece, "häuser häuser"));
            assert!(!finds("base64", &encoded, piece, "hauser"));
        }
        assert!(finds("quoted-printable", b"so=\r\nft=20br=C3=A4k", 3, "soft bräk"));
    }

    fn base64_by_hand(bytes: &[u8], line: usize) -> Vec<u8> {
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
}
