//! The lowest layer of a standalone's configuration.

use super::folder::Folder;
use crate::config::hostname;
use crate::exit::{Failure, Outcome};
use net::CertificateFiles;
use std::net::{IpAddr, Ipv4Addr};
use toml::{Table, Value};

/// Where the listeners are.
pub struct Ports {
    smtp: u16,
    submission: u16,
    submissions: u16,
    lmtp: u16,
    imap: u16,
    imaps: u16,
    pop3: u16,
    pop3s: u16,
    http: u16,
}

impl Ports {
    /// Nobody needs a privilege for these.
    pub const UNPRIVILEGED: Self = Self {
        smtp: 2525,
        submission: 2587,
        submissions: 2465,
        lmtp: 2424,
        imap: 2143,
        imaps: 2993,
        pop3: 2110,
        pop3s: 2995,
        http: 8080,
    };
    /// Where the world looks for mail.
    pub const STANDARD: Self = Self {
        smtp: 25,
        submission: 587,
        submissions: 465,
        lmtp: 24,
        imap: 143,
        imaps: 993,
        pop3: 110,
        pop3s: 995,
        http: 8080,
    };
    /// Any free ones.
    pub const EPHEMERAL: Self = Self {
        smtp: 0,
        submission: 0,
        submissions: 0,
        lmtp: 0,
        imap: 0,
        imaps: 0,
        pop3: 0,
        pop3s: 0,
        http: 0,
    };
}

/// What the node stands on.
///
/// # Errors
/// TOML cannot say it.
pub fn node(
    folder: &Folder,
    url: &str,
    certificate: &CertificateFiles,
    listen: IpAddr,
    ports: &Ports,
) -> Outcome<String> {
    let mut config = places(folder, url);
    config.insert("hostname".into(), mail_name().into());
    let files = [("certificate", &certificate.certificate), ("key", &certificate.key)];
    let pair: Table = files.into_iter().map(|(k, v)| (k.to_owned(), text(v))).collect();
    config.insert("tls".into(), table([("certificates", Value::Array(vec![pair.into()]))]));
    let home = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let listeners = [
        ("smtp", listen, ports.smtp),
        ("submission", listen, ports.submission),
        ("submissions", listen, ports.submissions),
        ("imap", listen, ports.imap),
        ("imaps", listen, ports.imaps),
        ("pop3", listen, ports.pop3),
        ("pop3s", listen, ports.pop3s),
        // Whoever can reach these needs no password.
        ("lmtp", home, ports.lmtp),
        ("http", home, ports.http),
    ];
    let listen = listeners.map(|(name, ip, port)| {
        let address = std::net::SocketAddr::new(ip, port).to_string();
        (name, table([("addresses", Value::Array(vec![address.into()]))]))
    });
    config.insert("listen".into(), table(listen));
    // There is no other node for the clients to come back to.
    config.insert("limits".into(), table([("drain_seconds", Value::Integer(2))]));
    written(&config)
}

/// What operator commands need, for a file of its own.
///
/// # Errors
/// As [`node`].
pub fn operator(folder: &Folder, url: &str) -> Outcome<String> {
    let config = written(&places(folder, url))?;
    let dir = folder.path().display();
    Ok(format!(
        "# Written at every start, for operator commands: postrider doctor --data {dir}\n\n{config}"
    ))
}

fn written(config: &Table) -> Outcome<String> {
    toml::to_string(config).map_err(|error| Failure::failed(error.to_string()))
}

fn places(folder: &Folder, url: &str) -> Table {
    let blobs = text(&folder.path().join("blobs"));
    [
        ("postgres".to_owned(), table([("url", url.into())])),
        ("blob".to_owned(), table([("kind", "folder".into()), ("path", blobs)])),
        ("coordinator".to_owned(), table([("kind", "local".into())])),
        ("secrets".to_owned(), table([("key_file", text(&folder.secret_key()))])),
    ]
    .into_iter()
    .collect()
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Table(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn text(path: &std::path::Path) -> Value {
    Value::String(path.display().to_string())
}

/// The machine's name, if mail can carry it.
pub fn mail_name() -> String {
    types::EmailAddress::normalise_domain(&hostname()).unwrap_or_else(|_| "localhost".into())
}

/// The machine's domain, or one that exists nowhere (RFC 2606 §2).
pub fn default_domain() -> String {
    let name = mail_name();
    let has_letters = |label: &str| label.chars().any(|c| c.is_ascii_alphabetic());
    match name.rsplit_once('.') {
        Some((_, top)) if has_letters(top) => name,
        _ => "example.test".into(),
    }
}
