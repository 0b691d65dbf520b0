//! GETMETADATA and SETMETADATA (RFC 5464). Private annotations are each user's own, of shared mailboxes and of the server
//! too.

use crate::answer::{Answer, Stop};
use crate::client::Client;
use crate::cmd::filters;
use imap::{Code, Depth, GetMetadata, MetadataEntry};
use mail::{MAX_METADATA_VALUE, MailError, Path};

/// The empty name is the server.
fn place(mailbox: &str) -> Result<Option<Path>, MailError> {
    match mailbox {
        "" => Ok(None),
        name => Ok(Some(Path::parse(name).map_err(|_| MailError::NoMailbox)?)),
    }
}

pub(crate) async fn get(client: &mut Client, get: &GetMetadata) -> Result<Answer, Stop> {
    let account = client.account()?;
    let depth = match get.depth {
        Depth::Zero => 0,
        Depth::One => 1,
        Depth::Infinity => 2,
    };
    let name = place(&get.mailbox)?;
    let mail = client.shared.mail.clone();
    let found = mail.metadata(account, name.as_ref(), &get.entries, depth).await?;
    let most = get.max_size.unwrap_or(u64::MAX);
    let longest = found.iter().map(|annotation| annotation.value.len() as u64).max().unwrap_or(0);
    let short = found.iter().filter(|annotation| annotation.value.len() as u64 <= most);
    for annotation in short {
        let one = (annotation.entry.as_str(), Some(annotation.value.as_slice()));
        client.machine.writer().metadata(&get.mailbox, &[one]);
        client.wire.send_some(client.machine.output()).await?;
    }
    if longest > most {
        let code = Code::MetadataLongEntries(longest);
        return Ok(Answer::ok_with(code, "Some values are longer"));
    }
    Ok(Answer::ok())
}

pub(crate) async fn set(
    client: &mut Client,
    mailbox: &str,
    entries: &[MetadataEntry],
) -> Result<Answer, Stop> {
    let account = client.account()?;
    let too_large = |(_, value): &MetadataEntry| {
        value.as_ref().is_some_and(|value| value.len() > MAX_METADATA_VALUE)
    };
    if entries.iter().any(too_large) {
        let code = Code::MetadataMaxSize(MAX_METADATA_VALUE as u64);
        return Ok(Answer::no(code, "A value is too large"));
    }
    let shared = |(entry, _): &MetadataEntry| !entry.starts_with("/private");
    if mailbox.is_empty() && entries.iter().any(shared) {
        return Ok(Answer::no(Code::NoPerm, "What is shared of the server is its operator's"));
    }
    if mailbox.is_empty() && !entries.iter().all(|entry| filters::is_sound(&client.machine, entry))
    {
        return Ok(Answer::no(Code::Cannot, "A filter holds the keys of a SEARCH"));
    }
    let name = place(mailbox)?;
    let made = client.shared.mail.set_metadata(account, name.as_ref(), entries).await?;
    client.made(made);
    Ok(Answer::ok())
}
