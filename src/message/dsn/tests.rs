use super::*;
use mail_parser::{MessageParser, MimeHeaders, PartType};
use proptest::prelude::*;

const ORIGINAL: &[u8] =
    b"Received: x\r\nMessage-ID: <one@here.test>\r\nSubject: Hello\r\n\r\nText\r\n.\r\n";

fn about(recipient: &str, action: Action) -> About<'_> {
    About {
        recipient,
        original: None,
        action,
        status: (5, 1, 1),
        diagnostic: Some("550 5.1.1 No such user"),
        reason: "",
        remote_mta: Some("mx.there.test"),
        last_attempt: Some("Mon, 23 Nov 2026 20:00:00 +0000"),
        retry_until: None,
    }
}

fn report<'a>(about: &'a [About<'a>]) -> Report<'a> {
    Report {
        reporting_mta: "mx.here.test",
        from: "postmaster@here.test",
        to: "anna@here.test",
        date: "Mon, 23 Nov 2026 20:00:01 +0000",
        message_id: "dsn1@mx.here.test",
        boundary: "b1",
        arrival: Some("Mon, 23 Nov 2026 19:59:00 +0000"),
        envelope_id: None,
        ret: None,
        smtputf8: false,
        about,
        original: ORIGINAL,
        original_is_whole: true,
    }
}

/// The three parts: content type and body.
fn parts(written: &Written) -> Vec<(String, String)> {
    let message = MessageParser::new().parse(&written.bytes).unwrap();
    let root = message.content_type().unwrap();
    assert_eq!((root.ctype(), root.subtype()), ("multipart", Some("report")));
    assert_eq!(root.attribute("report-type"), Some("delivery-status"));
    let PartType::Multipart(ids) = &message.parts[0].body else { panic!("not multipart") };
    let part = |id: &u32| {
        let part = &message.parts[*id as usize];
        let kind = part.content_type().unwrap();
        let body = &written.bytes[part.offset_body as usize..part.offset_end as usize];
        let name = format!("{}/{}", kind.ctype(), kind.subtype().unwrap());
        (name, String::from_utf8(body.to_vec()).unwrap())
    };
    ids.iter().map(part).collect()
}

fn text_of(written: &Written) -> String {
    String::from_utf8(written.bytes.clone()).unwrap()
}

#[test]
fn a_failure_in_full() {
    let list = [About {
        original: Some(("rfc822", "bob+list@there.test")),
        ..about("bob@there.test", Action::Failed)
    }];
    let written = write(&Report { envelope_id: Some("QQ314159"), ..report(&list) });
    let parts = parts(&written);
    let kinds: Vec<&str> = parts.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["text/plain", "message/delivery-status", "text/rfc822-headers"]);
    assert!(
        parts[0].1.contains(
            "<bob@there.test>\r\n    The server mx.there.test said: 550 5.1.1 No such user"
        )
    );
    assert_eq!(
        parts[1].1.trim_end(),
        "Original-Envelope-Id: QQ314159\r\nReporting-MTA: dns; mx.here.test\r\n\
         Arrival-Date: Mon, 23 Nov 2026 19:59:00 +0000\r\n\r\n\
         Original-Recipient: rfc822; bob+list@there.test\r\nFinal-Recipient: rfc822; bob@there.test\r\n\
         Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mx.there.test\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 No such user\r\n\
         Last-Attempt-Date: Mon, 23 Nov 2026 20:00:00 +0000"
    );
    assert!(parts[2].1.ends_with("Subject: Hello\r\n") && !parts[2].1.contains("Text"));
    let message = MessageParser::new().parse(&written.bytes).unwrap();
    assert_eq!(message.subject(), Some("Your message could not be delivered"));
    assert_eq!(message.to().unwrap().first().unwrap().address(), Some("anna@here.test"));
    assert_eq!(message.message_id(), Some("dsn1@mx.here.test"));
    let text = text_of(&written);
    assert!(text.contains("\r\nAuto-Submitted: auto-replied\r\n"));
    assert!(text.contains("\r\nReferences: <one@here.test>\r\n"));
    assert!(!written.eight_bit && !written.smtputf8);
    assert!(
        text.lines().all(|line| line.len() < 998)
            && !text.replace("\r\n", "").contains(['\r', '\n'])
    );
}

/// RFC 3461 §4.1, §5.2; and no bounce of a bounce.
#[test]
fn what_is_due() {
    use Action::{Delayed, Delivered, Expanded, Failed, Relayed};
    let all = [Failed, Delayed, Delivered, Relayed, Expanded];
    let due = |wishes: Option<Wishes>| all.map(|action| is_due(action, wishes, false));
    let none = Wishes::default();
    assert_eq!(due(None), [true, true, false, false, false]);
    assert_eq!(due(Some(Wishes { never: true, ..none })), [false; 5]);
    assert_eq!(due(Some(Wishes { failure: true, ..none })), [true, false, false, false, false]);
    assert_eq!(due(Some(Wishes { delay: true, ..none })), [false, true, false, false, false]);
    assert_eq!(due(Some(Wishes { success: true, ..none })), [false, false, true, true, true]);
    let everything = Wishes { success: true, failure: true, delay: true, never: false };
    assert_eq!(due(Some(everything)), [true; 5]);
    for action in all {
        assert!(!is_due(action, None, true) && !is_due(action, Some(everything), true));
    }
}

/// RFC 3461 §4.3: the whole message only when asked for, after a failure, and when it is not too large.
#[test]
fn what_comes_back() {
    let failed = [about("b@x", Action::Failed)];
    let delayed = [about("b@x", Action::Delayed)];
    let big = [ORIGINAL, &b"x".repeat(70), b"\r\n"].concat().repeat(2_000);
    let binary = [ORIGINAL, b"a\0b\r\n"].concat();
    let full = Some(Return::Full);
    for (list, ret, original, whole, kind) in [
        (&failed, full, ORIGINAL, true, "message/rfc822"),
        (&failed, full, ORIGINAL, false, "text/rfc822-headers"),
        (&failed, full, &big[..], true, "text/rfc822-headers"),
        (&failed, full, &binary[..], true, "text/rfc822-headers"),
        (&failed, Some(Return::Header), ORIGINAL, true, "text/rfc822-headers"),
        (&failed, None, ORIGINAL, true, "text/rfc822-headers"),
        (&delayed, full, ORIGINAL, true, "text/rfc822-headers"),
    ] {
        let written = write(&Report { ret, original, original_is_whole: whole, ..report(list) });
        assert_eq!(parts(&written)[2].0, kind);
    }
    let written = write(&Report { ret: full, ..report(&failed) });
    let message = MessageParser::new().parse(&written.bytes).unwrap();
    let PartType::Message(inner) = &message.parts[3].body else {
        panic!("{:?}", message.parts[3].body)
    };
    assert_eq!(inner.subject(), Some("Hello"));
    assert_eq!(inner.body_text(0).unwrap().trim_end(), "Text\r\n.");
}

#[test]
fn the_other_actions_have_their_words() {
    let until = Some("Sat, 28 Nov 2026 20:00:00 +0000");
    let list = [
        About {
            retry_until: until,
            diagnostic: None,
            reason: "the host cannot be reached",
            ..about("d@x", Action::Delayed)
        },
        about("e@x", Action::Delivered),
        about("r@x", Action::Relayed),
        about("l@x", Action::Expanded),
    ];
    let written = write(&report(&list));
    let parts = parts(&written);
    assert!(parts[0].1.contains("the host cannot be reached (server mx.there.test)"));
    assert!(parts[0].1.contains("It will be tried until Sat, 28 Nov 2026"));
    for (action, subject) in [
        ("delayed", "Your message is delayed"),
        ("delivered", "Your message was delivered"),
        ("relayed", "Your message was passed on"),
        ("expanded", "Your message was passed on"),
    ] {
        assert!(parts[1].1.contains(&format!("Action: {action}\r\n")));
        let list: Vec<About<'_>> =
            list.iter().filter(|a| a.action.name() == action).cloned().collect();
        assert!(text_of(&write(&report(&list))).contains(&format!("Subject: {subject}\r\n")));
    }
    assert!(parts[1].1.contains("Will-Retry-Until: Sat, 28 Nov 2026 20:00:00 +0000\r\n"));
}

/// RFC 6533 §3 and §4.
#[test]
fn beyond_ascii() {
    let list = [About {
        original: Some(("utf-8", "j\\x{F6}rg@there.test")),
        diagnostic: Some("550 5.1.1 unbekannter Empf\u{e4}nger"),
        ..about("j\u{f6}rg@there.test", Action::Failed)
    }];
    let original = "Subject: Gr\u{fc}\u{df}e\r\n\r\nText\r\n".as_bytes();
    let utf8 = Report { smtputf8: true, original, ret: Some(Return::Full), ..report(&list) };
    let written = write(&utf8);
    let kinds: Vec<String> = parts(&written).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["text/plain", "message/global-delivery-status", "message/global"]);
    let status = &parts(&written)[1].1;
    assert!(status.contains("Original-Recipient: utf-8; j\u{f6}rg@there.test\r\n"));
    assert!(status.contains("Final-Recipient: utf-8; j\u{f6}rg@there.test\r\n"));
    assert!(status.contains("Diagnostic-Code: smtp; 550 5.1.1 unbekannter Empf?nger\r\n"));
    assert!(written.eight_bit && !written.smtputf8);
    assert!(write(&Report { to: "\u{e4}nna@here.test", ..utf8.clone() }).smtputf8);
    let headers = write(&Report { ret: None, ..utf8.clone() });
    assert_eq!(parts(&headers)[2].0, "message/global-headers");
    // A sender without SMTPUTF8 gets seven bits in the machine's part.
    let old = write(&Report { smtputf8: false, ..utf8 });
    assert_eq!(parts(&old)[1].0, "message/delivery-status");
    assert!(parts(&old)[1].1.contains("Final-Recipient: utf-8; j\\x{F6}rg@there.test\r\n"));
}

#[test]
fn nobody_writes_fields_or_parts_of_ours() {
    let list = [About {
        diagnostic: Some("550 no\r\nAction: delivered\r\n--=b1-0--"),
        ..about("b@x\r\nStatus: 2.0.0", Action::Failed)
    }];
    let original = b"Subject: x\r\nX: --=b1-0\r\nY: --=b1-1\r\n\r\n--=b1-0\r\n";
    let written = write(&Report {
        original,
        ret: Some(Return::Full),
        to: "a@b>\r\nBcc: <c@d",
        ..report(&list)
    });
    let parts = parts(&written);
    assert_eq!(parts.len(), 3);
    assert_eq!(parts[1].1.matches("Action:").count() - parts[1].1.matches(" Action:").count(), 1);
    assert!(!text_of(&written).contains("\r\nBcc:"));
}

#[test]
fn a_thousand_recipients_stay_readable() {
    let names: Vec<String> = (0..1_000).map(|n| format!("user{n}@there.test")).collect();
    let list: Vec<About<'_>> = names.iter().map(|name| about(name, Action::Failed)).collect();
    let parts = parts(&write(&report(&list)));
    assert!(parts[0].1.contains("and 900 more."));
    assert_eq!(parts[1].1.matches("Final-Recipient:").count(), 1_000);
}

proptest! {
    #[test]
    fn any_words_make_three_parts(
        reply in "\\PC{0,80}|[ -~\\r\\n]{0,80}",
        original in prop::collection::vec(prop::sample::select(b"A: \r\n-=b10x\0".to_vec()), 0..80),
        utf8: bool,
    ) {
        let list = [About { diagnostic: Some(&reply), ..about("b@x", Action::Failed) }];
        let written = write(&Report { original: &original, smtputf8: utf8, ret: Some(Return::Full), ..report(&list) });
        prop_assert_eq!(parts(&written).len(), 3);
        for line in written.bytes.split_inclusive(|octet| *octet == b'\n') {
            prop_assert!(line.ends_with(b"\r\n") && line.len() <= 1_000);
        }
    }
}
