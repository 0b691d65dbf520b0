//! PostgreSQL's stderr becomes our log.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

/// Longest line that is taken as one.
const LONGEST: u64 = 16 * 1024;
/// Lines remembered for the error message.
const REMEMBERED: usize = 20;

/// The last lines that a server said.
#[derive(Debug, Clone, Default)]
pub struct Words {
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl Words {
    /// Reads until the other end closes.
    pub fn listen(&self, stderr: impl Read) {
        let mut reader = BufReader::new(stderr);
        let mut line = Vec::new();
        loop {
            line.clear();
            match reader.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => self.hear(String::from_utf8_lossy(&line).trim_end()),
            }
        }
    }

    fn hear(&self, line: &str) {
        if line.is_empty() {
            return;
        }
        match line.split(':').next().unwrap_or_default() {
            "PANIC" => tracing::error!(target: "postgres", "{line}"),
            "WARNING" => tracing::warn!(target: "postgres", "{line}"),
            // FATAL ends one connection: a client that came while the server starts, mostly.
            _ => tracing::debug!(target: "postgres", "{line}"),
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == REMEMBERED {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }

    /// The line that says why it ended, as well as one can tell, without its label.
    pub fn last(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let worst = |label: &str| lines.iter().rfind(|line| line.starts_with(label));
        let line = worst("PANIC").or_else(|| worst("FATAL")).or_else(|| lines.back());
        let line = line.map_or("it said nothing", String::as_str);
        line.split_once(":  ").map_or(line, |(_, text)| text).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_found() {
        let words = Words::default();
        assert_eq!(words.last(), "it said nothing");
        words.listen("LOG:  starting\nFATAL:  no space left\nLOG:  shutting down\n\n".as_bytes());
        assert_eq!(words.last(), "no space left");
    }

    #[test]
    fn endless_lines_and_endless_talk_are_bounded() {
        let words = Words::default();
        words.listen("x".repeat(1_000_000).as_bytes());
        words.listen("y\n".repeat(1_000).as_bytes());
        let lines = words.lines.lock().unwrap();
        assert!(lines.len() <= REMEMBERED);
        assert!(lines.iter().all(|line| line.len() as u64 <= LONGEST));
    }
}
