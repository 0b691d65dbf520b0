//! The base subject (RFC 5256 §2.1): a subject without what replies and forwards put around it.

use message::decode_header_text;

/// Longest subject looked at, in octets; bounds the time for one made of brackets.
const MAX_SUBJECT: usize = 2_000;

/// A subject taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Subject {
    /// The base subject.
    pub base: String,
    /// Something told that this is a reply or a forward.
    pub is_reply: bool,
}

impl Subject {
    /// From the field as it was sent, unfolded.
    pub(crate) fn new(field: &str) -> Self {
        let decoded = decode_header_text(field);
        let mut end = decoded.len().min(MAX_SUBJECT);
        while !decoded.is_char_boundary(end) {
            end -= 1;
        }
        // (1) "Convert all tabs and continuations to space. Convert all multiple spaces to a single space."
        let words: Vec<&str> =
            decoded[..end].split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).collect();
        let text = words.join(" ");
        let mut subject = Self::default();
        let base = subject.strip(&text).to_owned();
        Self { base, ..subject }
    }

    /// Steps (2) to (6).
    fn strip<'a>(&mut self, mut text: &'a str) -> &'a str {
        loop {
            text = self.without_trailers(text);
            loop {
                let before = text.len();
                text = self.without_leader(text);
                // (4) "If ... removing that prefix leaves a non-empty subj-base, then remove the prefix text."
                if let Some(rest) = after_blob(text).filter(|rest| !rest.is_empty()) {
                    text = rest;
                }
                if text.len() == before {
                    break;
                }
            }
            // (6) "[fwd:" ... "]"
            let inner = strip_word(text, "[fwd:").and_then(|rest| rest.strip_suffix(']'));
            match inner {
                Some(inner) => {
                    self.is_reply = true;
                    text = inner;
                }
                None => return text,
            }
        }
    }

    /// `subj-trailer = "(fwd)" / WSP`
    fn without_trailers<'a>(&mut self, mut text: &'a str) -> &'a str {
        loop {
            text = text.trim_end_matches(' ');
            let cut = text.len().saturating_sub(5);
            match text.get(cut..) {
                Some(end) if end.eq_ignore_ascii_case("(fwd)") => {
                    self.is_reply = true;
                    text = &text[..cut];
                }
                _ => return text,
            }
        }
    }

    /// `subj-leader = (*subj-blob subj-refwd) / WSP`
    fn without_leader<'a>(&mut self, mut text: &'a str) -> &'a str {
        loop {
            text = text.trim_start_matches(' ');
            let mut rest = text;
            while let Some(after) = after_blob(rest) {
                rest = after;
            }
            match after_refwd(rest) {
                Some(after) => {
                    self.is_reply = true;
                    text = after;
                }
                None => return text,
            }
        }
    }
}

/// What follows `subj-blob = "[" *BLOBCHAR "]" *WSP`.
fn after_blob(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('[')?;
    let end = rest.find(['[', ']'])?;
    rest[end..].strip_prefix(']').map(|rest| rest.trim_start_matches(' '))
}

/// What follows `subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"`.
fn after_refwd(text: &str) -> Option<&str> {
    let rest = ["re", "fwd", "fw"].iter().find_map(|word| strip_word(text, word))?;
    let rest = rest.trim_start_matches(' ');
    rest.strip_prefix(':').or_else(|| after_blob(rest)?.strip_prefix(':'))
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let head = text.get(..word.len())?;
    head.eq_ignore_ascii_case(word).then(|| &text[word.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_replies_put_around_is_taken_off() {
        for (subject, base, is_reply) in [
            ("hello", "hello", false),
            ("Re: hello", "hello", true),
            ("RE: Re: fwd: FW : hello", "hello", true),
            ("re[2]: hello", "hello", true),
            ("Re [list]: hello", "hello", true),
            ("[list] hello", "hello", false),
            ("[list] Re: [list] hello", "hello", true),
            ("[a][b] Re: hello (fwd) (FWD)  ", "hello", true),
            ("[Fwd: hello]", "hello", true),
            ("Re: [fwd: Re: [x] hello (fwd)]", "hello", true),
            ("[only a blob]", "[only a blob]", false),
            ("[x] [y]", "[y]", false),
            ("Re:", "", true),
            ("", "", false),
            ("reply: x", "reply: x", false),
            ("Re hello", "Re hello", false),
            ("a \t  b\r\n c", "a b c", false),
            ("=?utf-8?q?Re:_Gr=C3=BC=C3=9Fe?=", "Grüße", true),
            ("[[x]] hello", "[[x]] hello", false),
            ("[fwd: x", "[fwd: x", false),
            ("Ré: x", "Ré: x", false),
        ] {
            let wanted = Subject { base: base.to_owned(), is_reply };
            assert_eq!(Subject::new(subject), wanted, "{subject}");
        }
        let many = Subject::new(&"[]".repeat(50_000));
        assert!(many.base.len() <= MAX_SUBJECT);
    }

    proptest! {
        #[test]
        fn a_base_subject_is_its_own_base(text in "(re|fwd|fw|\\[|\\]|:| |a|\\(fwd\\)|\\[fwd:|ü){0,12}") {
            let once = Subject::new(&text);
            prop_assert_eq!(&Subject::new(&once.base).base, &once.base);
        }
    }
}
