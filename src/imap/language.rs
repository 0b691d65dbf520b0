//! The languages of what we say to people, and the catalogue of its texts (LANGUAGE, RFC 5255 §3).
//!
//! In the code a text stands in English; it is translated where it is written into a response, nowhere else. A text that
//! the catalogue lacks stays English: a test (in `imapd`, where all texts meet) holds the code against the catalogue.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English in ASCII: "A server that advertises this extension MUST use the language "i-default" ... as its default
    /// language until another supported language is negotiated by the client" (§3.1).
    #[default]
    Default,
    /// English
    English,
    /// German
    German,
}

/// All of them, in the order in which they are listed.
pub(crate) const LANGUAGES: [Language; 3] =
    [Language::English, Language::German, Language::Default];

/// Lines of `English = German`, where `{}` stands for any text.
static GERMAN: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::new(include_str!("language/de.txt")));

struct Catalogue {
    texts: HashMap<&'static str, &'static str>,
    /// Those with `{}`: what is before and behind it, and the translation.
    templates: Vec<(&'static str, &'static str, &'static str)>,
}

impl Catalogue {
    fn new(lines: &'static str) -> Self {
        let pairs = lines.lines().filter_map(|line| line.split_once(" = "));
        let (mut texts, mut templates) = (HashMap::new(), Vec::new());
        for (english, translation) in pairs {
            match english.split_once("{}") {
                Some((before, behind)) => templates.push((before, behind, translation)),
                None => drop(texts.insert(english, translation)),
            }
        }
        Self { texts, templates }
    }

    fn get(&self, english: &str) -> Option<Cow<'static, str>> {
        if let Some(text) = self.texts.get(english) {
            return Some((*text).into());
        }
        self.templates.iter().find_map(|(before, behind, translation)| {
            let middle = english.strip_prefix(before)?.strip_suffix(behind)?;
            Some(translation.replace("{}", middle).into())
        })
    }
}

impl Language {
    /// Its tag (RFC 5646).
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::Default => "i-default",
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// A text in this language. `None`: it stays as it is.
    #[must_use]
    pub fn translate(self, english: &str) -> Option<Cow<'static, str>> {
        match self {
            Self::Default | Self::English => None,
            Self::German => GERMAN.get(english),
        }
    }

    /// The first language that one of the ranges means, the first range first: "the server will return human-readable
    /// responses in the first supported language specified" (§3.2). `preferred` is what "default" means.
    pub(crate) fn matching(ranges: &[String], preferred: Self) -> Option<Self> {
        ranges.iter().find_map(|range| {
            let any = range == "*" || range.eq_ignore_ascii_case("default");
            if any { Some(preferred) } else { lookup(range) }
        })
    }
}

/// RFC 4647 §3.4: "the language range is progressively truncated from the end until a matching language tag is located.
/// Single letter or digit subtags ... are removed at the same time".
fn lookup(range: &str) -> Option<Language> {
    let mut left = range;
    loop {
        let exact = |language: &&Language| language.tag().eq_ignore_ascii_case(left);
        if let Some(language) = LANGUAGES.iter().find(exact) {
            return Some(*language);
        }
        left = left.rsplit_once('-')?.0;
        if let Some((head, last)) = left.rsplit_once('-')
            && last.len() == 1
        {
            left = head;
        }
    }
}

/// `language-range = (1*8ALPHA *("-" 1*8alphanum)) / "*"` (RFC 4647 §2.1)
pub(crate) fn is_range(text: &str) -> bool {
    let subtag = |(at, part): (usize, &str)| {
        let legal = |byte: u8| byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit());
        (1..=8).contains(&part.len()) && part.bytes().all(legal)
    };
    text == "*" || text.split('-').enumerate().all(subtag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Language::{Default, English, German};

    #[test]
    fn ranges_find_languages() {
        let find = |ranges: &str| {
            let ranges: Vec<_> = ranges.split(' ').map(str::to_owned).collect();
            assert!(ranges.iter().all(|range| is_range(range)), "{ranges:?}");
            Language::matching(&ranges, German)
        };
        for (ranges, language) in [
            ("DE", Some(German)),
            ("de-AT", Some(German)),
            ("de-CH-x-private", Some(German)),
            ("de-a", Some(German)),
            ("FR-CA EN-CA", Some(English)),
            ("fr en-GB de", Some(English)),
            ("i-default", Some(Default)),
            ("I-DEFAULT", Some(Default)),
            ("default", Some(German)),
            ("fr *", Some(German)),
            ("MUL", None),
            ("d", None),
            ("deu", None),
            ("i", None),
            ("x-de", None),
        ] {
            assert_eq!(find(ranges), language, "{ranges}");
        }
        for broken in
            ["", "-", "de-", "-de", "de--at", "d3", "abcdefghi", "de_AT", "ü", "*-de", "a b"]
        {
            assert!(!is_range(broken), "{broken}");
        }
    }

    #[test]
    fn texts_are_found() {
        let say = |text: &str| German.translate(text);
        assert_eq!(say("Still here").as_deref(), Some("Noch da"));
        assert_eq!(say("FETCH completed").as_deref(), Some("FETCH ausgeführt"));
        assert_eq!(say("Never said"), None);
        assert_eq!(English.translate("Still here"), None);
    }

    /// Every line is a pair, no text is there twice, and what is written can be (RFC 5255 §3.5).
    #[test]
    fn the_catalogue_is_sound() {
        let lines = include_str!("language/de.txt");
        let mut seen = std::collections::BTreeSet::new();
        for line in lines.lines() {
            let (english, german) = line.split_once(" = ").unwrap_or_else(|| panic!("{line}"));
            assert!(seen.insert(english), "{english} is there twice");
            assert!(!german.is_empty() && !german.starts_with('['), "{line}");
            assert!(!german.chars().any(char::is_control), "{line}");
            assert_eq!(english.matches("{}").count(), german.matches("{}").count(), "{line}");
        }
    }
}
