//! The last resort of a search: a message's text, read once.

use super::fuzzy::{Likeness, MAX_TEXT};
use super::text::{self, Reader, field_line, field_text};
use super::{Needle, Place};
use crate::collate::fold;
use crate::fetch::Message;
use crate::{Mail, MailError};
use std::sync::Arc;

/// How well the bytes hold each needle.
pub(super) async fn find(
    mail: &Mail,
    message: &Arc<Message>,
    needles: &[Needle],
) -> Result<Vec<u8>, MailError> {
    let mut search = Search::new(needles);
    text::read(mail, message, &mut search).await?;
    Ok(search.finish())
}

/// What was found so far.
pub(super) struct Search<'a> {
    needles: &'a [Needle],
    found: Vec<u8>,
    /// What is sought more or less, in the text of all parts.
    alike: Vec<Option<Likeness<'a>>>,
    /// Octets of text seen.
    seen: usize,
    /// The end of the part's text before, in which a needle may begin.
    tail: String,
}

impl<'a> Search<'a> {
    pub(super) fn new(needles: &'a [Needle]) -> Self {
        let alike = |needle: &'a Needle| {
            needle.fuzzy.as_ref().filter(|_| needle.is_in_body()).map(Likeness::new)
        };
        Self {
            needles,
            found: vec![0; needles.len()],
            alike: needles.iter().map(alike).collect(),
            seen: 0,
            tail: String::new(),
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let best = |(found, alike): (u8, Option<Likeness<'_>>)| {
            found.max(alike.map_or(0, Likeness::score))
        };
        self.found.into_iter().zip(self.alike).map(best).collect()
    }

    fn longest(&self) -> usize {
        self.needles.iter().map(|needle| needle.text.len()).max().unwrap_or(0)
    }
}

impl Reader for Search<'_> {
    fn field(&mut self, name: &str, value: &[u8]) {
        for (needle, found) in self.needles.iter().zip(&mut self.found) {
            if matches!(needle.place, Place::Field(_) | Place::Anywhere) && *found < 100 {
                *found = needle.in_field(name, value).max(*found);
            }
        }
    }

    fn text(&mut self, piece: &str, first: bool) {
        if first {
            self.tail.clear();
        }
        self.seen += piece.len();
        let joined = std::mem::take(&mut self.tail) + piece;
        for (at, needle) in self.needles.iter().enumerate() {
            if let Some(alike) = &mut self.alike[at] {
                if first {
                    alike.take(" ");
                }
                alike.take(piece);
            } else if needle.is_in_body() && self.found[at] == 0 && joined.contains(&needle.text) {
                self.found[at] = 100;
            }
        }
        let mut from = joined.len().saturating_sub(self.longest());
        while !joined.is_char_boundary(from) {
            from -= 1;
        }
        joined[from..].clone_into(&mut self.tail);
    }

    fn wants_body(&self) -> bool {
        let wanting = |(needle, found): (&Needle, &u8)| {
            let more = needle.fuzzy.is_none() || self.seen < MAX_TEXT;
            *found == 0 && needle.is_in_body() && more
        };
        self.needles.iter().zip(&self.found).any(wanting)
    }
}

impl Needle {
    fn is_in_body(&self) -> bool {
        !matches!(self.place, Place::Field(_))
    }

    /// How well a header field holds it: 100 to the letter, 0 not at all.
    pub(super) fn in_field(&self, name: &str, value: &[u8]) -> u8 {
        let field = match &self.place {
            Place::Field(wanted) if !wanted.eq_ignore_ascii_case(name) => return 0,
            _ if self.text.is_empty() => return 100,
            Place::Field(_) if self.fuzzy.is_none() && is_plain(value) => {
                return 100 * u8::from(holds(value.trim_ascii(), &self.text));
            }
            Place::Field(_) => fold(&field_text(value)),
            Place::Body | Place::Anywhere => field_line(name, value),
        };
        match &self.fuzzy {
            Some(fuzzy) => {
                let mut likeness = Likeness::new(fuzzy);
                likeness.take(&field);
                likeness.score()
            }
            None => 100 * u8::from(field.contains(&self.text)),
        }
    }
}

/// Whether a field's value is what it says: one line of ASCII without encoded-words.
fn is_plain(value: &[u8]) -> bool {
    let plain = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
    value.iter().all(plain) && memchr::memmem::find(value, b"=?").is_none()
}

/// Whether ASCII holds a folded text: then they differ in case at most.
fn holds(text: &[u8], folded: &str) -> bool {
    let folded = folded.as_bytes();
    let Some(first) = folded.first().filter(|_| folded.is_ascii()) else { return false };
    let mut starts = memchr::memchr2_iter(*first, first.to_ascii_lowercase(), text);
    starts.any(|at| {
        let here = text.get(at..at + folded.len());
        here.is_some_and(|here| here.eq_ignore_ascii_case(folded))
    })
}

#[cfg(test)]
mod tests {
    use super::super::text::PartText;
    use super::super::text::WINDOW;
    use super::super::text::tests::{base64_by_hand, leaf};
    use super::*;

    fn finds(encoding: &str, body: &[u8], piece: usize, needle: &str) -> bool {
        let needles = [Needle { place: Place::Body, text: fold(needle), fuzzy: None }];
        let mut search = Search::new(&needles);
        let part = leaf(encoding, "utf-8");
        let mut text = PartText::new(&part);
        body.chunks(piece).for_each(|chunk| text.push(chunk, &mut search));
        text.finish(&mut search);
        search.finish()[0] == 100
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
    fn plain_fields_are_found_as_others_are() {
        for value in
            [" Report 17 about", "x", "", " a\r\n b", "=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"]
        {
            let folded = fold(&field_text(value.as_bytes()));
            for text in [
                "report",
                "17 AB",
                "t",
                "x",
                "a b",
                " a",
                "b ",
                "grüße",
                "=?utf",
                "REPORT 17 ABOUT!",
            ] {
                let needle =
                    Needle { place: Place::Field("S".into()), text: fold(text), fuzzy: None };
                let found = needle.in_field("s", value.as_bytes()) == 100;
                assert_eq!(found, folded.contains(&fold(text)), "{text:?} in {value:?}");
            }
        }
    }

    #[test]
    fn a_needle_does_not_reach_from_part_to_part() {
        let needles = [Needle { place: Place::Body, text: fold("ab"), fuzzy: None }];
        let mut search = Search::new(&needles);
        search.text("A", true);
        search.text("B", true);
        assert_eq!(search.found, [0]);
        search.text("A", true);
        search.text("B", false);
        assert_eq!(search.found, [100]);
    }
}
