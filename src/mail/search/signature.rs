//! What the index keeps of a message's text: a set of bits, one for every three and every four octets in a row.
//!
//! A text all of whose bits are set *may* be there; one that misses a bit is not. Sets are made in the largest size and
//! folded in two while few bits are set, so making one takes 4 KiB of memory whatever the message is.

use super::text::{self, Reader, field_line};
use crate::fetch::Message;
use crate::{Mail, MailError};
use std::sync::Arc;
use store::search::PROBES;

/// How texts are read, folded and hashed. Another number makes older signatures void.
pub(crate) const FORMAT: i16 = 1;

/// Octets of the largest signature: two and their rows fill a page of PostgreSQL. 123 doubled five times.
const LARGEST: usize = 3_936;
/// Octets of the smallest.
const SMALLEST: usize = 123;
/// A set is folded while at most so many of a hundred bits are set afterwards.
const FULL: usize = 30;
/// Octets of text that are looked at; a message with more is read whenever somebody searches.
const MAX_TEXT: usize = 16 * 1024 * 1024;

/// Three (`wide`: four) octets as a number below 2^31, evenly spread.
fn hash(octets: u32, wide: bool) -> u32 {
    let word = u64::from(octets) | u64::from(wide) << 32;
    let mixed = (word ^ word >> 15).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 33) as u32
}

/// Takes a message's text and makes its signature.
struct Signer {
    bits: Vec<u8>,
    /// The last octets, the latest lowest.
    last: u32,
    /// How many there are, at most four count.
    run: usize,
    taken: usize,
}

impl Signer {
    fn new() -> Self {
        Self { bits: vec![0; LARGEST], last: 0, run: 0, taken: 0 }
    }

    /// The bits, and whether the whole text is among them.
    fn finish(self) -> (Vec<u8>, bool) {
        let mut bits = self.bits;
        while bits.len() > SMALLEST {
            let (low, high) = bits.split_at(bits.len() / 2);
            let half: Vec<u8> = low.iter().zip(high).map(|(low, high)| low | high).collect();
            let set: usize = half.iter().map(|octet| octet.count_ones() as usize).sum();
            if set * 100 > half.len() * 8 * FULL {
                break;
            }
            bits = half;
        }
        (bits, self.taken <= MAX_TEXT)
    }

    fn take(&mut self, text: &str, first: bool) {
        if first {
            self.run = 0;
        }
        self.taken += text.len();
        for octet in text.bytes() {
            self.last = self.last << 8 | u32::from(octet);
            self.run += 1;
            if self.run >= 3 {
                self.set(hash(self.last & 0xFF_FFFF, false));
            }
            if self.run >= 4 {
                self.set(hash(self.last, true));
            }
        }
    }

    fn set(&mut self, hash: u32) {
        let bit = hash as usize % (LARGEST * 8);
        self.bits[bit / 8] |= 1 << (bit % 8);
    }
}

impl Reader for Signer {
    fn field(&mut self, name: &str, value: &[u8]) {
        self.take(&field_line(name, value), true);
    }

    fn text(&mut self, piece: &str, first: bool) {
        self.take(piece, first);
    }

    fn wants_body(&self) -> bool {
        self.taken <= MAX_TEXT
    }
}

/// A message's signature, and whether its whole text is in it.
pub(crate) async fn sign(
    mail: &Mail,
    message: &Arc<Message>,
) -> Result<(Vec<u8>, bool), MailError> {
    let mut signer = Signer::new();
    text::read(mail, message, &mut signer).await?;
    Ok(signer.finish())
}

/// The bits that a message must have if this folded text is anywhere in it; `None`: the text is too short to tell.
pub(super) fn probes(text: &str) -> Option<[i32; PROBES]> {
    let hashes = hashes(text);
    // Spread over the text: neighbours know much of each other.
    let step = hashes.len().div_ceil(PROBES).max(1);
    let mut chosen: Vec<i32> = hashes.iter().step_by(step).copied().collect();
    let rest = hashes.iter().enumerate().filter(|(at, _)| at % step != 0).map(|(_, hash)| *hash);
    chosen.extend(rest.take(PROBES - chosen.len().min(PROBES)));
    let first = *chosen.first()?;
    Some(std::array::from_fn(|at| chosen.get(at).copied().unwrap_or(first)))
}

/// All bits of a folded text, those of four octets first: they say more.
fn hashes(text: &str) -> Vec<i32> {
    let number = |octets: &[u8]| octets.iter().fold(0, |word, octet| word << 8 | u32::from(*octet));
    let four = text.as_bytes().windows(4).map(|octets| hash(number(octets), true) as i32);
    let mut hashes: Vec<i32> = four.take(4 * PROBES).collect();
    if hashes.len() < PROBES {
        hashes.extend(threes(text));
    }
    hashes
}

/// The bits of three octets in a row.
pub(super) fn threes(text: &str) -> impl Iterator<Item = i32> {
    let number = |octets: &[u8]| octets.iter().fold(0, |word, octet| word << 8 | u32::from(*octet));
    text.as_bytes().windows(3).map(move |octets| hash(number(octets), false) as i32)
}

#[cfg(test)]
mod tests {
    use super::super::bytes::Search;
    use super::super::text::read_whole;
    use super::super::{Needle, Place};
    use super::*;
    use crate::collate::fold;
    use message::{Scanned, Scanner};
    use proptest::prelude::*;
    use std::path::Path;

    fn may_hold(signature: &[u8], text: &str) -> bool {
        let Some(probes) = probes(text) else { return true };
        probes.iter().all(|probe| {
            let bit = *probe as usize % (signature.len() * 8);
            signature[bit / 8] >> (bit % 8) & 1 == 1
        })
    }

    fn scan(bytes: &[u8]) -> Scanned {
        let mut scanner = Scanner::new();
        scanner.feed(bytes);
        scanner.finish()
    }

    fn sign(scanned: &Scanned, bytes: &[u8]) -> Vec<u8> {
        let mut signer = Signer::new();
        read_whole(&scanned.structure.root, bytes, &mut signer);
        let (signature, complete) = signer.finish();
        assert!(complete);
        signature
    }

    fn places() -> [Place; 4] {
        let field = |name: &str| Place::Field(name.to_owned());
        [Place::Body, Place::Anywhere, field("Subject"), field("X-Mailer")]
    }

    /// What the index says no to, no scan finds.
    fn never_lost(scanned: &Scanned, bytes: &[u8], signature: &[u8], text: &str) -> bool {
        let needles = places().map(|place| Needle { place, text: fold(text), fuzzy: None });
        let mut search = Search::new(&needles);
        read_whole(&scanned.structure.root, bytes, &mut search);
        let found = search.finish().contains(&100);
        assert!(!found || may_hold(signature, &fold(text)), "{text:?} would be lost");
        found
    }

    /// Everything a reader sees of a message.
    #[derive(Default)]
    struct Texts(Vec<String>);

    impl Reader for Texts {
        fn field(&mut self, name: &str, value: &[u8]) {
            self.0.push(field_line(name, value));
        }
        fn text(&mut self, piece: &str, _: bool) {
            self.0.push(piece.to_owned());
        }
        fn wants_body(&self) -> bool {
            true
        }
    }

    fn corpus(folder: &Path, found: &mut Vec<Vec<u8>>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => corpus(&entry.path(), found),
                _ => found.extend(std::fs::read(entry.path())),
            }
        }
    }

    #[test]
    fn nothing_of_the_corpus_is_lost() {
        let mut messages = Vec::new();
        corpus(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"),
            &mut messages,
        );
        let (mut looked, mut refused, mut asked) = (0, 0, 0);
        for bytes in messages.iter().filter(|bytes| bytes.len() < 200_000) {
            let scanned = scan(bytes);
            let signature = sign(&scanned, bytes);
            let mut texts = Texts::default();
            read_whole(&scanned.structure.root, bytes, &mut texts);
            for text in texts.0 {
                let chars: Vec<char> = text.chars().collect();
                for (at, length) in [(0, 3), (1, 5), (chars.len() / 3, 9), (chars.len() / 2, 40)] {
                    let piece: String = chars.iter().skip(at).take(length).collect();
                    never_lost(&scanned, bytes, &signature, &piece);
                    looked += 1;
                }
            }
            for absent in ["zqxjkvbp", "not in any message", "Жёлтый ящик"] {
                asked += 1;
                refused += u32::from(!may_hold(&signature, &fold(absent)));
                never_lost(&scanned, bytes, &signature, absent);
            }
        }
        // Where the corpus is not at hand there is nothing to look at.
        assert!(messages.is_empty() || looked > 1_000, "{looked}");
        assert!(refused * 10 >= asked * 9, "{refused} of {asked}");
    }

    proptest! {
        #[test]
        fn nothing_is_lost(
            subject in "[a-zA-ZäÖß ]{0,30}",
            body in "[\\PC\n]{0,400}",
            from in 0usize..400,
            length in 0usize..40,
            charset in prop::sample::select(vec!["utf-8", "iso-8859-1", "koi8-r", "utf-16", "x-unknown"]),
            encoding in prop::sample::select(vec!["8bit", "base64", "quoted-printable"]),
        ) {
            let encoded = match encoding {
                "base64" => super::super::text::tests::base64_by_hand(body.as_bytes(), 76),
                _ => body.clone().into_bytes(),
            };
            let mut bytes = format!(
                "Subject: {subject}\r\nContent-Type: text/plain; charset={charset}\r\n\
                 Content-Transfer-Encoding: {encoding}\r\n\r\n"
            ).into_bytes();
            bytes.extend(encoded);
            let scanned = scan(&bytes);
            let signature = sign(&scanned, &bytes);
            let mut texts = Texts::default();
            read_whole(&scanned.structure.root, &bytes, &mut texts);
            for text in texts.0.iter().chain([&body, &subject]) {
                let piece: String = text.chars().skip(from).take(length).collect();
                never_lost(&scanned, &bytes, &signature, &piece);
            }
        }
    }

    #[test]
    fn small_texts_have_small_signatures() {
        let sized = |text: &str| {
            let mut signer = Signer::new();
            signer.take(text, true);
            let (signature, complete) = signer.finish();
            assert!(complete && may_hold(&signature, &text[..text.len().min(60)]));
            signature.len()
        };
        assert_eq!(sized("short"), SMALLEST);
        let long: String = (0..20_000u32).map(|n| format!("{:x} ", n * 7919)).collect();
        assert_eq!(sized(&long), LARGEST);
    }

    #[test]
    fn what_is_too_long_is_known_to_be() {
        let mut signer = Signer::new();
        let piece = "x".repeat(1 << 20);
        while signer.wants_body() {
            signer.take(&piece, false);
        }
        assert!(!signer.finish().1);
    }
}
