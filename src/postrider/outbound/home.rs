//! Mail in the queue for elsewhere whose destination is ours: an operator redirected it here, or made the domain ours
//! after it was queued. It never leaves by MX, which would bring it back to us.

use directory::{Directory, DirectoryError, Lookup};
use ingest::Ingest;
use serde_json::{Value, json};
use store::queue::{Action, Astray, Select, queue_astray, queue_change, queue_home};
use store::{Store, StoreError};
use types::{AccountId, AddressError, Destination, EmailAddress, Incarnation};

/// Recipients looked at together.
const PIECE: u32 = 200;
/// Who stands in the journal where a destination was none of the recipient's.
const BY: &str = "postrider";

/// What became of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// It is not ours.
    Elsewhere,
    /// All that was due is on its way into mailboxes.
    Home,
    /// There may be more.
    More,
}

/// Why that could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum NotNow {
    /// Who is here.
    #[error("{0}")]
    Directory(DirectoryError),
    /// The rows.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who brings it home.
pub struct Home {
    store: Store,
    node: Incarnation,
    directory: Directory,
    ingest: Ingest,
}

/// Where one recipient belongs.
#[derive(Debug, PartialEq)]
enum Belongs {
    Here(Vec<AccountId>),
    Nowhere(Value),
    Elsewhere,
}

impl Home {
    /// For this node.
    pub fn new(store: Store, node: Incarnation, directory: Directory, ingest: Ingest) -> Self {
        Self { store, node, directory, ingest }
    }

    /// Brings home a piece of what is due for a destination, if it is ours. Safe to repeat, on several nodes at once.
    ///
    /// # Errors
    /// PostgreSQL could not be asked: whether the destination is ours is unknown.
    pub async fn bring(&self, destination: &Destination) -> Result<Came, NotNow> {
        let ours = self.directory.is_ours(destination.domain()).await;
        if !ours.map_err(NotNow::Directory)? {
            return Ok(Came::Elsewhere);
        }
        let astray = queue_astray(&self.store, destination, PIECE).await?;
        for one in &astray {
            self.one(destination, one).await?;
        }
        if !astray.is_empty() {
            self.ingest.wake_local();
        }
        Ok(if astray.len() < PIECE as usize { Came::Home } else { Came::More })
    }

    async fn one(&self, destination: &Destination, one: &Astray) -> Result<(), NotNow> {
        let (accounts, result) = match self.belongs(&one.recipient).await? {
            Belongs::Here(accounts) => (accounts, Value::Null),
            Belongs::Nowhere(result) => (Vec::new(), result),
            Belongs::Elsewhere => return self.send_back(destination, one).await,
        };
        if queue_home(&self.store, self.node, one.id, &accounts, &result).await? {
            let (to, accounts) = (&one.recipient, accounts.len());
            tracing::info!(to, accounts, "queued for elsewhere, and ours: delivered here");
        }
        Ok(())
    }

    async fn belongs(&self, recipient: &str) -> Result<Belongs, NotNow> {
        let found = match EmailAddress::parse(recipient) {
            Ok(address) => self.directory.recipient(&address).await.map_err(NotNow::Directory)?,
            Err(AddressError::Domain) => Lookup::NotOurs,
            Err(_) => Lookup::Unknown,
        };
        Ok(match found {
            Lookup::Accounts(targets) => {
                Belongs::Here(targets.into_iter().map(|target| target.account).collect())
            }
            Lookup::Unknown => Belongs::Nowhere(end("5.1.1", "there is no such user here")),
            Lookup::Disabled => Belongs::Nowhere(end("5.2.1", "the mailbox is disabled")),
            Lookup::NotOurs => Belongs::Elsewhere,
        })
    }

    /// Sent by way of us to somebody who is not ours: it goes where its address says.
    async fn send_back(&self, wrong: &Destination, one: &Astray) -> Result<(), NotNow> {
        let domain = one.recipient.rsplit_once('@').map_or("", |(_, domain)| domain);
        let destination = Destination::new(domain);
        if destination == *wrong || domain.is_empty() {
            let result = end("5.4.6", "the mail would come back to this server");
            queue_home(&self.store, self.node, one.id, &[], &result).await?;
            return Ok(());
        }
        let select = Select { ids: Some(vec![one.id]), ..Select::default() };
        let action = Action::Redirect { recipient: None, destination };
        queue_change(&self.store, &select, &action, BY).await?;
        Ok(())
    }
}

fn end(status: &str, text: &str) -> Value {
    json!({"status": status, "text": text, "quoted": false})
}
