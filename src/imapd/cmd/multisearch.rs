//! ESEARCH (RFC 7377): one mailbox after the other, each answered as soon as it is searched.

use super::filters;
use super::search::{patiently, query, scored};
use crate::answer::{Answer, Stop};
use crate::client::Client;
use crate::notify::{covers, is_near_others, reaches_others};
use crate::sets::{from_wire, to_wire};
use imap::{Code, Found, MultiSearch, NotifyMailboxes, Search, SearchSource};
use mail::search::Progress;
use mail::{Access, Kept, MailError, Mailbox, Path, SEPARATOR, UidSet, View};
use std::collections::BTreeSet;
use types::Rights;

/// Mailboxes searched by one command.
const MAX_MAILBOXES: usize = 2_000;

pub(crate) async fn multi_search(
    client: &mut Client,
    wanted: &MultiSearch,
) -> Result<Answer, Stop> {
    let selected = client.selected.as_ref().map(|selected| selected.view.target().mailbox);
    if wanted.wants_selected() && selected.is_none() {
        return Err(Answer::bad("No mailbox is selected").into());
    }
    // "If UPDATE is used and there is no mailbox currently selected, the ESEARCH command MUST return a "BAD" result."
    // (RFC 7377 §2.2)
    if wanted.search.updates() && selected.is_none() {
        return Err(Answer::bad("No mailbox is selected").into());
    }
    client.may_keep(&wanted.search)?;
    let saves = wanted.search.returns.is_some_and(|returns| returns.save);
    let done = search_all(client, wanted).await;
    if let Some(selected) = client.selected.as_mut().filter(|_| saves && done.is_err()) {
        selected.saved = UidSet::default();
    }
    done
}

async fn search_all(client: &mut Client, wanted: &MultiSearch) -> Result<Answer, Stop> {
    let search = &*filters::expanded(client, &wanted.search).await?;
    let mailboxes = mailboxes(client, wanted).await?;
    if mailboxes.len() > MAX_MAILBOXES {
        return Ok(Answer::no(Code::Limit, "Too many mailboxes at once"));
    }
    // "it MUST apply only to the currently selected mailbox" (§2.2)
    let updated = client.selected_mailbox();
    let reached = mailboxes.iter().any(|mailbox| Some(mailbox.id) == updated);
    for mailbox in mailboxes {
        one(client, search, &mailbox).await?;
    }
    if search.updates() && !reached {
        client.refuse_update("The selected mailbox was not searched");
    }
    Ok(Answer::ok())
}

/// What the sources name, each once. What does not exist is passed over.
async fn mailboxes(client: &mut Client, wanted: &MultiSearch) -> Result<Vec<Mailbox>, Stop> {
    let account = client.account()?;
    let mail = client.shared.mail.clone();
    let subscribed: BTreeSet<String> = mail.subscriptions(account).await?.into_iter().collect();
    let selected = client.selected_mailbox().filter(|_| wanted.wants_selected());
    let mut mailboxes = mail.mailboxes(account).await?;
    mailboxes.extend(of_others(client, wanted).await?);
    mailboxes.retain(|mailbox| {
        let named = wanted.sources.iter().any(|source| match source {
            SearchSource::Selected => false,
            SearchSource::Mailboxes(these) => covers(these, &mailbox.name, &subscribed),
            SearchSource::SubtreeOne(roots) => {
                roots.iter().any(|root| is_at_or_below(root, &mailbox.name))
            }
        });
        named || Some(mailbox.id) == selected
    });
    Ok(mailboxes)
}

/// Mailboxes of others that may be among the sources: "the logged-in user is required to have the "r" right for each mailbox
/// she wants to search. In addition, any mailboxes that are not explicitly named ... are required to have the "l" right"
/// (RFC 7377 §2.2). The selected one is known already.
async fn of_others(client: &mut Client, wanted: &MultiSearch) -> Result<Vec<Mailbox>, Stop> {
    let account = client.account()?;
    let mail = client.shared.mail.clone();
    let mut found = Vec::new();
    if let Some(selected) = client.selected.as_ref().filter(|_| wanted.wants_selected())
        && !selected.view.reach().is_own()
    {
        found.push(selected.view.opened().clone());
    }
    let reached = wanted.sources.iter().any(|source| match source {
        SearchSource::Selected => false,
        SearchSource::Mailboxes(these) => reaches_others(these),
        SearchSource::SubtreeOne(roots) => roots.iter().any(|root| is_near_others(root)),
    });
    if !reached {
        return Ok(found);
    }
    for source in &wanted.sources {
        let SearchSource::Mailboxes(NotifyMailboxes::Mailboxes(names)) = source else { continue };
        for name in names {
            let Ok(path @ Path::Other { .. }) = Path::parse(name) else { continue };
            match mail.find(account, &path, Rights::READ).await {
                Err(MailError::NoMailbox | MailError::NoPermission) => {}
                one => found.push(one?.mailbox),
            }
        }
    }
    let others = mail.others(account).await?.into_iter();
    let readable = others.filter(|other| other.reach.rights().has(Rights::READ));
    found.extend(readable.map(|other| other.mailbox));
    let mut seen = BTreeSet::new();
    found.retain(|mailbox| seen.insert(mailbox.id));
    Ok(found)
}

/// Whether a mailbox is this one or right below it.
fn is_at_or_below(root: &str, name: &str) -> bool {
    let below = name.strip_prefix(root).map(|rest| rest.strip_prefix(SEPARATOR).unwrap_or(rest));
    name == root
        || below.is_some_and(|child| {
            name.len() == root.len() + 1 + child.len() && !child.contains(SEPARATOR)
        })
}

/// Searches one mailbox: the selected one as the session sees it, another as it is now.
async fn one(client: &mut Client, search: &Search, mailbox: &Mailbox) -> Result<(), Stop> {
    let mail = client.shared.mail.clone();
    if client.selected_mailbox() == Some(mailbox.id) {
        let Client { machine, wire, selected, .. } = client;
        let Some(selected) = selected else { return Ok(()) };
        let saved = selected.saved.clone();
        let found = searched(&mail, machine, wire, &selected.view, &saved, search, mailbox).await?;
        if let Some(returns) = search.returns.filter(|returns| returns.save) {
            selected.saved = from_wire(&returns.saved(&to_wire(&found)));
        }
        let query = query(&selected.view, &saved, search);
        let place = (mailbox.name.clone(), mailbox.uidvalidity.0);
        client.keep(search, query, Kept::Set(found), Some(place));
        return Ok(());
    }
    let account = client.account()?;
    let path = Path::parse(&mailbox.name).map_err(MailError::from)?;
    let view = match mail.open(account, &path, Access::ReadOnly).await {
        // Deleted, renamed or not to be read any more.
        Err(MailError::NoMailbox | MailError::NoPermission) => return Ok(()),
        view => view?,
    };
    let Client { machine, wire, .. } = client;
    let none = UidSet::default();
    let done = searched(&mail, machine, wire, &view, &none, search, mailbox).await;
    mail.close(view).await;
    done.map(|_| ())
}

async fn searched(
    mail: &mail::Mail,
    machine: &mut imap::Session,
    wire: &mut crate::wire::Wire,
    view: &View,
    saved: &UidSet,
    search: &Search,
    mailbox: &Mailbox,
) -> Result<UidSet, Stop> {
    let query = query(view, saved, search);
    let progress = Progress::default();
    let wanted = search.returns.is_some_and(|returns| returns.relevancy);
    let work = scored(mail, view, &query, wanted, &progress);
    let (found, scores) = patiently(machine, wire, &progress, work).await?;
    // "An ESEARCH response MUST NOT be returned for mailboxes that contain no matching messages" (RFC 7377 §2.1).
    if found.is_empty() {
        return Ok(found);
    }
    let numbers = to_wire(&found);
    let modseq = match search.returned(&numbers) {
        Some(returned) => mail.highest_modseq(view.target(), &from_wire(&returned)).await?,
        None => None,
    };
    let tag = machine.tag().to_owned();
    let more = Found {
        modseq: modseq.map(|modseq| modseq.0),
        place: Some((&mailbox.name, mailbox.uidvalidity.0)),
        scores: scores.as_deref(),
    };
    machine.writer().search_with(&tag, search, &numbers, more);
    wire.send_some(machine.output()).await?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_level_down() {
        for name in ["a", "a/b", "a/c d"] {
            assert!(is_at_or_below("a", name), "{name}");
        }
        for name in ["ab", "a/b/c", "b", "", "ab/c"] {
            assert!(!is_at_or_below("a", name), "{name}");
        }
    }
}
