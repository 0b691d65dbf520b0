//! What one session has been told of one mailbox.
//!
//! A client counts its messages: number 5 is the fifth it was told of, until it is told that one before it
//! is gone. So a view changes only when its session says so: new messages at the end at any time, vanished
//! ones when the client may be told (RFC 9051 §7.5.1: an EXPUNGE response "MUST NOT be sent … while
//! responding to a FETCH, STORE, or SEARCH command"). In between a vanished message keeps its number.
//!
//! ```text
//!              change log: created          change log: destroyed          take_vanished()
//!  unknown ─────────────────────▶ known ─────────────────────▶ vanished ─────────────────▶ no number
//! ```
//! The view stands at one modseq of the account and moves along the change log; below the log's floor, or
//! when the log went backwards (a restored database), it is compared with the mailbox as it is.

use crate::fetch::{Pages, Target};
use crate::mailboxes::Mailbox;
use crate::path::Path;
use crate::reach::{Found, Reach};
use crate::uids::{Numbers, UidSet};
use crate::{Mail, MailError};
use std::ops::RangeInclusive;
use std::sync::Arc;
use store::message::{ChangeLog, ChangeRow, Columns};
use tokio::time::Instant;
use types::{AccountId, ModSeq, Rights, Uid};

/// Rows of the change log read at once; each lists at most a thousand UIDs.
const LOG_PAGE: u32 = 500;
/// Larger mailboxes are not searched for their first unseen message and their keywords at SELECT: both are
/// hints that no client needs, and the search reads every row.
const SURVEY_LIMIT: u32 = 50_000;

/// Smaller mailboxes are counted again each time they are opened.
const REMEMBER_FROM: u32 = 2_000;

/// How a mailbox is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// SELECT: takes the `\Recent` flags.
    ReadWrite,
    /// EXAMINE: changes nothing.
    ReadOnly,
}

/// A selected mailbox.
#[derive(Debug, Clone)]
pub struct View {
    target: Target,
    reach: Reach,
    /// When somebody last looked at what `reach` allows.
    looked_at: Instant,
    access: Access,
    /// The mailbox as it was opened.
    opened: Mailbox,
    numbers: Numbers,
    vanished: UidSet,
    /// Known messages whose flags may have changed, as far as the log was read: kept until its end is reached, since
    /// a log that breaks off is not read again from where it began.
    updated: UidSet,
    /// The lowest UID that was never heard of.
    next: u32,
    modseq: ModSeq,
    /// The mailbox's own highest modseq, as far as the log was followed.
    highest: ModSeq,
    /// The first change that made messages vanish which are still to be told of.
    lost_at: Option<ModSeq>,
    /// Modseqs of changes that this session made and has answered for.
    own: Vec<ModSeq>,
    recent_from: u32,
    /// New messages came in that nobody else was told to be recent.
    claim_recent: bool,
    first_unseen: Option<u32>,
    keywords: Vec<String>,
}

/// What a [`Mail::sync`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// There are new messages.
    pub appeared: bool,
    /// Known messages whose flags may have changed.
    pub updated: UidSet,
    /// There are vanished messages to be told of.
    pub vanished: bool,
    /// The mailbox, or the account, is gone, and with it all messages.
    pub gone: bool,
}

/// The messages of a mailbox at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    uids: UidSet,
    next: u32,
    modseq: ModSeq,
}

impl Snapshot {
    /// Octets of memory, about.
    pub(crate) fn weight(&self) -> u32 {
        u32::try_from(self.uids.runs().len() * 8 + 128).unwrap_or(u32::MAX)
    }
}

impl View {
    fn new(reach: Reach, access: Access, opened: Mailbox, snapshot: Snapshot) -> Self {
        let numbers = Numbers::new(&snapshot.uids);
        let above = numbers.last_uid().map_or(1, |last| last + 1);
        Self {
            target: reach.target(),
            reach,
            looked_at: Instant::now(),
            access,
            recent_from: opened.recent_uid.0,
            // A remembered snapshot stands at its own time; what came since is in the log.
            next: snapshot.next.max(above),
            // What is read of the mailbox is read after its row, so all of this is in it.
            highest: opened.highest_modseq,
            opened,
            numbers,
            vanished: UidSet::default(),
            updated: UidSet::default(),
            modseq: snapshot.modseq,
            lost_at: None,
            own: Vec::new(),
            claim_recent: false,
            first_unseen: None,
            keywords: Vec::new(),
        }
    }

    /// Which mailbox.
    #[must_use]
    pub fn target(&self) -> Target {
        self.target
    }

    /// How it was opened.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }

    /// Whose it is for whom, and what may be done with it, as of the last look.
    #[must_use]
    pub fn reach(&self) -> Reach {
        self.reach
    }

    pub(crate) fn set_reach(&mut self, reach: Reach) {
        self.reach = reach;
        self.looked_at = Instant::now();
    }

    pub(crate) fn looked_at(&self) -> Instant {
        self.looked_at
    }

    /// Whether nothing in it may be changed: "The server MUST include a READ-ONLY response code ... if none of the
    /// following rights is granted to the current user: "i", "e", and "shared flag rights"" (RFC 4314 §5.2). All flags
    /// are shared here: there is one set of them per copy, `\\Seen` included.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        let flags = Rights::SEEN.with(Rights::WRITE).with(Rights::TRASH);
        let writes = flags.with(Rights::INSERT).with(Rights::EXPUNGE);
        self.access == Access::ReadOnly || !self.reach.rights().any(writes)
    }

    /// The mailbox as it was when it was opened.
    #[must_use]
    pub fn opened(&self) -> &Mailbox {
        &self.opened
    }

    /// The change log has been followed up to here.
    #[must_use]
    pub fn modseq(&self) -> ModSeq {
        self.modseq
    }

    /// The mailbox's HIGHESTMODSEQ that a client may believe: it was told of everything up to it. "If the server
    /// sends MODSEQ FETCH data items while EXPUNGE (or VANISHED) replies with lower mod-sequences being delayed,
    /// the server MUST send the HIGHESTMODSEQ response code with a lower value" (RFC 7162 §3.2).
    #[must_use]
    pub fn told_modseq(&self) -> ModSeq {
        match self.lost_at {
            Some(lost_at) => self.highest.min(ModSeq(lost_at.0.saturating_sub(1))),
            None => self.highest,
        }
    }

    /// Whether a client that has seen this mod-sequence may have missed a change with a lower one.
    #[must_use]
    pub fn is_behind(&self, seen: ModSeq) -> bool {
        seen > self.modseq.max(self.highest) || self.lost_at.is_some_and(|lost_at| seen >= lost_at)
    }

    /// EXISTS, vanished messages that were not told yet included.
    #[must_use]
    pub fn exists(&self) -> u32 {
        self.numbers.len()
    }

    /// UIDNEXT: above every UID that was told.
    #[must_use]
    pub fn uidnext(&self) -> u32 {
        self.next
    }

    /// RECENT.
    #[must_use]
    pub fn recent(&self) -> u32 {
        self.numbers.count_from(self.recent_from)
    }

    /// Whether a message carries `\Recent` in this session.
    #[must_use]
    pub fn is_recent(&self, uid: u32) -> bool {
        uid >= self.recent_from
    }

    /// Every UID that carries `\Recent` in this session.
    pub(crate) fn recent_uids(&self) -> UidSet {
        UidSet::from_ranges([self.recent_from..=u32::MAX])
    }

    /// The number of the first message that was unseen when the mailbox was opened.
    #[must_use]
    pub fn first_unseen(&self) -> Option<u32> {
        self.first_unseen.and_then(|uid| self.numbers.number(uid))
    }

    /// Keywords in use when the mailbox was opened.
    #[must_use]
    pub fn keywords(&self) -> &[String] {
        &self.keywords
    }

    /// A message's number.
    #[must_use]
    pub fn number(&self, uid: u32) -> Option<u32> {
        self.numbers.number(uid)
    }

    /// The highest UID.
    #[must_use]
    pub fn last_uid(&self) -> Option<u32> {
        self.numbers.last_uid()
    }

    /// Every known message.
    #[must_use]
    pub fn all(&self) -> UidSet {
        self.numbers.set()
    }

    /// Those of these UIDs that are known.
    #[must_use]
    pub fn known(&self, wanted: &UidSet) -> UidSet {
        self.numbers.set().intersection(wanted)
    }

    /// The messages with these numbers. `None`: one of the numbers does not exist.
    #[must_use]
    pub fn numbered(&self, ranges: &[RangeInclusive<u32>]) -> Option<UidSet> {
        let mut found = Vec::new();
        for range in ranges {
            let (first, last) = (*range.start().min(range.end()), *range.end().max(range.start()));
            if first == 0 || last > self.exists() {
                return None;
            }
            self.numbers.uids_of(first, last, &mut found);
        }
        Some(UidSet::from_ranges(found))
    }

    /// Messages that are gone, though their numbers stand.
    #[must_use]
    pub fn vanished(&self) -> &UidSet {
        &self.vanished
    }

    /// Lets go of the vanished messages: the numbers to tell, in this order, each as it counts after those
    /// before it.
    pub fn take_vanished(&mut self) -> Vec<u32> {
        let gone = std::mem::take(&mut self.vanished);
        self.lost_at = None;
        let numbers = gone
            .iter()
            .filter_map(|uid| self.numbers.number(uid))
            .enumerate()
            .map(|(before, number)| number - before as u32)
            .collect();
        self.numbers.remove(&gone);
        numbers
    }

    /// As [`View::take_vanished`]: the UIDs to tell (RFC 7162 §3.2.10).
    pub fn take_vanished_uids(&mut self) -> UidSet {
        let gone = std::mem::take(&mut self.vanished);
        self.lost_at = None;
        self.numbers.remove(&gone);
        gone
    }

    /// The UID of the message with this number.
    #[must_use]
    pub fn uid(&self, number: u32) -> Option<u32> {
        self.numbered(&[number..=number]).and_then(|uids| uids.iter().next())
    }

    /// Notes a change of flags that this session made and has answered for. Where it directly follows what the
    /// view has seen, the log need not be asked for it again.
    pub(crate) fn answered_for(&mut self, modseq: ModSeq) {
        if modseq.0 == self.modseq.0 + 1 {
            self.modseq = modseq;
            self.highest = self.highest.max(modseq);
        } else {
            self.own.push(modseq);
        }
    }

    /// Moves along one page of the change log.
    fn apply(&mut self, log: &[ChangeRow], up_to: ModSeq, changes: &mut Changes) {
        self.modseq = up_to;
        let own = std::mem::take(&mut self.own);
        self.own = own.iter().copied().filter(|modseq| *modseq > up_to).collect();
        if log.is_empty() {
            return;
        }
        self.highest = log.iter().map(|row| row.modseq).fold(self.highest, ModSeq::max);
        let (mut created, mut updated, mut destroyed) = (Vec::new(), Vec::new(), Vec::new());
        for row in log {
            match row.op {
                1 => created.extend_from_slice(&row.uids),
                2 if !own.contains(&row.modseq) => updated.extend_from_slice(&row.uids),
                2 => {}
                _ => destroyed.extend_from_slice(&row.uids),
            }
        }
        let destroyed: UidSet = destroyed.into_iter().collect();
        let created: UidSet = created.into_iter().filter(|uid| *uid >= self.next).collect();
        if let Some(last) = created.runs().last() {
            self.next = last.end() + 1;
        }
        let before = self.numbers.set();
        self.append(&created.difference(&destroyed), changes);
        let lost = before.intersection(&destroyed);
        let first = log
            .iter()
            .find(|row| row.op == 3 && row.uids.iter().any(|uid| lost.contains(*uid)))
            .map(|row| row.modseq);
        self.lose(&lost, first, changes);
        let updated: UidSet = updated.into_iter().collect();
        let told = before.difference(&self.vanished);
        self.updated = self.updated.union(&updated).intersection(&told);
    }

    fn append(&mut self, new: &UidSet, changes: &mut Changes) {
        for run in new.runs() {
            self.numbers.append(*run.start(), *run.end());
            changes.appeared = true;
            self.claim_recent = !self.is_read_only();
        }
    }

    /// These are gone, since a change with modseq `at` at the earliest.
    fn lose(&mut self, gone: &UidSet, at: Option<ModSeq>, changes: &mut Changes) {
        if !gone.is_empty() {
            self.lost_at = self.lost_at.or(at);
        }
        self.vanished = self.vanished.union(gone);
        changes.vanished = !self.vanished.is_empty();
    }

    /// At the end of the log.
    fn report(&mut self, changes: &mut Changes) {
        changes.updated = std::mem::take(&mut self.updated);
    }

    /// Takes over the mailbox as it is, whatever the change log says.
    fn compare(&mut self, present: &UidSet, changes: &mut Changes) {
        let known = self.numbers.set();
        let at = Some(ModSeq(self.modseq.0 + 1));
        self.lose(&known.difference(present), at, changes);
        let new = present.intersection(&UidSet::from_ranges([self.next..=u32::MAX]));
        if let Some(last) = new.runs().last() {
            self.next = last.end() + 1;
        }
        self.append(&new, changes);
    }
}

impl Mail {
    /// Opens a mailbox: it needs "r".
    ///
    /// # Errors
    /// As [`Mail::find`].
    pub async fn open(
        &self,
        user: AccountId,
        path: &Path,
        access: Access,
    ) -> Result<View, MailError> {
        let owner = match path {
            Path::Own(_) => user,
            Path::Other { .. } => self.find(user, path, Rights::READ).await?.reach.target().account,
        };
        // The modseq first: whatever is read after it can only be newer, and the log repeats that.
        let modseqs = store::mailbox::account_modseqs(&self.store, &[owner]).await?;
        let modseq = modseqs.first().ok_or(MailError::NoAccount)?.1;
        let Found { reach, mailbox: opened } = self.find(user, path, Rights::READ).await?;
        let mut view = match self.remembered(reach, access, &opened).await? {
            Some(view) => view,
            None => self.counted(reach, access, opened, modseq).await?,
        };
        self.remember(&view);
        let (target, next) = (view.target, view.next);
        if !view.is_read_only() && view.recent_from < next {
            view.recent_from = self.claim(&target, next).await?;
        }
        self.survey(&mut view).await?;
        Ok(view)
    }

    /// The mailbox as it is, read from its rows.
    async fn counted(
        &self,
        reach: Reach,
        access: Access,
        opened: Mailbox,
        modseq: ModSeq,
    ) -> Result<View, MailError> {
        let account = reach.target().account;
        let runs = store::message::uid_runs(&self.store, account, opened.id).await?;
        let (uids, next) = (UidSet::from_ranges(runs), opened.uidnext.0);
        Ok(View::new(reach, access, opened, Snapshot { uids, next, modseq }))
    }

    /// The mailbox as this node last knew it, and what the log says since: for a large one that is much
    /// cheaper than counting it again.
    async fn remembered(
        &self,
        reach: Reach,
        access: Access,
        opened: &Mailbox,
    ) -> Result<Option<View>, MailError> {
        let Some(snapshot) = self.snapshots.get(&opened.id) else { return Ok(None) };
        let mut view = View::new(reach, access, opened.clone(), snapshot.as_ref().clone());
        let mut changes = Changes::default();
        if self.follow(&mut view, &mut changes).await?.is_some() {
            return Ok(None);
        }
        if changes.gone {
            return Err(MailError::NoMailbox);
        }
        view.take_vanished();
        view.updated = UidSet::default();
        view.claim_recent = false;
        Ok(Some(view))
    }

    fn remember(&self, view: &View) {
        if view.exists() >= REMEMBER_FROM {
            let uids = view.numbers.set().difference(&view.vanished);
            let snapshot = Snapshot { uids, next: view.next, modseq: view.modseq };
            self.snapshots.insert(view.opened.id, Arc::new(snapshot));
        }
    }

    async fn claim(&self, target: &Target, next: u32) -> Result<u32, MailError> {
        let Target { account, mailbox } = *target;
        match store::mailbox::mailbox_claim_recent(&self.store, account, mailbox, Uid(next)).await {
            Ok(from) => Ok(from.0),
            // RFC 3501 §2.3.2: who cannot know "SHOULD" call a message recent; then nobody else does.
            Err(store::StoreError::MaybeHappened(_)) => Ok(next),
            Err(error) => Err(error.into()),
        }
    }

    async fn survey(&self, view: &mut View) -> Result<(), MailError> {
        let Target { account, mailbox } = view.target;
        if view.exists() == 0 || view.exists() > SURVEY_LIMIT {
            return Ok(());
        }
        if view.opened.unseen > 0 {
            let first = store::message::first_unseen(&self.store, account, mailbox).await?;
            view.first_unseen = first.map(|uid| uid.0);
        }
        view.keywords = store::message::keywords_in_use(&self.store, account, mailbox).await?;
        Ok(())
    }

    /// Catches up with the change log, and with what may be done.
    ///
    /// # Errors
    /// As [`Mail::find`] when it may not be read any more; [`MailError::Busy`], [`MailError::Unavailable`]; the view is then as far as it came.
    pub async fn sync(&self, view: &mut View) -> Result<Changes, MailError> {
        let mut changes = Changes { vanished: !view.vanished.is_empty(), ..Changes::default() };
        self.look(view).await?;
        view.reach.require(Rights::READ)?;
        if let Some(log) = self.follow(view, &mut changes).await? {
            self.resync(view, &log, &mut changes).await?;
        }
        view.report(&mut changes);
        Ok(changes)
    }

    /// Follows the log to its end. `Some`: it does not lead from where the view stands to there.
    async fn follow(
        &self,
        view: &mut View,
        changes: &mut Changes,
    ) -> Result<Option<ChangeLog>, MailError> {
        let Target { account, mailbox } = view.target;
        loop {
            let log =
                store::message::change_log(&self.store, account, mailbox, view.modseq, LOG_PAGE);
            let log = match log.await? {
                Some(log) if log.live => log,
                _ => {
                    changes.gone = true;
                    view.compare(&UidSet::default(), changes);
                    return Ok(None);
                }
            };
            if view.modseq < log.floor || log.modseq < view.modseq {
                return Ok(Some(log));
            }
            view.apply(&log.changes, log.modseq, changes);
            if log.complete {
                view.highest = log.highest;
                return Ok(None);
            }
        }
    }

    /// Compares the view with the mailbox: the log no longer tells.
    async fn resync(
        &self,
        view: &mut View,
        log: &ChangeLog,
        changes: &mut Changes,
    ) -> Result<(), MailError> {
        metrics::counter!("postrider_view_resyncs_total").increment(1);
        let Target { account, mailbox } = view.target;
        // After a restore nothing that was told counts.
        let since = if log.modseq < view.modseq { ModSeq(0) } else { view.modseq };
        let told = view.numbers.set();
        let runs = store::message::uid_runs(&self.store, account, mailbox).await?;
        let mut updated = Vec::new();
        let mut pages = Pages::wide(view.target, told.clone(), Columns::MODSEQ);
        while let Some(rows) = pages.next(self).await? {
            let changed = rows.iter().filter(|row| row.modseq > since);
            updated.extend(changed.map(|row| row.uid.0));
        }
        view.compare(&UidSet::from_ranges(runs), changes);
        let updated: UidSet = updated.into_iter().collect();
        view.updated = view.updated.union(&updated).difference(&view.vanished);
        view.modseq = log.modseq;
        view.highest = log.highest;
        view.own.clear();
        Ok(())
    }

    /// Leaves a mailbox: what came in meanwhile was told to be recent here, so it is not in the next session.
    pub async fn close(&self, view: View) {
        self.remember(&view);
        if view.claim_recent
            && let Err(error) = self.claim(&view.target, view.next).await
        {
            tracing::debug!(%error, "messages will be recent once more");
        }
    }
}

#[cfg(test)]
mod tests;
