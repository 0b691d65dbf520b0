use super::*;
use crate::COMMANDS;
use proptest::prelude::*;

/// A driver that says yes to everything and collects the messages.
struct Client {
    session: Session,
    messages: Vec<Vec<u8>>,
    current: Vec<u8>,
    events: Vec<String>,
    closed: bool,
}

impl Client {
    fn new(role: Role, tls: bool) -> Self {
        let mut config = Config::new(role, "mx.test");
        config.starttls = true;
        config.max_message_bytes = 10_000;
        config.max_recipients = 3;
        let session = Session::new(Arc::new(config), tls);
        Self {
            session,
            messages: Vec::new(),
            current: Vec::new(),
            events: Vec::new(),
            closed: false,
        }
    }

    fn send(&mut self, bytes: &[u8]) -> String {
        self.session.feed(bytes);
        while let Some(event) = self.session.next() {
            self.events.push(format!("{event:?}"));
            self.answer(event);
        }
        let out = self.session.output().split();
        String::from_utf8(out.to_vec()).unwrap()
    }

    fn answer(&mut self, event: Event) {
        let session = &mut self.session;
        match event {
            Event::StartTls => session.tls_started(),
            Event::Auth { initial: None, .. } => session.auth_challenge(b""),
            Event::Auth { initial: Some(text), .. } | Event::AuthResponse(text) => {
                let good = text.ends_with(b"secret");
                let slow = text.ends_with(b"slow");
                session.auth_verdict(match (good, slow) {
                    (true, _) => AuthVerdict::Ok,
                    (_, true) => AuthVerdict::Throttled,
                    _ => AuthVerdict::Rejected,
                });
            }
            Event::Mail(_) => session.mail_verdict(MailVerdict::Ok),
            Event::Rcpt(rcpt) => session.rcpt_verdict(match rcpt.forward_path.to_string() {
                path if path.starts_with("nobody") => RcptVerdict::UnknownUser,
                _ => RcptVerdict::Ok,
            }),
            Event::Data => session.data_verdict(DataVerdict::Go),
            Event::Content(bytes) => self.current.extend_from_slice(&bytes),
            Event::ContentEnd => {
                self.messages.push(std::mem::take(&mut self.current));
                let verdict = ContentVerdict::Accepted("id1".into());
                let count = if session.config.role == Role::Lmtp { session.accepted } else { 1 };
                session.content_verdicts(&vec![verdict; count]);
            }
            Event::ContentVoid | Event::Reset => self.current.clear(),
            Event::AuthCancelled => {}
            Event::Close => self.closed = true,
        }
    }

    /// Sends lines one by one and gives the code that begins each answer.
    fn codes(&mut self, lines: &[&str]) -> Vec<String> {
        lines
            .iter()
            .map(|line| self.send(format!("{line}\r\n").as_bytes()).chars().take(3).collect())
            .collect()
    }
}

/// RFC 5321 appendix D.1.
#[test]
fn a_typical_transaction() {
    let mut client = Client::new(Role::Smtp, false);
    assert_eq!(client.send(b""), "220 mx.test ESMTP Postrider\r\n");
    let hello = client.send(b"EHLO bar.com\r\n");
    for capability in [
        "PIPELINING",
        "SIZE 10000",
        "8BITMIME",
        "SMTPUTF8",
        "CHUNKING",
        "BINARYMIME",
        "DSN",
        "STARTTLS",
    ] {
        assert!(hello.contains(capability), "{capability}");
    }
    assert!(!hello.contains("AUTH"), "no AUTH on port 25");
    let codes = client.codes(&[
        "MAIL FROM:<Smith@bar.com>",
        "RCPT TO:<Jones@foo.com>",
        "RCPT TO:<nobody@foo.com>",
        "RCPT TO:<Brown@foo.com>",
        "DATA",
    ]);
    assert_eq!(codes, ["250", "250", "550", "250", "354"]);
    assert!(client.send(b"Blah\r\n..dot\r\n.\r\n").starts_with("250 2.0.0 Accepted id1"));
    assert_eq!(client.codes(&["QUIT"]), ["221"]);
    assert!(client.closed);
    assert_eq!(client.messages, [b"Blah\r\n.dot\r\n".to_vec()]);
}

#[test]
fn a_pipelined_group_is_answered_in_order() {
    let mut client = Client::new(Role::Smtp, false);
    client.send(b"EHLO a\r\n");
    let out = client.send(b"MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nRCPT TO:<nobody@b>\r\nDATA\r\nhi\r\n.\r\nMAIL FROM:<x@y>\r\n");
    let codes: Vec<&str> = out.lines().map(|line| &line[..3]).collect();
    assert_eq!(codes, ["250", "250", "550", "354", "250", "250"]);
}

#[test]
fn lmtp_answers_for_each_recipient() {
    let mut client = Client::new(Role::Lmtp, false);
    assert_eq!(client.codes(&["EHLO a", "LHLO a"]), ["220", "250"]);
    let out = client.send(b"MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nRCPT TO:<c@b>\r\nDATA\r\nhi\r\n.\r\n");
    assert_eq!(out.matches("250 2.0.0 Accepted").count(), 2);
}

#[test]
fn chunks() {
    let mut client = Client::new(Role::Smtp, false);
    client.send(b"EHLO a\r\nMAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<a@b>\r\n");
    assert_eq!(client.codes(&["DATA"]), ["503"]);
    let out = client.send(b"BDAT 5\r\na\nb\0.BDAT 4 LAST\r\n\r\n.\n");
    assert_eq!(out.matches("250 ").count(), 2);
    assert_eq!(client.messages, [b"a\nb\0.\r\n.\n".to_vec()]);
    // Out of order: the octets are swallowed, not taken for commands.
    assert_eq!(client.send(b"BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n").lines().count(), 2);
    assert!(!client.closed);
    client.send(b"BDAT x\r\n");
    assert!(client.closed);
}

#[test]
fn submission_needs_tls_and_auth() {
    let mut client = Client::new(Role::Submission, false);
    client.send(b"EHLO a\r\n");
    assert_eq!(client.codes(&["MAIL FROM:<a@b>", "AUTH PLAIN AHgAeQ=="]), ["530", "538"]);
    assert_eq!(client.codes(&["STARTTLS", "MAIL FROM:<a@b>"]), ["220", "503"]);
    assert!(client.send(b"EHLO a\r\n").contains("AUTH PLAIN LOGIN SCRAM-SHA-256"));
    assert_eq!(
        client.codes(&["AUTH CRAM-MD5", "AUTH PLAIN ?", "AUTH PLAIN AHgAeQ=="]),
        ["504", "501", "535"]
    );
    assert_eq!(
        client.codes(&["AUTH PLAIN", "*", "AUTH PLAIN", "AHgAc2VjcmV0"]),
        ["334", "501", "334", "235"]
    );
    assert_eq!(client.codes(&["AUTH PLAIN", "MAIL FROM:<a@b>"]), ["503", "250"]);
}

/// RFC 8689 §2: "The session itself MUST employ TLS transmission."
#[test]
fn requiretls_is_for_encrypted_sessions() {
    for (honoured, tls, code) in [(true, true, "250"), (true, false, "555"), (false, true, "555")] {
        let mut client = Client::new(Role::Smtp, tls);
        Arc::get_mut(&mut client.session.config).unwrap().require_tls = honoured;
        let offered = client.send(b"EHLO a\r\n").contains("REQUIRETLS");
        assert_eq!(offered, code == "250");
        assert_eq!(client.codes(&["MAIL FROM:<a@b> REQUIRETLS"]), [code]);
    }
}

#[test]
fn commands_behind_starttls_are_not_run() {
    let mut client = Client::new(Role::Smtp, false);
    client.send(b"EHLO a\r\n");
    let out = client.send(b"STARTTLS\r\nMAIL FROM:<evil@x>\r\n");
    assert!(out.starts_with("554") && client.closed, "{out}");
}

#[test]
fn bad_input_has_its_answer() {
    let codes = |input: &[u8]| {
        let mut client = Client::new(Role::Smtp, false);
        client.send(b"EHLO a\r\n");
        client.send(input).chars().take(3).collect::<String>()
    };
    assert_eq!(codes(b"NOOP\n"), "500");
    assert_eq!(codes(b"NO\rOP\r\n"), "500");
    assert_eq!(codes(b"NOOP\0\r\n"), "500");
    assert_eq!(codes(b"NOOP \xff\r\n"), "500");
    assert_eq!(codes(&[b"NOOP ".as_slice(), &[b'x'; 9000], b"\r\n"].concat()), "500");
    assert_eq!(codes(b"MAIL FROM:<a@b> SIZE=10001\r\n"), "552");
    for first in [&b"\x16\x03\x01\x02\x00"[..], b"GET / HTTP/1.1\r\n"] {
        let mut client = Client::new(Role::Smtp, false);
        assert!(client.send(first).contains("554") && client.closed);
    }
}

#[test]
fn a_void_message_is_swallowed_and_refused() {
    for (body, code) in [
        ("a\nb", "550"),
        ("a\rb", "550"),
        ("x\n.\nMAIL FROM:<evil@x>", "550"),
        // To a server that takes CR CR LF for no line end, the message goes on.
        ("x\r\r\n.\r\nMAIL FROM:<evil@x>", "550"),
    ] {
        let mut client = Client::new(Role::Smtp, false);
        client.send(b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n");
        let out = client.send(format!("{body}\r\n.\r\nNOOP\r\n").as_bytes());
        assert!(out.starts_with(code) && out.lines().count() == 1 && client.closed, "{out}");
        assert!(client.messages.is_empty());
    }
    let mut client = Client::new(Role::Smtp, false);
    client.send(b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n");
    assert!(client.send(&[&[b'x'; 20_000][..], b"\r\n.\r\n"].concat()).starts_with("552"));
    assert_eq!(client.codes(&["MAIL FROM:<>"]), ["250"]);
}

/// More than twice the largest message is not even swallowed.
#[test]
fn an_endless_message_is_cut_off() {
    for start in ["DATA\r\n", "BDAT 20000\r\n", "BDAT 20001\r\n"] {
        let mut client = Client::new(Role::Smtp, false);
        client.send(b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\n");
        let mut out = client.send(start.as_bytes());
        if start == "DATA\r\n" {
            out.clear();
        }
        for _ in 0..30 {
            out += &client.send(&[b'x'; 1_000]);
        }
        let closed = client.closed || start == "BDAT 20000\r\n";
        assert!(closed && out.starts_with("552 "), "{out}");
        assert!(client.current.is_empty() && client.messages.is_empty());
    }
}

/// Guessing passwords ends the session, whether the answer is "wrong" or "not now".
#[test]
fn a_thousand_passwords_do_not_fit_into_one_session() {
    for guess in ["AHgAeA==", "AHgAc2xvdw=="] {
        let mut client = Client::new(Role::Submission, true);
        client.send(b"EHLO a\r\n");
        let mut tries = 0;
        while !client.closed {
            client.send(format!("AUTH PLAIN {guess}\r\n").as_bytes());
            tries += 1;
        }
        assert_eq!(tries, 10);
    }
}

#[test]
fn errors_and_idling_end_the_session() {
    let mut client = Client::new(Role::Smtp, false);
    let out = client.send("BOGUS\r\n".repeat(50).as_bytes());
    assert!(client.closed && out.ends_with("421 4.7.0 Too many errors\r\n"));
    let mut client = Client::new(Role::Smtp, false);
    client.send("NOOP\r\n".repeat(500).as_bytes());
    assert!(client.closed);
    let mut client = Client::new(Role::Smtp, false);
    client.send(b"EHLO a\r\nMAIL FROM:<>\r\n");
    assert_eq!(client.codes(&["RCPT TO:<a@b>"; 4]), ["250", "250", "250", "452"]);
}

/// Recipients and chunks are bounded by the message's own limits: a large message is no idle chatter.
#[test]
fn a_message_of_many_commands_is_not_idle() {
    let mut client = Client::new(Role::Smtp, false);
    let config = Config { max_recipients: 1_000, ..(*client.session.config).clone() };
    client.session.config = Arc::new(config);
    client.send(b"EHLO a\r\nMAIL FROM:<>\r\n");
    let out = client.send("RCPT TO:<a@b>\r\n".repeat(1_000).as_bytes());
    assert_eq!(out.matches("250 2.1.5").count(), 1_000);
    let out = client.send("BDAT 1\r\nx".repeat(1_000).as_bytes());
    assert_eq!(out.matches("250 2.0.0 Chunk").count(), 1_000);
    assert!(client.send(b"BDAT 0 LAST\r\n").starts_with("250 2.0.0 Accepted"));
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nBDAT 1\r\nx");
    assert!(client.send("BDAT 0\r\n".repeat(300).as_bytes()).contains("421 "));
}

/// Every stage and every command, legal or not. To change it on purpose: UPDATE_GOLDEN=1 cargo test.
#[test]
fn every_command_in_every_stage() {
    let prologues = [
        ("Connected", ""),
        ("Ready", "EHLO a\r\n"),
        ("Mail", "EHLO a\r\nMAIL FROM:<>\r\n"),
        ("Rcpt", "EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\n"),
        ("Bdat", "EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nBDAT 1\r\nx"),
    ];
    let mut table = String::new();
    for (role, hello) in [(Role::Smtp, "EHLO"), (Role::Submission, "EHLO"), (Role::Lmtp, "LHLO")] {
        for (stage, prologue) in prologues {
            for spec in COMMANDS {
                let mut client = Client::new(role, true);
                let mut prologue = prologue.replace("EHLO", hello);
                if role == Role::Submission {
                    prologue = prologue.replacen("a\r\n", "a\r\nAUTH PLAIN AHgAc2VjcmV0\r\n", 1);
                }
                client.send(prologue.as_bytes());
                let arguments = match spec.verb {
                    Verb::Mail => " FROM:<>",
                    Verb::Rcpt => " TO:<a@b>",
                    Verb::Ehlo | Verb::Helo | Verb::Lhlo => " a",
                    Verb::Bdat => " 0",
                    Verb::Auth => " PLAIN",
                    _ => "",
                };
                let out = client.send(format!("{}{arguments}\r\n", spec.name).as_bytes());
                let code: String = out.chars().take(3).collect();
                table += &format!(
                    "{role:?} {stage} {} {code} {:?}\n",
                    spec.name,
                    client.session.stage()
                );
            }
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/session/stages.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    assert_eq!(table, std::fs::read_to_string(path).unwrap());
}

proptest! {
    #[test]
    fn a_byte_at_a_time_is_the_same(
        words in prop::collection::vec(prop::sample::select(vec![
            "EHLO a\r\n", "MAIL FROM:<>\r\n", "RCPT TO:<a@b>\r\n", "DATA\r\n", "x\r\n", ".\r\n", "..\r\n", "\n", "\r",
            "BDAT 3\r\n", "BDAT 2 LAST\r\n", "abc", "RSET\r\n", "NOOP\r\n", "QUIT\r\n", "\0", "AUTH PLAIN\r\n", "*\r\n",
        ]), 0..40),
    ) {
        let input = words.concat();
        let mut whole = Client::new(Role::Smtp, false);
        let mut out_whole = whole.send(input.as_bytes());
        let mut single = Client::new(Role::Smtp, false);
        let mut out_single = single.send(b"");
        for byte in input.as_bytes() {
            out_single += &single.send(&[*byte]);
        }
        out_whole += &whole.send(b"");
        prop_assert_eq!(out_whole, out_single);
        prop_assert_eq!(whole.messages, single.messages);
        prop_assert_eq!(whole.closed, single.closed);
    }

    #[test]
    fn a_byte_at_a_time_is_the_same_for_submission_and_lmtp(
        words in prop::collection::vec(prop::sample::select(vec![
            "EHLO a\r\n", "LHLO a\r\n", "AUTH PLAIN AHgAc2VjcmV0\r\n", "AUTH LOGIN\r\n", "AUTH PLAIN\r\n", "*\r\n",
            "AHgAc2VjcmV0\r\n", "MAIL FROM:<a@b> SIZE=1\r\n", "RCPT TO:<a@b>\r\n", "DATA\r\n", "x\r\n.\r\n",
            "BDAT 0 LAST\r\n", "BDAT 2\r\n", "RSET\r\n", "AUTH", "=", "\r\n",
        ]), 0..40),
        lmtp in any::<bool>(),
    ) {
        let role = if lmtp { Role::Lmtp } else { Role::Submission };
        let input = words.concat();
        let (mut whole, mut single) = (Client::new(role, true), Client::new(role, true));
        let out_whole = whole.send(input.as_bytes());
        let mut out_single = single.send(b"");
        for byte in input.as_bytes() {
            out_single += &single.send(&[*byte]);
        }
        prop_assert_eq!(out_whole, out_single);
        prop_assert_eq!(whole.messages, single.messages);
        prop_assert_eq!(whole.closed, single.closed);
    }

    #[test]
    fn any_octets_are_survived(input in prop::collection::vec(any::<u8>(), 0..400)) {
        Client::new(Role::Smtp, false).send(&input);
        Client::new(Role::Lmtp, true).send(&input);
        Client::new(Role::Submission, true).send(&input);
    }
}
