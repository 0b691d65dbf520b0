//! CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE.

use crate::answer::{Answer, Stop};
use crate::client::Client;
use imap::{Capability, SpecialUse};
use mail::{MailError, Path, Role};

fn name(text: &str) -> Result<Path, MailError> {
    Ok(Path::parse(text)?)
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
    let (id, made) = client.shared.mail.create(account, &name(mailbox)?, role).await?;
    client.made(made);
    Ok(match client.machine.serves(Capability::ObjectId) {
        true => Answer::created(&id.to_string()),
        false => Answer::ok(),
    })
}

pub(crate) async fn delete(client: &mut Client, mailbox: &str) -> Result<Answer, Stop> {
    let account = client.account()?;
    let name = Path::parse(mailbox).map_err(|_| MailError::NoMailbox)?;
    let made = client.shared.mail.delete(account, &name).await?;
    client.made(made);
    Ok(Answer::ok())
}

pub(crate) async fn rename(client: &mut Client, from: &str, to: &str) -> Result<Answer, Stop> {
    let account = client.account()?;
    let from = Path::parse(from).map_err(|_| MailError::NoMailbox)?;
    let made = client.shared.mail.rename(account, &from, &name(to)?).await?;
    client.made(made);
    Ok(Answer::ok())
}

pub(crate) async fn subscribe(client: &mut Client, mailbox: &str) -> Result<Answer, Stop> {
    let account = client.account()?;
    let made = client.shared.mail.subscribe(account, &name(mailbox)?).await?;
    client.made(made);
    Ok(Answer::ok())
}

/// RFC 9051 §6.3.8; a name that was never subscribed to is not an error.
pub(crate) async fn unsubscribe(client: &mut Client, mailbox: &str) -> Result<Answer, Stop> {
    let account = client.account()?;
    let made = client.shared.mail.unsubscribe(account, &name(mailbox)?).await?;
    client.made(made);
    Ok(Answer::ok())
}
