//! Transcripts, the table of states and commands, and what strangers can send.
//!
//! A transcript is a file of lines: `C:` what the client sends (a line end is added; `C\` adds none; `\r`, `\n`,
//! `\0`, `\t` and `\xNN` stand for octets), `S:` what it hears, `E:` what the driver was asked. The first line names
//! the connection: `# plain`, `# tls`, or `# login`, which has logged in. To change one on purpose:
//! `UPDATE_GOLDEN=1 cargo test -p pop3`, then read the difference.

use super::*;
use proptest::prelude::*;

/// UID, text. The second has a line that is a dot, the third a header that is not ASCII.
const MESSAGES: &[(u32, &str)] = &[
    (3, "Subject: one\r\n\r\nHello\r\n"),
    (7, "Subject: two\r\n\r\na\r\n.\r\n..b\r\nc\r\n"),
    (8, "Subject: drei ü\r\nX-Ü: y\r\n\r\nGrüße\r\n"),
    (12, "Subject: gone\r\n\r\n"),
    (13, "Subject: damaged\r\n\r\n"),
    (14, "Subject: away\r\n\r\n"),
];

/// A driver whose maildrop holds [`MESSAGES`] and whose password is "secret"; user "busy" is logged in elsewhere.
struct Client {
    session: Session,
    events: Vec<String>,
    removed: Vec<u32>,
    closed: bool,
}

fn config() -> Config {
    Config { stls: true, max_commands_early: 1_000, max_errors: 100, ..Config::new("mx.test") }
}

impl Client {
    fn new(config: Config, tls: bool) -> Self {
        let session = Session::new(Arc::new(config), tls);
        Self { session, events: Vec::new(), removed: Vec::new(), closed: false }
    }

    fn named(name: &str) -> Self {
        match name {
            "plain" => Self::new(config(), false),
            "tls" => Self::new(config(), true),
            "login" => {
                let mut client = Self::new(config(), true);
                client.send(b"USER fred\r\nPASS secret\r\n");
                assert_eq!(client.session.state(), State::Transaction);
                client.events.clear();
                client
            }
            other => panic!("{other}"),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> String {
        self.session.feed(bytes);
        let mut heard = BytesMut::new();
        while let Some(event) = self.session.next() {
            self.answer(event);
            heard.unsplit(self.session.output().split());
        }
        heard.unsplit(self.session.output().split());
        String::from_utf8_lossy(&heard).into_owned()
    }

    fn answer(&mut self, event: Event) {
        if event != Event::Output {
            self.events.push(format!("{event:?}"));
        }
        let session = &mut self.session;
        match event {
            Event::StartTls => session.tls_started(),
            Event::Login { user, password } => self.judge(&user, password.octets()),
            Event::Authenticate { initial: None, .. } => session.challenge(b""),
            Event::Authenticate { initial: Some(text), .. } | Event::AuthResponse(text) => {
                let parts: Vec<&[u8]> = text.octets().split(|octet| *octet == 0).collect();
                match parts[..] {
                    [_, user, password] => self.judge(&String::from_utf8_lossy(user), password),
                    _ => session.login_failed(LoginFailure::Malformed),
                }
            }
            Event::Retrieve(wanted) => self.retrieve(wanted),
            Event::Update => {
                self.removed = session.maildrop().deleted().collect();
                let failure = match self.removed[..] {
                    [12, ..] => Err(RemoveFailure::Unavailable),
                    [13, ..] => Err(RemoveFailure::LockLost),
                    [14, ..] => Err(RemoveFailure::Unknown),
                    _ => Ok(()),
                };
                self.events.push(format!("removed: {:?}", self.removed));
                session.removed(failure);
            }
            Event::Close => self.closed = true,
            Event::AuthCancelled | Event::Output => {}
        }
    }

    fn judge(&mut self, user: &str, password: &[u8]) {
        let failure = match (user, password) {
            ("busy", b"secret") => LoginFailure::InUse,
            ("away", _) => LoginFailure::Unavailable,
            ("often", _) => LoginFailure::Throttled,
            (_, b"secret") => {
                let messages = MESSAGES.iter().map(|(uid, text)| (*uid, text.len() as u32));
                return self.session.opened(Maildrop::new(9, messages.collect()));
            }
            _ => LoginFailure::Rejected,
        };
        self.session.login_failed(failure);
    }

    fn retrieve(&mut self, wanted: Retrieve) {
        let failure = match wanted.uid {
            12 => RetrieveFailure::Gone,
            13 => RetrieveFailure::Damaged,
            14 => RetrieveFailure::Unavailable,
            uid => {
                let (_, text) = MESSAGES.iter().find(|(known, _)| *known == uid).unwrap();
                self.session.content_begin(wanted.lines);
                let mut pieces = text.as_bytes().chunks(5);
                while pieces.next().is_some_and(|piece| self.session.content(piece)) {}
                return self.session.content_end();
            }
        };
        self.session.content_failed(failure);
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match rest.next() {
            Some(b'r') => out.push(b'\r'),
            Some(b'n') => out.push(b'\n'),
            Some(b'0') => out.push(0),
            Some(b't') => out.push(b'\t'),
            Some(b'x') => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            }
            other => panic!("{other:?}"),
        }
    }
    out
}

fn client_input(line: &str) -> Option<Vec<u8>> {
    if let Some(text) = line.strip_prefix("C\\ ") {
        return Some(unescape(text));
    }
    let text = line.strip_prefix("C:")?;
    let mut octets = unescape(text.strip_prefix(' ').unwrap_or(text));
    octets.extend_from_slice(b"\r\n");
    Some(octets)
}

/// Plays a transcript in pieces of this size, and writes down what happened.
fn replay(transcript: &str, piece: usize) -> String {
    let first = transcript.lines().next().unwrap();
    let mut client = Client::named(first.strip_prefix("# ").unwrap());
    let mut out = format!("{first}\n");
    out += &written(&client.send(b""), &mut client.events);
    for line in transcript.lines().skip(1) {
        if line.starts_with('#') || line.is_empty() {
            out += &format!("{line}\n");
        }
        let Some(octets) = client_input(line) else { continue };
        let mut heard = String::new();
        for piece in octets.chunks(piece) {
            heard += &client.send(piece);
        }
        out += &format!("{line}\n{}", written(&heard, &mut client.events));
    }
    if client.closed { out + "closed\n" } else { out }
}

fn written(heard: &str, events: &mut Vec<String>) -> String {
    let mut out: String = events.drain(..).map(|event| format!("E: {event}\n")).collect();
    for line in heard.split_inclusive('\n') {
        out += &format!("S: {}\n", line.strip_suffix("\r\n").expect("a whole line"));
    }
    out
}

#[test]
fn transcripts() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/session/transcripts");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 6);
    for path in files {
        let transcript = std::fs::read_to_string(&path).unwrap();
        let whole = replay(&transcript, usize::MAX);
        assert_eq!(whole, replay(&transcript, 1), "a byte at a time: {path:?}");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &whole).unwrap();
        } else {
            assert_eq!(whole, transcript, "{path:?}");
        }
    }
}

/// The table of RFCs names what CAPA says, and transcripts that are there.
#[test]
fn the_table_of_rfcs_says_what_is_announced() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let mut named = Vec::new();
    for row in include_str!("../rfc.md").lines().filter(|line| line.starts_with("| ")).skip(1) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        named.extend(cells[4].split(", ").map(str::to_owned));
        for (kind, folder) in
            [("m: ", "session/transcripts"), ("s: ", "../../tests/pop3/transcripts")]
        {
            let names = cells[5].split(". ").find_map(|part| part.strip_prefix(kind));
            for name in names.expect(row).split(", ") {
                let path = format!("{root}{folder}/{name}.txt");
                assert!(std::path::Path::new(&path).is_file(), "{path}");
            }
        }
    }
    let mut announced: Vec<String> = ["plain", "tls"]
        .iter()
        .flat_map(|start| {
            let heard = Client::named(start).send(b"CAPA\r\n");
            let lines = heard.lines().skip(2).filter(|line| *line != ".");
            lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
        })
        .collect();
    announced.sort();
    announced.dedup();
    named.sort();
    assert_eq!(named, announced);
}

fn arguments(name: &str) -> &'static str {
    match name {
        "USER" => " fred",
        "PASS" => " secret",
        "AUTH" => " PLAIN AGZyZWQAc2VjcmV0",
        "TOP" => " 1 0",
        "RETR" | "DELE" => " 1",
        _ => "",
    }
}

/// Every state and every command, legal or not. To change it on purpose: UPDATE_GOLDEN=1 cargo test.
#[test]
fn every_command_in_every_state() {
    let starts: [(&str, &str, &str); 8] = [
        ("Plain", "plain", ""),
        ("Plain, UTF8", "plain", "UTF8\r\n"),
        ("Tls", "tls", ""),
        ("Tls, USER", "tls", "USER fred\r\n"),
        ("Tls, AUTH", "tls", "AUTH PLAIN\r\n"),
        ("Transaction", "login", ""),
        ("Transaction, DELE 1", "login", "DELE 1\r\n"),
        ("Update", "login", "QUIT\r\n"),
    ];
    let mut table = String::new();
    for (state, start, said) in starts {
        for spec in COMMANDS {
            let mut client = Client::named(start);
            client.send(said.as_bytes());
            client.events.clear();
            let line = format!("{}{}\r\n", spec.name, arguments(spec.name));
            let heard = client.send(line.as_bytes());
            let answer = heard.lines().next().unwrap_or("nothing");
            let after = client.session.state();
            let closed = if client.closed { ", closed" } else { "" };
            table += &format!("{state}: {} → {answer} → {after:?}{closed}\n", spec.name);
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/session/states.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    assert_eq!(table, std::fs::read_to_string(path).unwrap());
}

#[test]
fn without_tls_no_password_is_taken() {
    let mut client = Client::new(Config { stls: false, ..config() }, false);
    let heard =
        client.send(b"CAPA\r\nSTLS\r\nUSER fred\r\nPASS secret\r\nAUTH PLAIN AGZyZWQAc2VjcmV0\r\n");
    let offered = |line: &str| line == "STLS" || line == "USER" || line.starts_with("SASL");
    assert!(!heard.lines().any(offered), "{heard}");
    assert_eq!(heard.lines().filter(|line| line.starts_with("-ERR")).count(), 4, "{heard}");
    assert!(client.events.is_empty(), "{:?}", client.events);
}

#[test]
fn nothing_said_before_tls_counts() {
    let mut client = Client::named("plain");
    client.send(b"STLS\r\nUSER fred\r\nPASS secret\r\n");
    assert_eq!(
        (client.events, client.session.state()),
        (vec!["StartTls".to_owned()], State::Authorization)
    );
}

#[test]
fn ends_that_remove_nothing() {
    type End = fn(&mut Session);
    let ends: [(End, &str); 3] = [
        (Session::timed_out, ""),
        (|session| assert!(session.shut_down()), "-ERR [SYS/TEMP] "),
        (Session::lock_lost, "-ERR [IN-USE] "),
    ];
    for (end, said) in ends {
        let mut client = Client::named("login");
        client.send(b"DELE 1\r\n");
        end(&mut client.session);
        let heard = client.send(b"QUIT\r\n");
        assert!(heard.starts_with(said) && heard.lines().count() <= 1, "{heard}");
        assert!(client.closed && client.events == ["Close"], "{:?}", client.events);
    }
}

#[test]
fn strangers_do_not_go_on_for_ever() {
    let mut many = Client::new(Config { max_commands_early: 5, ..config() }, true);
    assert!(many.send("CAPA\r\n".repeat(10).as_bytes()).contains("Too many commands"));
    assert!(many.closed);
    let mut wrong = Client::new(Config { max_errors: 3, ..config() }, true);
    wrong.send("USER fred\r\nPASS wrong\r\n".repeat(5).as_bytes());
    assert!(wrong.closed && wrong.events.len() == 4, "{:?}", wrong.events);
    let mut http = Client::named("plain");
    assert!(http.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").contains("mail server") && http.closed);
    let mut endless = Client::named("plain");
    let mut sent = 0;
    while !endless.closed {
        sent += 1;
        endless.send(&[b'x'; 1_000]);
        // As long as the longest response to a challenge, and not longer.
        assert!(endless.session.input().len() < config().max_line_bytes + 2_000 && sent < 100);
    }
}

/// A hundred thousand messages are listed in pieces, and what is unsent stays small whatever is asked at once.
#[test]
fn long_listings_come_in_pieces() {
    let mut session = Session::new(Arc::new(config()), true);
    session.feed(b"USER a\r\nPASS b\r\nLIST\r\nUIDL\r\nDELE 99999\r\nSTAT\r\n");
    let (mut heard, mut most) = (BytesMut::new(), 0);
    while let Some(event) = session.next() {
        if let Event::Login { .. } = event {
            session.opened(Maildrop::new(1, (1..=100_000).map(|uid| (uid, 1000)).collect()));
        }
        most = most.max(session.output().len());
        heard.unsplit(session.output().split());
    }
    heard.unsplit(session.output().split());
    let heard = String::from_utf8(heard.to_vec()).unwrap();
    assert!(most < 2 * OUTPUT, "{most}");
    assert_eq!(heard.lines().filter(|line| *line == ".").count(), 2);
    assert!(heard.contains(
        "\r\n100000 1000\r\n.\r\n+OK 100000 messages (100000000 octets)\r\n1 0000000100000001\r\n"
    ));
    assert!(
        heard.ends_with("\r\n+OK Message 99999 is marked\r\n+OK 99999 99999000\r\n"),
        "{}",
        &heard[heard.len() - 100..]
    );
    session.feed("CAPA\r\n".repeat(2_000).as_bytes());
    let mut pieces = 0;
    while let Some(event) = session.next() {
        assert_eq!(event, Event::Output);
        assert!(session.output().len() < 2 * OUTPUT);
        session.output().clear();
        pieces += 1;
    }
    assert!(pieces > 10);
}

fn any_input() -> impl Strategy<Value = Vec<u8>> {
    let names: Vec<&str> = COMMANDS.iter().map(|spec| spec.name).collect();
    let words = prop::sample::select(
        [
            &names[..],
            &[
                " ",
                " ",
                "\r\n",
                "\r\n",
                "\r\n",
                "\n",
                "\r",
                "1",
                "2",
                "3",
                " 0",
                "-1",
                "4294967296",
                "fred",
                "secret",
            ],
            &[
                "PLAIN",
                "SCRAM-SHA-256",
                "=",
                "*",
                "AGZyZWQAc2VjcmV0",
                "\0",
                "ü",
                "en",
                "USER fred\r\nPASS secret\r\n",
            ],
        ]
        .concat(),
    );
    let sensible =
        prop::collection::vec(words, 0..60).prop_map(|words| words.concat().into_bytes());
    prop_oneof![4 => sensible, 1 => prop::collection::vec(any::<u8>(), 0..400)]
}

/// What one driver hears and is asked, the input cut into pieces.
fn heard(start: &str, input: &[u8], piece: usize) -> (String, Vec<String>, Vec<u32>, bool) {
    let mut client = Client::named(start);
    client.send(b"");
    let mut all = String::new();
    for piece in input.chunks(piece) {
        all += &client.send(piece);
    }
    (all, client.events, client.removed, client.closed)
}

proptest! {
    #[test]
    fn pieces_do_not_matter(
        input in any_input(),
        start in prop::sample::select(vec!["tls", "login"]),
        piece in 1usize..50,
    ) {
        let whole = heard(start, &input, usize::MAX);
        prop_assert_eq!(&whole, &heard(start, &input, 1));
        prop_assert_eq!(&whole, &heard(start, &input, piece));
    }

    /// Whatever comes: every line is answered by +OK or -ERR of at most 512 octets or belongs to a listing or a
    /// message, nothing is removed without QUIT, and nobody gets in without a login.
    #[test]
    fn any_octets_are_survived(input in any_input()) {
        let (all, events, removed, _) = heard("tls", &input, usize::MAX);
        for line in all.split("\r\n").filter(|line| line.starts_with("+OK") || line.starts_with("-ERR")) {
            prop_assert!(line.len() <= 510);
        }
        prop_assert!(!all.replace("\r\n", "").contains(['\r', '\n']));
        let quit = events.iter().any(|event| event == "Update");
        prop_assert!(removed.is_empty() || quit);
        let login = |event: &String| event.starts_with("Login") || event.starts_with("Auth");
        let retrieved = events.iter().position(|event| event.starts_with("Retrieve") || event == "Update");
        prop_assert!(retrieved.is_none_or(|at| events[..at].iter().any(login)));
    }
}
