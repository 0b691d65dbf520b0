//! GENURLAUTH, RESETKEY, URLFETCH (RFC 4467, RFC 5524).
//!
//! A URL's token is made over its text as the owner gave it, so whatever else it names (a server, a port) is covered by
//! it. "submit+" URLs are for message submission; an IMAP session is none, whoever logged in.

use crate::answer::{Answer, Stop};
use crate::client::Client;
use crate::cmd::url::{Octets, message, octets};
use crate::update::broken;
use chrono::{DateTime, Utc};
use imap::{BodySection, Code, FetchItem, MessageUrl, SectionText, UrlAccess, UrlData, UrlFetch};
use mail::{Mail, MailError, MailboxName, Message, Target};
use message::{Kind, Part, Structure};
use std::sync::Arc;
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

pub(crate) async fn fetch(client: &mut Client, wanted: &[UrlFetch]) -> Result<Answer, Stop> {
    for asked in wanted {
        let shown = match granted(client, &asked.url).await? {
            Some((url, target)) => shown(client, asked, &url, target).await,
            None => Ok(None),
        };
        match shown {
            Ok(Some(shown)) => write(client, asked, shown).await?,
            Ok(None) => client.machine.writer().url_fetch_nil(&asked.url),
            Err(Stop::Answer(answer)) if answer.code() == Some(Code::ExpungeIssued) => {
                client.machine.writer().url_fetch_nil(&asked.url);
            }
            Err(stop) => return Err(stop),
        }
        client.wire.send_some(client.machine.output()).await?;
    }
    Ok(Answer::ok())
}

/// What is told of a URL.
struct Shown {
    structure: Option<Part>,
    octets: Option<Octets>,
    /// For BINARY: NUL is among the octets.
    nul: bool,
}

async fn shown(
    client: &mut Client,
    asked: &UrlFetch,
    url: &MessageUrl,
    target: Target,
) -> Result<Option<Shown>, Stop> {
    let mail = client.shared.mail.clone();
    let message = message(&mail, target, url).await?;
    let section = url.section.clone();
    // Only a part has a transfer encoding that can be undone.
    let binary = asked.data == UrlData::Binary && section.text == SectionText::Whole;
    let item = match binary {
        true => FetchItem::Binary(section.clone()),
        false => FetchItem::Section(section.clone()),
    };
    let counted = match binary {
        // "If this is not possible (for example, the content transfer encoding is unknown to the server), then this MAY
        // contain NIL." (RFC 5524 §3.2)
        true => match count(&mail, &message, &item).await {
            Err(Stop::Answer(answer)) if answer.code() == Some(Code::UnknownCte) => None,
            counted => Some(counted?),
        },
        false => None,
    };
    let structure = match asked.structure {
        true => match described(&mail, &message, &section, &item, counted.as_ref()).await? {
            Some(part) => Some(part),
            None => return Ok(None),
        },
        false => None,
    };
    let octets = match asked.data {
        UrlData::None => None,
        UrlData::Binary if binary && counted.is_none() => None,
        _ => Some(octets(&mail, &message, &item).await?),
    };
    let nul = counted.is_some_and(|counted| counted.nul);
    Ok(Some(Shown { structure, octets, nul }))
}

/// What octets are like.
struct Counted {
    octets: u64,
    lines: u64,
    nul: bool,
}

async fn count(mail: &Mail, message: &Arc<Message>, item: &FetchItem) -> Result<Counted, Stop> {
    let mut octets = octets(mail, message, item).await?;
    let mut counted = Counted { octets: 0, lines: 0, nul: false };
    while let Some(piece) = octets.next().await? {
        counted.octets += piece.len() as u64;
        counted.lines += piece.iter().filter(|octet| **octet == b'\n').count() as u64;
        counted.nul |= piece.contains(&0);
    }
    Ok(counted)
}

/// "information about the data contained in the response, as it has been returned. It will reflect any conversions or
/// decoding that have taken place." (RFC 5524 §3.2) `None`: it is no part that has a structure.
async fn described(
    mail: &Mail,
    message: &Arc<Message>,
    section: &BodySection,
    item: &FetchItem,
    decoded: Option<&Counted>,
) -> Result<Option<Part>, Stop> {
    let structure = &message.structure;
    if section.text != SectionText::Whole {
        return Ok(None);
    }
    let whole = section.part.is_empty();
    let mut part = match structure.part(&section.part) {
        _ if whole => whole_message(structure),
        Some(part) => part.clone(),
        None => return Ok(None),
    };
    let decodes = !is_identity(&part.encoding);
    let counted = match decoded {
        Some(Counted { octets, lines, .. }) => {
            if decodes {
                "BINARY".clone_into(&mut part.encoding);
            }
            Some((*octets, *lines))
        }
        None if whole || section.partial.is_some() => {
            let counted = count(mail, message, item).await;
            match counted {
                Err(Stop::Answer(answer)) if answer.code() == Some(Code::UnknownCte) => None,
                counted => {
                    let counted = counted?;
                    Some((counted.octets, counted.lines))
                }
            }
        }
        None => None,
    };
    if let Some((octets, lines)) = counted {
        (part.body_start, part.body_end, part.lines) = (0, octets, lines);
    }
    Ok(Some(part))
}

fn is_identity(encoding: &str) -> bool {
    ["7bit", "8bit", "binary"].iter().any(|known| known.eq_ignore_ascii_case(encoding))
}

/// A message as a part of its own.
fn whole_message(structure: &Structure) -> Part {
    Part {
        media_type: "MESSAGE".into(),
        subtype: "RFC822".into(),
        params: Vec::new(),
        id: None,
        description: None,
        encoding: match is_identity(&structure.root.encoding) {
            true => structure.root.encoding.clone(),
            false => "7BIT".into(),
        },
        disposition: None,
        language: Vec::new(),
        location: None,
        md5: None,
        header_start: 0,
        body_start: 0,
        body_end: structure.size,
        lines: 0,
        kind: Kind::Message(Box::new((structure.envelope.clone(), structure.root.clone()))),
    }
}

/// What the URL means, if this session may have it. Why not is nobody's business.
async fn granted(client: &mut Client, text: &str) -> Result<Option<(MessageUrl, Target)>, Stop> {
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
    Ok(Some((url, target)))
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

async fn write(client: &mut Client, asked: &UrlFetch, shown: Shown) -> Result<(), Stop> {
    let binary = asked.data == UrlData::Binary;
    let plain = asked.data == UrlData::Plain;
    let mut writer = client.machine.writer();
    match (&shown.octets, plain) {
        (Some(octets), true) => writer.url_fetch(&asked.url, octets.len()),
        (octets, _) => {
            writer.url_fetch_parts(&asked.url, shown.structure.as_ref());
            match octets {
                Some(octets) => writer.url_fetch_data(binary, shown.nul, octets.len()),
                None if binary => writer.url_fetch_not_decoded(),
                None => {}
            }
        }
    }
    if let Some(mut octets) = shown.octets {
        while let Some(piece) = octets.next().await.map_err(|error| broken(&error))? {
            for piece in piece.chunks(16 * 1024) {
                client.machine.writer().out().extend_from_slice(piece);
                client.wire.send_some(client.machine.output()).await?;
            }
        }
        if !plain {
            client.machine.writer().end_url_fetch_data();
        }
    }
    client.machine.writer().end_line();
    Ok(())
}
