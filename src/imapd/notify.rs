//! NOTIFY (RFC 5465): telling what happens in all of an account, also while no command is in progress.
//!
//! Of the selected mailbox the view tells, as in IDLE; of others the account's change log, followed by a
//! [`mail::Follow`]. One watch of the account wakes for both.

use crate::answer::{Answer, Stop};
use crate::client::Client;
use crate::cmd::{fetch, list};
use crate::update::Look;
use imap::{
    Attribute, Capability, Code, ListEntry, Listening, Notify, NotifyEvents, NotifyMailboxes,
    NotifySelected, State, Status, StatusItem,
};
use mail::{Follow, Mailbox, NameChange, News, SEPARATOR, Touched, UidSet, Watch};
use std::collections::BTreeSet;
use types::{MailboxId, ModSeq};

/// What a client wants to be told of.
pub(crate) struct Watching {
    wanted: Notify,
    follow: Follow,
    pub(crate) watch: Watch,
    /// The last look at the account failed: there may be something to tell.
    pub(crate) behind: bool,
}

impl Watching {
    /// What is wanted of the selected mailbox.
    pub(crate) fn selected(&self) -> NotifySelected {
        self.wanted.selected.clone().unwrap_or_default()
    }

    /// The events that are wanted of a mailbox of this name.
    fn events(&self, name: &str) -> NotifyEvents {
        let subscribed = self.follow.subscribed();
        let groups = self.wanted.groups.iter();
        groups.filter(|group| covers(&group.mailboxes, name, subscribed)).fold(
            NotifyEvents::default(),
            |all, group| NotifyEvents {
                messages: all.messages | group.events.messages,
                flags: all.flags | group.events.flags,
                names: all.names | group.events.names,
                subscriptions: all.subscriptions | group.events.subscriptions,
                metadata: all.metadata | group.events.metadata,
                server_metadata: all.server_metadata | group.events.server_metadata,
            },
        )
    }

    fn server_metadata(&self) -> bool {
        self.wanted.groups.iter().any(|group| group.events.server_metadata)
    }
}

/// Whether a group of mailboxes holds this name. All mailboxes are personal, and mail may be delivered to any of them.
pub(crate) fn covers(
    mailboxes: &NotifyMailboxes,
    name: &str,
    subscribed: &BTreeSet<String>,
) -> bool {
    let below = |root: &String| {
        name.strip_prefix(root.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(SEPARATOR))
    };
    match mailboxes {
        NotifyMailboxes::Inboxes | NotifyMailboxes::Personal => true,
        NotifyMailboxes::Subscribed => subscribed.contains(name),
        NotifyMailboxes::Subtree(roots) => roots.iter().any(below),
        NotifyMailboxes::Mailboxes(names) => names.iter().any(|known| known == name),
    }
}

/// NOTIFY SET and NOTIFY NONE.
pub(crate) async fn notify(client: &mut Client, wanted: Notify) -> Result<Answer, Stop> {
    let before = client.notify.take();
    let result = set(client, wanted).await;
    if result.is_err() {
        client.notify = before;
    }
    result
}

async fn set(client: &mut Client, wanted: Notify) -> Result<Answer, Stop> {
    // "A successful NOTIFY SET command MUST cause the server to immediately return any accumulated changes to the
    // currently selected mailbox" (RFC 5465 §3.1): also what was not told since an earlier NOTIFY NONE.
    client.update(Look::Now).await?;
    let account = client.account()?;
    let mail = client.shared.mail.clone();
    // The watch first: what happens after the look wakes us.
    let watch = mail.hub().watch(account);
    let follow = mail.follow_account(account).await?;
    let watching = Watching { wanted, follow, watch, behind: false };
    if watching.wanted.status {
        for mailbox in mail.mailboxes(account).await? {
            let events = watching.events(&mailbox.name);
            if events.messages && client.selected_mailbox() != Some(mailbox.id) {
                let mut items =
                    vec![StatusItem::Messages, StatusItem::UidNext, StatusItem::UidValidity];
                if events.flags {
                    items.push(StatusItem::HighestModSeq);
                }
                list::tell_status(client, &mailbox.name, &mailbox, &items).await?;
                client.wire.send_some(client.machine.output()).await?;
            }
        }
    }
    let selected = watching.selected();
    let nothing = watching.wanted.groups.is_empty() && !selected.messages;
    client.machine.listen(match selected {
        _ if nothing => Listening::No,
        NotifySelected { messages: true, delayed: false, .. } => Listening::Always,
        _ => Listening::Delayed,
    });
    client.notify = Some(Box::new(watching));
    client.note_new();
    Ok(Answer::ok())
}

impl Client {
    pub(crate) fn selected_mailbox(&self) -> Option<MailboxId> {
        self.selected.as_ref().map(|selected| selected.view.target().mailbox)
    }

    /// Notes a change that this client made itself: "The server SHOULD omit notifying the client if the event is caused
    /// by this client" (RFC 5465 §5).
    pub(crate) fn made(&mut self, modseq: ModSeq) {
        if let Some(notify) = &mut self.notify {
            notify.follow.made(modseq);
        }
    }

    /// Messages there are by now need not be fetched for the client.
    pub(crate) fn note_new(&mut self) {
        if let Some(selected) = &mut self.selected {
            selected.shown_new = selected.view.uidnext().saturating_sub(1);
            selected.own_new = UidSet::default();
        }
    }

    /// The account changed: tells what the client wants to know, at a moment when it may be told. What wakes us again
    /// while we look is left to the next look: of the selected mailbox only the first part here tells.
    ///
    /// # Errors
    /// Only when the client is gone.
    pub(crate) async fn woken(&mut self) -> std::io::Result<()> {
        self.update_quietly(Look::Now).await?;
        if self.notify.is_none() || self.machine.state() == State::Logout {
            return Ok(());
        }
        let told = async {
            self.tell_new().await?;
            self.tell_news().await
        };
        let told = told.await;
        if let Some(notify) = &mut self.notify {
            notify.behind = told.is_err();
        }
        match told {
            Err(Stop::Gone(error)) => Err(error),
            // It is told a little later.
            Ok(()) | Err(Stop::Answer(_)) => Ok(()),
        }
    }

    /// The items that are wanted of new messages: "an unsolicited EXISTS response, followed by an unsolicited FETCH
    /// response containing the information requested by the client" (RFC 5465 §5.2).
    async fn tell_new(&mut self) -> Result<(), Stop> {
        let Some(notify) = &self.notify else { return Ok(()) };
        let items = notify.selected().fetch;
        let Some(selected) = &mut self.selected else { return Ok(()) };
        let before = selected.shown_new.saturating_add(1);
        let new = selected.view.known(&UidSet::from_ranges([before..=u32::MAX]));
        let new = new.difference(selected.view.vanished()).difference(&selected.own_new);
        let (shown, own) = (selected.shown_new, selected.own_new.clone());
        self.note_new();
        if items.is_empty() || new.is_empty() {
            return Ok(());
        }
        let told = Box::pin(fetch::tell(self, new, items)).await;
        if let (Err(_), Some(selected)) = (&told, &mut self.selected) {
            // Telling something twice does no harm.
            (selected.shown_new, selected.own_new) = (shown, own);
        }
        told
    }

    async fn tell_news(&mut self) -> Result<(), Stop> {
        let mail = self.shared.mail.clone();
        let Some(notify) = &mut self.notify else { return Ok(()) };
        let news = mail.news(&mut notify.follow).await?;
        if news.lost {
            // "It MUST notify these clients by sending an untagged "OK [NOTIFICATIONOVERFLOW]" response and behave as if
            // a NOTIFY NONE command had just been received." (RFC 5465 §5.8)
            notify.wanted = Notify::default();
            self.machine.listen(Listening::No);
            let code = Code::NotificationOverflow;
            self.machine.writer().status(Status::Ok, Some(&code), "Too much happened at once");
            return Ok(());
        }
        if news.is_empty() {
            return Ok(());
        }
        self.tell_names(&news);
        self.tell_subscriptions(&news);
        self.tell_metadata(&news);
        self.tell_messages(&news).await
    }

    /// A LIST response as things are now.
    fn tell_name(&mut self, news: &News, name: &str, old_name: Option<&str>) {
        let Some(notify) = &self.notify else { return };
        let there = news.mailboxes.iter().find(|mailbox| mailbox.name == name);
        let below = |mailbox: &Mailbox| {
            mailbox.name.strip_prefix(name).is_some_and(|rest| rest.starts_with(SEPARATOR))
        };
        let mut attributes = Vec::with_capacity(4);
        if there.is_none() {
            attributes.push(Attribute::NonExistent);
        }
        attributes.push(match news.mailboxes.iter().any(below) {
            true => Attribute::HasChildren,
            false => Attribute::HasNoChildren,
        });
        if notify.follow.subscribed().contains(name) {
            attributes.push(Attribute::Subscribed);
        }
        let special_use = there.and_then(|mailbox| list::special_use(mailbox.role));
        attributes.extend(special_use.map(Attribute::SpecialUse));
        let entry = ListEntry { attributes: &attributes, name, old_name, ..ListEntry::default() };
        self.machine.writer().list(&entry);
    }

    fn wants(&self, name: &str, wants: impl Fn(NotifyEvents) -> bool) -> bool {
        self.notify.as_ref().is_some_and(|notify| wants(notify.events(name)))
    }

    fn tell_names(&mut self, news: &News) {
        // "If a mailbox is created or deleted, the mailbox itself and its direct parent (whether it is an existing
        // mailbox or not) are considered to be affected." (RFC 5465 §5.4)
        let mut affected = BTreeSet::new();
        for change in &news.names {
            match change {
                NameChange::Created(name) | NameChange::Deleted(name) => {
                    affected.insert(name.as_str());
                    affected.extend(name.rsplit_once(SEPARATOR).map(|(parent, _)| parent));
                }
                NameChange::Renamed { from, to } => {
                    let wanted = |name: &str| self.wants(name, |events| events.names);
                    if wanted(from) || wanted(to) {
                        self.tell_name(news, to, Some(from));
                    }
                }
            }
        }
        for name in affected {
            if self.wants(name, |events| events.names) {
                self.tell_name(news, name, None);
            }
        }
    }

    fn tell_subscriptions(&mut self, news: &News) {
        for name in news.subscriptions.keys() {
            if self.wants(name, |events| events.subscriptions) {
                self.tell_name(news, name, None);
            }
        }
    }

    fn tell_metadata(&mut self, news: &News) {
        for (place, entries) in &news.metadata {
            let wanted = match (place, &self.notify) {
                (Some(name), _) => self.wants(name, |events| events.metadata),
                (None, Some(notify)) => notify.server_metadata(),
                (None, None) => false,
            };
            if wanted {
                let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
                let place = place.as_deref().unwrap_or_default();
                self.machine.writer().metadata_changed(place, &entries);
            }
        }
    }

    /// "Message-related notifications returned for the currently selected mailbox will be those specified by the
    /// SELECTED/SELECTED-DELAYED mailbox specifier, even if the selected mailbox also appears by name" (RFC 5465 §3.1).
    async fn tell_messages(&mut self, news: &News) -> Result<(), Stop> {
        for (mailbox, touched) in &news.messages {
            if self.selected_mailbox() == Some(mailbox.id) {
                continue;
            }
            let Some(notify) = &self.notify else { return Ok(()) };
            let condstore = self.machine.is_enabled(Capability::CondStore);
            let items = status_items(notify.events(&mailbox.name), *touched, condstore);
            if !items.is_empty() {
                list::tell_status(self, &mailbox.name, mailbox, &items).await?;
                self.wire.send_some(self.machine.output()).await?;
            }
        }
        Ok(())
    }
}

/// What is told of another mailbox (RFC 5465 §5.1 to §5.3).
fn status_items(wanted: NotifyEvents, touched: Touched, condstore: bool) -> Vec<StatusItem> {
    let mut items = Vec::new();
    if wanted.messages && (touched.created || touched.destroyed) {
        items.extend([StatusItem::UidNext, StatusItem::Messages]);
    }
    if wanted.flags && touched.updated {
        items.extend([StatusItem::UidValidity, StatusItem::Unseen]);
    }
    if condstore && !items.is_empty() {
        items.push(StatusItem::HighestModSeq);
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_hold_names() {
        let subscribed: BTreeSet<String> = ["a/b".to_owned()].into();
        let holds = |group: &NotifyMailboxes, name| covers(group, name, &subscribed);
        let tree = NotifyMailboxes::Subtree(vec!["a".into()]);
        assert!(holds(&tree, "a") && holds(&tree, "a/b/c") && !holds(&tree, "ab"));
        let named = NotifyMailboxes::Mailboxes(vec!["a".into(), "a*".into()]);
        assert!(holds(&named, "a") && !holds(&named, "a/b") && !holds(&named, "ab"));
        assert!(holds(&NotifyMailboxes::Subscribed, "a/b"));
        assert!(!holds(&NotifyMailboxes::Subscribed, "a"));
        assert!(holds(&NotifyMailboxes::Personal, "x") && holds(&NotifyMailboxes::Inboxes, "y"));
    }

    #[test]
    fn status_tells_what_is_wanted() {
        let all = NotifyEvents { messages: true, flags: true, ..NotifyEvents::default() };
        let came = Touched { created: true, ..Touched::default() };
        let changed = Touched { updated: true, ..Touched::default() };
        let messages = NotifyEvents { flags: false, ..all };
        use StatusItem::{HighestModSeq, Messages, UidNext, UidValidity, Unseen};
        assert_eq!(status_items(all, came, false), [UidNext, Messages]);
        assert_eq!(status_items(all, changed, true), [UidValidity, Unseen, HighestModSeq]);
        assert_eq!(status_items(messages, changed, true), []);
        assert_eq!(status_items(NotifyEvents::default(), came, true), []);
    }
}
