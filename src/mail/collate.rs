//! How texts compare: the collation i;unicode-casemap (RFC 5051), as RFC 5256 §7 wants it for SORT and THREAD.

use unicode_normalization::UnicodeNormalization;

/// A text in the form in which texts compare octet by octet: each character in titlecase, decomposed.
pub(crate) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    text.chars().map(titlecase).nfkd().collect()
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
}
