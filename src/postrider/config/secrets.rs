//! Secrets from files: `url_file = "/run/secrets/…"` stands for `url`, and so on.

use super::ConfigError;
use config::{Map, Value, ValueKind};

/// Keys whose value may come from a file named by the same key with `_file`.
const FROM_FILES: [(&str, &str); 5] = [
    ("postgres", "url"),
    ("coordinator", "url"),
    ("blob", "access_key"),
    ("blob", "secret_key"),
    ("secrets", "key"),
];
/// A secret is a line.
const LONGEST: u64 = 64 * 1024;

/// Puts the contents in place of the names.
pub fn read_files(tree: &mut Map<String, Value>) -> Result<(), ConfigError> {
    for (section, key) in FROM_FILES {
        let Some(Value { kind: ValueKind::Table(table), .. }) = tree.get_mut(section) else {
            continue;
        };
        let Some(name) = table.remove(&format!("{key}_file")) else { continue };
        let name = name
            .into_string()
            .map_err(|_| ConfigError(format!("{section}.{key}_file: the name of a file")))?;
        if table.contains_key(key) {
            return Err(ConfigError(format!(
                "{section}.{key} and {section}.{key}_file are both given: keep one"
            )));
        }
        let text = read(&name)
            .map_err(|error| ConfigError(format!("{section}.{key}_file {name}: {error}")))?;
        table.insert(key.to_owned(), Value::new(Some(&name), ValueKind::String(text)));
    }
    Ok(())
}

fn read(name: &str) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(name)?.take(LONGEST).read_to_string(&mut text)?;
    let text = text.trim();
    if text.is_empty() {
        return Err(std::io::Error::other("the file is empty"));
    }
    Ok(text.to_owned())
}
