//! LANG (RFC 6856 §3): the languages of our texts. There is one.

/// Tags and what the languages call themselves.
pub(crate) const LANGUAGES: &[(&str, &str)] = &[("en", "English")];

/// The language that a range means: "exactly equals the tag" or a prefix of it that is followed by `-` (RFC 4647
/// §3.3.1). `*` is the one we prefer. `None`: none of ours.
pub(crate) fn matching(range: &str) -> Option<&'static str> {
    let fits = |tag: &str| {
        let head = tag.get(..range.len()).filter(|head| head.eq_ignore_ascii_case(range));
        head.is_some() && matches!(tag.as_bytes().get(range.len()), None | Some(b'-'))
    };
    let mut tags = LANGUAGES.iter().map(|(tag, _)| *tag);
    if range == "*" { tags.next() } else { tags.find(|tag| fits(tag)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for range in ["en", "EN", "*"] {
            assert_eq!(matching(range), Some("en"), "{range}");
        }
        for range in ["e", "en-GB", "MUL", "de", "ü", "-", "**"] {
            assert_eq!(matching(range), None, "{range}");
        }
    }
}
