//! Many sessions on one mailbox, on two nodes, doing random things: every client must always be told the truth in an
//! order it can follow, and in the end all must believe the same.
//!
//! In turns a seed decides everything, who comes next included, so a failure is replayed with `SEED=n`. At once, all
//! sessions run free; the seed then only decides what each does.

use super::model::{Kind, Memory, Model};
use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use testkit::{Cluster, ClusterOptions, ImapClient, PASSWORD};

/// Searches whose results every session keeps true by what it is told (RFC 5267).
const KEPT: [(&str, &str); 4] = [
    ("UID SEARCH RETURN", "FLAGGED UNDELETED"),
    ("SEARCH RETURN", "UNSEEN"),
    ("UID SORT RETURN", "(REVERSE SUBJECT) UTF-8 ALL"),
    ("SORT RETURN", "(SUBJECT) UTF-8 KEYWORD blue"),
];

const FLAGS: [&str; 5] = ["\\Seen", "\\Flagged", "\\Deleted", "$Forwarded", "blue"];

struct Session {
    name: String,
    node: SocketAddr,
    account: String,
    /// As it names it, quoted.
    mailbox: String,
    client: ImapClient,
    model: Model,
    random: StdRng,
    /// The tags of [`KEPT`].
    kept: Vec<String>,
    /// What it did last, for who has to find out why it failed.
    log: Vec<String>,
}

impl Session {
    async fn open(
        name: String,
        node: SocketAddr,
        (account, mailbox): (&str, &str),
        kind: Kind,
        seed: u64,
    ) -> Result<Self> {
        let client = ImapClient::login(node, account, PASSWORD).await?;
        let random = StdRng::seed_from_u64(seed);
        let (account, model) = (account.to_owned(), Model::new(kind));
        let mailbox = format!("\"{mailbox}\"");
        let (kept, log) = (Vec::new(), Vec::new());
        let mut session = Self { name, node, account, mailbox, client, model, random, kept, log };
        session.enable().await?;
        session.model.highest = 0;
        let end = session.command(&format!("SELECT {}", session.mailbox), true).await?;
        ensure!(end.starts_with("OK"), "{end}");
        session.learn().await?;
        session.keep().await?;
        Ok(session)
    }

    /// Begins to keep results true.
    async fn keep(&mut self) -> Result<()> {
        self.kept.clear();
        for (search, keys) in KEPT {
            let (command, uid) =
                (format!("{search} (UPDATE ALL) {keys}"), search.starts_with("UID "));
            let end = self.command(&command, uid).await?;
            ensure!(end.starts_with("OK"), "{end}");
            self.kept.push(self.model.last_result.clone());
        }
        Ok(())
    }

    /// Whether they are true, when nothing happens any more.
    async fn compare(&mut self) -> Result<()> {
        for (tag, (search, keys)) in self.kept.clone().into_iter().zip(KEPT) {
            let (command, uid) = (format!("{search} (ALL) {keys}"), search.starts_with("UID "));
            self.command(&command, uid).await?;
            let (kept, now) =
                (&self.model.results[&tag], &self.model.results[&self.model.last_result]);
            ensure!(kept == now, "{search} {keys}: kept {kept:?}, but it is {now:?}");
            let other = self.model.last_result.clone();
            self.model.results.remove(&other);
        }
        Ok(())
    }

    async fn enable(&mut self) -> Result<()> {
        let command = match self.model.kind {
            Kind::Plain => return Ok(()),
            Kind::CondStore => "ENABLE CONDSTORE",
            Kind::QResync => "ENABLE QRESYNC",
        };
        self.client.command(command).await.map(|_| ())
    }

    /// Sends a command and believes what comes. `expunges`: whether messages may lose their numbers meanwhile.
    async fn command(&mut self, command: &str, expunges: bool) -> Result<String> {
        self.log.push(format!("C {command}"));
        let (answers, end) = self.client.try_command(command).await?;
        for answer in answers {
            let answer = String::from_utf8_lossy(&answer).into_owned();
            self.log.push(format!("S {answer}"));
            self.model.take(&answer, expunges)?;
        }
        self.log.push(format!("S {end}"));
        self.model.tagged(&end)?;
        ensure!(!end.starts_with("BAD"), "{command}: {end}");
        Ok(end)
    }

    /// Asks for UID and flags of messages it knows nothing of.
    async fn learn(&mut self) -> Result<()> {
        for _ in 0..20 {
            let unknown = self
                .model
                .messages
                .iter()
                .position(|message| message.uid.is_none() || message.flags.is_none());
            let Some(at) = unknown else { return Ok(()) };
            let items =
                if self.model.kind == Kind::Plain { "UID FLAGS" } else { "UID FLAGS MODSEQ" };
            self.command(&format!("FETCH {}:* ({items})", at + 1), false).await?;
            // Who was expunged meanwhile has no flags any more, and then the number goes at the next chance.
            self.command("NOOP", true).await?;
        }
        anyhow::bail!("there is always something that it is not told of")
    }

    fn number(&mut self) -> u32 {
        self.random.random_range(1..=self.model.messages.len() as u32)
    }

    fn numbers(&mut self) -> String {
        let (a, b) = (self.number(), self.number());
        if self.random.random_bool(0.5) { a.to_string() } else { format!("{a}:{b}") }
    }

    fn uids(&mut self) -> String {
        let at = self.number() as usize - 1;
        let uid = self.model.messages[at].uid.unwrap_or(1);
        match self.random.random_range(0..4) {
            0 => format!("{uid}:*"),
            1 => format!("1:{uid}"),
            2 => format!("{},{uid}", uid.saturating_sub(1).max(1)),
            _ => uid.to_string(),
        }
    }

    /// One random command.
    async fn step(&mut self) -> Result<()> {
        let empty = self.model.messages.is_empty();
        match self.random.random_range(0..100) {
            0..15 => self.append().await?,
            15..25 => drop(self.command("NOOP", true).await?),
            25..30 => self.idle().await?,
            30..36 => self.again().await?,
            _ if empty => self.append().await?,
            36..58 => self.store().await?,
            58..66 => drop(self.command("EXPUNGE", true).await?),
            66..72 => {
                let uids = self.uids();
                self.command(&format!("UID EXPUNGE {uids}"), true).await?;
            }
            72..80 => self.transfer().await?,
            80..90 => {
                let items = match self.model.kind {
                    Kind::Plain => "(UID FLAGS)",
                    _ => "(UID FLAGS MODSEQ)",
                };
                if self.random.random_bool(0.5) {
                    let numbers = self.numbers();
                    self.command(&format!("FETCH {numbers} {items}"), false).await?;
                } else {
                    let uids = self.uids();
                    self.command(&format!("UID FETCH {uids} {items}"), true).await?;
                }
            }
            _ => {
                let flag = ["SEEN", "UNSEEN", "FLAGGED", "DELETED", "1:*"];
                let flag = *flag.choose(&mut self.random).context("some")?;
                let (uid, may) = if self.random.random_bool(0.5) {
                    ("UID ", flag != "1:*")
                } else {
                    ("", false)
                };
                self.command(&format!("{uid}SEARCH {flag}"), may).await?;
            }
        }
        self.learn().await
    }

    async fn append(&mut self) -> Result<()> {
        let text = format!("Subject: {} {}\r\n\r\nx\r\n", self.name, self.random.random::<u32>());
        let flags = if self.random.random_bool(0.3) { "(\\Seen) " } else { "" };
        let command = format!("APPEND {} {flags}{{{}+}}\r\n{text}", self.mailbox, text.len());
        let end = self.command(&command, true).await?;
        ensure!(end.starts_with("OK [APPENDUID"), "{end}");
        Ok(())
    }

    async fn store(&mut self) -> Result<()> {
        let condstore = self.model.kind != Kind::Plain;
        // Without mod-sequences a silent change tells nothing, and this model does not guess.
        let silent = if condstore && self.random.random_bool(0.3) { ".SILENT" } else { "" };
        let sign = *["+", "-", ""].choose(&mut self.random).context("some")?;
        let count = self.random.random_range(1..3);
        let flags: Vec<&str> = FLAGS.choose_multiple(&mut self.random, count).copied().collect();
        let unchanged = match condstore && self.random.random_bool(0.3) {
            true => format!("(UNCHANGEDSINCE {}) ", self.model.highest),
            false => String::new(),
        };
        let change = format!("{unchanged}{sign}FLAGS{silent} ({})", flags.join(" "));
        let uid = self.random.random_bool(0.5);
        let set = if uid { self.uids() } else { self.numbers() };
        let command = format!("{}STORE {set} {change}", if uid { "UID " } else { "" });
        let end = self.command(&command, uid).await?;
        if !silent.is_empty() {
            // It knows what it set, but not on which of them it was in vain: it asks.
            let ask = format!("{}FETCH {set} (UID FLAGS MODSEQ)", if uid { "UID " } else { "" });
            self.command(&ask, uid).await?;
        }
        ensure!(end.starts_with("OK"), "{end}");
        Ok(())
    }

    async fn transfer(&mut self) -> Result<()> {
        let verb = if self.random.random_bool(0.5) { "COPY" } else { "MOVE" };
        // Archive is everybody's own.
        let here = self.random.random_bool(0.3);
        let target = if here { self.mailbox.clone() } else { "Archive".to_owned() };
        let end = if self.random.random_bool(0.5) {
            let uids = self.uids();
            self.command(&format!("UID {verb} {uids} {target}"), true).await?
        } else {
            let numbers = self.numbers();
            self.command(&format!("{verb} {numbers} {target}"), true).await?
        };
        ensure!(end.starts_with("OK") || end.contains("EXPUNGEISSUED"), "{end}");
        Ok(())
    }

    async fn idle(&mut self) -> Result<()> {
        self.log.push("C IDLE".into());
        let tag = self.client.idle().await?;
        let pause = self.random.random_range(0..30);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        for answer in self.client.done(&tag).await? {
            let answer = String::from_utf8_lossy(&answer).into_owned();
            self.log.push(format!("S {answer}"));
            self.model.take(&answer, true)?;
        }
        self.model.tagged("OK")
    }

    /// Loses its connection and comes back with what it remembers.
    async fn again(&mut self) -> Result<()> {
        if self.model.kind != Kind::QResync {
            let command = format!("SELECT {}", self.mailbox);
            self.log.push(format!("C {command}"));
            self.model = Model::new(self.model.kind);
            self.command(&command, true).await?;
            return self.keep().await;
        }
        let mut memory = self.model.memory()?;
        self.client = ImapClient::login(self.node, &self.account, PASSWORD).await?;
        self.enable().await?;
        let known: Vec<String> = memory.flags.keys().map(u32::to_string).collect();
        let known = if known.is_empty() { String::new() } else { format!(" {}", known.join(",")) };
        let (uidvalidity, highest) = (memory.uidvalidity, memory.highest);
        let command = format!("SELECT {} (QRESYNC ({uidvalidity} {highest}{known}))", self.mailbox);
        self.log.push(format!("C {command}"));
        let (answers, end) = self.client.try_command(&command).await?;
        ensure!(end.starts_with("OK"), "{end}");
        self.model = Model::new(Kind::QResync);
        for answer in answers {
            let answer = String::from_utf8_lossy(&answer).into_owned();
            self.log.push(format!("S {answer}"));
            // What is not about a message that it knew is about a new one.
            if !memory.take(&answer)? {
                self.model.take(&answer, false)?;
            }
        }
        self.model.tagged(&end)?;
        self.remember(memory).await
    }

    /// Messages it knew keep their flags; it asks only for the new ones.
    async fn remember(&mut self, memory: Memory) -> Result<()> {
        let exists = self.model.messages.len();
        ensure!(memory.flags.len() <= exists, "{} remembered of {exists}", memory.flags.len());
        for (at, (uid, flags)) in memory.flags.into_iter().enumerate() {
            self.model.messages[at].uid = Some(uid);
            self.model.messages[at].flags = Some(flags);
        }
        self.learn().await?;
        self.keep().await
    }

    /// What it believes, when nothing happens any more.
    async fn settled(&mut self) -> Result<BTreeMap<u32, Vec<String>>> {
        self.command("NOOP", true).await?;
        self.learn().await?;
        self.compare().await?;
        Ok(shown(self.model.memory()?))
    }
}

fn shown(memory: Memory) -> BTreeMap<u32, Vec<String>> {
    let sorted = |flags: super::model::Flags| flags.into_iter().collect();
    memory.flags.into_iter().map(|(uid, flags)| (uid, sorted(flags))).collect()
}

const KINDS: [Kind; 5] = [Kind::Plain, Kind::QResync, Kind::CondStore, Kind::QResync, Kind::Plain];

/// Whose mailbox it is, and who else uses it: every other session is the guest's.
#[derive(Clone, Copy)]
pub(super) struct Users<'a> {
    pub owner: &'a str,
    pub guest: Option<&'a str>,
}

async fn sessions(cluster: &Cluster, users: Users<'_>, seed: u64) -> Result<Vec<Session>> {
    let shared = format!("Other Users/{}/INBOX", users.owner);
    let mut sessions = Vec::new();
    for (n, kind) in KINDS.into_iter().enumerate() {
        let node = cluster.nodes[n % 2].imap()?;
        let seed = seed.wrapping_mul(1_000).wrapping_add(n as u64);
        let place = match users.guest.filter(|_| n % 2 == 1) {
            Some(guest) => (guest, shared.as_str()),
            None => (users.owner, "INBOX"),
        };
        sessions.push(Session::open(format!("s{n}"), node, place, kind, seed).await?);
    }
    Ok(sessions)
}

/// All believe what is there.
async fn agree(cluster: &Cluster, users: Users<'_>, sessions: &mut [Session]) -> Result<()> {
    let node = cluster.nodes[0].imap()?;
    let mut truth =
        Session::open("truth".into(), node, (users.owner, "INBOX"), Kind::Plain, 0).await?;
    let truth = truth.settled().await?;
    for session in sessions {
        let believed = session.settled().await.with_context(|| told(session))?;
        ensure!(
            believed == truth,
            "{}\nbelieves {believed:#?}\nbut there is {truth:#?}",
            told(session)
        );
    }
    Ok(())
}

fn told(session: &Session) -> String {
    let last = session.log.len().saturating_sub(60);
    format!("{} ({:?}):\n{}", session.name, session.model.kind, session.log[last..].join("\n"))
}

/// In turns: who comes next is random too.
pub(super) async fn in_turns(
    cluster: &Cluster,
    users: Users<'_>,
    seed: u64,
    steps: u32,
) -> Result<()> {
    let mut sessions = sessions(cluster, users, seed).await?;
    let mut random = StdRng::seed_from_u64(seed);
    for step in 1..=steps {
        let who = random.random_range(0..sessions.len());
        let session = &mut sessions[who];
        session.step().await.with_context(|| told(session))?;
        if step % 100 == 0 {
            agree(cluster, users, &mut sessions).await?;
        }
    }
    agree(cluster, users, &mut sessions).await
}

/// All at once, for so long.
pub(super) async fn at_once(
    cluster: &Cluster,
    users: Users<'_>,
    seed: u64,
    time: Duration,
) -> Result<()> {
    let end = Instant::now() + time;
    let running = sessions(cluster, users, seed).await?.into_iter().map(|mut session| {
        tokio::spawn(async move {
            let mut steps = 0;
            while Instant::now() < end {
                session.step().await.with_context(|| told(&session))?;
                steps += 1;
            }
            anyhow::Ok((session, steps))
        })
    });
    let (mut sessions, mut steps) = (Vec::new(), 0);
    for running in running.collect::<Vec<_>>() {
        let (session, count) = running.await??;
        steps += count;
        sessions.push(session);
    }
    println!("seed {seed}: {steps} steps in {time:?}");
    agree(cluster, users, &mut sessions).await
}

pub(super) fn seeds() -> Vec<u64> {
    match std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => vec![seed],
        None => vec![1, rand::rng().random_range(2..1_000_000)],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_sessions_end_in_identical_views() -> Result<()> {
    let cluster = Cluster::start_with(2, ClusterOptions::default()).await?;
    let seconds = std::env::var("SECONDS_AT_ONCE").ok().and_then(|seconds| seconds.parse().ok());
    for seed in seeds() {
        let turns = cluster.account(&format!("turns{seed}"))?;
        let users = Users { owner: &turns, guest: None };
        let work = in_turns(&cluster, users, seed, 400);
        tokio::time::timeout(Duration::from_secs(300), work)
            .await
            .context("it hangs")?
            .with_context(|| format!("in turns, SEED={seed}"))?;
        let free = cluster.account(&format!("free{seed}"))?;
        at_once(
            &cluster,
            Users { owner: &free, guest: None },
            seed,
            Duration::from_secs(seconds.unwrap_or(10)),
        )
        .await
        .with_context(|| format!("at once, SEED={seed}"))?;
    }
    cluster.check().await
}
