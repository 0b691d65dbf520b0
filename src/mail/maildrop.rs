//! Maildrops of POP3: an INBOX under a lock, as it was when the session began.
//!
//! ```text
//!          open: take the lock, then list        remove, close (or nobody renews it any more)
//!   free ──────────────────────────────────▶ held ──────────────────────────────────────────▶ free
//!                                             │ ▲
//!                                             └─┘ the node's keeper renews all of its locks in one statement
//! ```
//! The lock is a lease in PostgreSQL, so it holds across nodes and falls when one dies. A session whose lock another
//! one took is told ([`Maildrop::lost`]); should it not hear it in time, the statement that removes messages finds
//! out and removes nothing. An IMAP session is not kept out: what it removes is gone here too.

use crate::fetch::{Message, Target};
use crate::name::MailboxName;
use crate::{Mail, MailError};
use net::Permit;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use store::Store;
use store::account::MaildropUpdate;
use store::maildrop::{
    Hold, MAILDROP_RENEW_SECONDS, maildrop_lock_release, maildrop_lock_renew, maildrop_lock_take,
    maildrop_rows,
};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use types::{AccountId, Uid, UidValidity};

/// Messages listed by one statement.
const PAGE: u32 = 5_000;
/// Most messages that one transaction removes, as with COPY: bounds how long the account is locked.
const CHUNK: usize = 20_000;
/// Messages looked up at a time: clients read a maildrop from its beginning to its end.
const AHEAD: u32 = 32;
/// What a message of the list costs in memory.
const OCTETS: u64 = 8;

/// The locks that this node's sessions hold, kept alive. Cheap to clone.
#[derive(Clone)]
pub struct Maildrops {
    keeper: Arc<Keeper>,
}

struct Keeper {
    store: Store,
    /// The sender tells the session that its lock is lost.
    held: Mutex<HashMap<Hold, watch::Sender<bool>>>,
    /// Locks of sessions that ended without giving them back.
    left: Mutex<Vec<Hold>>,
    work: Notify,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Maildrops {
    /// Starts the task that renews the locks. It ends when the last clone and the last maildrop are dropped.
    #[must_use]
    pub fn start(store: Store) -> Self {
        let keeper = Arc::new(Keeper {
            store,
            held: Mutex::default(),
            left: Mutex::default(),
            work: Notify::new(),
        });
        tokio::spawn(keep(Arc::downgrade(&keeper)));
        Self { keeper }
    }

    /// Takes a lock. `None`: another session has it.
    async fn take(&self, account: AccountId) -> Result<Option<Lock>, MailError> {
        let hold = Hold::new(account);
        // Made first: whatever becomes of the statement, it is given back.
        let (sender, lost) = watch::channel(false);
        let mut lock = Lock { keeper: Arc::clone(&self.keeper), hold, lost, taken: true };
        if !maildrop_lock_take(&self.keeper.store, hold).await? {
            lock.taken = false;
            return Ok(None);
        }
        locked(&self.keeper.held).insert(hold, sender);
        self.keeper.count();
        Ok(Some(lock))
    }
}

async fn keep(keeper: Weak<Keeper>) {
    let every = Duration::from_secs(MAILDROP_RENEW_SECONDS);
    let mut next = Instant::now() + every;
    loop {
        let Some(alive) = keeper.upgrade() else { return };
        let work = async move { alive.work.notified().await };
        let _ = tokio::time::timeout_at(next, work).await;
        let Some(alive) = keeper.upgrade() else { return };
        alive.give_back_left().await;
        if Instant::now() >= next {
            alive.renew().await;
            next = Instant::now() + every;
        }
    }
}

impl Keeper {
    fn count(&self) {
        metrics::gauge!("postrider_maildrop_locks").set(locked(&self.held).len() as f64);
    }

    async fn renew(&self) {
        let holds: Vec<Hold> = locked(&self.held).keys().copied().collect();
        if holds.is_empty() {
            return;
        }
        match maildrop_lock_renew(&self.store, &holds).await {
            Ok(still) => {
                let still: HashSet<Hold> = still.into_iter().collect();
                holds.iter().filter(|hold| !still.contains(hold)).for_each(|hold| self.lost(hold));
            }
            // What is not renewed may be taken by others, and is ours until somebody does.
            Err(error) => tracing::debug!(%error, "the locks of maildrops are not renewed"),
        }
    }

    fn lost(&self, hold: &Hold) {
        // Not there: it was given back meanwhile.
        if let Some(session) = locked(&self.held).remove(hold) {
            tracing::warn!(account = %hold.account, "the lock of a maildrop is lost");
            metrics::counter!("postrider_maildrop_locks_lost_total").increment(1);
            session.send_replace(true);
        }
        self.count();
    }

    fn forget(&self, hold: &Hold) {
        locked(&self.held).remove(hold);
        self.count();
    }

    async fn give_back_left(&self) {
        let left = std::mem::take(&mut *locked(&self.left));
        if !left.is_empty()
            && let Err(error) = maildrop_lock_release(&self.store, &left).await
        {
            tracing::debug!(%error, "locks of maildrops were not given back and will run out");
        }
    }
}

/// A lock that is held.
struct Lock {
    keeper: Arc<Keeper>,
    hold: Hold,
    lost: watch::Receiver<bool>,
    taken: bool,
}

impl Lock {
    /// The row is gone already.
    fn gone(mut self) {
        self.taken = false;
    }

    async fn give_back(mut self) {
        self.taken = false;
        self.keeper.forget(&self.hold);
        if let Err(error) = maildrop_lock_release(&self.keeper.store, &[self.hold]).await {
            tracing::debug!(%error, "the lock of a maildrop was not given back and will run out");
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.keeper.forget(&self.hold);
        if self.taken {
            locked(&self.keeper.left).push(self.hold);
            self.keeper.work.notify_one();
        }
    }
}

/// A maildrop that one session has.
pub struct Maildrop {
    target: Target,
    uidvalidity: UidValidity,
    messages: Vec<(u32, u32)>,
    lock: Lock,
    /// The last messages that were looked up.
    ahead: Vec<(Uid, Arc<Message>)>,
    _share: Permit,
}

impl Mail {
    /// Locks and opens an account's maildrop. `None`: another session has it.
    ///
    /// # Errors
    /// [`MailError::Busy`], [`MailError::Unavailable`], [`MailError::NoAccount`]. A lock that was taken is given back.
    pub async fn maildrop(
        &self,
        maildrops: &Maildrops,
        account: AccountId,
    ) -> Result<Option<Maildrop>, MailError> {
        let Some(lock) = maildrops.take(account).await? else { return Ok(None) };
        match self.opened(account).await {
            Ok((target, uidvalidity, messages, share)) => Ok(Some(Maildrop {
                target,
                uidvalidity,
                messages,
                lock,
                ahead: Vec::new(),
                _share: share,
            })),
            Err(error) => {
                lock.give_back().await;
                Err(error)
            }
        }
    }

    async fn opened(
        &self,
        account: AccountId,
    ) -> Result<(Target, UidValidity, Vec<(u32, u32)>, Permit), MailError> {
        let inbox = self.mailbox(account, &MailboxName::parse("INBOX")?).await?;
        let share = self.reserve(u64::from(inbox.total) * OCTETS).await?;
        let mut messages: Vec<(u32, u32)> = Vec::with_capacity(inbox.total as usize);
        loop {
            let after = messages.last().map_or(0, |(uid, _)| *uid);
            let page = maildrop_rows(&self.store, account, inbox.id, after, PAGE).await?;
            messages.extend_from_slice(&page);
            if page.len() < PAGE as usize {
                break;
            }
        }
        Ok((Target { account, mailbox: inbox.id }, inbox.uidvalidity, messages, share))
    }

    /// A message of a maildrop.
    ///
    /// # Errors
    /// [`MailError::Expunged`] when somebody removed it; [`MailError::Busy`], [`MailError::Unavailable`].
    pub async fn maildrop_message(
        &self,
        maildrop: &mut Maildrop,
        uid: Uid,
    ) -> Result<Arc<Message>, MailError> {
        let known = |maildrop: &Maildrop| {
            let found = maildrop.ahead.iter().find(|(known, _)| *known == uid);
            found.map(|(_, message)| Arc::clone(message))
        };
        if let Some(message) = known(maildrop) {
            return Ok(message);
        }
        let Target { account, mailbox } = maildrop.target;
        let run = uid.0..=u32::MAX;
        let rows = store::message::uid_rows(&self.store, account, mailbox, run, AHEAD).await?;
        let messages = self.messages(account, &rows).await?;
        let there = rows.iter().zip(messages);
        maildrop.ahead = there.filter_map(|(row, message)| Some((row.uid, message?))).collect();
        let messages: Vec<_> = maildrop.ahead.iter().map(|(_, m)| Arc::clone(m)).collect();
        self.locate(&messages).await?;
        known(maildrop).ok_or(MailError::Expunged)
    }

    /// Removes messages of a maildrop and gives it back: one transaction for as many as one may hold. The lock is
    /// looked at in it.
    ///
    /// # Errors
    /// [`MailError::LockLost`]: nothing was removed. Otherwise as every write; of more than 20,000 some may be gone
    /// ("the maildrop may result in having some or none of the messages marked as deleted be removed", RFC 1939 §6).
    pub async fn maildrop_remove(
        &self,
        maildrop: Maildrop,
        uids: impl Iterator<Item = u32> + Send,
    ) -> Result<u64, MailError> {
        let uids: Vec<Uid> = uids.map(Uid).collect();
        let Maildrop { target, lock, .. } = maildrop;
        let mut removed = 0;
        let chunks = uids.len().div_ceil(CHUNK);
        for (at, chunk) in uids.chunks(CHUNK).enumerate() {
            let last = at + 1 == chunks;
            if last {
                // Its row goes in this step: the keeper would take it for lost.
                lock.keeper.forget(&lock.hold);
            }
            let change =
                MaildropUpdate { hold: lock.hold, mailbox: target.mailbox, uids: chunk, last };
            match self.commit(&change).await {
                Ok(expunged) => {
                    removed += expunged.uids.len() as u64;
                    if !expunged.uids.is_empty() {
                        self.hub.changed(target.account, expunged.modseq);
                    }
                }
                Err(error) => {
                    lock.give_back().await;
                    return Err(error);
                }
            }
        }
        if chunks == 0 {
            lock.give_back().await
        } else {
            lock.gone()
        }
        Ok(removed)
    }
}

impl Maildrop {
    /// UIDVALIDITY of the INBOX.
    #[must_use]
    pub fn uidvalidity(&self) -> UidValidity {
        self.uidvalidity
    }

    /// UID and octets of each message, ascending; for whoever keeps them from now on.
    pub fn take_messages(&mut self) -> Vec<(u32, u32)> {
        std::mem::take(&mut self.messages)
    }

    /// Resolves when another session has taken the lock. Cancel-safe.
    pub async fn lost(&mut self) {
        if self.lock.lost.wait_for(|lost| *lost).await.is_err() {
            std::future::pending().await
        }
    }

    /// Gives the maildrop back; nothing is removed.
    pub async fn close(self) {
        self.lock.give_back().await;
    }
}
