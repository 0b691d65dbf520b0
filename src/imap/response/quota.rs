//! QUOTA and QUOTAROOT (RFC 9208 §4.2).

use super::Writer;
use super::text::{push_astring, push_mailbox, push_number};

/// A resource: what is used of it and how much may be. STORAGE counts in units of 1,024 octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaResource<'a> {
    /// Its name, e.g. STORAGE.
    pub name: &'a str,
    /// Used.
    pub usage: u64,
    /// The limit.
    pub limit: u64,
}

impl Writer<'_> {
    /// `* QUOTA root (NAME usage limit ...)`
    pub fn quota(&mut self, root: &str, resources: &[QuotaResource<'_>]) {
        self.out.extend_from_slice(b"* QUOTA ");
        push_astring(self.out, root.as_bytes(), self.style);
        self.out.extend_from_slice(b" (");
        for (at, resource) in resources.iter().enumerate() {
            if at > 0 {
                self.out.extend_from_slice(b" ");
            }
            self.out.extend_from_slice(resource.name.as_bytes());
            self.out.extend_from_slice(b" ");
            push_number(self.out, resource.usage);
            self.out.extend_from_slice(b" ");
            push_number(self.out, resource.limit);
        }
        self.out.extend_from_slice(b")\r\n");
    }

    /// `* QUOTAROOT mailbox root ...`
    pub fn quota_root(&mut self, mailbox: &str, roots: &[&str]) {
        self.out.extend_from_slice(b"* QUOTAROOT ");
        push_mailbox(self.out, mailbox, self.style);
        for root in roots {
            self.out.extend_from_slice(b" ");
            push_astring(self.out, root.as_bytes(), self.style);
        }
        self.out.extend_from_slice(b"\r\n");
    }
}
