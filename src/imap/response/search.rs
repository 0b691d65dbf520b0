//! SEARCH and ESEARCH.

use super::Writer;
use super::text::{push_mailbox, push_number, push_quoted};
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

impl Writer<'_> {
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
