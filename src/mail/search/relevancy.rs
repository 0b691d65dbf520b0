//! How well messages match a fuzzy search (RFC 6203 §4).

use super::{Facts, Node, Query, READERS, STRUCTURES, bytes};
use crate::fetch::{Message, Pages};
use crate::uids::UidSet;
use crate::view::View;
use crate::{Mail, MailError};
use futures::{StreamExt, TryStreamExt};
use std::collections::HashMap;
use std::sync::Arc;
use store::message::UidRow;

/// UIDs and how well they match, 1 to 100.
pub type Scores = HashMap<u32, u8>;

/// Octets of memory for one.
const WEIGHT: u64 = 16;

impl Node {
    /// How well what matched did: of several texts the mean, of alternatives the best. `None`: nothing here is fuzzy.
    fn relevancy(&self, facts: &Facts<'_>, query: &Query) -> Option<u32> {
        match self {
            Self::Needle(index) => {
                query.needles.get(*index)?.fuzzy.as_ref()?;
                facts.found?.get(*index).map(|score| u32::from(*score))
            }
            Self::And(nodes) => {
                let scores = nodes.iter().filter_map(|node| node.relevancy(facts, query));
                let (sum, count) =
                    scores.fold((0, 0), |(sum, count), score| (sum + score, count + 1));
                (count > 0).then(|| sum / count)
            }
            Self::Or(a, b) => a.relevancy(facts, query).max(b.relevancy(facts, query)),
            Self::Not(_) | Self::Key(_) => None,
        }
    }
}

impl Mail {
    /// How well these messages, which a search found, match it. A message that is gone meanwhile has no score.
    ///
    /// # Errors
    /// As [`Mail::search`].
    pub async fn relevancy(
        &self,
        view: &View,
        query: &Query,
        found: &UidSet,
    ) -> Result<Scores, MailError> {
        let _share = self.reserve(found.len() * WEIGHT).await?;
        let mut scores = Scores::new();
        let mut pages = Pages::new(view.target(), found.clone());
        while let Some(rows) = pages.next(self).await? {
            for rows in rows.chunks(STRUCTURES) {
                let messages = self.messages(view.target().account, rows).await?;
                let there = rows.iter().zip(messages);
                let there: Vec<_> =
                    there.filter_map(|(row, it)| Some((row.clone(), it?))).collect();
                let unread: Vec<_> = there.iter().map(|(_, message)| Arc::clone(message)).collect();
                self.locate(&unread).await?;
                let scored: Vec<(u32, u8)> = futures::stream::iter(there)
                    .map(|(row, message)| self.score(query, row, message))
                    .buffer_unordered(READERS)
                    .try_collect()
                    .await?;
                scores.extend(scored);
            }
        }
        Ok(scores)
    }

    async fn score(
        &self,
        query: &Query,
        row: UidRow,
        message: Arc<Message>,
    ) -> Result<(u32, u8), MailError> {
        tokio::task::yield_now().await;
        let kept: Option<Vec<u8>> =
            query.needles.iter().map(|needle| needle.in_kept(&message)).collect();
        let found = match kept {
            Some(kept) => kept,
            None => match bytes::find(self, &message, &query.needles).await {
                Err(MailError::Expunged | MailError::Damaged(_)) => vec![0; query.needles.len()],
                other => other?,
            },
        };
        let message = Some(&*message);
        let facts = Facts { row: &row, recent: false, absent: 0, message, found: Some(&found) };
        let score = query.root.relevancy(&facts, query).unwrap_or(100).clamp(1, 100);
        Ok((row.uid.0, score as u8))
    }
}
