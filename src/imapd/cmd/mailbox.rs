//! CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE.

use crate::answer::{Answer, Stop};
use crate::client::Client;
use imap::{Capability, SpecialUse};
use mail::{MailError, MailboxName, Role};

fn name(text: &str) -> Result<MailboxName, MailError> {
    Ok(MailboxName::parse(text)?)
}

pub(crate) async fn create(
    client: &mut Client,
    mailbox: &str,
    special_use: &[SpecialUse],
) -> Result<Answer, Stop> {
    let role = match special_use {
        [] => Role::None,
        [one] => Role::from_attribute(one.name()).ok_or(MailError::UseTaken)?,
        // RFC 6154 §3: "if the server cannot create a mailbox with all the attributes": one is all it has.
        _ => return Err(MailError::UseTaken.into()),
    };
    let account = client.account()?;
    let (id, modseq) = client.shared.mail.create(account, &name(mailbox)?, role).await?;
    client.made(modseq);
    Ok(match client.machine.serves(Capability::ObjectId) {
        true => Answer::created(&id.to_string()),
        false => Answer::ok(),
    })
}

pub(crate) async fn delete(client: &mut Client, mailbox: &str) -> Result<Answer, Stop> {
    let account = client.account()?;
    let name = MailboxName::parse(mailbox).map_err(|_| MailError::NoMailbox)?;
    let modseq = client.shared.mail.delete(account, &name).await?;
    client.made(modseq);
    Ok(Answer::ok())
}

pub(crate) async fn rename(client: &mut Client, from: &str, to: &str) -> Result<Answer, Stop> {
    let account = client.account()?;
    let from = MailboxName::parse(from).map_err(|_| MailError::NoMailbox)?;
    let modseq = client.shared.mail.rename(account, &from, &name(to)?).await?;
    client.made(modseq);
    Ok(Answer::ok())
}

pub(crate) async fn subscribe(client: &mut Client, mailbox: &str) -> Result<Answer, Stop> {
    let account = client.account()?;
    let modseq = client.shared.mail.subscribe(account, &name(mailbox)?).await?;
    client.made(modseq);
    Ok(Answer::ok())
}

/// RFC 9051 §6.3.8; a name that was never subscribed to is not an error.
pub(crate) async fn unsubscribe(client: &mut Client, mailbox: &str) -> Result<Answer, Stop> {
    let account = client.account()?;
    let modseq = client.shared.mail.unsubscribe(account, &name(mailbox)?).await?;
    client.made(modseq);
    Ok(Answer::ok())
}
