//! NOTIFY (RFC 5465): telling what happens in all of an account, also while no command is in progress.
//!
//! Of the selected mailbox the view tells, as in IDLE; of others the account's change log, followed by a
//! [`mail::Follow`]. One watch of the account wakes for both. Where names of others' mailboxes are asked for, the accounts
//! of their owners are followed too; which these are is looked at now and then, since anybody may begin to share.

use crate::answer::{Answer, Stop};
use crate::client::Client;
use crate::cmd::{fetch, list};
use crate::update::Look;
use imap::{
    Attribute, Capability, Code, ListEntry, Listening, Notify, NotifyEvents, NotifyMailboxes,
    NotifySelected, State, Status, StatusItem,
};
use mail::{
    Follow, Found, Made, Mail, NameChange, News, OTHERS, SEPARATOR, Touched, UidSet, Watch,
};
use rand::Rng;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;
use types::{AccountId, MailboxId, Rights};

/// Most accounts that one session follows beside its own.
const MAX_OWNERS: usize = 100;
/// Between two looks at whose mailboxes there are, spread by a quarter either way.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// What a client wants to be told of.
pub(crate) struct Watching {
    wanted: Notify,
    /// The client's own account first.
    followed: Vec<Followed>,
    /// When to look for more accounts; `None`: only the client's own is asked for.
    look_at: Option<Instant>,
    /// The last look at an account failed: there may be something to tell.
    pub(crate) behind: bool,
}

/// An account and where in it the client stands.
struct Followed {
    follow: Follow,
    watch: Watch,
}

impl Followed {
    async fn new(
        mail: &Mail,
        user: AccountId,
        account: AccountId,
    ) -> Result<(Self, Vec<Found>), Stop> {
        // The watch first: what happens after the look wakes us.
        let watch = mail.hub().watch(account);
        let (follow, mailboxes) = mail.follow_account(user, account).await?;
        Ok((Self { follow, watch }, mailboxes))
    }
}

impl Watching {
    /// What is wanted of the selected mailbox.
    pub(crate) fn selected(&self) -> NotifySelected {
        self.wanted.selected.clone().unwrap_or_default()
    }

    /// Resolves when there may be something to tell. Cancel-safe.
    pub(crate) async fn changed(&mut self) {
        let look_at = self.look_at;
        let mut watches: Vec<_> =
            self.followed.iter_mut().map(|followed| Box::pin(followed.watch.changed())).collect();
        let any = poll_fn(|context| {
            let woken = watches.iter_mut().any(|watch| watch.as_mut().poll(context).is_ready());
            if woken { Poll::Ready(()) } else { Poll::Pending }
        });
        match look_at {
            Some(at) => drop(tokio::time::timeout_at(at, any).await),
            None => pin!(any).await,
        }
    }

    /// Names that are subscribed to.
    fn subscribed(&self) -> Option<&BTreeSet<String>> {
        self.followed.first().map(|own| own.follow.subscribed())
    }

    /// Whether a name of somebody else's mailbox may be among what is wanted.
    fn wants_others(&self) -> bool {
        self.wanted.groups.iter().any(|group| reaches_others(&group.mailboxes))
    }

    fn look_later(&mut self) {
        let pause = LOOK_EVERY.mul_f64(rand::rng().random_range(0.75..=1.25));
        self.look_at = self.wants_others().then(|| Instant::now() + pause);
    }

    /// Anything at all is wanted of a mailbox of this name.
    fn wants(&self, name: &str) -> bool {
        self.events(name) != NotifyEvents::default()
    }

    /// The events that are wanted of a mailbox of this name.
    fn events(&self, name: &str) -> NotifyEvents {
        let Some(subscribed) = self.subscribed() else { return NotifyEvents::default() };
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

/// Whether a group of mailboxes may hold some of others.
pub(crate) fn reaches_others(mailboxes: &NotifyMailboxes) -> bool {
    match mailboxes {
        NotifyMailboxes::Inboxes | NotifyMailboxes::Personal => false,
        NotifyMailboxes::Subscribed => true,
        NotifyMailboxes::Subtree(names) | NotifyMailboxes::Mailboxes(names) => {
            names.iter().any(|name| is_near_others(name))
        }
    }
}

/// Whether a name is of somebody else's mailbox, or above one.
pub(crate) fn is_near_others(name: &str) -> bool {
    below(OTHERS, name) || below(name, OTHERS)
}

/// Whether a name is this one or below it.
fn below(root: &str, name: &str) -> bool {
    name.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with(SEPARATOR))
}

/// Whether a group of mailboxes holds this name. Mail may be delivered to any personal mailbox.
pub(crate) fn covers(
    mailboxes: &NotifyMailboxes,
    name: &str,
    subscribed: &BTreeSet<String>,
) -> bool {
    match mailboxes {
        NotifyMailboxes::Inboxes | NotifyMailboxes::Personal => !below(OTHERS, name),
        NotifyMailboxes::Subscribed => subscribed.contains(name),
        NotifyMailboxes::Subtree(roots) => roots.iter().any(|root| below(root, name)),
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
    let (user, mail) = (client.account()?, client.shared.mail.clone());
    let (own, mailboxes) = Followed::new(&mail, user, user).await?;
    let mut watching = Watching { wanted, followed: vec![own], look_at: None, behind: false };
    tell_wanted(client, &watching, mailboxes).await?;
    if watching.wants_others() {
        let new = owners(&mail, user, &watching).await?;
        if new.len() > MAX_OWNERS {
            let text = "The mailboxes of too many others";
            return Ok(Answer::no(Code::NotificationOverflow, text));
        }
        for owner in new {
            let (followed, mailboxes) = Followed::new(&mail, user, owner).await?;
            tell_wanted(client, &watching, mailboxes).await?;
            watching.followed.push(followed);
        }
    }
    watching.look_later();
    let selected = watching.selected();
    let nothing = watching.wanted.groups.is_empty() && !selected.messages;
    client.machine.listen(match selected {
        _ if nothing => Listening::No,
        NotifySelected { messages: true, delayed: false, .. } => Listening::Always,
        _ => Listening::Delayed,
    });
    client.notify = Some(Box::new(watching));
    client.watch_selected();
    client.note_new();
    Ok(Answer::ok())
}

/// Says at the beginning what there is of the wanted mailboxes, where STATUS is asked for; and which "the client can LIST
/// ..., but ... doesn't have another right required": "the server MUST respond with an untagged extended LIST response
/// containing the \NoAccess name attribute" (RFC 5465 §3.1).
async fn tell_wanted(
    client: &mut Client,
    watching: &Watching,
    mailboxes: Vec<Found>,
) -> Result<(), Stop> {
    for Found { reach, mailbox } in mailboxes {
        let events = watching.events(&mailbox.name);
        if !reach.rights().has(Rights::READ) {
            if watching.wants(&mailbox.name) {
                let (name, attributes) = (mailbox.name.as_str(), &[Attribute::NoAccess]);
                let entry = ListEntry { attributes, name, ..ListEntry::default() };
                client.machine.writer().list(&entry);
            }
            continue;
        }
        let other = client.selected_mailbox() != Some(mailbox.id);
        if watching.wanted.status && events.messages && other {
            let mut items =
                vec![StatusItem::Messages, StatusItem::UidNext, StatusItem::UidValidity];
            if events.flags {
                items.push(StatusItem::HighestModSeq);
            }
            let account = reach.target().account;
            list::tell_status(client, account, &mailbox.name, &mailbox, &items).await?;
            client.wire.send_some(client.machine.output()).await?;
        }
    }
    Ok(())
}

/// Whose mailboxes are wanted and not followed yet.
async fn owners(mail: &Mail, user: AccountId, watching: &Watching) -> Result<Vec<AccountId>, Stop> {
    let others = mail.others(user).await?;
    let wanted = others.iter().filter(|found| watching.wants(&found.mailbox.name));
    let owners: BTreeSet<AccountId> = wanted.map(|found| found.reach.target().account).collect();
    let known = |owner: &AccountId| {
        watching.followed.iter().any(|followed| followed.follow.account() == *owner)
    };
    Ok(owners.into_iter().filter(|owner| !known(owner)).collect())
}

impl Client {
    pub(crate) fn selected_mailbox(&self) -> Option<MailboxId> {
        self.selected.as_ref().map(|selected| selected.view.target().mailbox)
    }

    /// Notes a change that this client made itself: "The server SHOULD omit notifying the client if the event is caused
    /// by this client" (RFC 5465 §5).
    pub(crate) fn made(&mut self, made: Made) {
        let followed = self.notify.iter_mut().flat_map(|notify| &mut notify.followed);
        for followed in followed.filter(|one| one.follow.account() == made.account) {
            followed.follow.made(made.modseq);
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
        self.look_for_owners().await?;
        let mail = self.shared.mail.clone();
        let mut at = 0;
        while let Some(followed) =
            self.notify.as_mut().and_then(|notify| notify.followed.get_mut(at))
        {
            at += 1;
            let news = mail.news(&mut followed.follow).await?;
            if news.lost {
                self.lose_track();
                return Ok(());
            }
            self.tell_one(&news).await?;
        }
        Ok(())
    }

    /// "It MUST notify these clients by sending an untagged "OK [NOTIFICATIONOVERFLOW]" response and behave as if a NOTIFY
    /// NONE command had just been received." (RFC 5465 §5.8)
    fn lose_track(&mut self) {
        if let Some(notify) = &mut self.notify {
            notify.wanted = Notify::default();
            notify.followed.truncate(1);
            notify.look_at = None;
        }
        self.machine.listen(Listening::No);
        let code = Code::NotificationOverflow;
        self.machine.writer().status(Status::Ok, Some(&code), "Too much happened at once");
    }

    /// Whoever began to share something that is wanted is followed from now on, and what they share is new.
    async fn look_for_owners(&mut self) -> Result<(), Stop> {
        let Some(notify) = &mut self.notify else { return Ok(()) };
        if notify.look_at.is_none_or(|at| at > Instant::now()) {
            return Ok(());
        }
        notify.look_later();
        let (user, mail) = (self.account()?, self.shared.mail.clone());
        let Some(notify) = &self.notify else { return Ok(()) };
        for owner in owners(&mail, user, notify).await? {
            if self.notify.as_ref().is_none_or(|notify| notify.followed.len() > MAX_OWNERS) {
                self.lose_track();
                return Ok(());
            }
            let (followed, mailboxes) = Followed::new(&mail, user, owner).await?;
            let name = |found: &Found| NameChange::Created(found.mailbox.name.clone());
            let names = mailboxes.iter().map(name).collect();
            if let Some(notify) = &mut self.notify {
                notify.followed.push(followed);
            }
            self.tell_names(&News { names, mailboxes, ..News::default() });
        }
        Ok(())
    }

    async fn tell_one(&mut self, news: &News) -> Result<(), Stop> {
        if news.is_empty() {
            return Ok(());
        }
        self.tell_names(news);
        self.tell_subscriptions(news);
        self.tell_metadata(news);
        self.tell_messages(news).await
    }

    /// A LIST response as things are now.
    fn tell_name(&mut self, news: &News, name: &str, old_name: Option<&str>) {
        let Some(notify) = &self.notify else { return };
        let there = news.mailboxes.iter().find(|found| found.mailbox.name == name);
        let inside = |found: &Found| found.mailbox.name != name && below(name, &found.mailbox.name);
        let mut attributes = Vec::with_capacity(4);
        if there.is_none() {
            attributes.push(Attribute::NonExistent);
        }
        let parent = news.mailboxes.iter().any(inside);
        attributes.push(if parent { Attribute::HasChildren } else { Attribute::HasNoChildren });
        let lost = match there {
            Some(found) => !found.reach.rights().has(Rights::READ),
            None => !parent && below(OTHERS, name),
        };
        if lost {
            // "if and when the mailbox loses the 'l' right" (RFC 5465 §5.9)
            attributes.push(Attribute::NoAccess);
        }
        if notify.subscribed().is_some_and(|subscribed| subscribed.contains(name)) {
            attributes.push(Attribute::Subscribed);
        }
        let special_use = there
            .filter(|found| found.reach.is_own())
            .and_then(|found| list::special_use(found.mailbox.role));
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
        for (Found { reach, mailbox }, touched) in &news.messages {
            if self.selected_mailbox() == Some(mailbox.id) {
                continue;
            }
            let Some(notify) = &self.notify else { return Ok(()) };
            let condstore = self.machine.is_enabled(Capability::CondStore);
            let items = status_items(notify.events(&mailbox.name), *touched, condstore);
            if !items.is_empty() {
                let account = reach.target().account;
                list::tell_status(self, account, &mailbox.name, mailbox, &items).await?;
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
