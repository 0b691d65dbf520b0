//! METADATA (RFC 5464): annotations of mailboxes and, for this account, of the server.

use crate::name::MailboxName;
use crate::{Mail, MailError};
use store::account::MetadataSet;
use store::metadata::{Annotation, annotations};
use types::{AccountId, MailboxId, ModSeq};

/// Largest value.
pub const MAX_METADATA_VALUE: usize = 16 * 1024;

impl Mail {
    async fn annotated(
        &self,
        account: AccountId,
        name: Option<&MailboxName>,
    ) -> Result<Option<MailboxId>, MailError> {
        match name {
            Some(name) => Ok(Some(self.mailbox(account, name).await?.id)),
            None => Ok(None),
        }
    }

    /// The annotations with these names (in lower case) and `depth` levels below them (2: all). `None`: of the server.
    ///
    /// # Errors
    /// [`MailError::NoMailbox`]; [`MailError::Busy`], [`MailError::Unavailable`].
    pub async fn metadata(
        &self,
        account: AccountId,
        name: Option<&MailboxName>,
        entries: &[String],
        depth: u8,
    ) -> Result<Vec<Annotation>, MailError> {
        let mailbox = self.annotated(account, name).await?;
        Ok(annotations(&self.store, account, mailbox, entries, depth).await?)
    }

    /// The annotations of a mailbox with these names, in lower case.
    ///
    /// # Errors
    /// [`MailError::Busy`], [`MailError::Unavailable`].
    pub async fn annotations(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        entries: &[String],
    ) -> Result<Vec<Annotation>, MailError> {
        Ok(annotations(&self.store, account, Some(mailbox), entries, 0).await?)
    }

    /// Sets annotations, or removes those without a value: all or none. Values are at most [`MAX_METADATA_VALUE`].
    ///
    /// # Errors
    /// [`MailError::NoMailbox`], [`MailError::TooMany`], or as every write.
    pub async fn set_metadata(
        &self,
        account: AccountId,
        name: Option<&MailboxName>,
        entries: &[(String, Option<Vec<u8>>)],
    ) -> Result<ModSeq, MailError> {
        let mailbox = self.annotated(account, name).await?;
        let modseq = self.commit(&MetadataSet { account, mailbox, entries }).await?;
        self.hub.changed(account, modseq);
        Ok(modseq)
    }
}
