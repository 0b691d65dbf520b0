//! SORT and THREAD (RFC 5256 §4), and ESEARCH of an extended SORT (RFC 5267 §3).

use super::Writer;
use super::search::Found;
use super::text::push_number;
use crate::command::Sort;

/// A message in a tree of threads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ThreadNode {
    /// Its number or UID; 0: a message that was not found but holds others together.
    pub number: u32,
    /// Its children, as places in the list of nodes.
    pub children: Vec<usize>,
}

impl Writer<'_> {
    /// Answers a SORT: `* SORT ...` in this order, or `* ESEARCH` where RETURN was given.
    pub fn sort(&mut self, tag: &str, sort: &Sort, found: &[u32], more: Found<'_>) {
        match &sort.search.returns {
            None => {
                self.out.extend_from_slice(b"* SORT");
                found.iter().for_each(|number| self.item(" ", u64::from(*number)));
                if let Some(modseq) = more.modseq {
                    self.item(" (MODSEQ ", modseq);
                    self.out.extend_from_slice(b")");
                }
                self.out.extend_from_slice(b"\r\n");
            }
            Some(returns) if returns.is_silent() => {}
            Some(_) => self.sorted_esearch(tag, sort, found, more),
        }
    }

    /// MIN and MAX are "the lowest sorted" and "the highest sorted" (RFC 5267 §3.1).
    fn sorted_esearch(&mut self, tag: &str, sort: &Sort, found: &[u32], more: Found<'_>) {
        let returns = sort.search.returns.unwrap_or_default();
        self.esearch_head(tag, sort.search.uid, more.place);
        if let (true, Some(first)) = (returns.min, found.first()) {
            self.item(" MIN ", u64::from(*first));
        }
        if let (true, Some(last)) = (returns.max, found.last()) {
            self.item(" MAX ", u64::from(*last));
        }
        if returns.all && !found.is_empty() {
            self.out.extend_from_slice(b" ALL ");
            self.sequence(found);
        }
        if let Some(partial) = returns.partial {
            let part = partial.of(found.len() as u64);
            self.partial(partial, |writer| {
                writer.sequence(&found[part.start as usize..part.end as usize]);
            });
        }
        if returns.count {
            self.item(" COUNT ", found.len() as u64);
        }
        self.esearch_end(&returns, found.len() as u64, more);
    }

    /// Numbers in their order; only runs that rise by one become ranges.
    pub(super) fn sequence(&mut self, numbers: &[u32]) {
        let follows = |a: &u32, b: &u32| a.checked_add(1) == Some(*b);
        for (at, run) in numbers.chunk_by(follows).enumerate() {
            let head = if at == 0 { "" } else { "," };
            if let Some(first) = run.first() {
                self.item(head, u64::from(*first));
            }
            if let (Some(last), true) = (run.last(), run.len() > 1) {
                self.item(":", u64::from(*last));
            }
        }
    }

    /// `* THREAD (2)(3 6 (4 23)(44 7 96))`. The nodes must form trees; how deep they are costs no stack.
    pub fn threads(&mut self, nodes: &[ThreadNode], roots: &[usize]) {
        self.out.extend_from_slice(if roots.is_empty() { b"* THREAD" } else { b"* THREAD " });
        for root in roots {
            // `None` closes a parenthesis.
            let mut left = vec![Some(*root)];
            while let Some(next) = left.pop() {
                match next {
                    Some(node) => self.thread(nodes, node, &mut left),
                    None => self.out.extend_from_slice(b")"),
                }
            }
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// One thread as far as it does not branch.
    fn thread(&mut self, nodes: &[ThreadNode], root: usize, left: &mut Vec<Option<usize>>) {
        self.out.extend_from_slice(b"(");
        left.push(None);
        let mut numbers = 0;
        let mut at = root;
        while let Some(node) = nodes.get(at) {
            if node.number != 0 {
                self.out.extend_from_slice(if numbers > 0 { b" " } else { b"" });
                push_number(self.out, u64::from(node.number));
                numbers += 1;
            }
            match node.children.as_slice() {
                [] => return,
                [only] => at = *only,
                several => {
                    self.out.extend_from_slice(if numbers > 0 { b" " } else { b"" });
                    left.extend(several.iter().rev().map(|child| Some(*child)));
                    return;
                }
            }
        }
    }
}
