//! SEARCH in mailboxes of 2,000 messages, and what it costs to index them.

use super::{Plan, at_once};
use crate::metrics::Metrics;
use crate::mix::Mail;
use crate::report::Row;
use crate::target::{Meter, Target};
use anyhow::{Context, Result, ensure};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Messages of one mailbox.
const EACH: u64 = 2_000;
/// One message in so many holds the word that is looked for.
const RARE: u64 = 500;
const WORD: &str = "quetzalcoatlus";
/// Longest wait for the index.
const PATIENCE: Duration = Duration::from_secs(300);

/// Fills a mailbox per account and searches it: by subject and header, and in the bodies before they are indexed and
/// after.
///
/// # Errors
/// When the server refuses, or finds something else than there is.
pub async fn search(target: &Arc<Target>, plan: &Plan) -> Result<Vec<Row>> {
    hold_index(target, true).await?;
    let mail = plan.mail();
    fill(target, plan, &mail).await?;
    let mut rows = Vec::new();
    let rare: Vec<u64> = (0..EACH).filter(|nth| nth % RARE == RARE / 2).collect();
    let body = Sought { name: "search body, not indexed", rounds: 3, key: None, hits: rare };
    if target.database.is_some() {
        rows.push(measure(target, plan, &mail, &body).await?);
        rows.push(index(target, plan).await?);
    }
    let subject = |nth: u64| format!("SUBJECT \"report {nth} about\"");
    let header = |nth: u64, mail: &Mail| format!("HEADER Message-ID \"{}\"", mail.id(nth));
    let one = |name, key| Sought { name, rounds: 50, key: Some(key), hits: vec![] };
    let all = [
        one("search subject", Box::new(move |nth, _: &Mail| subject(nth)) as Key),
        one("search header", Box::new(header)),
        Sought { name: "search body", rounds: 20, ..body },
    ];
    for sought in &all {
        rows.push(measure(target, plan, &mail, sought).await?);
    }
    let nothing = Sought {
        name: "search body, no hit",
        rounds: 20,
        key: Some(Box::new(|_, _| "BODY \"xylophagous\"".into())),
        hits: vec![EACH],
    };
    rows.push(measure(target, plan, &mail, &nothing).await?);
    Ok(rows)
}

type Key = Box<dyn Fn(u64, &Mail) -> String + Send + Sync>;

/// What is looked for, and where it is.
struct Sought {
    name: &'static str,
    rounds: u64,
    /// Makes a key for message n; `None`: the rare word in the body.
    key: Option<Key>,
    /// Places of the messages found; empty: the one that the key was made for; the mailbox's size: none.
    hits: Vec<u64>,
}

async fn measure(target: &Arc<Target>, plan: &Plan, mail: &Mail, sought: &Sought) -> Result<Row> {
    let mut sessions = Vec::new();
    for account in 0..plan.accounts {
        let mut imap = target.login(account, account).await?;
        imap.select("search").await?;
        // What was remembered at SELECT is no part of it.
        imap.command("SEARCH SUBJECT \"nobody writes this\"").await?;
        sessions.push(imap);
    }
    let meter = Meter::start(target).await?;
    let mut waits = Vec::new();
    for round in 0..sought.rounds {
        for (account, imap) in sessions.iter_mut().enumerate() {
            let place = (round * 397 + 11) % EACH;
            let nth = account as u64 * EACH + place;
            let key = match &sought.key {
                Some(key) => key(nth, mail),
                None => format!("BODY \"{}\"", WORD.to_uppercase()),
            };
            let begun = Instant::now();
            let answers = imap.command(&format!("SEARCH {key}")).await?;
            waits.push(begun.elapsed());
            let wanted: Vec<u64> = match sought.hits.as_slice() {
                [] => vec![place + 1],
                [EACH] => vec![],
                hits => hits.iter().map(|place| place + 1).collect(),
            };
            ensure!(found(&answers)? == wanted, "{key}: {:?}, not {wanted:?}", found(&answers)?);
        }
    }
    let searches = waits.len() as u64;
    let mut row = meter.finish(sought.name, searches, waits).await?;
    row.more.insert("messages".into(), EACH as f64);
    row.proof = "every answer named the messages that hold it, and no others".into();
    for imap in sessions {
        imap.logout().await?;
    }
    Ok(row)
}

/// The numbers of a SEARCH response.
pub(crate) fn found(answers: &[bytes::Bytes]) -> Result<Vec<u64>> {
    let line =
        answers.iter().find_map(|line| line.strip_prefix(b"* SEARCH")).context("no SEARCH")?;
    let numbers = std::str::from_utf8(line)?.split_ascii_whitespace();
    Ok(numbers.map(str::parse).collect::<Result<_, _>>()?)
}

/// Lets the index go, and measures until it has everything.
async fn index(target: &Arc<Target>, plan: &Plan) -> Result<Row> {
    let messages = plan.accounts as u64 * EACH;
    let counted = async || -> Result<f64> {
        Ok(Metrics::of(&target.http).await?.sum("postrider_search_indexed_total", ""))
    };
    let before = counted().await?;
    let meter = Meter::start(target).await?;
    hold_index(target, false).await?;
    let begun = Instant::now();
    while counted().await? - before < messages as f64 {
        ensure!(begun.elapsed() < PATIENCE, "the index does not come");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut row = meter.finish("index, per message", messages, Vec::new()).await?;
    let sql = "SELECT avg(octet_length(signature))::float8 FROM search_signature";
    if let Some(database) = &target.database {
        row.more.insert("octets".into(), database.query_one(sql, &[]).await?.get(0));
    }
    row.proof = "the nodes counted every message once".into();
    Ok(row)
}

/// Takes the lease of the job, so that it waits, or gives it back.
pub(crate) async fn hold_index(target: &Target, hold: bool) -> Result<()> {
    let Some(database) = &target.database else { return Ok(()) };
    let sql = if hold {
        "INSERT INTO job_lease VALUES ('mail.index', gen_random_uuid(), now() + interval '1 hour') \
         ON CONFLICT (name) DO UPDATE SET owner = EXCLUDED.owner, expires_at = EXCLUDED.expires_at"
    } else {
        "DELETE FROM job_lease WHERE name = 'mail.index'"
    };
    Ok(database.batch_execute(sql).await?)
}

async fn fill(target: &Arc<Target>, plan: &Plan, mail: &Arc<Mail>) -> Result<()> {
    at_once(plan.accounts, |account| {
        let (target, mail, seed) = (Arc::clone(target), Arc::clone(mail), plan.seed);
        async move {
            let mut imap = target.login(account, account).await?;
            imap.command("CREATE search").await?;
            let mut rng = SmallRng::seed_from_u64(seed + account as u64);
            for place in 0..EACH {
                let nth = account as u64 * EACH + place;
                let header = mail.message(nth, &target.accounts[account]).header;
                let header = String::from_utf8_lossy(&header);
                // Its own type in place of the pool's.
                let (fields, _) = header.split_once("MIME-Version").context("no MIME-Version")?;
                let header =
                    format!("{fields}MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n");
                let body = text(place, &mut rng);
                imap.append("search", header.as_bytes(), body.as_bytes()).await?;
            }
            imap.logout().await?;
            Ok(Vec::<()>::new())
        }
    })
    .await
    .context("filling mailboxes")?;
    Ok(())
}

/// Text as long as that of the small mix, of many words, some of them often.
fn text(place: u64, rng: &mut SmallRng) -> String {
    const WORDS: f64 = 30_000.0;
    let size = match place % 4 {
        3 => rng.random_range(20 << 10..60 << 10),
        _ => rng.random_range(2 << 10..8 << 10),
    };
    let mut out = String::new();
    while out.len() < size {
        let line = out.len();
        while out.len() - line < 68 {
            word(WORDS.powf(rng.random()) as u32, &mut out);
            out.push(' ');
        }
        out.push_str("\r\n");
    }
    if place % RARE == RARE / 2 {
        let _ = write!(out, "The {WORD} flies.\r\n");
    }
    out
}

/// The n-th word: syllables, fewer for what comes often.
fn word(nth: u32, out: &mut String) {
    const ONSETS: [&str; 16] =
        ["b", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "st", "gr"];
    const RHYMES: [&str; 12] = ["a", "e", "i", "o", "u", "en", "er", "an", "in", "ing", "ou", "ie"];
    let mut left = nth;
    loop {
        out.push_str(ONSETS[(left % 16) as usize]);
        out.push_str(RHYMES[(left / 16 % 12) as usize]);
        left /= 192;
        if left == 0 {
            return;
        }
    }
}
