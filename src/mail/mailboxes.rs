//! LIST, STATUS, CREATE, RENAME, DELETE, SUBSCRIBE.

use crate::acl::Made;
use crate::name::MailboxName;
use crate::path::Path;
use crate::role::Role;
use crate::{Mail, MailError};
use store::account::{MailboxCreate, MailboxDelete, MailboxRename, SubscriptionSet};
use store::mailbox::{MailboxRow, Usage};
use types::{AccountId, MailboxId, ModSeq, Rights, Uid, UidValidity};

/// Most mailboxes of an account: bounds LIST.
const MAX_MAILBOXES: usize = 10_000;
/// Most subscriptions of an account; they outlive mailboxes, so they have a bound of their own.
const MAX_SUBSCRIPTIONS: usize = 10_000;

/// A mailbox and its counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// MAILBOXID; survives a rename.
    pub id: MailboxId,
    /// Full path.
    pub name: String,
    /// Special use.
    pub role: Role,
    /// UIDVALIDITY.
    pub uidvalidity: UidValidity,
    /// UIDNEXT.
    pub uidnext: Uid,
    /// HIGHESTMODSEQ.
    pub highest_modseq: ModSeq,
    /// MESSAGES.
    pub total: u32,
    /// UNSEEN.
    pub unseen: u32,
    /// DELETED.
    pub deleted: u32,
    /// RECENT, at most: expunged messages among them are not looked for.
    pub recent: u32,
    /// SIZE.
    pub size: u64,
    /// UIDs from here on are `\\Recent` for the next session.
    pub recent_uid: Uid,
}

impl From<MailboxRow> for Mailbox {
    fn from(row: MailboxRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            role: Role::from_stored(row.role),
            uidvalidity: row.uidvalidity,
            uidnext: row.uidnext,
            highest_modseq: row.highest_modseq,
            total: row.total,
            unseen: row.unseen,
            deleted: row.deleted,
            recent: row.total.min(row.uidnext.0.saturating_sub(row.recent_uid.0)),
            size: row.size,
            recent_uid: row.recent_uid,
        }
    }
}

impl Mail {
    /// All mailboxes, by name.
    ///
    /// # Errors
    /// [`MailError::Busy`], [`MailError::Unavailable`].
    pub async fn mailboxes(&self, account: AccountId) -> Result<Vec<Mailbox>, MailError> {
        let rows = store::mailbox::mailbox_list(&self.store, account).await?;
        Ok(rows.into_iter().map(Mailbox::from).collect())
    }

    /// One mailbox.
    ///
    /// # Errors
    /// [`MailError::NoMailbox`]; [`MailError::Busy`], [`MailError::Unavailable`].
    pub async fn mailbox(
        &self,
        account: AccountId,
        name: &MailboxName,
    ) -> Result<Mailbox, MailError> {
        let row = store::mailbox::mailbox_by_name(&self.store, account, name.as_str()).await?;
        row.map(Mailbox::from).ok_or(MailError::NoMailbox)
    }

    /// What an account uses and may use (RFC 9208).
    ///
    /// # Errors
    /// [`MailError::NoAccount`]; [`MailError::Busy`], [`MailError::Unavailable`].
    pub async fn usage(&self, account: AccountId) -> Result<Usage, MailError> {
        let usage = store::mailbox::account_usage(&self.store, account).await?;
        usage.ok_or(MailError::NoAccount)
    }

    /// Octets of a mailbox's messages that are `\Deleted` (RFC 9208 §4.1.4).
    ///
    /// # Errors
    /// [`MailError::Busy`], [`MailError::Unavailable`].
    pub async fn deleted_bytes(
        &self,
        account: AccountId,
        mailbox: &Mailbox,
    ) -> Result<u64, MailError> {
        if mailbox.deleted == 0 {
            return Ok(0);
        }
        Ok(store::message::deleted_bytes(&self.store, account, mailbox.id).await?)
    }

    /// CREATE, with the superior names that are missing. In somebody else's account it needs "k" on the nearest mailbox
    /// above, whose ACL the new ones inherit; special uses there are the owner's.
    ///
    /// # Errors
    /// [`MailError::Exists`], [`MailError::UseTaken`], [`MailError::Limit`], [`MailError::NoPermission`], or as every
    /// write.
    pub async fn create(
        &self,
        user: AccountId,
        path: &Path,
        role: Role,
    ) -> Result<(MailboxId, Made), MailError> {
        let account = self.room_for(user, path).await?;
        if account != user && role != Role::None {
            return Err(MailError::UseTaken);
        }
        let name = path.name();
        self.check_room(account, name).await?;
        let change = MailboxCreate { account, name: name.as_str(), role: role.stored() };
        let (id, modseq) = self.commit(&change).await?;
        self.hub.changed(account, modseq);
        Ok((id, Made { account, modseq }))
    }

    /// RENAME, mailboxes below included. In somebody else's account: "the "x" right on the mailbox itself and the "k"
    /// right for the new parent" (RFC 4314 §4). From one account to another there is none.
    ///
    /// # Errors
    /// [`MailError::NoMailbox`], [`MailError::Exists`], [`MailError::Cannot`], [`MailError::Limit`],
    /// [`MailError::NoPermission`], or as every write.
    pub async fn rename(&self, user: AccountId, from: &Path, to: &Path) -> Result<Made, MailError> {
        if let Path::Other { name, .. } = from {
            self.find(user, from, Rights::DELETE).await?;
            if name.is_inbox() {
                return Err(MailError::Cannot("somebody else's INBOX cannot be renamed"));
            }
        }
        if from.owner() != to.owner() {
            return Err(MailError::Cannot("a mailbox cannot move into another account"));
        }
        let account = self.room_for(user, to).await?;
        let (from, to) = (from.name(), to.name());
        // INBOX itself stays where it is, only its messages move: it may be renamed to a name below it.
        if to.is_inside(from) && !from.is_inbox() {
            return Err(MailError::Cannot("a mailbox cannot move into itself"));
        }
        self.check_room(account, to).await?;
        self.check_depth(account, from, to).await?;
        let change = MailboxRename { account, from: from.as_str(), to: to.as_str() };
        let modseq = self.commit(&change).await?;
        self.hub.changed(account, modseq);
        Ok(Made { account, modseq })
    }

    /// DELETE: it needs "x". The messages are purged in the background.
    ///
    /// # Errors
    /// [`MailError::NoMailbox`], [`MailError::HasChildren`], [`MailError::Cannot`], [`MailError::NoPermission`], or as
    /// every write.
    pub async fn delete(&self, user: AccountId, path: &Path) -> Result<Made, MailError> {
        let account = match path {
            Path::Own(_) => user,
            Path::Other { .. } => {
                self.find(user, path, Rights::DELETE).await?.reach.target().account
            }
        };
        let name = path.name();
        if name.is_inbox() {
            return Err(MailError::Cannot("INBOX cannot be deleted"));
        }
        let modseq = self.commit(&MailboxDelete { account, name: name.as_str() }).await?;
        self.hub.changed(account, modseq);
        Ok(Made { account, modseq })
    }

    /// Subscribed names, whether or not they exist.
    ///
    /// # Errors
    /// [`MailError::Busy`], [`MailError::Unavailable`].
    pub async fn subscriptions(&self, account: AccountId) -> Result<Vec<String>, MailError> {
        Ok(store::mailbox::subscription_list(&self.store, account).await?)
    }

    /// SUBSCRIBE: a name of the subscriber's, whosever mailbox it is, whether there is one or not.
    ///
    /// # Errors
    /// [`MailError::Limit`], or as every write.
    pub async fn subscribe(&self, account: AccountId, path: &Path) -> Result<Made, MailError> {
        if self.subscriptions(account).await?.len() >= MAX_SUBSCRIPTIONS {
            return Err(MailError::Limit("too many subscriptions"));
        }
        self.set_subscription(account, path, true).await
    }

    /// UNSUBSCRIBE.
    ///
    /// # Errors
    /// As every write.
    pub async fn unsubscribe(&self, account: AccountId, path: &Path) -> Result<Made, MailError> {
        self.set_subscription(account, path, false).await
    }

    async fn set_subscription(
        &self,
        account: AccountId,
        path: &Path,
        on: bool,
    ) -> Result<Made, MailError> {
        let change = SubscriptionSet { account, name: &path.to_string(), on };
        let modseq = self.commit(&change).await?;
        self.hub.changed(account, modseq);
        Ok(Made { account, modseq })
    }

    /// Whether one more name, with its superiors, fits.
    async fn check_room(&self, account: AccountId, name: &MailboxName) -> Result<(), MailError> {
        let new = name.as_str().split(crate::SEPARATOR).count();
        if self.mailboxes(account).await?.len() + new > MAX_MAILBOXES {
            return Err(MailError::Limit("too many mailboxes"));
        }
        Ok(())
    }

    /// Whether the mailboxes below keep legal names.
    async fn check_depth(
        &self,
        account: AccountId,
        from: &MailboxName,
        to: &MailboxName,
    ) -> Result<(), MailError> {
        if from.is_inbox() {
            return Ok(());
        }
        for mailbox in self.mailboxes(account).await? {
            let below = mailbox.name.strip_prefix(from.as_str());
            if let Some(rest) = below.filter(|rest| rest.starts_with(crate::SEPARATOR)) {
                MailboxName::parse(&format!("{to}{rest}"))?;
            }
        }
        Ok(())
    }
}
