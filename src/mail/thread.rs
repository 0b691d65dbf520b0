//! THREAD (RFC 5256): what was found, as trees.
//!
//! The trees are lists of nodes that name their children by place, so that no depth costs stack. Links follow the
//! RFC's steps, which are named where they are taken.

use crate::collate::sort_key;
use crate::fetch::Message;
use crate::search::{Progress, Query};
use crate::sort::sent;
use crate::subject::Subject;
use crate::view::View;
use crate::{Mail, MailError};
use message::{Section, header_fields};
use std::collections::HashMap;
use std::sync::Arc;
use store::message::UidRow;

/// Most ancestors looked at for a loop; deeper conversations are cut in two.
const MAX_DEPTH: usize = 1_000;
/// Most references of one message.
const MAX_REFERENCES: usize = 100;
/// Octets of a header that are looked at for its references.
const MAX_HEADER: u64 = 64 * 1024;

/// How messages become threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// By base subject and date.
    OrderedSubject,
    /// By Message-IDs, References and base subject.
    References,
}

/// A message in a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ThreadNode {
    /// Its UID; 0: a message that was not found, but holds others together.
    pub uid: u32,
    /// Places of its children, in order.
    pub children: Vec<usize>,
}

/// Trees of messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Threads {
    /// All nodes, those that lie in no tree any more included.
    pub nodes: Vec<ThreadNode>,
    /// Places of the roots, in order.
    pub roots: Vec<usize>,
}

/// What threads are made of.
#[derive(Debug, Clone, Default)]
struct Entry {
    uid: u32,
    date: i64,
    /// Folded.
    subject: String,
    is_reply: bool,
    id: Option<String>,
    references: Vec<String>,
}

impl Entry {
    fn new(row: &UidRow, message: &Message, algorithm: Algorithm) -> Self {
        let envelope = &message.structure.envelope;
        let subject = Subject::new(envelope.subject.as_deref().unwrap_or_default());
        let mut entry = Self {
            uid: row.uid.0,
            date: sent(row, message),
            subject: sort_key(&subject.base),
            is_reply: subject.is_reply,
            ..Self::default()
        };
        if algorithm == Algorithm::References {
            entry.id = envelope.message_id.as_deref().and_then(|field| ids(field).next());
            entry.references = references(message);
        }
        entry
    }

    /// Octets of memory, about, with its nodes and what is known of its ids.
    fn weight(&self) -> u64 {
        let ids = self.references.iter().chain(&self.id).map(|id| id.len() as u64 + 160);
        160 + self.subject.len() as u64 + ids.sum::<u64>()
    }
}

/// "If a message contains a References header line, then use the Message IDs in the References header line as the
/// references. If ... not ..., then use the first (if any) valid Message ID found in the In-Reply-To header line".
fn references(message: &Message) -> Vec<String> {
    let structure = &message.structure;
    let fields =
        structure.fields.iter().filter(|field| field.name.eq_ignore_ascii_case("References"));
    let mut found: Vec<String> = fields
        .flat_map(|field| ids(&String::from_utf8_lossy(&field.value)).collect::<Vec<_>>())
        .collect();
    found = latest(found);
    if found.is_empty() {
        let field = structure.envelope.in_reply_to.as_deref().unwrap_or_default();
        found.extend(ids(field).next());
    }
    found
}

/// The last references say most.
fn latest(mut found: Vec<String>) -> Vec<String> {
    if found.len() > MAX_REFERENCES {
        found.drain(..found.len() - MAX_REFERENCES);
    }
    found
}

/// The Message-IDs of a field: "Implementations of the REFERENCES threading algorithm MUST normalize any msg-id in order
/// to avoid false non-matches due to differences in quoting."
fn ids(field: &str) -> impl Iterator<Item = String> + '_ {
    field.split('<').skip(1).filter_map(|piece| {
        let id: String = piece[..piece.find('>')?].split_ascii_whitespace().collect();
        let (local, domain) = id.rsplit_once('@')?;
        if local.is_empty() || domain.is_empty() || id.len() > 998 {
            return None;
        }
        let quoted = local.strip_prefix('"').and_then(|local| local.strip_suffix('"'));
        Some(match quoted {
            Some(quoted) => format!("{}@{domain}", unescaped(quoted)),
            None => id,
        })
    })
}

fn unescaped(quoted: &str) -> String {
    let mut out = String::with_capacity(quoted.len());
    let mut escaped = false;
    for c in quoted.chars() {
        escaped = c == '\\' && !escaped;
        if !escaped {
            out.push(c);
        }
    }
    out
}

impl Mail {
    /// The known messages of a view that match, as threads.
    ///
    /// # Errors
    /// As [`Mail::search`].
    pub async fn thread(
        &self,
        view: &View,
        query: &Query,
        algorithm: Algorithm,
        progress: &Progress,
    ) -> Result<Threads, MailError> {
        let found = self.search_watched(view, query, progress).await?;
        let (mut entries, mut cut) = (Vec::new(), Vec::new());
        let _shares = self
            .each_found(view, found, true, |row, message| {
                let Some(message) = message else { return 0 };
                let entry = Entry::new(row, message, algorithm);
                let weight = entry.weight();
                if algorithm == Algorithm::References && message.structure.fields_cut {
                    cut.push((entries.len(), Arc::clone(message)));
                }
                entries.push(entry);
                weight
            })
            .await?;
        for (at, message) in cut {
            if let Some(references) = self.long_references(&message).await {
                entries[at].references = references;
            }
        }
        Ok(match algorithm {
            Algorithm::OrderedSubject => ordered_subject(entries),
            Algorithm::References => Forest::new(entries).threads(),
        })
    }
}

impl Mail {
    /// The references of a message whose header is too long to lie with the lists. Without the blob store In-Reply-To
    /// has to do.
    async fn long_references(&self, message: &Arc<Message>) -> Option<Vec<String>> {
        let header = message.structure.section(&[], Section::Header)?;
        let header = header.start..header.end.min(header.start + MAX_HEADER);
        let block = async { self.read(message, header).await?.collect().await };
        match block.await {
            Ok(block) => {
                let field = header_fields(&block, &["References"], false);
                Some(latest(ids(&String::from_utf8_lossy(&field)).collect()))
                    .filter(|found| !found.is_empty())
            }
            Err(error) => {
                tracing::debug!(%error, message = %message.id, "a long header was not read");
                None
            }
        }
    }
}

/// "The searched messages are sorted by base subject and then by the sent date. The messages are then split into
/// separate threads, with each thread containing messages with the same base subject text. Finally, the threads are
/// sorted by the sent date of the first message in the thread."
fn ordered_subject(mut entries: Vec<Entry>) -> Threads {
    entries.sort_by(|a, b| (&a.subject, a.date, a.uid).cmp(&(&b.subject, b.date, b.uid)));
    let nodes = entries.iter().map(|entry| ThreadNode { uid: entry.uid, children: Vec::new() });
    let mut threads = Threads { nodes: nodes.collect(), roots: Vec::new() };
    let mut at = 0;
    for thread in entries.chunk_by(|a, b| a.subject == b.subject) {
        threads.roots.push(at);
        threads.nodes[at].children = (at + 1..at + thread.len()).collect();
        at += thread.len();
    }
    threads.roots.sort_by_key(|root| (entries[*root].date, entries[*root].uid));
    threads
}

/// A node of the REFERENCES algorithm; without an entry it is a dummy.
#[derive(Debug, Default)]
struct Node {
    entry: Option<usize>,
    parent: Option<usize>,
    children: Vec<usize>,
}

/// The REFERENCES algorithm at work.
#[derive(Debug)]
struct Forest {
    entries: Vec<Entry>,
    nodes: Vec<Node>,
}

impl Forest {
    /// Step 1: links.
    fn new(mut entries: Vec<Entry>) -> Self {
        // "the first (lowest sequence number) message" keeps an id that several have.
        entries.sort_by_key(|entry| entry.uid);
        let mut forest = Self { entries, nodes: Vec::new() };
        let mut by_id: HashMap<String, usize> = HashMap::new();
        let mut of_entry = Vec::with_capacity(forest.entries.len());
        for at in 0..forest.entries.len() {
            let id = forest.entries[at].id.take();
            let node = forest.nodes.len();
            forest.nodes.push(Node { entry: Some(at), ..Node::default() });
            of_entry.push(node);
            if let Some(id) = id {
                by_id.entry(id).or_insert(node);
            }
        }
        for (at, node) in of_entry.into_iter().enumerate() {
            let references = std::mem::take(&mut forest.entries[at].references);
            let mut last = None;
            for id in references {
                let nodes = &mut forest.nodes;
                let reference = *by_id.entry(id).or_insert_with(|| {
                    nodes.push(Node::default());
                    nodes.len() - 1
                });
                // (A) "If a message already has a parent, don't change the existing link."
                if let Some(parent) = last.filter(|_| forest.nodes[reference].parent.is_none()) {
                    forest.link(parent, reference);
                }
                last = Some(reference);
            }
            // (B) "break the current parent/child link before creating the new correct one".
            forest.nodes[node].parent = None;
            if let Some(parent) = last {
                forest.link(parent, node);
            }
        }
        for node in 0..forest.nodes.len() {
            if let Some(parent) = forest.nodes[node].parent {
                forest.nodes[parent].children.push(node);
            }
        }
        forest
    }

    /// "Do not create a parent/child link if creating that link would introduce a loop."
    fn link(&mut self, parent: usize, child: usize) {
        let mut above = Some(parent);
        for _ in 0..MAX_DEPTH {
            match above {
                None => {
                    self.nodes[child].parent = Some(parent);
                    return;
                }
                Some(node) if node == child => return,
                Some(node) => above = self.nodes[node].parent,
            }
        }
    }

    fn is_dummy(&self, node: usize) -> bool {
        self.nodes[node].entry.is_none()
    }

    /// All nodes below these, parents before children.
    fn downwards(&self, roots: &[usize]) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut left = roots.to_vec();
        while let Some(node) = left.pop() {
            order.push(node);
            left.extend_from_slice(&self.nodes[node].children);
        }
        order
    }

    /// Steps 2 to 6.
    fn threads(mut self) -> Threads {
        let mut roots: Vec<usize> =
            (0..self.nodes.len()).filter(|node| self.nodes[*node].parent.is_none()).collect();
        self.prune(&mut roots);
        self.sort(&roots);
        self.sort_siblings(&mut roots);
        let mut roots = self.by_subject(roots);
        self.sort(&roots);
        self.sort_siblings(&mut roots);
        let uid = |entry: usize| self.entries[entry].uid;
        let nodes = self
            .nodes
            .into_iter()
            .map(|node| ThreadNode { uid: node.entry.map_or(0, uid), children: node.children });
        Threads { nodes: nodes.collect(), roots }
    }

    /// Step 3: dummies go, their children take their place; not at the root, "unless there is only one child".
    fn prune(&mut self, roots: &mut Vec<usize>) {
        for node in self.downwards(roots).into_iter().rev() {
            let children = std::mem::take(&mut self.nodes[node].children);
            let mut kept = Vec::with_capacity(children.len());
            for child in children {
                if self.is_dummy(child) {
                    kept.append(&mut self.nodes[child].children);
                } else {
                    kept.push(child);
                }
            }
            self.nodes[node].children = kept;
        }
        let mut kept = Vec::with_capacity(roots.len());
        for root in roots.drain(..) {
            match (self.is_dummy(root), self.nodes[root].children.as_slice()) {
                (true, []) => {}
                (true, [only]) => kept.push(*only),
                _ => kept.push(root),
            }
        }
        *roots = kept;
    }

    /// What a node is sorted by: its own date, or its first child's.
    fn key(&self, node: usize) -> (i64, u32) {
        let first = self.nodes[node].children.first();
        let entry = self.nodes[node].entry.or_else(|| self.nodes[*first?].entry);
        entry.map_or((i64::MAX, u32::MAX), |entry| {
            (self.entries[entry].date, self.entries[entry].uid)
        })
    }

    fn sort_siblings(&self, siblings: &mut [usize]) {
        siblings.sort_by_key(|node| self.key(*node));
    }

    /// Steps 4 and 6: every set of siblings, the youngest generation first.
    fn sort(&mut self, roots: &[usize]) {
        for node in self.downwards(roots).into_iter().rev() {
            let mut children = std::mem::take(&mut self.nodes[node].children);
            self.sort_siblings(&mut children);
            self.nodes[node].children = children;
        }
    }

    /// "Find the subject of this thread, by using the base subject from either the current message or its first child
    /// if the current message is a dummy." Empty ones make no threads.
    fn subject(&self, root: usize) -> Option<&str> {
        let first = self.nodes[root].children.first();
        let entry = self.nodes[root].entry.or_else(|| self.nodes[*first?].entry)?;
        Some(self.entries[entry].subject.as_str()).filter(|subject| !subject.is_empty())
    }

    fn is_reply(&self, node: usize) -> bool {
        self.nodes[node].entry.is_some_and(|entry| self.entries[entry].is_reply)
    }

    /// Step 5: threads of one subject become one.
    fn by_subject(&mut self, roots: Vec<usize>) -> Vec<usize> {
        let table = self.subject_table(&roots);
        let mut roots: Vec<Option<usize>> = roots.into_iter().map(Some).collect();
        for at in 0..roots.len() {
            let Some(current) = roots[at] else { continue };
            let first = self.subject(current).and_then(|subject| table.get(subject).copied());
            let Some(first) = first.filter(|first| *first != at) else { continue };
            let Some(held) = roots[first] else { continue };
            roots[at] = None;
            if self.is_dummy(held) && self.is_dummy(current) {
                let mut children = std::mem::take(&mut self.nodes[current].children);
                self.nodes[held].children.append(&mut children);
            } else if self.is_dummy(held) || (self.is_reply(current) && !self.is_reply(held)) {
                self.nodes[held].children.push(current);
            } else {
                // "create a new dummy message and make both ... children of the dummy"
                self.nodes.push(Node { children: vec![held, current], ..Node::default() });
                roots[first] = Some(self.nodes.len() - 1);
            }
        }
        roots.into_iter().flatten().collect()
    }

    /// Step 5 B: for each subject the place of the root that takes up the others.
    fn subject_table(&self, roots: &[usize]) -> HashMap<String, usize> {
        let mut table: HashMap<String, usize> = HashMap::new();
        for (at, root) in roots.iter().enumerate() {
            let Some(subject) = self.subject(*root) else { continue };
            match table.get_mut(subject) {
                None => {
                    table.insert(subject.to_owned(), at);
                }
                Some(held) => {
                    let old = roots[*held];
                    let better =
                        self.is_dummy(*root) || (self.is_reply(old) && !self.is_reply(*root));
                    if !self.is_dummy(old) && better {
                        *held = at;
                    }
                }
            }
        }
        table
    }
}

#[cfg(test)]
mod tests;
