//! COPY, MOVE, EXPUNGE.

use crate::answer::{Answer, Stop};
use crate::client::Client;
use crate::update::Look;
use imap::{Capability, Code, NumberSet, SequenceSet, Status, Transfer};
use mail::{Access, CopyUids, MailError, Path, Reach, UidSet};

const READ_ONLY: &str = "The mailbox is selected read-only";

pub(crate) async fn expunge(
    client: &mut Client,
    uids: Option<&SequenceSet>,
) -> Result<Answer, Stop> {
    let mail = client.shared.mail.clone();
    if client.selected()?.view.access() == Access::ReadOnly {
        return Ok(Answer::no(Code::NoPerm, READ_ONLY));
    }
    let only = match uids {
        Some(set) => {
            let mut meant = client.meant(set, true).await?;
            if client.message_limit().is_some_and(|limit| meant.len() > u64::from(limit)) {
                // Messages with \Deleted are what counts here (RFC 9738 §3.1).
                meant = mail.deleted(&client.selected()?.view, &meant).await?;
                meant = client.within_limit(meant);
            }
            Some(meant)
        }
        // "Unlike UID EXPUNGE, the server MUST NOT impose any message limit when processing EXPUNGE." (§3.1)
        None => None,
    };
    let result = mail.expunge(&client.selected()?.view, only.as_ref()).await;
    // Whatever was removed before an error is told all the same.
    client.update_quietly(Look::Own).await?;
    let removed = result?;
    expunged(client, removed > 0)
}

/// "If at least one message got expunged and QRESYNC was enabled, the server MUST send the updated per-mailbox
/// modification sequence using the HIGHESTMODSEQ response code ... in the tagged OK response" (RFC 7162 §3.2.7).
fn expunged(client: &mut Client, some: bool) -> Result<Answer, Stop> {
    if !some || !client.machine.is_enabled(Capability::QResync) {
        return Ok(Answer::ok());
    }
    let told = client.selected()?.view.told_modseq().0;
    Ok(Answer::ok_with(Code::HighestModSeq(told), "Messages expunged"))
}

/// The messages meant, and where they are to go.
async fn plan(client: &mut Client, transfer: &Transfer) -> Result<(UidSet, Reach), Stop> {
    let mail = client.shared.mail.clone();
    let uids = client.meant(&transfer.set, transfer.uid).await?;
    let name = Path::parse(&transfer.mailbox).map_err(MailError::from)?;
    let target = mail.target(client.account()?, &name).await?;
    Ok((uids, target.reach))
}

fn sets(copied: &CopyUids) -> (NumberSet, NumberSet) {
    let from = copied.pairs.iter().map(|(from, _)| from.0).collect();
    let to = copied.pairs.iter().map(|(_, to)| to.0).collect();
    (from, to)
}

pub(crate) async fn copy(client: &mut Client, transfer: &Transfer) -> Result<Answer, Stop> {
    let (uids, target) = plan(client, transfer).await?;
    client.all_within_limit(&uids)?;
    let mail = client.shared.mail.clone();
    let copied = mail.copy(&client.selected()?.view, &uids, target).await?;
    let (from, to) = sets(&copied);
    own(client, &copied, target);
    if client.selected_mailbox() == Some(target.target().mailbox) {
        client.update_quietly(Look::Own).await?;
    }
    Ok(match copied.uidvalidity {
        Some(uidvalidity) => Answer::copied(uidvalidity.0, from, to),
        None if uids.is_empty() => Answer::ok(),
        None => Answer::no(Code::ExpungeIssued, "The messages are gone"),
    })
}

/// Notes what the client made itself.
fn own(client: &mut Client, copied: &CopyUids, target: Reach) {
    copied.made.iter().for_each(|made| client.made(*made));
    if let Some(selected) = &mut client.selected
        && selected.view.target() == target.target()
    {
        let new: UidSet = copied.pairs.iter().map(|(_, to)| to.0).collect();
        selected.own_new = selected.own_new.union(&new);
    }
}

/// RFC 6851 §4.3: COPYUID comes in an untagged OK before the EXPUNGE responses.
pub(crate) async fn move_(client: &mut Client, transfer: &Transfer) -> Result<Answer, Stop> {
    if client.selected()?.view.access() == Access::ReadOnly {
        return Ok(Answer::no(Code::NoPerm, READ_ONLY));
    }
    let (uids, target) = plan(client, transfer).await?;
    let uids = client.within_limit(uids);
    let mail = client.shared.mail.clone();
    let mut all = CopyUids::default();
    let mut failed = None;
    for chunk in uids.chunks() {
        match mail.move_chunk(&client.selected()?.view, &chunk, target).await {
            Ok(moved) => {
                own(client, &moved, target);
                all.uidvalidity = all.uidvalidity.or(moved.uidvalidity);
                all.pairs.extend(moved.pairs);
            }
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    if let Some(uidvalidity) = all.uidvalidity {
        let (from, to) = sets(&all);
        let code = Code::CopyUid(uidvalidity.0, &from, &to);
        client.machine.writer().status(Status::Ok, Some(&code), "Messages moved");
    }
    client.update_quietly(Look::Own).await?;
    match failed {
        Some(error) => Err(error.into()),
        None => expunged(client, all.uidvalidity.is_some()),
    }
}
