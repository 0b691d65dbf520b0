//! The first account: made once, its password kept in a file for its owner's eyes only.

use super::folder::Folder;
use crate::cmd::password;
use crate::exit::{Failure, Outcome};
use crate::ready::FirstAccount;
use directory::{Directory, OperatorError};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// Its name in the folder.
pub const FILE: &str = "first-account";
const HEAD: &str = "# The account that was made at the first start. You may delete this file; change the password with
# `postrider account passwd`.
";

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    account: String,
    password: String,
    /// Set once the account stands; while it is not, a start finishes the work.
    #[serde(default)]
    made: bool,
}

impl Kept {
    fn write(&self, folder: &Folder) -> Outcome {
        let text = toml::to_string(self).map_err(|error| Failure::failed(error.to_string()))?;
        folder.write(FILE, &format!("{HEAD}{text}"))
    }
}

/// Makes the first account if there is none yet; else says which it was.
///
/// # Errors
/// The name is no address, or the database does not answer.
pub async fn account(
    directory: &Directory,
    folder: &Folder,
    name: &str,
    domain: &str,
) -> Outcome<FirstAccount> {
    const NOBODY: FirstAccount = FirstAccount { account: None, password: None };
    let mut kept = match folder.read(FILE)? {
        Some(text) => parse(&text)?,
        // Not the first start; somebody tidied up.
        None if !directory.domain_list().await?.is_empty() => return Ok(NOBODY),
        None => new(folder, name, domain)?,
    };
    if !kept.made {
        make(directory, &kept).await?;
        kept.made = true;
        kept.write(folder)?;
    }
    match directory.account_show(&kept.account).await {
        Ok(_) => {}
        Err(OperatorError::NotFound(_)) => return Ok(NOBODY),
        Err(error) => return Err(error.into()),
    }
    // Whether it still is the password.
    let login = directory.login(&kept.account, &kept.password, Ipv4Addr::LOCALHOST.into()).await;
    let password = login.is_ok().then_some(kept.password);
    Ok(FirstAccount { account: Some(kept.account), password })
}

fn parse(text: &str) -> Outcome<Kept> {
    toml::from_str(text).map_err(|error| {
        Failure::failed(format!("{FILE}: {}: repair or delete it", error.message()))
    })
}

/// Kept before it is made: a start that is interrupted in between loses nothing.
fn new(folder: &Folder, name: &str, domain: &str) -> Outcome<Kept> {
    let address = if name.contains('@') { name.to_owned() } else { format!("{name}@{domain}") };
    let address = types::EmailAddress::parse(&address)
        .map_err(|error| Failure::usage(format!("--account, --domain: {address:?}: {error}")))?;
    let account = address.to_string();
    let kept = Kept { account, password: password::random(), made: false };
    kept.write(folder)?;
    Ok(kept)
}

async fn make(directory: &Directory, kept: &Kept) -> Outcome {
    let Some((_, domain)) = kept.account.rsplit_once('@') else {
        return Err(Failure::failed(format!("{FILE}: {} is no address", kept.account)));
    };
    match directory.domain_add(domain).await {
        Ok(_) | Err(OperatorError::Exists(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let password = SecretString::from(kept.password.clone());
    match directory.account_add(&kept.account, &password, "", None).await {
        Ok(_) | Err(OperatorError::Exists(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
