//! Single-line responses and their codes (RFC 2449 §8, RFC 3206).

use bytes::BytesMut;

/// An extended response code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// The maildrop has another session (RFC 2449 §8.1.2).
    InUse,
    /// The credentials are the problem (RFC 3206 §4).
    Auth,
    /// Trying again later is right (RFC 3206 §4).
    SysTemp,
    /// Somebody has to do something first (RFC 3206 §4).
    SysPerm,
}

impl Code {
    fn text(self) -> &'static str {
        match self {
            Self::InUse => "IN-USE",
            Self::Auth => "AUTH",
            Self::SysTemp => "SYS/TEMP",
            Self::SysPerm => "SYS/PERM",
        }
    }
}

/// Writes `+OK text`.
pub(crate) fn ok(output: &mut BytesMut, text: &str) {
    line(output, "+OK ", None, text);
}

/// Writes `-ERR [code] text`.
pub(crate) fn err(output: &mut BytesMut, code: Option<Code>, text: &str) {
    line(output, "-ERR ", code, text);
}

/// "Responses may be up to 512 characters long": texts are short, and none begins with `[` by itself.
fn line(output: &mut BytesMut, status: &str, code: Option<Code>, text: &str) {
    output.extend_from_slice(status.as_bytes());
    if let Some(code) = code {
        output.extend_from_slice(format!("[{}] ", code.text()).as_bytes());
    }
    output.extend_from_slice(text.as_bytes());
    output.extend_from_slice(b"\r\n");
}
