//! URLAUTH (RFC 4467 §7), URLAUTH=BINARY (RFC 5524 §3.2).

use super::Writer;
use super::structure::push_body;
use super::text::{push_literal_head, push_string};
use message::Part;

impl Writer<'_> {
    /// `* GENURLAUTH url ...`
    pub fn gen_url_auth(&mut self, urls: &[String]) {
        self.out.extend_from_slice(b"* GENURLAUTH");
        for url in urls {
            self.out.extend_from_slice(b" ");
            push_string(self.out, url.as_bytes(), self.style);
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// `* URLFETCH url {n}`: exactly `size` octets must follow in [`Writer::out`], then [`Writer::end_line`].
    pub fn url_fetch(&mut self, url: &str, size: u64) {
        self.begin_url_fetch(url);
        push_literal_head(self.out, size);
    }

    /// `* URLFETCH url NIL`: not to be had.
    pub fn url_fetch_nil(&mut self, url: &str) {
        self.begin_url_fetch(url);
        self.out.extend_from_slice(b"NIL\r\n");
    }

    /// `* URLFETCH url`, and the structure of its data if that is wanted; [`Writer::url_fetch_data`] or
    /// [`Writer::end_line`] comes next.
    pub fn url_fetch_parts(&mut self, url: &str, structure: Option<&Part>) {
        self.out.extend_from_slice(b"* URLFETCH ");
        push_string(self.out, url.as_bytes(), self.style);
        if let Some(part) = structure {
            self.out.extend_from_slice(b" (BODYPARTSTRUCTURE ");
            push_body(self.out, part, true, self.style);
            self.out.extend_from_slice(b")");
        }
    }

    /// ` (BODY {n}` or ` (BINARY ~{n}`: exactly `size` octets must follow in [`Writer::out`], then
    /// [`Writer::end_url_fetch_data`]. "Data containing NUL octets MUST be transferred using the literal8 syntax" (§3.1).
    pub fn url_fetch_data(&mut self, decoded: bool, nul: bool, size: u64) {
        self.out.extend_from_slice(if decoded { b" (BINARY " } else { b" (BODY " });
        self.out.extend_from_slice(if nul { b"~" } else { b"" });
        push_literal_head(self.out, size);
    }

    /// ` (BINARY NIL)`: it cannot be decoded.
    pub fn url_fetch_not_decoded(&mut self) {
        self.out.extend_from_slice(b" (BINARY NIL)");
    }

    /// The end of the data.
    pub fn end_url_fetch_data(&mut self) {
        self.out.extend_from_slice(b")");
    }

    fn begin_url_fetch(&mut self, url: &str) {
        self.out.extend_from_slice(b"* URLFETCH ");
        push_string(self.out, url.as_bytes(), self.style);
        self.out.extend_from_slice(b" ");
    }

    /// The end of a line.
    pub fn end_line(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }
}
