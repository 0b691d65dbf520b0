//! What goes back of the original: all of it, or its header; never more than a bound.

use super::{Action, Report, Return};
use crate::downgrade::is_lines;
use crate::fields::{iter_fields, unfold};

/// Largest original that goes back as a whole.
const MAX_WHOLE: usize = 100 * 1024;
/// Most of a header that goes back.
const MAX_HEADER: usize = 64 * 1024;

/// The third part.
pub(super) struct Returned<'a> {
    pub media_type: &'static str,
    pub content: &'a [u8],
}

/// "RET … applies only to DSNs that indicate delivery failure" (RFC 3461 §4.3); without it the header is
/// enough to recognise a message by.
pub(super) fn choose<'a>(report: &Report<'a>) -> Returned<'a> {
    let failed = report.about.iter().any(|about| about.action == Action::Failed);
    let wanted = failed && report.ret == Some(Return::Full);
    let original = report.original;
    let header = header(original);
    let utf8 = report.smtputf8 && !header.is_ascii();
    if wanted && report.original_is_whole && original.len() <= MAX_WHOLE && is_lines(original) {
        let media_type = if utf8 { "message/global" } else { "message/rfc822" };
        return Returned { media_type, content: original };
    }
    let media_type = if utf8 { "message/global-headers" } else { "text/rfc822-headers" };
    Returned { media_type, content: header }
}

/// Whole lines of the header, as far as the bound and good form allow.
fn header(original: &[u8]) -> &[u8] {
    let mut end = 0;
    for line in original.split_inclusive(|octet| *octet == b'\n') {
        let blank = line == b"\r\n" || line == b"\n";
        if blank || end + line.len() > MAX_HEADER || !line.ends_with(b"\r\n") || !is_lines(line) {
            break;
        }
        end += line.len();
    }
    &original[..end]
}

/// The original's Message-ID, if it is one.
pub(super) fn message_id(original: &[u8]) -> Option<String> {
    let fields = iter_fields(header(original));
    let (_, value) = { fields }.find(|(name, _)| name.eq_ignore_ascii_case("Message-ID"))?;
    let id = unfold(value);
    let inner = id.strip_prefix('<')?.strip_suffix('>')?;
    let sound = inner.bytes().all(|b| b.is_ascii_graphic() && b != b'<' && b != b'>');
    (sound && (3..=250).contains(&inner.len())).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_end_where_they_end() {
        assert_eq!(header(b"A: b\r\nC: d\r\n\r\nbody\r\n"), b"A: b\r\nC: d\r\n");
        assert_eq!(header(b"A: b\r\nC: d"), b"A: b\r\n");
        assert_eq!(header(b"A: b\nC: d\r\n\r\n"), b"");
        assert_eq!(header(b"\r\nbody"), b"");
        assert_eq!(header("X: y\r\n".repeat(50_000).as_bytes()).len(), MAX_HEADER / 6 * 6);
    }

    #[test]
    fn only_sound_ids_are_repeated() {
        assert_eq!(message_id(b"Message-ID:\r\n <a@b>\r\n\r\n").as_deref(), Some("<a@b>"));
        for bad in ["a@b", "<a@b> <c@d>", "<>", "<a b@c>"] {
            assert_eq!(message_id(format!("Message-ID: {bad}\r\n\r\n").as_bytes()), None, "{bad}");
        }
    }
}
