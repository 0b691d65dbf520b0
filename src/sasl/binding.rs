//! What ties an exchange to the TLS connection it runs over, so that nobody in the middle can pass it on.

/// Channel bindings of a connection; empty without TLS, or where SCRAM-SHA-256-PLUS is not offered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bindings {
    /// `tls-exporter` (RFC 9266).
    pub exporter: Option<Vec<u8>>,
    /// `tls-server-end-point` (RFC 5929 §4).
    pub end_point: Option<Vec<u8>>,
}

impl Bindings {
    /// Whether there is any.
    #[must_use]
    pub fn any(&self) -> bool {
        self.exporter.is_some() || self.end_point.is_some()
    }

    /// By the name that a client chose.
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        match name {
            "tls-exporter" => self.exporter.as_deref(),
            "tls-server-end-point" => self.end_point.as_deref(),
            _ => None,
        }
    }
}
