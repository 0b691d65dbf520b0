use super::*;
use crate::path::{Body, ForwardPath, Path};
use proptest::prelude::*;
use std::fmt::Write;
use std::sync::Arc;

const FULL: &str = "250-mx.test\r\n250-PIPELINING\r\n250-SIZE 9000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n\
                    250-CHUNKING\r\n250-BINARYMIME\r\n250-DSN\r\n250 STARTTLS\r\n";

/// A driver that does as it is told and writes down what it hears.
struct Driver {
    client: Client,
    sent: String,
    heard: Vec<String>,
    message: Option<(Envelope, Vec<u8>)>,
    /// Stops at the fence instead of confirming.
    hold: bool,
    /// So many messages are begun as soon as the client is ready.
    waiting: u32,
}

impl Driver {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new("me.test");
        config.tls = TlsWish::Never;
        change(&mut config);
        let client = Client::new(Arc::new(config), false);
        Self {
            client,
            sent: String::new(),
            heard: Vec::new(),
            message: None,
            hold: false,
            waiting: 0,
        }
    }

    /// With greeting and EHLO behind it.
    fn ready(change: impl FnOnce(&mut Config), ehlo: &str) -> Self {
        let mut driver = Self::new(change);
        driver.say("220 hi\r\n");
        driver.say(ehlo);
        driver.heard.clear();
        driver
    }

    /// Lets the server say something; gives what the client sent in answer.
    fn say(&mut self, text: &str) -> String {
        self.client.feed(text.as_bytes());
        self.run()
    }

    fn run(&mut self) -> String {
        while let Some(action) = self.client.next() {
            self.heard.push(brief(&action));
            self.act(&action);
        }
        let out = String::from_utf8_lossy(&self.client.output().split()).into_owned();
        self.sent += &out;
        out
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::StartTls => self.client.tls_started(),
            Action::Body => {
                let body = self.message.as_ref().map(|(_, body)| body.clone()).unwrap_or_default();
                self.client.body(&body);
                self.client.body_end();
            }
            Action::BeforeFinalDot if !self.hold => self.client.confirm(),
            Action::Ready if self.waiting > 0 => {
                self.waiting -= 1;
                self.message = Some((envelope(&[]), b"x\r\n.y".to_vec()));
                self.client.begin(envelope(&["a", "b"])).unwrap();
            }
            _ => {}
        }
    }

    fn send(&mut self, envelope: Envelope, body: &str) -> String {
        self.message = Some((envelope.clone(), body.as_bytes().to_vec()));
        self.client.begin(envelope).unwrap();
        self.run()
    }

    fn heard(&mut self) -> String {
        std::mem::take(&mut self.heard).join(" | ")
    }
}

fn brief(action: &Action) -> String {
    let fate = |verdict: &Verdict| match verdict {
        Verdict::Delivered(reply) => format!("delivered {}", reply.code),
        Verdict::Refused { phase, reply } => format!("refused {} at {}", reply.code, phase.name()),
        Verdict::Unable(cannot) => format!("unable {cannot:?}"),
        Verdict::Lost { phase, lost } => format!("lost {lost:?} at {}", phase.name()),
    };
    match action {
        Action::Recipient(index, verdict) => format!("{index}: {}", fate(verdict)),
        Action::Close(Ended::Refused { phase, reply }) => {
            format!("close: refused {} at {}", reply.code, phase.name())
        }
        Action::Close(Ended::Lost { phase, lost }) => {
            format!("close: lost {lost:?} at {}", phase.name())
        }
        Action::Close(ended) => format!("close: {ended:?}"),
        other => format!("{other:?}"),
    }
}

fn to(local: &str) -> Recipient {
    let path = Path { local_part: local.into(), domain: "there.test".into() };
    Recipient { path: ForwardPath::Path(path), notify: None, original: None }
}

fn envelope(recipients: &[&str]) -> Envelope {
    Envelope {
        reverse_path: Some(Path { local_part: "me".into(), domain: "here.test".into() }),
        size: 4,
        body: Body::SevenBit,
        utf8: false,
        ret: None,
        envelope_id: None,
        require_tls: false,
        recipients: recipients.iter().map(|local| to(local)).collect(),
    }
}

#[test]
fn a_pipelined_message() {
    let mut driver = Driver::new(|_| {});
    assert_eq!(driver.say("220-mx.test ESMTP\r\n220 hi\r\n"), "EHLO me.test\r\n");
    driver.say(FULL);
    assert_eq!(driver.heard(), "Ready");
    let out = driver.send(envelope(&["a", "b", "c"]), "hi\r\n");
    assert_eq!(
        out,
        "MAIL FROM:<me@here.test> SIZE=4\r\nRCPT TO:<a@there.test>\r\nRCPT TO:<b@there.test>\r\n\
         RCPT TO:<c@there.test>\r\nDATA\r\n"
    );
    assert_eq!(
        driver.say("250 ok\r\n250 ok\r\n550 5.1.1 no\r\n251 ok\r\n354 go\r\n"),
        "hi\r\n.\r\n"
    );
    assert_eq!(driver.heard(), "1: refused 550 at RCPT TO | Body | BeforeFinalDot");
    driver.say("250 2.0.0 queued\r\n");
    assert_eq!(driver.heard(), "0: delivered 250 | 2: delivered 250 | Done | Ready");
    // The next one on the same connection.
    driver.send(envelope(&["a"]), ".\r\n");
    assert_eq!(driver.say("250 ok\r\n250 ok\r\n354 go\r\n"), "..\r\n.\r\n");
    driver.say("450 4.2.1 later\r\n");
    assert_eq!(
        driver.heard(),
        "Body | BeforeFinalDot | 0: refused 450 at end of message | Done | Ready"
    );
    driver.client.quit();
    assert_eq!(driver.run(), "QUIT\r\n");
    driver.say("221 bye\r\n");
    assert_eq!(driver.heard(), "close: Quit");
    assert_eq!(driver.client.messages(), 2);
}

#[test]
fn without_pipelining_one_command_at_a_time() {
    let mut driver = Driver::ready(|_| {}, "250 mx\r\n");
    assert_eq!(driver.send(envelope(&["a", "b"]), "x\r\n"), "MAIL FROM:<me@here.test>\r\n");
    assert_eq!(driver.say("250 ok\r\n"), "RCPT TO:<a@there.test>\r\n");
    assert_eq!(driver.say("550 no\r\n"), "RCPT TO:<b@there.test>\r\n");
    assert_eq!(driver.say("250 ok\r\n"), "DATA\r\n");
    assert_eq!(driver.say("354 go\r\n"), "x\r\n.\r\n");
    driver.say("250 ok\r\n");
    assert_eq!(
        driver.heard(),
        "0: refused 550 at RCPT TO | Body | BeforeFinalDot | 1: delivered 250 | Done | Ready"
    );
    // A refused MAIL: nothing more is sent, nothing has to be cleared.
    driver.send(envelope(&["a", "b"]), "");
    assert_eq!(driver.say("550 5.7.1 no\r\n"), "");
    assert_eq!(
        driver.heard(),
        "0: refused 550 at MAIL FROM | 1: refused 550 at MAIL FROM | Done | Ready"
    );
    // Nobody left: DATA is not sent, the transaction is cleared before the next one.
    driver.send(envelope(&["a"]), "");
    driver.say("250 ok\r\n");
    assert_eq!(driver.say("452 later\r\n"), "RSET\r\n");
    assert_eq!(driver.heard(), "0: refused 452 at RCPT TO | Done");
    driver.say("250 ok\r\n");
    assert_eq!(driver.heard(), "Ready");
}

/// RFC 2920 §3.1: "the client cannot assume that the DATA command will be rejected just because none of the
/// RCPT TO commands worked".
#[test]
fn data_accepted_though_nobody_was() {
    let mut driver = Driver::ready(|_| {}, FULL);
    driver.send(envelope(&["a"]), "never\r\n");
    assert_eq!(driver.say("250 ok\r\n550 no\r\n354 go\r\n"), ".\r\n");
    assert_eq!(driver.heard(), "0: refused 550 at RCPT TO");
    driver.say("554 no recipients\r\n");
    assert_eq!(driver.heard(), "Done | Ready");
    // And with a refused MAIL in front of it.
    driver.send(envelope(&["a"]), "never\r\n");
    assert_eq!(driver.say("450 no\r\n503 no\r\n503 no\r\n"), "");
    assert_eq!(driver.heard(), "0: refused 450 at MAIL FROM | Done | Ready");
    // DATA refused with recipients.
    driver.send(envelope(&["a"]), "never\r\n");
    assert_eq!(driver.say("250 ok\r\n250 ok\r\n451 disk\r\n"), "RSET\r\n");
    assert_eq!(driver.heard(), "0: refused 451 at DATA | Done");
}

#[test]
fn chunks_are_used_when_they_must_or_may() {
    let binary = Envelope { body: Body::BinaryMime, size: 5, ..envelope(&["a", "b"]) };
    let mut driver = Driver::ready(|_| {}, FULL);
    driver.hold = true;
    let out = driver.send(binary, "a\n\0.b");
    assert!(out.contains("BODY=BINARYMIME") && !out.contains("DATA"), "{out}");
    assert_eq!(driver.say("250 ok\r\n250 ok\r\n250 ok\r\n"), "BDAT 5 LAST\r\na\n\0");
    assert_eq!(driver.heard(), "Body | BeforeFinalDot");
    driver.client.confirm();
    assert_eq!(driver.run(), ".b");
    driver.say("250 ok\r\n");
    assert_eq!(driver.heard(), "0: delivered 250 | 1: delivered 250 | Done | Ready");
    // Nobody accepted: no chunk.
    let mut driver = Driver::ready(|config| config.prefer_chunking = true, FULL);
    driver.send(envelope(&["a"]), "x\r\n");
    assert_eq!(driver.say("250 ok\r\n550 no\r\n"), "RSET\r\n");
    // Shorter than announced: the connection is dropped before the server has a whole message.
    let mut driver = Driver::ready(|config| config.prefer_chunking = true, FULL);
    driver.send(envelope(&["a"]), "x\r\n");
    driver.say("250 ok\r\n250 ok\r\n");
    assert_eq!(
        driver.heard(),
        "Body | 0: lost NoBody at message body | Done | close: lost NoBody at message body"
    );
}

#[test]
fn lmtp_hears_of_each_recipient() {
    let mut driver = Driver::new(|config| config.protocol = Protocol::Lmtp);
    assert_eq!(driver.say("220 hi\r\n"), "LHLO me.test\r\n");
    driver.say(FULL);
    driver.send(envelope(&["a", "b", "c", "d"]), "x\r\n");
    driver.say("250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n250 ok\r\n354 go\r\n");
    driver.heard();
    driver.say("250 ok\r\n");
    assert_eq!(driver.heard(), "0: delivered 250");
    driver.say("452 full\r\n");
    assert_eq!(driver.heard(), "2: refused 452 at end of message");
    driver.client.lost(Lost::Closed);
    driver.run();
    assert_eq!(
        driver.heard(),
        "3: lost Closed at end of message | Done | close: lost Closed at end of message"
    );
    // No HELO in LMTP.
    let mut driver = Driver::new(|config| config.protocol = Protocol::Lmtp);
    driver.say("220 hi\r\n");
    driver.say("500 what\r\n");
    assert_eq!(driver.heard(), "close: refused 500 at EHLO");
}

#[test]
fn tls_when_offered_and_when_required() {
    let mut driver = Driver::new(|config| config.tls = TlsWish::IfOffered);
    driver.say("220 hi\r\n");
    assert_eq!(driver.say(FULL), "STARTTLS\r\n");
    assert_eq!(driver.say("220 go\r\n"), "EHLO me.test\r\n");
    // What was said before does not count any more.
    assert!(driver.client.is_tls() && !driver.client.server().dsn);
    driver.say(FULL);
    assert_eq!(driver.heard(), "StartTls | Ready");
    // Refused: on without, when that is allowed.
    for (wish, heard) in
        [(TlsWish::IfOffered, "Ready"), (TlsWish::Required, "close: refused 454 at STARTTLS")]
    {
        let mut driver = Driver::new(|config| config.tls = wish);
        driver.say("220 hi\r\n");
        driver.say(FULL);
        driver.say("454 not now\r\n");
        assert_eq!(driver.heard(), heard);
    }
    for ehlo in ["250 mx\r\n", "502 what\r\n"] {
        let mut driver = Driver::new(|config| config.tls = TlsWish::Required);
        driver.say("220 hi\r\n");
        driver.say(ehlo);
        driver.say("250 mx\r\n");
        assert_eq!(driver.heard(), "close: NoTls");
    }
    // CVE-2011-0411, client side.
    let mut driver = Driver::new(|config| config.tls = TlsWish::IfOffered);
    driver.say("220 hi\r\n");
    driver.say(FULL);
    driver.say("220 go\r\n250 AUTH PLAIN\r\n");
    assert_eq!(driver.heard(), "close: lost Nonsense(BeforeTls) at STARTTLS");
}

#[test]
fn a_password_needs_tls() {
    let credentials = Some(Credentials { user: "u".into(), password: "secret".into() });
    let with = |tls, ehlo: &str| {
        let mut config = Config::new("me.test");
        config.credentials = credentials.clone();
        config.tls = TlsWish::IfOffered;
        let client = Client::new(Arc::new(config), tls);
        let mut driver = Driver {
            client,
            sent: String::new(),
            heard: Vec::new(),
            message: None,
            hold: false,
            waiting: 0,
        };
        driver.say("220 hi\r\n");
        driver.say(ehlo);
        driver
    };
    assert_eq!(with(false, "250-mx\r\n250 AUTH PLAIN\r\n").heard(), "close: NoAuth");
    assert_eq!(with(true, "250-mx\r\n250 AUTH LOGIN\r\n").heard(), "close: NoAuth");
    let mut driver = with(true, "250-mx\r\n250 AUTH LOGIN PLAIN\r\n");
    assert!(driver.sent.ends_with("AUTH PLAIN AHUAc2VjcmV0\r\n"));
    driver.say("235 ok\r\n");
    assert_eq!(driver.heard(), "Ready");
    let mut driver = with(true, "250-mx\r\n250 AUTH LOGIN PLAIN\r\n");
    driver.say("535 no\r\n");
    assert_eq!(driver.heard(), "close: refused 535 at AUTH");
    assert!(!format!("{:?}", driver.client).contains("secret"));
}

/// Without the fence's word the server never has a whole message.
#[test]
fn the_fence_can_say_no() {
    let mut driver = Driver::ready(|_| {}, FULL);
    driver.hold = true;
    driver.send(envelope(&["a"]), "x\r\n");
    assert_eq!(driver.say("250 ok\r\n250 ok\r\n354 go\r\n"), "x\r\n");
    assert_eq!(driver.client.state(), State::Fence);
    driver.client.lost(Lost::Withdrawn);
    assert_eq!(driver.run(), "");
    assert_eq!(
        driver.heard(),
        "Body | BeforeFinalDot | 0: lost Withdrawn at message body | Done | \
         close: lost Withdrawn at message body"
    );
}

#[test]
fn recipients_the_server_cannot_take_are_not_named_to_it() {
    let mut driver = Driver::ready(|_| {}, "250-mx\r\n250 PIPELINING\r\n");
    let out = driver.send(envelope(&["jörg", "a"]), "x\r\n");
    assert_eq!(out, "MAIL FROM:<me@here.test>\r\nRCPT TO:<a@there.test>\r\nDATA\r\n");
    driver.say("250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n");
    assert_eq!(
        driver.heard(),
        "0: unable Utf8 | Body | BeforeFinalDot | 1: delivered 250 | Done | Ready"
    );
    assert_eq!(driver.send(envelope(&["jörg"]), "x\r\n"), "");
    assert_eq!(driver.heard(), "0: unable Utf8 | Done | Ready");
    assert!(driver.client.begin(envelope(&[])).is_err());
    assert_eq!(driver.client.state(), State::Ready);
}

#[test]
fn waits_are_those_of_the_rfc() {
    let minutes = |driver: &Driver| driver.client.timeout().map(|wait| wait.as_secs() / 60);
    let mut driver = Driver::new(|_| {});
    assert_eq!(minutes(&driver), Some(5));
    driver.say("220 hi\r\n");
    assert_eq!(minutes(&driver), Some(5));
    driver.say(FULL);
    assert_eq!(minutes(&driver), None);
    driver.hold = true;
    driver.send(envelope(&["a"]), "x\r\n");
    assert_eq!(minutes(&driver), Some(5));
    driver.say("250 ok\r\n250 ok\r\n");
    assert_eq!((driver.client.phase(), minutes(&driver)), (Phase::Data, Some(2)));
    driver.say("354 go\r\n");
    assert_eq!((driver.client.phase(), minutes(&driver)), (Phase::Body, Some(3)));
    driver.client.confirm();
    assert_eq!((driver.client.phase(), minutes(&driver)), (Phase::FinalDot, Some(10)));
}

/// A name, and what leads there.
type Setup = (&'static str, fn() -> Driver);

fn in_envelope(pipelining: bool, answers: &str) -> Driver {
    let mut driver = Driver::ready(|config| config.pipelining = pipelining, FULL);
    driver.hold = true;
    driver.send(envelope(&["a", "b"]), "x\r\n");
    driver.say(answers);
    driver.heard.clear();
    driver
}

const SETUPS: &[Setup] = &[
    ("Greeting", || Driver::new(|_| {})),
    ("Ehlo", || {
        let mut driver = Driver::new(|config| config.tls = TlsWish::IfOffered);
        driver.say("220 hi\r\n");
        driver
    }),
    ("Helo", || {
        let mut driver = Driver::new(|_| {});
        driver.say("220 hi\r\n502 what\r\n");
        driver
    }),
    ("StartTls", || Driver::ready(|config| config.tls = TlsWish::IfOffered, FULL)),
    ("StartTls/required", || Driver::ready(|config| config.tls = TlsWish::Required, FULL)),
    ("Auth", || {
        let mut driver = Driver::new(|config| {
            config.credentials = Some(Credentials { user: "u".into(), password: "p".into() });
            config.tls = TlsWish::Required;
        });
        driver.say("220 hi\r\n");
        driver.say(FULL);
        driver.say("220 go\r\n");
        driver.say("250-mx\r\n250 AUTH PLAIN\r\n");
        driver.heard.clear();
        driver
    }),
    ("Ready", || Driver::ready(|_| {}, FULL)),
    ("Envelope/MAIL", || in_envelope(true, "")),
    ("Envelope/RCPT", || in_envelope(true, "250 ok\r\n250 ok\r\n")),
    ("Envelope/DATA", || in_envelope(true, "250 ok\r\n250 ok\r\n550 no\r\n")),
    ("Envelope/DATA/nobody", || in_envelope(true, "250 ok\r\n550 no\r\n550 no\r\n")),
    ("Envelope/MAIL/alone", || in_envelope(false, "")),
    ("Envelope/RCPT/alone", || in_envelope(false, "250 ok\r\n")),
    ("Fence", || in_envelope(true, "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n")),
    ("FinalDot", || {
        let mut driver = in_envelope(true, "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
        driver.client.confirm();
        driver.run();
        driver
    }),
    ("FinalDot/nobody", || in_envelope(true, "250 ok\r\n550 no\r\n550 no\r\n354 go\r\n")),
    ("Rset", || in_envelope(true, "250 ok\r\n550 no\r\n550 no\r\n503 no\r\n")),
    ("Quit", || {
        let mut driver = Driver::ready(|_| {}, FULL);
        driver.client.quit();
        driver.run();
        driver
    }),
];

const REPLIES: &[&str] = &[
    "220", "221", "235", "250", "251", "334", "354", "421", "450", "451", "452", "454", "500",
    "502", "503", "535", "550", "552", "554", "600",
];

/// Every state and every reply, legal or not; and the three ways to hear nothing. To change it on purpose:
/// UPDATE_GOLDEN=1 cargo test.
#[test]
fn every_reply_in_every_state() {
    let mut table = String::new();
    for (name, setup) in SETUPS {
        for code in REPLIES {
            let mut driver = setup();
            let out = driver.say(&format!("{code} x\r\n"));
            row(&mut table, name, code, &out, &mut driver);
        }
        for (event, lost) in
            [("closed", Lost::Closed), ("silence", Lost::TimedOut), ("withdrawn", Lost::Withdrawn)]
        {
            let mut driver = setup();
            driver.client.lost(lost);
            let out = driver.run();
            row(&mut table, name, event, &out, &mut driver);
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/client/states.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    assert_eq!(table, std::fs::read_to_string(path).unwrap());
}

fn row(table: &mut String, name: &str, event: &str, out: &str, driver: &mut Driver) {
    let verbs: Vec<&str> = out.lines().map(|line| line.split(' ').next().unwrap_or("")).collect();
    let state = driver.client.state();
    let _ =
        writeln!(table, "{name}  {event} -> {state:?} [{}] {}", verbs.join(" "), driver.heard());
}

/// The words a server may say, good and bad.
fn words() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(
        prop::sample::select(vec![
            "220 hi\r\n",
            FULL,
            "250 ok\r\n",
            "250-a\r\n250 b\n",
            "354 go\r\n",
            "421 bye\r\n",
            "450 later\r\n",
            "550 5.1.1 no\r\n",
            "503 no\r\n",
            "junk\r\n",
            "25",
        ]),
        0..14,
    )
}

/// Plays a conversation of up to three messages.
fn play(text: &[&str], size: usize, change: fn(&mut Config)) -> (String, String) {
    let mut driver = Driver::new(change);
    driver.waiting = 3;
    for piece in text.concat().as_bytes().chunks(size) {
        driver.client.feed(piece);
        driver.run();
    }
    driver.client.lost(Lost::Closed);
    driver.run();
    (driver.sent.clone(), driver.heard())
}

proptest! {
    /// What is sent and concluded does not depend on how the network cut it. STARTTLS is left out: octets
    /// behind its reply are an attack or not depending on when they come.
    #[test]
    fn a_byte_at_a_time_is_the_same(text in words()) {
        prop_assert_eq!(play(&text, 1, |_| {}), play(&text, 4_000, |_| {}));
        let lmtp = |config: &mut Config| config.protocol = Protocol::Lmtp;
        prop_assert_eq!(play(&text, 1, lmtp), play(&text, 4_000, lmtp));
    }

    /// Each recipient has exactly one fate, whatever the server says.
    #[test]
    fn nobody_is_forgotten_and_nobody_told_twice(text in words(), pipelining: bool, lmtp: bool, chunks: bool) {
        let mut driver = Driver::new(|config| {
            config.pipelining = pipelining;
            config.prefer_chunking = chunks;
            config.protocol = if lmtp { Protocol::Lmtp } else { Protocol::Smtp };
        });
        driver.say("220 hi\r\n");
        driver.say(FULL);
        driver.heard.clear();
        driver.message = Some((envelope(&[]), b"x\r\n ".to_vec()));
        driver.client.begin(envelope(&["a", "b", "c"])).unwrap();
        driver.run();
        for word in text {
            driver.say(word);
        }
        driver.client.lost(Lost::Closed);
        driver.run();
        let heard = driver.heard();
        for index in 0..3 {
            prop_assert_eq!(heard.matches(&format!("{index}: ")).count(), 1, "{}", heard);
        }
        prop_assert_eq!(heard.matches("Done").count(), 1);
    }

    #[test]
    fn any_octets_are_survived(input in prop::collection::vec(any::<u8>(), 0..400), size in 1usize..50) {
        let mut driver = Driver::ready(|_| {}, FULL);
        driver.message = Some((envelope(&[]), b"x".to_vec()));
        driver.client.begin(envelope(&["a"])).unwrap();
        for piece in input.chunks(size) {
            driver.client.feed(piece);
            driver.run();
        }
        prop_assert!(driver.client.input().len() <= 4_096 + 50);
    }
}
