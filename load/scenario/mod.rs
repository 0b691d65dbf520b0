//! What is done to a server. Every scenario measures, then proves by reading back.

mod arrive;
mod fanout;
mod idle;
mod login;
mod read;
mod search;
mod store;

pub use arrive::{append, smtp_ingest};
pub use fanout::idle_fanout;
pub use idle::idle;
pub use login::login;
pub use read::{fetch_bodies, fetch_list};
pub use search::search;
pub(crate) use search::{found, hold_index};
pub use store::store;

use crate::imap::{Imap, literal, number_before};
use crate::mix::{Mail, Mix};
use crate::smtp::Smtp;
use crate::target::Target;
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How much is done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which messages.
    pub mix: Mix,
    /// How many operations.
    pub count: u64,
    /// By how many connections at once.
    pub connections: usize,
    /// Messages sent over one SMTP connection.
    pub per_connection: u64,
    /// Accounts that take part.
    pub accounts: usize,
    /// Submission: messages a second, in all.
    pub rate: Option<f64>,
    /// What makes this run's messages unlike those of others.
    pub seed: u64,
}

impl Plan {
    fn mail(&self) -> Arc<Mail> {
        Arc::new(Mail::new(self.mix, self.seed))
    }
}

/// Hands out the numbers below a limit, each once.
#[derive(Clone)]
struct Tickets {
    next: Arc<AtomicU64>,
    limit: u64,
}

impl Tickets {
    fn new(limit: u64) -> Self {
        Self { next: Arc::default(), limit }
    }

    fn take(&self) -> Option<u64> {
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        (ticket < self.limit).then_some(ticket)
    }
}

/// Runs one task per connection and puts what they return in one list.
async fn at_once<T, F>(connections: usize, work: impl Fn(usize) -> F) -> Result<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = Result<Vec<T>>> + Send + 'static,
{
    let mut tasks = tokio::task::JoinSet::new();
    for connection in 0..connections {
        tasks.spawn(work(connection));
    }
    let mut all = Vec::new();
    while let Some(done) = tasks.join_next().await {
        all.append(&mut done??);
    }
    Ok(all)
}

/// Mailboxes with known content: message `account * each + k` is the k-th of an account.
struct Filled {
    mail: Arc<Mail>,
    each: u64,
    /// UIDs of every account, ascending.
    uids: Vec<Vec<u32>>,
}

/// Fills an own mailbox of the first accounts of a plan and learns the UIDs.
async fn fill(target: &Arc<Target>, plan: &Plan, mailbox: &'static str) -> Result<Filled> {
    let (mail, each) = (plan.mail(), plan.count / plan.accounts.max(1) as u64);
    let accounts = Tickets::new(plan.accounts as u64);
    at_once(plan.connections, |_| {
        let (target, mail, accounts) = (Arc::clone(target), Arc::clone(&mail), accounts.clone());
        async move {
            while let Some(account) = accounts.take() {
                let mut imap = target.login(account as usize, account as usize).await?;
                imap.command(&format!("CREATE {mailbox}")).await?;
                for nth in account * each..(account + 1) * each {
                    let message = mail.message(nth, &target.accounts[account as usize]);
                    imap.append(mailbox, &message.header, &message.body).await?;
                }
                imap.logout().await?;
            }
            Ok(Vec::<()>::new())
        }
    })
    .await
    .context("filling mailboxes")?;
    let mut uids = Vec::new();
    for account in 0..plan.accounts {
        let mut imap = target.login(account, account).await?;
        imap.select(mailbox).await?;
        let answers = imap.command("FETCH 1:* (UID)").await?;
        let mut these: Vec<u32> = answers.iter().filter_map(|answer| uid(answer)).collect();
        these.sort_unstable();
        ensure!(these.len() as u64 == each, "{} of {each} messages are there", these.len());
        uids.push(these);
        imap.logout().await?;
    }
    Ok(Filled { mail, each, uids })
}

impl Filled {
    fn nth(&self, account: usize, position: usize) -> u64 {
        account as u64 * self.each + position as u64
    }
}

/// The UID in a FETCH response (outside of literals).
fn uid(answer: &[u8]) -> Option<u32> {
    let at = memchr::memmem::find(answer, b"UID ")? + 4;
    let digits = answer[at..].split(|octet| !octet.is_ascii_digit()).next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Proves that all messages of a plan arrived once: the counts of all INBOXes rose by what was sent, and
/// samples are found by their Message-ID and are, octet by octet, what was sent.
async fn prove_arrival(
    target: &Target,
    plan: &Plan,
    mail: &Mail,
    account_of: impl Fn(u64) -> usize,
    before: &[u32],
) -> Result<String> {
    const SAMPLES: u64 = 64;
    let after = target.counts(plan.accounts).await?;
    let mut wanted: Vec<u32> = before.to_vec();
    (0..plan.count).for_each(|nth| wanted[account_of(nth)] += 1);
    ensure!(after == wanted, "{}: mailboxes hold {after:?} instead of {wanted:?}", target.name);
    let mut sessions: HashMap<usize, Imap> = HashMap::new();
    let samples = SAMPLES.min(plan.count);
    for sample in 0..samples {
        let nth = sample * plan.count / samples;
        let account = account_of(nth);
        let imap = match sessions.entry(account) {
            Entry::Occupied(session) => session.into_mut(),
            Entry::Vacant(place) => {
                let mut imap = target.login(account, account + 1).await?;
                imap.select("INBOX").await?;
                place.insert(imap)
            }
        };
        let stored = by_message_id(imap, &mail.id(nth)).await?;
        let sent = mail.message(nth, &target.accounts[account]);
        ensure!(sent.is_kept_in(&stored), "{}: message {nth} was changed", target.name);
    }
    Ok(format!(
        "{} INBOXes hold {} more messages; {samples} fetched and compared octet by octet",
        plan.accounts, plan.count
    ))
}

async fn by_message_id(imap: &mut Imap, id: &str) -> Result<Bytes> {
    let found = imap.command(&format!("UID SEARCH HEADER Message-ID \"{id}\"")).await?;
    let line = found.iter().find_map(|line| line.strip_prefix(b"* SEARCH")).context("no SEARCH")?;
    let uids: Vec<&str> = std::str::from_utf8(line)?.split_ascii_whitespace().collect();
    ensure!(uids.len() == 1, "{id} was found {} times", uids.len());
    let answers = imap.command(&format!("UID FETCH {} (BODY.PEEK[])", uids[0])).await?;
    answers.iter().find_map(literal).context("no body")
}

/// The number of messages in an EXISTS response.
fn exists(answer: &[u8]) -> Option<u32> {
    number_before(answer, b" EXISTS")
}
