//! URLAUTH (RFC 4467 §7).

use super::Writer;
use super::text::{push_literal_head, push_string};

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
