//! LIST, LSUB, STATUS.

use crate::answer::{Answer, Stop};
use crate::client::Client;
use imap::{Attribute, List, ListEntry, SpecialUse, StatusData, StatusItem, StatusValue};
use mail::{Found, MailError, Mailbox, OTHERS, Path, Reach, Role, SEPARATOR, Target};
use std::collections::{BTreeMap, HashSet};
use types::{AccountId, Rights};

/// A name that LIST may show.
#[derive(Debug, Default, Clone)]
struct Name {
    mailbox: Option<Mailbox>,
    /// What may be done with it, if it is somebody else's.
    other: Option<Reach>,
    subscribed: bool,
    /// Only a level of the hierarchy.
    level: bool,
}

/// All names of an account.
#[derive(Debug, Default)]
struct Tree {
    names: BTreeMap<String, Name>,
    /// Names with an existing mailbox somewhere below.
    parents: HashSet<String>,
}

/// The superior names, outermost first.
fn superiors(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices(SEPARATOR).map(|(at, _)| &name[..at])
}

pub(crate) fn special_use(role: Role) -> Option<SpecialUse> {
    Some(match role {
        Role::Drafts => SpecialUse::Drafts,
        Role::Sent => SpecialUse::Sent,
        Role::Trash => SpecialUse::Trash,
        Role::Junk => SpecialUse::Junk,
        Role::Archive => SpecialUse::Archive,
        Role::Important => SpecialUse::Important,
        Role::None | Role::Inbox => return None,
    })
}

impl Name {
    fn special_use(&self) -> Option<SpecialUse> {
        self.mailbox.as_ref().and_then(|mailbox| special_use(mailbox.role))
    }

    /// Whether the selection options let it through. A name that does not exist shows only as subscribed.
    fn is_selected(&self, list: &List) -> bool {
        let subscribed = self.subscribed || !list.select.subscribed;
        let used = self.special_use().is_some() || !list.select.special_use;
        let there = self.mailbox.is_some() || (list.select.subscribed && self.subscribed);
        subscribed && used && (there || self.level)
    }
}

impl Tree {
    fn new(mailboxes: Vec<Mailbox>, subscriptions: Vec<String>) -> Self {
        let mut tree = Self::default();
        for mailbox in mailboxes {
            tree.parents.extend(superiors(&mailbox.name).map(str::to_owned));
            let name = tree.names.entry(mailbox.name.clone()).or_default();
            name.mailbox = Some(mailbox);
        }
        for name in subscriptions {
            tree.names.entry(name).or_default().subscribed = true;
        }
        tree
    }

    /// Puts in what there is to be seen of others' mailboxes. Their special uses are their owners' ("Other Users" has no
    /// Drafts of mine).
    fn add_others(&mut self, others: Vec<Found>) {
        for Found { reach, mut mailbox } in others {
            mailbox.role = Role::None;
            self.parents.extend(superiors(&mailbox.name).map(str::to_owned));
            let name = self.names.entry(mailbox.name.clone()).or_default();
            name.mailbox = Some(mailbox);
            name.other = Some(reach);
        }
    }

    /// Puts in the levels above others' mailboxes where a pattern asks for levels. "If you have "l" right to a mailbox
    /// "A/B", but not to its parent mailbox "A", the LIST command should behave as if the mailbox "A" doesn't exist"
    /// (RFC 4314 §4), and levels that do not exist are shown to who ends with `%`.
    fn add_levels(&mut self, list: &List) {
        let shared = self.names.iter().filter(|(_, name)| name.other.is_some());
        let levels = shared.flat_map(|(text, _)| superiors(text));
        let missing: Vec<String> = levels
            .filter(|level| !self.names.contains_key(*level))
            .filter(|level| list.patterns.iter().any(|p| p.wants_levels() && p.matches(level)))
            .map(str::to_owned)
            .collect();
        for level in missing {
            self.names.entry(level).or_default().level = true;
        }
    }

    /// Puts in the superiors of every name, so that RECURSIVEMATCH can show them.
    fn fill(&mut self) {
        let missing: Vec<String> =
            self.names.keys().flat_map(|name| superiors(name)).map(str::to_owned).collect();
        for name in missing {
            self.names.entry(name).or_default();
        }
    }

    fn attributes(&self, text: &str, name: &Name, list: &List) -> Vec<Attribute> {
        let mut attributes = Vec::with_capacity(4);
        if name.mailbox.is_none() {
            // Who knows no extended LIST knows no other word for it.
            let level = name.level && !list.extended;
            attributes.push(if level { Attribute::NoSelect } else { Attribute::NonExistent });
        }
        attributes.push(if self.parents.contains(text) {
            Attribute::HasChildren
        } else {
            Attribute::HasNoChildren
        });
        if name.subscribed && list.returns.subscribed {
            attributes.push(Attribute::Subscribed);
        }
        attributes.extend(name.special_use().map(Attribute::SpecialUse));
        attributes
    }

    /// Names below which a selected one lies (RFC 9051 §6.3.9.1, RECURSIVEMATCH).
    fn above_selected(&self, list: &List) -> HashSet<&str> {
        let selected = self.names.iter().filter(|(_, name)| name.is_selected(list));
        selected.flat_map(|(text, _)| superiors(text)).collect()
    }
}

async fn tree(client: &mut Client, list: &List) -> Result<Tree, Stop> {
    let account = client.account()?;
    let mailboxes = client.shared.mail.mailboxes(account).await?;
    let wanted = list.select.subscribed || list.returns.subscribed;
    let subscriptions = match wanted {
        true => client.shared.mail.subscriptions(account).await?,
        false => Vec::new(),
    };
    let reached = list.patterns.iter().any(|pattern| pattern.reaches(OTHERS));
    let mut tree = Tree::new(mailboxes, subscriptions);
    if reached {
        tree.add_others(client.shared.mail.others(account).await?);
        tree.add_levels(list);
    }
    Ok(tree)
}

pub(crate) async fn list(client: &mut Client, list: &List) -> Result<Answer, Stop> {
    if list.root_only {
        // "returns the hierarchy delimiter and the root name of the name given in the reference".
        let attributes = &[Attribute::NoSelect];
        client.machine.writer().list(&ListEntry { attributes, ..ListEntry::default() });
        return Ok(Answer::ok());
    }
    let mut tree = tree(client, list).await?;
    if list.select.recursive_match {
        tree.fill();
    }
    let above = match list.select.recursive_match {
        true => tree.above_selected(list),
        false => HashSet::new(),
    };
    for (text, name) in tree.names.iter().filter(|(text, _)| list.matches(text)) {
        let child = above.contains(text.as_str());
        if !name.is_selected(list) && !child {
            continue;
        }
        client.machine.writer().list(&ListEntry {
            attributes: &tree.attributes(text, name, list),
            name: text,
            child_subscribed: child && list.select.subscribed,
            child_special_use: child && list.select.special_use,
            old_name: None,
        });
        if let Some(mailbox) = &name.mailbox {
            tell_more(client, text, name.other, mailbox, list).await?;
        }
        client.wire.send_some(client.machine.output()).await?;
    }
    Ok(Answer::ok())
}

/// What LIST is asked to return of a mailbox beside its name.
async fn tell_more(
    client: &mut Client,
    text: &str,
    other: Option<Reach>,
    mailbox: &Mailbox,
    list: &List,
) -> Result<(), Stop> {
    let own = Target { account: client.account()?, mailbox: mailbox.id };
    let reach = other.unwrap_or_else(|| Reach::own(own));
    let rights = reach.rights();
    if list.returns.my_rights {
        client.machine.writer().my_rights(text, rights);
    }
    // "SELECT/EXAMINE/STATUS - "r" right on the mailbox."
    if !list.returns.status.is_empty() && rights.has(Rights::READ) {
        let account = reach.target().account;
        tell_status(client, account, text, mailbox, &list.returns.status).await?;
    }
    if !list.returns.metadata.is_empty() && reach.has_annotations() {
        tell_metadata(client, reach, text, &list.returns.metadata).await?;
    }
    Ok(())
}

/// RFC 3501 §6.3.9: with `%` at the end, a name that is not subscribed but has a subscribed one below "MUST
/// be returned with the \Noselect attribute".
pub(crate) async fn lsub(client: &mut Client, list: &List) -> Result<Answer, Stop> {
    let account = client.account()?;
    let subscribed = client.shared.mail.subscriptions(account).await?;
    let levels = list.patterns.iter().any(imap::Pattern::wants_levels);
    let mut shown: BTreeMap<&str, bool> = BTreeMap::new();
    for name in &subscribed {
        if list.matches(name) {
            shown.insert(name, true);
        } else if levels {
            for above in superiors(name).filter(|above| list.matches(above)) {
                shown.entry(above).or_insert(false);
            }
        }
    }
    for (name, itself) in shown {
        let attributes: &[Attribute] = if itself { &[] } else { &[Attribute::NoSelect] };
        client.machine.writer().lsub(attributes, name);
        client.wire.send_some(client.machine.output()).await?;
    }
    Ok(Answer::ok())
}

pub(crate) async fn status(
    client: &mut Client,
    mailbox: &str,
    items: &[StatusItem],
) -> Result<Answer, Stop> {
    let account = client.account()?;
    let path = Path::parse(mailbox).map_err(|_| MailError::NoMailbox)?;
    let Found { reach, mailbox } = client.shared.mail.find(account, &path, Rights::READ).await?;
    tell_status(client, reach.target().account, &mailbox.name, &mailbox, items).await?;
    Ok(Answer::ok())
}

/// "For each listable mailbox matching the list pattern and selection options, the server MUST return an untagged LIST
/// response followed by one or more untagged METADATA responses" (RFC 9590 §3): what is not there is NIL.
async fn tell_metadata(
    client: &mut Client,
    reach: Reach,
    name: &str,
    entries: &[String],
) -> Result<(), Stop> {
    let found = client.shared.mail.annotations(reach, entries, 0).await?;
    let value = |entry: &String| {
        let annotation = found.iter().find(|annotation| annotation.entry == *entry);
        annotation.map(|annotation| annotation.value.as_slice())
    };
    let values: Vec<_> = entries.iter().map(|entry| (entry.as_str(), value(entry))).collect();
    client.machine.writer().metadata(name, &values);
    Ok(())
}

/// Says STATUS of a mailbox of this account.
pub(crate) async fn tell_status(
    client: &mut Client,
    account: AccountId,
    name: &str,
    mailbox: &Mailbox,
    items: &[StatusItem],
) -> Result<(), Stop> {
    let mut deleted = 0;
    if items.contains(&StatusItem::DeletedStorage) {
        deleted = client.shared.mail.deleted_bytes(account, mailbox).await?;
    }
    let id = mailbox.id.to_string();
    let limit = client.shared.config.max_message_bytes;
    let value = |item: &StatusItem| match item {
        StatusItem::Messages => StatusData::Number(mailbox.total.into()),
        StatusItem::Recent => StatusData::Number(mailbox.recent.into()),
        StatusItem::UidNext => StatusData::Number(mailbox.uidnext.0.into()),
        StatusItem::UidValidity => StatusData::Number(mailbox.uidvalidity.0.into()),
        StatusItem::Unseen => StatusData::Number(mailbox.unseen.into()),
        StatusItem::Deleted => StatusData::Number(mailbox.deleted.into()),
        StatusItem::Size => StatusData::Number(mailbox.size),
        StatusItem::HighestModSeq => StatusData::Number(mailbox.highest_modseq.0),
        StatusItem::MailboxId => StatusData::Id(&id),
        StatusItem::AppendLimit => StatusData::Number(limit),
        StatusItem::DeletedStorage => StatusData::Number(deleted),
    };
    let values: Vec<_> =
        items.iter().map(|item| StatusValue { item: *item, value: value(item) }).collect();
    client.machine.writer().mailbox_status(name, &values);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use imap::{ListReturn, ListSelect, Pattern};
    use types::{MailboxId, ModSeq, Uid, UidValidity};

    fn mailbox(name: &str, role: Role) -> Mailbox {
        Mailbox {
            id: MailboxId::new(),
            name: name.into(),
            role,
            uidvalidity: UidValidity(1),
            uidnext: Uid(1),
            highest_modseq: ModSeq(1),
            total: 0,
            unseen: 0,
            deleted: 0,
            recent: 0,
            size: 0,
            recent_uid: Uid(1),
        }
    }

    fn tree() -> Tree {
        let mailboxes = [
            ("INBOX", Role::Inbox),
            ("Sent", Role::Sent),
            ("a", Role::None),
            ("a-b", Role::None),
            ("a/b", Role::None),
            ("a/b/c", Role::Junk),
        ];
        let mailboxes = mailboxes.map(|(name, role)| mailbox(name, role)).to_vec();
        Tree::new(mailboxes, vec!["INBOX".into(), "a/b".into(), "gone/x".into()])
    }

    fn list(pattern: &str, select: ListSelect) -> List {
        List {
            select,
            reference: String::new(),
            patterns: vec![Pattern::new(pattern)],
            root_only: false,
            extended: true,
            returns: ListReturn { subscribed: true, ..ListReturn::default() },
        }
    }

    /// Names shown, with a `+` where only something below is selected.
    fn shown(pattern: &str, select: ListSelect) -> Vec<String> {
        let (mut tree, list) = (tree(), list(pattern, select));
        if select.recursive_match {
            tree.fill();
        }
        let above =
            if select.recursive_match { tree.above_selected(&list) } else { HashSet::new() };
        let mut shown = Vec::new();
        for (text, name) in tree.names.iter().filter(|(text, _)| list.matches(text)) {
            if name.is_selected(&list) {
                shown.push(text.clone());
            } else if above.contains(text.as_str()) {
                shown.push(format!("{text}+"));
            }
        }
        shown
    }

    #[test]
    fn selections() {
        let all = ListSelect::default();
        let subscribed = ListSelect { subscribed: true, ..all };
        let special = ListSelect { special_use: true, ..all };
        let recursive = ListSelect { recursive_match: true, ..subscribed };
        assert_eq!(shown("*", all), ["INBOX", "Sent", "a", "a-b", "a/b", "a/b/c"]);
        assert_eq!(shown("%", all), ["INBOX", "Sent", "a", "a-b"]);
        assert_eq!(shown("*", subscribed), ["INBOX", "a/b", "gone/x"]);
        assert_eq!(shown("*", special), ["Sent", "a/b/c"]);
        assert_eq!(shown("%", recursive), ["INBOX", "a+", "gone+"]);
        let special = ListSelect { recursive_match: true, ..special };
        assert_eq!(shown("%", special), ["Sent", "a+"]);
    }

    #[test]
    fn attributes() {
        let (tree, list) = (tree(), list("*", ListSelect::default()));
        let of = |name: &str| tree.attributes(name, &tree.names[name], &list);
        assert_eq!(of("a"), [Attribute::HasChildren]);
        assert_eq!(of("a-b"), [Attribute::HasNoChildren]);
        assert_eq!(of("a/b"), [Attribute::HasChildren, Attribute::Subscribed]);
        let junk = Attribute::SpecialUse(SpecialUse::Junk);
        assert_eq!(of("a/b/c"), [Attribute::HasNoChildren, junk]);
        assert_eq!(
            of("gone/x"),
            [Attribute::NonExistent, Attribute::HasNoChildren, Attribute::Subscribed]
        );
    }

    #[test]
    fn superior_names() {
        assert_eq!(superiors("a/b/c").collect::<Vec<_>>(), ["a", "a/b"]);
        assert_eq!(superiors("a").count(), 0);
    }
}
