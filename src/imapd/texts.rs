//! Every text that IMAP says to people is in the catalogue of its languages.
//!
//! The texts are looked for in the code itself: what is a sentence in `imap` and `imapd`, and what the domain says of
//! somebody busy, of limits, and of what cannot be.

use imap::Language;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Sentences that nobody is told.
const NOT_SAID: [&str; 2] = [
    "TLS was offered and is not there",
    "MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange \
     ServerMetadataChange",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// The string literals of a file up to its tests, and what stands before each.
fn literals(code: &str) -> Vec<(String, &str)> {
    let code = code.split("#[cfg(test)]").next().unwrap_or(code);
    let bytes = code.as_bytes();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let rest = &code[at..];
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            3 + raw.find("\"#").unwrap() + 2
        } else if rest.starts_with("'\\") {
            3 + rest[3..].find('\'').unwrap() + 1
        } else if rest.starts_with('\'') {
            // A character, or a lifetime.
            let mut chars = rest.char_indices().skip(2);
            chars.next().filter(|(_, c)| *c == '\'').map_or(1, |(end, _)| end + 1)
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let (text, length) = literal(quoted);
            let before = &code[..at];
            found.push((text, before.get(before.len().saturating_sub(60)..).unwrap_or(before)));
            length + 1
        } else {
            rest.chars().next().map_or(1, char::len_utf8)
        };
        at += length;
    }
    found
}

/// What a string says, and its length with the closing quote.
fn literal(code: &str) -> (String, usize) {
    let (mut text, mut chars) = (String::new(), code.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (text, at + 1),
            '\\' => match chars.next() {
                Some((at, '\n')) => {
                    let indent = code[at + 1..].chars().take_while(|c| c.is_whitespace()).count();
                    chars.by_ref().take(indent).for_each(drop);
                }
                Some((_, 'n' | 'r' | '0' | 'x' | 't' | 'u')) => text.push('\n'),
                Some((_, other)) => text.push(other),
                None => {}
            },
            c => text.push(c),
        }
    }
    (text, code.len())
}

/// More than a keyword: words, of which one is not in capitals.
fn is_sentence(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit());
    let words = text.trim().contains(' ') && text.contains(|c: char| c.is_ascii_lowercase());
    begins && words && !text.contains('\n') && !text.contains("{}") && !NOT_SAID.contains(&text)
}

#[test]
fn every_text_is_in_the_catalogue() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut texts: BTreeMap<String, PathBuf> = BTreeMap::new();
    for (name, protocol) in
        [("imap", true), ("imapd", true), ("mail", false), ("ingest", false), ("directory", false)]
    {
        let mut files = Vec::new();
        sources(&src.join(name), &mut files);
        for file in files.into_iter().filter(|file| !file.ends_with("imapd/texts.rs")) {
            let code = std::fs::read_to_string(&file).unwrap();
            for (text, before) in literals(&code) {
                let reason = ["Busy(", "Cannot(", "Limit("];
                let reason = reason.iter().any(|call| before.trim_end().ends_with(call));
                if (protocol && is_sentence(&text)) || (reason && !text.is_empty()) {
                    texts.insert(text, file.clone());
                }
            }
        }
    }
    assert!(texts.len() > 200, "only {} texts were found", texts.len());
    let missing: Vec<_> =
        texts.iter().filter(|(text, _)| Language::German.translate(text).is_none()).collect();
    assert!(missing.is_empty(), "not in src/imap/language/de.txt: {missing:#?}");
}
