//! ENVELOPE (RFC 9051 §7.5.2).

use super::text::{Style, push_nstring};
use bytes::BytesMut;
use message::{Address, Envelope};

pub(crate) fn push_envelope(out: &mut BytesMut, envelope: &Envelope, style: Style) {
    // "the server MUST default the reply-to and sender from the from field"
    let or_from = |list: &'_ [Address]| list.is_empty();
    let sender = if or_from(&envelope.sender) { &envelope.from } else { &envelope.sender };
    let reply_to = if or_from(&envelope.reply_to) { &envelope.from } else { &envelope.reply_to };
    out.extend_from_slice(b"(");
    push_nstring(out, envelope.date.as_deref(), style);
    out.extend_from_slice(b" ");
    push_nstring(out, envelope.subject.as_deref(), style);
    for list in [&envelope.from, sender, reply_to, &envelope.to, &envelope.cc, &envelope.bcc] {
        out.extend_from_slice(b" ");
        push_addresses(out, list, style);
    }
    out.extend_from_slice(b" ");
    push_nstring(out, envelope.in_reply_to.as_deref(), style);
    out.extend_from_slice(b" ");
    push_nstring(out, envelope.message_id.as_deref(), style);
    out.extend_from_slice(b")");
}

fn push_addresses(out: &mut BytesMut, list: &[Address], style: Style) {
    if list.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    out.extend_from_slice(b"(");
    for address in list {
        let words = [&address.name, &address.adl, &address.mailbox, &address.host];
        for (at, word) in words.into_iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"(" } else { b" " });
            push_nstring(out, word.as_deref(), style);
        }
        out.extend_from_slice(b")");
    }
    out.extend_from_slice(b")");
}
