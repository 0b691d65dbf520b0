//! Who asks for which mailbox, and what they may do with it (RFC 4314).
//!
//! A [`Reach`] is made where a name is looked up and goes along with whatever is done there. An owner may do everything,
//! and nothing is asked for that. What others may do is what it was when somebody last looked: a change looks again
//! ([`Mail::still`]), a selected mailbox each time its session catches up, and when its last look is old
//! ([`Mail::look_again`]). So a right that is taken away is gone within a second or so, on every node.
//!
//! Who may not even see a mailbox is told that there is none: "an implementation MUST make sure the ACL commands
//! themselves do not give information about mailboxes with appropriately restricted ACLs" (§6).

use crate::fetch::Target;
use crate::mailboxes::Mailbox;
use crate::path::Path;
use crate::view::View;
use crate::{Mail, MailError};
use std::time::Duration;
use store::acl::{
    SharedRow, account_beside, rights_now, shared_above, shared_by_name, shared_list,
};
use types::{AccountId, EmailAddress, Flags, Rights};

/// A look at somebody's rights holds for so long.
const FRESH: Duration = Duration::from_secs(1);
/// Most mailboxes of others that are listed.
const MAX_SHARED: u32 = 10_000;

/// A mailbox as a user reaches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    user: AccountId,
    target: Target,
    rights: Rights,
}

/// A mailbox that was looked up; its name is the one that the user knows it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What may be done.
    pub reach: Reach,
    /// What it is.
    pub mailbox: Mailbox,
}

impl Reach {
    /// An owner's.
    #[must_use]
    pub fn own(target: Target) -> Self {
        Self { user: target.account, target, rights: Rights::ALL }
    }

    pub(crate) fn with(self, rights: Rights) -> Self {
        Self { rights, ..self }
    }

    /// Which mailbox.
    #[must_use]
    pub fn target(&self) -> Target {
        self.target
    }

    /// Who asks.
    #[must_use]
    pub fn user(&self) -> AccountId {
        self.user
    }

    /// Whether it is the user's own.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.user == self.target.account
    }

    /// What may be done.
    #[must_use]
    pub fn rights(&self) -> Rights {
        self.rights
    }

    /// The system flags that may be changed: "t" is for `\Deleted`, "s" for `\Seen`, "w" for all others.
    #[must_use]
    pub fn flags(&self) -> Flags {
        let own = Flags::SEEN.with(Flags::DELETED);
        let mut flags = Flags::default();
        if self.keywords() {
            flags = Flags(u32::MAX >> 1).without(own);
        }
        if self.rights.has(Rights::SEEN) {
            flags = flags.with(Flags::SEEN);
        }
        if self.rights.has(Rights::TRASH) {
            flags = flags.with(Flags::DELETED);
        }
        flags
    }

    /// Whether keywords may be changed.
    #[must_use]
    pub fn keywords(&self) -> bool {
        self.rights.has(Rights::WRITE)
    }

    /// "users can only set and retrieve private or shared mailbox annotations on a mailbox on which they have the "l" right
    /// and any one of the "r", "s", "w", "i", or "p" rights" (RFC 5464 §3.3).
    #[must_use]
    pub fn has_annotations(&self) -> bool {
        let some = Rights::READ.with(Rights::SEEN).with(Rights::WRITE).with(Rights::INSERT);
        self.rights.has(Rights::LOOKUP) && self.rights.any(some.with(Rights::POST))
    }

    /// Those of these flags that a new message may get: "Only when the user has a particular right are the corresponding
    /// flags stored for the newly created message."
    #[must_use]
    pub fn allowed(&self, flags: Flags, keywords: Vec<String>) -> (Flags, Vec<String>) {
        let keywords = if self.keywords() { keywords } else { Vec::new() };
        (Flags(flags.0 & self.flags().0), keywords)
    }

    /// Fails without all of these rights.
    ///
    /// # Errors
    /// [`MailError::NoMailbox`] for who may not see it, [`MailError::NoPermission`] for others.
    pub fn require(&self, needed: Rights) -> Result<(), MailError> {
        if self.rights.has(needed) { Ok(()) } else { Err(self.refusal()) }
    }

    /// As [`Reach::require`]: without any of them.
    ///
    /// # Errors
    /// As [`Reach::require`].
    pub fn require_any(&self, needed: Rights) -> Result<(), MailError> {
        if self.rights.any(needed) { Ok(()) } else { Err(self.refusal()) }
    }

    fn refusal(&self) -> MailError {
        match self.rights.has(Rights::LOOKUP) {
            true => MailError::NoPermission,
            false => MailError::NoMailbox,
        }
    }
}

fn found(user: AccountId, row: SharedRow) -> Found {
    let target = Target { account: row.owner, mailbox: row.mailbox.id };
    let mut mailbox = Mailbox::from(row.mailbox);
    mailbox.name = Path::of_other(&row.address, &mailbox.name);
    Found { reach: Reach { user, target, rights: row.rights }, mailbox }
}

impl Mail {
    /// Looks up a mailbox for who has all of these rights.
    ///
    /// # Errors
    /// [`MailError::NoMailbox`], [`MailError::NoPermission`]; [`MailError::Busy`], [`MailError::Unavailable`].
    pub async fn find(
        &self,
        user: AccountId,
        path: &Path,
        needed: Rights,
    ) -> Result<Found, MailError> {
        let found = self.look_up(user, path).await?;
        found.reach.require(needed)?;
        Ok(found)
    }

    /// Looks up a mailbox, whatever the user may do with it.
    pub(crate) async fn look_up(&self, user: AccountId, path: &Path) -> Result<Found, MailError> {
        match path {
            Path::Own(name) => {
                let mailbox = self.mailbox(user, name).await?;
                let target = Target { account: user, mailbox: mailbox.id };
                Ok(Found { reach: Reach::own(target), mailbox })
            }
            Path::Other { owner, name } => {
                let row = shared_by_name(&self.store, user, owner.as_str(), name.as_str()).await?;
                row.map(|row| found(user, row)).ok_or(MailError::NoMailbox)
            }
        }
    }

    /// A mailbox that APPEND, COPY or MOVE is to write to.
    ///
    /// # Errors
    /// [`MailError::NoTarget`] when it could be created, for all that this user may know; otherwise as [`Mail::find`].
    pub async fn target(&self, user: AccountId, path: &Path) -> Result<Found, MailError> {
        self.find(user, path, Rights::INSERT).await.map_err(|error| match error {
            MailError::NoMailbox => MailError::NoTarget,
            other => other,
        })
    }

    /// Whose mailbox it would be that is made under this name: "CREATE - "k" right on a nearest existing parent mailbox".
    /// A stranger is not told whether there is such an account.
    pub(crate) async fn room_for(
        &self,
        user: AccountId,
        path: &Path,
    ) -> Result<AccountId, MailError> {
        match path {
            Path::Own(name) if Path::is_reserved(name) => {
                Err(MailError::Cannot("this name is for the mailboxes of others"))
            }
            Path::Own(_) => Ok(user),
            Path::Other { owner, name } => {
                let above = shared_above(&self.store, user, owner.as_str(), name.as_str()).await?;
                let above = above.filter(|row| row.rights.has(Rights::CREATE));
                above.map(|row| row.owner).ok_or(MailError::NoPermission)
            }
        }
    }

    /// All mailboxes of others that a user may see, by name.
    ///
    /// # Errors
    /// [`MailError::Busy`], [`MailError::Unavailable`].
    pub async fn others(&self, user: AccountId) -> Result<Vec<Found>, MailError> {
        self.others_of(user, None).await
    }

    pub(crate) async fn others_of(
        &self,
        user: AccountId,
        owner: Option<AccountId>,
    ) -> Result<Vec<Found>, MailError> {
        let rows = shared_list(&self.store, user, owner, MAX_SHARED).await?;
        let rows = rows.into_iter().filter(|row| row.rights.has(Rights::LOOKUP));
        Ok(rows.map(|row| found(user, row)).collect())
    }

    /// The account with this address, of which a user may read something.
    ///
    /// # Errors
    /// [`MailError::NoMailbox`]; [`MailError::Busy`], [`MailError::Unavailable`].
    pub async fn readable_account(
        &self,
        user: AccountId,
        address: &str,
    ) -> Result<AccountId, MailError> {
        let address = EmailAddress::parse(address).map_err(|_| MailError::NoMailbox)?;
        let owner = account_beside(&self.store, user, address.as_str()).await?;
        let owner = owner.filter(|owner| *owner != user).ok_or(MailError::NoMailbox)?;
        let rows = shared_list(&self.store, user, Some(owner), MAX_SHARED).await?;
        match rows.iter().any(|row| row.rights.has(Rights::READ)) {
            true => Ok(owner),
            false => Err(MailError::NoMailbox),
        }
    }

    /// Whether all of these rights are still there, asked now; with them what else is.
    ///
    /// # Errors
    /// As [`Reach::require`]; [`MailError::Busy`], [`MailError::Unavailable`].
    pub async fn still(&self, reach: Reach, needed: Rights) -> Result<Reach, MailError> {
        let now = self.reach_now(reach).await?;
        now.require(needed)?;
        Ok(now)
    }

    pub(crate) async fn reach_now(&self, reach: Reach) -> Result<Reach, MailError> {
        if reach.is_own() {
            return Ok(reach);
        }
        let Target { account, mailbox } = reach.target;
        Ok(reach.with(rights_now(&self.store, account, mailbox, reach.user).await?))
    }

    /// Before a session does something with its selected mailbox: looks at its rights if the last look is old.
    ///
    /// # Errors
    /// As [`Reach::require`] when it may not be read any more; [`MailError::Busy`], [`MailError::Unavailable`].
    pub async fn look_again(&self, view: &mut View) -> Result<(), MailError> {
        if !view.reach().is_own() && view.looked_at().elapsed() >= FRESH {
            self.look(view).await?;
        }
        view.reach().require(Rights::READ)
    }

    /// Looks at what a session may do with its selected mailbox.
    pub(crate) async fn look(&self, view: &mut View) -> Result<(), MailError> {
        if !view.reach().is_own() {
            let now = self.reach_now(view.reach()).await?;
            view.set_reach(now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::MailboxId;

    fn reach(letters: &str) -> Reach {
        let target = Target { account: AccountId(1), mailbox: MailboxId::new() };
        Reach { user: AccountId(2), target, rights: Rights::parse(letters).unwrap() }
    }

    #[test]
    fn flags_have_rights_of_their_own() {
        assert_eq!(reach("lr").flags(), Flags::default());
        assert_eq!(reach("st").flags(), Flags::SEEN.with(Flags::DELETED));
        let flags = reach("w").flags();
        assert!(flags.contains(Flags::ANSWERED.with(Flags::FORWARDED)));
        assert!(!flags.contains(Flags::SEEN) && !flags.contains(Flags::DELETED));
        let all = Flags::NAMED.iter().fold(Flags::default(), |all, (flag, _)| all.with(*flag));
        assert!(Reach::own(reach("").target()).flags().contains(all));
        let (flags, words) = reach("is").allowed(Flags::SEEN.with(Flags::DRAFT), vec!["x".into()]);
        assert_eq!((flags, words.len()), (Flags::SEEN, 0));
    }

    #[test]
    fn who_may_not_see_it_is_told_that_there_is_none() {
        assert_eq!(reach("lr").require(Rights::READ), Ok(()));
        assert_eq!(reach("l").require(Rights::READ), Err(MailError::NoPermission));
        assert_eq!(reach("i").require(Rights::READ), Err(MailError::NoMailbox));
        assert_eq!(reach("").require_any(Rights::ALL), Err(MailError::NoMailbox));
        assert_eq!(reach("k").require_any(Rights::ALL), Ok(()));
    }
}
