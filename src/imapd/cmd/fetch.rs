//! FETCH.
//!
//! Messages go out in groups. For each group: rows and structures from PostgreSQL, then what is needed of the
//! bytes (several messages at once, a large one alone), then one STORE of `\Seen`, then the lines. So a blob
//! store that is away is known before a line has begun, a message that could not be read is not marked as
//! read, and only one group is in memory. Ranges over 256 KiB stream into the line.

pub(super) mod pieces;

use crate::answer::{Answer, Stop};
use crate::client::Client;
use crate::cmd::resync::{earlier, ever};
use crate::limit::part_within;
use crate::selected::Selected;
use crate::sets::{from_wire, to_wire};
use crate::update::{broken, tell_keywords};
use crate::wire::Wire;
use futures::{StreamExt, TryStreamExt};
use imap::{Capability, Code, Fetch, FetchItem, FetchLine, Session};
use mail::{Columns, FlagChange, FlagOp, Mail, MailError, Message, Pages, UidRow, UidSet, View};
use pieces::Piece;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use types::{Flags, ModSeq, Rights, Uid};

/// Structures in memory at a time.
const STRUCTURES: usize = 250;
/// Octets of bodies in one group; a larger message is a group of its own.
const GROUP_OCTETS: u64 = 512 * 1024;
/// Messages in one group.
const GROUP: usize = 32;
/// Messages whose bytes are read at the same time.
const READERS: usize = 4;

/// What the items need.
struct Plan {
    items: Vec<FetchItem>,
    /// Of the rows.
    columns: Columns,
    /// Any of what never changes.
    structure: bool,
    /// Octets.
    bytes: bool,
    /// `\Seen` is to be set.
    seen: bool,
    flags: bool,
}

impl Plan {
    fn new(items: Vec<FetchItem>, view: &View) -> Self {
        let row = |item: &FetchItem| column(item).is_some();
        // What is not in the row is found by the message, and its size tells how much that is.
        let found = Columns::MESSAGE.with(Columns::SIZE);
        let columns = items.iter().map(|item| column(item).unwrap_or(found));
        let columns = columns.fold(Columns::NONE, Columns::with);
        let described = |item: &FetchItem| {
            matches!(
                item,
                FetchItem::Envelope
                    | FetchItem::Body
                    | FetchItem::BodyStructure
                    | FetchItem::Preview { .. }
            )
        };
        let seen = may_mark(view) && items.iter().any(FetchItem::sets_seen);
        Self {
            columns: if seen { columns.with(Columns::FLAGS) } else { columns },
            structure: !items.iter().all(row),
            bytes: !items.iter().all(|item| row(item) || described(item)),
            seen,
            flags: items.contains(&FetchItem::Flags),
            items,
        }
    }
}

/// Where in its row an item is, if there.
fn column(item: &FetchItem) -> Option<Columns> {
    Some(match item {
        FetchItem::Uid => Columns::NONE,
        FetchItem::Flags => Columns::FLAGS,
        FetchItem::InternalDate => Columns::RECEIVED,
        FetchItem::Size => Columns::SIZE,
        FetchItem::ModSeq => Columns::MODSEQ,
        FetchItem::EmailId => Columns::MESSAGE,
        FetchItem::ThreadId => Columns::THREAD,
        FetchItem::SaveDate => Columns::SAVED,
        _ => return None,
    })
}

/// "A FETCH request that implies setting \Seen flag MUST NOT set it, if the current user doesn't have "s" right"
/// (RFC 4314 §4).
fn may_mark(view: &View) -> bool {
    !view.is_read_only() && view.reach().rights().has(Rights::SEEN)
}

/// A message ready to be written.
struct Ready {
    row: UidRow,
    message: Option<Arc<Message>>,
    /// One for each item.
    pieces: Vec<Piece>,
    /// FLAGS has to be told though it was not asked for.
    changed: bool,
}

pub(crate) async fn fetch(client: &mut Client, fetch: Fetch) -> Result<Answer, Stop> {
    let mail = client.shared.mail.clone();
    let mut uids = client.meant(&fetch.set, fetch.uid).await?;
    if let Some(partial) = fetch.partial {
        part_within(client.message_limit(), partial)?;
        uids = from_wire(&partial.clip(&to_wire(&uids)));
    }
    if fetch.changed_since.is_some() {
        uids = changed(client, &fetch, uids).await?;
    }
    let uids = client.within_limit(uids);
    let selected = client.selected()?;
    let plan = Plan::new(fetch.items, &selected.view);
    let (wanted, mut told) = (uids.len(), Told::default());
    let target = selected.view.target();
    let last_first = client.cut.is_some();
    let since = if fetch.changed_since.is_some() { Columns::MODSEQ } else { Columns::NONE };
    let columns = plan.columns.with(since);
    for uids in client.pieces(uids) {
        let (mut pages, mut piece) = (Pages::of(target, uids, columns), Vec::new());
        while let Some(mut rows) = pages.next(&mail).await? {
            if let Some(since) = fetch.changed_since {
                let all = rows.len();
                rows.retain(|row| row.modseq.0 > since);
                told.messages += (all - rows.len()) as u64;
            }
            match last_first {
                true => piece.append(&mut rows),
                false => page(client, &mail, &plan, rows, &mut told).await?,
            }
        }
        piece.reverse();
        page(client, &mail, &plan, piece, &mut told).await?;
    }
    if let Some(answer) = told.damaged {
        return Ok(answer);
    }
    if told.messages < wanted {
        return Ok(Answer::ok_with(Code::ExpungeIssued, "Some messages are gone"));
    }
    Ok(Answer::ok())
}

/// Tells these items of these messages, though no command asked (RFC 5465 §5.2).
pub(crate) async fn tell(
    client: &mut Client,
    uids: UidSet,
    items: Vec<FetchItem>,
) -> Result<(), Stop> {
    let mail = client.shared.mail.clone();
    let selected = client.selected()?;
    let plan = Plan::new(items, &selected.view);
    let mut told = Told::default();
    let mut pages = Pages::of(selected.view.target(), uids, plan.columns);
    while let Some(rows) = pages.next(&mail).await? {
        page(client, &mail, &plan, rows, &mut told).await?;
    }
    Ok(())
}

async fn page(
    client: &mut Client,
    mail: &Mail,
    plan: &Plan,
    rows: Vec<UidRow>,
    told: &mut Told,
) -> Result<(), Stop> {
    if plan.structure {
        for rows in rows.chunks(STRUCTURES) {
            with_structures(client, mail, plan, rows, told).await?;
        }
        return Ok(());
    }
    for row in rows {
        let pieces = plan.items.iter().map(|_| Piece::None).collect();
        let ready = Ready { row, message: None, pieces, changed: false };
        write(client, plan, ready).await?;
        told.messages += 1;
    }
    Ok(())
}

/// Which of these messages may have changed since; with VANISHED, tells which are gone: "Any VANISHED (EARLIER)
/// responses MUST be returned before any FETCH responses" (RFC 7162 §3.2.6).
async fn changed(client: &mut Client, fetch: &Fetch, uids: UidSet) -> Result<UidSet, Stop> {
    let mail = client.shared.mail.clone();
    let selected = client.selected()?;
    let since = ModSeq(fetch.changed_since.unwrap_or(0));
    let since = mail.since(selected.view.target(), since).await?;
    if fetch.vanished {
        let gone = earlier(&selected.view, &since, &ever(selected, &fetch.set));
        client.machine.writer().vanished(true, &to_wire(&gone));
    }
    Ok(match &since.changed {
        Some(changed) => uids.intersection(changed),
        None => uids,
    })
}

/// How far it has come.
#[derive(Default)]
struct Told {
    messages: u64,
    /// What to say at the end of messages that are there and cannot be read; the others are told all the same.
    damaged: Option<Answer>,
}

/// Writes what there is of these messages.
async fn with_structures(
    client: &mut Client,
    mail: &Mail,
    plan: &Plan,
    rows: &[UidRow],
    told: &mut Told,
) -> Result<(), Stop> {
    let account = client.selected()?.view.target().account;
    let messages = match plan.bytes {
        true => mail.messages_placed(account, rows).await?,
        false => mail.messages(account, rows).await?,
    };
    let mut there: Vec<(UidRow, Arc<Message>)> = rows
        .iter()
        .zip(messages)
        .filter_map(|(row, message)| Some((row.clone(), message?)))
        .collect();
    while !there.is_empty() {
        let rest = there.split_off(group_size(plan, &there));
        let group = std::mem::replace(&mut there, rest);
        let prepared: Vec<Prepared> = futures::stream::iter(group)
            .map(|(row, message)| prepare(mail, plan, row, message))
            .buffered(READERS)
            .try_collect()
            .await?;
        let mut ready = Vec::with_capacity(prepared.len());
        for prepared in prepared {
            match prepared {
                Prepared::Ready(message) => ready.push(message),
                Prepared::Gone => {}
                Prepared::Damaged(answer) => told.damaged = Some(answer),
            }
        }
        if plan.seen {
            mark_seen(client, mail, &mut ready).await;
        }
        told.messages += ready.len() as u64;
        for ready in ready {
            write(client, plan, ready).await?;
        }
    }
    Ok(())
}

fn group_size(plan: &Plan, messages: &[(UidRow, Arc<Message>)]) -> usize {
    if !plan.bytes {
        return messages.len();
    }
    let mut octets = 0;
    let fits = |(row, _): &&(UidRow, Arc<Message>)| {
        octets += u64::from(row.size);
        octets <= GROUP_OCTETS
    };
    messages.iter().take(GROUP).take_while(fits).count().max(1)
}

/// What became of reading a message.
enum Prepared {
    Ready(Ready),
    Gone,
    Damaged(Answer),
}

async fn prepare(
    mail: &Mail,
    plan: &Plan,
    row: UidRow,
    message: Arc<Message>,
) -> Result<Prepared, Stop> {
    match pieces::read(mail, &message, &plan.items).await {
        Ok(pieces) => {
            let message = Some(message);
            Ok(Prepared::Ready(Ready { row, message, pieces, changed: false }))
        }
        Err(Stop::Answer(answer)) => match answer.code() {
            Some(Code::ExpungeIssued) => Ok(Prepared::Gone),
            Some(Code::Corruption) => Ok(Prepared::Damaged(answer)),
            _ => Err(Stop::Answer(answer)),
        },
        Err(stop) => Err(stop),
    }
}

/// "The \Seen flag is implicitly set; if this causes the flags to change, they SHOULD be included as part of
/// the FETCH responses" (RFC 9051 §6.4.5). A reader gets the message even when it cannot be marked.
async fn mark_seen(client: &mut Client, mail: &Mail, ready: &mut [Ready]) {
    let unseen: Vec<Uid> = ready
        .iter()
        .filter(|ready| !ready.row.flags.contains(Flags::SEEN))
        .map(|ready| ready.row.uid)
        .collect();
    let Some(selected) = client.selected.as_mut().filter(|_| !unseen.is_empty()) else { return };
    let (op, flags, keywords) = (FlagOp::Add, Flags::SEEN, Vec::new());
    let change = FlagChange { op, flags, keywords, unchanged_since: None };
    match mail.store_flags(&mut selected.view, &unseen, &change).await {
        Ok(stored) => {
            selected.contexts.touch_own(&unseen);
            let mut stored: HashMap<Uid, _> =
                stored.into_iter().map(|stored| (stored.uid, stored)).collect();
            for ready in ready {
                if let Some(stored) = stored.remove(&ready.row.uid) {
                    ready.row.flags = stored.flags;
                    ready.row.keywords = stored.keywords;
                    ready.row.modseq = stored.modseq;
                    ready.changed = true;
                }
            }
        }
        Err(error) => tracing::debug!(%error, "messages that were read stay unseen"),
    }
}

async fn write(client: &mut Client, plan: &Plan, ready: Ready) -> Result<(), Stop> {
    let Client { machine, wire, selected, .. } = client;
    let Some(selected) = selected else { return Ok(()) };
    let Some(number) = selected.view.number(ready.row.uid.0) else { return Ok(()) };
    write_line(machine, wire, selected, plan, ready, number).await?;
    wire.send_some(machine.output()).await?;
    Ok(())
}

async fn write_line(
    machine: &mut Session,
    wire: &mut Wire,
    selected: &mut Selected,
    plan: &Plan,
    ready: Ready,
    number: u32,
) -> io::Result<()> {
    let Ready { row, message, pieces, changed } = ready;
    if plan.flags || changed {
        tell_keywords(machine, selected, &row.keywords);
    }
    let recent = !machine.is_rev2() && selected.view.is_recent(row.uid.0);
    // "a FETCH/UID FETCH that implicitly set the \Seen flag" tells UID and mod-sequence too (RFC 7162 §3.2.4).
    let condstore = changed && machine.is_enabled(Capability::CondStore);
    let has = |item: FetchItem| plan.items.contains(&item);
    if condstore || has(FetchItem::ModSeq) {
        selected.show(row.modseq);
    }
    let mut writer = machine.writer();
    let mut line = writer.fetch(number, row.uid.0);
    for (item, piece) in plan.items.iter().zip(pieces) {
        match (item, &message) {
            (FetchItem::Uid, _) => line.uid_item(row.uid.0),
            (FetchItem::Flags, _) => line.flags(row.flags, &row.keywords, recent),
            (FetchItem::InternalDate, _) => line.internal_date(&row.received_at),
            (FetchItem::Size, _) => line.size(u64::from(row.size)),
            (FetchItem::ModSeq, _) => line.mod_seq(row.modseq.0),
            (FetchItem::EmailId, _) => line.email_id(&row.message.to_string()),
            // A message has one conversation in each account, and its id in all: "The server MUST return the same THREADID
            // for all messages with the same EMAILID" (RFC 8474 §5.2), or none.
            (FetchItem::ThreadId, _) if selected.view.reach().is_own() => {
                line.thread_id(Some(&row.thread.to_string()));
            }
            (FetchItem::ThreadId, _) => line.thread_id(None),
            (FetchItem::SaveDate, _) => line.save_date(Some(&row.saved_at)),
            // It lies with the rest, so LAZY costs no more.
            (FetchItem::Preview { .. }, Some(m)) => line.preview(Some(&m.preview)),
            (FetchItem::Envelope, Some(m)) => line.envelope(&m.structure.envelope),
            (FetchItem::Body, Some(m)) => line.body(&m.structure.root),
            (FetchItem::BodyStructure, Some(m)) => line.body_structure(&m.structure.root),
            _ => write_piece(&mut line, wire, item, piece).await?,
        }
    }
    if changed && !plan.flags {
        line.flags(row.flags, &row.keywords, recent);
    }
    if condstore && !has(FetchItem::Uid) {
        line.uid(row.uid.0);
    }
    if condstore && !has(FetchItem::ModSeq) {
        line.mod_seq(row.modseq.0);
    }
    line.end();
    Ok(())
}

async fn write_piece(
    line: &mut FetchLine<'_>,
    wire: &mut Wire,
    item: &FetchItem,
    piece: Piece,
) -> io::Result<()> {
    match piece {
        Piece::None => {}
        Piece::Nil => line.data_nil(item),
        Piece::Size(octets) => {
            if let FetchItem::BinarySize(part) = item {
                line.binary_size(part, octets);
            }
        }
        Piece::Octets(octets) => {
            line.data(item, octets.len() as u64);
            for octets in octets.chunks(16 * 1024) {
                line.out().extend_from_slice(octets);
                wire.send_some(line.out()).await?;
            }
        }
        Piece::Stream(mut stream) => {
            line.data(item, stream.len());
            let failed = |error: MailError| broken(&error);
            while let Some(octets) = stream.next().await.map_err(failed)? {
                for octets in octets.chunks(16 * 1024) {
                    line.out().extend_from_slice(octets);
                    wire.send_some(line.out()).await?;
                }
            }
        }
    }
    Ok(())
}
