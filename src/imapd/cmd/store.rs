//! STORE.

use crate::answer::{Answer, Stop};
use crate::client::Client;
use crate::update::tell_keywords;
use imap::{Code, Store, StoreAction};
use mail::{Access, FlagChange, FlagOp, Stored};

pub(crate) async fn store(client: &mut Client, store: &Store) -> Result<Answer, Stop> {
    let mail = client.shared.mail.clone();
    if client.selected()?.view.access() == Access::ReadOnly {
        return Ok(Answer::no(Code::NoPerm, "The mailbox is selected read-only"));
    }
    let uids = client.meant(&store.set, store.uid).await?;
    let change = FlagChange {
        op: match store.action {
            StoreAction::Replace => FlagOp::Set,
            StoreAction::Add => FlagOp::Add,
            StoreAction::Remove => FlagOp::Remove,
        },
        flags: store.flags.flags,
        keywords: store.flags.keywords.clone(),
    };
    let mut told = 0;
    for chunk in uids.chunks() {
        let view = &mut client.selected()?.view;
        let stored = mail.store_flags(view, &chunk, &change).await?;
        told += stored.len() as u64;
        for row in stored.iter().filter(|_| !store.silent) {
            tell(client, store.uid, row)?;
            client.wire.send_some(client.machine.output()).await?;
        }
    }
    if told < uids.len() {
        return Ok(Answer::ok_with(Code::ExpungeIssued, "Some messages are gone"));
    }
    Ok(Answer::ok())
}

/// "the updated value of the data" (RFC 9051 §6.4.6), whether it changed or not.
fn tell(client: &mut Client, with_uid: bool, row: &Stored) -> Result<(), Stop> {
    let selected = client.selected.as_mut().ok_or_else(|| Answer::bad("No mailbox is selected"))?;
    let Some(number) = selected.view.number(row.uid.0) else { return Ok(()) };
    tell_keywords(&mut client.machine, selected, &row.keywords);
    let recent = !client.machine.is_rev2() && selected.view.is_recent(row.uid.0);
    let mut writer = client.machine.writer();
    let mut line = writer.fetch(number);
    if with_uid {
        line.uid(row.uid.0);
    }
    line.flags(row.flags, &row.keywords, recent);
    line.end();
    Ok(())
}
