//! How texts compare: the collation i;unicode-casemap (RFC 5051), as RFC 5255 §4 wants it for SEARCH, SORT and THREAD.

use unicode_normalization::UnicodeNormalization;

/// A text in the form in which texts compare octet by octet: each character in titlecase, decomposed.
pub(crate) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    text.chars().map(titlecase).nfkd().collect()
}

/// What texts are ordered by: "The resulting sorted list is produced by appending all collated "failed" strings", in
/// which octets did not fit their charset, "after all strings collated using the active comparator" (RFC 5255 §4.6).
pub(crate) fn sort_key(text: &str) -> String {
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return format!("{}{text}", char::MAX);
    }
    fold(text)
}

/// The simple titlecase mapping: one character for one. Where the standard library knows only a longer one the
/// character stays, as Unicode's simple mapping has it.
fn titlecase(c: char) -> char {
    match c {
        '\u{1c4}'..='\u{1c6}' => '\u{1c5}',
        '\u{1c7}'..='\u{1c9}' => '\u{1c8}',
        '\u{1ca}'..='\u{1cc}' => '\u{1cb}',
        '\u{1f1}'..='\u{1f3}' => '\u{1f2}',
        _ => {
            let mut upper = c.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(one), None) => one,
                _ => c,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_composition_do_not_count() {
        assert_eq!(fold("Straße"), fold("STRAßE"));
        assert_eq!(fold("Größe"), fold("GRO\u{308}ße"));
        assert_eq!(fold("ǆ"), fold("Ǆ"));
        assert_eq!(fold("ﬁn"), fold("ﬁN"));
        assert_ne!(fold("a"), fold("ä"));
        assert!(fold("ärger") > fold("Arger") && fold("b") > fold("A"));
    }

    #[test]
    fn broken_texts_come_last() {
        // The example of RFC 5255 §4.6, whose first and third string are no UTF-8.
        let read = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let one = read(b"\xD0\xC0\xD0\xBD\xD0\xB4\xD1\x80\xD0\xB5\xD0\xB9");
        let three = read(b"\xD0\x92\xD0\xB0\xD1\x81\xD0\xB8\xD0\xBB\xD0\xB8\xFF\xB9");
        let (two, four) = ("сЕРГЕЙ", "Алексей");
        let keys = [four, two, three.as_str(), one.as_str()].map(sort_key);
        assert!(keys[0] < keys[1] && keys[1] < keys[2] && keys[1] < keys[3]);
    }
}
