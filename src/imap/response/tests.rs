use super::*;
use crate::set::NumberSet;
use message::{Envelope, Scanner, Structure};
use std::path::{Path, PathBuf};

fn structure(text: &[u8]) -> Structure {
    let mut scanner = Scanner::new();
    scanner.feed(text);
    scanner.finish().structure
}

fn line(write: impl FnOnce(&mut FetchLine<'_>)) -> String {
    let mut out = BytesMut::new();
    let mut writer = Writer::new(&mut out, Style::default());
    let mut line = writer.fetch(1, 5);
    write(&mut line);
    line.end();
    String::from_utf8(out.to_vec()).unwrap()
}

fn written(write: impl FnOnce(&mut Writer<'_>)) -> String {
    let mut out = BytesMut::new();
    write(&mut Writer::new(&mut out, Style::default()));
    String::from_utf8(out.to_vec()).unwrap()
}

/// RFC 9051 §7.5.2 "A MIME multipart message".
#[test]
fn multipart_structure() {
    let text = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=US-ASCII\r\n\
        Content-Language: en, de\r\n\r\na\r\nb\r\n--b\r\nContent-Type: application/pdf; name=x.pdf\r\nContent-Transfer-Encoding: base64\r\n\
        Content-Disposition: attachment; filename=\"x \\\"y\\\".pdf\"\r\nContent-ID: <1@x>\r\nContent-MD5: abc\r\nContent-Location: http://x/\r\n\
        Content-Description: \xc3\xb6\r\n\r\nAAAA\r\n--b--\r\n";
    let found = structure(text);
    assert_eq!(
        line(|line| line.body_structure(&found.root)),
        "* 1 FETCH (BODYSTRUCTURE ((\"text\" \"plain\" (\"charset\" \"US-ASCII\") NIL NIL \"7BIT\" 4 1 NIL NIL (\"en\" \"de\") NIL)\
         (\"application\" \"pdf\" (\"name\" \"x.pdf\") \"<1@x>\" {2}\r\nö \"BASE64\" 4 \"abc\" (\"attachment\" (\"filename\" \"x \\\"y\\\".pdf\")) NIL \"http://x/\") \
         \"mixed\" (\"boundary\" \"b\") NIL NIL NIL))\r\n"
    );
    assert_eq!(
        line(|line| line.body(&found.root)),
        "* 1 FETCH (BODY ((\"text\" \"plain\" (\"charset\" \"US-ASCII\") NIL NIL \"7BIT\" 4 1)\
         (\"application\" \"pdf\" (\"name\" \"x.pdf\") \"<1@x>\" {2}\r\nö \"BASE64\" 4) \"mixed\"))\r\n"
    );
}

#[test]
fn a_message_within_a_message() {
    let inner = "Subject: inner\r\nFrom: a@b\r\n\r\ntext\r\n";
    let plain = structure(format!("Content-Type: message/rfc822\r\n\r\n{inner}").as_bytes());
    let envelope = "(NIL \"inner\" ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) ((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL)";
    assert_eq!(
        line(|line| line.body(&plain.root)),
        format!(
            "* 1 FETCH (BODY (\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" {} {envelope} (\"text\" \"plain\" NIL NIL NIL \"7BIT\" 6 1) 4))\r\n",
            inner.len()
        )
    );
    // Encoded: nothing inside is known, the grammar wants it all the same.
    let encoded = structure(
        b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n",
    );
    assert_eq!(
        line(|line| line.body(&encoded.root)),
        "* 1 FETCH (BODY (\"message\" \"rfc822\" NIL NIL NIL \"BASE64\" 6 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) \
         (\"text\" \"plain\" NIL NIL NIL \"7BIT\" 0 0) 1))\r\n"
    );
}

#[test]
fn envelopes() {
    let found = structure(
        b"Date: Wed, 17 Jul 1996 02:23:25 -0700\r\nSubject: =?utf-8?Q?a?=\r\nFrom: \"Terry Gray\" <gray@cac.example>\r\n\
          Reply-To: x@y\r\nTo: imap@cac.example, Team: a@b;\r\nBcc:\r\nIn-Reply-To: <0@x>\r\nMessage-Id: <1@x>\r\n\r\n",
    );
    assert_eq!(
        line(|line| line.envelope(&found.envelope)),
        "* 1 FETCH (ENVELOPE (\"Wed, 17 Jul 1996 02:23:25 -0700\" \"=?utf-8?Q?a?=\" ((\"Terry Gray\" NIL \"gray\" \"cac.example\")) \
         ((\"Terry Gray\" NIL \"gray\" \"cac.example\")) ((NIL NIL \"x\" \"y\")) \
         ((NIL NIL \"imap\" \"cac.example\")(NIL NIL \"Team\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL)) NIL NIL \"<0@x>\" \"<1@x>\"))\r\n"
    );
    let empty = line(|line| line.envelope(&Envelope::default()));
    assert_eq!(empty, "* 1 FETCH (ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL))\r\n");
}

#[test]
fn lists() {
    let entry = ListEntry {
        attributes: &[Attribute::NonExistent, Attribute::HasChildren],
        name: "Foo",
        child_subscribed: true,
        ..ListEntry::default()
    };
    // RFC 9051 §6.3.9.8
    assert_eq!(
        written(|writer| writer.list(&entry)),
        "* LIST (\\NonExistent \\HasChildren) \"/\" Foo (CHILDINFO (\"SUBSCRIBED\"))\r\n"
    );
    let entry = ListEntry { child_special_use: true, old_name: Some("ö"), ..entry };
    assert_eq!(
        written(|writer| writer.list(&entry)),
        "* LIST (\\NonExistent \\HasChildren) \"/\" Foo (CHILDINFO (\"SUBSCRIBED\" \"SPECIAL-USE\") OLDNAME (&APY-))\r\n"
    );
    assert_eq!(
        written(|writer| writer.namespace(
            &[NamespaceEntry { prefix: "" }],
            &[NamespaceEntry { prefix: "~ö/" }],
            &[]
        )),
        "* NAMESPACE ((\"\" \"/\")) ((\"~&APY-/\" \"/\")) NIL\r\n"
    );
}

#[test]
fn status_lines_stay_one_line() {
    let text = "no\r\n* OK [ALERT] such thing ö";
    let line = written(|writer| writer.status(Status::No, Some(&Code::Unavailable), text));
    assert_eq!(line, "* NO [UNAVAILABLE] no  * OK [ALERT] such thing  \r\n");
    assert_eq!(written(|writer| writer.status(Status::Ok, None, "")), "* OK .\r\n");
    let uids = NumberSet::from_iter([3, 4, 5, 9]);
    let code = Code::AppendUid(38_505, &uids);
    assert_eq!(
        written(|writer| writer.status(Status::Ok, Some(&code), "x")),
        "* OK [APPENDUID 38505 3:5,9] x\r\n"
    );
    assert_eq!(written(|writer| writer.id(&[])), "* ID NIL\r\n");
    assert_eq!(
        written(|writer| writer.id(&[("name", "a\"b"), ("x", "y")])),
        "* ID (\"name\" \"a\\\"b\" \"x\" \"y\")\r\n"
    );
}

#[test]
fn binary_shows_whether_it_holds_nul() {
    let item = crate::FetchItem::Binary(crate::BodySection {
        peek: true,
        part: vec![1, 2],
        text: crate::SectionText::Whole,
        partial: None,
    });
    assert_eq!(
        line(|line| line.data_octets(&item, b"ab")),
        "* 1 FETCH (BINARY[1.2] {2}\r\nab)\r\n"
    );
    assert_eq!(
        line(|line| line.data_octets(&item, b"a\0")),
        "* 1 FETCH (BINARY[1.2] ~{2}\r\na\0)\r\n"
    );
    let streamed = line(|line| {
        line.uid(7);
        line.data(&item, 3);
        line.out().extend_from_slice(b"abc");
        line.binary_size(&[1, 2], 3);
    });
    assert_eq!(streamed, "* 1 FETCH (UID 7 BINARY[1.2] ~{3}\r\nabc BINARY.SIZE[1.2] 3)\r\n");
}

// ---- what real mail makes of it ----

/// Reads one parenthesized value and says what is left; strings and literals are skipped as a client would.
fn skip_value(text: &[u8], depth: usize) -> Result<&[u8], String> {
    if depth > 200 {
        return Err("too deep".into());
    }
    match text.first() {
        Some(b'(') => {
            let mut rest = &text[1..];
            loop {
                match rest.first() {
                    Some(b')') => return Ok(&rest[1..]),
                    Some(b' ') => rest = skip_value(&rest[1..], depth + 1)?,
                    Some(_) => rest = skip_value(rest, depth + 1)?,
                    None => return Err("open".into()),
                }
            }
        }
        Some(b'"') => skip_quoted(&text[1..]),
        Some(b'{') => {
            let end = text.iter().position(|byte| *byte == b'}').ok_or("literal")?;
            let size: usize =
                std::str::from_utf8(&text[1..end]).unwrap().parse().map_err(|_| "literal size")?;
            text[end + 1..]
                .strip_prefix(b"\r\n")
                .and_then(|rest| rest.get(size..))
                .ok_or("short literal".into())
        }
        Some(b'0'..=b'9') => {
            let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
            Ok(&text[end..])
        }
        _ => text.strip_prefix(b"NIL").ok_or(format!("{:?}", String::from_utf8_lossy(text))),
    }
}

fn skip_quoted(text: &[u8]) -> Result<&[u8], String> {
    let mut at = 0;
    loop {
        match text.get(at) {
            Some(b'"') => return Ok(&text[at + 1..]),
            Some(b'\\') => at += 2,
            Some(0 | b'\r' | b'\n') | None => return Err("quoted".into()),
            Some(byte) if *byte >= 0x80 => return Err("8-bit in quoted".into()),
            Some(_) => at += 1,
        }
    }
}

fn check(text: &[u8], what: &Path) {
    let found = structure(text);
    let mut out = BytesMut::new();
    let mut writer = Writer::new(&mut out, Style::default());
    let mut line = writer.fetch(1, 5);
    line.envelope(&found.envelope);
    line.body(&found.root);
    line.body_structure(&found.root);
    line.end();
    let value = out.strip_prefix(b"* 1 FETCH ").unwrap();
    // The names of the items are no values.
    let names = [b"(ENVELOPE ".as_slice(), b" BODY ", b" BODYSTRUCTURE "];
    let mut rest = value;
    for name in names {
        rest = rest.strip_prefix(name).unwrap_or_else(|| panic!("{what:?}"));
        rest = skip_value(rest, 0).unwrap_or_else(|error| panic!("{what:?}: {error}"));
    }
    assert_eq!(rest, b")\r\n", "{what:?}");
    assert!(!out.contains(&0), "{what:?}");
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// A client can read what is written of broken and odd mail. Skipped where the corpus is not at hand.
#[test]
fn structures_of_the_corpus_are_well_formed() {
    let folder = std::env::var_os("POSTRIDER_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"),
        PathBuf::from,
    );
    let mut found = Vec::new();
    files(&folder, &mut found);
    if found.is_empty() {
        eprintln!("skipped: no corpus at {}", folder.display());
        return;
    }
    for path in &found {
        check(&std::fs::read(path).unwrap(), path);
    }
    eprintln!("{} files", found.len());
}

proptest::proptest! {
    #[test]
    fn structures_of_any_octets_are_well_formed(words in proptest::collection::vec(proptest::sample::select(vec![
        "Content-Type: multipart/mixed; boundary=b\r\n", "Content-Type: multipart/digest; boundary=c\r\n", "Content-Type: message/rfc822\r\n",
        "Content-Type: \"\\\"; x=\"\u{0}\r\n", "Content-Disposition: attachment; filename=\"a\r\n b\"; x=\u{f6}\r\n", "Content-Language: a, \"b\", (c)\r\n",
        "From: \"a\\\"b\" <c@d>, x:;\r\n", "Subject: \u{0}\\\"\t\u{fc}\r\n", "\r\n", "--b\r\n", "--b--\r\n", "--c\r\n", "text\r\n", "Content-Transfer-Encoding: base64\r\n",
    ]), 0..40)) {
        check(words.concat().as_bytes(), Path::new("generated"));
    }
}
