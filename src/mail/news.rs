//! What happens in all of an account, for who watches more than one mailbox (RFC 5465): the user's own account, or what
//! they may see of somebody else's. A right that is granted or taken away makes a mailbox come or go.
//!
//! A [`Follow`] stands at one modseq of the account and moves along the change log. It knows the names of mailboxes as
//! they were told last, so that renaming and deleting can be told by name. Below the log's floor it is lost: then all
//! that can be said is that something happened.

use crate::fetch::Target;
use crate::reach::{Found, Reach};
use crate::{Mail, MailError};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use store::changes::{AccountChange, Kind, account_changes};
use types::{AccountId, MailboxId, ModSeq, Rights};

/// Rows of the log read at once.
const PAGE: u32 = 1_000;
/// Most rows followed at once; beyond them a follower is lost.
const MOST: usize = 20_000;
/// How often it is tried to see an account between two changes.
const TRIES: u32 = 20;

/// Where one who watches an account stands.
#[derive(Debug, Clone)]
pub struct Follow {
    user: AccountId,
    account: AccountId,
    at: ModSeq,
    names: HashMap<MailboxId, String>,
    subscribed: BTreeSet<String>,
    /// Changes of its own, which it need not be told of.
    own: HashSet<ModSeq>,
}

/// What happened to messages of a mailbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Touched {
    /// Messages came.
    pub created: bool,
    /// Flags changed.
    pub updated: bool,
    /// Messages went.
    pub destroyed: bool,
}

/// What happened to a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameChange {
    /// A mailbox of this name is there now.
    Created(String),
    /// The mailbox of this name is gone.
    Deleted(String),
    /// A mailbox has another name, those below it likewise.
    Renamed {
        /// Its name before.
        from: String,
        /// Its name now.
        to: String,
    },
}

/// What happened since the last look.
#[derive(Debug, Clone, Default)]
pub struct News {
    /// The log does not tell any more; the follower stands at the present.
    pub lost: bool,
    /// Mailboxes whose messages changed, as they are now, by name.
    pub messages: Vec<(Found, Touched)>,
    /// Names, in order.
    pub names: Vec<NameChange>,
    /// Subscribed names, and whether they are now.
    pub subscriptions: BTreeMap<String, bool>,
    /// Entries of annotations that changed, by mailbox; `None`: of the server.
    pub metadata: BTreeMap<Option<String>, BTreeSet<String>>,
    /// All mailboxes as they are, where names changed.
    pub mailboxes: Vec<Found>,
}

impl News {
    /// Nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.lost
            && self.messages.is_empty()
            && self.names.is_empty()
            && self.subscriptions.is_empty()
            && self.metadata.is_empty()
    }
}

impl Follow {
    /// Subscribed names, as far as it has looked.
    #[must_use]
    pub fn subscribed(&self) -> &BTreeSet<String> {
        &self.subscribed
    }

    /// Whose account it is.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// Everything up to here was looked at.
    #[must_use]
    pub fn modseq(&self) -> ModSeq {
        self.at
    }

    /// Notes a change that this follower made itself: it will not be told of it.
    pub fn made(&mut self, modseq: ModSeq) {
        if modseq > self.at {
            self.own.insert(modseq);
        }
    }

    fn stand(&mut self, at: ModSeq) {
        self.at = at;
        self.own.retain(|own| *own > at);
    }

    /// Takes over the names of these mailboxes as they are, and of no others: the mailboxes were read after the log, so
    /// there may be one among them of which only the next look will hear. Known before, it would never be told.
    fn learn(&mut self, named: &BTreeSet<MailboxId>, mailboxes: &[Found]) {
        for id in named {
            match mailboxes.iter().find(|found| found.mailbox.id == *id) {
                Some(found) => self.names.insert(*id, found.mailbox.name.clone()),
                None => self.names.remove(id),
            };
        }
    }

    /// Sorts rows of the log by what they are about.
    fn sort(&mut self, rows: &[AccountChange], mailboxes: Vec<Found>, news: &mut News) {
        let own = self.user == self.account;
        let mut touched: BTreeMap<MailboxId, Touched> = BTreeMap::new();
        let mut named = BTreeSet::new();
        for row in rows.iter().filter(|row| !self.own.contains(&row.modseq)) {
            match (row.kind, row.mailbox) {
                (Kind::Messages, Some(mailbox)) => {
                    let touched = touched.entry(mailbox).or_default();
                    touched.created |= row.op == 1;
                    touched.updated |= row.op == 2;
                    touched.destroyed |= row.op == 3;
                }
                (Kind::Mailbox | Kind::Rights, Some(mailbox)) => {
                    named.insert(mailbox);
                }
                (Kind::Subscription, _) if own => {
                    let on = row.op == 1;
                    news.subscriptions.extend(row.names.iter().map(|name| (name.clone(), on)));
                }
                (Kind::Metadata, place) if own || place.is_some() => {
                    let found = |id| mailboxes.iter().find(|found| found.mailbox.id == id);
                    let name = place.and_then(found).map(|found| found.mailbox.name.clone());
                    // What the owner notes in private is the owner's.
                    let told = |entry: &&String| own || entry.starts_with("/shared");
                    let entries: BTreeSet<_> = row.names.iter().filter(told).cloned().collect();
                    if place.is_some() == name.is_some() && !entries.is_empty() {
                        news.metadata.entry(name).or_default().extend(entries);
                    }
                }
                _ => {}
            }
        }
        for row in rows.iter().filter(|row| own && row.kind == Kind::Subscription) {
            for name in &row.names {
                if row.op == 1 {
                    self.subscribed.insert(name.clone());
                } else {
                    self.subscribed.remove(name);
                }
            }
        }
        news.names = self.renamed(&named, &mailboxes);
        let named = rows.iter().filter(|row| matches!(row.kind, Kind::Mailbox | Kind::Rights));
        self.learn(&named.filter_map(|row| row.mailbox).collect(), &mailboxes);
        // "All event types described in this document require the 'l' and 'r' rights" (RFC 5465 §5).
        let readable = mailboxes.iter().filter(|found| found.reach.rights().has(Rights::READ));
        let at = |found: &Found| touched.get(&found.mailbox.id).copied();
        news.messages = readable.filter_map(|found| Some((found.clone(), at(found)?))).collect();
        news.mailboxes = mailboxes;
    }

    fn renamed(&self, named: &BTreeSet<MailboxId>, mailboxes: &[Found]) -> Vec<NameChange> {
        let now: HashMap<MailboxId, &str> =
            mailboxes.iter().map(|found| (found.mailbox.id, found.mailbox.name.as_str())).collect();
        let mut changes = Vec::new();
        for id in named {
            match (self.names.get(id), now.get(id)) {
                (None, Some(to)) => changes.push(NameChange::Created((*to).to_owned())),
                (Some(from), None) => changes.push(NameChange::Deleted(from.clone())),
                (Some(from), Some(to)) if from != to => {
                    let (from, to) = (from.clone(), (*to).to_owned());
                    changes.push(NameChange::Renamed { from, to });
                }
                // Made and gone again, or renamed back.
                _ => {}
            }
        }
        without_children(changes)
    }
}

/// "When a mailbox is renamed, its children are renamed too. No additional MailboxName events are sent for children in
/// this case." (RFC 5465 §5.4)
fn without_children(mut changes: Vec<NameChange>) -> Vec<NameChange> {
    let renamed: HashSet<(String, String)> = changes
        .iter()
        .filter_map(|change| match change {
            NameChange::Renamed { from, to } => Some((from.clone(), to.clone())),
            _ => None,
        })
        .collect();
    changes.retain(|change| match change {
        NameChange::Renamed { from, to } => !with_parent(from, to, &renamed),
        _ => true,
    });
    changes.sort_by(|a, b| name_of(a).cmp(name_of(b)));
    changes
}

fn with_parent(from: &str, to: &str, renamed: &HashSet<(String, String)>) -> bool {
    match (from.rsplit_once(crate::SEPARATOR), to.rsplit_once(crate::SEPARATOR)) {
        (Some((old, last)), Some((new, same))) => {
            last == same && renamed.contains(&(old.to_owned(), new.to_owned()))
        }
        _ => false,
    }
}

fn name_of(change: &NameChange) -> &str {
    match change {
        NameChange::Created(name) | NameChange::Deleted(name) => name,
        NameChange::Renamed { to, .. } => to,
    }
}

impl Mail {
    /// All mailboxes of an account that a user may see, named as that user knows them.
    async fn visible(&self, user: AccountId, account: AccountId) -> Result<Vec<Found>, MailError> {
        if user != account {
            return self.others_of(user, Some(account)).await;
        }
        let own = |mailbox: crate::Mailbox| Found {
            reach: Reach::own(Target { account, mailbox: mailbox.id }),
            mailbox,
        };
        Ok(self.mailboxes(account).await?.into_iter().map(own).collect())
    }

    /// Begins to follow an account for a user: from now on. Gives what there is to be seen too.
    ///
    /// # Errors
    /// [`MailError::NoAccount`]; [`MailError::Busy`], [`MailError::Unavailable`].
    pub async fn follow_account(
        &self,
        user: AccountId,
        account: AccountId,
    ) -> Result<(Follow, Vec<Found>), MailError> {
        let mut at = self.account_modseq(account).await?;
        for _ in 0..TRIES {
            let subscribed = match user == account {
                true => self.subscriptions(account).await?.into_iter().collect(),
                false => BTreeSet::new(),
            };
            let mailboxes = self.visible(user, account).await?;
            // Names and place have to belong together: what happened between would be taken for known.
            let now = self.account_modseq(account).await?;
            if now == at {
                let name = |found: &Found| (found.mailbox.id, found.mailbox.name.clone());
                let (names, own) = (mailboxes.iter().map(name).collect(), HashSet::new());
                return Ok((Follow { user, account, at, names, subscribed, own }, mailboxes));
            }
            at = now;
        }
        Err(MailError::Busy("the account changes all the time"))
    }

    async fn account_modseq(&self, account: AccountId) -> Result<ModSeq, MailError> {
        let modseqs = store::mailbox::account_modseqs(&self.store, &[account]).await?;
        Ok(modseqs.first().ok_or(MailError::NoAccount)?.1)
    }

    /// What happened since the last look.
    ///
    /// # Errors
    /// [`MailError::NoAccount`]; [`MailError::Busy`], [`MailError::Unavailable`]: then the follower stands where it stood.
    pub async fn news(&self, follow: &mut Follow) -> Result<News, MailError> {
        let (mut rows, mut news) = (Vec::new(), News::default());
        let mut at = follow.at;
        loop {
            let log = account_changes(&self.store, follow.account, at, PAGE).await?;
            let log = log.ok_or(MailError::NoAccount)?;
            // The last modseq of a full page may go on in the next one.
            let last = log.changes.last().map_or(at, |row| ModSeq(row.modseq.0 - 1));
            let next = if log.complete { log.modseq } else { last };
            let stuck = next <= at && !log.complete;
            if at < log.floor || log.modseq < at || stuck || rows.len() > MOST {
                (*follow, _) = self.follow_account(follow.user, follow.account).await?;
                news.lost = true;
                return Ok(news);
            }
            at = next;
            rows.extend(log.changes.into_iter().filter(|row| row.modseq <= at));
            if log.complete {
                break;
            }
        }
        if !rows.is_empty() {
            let mailboxes = self.visible(follow.user, follow.account).await?;
            follow.sort(&rows, mailboxes, &mut news);
        }
        follow.stand(at);
        Ok(news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(id: MailboxId, name: &str) -> Found {
        use types::{Uid, UidValidity};
        let reach = Reach::own(Target { account: AccountId(1), mailbox: id });
        let mailbox = crate::Mailbox {
            id,
            name: name.into(),
            role: crate::Role::None,
            uidvalidity: UidValidity(1),
            uidnext: Uid(1),
            highest_modseq: ModSeq(1),
            total: 0,
            unseen: 0,
            deleted: 0,
            recent: 0,
            size: 0,
            recent_uid: Uid(1),
        };
        Found { reach, mailbox }
    }

    fn row(modseq: u64, kind: Kind, mailbox: MailboxId) -> AccountChange {
        let (mailbox, names) = (Some(mailbox), Vec::new());
        AccountChange { modseq: ModSeq(modseq), kind, op: 1, mailbox, names }
    }

    /// The mailboxes are read after the log, so they may be ahead of it.
    #[test]
    fn a_mailbox_that_was_seen_before_its_row_is_told() {
        let (old, new) = (MailboxId::new(), MailboxId::new());
        let names = HashMap::from([(old, "old".to_owned())]);
        let (subscribed, own) = (BTreeSet::new(), HashSet::new());
        let (user, account, at) = (AccountId(1), AccountId(1), ModSeq(1));
        let mut follow = Follow { user, account, at, names, subscribed, own };
        let both = vec![mailbox(old, "old"), mailbox(new, "new")];
        let mut news = News::default();
        follow.sort(&[row(2, Kind::Messages, old)], both.clone(), &mut news);
        assert_eq!((news.names, news.messages.len()), (vec![], 1));
        let mut news = News::default();
        follow.sort(&[row(3, Kind::Mailbox, new)], both.clone(), &mut news);
        assert_eq!(news.names, [NameChange::Created("new".into())]);
        // What it did itself is known and not told.
        let renamed = vec![mailbox(old, "older"), mailbox(new, "new")];
        follow.made(ModSeq(4));
        let mut news = News::default();
        follow.sort(&[row(4, Kind::Mailbox, old)], renamed.clone(), &mut news);
        assert_eq!(news.names, []);
        let mut news = News::default();
        follow.sort(&[row(5, Kind::Mailbox, old)], both, &mut news);
        let (from, to) = ("older".into(), "old".into());
        assert_eq!(news.names, [NameChange::Renamed { from, to }]);
    }

    #[test]
    fn children_go_with_their_parents() {
        let renamed =
            |from: &str, to: &str| NameChange::Renamed { from: from.into(), to: to.into() };
        let changes = without_children(vec![
            renamed("a", "b"),
            renamed("a/x", "b/x"),
            renamed("a/x/y", "b/x/y"),
            renamed("c/d", "e/d"),
            renamed("f/g", "b/h"),
            NameChange::Created("b/z".into()),
        ]);
        assert_eq!(
            changes,
            [
                renamed("a", "b"),
                renamed("f/g", "b/h"),
                NameChange::Created("b/z".into()),
                renamed("c/d", "e/d")
            ]
        );
    }
}
