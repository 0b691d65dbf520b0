//! SELECT, EXAMINE, CLOSE.

use crate::answer::{Answer, Stop};
use crate::client::Client;
use crate::cmd::resync::resync;
use crate::selected::Selected;
use crate::update::{all_flags, tell_permanent_flags};
use imap::{Capability, Code, ListEntry, QResync, Status};
use mail::{Access, MailError, Path};

/// A name that is not legal is a mailbox that does not exist.
fn named(name: &str) -> Result<Path, MailError> {
    Path::parse(name).map_err(|_| MailError::NoMailbox)
}

pub(crate) async fn select(
    client: &mut Client,
    mailbox: &str,
    read_only: bool,
    qresync: Option<&QResync>,
) -> Result<Answer, Stop> {
    client.deselect().await;
    let account = client.account()?;
    let access = if read_only { Access::ReadOnly } else { Access::ReadWrite };
    let view = client.shared.mail.open(account, &named(mailbox)?, access).await?;
    let selected = client.selected.insert(Selected::new(view));
    let (view, keywords) = (&selected.view, selected.keywords());
    let (rev2, opened) = (client.machine.is_rev2(), view.opened());
    let uid_only = client.machine.is_enabled(Capability::UidOnly);
    let mut writer = client.machine.writer();
    writer.flags(all_flags(), keywords);
    writer.exists(view.exists());
    if rev2 {
        writer.list(&ListEntry { name: &opened.name, ..ListEntry::default() });
    } else {
        // IMAP4rev2 has neither RECENT nor UNSEEN (RFC 9051 appendix E).
        writer.recent(view.recent());
        // UNSEEN is a message number.
        if let Some(number) = view.first_unseen().filter(|_| !uid_only) {
            writer.status(Status::Ok, Some(&Code::Unseen(number)), "First unseen message");
        }
    }
    let uidvalidity = Code::UidValidity(opened.uidvalidity.0);
    writer.status(Status::Ok, Some(&uidvalidity), "UIDs are valid");
    writer.status(Status::Ok, Some(&Code::UidNext(view.uidnext())), "Next UID");
    let highest = view.told_modseq().0;
    writer.status(Status::Ok, Some(&Code::HighestModSeq(highest)), "Highest mod-sequence");
    if client.machine.serves(Capability::ObjectId) {
        let id = opened.id.to_string();
        let code = Code::MailboxId(&id);
        client.machine.writer().status(Status::Ok, Some(&code), "The mailbox's id");
    }
    if client.machine.serves(Capability::UrlAuth) {
        client.machine.writer().status(Status::Ok, Some(&Code::UrlMech), "URLs can be signed");
    }
    let selected = client.selected.as_ref().ok_or_else(|| Answer::bad("No mailbox is selected"))?;
    let unchangeable = selected.view.is_read_only();
    tell_permanent_flags(&mut client.machine, &selected.view, selected.keywords());
    if client.notify.is_some() {
        client.watch_selected();
    }
    if let Some(known) = qresync {
        resync(client, known).await?;
    }
    Ok(match (read_only, unchangeable) {
        (true, _) => Answer::ok_with(Code::ReadOnly, "EXAMINE completed"),
        (false, true) => Answer::ok_with(Code::ReadOnly, "SELECT completed"),
        (false, false) => Answer::ok_with(Code::ReadWrite, "SELECT completed"),
    })
}

/// RFC 9051 §6.4.1: "permanently removes all messages that have the \Deleted flag set …, and returns to the
/// authenticated state"; "No messages are removed, and no error is given, if the mailbox is selected by an
/// EXAMINE command".
pub(crate) async fn close(client: &mut Client) -> Result<Answer, Stop> {
    let mail = client.shared.mail.clone();
    let view = &client.selected()?.view;
    if view.access() == Access::ReadWrite {
        match mail.expunge(view, None).await {
            // "If the server is unable to expunge the mailbox because the user doesn't have the "e" right, the server MUST
            // ignore the expunge request, close the mailbox, and return the tagged OK response" (RFC 4314 §4).
            Ok(_) | Err(MailError::NoPermission | MailError::NoMailbox) => {}
            Err(error) => return Err(error.into()),
        }
    }
    client.deselect().await;
    Ok(Answer::ok())
}
