//! What a node says once every listener accepts.

use serde::Serialize;
use std::net::SocketAddr;

/// One line of JSON on stdout (`--ready-json`): the first address of each listener.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Ready {
    /// This run of this node.
    pub node: String,
    /// SMTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smtp: Option<SocketAddr>,
    /// Submission with STARTTLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submission: Option<SocketAddr>,
    /// Submission with implicit TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submissions: Option<SocketAddr>,
    /// LMTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lmtp: Option<SocketAddr>,
    /// IMAP with STARTTLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imap: Option<SocketAddr>,
    /// IMAP with implicit TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imaps: Option<SocketAddr>,
    /// POP3 with STLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pop3: Option<SocketAddr>,
    /// POP3 with implicit TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pop3s: Option<SocketAddr>,
    /// Health and metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<SocketAddr>,
    /// Standalone: the first account.
    #[serde(flatten)]
    pub first: Option<FirstAccount>,
}

/// The account that standalone made at its first start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FirstAccount {
    /// Its address; `None` when somebody tidied it away.
    pub account: Option<String>,
    /// Its password; `None` when it was changed since.
    pub password: Option<String>,
}

impl Ready {
    /// Notes where a listener listens.
    pub fn set(&mut self, name: &str, addresses: &[SocketAddr]) {
        let first = addresses.first().copied();
        match name {
            "smtp" => self.smtp = first,
            "submission" => self.submission = first,
            "submissions" => self.submissions = first,
            "lmtp" => self.lmtp = first,
            "imap" => self.imap = first,
            "imaps" => self.imaps = first,
            "pop3" => self.pop3 = first,
            "pop3s" => self.pop3s = first,
            "http" => self.http = first,
            _ => {}
        }
    }

    /// The line.
    pub fn line(&self) -> String {
        // A struct of texts and addresses always has a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_what_there_is() {
        let mut ready = Ready { node: "N1".into(), ..Ready::default() };
        ready.set("smtp", &["127.0.0.1:2525".parse().unwrap(), "[::1]:2525".parse().unwrap()]);
        ready.set("http", &["127.0.0.1:8080".parse().unwrap()]);
        assert_eq!(
            ready.line(),
            r#"{"node":"N1","smtp":"127.0.0.1:2525","http":"127.0.0.1:8080"}"#
        );
        ready.first = Some(FirstAccount { account: Some("me@x.test".into()), password: None });
        assert!(ready.line().ends_with(r#""account":"me@x.test","password":null}"#));
    }
}
