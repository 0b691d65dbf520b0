//! Quick resynchronization (RFC 7162 §3.2): what vanished and what changed since a client was last here.

use crate::answer::Stop;
use crate::client::Client;
use crate::selected::Selected;
use crate::sets::{from_wire, to_wire};
use crate::update::tell_flags;
use imap::{QResync, SequenceSet};
use mail::{Columns, Pages, Since, UidSet, View};
use types::ModSeq;

/// Which of these UIDs were expunged before this session could have been told of them. Those it was told of are in
/// the view, and go by VANISHED without EARLIER.
pub(super) fn earlier(view: &View, since: &Since, wanted: &UidSet) -> UidSet {
    let heard_of = UidSet::from_ranges((view.uidnext() > 1).then(|| 1..=view.uidnext() - 1));
    let wanted = wanted.intersection(&heard_of);
    let gone = match &since.expunged {
        Some(expunged) => expunged.intersection(&wanted),
        // "A server that receives a mod-sequence smaller than <minmodseq> ... MUST behave as if it was requested to
        // report all expunged messages from the provided UID set parameter" (RFC 7162 §3.2.6).
        None => wanted,
    };
    gone.difference(&view.all())
}

/// The UIDs a set means where expunged ones count too: `*` is then the highest UID there ever was, or the last
/// expunges would never be told.
pub(super) fn ever(selected: &Selected, set: &SequenceSet) -> UidSet {
    match set.resolve(selected.view.uidnext().saturating_sub(1)) {
        Some(numbers) => from_wire(&numbers),
        None => selected.saved.clone(),
    }
}

/// Answers SELECT with QRESYNC: "semantically equivalent to ... UID FETCH "known-uids" (FLAGS) (CHANGEDSINCE
/// "mod-sequence-value" VANISHED)" (RFC 7162 §3.2.5.1).
pub(super) async fn resync(client: &mut Client, known: &QResync) -> Result<(), Stop> {
    let mail = client.shared.mail.clone();
    let selected = client.selected()?;
    let view = &selected.view;
    if view.opened().uidvalidity.0 != known.uidvalidity {
        return Ok(());
    }
    let since = mail.since(view.target(), ModSeq(known.modseq)).await?;
    let uids = match &known.known {
        Some(uids) => from_wire(uids),
        None => UidSet::from_ranges([1..=u32::MAX]),
    };
    let gone = earlier(view, &since, &above(&uids, matched(view, known)));
    let there = view.known(&uids);
    let changed = match &since.changed {
        Some(changed) => there.intersection(changed),
        None => there,
    };
    let mut pages = Pages::of(view.target(), changed, Columns::FLAGS.with(Columns::MODSEQ));
    client.machine.writer().vanished(true, &to_wire(&gone));
    while let Some(rows) = pages.next(&mail).await? {
        let Some(selected) = &mut client.selected else { return Ok(()) };
        for row in rows.iter().filter(|row| row.modseq.0 > known.modseq || since.changed.is_none())
        {
            tell_flags(&mut client.machine, selected, row);
            client.wire.send_some(client.machine.output()).await?;
        }
    }
    Ok(())
}

/// The highest UID up to which the client's message numbers are right: "If a pair matches, then the client knows of
/// any expunges up to, and including, the message" (RFC 7162 §3.2.5.2).
fn matched(view: &View, known: &QResync) -> u32 {
    known
        .pairs()
        .take_while(|(number, uid)| *number <= view.exists() && view.uid(*number) == Some(*uid))
        .last()
        .map_or(0, |(_, uid)| uid)
}

fn above(uids: &UidSet, uid: u32) -> UidSet {
    match uid.checked_add(1) {
        Some(from) => uids.intersection(&UidSet::from_ranges([from..=u32::MAX])),
        None => UidSet::default(),
    }
}
