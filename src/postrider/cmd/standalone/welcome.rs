//! What a person reads when the server is up.

use super::first::FILE;
use crate::ready::{FirstAccount, Ready};
use std::net::SocketAddr;
use std::path::Path;

/// A few friendly lines.
pub fn text(ready: &Ready, folder: &Path) -> String {
    let mut out = format!("\nPostrider is ready. Everything is in {}\n\n", folder.display());
    let nobody = FirstAccount { account: None, password: None };
    let first = ready.first.as_ref().unwrap_or(&nobody);
    if let Some(account) = &first.account {
        let file = folder.join(FILE);
        let password = match &first.password {
            Some(password) => {
                format!("{password}   (also in {}, which only you can read)", file.display())
            }
            None => "was changed since the first start".into(),
        };
        out.push_str(&format!("  account     {account}\n  password    {password}\n"));
    }
    let at = |address: Option<SocketAddr>| address.map_or_else(|| "off".into(), |a| a.to_string());
    out.push_str(&format!(
        "  IMAP        {} (TLS), {} (STARTTLS)\n  POP3        {} (TLS), {} (STLS)\n  submission  {} (TLS), {} (STARTTLS)\n  SMTP        {}\n  health      http://{}/readyz\n",
        at(ready.imaps), at(ready.imap), at(ready.pop3s), at(ready.pop3), at(ready.submissions), at(ready.submission), at(ready.smtp),
        at(ready.http),
    ));
    if let (Some(account), Some(smtp), Some(imaps)) = (&first.account, ready.smtp, ready.imaps) {
        out.push_str(&examples(account, first.password.as_deref(), smtp, imaps));
    }
    out.push_str(&format!(
        "\nThe certificate is self-signed ({}). Ctrl-C stops the server; all mail stays.\n",
        folder.join("tls").display()
    ));
    out
}

fn examples(account: &str, password: Option<&str>, smtp: SocketAddr, imaps: SocketAddr) -> String {
    let password = password.unwrap_or("PASSWORD");
    let (smtp, imaps) = (reachable(smtp), reachable(imaps));
    format!(
        "
Send a message, then read it:
  printf 'Subject: hello\\r\\n\\r\\nIt works.\\r\\n' | curl -sS smtp://{smtp} --mail-from you@example.com --mail-rcpt {account} -T -
  curl -sSk -u '{account}:{password}' 'imaps://{imaps}/INBOX;MAILINDEX=*'

Or: swaks --server {smtp} --to {account}
Any mail client: server {}, user name {account}, the ports above.
",
        imaps.ip()
    )
}

/// Whoever listens everywhere can be reached here.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(a) if a.ip().is_unspecified() => ([127, 0, 0, 1], a.port()).into(),
        SocketAddr::V6(a) if a.ip().is_unspecified() => {
            (std::net::Ipv6Addr::LOCALHOST, a.port()).into()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(password: Option<&str>) -> Ready {
        let mut ready = Ready::default();
        for name in ["smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "http"]
        {
            ready.set(name, &["0.0.0.0:2525".parse().unwrap()]);
        }
        ready.first = Some(FirstAccount {
            account: Some("me@example.test".into()),
            password: password.map(str::to_owned),
        });
        ready
    }

    #[test]
    fn examples_can_be_pasted() {
        let text = text(&ready(Some("abcd-efgh")), Path::new("/d"));
        assert!(text.contains("curl -sSk -u 'me@example.test:abcd-efgh' 'imaps://127.0.0.1:2525/"));
        assert!(text.contains("/d/first-account"));
    }

    #[test]
    fn a_changed_password_is_not_claimed() {
        let text = text(&ready(None), Path::new("/d"));
        assert!(text.contains("was changed") && text.contains(":PASSWORD'"), "{text}");
    }
}
