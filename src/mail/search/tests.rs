use super::*;
use chrono::{TimeZone, Utc};
use message::Scanner;
use types::{BlobId, Uid};

fn row(uid: u32, flags: Flags) -> UidRow {
    let at = Utc.with_ymd_and_hms(2026, 11, 23, 23, 30, 0).unwrap();
    UidRow {
        uid: Uid(uid),
        flags,
        keywords: vec!["Work".into()],
        modseq: ModSeq(7),
        message: MessageId::new(),
        thread: ThreadId::new(),
        received_at: at,
        saved_at: at,
        size: 1_000,
    }
}

fn message(text: &str) -> Message {
    let mut scanner = Scanner::new();
    scanner.feed(text.as_bytes());
    let scanned = scanner.finish();
    let row = store::message::MessageRow {
        id: MessageId::new(),
        blob: BlobId::new(),
        size: text.len() as u32,
        structure: scanned.structure.encode(),
        preview: scanned.preview,
    };
    Message::decode(row).unwrap()
}

const MAIL: &str = "Date: Fri, 21 Nov 2026 23:59:00 -0900\r\nFrom: =?utf-8?q?J=C3=B6rg?= <j@x.example>\r\n\
    Subject: Hello\r\n World\r\nX-Odd: strange\r\n\r\nbody\r\n";

/// The answer of each stage: the row, then the structure.
fn stages(key: Key) -> (Option<bool>, Option<bool>) {
    let query = Query::new(key);
    let (row, message) = (row(5, Flags::SEEN), message(MAIL));
    let ask = |message| {
        let facts = Facts { row: &row, recent: true, absent: 0, message, found: None };
        query.root.judge(&facts, &query.needles)
    };
    (ask(None), ask(Some(&message)))
}

fn header(name: &str, text: &str) -> Key {
    Key::Header(name.into(), text.into())
}

#[test]
fn rows_answer_for_flags_dates_and_sizes() {
    let day = |d| NaiveDate::from_ymd_opt(2026, 11, d).unwrap();
    for (key, wanted) in [
        (Key::All, true),
        (Key::Flags(Flags::SEEN), true),
        (Key::Flags(Flags::DELETED), false),
        (Key::Keyword("wORK".into()), true),
        (Key::Keyword("$Junk".into()), false),
        (Key::Recent, true),
        (Key::Larger(999), true),
        (Key::Larger(1_000), false),
        (Key::Smaller(1_000), false),
        (Key::Received(When::On, day(23)), true),
        (Key::Received(When::Before, day(23)), false),
        (Key::Received(When::Since, day(23)), true),
        (Key::Saved(When::Since, day(24)), false),
        (Key::Uids(UidSet::from_ranges([4..=6])), true),
        (Key::ModSeq(ModSeq(8)), false),
        (Key::Not(Box::new(Key::Flags(Flags::SEEN))), false),
    ] {
        assert_eq!(stages(key.clone()).0, Some(wanted), "{key:?}");
    }
}

#[test]
fn structures_answer_for_kept_fields() {
    let day = |d| NaiveDate::from_ymd_opt(2026, 11, d).unwrap();
    for (key, wanted) in [
        (header("SUBJECT", "hello world"), Some(true)),
        (header("subject", "bye"), Some(false)),
        (header("From", "JÖRG"), Some(true)),
        (header("From", "x.example"), Some(true)),
        (header("Cc", ""), Some(false)),
        (header("To", ""), Some(false)),
        (header("Subject", ""), Some(true)),
        (header("X-Odd", "strange"), None),
        (Key::Sent(When::On, day(21)), Some(true)),
        (Key::Sent(When::Before, day(21)), Some(false)),
        (Key::Body("body".into()), None),
    ] {
        let (by_row, by_structure) = stages(key.clone());
        assert_eq!((by_row, by_structure), (None, wanted), "{key:?}");
    }
}

#[test]
fn a_cheap_answer_spares_the_dear_one() {
    let body = || Key::Body("x".into());
    let (seen, unseen) = (Key::Flags(Flags::SEEN), Key::Not(Box::new(Key::Flags(Flags::SEEN))));
    let or = |a: &Key, b: Key| Key::Or(Box::new(a.clone()), Box::new(b));
    assert_eq!(stages(or(&seen, body())).0, Some(true));
    assert_eq!(stages(or(&unseen, body())).0, None);
    assert_eq!(stages(Key::And(vec![body(), unseen.clone()])).0, Some(false));
    assert_eq!(stages(Key::And(vec![body(), seen])).0, None);
    assert_eq!(stages(Key::Not(Box::new(body()))), (None, None));
}

#[test]
fn found_bytes_settle_the_rest() {
    let query = Query::new(Key::And(vec![
        Key::Body("a".into()),
        Key::Not(Box::new(Key::Text("b".into()))),
    ]));
    let (row, message) = (row(1, Flags::default()), message(MAIL));
    let ask = |found: &[u8]| {
        let facts = Facts {
            row: &row,
            recent: false,
            absent: 0,
            message: Some(&message),
            found: Some(found),
        };
        query.root.judge(&facts, &query.needles)
    };
    assert_eq!(ask(&[100, 0]), Some(true));
    assert_eq!(ask(&[1, 70]), Some(false));
    assert_eq!(ask(&[0, 0]), Some(false));
}

#[test]
fn named_uids_narrow_the_reading() {
    let all = UidSet::from_ranges([1..=100]);
    let uids = Key::Uids(UidSet::from_ranges([90..=200]));
    let query = Query::new(Key::And(vec![uids.clone(), Key::Flags(Flags::SEEN)]));
    assert_eq!(query.candidates(all.clone()).runs(), &[90..=100]);
    let query = Query::new(Key::Not(Box::new(uids)));
    assert_eq!(query.candidates(all.clone()), all);
}
