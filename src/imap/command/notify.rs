//! NOTIFY (RFC 5465).

use super::fetch::{FetchItem, items};
use super::{Call, Command, Request};
use crate::cursor::{Cursor, Parsed, Refusal};
use crate::mailbox::mailbox;
use crate::response::Code;

/// Most groups of one NOTIFY.
const MAX_GROUPS: usize = 64;
/// Most names of mailboxes in all of it; more would be too expensive.
pub(super) const MAX_NAMES: usize = 1_000;
/// Most events of one group.
const MAX_EVENTS: usize = 16;

/// NOTIFY SET. NOTIFY NONE is one without anything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notify {
    /// STATUS of what is watched is wanted first.
    pub status: bool,
    /// Of the selected mailbox; `None`: nothing.
    pub selected: Option<NotifySelected>,
    /// Of others.
    pub groups: Vec<NotifyGroup>,
}

/// What is told of the selected mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NotifySelected {
    /// New and expunged messages.
    pub messages: bool,
    /// Changed flags.
    pub flags: bool,
    /// What is told of new messages.
    pub fetch: Vec<FetchItem>,
    /// SELECTED-DELAYED: expunged messages keep their numbers until a command may tell.
    pub delayed: bool,
}

/// What is told of some mailboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifyGroup {
    /// Which.
    pub mailboxes: NotifyMailboxes,
    /// What.
    pub events: NotifyEvents,
}

/// Mailboxes that NOTIFY names (RFC 5465 §6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotifyMailboxes {
    /// Those that mail is delivered to.
    Inboxes,
    /// All of the user's own.
    Personal,
    /// Subscribed ones.
    Subscribed,
    /// These and all below them.
    Subtree(Vec<String>),
    /// These.
    Mailboxes(Vec<String>),
}

/// Events that NOTIFY names (RFC 5465 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NotifyEvents {
    /// New and expunged messages.
    pub messages: bool,
    /// Changed flags.
    pub flags: bool,
    /// Created, deleted, renamed.
    pub names: bool,
    /// Subscribed or not.
    pub subscriptions: bool,
    /// Annotations of mailboxes.
    pub metadata: bool,
    /// Annotations of the server.
    pub server_metadata: bool,
}

/// Every event there is, for BADEVENT.
pub(crate) const EVENTS: &str = "MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange \
     MailboxMetadataChange ServerMetadataChange";

#[derive(Default)]
struct Events {
    new: bool,
    expunge: bool,
    others: NotifyEvents,
    fetch: Vec<FetchItem>,
}

/// `"NOTIFY" SP ("SET" [SP "STATUS"] SP event-groups / "NONE")`
pub(super) fn notify(cursor: &mut Cursor<'_>, _: Call) -> Parsed<Request> {
    cursor.space()?;
    let mut notify = Notify::default();
    if cursor.take_word("NONE") {
        return Ok(Request::Command(Command::Notify(notify)));
    }
    if !cursor.take_word("SET ") {
        return Err(Refusal::bad("NOTIFY is SET or NONE"));
    }
    notify.status = cursor.take_word("STATUS ");
    let mut names = 0;
    let mut groups = 0;
    loop {
        group(cursor, &mut notify, &mut names)?;
        groups += 1;
        if groups > MAX_GROUPS || names > MAX_NAMES {
            return Err(Refusal::no(Code::NotificationOverflow, "Too much to watch"));
        }
        if !cursor.take(b' ') {
            return Ok(Request::Command(Command::Notify(notify)));
        }
    }
}

/// `"(" filter-mailboxes SP events ")"`
fn group(cursor: &mut Cursor<'_>, notify: &mut Notify, names: &mut usize) -> Parsed<()> {
    cursor.byte(b'(')?;
    let filter = cursor.name()?.to_ascii_uppercase();
    cursor.space()?;
    let mailboxes = match filter.as_str() {
        "SELECTED" | "SELECTED-DELAYED" => None,
        "INBOXES" => Some(NotifyMailboxes::Inboxes),
        "PERSONAL" => Some(NotifyMailboxes::Personal),
        "SUBSCRIBED" => Some(NotifyMailboxes::Subscribed),
        "SUBTREE" => Some(NotifyMailboxes::Subtree(some_mailboxes(cursor, names)?)),
        "MAILBOXES" => Some(NotifyMailboxes::Mailboxes(some_mailboxes(cursor, names)?)),
        _ => return Err(Refusal::bad("Unknown kind of mailboxes")),
    };
    let events = events(cursor)?;
    cursor.byte(b')')?;
    if events.new != events.expunge || (events.others.flags && !events.new) {
        // "the server MUST respond with the tagged BAD response" (RFC 5465 §5)
        return Err(Refusal::bad("MessageNew and MessageExpunge go together, and with FlagChange"));
    }
    let messages = events.new;
    match mailboxes {
        Some(_) if !events.fetch.is_empty() => {
            Err(Refusal::bad("Items are told of the selected mailbox only"))
        }
        Some(mailboxes) => {
            let events = NotifyEvents { messages, ..events.others };
            notify.groups.push(NotifyGroup { mailboxes, events });
            Ok(())
        }
        None => selected(notify, events, filter == "SELECTED-DELAYED"),
    }
}

fn selected(notify: &mut Notify, events: Events, delayed: bool) -> Parsed<()> {
    if (NotifyEvents { flags: false, ..events.others }) != NotifyEvents::default() {
        // "It is an error to specify other types of events" (RFC 5465 §6.1)
        return Err(Refusal::bad("Only events of messages are of the selected mailbox"));
    }
    let (messages, flags, fetch) = (events.new, events.others.flags, events.fetch);
    let selected = NotifySelected { messages, flags, fetch, delayed };
    if notify.selected.replace(selected).is_some() {
        return Err(Refusal::bad("The selected mailbox can be named once"));
    }
    Ok(())
}

/// `mailbox / "(" mailbox *(SP mailbox) ")"`, and the space behind it.
fn some_mailboxes(cursor: &mut Cursor<'_>, names: &mut usize) -> Parsed<Vec<String>> {
    let found = if cursor.peek() == Some(b'(') {
        cursor.some_list(MAX_NAMES, mailbox)?
    } else {
        vec![mailbox(cursor)?]
    };
    *names += found.len();
    cursor.space()?;
    Ok(found)
}

/// `"(" event *(SP event) ")" / "NONE"`; without parentheses too, as in the RFC's examples.
fn events(cursor: &mut Cursor<'_>) -> Parsed<Events> {
    let mut events = Events::default();
    if cursor.take_word("NONE") {
        return Ok(events);
    }
    let listed = cursor.take(b'(');
    for _ in 0..MAX_EVENTS {
        event(cursor, &mut events)?;
        if !cursor.take(b' ') {
            if listed {
                cursor.byte(b')')?;
            }
            return Ok(events);
        }
    }
    Err(Refusal::bad("Too many events"))
}

fn event(cursor: &mut Cursor<'_>, events: &mut Events) -> Parsed<()> {
    match cursor.name()?.to_ascii_uppercase().as_str() {
        "MESSAGENEW" => {
            events.new = true;
            if cursor.comes(" (") {
                cursor.space()?;
                events.fetch = items(cursor)?;
            }
        }
        "MESSAGEEXPUNGE" => events.expunge = true,
        "FLAGCHANGE" => events.others.flags = true,
        "MAILBOXNAME" => events.others.names = true,
        "SUBSCRIPTIONCHANGE" => events.others.subscriptions = true,
        "MAILBOXMETADATACHANGE" => events.others.metadata = true,
        "SERVERMETADATACHANGE" => events.others.server_metadata = true,
        // "the server MUST refuse the command with a tagged NO response (not a BAD)" (RFC 5465 §3.1)
        _ => return Err(Refusal::no(Code::BadEvent, "No such event here")),
    }
    Ok(())
}
