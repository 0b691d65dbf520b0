//! What happened in a mailbox since a moment that a client remembers (RFC 7162).
//!
//! The change log tells, so the answer costs what changed and not what there is. Where the log does not reach back
//! that far, or is longer than reading the mailbox, everything may have changed and anything may be gone.

use crate::fetch::Target;
use crate::uids::UidSet;
use crate::{Mail, MailError};
use types::ModSeq;

/// Rows of the change log read at once.
const PAGE: u32 = 500;
/// Most pages; beyond them it is cheaper to look at the mailbox itself.
const PAGES: u32 = 40;
/// Runs of UIDs in one question for their highest mod-sequence.
const RUNS: usize = 1_000;

/// What happened since.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Since {
    /// Messages that came or changed; each has a later mod-sequence, or is gone by now. `None`: any may have.
    pub changed: Option<UidSet>,
    /// UIDs that were expunged. `None`: any UID without a message may have been.
    pub expunged: Option<UidSet>,
}

impl Mail {
    /// What happened in a mailbox after `since`. Only committed changes count, all of those up to some moment
    /// after this was called.
    ///
    /// # Errors
    /// [`MailError::NoMailbox`]; [`MailError::Busy`], [`MailError::Unavailable`].
    pub async fn since(&self, target: Target, since: ModSeq) -> Result<Since, MailError> {
        let (mut changed, mut expunged) = (UidSet::default(), UidSet::default());
        let mut at = since;
        for _ in 0..PAGES {
            let log =
                store::message::change_log(&self.store, target.account, target.mailbox, at, PAGE);
            let log = log.await?.filter(|log| log.live).ok_or(MailError::NoMailbox)?;
            if at < log.floor || log.modseq < at {
                // Forgotten, or of a future that a restored database never had.
                return Ok(Since::default());
            }
            for row in &log.changes {
                let set = if row.op == 3 { &mut expunged } else { &mut changed };
                *set = set.union(&row.uids.iter().copied().collect());
            }
            if log.complete {
                return Ok(Since { changed: Some(changed), expunged: Some(expunged) });
            }
            at = log.modseq;
        }
        Ok(Since::default())
    }

    /// The highest mod-sequence of these messages; `None`: there are none.
    ///
    /// # Errors
    /// [`MailError::Busy`], [`MailError::Unavailable`].
    pub async fn highest_modseq(
        &self,
        target: Target,
        uids: &UidSet,
    ) -> Result<Option<ModSeq>, MailError> {
        let Target { account, mailbox } = target;
        let mut highest = None;
        for runs in uids.runs().chunks(RUNS) {
            let found = store::message::highest_modseq(&self.store, account, mailbox, runs).await?;
            highest = highest.max(found);
        }
        Ok(highest)
    }
}
