use super::*;
use crate::Section;
use proptest::prelude::*;

const NESTED: &[u8] = b"From: A <a@x.org>\r\nSubject: outer\r\nMessage-ID: <m1@x>\r\n\
Content-Type: multipart/mixed; boundary=\"b1\"\r\n\r\npreamble\r\n--b1\r\n\
Content-Type: text/plain; charset=utf-8\r\n\r\nHello  there\r\nworld\r\n--b1\r\n\
Content-Type: message/rfc822\r\n\r\nSubject: inner\r\nFrom: b@y\r\n\
Content-Type: multipart/alternative; boundary=b2\r\n\r\n--b2\r\n\r\nplain\r\n--b2\r\n\
Content-Type: text/html\r\n\r\n<p>x</p>\r\n--b2--\r\n--b1--\r\nepilogue\r\n";

fn scan(message: &[u8]) -> Scanned {
    let mut scanner = Scanner::new();
    scanner.feed(message);
    scanner.finish()
}

fn scan_in_pieces(message: &[u8], size: usize) -> Scanned {
    let mut scanner = Scanner::new();
    message.chunks(size).for_each(|piece| scanner.feed(piece));
    scanner.finish()
}

fn text<'a>(message: &'a [u8], found: &Scanned, number: &[u32], section: Section) -> &'a str {
    let range = found.structure.section(number, section).unwrap();
    std::str::from_utf8(&message[range.start as usize..range.end as usize]).unwrap()
}

#[test]
fn nested_parts_have_their_octets() {
    let found = scan(NESTED);
    assert_eq!(text(NESTED, &found, &[1], Section::Whole), "Hello  there\r\nworld");
    assert_eq!(
        text(NESTED, &found, &[1], Section::Mime),
        "Content-Type: text/plain; charset=utf-8\r\n\r\n"
    );
    assert!(text(NESTED, &found, &[2], Section::Header).starts_with("Subject: inner"));
    assert_eq!(text(NESTED, &found, &[2, 1], Section::Whole), "plain");
    assert_eq!(text(NESTED, &found, &[2, 2], Section::Whole), "<p>x</p>");
    assert!(text(NESTED, &found, &[2], Section::Text).ends_with("--b2--"));
    assert_eq!(found.structure.section(&[3], Section::Whole), None);
    assert_eq!(found.structure.section(&[1, 1], Section::Whole), None);
    assert_eq!(found.structure.section(&[1], Section::Header), None);
    assert_eq!(found.preview, "Hello there world");
    assert_eq!(found.references.len(), 1);
    let Kind::Multipart(parts) = &found.structure.root.kind else { panic!("multipart") };
    let Kind::Message(inner) = &parts[1].kind else { panic!("message") };
    assert_eq!(inner.0.subject.as_deref(), Some("inner"));
    assert_eq!(parts[0].lines, 1);
}

#[test]
fn a_plain_message_is_part_one() {
    let message = b"Subject: x\r\n\r\nline one\r\nline two\r\n";
    let found = scan(message);
    assert_eq!(text(message, &found, &[1], Section::Whole), "line one\r\nline two\r\n");
    assert_eq!(text(message, &found, &[], Section::Text), "line one\r\nline two\r\n");
    assert_eq!(found.structure.root.lines, 2);
    assert_eq!(found.structure.part(&[2]), None);
    assert!(found.structure.covers(&["subject", "TO"]));
    assert!(!found.structure.covers(&["X-Anything"]));
}

#[test]
fn broken_mail_is_described() {
    for message in [
        &b""[..],
        b"\r\n",
        b"no header at all",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x",
        b"Content-Type: multipart/mixed\r\n\r\n--\r\n",
        b"Content-Type: message/rfc822\r\n\r\n",
        b"Subject: header only\r\n",
    ] {
        let found = scan(message);
        assert_eq!(found.structure.size, message.len() as u64);
        assert_eq!(found, scan_in_pieces(message, 1), "{message:?}");
    }
}

#[test]
fn nesting_and_part_attacks_are_bounded() {
    let mut deep = Vec::new();
    for n in 0..500 {
        deep.extend_from_slice(
            format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n").as_bytes(),
        );
    }
    let found = scan(&deep);
    assert!(found.structure.encode().len() < 20_000);
    let mut wide = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
    for _ in 0..5_000 {
        wide.extend_from_slice(b"--b\r\n\r\nx\r\n");
    }
    let Kind::Multipart(parts) = scan(&wide).structure.root.kind else { panic!("multipart") };
    assert_eq!(parts.len(), MAX_PARTS - 1);
    let rfc822 = "Content-Type: message/rfc822\r\n\r\n".repeat(2_000);
    let _ = scan(rfc822.as_bytes());
}

#[test]
fn huge_headers_are_cut_and_said_so() {
    let header = format!("Subject: {}\r\nFrom: a@b\r\n\r\nbody", "x".repeat(300_000));
    let found = scan(header.as_bytes());
    assert!(found.structure.fields_cut);
    assert_eq!(text(header.as_bytes(), &found, &[], Section::Text), "body");
}

#[test]
fn the_stored_form_round_trips() {
    let structure = scan(NESTED).structure;
    assert_eq!(Structure::decode(&structure.encode()), Ok(structure.clone()));
    assert!(Structure::decode(b"").is_err());
    assert!(Structure::decode(&[9, 1, 2]).is_err());
}

/// The corpus, where it lies beside the project: pieces of any size give the same structure.
#[test]
fn the_corpus_is_read_alike_in_pieces() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus");
    if !std::path::Path::new(root).exists() {
        eprintln!("{root} is not there: skipped");
        return;
    }
    let mut seen = 0;
    for folder in ["flanker", "mail-parser", "mikel-mail", "mimekit"] {
        for entry in std::fs::read_dir(format!("{root}/{folder}")).unwrap() {
            let path = entry.unwrap().path();
            let message = std::fs::read(&path).unwrap();
            let whole = scan(&message);
            assert_eq!(whole.structure.size, message.len() as u64);
            for size in [1, 7, 64] {
                assert_eq!(whole, scan_in_pieces(&message, size), "{}", path.display());
            }
            assert_eq!(Structure::decode(&whole.structure.encode()), Ok(whole.structure));
            seen += 1;
        }
    }
    assert!(seen > 250, "only {seen} messages");
}

proptest! {
    #[test]
    fn pieces_equal_the_whole(
        lines in prop::collection::vec(prop::sample::select(vec![
            "--b", "--b--", "--c", "--c--", "", " ", "x", "a: b", "Content-Type: multipart/mixed; boundary=b",
            "Content-Type: multipart/digest; boundary=c", "Content-Type: message/rfc822", "Content-Type: text/html",
            "Content-Transfer-Encoding: base64", "Subject: =?utf-8?q?x?=", "To: a, \"b", "From: <", "\t folded",
        ]), 0..40),
        crlf in any::<bool>(),
        size in 1usize..9,
    ) {
        let message = lines.join(if crlf { "\r\n" } else { "\n" });
        let whole = scan(message.as_bytes());
        prop_assert_eq!(&whole, &scan_in_pieces(message.as_bytes(), size));
        prop_assert_eq!(whole.structure.size, message.len() as u64);
    }

    #[test]
    fn any_octets_are_survived(message in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert_eq!(scan(&message), scan_in_pieces(&message, 3));
    }
}
