//! Access control lists (RFC 4314): who may do what with a mailbox besides its owner, who may always do everything.
//!
//! Identifiers are addresses of accounts of the owner's tenant, and "anyone", who is everybody in it; with a dash before
//! them, rights that are taken away. Others there are none.

use crate::path::Path;
use crate::reach::Found;
use crate::{Mail, MailError};
use store::account::{AclSet, RightsOp};
use store::acl::{account_address, account_beside, acl_list};
use types::{AccountId, EmailAddress, ModSeq, Rights};

const ANYONE: &str = "anyone";
/// What MYRIGHTS needs one of.
const ANY: Rights = Rights::LOOKUP
    .with(Rights::READ)
    .with(Rights::INSERT)
    .with(Rights::CREATE)
    .with(Rights::DELETE)
    .with(Rights::ADMINISTER);

/// Whom an entry is for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identifier {
    negative: bool,
    /// `None`: anyone.
    address: Option<EmailAddress>,
}

impl Identifier {
    fn parse(text: &str) -> Result<Self, MailError> {
        let (negative, who) = match text.strip_prefix('-') {
            Some(who) => (true, who),
            None => (false, text),
        };
        if who == ANYONE {
            return Ok(Self { negative, address: None });
        }
        let address = EmailAddress::parse(who).map_err(|_| MailError::NoIdentifier)?;
        Ok(Self { negative, address: Some(address) })
    }
}

/// An entry as it is told.
fn entry(negative: bool, address: Option<String>, rights: Rights) -> (String, Rights) {
    let who = address.unwrap_or_else(|| ANYONE.to_owned());
    (if negative { format!("-{who}") } else { who }, rights)
}

/// A change of an account's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Whose.
    pub account: AccountId,
    /// When.
    pub modseq: ModSeq,
}

impl Mail {
    /// GETACL: the owner first.
    ///
    /// # Errors
    /// As [`Mail::find`]; it needs "a".
    pub async fn acl(
        &self,
        user: AccountId,
        path: &Path,
    ) -> Result<Vec<(String, Rights)>, MailError> {
        let target = self.find(user, path, Rights::ADMINISTER).await?.reach.target();
        let owner = account_address(&self.store, target.account).await?;
        let owner = owner.ok_or(MailError::NoMailbox)?;
        let others = acl_list(&self.store, target.account, target.mailbox).await?;
        let others = others.into_iter().map(|row| entry(row.negative, row.address, row.rights));
        Ok([(owner, Rights::ALL)].into_iter().chain(others).collect())
    }

    /// MYRIGHTS: "any of the following rights is required to perform the operation: "l", "r", "i", "k", "x", "a"".
    ///
    /// # Errors
    /// As [`Mail::find`].
    pub async fn my_rights(&self, user: AccountId, path: &Path) -> Result<Rights, MailError> {
        let Found { reach, .. } = self.look_up(user, path).await?;
        reach.require_any(ANY)?;
        Ok(reach.rights())
    }

    /// LISTRIGHTS: what an identifier always has. Everything else may be granted, right by right.
    ///
    /// # Errors
    /// [`MailError::NoIdentifier`]; otherwise as [`Mail::find`], it needs "a".
    pub async fn required_rights(
        &self,
        user: AccountId,
        path: &Path,
        identifier: &str,
    ) -> Result<Rights, MailError> {
        let found = self.find(user, path, Rights::ADMINISTER).await?;
        let (grantee, negative) = self.identified(&found, identifier).await?;
        let owner = Some(found.reach.target().account);
        Ok(if grantee == owner && !negative { Rights::ALL } else { Rights::NONE })
    }

    /// SETACL, and DELETEACL by setting nothing.
    ///
    /// # Errors
    /// [`MailError::NoIdentifier`], [`MailError::Cannot`] for the owner, whose rights are what they are,
    /// [`MailError::Limit`]; otherwise as [`Mail::find`], it needs "a", and as every write.
    pub async fn set_acl(
        &self,
        user: AccountId,
        path: &Path,
        identifier: &str,
        op: RightsOp,
        rights: Rights,
    ) -> Result<Made, MailError> {
        let found = self.find(user, path, Rights::ADMINISTER).await?;
        let (grantee, negative) = self.identified(&found, identifier).await?;
        let target = found.reach.target();
        if grantee == Some(target.account) {
            return Err(MailError::Cannot("the owner may always do everything"));
        }
        let (account, mailbox) = (target.account, target.mailbox);
        let change = AclSet { account, mailbox, grantee, negative, op, rights };
        let modseq = self.commit(&change).await?;
        self.hub.changed(account, modseq);
        Ok(Made { account, modseq })
    }

    /// An identifier's account (`None`: anyone), and whether it takes rights away.
    async fn identified(
        &self,
        found: &Found,
        identifier: &str,
    ) -> Result<(Option<AccountId>, bool), MailError> {
        let Identifier { negative, address } = Identifier::parse(identifier)?;
        let Some(address) = address else { return Ok((None, negative)) };
        let owner = found.reach.target().account;
        let account = account_beside(&self.store, owner, address.as_str()).await?;
        Ok((Some(account.ok_or(MailError::NoIdentifier)?), negative))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers() {
        let parse = |text: &str| Identifier::parse(text).map(|id| (id.negative, id.address));
        let anna = EmailAddress::parse("anna@example.test").unwrap();
        assert_eq!(parse("anyone"), Ok((false, None)));
        assert_eq!(parse("-anyone"), Ok((true, None)));
        assert_eq!(parse("Anna@Example.test"), Ok((false, Some(anna.clone()))));
        assert_eq!(parse("-anna@example.test"), Ok((true, Some(anna))));
        for none in ["anna", "$team", "-", "--anyone", "Anyone"] {
            assert_eq!(parse(none), Err(MailError::NoIdentifier), "{none}");
        }
        assert_eq!(entry(true, None, Rights::READ).0, "-anyone");
    }
}
