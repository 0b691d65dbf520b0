//! Which message a UID stands for. That never changes, so a node may remember it: a search by what never changes of
//! messages then asks PostgreSQL nothing.

use crate::fetch::{Pages, Target};
use crate::uids::UidSet;
use crate::{Mail, MailError};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use store::message::Columns;
use types::MessageId;

/// Most messages of one mailbox that are remembered; larger mailboxes are read.
const MOST: u64 = 100_000;

/// What is remembered by the ids of messages.
pub(crate) type ById = BuildHasherDefault<IdHasher>;

/// Ids are random where it counts, and made by nodes: nobody can choose ones that collide.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, octets: &[u8]) {
        for eight in octets.chunks(8) {
            let word = eight.iter().fold(0, |word, octet| word << 8 | u64::from(*octet));
            self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

/// UIDs and messages of one mailbox, ascending.
#[derive(Debug, Default, Clone)]
pub(crate) struct Ids {
    rows: Vec<(u32, MessageId)>,
    /// What was asked for so far; UIDs without a row are gone.
    asked: UidSet,
}

impl Ids {
    /// Those of these UIDs that there are.
    pub(crate) fn of<'a>(
        &'a self,
        uids: &'a UidSet,
    ) -> impl Iterator<Item = (u32, MessageId)> + Send + 'a {
        uids.runs().iter().flat_map(|run| {
            let from = self.rows.partition_point(|(uid, _)| uid < run.start());
            let rest = self.rows[from..].iter().copied();
            rest.take_while(|(uid, _)| uid <= run.end())
        })
    }

    pub(crate) fn weight(&self) -> u32 {
        (self.rows.len() * size_of::<(u32, MessageId)>() + self.asked.runs().len() * 16 + 64) as u32
    }
}

impl Mail {
    /// What these UIDs of a mailbox stand for, and maybe others. `None`: too many to remember.
    ///
    /// # Errors
    /// [`MailError::Busy`], [`MailError::Unavailable`].
    pub(crate) async fn ids(
        &self,
        target: Target,
        uids: &UidSet,
    ) -> Result<Option<Arc<Ids>>, MailError> {
        if uids.len() > MOST {
            return Ok(None);
        }
        let known = self.ids.get(&target.mailbox).unwrap_or_default();
        let missing = uids.difference(&known.asked);
        if missing.is_empty() {
            return Ok(Some(known));
        }
        let mut ids = (*known).clone();
        let mut pages = Pages::wide(target, missing.clone(), Columns::MESSAGE);
        while let Some(rows) = pages.next(self).await? {
            ids.rows.extend(rows.iter().map(|row| (row.uid.0, row.message)));
        }
        ids.rows.sort_unstable_by_key(|(uid, _)| *uid);
        ids.asked = ids.asked.union(&missing);
        if ids.asked.len() > MOST {
            // What is not asked for now has been expunged, or is another session's.
            ids.rows.retain(|(uid, _)| uids.contains(*uid));
            ids.asked = uids.clone();
        }
        let ids = Arc::new(ids);
        self.ids.insert(target.mailbox, Arc::clone(&ids));
        Ok(Some(ids))
    }
}
