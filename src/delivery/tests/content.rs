use super::*;
use Fate::{Delivered, Failed, Untried};
use smtp::client::Enhanced;
use std::ops::Range;

fn big() -> Bytes {
    let mut text = b"Message-ID: <big>\r\n\r\n".to_vec();
    for n in 0..60_000u32 {
        text.extend_from_slice(
            format!("{}line {n} {}\r\n", ".".repeat(n as usize % 3), "x".repeat(n as usize % 70))
                .as_bytes(),
        );
    }
    text.into()
}

#[tokio::test]
async fn a_large_message_streams_both_ways() {
    for chunking in [false, true] {
        let world = World::with(|config| config.prefer_chunking = chunking);
        let sink = sink_with(|o| o.keep = true).await;
        world.domain("a.test", &sink);
        let content = big();
        let mailing = with_content("big", &["x@a.test"], content.clone());
        let report = world.send(&mailing, "a.test").await;
        assert_eq!(fates(&report), [Delivered]);
        assert!(sink.arrivals()[0].content.as_deref() == Some(&content[..]), "chunking {chunking}");
    }
}

/// A server that has heard enough is heard in the middle of the message.
#[tokio::test]
async fn an_early_word_is_heard() {
    let (world, sink) = (World::new(), sink().await);
    world.domain("a.test", &sink);
    sink.rule(Rule::new(Moment::Content, "*", Effect::ReplyAndClose("552 5.3.4 too big".into())));
    let report = world.send(&with_content("big", &["x@a.test"], big()), "a.test").await;
    assert_eq!(fates(&report), [Failed]);
    assert_eq!(report.outcomes[0].text, "552 5.3.4 too big");
    // SIZE saves the trouble.
    let small = sink_with(|o| o.keywords = vec!["SIZE 1000".into()]).await;
    world.domain("b.test", &small);
    let report = world.send(&with_content("big", &["x@b.test"], big()), "b.test").await;
    assert_eq!((fates(&report), report.outcomes[0].status), (vec![Failed], Enhanced(5, 3, 4)));
}

/// Gives so many octets, then none.
struct Away(u64, ContentError);

#[async_trait::async_trait]
impl Content for Away {
    fn size(&self) -> u64 {
        1_000_000
    }
    async fn read(&self, range: Range<u64>) -> Result<Bytes, ContentError> {
        if range.end > self.0 {
            Err(self.1)
        } else {
            Ok(vec![b'x'; (range.end - range.start) as usize].into())
        }
    }
}

/// Our own trouble is not the recipient's: no attempt is used up, and nobody gets half a message.
#[tokio::test]
async fn content_that_is_away() {
    for (there, connections, error, fate) in [
        (0, 0, ContentError::Unavailable, Untried),
        (0, 0, ContentError::Gone, Failed),
        (300_000, 1, ContentError::Unavailable, Untried),
    ] {
        let (world, sink) = (World::new(), sink().await);
        world.domain("a.test", &sink);
        let mut mailing = mailing("1", &["x@a.test"]);
        mailing.content = Arc::new(Away(there, error));
        let report = world.send(&mailing, "a.test").await;
        assert_eq!((fates(&report), report.signal), (vec![fate], Signal::Ours));
        assert_eq!(sink.connections(sink.address()).total, connections);
        assert_eq!(sink.count(), 0);
    }
}

async fn to_a_plain_server(
    text: &str,
    body: Body,
    utf8: bool,
    to: &str,
) -> (Report, Option<String>) {
    let world = World::new();
    let sink = sink_with(|o| o.keywords = vec!["PIPELINING".into()]).await;
    world.domain("a.test", &sink);
    let mut mailing = with_content("1", &[to], text.to_owned().into());
    mailing.envelope.body = body;
    mailing.envelope.utf8 = utf8;
    let report = world.send(&mailing, "a.test").await;
    (report, sink.arrivals().first().map(|arrival| arrival.commands[0].clone()))
}

/// What was asked for is not always needed; what is needed and not offered fails for ever.
#[tokio::test]
async fn old_servers_get_what_they_can_take() {
    let plain = Some("MAIL FROM:<from@me.test>".to_owned());
    let ascii = "Subject: a\r\n\r\nplain\r\n";
    let utf8_body = "Subject: a\r\n\r\nf\u{fc}r\r\n";
    let binary_body = "Content-Type: image/x\r\n\r\na\n\0b\r\n";
    let signed =
        "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nf\u{fc}r\r\n--b--\r\n";
    let utf8_header = "Subject: f\u{fc}r\r\n\r\nb\r\n";
    for (text, body, utf8, to, fate, status) in [
        (ascii, Body::EightBitMime, true, "x@a.test", Delivered, Enhanced(2, 0, 0)),
        (ascii, Body::BinaryMime, false, "x@a.test", Delivered, Enhanced(2, 0, 0)),
        (utf8_body, Body::EightBitMime, false, "x@a.test", Delivered, Enhanced(2, 0, 0)),
        (binary_body, Body::BinaryMime, false, "x@a.test", Delivered, Enhanced(2, 0, 0)),
        (signed, Body::EightBitMime, false, "x@a.test", Failed, Enhanced(5, 6, 3)),
        (utf8_header, Body::EightBitMime, true, "x@a.test", Failed, Enhanced(5, 6, 7)),
        (ascii, Body::SevenBit, false, "j\u{f6}rg@a.test", Failed, Enhanced(5, 6, 7)),
    ] {
        let (report, mail) = to_a_plain_server(text, body, utf8, to).await;
        assert_eq!(
            (fates(&report), report.outcomes[0].status),
            (vec![fate], status),
            "{text} {body:?}"
        );
        assert_eq!(mail, plain.clone().filter(|_| fate == Delivered));
    }
}

/// A message of another kind for a lesser server, the same for its reader.
#[tokio::test]
async fn eight_bits_become_seven() {
    let world = World::with(|config| config.max_convert_bytes = 1_000);
    let sink = sink_with(|o| {
        o.keywords = vec!["PIPELINING".into()];
        o.keep = true;
    });
    let sink = sink.await;
    world.domain("a.test", &sink);
    let text = "Subject: a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nf\u{fc}r\r\n";
    let mut mailing = with_content("1", &["x@a.test"], text.into());
    mailing.envelope.body = Body::EightBitMime;
    assert_eq!(fates(&world.send(&mailing, "a.test").await), [Delivered]);
    let arrived = sink.arrivals()[0].content.clone().unwrap();
    let arrived = String::from_utf8(arrived).unwrap();
    assert!(
        arrived.ends_with("Content-Transfer-Encoding: quoted-printable\r\n\r\nf=C3=BCr\r\n"),
        "{arrived}"
    );
    // Too large to be converted in memory.
    let large = format!("{text}{}", "x\r\n".repeat(500));
    let mut mailing = with_content("2", &["x@a.test"], large.into());
    mailing.envelope.body = Body::EightBitMime;
    assert_eq!(fates(&world.send(&mailing, "a.test").await), [Failed]);
}

/// If one host cannot take it, another may.
#[tokio::test]
async fn another_host_may_be_newer() {
    let world = World::new();
    let (old, new) = (sink_with(|o| o.keywords = Vec::new()).await, sink().await);
    world.zone.mx("a.test", &[(10, "old.test"), (20, "new.test")]);
    world.zone.host("old.test", &[old.address()]);
    world.zone.host("new.test", &[new.address()]);
    let mut mailing = mailing("1", &["j\u{f6}rg@a.test", "x@a.test"]);
    mailing.envelope.utf8 = true;
    let report = world.send(&mailing, "a.test").await;
    assert_eq!(fates(&report), [Delivered, Delivered]);
    // The one that needs nothing went to the preferred host.
    assert_eq!(
        (old.arrivals()[0].to.len(), new.arrivals()[0].to[0].as_str()),
        (1, "j\u{f6}rg@a.test")
    );
}
