//! The last resort of a search: a message's text, read once.

use super::text::{self, Reader, field_line, field_text};
use super::{Needle, Place};
use crate::collate::fold;
use crate::fetch::Message;
use crate::{Mail, MailError};
use std::sync::Arc;

/// Which needles the bytes hold.
pub(super) async fn find(
    mail: &Mail,
    message: &Arc<Message>,
    needles: &[Needle],
) -> Result<Vec<bool>, MailError> {
    let mut search = Search::new(needles);
    text::read(mail, message, &mut search).await?;
    Ok(search.found)
}

/// Which needles were found so far.
pub(super) struct Search<'a> {
    needles: &'a [Needle],
    pub(super) found: Vec<bool>,
    /// The end of the part's text before, in which a needle may begin.
    tail: String,
}

impl<'a> Search<'a> {
    pub(super) fn new(needles: &'a [Needle]) -> Self {
        Self { needles, found: vec![false; needles.len()], tail: String::new() }
    }

    fn longest(&self) -> usize {
        self.needles.iter().map(|needle| needle.text.len()).max().unwrap_or(0)
    }
}

impl Reader for Search<'_> {
    fn field(&mut self, name: &str, value: &[u8]) {
        for (needle, found) in self.needles.iter().zip(&mut self.found) {
            let here = matches!(needle.place, Place::Field(_) | Place::Anywhere);
            *found = *found || (here && needle.in_field(name, value));
        }
    }

    fn text(&mut self, piece: &str, first: bool) {
        if first {
            self.tail.clear();
        }
        let joined = std::mem::take(&mut self.tail) + piece;
        for (needle, found) in self.needles.iter().zip(&mut self.found) {
            let here = matches!(needle.place, Place::Body | Place::Anywhere);
            *found = *found || (here && joined.contains(&needle.text));
        }
        let mut from = joined.len().saturating_sub(self.longest());
        while !joined.is_char_boundary(from) {
            from -= 1;
        }
        joined[from..].clone_into(&mut self.tail);
    }

    fn wants_body(&self) -> bool {
        let wanting =
            |(needle, found): (&Needle, &bool)| !found && !matches!(needle.place, Place::Field(_));
        self.needles.iter().zip(&self.found).any(wanting)
    }
}

impl Needle {
    /// Whether a header field holds it.
    pub(super) fn in_field(&self, name: &str, value: &[u8]) -> bool {
        match &self.place {
            Place::Field(wanted) if !wanted.eq_ignore_ascii_case(name) => false,
            _ if self.text.is_empty() => true,
            Place::Field(_) => fold(&field_text(value)).contains(&self.text),
            Place::Body | Place::Anywhere => field_line(name, value).contains(&self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::PartText;
    use super::super::text::WINDOW;
    use super::super::text::tests::{base64_by_hand, leaf};
    use super::*;

    fn finds(encoding: &str, body: &[u8], piece: usize, needle: &str) -> bool {
        let needles = [Needle { place: Place::Body, text: fold(needle) }];
        let mut search = Search::new(&needles);
        let part = leaf(encoding, "utf-8");
        let mut text = PartText::new(&part);
        body.chunks(piece).for_each(|chunk| text.push(chunk, &mut search));
        text.finish(&mut search);
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
    fn encoded_texts_are_found_whatever_the_pieces_are() {
        let text = "häuser ".repeat(50_000) + "letzte Wort";
        // Lines of 75 characters are no multiple of four.
        let encoded = base64_by_hand(text.as_bytes(), 75);
        for piece in [1_001, usize::MAX >> 1] {
            assert!(finds("base64", &encoded, piece, "LETZTE wort"));
            assert!(finds("base64", &encoded, piece, "häuser häuser"));
            assert!(!finds("base64", &encoded, piece, "hauser"));
        }
        assert!(finds("quoted-printable", b"so=\r\nft=20br=C3=A4k", 3, "soft bräk"));
    }

    #[test]
    fn a_needle_does_not_reach_from_part_to_part() {
        let needles = [Needle { place: Place::Body, text: fold("ab") }];
        let mut search = Search::new(&needles);
        search.text("A", true);
        search.text("B", true);
        assert!(!search.found[0]);
        search.text("A", true);
        search.text("B", false);
        assert!(search.found[0]);
    }
}
