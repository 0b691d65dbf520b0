//! GENURLAUTH, RESETKEY, URLFETCH (RFC 4467).
//!
//! A URL's token is made over its text as the owner gave it, so whatever else it names (a server, a port) is covered by
//! it. "submit+" URLs are for message submission; an IMAP session is none, whoever logged in.

use crate::answer::{Answer, Stop};
use crate::client::Client;
use crate::cmd::url::{Octets, message_piece};
use crate::update::broken;
use chrono::{DateTime, Utc};
use imap::{Code, MessageUrl, UrlAccess};
use mail::{Mail, MailError, MailboxName, Target};
use std::time::SystemTime;
use types::{AccountId, MailboxId};

const INTERNAL: &str = "INTERNAL";

pub(crate) async fn generate(
    client: &mut Client,
    rumps: &[(String, String)],
) -> Result<Answer, Stop> {
    let mut urls = Vec::with_capacity(rumps.len());
    for (rump, mechanism) in rumps {
        if !mechanism.eq_ignore_ascii_case(INTERNAL) {
            return Ok(Answer::bad("The mechanism is INTERNAL"));
        }
        urls.push(signed(client, rump).await?);
    }
    client.machine.writer().gen_url_auth(&urls);
    Ok(Answer::ok())
}

/// "If any of the above checks fail, the server MUST return a tagged BAD response" (RFC 4467 §7).
async fn signed(client: &mut Client, rump: &str) -> Result<String, Stop> {
    let login = client.login.as_ref().ok_or_else(|| Answer::bad("Log in first"))?;
    let not = || Stop::from(Answer::bad("Not the rump of a URL of yours"));
    let url = MessageUrl::parse(rump).ok_or_else(not)?;
    let user = url.server.as_ref().and_then(|server| server.user.as_deref());
    let mine = user.is_some_and(|user| user.eq_ignore_ascii_case(&login.address));
    let account = login.account;
    if !mine || url.auth.as_ref().is_none_or(|auth| auth.token.is_some()) {
        return Err(not());
    }
    let mail = client.shared.mail.clone();
    let target = match target(&mail, account, &url).await {
        Err(MailError::NoMailbox) => return Err(not()),
        other => other?,
    };
    let token = mail.url_token(target.account, target.mailbox, rump).await?;
    Ok(format!("{rump}:internal:{token}"))
}

async fn target(mail: &Mail, account: AccountId, url: &MessageUrl) -> Result<Target, MailError> {
    let name = url.mailbox.as_deref().ok_or(MailError::NoMailbox)?;
    let name = MailboxName::parse(name).map_err(|_| MailError::NoMailbox)?;
    let mailbox = mail.mailbox(account, &name).await?;
    if url.uidvalidity.is_some_and(|wanted| wanted != mailbox.uidvalidity.0) {
        return Err(MailError::NoMailbox);
    }
    Ok(Target { account, mailbox: mailbox.id })
}

pub(crate) async fn reset(
    client: &mut Client,
    mailbox: Option<&str>,
    mechanisms: &[String],
) -> Result<Answer, Stop> {
    let account = client.account()?;
    if mechanisms.iter().any(|mechanism| !mechanism.eq_ignore_ascii_case(INTERNAL)) {
        return Ok(Answer::bad("The mechanism is INTERNAL"));
    }
    let mail = client.shared.mail.clone();
    let mailbox = match mailbox {
        Some(name) => {
            let name = MailboxName::parse(name).map_err(|_| MailError::NoMailbox)?;
            Some(mail.mailbox(account, &name).await?.id)
        }
        None => None,
    };
    mail.url_keys_reset(account, mailbox).await?;
    Ok(Answer::ok_with(Code::UrlMech, "All signed URLs are void now"))
}

pub(crate) async fn fetch(client: &mut Client, urls: &[String]) -> Result<Answer, Stop> {
    for text in urls {
        match granted(client, text).await? {
            Some(octets) => write(client, text, octets).await?,
            None => client.machine.writer().url_fetch_nil(text),
        }
        client.wire.send_some(client.machine.output()).await?;
    }
    Ok(Answer::ok())
}

/// What the URL means, if this session may have it. Why not is nobody's business.
async fn granted(client: &mut Client, text: &str) -> Result<Option<Octets>, Stop> {
    let Some(url) = MessageUrl::parse(text) else { return Ok(None) };
    let Some((auth, token)) =
        url.auth.as_ref().zip(url.auth.as_ref().and_then(|a| a.token.as_ref()))
    else {
        return Ok(None);
    };
    let now = DateTime::<Utc>::from(SystemTime::now());
    let over = auth.expire.is_some_and(|expire| expire < now);
    if over || !may(client, &auth.access) || !token.0.eq_ignore_ascii_case(INTERNAL) {
        return Ok(None);
    }
    let user = url.server.as_ref().and_then(|server| server.user.as_deref());
    let Some(user) = user else { return Ok(None) };
    let owner = client.shared.directory.owner(user).await.map_err(Answer::from)?;
    let mail = client.shared.mail.clone();
    // "If the mailbox cannot be identified, an authorization token is calculated on the rump URL, using random "plausible"
    // keys" (RFC 4467 §6): nobody and nothing are looked for as well, and take as long.
    let account = owner.unwrap_or(AccountId(0));
    let target = match target(&mail, account, &url).await {
        Err(MailError::NoMailbox) => Target { account, mailbox: MailboxId::new() },
        other => other?,
    };
    let rump = text.get(..auth.rump).unwrap_or_default();
    if !mail.url_token_fits(target.account, target.mailbox, rump, &token.1).await? {
        return Ok(None);
    }
    match message_piece(&mail, target, &url).await {
        Ok(octets) => Ok(Some(octets)),
        Err(Stop::Answer(answer)) if answer.code() == Some(Code::ExpungeIssued) => Ok(None),
        Err(stop) => Err(stop),
    }
}

fn may(client: &Client, access: &UrlAccess) -> bool {
    match access {
        UrlAccess::Anonymous | UrlAccess::AuthUser => client.login.is_some(),
        UrlAccess::User(user) => {
            client.login.as_ref().is_some_and(|login| login.address.eq_ignore_ascii_case(user))
        }
        UrlAccess::Submit(_) => false,
    }
}

async fn write(client: &mut Client, text: &str, mut octets: Octets) -> Result<(), Stop> {
    client.machine.writer().url_fetch(text, octets.len());
    while let Some(piece) = octets.next().await.map_err(|error| broken(&error))? {
        for piece in piece.chunks(16 * 1024) {
            client.machine.writer().out().extend_from_slice(piece);
            client.wire.send_some(client.machine.output()).await?;
        }
    }
    client.machine.writer().end_line();
    Ok(())
}
