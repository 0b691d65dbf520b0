//! The algorithms against small mailboxes, and what holds for any.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// `uid date "subject" id < references`, one per line.
fn entries(text: &str) -> Vec<Entry> {
    text.lines()
        .map(|line| line.trim())
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (head, rest) = line.split_once('"').unwrap();
            let (subject, rest) = rest.split_once('"').unwrap();
            let mut numbers = head.split_whitespace().map(|word| word.parse::<i64>().unwrap());
            let (id, references) = rest.split_once('<').unwrap_or((rest, ""));
            let subject = Subject::new(subject);
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            Entry {
                uid: numbers.next().unwrap() as u32,
                date: numbers.next().unwrap(),
                subject: sort_key(&subject.base),
                is_reply: subject.is_reply,
                id: words(id).pop(),
                references: words(references),
            }
        })
        .collect()
}

fn shown(threads: &Threads) -> String {
    fn one(threads: &Threads, node: usize, out: &mut String) {
        let ThreadNode { uid, children } = &threads.nodes[node];
        if *uid != 0 {
            *out += &uid.to_string();
        }
        for child in children {
            if children.len() == 1 {
                *out += if *uid != 0 { " " } else { "" };
                one(threads, *child, out);
            } else {
                *out += if *uid != 0 && !out.ends_with([' ', ')']) { " (" } else { "(" };
                one(threads, *child, out);
                *out += ")";
            }
        }
    }
    let mut out = String::new();
    for root in &threads.roots {
        out += "(";
        one(threads, *root, &mut out);
        out += ")";
    }
    out
}

fn references_of(text: &str) -> String {
    shown(&Forest::new(entries(text)).threads())
}

#[test]
fn replies_hang_below_what_they_answer() {
    // RFC 5256 §4: `(2)(3 6 (4 23)(44 7 96))`
    let threads = references_of(
        r#"2 1 "other" a
           3 2 "x" b
           6 3 "Re: x" c < b
           4 4 "Re: x" d < b c
           23 5 "Re: x" e < b c d
           44 6 "Re: x" f < c
           7 7 "Re: x" g < f
           96 8 "Re: x" h < b c f g"#,
    );
    assert_eq!(threads, "(2)(3 6 (4 23)(44 7 96))");
}

#[test]
fn who_is_missing_holds_others_together() {
    // RFC 5256 §4: `((3)(5))`
    assert_eq!(references_of("3 1 \"x\" a < gone\n5 2 \"y\" b < gone"), "((3)(5))");
    // One child takes the place of who is missing; a missing one within a thread is spliced out.
    assert_eq!(references_of("3 1 \"x\" a < gone"), "(3)");
    assert_eq!(
        references_of("1 1 \"x\" a\n2 2 \"x\" b < a gone\n3 3 \"x\" c < a gone"),
        "(1 (2)(3))"
    );
}

#[test]
fn loops_and_lies_end_somewhere() {
    assert_eq!(references_of("1 1 \"x\" a < b\n2 2 \"y\" b < a"), "(2 1)");
    assert_eq!(references_of("1 1 \"x\" a < a"), "(1)");
    // Of two with one id the first has it; the other hangs nowhere.
    assert_eq!(references_of("1 1 \"x\" a\n2 2 \"y\" a\n3 3 \"z\" c < a"), "(1 3)(2)");
    // Who a message answers it says itself: what another one's list claimed is undone.
    assert_eq!(references_of("1 1 \"x\" a\n2 2 \"y\" c < a b\n3 3 \"z\" b"), "(1)(3 2)");
}

#[test]
fn subjects_bring_threads_together() {
    // A reply without references hangs below the first of its subject.
    assert_eq!(references_of("1 1 \"x\" a\n2 2 \"Re: x\" b\n3 3 \"re: [l] X\" c"), "(1 (2)(3))");
    // Two that are no replies become siblings, below nobody.
    assert_eq!(references_of("1 1 \"x\" a\n2 2 \"x\" b"), "((1)(2))");
    // The one that is no reply comes first, whatever its date.
    assert_eq!(references_of("1 5 \"x\" a\n2 2 \"Re: x\" b"), "(1 2)");
    // Empty subjects are no subject.
    assert_eq!(references_of("1 1 \"\" a\n2 2 \"Re:\" b"), "(1)(2)");
    // With a missing parent there already, others join its children.
    assert_eq!(references_of("1 1 \"x\" a < gone\n2 2 \"x\" b < gone\n3 3 \"x\" c"), "((1)(2)(3))");
}

#[test]
fn dates_order_siblings_and_threads() {
    assert_eq!(
        references_of(
            "1 9 \"a\" a\n2 5 \"b\" b\n3 7 \"a\" c < a\n4 6 \"a\" d < a\n5 6 \"a\" e < a"
        ),
        "(2)(1 (4)(5)(3))"
    );
}

#[test]
fn ordered_subjects() {
    let threads = ordered_subject(entries(
        r#"1 5 "b" a
           2 1 "a" b
           3 9 "Re: A" c
           4 3 "[x] fwd: a" d
           5 6 "" e"#,
    ));
    assert_eq!(shown(&threads), "(2 (4)(3))(1)(5)");
}

#[test]
fn ids_are_normalized() {
    let found = |field: &str| ids(field).collect::<Vec<_>>();
    assert_eq!(
        found("<\"01KF8JCEOCBS0045PS\"@xxx.yyy.com>"),
        found("<01KF8JCEOCBS0045PS@xxx.yyy.com>")
    );
    assert_eq!(found("<\"a\\\"b\\\\\"@x> (c) <d@x>\r\n\t<e @ x>"), ["a\"b\\@x", "d@x", "e@x"]);
    assert_eq!(found("<> <@x> <a@> <a> < b@x"), Vec::<String>::new());
}

/// A chain of many replies is made and taken apart without a stack.
#[test]
fn long_conversations_are_cut_not_fatal() {
    let chain: Vec<Entry> = (1..=20_000u32)
        .map(|uid| Entry {
            uid,
            date: i64::from(uid),
            subject: format!("S{uid}"),
            id: Some(format!("{uid}@x")),
            references: (uid > 1).then(|| format!("{}@x", uid - 1)).into_iter().collect(),
            ..Entry::default()
        })
        .collect();
    let threads = Forest::new(chain).threads();
    let mut found = BTreeSet::new();
    let mut left = threads.roots.clone();
    while let Some(node) = left.pop() {
        assert!(found.insert(threads.nodes[node].uid));
        left.extend(&threads.nodes[node].children);
    }
    assert_eq!(found.len(), 20_000);
    assert!(threads.roots.len() <= 21, "{}", threads.roots.len());
}

proptest! {
    /// Whatever messages claim of each other: every one is in exactly one place, and no dummy lies below the root.
    #[test]
    fn everyone_is_somewhere_once(
        messages in prop::collection::vec(
            (0i64..5, 0usize..4, 0usize..12, prop::collection::vec(0usize..12, 0..5)), 1..14,
        ),
        subject_only: bool,
    ) {
        let subjects = ["x", "Re: x", "y", ""];
        let entries: Vec<Entry> = messages
            .into_iter()
            .enumerate()
            .map(|(at, (date, subject, id, references))| {
                let subject = Subject::new(subjects[subject]);
                Entry {
                    uid: at as u32 + 1,
                    date,
                    subject: sort_key(&subject.base),
                    is_reply: subject.is_reply,
                    id: (id > 1).then(|| format!("{id}@x")),
                    references: references.into_iter().map(|id| format!("{id}@x")).collect(),
                }
            })
            .collect();
        let count = entries.len();
        let threads =
            if subject_only { ordered_subject(entries) } else { Forest::new(entries).threads() };
        let mut seen = BTreeSet::new();
        let mut left: Vec<(usize, bool)> = threads.roots.iter().map(|root| (*root, true)).collect();
        while let Some((node, root)) = left.pop() {
            let ThreadNode { uid, children } = &threads.nodes[node];
            if *uid == 0 {
                prop_assert!(root && children.len() > 1, "{threads:?}");
            } else {
                prop_assert!(seen.insert(*uid), "{threads:?}");
            }
            left.extend(children.iter().map(|child| (*child, false)));
        }
        prop_assert_eq!(seen.len(), count);
    }
}
