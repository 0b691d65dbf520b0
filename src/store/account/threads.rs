//! Which deliveries of one batch belong to one conversation.
//!
//! The database knows the conversations of the past; two replies to the same unseen message in one batch
//! would each look new to it. So a batch's Message-ID hashes are joined into groups first, per account,
//! and the database resolves each group once.

use std::collections::HashMap;
use types::AccountId;
use uuid::Uuid;

/// The groups of one batch, in the shape `deliver_v1` takes: 1-based indexes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Groups {
    /// Per group: its account.
    pub account: Vec<i32>,
    /// Per group: the thread id if the past knows none.
    pub fallback: Vec<Uuid>,
    /// Per delivery: its group.
    pub of_delivery: Vec<i32>,
    /// Per hash: its group.
    pub hash_group: Vec<i32>,
    /// The hashes.
    pub hash: Vec<i64>,
}

/// Joins deliveries (account, fallback thread id, hashes) that share a hash within an account.
pub(super) fn group<'a>(deliveries: impl Iterator<Item = (AccountId, Uuid, &'a [i64])>) -> Groups {
    let mut parents: Vec<usize> = Vec::new();
    let mut members: Vec<(AccountId, Uuid)> = Vec::new();
    let mut owner: HashMap<(AccountId, i64), usize> = HashMap::new();
    for (account, fallback, hashes) in deliveries {
        let me = parents.len();
        parents.push(me);
        members.push((account, fallback));
        for hash in hashes {
            let other = *owner.entry((account, *hash)).or_insert(me);
            let (a, b) = (root(&mut parents, other), root(&mut parents, me));
            // The earlier delivery stays the root, so its id names a new conversation.
            parents[a.max(b)] = a.min(b);
        }
    }
    number(&mut parents, &members, owner)
}

fn number(
    parents: &mut [usize],
    members: &[(AccountId, Uuid)],
    owner: HashMap<(AccountId, i64), usize>,
) -> Groups {
    let mut groups = Groups::default();
    let mut index_of_root: HashMap<usize, i32> = HashMap::new();
    for member in 0..parents.len() {
        let top = root(parents, member);
        let index = *index_of_root.entry(top).or_insert_with(|| {
            groups.account.push(members[top].0.0);
            groups.fallback.push(members[top].1);
            groups.account.len() as i32
        });
        groups.of_delivery.push(index);
    }
    let mut hashes: Vec<_> = owner.into_iter().collect();
    // Index order, so that two batches insert the same hashes in the same order.
    hashes.sort_unstable_by_key(|(key, _)| *key);
    for ((_, hash), member) in hashes {
        groups.hash_group.push(index_of_root[&root(parents, member)]);
        groups.hash.push(hash);
    }
    groups
}

fn root(parents: &mut [usize], mut at: usize) -> usize {
    while parents[at] != at {
        parents[at] = parents[parents[at]];
        at = parents[at];
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(input: &[(i32, &[i64])]) -> Groups {
        let ids: Vec<Uuid> = (0..input.len()).map(|n| Uuid::from_u128(n as u128)).collect();
        group(
            input.iter().zip(ids).map(|((account, hashes), id)| (AccountId(*account), id, *hashes)),
        )
    }

    #[test]
    fn two_replies_of_one_thread_are_one_group() {
        let groups = run(&[(1, &[10, 7]), (1, &[11, 7]), (2, &[12, 7])]);
        assert_eq!(groups.of_delivery, [1, 1, 2]);
        assert_eq!(groups.account, [1, 2]);
        assert_eq!(groups.fallback, [Uuid::from_u128(0), Uuid::from_u128(2)]);
    }

    #[test]
    fn a_later_message_joins_two_groups() {
        let groups = run(&[(1, &[1]), (1, &[2]), (1, &[3, 1, 2])]);
        assert_eq!(groups.of_delivery, [1, 1, 1]);
        assert_eq!(groups.hash_group, [1, 1, 1]);
    }

    #[test]
    fn messages_without_ids_stand_alone() {
        let groups = run(&[(1, &[]), (1, &[])]);
        assert_eq!(groups.of_delivery, [1, 2]);
        assert!(groups.hash.is_empty());
    }
}
