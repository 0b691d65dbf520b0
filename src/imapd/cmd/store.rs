//! STORE.

use crate::answer::{Answer, Stop};
use crate::client::Client;
use crate::sets::{numbers_of, to_wire};
use crate::update::tell_keywords;
use imap::{Capability, Code, Store, StoreAction};
use mail::{Access, FlagChange, FlagOp, Stored, StoredState, UidSet};
use types::ModSeq;

pub(crate) async fn store(client: &mut Client, store: &Store) -> Result<Answer, Stop> {
    let mail = client.shared.mail.clone();
    if client.selected()?.view.access() == Access::ReadOnly {
        return Ok(Answer::no(Code::NoPerm, "The mailbox is selected read-only"));
    }
    let meant = client.meant(&store.set, store.uid).await?;
    let uids = client.within_limit(meant);
    let last_first = client.cut.is_some();
    let change = FlagChange {
        op: match store.action {
            StoreAction::Replace => FlagOp::Set,
            StoreAction::Add => FlagOp::Add,
            StoreAction::Remove => FlagOp::Remove,
        },
        flags: store.flags.flags,
        keywords: store.flags.keywords.clone(),
        unchanged_since: store.unchanged_since.map(ModSeq),
    };
    let (mut told, mut left_alone) = (0, Vec::new());
    for chunk in client.pieces(uids.clone()).iter().flat_map(UidSet::chunks) {
        let view = &mut client.selected()?.view;
        let mut stored = mail.store_flags(view, &chunk, &change).await?;
        if last_first {
            stored.reverse();
        }
        told += stored.len() as u64;
        client.selected()?.contexts.touch_own(&chunk);
        for row in &stored {
            if row.state == StoredState::Conflict {
                left_alone.push(row.uid.0);
            }
            tell(client, store, row)?;
            client.wire.send_some(client.machine.output()).await?;
        }
    }
    if !left_alone.is_empty() {
        // "the server MUST return in the tagged response a MODIFIED response code" (RFC 7162 §3.1.3).
        let view = &client.selected()?.view;
        let left_alone: UidSet = left_alone.into_iter().collect();
        let set = if store.uid { to_wire(&left_alone) } else { numbers_of(view, &left_alone) };
        return Ok(Answer::modified(set));
    }
    if told < uids.len() {
        return Ok(Answer::ok_with(Code::ExpungeIssued, "Some messages are gone"));
    }
    Ok(Answer::ok())
}

/// "the updated value of the data" (RFC 9051 §6.4.6), whether it changed or not; with SILENT only the new
/// mod-sequence, to who knows mod-sequences, and what a message that was left alone is like.
fn tell(client: &mut Client, store: &Store, row: &Stored) -> Result<(), Stop> {
    let condstore = client.machine.is_enabled(Capability::CondStore);
    let flags = !store.silent || row.state == StoredState::Conflict;
    let news = condstore && row.state == StoredState::Changed;
    if !flags && !news {
        return Ok(());
    }
    let selected = client.selected.as_mut().ok_or_else(|| Answer::bad("No mailbox is selected"))?;
    let Some(number) = selected.view.number(row.uid.0) else { return Ok(()) };
    if flags {
        tell_keywords(&mut client.machine, selected, &row.keywords);
    }
    let recent = !client.machine.is_rev2() && selected.view.is_recent(row.uid.0);
    let mut writer = client.machine.writer();
    let mut line = writer.fetch(number, row.uid.0);
    // "the server MUST automatically include both UID and mod-sequence data" (RFC 7162 §3.2.4).
    if store.uid || condstore {
        line.uid(row.uid.0);
    }
    if flags {
        line.flags(row.flags, &row.keywords, recent);
    }
    if condstore {
        line.mod_seq(row.modseq.0);
        selected.show(row.modseq);
    }
    line.end();
    Ok(())
}
