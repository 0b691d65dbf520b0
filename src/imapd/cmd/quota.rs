//! QUOTA (RFC 9208): each account is one quota root. A user's own has the empty name; that of who shares a mailbox with
//! them is called by its address.

use crate::answer::{Answer, Stop};
use crate::client::Client;
use imap::{Code, QuotaResource};
use mail::{MailError, Path};
use types::{AccountId, Rights};

/// STORAGE counts "in units of 1024 octets".
const UNIT: u64 = 1_024;

async fn tell(client: &mut Client, account: AccountId, root: &str) -> Result<(), Stop> {
    let usage = client.shared.mail.usage(account).await?;
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
    client.machine.writer().quota(root, &resources);
    Ok(())
}

pub(crate) async fn get(client: &mut Client, root: &str) -> Result<Answer, Stop> {
    let account = client.account()?;
    if root.is_empty() {
        tell(client, account, root).await?;
        return Ok(Answer::ok());
    }
    match client.shared.mail.readable_account(account, root).await {
        Ok(owner) => tell(client, owner, root).await?,
        Err(MailError::NoMailbox) => {
            return Ok(Answer::no(Code::NonExistent, "No such quota root"));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(Answer::ok())
}

/// "Note that the mailbox name parameter doesn't have to reference an existing mailbox." Of somebody else's it has to, and
/// it "requires "r" right on the mailbox in question" (RFC 9208 §6).
pub(crate) async fn root(client: &mut Client, mailbox: &str) -> Result<Answer, Stop> {
    let account = client.account()?;
    let (owner, root) = match Path::parse(mailbox) {
        Ok(ref path @ Path::Other { ref owner, .. }) => {
            let found = client.shared.mail.find(account, path, Rights::READ).await?;
            (found.reach.target().account, owner.to_string())
        }
        _ => (account, String::new()),
    };
    client.machine.writer().quota_root(mailbox, &[&root]);
    tell(client, owner, &root).await?;
    Ok(Answer::ok())
}
