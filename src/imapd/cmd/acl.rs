//! SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS (RFC 4314).

use crate::answer::{Answer, Stop};
use crate::client::Client;
use imap::{AclChange, Identifier};
use mail::{MailError, Path, RightsOp};
use types::Rights;

/// A name that is not legal is a mailbox that does not exist.
fn named(mailbox: &str) -> Result<Path, MailError> {
    Path::parse(mailbox).map_err(|_| MailError::NoMailbox)
}

pub(crate) async fn set(
    client: &mut Client,
    mailbox: &str,
    identifier: &Identifier,
    change: AclChange,
) -> Result<Answer, Stop> {
    let (op, rights) = match change {
        AclChange::Replace(rights) => (RightsOp::Set, rights),
        AclChange::Add(rights) => (RightsOp::Add, rights),
        AclChange::Remove(rights) => (RightsOp::Remove, rights),
    };
    let (user, path) = (client.account()?, named(mailbox)?);
    let mail = client.shared.mail.clone();
    let made = mail.set_acl(user, &path, &identifier.prepared, op, rights).await?;
    client.made(made);
    Ok(Answer::ok())
}

/// "removes any <identifier,rights> pair for the specified identifier"
pub(crate) async fn delete(
    client: &mut Client,
    mailbox: &str,
    identifier: &Identifier,
) -> Result<Answer, Stop> {
    set(client, mailbox, identifier, AclChange::Replace(Rights::NONE)).await
}

pub(crate) async fn get(client: &mut Client, mailbox: &str) -> Result<Answer, Stop> {
    let (user, path) = (client.account()?, named(mailbox)?);
    let entries = client.shared.mail.acl(user, &path).await?;
    client.machine.writer().acl(mailbox, &entries);
    Ok(Answer::ok())
}

pub(crate) async fn list_rights(
    client: &mut Client,
    mailbox: &str,
    identifier: &Identifier,
) -> Result<Answer, Stop> {
    let (user, path) = (client.account()?, named(mailbox)?);
    let mail = client.shared.mail.clone();
    let required = mail.required_rights(user, &path, &identifier.prepared).await?;
    client.machine.writer().list_rights(mailbox, &identifier.given, required);
    Ok(Answer::ok())
}

pub(crate) async fn my_rights(client: &mut Client, mailbox: &str) -> Result<Answer, Stop> {
    let (user, path) = (client.account()?, named(mailbox)?);
    let rights = client.shared.mail.my_rights(user, &path).await?;
    client.machine.writer().my_rights(mailbox, rights);
    Ok(Answer::ok())
}
