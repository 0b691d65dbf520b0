//! One configuration out of its layers.

use super::{Config, ConfigError, secrets};
use ::config::{Environment, File, FileFormat, Map, Value, ValueKind};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The layers, lowest first; the program's own defaults lie below all.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// TOML that the program made itself (`standalone`).
    pub base: Option<String>,
    /// Files of the operator.
    pub files: Vec<PathBuf>,
    /// The environment; only `POSTRIDER__…` counts.
    pub environment: HashMap<String, String>,
    /// Flags, by dotted key.
    pub flags: Vec<(String, String)>,
}

impl Layers {
    /// These files under the process's environment.
    pub fn files(files: Vec<PathBuf>) -> Self {
        // Variables that are no text cannot be ours.
        let text = |(key, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((key.into_string().ok()?, value.into_string().ok()?))
        };
        let environment = std::env::vars_os().filter_map(text).collect();
        Self { files, environment, ..Self::default() }
    }
}

/// Reads, merges and checks.
///
/// # Errors
/// [`ConfigError`]: one line that names the key or the place.
pub fn load(layers: &Layers) -> Result<Config, ConfigError> {
    let mut tree = merge(layers)?;
    secrets::read_files(&mut tree)?;
    let root = Value::new(None, ValueKind::Table(tree));
    let config: Config =
        serde_path_to_error::deserialize(root).map_err(|error| explain(&error, layers))?;
    config.check()?;
    Ok(config)
}

fn merge(layers: &Layers) -> Result<Map<String, Value>, ConfigError> {
    let mut builder = ::config::Config::builder();
    if let Some(base) = &layers.base {
        builder = builder.add_source(File::from_str(base, FileFormat::Toml));
    }
    for path in &layers.files {
        let text = read(path)?;
        builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
    }
    let environment = Environment::with_prefix("POSTRIDER")
        .prefix_separator("__")
        .separator("__")
        .ignore_empty(true)
        .source(Some(layers.environment.clone().into_iter().collect()));
    builder = builder.add_source(environment);
    for (key, value) in &layers.flags {
        builder = builder
            .set_override(key, value.as_str())
            .map_err(|error| ConfigError(format!("{key}: {error}")))?;
    }
    use ::config::Source;
    builder.build().and_then(|all| all.collect()).map_err(|error| ConfigError(error.to_string()))
}

/// A file's text, known to be TOML.
fn read(path: &Path) -> Result<String, ConfigError> {
    let wrong = |why: &dyn std::fmt::Display| ConfigError(format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    if let Err(error) = text.parse::<toml::Table>() {
        let line = error.span().map_or(1, |span| {
            text.as_bytes()[..span.start.min(text.len())].iter().filter(|b| **b == b'\n').count()
                + 1
        });
        return Err(wrong(&format!("line {line}: {}", error.message().replace('\n', ", "))));
    }
    Ok(text)
}

/// Names the key and the layer it came from.
fn explain(
    error: &serde_path_to_error::Error<::config::ConfigError>,
    layers: &Layers,
) -> ConfigError {
    let mut path = error.path().to_string();
    let what = what_is_wrong(error.inner());
    if let Some(name) = missing(error.inner()) {
        let full = if path == "." { name } else { format!("{path}.{name}") };
        let url = if full == "postgres" { ".url" } else { "" };
        return ConfigError(format!("{full}{url} is not set"));
    }
    if let Some((name, rest)) = what.strip_prefix("unknown field `").and_then(|w| w.split_once('`'))
    {
        if path == "." {
            path = name.to_owned();
        } else if path != name && !path.ends_with(&format!(".{name}")) {
            path = format!("{path}.{name}");
        }
        let source = origin(&path, layers);
        return ConfigError(format!("{path} is not a known key{source}{rest}"));
    }
    ConfigError(format!("{path}: {what}{}", origin(&path, layers)))
}

/// The key of a value that must be given and is not.
fn missing(error: &::config::ConfigError) -> Option<String> {
    match error {
        ::config::ConfigError::At { error, .. } => missing(error),
        ::config::ConfigError::NotFound(name) => Some(name.clone()),
        _ => None,
    }
}

/// The message without the places that the library adds by itself.
fn what_is_wrong(error: &::config::ConfigError) -> String {
    match error {
        ::config::ConfigError::At { error, .. } => what_is_wrong(error),
        ::config::ConfigError::Type { unexpected, expected, .. } => {
            format!("{unexpected} where {expected} is wanted")
        }
        other => other.to_string(),
    }
}

/// ` (in FILE)`: the highest layer that has the key.
fn origin(path: &str, layers: &Layers) -> String {
    if layers.flags.iter().any(|(key, _)| key == path) {
        return " (on the command line)".into();
    }
    let variable = format!("POSTRIDER__{}", path.to_ascii_uppercase().replace('.', "__"));
    let given = layers.environment.keys().find(|key| key.to_ascii_uppercase() == variable);
    if let Some(key) = given {
        return format!(" (in the environment: {key})");
    }
    let parts: Vec<&str> = path.split(['.', '[']).collect();
    let has = |file: &&PathBuf| {
        let table = std::fs::read_to_string(file).ok().and_then(|t| t.parse::<toml::Table>().ok());
        table.is_some_and(|table| contains(&toml::Value::Table(table), &parts))
    };
    match layers.files.iter().rev().find(has) {
        Some(file) => format!(" (in {})", file.display()),
        None => String::new(),
    }
}

fn contains(value: &toml::Value, parts: &[&str]) -> bool {
    let Some((first, rest)) = parts.split_first() else { return true };
    // `certificates[0]`: the list is place enough.
    first.ends_with(']') || value.get(first).is_some_and(|inner| contains(inner, rest))
}
