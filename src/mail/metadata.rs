//! METADATA (RFC 5464): annotations of mailboxes and, for this account, of the server.
//!
//! What is `/private` belongs to the user who set it, whosever the mailbox is; what is `/shared` to the mailbox.

use crate::acl::Made;
use crate::path::Path;
use crate::reach::Reach;
use crate::{Mail, MailError};
use store::account::{MetadataSet, MetadataSetAs};
use store::acl::annotations_as;
use store::metadata::{Annotation, annotations};
use types::{AccountId, Rights};

/// Largest value.
pub const MAX_METADATA_VALUE: usize = 16 * 1024;

impl Mail {
    async fn annotated(&self, user: AccountId, path: &Path) -> Result<Reach, MailError> {
        let reach = self.find(user, path, Rights::LOOKUP).await?.reach;
        if reach.has_annotations() { Ok(reach) } else { Err(MailError::NoPermission) }
    }

    /// The annotations with these names (in lower case) and `depth` levels below them (2: all). `None`: of the server.
    ///
    /// # Errors
    /// As [`Mail::find`].
    pub async fn metadata(
        &self,
        user: AccountId,
        path: Option<&Path>,
        entries: &[String],
        depth: u8,
    ) -> Result<Vec<Annotation>, MailError> {
        match path {
            Some(path) => self.annotations(self.annotated(user, path).await?, entries, depth).await,
            None => Ok(annotations(&self.store, user, None, entries, depth).await?),
        }
    }

    /// The same of a mailbox that was looked up.
    ///
    /// # Errors
    /// [`MailError::Busy`], [`MailError::Unavailable`].
    pub async fn annotations(
        &self,
        reach: Reach,
        entries: &[String],
        depth: u8,
    ) -> Result<Vec<Annotation>, MailError> {
        let (user, target) = (reach.user(), reach.target());
        let (account, mailbox) = (target.account, target.mailbox);
        if reach.is_own() {
            return Ok(annotations(&self.store, user, Some(mailbox), entries, depth).await?);
        }
        Ok(annotations_as(&self.store, user, account, mailbox, entries, depth).await?)
    }

    /// Sets annotations, or removes those without a value: all or none. Values are at most [`MAX_METADATA_VALUE`].
    ///
    /// # Errors
    /// As [`Mail::find`]; [`MailError::TooMany`], or as every write.
    pub async fn set_metadata(
        &self,
        user: AccountId,
        path: Option<&Path>,
        entries: &[(String, Option<Vec<u8>>)],
    ) -> Result<Made, MailError> {
        let reach = match path {
            Some(path) => Some(self.annotated(user, path).await?),
            None => None,
        };
        let account = reach.map_or(user, |reach| reach.target().account);
        let mailbox = reach.map(|reach| reach.target().mailbox);
        let modseq = match mailbox {
            Some(mailbox) if account != user => {
                self.commit(&MetadataSetAs { user, account, mailbox, entries }).await?
            }
            mailbox => self.commit(&MetadataSet { account, mailbox, entries }).await?,
        };
        self.hub.changed(account, modseq);
        Ok(Made { account, modseq })
    }
}
