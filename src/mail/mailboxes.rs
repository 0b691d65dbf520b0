//! LIST, STATUS, CREATE, RENAME, DELETE, SUBSCRIBE.

use crate::name::MailboxName;
use crate::role::Role;
use crate::{Mail, MailError};
use store::account::{MailboxCreate, MailboxDelete, MailboxRename, SubscriptionSet};
use store::mailbox::{MailboxRow, Usage};
use types::{AccountId, MailboxId, ModSeq, Uid, UidValidity};

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

    /// CREATE, with the superior names that are missing.
    ///
    /// # Errors
    /// [`MailError::Exists`], [`MailError::UseTaken`], [`MailError::Limit`], or as every write.
    pub async fn create(
        &self,
        account: AccountId,
        name: &MailboxName,
        role: Role,
    ) -> Result<(MailboxId, ModSeq), MailError> {
        self.check_room(account, name).await?;
        let change = MailboxCreate { account, name: name.as_str(), role: role.stored() };
        let (id, modseq) = self.commit(&change).await?;
        self.hub.changed(account, modseq);
        Ok((id, modseq))
    }

    /// RENAME, mailboxes below included.
    ///
    /// # Errors
    /// [`MailError::NoMailbox`], [`MailError::Exists`], [`MailError::Cannot`], [`MailError::Limit`], or as
    /// every write.
    pub async fn rename(
        &self,
        account: AccountId,
        from: &MailboxName,
        to: &MailboxName,
    ) -> Result<ModSeq, MailError> {
        // INBOX itself stays where it is, only its messages move: it may be renamed to a name below it.
        if to.is_inside(from) && !from.is_inbox() {
            return Err(MailError::Cannot("a mailbox cannot move into itself"));
        }
        self.check_room(account, to).await?;
        self.check_depth(account, from, to).await?;
        let change = MailboxRename { account, from: from.as_str(), to: to.as_str() };
        let modseq = self.commit(&change).await?;
        self.hub.changed(account, modseq);
        Ok(modseq)
    }

    /// DELETE. The messages are purged in the background.
    ///
    /// # Errors
    /// [`MailError::NoMailbox`], [`MailError::HasChildren`], [`MailError::Cannot`], or as every write.
    pub async fn delete(
        &self,
        account: AccountId,
        name: &MailboxName,
    ) -> Result<ModSeq, MailError> {
        if name.is_inbox() {
            return Err(MailError::Cannot("INBOX cannot be deleted"));
        }
        let modseq = self.commit(&MailboxDelete { account, name: name.as_str() }).await?;
        self.hub.changed(account, modseq);
        Ok(modseq)
    }

    /// Subscribed names, whether or not they exist.
    ///
    /// # Errors
    /// [`MailError::Busy`], [`MailError::Unavailable`].
    pub async fn subscriptions(&self, account: AccountId) -> Result<Vec<String>, MailError> {
        Ok(store::mailbox::subscription_list(&self.store, account).await?)
    }

    /// SUBSCRIBE.
    ///
    /// # Errors
    /// [`MailError::Limit`], or as every write.
    pub async fn subscribe(
        &self,
        account: AccountId,
        name: &MailboxName,
    ) -> Result<ModSeq, MailError> {
        if self.subscriptions(account).await?.len() >= MAX_SUBSCRIPTIONS {
            return Err(MailError::Limit("too many subscriptions"));
        }
        self.set_subscription(account, name, true).await
    }

    /// UNSUBSCRIBE.
    ///
    /// # Errors
    /// As every write.
    pub async fn unsubscribe(
        &self,
        account: AccountId,
        name: &MailboxName,
    ) -> Result<ModSeq, MailError> {
        self.set_subscription(account, name, false).await
    }

    async fn set_subscription(
        &self,
        account: AccountId,
        name: &MailboxName,
        on: bool,
    ) -> Result<ModSeq, MailError> {
        let change = SubscriptionSet { account, name: name.as_str(), on };
        let modseq = self.commit(&change).await?;
        self.hub.changed(account, modseq);
        Ok(modseq)
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
