//! SEARCH and ESEARCH.

use super::Writer;
use super::text::{push_number, push_quoted};
use crate::command::{PartialRange, Search};
use crate::set::NumberSet;

impl Writer<'_> {
    /// Answers a search: `* ESEARCH (TAG "t") ...` where RETURN was given or IMAP4rev2 enabled, else
    /// `* SEARCH ...`. `RETURN (SAVE)` alone has no answer (RFC 5182 §2.1).
    pub fn search(&mut self, tag: &str, search: &Search, found: &NumberSet) {
        self.search_with(tag, search, found, None);
    }

    /// As [`Writer::search`]; with the highest mod-sequence of the messages returned where the keys hold MODSEQ
    /// ([`Search::modseq`]; of which messages says [`Search::returned`]).
    pub fn search_with(
        &mut self,
        tag: &str,
        search: &Search,
        found: &NumberSet,
        modseq: Option<u64>,
    ) {
        match &search.returns {
            Some(returns) if returns.is_silent() => {}
            Some(_) => self.esearch(tag, search, found, modseq),
            None => self.plain_search(found, modseq),
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

    fn esearch(&mut self, tag: &str, search: &Search, found: &NumberSet, modseq: Option<u64>) {
        let returns = search.returns.unwrap_or_default();
        self.esearch_head(tag, search.uid);
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
        if let Some(modseq) = modseq {
            self.item(" MODSEQ ", modseq);
        }
        self.out.extend_from_slice(b"\r\n");
    }

    pub(super) fn esearch_head(&mut self, tag: &str, uid: bool) {
        self.out.extend_from_slice(b"* ESEARCH (TAG ");
        push_quoted(self.out, tag.as_bytes());
        self.out.extend_from_slice(if uid { b") UID" } else { b")" });
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
