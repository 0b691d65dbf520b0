//! Who is treated badly, when, how and how often.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// When a rule is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A connection was made; the pattern is matched with the listening address (`127.0.0.1:2525`).
    Connect,
    /// EHLO, HELO or LHLO; the pattern is matched with the name given.
    Hello,
    /// MAIL; the pattern is matched with the reverse-path.
    Mail,
    /// RCPT; the pattern is matched with the forward-path.
    Rcpt,
    /// DATA or BDAT, before the content; the pattern is matched with the accepted forward-paths.
    Data,
    /// After some of the content; matched as for DATA.
    Content,
    /// After all of the content; matched as for DATA.
    Dot,
}

/// What happens instead.
#[derive(Debug, Clone)]
pub enum Effect {
    /// This reply: `451 4.7.1 try later`.
    Reply(String),
    /// This reply, then the connection closes: `421 4.3.2 going down`.
    ReplyAndClose(String),
    /// The right reply, so much later.
    Delay(Duration),
    /// No reply ever; the connection stays open.
    Tarpit,
    /// The connection closes without a word. At [`Moment::Content`] in the middle of the message, at
    /// [`Moment::Dot`] when all of it is there: the sender cannot know.
    Close,
}

/// Treats a share of what matches.
#[derive(Debug, Clone)]
pub struct Rule {
    moment: Moment,
    pattern: String,
    effect: Effect,
    share: f64,
    most: u64,
    seen: Arc<AtomicU64>,
    used: Arc<AtomicU64>,
}

impl Rule {
    /// Always, for everything that matches; `*` in the pattern stands for any text.
    #[must_use]
    pub fn new(moment: Moment, pattern: &str, effect: Effect) -> Self {
        Self {
            moment,
            pattern: pattern.to_owned(),
            effect,
            share: 1.0,
            most: u64::MAX,
            seen: Arc::default(),
            used: Arc::default(),
        }
    }

    /// Only such a share of the matches (0.25: every fourth, beginning with the first).
    #[must_use]
    pub fn share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// Only so often.
    #[must_use]
    pub fn times(mut self, most: u64) -> Self {
        self.most = most;
        self
    }

    fn applies(&self, moment: Moment, subjects: &[String]) -> bool {
        if self.moment != moment || !subjects.iter().any(|subject| matches(&self.pattern, subject))
        {
            return false;
        }
        // Evenly spread and the same in every run: the n-th match is treated when the share's line crosses a
        // whole number there.
        #[allow(clippy::cast_precision_loss)]
        let seen = self.seen.fetch_add(1, Ordering::SeqCst) as f64;
        let due = (seen * self.share).ceil() < ((seen + 1.0) * self.share).ceil();
        due && self.used.fetch_add(1, Ordering::SeqCst) < self.most
    }
}

/// `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    let mut open = false;
    while let Some(part) = parts.next() {
        open = part.is_empty();
        if parts.peek().is_none() {
            return open || rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    open || rest.is_empty()
}

#[derive(Default)]
pub(super) struct Rules {
    list: RwLock<Vec<Rule>>,
}

impl Rules {
    pub(super) fn add(&self, rule: Rule) {
        self.list.write().unwrap_or_else(PoisonError::into_inner).push(rule);
    }

    pub(super) fn clear(&self) {
        self.list.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn find(&self, moment: Moment, subjects: &[String]) -> Option<Effect> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        list.iter().find(|rule| rule.applies(moment, subjects)).map(|rule| rule.effect.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, fits) in [
            ("*", "a@b", true),
            ("a@b", "a@b", true),
            ("a@b", "a@bc", false),
            ("*@b", "a@b", true),
            ("*@b", "a@bc", false),
            ("slow*", "slow1@x", true),
            ("*slow*@d1.*", "a-slow-b@d1.test", true),
            ("*slow*@d1.*", "a-slow-b@d2.test", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn shares_are_exact() {
        let subjects = ["a".to_owned()];
        for (share, of, expected) in
            [(1.0, 10, 10), (0.5, 10, 5), (0.25, 8, 2), (0.1, 100, 10), (0.0, 9, 0)]
        {
            let rule = Rule::new(Moment::Rcpt, "*", Effect::Close).share(share);
            let hits = (0..of).filter(|_| rule.applies(Moment::Rcpt, &subjects)).count();
            assert_eq!(hits, expected, "{share}");
        }
        let twice = Rule::new(Moment::Rcpt, "*", Effect::Close).times(2);
        assert_eq!((0..9).filter(|_| twice.applies(Moment::Rcpt, &subjects)).count(), 2);
        assert!(!twice.applies(Moment::Data, &subjects));
    }
}
