//! Binary content as base64 (RFC 3516 §4.4: "The server MAY modify the CTE of the appended data"), so that a message
//! can be sent where no NUL may be.
//!
//! Only parts that say they are binary are written anew, and the encodings of what they stand in; what is signed stays
//! as it is. The result is a list of steps over ranges of the message, so that nothing of a body is in memory.

use crate::downgrade::write_header;
use crate::downgrade::{LINE_OCTETS, base64};
use crate::structure::{Kind, Part, Structure};
use std::ops::Range;

/// A step of writing a message anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// These octets as they are.
    Copy(Range<u64>),
    /// These octets are a header: with this encoding ([`header_with`]). `top`: the message's own.
    Header {
        /// Where it is.
        range: Range<u64>,
        /// Content-Transfer-Encoding.
        encoding: &'static str,
        /// The message's own.
        top: bool,
    },
    /// These octets as base64 ([`Base64Lines`]).
    Encode(Range<u64>),
}

/// The steps that write a message without its binary parts.
#[must_use]
pub fn without_binary(structure: &Structure) -> Vec<Step> {
    let mut steps = Steps(Vec::new());
    steps.entity(&structure.root, true);
    steps.copy(structure.root.body_end..structure.size);
    steps.0
}

struct Steps(Vec<Step>);

impl Steps {
    fn copy(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        match self.0.last_mut() {
            Some(Step::Copy(before)) if before.end == range.start => before.end = range.end,
            _ => self.0.push(Step::Copy(range)),
        }
    }

    fn header(&mut self, part: &Part, encoding: &'static str, top: bool) {
        let range = part.header_start..part.body_start;
        if part.encoding.eq_ignore_ascii_case("binary") {
            self.0.push(Step::Header { range, encoding, top });
        } else {
            self.copy(range);
        }
    }

    fn entity(&mut self, part: &Part, top: bool) {
        let binary = part.encoding.eq_ignore_ascii_case("binary");
        match &part.kind {
            Kind::Multipart(parts) if !part.is("multipart", "signed") => {
                self.header(part, "8bit", top);
                let mut at = part.body_start;
                for inner in parts {
                    self.copy(at..inner.header_start);
                    self.entity(inner, false);
                    at = inner.body_end;
                }
                self.copy(at..part.body_end);
            }
            Kind::Message(inner) if part.is("message", "rfc822") => {
                self.header(part, "8bit", top);
                self.entity(&inner.1, false);
                self.copy(inner.1.body_end..part.body_end);
            }
            Kind::Leaf if binary => {
                self.header(part, "base64", top);
                self.0.push(Step::Encode(part.body_start..part.body_end));
            }
            _ => self.copy(part.header_start..part.body_end),
        }
    }
}

/// A header with another Content-Transfer-Encoding.
#[must_use]
pub fn header_with(header: &[u8], encoding: &str, top: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(header.len() + 64);
    write_header(&mut out, header, encoding, top);
    out
}

/// base64 in lines (RFC 2045 §6.8) of octets that come in pieces.
#[derive(Debug, Default)]
pub struct Base64Lines {
    rest: Vec<u8>,
    begun: bool,
}

impl Base64Lines {
    /// Takes octets and writes the lines that are full.
    pub fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        self.rest.extend_from_slice(octets);
        let whole = self.rest.len() / LINE_OCTETS * LINE_OCTETS;
        let rest = self.rest.split_off(whole);
        let lines = std::mem::replace(&mut self.rest, rest);
        self.write(&lines, out);
    }

    /// Writes what is left. The last line has no end: the line end before a boundary is the boundary's.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        let rest = std::mem::take(&mut self.rest);
        self.write(&rest, out);
    }

    fn write(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        if octets.is_empty() {
            return;
        }
        if std::mem::replace(&mut self.begun, true) {
            out.extend_from_slice(b"\r\n");
        }
        base64(octets, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scanner;
    use crate::decode_body;
    use proptest::prelude::*;

    fn scanned(message: &[u8]) -> Structure {
        let mut scanner = Scanner::new();
        scanner.feed(message);
        scanner.finish().structure
    }

    fn rewritten(message: &[u8]) -> Vec<u8> {
        let slice = |range: &Range<u64>| &message[range.start as usize..range.end as usize];
        let mut out = Vec::new();
        for step in without_binary(&scanned(message)) {
            match step {
                Step::Copy(range) => out.extend_from_slice(slice(&range)),
                Step::Header { range, encoding, top } => {
                    out.extend(header_with(slice(&range), encoding, top));
                }
                Step::Encode(range) => {
                    let mut lines = Base64Lines::default();
                    slice(&range).chunks(100).for_each(|piece| lines.push(piece, &mut out));
                    lines.finish(&mut out);
                }
            }
        }
        out
    }

    #[test]
    fn only_binary_parts_change() {
        let message =
            b"From: a@x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\
            Content-Transfer-Encoding: binary\r\n\r\npreamble\r\n--b\r\n\r\ntext\r\n--b\r\n\
            Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: BINARY\r\n\r\n\
            a\0b\r\n--b--\r\nepilogue\r\n";
        let text = String::from_utf8(rewritten(message)).unwrap();
        assert_eq!(
            text,
            "From: a@x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\
            Content-Transfer-Encoding: 8bit\r\n\r\npreamble\r\n--b\r\n\r\ntext\r\n--b\r\n\
            Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n\
            YQBi\r\n--b--\r\nepilogue\r\n"
        );
    }

    #[test]
    fn what_is_signed_stays() {
        let message = b"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\
            Content-Transfer-Encoding: binary\r\n\r\na\0b\r\n--b--\r\n";
        assert_eq!(rewritten(message), message);
    }

    proptest! {
        #[test]
        fn octets_come_back(body in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut message = b"Subject: x\r\nContent-Transfer-Encoding: binary\r\n\
                Content-Type: application/x-y\r\n\r\n".to_vec();
            message.extend_from_slice(&body);
            let out = rewritten(&message);
            prop_assert!(out.is_ascii() && !out.contains(&0));
            let structure = scanned(&out);
            let part = &structure.root;
            let encoded = &out[part.body_start as usize..part.body_end as usize];
            prop_assert!(part.encoding.eq_ignore_ascii_case("base64"));
            prop_assert_eq!(decode_body("base64", encoded).to_vec(), body);
        }

        #[test]
        fn any_message_is_covered(message in prop::collection::vec(any::<u8>(), 0..300)) {
            if !message.to_ascii_lowercase().windows(6).any(|word| word == b"binary") {
                prop_assert_eq!(rewritten(&message), message);
            }
        }
    }
}
