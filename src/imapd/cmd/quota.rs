//! QUOTA (RFC 9208): each account is one quota root with the empty name.

use crate::answer::{Answer, Stop};
use crate::client::Client;
use imap::{Code, QuotaResource};

/// STORAGE counts "in units of 1024 octets".
const UNIT: u64 = 1_024;

async fn tell(client: &mut Client) -> Result<(), Stop> {
    let usage = client.shared.mail.usage(client.account()?).await?;
    let storage = usage.most_bytes.map(|limit| QuotaResource {
        name: "STORAGE",
        usage: usage.bytes.div_ceil(UNIT),
        limit: limit / UNIT,
    });
    let messages = usage.most_messages.map(|limit| QuotaResource {
        name: "MESSAGE",
        usage: usage.messages,
        limit,
    });
    // "Resources not named in the list are not limited in the quota root."
    let resources: Vec<_> = storage.into_iter().chain(messages).collect();
    client.machine.writer().quota("", &resources);
    Ok(())
}

pub(crate) async fn get(client: &mut Client, root: &str) -> Result<Answer, Stop> {
    if !root.is_empty() {
        return Ok(Answer::no(Code::NonExistent, "No such quota root"));
    }
    tell(client).await?;
    Ok(Answer::ok())
}

/// "Note that the mailbox name parameter doesn't have to reference an existing mailbox."
pub(crate) async fn root(client: &mut Client, mailbox: &str) -> Result<Answer, Stop> {
    client.machine.writer().quota_root(mailbox, &[""]);
    tell(client).await?;
    Ok(Answer::ok())
}
