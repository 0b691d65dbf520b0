//! The octets that a URL means (RFC 5092), for CATENATE and URLFETCH.

use crate::answer::{Answer, Stop};
use crate::client::Client;
use crate::cmd::fetch::pieces::{self, Piece, Stream};
use bytes::Bytes;
use imap::{Code, FetchItem, MessageUrl};
use mail::{Mail, MailError, Message, Pages, Path, Target, UidSet};
use std::sync::Arc;
use types::Rights;

/// The octets of a message or a part of one.
pub(super) enum Octets {
    /// These.
    Here(Option<Bytes>),
    /// What comes.
    Coming(Box<Stream>),
}

impl Octets {
    /// How many are left.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Here(octets) => octets.as_ref().map_or(0, |octets| octets.len() as u64),
            Self::Coming(stream) => stream.len(),
        }
    }

    /// The next of them.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, MailError> {
        match self {
            Self::Here(octets) => Ok(octets.take().filter(|octets| !octets.is_empty())),
            Self::Coming(stream) => stream.next().await,
        }
    }
}

/// What a URL means in this session, as FETCH BODY.PEEK would show it.
pub(super) async fn piece(client: &mut Client, url: &MessageUrl) -> Result<Octets, Stop> {
    let mail = client.shared.mail.clone();
    let (target, uidvalidity) = match &url.mailbox {
        Some(name) => {
            let path = Path::parse(name).map_err(|_| MailError::NoMailbox)?;
            let found = mail.find(client.account()?, &path, Rights::READ).await?;
            (found.reach.target(), found.mailbox.uidvalidity)
        }
        None => {
            // "When in the selected state, the base URL is considered "imap://user@server/mailbox"" (RFC 4469 §3).
            let selected = client.selected.as_ref().ok_or(MailError::NoMailbox)?;
            mail.still(selected.view.reach(), Rights::READ).await?;
            (selected.view.target(), selected.view.opened().uidvalidity)
        }
    };
    if url.uidvalidity.is_some_and(|wanted| wanted != uidvalidity.0) {
        return Err(MailError::NoMailbox.into());
    }
    message_piece(&mail, target, url).await
}

/// What a URL means in this mailbox.
pub(super) async fn message_piece(
    mail: &Mail,
    target: Target,
    url: &MessageUrl,
) -> Result<Octets, Stop> {
    let message = message(mail, target, url).await?;
    octets(mail, &message, &FetchItem::Section(url.section.clone())).await
}

/// The message that a URL is about.
pub(super) async fn message(
    mail: &Mail,
    target: Target,
    url: &MessageUrl,
) -> Result<Arc<Message>, Stop> {
    let mut pages = Pages::new(target, UidSet::from_ranges([url.uid..=url.uid]));
    let rows = pages.next(mail).await?.unwrap_or_default();
    let messages = mail.messages(target.account, &rows).await?;
    Ok(messages.into_iter().flatten().next().ok_or(MailError::Expunged)?)
}

/// What FETCH would show of it.
pub(super) async fn octets(
    mail: &Mail,
    message: &Arc<Message>,
    item: &FetchItem,
) -> Result<Octets, Stop> {
    let pieces = pieces::read(mail, message, std::slice::from_ref(item)).await?;
    match pieces.into_iter().next() {
        Some(Piece::Octets(octets)) => Ok(Octets::Here(Some(octets))),
        Some(Piece::Stream(stream)) => Ok(Octets::Coming(stream)),
        _ => Err(MailError::Expunged.into()),
    }
}

/// An error that lies in the URL is told as one of the URL.
pub(super) fn blamed(stop: Stop, url: &str) -> Stop {
    match stop {
        Stop::Answer(answer)
            if matches!(
                answer.code(),
                Some(Code::NonExistent | Code::ExpungeIssued | Code::NoPerm)
            ) =>
        {
            Answer::bad_url(url, "There is nothing of this URL").into()
        }
        other => other,
    }
}
