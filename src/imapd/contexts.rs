//! Results that are kept true for a client (RFC 5267 §4.3): which these are, and telling how they change.
//!
//! They change where the client is told what changes in its mailbox ([`crate::update`]): a message that is gone leaves
//! them before its EXPUNGE, one that matches now, or does no more, is told after the EXISTS and FETCH that say why.
//!
//! Limits: so many for a session, and for an account on this node; each bounded in itself ([`mail::Context`]).

use crate::answer::{Answer, Stop};
use crate::client::Client;
use crate::cmd::fetch;
use crate::seats::Seat;
use crate::sets::{numbers_of, to_wire};
use crate::wire::Wire;
use imap::{
    Capability, Code, FetchItem, ResultChange, Search, SearchKey, SequenceSet, Session, Status,
    Updated,
};
use mail::search::Query;
use mail::{Context, Kept, MAX_PIECE, MailError, Part, Piece, UidSet, View};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use types::Uid;

/// Results of one session. "Servers MUST provide at least one updating context per client, and SHOULD provide more"
/// (§4.3.1).
const MAX_LIVE: usize = 16;
/// Of all sessions of an account on this node.
const MAX_OF_ACCOUNT: u32 = 64;
/// How long one look may judge messages, about.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pieces of a sorted result in one response.
const PIECES: usize = 100;

const TOO_MANY: &str = "Too many contexts";
const TOO_LARGE: &str = "Too many results";
const TIME: &str = "Time alone changes what matches";
const NUMBERS: &str = "No message numbers once UIDONLY is enabled";
const LAST: &str = "What * means changes with the last message";

/// The results of a session that are kept true.
#[derive(Default)]
pub(crate) struct Contexts {
    live: Vec<Live>,
    behind: bool,
}

struct Live {
    tag: String,
    uid: bool,
    /// Name and UIDVALIDITY, where ESEARCH asked.
    place: Option<(String, u32)>,
    /// Items to be told of new messages (RFC 5465 §7).
    shown: Vec<FetchItem>,
    /// As [`floor`] says.
    floor: u32,
    context: Context,
    _seat: Seat,
}

impl Contexts {
    /// These messages may match otherwise than they did.
    pub(crate) fn touch(&mut self, uids: &UidSet) {
        self.live.iter_mut().for_each(|live| live.context.touch(uids));
    }

    /// The same of messages that this session changes itself, which the change log does not tell it of.
    pub(crate) fn touch_own(&mut self, uids: &[Uid]) {
        if !self.live.is_empty() {
            self.touch(&uids.iter().map(|uid| uid.0).collect());
        }
    }

    /// CANCELUPDATE. What is not kept is not told in any case.
    pub(crate) fn cancel(&mut self, tags: &[String]) {
        self.live.retain(|live| !tags.contains(&live.tag));
    }

    /// Whether there may be something to tell though nothing happens.
    pub(crate) fn are_behind(&self) -> bool {
        self.behind
    }

    fn has(&self, tag: &str) -> bool {
        self.live.iter().any(|live| live.tag == tag)
    }
}

impl Live {
    fn updated(&self) -> Updated<'_> {
        let place = self.place.as_ref().map(|(name, uidvalidity)| (name.as_str(), *uidvalidity));
        Updated { tag: &self.tag, uid: self.uid, place }
    }

    /// Why it cannot be told of any more.
    fn trouble(&self, machine: &Session, view: &View) -> Option<&'static str> {
        if !self.uid && machine.is_enabled(Capability::UidOnly) {
            return Some(NUMBERS);
        }
        (view.last_uid().unwrap_or(0) < self.floor).then_some(LAST)
    }

    async fn tell(
        &self,
        machine: &mut Session,
        wire: &mut Wire,
        view: &View,
        change: ResultChange,
        part: &Part,
    ) -> io::Result<()> {
        match part {
            Part::Set(uids) => {
                let numbers = if self.uid { to_wire(uids) } else { numbers_of(view, uids) };
                machine.writer().result_change(self.updated(), change, &numbers);
            }
            Part::Pieces(pieces) => {
                for some in responses(pieces) {
                    let pieces: Vec<_> =
                        some.iter().map(|piece| self.numbered(view, piece)).collect();
                    machine.writer().sorted_result_change(self.updated(), change, &pieces);
                    wire.send_some(machine.output()).await?;
                }
            }
        }
        wire.send_some(machine.output()).await
    }

    fn numbered(&self, view: &View, piece: &Piece) -> (u32, Vec<u32>) {
        let number = |uid: &u32| if self.uid { Some(*uid) } else { view.number(*uid) };
        (piece.position, piece.uids.iter().filter_map(number).collect())
    }
}

/// Pieces that go together in a response: lines should not be longer than they have to.
fn responses(mut pieces: &[Piece]) -> impl Iterator<Item = &[Piece]> {
    std::iter::from_fn(move || {
        let mut room = MAX_PIECE;
        let fits = |piece: &&Piece| {
            let fits = piece.uids.len() <= room;
            room = room.saturating_sub(piece.uids.len());
            fits
        };
        let count = pieces.iter().take(PIECES).take_while(fits).count();
        let (some, rest) = pieces.split_at(count);
        pieces = rest;
        (!some.is_empty()).then_some(some)
    })
}

/// The UID that the last message has to have at least, so that `*` among the keys means every message from some UID on,
/// new ones too. `None`: what matches changes though no message does.
fn floor(key: &SearchKey) -> Option<u32> {
    let all = |keys: &[&SearchKey]| {
        keys.iter().try_fold(0, |highest, key| Some(floor(key)?.max(highest)))
    };
    match key {
        SearchKey::Older(_) | SearchKey::Younger(_) => None,
        SearchKey::Uid(SequenceSet::Ranges(ranges)) => {
            let of = |range: &(u32, u32)| match *range {
                (0, 0) => u32::MAX,
                (0, from) | (from, 0) => from,
                _ => 0,
            };
            ranges.iter().map(of).max()
        }
        SearchKey::Not(key) | SearchKey::Fuzzy(key) => floor(key),
        SearchKey::Or(a, b) => all(&[a, b]),
        SearchKey::And(keys) => all(&keys.iter().collect::<Vec<_>>()),
        _ => Some(0),
    }
}

impl Client {
    /// Whether the result of this search may be kept true: "An attempt to use UPDATE where a tag is already in use with a
    /// previous searching command that itself used UPDATE SHALL result in the server rejecting the searching command with
    /// a BAD response" (§4.3).
    pub(crate) fn may_keep(&self, search: &Search) -> Result<(), Answer> {
        let used = self.selected.as_ref().is_some_and(|it| it.contexts.has(self.machine.tag()));
        if search.updates() && used { Err(Answer::bad("Tag reuse")) } else { Ok(()) }
    }

    /// With UPDATE: keeps what was found just now true from here on, or says that it is not.
    pub(crate) fn keep(
        &mut self,
        search: &Search,
        query: Query,
        kept: Kept,
        place: Option<(String, u32)>,
    ) {
        if search.updates()
            && let Err(why) = self.try_to_keep(search, query, kept, place)
        {
            self.refuse_update(why);
        }
    }

    fn try_to_keep(
        &mut self,
        search: &Search,
        query: Query,
        kept: Kept,
        place: Option<(String, u32)>,
    ) -> Result<(), &'static str> {
        let (Some(login), Some(selected)) = (&self.login, &mut self.selected) else {
            return Err(TOO_MANY);
        };
        let seat = self.shared.contexts.take(login.account, MAX_OF_ACCOUNT);
        let seat = seat.filter(|_| selected.contexts.live.len() < MAX_LIVE).ok_or(TOO_MANY)?;
        let floors = search.keys.iter().map(floor);
        let floor = floors.collect::<Option<Vec<_>>>().ok_or(TIME)?.into_iter().max().unwrap_or(0);
        let context = self.shared.mail.keep(&selected.view, query, kept).ok_or(TOO_LARGE)?;
        let (tag, shown) = (self.machine.tag().to_owned(), search.shown.clone());
        let live = Live { tag, uid: search.uid, place, shown, floor, context, _seat: seat };
        if let Some(why) = live.trouble(&self.machine, &selected.view) {
            return Err(why);
        }
        tracing::debug!(tag = live.tag, account = %login.account, "a result is kept true");
        metrics::counter!("postrider_imap_contexts_total", "outcome" => "kept").increment(1);
        selected.contexts.live.push(live);
        Ok(())
    }

    /// Says that the result of the search under way is not kept true.
    pub(crate) fn refuse_update(&mut self, why: &str) {
        let tag = self.machine.tag().to_owned();
        tell_end(&mut self.machine, &tag, why, "refused");
    }

    /// What of the results is gone: "a REMOVEFROM containing message sequence numbers removed as a result of those messages
    /// being expunged MUST be sent prior to the expunge notification itself" (§4.3.4).
    pub(crate) async fn tell_gone(&mut self) -> Result<(), Stop> {
        let Self { machine, wire, selected: Some(selected), .. } = self else { return Ok(()) };
        let view = &selected.view;
        selected.contexts.live.retain(|live| match live.trouble(machine, view) {
            Some(why) => {
                tell_end(machine, &live.tag, why, "ended");
                false
            }
            None => true,
        });
        if view.vanished().is_empty() {
            return Ok(());
        }
        for live in &mut selected.contexts.live {
            let gone = live.context.vanish(view.vanished());
            live.tell(machine, wire, view, ResultChange::RemoveFrom, &gone).await?;
        }
        Ok(())
    }

    /// How the results change by what else was told.
    pub(crate) async fn tell_shifts(&mut self) -> Result<(), Stop> {
        let (until, mut at) = (Instant::now() + PATIENCE, 0);
        if let Some(selected) = &mut self.selected {
            selected.contexts.behind = false;
        }
        while let Some(selected) = &mut self.selected
            && let Some(live) = selected.contexts.live.get_mut(at)
        {
            if live.context.is_settled(&selected.view) {
                at += 1;
                continue;
            }
            let mail = Arc::clone(&self.shared).mail.clone();
            match mail.shift(&selected.view, &mut live.context, until).await {
                Ok(shift) => {
                    selected.contexts.behind |= shift.more;
                    self.tell_shift(at, &shift).await?;
                    at += 1;
                }
                Err(MailError::Limit(_)) => {
                    let live = selected.contexts.live.remove(at);
                    tell_end(&mut self.machine, &live.tag, TOO_LARGE, "ended");
                }
                Err(error) => {
                    selected.contexts.behind = true;
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    async fn tell_shift(&mut self, at: usize, shift: &mail::Shift) -> Result<(), Stop> {
        self.tell_part(at, ResultChange::RemoveFrom, &shift.removed).await?;
        if let Some(selected) = &self.selected
            && let Some(live) = selected.contexts.live.get(at)
            && !live.shown.is_empty()
        {
            // "when a new message is delivered or appended in another session" (RFC 5465 §1). "the EXISTS response MUST
            // precede any FETCH responses, and together they MUST precede the ESEARCH response" (§7).
            let (new, items) = (shift.fresh.difference(&selected.own_new), live.shown.clone());
            if let Err(Stop::Gone(error)) = Box::pin(fetch::tell(self, new, items)).await {
                return Err(Stop::Gone(error));
            }
        }
        self.tell_part(at, ResultChange::AddTo, &shift.added).await
    }

    async fn tell_part(
        &mut self,
        at: usize,
        change: ResultChange,
        part: &Part,
    ) -> Result<(), Stop> {
        let Self { machine, wire, selected: Some(selected), .. } = self else { return Ok(()) };
        if let Some(live) = selected.contexts.live.get(at).filter(|_| !part.is_empty()) {
            live.tell(machine, wire, &selected.view, change, part).await?;
        }
        Ok(())
    }
}

fn tell_end(machine: &mut Session, tag: &str, why: &str, outcome: &'static str) {
    metrics::counter!("postrider_imap_contexts_total", "outcome" => outcome).increment(1);
    machine.writer().status(Status::No, Some(&Code::NoUpdate(tag)), why);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors() {
        let uid = |ranges: &[(u32, u32)]| SearchKey::Uid(SequenceSet::Ranges(ranges.to_vec()));
        assert_eq!(floor(&uid(&[(5, 9), (0, 7)])), Some(7));
        assert_eq!(floor(&uid(&[(0, 0)])), Some(u32::MAX));
        let not = |key| SearchKey::Not(Box::new(key));
        let both = SearchKey::And(vec![not(uid(&[(3, 0)])), SearchKey::All]);
        assert_eq!(floor(&both), Some(3));
        let either = SearchKey::Or(Box::new(SearchKey::All), Box::new(SearchKey::Older(1)));
        assert_eq!(floor(&either), None);
    }

    #[test]
    fn responses_are_short() {
        let piece = |count| Piece { position: 1, uids: vec![1; count] };
        let pieces = [piece(500), piece(1), piece(499), piece(1)];
        let lengths: Vec<_> = responses(&pieces).map(<[Piece]>::len).collect();
        assert_eq!(lengths, [1, 2, 1]);
        let many = vec![piece(1); 250];
        assert_eq!(responses(&many).map(<[Piece]>::len).collect::<Vec<_>>(), [100, 100, 50]);
    }
}
