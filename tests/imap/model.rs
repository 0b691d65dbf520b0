//! What a careful client believes of its mailbox, from nothing but what it is told; every response is held against
//! what it already knows.

use anyhow::{Context, Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};

/// What the client turned on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// IMAP4rev1 and nothing more.
    Plain,
    /// CONDSTORE (RFC 7162 §3.1).
    CondStore,
    /// QRESYNC (RFC 7162 §3.2).
    QResync,
}

/// Flags, without `\Recent`.
pub type Flags = BTreeSet<String>;

/// One message as the client knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    pub uid: Option<u32>,
    pub flags: Option<Flags>,
}

/// What a client remembers of a mailbox when its connection is gone.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    pub uidvalidity: u32,
    pub highest: u64,
    pub flags: BTreeMap<u32, Flags>,
}

/// The client's side of a selected mailbox.
#[derive(Debug)]
pub struct Model {
    pub kind: Kind,
    /// By message number.
    pub messages: Vec<Message>,
    pub uidvalidity: u32,
    /// The HIGHESTMODSEQ it may believe (RFC 7162 §6).
    pub highest: u64,
    /// The highest MODSEQ seen since the last tagged response, and whether HIGHESTMODSEQ was said since.
    seen: u64,
    said: Option<u64>,
    /// Results by their searches' tags, kept true by what is told (RFC 5267).
    pub results: BTreeMap<String, Found>,
    /// The last tag of them.
    pub last_result: String,
}

/// A result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    pub uid: bool,
    pub list: Vec<u32>,
}

/// One FETCH response.
#[derive(Debug, Default)]
pub struct Fetched {
    pub number: u32,
    pub uid: Option<u32>,
    pub flags: Option<Flags>,
    pub modseq: Option<u64>,
}

impl Model {
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            messages: Vec::new(),
            uidvalidity: 0,
            highest: 0,
            seen: 0,
            said: None,
            results: BTreeMap::new(),
            last_result: String::new(),
        }
    }

    /// Takes one untagged response. `expunges`: whether messages may lose their numbers now.
    pub fn take(&mut self, answer: &str, expunges: bool) -> Result<()> {
        self.take_inner(answer, expunges).with_context(|| answer.to_owned())
    }

    fn take_inner(&mut self, answer: &str, expunges: bool) -> Result<()> {
        let rest = answer.strip_prefix("* ").context("not untagged")?;
        if let Some(count) = rest.strip_suffix(" EXISTS") {
            let count: usize = count.parse()?;
            ensure!(count >= self.messages.len(), "EXISTS shrinks from {}", self.messages.len());
            self.messages.resize(count, Message::default());
        } else if let Some(number) = rest.strip_suffix(" EXPUNGE") {
            ensure!(self.kind != Kind::QResync, "EXPUNGE after ENABLE QRESYNC");
            ensure!(expunges, "EXPUNGE at a moment when it is forbidden");
            let number: usize = number.parse()?;
            ensure!((1..=self.messages.len()).contains(&number), "{}", self.messages.len());
            self.remove(number - 1)?;
        } else if let Some(uids) = rest.strip_prefix("VANISHED ") {
            ensure!(self.kind == Kind::QResync, "VANISHED without QRESYNC");
            ensure!(expunges && !uids.starts_with('('), "VANISHED at a forbidden moment");
            for uid in set(uids)? {
                self.vanish(uid)?;
            }
        } else if let Some(code) = rest.strip_prefix("OK [") {
            self.code(code)?;
        } else if let Some(result) = rest.strip_prefix("ESEARCH (TAG \"") {
            self.result(result)?;
        } else if rest.contains(" FETCH (") {
            self.fetched(fetch(rest)?)?;
        }
        Ok(())
    }

    fn vanish(&mut self, uid: u32) -> Result<()> {
        let known = self.messages.iter().position(|message| message.uid == Some(uid));
        // Or one that it was told exists, though not yet under which UID: it lies where its UID belongs.
        let fits = |at: &usize| {
            let (before, after) = self.messages.split_at(*at);
            let below = before.iter().filter_map(|message| message.uid).all(|other| other < uid);
            let above = after.iter().filter_map(|message| message.uid).all(|other| other > uid);
            self.messages[*at].uid.is_none() && below && above
        };
        // What else it knows by UID, from results too, says which one of several it is.
        let uids = self.messages.iter().filter_map(|message| message.uid);
        let kept = self.results.values().filter(|found| found.uid).flat_map(|found| &found.list);
        let before: BTreeSet<u32> =
            uids.chain(kept.copied()).filter(|other| *other < uid).collect();
        let unknown = || {
            let there = Some(before.len()).filter(|at| *at < self.messages.len());
            there.filter(fits).or_else(|| (0..self.messages.len()).find(fits))
        };
        let at = known.or_else(unknown).with_context(|| format!("{uid} was never there"))?;
        self.remove(at)
    }

    /// A message goes: "a REMOVEFROM ... MUST be sent prior to the expunge notification" (RFC 5267 §4.3.4), and the numbers
    /// behind it move up.
    fn remove(&mut self, at: usize) -> Result<()> {
        let gone = self.messages.remove(at);
        let number = at as u32 + 1;
        for (tag, found) in &mut self.results {
            if found.uid {
                let left = gone.uid.filter(|uid| found.list.contains(uid));
                ensure!(left.is_none(), "{left:?} is expunged and in the result of {tag}");
                continue;
            }
            ensure!(!found.list.contains(&number), "{number} is in the result of {tag}");
            found.list.iter_mut().filter(|other| **other > number).for_each(|other| *other -= 1);
        }
        Ok(())
    }

    /// `t") UID ALL 1:3`, `t") ADDTO (0 1:3 ...)`, `t") REMOVEFROM (...)`
    fn result(&mut self, text: &str) -> Result<()> {
        let (tag, mut rest) = text.split_once("\")").context("no tag")?;
        tag.clone_into(&mut self.last_result);
        let uid = rest.strip_prefix(" UID");
        rest = uid.unwrap_or(rest);
        let exists = self.messages.len() as u32;
        let found = self.results.entry(tag.to_owned()).or_default();
        found.uid = uid.is_some();
        if let Some(all) = rest.strip_prefix(" ALL ") {
            found.list = set(all)?;
        }
        let change = |rest: &str, name: &str| {
            let pairs = rest.strip_prefix(name)?.strip_suffix(')')?;
            Some(pairs.split(' ').map(str::to_owned).collect::<Vec<_>>())
        };
        let (adds, removes) = (change(rest, " ADDTO ("), change(rest, " REMOVEFROM ("));
        for pair in adds.iter().flatten().collect::<Vec<_>>().chunks(2) {
            let (at, new): (usize, _) = (pair[0].parse()?, set(pair[1])?);
            let twice = new.iter().find(|number| found.list.contains(number));
            ensure!(twice.is_none(), "{twice:?} is there already: {:?}", found.list);
            ensure!(found.uid || new.iter().all(|number| *number <= exists), "of {exists}");
            if at == 0 {
                found.list.extend(new);
                found.list.sort_unstable();
            } else {
                ensure!(at <= found.list.len() + 1, "of {:?}", found.list);
                found.list.splice(at - 1..at - 1, new);
            }
        }
        for pair in removes.iter().flatten().collect::<Vec<_>>().chunks(2) {
            let (at, gone): (usize, _) = (pair[0].parse()?, set(pair[1])?);
            let lacks = gone.iter().find(|number| !found.list.contains(number));
            ensure!(lacks.is_none(), "{lacks:?} is not in {:?}", found.list);
            if at == 0 {
                found.list.retain(|number| !gone.contains(number));
            } else {
                let there = found.list.get(at - 1..at - 1 + gone.len()).map(<[u32]>::to_vec);
                ensure!(there.as_ref() == Some(&gone), "{gone:?} at {at} of {:?}", found.list);
                found.list.drain(at - 1..at - 1 + gone.len());
            }
        }
        Ok(())
    }

    fn code(&mut self, code: &str) -> Result<()> {
        if let Some(rest) = code.strip_prefix("HIGHESTMODSEQ ") {
            let end = rest.find(']').context("no end")?;
            self.said = Some(rest[..end].parse()?);
        }
        if let Some(rest) = code.strip_prefix("UIDVALIDITY ") {
            let end = rest.find(']').context("no end")?;
            self.uidvalidity = rest[..end].parse()?;
        }
        Ok(())
    }

    fn fetched(&mut self, fetched: Fetched) -> Result<()> {
        let at = fetched.number as usize - 1;
        let count = self.messages.len();
        let message = self.messages.get_mut(at).with_context(|| format!("of {count}"))?;
        if let (Some(known), Some(uid)) = (message.uid, fetched.uid) {
            ensure!(known == uid, "number {} is UID {known}", fetched.number);
        }
        message.uid = fetched.uid.or(message.uid);
        if self.kind != Kind::Plain && fetched.flags.is_some() && fetched.uid.is_none() {
            // Only what was asked for without UID comes without; this test always asks with.
            bail!("FETCH of flags without UID for a client that knows mod-sequences");
        }
        if let Some(flags) = fetched.flags {
            ensure!(self.kind == Kind::Plain || fetched.modseq.is_some(), "no MODSEQ");
            message.flags = Some(flags);
        }
        self.seen = self.seen.max(fetched.modseq.unwrap_or(0));
        let uids: Vec<u32> = self.messages.iter().filter_map(|message| message.uid).collect();
        ensure!(uids.is_sorted_by(|a, b| a < b), "UIDs out of order: {uids:?}");
        Ok(())
    }

    /// A tagged response came: "If the HIGHESTMODSEQ response code is received, the client MUST use it even if it has
    /// seen higher mod-sequences. Otherwise, the client calculates the highest value among all MODSEQ FETCH data
    /// items received since the last tagged response" (RFC 7162 §6).
    pub fn tagged(&mut self, end: &str) -> Result<()> {
        if let Some(code) = end.strip_prefix("OK [") {
            self.code(code)?;
        }
        let seen = std::mem::replace(&mut self.seen, 0);
        match self.said.take() {
            Some(said) => self.highest = said,
            None => self.highest = self.highest.max(seen),
        }
        Ok(())
    }

    /// What it would remember if the connection broke now.
    pub fn memory(&self) -> Result<Memory> {
        let mut memory =
            Memory { uidvalidity: self.uidvalidity, highest: self.highest, ..Memory::default() };
        for message in &self.messages {
            let uid = message.uid.context("a message without UID")?;
            memory.flags.insert(uid, message.flags.clone().context("a message without flags")?);
        }
        Ok(memory)
    }
}

impl Memory {
    /// Takes a response to SELECT with QRESYNC; `false`: it is about none of the messages remembered.
    pub fn take(&mut self, answer: &str) -> Result<bool> {
        if let Some(uids) = answer.strip_prefix("* VANISHED (EARLIER) ") {
            for uid in set(uids)? {
                self.flags.remove(&uid);
            }
            return Ok(true);
        }
        if answer.contains(" FETCH (") {
            let fetched = fetch(answer.strip_prefix("* ").context("not untagged")?)?;
            let uid = fetched.uid.context("no UID")?;
            ensure!(fetched.modseq.is_some(), "no MODSEQ in {answer}");
            if let (Some(known), Some(flags)) = (self.flags.get_mut(&uid), fetched.flags) {
                *known = flags;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// `n FETCH (UID u FLAGS (...) MODSEQ (m))`, in any order.
pub fn fetch(text: &str) -> Result<Fetched> {
    let (number, items) = text.split_once(" FETCH (").context("no FETCH")?;
    let mut items = items.strip_suffix(')').context("no end")?;
    let mut fetched = Fetched { number: number.parse()?, ..Fetched::default() };
    while !items.is_empty() {
        let (name, rest) = items.split_once(' ').context("no value")?;
        let end = match rest.strip_prefix('(') {
            Some(inner) => inner.find(')').context("no end")? + 2,
            None => rest.find(' ').unwrap_or(rest.len()),
        };
        let (value, rest) = rest.split_at(end);
        let inner = value.trim_start_matches('(').trim_end_matches(')');
        match name {
            "UID" => fetched.uid = Some(inner.parse()?),
            "MODSEQ" => fetched.modseq = Some(inner.parse()?),
            "FLAGS" => {
                let flags = inner.split_whitespace().filter(|flag| *flag != "\\Recent");
                fetched.flags = Some(flags.map(str::to_owned).collect());
            }
            _ => {}
        }
        items = rest.strip_prefix(' ').unwrap_or(rest);
    }
    Ok(fetched)
}

/// `1:3,5`
pub fn set(text: &str) -> Result<Vec<u32>> {
    let mut uids = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once(':').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse()?, last.parse()?);
        ensure!(first <= last && last - first < 1_000_000, "{text}");
        uids.extend(first..=last);
    }
    Ok(uids)
}
