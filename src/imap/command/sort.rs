//! SORT and THREAD (RFC 5256), SORT=DISPLAY (RFC 5957), ESORT and CONTEXT=SORT (RFC 5267).

use super::search::{NOT_FUZZY, Search, charset_name, program, return_options};
use super::{Call, Command, Request};
use crate::capability::Capability;
use crate::cursor::{Cursor, Parsed, Refusal};
use crate::response::Code;
use crate::set::NumberSet;

/// Most criteria of one SORT; protects what compares by them.
const MAX_CRITERIA: usize = 32;

/// SORT.
#[derive(Debug, Clone, PartialEq)]
pub struct Sort {
    /// What to find; where it has result options the answer is ESEARCH.
    pub search: Search,
    /// How to order it, most important first. What they leave equal stays in the mailbox's order.
    pub criteria: Vec<SortCriterion>,
}

impl Sort {
    /// What of these numbers, which are in order, is returned and saved: as [`Returns::saved`], where MIN and MAX
    /// are the first and the last (RFC 5267 §3.1).
    #[must_use]
    pub fn saved(&self, found: &[u32]) -> NumberSet {
        let all = || found.iter().copied().collect();
        let Some(returns) = &self.search.returns else { return all() };
        if returns.all
            || returns.count
            || !(returns.min || returns.max || returns.partial.is_some())
        {
            return all();
        }
        let part = returns.partial.map_or(0..0, |partial| partial.of(found.len() as u64));
        let part = &found[part.start as usize..part.end as usize];
        let min = found.first().filter(|_| returns.min);
        let max = found.last().filter(|_| returns.max);
        part.iter().chain(min).chain(max).copied().collect()
    }
}

/// One criterion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortCriterion {
    /// Descending.
    pub reverse: bool,
    /// By what.
    pub key: SortKey,
}

/// By what SORT orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    /// INTERNALDATE with its time.
    Arrival,
    /// The mailbox part of the first Cc address.
    Cc,
    /// The sent date with its time.
    Date,
    /// The mailbox part of the first From address.
    From,
    /// RFC822.SIZE
    Size,
    /// The base subject.
    Subject,
    /// The mailbox part of the first To address.
    To,
    /// The first From address as it is shown (RFC 5957).
    DisplayFrom,
    /// The first To address as it is shown (RFC 5957).
    DisplayTo,
    /// How well it matches, the best first (RFC 6203 §6).
    Relevancy,
}

/// THREAD.
#[derive(Debug, Clone, PartialEq)]
pub struct Thread {
    /// What to find.
    pub search: Search,
    /// How to make threads of it.
    pub algorithm: ThreadAlgorithm,
}

/// How messages become threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadAlgorithm {
    /// By base subject and date.
    OrderedSubject,
    /// By Message-IDs, References and base subject.
    References,
}

/// `"SORT" [SP "RETURN" SP "(" ... ")"] SP sort-criteria SP charset 1*(SP search-key)`
pub(super) fn sort(cursor: &mut Cursor<'_>, call: Call) -> Parsed<Request> {
    cursor.space()?;
    let mut returns = None;
    if cursor.take_word("RETURN ") {
        cursor.need_either(Capability::ESort, Capability::ContextSort)?;
        returns = Some(return_options(cursor, Capability::ContextSort)?);
        cursor.space()?;
    }
    let criteria = cursor.some_list(MAX_CRITERIA, criterion)?;
    cursor.space()?;
    charset_name(cursor)?;
    cursor.space()?;
    let search = program(cursor, call.uid, returns)?;
    if criteria.iter().any(|criterion| criterion.key == SortKey::Relevancy) && !cursor.fuzzy {
        return Err(NOT_FUZZY);
    }
    Ok(Request::Command(Command::Sort(Sort { search, criteria })))
}

/// `["REVERSE" SP] sort-key`
fn criterion(cursor: &mut Cursor<'_>) -> Parsed<SortCriterion> {
    let reverse = cursor.take_word("REVERSE ");
    let key = match cursor.name()?.to_ascii_uppercase().as_str() {
        "ARRIVAL" => SortKey::Arrival,
        "CC" => SortKey::Cc,
        "DATE" => SortKey::Date,
        "FROM" => SortKey::From,
        "SIZE" => SortKey::Size,
        "SUBJECT" => SortKey::Subject,
        "TO" => SortKey::To,
        "DISPLAYFROM" => display(cursor, SortKey::DisplayFrom)?,
        "DISPLAYTO" => display(cursor, SortKey::DisplayTo)?,
        "RELEVANCY" => {
            cursor.need(Capability::SearchFuzzy)?;
            SortKey::Relevancy
        }
        _ => return Err(Refusal::bad("Unknown sort criterion")),
    };
    Ok(SortCriterion { reverse, key })
}

fn display(cursor: &Cursor<'_>, key: SortKey) -> Parsed<SortKey> {
    cursor.need(Capability::SortDisplay).map(|()| key)
}

/// `"THREAD" SP thread-alg SP charset 1*(SP search-key)`
pub(super) fn thread(cursor: &mut Cursor<'_>, call: Call) -> Parsed<Request> {
    cursor.space()?;
    let name = cursor.name()?;
    let known = [
        ("ORDEREDSUBJECT", ThreadAlgorithm::OrderedSubject, Capability::ThreadOrderedSubject),
        ("REFERENCES", ThreadAlgorithm::References, Capability::ThreadReferences),
    ];
    let found = known.into_iter().find(|(known, ..)| known.eq_ignore_ascii_case(name));
    let Some((_, algorithm, capability)) = found else {
        return Err(Refusal::no(Code::Cannot, "Unknown threading algorithm"));
    };
    cursor.need(capability)?;
    cursor.space()?;
    charset_name(cursor)?;
    cursor.space()?;
    let search = program(cursor, call.uid, None)?;
    Ok(Request::Command(Command::Thread(Thread { search, algorithm })))
}
