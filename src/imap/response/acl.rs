//! ACL, LISTRIGHTS and MYRIGHTS (RFC 4314 §3.6 to §3.8).

use super::Writer;
use super::text::{push_astring, push_mailbox};
use types::Rights;

impl Writer<'_> {
    /// `* ACL mailbox identifier rights ...`
    pub fn acl(&mut self, mailbox: &str, entries: &[(impl AsRef<str>, Rights)]) {
        self.out.extend_from_slice(b"* ACL ");
        push_mailbox(self.out, mailbox, self.style);
        for (identifier, rights) in entries {
            self.out.extend_from_slice(b" ");
            push_astring(self.out, identifier.as_ref().as_bytes(), self.style);
            self.rights(*rights);
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// `* LISTRIGHTS mailbox identifier required optional ...`: no right is tied to another one. "If the identifier ...
    /// can be granted any of the "delete" member rights on a mailbox, then the server MUST include the "d" right", by
    /// itself, and so for "c" (RFC 4314 §2.1.1).
    pub fn list_rights(&mut self, mailbox: &str, identifier: &str, required: Rights) {
        self.out.extend_from_slice(b"* LISTRIGHTS ");
        push_mailbox(self.out, mailbox, self.style);
        self.out.extend_from_slice(b" ");
        push_astring(self.out, identifier.as_bytes(), self.style);
        self.rights(required);
        for letter in Rights::ALL.without(required).letters() {
            self.out.extend_from_slice(&[b' ', letter as u8]);
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// `* MYRIGHTS mailbox rights`
    pub fn my_rights(&mut self, mailbox: &str, rights: Rights) {
        self.out.extend_from_slice(b"* MYRIGHTS ");
        push_mailbox(self.out, mailbox, self.style);
        self.rights(rights);
        self.out.extend_from_slice(b"\r\n");
    }

    fn rights(&mut self, rights: Rights) {
        self.out.extend_from_slice(b" ");
        push_astring(self.out, rights.to_string().as_bytes(), self.style);
    }
}
