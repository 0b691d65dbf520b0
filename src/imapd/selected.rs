//! What a session holds of its selected mailbox.

use crate::contexts::Contexts;
use mail::{UidSet, View, Watch};
use std::collections::HashSet;
use tokio::time::Instant;
use types::{Flags, ModSeq};

/// A selected mailbox.
pub(crate) struct Selected {
    pub(crate) view: View,
    /// Made by the first IDLE: only who idles needs to be woken.
    pub(crate) watch: Option<Watch>,
    /// `$` (RFC 5182).
    pub(crate) saved: UidSet,
    /// Results that are kept true.
    pub(crate) contexts: Contexts,
    /// Changed flags that the client was not told of yet.
    pub(crate) untold: UidSet,
    /// When the view last caught up; `None`: it must, the last try failed.
    pub(crate) synced: Option<Instant>,
    /// Keywords that FLAGS responses have named, lower-case.
    told_keywords: HashSet<String>,
    /// The same as they were told.
    keywords: Vec<String>,
    /// Flags that the client was told it may change.
    pub(crate) told_flags: Flags,
    /// EXISTS as it was told.
    pub(crate) told_exists: u32,
    /// The highest UID up to which new messages were fetched for the client, where it asked for that (RFC 5465), and
    /// those above it that the client made itself.
    pub(crate) shown_new: u32,
    pub(crate) own_new: UidSet,
    /// The highest mod-sequence that the client was shown since the last tagged reply.
    shown: ModSeq,
}

/// Most keywords named in FLAGS: bounds what a session remembers.
const MAX_KEYWORDS: usize = 200;

impl Selected {
    pub(crate) fn new(view: View) -> Self {
        let mut selected = Self {
            watch: None,
            saved: UidSet::default(),
            contexts: Contexts::default(),
            untold: UidSet::default(),
            synced: Some(Instant::now()),
            told_keywords: HashSet::new(),
            keywords: Vec::new(),
            told_flags: view.reach().flags(),
            told_exists: view.exists(),
            shown_new: view.uidnext().saturating_sub(1),
            own_new: UidSet::default(),
            shown: ModSeq(0),
            view,
        };
        let keywords = selected.view.keywords().to_vec();
        selected.learn(&keywords);
        selected
    }

    /// Notes that the client sees this mod-sequence.
    pub(crate) fn show(&mut self, modseq: ModSeq) {
        self.shown = self.shown.max(modseq);
    }

    /// The highest mod-sequence shown, from now on none.
    pub(crate) fn take_shown(&mut self) -> ModSeq {
        std::mem::replace(&mut self.shown, ModSeq(0))
    }

    /// Whether a message vanished of which the client was never told: a look found it and broke off before it was
    /// told. Its EXPUNGE would count a message that the client does not have.
    pub(crate) fn owes_exists(&self) -> bool {
        let last = self.view.vanished().runs().last().and_then(|run| self.view.number(*run.end()));
        last.is_some_and(|number| number > self.told_exists)
    }

    /// Keywords that FLAGS names.
    pub(crate) fn keywords(&self) -> &[String] {
        &self.keywords
    }

    /// Whether one of these is new to the client: then FLAGS has to be said again.
    pub(crate) fn learn(&mut self, keywords: &[String]) -> bool {
        let mut news = false;
        for keyword in keywords {
            let room = self.keywords.len() < MAX_KEYWORDS;
            if room && self.told_keywords.insert(keyword.to_lowercase()) {
                self.keywords.push(keyword.clone());
                news = true;
            }
        }
        news
    }
}
