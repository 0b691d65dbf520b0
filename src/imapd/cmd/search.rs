//! SEARCH.

use crate::answer::{Answer, Stop};
use crate::client::Client;
use crate::selected::Selected;
use crate::sets::{from_wire, numbers_of, resolve_loosely, to_wire};
use chrono::{DateTime, TimeDelta, Utc};
use imap::{DateKind, DateOp, Flag, Search, SearchKey};
use mail::UidSet;
use mail::search::{Key, Query, When};
use std::time::SystemTime;
use types::{MessageId, ModSeq, ThreadId};

pub(crate) async fn search(client: &mut Client, search: &Search) -> Result<Answer, Stop> {
    let mail = client.shared.mail.clone();
    let selected = client.selected()?;
    let now = DateTime::<Utc>::from(SystemTime::now());
    let keys = search.keys.iter().map(|key| translate(selected, key, now)).collect();
    let query = Query::new(Key::And(keys));
    let saves = search.returns.is_some_and(|returns| returns.save);
    let found = match mail.search(&selected.view, &query).await {
        Ok(found) => found,
        Err(error) => {
            if saves {
                // RFC 5182 §2.1: "If the SEARCH … fails … the search result variable is … the empty sequence".
                selected.saved = UidSet::default();
            }
            return Err(error.into());
        }
    };
    if let Some(returns) = search.returns.filter(|returns| returns.save) {
        selected.saved = from_wire(&returns.saved(&to_wire(&found)));
    }
    let numbers = if search.uid { to_wire(&found) } else { numbers_of(&selected.view, &found) };
    // "the highest mod-sequence for all messages being returned" (RFC 7162 §3.1.5).
    let mut modseq = None;
    if let Some(returned) = search.returned(&to_wire(&found)) {
        let target = selected.view.target();
        modseq = mail.highest_modseq(target, &from_wire(&returned)).await?;
    }
    let tag = client.machine.tag().to_owned();
    let modseq = modseq.map(|modseq| modseq.0);
    client.machine.writer().search_with(&tag, search, &numbers, modseq);
    Ok(Answer::ok())
}

fn translate(selected: &Selected, key: &SearchKey, now: DateTime<Utc>) -> Key {
    let each = |key: &SearchKey| translate(selected, key, now);
    let set = |set, uid| resolve_loosely(&selected.view, &selected.saved, set, uid);
    let not = |key| Key::Not(Box::new(key));
    let ago = |seconds: u32| Key::ReceivedSince(now - TimeDelta::seconds(i64::from(seconds)));
    match key {
        SearchKey::All => Key::All,
        SearchKey::Flag { flag, set } => {
            let key = match flag {
                Flag::Known(flags) => Key::Flags(*flags),
                Flag::Keyword(name) => Key::Keyword(name.clone()),
            };
            if *set { key } else { not(key) }
        }
        SearchKey::Recent(true) => Key::Recent,
        SearchKey::Recent(false) => not(Key::Recent),
        SearchKey::Sequence(numbers) => Key::Uids(set(numbers, false)),
        SearchKey::Uid(uids) => Key::Uids(set(uids, true)),
        SearchKey::Header { name, value } => Key::Header(name.clone(), value.clone()),
        SearchKey::Body(text) => Key::Body(text.clone()),
        SearchKey::Text(text) => Key::Text(text.clone()),
        SearchKey::Date { kind, op, date } => {
            let when = match op {
                DateOp::Before => When::Before,
                DateOp::On => When::On,
                DateOp::Since => When::Since,
            };
            match kind {
                DateKind::Internal => Key::Received(when, *date),
                DateKind::Sent => Key::Sent(when, *date),
                DateKind::Saved => Key::Saved(when, *date),
            }
        }
        SearchKey::Larger(size) => Key::Larger(*size),
        SearchKey::Smaller(size) => Key::Smaller(*size),
        SearchKey::Older(seconds) => not(ago(*seconds)),
        SearchKey::Younger(seconds) => ago(*seconds),
        SearchKey::ModSeq(modseq) => Key::ModSeq(ModSeq(*modseq)),
        // An id that is none of ours belongs to no message.
        SearchKey::EmailId(id) => MessageId::parse(id).map_or(not(Key::All), Key::Email),
        SearchKey::ThreadId(id) => ThreadId::parse(id).map_or(not(Key::All), Key::Thread),
        SearchKey::SaveDateSupported => Key::All,
        SearchKey::Not(key) => not(each(key)),
        SearchKey::Or(a, b) => Key::Or(Box::new(each(a)), Box::new(each(b))),
        SearchKey::And(keys) => Key::And(keys.iter().map(each).collect()),
    }
}
