//! What commands print: aligned tables for people, JSON for programs.

use crate::exit::{Failure, Outcome};
use serde::Serialize;
use std::io::{ErrorKind, Write};
use std::time::Duration;

/// Where a command's results go.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// JSON or text.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether programs read along.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// A result: as JSON, or as the text that `human` makes of it.
    pub fn show<T: Serialize>(self, value: &T, human: impl FnOnce() -> String) -> Outcome {
        if self.json {
            let text = serde_json::to_string_pretty(value)
                .map_err(|error| Failure::failed(error.to_string()))?;
            print(&text)
        } else {
            print(&human())
        }
    }
}

/// Writes lines to stdout. A reader that went away (`| head`) is no failure.
pub fn print(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Something for a person who waits; not part of the result. Whether anybody reads it does not matter, which is
/// why this is no `eprintln!`: that one panics when stderr is closed.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Columns as wide as their widest cell, two blanks between them.
pub fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut out = line(&head.map(str::to_owned), &widths);
    for row in rows {
        out.push_str(&line(row, &widths));
    }
    out
}

fn line<const N: usize>(cells: &[String; N], widths: &[usize; N]) -> String {
    let mut out = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        out.push_str(cell);
        out.extend(std::iter::repeat_n(' ', width + 2 - cell.chars().count()));
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// `key  value` lines.
pub fn pairs(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(key, _)| key.chars().count()).max().unwrap_or(0);
    rows.iter().map(|(key, value)| format!("{key:width$}  {value}\n")).collect()
}

/// Octets as people say them.
pub fn octets(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// The two largest units.
pub fn ago(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{}s", seconds % 60),
        (0, _, _) => format!("{hours}h{minutes}m"),
        _ => format!("{days}d{hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned() {
        let rows = [["a".into(), "böse".into()], ["long one".into(), String::new()]];
        assert_eq!(table(["X", "NAME"], &rows), "X         NAME\na         böse\nlong one\n");
    }

    #[test]
    fn times_read_well() {
        let text = |s| ago(Duration::from_secs(s));
        assert_eq!((text(5), text(65), text(7_260)), ("5s".into(), "1m5s".into(), "2h1m".into()));
        assert_eq!(text(90_000), "1d1h");
    }

    #[test]
    fn sizes_read_well() {
        assert_eq!(octets(0), "0 B");
        assert_eq!(octets(1023), "1023 B");
        assert_eq!(octets(1536), "1.5 KiB");
        assert_eq!(octets(u64::MAX), "16777216.0 TiB");
    }
}
