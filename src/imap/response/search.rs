//! SEARCH and ESEARCH, and how their results change (RFC 5267 §4.3).

use super::text::{push_mailbox, push_number, push_quoted};
use super::{MAX_RANGES_OF_A_LINE, Writer};
use crate::command::{PartialRange, Returns, Search};
use crate::set::NumberSet;

/// What is told beside the numbers found.
#[derive(Debug, Clone, Copy, Default)]
pub struct Found<'a> {
    /// The highest mod-sequence of the messages returned, where the keys hold MODSEQ ([`Search::modseq`]; of which
    /// messages says [`Search::returned`]).
    pub modseq: Option<u64>,
    /// Name and UIDVALIDITY of the mailbox, in answer to ESEARCH (RFC 7377 §2.1).
    pub place: Option<(&'a str, u32)>,
    /// How well each of all numbers found matches, in their order, where that was asked for (RFC 6203 §4).
    pub scores: Option<&'a [u8]>,
}

/// Whose result changed.
#[derive(Debug, Clone, Copy)]
pub struct Updated<'a> {
    /// The tag of the search.
    pub tag: &'a str,
    /// It was asked for in UIDs.
    pub uid: bool,
    /// As [`Found::place`].
    pub place: Option<(&'a str, u32)>,
}

/// How a result changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultChange {
    /// Messages match now.
    AddTo,
    /// Messages do no longer, or are gone.
    RemoveFrom,
}

impl ResultChange {
    fn name(self) -> &'static str {
        match self {
            Self::AddTo => " ADDTO (",
            Self::RemoveFrom => " REMOVEFROM (",
        }
    }
}

impl Writer<'_> {
    /// `* ESEARCH (TAG "t") UID ADDTO (0 1:5)`: of a result in the mailbox's order. Nothing is written for the empty set.
    pub fn result_change(&mut self, of: Updated<'_>, change: ResultChange, numbers: &NumberSet) {
        for part in numbers.split(MAX_RANGES_OF_A_LINE) {
            self.esearch_head(of.tag, of.uid, of.place);
            self.out.extend_from_slice(change.name().as_bytes());
            self.item("", 0);
            self.out.extend_from_slice(b" ");
            part.write(self.out);
            self.out.extend_from_slice(b")\r\n");
        }
    }

    /// `* ESEARCH (TAG "t") ADDTO (1 2733 5 9,8)`: of a sorted one; each of `pieces` is where it begins, counted from 1
    /// when those before it are done, and what stands there, in order.
    pub fn sorted_result_change(
        &mut self,
        of: Updated<'_>,
        change: ResultChange,
        pieces: &[(u32, Vec<u32>)],
    ) {
        if pieces.is_empty() {
            return;
        }
        self.esearch_head(of.tag, of.uid, of.place);
        self.out.extend_from_slice(change.name().as_bytes());
        for (at, (position, numbers)) in pieces.iter().enumerate() {
            self.item(if at == 0 { "" } else { " " }, u64::from(*position));
            self.out.extend_from_slice(b" ");
            self.sequence(numbers);
        }
        self.out.extend_from_slice(b")\r\n");
    }

    /// Answers a search: `* ESEARCH (TAG "t") ...` where RETURN was given or IMAP4rev2 enabled, else
    /// `* SEARCH ...`. `RETURN (SAVE)` alone has no answer (RFC 5182 §2.1).
    pub fn search(&mut self, tag: &str, search: &Search, found: &NumberSet) {
        self.search_with(tag, search, found, Found::default());
    }

    /// As [`Writer::search`]; with more of what was found.
    pub fn search_with(&mut self, tag: &str, search: &Search, found: &NumberSet, more: Found<'_>) {
        match &search.returns {
            Some(returns) if returns.is_silent() => {}
            Some(_) => self.esearch(tag, search, found, more),
            None => self.plain_search(found, more.modseq),
        }
    }

    fn plain_search(&mut self, found: &NumberSet, modseq: Option<u64>) {
        self.out.extend_from_slice(b"* SEARCH");
        found.iter().for_each(|number| self.item(" ", u64::from(number)));
        if let Some(modseq) = modseq {
            self.item(" (MODSEQ ", modseq);
            self.out.extend_from_slice(b")");
        }
        self.out.extend_from_slice(b"\r\n");
    }

    fn esearch(&mut self, tag: &str, search: &Search, found: &NumberSet, more: Found<'_>) {
        let returns = search.returns.unwrap_or_default();
        self.esearch_head(tag, search.uid, more.place);
        // "If the SEARCH results in no matches, the server MUST NOT include the MIN [MAX, ALL] result
        // option in the ESEARCH response; however, it still MUST send the ESEARCH response."
        if let (true, Some(first)) = (returns.min, found.first()) {
            self.item(" MIN ", u64::from(first));
        }
        if let (true, Some(last)) = (returns.max, found.last()) {
            self.item(" MAX ", u64::from(last));
        }
        if returns.all && !found.is_empty() {
            self.out.extend_from_slice(b" ALL ");
            found.write(self.out);
        }
        if let Some(partial) = returns.partial {
            self.partial(partial, |writer| partial.clip(found).write(writer.out));
        }
        if returns.count {
            self.item(" COUNT ", found.len());
        }
        self.esearch_end(&returns, found.len(), more);
    }

    pub(super) fn esearch_head(&mut self, tag: &str, uid: bool, place: Option<(&str, u32)>) {
        self.out.extend_from_slice(b"* ESEARCH (TAG ");
        push_quoted(self.out, tag.as_bytes());
        if let Some((mailbox, uidvalidity)) = place {
            self.out.extend_from_slice(b" MAILBOX ");
            push_mailbox(self.out, mailbox, self.style);
            self.item(" UIDVALIDITY ", u64::from(uidvalidity));
        }
        self.out.extend_from_slice(if uid { b") UID" } else { b")" });
    }

    pub(super) fn esearch_end(&mut self, returns: &Returns, found: u64, more: Found<'_>) {
        if let Some(scores) = more.scores {
            // Of those that are returned, in their order.
            let part = returns.partial.map_or(0..found, |partial| partial.of(found));
            let part = scores.get(part.start as usize..part.end as usize).unwrap_or_default();
            self.out.extend_from_slice(b" RELEVANCY (");
            for (at, score) in part.iter().enumerate() {
                self.item(if at == 0 { "" } else { " " }, u64::from(*score));
            }
            self.out.extend_from_slice(b")");
        }
        if let Some(modseq) = more.modseq {
            self.item(" MODSEQ ", modseq);
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// ` PARTIAL (-1:-100 set)`; where `write` writes nothing it is NIL.
    pub(super) fn partial(&mut self, range: PartialRange, write: impl FnOnce(&mut Self)) {
        let minus = if range.from_end { "-" } else { "" };
        let head = format!(" PARTIAL ({minus}{}:{minus}{} ", range.first, range.last);
        self.out.extend_from_slice(head.as_bytes());
        let before = self.out.len();
        write(self);
        let nothing = self.out.len() == before;
        self.out.extend_from_slice(if nothing { b"NIL)" } else { b")" });
    }

    pub(super) fn item(&mut self, name: &str, value: u64) {
        self.out.extend_from_slice(name.as_bytes());
        push_number(self.out, value);
    }
}
