//! Messages as people send them, made from a seed.
//!
//! *full*: 60 % text of 2–8 KiB, 37 % text and HTML of 20–60 KiB, 3 % with an attachment of 0.2–2 MiB.
//! *small*: 75 % and 25 %, no attachments. Bodies come from a pool made once, every message has a header of
//! its own, and no line begins with a dot (so that what is sent is what is stored).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};
use std::fmt::Write;

/// Bodies in the pool.
const POOL: usize = 256;
/// One message in so many answers an earlier one, so that conversations are looked up.
const REPLIES: u64 = 4;

/// Which sizes are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Mix {
    /// Text, HTML and attachments.
    Full,
    /// Without attachments.
    Small,
}

impl Mix {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Mix::Full => "full",
            Mix::Small => "small",
        }
    }
}

/// A message to send: header first, then a body shared by several messages.
#[derive(Debug, Clone)]
pub struct Message {
    /// Header and the blank line after it.
    pub header: Bytes,
    /// The rest.
    pub body: Bytes,
}

impl Message {
    /// Octets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.header.len() + self.body.len()
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether `stored` is this message, maybe with trace fields before it.
    #[must_use]
    pub fn is_kept_in(&self, stored: &[u8]) -> bool {
        stored.len() >= self.len() && {
            let (rest, body) = stored.split_at(stored.len() - self.body.len());
            body == self.body && rest.ends_with(&self.header)
        }
    }
}

/// Makes the messages of a run. The same seed makes the same messages.
pub struct Mail {
    bodies: Vec<(String, Bytes)>,
    run: String,
}

impl Mail {
    /// Prepares the bodies.
    #[must_use]
    pub fn new(mix: Mix, seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let bodies = (0..POOL).map(|nth| body(mix, nth, &mut rng)).collect();
        Self { bodies, run: format!("{seed:x}") }
    }

    /// Mean octets of a body.
    #[must_use]
    pub fn mean_octets(&self) -> f64 {
        self.bodies.iter().map(|(_, body)| body.len() as f64).sum::<f64>()
            / self.bodies.len() as f64
    }

    /// What `SEARCH HEADER Message-ID` finds message `nth` by.
    #[must_use]
    pub fn id(&self, nth: u64) -> String {
        format!("<{nth}.{}@load.example>", self.run)
    }

    /// Message `nth` of this run.
    #[must_use]
    pub fn message(&self, nth: u64, to: &str) -> Message {
        // A stride that is prime to the pool's size: neighbours differ in kind.
        let (kind, body) = &self.bodies[(nth * 97 % POOL as u64) as usize];
        let id = self.id(nth);
        let mut header = format!(
            "From: =?utf-8?q?Andr=C3=A9_Sender?= <sender{}@load.example>\r\nTo: <{to}>\r\n\
             Subject: Report {nth} about the harvest of the year\r\n\
             Date: Mon, 23 Nov 2026 {:02}:{:02}:{:02} +0000\r\nMessage-ID: {id}\r\n",
            nth % 50,
            nth / 3600 % 24,
            nth / 60 % 60,
            nth % 60,
        );
        if nth.is_multiple_of(REPLIES) && nth > 0 {
            let parent = self.id(nth - 1 - nth / REPLIES % nth.min(20));
            let _ = write!(header, "In-Reply-To: {parent}\r\nReferences: {parent}\r\n");
        }
        let _ = write!(header, "MIME-Version: 1.0\r\n{kind}\r\n");
        Message { header: header.into(), body: body.clone() }
    }
}

/// A body and the header fields that describe it.
fn body(mix: Mix, nth: usize, rng: &mut SmallRng) -> (String, Bytes) {
    // Shares and sizes are the same in every pool, spread evenly over their range: few attachments make much
    // of the octets, and drawn ones would make runs with different seeds unlike.
    let (html_from, attached_from) = match mix {
        Mix::Full => (POOL * 60 / 100, POOL * 97 / 100),
        Mix::Small => (POOL * 75 / 100, POOL),
    };
    let between = |from: usize, to: usize| (nth - from) as f64 / (to - from) as f64;
    let mut out = String::new();
    if nth < html_from {
        let size = (2 << 10) + (between(0, html_from) * f64::from(6 << 10)) as usize;
        prose(&mut out, size, "", rng);
        return (text_type("plain"), out.into());
    }
    let boundary = format!("part-{:016x}", rng.next_u64());
    let _ = write!(out, "--{boundary}\r\n{}\r\n", text_type("plain"));
    let kind = if nth < attached_from {
        let size = (20 << 10) + (between(html_from, attached_from) * f64::from(40 << 10)) as usize;
        prose(&mut out, size / 4, "", rng);
        let _ = write!(out, "\r\n--{boundary}\r\n{}\r\n<html><body>\r\n", text_type("html"));
        prose(&mut out, size - size / 4, "<p class=\"x\">", rng);
        out.push_str("</body></html>\r\n");
        "alternative"
    } else {
        prose(&mut out, 3 << 10, "", rng);
        let _ = write!(
            out,
            "\r\n--{boundary}\r\nContent-Type: application/pdf; name=\"report.pdf\"\r\n\
             Content-Disposition: attachment; filename=\"report.pdf\"\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n"
        );
        // Most attachments are small ones.
        let size = 0.2 * 10f64.powf(between(attached_from, POOL).powf(1.2));
        attachment(&mut out, (size * 1_048_576.0) as usize, rng);
        "mixed"
    };
    let _ = write!(out, "\r\n--{boundary}--\r\n");
    (format!("Content-Type: multipart/{kind}; boundary=\"{boundary}\"\r\n"), out.into())
}

fn text_type(kind: &str) -> String {
    format!("Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n")
}

fn prose(out: &mut String, size: usize, open: &str, rng: &mut SmallRng) {
    const WORDS: [&str; 24] = [
        "the", "rider", "carried", "letters", "over", "hills", "and", "through", "Grüße", "market",
        "station", "before", "winter", "every", "morning", "with", "a", "horse", "answer", "about",
        "invoice", "meeting", "tomorrow", "please",
    ];
    let end = out.len() + size;
    while out.len() < end {
        let line = out.len();
        out.push_str(open);
        while out.len() - line < 68 {
            out.push_str(WORDS[rng.random_range(0..WORDS.len())]);
            out.push(' ');
        }
        out.push_str("\r\n");
    }
}

fn attachment(out: &mut String, size: usize, rng: &mut SmallRng) {
    let mut line = [0u8; 57];
    let end = out.len() + size;
    while out.len() < end {
        rng.fill_bytes(&mut line);
        STANDARD.encode_string(line, out);
        out.push_str("\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mixes_are_what_they_say() {
        for (mix, low, high) in [(Mix::Full, 37.0, 39.0), (Mix::Small, 13.0, 15.0)] {
            let mail = Mail::new(mix, 7);
            let kib = mail.mean_octets() / 1024.0;
            assert!((low..high).contains(&kib), "{mix:?}: {kib:.1} KiB");
            for nth in 0..300 {
                let message = mail.message(nth, "a@b.example");
                let whole = [&message.header[..], &message.body[..]].concat();
                assert!(whole.ends_with(b"\r\n") && !whole.windows(3).any(|w| w == b"\r\n."));
                assert!(message.is_kept_in(&[b"Received: x\r\n", &whole[..]].concat()));
                assert!(!message.is_kept_in(&whole[1..]));
            }
        }
    }
}
