//! Filters (RFC 5466): searches that a user has named, kept as annotations of the server.

use crate::answer::{Answer, Stop};
use crate::client::Client;
use imap::{Code, MetadataEntry, Search, SearchKey, Session};
use std::borrow::Cow;
use std::collections::HashMap;

/// Where what they say is kept: a private filter goes before a public one of the same name (§1).
const ROOTS: [&str; 2] = ["/private/filters/values/", "/shared/filters/values/"];
/// "Implementations MUST be able to perform at least 3 substitution passes" (§3.1); what is still there then refers to
/// itself, or might as well.
const PASSES: u32 = 4;
/// Filters put into one search, and keys after that: filters of filters must not grow without bounds.
const MAX_FILTERS: usize = 100;
const MAX_KEYS: usize = 4_000;

/// The search with what its filters say in their places, as if in parentheses.
///
/// # Errors
/// UNDEFINED-FILTER for one that does not exist, is no search, or leads to itself.
pub(super) async fn expanded<'a>(
    client: &mut Client,
    search: &'a Search,
) -> Result<Cow<'a, Search>, Stop> {
    let mut search = Cow::Borrowed(search);
    let mut total = 0;
    for _ in 0..PASSES {
        let mut names = Vec::new();
        let mut keys = 0;
        search.keys.iter().for_each(|key| names_in(key, &mut names, &mut keys));
        if names.is_empty() {
            return Ok(search);
        }
        total += names.len();
        if total > MAX_FILTERS || keys > MAX_KEYS {
            return Err(Answer::no(Code::Limit, "Too many filters").into());
        }
        let said = values(client, &names).await?;
        let mut filled = search.into_owned();
        for key in &mut filled.keys {
            fill(&client.machine, key, &said, &mut filled.modseq)?;
        }
        search = Cow::Owned(filled);
    }
    let mut names = Vec::new();
    search.keys.iter().for_each(|key| names_in(key, &mut names, &mut 0));
    match names.first() {
        None => Ok(search),
        Some(name) => Err(Answer::undefined_filter(name).into()),
    }
}

/// Whether what is stored in a filter's place is a full and correct search (§3.2: a server SHOULD look).
pub(super) fn is_sound(machine: &Session, (entry, value): &MetadataEntry) -> bool {
    let filter = ROOTS.iter().any(|root| entry.starts_with(root));
    match value {
        Some(value) if filter => machine.search_criteria(value).is_ok(),
        _ => true,
    }
}

fn names_in<'k>(key: &'k SearchKey, names: &mut Vec<&'k str>, keys: &mut usize) {
    *keys += 1;
    match key {
        SearchKey::Filter(name) => names.push(name),
        SearchKey::Not(key) | SearchKey::Fuzzy(key) => names_in(key, names, keys),
        SearchKey::Or(a, b) => [a, b].into_iter().for_each(|key| names_in(key, names, keys)),
        SearchKey::And(all) => all.iter().for_each(|key| names_in(key, names, keys)),
        _ => {}
    }
}

/// What the filters of these names say.
async fn values(client: &mut Client, names: &[&str]) -> Result<HashMap<String, Vec<u8>>, Stop> {
    let entry = |root: &str, name: &str| format!("{root}{}", name.to_ascii_lowercase());
    let entries: Vec<String> =
        names.iter().flat_map(|name| ROOTS.map(|root| entry(root, name))).collect();
    let (account, mail) = (client.account()?, client.shared.mail.clone());
    let found = mail.metadata(account, None, &entries, 0).await?;
    let mut values = HashMap::new();
    for root in ROOTS {
        for annotation in &found {
            if let Some(name) = annotation.entry.strip_prefix(root) {
                values.entry(name.to_owned()).or_insert_with(|| annotation.value.clone());
            }
        }
    }
    Ok(values)
}

fn fill(
    machine: &Session,
    key: &mut SearchKey,
    said: &HashMap<String, Vec<u8>>,
    modseq: &mut bool,
) -> Result<(), Stop> {
    match key {
        SearchKey::Filter(name) => {
            let value = said.get(&name.to_ascii_lowercase());
            let search = value.and_then(|value| machine.search_criteria(value).ok());
            let Some(search) = search else { return Err(Answer::undefined_filter(name).into()) };
            *modseq |= search.modseq;
            *key = SearchKey::And(search.keys);
        }
        SearchKey::Not(key) | SearchKey::Fuzzy(key) => fill(machine, key, said, modseq)?,
        SearchKey::Or(a, b) => {
            fill(machine, a, said, modseq)?;
            fill(machine, b, said, modseq)?;
        }
        SearchKey::And(all) => {
            for key in all {
                fill(machine, key, said, modseq)?;
            }
        }
        _ => {}
    }
    Ok(())
}
