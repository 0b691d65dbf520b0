//! SEARCH, SORT, THREAD.

use crate::answer::{Answer, Stop};
use crate::client::Client;
use crate::cmd::filters;
use crate::selected::Selected;
use crate::sets::{from_wire, numbers_of, open_uids, resolve_loosely, to_wire};
use crate::wire::Wire;
use chrono::{DateTime, TimeDelta, Utc};
use imap::{
    Capability, Code, DateKind, DateOp, Flag, Found, NumberSet, Search, SearchKey, Session, Sort,
    SortKey, Status, Thread, ThreadAlgorithm, ThreadNode,
};
use mail::search::{Key, Progress, Query, Scores, When};
use mail::{Algorithm, Criterion, Kept, Mail, MailError, SortBy, UidSet, View};
use net::Presence;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, MissedTickBehavior};
use types::{MessageId, ModSeq, ThreadId};

/// How often a client that waits is told how far its search is.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What a search needs.
struct Plan<'a> {
    mail: Mail,
    machine: &'a mut Session,
    wire: &'a mut Wire,
    selected: &'a mut Selected,
    query: Query,
    progress: Progress,
}

/// A search as the domain knows it, over what a session sees.
pub(super) fn query(view: &View, saved: &UidSet, search: &Search) -> Query {
    let now = DateTime::<Utc>::from(SystemTime::now());
    let keys = search.keys.iter().map(|key| translate(view, saved, key, now)).collect();
    Query::new(Key::And(keys))
}

impl<'a> Plan<'a> {
    fn new(client: &'a mut Client, search: &Search) -> Result<Self, Answer> {
        let Client { machine, wire, selected, shared, .. } = client;
        let selected = selected.as_mut().ok_or_else(|| Answer::bad("No mailbox is selected"))?;
        let query = query(&selected.view, &selected.saved, search);
        let mail = shared.mail.clone();
        Ok(Self { mail, machine, wire, selected, query, progress: Progress::default() })
    }

    /// The highest mod-sequence of what is returned: "the server MUST also append ... the highest mod-sequence for all
    /// messages being returned" (RFC 7162 §3.1.5).
    async fn modseq(&self, returned: Option<UidSet>) -> Result<Option<u64>, MailError> {
        let Some(returned) = returned else { return Ok(None) };
        let target = self.selected.view.target();
        Ok(self.mail.highest_modseq(target, &returned).await?.map(|modseq| modseq.0))
    }

    /// Searches the last `limit` messages only, if there are more to be looked at (RFC 9738 §3.1: "searched messages (note,
    /// NOT the number of matched messages)"); the lowest UID among them.
    fn cut(&mut self, limit: u64) -> Option<u32> {
        let searched = self.query.searched(&self.selected.view);
        if searched.len() <= limit {
            return None;
        }
        let last = searched.split_last(limit).1;
        let lowest = last.first();
        self.query.narrow(last);
        lowest
    }

    fn numbers(&self, uid: bool, found: &UidSet) -> NumberSet {
        if uid { to_wire(found) } else { numbers_of(&self.selected.view, found) }
    }
}

/// How often a search looks whether somebody still waits for it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Waits for a search, and tells now and then how far it is (RFC 9585). For a client that left, none goes on. One that
/// only said that it will send nothing more may still listen: that shows when something is sent to it.
pub(super) async fn patiently<T>(
    machine: &mut Session,
    wire: &mut Wire,
    progress: &Progress,
    work: impl Future<Output = Result<T, MailError>>,
) -> Result<T, Stop> {
    let mut work = pin!(work);
    let mut tick = tokio::time::interval_at(Instant::now() + TELL_EVERY, TELL_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut look = tokio::time::interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut probed = false;
    loop {
        tokio::select! {
            done = &mut work => return Ok(done?),
            _ = tick.tick(), if machine.serves(Capability::InProgress) => {
                let tag = machine.tag().to_owned();
                let (done, goal) = progress.of();
                let code = Code::InProgress(&tag, done, Some(goal));
                machine.writer().status(Status::Ok, Some(&code), "Still searching");
                wire.send(machine.output()).await?;
            }
            _ = look.tick() => match wire.presence() {
                Presence::Here => {}
                Presence::Silent if probed => {}
                Presence::Silent => {
                    probed = true;
                    machine.writer().ok("Still searching");
                    wire.send(machine.output()).await?;
                }
                Presence::Gone => {
                    metrics::counter!("postrider_imap_searches_left_total").increment(1);
                    return Err(Stop::Gone(io::Error::from(io::ErrorKind::BrokenPipe)));
                }
            },
        }
    }
}

pub(crate) async fn search(client: &mut Client, search: &Search) -> Result<Answer, Stop> {
    client.may_keep(search)?;
    let saves = search.returns.is_some_and(|returns| returns.save);
    let done = search_or_fail(client, search).await;
    forget_saved(client, saves && done.is_err());
    done
}

/// RFC 5182 §2.1: "If the SEARCH … fails … the search result variable is … the empty sequence".
fn forget_saved(client: &mut Client, failed: bool) {
    if let Some(selected) = client.selected.as_mut().filter(|_| failed) {
        selected.saved = UidSet::default();
    }
}

async fn search_or_fail(client: &mut Client, search: &Search) -> Result<Answer, Stop> {
    let search = &*filters::expanded(client, search).await?;
    let limit = client.message_limit();
    let mut plan = Plan::new(client, search)?;
    let cut = limit.and_then(|limit| plan.cut(limit.into()));
    let wanted = search.returns.is_some_and(|returns| returns.relevancy);
    let work = scored(&plan.mail, &plan.selected.view, &plan.query, wanted, &plan.progress);
    let (found, scores) = patiently(plan.machine, plan.wire, &plan.progress, work).await?;
    if let Some(returns) = search.returns.filter(|returns| returns.save) {
        plan.selected.saved = from_wire(&returns.saved(&to_wire(&found)));
    }
    let returned = search.returned(&to_wire(&found)).map(|returned| from_wire(&returned));
    let modseq = plan.modseq(returned).await?;
    let numbers = plan.numbers(search.uid, &found);
    let tag = plan.machine.tag().to_owned();
    let more = Found { modseq, place: None, scores: scores.as_deref() };
    plan.machine.writer().search_with(&tag, search, &numbers, more);
    let query = plan.query;
    client.cut = cut;
    if cut.is_some() && search.updates() {
        client.refuse_update("Not all messages were searched");
    } else {
        client.keep(search, query, Kept::Set(found), None);
    }
    Ok(Answer::ok())
}

pub(crate) async fn sort(client: &mut Client, sort: &Sort) -> Result<Answer, Stop> {
    client.may_keep(&sort.search)?;
    let saves = sort.search.returns.is_some_and(|returns| returns.save);
    let done = sort_or_fail(client, sort).await;
    forget_saved(client, saves && done.is_err());
    done
}

async fn sort_or_fail(client: &mut Client, sort: &Sort) -> Result<Answer, Stop> {
    let search = &*filters::expanded(client, &sort.search).await?;
    let wanted = search.returns.is_some_and(|returns| returns.relevancy);
    let criteria: Vec<_> = sort.criteria.iter().map(criterion).collect();
    let plan = Plan::new(client, search)?;
    let view = &plan.selected.view;
    let work = plan.mail.sort(view, &plan.query, &criteria, wanted, &plan.progress);
    let (sorted, scores) = patiently(plan.machine, plan.wire, &plan.progress, work).await?;
    let found = sorted.uids();
    let returned = from_wire(&sort.saved(&found));
    if search.returns.is_some_and(|returns| returns.save) {
        plan.selected.saved = returned.clone();
    }
    let told = search.modseq && !found.is_empty();
    let modseq = plan.modseq(told.then_some(returned)).await?;
    let number = |uid: &u32| if search.uid { Some(*uid) } else { plan.selected.view.number(*uid) };
    let numbers: Vec<u32> = found.iter().filter_map(number).collect();
    let scores = wanted.then(|| in_order(found.iter().copied(), &scores));
    let tag = plan.machine.tag().to_owned();
    let more = Found { modseq, place: None, scores: scores.as_deref() };
    plan.machine.writer().sort(&tag, sort, &numbers, more);
    let query = plan.query;
    client.keep(search, query, Kept::Sorted(sorted), None);
    Ok(Answer::ok())
}

/// What a search finds, and how well each matches where that is wanted.
pub(super) async fn scored(
    mail: &Mail,
    view: &View,
    query: &Query,
    wanted: bool,
    progress: &Progress,
) -> Result<(UidSet, Option<Vec<u8>>), MailError> {
    let found = mail.search_watched(view, query, progress).await?;
    if !wanted {
        return Ok((found, None));
    }
    let scores = mail.relevancy(view, query, &found).await?;
    let scores = in_order(found.iter(), &scores);
    Ok((found, Some(scores)))
}

/// The scores of these messages; one that is gone has the lowest.
fn in_order(uids: impl Iterator<Item = u32>, scores: &Scores) -> Vec<u8> {
    uids.map(|uid| scores.get(&uid).copied().unwrap_or(1)).collect()
}

fn criterion(criterion: &imap::SortCriterion) -> Criterion {
    let by = match criterion.key {
        SortKey::Arrival => SortBy::Arrival,
        SortKey::Cc => SortBy::Cc,
        SortKey::Date => SortBy::Date,
        SortKey::From => SortBy::From,
        SortKey::Size => SortBy::Size,
        SortKey::Subject => SortBy::Subject,
        SortKey::To => SortBy::To,
        SortKey::DisplayFrom => SortBy::DisplayFrom,
        SortKey::DisplayTo => SortBy::DisplayTo,
        SortKey::Relevancy => SortBy::Relevancy,
    };
    Criterion { by, reverse: criterion.reverse }
}

pub(crate) async fn thread(client: &mut Client, thread: &Thread) -> Result<Answer, Stop> {
    let algorithm = match thread.algorithm {
        ThreadAlgorithm::OrderedSubject => Algorithm::OrderedSubject,
        ThreadAlgorithm::References => Algorithm::References,
    };
    let search = &*filters::expanded(client, &thread.search).await?;
    let plan = Plan::new(client, search)?;
    let work = plan.mail.thread(&plan.selected.view, &plan.query, algorithm, &plan.progress);
    let threads = patiently(plan.machine, plan.wire, &plan.progress, work).await?;
    let number = |uid: u32| match uid {
        0 => 0,
        uid if thread.search.uid => uid,
        uid => plan.selected.view.number(uid).unwrap_or(0),
    };
    let nodes: Vec<ThreadNode> = threads
        .nodes
        .into_iter()
        .map(|node| ThreadNode { number: number(node.uid), children: node.children })
        .collect();
    plan.machine.writer().threads(&nodes, &threads.roots);
    Ok(Answer::ok())
}

fn translate(view: &View, saved: &UidSet, key: &SearchKey, now: DateTime<Utc>) -> Key {
    let each = |key: &SearchKey| translate(view, saved, key, now);
    let not = |key| Key::Not(Box::new(key));
    let ago = |seconds: u32| Key::ReceivedSince(now - TimeDelta::seconds(i64::from(seconds)));
    match key {
        SearchKey::All => Key::All,
        SearchKey::Flag { flag, set } => {
            let key = match flag {
                Flag::Known(flags) => Key::Flags(*flags),
                Flag::Keyword(name) => Key::Keyword(name.clone()),
            };
            if *set { key } else { not(key) }
        }
        SearchKey::Recent(true) => Key::Recent,
        SearchKey::Recent(false) => not(Key::Recent),
        SearchKey::Sequence(numbers) => Key::Uids(resolve_loosely(view, saved, numbers)),
        SearchKey::Uid(uids) => Key::Uids(open_uids(view, saved, uids)),
        SearchKey::Header { name, value } => Key::Header(name.clone(), value.clone()),
        SearchKey::Body(text) => Key::Body(text.clone()),
        SearchKey::Text(text) => Key::Text(text.clone()),
        SearchKey::Date { kind, op, date } => {
            let when = match op {
                DateOp::Before => When::Before,
                DateOp::On => When::On,
                DateOp::Since => When::Since,
            };
            match kind {
                DateKind::Internal => Key::Received(when, *date),
                DateKind::Sent => Key::Sent(when, *date),
                DateKind::Saved => Key::Saved(when, *date),
            }
        }
        SearchKey::Larger(size) => Key::Larger(*size),
        SearchKey::Smaller(size) => Key::Smaller(*size),
        SearchKey::Older(seconds) => not(ago(*seconds)),
        SearchKey::Younger(seconds) => ago(*seconds),
        SearchKey::ModSeq(modseq) => Key::ModSeq(ModSeq(*modseq)),
        // An id that is none of ours belongs to no message.
        SearchKey::EmailId(id) => MessageId::parse(id).map_or(not(Key::All), Key::Email),
        // In somebody else's mailbox messages have no THREADID (see FETCH), so it "MUST NOT match any".
        SearchKey::ThreadId(_) if !view.reach().is_own() => not(Key::All),
        SearchKey::ThreadId(id) => ThreadId::parse(id).map_or(not(Key::All), Key::Thread),
        SearchKey::SaveDateSupported => Key::All,
        // What filters say stands in their place by now.
        SearchKey::Filter(_) => not(Key::All),
        SearchKey::Fuzzy(key) => Key::Fuzzy(Box::new(each(key))),
        SearchKey::Not(key) => not(each(key)),
        SearchKey::Or(a, b) => Key::Or(Box::new(each(a)), Box::new(each(b))),
        SearchKey::And(keys) => Key::And(keys.iter().map(each).collect()),
    }
}
