//! STORE, EXPUNGE, COPY and MOVE. Each commit is at most a chunk and wakes who watches.

use crate::uids::UidSet;
use crate::view::View;
use crate::{Mail, MailError, MailboxName};
use store::account::{CHUNK, CopyMessages, Expunge, FlagOp, StoreFlags, Stored, StoredState};
use types::{Flags, MailboxId, ModSeq, Uid, UidValidity};

/// Most messages COPY takes: it is one transaction (RFC 9051 §6.4.7: all or nothing).
pub const MAX_COPY: u64 = 20_000;

/// A change of flags (RFC 9051 §6.4.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagChange {
    /// Set, add or remove.
    pub op: FlagOp,
    /// System flags.
    pub flags: Flags,
    /// Keywords.
    pub keywords: Vec<String>,
    /// Leave alone what changed after this (RFC 7162 §3.1.3).
    pub unchanged_since: Option<ModSeq>,
}

/// Where copies lie: COPYUID (RFC 4315 §3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopyUids {
    /// Of the target; `None` when nothing was copied.
    pub uidvalidity: Option<UidValidity>,
    /// Source and target, ascending.
    pub pairs: Vec<(Uid, Uid)>,
    /// Of the change.
    pub modseq: Option<ModSeq>,
}

impl UidSet {
    /// The UIDs in pieces that one commit may touch.
    pub fn chunks(&self) -> impl Iterator<Item = Vec<Uid>> + Send {
        let mut uids: Box<dyn Iterator<Item = u32> + Send> =
            Box::new(self.runs().to_vec().into_iter().flatten());
        std::iter::from_fn(move || {
            let chunk: Vec<Uid> = uids.by_ref().take(CHUNK).map(Uid).collect();
            (!chunk.is_empty()).then_some(chunk)
        })
    }
}

impl Mail {
    /// Changes the flags of one chunk of messages ([`UidSet::chunks`]). The caller tells its client about
    /// what is returned; the view will not report it again.
    ///
    /// # Errors
    /// As every write. Changing flags again after [`MailError::MayHaveHappened`] does no harm.
    pub async fn store_flags(
        &self,
        view: &mut View,
        chunk: &[Uid],
        change: &FlagChange,
    ) -> Result<Vec<Stored>, MailError> {
        let target = view.target();
        let stored = self
            .commit(&StoreFlags {
                account: target.account,
                mailbox: target.mailbox,
                uids: chunk,
                op: change.op,
                flags: change.flags,
                keywords: &change.keywords,
                unchanged_since: change.unchanged_since,
            })
            .await?;
        if let Some(changed) = stored.iter().find(|row| row.state == StoredState::Changed) {
            view.answered_for(changed.modseq);
            self.hub.changed(target.account, changed.modseq);
        }
        Ok(stored)
    }

    /// Removes the messages with `\Deleted`, of the whole mailbox or of a set, and tells how many. The view hears
    /// of it at the next [`Mail::sync`].
    ///
    /// # Errors
    /// As every write; chunks before the failed one are gone.
    pub async fn expunge(&self, view: &View, only: Option<&UidSet>) -> Result<u64, MailError> {
        let known = match only {
            Some(set) => view.known(set),
            None => view.all(),
        };
        let target = view.target();
        let (mut after, mut removed) = (0, 0);
        loop {
            let found = store::message::uids_deleted(
                &self.store,
                target.account,
                target.mailbox,
                after,
                CHUNK as u32,
            )
            .await?;
            let Some(last) = found.last() else { return Ok(removed) };
            after = last.0;
            let done = found.len() < CHUNK;
            let mut uids = found;
            uids.retain(|uid| known.contains(uid.0));
            if !uids.is_empty() {
                let change =
                    Expunge { account: target.account, mailbox: target.mailbox, uids: &uids };
                let expunged = self.commit(&change).await?;
                removed += expunged.uids.len() as u64;
                if !expunged.uids.is_empty() {
                    self.hub.changed(target.account, expunged.modseq);
                }
            }
            if done {
                return Ok(removed);
            }
        }
    }

    /// The mailbox that COPY, MOVE or APPEND is to write to.
    ///
    /// # Errors
    /// [`MailError::NoTarget`] when it could be created.
    pub async fn target(&self, view: &View, name: &MailboxName) -> Result<MailboxId, MailError> {
        match self.mailbox(view.target().account, name).await {
            Ok(mailbox) => Ok(mailbox.id),
            Err(MailError::NoMailbox) => Err(MailError::NoTarget),
            Err(error) => Err(error),
        }
    }

    /// COPY: all or nothing.
    ///
    /// # Errors
    /// [`MailError::Limit`], [`MailError::NoTarget`], or as every write.
    pub async fn copy(
        &self,
        view: &View,
        uids: &UidSet,
        to: MailboxId,
    ) -> Result<CopyUids, MailError> {
        if uids.len() > MAX_COPY {
            return Err(MailError::Limit("too many messages for one COPY"));
        }
        let uids: Vec<Uid> = uids.iter().map(Uid).collect();
        self.copy_chunk(view, &uids, to, false).await
    }

    /// MOVE of one chunk ([`UidSet::chunks`]): each message is in one of the two mailboxes at any time
    /// (RFC 6851 §3.3), and the whole need not be one step.
    ///
    /// # Errors
    /// [`MailError::NoTarget`], or as every write.
    pub async fn move_chunk(
        &self,
        view: &View,
        chunk: &[Uid],
        to: MailboxId,
    ) -> Result<CopyUids, MailError> {
        self.copy_chunk(view, chunk, to, true).await
    }

    async fn copy_chunk(
        &self,
        view: &View,
        uids: &[Uid],
        to: MailboxId,
        remove: bool,
    ) -> Result<CopyUids, MailError> {
        let target = view.target();
        let change =
            CopyMessages { account: target.account, from: target.mailbox, uids, to, remove };
        let copied = self.commit(&change).await.map_err(|error| match error {
            MailError::NoMailbox => MailError::NoTarget,
            other => other,
        })?;
        if copied.pairs.is_empty() {
            return Ok(CopyUids::default());
        }
        self.hub.changed(target.account, copied.modseq);
        let (uidvalidity, modseq) = (Some(copied.uidvalidity), Some(copied.modseq));
        Ok(CopyUids { uidvalidity, pairs: copied.pairs, modseq })
    }
}
