//! METADATA (RFC 5464 §4.4).

use super::Writer;
use super::text::{push_astring, push_literal_head, push_mailbox, push_string};

impl Writer<'_> {
    /// `* METADATA mailbox (entry value ...)`; the empty mailbox is the server.
    pub fn metadata(&mut self, mailbox: &str, values: &[(&str, Option<&[u8]>)]) {
        self.out.extend_from_slice(b"* METADATA ");
        push_mailbox(self.out, mailbox, self.style);
        for (at, (entry, value)) in values.iter().enumerate() {
            self.out.extend_from_slice(if at == 0 { b" (" } else { b" " });
            push_astring(self.out, entry.as_bytes(), self.style);
            self.out.extend_from_slice(b" ");
            match value {
                None => self.out.extend_from_slice(b"NIL"),
                Some(value) if memchr::memchr(0, value).is_some() => {
                    self.out.extend_from_slice(b"~");
                    push_literal_head(self.out, value.len() as u64);
                    self.out.extend_from_slice(value);
                }
                Some(value) => push_string(self.out, value, self.style),
            }
        }
        self.out.extend_from_slice(b")\r\n");
    }

    /// `* METADATA mailbox entry ...`: these changed. "Unsolicited METADATA responses MUST only contain entry names".
    pub fn metadata_changed(&mut self, mailbox: &str, entries: &[&str]) {
        self.out.extend_from_slice(b"* METADATA ");
        push_mailbox(self.out, mailbox, self.style);
        for entry in entries {
            self.out.extend_from_slice(b" ");
            push_astring(self.out, entry.as_bytes(), self.style);
        }
        self.out.extend_from_slice(b"\r\n");
    }
}
