//! Texts that are about the same (RFC 6203): by words, without regard to marks on letters, forgiving endings and slips of
//! the pen. "Helo" finds "hello" and "help"; "IMAP break" finds "IMAP breakage" and, with a lower score, "IMAP" alone.

use super::signature::threes;
use unicode_normalization::char::canonical_combining_class;

/// Words of one text that count; further ones are as if they were not there.
const MAX_WORDS: usize = 16;
/// Letters of a word that count.
const MAX_LETTERS: usize = 48;
/// Octets of a message's text that are looked at.
pub(super) const MAX_TEXT: usize = 1024 * 1024;

/// A text to be found about.
#[derive(Debug, Clone)]
pub(super) struct Fuzzy {
    words: Vec<Vec<char>>,
    probes: Vec<i32>,
}

impl Fuzzy {
    /// From a folded text.
    pub(super) fn new(folded: &str) -> Self {
        let mut words = Vec::new();
        let mut word = Vec::new();
        each_word(folded, &mut word, |word| {
            if words.len() < MAX_WORDS {
                words.push(word.to_vec());
            }
        });
        if !word.is_empty() && words.len() < MAX_WORDS {
            words.push(word);
        }
        let parts = folded.split(|c: char| !is_letter(c) && !is_mark(c));
        let probes =
            parts.take(MAX_WORDS).flat_map(|word| threes(word).take(MAX_LETTERS)).collect();
        Self { words, probes }
    }

    /// Bits of which a message has at least so many if the index is to take it for a candidate. Less exact than the
    /// comparison itself, which a fuzzy search may be.
    pub(super) fn probes(&self) -> Option<(&[i32], u32)> {
        let least = self.probes.len().div_ceil(2) as u32;
        (least > 0).then_some((self.probes.as_slice(), least))
    }
}

/// How far one text is like what is sought.
pub(super) struct Likeness<'a> {
    sought: &'a Fuzzy,
    /// The best word for each, 1 to 100; 0: none.
    best: Vec<u8>,
    /// How often one as good came.
    times: Vec<u32>,
    words: u32,
    /// A word that is not all there yet.
    begun: Vec<char>,
}

impl<'a> Likeness<'a> {
    pub(super) fn new(sought: &'a Fuzzy) -> Self {
        let count = sought.words.len();
        Self { sought, best: vec![0; count], times: vec![0; count], words: 0, begun: Vec::new() }
    }

    /// The next piece of the text, folded.
    pub(super) fn take(&mut self, piece: &str) {
        let Self { sought, best, times, words, begun } = self;
        each_word(piece, begun, |word| {
            *words += 1;
            for (at, wanted) in sought.words.iter().enumerate() {
                let quality = likeness(wanted, word);
                times[at] += u32::from(quality > 0);
                best[at] = best[at].max(quality);
            }
        });
    }

    /// 0: it is not like it. 1 to 100: the more of its words, the better they fit, the more often they come in a long
    /// text and the less else is in a short one, the higher.
    pub(super) fn score(mut self) -> u8 {
        self.take(" ");
        let count = self.best.len() as u32;
        let there = self.best.iter().filter(|best| **best > 0).count() as u32;
        if there == 0 || there * 3 < count * 2 {
            return 0;
        }
        let quality: u32 = self.best.iter().map(|best| u32::from(*best)).sum::<u32>() / count;
        let often = self.times.iter().copied().min().unwrap_or(0).min(6) * 5;
        let alone = 30 * there.min(self.words) / self.words.max(1);
        (quality * (70 + often.max(alone)) / 100).clamp(1, 100) as u8
    }
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric()
}

fn is_mark(c: char) -> bool {
    canonical_combining_class(c) != 0
}

/// Gives the words that end in this piece; what begins stays in `begun`.
fn each_word(piece: &str, begun: &mut Vec<char>, mut each: impl FnMut(&[char])) {
    for c in piece.chars() {
        if is_letter(c) {
            if begun.len() < MAX_LETTERS {
                begun.push(c);
            }
        } else if !is_mark(c) && !begun.is_empty() {
            each(begun);
            begun.clear();
        }
    }
}

/// How well a word fits: 100 the same, 0 not at all.
fn likeness(wanted: &[char], word: &[char]) -> u8 {
    if wanted == word {
        return 100;
    }
    let (short, long) = if wanted.len() < word.len() { (wanted, word) } else { (word, wanted) };
    let slips = match wanted.len() {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    };
    // Endings: of the one that is there, or of the one that is sought.
    if short.len() >= 3 && long.starts_with(short) {
        if word.len() > wanted.len() {
            return 85;
        }
        if short.len() * 5 >= long.len() * 3 {
            return 75;
        }
    }
    if long.len() - short.len() > slips {
        return 0;
    }
    match distance(wanted, word, slips) {
        Some(slips) => 80 - 15 * slips as u8,
        None => 0,
    }
}

/// Letters to be changed, left out, put in or exchanged with the next; `None`: more than `most`.
fn distance(a: &[char], b: &[char], most: usize) -> Option<usize> {
    let mut rows = [vec![0; b.len() + 1], (0..=b.len()).collect(), vec![0; b.len() + 1]];
    for (i, x) in a.iter().enumerate() {
        rows[2][0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let mut least = (rows[1][j] + usize::from(x != y)).min(rows[1][j + 1] + 1);
            least = least.min(rows[2][j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                least = least.min(rows[0][j - 1] + 1);
            }
            rows[2][j + 1] = least;
        }
        if rows[2].iter().min().is_some_and(|least| *least > most) {
            return None;
        }
        rows.rotate_left(1);
    }
    rows[1].last().copied().filter(|slips| *slips <= most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collate::fold;

    fn score(sought: &str, text: &str) -> u8 {
        let sought = Fuzzy::new(&fold(sought));
        let whole = {
            let mut likeness = Likeness::new(&sought);
            likeness.take(&fold(text));
            likeness.score()
        };
        let mut likeness = Likeness::new(&sought);
        fold(text).chars().for_each(|c| likeness.take(&c.to_string()));
        assert_eq!(whole, likeness.score(), "whatever the pieces are");
        whole
    }

    #[test]
    fn the_words_of_the_rfc() {
        for text in ["hello", "help", "Say HELLO to everybody", "helo"] {
            assert!(score("Helo", text) > 0, "{text}");
        }
        assert!(score("IMAP break", "IMAP breakage") > 0);
        assert!(score("IMAP breaks", "imap: a break") > 0);
        assert_eq!(score("Helo", "goodbye"), 0);
        assert_eq!(score("Helo", ""), 0);
        assert_eq!(score("", "anything"), 0);
        assert_eq!(score("...", "anything"), 0);
    }

    #[test]
    fn better_is_higher() {
        assert_eq!(score("hello", "Hello"), 100);
        assert!(score("hello", "Hello") > score("hello", "Hello there, everybody"));
        assert!(score("hello", "hello there everybody") > score("helo", "hello there everybody"));
        let often = "hello and more ".repeat(20);
        assert!(score("hello", &often) > score("hello", &format!("hello {}", "more ".repeat(60))));
        assert!(score("hauser", "Häuser") == 100, "marks do not count");
        assert!(
            score("some words here", "some words") < score("some words here", "here some words")
        );
    }

    #[test]
    fn slips_are_counted() {
        let of = |a: &str, b: &str, most| {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            distance(&chars(a), &chars(b), most)
        };
        assert_eq!(of("KITTEN", "SITTING", 3), Some(3));
        assert_eq!(of("KITTEN", "SITTING", 2), None);
        assert_eq!(of("FORM", "FROM", 1), Some(1));
        assert_eq!(of("", "AB", 2), Some(2));
        assert_eq!(of("AB", "AB", 0), Some(0));
    }
}
