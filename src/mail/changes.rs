//! STORE, EXPUNGE, COPY and MOVE. Each commit is at most a chunk and wakes who watches.
//!
//! In somebody else's mailbox the rights are asked for anew before each commit. Between two accounts a copy is one
//! transaction of both, as within one.

use crate::acl::Made;
use crate::fetch::{Message, Pages};
use crate::reach::Reach;
use crate::uids::UidSet;
use crate::view::View;
use crate::{Mail, MailError};
use std::collections::HashSet;
use store::account::{
    CHUNK, Conversation, CopyBetween, CopyMessages, Expunge, FlagOp, StoreFlags, StoreFlagsWithin,
    Stored, StoredState,
};
use types::{Flags, MailboxId, MessageId, ModSeq, Rights, Uid, UidValidity};

/// Most messages COPY takes: it is one transaction (RFC 9051 §6.4.7: all or nothing).
pub const MAX_COPY: u64 = 20_000;
/// Most messages of a COPY into another account, where each may be new and is written whole.
const MAX_COPY_ACROSS: u64 = 5_000;

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
    /// The changes that this was, of one account or two.
    pub made: Vec<Made>,
}

impl FlagChange {
    /// Fails when none of what is asked for may be done: "STORE operation SHOULD NOT fail if the user has rights to
    /// modify at least one flag specified in the STORE" (RFC 4314 §4).
    fn check(&self, reach: Reach) -> Result<(), MailError> {
        let nothing = self.flags == Flags::default() && self.keywords.is_empty();
        let some = self.flags.0 & reach.flags().0 != 0
            || reach.keywords() && !self.keywords.is_empty()
            || nothing && (self.op != FlagOp::Set || reach.flags() != Flags::default());
        if some { Ok(()) } else { Err(MailError::NoPermission) }
    }
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
    /// What the user may not change stays as it is.
    ///
    /// # Errors
    /// [`MailError::NoPermission`] when the user may change none of it; as every write. Changing flags again after
    /// [`MailError::MayHaveHappened`] does no harm.
    pub async fn store_flags(
        &self,
        view: &mut View,
        chunk: &[Uid],
        change: &FlagChange,
    ) -> Result<Vec<Stored>, MailError> {
        self.look(view).await?;
        let (target, reach) = (view.target(), view.reach());
        reach.require(Rights::READ)?;
        change.check(reach)?;
        let wanted = StoreFlags {
            account: target.account,
            mailbox: target.mailbox,
            uids: chunk,
            op: change.op,
            flags: change.flags,
            keywords: &change.keywords,
            unchanged_since: change.unchanged_since,
        };
        let stored = if reach.is_own() {
            self.commit(&wanted).await?
        } else {
            let (flags, keywords) = (reach.flags(), reach.keywords());
            self.commit(&StoreFlagsWithin { change: wanted, flags, keywords }).await?
        };
        if let Some(changed) = stored.iter().find(|row| row.state == StoredState::Changed) {
            view.answered_for(changed.modseq);
            self.hub.changed(target.account, changed.modseq);
        }
        Ok(stored)
    }

    /// The messages of a set that have `\Deleted` now.
    ///
    /// # Errors
    /// [`MailError::Busy`], [`MailError::Unavailable`].
    pub async fn deleted(&self, view: &View, among: &UidSet) -> Result<UidSet, MailError> {
        let (target, mut after, mut found) = (view.target(), 0, UidSet::default());
        loop {
            let (account, mailbox) = (target.account, target.mailbox);
            let limit = CHUNK as u32;
            let uids =
                store::message::uids_deleted(&self.store, account, mailbox, after, limit).await?;
            let Some(last) = uids.last() else { break };
            after = last.0;
            uids.iter().for_each(|uid| found.push(uid.0));
            if uids.len() < CHUNK {
                break;
            }
        }
        Ok(view.known(among).intersection(&found))
    }

    /// Removes the messages with `\Deleted`, of the whole mailbox or of a set, and tells how many. The view hears
    /// of it at the next [`Mail::sync`].
    ///
    /// # Errors
    /// [`MailError::NoPermission`] without "e"; as every write; chunks before the failed one are gone.
    pub async fn expunge(&self, view: &View, only: Option<&UidSet>) -> Result<u64, MailError> {
        let known = match only {
            Some(set) => view.known(set),
            None => view.all(),
        };
        self.still(view.reach(), Rights::EXPUNGE).await?;
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
                self.still(view.reach(), Rights::EXPUNGE).await?;
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

    /// COPY: all or nothing. `to` comes from [`Mail::target`].
    ///
    /// # Errors
    /// [`MailError::Limit`], [`MailError::NoTarget`], or as every write; into another account [`MailError::OverQuota`] and
    /// [`MailError::BeingDelivered`] too.
    pub async fn copy(&self, view: &View, uids: &UidSet, to: Reach) -> Result<CopyUids, MailError> {
        let across = view.target().account != to.target().account;
        let most = if across { MAX_COPY_ACROSS } else { MAX_COPY };
        if uids.len() > most {
            return Err(MailError::Limit("too many messages for one COPY"));
        }
        let uids: Vec<Uid> = uids.iter().map(Uid).collect();
        self.copy_chunk(view, &uids, to, false).await
    }

    /// MOVE of one chunk ([`UidSet::chunks`]): each message is in one of the two mailboxes at any time
    /// (RFC 6851 §3.3), and the whole need not be one step. It needs the rights of STORE and EXPUNGE where the messages
    /// are, and those of COPY where they go (§4.2).
    ///
    /// # Errors
    /// As [`Mail::copy`], but for the limit.
    pub async fn move_chunk(
        &self,
        view: &View,
        chunk: &[Uid],
        to: Reach,
    ) -> Result<CopyUids, MailError> {
        self.still(view.reach(), Rights::TRASH.with(Rights::EXPUNGE)).await?;
        self.copy_chunk(view, chunk, to, true).await
    }

    async fn copy_chunk(
        &self,
        view: &View,
        uids: &[Uid],
        to: Reach,
        remove: bool,
    ) -> Result<CopyUids, MailError> {
        let copied = if view.reach().is_own() && to.is_own() {
            self.copy_own(view, uids, to.target().mailbox, remove).await
        } else {
            self.copy_between(view, uids, to, remove).await
        };
        copied.map_err(|error| match error {
            MailError::NoMailbox => MailError::NoTarget,
            other => other,
        })
    }

    async fn copy_own(
        &self,
        view: &View,
        uids: &[Uid],
        to: MailboxId,
        remove: bool,
    ) -> Result<CopyUids, MailError> {
        let target = view.target();
        let change =
            CopyMessages { account: target.account, from: target.mailbox, uids, to, remove };
        let copied = self.commit(&change).await?;
        if copied.pairs.is_empty() {
            return Ok(CopyUids::default());
        }
        self.hub.changed(target.account, copied.modseq);
        let made = vec![Made { account: target.account, modseq: copied.modseq }];
        Ok(CopyUids { uidvalidity: Some(copied.uidvalidity), pairs: copied.pairs, made })
    }

    /// Where one of the mailboxes is somebody else's.
    async fn copy_between(
        &self,
        view: &View,
        uids: &[Uid],
        to: Reach,
        remove: bool,
    ) -> Result<CopyUids, MailError> {
        let (source, target) = (view.target(), to.target());
        let across = source.account != target.account;
        let messages = if across { self.conversations(view, uids).await? } else { Vec::new() };
        let read = self.reach_now(view.reach()).await?;
        read.require(Rights::READ).map_err(|_| MailError::NoPermission)?;
        let to = self.still(to, Rights::INSERT).await?;
        let change = CopyBetween {
            from: (source.account, source.mailbox),
            uids,
            to: (target.account, target.mailbox),
            remove,
            flags: to.flags(),
            keywords: to.keywords(),
            messages: &messages,
        };
        let copied = self.commit(&change).await?;
        if copied.pairs.is_empty() {
            return Ok(CopyUids::default());
        }
        let mut made = vec![Made { account: target.account, modseq: copied.target }];
        if across && remove {
            made.push(Made { account: source.account, modseq: copied.source });
        }
        for change in &made {
            self.hub.changed(change.account, change.modseq);
        }
        Ok(CopyUids { uidvalidity: Some(copied.uidvalidity), pairs: copied.pairs, made })
    }

    /// These messages, each once, and what tells their conversations.
    async fn conversations(
        &self,
        view: &View,
        uids: &[Uid],
    ) -> Result<Vec<Conversation>, MailError> {
        let wanted: UidSet = uids.iter().map(|uid| uid.0).collect();
        let mut pages = Pages::new(view.target(), wanted);
        let (mut seen, mut found): (HashSet<MessageId>, _) = (HashSet::new(), Vec::new());
        while let Some(rows) = pages.next(self).await? {
            let messages = self.messages(view.target().account, &rows).await?;
            for message in messages.into_iter().flatten() {
                if seen.insert(message.id) {
                    found.push((message.id, reference_hashes(&message)));
                }
            }
        }
        Ok(found)
    }
}

/// As the ingest counted them when the message came, out of what lies with the lists.
fn reference_hashes(message: &Message) -> Vec<i64> {
    let structure = &message.structure;
    let mut header = Vec::new();
    let mut field = |name: &str, value: &[u8]| {
        let value =
            value.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte });
        header.extend_from_slice(name.as_bytes());
        header.extend_from_slice(b": ");
        header.extend(value);
        header.extend_from_slice(b"\r\n");
    };
    if let Some(id) = &structure.envelope.message_id {
        field("Message-ID", id.as_bytes());
    }
    for kept in structure.fields.iter().filter(|kept| kept.name.eq_ignore_ascii_case("References"))
    {
        field("References", &kept.value);
    }
    if let Some(id) = &structure.envelope.in_reply_to {
        field("In-Reply-To", id.as_bytes());
    }
    header.extend_from_slice(b"\r\n");
    message::reference_hashes(&header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::Target;
    use types::AccountId;

    #[test]
    fn a_store_fails_only_when_nothing_of_it_may_be_done() {
        let target = Target { account: AccountId(1), mailbox: MailboxId::new() };
        let may = |letters: &str, op: FlagOp, flags: Flags, keywords: &[&str]| {
            let reach = Reach::own(target).with(Rights::parse(letters).unwrap());
            let keywords = keywords.iter().map(|word| (*word).to_owned()).collect();
            FlagChange { op, flags, keywords, unchanged_since: None }.check(reach).is_ok()
        };
        let both = Flags::SEEN.with(Flags::DELETED);
        assert!(may("lrs", FlagOp::Add, both, &[]) && may("lrt", FlagOp::Set, both, &[]));
        assert!(!may("lrw", FlagOp::Add, both, &[]) && !may("lr", FlagOp::Set, Flags(0), &[]));
        assert!(may("lrw", FlagOp::Remove, Flags::DELETED, &["x"]));
        assert!(!may("lrst", FlagOp::Add, Flags::FLAGGED, &["x"]));
        assert!(may("lr", FlagOp::Add, Flags(0), &[]) && may("lrt", FlagOp::Set, Flags(0), &[]));
    }
}
