//! NOOP, CHECK, ID, NAMESPACE.

use crate::answer::{Answer, Stop};
use crate::client::Client;
use crate::update::Look;
use imap::NamespaceEntry;
use mail::{OTHERS, SEPARATOR};

/// NOOP and CHECK: a look that the client asked for, so it hears when it was not possible.
pub(crate) async fn noop(client: &mut Client) -> Result<Answer, Stop> {
    client.update(Look::Now).await?;
    Ok(Answer::ok())
}

/// RFC 2971. What the client says is for the log; "implementations MUST NOT make operational changes based on
/// the data".
pub(crate) fn id(client: &mut Client, said: &[(String, Option<String>)]) -> Answer {
    let told = |name: &str| {
        let value = said.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        value.and_then(|(_, value)| value.clone()).unwrap_or_default()
    };
    let (name, version) = (told("name"), told("version"));
    tracing::debug!(peer = %client.peer, %name, %version, "the client said what it is");
    let version = env!("CARGO_PKG_VERSION");
    client.machine.writer().id(&[("name", "Postrider"), ("version", version)]);
    Answer::ok()
}

/// RFC 2342: a user's own mailboxes have no prefix; those of others stand below one level, by the owner's address.
pub(crate) fn namespace(client: &mut Client) -> Answer {
    let others = format!("{OTHERS}{SEPARATOR}");
    let (own, others) = (NamespaceEntry { prefix: "" }, NamespaceEntry { prefix: &others });
    client.machine.writer().namespace(&[own], &[others], &[]);
    Answer::ok()
}
