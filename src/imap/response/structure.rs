//! BODY and BODYSTRUCTURE (RFC 9051 §7.5.2).

use super::envelope::push_envelope;
use super::text::{Style, push_nstring, push_number, push_string};
use bytes::BytesMut;
use message::{Envelope, Kind, Part};

/// What stands for a body where the grammar wants one and there is none.
const NO_BODY: &[u8] = b"(\"text\" \"plain\" NIL NIL NIL \"7BIT\" 0 0)";

/// The body of a part; `extended` adds what only BODYSTRUCTURE shows.
pub(crate) fn push_body(out: &mut BytesMut, part: &Part, extended: bool, style: Style) {
    out.extend_from_slice(b"(");
    match &part.kind {
        Kind::Multipart(children) => push_multipart(out, part, children, extended, style),
        Kind::Leaf | Kind::Message(_) => {
            push_fields(out, part, style);
            push_kind(out, part, extended, style);
            if extended {
                out.extend_from_slice(b" ");
                push_nstring(out, part.md5.as_deref(), style);
                push_rest(out, part, style);
            }
        }
    }
    out.extend_from_slice(b")");
}

fn push_multipart(
    out: &mut BytesMut,
    part: &Part,
    children: &[Part],
    extended: bool,
    style: Style,
) {
    children.iter().for_each(|child| push_body(out, child, extended, style));
    if children.is_empty() {
        // body-type-mpart = 1*body ...
        out.extend_from_slice(NO_BODY);
    }
    out.extend_from_slice(b" ");
    push_string(out, part.subtype.as_bytes(), style);
    if extended {
        out.extend_from_slice(b" ");
        push_params(out, &part.params, style);
        push_rest(out, part, style);
    }
}

/// Type, subtype and `body-fields`.
fn push_fields(out: &mut BytesMut, part: &Part, style: Style) {
    push_string(out, part.media_type.as_bytes(), style);
    out.extend_from_slice(b" ");
    push_string(out, part.subtype.as_bytes(), style);
    out.extend_from_slice(b" ");
    push_params(out, &part.params, style);
    out.extend_from_slice(b" ");
    push_nstring(out, part.id.as_deref(), style);
    out.extend_from_slice(b" ");
    push_nstring(out, part.description.as_deref(), style);
    out.extend_from_slice(b" ");
    push_string(out, part.encoding.as_bytes(), style);
    out.extend_from_slice(b" ");
    // body-fld-octets = number: 32 bits.
    push_number(out, part.octets().min(u64::from(u32::MAX)));
}

/// What text and messages have beside the fields.
fn push_kind(out: &mut BytesMut, part: &Part, extended: bool, style: Style) {
    let is_message = part.is("message", "rfc822") || part.is("message", "global");
    if let Kind::Message(inner) = &part.kind {
        out.extend_from_slice(b" ");
        push_envelope(out, &inner.0, style);
        out.extend_from_slice(b" ");
        push_body(out, &inner.1, extended, style);
    } else if is_message {
        // Encoded or nested too deep: "MESSAGE subtype MUST NOT be RFC822" without these two.
        out.extend_from_slice(b" ");
        push_envelope(out, &Envelope::default(), style);
        out.extend_from_slice(b" ");
        out.extend_from_slice(NO_BODY);
    } else if !part.media_type.eq_ignore_ascii_case("text") {
        return;
    }
    out.extend_from_slice(b" ");
    push_number(out, part.lines);
}

/// Disposition, language, location.
fn push_rest(out: &mut BytesMut, part: &Part, style: Style) {
    out.extend_from_slice(b" ");
    match &part.disposition {
        Some(disposition) => {
            out.extend_from_slice(b"(");
            push_string(out, disposition.kind.as_bytes(), style);
            out.extend_from_slice(b" ");
            push_params(out, &disposition.params, style);
            out.extend_from_slice(b")");
        }
        None => out.extend_from_slice(b"NIL"),
    }
    out.extend_from_slice(b" ");
    match part.language.as_slice() {
        [] => out.extend_from_slice(b"NIL"),
        [one] => push_string(out, one.as_bytes(), style),
        many => {
            for (at, language) in many.iter().enumerate() {
                out.extend_from_slice(if at == 0 { b"(" } else { b" " });
                push_string(out, language.as_bytes(), style);
            }
            out.extend_from_slice(b")");
        }
    }
    out.extend_from_slice(b" ");
    push_nstring(out, part.location.as_deref(), style);
}

fn push_params(out: &mut BytesMut, params: &[(String, String)], style: Style) {
    for (at, (name, value)) in params.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"(" } else { b" " });
        push_string(out, name.as_bytes(), style);
        out.extend_from_slice(b" ");
        push_string(out, value.as_bytes(), style);
    }
    out.extend_from_slice(if params.is_empty() { b"NIL" } else { b")" });
}
